"""Who opens whose record: one gate before every view, for people who reach only their own locations.

Each address that names something says here (or, for other packages, in a table that they register by its dotted name)
whether that is a patient's, a location's, or anybody's. Somebody who reaches every location passes without a query; for
the others it is one query for each thing that the address names. What is not there is left to the view (404); what is
there and belongs elsewhere answers 403: staff may know that a number exists, and a plain word is worth more to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import JSONObject
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from clinic.edge.access import staff
from clinic.edge.context import OPENED_KEY, active_locations
from clinic.edge.htmx import is_fragment
from clinic.edge.sessions import came_from
from clinic.forms.reach import OpenForm
from clinic.models import Booking, Location, Opening, OpeningReason, Resource, ResourceKind, User
from clinic.pure.reach import belongs

Answer = Callable[[HttpRequest], HttpResponseBase]
ELSEWHERE = "X-Cadence-Elsewhere"
"""Header of a refusal for htmx: what the page says instead of its general words."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The address names something that belongs to a patient or to a location.

    Attributes:
        model: "courses.Course".
        subject: from there to the id of the patient's resource, "patient__resource_id"; empty where there is none.
        place: from there to the id of the location, counted where nobody is the subject; empty where there is none.
        by: the parameter of the address.
        asked: that parameter stands in the query or in what a form sent, not in the path.
        key: the column that it names.
    """

    model: str
    subject: str = ""
    place: str = ""
    by: str = "pk"
    asked: bool = False
    key: str = "pk"


@dataclass(frozen=True, slots=True)
class Open:
    """The address names nothing that belongs to one location only, or shows only what its reader reaches."""

    because: str


Rule = tuple[Bound, ...] | Open
Addresses = Sequence[tuple[str, Rule]]
"""Pattern of names of addresses -> rule; the first that fits counts."""

SETUP = Open("set-up of people and the clinic as a whole; its capability is the manager's")
OWN = Open("the person's own account, or what nobody else sees")
ADDRESSES: Addresses = (
    (r"setup:(choose_location)", (Bound("clinic.Location", place="pk"),)),
    (
        r"setup:(location(_edit)?|station_add|opening_hours|closures|closure_add|holidays)",
        (Bound("clinic.Location", place="pk"),),
    ),
    (r"setup:station_.*", (Bound("clinic.Resource", place="location_id"),)),
    (r"setup:closure(_delete)?", (Bound("clinic.Closure", place="location_id"),)),
    (r"setup:shifts", (Bound("clinic.Location", place="pk", by="location_pk"),)),
    (r"setup:(me|alive)", OWN),
    (r"setup:(open_record|close_record)", Open("asks for a reason, or ends one's own opening; judged by its service")),
    (r"setup:.*", SETUP),
)

_addresses: list[str] = ["clinic.edge.reach.ADDRESSES"]
_homes: list[tuple[str, str, str]] = [("clinic.edge.reach.visits_of", "subject", "location")]


def register_addresses(name: str) -> None:
    """The dotted name of a table of ``Addresses`` of another package."""
    if name not in _addresses:
        _addresses.append(name)


def register_homes(function: str, subject: str, path: str) -> None:
    """One more way in which a patient belongs to locations.

    Args:
        function: the dotted name of a function that, given a reference to the resource's id, returns rows.
        subject: from such a row to that resource's id, for lists of many patients.
        path: from such a row to its location, which may be empty.
    """
    if (function, subject, path) not in _homes:
        _homes.append((function, subject, path))


def visits_of(subject: OuterRef) -> QuerySet[Booking, Any]:
    """Visits that the patient has or had, also those that were cancelled."""
    return Booking.objects.filter(subject=subject)


@cache
def rule_of(name: str) -> Rule | None:
    """What was said about the address; None when nothing was, which refuses it to whoever is limited."""
    tables = (row for table in _addresses for row in import_string(table))
    return next((rule for pattern, rule in tables if re.fullmatch(pattern, name)), None)


# -- where something belongs -------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Opened:
    """An opening that stands: whose record, until when, and why."""

    id: int
    subject_id: int
    until: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where something belongs, for one person. ``places``: location id -> name; empty: nowhere, so to everybody."""

    subject_id: int | None
    places: Mapping[int, str] = field(default_factory=dict)
    opened: Opened | None = None
    is_own: bool = True

    @property
    def is_reached(self) -> bool:
        return self.is_own or self.opened is not None

    @property
    def where(self) -> str:
        """The names of the locations: "Lakeside", "Lakeside and Uptown"."""
        return " and ".join(sorted(self.places.values())) or "another location"


def standing_of(person: User, *, subject_ids: Collection[int], now: datetime) -> dict[int, Standing]:
    """Patient's resource id -> where each belongs. One query; none for whoever reaches every location."""
    if person.reach is None or not subject_ids:
        return {one: Standing(one) for one in subject_ids}
    rows = Resource.objects.filter(pk__in=subject_ids).annotate(subject_=F("pk"))
    return {row["subject_"]: as_standing(row, person) for row in with_homes(rows, person, now)}


def _home_names() -> list[str]:
    return [f"homes_{number}" for number in range(len(_homes))]


def with_homes(rows: QuerySet[Any, Any], person: User, now: datetime, *more: str) -> QuerySet[Any, Any]:
    """Rows with ``subject_``, where these patients belong, and this person's opening of each."""
    subject = OuterRef("subject_")
    homes = {
        name: ArraySubquery(_places(function, path, subject))
        for name, (function, _, path) in zip(_home_names(), _homes, strict=True)
    }
    opened = Opening.objects.standing(now).filter(user=person, subject=subject).order_by("-until")
    facts = opened.values(row=JSONObject(id="id", until="until", kind="kind", reason="reason"))[:1]
    return rows.order_by().annotate(**homes, opened_=ArraySubquery(facts)).values("subject_", "opened_", *homes, *more)


def _places(function: str, path: str, subject: OuterRef) -> QuerySet[Any, Any]:
    rows = import_string(function)(subject).filter(**{f"{path}__isnull": False}).order_by()
    return rows.values(row=JSONObject(id=f"{path}__id", name=f"{path}__name")).distinct()


def reached_by(person: User, *, now: datetime, subject: str = "resource") -> Q:
    """Rows whose patient this person reaches, by belonging or by an opening; all rows where nothing is limited.

    Asked of one row after the other: for a page of rows, or a few that a search has found.

    Args:
        subject: from the row to the id of the patient's resource.
    """
    if person.reach is None:
        return Q()
    one = OuterRef(subject)
    own = Q(Exists(Opening.objects.standing(now).filter(user=person, subject=one)))
    nowhere = Q()
    for function, _, path in _homes:
        rows = import_string(function)(one).order_by()
        own |= Q(Exists(rows.filter(**{f"{path}__in": person.reach})))
        nowhere &= ~Q(Exists(rows.filter(**{f"{path}__isnull": False})))
    return own | nowhere


def reached_of_all(person: User, *, now: datetime, subject: str = "resource") -> Q:
    """The same rows, gathered location by location: to count a hundred thousand takes half a second instead of 3.5."""
    if person.reach is None:
        return Q()
    opened = Opening.objects.standing(now).filter(user=person).order_by().values("subject")
    nowhere, here = Resource.objects.filter(kind=ResourceKind.PATIENT).order_by(), []
    for function, whose, path in _homes:
        rows = import_string(function)(OuterRef("pk")).order_by()
        here.append(rows.model._default_manager.order_by().filter(**{f"{path}__in": person.reach}).values(whose))
        nowhere = nowhere.filter(~Exists(rows.filter(**{f"{path}__isnull": False})))
    return Q(**{f"{subject}__in": opened.union(*here, nowhere.values("pk"))})


def as_standing(row: Mapping[str, Any], person: User) -> Standing:
    """A row of ``with_homes``, judged for this person."""
    places = {one["id"]: one["name"] for name, found in row.items() if name.startswith("homes_") for one in found}
    if row["subject_"] is None:
        places = {row["place_"]: ""} if row.get("place_") is not None else {}
        return Standing(None, places, is_own=belongs(places, person.reach))
    own, opened = belongs(places, person.reach), None
    for one in row["opened_"]:
        words = f"{OpeningReason(one['kind']).label}: {one['reason']}"
        opened = Opened(one["id"], row["subject_"], parse_datetime(one["until"]) or timezone.now(), words)
    return Standing(row["subject_"], places, opened, is_own=own)


def _named(bound: Bound, values: Collection[int], person: User, now: datetime) -> list[Standing]:
    """Where the things that an address names belong, as far as they exist. One query."""
    return [as_standing(row, person) for row in _rows_of(bound, values, person, now)]


def _first_named(
    request: HttpRequest, bound: Bound, values: Collection[int], person: User, now: datetime
) -> list[Standing]:
    """The same in the query that reads the locations, which nearly every page makes anyway: no query of its own."""
    rows = _rows_of(bound, values, person, now)
    facts = JSONObject(**{name: name for name in ("subject_", "place_", "opened_", *_home_names())})
    for place in active_locations(request, also={"named_": ArraySubquery(rows.values(row=facts))}):
        return [as_standing(row, person) for row in place.named_]  # type: ignore[attr-defined]
    return [as_standing(row, person) for row in rows]


def _rows_of(bound: Bound, values: Collection[int], person: User, now: datetime) -> QuerySet[Any, Any]:
    nothing = Value(None, output_field=BigIntegerField())
    rows = apps.get_model(bound.model)._default_manager.filter(**{f"{bound.key}__in": values})
    rows = rows.annotate(
        subject_=F(bound.subject) if bound.subject else nothing, place_=F(bound.place) if bound.place else nothing
    )
    return with_homes(rows, person, now, "place_")


# -- the gate ----------------------------------------------------------------------------------------------------------
class ReachGate:
    """Whoever reaches only some locations opens nothing that belongs to others, whatever the address."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> HttpResponseBase | None:
        """The refusal, or None to go on. What the view refuses anyway (signed out, not the role) it says itself."""
        capabilities = getattr(view, "capabilities", ())
        if not request.user.is_authenticated or not any(staff(request).can(one) for one in capabilities):
            return None
        person, match = staff(request), request.resolver_match
        if person.reach is None:
            return None
        rule = rule_of(match.view_name) if match is not None else None
        if rule is None:
            raise PermissionDenied("It is not known to which location this page belongs.")
        for number, (bound, values) in enumerate(_asked(request, rule, kwargs)):
            now = timezone.now()
            # What waits at a location is read with it; after an act these counts would be those from before it.
            is_look = number == 0 and request.method in ("GET", "HEAD")
            asked = bound, values, person, now
            for found in _first_named(request, *asked) if is_look else _named(*asked):
                if not found.is_reached:
                    return refusal(request, found)
                if found.opened is not None and not found.is_own:
                    _note(request, person, found.opened)
        return None


def _asked(request: HttpRequest, rule: Rule, kwargs: Mapping[str, Any]) -> Iterator[tuple[Bound, set[int]]]:
    """What the request names, with its numbers; what is no number for any view names nothing."""
    for bound in () if isinstance(rule, Open) else rule:
        if bound.asked:
            said = [*request.GET.getlist(bound.by), *request.POST.getlist(bound.by)]
        else:
            said = [str(kwargs[bound.by])] if bound.by in kwargs else []
        if values := {number for text in said if (number := _number(text)) is not None}:
            yield bound, values


def _number(text: str) -> int | None:
    """As generously as the most generous of our forms reads it ("12.0", " +12"): none gets past by an odd spelling."""
    try:
        return int(re.sub(r"\.0*\s*$", "", text))
    except ValueError:
        return None


def _note(request: HttpRequest, person: User, opened: Opened) -> None:
    """The page says that the record is open with a reason, and the read log has that reason for whatever is read."""
    request.__dict__.setdefault(OPENED_KEY, {})[opened.subject_id] = opened
    person.opened_because[opened.subject_id] = opened.words


def refusal(request: HttpRequest, found: Standing) -> HttpResponseBase:
    """403, which says where the thing belongs and, for a patient's, how to open it with a reason.

    A piece of a page (htmx) that was only to be looked at leads to that page; what was typed into a form stays there.
    """
    if found.subject_id is None:
        names = Location.objects.filter(pk__in=list(found.places)).values_list("name", flat=True)
        found = Standing(None, dict(enumerate(names)), is_own=False)
    way = came_from(request)
    subject = Resource.objects.filter(pk=found.subject_id or 0).first()  # its name is the MRN
    context = {"found": found, "subject": subject, "form": OpenForm(initial={"next": way}), "next": way}
    if not is_fragment(request):
        return render(request, "clinic/elsewhere.html", context, status=403)
    answer: HttpResponse = render(request, "clinic/_elsewhere.html", context, status=403)
    what = "This patient belongs" if found.subject_id else "This belongs"
    answer[ELSEWHERE] = f"{what} to {found.where}, so nothing was done."
    if request.method == "GET" and found.subject_id:
        answer["HX-Redirect"] = f"{reverse('setup:open_record', args=[found.subject_id])}?{urlencode({'next': way})}"
    return answer
