"""Until when nobody drives, and what the usual sheet says."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from courses.pure.aftercare import no_driving_until, usual_text

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("ended", "until"),
    [
        ("2027-03-13 13:40", "Sun 2027-03-14 14:40 EDT"),
        ("2027-11-06 13:40", "Sun 2027-11-07 12:40 EST"),
        ("2027-04-05 13:40", "Tue 2027-04-06 13:40 EDT"),
    ],
    ids=["case 24, spring", "case 24, autumn", "no change of the clocks"],
)
def test_24_hours_are_elapsed_hours(ended: str, until: str) -> None:
    instant = datetime.fromisoformat(ended).replace(tzinfo=NEW_YORK)
    assert f"{no_driving_until(instant).astimezone(NEW_YORK):%a %Y-%m-%d %H:%M %Z}" == until


@pytest.mark.parametrize("is_nasal", [False, True])
def test_the_text_still_says_tomorrow_after_sleep_and_at_least_24_hours(is_nasal: bool) -> None:
    first = usual_text(is_nasal=is_nasal).splitlines()[0]
    for part in ("until tomorrow", "night's sleep", "at least 24 hours"):
        assert part in first


def test_the_usual_text_names_no_drug_and_says_what_the_articles_say() -> None:
    text = usual_text(is_nasal=False)
    assert "ketamine" not in text.lower()
    for part in ("Drink enough and rest", "important decisions", "No alcohol", "drowsy or disoriented"):
        assert part in text
