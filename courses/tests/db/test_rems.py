"""The REMS forms of a location: none is forgotten, each is sent once."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from clinic.tests.factories import make_location
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import DrugDraw, InfusionDaySettings, RemsForm
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.rems import mark_sent, rems_due, rems_lines, rems_sent
from courses.services.signing import complete
from courses.tests.day_kit import in_chair, infusing, put_tap, ten
from courses.tests.sign_kit import nasal, put_discharge, put_draw, put_no_effects
from patients.tests.factories import make_medicine

pytestmark = pytest.mark.django_db
DAYS = 60 * 24


def test_a_form_is_due_seven_days_after_the_local_day_as_soon_as_esketamine_was_given(queries: Queries) -> None:
    day = nasal()
    with queries("rems due", at_most=1):
        (one,) = rems_due(day.clinic.location, ten(60))
        said = (one.patient.list_name, one.number, one.given_on, one.due_on, one.standing)
    assert said == (day.patient.list_name, 1, date(2027, 4, 5), date(2027, 4, 12), "due in 7 days")
    assert not RemsForm.objects.exists()


def test_the_days_are_those_of_the_location() -> None:
    day = nasal()
    InfusionDaySettings.objects.create(location=day.clinic.location, rems_days=3)
    assert rems_due(day.clinic.location, ten(60))[0].due_on == date(2027, 4, 8)


@pytest.mark.parametrize(("days", "overdue", "today"), [(6, False, False), (7, False, True), (8, True, False)])
def test_it_is_overdue_from_the_day_after(days: int, overdue: bool, today: bool) -> None:
    day = nasal()
    (one,) = rems_due(day.clinic.location, ten(days * DAYS))
    assert (one.is_overdue, one.is_due_today) == (overdue, today)


def test_ketamine_and_visits_without_a_device_owe_no_form_nor_do_other_locations() -> None:
    day = infusing()
    assert rems_due(day.clinic.location, ten(60)) == []
    spray = nasal()
    assert rems_due(make_location(name="Uptown"), ten(60)) == []
    spray.record.run_events.update(struck_at=ten(61), struck_by=spray.nurse, struck_reason="Wrong chair")
    assert rems_due(spray.clinic.location, ten(62)) == []


def test_completing_the_record_opens_the_form_with_its_day() -> None:
    day = nasal()
    put_tap(day, "end", ten(11))
    put_draw(day, ten(-4), ten(15), drawn_mg="84")
    put_no_effects(day, ten(120))
    from clinic.models import BookingStatus  # noqa: PLC0415
    from clinic.services import bookings  # noqa: PLC0415

    bookings.advance(day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=ten(12))
    put_discharge(day, ten(135))
    complete(booking_id=day.pk, version=day.record.version, by=day.nurse, now=ten(140))
    assert RemsForm.objects.get().due_on == date(2027, 4, 12)
    assert len(rems_due(day.clinic.location, ten(141))) == 1


def test_what_was_sent_is_due_no_more_and_keeps_who_when_and_the_reference() -> None:
    day = nasal()
    mark_sent(record_id=day.record.pk, reference=" R-77 ", by=day.nurse, now=ten(DAYS))
    place = day.clinic.location
    assert rems_due(place, ten(9 * DAYS)) == []
    (one,) = rems_sent(place, ten(9 * DAYS))
    assert one.form is not None
    assert (one.form.reference, one.form.sent_by, one.form.sent_at) == ("R-77", day.nurse, ten(DAYS))
    assert (one.form.due_on, one.is_overdue) == (date(2027, 4, 12), False)


def test_a_form_is_marked_once_by_people_with_the_role_and_only_where_one_is_due() -> None:
    day = nasal()
    pk = day.record.pk
    for by in (day.clinic.desk, day.clinic.manager):
        with pytest.raises(PermissionDenied):
            mark_sent(record_id=pk, reference="", by=by, now=ten(DAYS))
    mark_sent(record_id=pk, reference="", by=day.nurse, now=ten(DAYS))
    with pytest.raises(ChangedMeanwhileError, match=day.nurse.display_name):
        mark_sent(record_id=pk, reference="R-78", by=day.clinician, now=ten(DAYS))
    other = infusing(clinic=day.clinic)
    with pytest.raises(DayRefusedError, match="No esketamine"):
        mark_sent(record_id=other.record.pk, reference="", by=day.nurse, now=ten(DAYS))


def test_the_lines_come_from_the_record_and_the_medicine_list(queries: Queries) -> None:
    day = nasal()
    put_draw(day, ten(-4), None, drawn_mg="84")
    make_medicine(day.patient, "Lorazepam")
    desk = day.desk(ten(60))
    with queries("rems form", at_most=2):
        lines = {line.asks: line.says for line in rems_lines(desk)}
    assert DrugDraw.objects.count() == 1
    said: dict[str, Any] = {
        "Benzodiazepines": "Lorazepam",
        "Dose": "84.0 mg, 3 devices",
        "Lot": "K-10",
        "Blood pressure before": "128/82 mmHg",
        "Blood pressure about 40 minutes after": "141/88 mmHg, after 40 minutes",
        "Sedation": "Yes, lowest MOAA/S 4, last 4",
    }
    for asks, says in said.items():
        assert lines[asks].startswith(says), asks


def test_nothing_is_due_before_the_first_device() -> None:
    day = in_chair()
    assert rems_due(day.clinic.location, ten()) == []


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_mark_one_form_once(parallel: Parallel) -> None:
    day = nasal()
    pk = day.record.pk

    def act(index: int) -> None:
        mark_sent(record_id=pk, reference=f"R-{index}", by=day.nurse, now=ten(DAYS))

    outcomes = parallel(4, act)
    failed = [one.error for one in outcomes if one.error is not None]
    assert len(failed) == 3
    assert all(isinstance(one, ChangedMeanwhileError) for one in failed)
    assert RemsForm.objects.count() == 1
