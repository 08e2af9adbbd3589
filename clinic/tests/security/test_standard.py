"""Single requirements of docs/security.md that no other test holds: passwords, the door, transport, workbooks."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from courses.models import ReportMail, SavedReport
from patients.adapters.tables import UnreadableFileError, look, records

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
PASSWORD = "four quiet chairs"


@pytest.fixture
def clinic() -> Iterator[Clinic]:
    with time_machine.travel(NOW, tick=False):
        yield make_clinic()


# --- passwords ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("password", ["nine sign", "password123", "1234567890", "ines.moreau", "0123456789"])
def test_a_short_common_numeric_or_own_word_is_no_password(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password, User(username="ines.moreau", email="ines.moreau@clinic.example"))


@pytest.mark.parametrize(
    "password", ["four quiet chairs", "aaaaabbbbbcc", "пароль из слов", "x" * 128, "🪑🪑🪑🪑 and a window"]
)
def test_any_signs_will_do_also_spaces_and_long_ones(password: str) -> None:
    person = make_user(Role.NURSE, username="ines")
    validate_password(password, person)
    person.set_password(password)
    person.save()
    answer = Client().post("/accounts/login/", {"login": "ines", "password": password})
    assert answer.headers.get("Location") == "/"


def test_a_password_is_typed_unseen_and_may_be_pasted_or_filled_in() -> None:
    page = Client().get("/accounts/login/").content.decode()
    field = page[page.index('type="password"') - 300 :][:600]
    assert 'name="password"' in field
    assert 'autocomplete="current-password"' in field
    assert "onpaste" not in page


def test_a_new_password_needs_the_old_one(clinic: Clinic) -> None:
    clinic.nurse.set_password(PASSWORD)
    clinic.nurse.save()
    client = Client()
    client.force_login(clinic.nurse)
    typed = {"oldpassword": "another one", "password1": "five quiet chairs", "password2": "five quiet chairs"}
    assert client.post(reverse("account_change_password"), typed).status_code != 302
    clinic.nurse.refresh_from_db()
    assert clinic.nurse.check_password(PASSWORD)


def test_a_second_factor_is_changed_only_shortly_after_the_password_was_typed(clinic: Clinic) -> None:
    clinic.nurse.set_password(PASSWORD)
    clinic.nurse.save()
    client = Client()
    client.force_login(clinic.nurse)
    asked = client.get(reverse("mfa_activate_totp")).headers["Location"]
    assert asked.startswith("/accounts/reauthenticate/")
    assert client.post(asked, {"password": "another one"}).status_code == 200
    assert client.get(reverse("mfa_activate_totp")).status_code == 302
    assert client.post(asked, {"password": PASSWORD}).headers["Location"] == reverse("mfa_activate_totp")
    assert client.get(reverse("mfa_activate_totp")).status_code == 200
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        answer = client.get(reverse("mfa_activate_totp"))
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")


# --- the door -----------------------------------------------------------------------------------------------------------
def test_no_account_comes_with_the_product_and_production_loads_none(settings: Any) -> None:
    assert not User.objects.exists()
    settings.PRODUCTION = True
    with pytest.raises(CommandError):
        call_command("load_demo")
    assert not User.objects.exists()


@pytest.mark.parametrize("role", list(Role))
def test_signing_out_is_on_every_page(clinic: Clinic, role: Role) -> None:
    client = Client()
    client.force_login(clinic.users[role])
    for name in ("courses:today", "worklists:all", "setup:me", "courses:protocols"):
        answer = client.get(reverse(name))
        assert answer.status_code == 200 or role is Role.MANAGER
        assert f'action="{reverse("account_logout")}"' in answer.content.decode(), name


# --- transport ----------------------------------------------------------------------------------------------------------
def test_production_asks_for_tls_and_for_it_alone_from_then_on(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    client = Client()
    assert client.get("/accounts/login/?next=/x/").headers["Location"] == "https://testserver/accounts/login/?next=/x/"
    answer = client.get("/accounts/login/", secure=True)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


# --- what belongs to one person -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", list(Role))
def test_saved_views_and_monthly_mails_of_another_person_are_not_there_for_any_role(clinic: Clinic, role: Role) -> None:
    other = make_user(Role.MANAGER, username="other", email="other@clinic.example")
    view = SavedReport.objects.create(owner=other, name="Quarrel", report="operations", query="q", created_at=NOW)
    told = ReportMail.objects.create(owner=other, report="operations", location=clinic.location, created_at=NOW)
    client = Client()
    client.force_login(clinic.users[role])
    refused = {403} if role is Role.NURSE else {404, 405}  # a nurse has no reports at all
    for name, pk in (("saved", view.pk), ("saved_delete", view.pk), ("mail_off", told.pk)):
        for method in (client.get, client.post):
            assert method(reverse(f"reports:{name}", args=[pk])).status_code in refused, (name, method)
    for page in ("/reports/", "/reports/operations/", "/reports/outcomes/", "/reports/mail/"):
        assert "Quarrel" not in client.get(page, follow=True).content.decode()
    told.refresh_from_db()
    assert told.is_active
    assert SavedReport.objects.filter(pk=view.pk).exists()


def test_nobody_saves_or_asks_in_the_name_of_another_person(clinic: Clinic) -> None:
    User.objects.filter(pk=clinic.manager.pk).update(email="mona@clinic.example")
    as_another = {"owner": clinic.desk.pk, "owner_id": clinic.desk.pk, "by": clinic.desk.pk, "pk": 1, "id": 1}
    client = Client()
    client.force_login(clinic.manager)
    client.post(reverse("reports:save"), {"name": "Mine", "report": "operations", "query": ""} | as_another)
    wish = {"report": "operations", "location": clinic.location.pk, "query": ""}
    client.post(reverse("reports:mail"), wish | as_another)
    assert SavedReport.objects.get().owner == clinic.manager
    assert ReportMail.objects.get().owner == clinic.manager


# --- workbooks ----------------------------------------------------------------------------------------------------------
BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;"><!ENTITY d SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_a_workbook_that_declares_entities_is_refused_in_words(tmp_path: Path, part: str) -> None:
    plain, spoilt = tmp_path / "plain.xlsx", tmp_path / "spoilt.xlsx"
    book = Workbook()
    book.active.append(["Id", "Name"])
    book.active.append(["1", "Ada"])
    book.save(plain)
    assert [row.values for row in records(plain, look(plain))] == [("1", "Ada")]
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(spoilt, "w") as new:
        for info in old.infolist():
            text = old.read(info).decode()
            if info.filename == part:
                text = BOMB + text.removeprefix("<?xml version='1.0' encoding='UTF-8'?>").replace("Ada", "&c;&d;")
            new.writestr(info.filename, text)
    with pytest.raises(UnreadableFileError):
        list(records(spoilt, look(spoilt)))
