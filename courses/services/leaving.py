"""Leaving after an infusion: what is still missing, what people ticked, and the discharge itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError

from clinic.models import Booking, BookingStatus, User
from clinic.models.bookings import UPCOMING_STATUSES
from clinic.services import bookings
from clinic.services.bookings import StepRefusedError
from courses.models import (
    AdverseOutcome,
    AlarmAct,
    CheckAnswer,
    Discharge,
    FlowsheetRow,
    InfusionRecord,
    InfusionVisit,
    InstructionsWay,
    RemsForm,
    TaskKind,
    VisitOutcome,
)
from courses.pure.adverse import said_effects
from courses.pure.aftercare import no_driving_until, usual_text
from courses.pure.leaving import (
    LONGEST_ADVICE,
    LONGEST_NAME,
    NO,
    TICKS,
    YES,
    Criterion,
    Facts,
    Look,
    Tick,
    as_kept,
    from_kept,
    judge_leaving,
)
from courses.pure.rems import due_on
from courses.services.infusion_desk import Desk, read_desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError, changing
from courses.services.messages.sheet import announce_sheet
from courses.services.moves import record_given
from courses.services.worklists.engine import sweep
from patients.pure.consultation import fingerprint, tidy

PREFIX = "leave_"
GRAVE = (AlarmAct.PAUSE, AlarmAct.STOP, AlarmAct.URGENT)
"""Alarms that somebody must have answered before the patient leaves."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a patient stands on the way out. ``earliest``: when the observation is over; None before the end.

    After the discharge, the criteria are those that were kept with it.
    """

    criteria: tuple[Criterion, ...]
    missing: tuple[str, ...]
    is_ready: bool
    earliest: datetime | None
    has_left: bool = False

    @property
    def open(self) -> tuple[Criterion, ...]:
        return tuple(one for one in self.criteria if not one.is_met)


def leaving_of(desk: Desk) -> Leaving:
    """The criteria at ``desk.now``; no queries."""
    facts = facts_of(desk)
    left = desk.discharge
    if left is not None:
        return Leaving(from_kept(left.criteria), (), is_ready=False, earliest=facts.earliest, has_left=True)
    criteria = judge_leaving(facts)
    missing = tuple(one.todo for one in criteria if not one.is_met)
    return Leaving(criteria, missing, is_ready=not missing, earliest=facts.earliest)


def facts_of(desk: Desk) -> Facts:
    """What the record says that matters for leaving."""
    run = desk.run
    since = run.devices[-1] if run.is_over and desk.is_nasal and run.devices else run.ended_at
    looks = [_look(row) for row in desk.rows]
    start = run.started_at or (run.devices[0] if run.devices else None)
    return Facts(
        now=desk.now,
        since=since,
        observation_min=desk.visit.observation_min,
        before=[one for one in looks if start and one.at <= start],
        after=[one for one in looks if since and one.at >= since],
        ticks={
            item.removeprefix(PREFIX): Tick(one.value, one.at, desk.name(one.by_id))
            for item, one in desk.answers.items()
            if item.startswith(PREFIX)
        },
        open_alarms=sum(1 for one in desk.alarms if one.act in GRAVE and one.answered_at is None),
        effects=effects_said(desk),
        clock=lambda instant: f"{desk.place.local(instant):%H:%M}",
        is_nasal=desk.is_nasal,
        named_escort=escort_named(desk),
    )


def effects_said(desk: Desk) -> str:
    """The answer in words, “None” or “Nausea (moderate), 1 more”; empty while nobody answered."""
    if desk.effects:
        return said_effects([(one.code, one.text, one.severity) for one in desk.effects])
    return "None" if desk.record and desk.record.no_adverse_events_at else ""


def escort_named(desk: Desk) -> str:
    """Who was named at check-in; empty for nobody."""
    answer: CheckAnswer | None = desk.answers.get("escort")
    if answer is None:
        return ""
    return answer.detail or (answer.value if answer.value.lower() not in ("yes", "no") else "")


def _look(row: FlowsheetRow) -> Look:
    return Look(
        at=row.at,
        systolic_mmhg=row.systolic_mmhg,
        diastolic_mmhg=row.diastolic_mmhg,
        spo2_percent=row.spo2_percent,
        moaas=row.moaas,
        dissociation=row.dissociation,
        scale=row.dissociation_scale,
        nausea=row.nausea,
    )


# -- ticks -------------------------------------------------------------------------------------------------------------
def tick(*, booking_id: int, item: str, value: str, base: str, by: User, now: datetime) -> CheckAnswer:
    """The criterion says ``value``: yes, no, nothing, or for the escort a name. Said again, it counts from now on.

    Args:
        item: one of ``TICKS``.
        base: fingerprint of what the person's page had shown.

    Raises:
        ChangedMeanwhileError: somebody else said something else meanwhile.
        DayRefusedError: the infusion is not over, or the patient has left.
        ValidationError: no such answer.
    """
    value = tidy(value)
    if item not in TICKS:
        raise ValidationError("There is no such criterion.")
    if item == "escort" and len(value) > LONGEST_NAME:
        raise ValidationError({"escort": f"A name of at most {LONGEST_NAME} characters."})
    if item != "escort" and value not in (YES, NO, ""):
        raise ValidationError("Answer yes or no.")
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        _refuse_gone(desk)
        if facts_of(desk).since is None:
            raise DayRefusedError("The infusion is not over, so this is too early. Tick it while they are watched.")
        stored = desk.answers.get(PREFIX + item)
        was = stored.value if stored else ""
        if was != value and fingerprint(was) != base:
            who = desk.name(stored.by_id) if stored else "Somebody"
            raise ChangedMeanwhileError(
                f"{who} answered “{was or 'nothing'}” meanwhile. Nothing was changed; look again."
            )
        answer, _ = CheckAnswer.objects.update_or_create(
            record=record, item=PREFIX + item, defaults={"value": value, "at": now, "by": by}
        )
        return answer


def base_of_ticks(desk: Desk) -> dict[str, str]:
    """The fingerprint of each tick as it stands, by item."""
    stored = {item: desk.answers.get(PREFIX + item) for item in TICKS}
    return {item: fingerprint(one.value if one else "") for item, one in stored.items()}


# -- leaving -----------------------------------------------------------------------------------------------------------
class NotReadyError(DayRefusedError):
    """The patient may not leave yet; ``missing`` is the whole list."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = tuple(missing)
        super().__init__("They cannot leave yet. Missing: " + "; ".join(self.missing) + ".")


def discharge(*, booking_id: int, way: str, by: User, now: datetime) -> Discharge:
    """The patient has left with the escort, every criterion met; the visit is done and the infusion counts as given.

    The sheet goes out as a message too, where the patient agreed to text or e-mail.
    After a nasal treatment the REMS form is due so many days after the local day of the treatment.

    Args:
        way: how the instructions were given, a value of ``InstructionsWay``.

    Raises:
        NotReadyError: something is missing, an escort for example; nobody can override this.
        ChangedMeanwhileError: somebody else has discharged them already.
        ValidationError: nobody said how the instructions were given, or by a message that cannot be sent.

    Source: clinical.md D7, L4, case 34; the form: B3 (L2), case 27.
    """
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        _refuse_gone(desk)
        leaving = leaving_of(desk)
        if not leaving.is_ready:
            raise NotReadyError(leaving.missing)
        if way not in InstructionsWay.values:
            raise ValidationError({"way": "Say how the instructions were given."})
        escort = next(one.value for one in leaving.criteria if one.code == "escort")
        handed = Handed(escort, instructions_of(desk), way)
        left = _leave(desk, record, leaving, handed, by=by, now=now)
        if not announce_sheet(left, by=by, now=now) and way == InstructionsWay.SENT:
            raise ValidationError({"way": "The sheet cannot be sent to this patient: print it, or show it."})
        return left


def send_to_hospital(*, booking_id: int, taken_over_by: str, by: User, now: datetime) -> Discharge:
    """The patient was handed over to a hospital: no discharge home, so the criteria are kept as they stood.

    Raises:
        DayRefusedError: no serious effect says that they were sent to hospital, or the infusion goes on.
        ChangedMeanwhileError: they have left already.
        ValidationError: nobody is named who took over.
    """
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        _refuse_gone(desk)
        if not is_sent_to_hospital(desk):
            raise DayRefusedError("Record the side effect first, with “sent to hospital” as its outcome.")
        if facts_of(desk).since is None:
            raise DayRefusedError("Stop the infusion first.")
        name = tidy(taken_over_by)
        if not name or len(name) > LONGEST_NAME:
            raise ValidationError({"taken_over_by": "Who took over: the crew or the person, in a few words."})
        handed = Handed(name, "Sent to hospital; no instructions for home were given.", InstructionsWay.TOLD)
        return _leave(desk, record, leaving_of(desk), handed, by=by, now=now)


def leave_against_advice(*, booking_id: int, told: str, went_with: str, by: User, now: datetime) -> Discharge:
    """The patient left before the criteria were met and would not stay: no discharge, but what happened.

    The criteria are kept as they stood; the sheet goes out where the patient agreed to text or e-mail. The worklist
    “Worse or in danger” asks a clinician to look at the course.

    Args:
        told: what they were told (no driving, whom to call), and what they said.
        went_with: a name; empty when they left alone.

    Raises:
        DayRefusedError: the infusion goes on, or nothing is missing: then it is a discharge.
        ChangedMeanwhileError: they have left already.
        ValidationError: nobody says what they were told, or a text is too long.
    """
    told, went_with = tidy(told), tidy(went_with)
    with changing(booking_id, by=by, now=now) as record:
        desk = read_desk(booking_id, now=now)
        _refuse_gone(desk)
        leaving = leaving_of(desk)
        if facts_of(desk).since is None:
            raise DayRefusedError("Stop the infusion first.")
        if leaving.is_ready:
            raise DayRefusedError("Nothing is missing: discharge them.")
        if not told or len(told) > LONGEST_ADVICE:
            raise ValidationError({"told": f"What they were told, in at most {LONGEST_ADVICE} characters."})
        if len(went_with) > LONGEST_NAME:
            raise ValidationError({"went_with": f"A name of at most {LONGEST_NAME} characters."})
        handed = Handed(went_with, instructions_of(desk), InstructionsWay.TOLD, against_advice=told)
        left = _leave(desk, record, leaving, handed, by=by, now=now)
        announce_sheet(left, by=by, now=now)
    sweep(now, course_id=desk.course.pk, kinds=[TaskKind.WORSE])
    return left


def is_sent_to_hospital(desk: Desk) -> bool:
    return any(one.outcome == AdverseOutcome.TRANSFERRED for one in desk.effects)


def instructions_of(desk: Desk) -> str:
    """What the patient takes home: the text of the protocol, else the usual one of its route."""
    return desk.protocol.aftercare.strip() or usual_text(is_nasal=desk.is_nasal)


def over_at(desk: Desk) -> datetime | None:
    """When the last of the drug was given; None while it goes on."""
    ends = [at for at in (desk.run.ended_at, facts_of(desk).since) if at]
    return max(ends) if ends else None


def next_visit(desk: Desk) -> Booking | None:
    """The next booked infusion of the course. One query."""
    found = (
        InfusionVisit.objects.filter(
            infusion__phase__course=desk.course,
            outcome=VisitOutcome.OPEN,
            booking__status__in=UPCOMING_STATUSES,
            booking__span__startswith__gt=desk.booking.start,
        )
        .select_related("booking__location", "infusion")
        .order_by("booking__span")
        .first()
    )
    return found.booking if found else None


def _refuse_gone(desk: Desk) -> None:
    if desk.discharge is not None:
        left = desk.place.local(desk.discharge.at)
        who = desk.name(desk.discharge.by_id)
        raise ChangedMeanwhileError(f"They left at {left:%H:%M} already (recorded by {who}). Nothing was changed.")


@dataclass(frozen=True, slots=True)
class Handed:
    """To whom the patient was handed over, and with what."""

    to: str
    instructions: str
    way: str
    against_advice: str = ""


def _leave(
    desk: Desk, record: InfusionRecord, leaving: Leaving, handed: Handed, *, by: User, now: datetime
) -> Discharge:
    try:
        if desk.booking.status == BookingStatus.IN_CHAIR:
            bookings.advance(desk.booking.pk, to=BookingStatus.OBSERVING, by=by, now=now)
        left = Discharge.objects.create(
            record=record,
            criteria=as_kept(leaving.criteria),
            escort_name=handed.to,
            against_advice=handed.against_advice,
            instructions=handed.instructions,
            instructions_way=handed.way,
            no_driving_until=no_driving_until(over_at(desk) or now),
            at=now,
            by=by,
        )
        bookings.advance(desk.booking.pk, to=BookingStatus.DONE, by=by, now=now)
    except StepRefusedError as error:
        raise DayRefusedError(str(error)) from error
    record_given(booking_id=desk.booking.pk, by=by, now=now)
    if desk.is_nasal:
        given_on = desk.place.local(over_at(desk) or now).date()
        due = due_on(given_on, desk.day_settings.rems_days)
        RemsForm.objects.get_or_create(record=record, defaults={"due_on": due})
    return left
