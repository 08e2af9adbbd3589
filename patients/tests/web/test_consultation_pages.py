"""The consultation's page: who reads it, how a field is saved, what a conflict shows, what is refused where."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, AllocationRole, Booking, BookingKind
from clinic.pure.roles import Role
from clinic.services.bookings import Claim, Wanted, book
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import Consultation, Patient, PregnancyTest, PreviousTreatment, PriceItem, VitalSigns
from patients.pure.consultation import FIELDS, fingerprint
from patients.services.consultation_record import save_field, sign_consultation
from patients.tests.factories import (
    make_allergy,
    make_consultation,
    make_medicine,
    make_patient,
    make_previous_treatment,
    make_problem,
    make_vitals,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 12, tzinfo=UTC)  # Thu 7 Jan 2027, 10:12 in New York
EMPTY = fingerprint("")
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def record(clinic: Clinic) -> Consultation:
    return make_consultation(make_patient(), clinic.location, clinic.clinician)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def page(client: Client, record: Consultation) -> str:
    answer = client.get(record.get_absolute_url())
    assert answer.status_code == 200
    return answer.content.decode()


def save(client: Client, record: Consultation, field: str, value: str, base: str = EMPTY) -> HttpResponse:
    url = reverse("intake:consultation_field", args=[record.pk, field])
    answer: Any = client.post(url, {field: value, f"base-{field}": base}, headers=HTMX)
    return answer


# --- who sees what ----------------------------------------------------------------------------------------------------
def test_a_prescriber_writes_and_a_nurse_reads(clinic: Clinic, record: Consultation) -> None:
    Consultation.objects.filter(pk=record.pk).update(concerns="Afraid of needles")
    text = page(signed_in(clinic, Role.CLINICIAN), record)
    assert text.count("<textarea") == sum(one.kind == "long" for one in FIELDS.values())
    read = page(signed_in(clinic, Role.NURSE), record)
    assert "<textarea" not in read
    assert "Afraid of needles" in read
    assert "Record vital signs" in read
    assert save(signed_in(clinic, Role.NURSE), record, "concerns", "x").status_code == 403


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_front_desk_and_managers_reach_no_part_of_it(clinic: Clinic, record: Consultation, role: Role) -> None:
    client = signed_in(clinic, role)
    addresses = [
        record.get_absolute_url(),
        reverse("intake:consultations", args=[record.patient_id]),
        reverse("intake:consultation_part", args=[record.pk, "medicines"]),
        reverse("intake:consultation_sign", args=[record.pk]),
        reverse("intake:vitals_add", args=[record.patient_id]),
    ]
    assert [client.get(url).status_code for url in addresses] == [403] * len(addresses)
    assert save(client, record, "concerns", "x").status_code == 403
    overview = client.get(record.patient.get_absolute_url()).content.decode()
    assert record.get_absolute_url() not in overview


def test_somebody_without_a_role_and_somebody_signed_out_see_nothing(clinic: Clinic, record: Consultation) -> None:
    client = Client()
    assert client.get(record.get_absolute_url()).status_code == 302
    client.force_login(make_user())
    assert client.get(record.get_absolute_url()).status_code == 403


def test_each_reading_is_logged_once_and_a_save_is_a_reading(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    page(client, record)
    save(client, record, "concerns", "Needles")
    rows = AccessLog.objects.filter(subject=record.patient.resource).values_list("user__username", "page", "path")
    assert list(rows) == [("clinician", "Consultation record", record.get_absolute_url())]


def test_markup_in_names_and_notes_stays_text(clinic: Clinic) -> None:
    patient = make_patient("<b>Ada", "O'<script>alert(1)</script>")
    nasty = "</textarea><script>alert(2)</script>"
    record = make_consultation(patient, clinic.location, clinic.clinician, summary=nasty, condition_since='"><i>')
    make_previous_treatment(patient, nasty, note=nasty)
    make_medicine(patient, "<script>alert(3)</script> diazepam")
    make_vitals(patient, clinic.nurse, note="<i>left</i>")
    for role in (Role.CLINICIAN, Role.NURSE):
        text = page(signed_in(clinic, role), record)
        assert "<script>alert" not in text
        assert "<i>" not in text


# --- saving -----------------------------------------------------------------------------------------------------------
def test_a_field_answers_with_when_it_was_saved_and_what_is_still_missing(clinic: Clinic, record: Consultation) -> None:
    answer = save(signed_in(clinic, Role.CLINICIAN), record, "severity", "severe")
    text = answer.content.decode()
    assert answer.status_code == 200
    assert "10:12" in text
    assert f'value="{fingerprint("severe")}"' in text
    assert "condition, since when, history" in text
    assert 'hx-swap-oob="true"' in text
    record.refresh_from_db()
    assert record.severity == "severe"


def test_the_number_of_infusions_refreshes_the_estimate(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    assert "HX-Trigger-After-Swap" not in save(client, record, "concerns", "x").headers
    answer = save(client, record, "infusions_discussed", "8")
    assert answer.headers["HX-Trigger-After-Swap"] == "estimate-changed"


@pytest.mark.django_db(transaction=True)  # who wrote is read from the history: each save needs its own moment
def test_two_people_in_one_field_see_both_versions_and_nothing_is_overwritten() -> None:
    clinic = make_clinic()
    record = make_consultation(make_patient(), clinic.location, clinic.clinician)
    other = make_user(Role.CLINICIAN, first_name="Lena", last_name="Reyes", title="MD")
    save_field(consultation_id=record.pk, field="concerns", value="Needles <b>", base=EMPTY, by=other, now=NOW)
    client = signed_in(clinic, Role.CLINICIAN)
    answer = save(client, record, "concerns", "Flying")
    text = answer.content.decode()
    assert answer.status_code == 422
    for words in ("Lena Reyes, MD wrote", "Needles &lt;b&gt;", "Keep mine", "Take theirs", "Keep both"):
        assert words in text, words
    record.refresh_from_db()
    assert record.concerns == "Needles <b>"
    assert save(client, record, "preferences", "Mornings").status_code == 200


@pytest.mark.parametrize(("how", "stays"), [("mine", "Flying"), ("theirs", "Needles"), ("both", "Needles\n\nFlying")])
def test_without_javascript_the_section_is_saved_and_a_conflict_is_decided_by_a_button(
    clinic: Clinic, record: Consultation, how: str, stays: str
) -> None:
    Consultation.objects.filter(pk=record.pk).update(concerns="Needles")
    client = signed_in(clinic, Role.CLINICIAN)
    url = reverse("intake:consultation_section", args=[record.pk, "wishes"])
    sent = {
        "preferences": "Mornings",
        "base-preferences": EMPTY,
        "concerns": "Flying",
        "base-concerns": EMPTY,
        "infusions_discussed": "6",
        "base-infusions_discussed": EMPTY,
    }
    answer = client.post(url, sent)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Not everything was saved" in text
    assert "Flying</textarea>" in text
    record.refresh_from_db()
    assert (record.preferences, record.concerns, record.infusions_discussed) == ("Mornings", "Needles", 6)
    again = sent | {"base-concerns": "unseen", "base-preferences": fingerprint("Mornings")}
    again["resolve-concerns"] = f"{how}:{fingerprint('Needles')}"
    answer = client.post(url, again)
    assert answer.status_code == 302
    assert answer["Location"].endswith("#wishes")
    record.refresh_from_db()
    assert record.concerns == stays


def test_a_tick_taken_away_without_javascript_is_saved(clinic: Clinic, record: Consultation) -> None:
    Consultation.objects.filter(pk=record.pk).update(escort_understood=True)
    url = reverse("intake:consultation_section", args=[record.pk, "explained"])
    sent = {"base-escort_understood": fingerprint("yes")}
    assert signed_in(clinic, Role.CLINICIAN).post(url, sent).status_code == 302
    record.refresh_from_db()
    assert not record.escort_understood


def test_20_001_characters_are_refused_at_the_field_with_the_limit(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    answer = save(client, record, "summary", "x" * 20_001)
    assert answer.status_code == 422
    assert "At most 20,000 characters fit here; this is 1 too long" in answer.content.decode()
    assert save(client, record, "summary", "x" * 20_000).status_code == 200


@pytest.mark.parametrize(("size", "is_read"), [(5_000_000, True), (9_000_000, False)])
def test_many_megabytes_are_refused_with_the_same_limit_and_nothing_is_saved(
    clinic: Clinic, record: Consultation, size: int, is_read: bool
) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    answer = save(client, record, "summary", "x" * size)
    assert answer.status_code == 422
    assert "At most 20,000 characters fit here" in answer.content.decode()
    # unread, what is stored was not shown either: it is asked about later
    assert (f'value="{EMPTY}"' in answer.content.decode()) is is_read
    url = reverse("intake:consultation_section", args=[record.pk, "plan"])
    plain = client.post(url, {"summary": "x" * size, "base-summary": EMPTY})
    assert plain.status_code == 422
    assert "20,000 characters" in plain.content.decode() or "20000 characters" in plain.content.decode()
    record.refresh_from_db()
    assert record.summary == ""


def test_what_is_too_large_is_refused_to_others_before_anything_else(clinic: Clinic, record: Consultation) -> None:
    assert save(signed_in(clinic, Role.NURSE), record, "summary", "x" * 9_000_000).status_code == 403


def test_a_save_needs_the_token_of_the_page(clinic: Clinic, record: Consultation) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(clinic.clinician)
    assert save(client, record, "concerns", "x").status_code == 403
    url = reverse("intake:consultation_section", args=[record.pk, "wishes"])
    assert client.post(url, {"concerns": "x", "base-concerns": EMPTY}).status_code == 403
    record.refresh_from_db()
    assert record.concerns == ""


@pytest.mark.parametrize("field", ["signed_at", "patient", "version", "nonsense"])
def test_only_fields_of_the_page_have_an_address(clinic: Clinic, record: Consultation, field: str) -> None:
    assert save(signed_in(clinic, Role.CLINICIAN), record, field, "1").status_code == 404


# --- signing ----------------------------------------------------------------------------------------------------------
def signed(clinic: Clinic, record: Consultation) -> Consultation:
    Consultation.objects.filter(pk=record.pk).update(indication="trd", summary="Fit.")
    return sign_consultation(consultation_id=record.pk, version=record.version, by=clinic.clinician, now=NOW)


def test_signing_shows_what_is_missing_and_refuses_without_a_plan(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    url = reverse("intake:consultation_sign", args=[record.pk])
    assert "Still missing:" in client.get(url).content.decode()
    answer = client.post(url, {"version": 1})
    assert answer.status_code == 422
    assert "fill in: condition, assessment and plan" in answer.content.decode()
    save(client, record, "indication", "trd")
    save(client, record, "summary", "Fit.")
    stale = client.post(url, {"version": 1})
    assert stale.status_code == 422
    assert "changed after you had opened this page" in stale.content.decode()
    assert client.post(url, {"version": 3}).status_code == 302
    record.refresh_from_db()
    assert record.signed_by == clinic.clinician


def test_a_signed_record_is_read_and_amended_not_edited(clinic: Clinic, record: Consultation) -> None:
    signed(clinic, record)
    client = signed_in(clinic, Role.CLINICIAN)
    text = page(client, record)
    assert "<textarea" not in text
    assert "Still missing" not in text  # nobody can fill it in any more
    assert "by Samuel Hart, MD" in text
    answer = save(client, record, "summary", "Other", base=fingerprint("Fit."))
    assert answer.status_code == 409
    assert "signed this record meanwhile" in answer.content.decode()
    url = reverse("intake:consultation_amend", args=[record.pk])
    assert client.post(url, {"reason": "", "text": "x"}).status_code == 422
    assert client.post(url, {"reason": "Typing error", "text": "<b>2018</b>"}).status_code == 302
    text = page(client, record)
    assert "Typing error" in text
    assert "&lt;b&gt;2018" in text


def test_a_draft_is_not_amended(clinic: Clinic, record: Consultation) -> None:
    answer = signed_in(clinic, Role.CLINICIAN).get(reverse("intake:consultation_amend", args=[record.pk]))
    assert (answer.status_code, answer["Location"]) == (302, record.get_absolute_url())


# --- beginning --------------------------------------------------------------------------------------------------------
def booked(clinic: Clinic, patient: Patient) -> Booking:
    end = NOW + timedelta(hours=1)
    claims = (Claim(patient.resource_id, AllocationRole.PATIENT, NOW, end),)
    wanted = Wanted(BookingKind.CONSULTATION, clinic.location.pk, NOW, end, claims, subject_id=patient.resource_id)
    return book([wanted], by=clinic.desk, now=NOW)[0]


def test_the_record_opens_from_the_booked_visit_and_a_nurse_does_not_begin_it(clinic: Clinic) -> None:
    booking = booked(clinic, make_patient())
    url = reverse("intake:consultation_of_booking", args=[booking.pk])
    Consultation.objects.filter(booking=booking).delete()
    signed_in(clinic, Role.NURSE).post(url)
    assert not Consultation.objects.exists()
    opened = signed_in(clinic, Role.CLINICIAN).post(url)
    record = Consultation.objects.get()
    assert opened["Location"] == record.get_absolute_url()
    assert signed_in(clinic, Role.NURSE).post(url)["Location"] == record.get_absolute_url()


def test_a_walk_in_begins_on_the_patients_list_of_consultations(clinic: Clinic) -> None:
    ada = make_patient()
    client = signed_in(clinic, Role.CLINICIAN)
    listed = client.get(reverse("intake:consultations", args=[ada.pk])).content.decode()
    assert "No consultation yet" in listed
    answer = client.post(reverse("intake:consultation_start", args=[ada.pk]))
    assert answer["Location"] == Consultation.objects.get().get_absolute_url()


# --- rows about the patient -------------------------------------------------------------------------------------------
def test_a_treatment_is_added_changed_and_removed_in_place(clinic: Clinic, record: Consultation) -> None:
    client, ada = signed_in(clinic, Role.CLINICIAN), record.patient
    sent = {"method": "medicine", "name": "Venlafaxine", "duration_weeks": "8", "outcome": "partial", "adequate": "yes"}
    answer = client.post(reverse("intake:treatment_add", args=[ada.pk]), sent, headers=HTMX)
    assert (answer.status_code, "treatments-changed" in answer["HX-Trigger"]) == (204, True)
    row = PreviousTreatment.objects.get()
    edit = reverse("intake:treatment_edit", args=[ada.pk, row.pk])
    assert client.post(edit, sent | {"name": ""}, headers=HTMX).status_code == 422
    assert client.post(edit, sent | {"dose": "225 mg"}, headers=HTMX).status_code == 204
    part = client.get(reverse("intake:consultation_part", args=[record.pk, "treatments"])).content.decode()
    assert "225 mg" in part
    assert "Some effect" in part
    assert client.post(reverse("intake:treatment_remove", args=[ada.pk, row.pk]), headers=HTMX).status_code == 204
    assert not PreviousTreatment.objects.exists()
    other = make_previous_treatment(make_patient("Mei", "Chen"))
    assert client.get(reverse("intake:treatment_edit", args=[ada.pk, other.pk])).status_code == 404


def test_without_javascript_a_form_leads_back_to_the_page_that_it_came_from_and_to_no_other_site(
    clinic: Clinic, record: Consultation
) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    url = reverse("intake:treatment_add", args=[record.patient_id])
    back = f"{record.get_absolute_url()}#treatments"
    for wanted, led in ((back, back), ("https://evil.example/", record.patient.get_absolute_url())):
        answer = client.post(url, {"method": "tms", "name": "TMS", "next": wanted})
        assert (answer.status_code, answer["Location"]) == (302, led)


VITALS = {"weight": "181.7", "unit": "lb", "systolic_mmhg": "132", "diastolic_mmhg": "84", "heart_rate_bpm": "78"}
VITALS |= {"day": "2027-01-07", "clock": "10:05"}


def test_a_weight_in_pounds_is_kept_in_kilograms(clinic: Clinic, record: Consultation) -> None:
    url = reverse("intake:vitals_add", args=[record.patient_id])
    answer = signed_in(clinic, Role.NURSE).post(url, VITALS, headers=HTMX)
    assert (answer.status_code, "observations-changed" in answer["HX-Trigger"]) == (204, True)
    row = VitalSigns.objects.get()
    assert (row.weight_kg, row.measured_at) == (Decimal("82.4"), datetime(2027, 1, 7, 15, 5, tzinfo=UTC))


def test_an_unusual_value_is_asked_twice_and_recorded_when_it_is_confirmed(
    clinic: Clinic, record: Consultation
) -> None:
    client, url = signed_in(clinic, Role.NURSE), reverse("intake:vitals_add", args=[record.patient_id])
    odd = VITALS | {"systolic_mmhg": "212"}
    asked = client.post(url, odd, headers=HTMX)
    assert asked.status_code == 422
    assert "Systolic pressure 212 mmHg is unusual." in asked.content.decode()
    assert 'name="confirmed"' in asked.content.decode()
    assert not VitalSigns.objects.exists()
    assert client.post(url, odd | {"confirmed": "on"}, headers=HTMX).status_code == 204


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"diastolic_mmhg": ""}, "Give both pressures"),
        ({"systolic_mmhg": "80", "diastolic_mmhg": "120"}, "Were they swapped?"),
        ({"weight": "824", "unit": "kg"}, "Weight must be between 20 and 400 kg."),
        ({"weight": "82.45", "unit": "kg"}, "Kilograms to one decimal"),
        ({"weight": "", "systolic_mmhg": "", "diastolic_mmhg": "", "heart_rate_bpm": ""}, "Give a weight"),
        ({"clock": "11:05"}, "in the future"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    clinic: Clinic, record: Consultation, changed: dict[str, str], reason: str
) -> None:
    url = reverse("intake:vitals_add", args=[record.patient_id])
    answer = signed_in(clinic, Role.NURSE).post(url, VITALS | changed, headers=HTMX)
    assert answer.status_code == 422
    assert reason in answer.content.decode()


def test_a_reading_is_struck_with_a_reason_and_stays_visible(clinic: Clinic, record: Consultation) -> None:
    row = make_vitals(record.patient, clinic.nurse)
    url = reverse("intake:observation_strike", args=[record.patient_id, "vitals", row.pk])
    client = signed_in(clinic, Role.NURSE)
    assert client.post(url, {"reason": ""}, headers=HTMX).status_code == 422
    assert client.post(url, {"reason": "Other patient's cuff"}, headers=HTMX).status_code == 204
    part = client.get(reverse("intake:consultation_part", args=[record.pk, "body"])).content.decode()
    assert "Struck: Other patient&#x27;s cuff" in part
    assert "weight, blood pressure, heart rate" in part


def test_a_pregnancy_test_is_recorded_with_its_day(clinic: Clinic, record: Consultation) -> None:
    client, url = signed_in(clinic, Role.NURSE), reverse("intake:pregnancy_add", args=[record.patient_id])
    ahead = client.post(url, {"result": "negative", "tested_on": "2027-01-08"}, headers=HTMX)
    assert ahead.status_code == 422
    assert client.post(url, {"result": "negative", "tested_on": "2027-01-07"}, headers=HTMX).status_code == 204
    assert PregnancyTest.objects.get().result == "negative"


def test_interactions_stand_beside_their_medicine_with_severity_direction_and_source(
    clinic: Clinic, record: Consultation
) -> None:
    make_medicine(record.patient, "Theophylline", dose="300 mg")
    text = page(signed_in(clinic, Role.CLINICIAN), record)
    for words in ("Stop", "seizures become likelier", "Ketamine hydrochloride injection, US prescribing information"):
        assert words in text, words


def test_the_estimate_says_what_a_series_of_the_discussed_number_costs(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    assert "has no price list yet" in page(client, record)
    for position, (kind, label, amount) in enumerate(
        [("consultation", "Consultation", "295"), ("infusion", "Infusion", "449.95"), ("other", "No-show", "75")]
    ):
        PriceItem.objects.create(
            location=clinic.location, kind=kind, label=label, amount=Decimal(amount), position=position
        )
    Consultation.objects.filter(pk=record.pk).update(infusions_discussed=6)
    text = page(client, record)
    for words in ("$449.95", "$2,699.70", "$2,994.70", "the insurer decides"):
        assert words in text, words
    assert "No-show" not in text


# --- cost in queries --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [2, 20])
def test_the_page_costs_the_same_for_2_and_for_20_rows_of_each_kind(
    clinic: Clinic, record: Consultation, queries: Queries, rows: int
) -> None:
    for number in range(rows):
        make_previous_treatment(record.patient, f"Drug {number}")
        make_medicine(record.patient, f"Diazepam {number}")
        make_allergy(record.patient, f"Latex {number}")
        make_problem(record.patient, f"Problem {number}")
        make_vitals(record.patient, clinic.nurse, measured_at=NOW - timedelta(hours=number))
        PriceItem.objects.create(location=clinic.location, kind="infusion", label=f"Line {number}", amount=1)
        make_consultation(record.patient, clinic.location, clinic.clinician)
    client = signed_in(clinic, Role.CLINICIAN)
    client.get(reverse("intake:consultations", args=[record.patient_id]))
    with queries("consultation"):
        page(client, record)
    with queries("consultation, a field saved"):
        save(client, record, "concerns", f"Needles {rows}")
    with queries("consultations of a patient"):
        answer = client.get(reverse("intake:consultations", args=[record.patient_id]))
    assert answer.status_code == 200
    signed(clinic, Consultation.objects.get(pk=record.pk))
    with queries("consultation, signed"):
        page(client, record)


# --- on the patient's page and the visit's sheet ----------------------------------------------------------------------
def test_the_patients_page_names_the_latest_consultations_and_when_one_was_signed(
    clinic: Clinic, record: Consultation
) -> None:
    client = signed_in(clinic, Role.NURSE)
    before = client.get(record.patient.get_absolute_url()).content.decode()
    assert record.get_absolute_url() in before
    assert "Consultation record signed" not in before
    signed(clinic, record)
    after = client.get(record.patient.get_absolute_url()).content.decode()
    assert "Consultation record signed" in after
    assert "Treatment-resistant depression · Samuel Hart" in after
    desk = signed_in(clinic, Role.FRONT_DESK).get(record.patient.get_absolute_url()).content.decode()
    assert "Consultation record signed" not in desk


def test_the_sheet_of_a_booked_consultation_opens_its_record_for_clinical_roles(clinic: Clinic) -> None:
    booking = booked(clinic, make_patient())
    sheet, opens = reverse("courses:visit", args=[booking.pk]), "Open record"
    assert opens in signed_in(clinic, Role.CLINICIAN).get(sheet).content.decode()
    assert opens in signed_in(clinic, Role.NURSE).get(sheet).content.decode()
    assert opens not in signed_in(clinic, Role.FRONT_DESK).get(sheet).content.decode()


def test_the_front_desk_learns_whether_the_record_is_complete_and_no_more(clinic: Clinic, record: Consultation) -> None:
    desk, manager = signed_in(clinic, Role.FRONT_DESK), signed_in(clinic, Role.MANAGER)
    url = record.patient.get_absolute_url()
    said = '<dt>Consultation record</dt><dd><span class="tag tag-{}">'
    assert said.format("warn") in desk.get(url).content.decode()
    signed(clinic, record)
    after = desk.get(url).content.decode()
    assert said.format("ok") in after
    assert "Treatment-resistant" not in after
    assert "Consultation record" not in manager.get(url).content.decode()


def test_the_record_counts_what_screening_finds_and_leads_there(clinic: Clinic, record: Consultation) -> None:
    make_medicine(record.patient, "Theophylline")
    client = signed_in(clinic, Role.CLINICIAN)
    part = client.get(reverse("intake:consultation_part", args=[record.pk, "screening"])).content.decode()
    assert reverse("intake:screening", args=[record.pk]) in part
    assert '<span class="num">1 ×</span> <span class="tag tag-danger">' in part
    assert "A decision needs a condition" in part
    Consultation.objects.filter(pk=record.pk).update(indication="trd")
    assert "No decision is signed for this condition." in page(client, record)


@pytest.mark.parametrize(
    ("field", "event"), [("indication", "screening-changed"), ("infusions_discussed", "estimate-changed")]
)
def test_what_shows_elsewhere_on_the_page_refreshes_there(
    clinic: Clinic, record: Consultation, field: str, event: str
) -> None:
    value = {"indication": "trd", "infusions_discussed": "6"}[field]
    answer = save(signed_in(clinic, Role.CLINICIAN), record, field, value)
    assert answer.headers["HX-Trigger-After-Swap"] == event
