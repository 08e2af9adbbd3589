"""What the tests of one visit share: asking as somebody at an hour of the day, the sheet, and its words."""

from __future__ import annotations

import re
from typing import Any

import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking
from courses.tests.visit_kit import ny

HTMX = {"HX-Request": "true"}


def ask(
    client: Client, user: Any, address: str, *, at: str = "09:40", post: dict[str, Any] | None = None, **more: Any
) -> Any:
    with time_machine.travel(ny(at), tick=False):
        client.force_login(user)
        return client.get(address, **more) if post is None else client.post(address, post, **more)


def sheet(client: Client, user: Any, booking: Booking, *, at: str = "09:40") -> str:
    answer = ask(client, user, reverse("courses:visit", args=[booking.pk]), at=at, headers=HTMX)
    assert answer.status_code == 200
    return str(answer.content.decode())


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
