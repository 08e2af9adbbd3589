"""The command with which a new installation gets its first person."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from clinic.management.commands import add_manager
from clinic.models import User
from clinic.tests.factories import make_user

pytestmark = pytest.mark.django_db
GOOD = "four quiet chairs"


def typed(monkeypatch: pytest.MonkeyPatch, *passwords: str) -> None:
    answers = iter(passwords)
    monkeypatch.setattr(add_manager, "getpass", lambda _: next(answers))


def test_the_first_manager_can_sign_in_and_set_the_clinic_up(monkeypatch, client) -> None:
    typed(monkeypatch, GOOD, GOOD)
    call_command("add_manager", "ruth", "--first-name", "Ruth", "--last-name", "Adeyemi")
    ruth = User.objects.get()
    assert (ruth.get_full_name(), ruth.roles) == ("Ruth Adeyemi", ["manager"])
    answer = client.post("/accounts/login/", {"login": "ruth", "password": GOOD})
    assert answer.headers["Location"] == "/setup/welcome/"
    assert client.get("/setup/welcome/").status_code == client.get("/setup/").status_code == 200


@pytest.mark.parametrize(
    ("passwords", "refusal"),
    [((GOOD, "another"), "differ"), (("short", "short"), "too short"), (("1234567890",) * 2, "common")],
)
def test_a_bad_password_adds_nobody(monkeypatch, passwords, refusal) -> None:
    typed(monkeypatch, *passwords)
    with pytest.raises(CommandError, match=refusal):
        call_command("add_manager", "ruth")
    assert User.objects.count() == 0


def test_a_name_that_is_taken_is_refused(monkeypatch) -> None:
    make_user(username="ruth")
    typed(monkeypatch, GOOD, GOOD)
    with pytest.raises(CommandError, match="Somebody else has this user name"):
        call_command("add_manager", "RUTH")
