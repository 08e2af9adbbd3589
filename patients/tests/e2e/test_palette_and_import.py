"""With the keyboard alone to a patient; and a file all the way into the registry, in a real browser."""

from datetime import date

import pytest
from django.utils import timezone

from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user
from patients.models import ImportRun, ImportState, Patient
from patients.services.imports.runs import perform_run
from patients.services.search import refresh_search
from patients.tests.factories import make_patient

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(sign_in, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    make_location()
    return sign_in(make_user(Role.FRONT_DESK))


def test_slash_some_letters_and_enter_open_the_patient(desk, axe):
    people = [
        make_patient("José Eduardo", "Gómez", birth_date=date(1989, 5, 25)),
        make_patient("José Luis", "Villalobos", birth_date=date(1958, 8, 8)),
    ]
    refresh_search(people)
    desk.goto("/patients/import/")
    desk.keyboard.press("/")
    desk.keyboard.type("jose")
    desk.wait_for_selector("#search-results [role=option]")
    field = desk.locator("#search-input")
    options = desk.locator("#search-results [role=option]")
    assert options.first.get_attribute("aria-selected") == "true"
    assert field.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    desk.keyboard.press("ArrowDown")
    assert options.nth(1).get_attribute("aria-selected") == "true"
    assert field.get_attribute("aria-activedescendant") == options.nth(1).get_attribute("id")
    assert field.evaluate("element => element === document.activeElement")
    assert axe(desk) == []
    wanted = options.nth(1).get_attribute("href")
    desk.keyboard.press("Enter")
    desk.wait_for_url(f"**{wanted}")


def test_a_file_is_uploaded_checked_watched_and_imported(desk, axe, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("Id,First,Last,DOB\n1,Ada,Okafor,1985-03-14\n2,Cy,Diaz,1985-02-31\n", encoding="utf-8")
    desk.goto("/patients/import/")
    assert axe(desk) == []
    desk.set_input_files("input[name=file]", path)
    desk.get_by_role("button", name="Upload and look at it").click()
    assert desk.locator("text=Okafor").count()
    assert axe(desk) == []
    desk.get_by_role("button", name="Check all rows").click()
    desk.wait_for_selector("text=Waiting for a background worker")
    run = ImportRun.objects.get()
    perform_run(run.pk, now=timezone.now())  # the worker; the page finds out by itself
    desk.get_by_role("button", name="Import the good rows (1)").click()
    desk.wait_for_selector("text=Waiting for a background worker")
    perform_run(run.pk, now=timezone.now())
    desk.wait_for_selector("text=Imported.")
    assert axe(desk) == []
    assert desk.locator("text=is a day that does not exist").count()
    run.refresh_from_db()
    assert run.state == ImportState.DONE
    assert Patient.objects.get().family_name == "Okafor"
