"""Published results beside one's own. Expected values: clinical.md F2, C7, A 69-72."""

from __future__ import annotations

from decimal import Decimal

import pytest

from courses.pure.outcomes.published import (
    ANXIETY,
    ARTICLES,
    MOOD,
    TRAUMA,
    medians_for,
    published_for,
    timings_for,
)
from patients.pure.indications import Indication


def test_each_number_has_its_setting_scale_time_point_and_publication() -> None:
    for one in (*MOOD, *TRAUMA, *ANXIETY):
        assert all((one.setting, one.scale, one.time_point, one.n, one.regimen, one.citation)), one.key


def test_what_is_general_knowledge_in_our_notes_is_not_shown() -> None:
    """F2 marks the remission of P7 [GK]."""
    assert {one.key: one.remission for one in MOOD}["P7"] is None


@pytest.mark.parametrize(
    ("key", "response", "remission"),
    [("P1", "70.8", None), ("P20", "53.6", "28.9"), ("P13", "27", "13"), ("P12", "18.3", None), ("P8", None, "46")],
)
def test_the_shares_are_those_of_the_table(key: str, response: str | None, remission: str | None) -> None:
    found = next(one for one in MOOD if one.key == key)
    assert found.response == (Decimal(response) if response else None)
    assert found.remission == (Decimal(remission) if remission else None)


def test_depression_gives_a_range_from_the_highest_and_ptsd_its_own_study() -> None:
    shares = [one.response for one in published_for(Indication.TRD) if one.response is not None]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (Decimal("91.6"), Decimal("18.3"))
    assert [one.key for one in published_for(Indication.PTSD)] == ["P16"]
    assert [one.key for one in published_for(Indication.ANXIETY)] == ["P23"]
    assert published_for(Indication.PAIN) == ()


def test_one_median_is_no_range() -> None:
    assert [one.days for one in medians_for(Indication.MDD)] == [18, 57]
    assert medians_for(Indication.PTSD) == ()


def test_the_articles_timing_is_theirs_and_marked() -> None:
    assert ARTICLES == "clinic article, not trial data"
    assert [(one.severity, one.expected) for one in timings_for(Indication.MDD)] == [
        ("mild to moderate", "1–2 sessions"),
        ("severe", "multiple sessions"),
    ]
    assert [one.expected for one in timings_for(Indication.ANXIETY)] == ["1–3 sessions"]
    assert [one.article for one in timings_for(Indication.PTSD)] == ["003:145"]
    assert timings_for(Indication.PAIN) == ()
