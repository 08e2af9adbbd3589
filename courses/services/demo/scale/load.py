"""Building it all, layer on layer, in one transaction; afterwards what the product itself makes of it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import models, transaction

from clinic.models import Allocation, Booking, Resource
from courses.models import (
    AdverseEvent,
    CheckAnswer,
    Course,
    Discharge,
    DoseCheck,
    DoseOrder,
    DrugDraw,
    DrugLot,
    FlowsheetRow,
    Infusion,
    InfusionRecord,
    InfusionVisit,
    LimitAlarm,
    MaintenancePlan,
    Phase,
    PhaseStep,
    RunEvent,
    StockEntry,
    Task,
)
from courses.services.demo.load import clear_everything
from courses.services.demo.scale.bookings import write_bookings
from courses.services.demo.scale.bulk import Progress, Say, analyze, execute, written_in_bulk
from courses.services.demo.scale.courses import protocols_of, write_care, write_courses, write_visits_of_courses
from courses.services.demo.scale.messages import write_messages
from courses.services.demo.scale.people import CONDITIONS, write_people
from courses.services.demo.scale.place import SITES, build_place
from courses.services.demo.scale.plan import Planner
from courses.services.demo.scale.records import write_records
from courses.services.demo.scale.scores import write_scores
from courses.services.demo.scale.size import Size
from courses.services.demo.scale.stock import write_stock
from courses.services.protocols import install_shipped_protocols
from courses.services.results import work_out_all
from courses.services.worklists.engine import sweep as sweep_worklists
from patients.models import (
    Assessment,
    Consent,
    Consultation,
    ContactConsent,
    Message,
    MessageStep,
    Patient,
    Phone,
    ScreeningDecision,
    TreatedCondition,
)
from patients.services.messages.planning import sweep as sweep_messages
from patients.services.messages.rules import ensure_everywhere

WRITTEN: tuple[type[models.Model], ...] = (
    *(Resource, Booking, Allocation),
    *(Patient, Phone, ContactConsent, TreatedCondition, Consent, ScreeningDecision, Consultation, Assessment),
    *(Message, MessageStep),
    *(Course, Phase, PhaseStep, Infusion, InfusionVisit, MaintenancePlan, Task),
    *(InfusionRecord, CheckAnswer, DoseOrder, DoseCheck, RunEvent, FlowsheetRow, LimitAlarm, AdverseEvent, Discharge),
    *(DrugLot, DrugDraw, StockEntry),
)


def load_scale(size: Size, *, now: datetime, say: Say, clear: bool = False) -> None:
    """The migrated database holds the data set around ``now``; empty before, or emptied with ``clear``.

    What follows from the rows comes in transactions of its own, a batch of patients each: every patient takes a lock,
    and one transaction has not room for so many. Stopped there, the rows stand, and the worker's sweeps and
    ``manage.py work_out_results`` do the rest.

    Raises:
        IntegrityError: a row breaks a rule of the database; then nothing was written, and nothing thrown away.
    """
    progress = Progress(say)
    with transaction.atomic():
        if clear:
            clear_everything()
        _write(size, now, progress)
    settle(now, progress)


def _write(size: Size, now: datetime, progress: Progress) -> None:
    today = now.astimezone(ZoneInfo(SITES[0][1])).date()
    first, last = size.first_day(today), size.last_day(today)
    sites = build_place(first=first, last=last, today=today)
    install_shipped_protocols(by=sites[0].starters[0], now=now)
    ensure_everywhere(now=now)
    progress("locations, chairs, people, hours", len(sites), len(SITES))
    with written_in_bulk(WRITTEN, progress):
        write_people(size, sites, first, progress)
        planner = Planner(size, sites, protocols_of(sites[0], today), first, today)
        attempts = write_courses(planner, sites, now, progress)
        write_bookings(size, sites, attempts, days=(first, last), now=now, progress=progress)
        execute(CONDITIONS, {})
        write_visits_of_courses(progress)
        write_care(sites, today, progress)
        write_scores(now, progress)
        write_records(now, progress)
        write_stock(now, progress)
        write_messages(now, progress)
        analyze([Patient._meta.db_table, Resource._meta.db_table])


def settle(now: datetime, progress: Progress) -> None:
    """What follows from the rows, by the product's own functions: results, worklists, messages to come."""
    work_out_all(now, lambda done, total: progress("results of patients", done, total) if done % 2000 == 0 else None)
    analyze(["courses_courseresult", "courses_resultdue"])
    swept = sweep_worklists(now)
    progress("tasks opened", swept.opened)
    analyze(["courses_task"])
    planned = sweep_messages(now=now)
    progress("messages planned", planned.planned)
    analyze(["patients_message", "patients_messagestep"])
