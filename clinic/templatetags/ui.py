"""Small helpers of the pages: icons, clock times of a location, status words."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import cache
from pathlib import Path

from django import template
from django.conf import settings
from django.template.defaultfilters import date as format_date
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from clinic.models import Location
from clinic.pure.dates import say_clock, say_day, say_day_year

register = template.Library()


@cache
def _drawing(name: str) -> str:
    """The inside of one Tabler icon; empty when the npm packages are not installed."""
    path = Path(settings.ICONS_DIR) / "outline" / f"{name}.svg"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
        return ""
    return "".join(re.findall(r"<path[^>]*/>", path.read_text(encoding="utf-8")))


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """An icon, hidden from screen readers unless ``label`` says what it means."""
    role = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="icon {}" {} viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor"'
        ' stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">{}</svg>',
        css,
        role,
        mark_safe(_drawing(name)),  # noqa: S308 -- paths of an installed package, nothing that anybody typed
    )


@register.filter
def clock(value: datetime | time | None, location: Location | None = None) -> str:
    """Hours and minutes, "10:00" (to patients "10:00 AM", "10:00 a.m."), on the location's clocks."""
    if isinstance(value, datetime):
        value = (location.local(value) if location else value).time()
    if value is None:
        return ""
    language = _patients_language()
    if not language:
        return value.strftime("%H:%M")
    return say_clock(value, language).replace(" ", "\u00a0")  # "1:00" and "p.m." stay on one line


@register.filter
def day(value: datetime | date | None, location: Location | None = None) -> str:
    """A day as the clinic says it, "Thu 7 Jan"; to patients as their messages say it, "Thu, Jan 7"."""
    if not value:
        return ""
    local, language = _local(value, location), _patients_language()
    return say_day(local, language) if language else format_date(local, "D j M")


@register.filter
def day_year(value: datetime | date | None, location: Location | None = None) -> str:
    """A day with its year, "Thu 7 Jan 2027"; to patients "Thu, Jan 7, 2027"."""
    if not value:
        return ""
    local, language = _local(value, location), _patients_language()
    return say_day_year(local, language) if language else format_date(local, "D j M Y")


@register.filter
def moment(value: datetime | None, location: Location | None = None) -> str:
    """A day and a time, "Thu 7 Jan, 10:00"; to patients "Thu, Jan 7, 10:00 AM"."""
    return f"{day(value, location)}, {clock(value, location)}" if value else ""


def _local(value: datetime | date, location: Location | None) -> datetime | date:
    return location.local(value) if location and isinstance(value, datetime) else value


def _patients_language() -> str:
    """The language of a patient's page, whose days and clocks are those of their messages; empty on pages of the staff.

    Staff read under ``LANGUAGE_CODE``. Whatever a patient reads is made inside ``speaking``: "es", and "en" as well.
    """
    language = get_language() or settings.LANGUAGE_CODE
    return "" if language == settings.LANGUAGE_CODE else language


@register.filter
def minutes(value: int | None) -> str:
    """A duration as people say it: "45 min", "2 h", "2 h 15"."""
    if value is None:
        return ""
    hours, rest = divmod(int(value), 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest:02d}" if rest else f"{hours} h"


@register.filter
def hhmm(value: int | None) -> str:
    """Minutes after midnight as a clock time: 570 -> "09:30"."""
    return "" if value is None else f"{value // 60:02d}:{value % 60:02d}"


@register.filter
def ordinal(value: int) -> str:
    """1 -> "1st"."""
    if value // 10 % 10 == 1:  # eleventh to nineteenth
        return f"{value}th"
    return f"{value}" + {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


@register.simple_tag(takes_context=True)
def can(context: template.Context, capability: str) -> bool:
    """True when the signed-in person may: ``{% can "edit_patient" as may_edit %}``."""
    user = context.get("user")
    return bool(user and user.is_authenticated and user.can(capability))
