"""The section in which a record is completed, signed and added to, and its page as PDF."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from courses.models import InfusionAmendment
from courses.services.signing import amend
from courses.tests.day_kit import Day, infusing, put_row, ten
from courses.tests.sign_kit import completed, finished, signed

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(ten(120), tick=False):
        yield


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(day: Day, user: User) -> str:
    return client_of(user).get(reverse("infusion:day", args=[day.pk])).content.decode()


def section(day: Day, user: User) -> str:
    text = page(day, user)
    return text[text.index('id="section-sign"') : text.index('class="day-bar"')]


def post(day: Day, user: User, name: str, **data: object) -> tuple[int, str]:
    answer = client_of(user).post(reverse(f"infusion:{name}", args=[day.pk]), data, **HTMX)
    text = answer.content.decode()
    return answer.status_code, text[text.index('id="section-sign"') :] if "section-sign" in text else text


def test_the_nurse_completes_and_the_prescriber_signs() -> None:
    day = finished()
    assert "To complete" in section(day, day.nurse)
    status, text = post(day, day.nurse, "complete", version=day.record.version)
    assert status == 200
    assert f"Completed by {day.nurse.display_name}, waits for {day.clinician.display_name}" in text
    assert "Sign the record" not in text
    assert "Sign the record" in section(day, day.clinician)
    status, text = post(day, day.clinician, "sign", version=day.record.version)
    assert (status, "Signed 12:00" in text) == (200, True)


def test_what_is_missing_is_listed_with_links_and_cannot_be_forced() -> None:
    day = infusing()
    text = section(day, day.nurse)
    assert 'data-open-section="discharge">The patient has not left.' in text
    assert reverse("infusion:complete", args=[day.pk]) not in text
    status, text = post(day, day.nurse, "complete", version=day.record.version)
    assert (status, "The record is not complete yet." in text) == (422, True)
    assert day.record.completed_at is None


def test_who_was_overtaken_gets_a_conflict_and_the_page_as_it_stands() -> None:
    day = finished()
    seen = day.record.version
    put_row(day, ten(110), 128, 80)
    status, text = post(day, day.clinician, "complete", version=seen)
    assert status == 409
    assert "recorded vital signs at 11:50" in text
    assert f'name="version" value="{seen + 1}"' in text


def test_a_record_that_changed_after_completion_asks_to_be_completed_again() -> None:
    day = completed()
    put_row(day, ten(115), 128, 80)
    text = section(day, day.clinician)
    assert "Changed after it was completed" in text
    assert "recorded vital signs at 11:55" in text
    assert reverse("infusion:sign", args=[day.pk]) not in text
    assert post(day, day.clinician, "sign", version=day.record.version)[0] == 409
    assert post(day, day.nurse, "complete", version=day.record.version)[0] == 200
    assert post(day, day.clinician, "sign", version=day.record.version)[0] == 200


def test_completion_is_taken_back_with_one_tap() -> None:
    day = completed()
    assert post(day, day.nurse, "take_back", version=day.record.version)[0] == 200
    assert day.record.completed_at is None
    assert post(day, day.nurse, "take_back", version=day.record.version)[0] == 422


def test_without_javascript_the_acts_lead_back_to_the_page() -> None:
    day = finished()
    answer = client_of(day.nurse).post(
        reverse("infusion:complete", args=[day.pk]), {"version": str(day.record.version)}
    )
    assert (answer.status_code, answer["Location"]) == (302, reverse("infusion:day", args=[day.pk]))


def test_after_the_signature_only_amendments_are_offered() -> None:
    day = signed()
    text = page(day, day.nurse)
    offered = {part.split('"')[0] for part in text.split('action="')[1:]}
    mine = {one for one in offered if "/infusion/" in one}
    assert mine == {reverse("infusion:amend", args=[day.pk])}


def test_an_amendment_stands_below_with_its_author_and_says_what_is_missing() -> None:
    day = signed()
    status, text = post(day, day.nurse, "amend", reason="Late call", text="<b>Slept</b> well")
    assert status == 200
    assert "&lt;b&gt;Slept&lt;/b&gt; well" in text
    assert f"{day.nurse.display_name}, Mon 5 Apr, 12:00" in text
    assert "Signed 11:52, 1 added since" in text
    status, text = post(day, day.nurse, "amend", reason="", text="Something")
    assert (status, "Say why this is added." in text) == (422, True)
    assert "Something" in text
    assert InfusionAmendment.objects.count() == 1


def test_an_amendment_before_the_signature_is_refused() -> None:
    day = completed()
    status, text = post(day, day.nurse, "amend", reason="Late call", text="Slept well")
    assert (status, "not signed yet" in text) == (422, True)


def test_nonsense_for_a_version_saves_nothing() -> None:
    day = finished()
    for wrong in ("", "x", "-1"):
        assert post(day, day.nurse, "complete", version=wrong)[0] == 422
    assert day.record.completed_at is None


@pytest.mark.parametrize("name", ["complete", "take_back", "sign", "amend"])
def test_others_do_none_of_it(name: str) -> None:
    day = completed()
    url = reverse(f"infusion:{name}", args=[day.pk])
    for user in (day.clinic.desk, day.clinic.manager):
        assert client_of(user).post(url, {"version": "1"}).status_code == 403
    assert Client().post(url).status_code == 302
    assert client_of(day.clinician).get(url).status_code == 405


def test_a_nurse_cannot_sign() -> None:
    day = completed()
    assert client_of(day.nurse).post(reverse("infusion:sign", args=[day.pk])).status_code == 403


# --- the file ---------------------------------------------------------------------------------------------------------
def test_the_pdf_opens_for_clinical_staff_is_logged_and_its_name_says_nothing() -> None:
    day = signed()
    amend(booking_id=day.pk, reason="Late call", text="Slept well.", by=day.nurse, now=ten(115))
    url = reverse("infusion:pdf", args=[day.pk])
    answer = client_of(day.clinician).get(url)
    assert answer.content.startswith(b"%PDF-")
    assert answer["Content-Disposition"] == f'inline; filename="infusion-{day.pk}.pdf"'
    assert "no-store" in answer["Cache-Control"]
    row = AccessLog.objects.get(subject=day.patient.resource)
    assert (row.page, row.user) == ("Infusion record, PDF", day.clinician)
    for user in (day.clinic.desk, day.clinic.manager):
        assert client_of(user).get(url).status_code == 403
    assert client_of(day.nurse).get(reverse("infusion:pdf", args=[987_654_321])).status_code == 404
