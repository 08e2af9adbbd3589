"""The large data set, at its smallest: written in bulk, and still nothing in it breaks a rule of the product."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone
from pghistory.core import event_models
from pytest_django import DjangoDbBlocker, Settings

from clinic.models import Allocation, Booking, BookingKind, BookingStatus, Closure, Location, Resource, User
from clinic.pure.roles import Role
from clinic.services.bookings import TimeTakenError
from clinic.tests.factories import make_user
from courses.models import (
    Course,
    CourseResult,
    CourseStatus,
    DrugDraw,
    FlowsheetRow,
    Infusion,
    InfusionRecord,
    InfusionVisit,
    LimitAlarm,
    Phase,
    PhaseKind,
    StockEntry,
    Task,
)
from courses.planning.rules import judge
from courses.planning.types import Placed
from courses.services.demo.place import PASSWORD, SIGN_INS
from courses.services.demo.scale.load import WRITTEN, load_scale
from courses.services.demo.scale.size import Size, TooLargeError
from courses.services.infusion_desk import read_desk
from courses.services.planning_input import settings_from_phase
from courses.services.results import work_out_all
from courses.services.signing import missing_of
from courses.services.worklists.engine import sweep as sweep_worklists
from patients.models import Message, MessageState, Patient, VisitMode
from patients.services.consultations import book_consultation
from patients.services.messages.planning import sweep as sweep_messages
from patients.services.registry import PatientData, register_patient
from patients.services.search import search_patients
from patients.services.search_columns import columns_of

pytestmark = pytest.mark.xdist_group("scale")  # one worker builds it for all of them
SIZE = Size(100)
SCHEMA = """
    SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid) || convalidated
    FROM pg_constraint WHERE conrelid <> 0
    UNION ALL SELECT pg_get_indexdef(indexrelid) || indisvalid FROM pg_index WHERE indrelid::regclass::text !~ '^pg_'
    UNION ALL SELECT table_name || ' ' || column_name || ' ' || COALESCE(column_default, '') FROM
        information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT tgrelid::regclass::text || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY 1"""


@dataclass
class Loaded:
    said: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def schema() -> list[str]:
    """Without casts and brackets: PostgreSQL writes the condition of an index otherwise once it has read it again."""
    with connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        return sorted(re.sub(r"::text|::character varying|\[\]|[()]", "", row) for (row,) in cursor.fetchall())


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Loaded]:
    """Built once for this module, and rolled back after it."""
    with django_db_blocker.unblock(), transaction.atomic():
        found = Loaded(before=schema())
        load_scale(SIZE, now=timezone.now(), say=found.said.append)
        found.after = schema()
        yield found
        transaction.set_rollback(True)


@pytest.fixture
def loaded(built: Loaded, django_db_blocker: DjangoDbBlocker) -> Iterator[Loaded]:
    """The data set; what a test writes into it is gone after the test."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield built
        transaction.set_rollback(True)


def test_it_has_the_proportions_that_were_asked_for(loaded: Loaded) -> None:
    assert loaded.said[-1].strip().split("  ")[-1].startswith("messages planned")
    assert Patient.objects.count() == 100
    assert Booking.objects.count() == 1_000
    assert Course.objects.count() == 20
    assert Location.objects.count() == 3
    first = Booking.objects.order_by("span").values_list("span", flat=True)[0].lower
    assert timedelta(days=5 * 365 - 30) < timezone.now() - first < timedelta(days=5 * 366)
    assert set(Booking.objects.values_list("kind", flat=True)) == {BookingKind.CONSULTATION, BookingKind.INFUSION}
    assert {CourseStatus.COMPLETED, CourseStatus.ACTIVE, CourseStatus.PLANNED} <= set(
        Course.objects.values_list("status", flat=True)
    )
    assert FlowsheetRow.objects.count() > 8 * InfusionRecord.objects.filter(signed_at__isnull=False).count() > 0
    assert {MessageState.SENT, MessageState.DELIVERED, MessageState.PLANNED} <= set(
        Message.objects.values_list("state", flat=True)
    )


def test_progress_says_what_and_how_many_of_how_many(loaded: Loaded) -> None:
    assert any(line.endswith("s  patients: 100 of 100") for line in loaded.said)
    assert any(line.endswith("s  courses planned and judged: 20 of 20") for line in loaded.said)
    assert any("references checked" in line for line in loaded.said)


def test_tables_have_their_constraints_indexes_triggers_and_no_defaults_as_before(loaded: Loaded) -> None:
    assert len(loaded.before) > 500
    assert loaded.after == loaded.before
    assert not [line for line in loaded.after if line.endswith(" D")]  # no trigger is off


def test_nothing_is_in_two_places_at_once(loaded: Loaded) -> None:
    held: dict[tuple[int, int], list[tuple[Any, Any]]] = defaultdict(list)
    lanes = dict(Resource.objects.values_list("pk", "lanes"))
    for one in Allocation.objects.held():
        held[one.resource_id, one.lane].append((one.span.lower, one.span.upper))
        assert one.lane == 100 or one.lane < lanes[one.resource_id]
    assert sum(map(len, held.values())) > 2_500
    for spans in held.values():
        spans.sort()
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_every_visit_holds_what_its_kind_needs(loaded: Loaded) -> None:
    roles: dict[int, list[str]] = defaultdict(list)
    for number, role in Allocation.objects.order_by("role").values_list("booking", "role"):
        roles[number].append(role)
    for booking in Booking.objects.all():
        infusion = ["attention", "clinician", "nurse", "patient", "station"]
        assert roles[booking.pk] == (infusion if booking.kind == "infusion" else ["clinician", "patient", "station"])
    released = Allocation.objects.filter(released=True)
    assert {one.booking.status for one in released.select_related("booking")} <= {"missed", "cancelled", "withheld"}


def test_the_judge_finds_every_series_and_every_maintenance_legal(loaded: Loaded) -> None:
    closed = set(Closure.objects.values_list("location", "first_day"))
    kinds = set()
    phases = Phase.objects.select_related("course", "protocol_version__protocol").prefetch_related("steps", "infusions")
    for phase in phases.order_by("course", "position"):
        placed = [Placed(one.number, one.day) for one in phase.infusions.all() if one.day]
        earlier = Infusion.objects.filter(phase__course=phase.course, phase__position__lt=phase.position)
        before = max((one.day for one in earlier if one.day), default=None)
        assert not any((phase.course.location_id, one.day) in closed for one in placed)
        verdict = judge(placed, settings_from_phase(phase).rule, before=before)
        assert verdict.is_legal, (phase.pk, verdict.needs_override)
        kinds.add(phase.kind)
    assert kinds == {PhaseKind.INITIAL, PhaseKind.MAINTENANCE}


def test_infusions_visits_and_bookings_tell_the_same_story(loaded: Loaded) -> None:
    for visit in InfusionVisit.objects.select_related("booking__location", "infusion__phase__course__patient"):
        infusion, booking = visit.infusion, visit.booking
        assert booking.subject_id == infusion.phase.course.patient.resource_id
        if visit.outcome in {"open", "given"}:
            assert infusion.day == booking.location.local(booking.start).date()
            assert (visit.outcome == "given") == (infusion.status == "given") == (booking.status == BookingStatus.DONE)
    given = Infusion.objects.filter(status="given").count()
    assert given == InfusionRecord.objects.filter(visit__outcome="given").count() > 100


def test_a_record_is_as_complete_as_the_service_asks_before_it_is_signed(loaded: Loaded) -> None:
    records = InfusionRecord.objects.filter(signed_at__isnull=False).select_related("visit").order_by("pk")
    for record in records[:12]:
        assert missing_of(read_desk(record.visit.booking_id, now=timezone.now())) == ()
    assert not LimitAlarm.objects.filter(answered_at=None).exists()


def test_the_drug_adds_up_line_by_line(loaded: Loaded) -> None:
    parts = F("given_mg") + F("wasted_mg") + F("returned_mg")
    closed = DrugDraw.objects.filter(closed_at__isnull=False)
    assert closed.count() > 100
    assert not closed.exclude(drawn_mg=parts).exists()
    said: dict[int, dict[str, Decimal]] = defaultdict(dict)
    entries = StockEntry.objects.order_by("lot", "number")
    for _, lines in groupby(entries, key=lambda one: one.lot_id):
        balance = Decimal(0)
        for number, one in enumerate(lines, 1):
            balance += one.change_mg
            assert (one.number, one.balance_mg) == (number, balance)
            assert balance >= 0
            if one.draw_id:
                said[one.draw_id][one.kind] = one.amount_mg
    for draw in closed:
        wasted = {"wasted": draw.wasted_mg} if draw.wasted_mg else {}
        assert said[draw.pk] == {"drawn": draw.drawn_mg, "given": draw.given_mg, **wasted}


def test_the_search_has_the_columns_that_the_service_writes(loaded: Loaded) -> None:
    for patient in Patient.objects.prefetch_related("phones"):
        columns = columns_of(patient, [str(one.number.as_e164) for one in patient.phones.all()])
        assert (patient.search_name, patient.search_keys) == (columns.text, columns.keys)
    found = search_patients("10001", today=timezone.now().date())
    assert [hit.patient.mrn for hit in found][:1] == ["10001"]


def test_results_worklists_and_messages_are_those_that_the_product_works_out_again(loaded: Loaded) -> None:
    now = timezone.now()
    left = {"worked_out_at"}
    names = [one.attname for one in CourseResult._meta.concrete_fields if one.attname not in left]
    before = list(CourseResult.objects.order_by("pk").values(*names))
    assert len(before) > 10
    CourseResult.objects.all().delete()
    work_out_all(now)
    assert list(CourseResult.objects.order_by("pk").values(*names)) == before
    tasks = Task.objects.open().count()
    assert sweep_worklists(now).opened == 0
    assert Task.objects.open().count() == tasks
    assert sweep_messages(now=now).planned == 0


def test_history_is_written_again(loaded: Loaded) -> None:
    patient = Patient.objects.order_by("pk")[7]
    rows = next(one for one in event_models(tracks_model=Patient))._default_manager.filter(pgh_obj_id=patient.pk)
    assert not rows.exists()
    patient.city = "Albany"
    patient.save(update_fields=["city"])
    assert rows.count() == 1


def test_the_services_go_on_with_the_next_numbers(loaded: Loaded) -> None:
    now = timezone.now()
    by, prescriber = User.objects.get(username="desk"), User.objects.get(username="clinician")
    data = PatientData(given_name="Ada", family_name="Okafor", birth_date=now.date() - timedelta(days=15_000))
    patient = register_patient(data=data, by=by, now=now)
    assert (patient.pk, patient.mrn) == (101, "10101")
    room = Resource.objects.rooms(prescriber.home_location)[0]
    last = Booking.objects.order_by("-pk")[0]
    day = Booking.objects.filter(location=prescriber.home_location).order_by("-span")[0].start + timedelta(days=7)
    booking = book_consultation(
        patient=patient, location=prescriber.home_location, start=day, length_min=15,
        clinician_id=prescriber.resource_id, room_id=room.pk, by=by, now=now,
    )  # fmt: skip
    assert booking.pk == last.pk + 1
    assert booking.allocations.count() == 3
    with pytest.raises(TimeTakenError):
        book_consultation(
            patient=patient, location=prescriber.home_location, start=day, length_min=15,
            clinician_id=prescriber.resource_id, room_id=None, by=by, now=now, mode=VisitMode.VIDEO,
        )  # fmt: skip


def test_those_of_the_demo_sign_in(loaded: Loaded) -> None:
    for name, _ in SIGN_INS:
        assert Client().login(username=name, password=PASSWORD)
        assert not Client().login(username=name, password="another")
    assert User.objects.get(username="manager").roles == [Role.MANAGER]


# -- the command -------------------------------------------------------------------------------------------------------
def run(**options: Any) -> str:
    said = StringIO()
    call_command("load_demo", stdout=said, **options)
    return said.getvalue()


@pytest.mark.django_db
def test_the_command_refuses_where_records_are_and_in_production(settings: Settings) -> None:
    make_user(Role.MANAGER)
    with pytest.raises(CommandError, match="load_demo --reset"):
        run(scale=100)
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="production installation"):
        run(scale=100, reset=True)
    assert (User.objects.count(), Patient.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_the_command_refuses_more_than_the_chairs_hold_and_says_how_much_they_do() -> None:
    with pytest.raises(CommandError, match=r"100,001 .* hold 30 to 100,000 in that time"):
        run(scale=100_001)
    with pytest.raises(TooLargeError, match="hold 30 to 27,200"):
        Size(30_000, years=1)
    assert not User.objects.exists()


@pytest.mark.django_db
def test_the_command_throws_away_what_was_there_when_told_to(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    make_user(Role.MANAGER)
    asked = []
    monkeypatch.setattr(
        "courses.services.demo.scale.load._write", lambda size, *_: asked.append((size, User.objects.count()))
    )
    monkeypatch.setattr("courses.services.demo.scale.load.settle", lambda *_: None)
    assert "1,000 bookings" in run(scale=100, reset=True)
    assert asked == [(SIZE, 0)]
    assert PASSWORD in (tmp_path / "demo-sign-ins.txt").read_text()
    assert len(WRITTEN) == len(set(WRITTEN))
