"""Orders of a dose, what they ask, who may give them, and the checks before the start."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction

from clinic.models import BookingStatus
from clinic.pure.roles import Role
from clinic.services import bookings
from clinic.tests.factories import make_user
from clinic.tests.fixtures.parallel import Parallel
from courses.forms.dose import CHECKS
from courses.models import DoseCheck, DoseOrder, InfusionDaySettings, Protocol
from courses.pure.doses import DoseError, Ordered
from courses.services import moves
from courses.services.dosing import Given, Proposal, check_dose, checks_lacking, order_dose, propose, say_order
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.tests.day_kit import Day, in_chair, infusing, make_day, put_order, put_tap, ten
from patients.tests.factories import make_vitals

pytestmark = pytest.mark.django_db
D = Decimal
HALF = Ordered("mg_per_kg", D("0.5"), 40, D(10), 100)
RANGE: dict[str, Any] = {"dose_start": D("0.5"), "dose_min": D("0.1"), "dose_max": D("0.75"), "infusion_max_min": 60}


def weighed(day: Day, kg: str = "82.4", *, days_ago: int = 0) -> Day:
    make_vitals(day.patient, day.nurse, measured_at=ten() - timedelta(days=days_ago), weight_kg=D(kg))
    return day


def ready(**known: Any) -> Day:
    return weighed(in_chair(**(RANGE | known)))


def proposed(day: Day, ordered: Ordered = HALF) -> Proposal:
    return propose(day.desk(ten()), ordered)


def order(day: Day, ordered: Ordered = HALF, *, by: Any = None, seal: str | None = None, **given: Any) -> DoseOrder:
    """As somebody who saw the preview of what stands now."""
    before = day.desk(ten()).order
    values = {"after": before.pk if before else None} | given
    return order_dose(
        booking_id=day.pk,
        ordered=ordered,
        given=Given(seal=proposed(day, ordered).seal if seal is None else seal, **values),
        by=by or day.clinician,
        now=ten(),
    )


def check(day: Day, made: DoseOrder, by: Any = None, *, ticked: tuple[str, ...] = CHECKS) -> DoseCheck:
    return check_dose(booking_id=day.pk, order_id=made.pk, ticked=ticked, wanted=CHECKS, by=by or day.nurse, now=ten(1))


# -- ordering ----------------------------------------------------------------------------------------------------------
def test_case_28_is_stored_as_it_was_worked_out() -> None:
    made = order(ready(), Ordered("mg_per_kg", D("0.5"), 40, D(50), 100))
    made.refresh_from_db()
    assert (made.dose_mg, made.volume_ml, made.contains_mg) == (D("41.2"), D("0.82"), D("41.0"))
    assert (made.rate_ml_h, made.weight_kg, made.weight_on) == (D("150.0"), D("82.4"), date(2027, 4, 5))
    assert say_order(made) == "41.2 mg (0.5 mg/kg × 82.4 kg)"
    assert made.warnings == []


def test_only_a_prescriber_orders() -> None:
    day = ready()
    with pytest.raises(PermissionDenied):
        order(day, by=day.nurse)
    assert not DoseOrder.objects.exists()


def test_nobody_orders_before_the_arrival() -> None:
    with pytest.raises(DayRefusedError, match="not arrived"):
        order(weighed(make_day(**RANGE)))


def test_after_the_start_the_dose_stays() -> None:
    day = weighed(infusing(**RANGE))
    with pytest.raises(DayRefusedError, match="was started"):
        order(day)
    assert DoseOrder.objects.count() == 1


@pytest.mark.parametrize(("days_ago", "counts"), [(30, True), (31, False)])
def test_a_weight_counts_for_thirty_days(days_ago: int, counts: bool) -> None:
    day = weighed(in_chair(**RANGE), days_ago=days_ago)
    if counts:
        assert order(day).dose_mg == D("41.2")
        return
    with pytest.raises(DoseError, match="more than 30 days ago"):
        proposed(day)
    with pytest.raises(ValidationError, match="Weigh the patient"):
        order(day, seal="x")


def test_how_long_a_weight_counts_is_the_clinics() -> None:
    day = weighed(in_chair(**RANGE), days_ago=31)
    InfusionDaySettings.objects.update_or_create(location=day.booking.location, defaults={"weight_max_age_days": 31})
    assert order(day).weight_on == date(2027, 3, 5)


def test_a_total_needs_no_weight() -> None:
    day = in_chair(dose_basis="total_mg", dose_start=D(80))
    made = order(day, Ordered("total_mg", D(80), 40, D(10), 100))
    assert (made.weight_kg, made.dose_mg, say_order(made)) == (None, D("80.0"), "80 mg")


def test_only_the_clinics_concentrations_can_be_ordered() -> None:
    with pytest.raises(DoseError, match="clinic's concentrations"):
        proposed(ready(), Ordered("mg_per_kg", D("0.5"), 40, D(20), 100))


def test_beyond_the_protocol_only_with_a_reason_and_the_warning_ticked() -> None:
    day, high = ready(), Ordered("mg_per_kg", D("0.9"), 40, D(10), 100)
    answered = {"accepted": {"published"}, "override_reason": "Partial response", "change_reason": "No effect at 0.5"}
    for name, field in (
        ("accepted", "accept"),
        ("override_reason", "override_reason"),
        ("change_reason", "change_reason"),
    ):
        with pytest.raises(ValidationError) as error:
            order(day, high, **(answered | {name: ""}))
        assert list(error.value.message_dict) == [field]
    made = order(day, high, **answered)
    assert made.override_reason == "Partial response"
    assert any("above the protocol's 0.75 mg/kg" in text for text in made.warnings)
    assert any("P26a" in text for text in made.warnings)


def test_100_mg_per_ml_has_to_be_ticked() -> None:
    day, strong = ready(), Ordered("mg_per_kg", D("0.5"), 40, D(100), 100)
    with pytest.raises(ValidationError, match="never IV undiluted"):
        order(day, strong)
    assert order(day, strong, accepted={"undiluted"}).warnings[0].startswith("100 mg/mL: never IV undiluted")


def test_a_reason_that_nobody_asked_for_is_not_kept() -> None:
    assert order(ready(), change_reason="typed before", override_reason="typed before").change_reason == ""


def test_another_dose_than_last_time_needs_its_reason() -> None:
    day = ready()
    make_vitals(day.patient, day.nurse, measured_at=ten(-5), weight_kg=D("82.4"))
    put_order(day, ten(-3))
    put_tap(day, "start", ten(), order=day.desk(ten()).order)
    put_tap(day, "end", ten(40))
    for step in ("observing", "done"):
        bookings.advance(day.pk, to=BookingStatus(step), by=day.nurse, now=ten(41))
    moves.record_given(booking_id=day.pk, by=day.nurse, now=ten(100))
    visit = day.course.phases.get().infusions.get(number=2).visits.get()
    second = Day(day.clinic, day.patient, day.course, visit.booking)
    now = visit.booking.start
    for step in ("arrived", "in_chair"):
        second.booking = bookings.advance(second.pk, to=BookingStatus(step), by=day.nurse, now=now)
    desk = second.desk(now)
    assert propose(desk, HALF).findings == ()
    (finding,) = propose(desk, Ordered("mg_per_kg", D("0.6"), 40, D(10), 100)).findings
    assert finding.text == "The last infusion was 0.5 mg/kg; this is 0.6 mg/kg."


def test_nasal_devices_have_no_volume() -> None:
    day = in_chair(dose_basis="total_mg", dose_start=D(56), dose_min=D(56), dose_max=D(84), infusion_min=15)
    Protocol.objects.update(route="nasal")
    made = order(day, Ordered("total_mg", D(56), 15))
    assert (made.devices, made.volume_ml, made.bag_ml, say_order(made)) == (2, None, None, "56 mg (2 × 28 mg)")
    with pytest.raises(ValidationError, match="28, 56 or 84"):
        order(day, Ordered("total_mg", D(57), 15), seal="x")


def test_who_did_not_see_the_order_of_somebody_else_orders_nothing() -> None:
    day = ready()
    first = order(day)
    with pytest.raises(ChangedMeanwhileError, match=r"Samuel Hart.* ordered 41.2 mg .* at 10:00"):
        order(day, after=None)
    second = order(day, Ordered("mg_per_kg", D("0.5"), 40, D(50), 100), after=first.pk)
    assert day.desk(ten()).order == second


def test_what_is_ordered_is_what_the_preview_showed() -> None:
    day = ready()
    seen = proposed(day).seal
    make_vitals(day.patient, day.nurse, measured_at=ten(), weight_kg=D("84.0"))
    with pytest.raises(ChangedMeanwhileError, match="not what the preview showed"):
        order(day, seal=seen)
    assert order(day).dose_mg == D("42.0")


def test_an_order_is_never_edited() -> None:
    made = order(ready())
    with pytest.raises(Exception, match="Cannot update"), transaction.atomic():
        DoseOrder.objects.filter(pk=made.pk).update(dose_mg=50)


@pytest.mark.django_db(transaction=True)
def test_of_two_prescribers_at_once_one_orders_and_the_other_sees_it(parallel: Parallel) -> None:
    day = ready()
    other = make_user(Role.CLINICIAN, username="second.prescriber")
    seal = proposed(day).seal
    people = (day.clinician, other)
    outcomes = parallel(
        2,
        lambda index: order_dose(booking_id=day.pk, ordered=HALF, given=Given(seal, None), by=people[index], now=ten()),
    )
    assert sorted(type(one.error).__name__ for one in outcomes) == ["ChangedMeanwhileError", "NoneType"]
    assert DoseOrder.objects.count() == 1


# -- checking ----------------------------------------------------------------------------------------------------------
def test_two_different_people_check_each_once() -> None:
    day = ready()
    made = order(day)
    first = check(day, made)
    assert check(day, made).pk == first.pk  # a double click
    assert checks_lacking(day.desk(ten(2))) == 1
    check(day, made, day.clinician)
    assert checks_lacking(day.desk(ten(2))) == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        DoseCheck.objects.create(record=day.record, order=made, by=day.nurse, at=ten())


def test_how_many_check_is_the_clinics() -> None:
    day = ready()
    InfusionDaySettings.objects.update_or_create(location=day.booking.location, defaults={"checks_needed": 1})
    check(day, order(day))
    assert checks_lacking(day.desk(ten(2))) == 0


def test_every_line_is_compared() -> None:
    day = ready()
    made = order(day)
    with pytest.raises(ValidationError, match="Not ticked: rate"):
        check(day, made, ticked=CHECKS[:-1])
    assert check(day, made).order == made


def test_a_new_order_is_checked_anew() -> None:
    day = ready()
    first = order(day)
    check(day, first)
    second = order(day)
    assert checks_lacking(day.desk(ten(2))) == 2
    with pytest.raises(ChangedMeanwhileError, match="Look at that order"):
        check(day, first, day.clinician)
    assert check(day, second).order == second


def test_the_front_desk_checks_nothing() -> None:
    day = ready()
    made = order(day)
    with pytest.raises(PermissionDenied):
        check(day, made, day.clinic.desk)
