"""The consultation's record: nobody's words are lost, what is signed stays (design.md, invariant 6)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import InternalError, transaction
from django.utils import timezone

from clinic.models import AllocationRole, Booking, BookingKind, BookingStatus
from clinic.pure.roles import Role
from clinic.services.bookings import Claim, Wanted, book, release
from clinic.services.recorded import recorded
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.parallel import Parallel
from patients.models import Consultation, ConsultationAmendment, Patient, PregnancyTest
from patients.pure.consultation import fingerprint
from patients.services.consultation_record import (
    SignedRecordError,
    StaleFieldError,
    StaleRecordError,
    Typed,
    amend_consultation,
    completeness,
    open_for_booking,
    save_field,
    save_fields,
    sign_consultation,
    start_consultation,
)
from patients.services.merge import merge_patients
from patients.services.registry import MergedPatientError
from patients.tests.factories import (
    make_allergy,
    make_consultation,
    make_medicine,
    make_patient,
    make_previous_treatment,
    make_vitals,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
EMPTY = fingerprint("")


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def record(clinic: Clinic) -> Consultation:
    return make_consultation(make_patient(), clinic.location, clinic.clinician)


# --- saving -----------------------------------------------------------------------------------------------------------
def test_a_field_is_saved_and_the_others_are_not_touched(clinic: Clinic, record: Consultation) -> None:
    Consultation.objects.filter(pk=record.pk).update(concerns="Needles")
    saved = save_field(
        consultation_id=record.pk,
        field="condition_history",
        value=" Low since 2019.\r\n ",
        base=EMPTY,
        by=clinic.clinician,
        now=NOW,
    )
    record.refresh_from_db()
    assert (record.condition_history, record.concerns, record.version) == ("Low since 2019.", "Needles", 2)
    assert saved.version == 2


def test_the_same_words_sent_again_change_nothing_and_are_no_conflict(clinic: Clinic, record: Consultation) -> None:
    for _ in range(2):  # the first answer was lost on the way, the window sends again with its old base
        save_field(
            consultation_id=record.pk, field="concerns", value="Needles", base=EMPTY, by=clinic.clinician, now=NOW
        )
    record.refresh_from_db()
    assert record.version == 2


@pytest.mark.django_db(transaction=True)  # each save needs its own moment in the history
def test_a_field_that_somebody_changed_meanwhile_is_not_overwritten_and_both_are_shown() -> None:
    clinic = make_clinic()
    record = make_consultation(make_patient(), clinic.location, clinic.clinician)
    other = make_user(Role.CLINICIAN, first_name="Lena", last_name="Reyes", title="MD")
    facts = {"consultation_id": record.pk, "field": "concerns", "base": EMPTY, "now": NOW}
    before = timezone.now()
    save_field(value="Afraid of needles", by=other, **facts)
    save_field(
        consultation_id=record.pk, field="preferences", value="Mornings", base=EMPTY, by=clinic.clinician, now=NOW
    )
    with pytest.raises(StaleFieldError) as stale:
        save_field(value="Afraid of flying", by=clinic.clinician, **facts)
    conflict = stale.value.conflict
    assert (conflict.theirs, conflict.mine, conflict.who) == ("Afraid of needles", "Afraid of flying", "Lena Reyes, MD")
    assert conflict.at is not None
    assert before <= conflict.at <= timezone.now()
    record.refresh_from_db()
    assert record.concerns == "Afraid of needles"
    save_field(value="Afraid of flying", by=clinic.clinician, **(facts | {"base": conflict.base}))  # "keep mine"
    record.refresh_from_db()
    assert record.concerns == "Afraid of flying"


def test_of_several_fields_those_that_fit_are_saved_and_the_others_are_named(
    clinic: Clinic, record: Consultation
) -> None:
    Consultation.objects.filter(pk=record.pk).update(concerns="Needles")
    done = save_fields(
        consultation_id=record.pk,
        typed={
            "preferences": Typed("Mornings", EMPTY),
            "concerns": Typed("Flying", EMPTY),
            "infusions_discussed": Typed("61", EMPTY),
            "expectations_explained": Typed("on", EMPTY),
        },
        by=clinic.clinician,
        now=NOW,
    )
    assert set(done.saved) == {"preferences", "expectations_explained"}
    assert (list(done.conflicts), done.refused) == (
        ["concerns"],
        {"infusions_discussed": "A whole number between 1 and 60."},
    )
    record.refresh_from_db()
    assert (record.preferences, record.concerns, record.infusions_discussed) == ("Mornings", "Needles", None)
    assert record.expectations_explained


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("condition_history", "x" * 20_001, "At most 20,000 characters fit here; this is 1 too long"),
        ("condition_since", "x" * 121, "At most 120 characters"),
        ("indication", "melancholia", "not one of the choices"),
        ("infusions_discussed", "0", "between 1 and 60"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field(
    clinic: Clinic, record: Consultation, field: str, value: str, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        save_field(consultation_id=record.pk, field=field, value=value, base=EMPTY, by=clinic.clinician, now=NOW)
    assert list(refused.value.message_dict) == [field]


def test_20_000_characters_fit_and_a_choice_can_be_taken_back(clinic: Clinic, record: Consultation) -> None:
    facts = {"consultation_id": record.pk, "by": clinic.clinician, "now": NOW}
    save_field(field="summary", value="é" * 20_000, base=EMPTY, **facts)
    save_field(field="indication", value="trd", base=EMPTY, **facts)
    save_field(field="indication", value="", base=fingerprint("trd"), **facts)
    record.refresh_from_db()
    assert (len(record.summary), record.indication) == (20_000, "")


def test_only_the_fields_of_the_page_can_be_saved(clinic: Clinic, record: Consultation) -> None:
    with pytest.raises(KeyError):
        save_field(consultation_id=record.pk, field="signed_at", value="x", base=EMPTY, by=clinic.clinician, now=NOW)


# --- two at once ------------------------------------------------------------------------------------------------------
def test_without_the_guard_one_of_two_writers_loses_their_words(parallel: Parallel) -> None:
    """What the guard is for: each reads, both write the row that they read, and one field is as if never typed."""
    clinic = make_clinic()
    record = make_consultation(make_patient(), clinic.location, clinic.clinician)
    have_read = threading.Barrier(2)

    def naive(index: int) -> None:
        mine = Consultation.objects.get(pk=record.pk)
        have_read.wait(10)
        setattr(mine, ("preferences", "concerns")[index], f"words {index}")
        mine.save()

    parallel(2, naive)
    record.refresh_from_db()
    assert "" in (record.preferences, record.concerns)


@pytest.mark.parametrize("round_", range(3))
def test_two_people_in_different_fields_never_disturb_each_other(parallel: Parallel, round_: int) -> None:
    clinic = make_clinic()
    record = make_consultation(make_patient(), clinic.location, clinic.clinician)
    fields = ("preferences", "concerns", "psychotherapy", "other_care", "open_questions", "summary")

    def write(index: int) -> None:
        save_field(
            consultation_id=record.pk,
            field=fields[index],
            value=f"words {index}",
            base=EMPTY,
            by=clinic.clinician,
            now=NOW + timedelta(seconds=round_),
        )

    outcomes = parallel(len(fields), write)
    assert [outcome.error for outcome in outcomes] == [None] * len(fields)
    record.refresh_from_db()
    assert [getattr(record, name) for name in fields] == [f"words {index}" for index in range(len(fields))]
    assert record.version == 1 + len(fields)


@pytest.mark.parametrize("round_", range(3))
def test_of_writers_in_one_field_exactly_one_is_first_and_the_others_are_shown_those_words(
    parallel: Parallel, round_: int
) -> None:
    clinic = make_clinic()
    record = make_consultation(make_patient(), clinic.location, clinic.clinician)

    def write(index: int) -> Consultation:
        return save_field(
            consultation_id=record.pk,
            field="summary",
            value=f"words {index}",
            base=EMPTY,
            by=clinic.clinician,
            now=NOW + timedelta(seconds=round_),
        )

    outcomes = parallel(6, write)
    record.refresh_from_db()
    lost = [outcome.error for outcome in outcomes if outcome.error]
    assert len(lost) == 5
    for error in lost:
        assert isinstance(error, StaleFieldError)
        assert error.conflict.theirs == record.summary
        assert error.conflict.mine != record.summary


def test_a_save_and_a_signature_at_once_never_change_what_was_signed(parallel: Parallel) -> None:
    clinic = make_clinic()
    record = make_consultation(
        make_patient(), clinic.location, clinic.clinician, indication="trd", summary="As read by the signer"
    )

    def act(index: int) -> None:
        facts = {"consultation_id": record.pk, "by": clinic.clinician, "now": NOW}
        if index:
            save_field(field="summary", value="Other words", base=fingerprint("As read by the signer"), **facts)
        else:
            sign_consultation(version=1, **facts)

    sign, save = parallel(2, act)
    record.refresh_from_db()
    if record.is_signed:
        assert isinstance(save.error, SignedRecordError)
        assert record.summary == "As read by the signer"
    else:
        assert isinstance(sign.error, StaleRecordError)
        assert record.summary == "Other words"


# --- signing ----------------------------------------------------------------------------------------------------------
def signed(clinic: Clinic, record: Consultation) -> Consultation:
    Consultation.objects.filter(pk=record.pk).update(indication="trd", summary="Fit.")
    return sign_consultation(consultation_id=record.pk, version=record.version, by=clinic.clinician, now=NOW)


def test_a_record_without_condition_or_plan_cannot_be_signed(clinic: Clinic, record: Consultation) -> None:
    with pytest.raises(ValidationError, match="fill in: condition, assessment and plan"):
        sign_consultation(consultation_id=record.pk, version=1, by=clinic.clinician, now=NOW)


def test_nobody_signs_words_that_they_have_not_read(clinic: Clinic, record: Consultation) -> None:
    save_field(consultation_id=record.pk, field="summary", value="New", base=EMPTY, by=clinic.clinician, now=NOW)
    with pytest.raises(StaleRecordError):
        sign_consultation(consultation_id=record.pk, version=1, by=clinic.clinician, now=NOW)


def test_a_signed_record_refuses_changes_in_the_service_and_in_the_table(clinic: Clinic, record: Consultation) -> None:
    signed(clinic, record)
    with pytest.raises(SignedRecordError):
        save_field(consultation_id=record.pk, field="summary", value="x", base=EMPTY, by=clinic.clinician, now=NOW)
    with pytest.raises(InternalError, match="signed_stays_as_it_is"), transaction.atomic():
        Consultation.objects.filter(pk=record.pk).update(summary="x")
    again = sign_consultation(consultation_id=record.pk, version=99, by=clinic.manager, now=NOW + timedelta(days=1))
    assert (again.signed_by, again.signed_at) == (clinic.clinician, NOW)


def test_an_amendment_stands_beside_the_signed_record_with_author_and_reason(
    clinic: Clinic, record: Consultation
) -> None:
    facts = {"consultation_id": record.pk, "by": clinic.clinician, "now": NOW}
    with pytest.raises(ValidationError, match="not signed yet"):
        amend_consultation(reason="Typing error", text="2018, not 2019", **facts)
    signed(clinic, record)
    with pytest.raises(ValidationError) as refused:
        amend_consultation(reason=" ", text="", **facts)
    assert set(refused.value.message_dict) == {"reason", "text"}
    with pytest.raises(ValidationError, match="20,000"):
        amend_consultation(reason="x", text="x" * 20_001, **facts)
    row = amend_consultation(reason="Typing error", text="2018, not 2019", **facts)
    record.refresh_from_db()
    assert (row.by, record.summary) == (clinic.clinician, "Fit.")
    with pytest.raises(InternalError, match="append_only"), transaction.atomic():
        ConsultationAmendment.objects.update(text="x")


# --- beginning --------------------------------------------------------------------------------------------------------
def booked(clinic: Clinic, patient: Patient, by_whom: int | None = None) -> Booking:
    end = NOW + timedelta(hours=1)
    claims = [Claim(patient.resource_id, AllocationRole.PATIENT, NOW, end)]
    if by_whom:
        claims.append(Claim(by_whom, AllocationRole.CLINICIAN, NOW, end))
    wanted = Wanted(
        BookingKind.CONSULTATION, clinic.location.pk, NOW, end, tuple(claims), subject_id=patient.resource_id
    )
    return book([wanted], by=clinic.desk, now=NOW)[0]


def test_somebody_without_a_booking_gets_one_record_a_day_from_one_clinician(clinic: Clinic) -> None:
    ada = make_patient()
    facts = {"patient_id": ada.pk, "location": clinic.location, "by": clinic.clinician}
    first = start_consultation(now=NOW, **facts)
    assert start_consultation(now=NOW + timedelta(minutes=1), **facts) == first
    assert start_consultation(now=NOW + timedelta(days=1), **facts) != first
    assert (first.clinician, first.booking, first.location) == (clinic.clinician, None, clinic.location)


def test_a_booking_has_one_record_whoever_opens_it(clinic: Clinic) -> None:
    other = make_user(Role.CLINICIAN, first_name="Lena", last_name="Reyes")
    booking = booked(clinic, make_patient(), by_whom=other.resource_id)
    first = open_for_booking(booking_id=booking.pk, by=clinic.clinician, now=NOW)
    assert (first.clinician, first.booking) == (other, booking)
    assert open_for_booking(booking_id=booking.pk, by=other, now=NOW) == first


def test_a_booking_opened_by_many_at_once_has_one_record(parallel: Parallel) -> None:
    clinic = make_clinic()
    booking = booked(clinic, make_patient())
    outcomes = parallel(5, lambda _: open_for_booking(booking_id=booking.pk, by=clinic.clinician, now=NOW).pk)
    assert len({outcome.value for outcome in outcomes}) == 1
    assert [outcome.error for outcome in outcomes] == [None] * 5


def test_no_record_is_begun_for_a_visit_that_was_cancelled_or_is_no_consultation(clinic: Clinic) -> None:
    booking = booked(clinic, make_patient())
    release([booking.pk], status=BookingStatus.CANCELLED, reason="Ill", by=clinic.desk, now=NOW)
    with pytest.raises(ValidationError, match="did not take place"):
        open_for_booking(booking_id=booking.pk, by=clinic.clinician, now=NOW)


def test_no_record_is_begun_on_a_patient_who_was_merged_away(clinic: Clinic) -> None:
    merged = make_patient("Adah", merged_into=make_patient())
    with pytest.raises(MergedPatientError):
        start_consultation(patient_id=merged.pk, location=clinic.location, by=clinic.clinician, now=NOW)


# --- complete or missing ----------------------------------------------------------------------------------------------
def test_the_front_desk_learns_complete_or_missing(clinic: Clinic, record: Consultation) -> None:
    assert str(completeness(record)) == "missing"
    ada = record.patient
    make_previous_treatment(ada)
    make_allergy(ada)
    make_medicine(ada)
    make_vitals(ada, clinic.nurse)
    texts = ("condition_since", "condition_history", "medical_history", "family_history", "substance_use")
    texts = (*texts, "preferences", "psychotherapy", "summary")
    ticks = ("expectations_explained", "long_term_discussed", "escort_understood")
    with recorded(by=clinic.clinician, now=NOW):
        Consultation.objects.filter(pk=record.pk).update(
            indication="trd",
            severity="severe",
            infusions_discussed=6,
            can_be_pregnant="yes",
            **dict.fromkeys(texts, "Told."),
            **dict.fromkeys(ticks, True),
        )
    record.refresh_from_db()
    assert completeness(record).words == ("pregnancy test",)
    test = PregnancyTest.objects.create(
        patient=ada, tested_on=NOW.date(), result="negative", recorded_at=NOW, recorded_by=clinic.nurse
    )
    assert str(completeness(record)) == "complete"
    test.struck_at, test.struck_by, test.struck_reason = NOW, clinic.nurse, "Mixed up"
    test.save()
    assert str(completeness(record)) == "missing"


def test_a_signed_record_moves_with_its_patient_when_two_records_become_one(
    clinic: Clinic, record: Consultation
) -> None:
    duplicate, kept = record.patient, make_patient("Adah")
    make_vitals(duplicate, clinic.nurse)
    make_previous_treatment(duplicate)
    signed(clinic, record)
    merge_patients(kept_id=kept.pk, duplicate_id=duplicate.pk, reason="Same person", by=clinic.clinician, now=NOW)
    record.refresh_from_db()
    assert (record.patient, record.is_signed) == (kept, True)
    assert kept.vital_signs.count() == kept.previous_treatments.count() == 1
