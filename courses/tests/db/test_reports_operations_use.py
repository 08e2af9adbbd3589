"""The operations report against numbers reckoned by hand: use of chairs and people, messages, worklists, the drug."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from clinic.models import Location, Resource
from clinic.models.bookings import ATTENTION_LANE
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_absence, make_clinic, make_closure, make_hours, make_user
from courses.models import Discrepancy, DrugDraw, DrugLot, StockEntry, Task
from courses.pure.reports.contents import Cell, Chart, Figure, Table
from courses.pure.reports.filters import Filters
from courses.reports.operations import KIND
from courses.tests.series_kit import at
from courses.tests.visits_kit import put_allocation, put_booking, put_visit
from patients.models import Message
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db

MONDAY, SUNDAY = date(2027, 3, 1), date(2027, 3, 7)
WEEK = Filters(since=MONDAY, until=SUNDAY)
MARCH = Filters(since=MONDAY, until=date(2027, 3, 31))
NOW = at(date(2027, 4, 15), "12:00")


def figure(key: str, filters: Filters = WEEK, now: datetime = NOW) -> Figure:
    return next(one for one in KIND.build(filters, now).figures() if one.key == key)


def table(key: str, filters: Filters = WEEK, now: datetime = NOW) -> Table:
    return next(one for one in KIND.build(filters, now).tables() if one.key == key)


def row(key: str, first: str, filters: Filters = WEEK) -> tuple[Any, ...]:
    return next(one for one in table(key, filters).rows if one[0] == first)


def listed(key: str, filters: Filters = WEEK) -> list[tuple[Any, ...]]:
    with time_machine.travel(NOW, tick=False):
        found = KIND.listed(key, filters)
        rows = list(found.rows[0:100])
    assert len(rows) == found.total
    assert all(len(one.cells) == len(found.columns) for one in rows)
    return [one.cells for one in rows]


@pytest.fixture
def clinic() -> Clinic:
    """Monday to Friday, 08:00 to 18:00: ten hours, two chairs, a nurse for three at once, a clinician."""
    return make_clinic()


def takes(
    place: Clinic, resource: Resource, when: datetime, minutes: int = 60, role: str = "station", **fields: Any
) -> None:
    booking = put_booking(place, make_patient(), when, fields.pop("status", "done"), minutes=minutes)
    put_allocation(booking, resource, role, **fields)


def hour(key: str, weekday: str, clock: int, filters: Filters = WEEK) -> Cell:
    found = table(key, filters)
    place = [one.key for one in found.columns].index(f"h{clock:02d}")
    return next(one for one in found.rows if one[0] == weekday)[place]


# -- chairs ------------------------------------------------------------------------------------------------------------
def test_chairs_are_used_as_booked_minutes_of_open_minutes(clinic: Clinic):
    takes(clinic, clinic.chairs[0], at(MONDAY, "10:00"), 90)
    # Two chairs for 10 hours on 5 days are 100 hours; an hour and a half is 1.5 %.
    assert figure("use-chair").value == Decimal("1.5")
    assert figure("use-chair").words == "2 of 100 hours"
    assert hour("heat-chair", "Monday", 10) == 50  # 60 of 120 minutes
    assert hour("heat-chair", "Monday", 11) == 25
    assert hour("heat-chair", "Tuesday", 10) == 0
    assert [one[0] for one in table("heat-chair").rows] == ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
    assert [one.title for one in table("heat-chair").columns[1:]] == [f"{clock:02d}" for clock in range(8, 18)]


def test_released_allocations_blocked_time_and_rooms_do_not_count_as_used(clinic: Clinic):
    takes(clinic, clinic.chairs[0], at(MONDAY, "10:00"), status="cancelled", released=True)
    takes(clinic, clinic.chairs[0], at(MONDAY, "10:00"), role="blocked")
    takes(clinic, clinic.room, at(MONDAY, "10:00"))
    assert figure("use-chair").value == 0


def test_a_closure_takes_its_hours_out_of_the_denominator(clinic: Clinic):
    takes(clinic, clinic.chairs[0], at(MONDAY, "10:00"), 90)
    make_closure(clinic.location, date(2027, 3, 2), date(2027, 3, 4))
    make_closure(clinic.location, date(2027, 3, 5), from_time=time(13), until_time=time(18))
    # Monday 20 hours of two chairs, Friday 10: 1.5 of 30.
    assert figure("use-chair").value == 5
    assert [one[0] for one in table("heat-chair").rows] == [
        "Monday", "Friday",
    ]  # fmt: skip
    assert hour("heat-chair", "Friday", 13) is None


def test_time_before_the_first_booking_and_after_today_is_not_counted(clinic: Clinic):
    takes(clinic, clinic.chairs[0], at(date(2027, 3, 3), "10:00"), 120)
    takes(clinic, clinic.chairs[0], at(date(2027, 3, 5), "10:00"), 120)
    # From Wednesday 3 to Thursday 4 March, which is "today": 2 of 40 hours.
    today = at(date(2027, 3, 4), "12:00")
    assert figure("use-chair", WEEK, today).value == 5
    assert figure("use-chair", Filters(), today).value == 5


def test_the_night_of_the_spring_change_has_23_hours(clinic: Clinic):
    place = clinic.location
    make_hours(place, weekdays=[6], opens=time(0), closes=time(23, 59))
    sunday = date(2027, 3, 14)
    takes(clinic, clinic.chairs[0], at(sunday, "01:00"), 120)  # 01:00 to 02:00, and 03:00 to 04:00
    day = Filters(since=sunday, until=sunday)
    assert figure("use-chair", day).words == "2 of 46 hours"  # 23 hours of two chairs
    assert hour("heat-chair", "Sunday", 1, day) == 50
    assert hour("heat-chair", "Sunday", 2, day) is None
    assert hour("heat-chair", "Sunday", 3, day) == 50


def test_each_location_by_its_own_clocks(clinic: Clinic):
    west = make_clinic("West", time_zone="America/Los_Angeles")
    for place in (clinic, west):
        begin = place.location.at(MONDAY, time(9))
        takes(place, place.chairs[0], begin, 60)
    assert hour("heat-chair", "Monday", 9) == 50  # 60 of 120 at either: 120 of 240
    assert figure("use-chair").value == 1
    only = replace(WEEK, location=west.location.pk)
    assert hour("heat-chair", "Monday", 9, only) == 50
    assert figure("use-chair", only).words == "1 of 100 hours"


# -- people ------------------------------------------------------------------------------------------------------------
def resource(clinic: Clinic, role: Role) -> Resource:
    found = clinic.users[role].resource
    assert found is not None
    return found


def test_a_nurse_is_used_by_lanes_and_her_full_attention_is_no_second_time(clinic: Clinic):
    nurse = resource(clinic, Role.NURSE)
    takes(clinic, nurse, at(MONDAY, "10:00"), 60, "nurse", lane=0)
    takes(clinic, nurse, at(MONDAY, "10:00"), 60, "nurse", lane=1)
    begin = at(MONDAY, "10:00")
    takes(
        clinic, nurse, begin, 60, "attention", lane=ATTENTION_LANE,
        span=DateTimeTZRange(begin, begin + timedelta(minutes=15)),
    )  # fmt: skip
    # Three lanes for 50 hours are 150 hours.
    assert figure("use-nurse").words == "2 of 150 hours"
    assert f"{hour('heat-nurse', 'Monday', 10):.1f}" == "66.7"


def test_absences_closures_and_those_who_have_left_are_no_working_time(clinic: Clinic):
    takes(clinic, resource(clinic, Role.CLINICIAN), at(MONDAY, "10:00"), 60, "clinician")
    make_absence(clinic.clinician, date(2027, 3, 2))
    make_absence(clinic.clinician, date(2027, 3, 3), starts=time(8), ends=time(13))
    make_closure(clinic.location, date(2027, 3, 4))
    make_absence(
        clinic.clinician, date(2027, 3, 6), kind="extra", starts=time(9), ends=time(12), location=clinic.location
    )
    make_user(Role.CLINICIAN, username="left", is_active=False)
    # Monday 10, Wednesday 5, Friday 10, Saturday 3.
    assert figure("use-clinician").words == "1 of 28 hours"
    assert [one[0] for one in table("heat-clinician").rows] == ["Monday", "Wednesday", "Friday", "Saturday"]


def test_heat_maps_are_charts_with_a_table(clinic: Clinic):
    takes(clinic, clinic.chairs[0], at(MONDAY, "10:00"))
    use = next(one for one in KIND.build(WEEK, NOW).sections if one.key == "use")
    drawn = [item.key for item in use.items if isinstance(item, Chart)]
    assert drawn == ["heat-chair", "heat-nurse", "heat-clinician"]


# -- messages ----------------------------------------------------------------------------------------------------------
def writes(place: Location, state: str, event: str = "infusion", **fields: Any) -> Message:
    """A message that was due on Tuesday at nine."""
    due = at(date(2027, 3, 2), "09:00")
    values: dict[str, Any] = {
        "key": f"m{Message.objects.count()}", "event": event, "location": place, "patient": make_patient(),
        "due_at": due, "useful_until": due + timedelta(days=1), "state": state, "state_at": due, "created_at": due,
    }  # fmt: skip
    if state in ("sent", "delivered"):
        values |= {"sent_at": due, "to": "+12125550111", "channel": "sms"}
    return Message.objects.create(**(values | fields))


def test_reminders_that_went_out_arrived_were_confirmed_and_failed(clinic: Clinic):
    place, sent = clinic.location, at(date(2027, 3, 2), "09:00")
    after = put_booking(clinic, make_patient(), at(date(2027, 3, 4), "10:00"), "confirmed", confirmed_at=sent)
    before = put_booking(
        clinic, make_patient(), at(date(2027, 3, 4), "10:00"), "confirmed", confirmed_at=sent - timedelta(hours=1)
    )
    silent = put_booking(clinic, make_patient(), at(date(2027, 3, 4), "10:00"))
    writes(place, "delivered", booking=after)
    writes(place, "sent", booking=after)  # a second reminder of the same visit
    writes(place, "sent", booking=before)
    writes(place, "called", booking=silent, channel="phone")
    writes(place, "failed", booking=silent, channel="sms", error="The number is not in service.")
    writes(place, "to_call", channel="phone")
    writes(place, "skipped")
    writes(place, "withdrawn")
    writes(place, "planned")
    writes(place, "delivered", "measure_due")
    writes(make_clinic("Uptown").location, "failed", channel="sms")
    here = replace(WEEK, location=place.pk)
    found = figure("reminders", here)
    assert (found.numerator, found.denominator) == (4, 6)
    assert f"{found.value:.1f}" == "66.7"
    assert {one.why.split()[0]: one.n for one in found.missing} == {"skipped": 1, "withdrawn": 1}
    assert found.words == "1 with a receipt that they arrived"
    assert figure("confirmed", here).denominator == 3  # too few for a share: one of three visits
    assert figure("failed", here).value == 1
    assert figure("to-call", here).value == 1
    rows = {(one[0], one[1]): one[2:] for one in table("messages", here).rows}
    # Due, went out, delivered, confirmed, failed, to call, skipped, withdrawn.
    assert rows["Infusion", "Text message"] == (4, 3, 1, 2, 1, 0, 0, 0)
    assert rows["Infusion", "Phone call"] == (2, 1, 0, 0, 0, 1, 0, 0)
    assert rows["Infusion", "None"] == (2, 0, 0, 0, 0, 0, 1, 1)
    assert rows["Questionnaire due", "Text message"] == (1, 1, 1, None, 0, 0, 0, 0)
    assert listed("failed", here) == [
        (date(2027, 3, 2), "09:00", "Infusion", "Text message", "The number is not in service.")
    ]


def test_messages_count_by_the_day_they_were_due_on_the_locations_clocks(clinic: Clinic):
    for due in (at(SUNDAY, "23:30"), at(date(2027, 3, 8), "00:00"), at(date(2027, 2, 28), "23:59")):
        writes(clinic.location, "failed", due_at=due, channel="sms")
    assert figure("failed").value == 1
    assert listed("failed")[0][:2] == (SUNDAY, "23:30")


# -- worklists ---------------------------------------------------------------------------------------------------------
def task(place: Location, kind: str, opened: datetime, closed: datetime | None = None, **fields: Any) -> Task:
    done = {"closed_at": closed, "closed_how": "settled", "closed_text": "Done"} if closed else {}
    return Task.objects.create(
        kind=kind, key=f"k{Task.objects.count()}", location=place, text="Something", due_on=opened.date(),
        opened_at=opened, **(done | fields),
    )  # fmt: skip


def test_open_tasks_by_age_now_and_closed_ones_by_how_long_they_took(clinic: Clinic):
    place = clinic.location
    for days in (1, 2, 4, 8, 16):
        task(place, "review", NOW - timedelta(days=days))
    task(place, "review", NOW - timedelta(days=3), later_until=date(2027, 5, 1), later_reason="On holiday")
    for days in (1, 2, 3, 4, 5):
        task(place, "measure", at(date(2027, 3, 5), "10:00") - timedelta(days=days), at(date(2027, 3, 5), "10:00"))
    task(place, "measure", at(MONDAY, "10:00"), at(date(2027, 3, 9), "10:00"))  # closed after the period
    task(make_clinic("Uptown").location, "review", NOW - timedelta(days=99))
    here = replace(WEEK, location=place.pk)
    # 1 2 3 4 8 16: the median lies between 3 and 4.
    assert row("tasks", "Reviews due", here)[1:] == (6, Decimal("3.5"), Decimal(16), 0, None)
    assert row("tasks", "Measures overdue", here)[1:] == (0, None, None, 5, Decimal(3))
    assert figure("tasks-open", here).value == 6
    assert figure("tasks-open", here).words == "1 of them put off to a later day"
    assert [cells[2] for cells in listed("tasks-review", here)] == [16, 8, 4, 3, 2, 1]


# -- the drug ----------------------------------------------------------------------------------------------------------
def lot_of(clinic: Clinic, drug: str = "ketamine") -> DrugLot:
    form = {"form": "device"} if drug == "esketamine" else {"concentration_mg_per_ml": Decimal(10)}
    lot = DrugLot.objects.create(
        location=clinic.location, drug=drug, content_mg=Decimal(200), lot_number=f"{drug[:1]}-{clinic.location.pk}",
        expires_on=date(2028, 3, 31), created_at=at(MONDAY), created_by=clinic.nurse, **form,
    )  # fmt: skip
    enters(clinic, lot, "received", Decimal(900), Decimal(900))
    return lot


def enters(clinic: Clinic, lot: DrugLot, kind: str, amount: Decimal, change: Decimal, **fields: Any) -> StockEntry:
    last = StockEntry.objects.filter(lot=lot).order_by("-number").first()
    number, balance = (last.number + 1, last.balance_mg) if last else (1, Decimal(0))
    return StockEntry.objects.create(
        lot=lot, number=number, kind=kind, amount_mg=amount, change_mg=change, balance_mg=balance + change,
        at=at(MONDAY, "09:00"), by=clinic.nurse, **fields,
    )  # fmt: skip


def draws(clinic: Clinic, lot: DrugLot, when: datetime, *parts: str) -> DrugDraw:
    """So many mg given, wasted and returned; with one number, drawn and not accounted for."""
    amounts = [Decimal(part) for part in parts]
    drawn, is_open = sum(amounts, Decimal(0)), len(amounts) == 1
    visit = put_visit(clinic, make_patient(), when)
    with transaction.atomic():
        draw = DrugDraw.objects.create(
            record=visit.record, lot=lot, drawn_mg=drawn, drawn_at=when, drawn_by=clinic.nurse
        )
        enters(clinic, lot, "drawn", drawn, -drawn, draw=draw)
        if not is_open:
            given, wasted, returned = amounts
            enters(clinic, lot, "given", given, Decimal(0), draw=draw)
            if wasted:
                enters(clinic, lot, "wasted", wasted, Decimal(0), draw=draw, witness=clinic.clinician)
            if returned:
                enters(clinic, lot, "returned", returned, returned, draw=draw)
            DrugDraw.objects.filter(pk=draw.pk).update(
                given_mg=given, wasted_mg=wasted, returned_mg=returned, closed_at=when, closed_by=clinic.nurse,
                witness=clinic.clinician,
            )  # fmt: skip
    return draw


def test_what_was_drawn_by_month_and_where_it_went(clinic: Clinic):
    lot = lot_of(clinic)
    for day in (1, 2, 3, 4):
        draws(clinic, lot, at(date(2027, 3, day)), "41.2", "8.8", "0")
    draws(clinic, lot, at(date(2027, 3, 31), "23:30"), "30.0", "0", "20.0")
    draws(clinic, lot, at(date(2027, 3, 5)), "50.0")
    draws(clinic, lot, at(date(2027, 4, 1), "00:00"), "50.0", "0", "0")
    here = replace(MARCH, location=clinic.location.pk)
    # Given 4 × 41.2 + 30 = 194.8, wasted 35.2, returned 20: drawn 250; 35.2 of 250 mg is 14.08 %.
    assert table("drug", here).rows == (
        (
            "2027-03", "Ketamine", 6, Decimal("250.0"), Decimal("194.8"), Decimal("35.2"), Decimal("20.0"),
            Decimal("14.08"), 1, Decimal("50.0"),
        ),
    )  # fmt: skip
    assert table("drug-months", here).rows == (("2027-03", Decimal("194.8"), Decimal("35.2"), Decimal("20.0")),)
    waste = figure("waste-ketamine", here)
    assert (waste.value, waste.words) == (Decimal("14.08"), "35.2 of 250.0 mg in 5 draws")
    assert [(one.why, one.n) for one in waste.missing] == [("draws not accounted for", 1)]
    assert figure("draws-open", here).value == 1
    assert [cells[3] for cells in listed("draws-open", here)] == [Decimal("50.0")]
    assert [cells[5] for cells in listed("waste-ketamine", here)] == [Decimal("8.8")] * 4 + [Decimal(0)]
    assert [one[0] for one in table("drug", Filters()).rows] == ["2027-03", "2027-04"]


def test_two_drugs_are_not_added_up_and_few_draws_have_no_share(clinic: Clinic):
    draws(clinic, lot_of(clinic), at(MONDAY), "40.0", "10.0", "0")
    draws(clinic, lot_of(clinic, "esketamine"), at(MONDAY, "12:00"), "56.0", "0", "0")
    assert [one[1:4] for one in table("drug").rows] == [
        ("Esketamine", 1, Decimal("56.0")), ("Ketamine", 1, Decimal("50.0")),
    ]  # fmt: skip
    assert table("drug-months").rows == (("2027-03", Decimal("40.0"), Decimal("10.0"), Decimal(0)),)
    assert (figure("waste-ketamine").is_few, figure("waste-ketamine").value) == (True, None)
    assert figure("waste-esketamine").words == "1 draws: too few to give a share"


def test_the_drug_of_another_location_does_not_count(clinic: Clinic):
    other = make_clinic("Uptown")
    draws(other, lot_of(other), at(MONDAY), "40.0", "10.0", "0")
    assert table("drug", replace(WEEK, location=clinic.location.pk)).rows == ()
    assert len(table("drug").rows) == 1


def test_counts_that_differed_from_the_log(clinic: Clinic):
    lot = lot_of(clinic)
    for expected, counted, opened in (("900", "895", MONDAY), ("900", "903.5", SUNDAY), ("900", "1", date(2027, 3, 8))):
        entry = enters(clinic, lot, "counted", Decimal(counted), Decimal(0))
        Discrepancy.objects.create(
            entry=entry, location=clinic.location, expected_mg=Decimal(expected), counted_mg=Decimal(counted),
            opened_at=at(opened, "17:00"),
        )  # fmt: skip
    assert table("discrepancies").rows == (("Ketamine", 2, 2, Decimal("5.0"), Decimal("3.5"), 0),)
    assert [cells[2] for cells in listed("discrepancies-ketamine")] == [Decimal("3.5"), Decimal("-5.0")]
