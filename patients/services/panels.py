"""What packages above this one add to a patient's page, without this package knowing them.

The patient page belongs to `patients`, but half of what a clinician wants to see there (the course, its infusions, its
revisions) belongs to `courses`, which patients may not import. So the upper package registers itself, once, when Django
starts, and names its functions as dotted strings that are imported when the first page asks for them::

    class CoursesConfig(AppConfig):
        def ready(self) -> None:
            from patients.services import panels

            panels.register_panel("course", Can.VIEW_COURSE, "courses.views.patient_panel.panel")
            panels.register_timeline("course", Can.VIEW_COURSE, "courses.views.patient_panel.timeline")
            panels.register_marks("course", Can.VIEW_COURSE, "courses.views.patient_panel.marks")

A *panel* is a function ``panel(request, patient) -> {"template": ..., "context": {...}}``. The template is rendered on
the server, with the request, into the slot near the top of the page: no second request and no JavaScript. A third key
may be given: ``"concerns"``, a list of `Concern`, which join the page's "needs attention" list. A panel with nothing to
say returns None.

A *timeline source* is a function ``entries(request, patient) -> Iterable[TimelineEntry]``; the page merges all sources,
newest first. Sources should give their latest `TIMELINE_LENGTH` entries, more are not shown.

A *source of marks* is a function ``marks(request, patient) -> Iterable[Mark]``: days that the charts of scores show as
ticks, for example each infusion that was given.

Each is asked only when the signed-in person holds the capability. The page may need 12 queries altogether and needs 8
itself: what is registered has four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, cast

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from clinic.edge.access import staff
from clinic.pure.roles import Can
from patients.models import Patient

PanelFunction = Callable[[HttpRequest, Patient], Mapping[str, Any] | None]
TimelineFunction = Callable[[HttpRequest, Patient], "Iterable[TimelineEntry]"]
MarksFunction = Callable[[HttpRequest, Patient], "Iterable[Mark]"]

TIMELINE_LENGTH = 30


class Level(StrEnum):
    """How much a concern matters; the page shows a word and an icon beside the colour."""

    DANGER = "danger"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Concern:
    """One line of "what is wrong": what, and where to mend it (empty: nowhere)."""

    level: Level
    text: str
    url: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """Something that happened. `icon` is the name of a Tabler icon, `at` is aware.

    `is_day`: only its day is known; `at` is noon of it where the patient is treated, and no clock time is shown.
    """

    at: datetime
    icon: str
    title: str
    text: str = ""
    url: str = ""
    is_day: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A day that matters for reading scores: "Infusion 3 of 6", drawn as a tick with the `short` label "3"."""

    day: date
    short: str
    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, ready to be put into the page."""

    name: str
    html: SafeString
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True)
class _Entry:
    capability: Can
    function: str | Callable[..., Any]

    def load(self) -> Callable[..., Any]:
        return import_string(self.function) if isinstance(self.function, str) else self.function


_panels: dict[str, _Entry] = {}
_timelines: dict[str, _Entry] = {}
_marks: dict[str, _Entry] = {}


def register_panel(name: str, capability: Can, render: str | PanelFunction) -> None:
    """`render` (a dotted string, or the function) fills a place on each patient's page. A name given again replaces."""
    _panels[name] = _Entry(capability, render)


def register_timeline(name: str, capability: Can, entries: str | TimelineFunction) -> None:
    """`entries` (a dotted string, or the function) adds to each patient's timeline. A name given again replaces."""
    _timelines[name] = _Entry(capability, entries)


def register_marks(name: str, capability: Can, marks: str | MarksFunction) -> None:
    """`marks` (a dotted string, or the function) adds ticks to charts of scores. A name given again replaces."""
    _marks[name] = _Entry(capability, marks)


def panels_for(request: HttpRequest, patient: Patient) -> list[Panel]:
    """The panels that this person may see, in the order in which they were registered."""
    found = []
    for name, entry in _panels.items():
        if not staff(request).can(entry.capability):
            continue
        content = cast("PanelFunction", entry.load())(request, patient)
        if content is None:
            continue
        html = render_to_string(content["template"], dict(content.get("context", {})), request=request)
        found.append(Panel(name=name, html=html, concerns=tuple(content.get("concerns", ()))))
    return found


def timeline_for(request: HttpRequest, patient: Patient, *own: Iterable[TimelineEntry]) -> list[TimelineEntry]:
    """`own` entries and those of every registered source that this person may see, newest first."""
    entries = [entry for source in own for entry in source]
    for source in _timelines.values():
        if staff(request).can(source.capability):
            entries += cast("TimelineFunction", source.load())(request, patient)
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:TIMELINE_LENGTH]


def marks_for(request: HttpRequest, patient: Patient) -> list[Mark]:
    """The marks of every registered source that this person may see, the earliest first."""
    found: list[Mark] = []
    for source in _marks.values():
        if staff(request).can(source.capability):
            found += cast("MarksFunction", source.load())(request, patient)
    return sorted(found, key=lambda mark: mark.day)
