"""Adding and changing a patient: duplicates, double clicks, two people at once, odd input; the background's side sheet; merge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AllocationRole, Booking, BookingKind
from clinic.services.bookings import Claim, Wanted, book
from clinic.tests.factories import Clinic, make_clinic
from patients.models import Allergy, Medicine, Merge, Patient, PatientStatus, TreatedCondition, Unavailability
from patients.services.registry import PatientData, PhoneData, update_patient
from patients.tests.factories import make_allergy, make_patient, make_unavailability

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def desk(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.desk)
    return client


@pytest.fixture
def doctor(clinic: Clinic) -> Client:
    client = Client()
    client.force_login(clinic.clinician)
    return client


def form(*numbers: str, **fields: Any) -> dict[str, Any]:
    """What the browser sends for a patient with these numbers."""
    data = {"given_name": "Ada", "family_name": "Okafor", "birth_date": "1985-03-14", "sex": "female", "language": "en"}
    data |= {"phones-TOTAL_FORMS": str(len(numbers)), "phones-INITIAL_FORMS": "0"}
    for index, number in enumerate(numbers):
        data |= {f"phones-{index}-number": number, f"phones-{index}-kind": "mobile"}
    return data | fields


def add(client: Client, *numbers: str, **fields: Any) -> Any:
    return client.post(reverse("patients:add"), form(*numbers, **fields))


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


# --- adding -----------------------------------------------------------------------------------------------------------
def test_adding_leads_to_the_new_patient(desk: Client, clinic: Clinic) -> None:
    answer = add(
        desk, "(212) 555-0123", home_location=str(clinic.location.pk), country="US", emergency_phone="+44 20 7946 0958"
    )
    ada = Patient.objects.get()
    assert answer["Location"] == reverse("patients:detail", args=[ada.pk])
    assert (ada.home_location, ada.country, ada.emergency_phone.as_e164) == (clinic.location, "US", "+442079460958")
    assert str(ada.phones.get().number.as_e164) == "+12125550123"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("2125550123", "+12125550123"),
        ("212.555.0123", "+12125550123"),
        ("1-212-555-0123", "+12125550123"),
        ("011 49 30 901820", "+4930901820"),
        ("0049 30 901820", "+4930901820"),
        ("+49 (0)30 / 90 18 20", "+4930901820"),
        ("  +44 20 7946 0958 ", "+442079460958"),
    ],
)
def test_a_number_may_be_written_as_people_write_it(desk: Client, typed: str, kept: str) -> None:
    assert add(desk, typed).status_code == 302
    assert Patient.objects.get().phones.get().number.as_e164 == kept


@pytest.mark.parametrize(
    ("typed", "shown", "why"),
    [
        ("555-0123", "555-0123", "valid phone number"),
        ("call me", "call me", "valid phone number"),
        ("212 555 0123 x4", "(212) 555-0123 ext. 4", "Extensions cannot be dialled"),
    ],
)
def test_a_number_that_cannot_be_dialled_is_refused_beside_it(desk: Client, typed: str, shown: str, why: str) -> None:
    answer = add(desk, typed)
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert shown in text_of(answer)
    assert not Patient.objects.exists()


def test_the_same_number_twice_and_two_first_numbers_are_refused(desk: Client) -> None:
    assert "The same number is there twice" in text_of(add(desk, "212 555 0123", "(212) 555-0123"))
    both = {"phones-0-is_primary": "on", "phones-1-is_primary": "on"}
    assert "Only one number can be the one to call first" in text_of(add(desk, "2125550123", "2125550124", **both))
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"birth_date": "2027-01-08"}, "in the future"),
        ({"birth_date": "1799-05-05"}, "228 years old"),
        ({"birth_date": "1985-02-30"}, "Enter a valid date"),
        ({"birth_date": ""}, "This field is required"),
        ({"given_name": "A" * 200}, "at most 80 characters"),
        ({"family_name": "   "}, "This field is required"),
        ({"email": "ada@"}, "valid email"),
        ({"given_name": "Ada\x00"}, "Null characters are not allowed"),
    ],
)
def test_what_cannot_be_is_refused_and_what_was_typed_stays(desk: Client, fields: dict[str, str], why: str) -> None:
    answer = add(desk, pronouns="she/her", **fields)
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert "she/her" in text_of(answer)
    assert not Patient.objects.exists()


def test_born_today_is_allowed_and_spaces_are_tidied(desk: Client) -> None:
    assert add(desk, birth_date="2027-01-07", given_name="  Ada   Mae ").status_code == 302
    assert Patient.objects.get().given_name == "Ada Mae"


def test_today_is_that_of_the_location_not_of_greenwich(desk: Client, clinic: Clinic) -> None:
    """At 02:00 UTC on 8 January it is still the 7th in New York."""
    with time_machine.travel(datetime(2027, 1, 8, 2, 0, tzinfo=UTC), tick=False):
        desk.force_login(clinic.desk)  # the morning's session has timed out by then
        assert "in the future" in text_of(add(desk, birth_date="2027-01-08"))


def test_a_likely_duplicate_asks_first_and_the_answer_counts_only_for_whom_it_named(desk: Client) -> None:
    known = make_patient()
    asked = add(desk)
    assert asked.status_code == 422
    assert f"MRN {known.mrn}" in text_of(asked)
    assert "same name and birth date" in text_of(asked)
    assert add(desk, somebody_else="999").status_code == 422
    assert Patient.objects.count() == 1
    assert add(desk, somebody_else=str(known.pk)).status_code == 302
    assert Patient.objects.count() == 2


def test_somebody_else_is_not_asked_about(desk: Client) -> None:
    make_patient("Mei", "Chen")
    assert add(desk).status_code == 302


def test_the_warning_comes_while_typing_and_only_by_post(desk: Client, doctor: Client, clinic: Clinic) -> None:
    known = make_patient(phones=["+12125550123"])
    url = reverse("patients:duplicates")
    said = text_of(desk.post(url, {"given_name": "ada", "family_name": "okafor", "birth_date": "1985-03-14"}))
    assert f"MRN {known.mrn}" in said
    assert "somebody_else" in said
    by_phone = text_of(
        desk.post(url, {"given_name": "Ada", "family_name": "Okafor", "phones-0-number": "212 555 0123"})
    )
    assert "same phone" in by_phone
    editing = desk.post(
        url, {"given_name": "Ada", "family_name": "Okafor", "birth_date": "1985-03-14", "exclude": known.pk}
    )
    assert text_of(editing).strip() == ""
    assert text_of(desk.post(url, {"given_name": "", "birth_date": "19"})).strip() == ""
    assert desk.get(url).status_code == 405
    nurse = Client()
    nurse.force_login(clinic.nurse)
    assert nurse.post(url).status_code == 403


def test_the_same_form_twice_adds_one_patient(desk: Client) -> None:
    first = add(desk, token="abc", somebody_else="")
    again = desk.post(
        reverse("patients:add"), form(token="abc", somebody_else=str(Patient.objects.get().pk)), follow=True
    )
    assert Patient.objects.count() == 1
    assert again.redirect_chain[0][0] == first["Location"]
    assert "the patient was added once" in text_of(again)


def test_a_second_click_leads_to_the_patient_and_is_no_likely_duplicate(desk: Client) -> None:
    first = add(desk, token="abc", somebody_else="")
    again = add(desk, token="abc", somebody_else="")
    assert (again.status_code, again["Location"]) == (302, first["Location"])
    assert Patient.objects.count() == 1


def test_back_and_another_name_adds_another_patient(desk: Client) -> None:
    add(desk, token="abc", somebody_else="")
    known = str(Patient.objects.get().pk)
    data = form(token="abc", somebody_else=known, given_name="Bo", family_name="Chen", birth_date="1990-12-24")
    second = desk.post(reverse("patients:add"), data)
    assert Patient.objects.count() == 2
    assert second["Location"] == reverse("patients:detail", args=[Patient.objects.get(family_name="Chen").pk])


def test_one_more_number_without_javascript_keeps_what_was_typed(desk: Client) -> None:
    answer = add(desk, "not yet a numb", given_name="", more_phones="1")
    assert answer.status_code == 200
    said = text_of(answer)
    assert "not yet a numb" in said
    assert "phones-1-number" in said
    assert "required</" not in said


def test_the_quick_form_needs_only_name_and_birth_date(desk: Client) -> None:
    url = reverse("patients:quick_add")
    facts = {"given_name": "Mei", "family_name": "Chen", "birth_date": "1999-05-05", "phone": "212 555 0144"}
    answer = desk.post(url, facts, headers={"HX-Request": "true"})
    mei = Patient.objects.get()
    assert answer["HX-Redirect"] == reverse("patients:detail", args=[mei.pk])
    assert mei.phones.get().is_primary
    asked = desk.post(url, facts, headers={"HX-Request": "true"})
    assert asked.status_code == 422
    assert "<html" not in text_of(asked)
    assert "I have checked: this is somebody else" in text_of(asked)
    assert "future" in text_of(desk.post(url, facts | {"birth_date": "2030-01-01"}))


# --- editing ----------------------------------------------------------------------------------------------------------
def edit_form(client: Client, patient: Patient) -> dict[str, Any]:
    """The fields of the edit page as a browser would send them back unchanged."""
    page = client.get(reverse("patients:edit", args=[patient.pk]))
    bound = page.context["form"]
    data = {name: bound[name].value() for name in bound.fields}
    for one in page.context["phones"]:
        data |= {one.add_prefix(name): one[name].value() for name in ("number", "kind", "is_primary")}
        if not data[one.add_prefix("is_primary")]:
            data.pop(one.add_prefix("is_primary"))
    data |= {"phones-TOTAL_FORMS": len(page.context["phones"].forms), "phones-INITIAL_FORMS": 0}
    return {name: "" if value is None else value for name, value in data.items()}


def test_saving_an_unchanged_form_changes_nothing(desk: Client) -> None:
    """Also for a number of another country, which must not be shown without its country code."""
    ada = make_patient(phones=["+442079460958", "+12125550123"], emergency_phone="+4930901820")
    data = edit_form(desk, ada)
    assert data["phones-0-number"] == "+44 20 7946 0958"
    assert data["phones-1-number"] == "(212) 555-0123"
    answer = desk.post(reverse("patients:edit", args=[ada.pk]), data)
    assert answer.status_code == 302
    ada.refresh_from_db()
    assert ada.version == 1
    assert [phone.number.as_e164 for phone in ada.phones.all()] == ["+442079460958", "+12125550123"]


def test_a_removed_number_is_gone(desk: Client) -> None:
    ada = make_patient(phones=["+12125550123", "+12125550124"])
    data = edit_form(desk, ada) | {"phones-0-DELETE": "on"}
    assert desk.post(reverse("patients:edit", args=[ada.pk]), data).status_code == 302
    assert [(phone.number.as_e164, phone.is_primary) for phone in ada.phones.all()] == [("+12125550124", True)]


@pytest.mark.django_db(transaction=True)  # each save needs its own moment in the history
def test_two_people_editing_at_once_lose_nothing(desk: Client, clinic: Clinic) -> None:
    ada = make_patient(city="New York", phones=["+12125550123"])
    mine = edit_form(desk, ada) | {"city": "Chicago", "pronouns": "she/her"}
    theirs = PatientData(
        "Ada",
        "Okafor",
        date(1985, 3, 14),
        city="Boston",
        email="ada@example.org",
        phones=(PhoneData("+12125550123"), PhoneData("+12125550177")),
    )
    update_patient(patient_id=ada.pk, data=theirs, expected_version=1, by=clinic.clinician, now=NOW)
    url = reverse("patients:edit", args=[ada.pk])
    answer = desk.post(url, mine)
    assert answer.status_code == 409
    said = text_of(answer)
    assert "somebody else changed this record while you were editing" in said
    assert "Samuel Hart, MD" in said
    assert "City: <del>New York</del> → <ins>Boston</ins>" in said
    assert "you changed this too: yours stands below" in said
    ada.refresh_from_db()
    assert (ada.city, ada.version) == ("Boston", 2)

    shown = answer.context["form"]
    assert (shown["city"].value(), shown["pronouns"].value(), shown["email"].value()) == (
        "Chicago",
        "she/her",
        "ada@example.org",
    )
    rows = [one["number"].value() for one in answer.context["phones"]]
    assert rows == ["(212) 555-0123", "(212) 555-0177", None]
    data = {name: shown[name].value() or "" for name in shown.fields} | {
        "phones-TOTAL_FORMS": 2,
        "phones-INITIAL_FORMS": 0,
    }
    data |= {
        f"phones-{index}-{name}": value
        for index in (0, 1)
        for name, value in (("number", rows[index]), ("kind", "mobile"))
    }
    assert desk.post(url, data).status_code == 302
    ada.refresh_from_db()
    assert (ada.city, ada.pronouns, ada.email, ada.version) == ("Chicago", "she/her", "ada@example.org", 3)


# --- status -----------------------------------------------------------------------------------------------------------
def test_a_death_with_visits_ahead_lists_them_and_needs_a_knowing_yes(desk: Client, clinic: Clinic) -> None:
    ada = make_patient()
    start = NOW + timedelta(days=1)
    claims = (Claim(ada.resource_id, AllocationRole.PATIENT, start, start + timedelta(hours=1)),)
    wanted = Wanted(
        BookingKind.INFUSION, clinic.location.pk, start, start + timedelta(hours=1), claims, subject_id=ada.resource_id
    )
    book([wanted], by=clinic.desk, now=NOW)
    url = reverse("patients:status", args=[ada.pk])
    facts = {"status": "deceased", "deceased_on": "2027-01-06", "version": "1"}
    refused = desk.post(url, facts)
    assert refused.status_code == 422
    assert "1 booked visit is still ahead" in text_of(refused)
    assert "Fri 8 Jan, 10:00" in text_of(refused)
    assert desk.post(url, facts | {"keep_bookings": "on"}).status_code == 302
    ada.refresh_from_db()
    assert (ada.status, ada.deceased_on) == (PatientStatus.DECEASED, date(2027, 1, 6))
    assert Booking.objects.get().status == "booked"


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"status": "deceased", "deceased_on": "2027-01-08"}, "in the future"),
        ({"status": "active", "deceased_on": "2027-01-06"}, "only to a patient who has died"),
        ({"status": "deceased", "deceased_on": "1985-03-13"}, "before the date of birth"),
        ({"status": "inactive", "version": "7"}, "Somebody else changed this record"),
        ({"status": "gone"}, "Select a valid choice"),
    ],
)
def test_an_impossible_status_is_refused_in_words(desk: Client, facts: dict[str, str], why: str) -> None:
    ada = make_patient()
    answer = desk.post(reverse("patients:status", args=[ada.pk]), {"version": "1"} | facts)
    assert answer.status_code == 422
    assert why in text_of(answer)


# --- background -------------------------------------------------------------------------------------------------------
def entry_url(name: str, patient: Patient, kind: str, *more: int) -> str:
    return reverse(f"patients:{name}", args=[patient.pk, kind, *more])


def test_an_entry_is_added_in_the_sheet_and_the_page_behind_is_told(doctor: Client) -> None:
    ada = make_patient()
    facts = {
        "description": "Latex",
        "severity": "severe",
        "reaction": "hives",
        "code_system": "snomed",
        "code": "111088007",
    }
    answer = doctor.post(entry_url("entry_add", ada, "allergy"), facts, headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert {"close-sheet", "background-changed", "notice"} <= set(
        answer.headers["HX-Trigger"].replace('"', " ").split()
    )
    another = doctor.post(
        entry_url("entry_add", ada, "medicine"),
        {"description": "Sertraline", "another": "1"},
        headers={"HX-Request": "true"},
    )
    assert "Medicine, over-the-counter product" in text_of(another)
    assert "close-sheet" not in another.headers["HX-Trigger"]
    plain = doctor.post(entry_url("entry_add", ada, "condition"), {"indication": "trd"})
    assert plain["Location"] == reverse("patients:background", args=[ada.pk])
    assert (Allergy.objects.get().code, Medicine.objects.get().description) == ("111088007", "Sertraline")
    assert TreatedCondition.objects.get().indication == "trd"


@pytest.mark.parametrize(
    ("kind", "facts", "why"),
    [
        ("allergy", {"description": "Latex", "severity": "mild"}, "already on the list"),
        ("allergy", {"description": "Nuts", "severity": "mild", "code": "1"}, "Which system is this code from?"),
        ("problem", {"description": "Gout", "code_system": "icd10"}, "Give the code"),
        ("problem", {"description": "Gout", "started_on": "2027-01-08"}, "in the future"),
        (
            "problem",
            {"description": "Gout", "started_on": "2020-01-02", "ended_on": "2020-01-01"},
            "end is before the start",
        ),
        ("medicine", {"description": ""}, "This field is required"),
        ("condition", {"indication": "flu"}, "Select a valid choice"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_beside_its_field(
    doctor: Client, kind: str, facts: dict[str, str], why: str
) -> None:
    ada = make_patient()
    make_allergy(ada, "Latex")
    answer = doctor.post(entry_url("entry_add", ada, kind), facts, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert why in text_of(answer)


def test_an_entry_is_changed_ended_and_removed(doctor: Client) -> None:
    ada = make_patient()
    entry = make_allergy(ada, "Latex")
    facts = {"description": "Latex", "severity": "mild", "ended_on": "2027-01-01"}
    assert doctor.post(entry_url("entry_edit", ada, "allergy", entry.pk), facts).status_code == 302
    entry.refresh_from_db()
    assert entry.ended_on == date(2027, 1, 1)
    assert "Earlier (1)" in text_of(doctor.get(reverse("patients:background", args=[ada.pk])))
    assert doctor.post(entry_url("entry_remove", ada, "allergy", entry.pk)).status_code == 302
    assert not Allergy.objects.exists()
    assert doctor.post(entry_url("entry_remove", ada, "allergy", entry.pk)).status_code == 404


def test_an_entry_of_another_patient_or_kind_is_not_found(doctor: Client) -> None:
    ada, mei = make_patient(), make_patient("Mei", "Chen")
    entry = make_allergy(ada)
    assert doctor.get(entry_url("entry_edit", mei, "allergy", entry.pk)).status_code == 404
    assert doctor.get(entry_url("entry_add", mei, "hobby")).status_code == 404
    assert doctor.post(entry_url("entry_none", mei, "condition")).status_code == 404


def test_none_known_is_one_click_and_shows_on_the_first_page(doctor: Client) -> None:
    ada = make_patient()
    assert doctor.post(entry_url("entry_none", ada, "allergy")).status_code == 302
    assert "No known allergies" in text_of(doctor.get(reverse("patients:detail", args=[ada.pk])))


@pytest.mark.parametrize("who", ["desk", "nurse", "manager"])
def test_only_a_clinician_writes_the_background(clinic: Clinic, who: str) -> None:
    ada = make_patient()
    client = Client()
    client.force_login(getattr(clinic, who))
    for url in (entry_url("entry_add", ada, "allergy"), entry_url("entry_none", ada, "allergy")):
        assert client.post(url, {"description": "Latex", "severity": "mild"}).status_code == 403
    assert Client().post(entry_url("entry_none", ada, "allergy"))["Location"].startswith("/accounts/login/")
    assert not Allergy.objects.exists()


# --- cannot come ------------------------------------------------------------------------------------------------------
def test_a_time_when_the_patient_cannot_come_is_written_down_and_removed(desk: Client) -> None:
    ada = make_patient()
    url = reverse("patients:unavailable_add", args=[ada.pk])
    assert desk.post(url, {"first_day": "2027-01-20", "note": "travel"}).status_code == 302
    row = Unavailability.objects.get()
    assert (row.first_day, row.last_day, row.from_time) == (date(2027, 1, 20), date(2027, 1, 20), None)
    assert "Wed 20 Jan 2027" in text_of(desk.get(reverse("patients:detail", args=[ada.pk])))
    assert desk.post(reverse("patients:unavailable_remove", args=[ada.pk, row.pk])).status_code == 302
    assert not Unavailability.objects.exists()


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"first_day": "2027-01-20", "last_day": "2027-01-19"}, "The last day is before the first"),
        ({"first_day": "2027-01-01", "last_day": "2027-01-06"}, "over already"),
        ({"first_day": "2027-01-20", "last_day": "2207-01-20"}, "years ahead"),
        ({"first_day": "2027-01-20", "from_time": "09:00"}, "Give both times"),
        ({"first_day": "2027-01-20", "from_time": "12:00", "until_time": "09:00"}, "The end is not after the start"),
        ({"first_day": "2027-02-01", "last_day": "2027-02-02"}, "already on the list"),
    ],
)
def test_a_time_that_cannot_be_is_refused(desk: Client, facts: dict[str, str], why: str) -> None:
    ada = make_patient()
    make_unavailability(ada, date(2027, 2, 1), date(2027, 2, 2))
    answer = desk.post(reverse("patients:unavailable_add", args=[ada.pk]), facts)
    assert answer.status_code == 422
    assert why in text_of(answer)
    assert Unavailability.objects.count() == 1


# --- merge ------------------------------------------------------------------------------------------------------------
def test_a_clinician_finds_compares_merges_and_undoes(doctor: Client) -> None:
    kept, other = make_patient(city="New York"), make_patient(city="Boston", email="ada@example.org", mrn="20777")
    chosen = text_of(doctor.get(reverse("patients:merge_choose", args=[kept.pk])))
    assert "MRN 20777" in chosen
    assert "same name and birth date" in chosen
    url = reverse("patients:merge_compare", args=[kept.pk, other.pk])
    compared = text_of(doctor.get(url))
    assert "New York" in compared
    assert "ada@example.org" in compared
    facts = {"take_city": "duplicate", "take_email": "duplicate", "reason": "same insurance card"}
    without_reason = doctor.post(url, facts | {"reason": ""})
    assert without_reason.status_code == 422
    merged = doctor.post(url, facts, follow=True)
    assert "MRN 20777 is part of this record now" in text_of(merged)
    kept.refresh_from_db()
    assert (kept.city, kept.email) == ("Boston", "ada@example.org")
    history = text_of(doctor.get(reverse("patients:history", args=[kept.pk])))
    assert "Undo this merge" in history
    undo = reverse("patients:merge_undo", args=[Merge.objects.get().pk])
    assert "Make them two records again" in text_of(doctor.get(undo))
    undone = doctor.post(undo, follow=True)
    assert undone.redirect_chain[0][0] == reverse("patients:detail", args=[other.pk])
    again = doctor.post(undo)
    assert again.status_code == 422
    assert "undone already" in text_of(again)


def test_a_refused_merge_says_why_and_keeps_the_choices(doctor: Client) -> None:
    kept, other = make_patient(city="New York"), make_patient(city="Boston")
    Patient.objects.filter(pk=other.pk).update(status=PatientStatus.DECEASED)
    answer = doctor.post(
        reverse("patients:merge_compare", args=[kept.pk, other.pk]), {"take_city": "duplicate", "reason": "same card"}
    )
    assert answer.status_code == 422
    assert "Settle which is true first" in text_of(answer)
    assert answer.context["choices"][0].marked == "duplicate"
    assert not Merge.objects.exists()


@pytest.mark.parametrize("who", ["desk", "nurse", "manager"])
def test_only_a_clinician_merges(clinic: Clinic, who: str) -> None:
    kept, other = make_patient(), make_patient()
    client = Client()
    client.force_login(getattr(clinic, who))
    url = reverse("patients:merge_compare", args=[kept.pk, other.pk])
    assert client.get(url).status_code == 403
    assert client.post(url, {"reason": "same"}).status_code == 403
    assert not Merge.objects.exists()
