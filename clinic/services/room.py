"""Is there room for a request? Reads what is held, chooses lanes, and says in words what is in the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection

from clinic.models.bookings import ATTENTION_LANE, Allocation, AllocationRole, Booking, BookingKind
from clinic.models.places import Location, Resource, ResourceKind
from clinic.pure import lanes
from clinic.pure.lanes import Ask, Fit, Held
from clinic.services.claims import Claim, Clash, Wanted, spoken_name

# One pass over the exclusion index for each claim, in one query whatever the number of claims.
HELD_SQL = """
SELECT DISTINCT a.id, a.booking_id, a.resource_id, a.lane, a.role, lower(a.span), upper(a.span)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS w (resource_id, starts, ends)
JOIN clinic_allocation a
  ON int8range(a.resource_id, a.resource_id, '[]') && int8range(w.resource_id, w.resource_id, '[]')
 AND a.span && tstzrange(w.starts, w.ends)
WHERE NOT a.released AND a.booking_id <> ALL(%s::bigint[])
ORDER BY lower(a.span), a.id
"""
CLUSTER_MARGINS = (timedelta(days=1), timedelta(days=7), timedelta(days=60))
"""How far around a claim to look for what hangs together with it: nights usually end it within a day."""


@dataclass(frozen=True, slots=True)
class Place:
    """One row of ``Allocation`` to come: the claim and a lane that is free for it."""

    index: int
    claim: Claim
    lane: int


@dataclass(slots=True)
class Room:
    """The answer to a request: places for all of it, or clashes. ``relaned`` are existing rows that change lanes."""

    places: list[Place] = field(default_factory=list)
    relaned: dict[int, int] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Refusal:
    index: int
    claim: Claim
    in_the_way: tuple[Held, ...]


def find_room(
    wanted: Sequence[Wanted],
    resources: Mapping[int, Resource],
    locations: Mapping[int, Location],
    *,
    moving: Iterable[int] = (),
) -> Room:
    """Lanes for every claim, or a clash for each that cannot be had.

    The answer holds as long as the rows of ``resources`` are locked.

    Args:
        moving: bookings whose allocations are given up by the same request and so stand in nobody's way.
    """
    ignored = list(moving)
    claims: dict[int, list[tuple[int, Claim]]] = defaultdict(list)
    for index, one in enumerate(wanted):
        for claim in _plain(one.claims):
            claims[claim.resource_id].append((index, claim))
    held = _held([claim for mine in claims.values() for _, claim in mine], ignored)
    room, refusals = Room(), []
    for resource_id, mine in claims.items():
        refusals += _fit(room, resources[resource_id], mine, held[resource_id], ignored)
    if refusals:
        refusals.sort(key=lambda refusal: (refusal.index, refusal.claim.start, refusal.claim.resource_id))
        room.clashes = _in_words(refusals, wanted, resources, locations)
    return room


def _plain(claims: Iterable[Claim]) -> list[Claim]:
    """Full attention has a lane of its own; blocked twice is blocked once (a copied block names each of its lanes)."""
    plain = []
    for claim in claims:
        if claim.role == AllocationRole.ATTENTION and claim.lane is None:
            plain.append(replace(claim, lane=ATTENTION_LANE))
        elif claim.role == AllocationRole.BLOCKED:
            plain.append(replace(claim, lane=None))
        else:
            plain.append(claim)
    blocked = dict.fromkeys(claim for claim in plain if claim.role == AllocationRole.BLOCKED)
    return [*(claim for claim in plain if claim.role != AllocationRole.BLOCKED), *blocked]


def _held(claims: Sequence[Claim], ignored: Sequence[int]) -> dict[int, list[Held]]:
    arrays = [claim.resource_id for claim in claims], [claim.start for claim in claims], [claim.end for claim in claims]
    found: dict[int, list[Held]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(HELD_SQL, [*arrays, list(ignored)])
        for allocation_id, booking_id, resource_id, lane, role, start, end in cursor.fetchall():
            blocked = role == AllocationRole.BLOCKED
            found[resource_id].append(Held(start, end, lane, blocked, allocation_id, booking_id))
    return found


def _fit(
    room: Room,
    resource: Resource,
    claims: Sequence[tuple[int, Claim]],
    held: Sequence[Held],
    ignored: Sequence[int],
) -> list[_Refusal]:
    """Places for the claims on one resource are added to ``room``; what is refused comes back."""
    asks = [
        Ask(claim.start, claim.end, claim.lane, claim.role == AllocationRole.BLOCKED, index) for index, claim in claims
    ]
    fits = lanes.fit(asks, held, lanes=resource.lanes, special_from=ATTENTION_LANE)
    if any(one.is_tangled for one in fits):
        fits = _untangle(room, resource, asks, fits, ignored)
    refused = []
    for (index, claim), one in zip(claims, fits, strict=True):
        if one.in_the_way:
            refused.append(_Refusal(index, claim, one.in_the_way))
        # A chair or room has no attention to give: blocking it takes its one lane.
        special = resource.kind == ResourceKind.PERSON
        room.places += [Place(index, claim, lane) for lane in one.lanes if lane < ATTENTION_LANE or special]
    return refused


def _untangle(
    room: Room, resource: Resource, asks: Sequence[Ask], fits: Sequence[Fit], ignored: Sequence[int]
) -> list[Fit]:
    """Fits without a tangle: what hangs together around one is distributed over the lanes anew.

    Changed lanes of existing rows are noted in ``room.relaned``. Where the rows cannot be distributed (the number of
    lanes was lowered after they were booked), everything around the ask is named as in its way.
    """
    answers = list(fits)
    for position, ask in enumerate(asks):
        if not answers[position].is_tangled:
            continue
        mine = {
            spot: Held(other.start, other.end, (*answers[spot].lanes, -1)[0], index=spot)
            for spot, other in enumerate(asks)
            if not answers[spot].in_the_way and (other.lane is None or other.lane < ATTENTION_LANE)
        }
        knot = _knot(room, resource, ask, list(mine.values()), ignored)
        found = lanes.distribute(knot, lanes=resource.lanes)
        if found is None:
            answers[position] = Fit(in_the_way=tuple(lanes.overlapping(knot, ask.start, ask.end)))
            continue
        for one, lane in zip(knot, found, strict=True):
            if one.allocation_id is None and one.index is not None:
                answers[one.index] = Fit(lanes=(lane,))
            elif one.allocation_id is not None and one.lane != lane:
                room.relaned[one.allocation_id] = lane
    return answers


def _knot(room: Room, resource: Resource, ask: Ask, own: Sequence[Held], ignored: Sequence[int]) -> list[Held]:
    """Everything in ordinary lanes of the resource that hangs together with the ask, in the lanes it has by now."""
    knot: list[Held] = []
    for margin in CLUSTER_MARGINS:
        first, last = ask.start - margin, ask.end + margin
        rows = (
            Allocation.objects.held()
            .of(resource.pk)
            .overlapping(first, last)
            .filter(lane__lt=ATTENTION_LANE)
            .exclude(booking_id__in=ignored)
            .order_by("id")
        )
        known = [_as_held(row, room.relaned) for row in rows]
        knot, start, end = lanes.cluster([*known, *own], ask.start, ask.end)
        if first < start and end < last:
            break
    return knot


def _as_held(row: Allocation, relaned: Mapping[int, int]) -> Held:
    span = row.span
    blocked = row.role == AllocationRole.BLOCKED
    return Held(span.lower, span.upper, relaned.get(row.pk, row.lane), blocked, row.pk, row.booking_id)


# --- words ------------------------------------------------------------------------------------------------------------
_BY_KIND = {
    BookingKind.INFUSION: "an infusion",
    BookingKind.CONSULTATION: "a consultation",
    BookingKind.BLOCK: "blocked time",
}


def _in_words(
    refusals: Sequence[_Refusal],
    wanted: Sequence[Wanted],
    resources: Mapping[int, Resource],
    locations: Mapping[int, Location],
) -> list[Clash]:
    ids = {one.booking_id for refusal in refusals for one in refusal.in_the_way if one.booking_id is not None}
    bookings = Booking.objects.only("kind", "title").in_bulk(ids)
    clashes = []
    for refusal in refusals:
        resource = resources[refusal.claim.resource_id]
        location = locations[wanted[refusal.index].location_id]
        first = min(refusal.in_the_way, key=lambda one: (one.booking_id is None, one.start))
        others = tuple(dict.fromkeys(one.booking_id for one in refusal.in_the_way if one.booking_id is not None))
        clashes.append(
            Clash(
                index=refusal.index,
                claim=refusal.claim,
                resource_name=spoken_name(resource),
                booking_id=first.booking_id,
                message=_sentence(refusal, resource, first, bookings.get(first.booking_id or 0), location),
                booking_ids=others,
            )
        )
    return clashes


def _sentence(refusal: _Refusal, resource: Resource, first: Held, booking: Booking | None, location: Location) -> str:
    name, claim = spoken_name(resource), refusal.claim
    when = spoken_span(first.start, first.end, location)
    if first.blocked:
        return f"{name} is blocked {when}{f' ({booking.title})' if booking and booking.title else ''}."
    if claim.lane is None and resource.lanes > 1 and claim.role != AllocationRole.BLOCKED:
        return _crowded(name, resource.lanes, spoken_span(claim.start, claim.end, location), by_others=bool(booking))
    if booking is None:
        return f"{name} is wanted twice by this request: {when}."
    by = _BY_KIND[BookingKind(booking.kind)]
    if resource.kind == ResourceKind.PATIENT:
        return f"The patient already has {by} {when}."
    if first.lane == ATTENTION_LANE:
        return f"{name} is needed by another patient {when}, at the start of {by}."
    return f"{name} is taken {when} by {by}."


def _crowded(name: str, count: int, when: str, *, by_others: bool) -> str:
    if by_others:
        return f"{name} already watches {count} patients at that time ({when})."
    return f"{name} can watch {count} patients at the same time; this asks for more ({when})."


def spoken_span(start: datetime, end: datetime, location: Location) -> str:
    """For example "Thu 7 Jan 10:00–12:15", in the location's own time."""
    first, last = location.local(start), location.local(end)
    if first.date() == last.date():
        return f"{first:%a} {first.day} {first:%b %H:%M}–{last:%H:%M}"
    return f"{first:%a} {first.day} {first:%b %H:%M} – {last:%a} {last.day} {last:%b %H:%M}"
