"""Care beside the infusions: what is there, what took place, when it ended, and what was entered in error."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction

from clinic.models import User
from courses.models import CareEntry, CareItem
from courses.services import care
from courses.services.following import read_following
from courses.tests.series_kit import Booked, april, at, book

pytestmark = pytest.mark.django_db
NOW = at(april(15), "12:00")


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05; nothing beside it."""
    return book()


def add(booked: Booked, by: User | None = None, **fields: Any) -> CareItem:
    values = {
        "kind": "therapy",
        "title": "Cognitive behavioral therapy",
        "responsible": "Dr. Ruiz, Hudson Therapy",
        "started_on": april(6),
        "detail": "",
        "on_chart": True,
    } | fields
    return care.add_care(booked.course.pk, values=values, by=by or booked.nurse, now=NOW)


def session(item: CareItem, booked: Booked, day: int = 8, note: str = "") -> CareEntry:
    return care.add_entry(item.pk, day=april(day), note=note, by=booked.nurse, now=NOW)


def board(booked: Booked) -> care.CareBoard:
    return care.board_of(read_following(booked.course))


def refused(error: pytest.ExceptionInfo[ValidationError], field: str) -> str:
    return str(error.value.message_dict[field][0])


@pytest.mark.parametrize("kind", ["therapy", "treatment", "lifestyle", "referral"])
def test_each_kind_of_care_stands_with_who_is_responsible(booked: Booked, kind: str) -> None:
    """clinical.md A 63 (additional therapies), A 116 (lifestyle), A 117 (psychotherapy)."""
    item = add(booked, kind=kind)
    assert (item.created_by, item.created_at) == (booked.nurse, NOW)
    ((label, (found,)),) = board(booked).running
    assert (label, found.item, found.said) == (item.get_kind_display(), item, "")


def test_sessions_that_took_place_are_counted(booked: Booked) -> None:
    item = add(booked)
    session(item, booked, 8)
    assert board(booked).running[0][1][0].said == "1 session, on Thu 8 Apr"
    session(item, booked, 13, "Sleep diary")
    found = board(booked).running[0][1][0]
    assert found.said == "2 sessions, the last on Tue 13 Apr"
    assert [entry.day for entry in found.entries] == [april(13), april(8)]


@pytest.mark.parametrize("who", ["nurse", "clinician"])
def test_nurses_and_clinicians_write(booked: Booked, who: str) -> None:
    assert add(booked, by=getattr(booked, who)).pk


def test_the_desk_and_the_manager_write_nothing(booked: Booked) -> None:
    item = add(booked)
    entry = session(item, booked)
    for person in (booked.desk, booked.clinic.manager):
        known: dict[str, Any] = {"by": person, "now": NOW}
        with pytest.raises(PermissionDenied):
            add(booked, by=person, title="Yoga")
        with pytest.raises(PermissionDenied):
            care.add_entry(item.pk, day=april(9), note="", **known)
        with pytest.raises(PermissionDenied):
            care.end_care(item.pk, ended_on=april(9), reason="x", **known)
        with pytest.raises(PermissionDenied):
            care.strike_care(item.pk, reason="x", **known)
        with pytest.raises(PermissionDenied):
            care.strike_entry(entry.pk, reason="x", **known)
    assert CareEntry.objects.valid().count() == CareItem.objects.valid().count() == 1


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"title": ""}, "title", "blank"),
        ({"responsible": ""}, "responsible", "blank"),
        ({"kind": "magic"}, "kind", "not a valid choice"),
        ({"started_on": april(16)}, "started_on", "still ahead"),
        ({"title": "COGNITIVE behavioral therapy"}, "title", "there already"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(booked: Booked, fields: dict[str, Any], field: str, said: str) -> None:
    add(booked)
    with pytest.raises(ValidationError) as error:
        add(booked, **fields)
    assert said in refused(error, field)
    assert CareItem.objects.count() == 1


def test_today_is_the_day_of_the_clinic(booked: Booked) -> None:
    """15 April 22:30 in New York is 16 April in UTC."""
    late = at(april(15), "22:30")
    item = add(booked)
    with pytest.raises(ValidationError, match="still ahead"):
        care.add_entry(item.pk, day=april(16), note="", by=booked.nurse, now=late)
    assert care.add_entry(item.pk, day=april(15), note="", by=booked.nurse, now=late).pk


@pytest.mark.parametrize(("day", "said"), [(5, "It began on Tue 6 Apr"), (16, "still ahead"), (8, "recorded already")])
def test_an_entry_lies_between_the_beginning_and_today_and_is_there_once(booked: Booked, day: int, said: str) -> None:
    item = add(booked)
    session(item, booked, 8)
    with pytest.raises(ValidationError) as error:
        session(item, booked, day)
    assert said in refused(error, "day")
    assert session(item, booked, 8, "A second one in the evening").pk


def test_it_ends_with_a_reason_and_the_end_can_be_corrected(booked: Booked) -> None:
    item, known = add(booked), {"by": booked.clinician, "now": NOW}
    with pytest.raises(ValidationError) as error:
        care.end_care(item.pk, ended_on=april(13), reason=" ", **known)
    assert "Give the reason" in refused(error, "reason")
    care.end_care(item.pk, ended_on=april(13), reason="Goals reached", **known)
    care.end_care(item.pk, ended_on=april(14), reason="Goals reached", **known)
    item.refresh_from_db()
    assert (item.ended_on, item.ended_reason) == (april(14), "Goals reached")
    assert board(booked).running == ()
    assert [one.item for one in board(booked).over] == [item]


@pytest.mark.parametrize(
    ("day", "said"), [(5, "it cannot end before"), (16, "still ahead"), (9, "Something took place on Mon 12 Apr")]
)
def test_an_end_is_not_before_the_beginning_or_what_took_place(booked: Booked, day: int, said: str) -> None:
    item = add(booked)
    session(item, booked, 12)
    with pytest.raises(ValidationError) as error:
        care.end_care(item.pk, ended_on=april(day), reason="Over", by=booked.nurse, now=NOW)
    assert said in refused(error, "ended_on")
    assert care.end_care(item.pk, ended_on=april(12), reason="Over", by=booked.nurse, now=NOW).ended_on == april(12)


def test_the_database_knows_too_that_nothing_ends_before_it_began(booked: Booked) -> None:
    item = add(booked)
    with pytest.raises(IntegrityError, match="careitem_ends_after_it_began"), transaction.atomic():
        CareItem.objects.filter(pk=item.pk).update(ended_on=april(5))


def test_after_the_end_nothing_takes_place_and_it_may_begin_again(booked: Booked) -> None:
    item = add(booked)
    care.end_care(item.pk, ended_on=april(10), reason="Moved", by=booked.nurse, now=NOW)
    with pytest.raises(ValidationError, match="It ended on Sat 10 Apr"):
        session(item, booked, 12)
    assert session(item, booked, 9).pk
    assert add(booked, started_on=april(12)).pk != item.pk


def test_an_error_is_struck_with_a_reason_and_stays_readable(booked: Booked) -> None:
    item = add(booked)
    entry, kept = session(item, booked, 8), session(item, booked, 9)
    with pytest.raises(ValidationError, match="Give the reason"):
        care.strike_entry(entry.pk, reason="", by=booked.nurse, now=NOW)
    care.strike_entry(entry.pk, reason="Another patient", by=booked.nurse, now=NOW)
    found = board(booked).running[0][1][0]
    assert ([one.pk for one in found.entries], [one.pk for one in found.struck]) == ([kept.pk], [entry.pk])
    with pytest.raises(ValidationError, match="struck meanwhile"):
        care.strike_entry(entry.pk, reason="Again", by=booked.nurse, now=NOW)
    care.strike_care(item.pk, reason="Wrong course", by=booked.nurse, now=NOW)
    assert (board(booked).running, [one.struck_reason for one in board(booked).struck]) == ((), ["Wrong course"])
    with pytest.raises(ValidationError, match="nothing was changed"):
        session(item, booked, 10)


def test_goals_that_are_agreed_on_are_no_longer_suggested(booked: Booked) -> None:
    """Suggestions: sleep, balanced diet, stress management, exercise, self-care (clinical.md A 116)."""
    names = [idea.title for idea in board(booked).ideas]
    assert names == ["Sleep", "Balanced diet", "Stress management", "Exercise", "Self-care"]
    item = add(booked, kind="lifestyle", title="sleep")
    assert "Sleep" not in [idea.title for idea in board(booked).ideas]
    care.end_care(item.pk, ended_on=date(2027, 4, 10), reason="Sleeps well", by=booked.nurse, now=NOW)
    assert "Sleep" in [idea.title for idea in board(booked).ideas]


def test_the_history_names_who_wrote(booked: Booked) -> None:
    from pghistory.models import Events  # noqa: PLC0415 (needs the registry of models)

    item = add(booked)
    care.end_care(item.pk, ended_on=april(10), reason="Moved", by=booked.clinician, now=NOW)
    found = Events.objects.tracks(item).order_by("pgh_created_at", "pgh_id")
    assert [one.pgh_context["user"] for one in found] == [booked.nurse.pk, booked.clinician.pk]
