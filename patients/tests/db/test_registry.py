"""Who a patient is: registered, changed by one or by two people, inactive, deceased."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from clinic.models import Booking, BookingKind, BookingStatus, ResourceKind
from clinic.models.bookings import AllocationRole
from clinic.pure.roles import Role
from clinic.services.bookings import BookingRefusedError, Claim, Wanted, book
from clinic.tests.factories import Clinic, make_clinic, make_user
from patients.models import Patient, PatientStatus
from patients.services.history import changes_of
from patients.services.registry import (
    BookingsStandError,
    MergedPatientError,
    PatientData,
    PhoneData,
    StalePatientError,
    change_status,
    issue_mrns,
    reconcile,
    register_patient,
    update_patient,
)
from patients.services.search import search_patients
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
TODAY = date(2027, 1, 7)
ADA = PatientData("Adaeze", "Okafor", date(1985, 3, 14), preferred_name="Ada", phones=(PhoneData("+12125550123"),))


def visit(clinic: Clinic, patient: Patient, start: datetime) -> Booking:
    end = start + timedelta(hours=2)
    claims = (
        Claim(patient.resource_id, AllocationRole.PATIENT, start, end),
        Claim(clinic.chairs[0].pk, AllocationRole.STATION, start, end),
    )
    wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, start, end, claims, subject_id=patient.resource_id)
    return book([wanted], by=clinic.desk, now=NOW)[0]


def test_a_registered_patient_has_an_mrn_can_be_booked_and_is_found() -> None:
    desk = make_user(Role.FRONT_DESK)
    ada = register_patient(data=ADA, by=desk, now=NOW)
    assert int(ada.mrn) >= 10001
    assert (ada.resource.kind, ada.resource.name) == (ResourceKind.PATIENT, f"MRN {ada.mrn}")
    assert [(phone.number.as_e164, phone.is_primary) for phone in ada.phones.all()] == [("+12125550123", True)]
    assert ada.created_at == NOW
    for typed in ("okafor ada", ada.mrn, "212 555 0123", "14.3.1985"):
        assert [hit.patient.pk for hit in search_patients(typed, today=TODAY)] == [ada.pk], typed


def test_numbers_are_given_out_once_and_upwards() -> None:
    numbers = [int(number) for number in issue_mrns(3) + issue_mrns(2)]
    assert numbers == sorted(set(numbers))
    assert min(numbers) >= 10001


def test_a_name_that_does_not_fit_is_refused_and_nothing_is_saved() -> None:
    with pytest.raises(ValidationError, match="at most 80 characters"):
        register_patient(data=replace(ADA, family_name="O" * 200), by=make_user(Role.FRONT_DESK), now=NOW)
    assert not Patient.objects.exists()


def test_an_update_writes_what_differs_and_leaves_the_version_when_nothing_does() -> None:
    desk = make_user(Role.FRONT_DESK)
    ada = register_patient(data=ADA, by=desk, now=NOW)
    same = update_patient(patient_id=ada.pk, data=ADA, expected_version=1, by=desk, now=NOW)
    assert same.version == 1
    changed = update_patient(patient_id=ada.pk, data=replace(ADA, city="Boston"), expected_version=1, by=desk, now=NOW)
    assert (changed.city, changed.version) == ("Boston", 2)
    latest = changes_of(ada, clinical=False, limit=1)[0]
    assert latest.who == "Maya Lindqvist, Front desk"
    assert [(one.label, one.before, one.after) for one in latest.fields] == [("City", "", "Boston")]


def test_the_primary_number_can_change_places_with_another() -> None:
    desk = make_user(Role.FRONT_DESK)
    one, two = PhoneData("+12125550123", is_primary=True), PhoneData("+442079460958", kind="work")
    ada = register_patient(data=replace(ADA, phones=(one, two)), by=desk, now=NOW)
    swapped = (replace(one, is_primary=False), replace(two, is_primary=True))
    update_patient(patient_id=ada.pk, data=replace(ADA, phones=swapped), expected_version=1, by=desk, now=NOW)
    assert [(p.number.as_e164, p.is_primary) for p in ada.phones.all()] == [
        ("+442079460958", True),
        ("+12125550123", False),
    ]
    update_patient(patient_id=ada.pk, data=replace(ADA, phones=(one,)), expected_version=2, by=desk, now=NOW)
    assert [(p.number.as_e164, p.is_primary) for p in ada.phones.all()] == [("+12125550123", True)]
    assert not search_patients("2079460958", today=TODAY)


@pytest.mark.django_db(transaction=True)  # each save needs its own moment in the history
def test_a_stale_page_says_who_changed_what_and_saves_nothing() -> None:
    desk, clinician = make_user(Role.FRONT_DESK), make_user(Role.CLINICIAN)
    ada = register_patient(data=ADA, by=desk, now=NOW)
    theirs = replace(ADA, city="Boston", email="ada@example.org", phones=(*ADA.phones, PhoneData("+12125550199")))
    update_patient(patient_id=ada.pk, data=theirs, expected_version=1, by=clinician, now=NOW)
    mine = replace(ADA, city="Chicago", pronouns="she/her")
    with pytest.raises(StalePatientError) as stale:
        update_patient(patient_id=ada.pk, data=mine, expected_version=1, by=desk, now=NOW)
    said = {(change.who, change.sentence) for change in stale.value.changes}
    assert said == {
        ("Samuel Hart, MD", "Particulars changed: Email, City"),
        ("Samuel Hart, MD", "Phone added: (212) 555-0199"),
    }
    ada.refresh_from_db()
    assert (ada.city, ada.pronouns, ada.version) == ("Boston", "", 2)

    both, conflicts = reconcile(stale.value, mine)
    assert conflicts == ["city"]
    assert (both.city, both.pronouns, both.email) == ("Chicago", "she/her", "ada@example.org")
    assert [phone.number for phone in both.phones] == ["+12125550123", "+12125550199"]
    saved = update_patient(patient_id=ada.pk, data=both, expected_version=2, by=desk, now=NOW)
    assert (saved.city, saved.email, saved.version) == ("Chicago", "ada@example.org", 3)


def test_a_merged_record_is_not_edited() -> None:
    kept, gone = make_patient(), make_patient()
    Patient.objects.filter(pk=gone.pk).update(merged_into=kept)
    with pytest.raises(MergedPatientError) as refused:
        update_patient(patient_id=gone.pk, data=ADA, expected_version=1, by=make_user(Role.FRONT_DESK), now=NOW)
    assert refused.value.kept_id == kept.pk


def set_status(patient: Patient, status: PatientStatus, clinic: Clinic, **more: object) -> Patient:
    values = {"deceased_on": None, "expected_version": 1, "by": clinic.desk, "now": NOW, "today": TODAY} | more
    return change_status(patient_id=patient.pk, status=status, **values)


@pytest.mark.parametrize("status", [PatientStatus.DECEASED, PatientStatus.INACTIVE])
def test_visits_ahead_are_listed_and_stand_only_when_somebody_says_so(status: PatientStatus) -> None:
    clinic, ada = make_clinic(), make_patient()
    ahead = visit(clinic, ada, NOW + timedelta(days=1))
    with pytest.raises(BookingsStandError, match="1 booked visit is still ahead") as refused:
        set_status(ada, status, clinic)
    assert refused.value.bookings == (ahead,)
    ada.refresh_from_db()
    assert ada.status == PatientStatus.ACTIVE
    kept = set_status(ada, status, clinic, keep_bookings=True)
    assert kept.status == status
    ahead.refresh_from_db()
    assert ahead.status == BookingStatus.BOOKED


def test_an_inactive_patient_cannot_be_booked_and_an_active_one_can_again() -> None:
    clinic, ada = make_clinic(), make_patient()
    set_status(ada, PatientStatus.INACTIVE, clinic)
    with pytest.raises(BookingRefusedError, match="no longer active"):
        visit(clinic, ada, NOW + timedelta(days=1))
    set_status(ada, PatientStatus.ACTIVE, clinic, expected_version=2)
    assert visit(clinic, ada, NOW + timedelta(days=1)).pk


@pytest.mark.parametrize(
    ("status", "day", "why"),
    [
        (PatientStatus.DECEASED, date(2027, 1, 8), "in the future"),
        (PatientStatus.DECEASED, date(1985, 3, 13), "before the date of birth"),
        (PatientStatus.INACTIVE, date(2027, 1, 6), "only to a patient who has died"),
    ],
)
def test_an_impossible_date_of_death_is_refused(status: PatientStatus, day: date, why: str) -> None:
    clinic, ada = make_clinic(), make_patient()
    with pytest.raises(ValidationError, match=why):
        set_status(ada, status, clinic, deceased_on=day)
    assert set_status(ada, PatientStatus.DECEASED, clinic, deceased_on=TODAY).deceased_on == TODAY
