"""Care beside the infusions (clinical.md A 63, 116, 117): what there is, what took place, and who is responsible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.urls import reverse

from clinic.models import Location, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import CareEntry, CareItem, CareKind, ClinicalEvent, Course
from courses.planning.words import say_count, say_day
from courses.services.following import Following
from courses.services.together import rows_as_json, rows_from_json
from patients.models.observations import Strikeable
from patients.services.panels import TimelineEntry

ICONS = {
    CareKind.PSYCHOTHERAPY: "messages",
    CareKind.TREATMENT: "stethoscope",
    CareKind.LIFESTYLE: "leaf",
    CareKind.REFERRAL: "arrow-right",
}
ENTRY_WORDS = {
    CareKind.PSYCHOTHERAPY: "session",
    CareKind.TREATMENT: "note",
    CareKind.LIFESTYLE: "step",
    CareKind.REFERRAL: "answer",
}
"""What one dated entry of each kind is called."""


class CareChangedError(Exception):
    """Somebody changed the item meanwhile; nothing was saved. The message says what stands there now."""


@dataclass(frozen=True, slots=True)
class Idea:
    """A goal that a clinic may agree on with the patient."""

    title: str
    symbol: str
    kind: CareKind = CareKind.LIFESTYLE


IDEAS = (
    Idea("Sleep", "moon"),
    Idea("Balanced diet", "salad"),
    Idea("Stress management", "yoga"),
    Idea("Exercise", "run"),
    Idea("Self-care", "mood-smile"),
)
"""Suggestions. Source: clinical.md A 116."""


@dataclass(frozen=True, slots=True)
class Care:
    """One care item with its valid entries, the latest first."""

    item: CareItem
    entries: tuple[CareEntry, ...]
    struck: tuple[CareEntry, ...] = ()

    @property
    def symbol(self) -> str:
        return ICONS[CareKind(self.item.kind)]

    @property
    def entry_word(self) -> str:
        return ENTRY_WORDS[CareKind(self.item.kind)]

    @property
    def said(self) -> str:
        """As "3 sessions, the last on Thu 8 Apr"; empty without any."""
        if not self.entries:
            return ""
        word = say_count(len(self.entries), self.entry_word)
        last = say_day(self.entries[0].day)
        return f"{word}, the last on {last}" if len(self.entries) > 1 else f"{word}, on {last}"


@dataclass(frozen=True, slots=True)
class CareBoard:
    """Everything beside the infusions of one course."""

    running: tuple[tuple[str, tuple[Care, ...]], ...]  # by kind, in the order of CareKind; kinds without any left out
    over: tuple[Care, ...]  # the latest end first
    struck: tuple[CareItem, ...]
    ideas: tuple[Idea, ...]  # not agreed on yet

    @property
    def is_empty(self) -> bool:
        return not (self.running or self.over or self.struck)


def board_of(following: Following) -> CareBoard:
    """The page's view of what ``read_following`` found; no query."""
    entries: dict[int, list[CareEntry]] = {}
    for entry in following.entries:
        entries.setdefault(entry.item_id, []).append(entry)
    whole = [
        Care(
            item,
            tuple(one for one in reversed(entries.get(item.pk, [])) if not one.is_struck),
            tuple(one for one in entries.get(item.pk, []) if one.is_struck),
        )
        for item in following.care
        if not item.is_struck
    ]
    running = [
        (kind, tuple(one for one in whole if one.item.kind == kind and not one.item.ended_on)) for kind in CareKind
    ]
    goals = {one.item.title.casefold() for one in whole if one.item.ended_on is None}
    return CareBoard(
        running=tuple((kind.label, found) for kind, found in running if found),
        over=tuple(sorted((one for one in whole if one.item.ended_on), key=_end, reverse=True)),
        struck=tuple(item for item in following.care if item.is_struck),
        ideas=tuple(idea for idea in IDEAS if idea.title.casefold() not in goals),
    )


def _end(one: Care) -> date:
    return one.item.ended_on or date.max


# -- changes -----------------------------------------------------------------------------------------------------------


def add_care(course_id: int, *, values: Mapping[str, Any], by: User, now: datetime) -> CareItem:
    """The course has this beside it from now on.

    Args:
        course_id: the course, open or closed.
        values: kind, title, detail, responsible, started_on, on_chart.
        by: who adds it.
        now: the moment.

    Raises:
        PermissionDenied: only nurses and clinicians write about care.
        ValidationError: by field.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        course = lock_course(course_id)
        item = CareItem(course=course, created_at=now, created_by=by, **values)
        item.clean_fields(exclude=["course", "created_by"])
        refuse_ahead("started_on", item.started_on, course, now)
        _refuse_twice(item)
        item.save()
        return item


def edit_care(item_id: int, *, values: Mapping[str, Any], expected: int, by: User, now: datetime) -> CareItem:
    """The item is called otherwise, or somebody else is responsible; what stood there before is in the history.

    Args:
        item_id: the item, running or over.
        values: title, detail, responsible, on_chart.
        expected: the ``state_of`` that the person had before them.
        by: who changes it.
        now: the moment.

    Raises:
        PermissionDenied: only nurses and clinicians write about care.
        CareChangedError: somebody changed it since.
        ValidationError: by field; or it was struck meanwhile.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        item = _locked_item(item_id)
        if state_of(item) != expected:
            raise CareChangedError(
                f"Somebody changed this meanwhile. It now reads “{item.title}”, {item.responsible}. "
                "Save again to write yours over it."
            )
        for name in EDITED:
            setattr(item, name, values[name])
        item.clean_fields(exclude={field.name for field in CareItem._meta.fields} - set(EDITED))
        if item.ended_on is None:
            _refuse_twice(item)
        item.save(update_fields=EDITED)
        return item


EDITED = ("title", "detail", "responsible", "on_chart")


def state_of(item: CareItem) -> int:
    """Changes with every change of the item: the number of its latest line in the history. One query."""
    latest: int = item.events.order_by("-pgh_id").values_list("pgh_id", flat=True)[0]  # type: ignore[attr-defined]
    return latest


def _refuse_twice(item: CareItem) -> None:
    same = CareItem.objects.valid().filter(course=item.course, kind=item.kind, title__iexact=item.title, ended_on=None)
    if same.exclude(pk=item.pk).exists():
        raise ValidationError({"title": "This is there already and goes on. Add what happened to it instead."})


def end_care(item_id: int, *, ended_on: date, reason: str, by: User, now: datetime) -> CareItem:
    """It ended on this day; an end that was recorded before is corrected.

    Raises:
        PermissionDenied
        ValidationError: by field.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        item = _locked_item(item_id)
        refuse_no_reason(reason)
        refuse_ahead("ended_on", ended_on, item.course, now)
        if ended_on < item.started_on:
            raise ValidationError({"ended_on": f"It began on {say_day(item.started_on)}, so it cannot end before."})
        later = item.entries.filter(struck_at__isnull=True, day__gt=ended_on).order_by("-day").first()
        if later is not None:
            text = f"Something took place on {say_day(later.day)}. Strike that first, or choose a later day."
            raise ValidationError({"ended_on": text})
        item.ended_on, item.ended_reason = ended_on, reason.strip()[:300]
        item.save(update_fields=["ended_on", "ended_reason"])
        return item


def add_entry(item_id: int, *, day: date, note: str, by: User, now: datetime) -> CareEntry:
    """Something took place on this day: a session, a step, an answer.

    Raises:
        PermissionDenied
        ValidationError: by field.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        item = _locked_item(item_id)
        refuse_ahead("day", day, item.course, now)
        if day < item.started_on:
            raise ValidationError({"day": f"It began on {say_day(item.started_on)}. Choose that day or a later one."})
        if item.ended_on and day > item.ended_on:
            raise ValidationError({"day": f"It ended on {say_day(item.ended_on)}. Correct the end first."})
        note = note.strip()[:300]
        if CareEntry.objects.valid().filter(item=item, day=day, note=note).exists():
            raise ValidationError({"day": "This is recorded already. Write what was different about a second one."})
        return CareEntry.objects.create(item=item, day=day, note=note, at=now, by=by)


def strike_care(item_id: int, *, reason: str, by: User, now: datetime) -> CareItem:
    """The item was entered in error: it counts no more, and neither do its entries. It stays readable.

    Raises:
        PermissionDenied
        ValidationError: no reason, or somebody struck it meanwhile.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        item = _locked_item(item_id)
        strike_row(item, reason, by=by, now=now)
        return item


def strike_entry(entry_id: int, *, reason: str, by: User, now: datetime) -> CareEntry:
    """The entry was made in error: it counts no more, and stays readable.

    Raises:
        PermissionDenied
        ValidationError: no reason, or somebody struck it meanwhile.
    """
    demand_care(by)
    with recorded(by=by, now=now):
        entry = CareEntry.objects.select_for_update(of=("self",), no_key=True).get(pk=entry_id)
        if entry.is_struck:
            raise ValidationError("This was struck meanwhile.")
        strike_row(entry, reason, by=by, now=now)
        return entry


def strike_row(row: Strikeable, reason: str, *, by: User, now: datetime) -> None:
    """The row counts no more and stays readable; for rows that are locked and not struck.

    Raises:
        ValidationError: no reason.
    """
    refuse_no_reason(reason)
    row.struck_at, row.struck_by, row.struck_reason = now, by, reason.strip()[:200]
    row.save(update_fields=["struck_at", "struck_by", "struck_reason"])


def demand_care(by: User) -> None:
    """Raises PermissionDenied for whoever does not write about care and what happens beside the infusions."""
    if not by.can(Can.EDIT_CARE):
        raise PermissionDenied("Only nurses and clinicians write about care.")


def refuse_no_reason(reason: str) -> None:
    if not reason.strip():
        raise ValidationError({"reason": "Give the reason; it stays with the record."})


def refuse_ahead(field: str, day: date, course: Course, now: datetime) -> None:
    """Raises ValidationError at ``field`` for a day that has not come where the course is given."""
    if day > course.location.local(now).date():
        raise ValidationError({field: "This day is still ahead. Record it when it has come."})


def lock_course(course_id: int) -> Course:
    """The course with its location, locked until the end of the transaction."""
    return Course.objects.select_for_update(of=("self",), no_key=True).select_related("location").get(pk=course_id)


def _locked_item(item_id: int) -> CareItem:
    rows = CareItem.objects.select_for_update(of=("self",), no_key=True).select_related("course__location")
    item = rows.get(pk=item_id)
    if item.is_struck:
        raise ValidationError("This was struck meanwhile, so nothing was changed.")
    return item


# -- the timeline ------------------------------------------------------------------------------------------------------


def with_care(link: str) -> dict[str, ArraySubquery]:
    """Annotations that bring the care and the events beside a course along with the query that reads it.

    Args:
        link: how a course is led to the outer row ("phases" for phases).
    """
    return {
        "care_rows": rows_as_json(CareItem, f"course__{link}", "-started_on", "-id"),
        "care_entries": rows_as_json(CareEntry, f"item__course__{link}", "-day", "-id"),
        "event_rows": rows_as_json(ClinicalEvent, f"course__{link}", "-day", "-id"),
    }


def care_timeline(row: Model, place: Location) -> Iterable[TimelineEntry]:
    """When each began, what took place and when it ended, for the patient's page; no query.

    Args:
        row: read ``with_care``.
        place: where the course is given.
    """
    entries: dict[int, list[CareEntry]] = defaultdict(list)
    for entry in rows_from_json(CareEntry, row.care_entries):  # type: ignore[attr-defined]
        entries[entry.item_id].append(entry)
    for item in rows_from_json(CareItem, row.care_rows):  # type: ignore[attr-defined]
        if not item.is_struck:
            url, symbol = reverse("following:care", args=[item.course_id]), ICONS[CareKind(item.kind)]
            for day, title, text in _happened(item, entries[item.pk]):
                yield TimelineEntry(place.at(day, time(12)), symbol, title, text, url, is_day=True)


def _happened(item: CareItem, entries: Iterable[CareEntry]) -> Iterable[tuple[date, str, str]]:
    label = item.get_kind_display()
    yield item.started_on, f"{label} began: {item.title}", " · ".join(filter(None, (item.responsible, item.detail)))
    if item.ended_on:
        yield item.ended_on, f"{label} ended: {item.title}", item.ended_reason
    for one in entries:
        if not one.is_struck:
            yield one.day, f"{item.title}: {ENTRY_WORDS[CareKind(item.kind)]}", one.note
