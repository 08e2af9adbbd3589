"""What the planner's page is made of: the address read, the desk opened, and everything that the templates show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import Http404, HttpRequest, QueryDict
from django.utils import timezone

from clinic.edge.access import staff
from clinic.edge.context import active_locations, current_location
from clinic.edge.numbers import number_in
from clinic.models import Location
from courses.forms.planner import PlanForm
from courses.models import PhaseKind, ProtocolVersion
from courses.planning.checks import note_infusion, note_number
from courses.planning.clock import clock_of
from courses.planning.protocols import Meaning, describe
from courses.planning.types import Placed, Severity
from courses.planning.words import say_day
from courses.services import planner_cards as cards
from courses.services.plan_address import decode, encode
from courses.services.planner import Desk, Draft, Move, draft_of, open_desk
from courses.services.planner_person import ClosedCourse, OpenCourse, Person, published_versions, read_person
from courses.services.planner_strip import strip_of
from courses.services.planning_input import Team, settings_from_version, team_at
from courses.services.readiness_gate import pencil_end, readiness_before
from patients.models import Patient, PatientStatus
from patients.pure.indications import INDICATION_LABELS, Indication

USUAL_INFUSIONS = 6  # [D] clinical.md A2 C1: which protocol is offered first; every number comes from the protocol


@dataclass
class Page:
    """Everything one answer of the planner is made of."""

    request: HttpRequest
    person: Person
    now: datetime
    location: Location
    locations: Sequence[Location]
    indication: str
    versions: Sequence[ProtocolVersion]
    version: ProtocolVersion | None
    is_chosen: bool  # the protocol stands in the address
    team: Team
    course: OpenCourse | None
    previous: ClosedCourse | None = None  # the course that this series restarts
    is_restart_unknown: bool = False  # the address names a course that cannot be restarted
    form: PlanForm | None = None
    desk: Desk | None = None
    draft: Draft | None = None
    refusal: str = ""
    lost: frozenset[int] = frozenset()  # numbers whose time is gone since the person looked
    reasons: dict[int, str] = field(default_factory=dict)
    override_reason: str = ""  # why it may start although something is missing

    @property
    def patient(self) -> Patient:
        return self.person.patient

    @property
    def days_off(self) -> list[date]:
        return sorted(self.form.not_on) if self.form is not None else []

    @property
    def is_closed_to_new_series(self) -> bool:
        """An initial series was asked for, and the patient has an open course for the condition."""
        is_initial = self.version is None or self.version.protocol.phase_kind == PhaseKind.INITIAL
        return self.course is not None and is_initial


# -- reading the address -----------------------------------------------------------------------------------------------


def open_page(request: HttpRequest, patient_id: int) -> Page:
    now = timezone.now()
    here = current_location(request)
    locations = active_locations(request)
    if here is None:
        raise Http404("There is no location yet.")
    try:
        person = read_person(patient_id, since=here.local(now).date() - timedelta(days=1))
    except Patient.DoesNotExist as error:
        raise Http404("There is no such patient.") from error
    wanted = request.GET.get("at") or str(person.patient.home_location_id or here.pk)
    location = next((place for place in locations if str(place.pk) == wanted), here)
    asked = request.GET.get("previous", "")
    previous = person.closed_course(number_in(asked))
    treats = request.GET.get("treats", "") or (previous.indication if previous is not None else "")
    indication = _indication(treats, person)
    versions, course = published_versions(), person.course_for(indication)
    by_id = {str(version.pk): version for version in versions}
    chosen = by_id.get(request.GET.get("protocol", ""))
    return Page(
        request=request,
        person=person,
        now=now,
        location=location,
        locations=locations,
        indication=indication,
        versions=versions,
        version=chosen or _usual(versions, indication),
        is_chosen=chosen is not None,
        team=team_at(location),
        course=course,
        previous=previous,
        is_restart_unknown=bool(asked) and previous is None,
    )


def _indication(wanted: str, person: Person) -> str:
    if wanted in set(Indication):
        return wanted
    return person.indications[0] if person.indications else Indication.MDD.value


def _usual(versions: Iterable[ProtocolVersion], indication: str) -> ProtocolVersion | None:
    """The initial series nearest to the usual number, the one made for this condition before one for many."""
    initial = [version for version in versions if version.protocol.phase_kind == PhaseKind.INITIAL]
    fitting = [version for version in initial if indication in version.indications] or initial
    return min(
        fitting,
        key=lambda one: (abs(one.n_default - USUAL_INFUSIONS), len(one.indications) or len(Indication)),
        default=None,
    )


def plan_in(data: QueryDict) -> tuple[Placed, ...]:
    """The plan of the address; none when it cannot be read."""
    try:
        return decode(data.getlist("p"))
    except ValueError:
        return ()


def move_in(data: QueryDict) -> Move | None:
    """The move of the address: ``move=3&to=2027-01-15T09:30&mode=only``."""
    try:
        to = datetime.fromisoformat(data.get("to", ""))  # a wall time of the location, no instant
        return Move(int(data.get("move", "")), to.date(), to.hour * 60 + to.minute, shift=data.get("mode") == "shift")
    except ValueError:
        return None


def ask(page: Page, *, plan: Sequence[Placed] = (), move: Move | None = None) -> None:
    """The form, the desk and the draft are on the page, as far as the wishes make sense."""
    if page.version is None or page.is_closed_to_new_series or page.patient.status == PatientStatus.DECEASED:
        return
    today = page.location.local(page.now).date()
    base = settings_from_version(page.version, location=page.location, not_before=_first_day(page, today))
    people = {"clinician": page.team.clinicians, "nurse": page.team.nurses, "chair": page.team.chairs}
    page.form = PlanForm(page.request.GET, base=base, today=today, people=people)
    if not page.form.is_valid() or not (page.team.chairs and page.team.nurses):
        return
    settings = page.form.settings
    placed = plan if all(1 <= one.number <= settings.n for one in plan) else ()
    page.desk = open_desk(
        settings,
        person=page.person,
        location=page.location,
        now=page.now,
        indication=page.indication,
        team=page.team,
        reaching=placed,
    )
    page.draft = draft_of(page.desk, key=page.request.GET.get("pick", ""), plan=placed, move=move)


def _first_day(page: Page, today: date) -> date:
    """Tomorrow; after an earlier phase not before that has ended."""
    after = page.course.last_day if page.course is not None else None
    return max(today, after or today) + timedelta(days=1)


# -- what the templates show ---------------------------------------------------------------------------------------


def context_of(page: Page) -> dict[str, Any]:
    draft, desk, form = page.draft, page.desk, page.form
    wishes = _wishes(page)
    context: dict[str, Any] = {
        "page": page,
        "patient": page.patient,
        "form": form,
        "desk": desk,
        "draft": draft,
        "indications": [(one.value, label) for one, label in INDICATION_LABELS.items()],
        "groups": _groups(page),
        "follow_ups": [one for one in page.versions if one.protocol.phase_kind != PhaseKind.INITIAL],
        "meaning": _meaning(page),
        "notes": _notes(page),
        "query": wishes.urlencode(),
        "fields": [(name, value) for name, values in wishes.lists() for value in values],
        "plan_query": "",
    }
    if desk is None:
        return context
    context |= {
        "answer": desk.answer,
        "cards": cards.cards_of(desk, draft),
        "exits": _exits(page, desk, draft, wishes),
        "reasons": cards.reasons_of(desk),
        "strip": strip_of(desk, draft),
    }
    if draft is not None:
        count = len(draft.placed)
        numbers = {one.number for one in draft.placed}
        first_few = next(number for number in range(desk.settings.n + 1) if number + 1 not in numbers)
        codes = [encode(one) for one in draft.placed]
        by_hand = "".join(f"&p={code}" for code in codes)
        context |= _start(page, draft) | {
            "rows": cards.rows_of(desk, draft),
            "line": cards.judge_line(desk, draft),
            "codes": codes,
            "by_hand": by_hand,
            "plan_query": f"&pick={draft.key}" if draft.key else by_hand,
            "is_whole": count == desk.settings.n,
            "count": count,
            "breaches": [(one, page.reasons.get(one.number, "")) for one in draft.verdict.needs_override],
            "first_few": first_few,
            "fewer": _with(wishes, n=[str(first_few)]).urlencode() if 0 < first_few < desk.settings.n else "",
            "edit": _edit(page, desk, draft),
        }
    return context


def _start(page: Page, draft: Draft) -> dict[str, Any]:
    """Whether the patient is ready for the plan on the page, and until when its times could be held if not."""
    first = draft.placed[0] if draft.placed else None
    readiness = readiness_before(
        page.patient,
        indication=page.indication,
        location=page.location,
        kind=page.version.protocol.phase_kind if page.version else PhaseKind.INITIAL,
        course=page.course.running if page.course is not None else None,
        first_day=first.day if first else None,
        now=page.now,
    )
    hold_until = None
    if first is not None and page.course is None and readiness.pencil_hours and not readiness.is_ready:
        starts_at = page.location.at(first.day, clock_of(first.start_min) or time())
        hold_until = pencil_end(readiness, hold_before=starts_at, now=page.now)
    return {
        "ready": readiness.seen_by(staff(page.request)),
        "hold_until": hold_until,
        "override_reason": page.override_reason,
        "is_new_course": page.course is None,
    }


def _wishes(page: Page) -> QueryDict:
    """The address of these wishes, complete and in one order."""
    made = QueryDict(mutable=True)
    made["treats"], made["at"] = page.indication, str(page.location.pk)
    if page.version is not None:
        made["protocol"] = made["of"] = str(page.version.pk)
    if page.previous is not None:
        made["previous"] = str(page.previous.pk)
    made["of_at"], made["of_treats"] = str(page.location.pk), page.indication
    if page.form is not None:
        data: Any = page.form.data
        for name in page.form.fields:
            values = [value for value in data.getlist(name) if value]
            if values:
                made.setlist(name, values)
        days = sorted(day.isoformat() for day in page.form.not_on)
        if days:
            made.setlist("not_on", days)
    return made


def _with(wishes: QueryDict, **changes: list[str]) -> QueryDict:
    made = wishes.copy()
    for name, values in changes.items():
        made.setlist(name, values)
    return made


def _groups(page: Page) -> list[tuple[str, list[ProtocolVersion]]]:
    """The protocols by phase; those made for the condition first."""
    found: dict[str, list[ProtocolVersion]] = {}
    for version in sorted(page.versions, key=lambda one: page.indication not in one.indications):
        found.setdefault(version.protocol.phase_kind, []).append(version)
    return [(kind.label, found[kind.value]) for kind in PhaseKind if kind.value in found]


def _meaning(page: Page) -> Meaning | None:
    """What number and rhythm mean together (C2)."""
    if page.form is None or not page.form.is_valid() or page.version is None:
        return None
    settings = page.form.settings
    return describe(settings.steps, settings.n, span_limit_days=page.version.span_warn_days)


def _notes(page: Page) -> list[str]:
    """What the protocol says otherwise about number and minutes; never a refusal (C1)."""
    if page.form is None or not page.form.is_valid() or page.version is None:
        return []
    version, settings = page.version, page.form.settings
    found = (
        note_number(settings.n, n_min=version.n_min, n_max=version.n_max),
        note_infusion(
            settings.shape.infusion_min, usual_min=version.infusion_min, longest_min=version.infusion_max_min
        ),
    )
    return [one for one in found if one]


def _exits(page: Page, desk: Desk, draft: Draft | None, wishes: QueryDict) -> list[tuple[cards.Exit, str, str]]:
    """Each way out with the address and the words of its button, where it has one."""
    partial = "".join(f"&p={encode(one)}" for one in draft.placed) if draft is not None else ""
    found = []
    for way in cards.exits_of(desk):
        query, label = "", ""
        if way.kind == "hours":
            query, label = _with(wishes, time=["any"]).urlencode(), "Allow any time of day"
        elif way.kind == "absence" and page.form is not None and way.day in page.form.not_on:
            left = sorted(day.isoformat() for day in page.form.not_on if day != way.day)
            query, label = _with(wishes, not_on=left).urlencode(), "Take the day back in"
        elif way.kind == "all":
            query, label = f"{wishes.urlencode()}&pick=override", "Allow with a reason"
        elif way.kind == "allow" and way.day is not None and way.start_min is not None:
            at = f"{way.day.isoformat()}T{way.start_min // 60:02d}:{way.start_min % 60:02d}"
            query, label = f"{wishes.urlencode()}{partial}&move={way.number}&to={at}", "Allow with a reason"
        found.append((way, query, label))
    return found


def _edit(page: Page, desk: Desk, draft: Draft) -> dict[str, Any] | None:
    """The legal starts of the infusion that is being changed by keyboard."""
    number = number_in(page.request.GET.get("edit"))
    if number is None or not 1 <= number <= desk.settings.n or page.request.method == "POST":
        return None
    now = next((one for one in draft.placed if one.number == number), None)
    zones = desk.zones(draft.placed, number, shift=False)
    days = [
        {
            "said": say_day(zone.day) + (" · outside the limits" if tone_of(zone.severity) == "breach" else ""),
            "starts": [
                (f"{zone.day.isoformat()}T{minute // 60:02d}:{minute % 60:02d}", minute) for minute in zone.minutes
            ],
        }
        for zone in zones
        if zone.minutes
    ]
    value = ""
    if now is not None and now.start_min is not None:
        value = f"{now.day.isoformat()}T{now.start_min // 60:02d}:{now.start_min % 60:02d}"
    return {"number": number, "days": days, "value": value}


def tone_of(severity: Severity | None) -> str:
    return {None: "legal", Severity.NOTE: "legal", Severity.BREACH: "breach", Severity.BLOCK: "block"}[severity]
