"""Headers that each answer carries beside those of Django and django-csp."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

Answer = Callable[[HttpRequest], HttpResponseBase]

NEVER_USED = (
    *("accelerometer", "browsing-topics", "camera", "display-capture", "encrypted-media"),
    *("fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "idle-detection", "local-fonts", "magnetometer"),
    *("microphone", "midi", "payment", "picture-in-picture", "serial", "usb", "xr-spatial-tracking"),
)
"""Abilities of browsers that no page of the product asks for."""
ABILITIES = ", ".join(
    [*(f"{name}=()" for name in NEVER_USED), "publickey-credentials-create=(self)", "publickey-credentials-get=(self)"]
)
"""The value of Permissions-Policy. The last two are for security keys at sign-in."""


class SafetyHeaders:
    """No page may use what it has no need of, and no other site may load an answer of ours into a page of its own."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = self.get_response(request)
        answer["Permissions-Policy"] = ABILITIES
        answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return answer
