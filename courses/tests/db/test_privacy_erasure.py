"""Erasing a record: two people, one transaction, nothing of the person left, and everything else adding up."""

from __future__ import annotations

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import DatabaseError, models, transaction
from django.db.models import Sum

from clinic.models import AccessLog, Booking, Opening, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from courses.models import CourseResult, DrugDraw, StockEntry
from courses.services.results import bring_up_to_date, work_out
from courses.tests.day_kit import make_day
from courses.tests.privacy_kit import LATER, PHONE, SEEN, WORD, known_everywhere, said_where, stained
from patients.models import Erasure, ErasureProposal, Patient
from patients.pure.privacy import ERASED, Basis
from patients.services.merge import MergeRefusedError, merge_patients
from patients.services.privacy import (
    FATES,
    KEPT_WORDS,
    OWN,
    ErasureRefusedError,
    Fate,
    confirm_erasure,
    fate_of,
    propose_erasure,
    reapply,
    take_back,
)
from patients.services.privacy_rows import tables
from patients.services.privacy_terms import lift_hold, place_hold
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, settings: Any) -> Path:
    settings.ERASURES_FILE = tmp_path / "erasures.jsonl"
    return tmp_path / "erasures.jsonl"


def erase(patient: Patient, by: User, *, now: datetime = LATER, basis: Basis = Basis.OVER) -> Erasure:
    manager = make_user(Role.MANAGER)
    proposal = propose_erasure(patient=patient, basis=basis, reason="Seven years are over", by=manager, now=now)
    return confirm_erasure(proposal_id=proposal.pk, by=by, now=now)


def test_nothing_of_the_person_is_left_in_any_table_nor_in_their_history() -> None:
    day = stained()
    mrn = f'"{day.patient.mrn}"'
    words = [WORD, PHONE[2:], mrn, "1985-03-14"]
    assert len(said_where([WORD])) >= 50, "the kit reaches most tables"
    erase(day.patient, day.clinician)
    left = said_where(words)
    assert left == {}, left


def test_what_remains_is_anonymous_and_the_drug_log_adds_up() -> None:
    day = known_everywhere()
    before = list(StockEntry.objects.order_by("pk").values())
    drawn = DrugDraw.objects.aggregate(sum=Sum("drawn_mg"))
    bookings = Booking.objects.filter(subject=day.patient.resource).count()
    readings = AccessLog.objects.filter(subject=day.patient.resource).count()
    opening = Opening.objects.get(subject=day.patient.resource)
    consents = day.patient.consents.count()
    erasure = erase(day.patient, day.clinician)
    stub = Patient.objects.get(pk=day.patient.pk)
    assert (stub.name, stub.mrn) == (f"Erased record no. {erasure.number}", f"E{erasure.number}")
    assert str(stub.resource) == f"Erased record no. {erasure.number}"
    assert list(StockEntry.objects.order_by("pk").values()) == before != []
    assert DrugDraw.objects.aggregate(sum=Sum("drawn_mg")) == drawn
    assert Booking.objects.filter(subject=day.patient.resource).count() == bookings
    assert AccessLog.objects.filter(subject=day.patient.resource).count() == readings
    opened = Opening.objects.get()
    assert (opened.user, opened.at, opened.kind, opened.reason) == (opening.user, opening.at, opening.kind, ERASED)
    assert erasure.counts["removed"]["patients.consent"] == consents
    assert erasure.counts["history"]["patients.problem"] >= 1
    assert erasure.proposed_by != erasure.by == day.clinician


def test_the_reports_count_the_erased_course_no_more_and_nothing_brings_it_back() -> None:
    day = known_everywhere()
    work_out([day.patient.pk], SEEN)
    had = CourseResult.objects.filter(patient=day.patient).count()
    erase(day.patient, day.clinician)
    bring_up_to_date(LATER)
    work_out([day.patient.pk], LATER)
    assert (had, CourseResult.objects.filter(patient=day.patient).count()) == (1, 0)


def test_the_row_of_an_erasure_cannot_be_changed_nor_removed() -> None:
    day = known_everywhere()
    erasure = erase(day.patient, day.clinician)
    for act in (lambda: Erasure.objects.update(reason="Other"), lambda: Erasure.objects.all().delete()):
        with pytest.raises(DatabaseError, match="append_only"), transaction.atomic():
            act()
    assert Erasure.objects.get().reason == erasure.reason


# --- two people, and what forbids it ----------------------------------------------------------------------------------
def test_who_proposed_cannot_confirm_and_the_record_stays() -> None:
    day = known_everywhere()
    both = make_user(Role.MANAGER, Role.CLINICIAN, username="both")
    proposal = propose_erasure(patient=day.patient, basis=Basis.OVER, reason="Over", by=both, now=LATER)
    with pytest.raises(ErasureRefusedError, match="second person"):
        confirm_erasure(proposal_id=proposal.pk, by=both, now=LATER)
    with pytest.raises(DatabaseError, match="erasureproposal_two_people"), transaction.atomic():
        ErasureProposal.objects.update(is_confirmed=True, closed_at=LATER, closed_by=both)
    assert not Erasure.objects.exists()
    assert confirm_erasure(proposal_id=proposal.pk, by=day.clinician, now=LATER).number == 1


def refused(patient: Patient, by: User, *, now: datetime = LATER, basis: Basis = Basis.LAW) -> str:
    with pytest.raises(ErasureRefusedError) as caught:
        propose_erasure(patient=patient, basis=basis, reason="A court's order", by=by, now=now)
    return str(caught.value)


def test_a_record_whose_time_is_not_over_goes_only_by_law() -> None:
    day = known_everywhere()
    soon = datetime(2031, 6, 1, tzinfo=UTC)
    assert "must be kept until 6 Apr 2034" in refused(day.patient, day.clinic.manager, now=soon, basis=Basis.OVER)
    assert erase(day.patient, day.clinician, now=soon, basis=Basis.LAW).basis == Basis.LAW


def test_ketamine_of_the_last_two_years_forbids_it_whatever_the_reason() -> None:
    day = known_everywhere()
    assert "drug log must tell to whom" in refused(day.patient, day.clinic.manager, now=SEEN + timedelta(days=700))


def test_a_legal_hold_forbids_it_until_it_is_lifted() -> None:
    day = known_everywhere()
    hold = place_hold(patient=day.patient, reason="Suit", by=day.clinic.manager, now=SEEN)
    assert "legal hold" in refused(day.patient, day.clinic.manager)
    lift_hold(hold_id=hold.pk, reason="Settled", by=day.clinic.manager, now=LATER)
    assert erase(day.patient, day.clinician).number == 1


def test_an_open_course_and_a_visit_ahead_forbid_it() -> None:
    day = make_day()
    said = refused(day.patient, day.clinic.manager, now=day.booking.start - timedelta(days=1))
    assert "A course is open" in said
    assert "6 visits are still booked" in said


def test_a_hold_that_comes_between_proposal_and_confirmation_stops_it() -> None:
    day = known_everywhere()
    proposal = propose_erasure(patient=day.patient, basis=Basis.OVER, reason="Over", by=day.clinic.manager, now=LATER)
    place_hold(patient=day.patient, reason="Suit", by=day.clinic.manager, now=LATER)
    with pytest.raises(ErasureRefusedError, match="legal hold"):
        confirm_erasure(proposal_id=proposal.pk, by=day.clinician, now=LATER)
    assert Patient.objects.get(pk=day.patient.pk).family_name == "Okafor"


def test_a_proposal_can_be_taken_back_and_then_not_be_confirmed() -> None:
    day = known_everywhere()
    proposal = propose_erasure(patient=day.patient, basis=Basis.OVER, reason="Over", by=day.clinic.manager, now=LATER)
    assert take_back(proposal_id=proposal.pk, by=day.clinician, now=LATER)
    with pytest.raises(ErasureRefusedError, match="decided meanwhile"):
        confirm_erasure(proposal_id=proposal.pk, by=day.clinician, now=LATER)


def test_an_erased_record_is_not_merged_with_another() -> None:
    day = known_everywhere()
    erase(day.patient, day.clinician)
    other = make_patient("Mei", "Chen")
    with pytest.raises(MergeRefusedError, match="erased"):
        merge_patients(kept_id=other.pk, duplicate_id=day.patient.pk, by=day.clinician, now=LATER)


# --- after a restore --------------------------------------------------------------------------------------------------
def test_after_a_restore_the_record_is_erased_again_from_the_list_outside(outside: Path) -> None:
    day = stained()
    point = transaction.savepoint()  # the backup
    erase(day.patient, day.clinician)
    transaction.savepoint_rollback(point)  # the restore: the rows of the erasure are gone with it
    assert Patient.objects.get(pk=day.patient.pk).family_name == WORD
    done = reapply(now=LATER + timedelta(days=1))
    assert (done.again, done.known, done.absent) == (1, 0, 0)
    again = Erasure.objects.get()
    assert (again.at, again.again_at, again.by) == (LATER, LATER + timedelta(days=1), day.clinician)
    assert said_where([WORD, PHONE[2:]]) == {}
    assert reapply(now=LATER).known == 1


def test_the_list_outside_names_nobody_and_is_for_its_owner_alone(outside: Path) -> None:
    day = known_everywhere()
    mrn = day.patient.mrn
    erase(day.patient, day.clinician)
    line = outside.read_text()
    assert WORD not in line
    assert mrn not in json.loads(line)["mrn_digests"]
    assert outside.stat().st_mode & 0o077 == 0


def test_where_the_list_cannot_be_written_nothing_is_erased(settings: Any, tmp_path: Path) -> None:
    day = known_everywhere()
    settings.ERASURES_FILE = tmp_path  # a folder stands where the list should be
    with pytest.raises(IsADirectoryError):
        erase(day.patient, day.clinician)
    assert not Erasure.objects.exists()
    assert Patient.objects.get(pk=day.patient.pk).family_name == "Okafor"


# --- kept so when tables are added ------------------------------------------------------------------------------------
def test_every_fate_names_a_table_that_leads_to_a_patient() -> None:
    known = {model._meta.label_lower for model in tables()}
    assert set(FATES) <= known
    assert set(OWN) <= {label for label, (fate, _) in FATES.items() if fate == Fate.EMPTIED}


def test_a_table_that_is_emptied_has_nothing_but_words_that_are_emptied() -> None:
    """JSON, files, days of birth and the like need a rule of their own; whoever adds such a column meets this test."""
    kinds = models.JSONField, models.BinaryField, models.FileField, models.DateField
    open_columns = [
        f"{model._meta.label_lower}.{f.name}"
        for model in tables()
        if fate_of(model) == Fate.EMPTIED
        for f in model._meta.concrete_fields
        if isinstance(f, kinds)
        and not isinstance(f, models.DateTimeField)
        and f.name not in OWN.get(model._meta.label_lower, {})
        and f.name not in KEPT_WORDS
    ]
    assert open_columns == ["courses.course.closed_on"]  # the day on which the skeleton of a course ended


def test_a_table_that_is_kept_as_it_is_has_no_words_about_anybody() -> None:
    words = {
        f"{model._meta.label_lower}.{f.name}"
        for model in tables()
        if fate_of(model) == Fate.KEPT
        for f in model._meta.concrete_fields
        if isinstance(f, models.CharField | models.TextField | models.JSONField) and not f.choices
    }
    assert words == {
        "courses.phasestep.label",  # of the protocol
        *{"courses.stockentry.reason", "courses.discrepancy.explanation"},  # about the shelf
        *{"patients.erasureproposal.reason", "patients.erasure.reason"},  # the form says: name nobody
        *{"patients.erasure.counts", "patients.erasure.digest"},
    }


def test_the_door_through_the_triggers_is_in_one_module_only() -> None:
    found = []
    for package in ("clinic", "patients", "courses"):
        for path in (Path(configured.BASE_DIR) / package).rglob("*.py"):
            if "tests" in path.parts or "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr == "ignore" and ast.unparse(node.value) == "pgtrigger":
                    found.append(path.name)
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and "session_replication" in node.value
                ):
                    found.append(path.name)
    assert found == ["privacy.py"]
