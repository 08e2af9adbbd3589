"""Models and migrations say the same."""

import pytest
from django.core.management import call_command


@pytest.mark.django_db
def test_no_model_change_waits_for_its_migration(capsys: pytest.CaptureFixture[str]) -> None:
    is_missing = False
    try:
        call_command("makemigrations", "--check", "--dry-run", verbosity=1)
    except SystemExit:
        is_missing = True
    said = capsys.readouterr().out
    assert not is_missing, f"run `manage.py makemigrations <app> -n <name>` for:\n{said}"
    assert "No changes detected" in said
