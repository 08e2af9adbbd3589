"""What a caller says in the place of a message that would have carried a link."""

from __future__ import annotations

import pytest

from patients.pure.messages.spoken import spoken

LINK = "[link]"
REMINDER = (
    "This is a reminder of your visit at Maple Clinic: Wed, Jan 13, 1:00 PM.\n\n"
    "Please arrange for somebody to take you home.\n\n"
    "How to prepare, directions, and how to confirm, move or cancel it:\n[link]\n\nWhere: 1 Main Street"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Please come at 10.", ("Please come at 10.",)),
        ("", ()),
        ("Please confirm it, or move or cancel it, here:\n[link]", ()),
        (
            REMINDER,
            (
                "This is a reminder of your visit at Maple Clinic: Wed, Jan 13, 1:00 PM.",
                "Please arrange for somebody to take you home.",
                "Where: 1 Main Street",
            ),
        ),
        (
            "Take it or leave it until Wed, Jan 13, 1:00 PM:\n[link]",
            ("Take it or leave it until Wed, Jan 13, 1:00 PM.",),
        ),
        (
            "It is time for a few questions about how you are. They take some minutes:\n[link]",
            ("It is time for a few questions about how you are.",),
        ),
        (
            "Maple Clinic: visit Wed, Jan 13, 1:00 PM. Bring your driver. Prepare: [link] Reply STOP to opt out.",
            ("Maple Clinic: visit Wed, Jan 13, 1:00 PM. Bring your driver. Reply STOP to opt out.",),
        ),
        (
            "Su visita es el mié, 13 ene, 1:00 p.m. Confírmela aquí:\n[link]",
            ("Su visita es el mié, 13 ene, 1:00 p.m.",),
        ),
        ("Twice: [link] and once more: [link].", ()),
    ],
)
def test_what_only_leads_to_the_link_is_not_said_and_times_are(text: str, said: tuple[str, ...]) -> None:
    assert spoken(text, link=LINK) == said
    assert all(LINK not in one for one in said)
