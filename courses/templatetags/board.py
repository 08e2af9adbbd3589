"""How the chair board writes a length of time before the browser takes over."""

from __future__ import annotations

from datetime import timedelta

from django import template

register = template.Library()


@register.filter
def ticking(length: timedelta) -> str:
    """Minutes and seconds, "24:07", with hours "1:05:09"; the same words as static/js/board.js."""
    hours, rest = divmod(int(length.total_seconds()), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
