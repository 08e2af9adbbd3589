"""An infusion by a patient's link: other legal times, moved, cancelled, how to prepare. No word about the treatment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import cast

from clinic.models import Booking, BookingKind, Location
from clinic.pure.words import translatable as _
from courses.models import InfusionDaySettings, InfusionVisit, Phase, VisitOutcome
from courses.models.protocols import Route
from courses.planning.types import Severity, Zone
from courses.pure.fasting import FastingProfile, Intake, fasting_profile_of
from courses.services.moves import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    Mode,
    MoveDesk,
    Target,
    cancel_by_patient,
    move_by_patient,
    open_move,
)
from patients.pure.messages.sheets import Part, Sheet, Until
from patients.services.messages.acts import (
    BY_LINK,
    ActRefusedError,
    Choice,
    VisitActs,
    Why,
    key_of,
    register_acts,
    register_page,
)
from patients.services.messages.links import Opened, Purpose

A_DAY_AT_MOST = 3
"""[D] Times shown of one day: somebody who cannot come on a day wants to hear of another one."""
APART_MIN = 90
"""[D] Two times of a day differ by at least so much."""
HERE = "courses.services.visit_acts"


def register() -> None:
    """Patients change their infusions by a link, take offers by one, and read the sheet for home."""
    acts = VisitActs(choices=f"{HERE}.choices", move=f"{HERE}.move", cancel=f"{HERE}.cancel", sheet=f"{HERE}.sheets")
    register_acts(BookingKind.INFUSION, acts)
    register_page(Purpose.OFFER, "courses.views.offer.by_message")
    register_page(Purpose.SHEET, "courses.views.home_sheet.by_message")


def choices(opened: Opened, *, since: datetime, count: int, now: datetime) -> Sequence[Choice]:
    """Days that the judge finds legal with every other infusion where it is, nearest in time of day to the old one.

    See ``patients.services.messages.acts.Choices``.
    """
    booking = _booking(opened)
    desk = _desk(opened, since, now)
    place = desk.series.location
    usual = _minute(place.local(booking.start))
    found = [
        Choice(key_of(start), start, place)
        for zone in desk.zones()
        if zone.severity in (None, Severity.NOTE)
        for start in sorted(_starts(zone, usual, place, since, booking.start))
    ]
    # A zone is judged by its day; each time is judged once more with its people, as it would be booked.
    return [one for one in found[: count * 2] if _is_legal(desk, one.start)][:count]


def move(opened: Opened, *, key: str, since: datetime, now: datetime) -> None:
    """The infusion stands at the picked time; nothing else of the series moves. See ``acts.MoveIt``."""
    try:
        start = datetime.strptime(key, "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise ActRefusedError(Why.TAKEN) from None
    if start < since:
        raise ActRefusedError(Why.TAKEN)
    desk = _desk(opened, start, now)
    booking = desk.row.booking
    if booking is None or booking.version != _booking(opened).version:
        raise ActRefusedError(Why.CHANGED)
    try:
        move_by_patient(desk, _target(desk, start), reason=f"Moved {BY_LINK}.", now=now)
    except ChangedMeanwhileError as error:
        raise ActRefusedError(Why.TAKEN) from error
    except ChangeRefusedError as error:
        raise ActRefusedError(Why.CALL) from error


def cancel(opened: Opened, *, reason: str, now: datetime) -> None:
    """Cancelled as the desk would: the number waits for a new time (R5). See ``acts.CancelIt``."""
    booking = _booking(opened)
    try:
        infusion_id = _visit(opened).infusion_id
        cancel_by_patient(infusion_id, reason=reason, now=now, expected_version=booking.version)
    except ChangeRefusedError as error:
        raise ActRefusedError(Why.CHANGED) from error


def sheets(visits: Sequence[Booking]) -> dict[int, Sheet]:
    """How to prepare, by visit. Two queries. See ``acts.Prepare``.

    Source: clinical.md D2, A 107, 108, 110-113, C8 (one fasting profile and no other).
    """
    rows = InfusionVisit.objects.filter(booking__in=visits, outcome=VisitOutcome.OPEN)
    routes = dict(rows.values_list("booking", "infusion__phase__protocol_version__protocol__route"))
    places = {one.location_id for one in visits}
    profiles = dict(InfusionDaySettings.objects.filter(location__in=places).values_list("location", "fasting_profile"))
    found: dict[int, Sheet] = {}
    for one in visits:
        if one.pk in routes:
            chosen = profiles.get(one.location_id, InfusionDaySettings().fasting_profile)
            profile = fasting_profile_of(chosen, is_nasal=routes[one.pk] == Route.NASAL)
            found[one.pk] = Sheet((_eating(profile, one.start), *_rest()))
    return found


# -- the sheet ---------------------------------------------------------------------------------------------------------


def _eating(profile: FastingProfile, start: datetime) -> Part:
    times = []
    fatty, solids = profile.fatty_min, profile.needed_min(Intake.SOLIDS)
    if fatty is not None:
        times.append(Until(_("A fatty meal or meat"), _before(start, fatty)))
    if solids is not None:
        times.append(Until(_("Food, milk and anything with milk"), _before(start, solids)))
    liquids = profile.needed_min(Intake.LIQUIDS)
    if liquids is not None:
        note = _("Water, juice without pulp, black coffee, tea without milk.")
        times.append(Until(_("Clear drinks"), _before(start, liquids), note))
    lines = [_("After the time given, nothing of that kind until you are with us. Exactly at the time is still fine.")]
    lines.append(_("Drink enough water the day before."))  # A 107
    return Part("tools-kitchen-2-off", _("Eating and drinking"), tuple(lines), tuple(times))


def _before(start: datetime, minutes: int) -> datetime:
    """Real minutes before, also over a night on which the clocks change."""
    return start.astimezone(UTC) - timedelta(minutes=minutes)


def _rest() -> Iterable[Part]:
    yield Part(  # A 110, D7
        "car-off",
        _("Your way home"),
        (
            _("Somebody has to take you home. Please tell us their name when you arrive."),
            _("You cannot drive until the next day, after a full night's sleep, and for at least 24 hours."),
        ),
    )
    yield Part(  # D2, A 112
        "pill",
        _("Your medicines"),
        (
            _("Take them as your prescriber ordered. Leave out only what we told you to leave out."),
            _("Tell us about anything new: medicines, illness, a pregnancy."),
        ),
    )
    yield Part("shirt", _("What to wear"), (_("Comfortable clothes, with sleeves that roll up easily."),))  # A 111
    yield Part(
        "phone",
        _("If something comes up"),
        (_("Call us if you are ill, if you ate or drank too late, or if nobody can take you home."),),
    )


# -- parts -------------------------------------------------------------------------------------------------------------


def _booking(opened: Opened) -> Booking:
    return cast("Booking", opened.booking)  # ``acts`` asks only about a visit


def _visit(opened: Opened) -> InfusionVisit:
    rows = InfusionVisit.objects.select_related("infusion__phase__protocol_version__protocol")
    found = rows.filter(booking=opened.booking, outcome=VisitOutcome.OPEN).first()
    if found is None:
        raise ActRefusedError(Why.CALL)
    return found


def _desk(opened: Opened, towards: datetime, now: datetime) -> MoveDesk:
    day = _booking(opened).location.local(towards).date()
    try:
        return open_move(_infusion_id(opened), mode=Mode.ONLY, now=now, towards=day)
    except (ChangeRefusedError, Phase.DoesNotExist) as error:
        raise ActRefusedError(Why.CALL) from error


def _infusion_id(opened: Opened) -> int:
    rows = InfusionVisit.objects.filter(booking=opened.booking, outcome=VisitOutcome.OPEN)
    found = rows.values_list("infusion", flat=True).first()
    if found is None:
        raise ActRefusedError(Why.CALL)
    return found


def _starts(zone: Zone, usual: int, place: Location, since: datetime, own: datetime) -> list[datetime]:
    """At most ``A_DAY_AT_MOST`` starts of a day, those nearest to the usual time, some way apart."""
    chosen: list[int] = []
    for minute in sorted(zone.minutes, key=lambda one: (abs(one - usual), one)):
        start = _instant(zone, minute, place)
        if start < since or start == own or any(abs(minute - other) < APART_MIN for other in chosen):
            continue
        chosen.append(minute)
        if len(chosen) == A_DAY_AT_MOST:
            break
    return [_instant(zone, minute, place) for minute in chosen]


def _instant(zone: Zone, minute: int, place: Location) -> datetime:
    return place.at(zone.day, time(*divmod(minute, 60)))


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute


def _target(desk: MoveDesk, start: datetime) -> Target:
    local = desk.series.location.local(start)
    return Target(local.date(), _minute(local))


def _is_legal(desk: MoveDesk, start: datetime) -> bool:
    found = desk.preview(_target(desk, start))
    return found.is_possible and not found.breaches
