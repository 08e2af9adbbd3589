"""Patient and desk, or two devices, at the same instant (real connections): each act happens once, and nothing twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.parallel import Parallel
from courses.models import InfusionStatus, Revision
from courses.services import moves
from courses.tests.series_kit import Booked, april, at, book
from patients.models import MeasureLink, Message, MessageStep
from patients.services.intake_settings import intake_settings_of
from patients.services.messages import acts, questions
from patients.services.messages.acts import ActRefusedError
from patients.services.messages.links import Purpose
from patients.tests.factories import make_patient
from patients.tests.link_kit import make_message, opened

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
NOW = at(april(9), "09:00")
FOUR = 4


def make() -> tuple[Booked, Message, Booking]:
    ada = book(clinic=make_clinic(chairs=3))
    ada.give(1, 2)
    booking = ada.series.row(4).booking
    assert booking is not None
    return ada, make_message(ada.patient, ada.clinic.location, now=NOW, booking=booking), booking


def cancel(message: Message, booking: Booking) -> None:
    intake = intake_settings_of(message.location)
    acts.cancel(opened(message, NOW), reason="", seen=booking.start, intake=intake, now=NOW)


def desk_token(ada: Booked, day: int, minute: int) -> str:
    target = moves.Target(april(day), minute)
    return moves.preview_move(ada.infusion(4).pk, target=target, mode=moves.Mode.ONLY, now=NOW).token


def test_without_the_version_two_devices_would_both_find_it_booked(parallel: Parallel) -> None:
    """The race: between the look and the press another device has looked as well."""
    _ada, message, _booking = make()
    looked = threading.Barrier(FOUR)

    def look(_index: int) -> str:
        found = opened(message, NOW).booking
        looked.wait(30)
        return found.status if found else ""

    assert [one.value for one in parallel(FOUR, look)] == [BookingStatus.BOOKED] * FOUR


def test_four_devices_confirm_and_it_is_written_once(parallel: Parallel) -> None:
    _ada, message, booking = make()
    outcomes = parallel(FOUR, lambda _index: acts.confirm(opened(message, NOW), seen=booking.start, now=NOW))
    assert all(one.error is None for one in outcomes), outcomes
    there = Booking.objects.get(pk=booking.pk)
    assert (there.status, there.version) == (BookingStatus.CONFIRMED, booking.version + 1)
    assert MessageStep.objects.count() == 1


def test_four_devices_cancel_and_it_is_cancelled_once(parallel: Parallel) -> None:
    ada, message, booking = make()
    outcomes = parallel(FOUR, lambda _index: cancel(message, booking))
    assert all(one.error is None for one in outcomes), outcomes
    assert Booking.objects.get(pk=booking.pk).version == booking.version + 1
    assert Revision.objects.filter(kind="cancelled").count() == 1
    assert MessageStep.objects.count() == 1
    assert ada.infusion(4).status == InfusionStatus.CANCELLED


def test_the_patient_cancels_while_the_desk_moves_and_one_of_them_is_told(parallel: Parallel) -> None:
    ada, message, booking = make()
    token = desk_token(ada, 12, 14 * 60)

    def act(index: int) -> Any:
        return cancel(message, booking) if index else moves.move_infusion(token, by=ada.desk, now=NOW)

    moved, cancelled = parallel(2, act)
    there = Booking.objects.get(pk=booking.pk)
    if moved.error is None:
        assert isinstance(cancelled.error, ActRefusedError)
        assert cancelled.error.why == "changed"
        assert (there.status, there.start) == (BookingStatus.BOOKED, at(april(12), "14:00"))
        assert MessageStep.objects.count() == 0
    else:
        assert isinstance(moved.error, moves.ChangedMeanwhileError)
        assert cancelled.error is None
        assert there.status == BookingStatus.CANCELLED
    assert there.version == booking.version + 1


def test_two_patients_press_the_same_time_and_one_sees_others(parallel: Parallel) -> None:
    """One clinician starts one visit at a time, so 14:00 is there once."""
    clinic = make_clinic(chairs=3)
    people = [book(clinic=clinic, patient=make_patient("Robin", f"Fictional{n}")) for n in range(2)]
    for one in people:
        one.give(1, 2)
    visits = [visit(one) for one in people]
    key, intake = f"{at(april(12), '14:00'):%Y%m%dT%H%M}", intake_settings_of(clinic.location)
    messages = [
        make_message(one.patient, clinic.location, now=NOW, booking=booking)
        for one, booking in zip(people, visits, strict=True)
    ]

    def act(index: int) -> None:
        acts.move(opened(messages[index], NOW), key=key, seen=visits[index].start, intake=intake, now=NOW)

    outcomes = parallel(2, act)
    refused = [one.error for one in outcomes if one.error is not None]
    assert len(refused) == 1, outcomes
    assert isinstance(refused[0], ActRefusedError)
    assert refused[0].why == "taken"
    assert sum(visit(one).start == at(april(12), "14:00") for one in people) == 1


def visit(booked: Booked) -> Booking:
    booking = booked.series.row(4).booking
    assert booking is not None
    return booking


def test_four_presses_on_the_same_time_move_once(parallel: Parallel) -> None:
    ada, message, booking = make()
    key, intake = f"{at(april(12), '14:00'):%Y%m%dT%H%M}", intake_settings_of(message.location)

    def act(_index: int) -> None:
        acts.move(opened(message, NOW), key=key, seen=booking.start, intake=intake, now=NOW)

    outcomes = parallel(FOUR, act)
    assert all(one.error is None for one in outcomes), outcomes
    assert Revision.objects.filter(kind="moved").count() == 1
    assert Booking.objects.get(pk=booking.pk).start == at(april(12), "14:00")
    assert MessageStep.objects.count() == 1
    assert ada.infusion(4).status == InfusionStatus.BOOKED


def test_four_presses_make_one_questionnaire(parallel: Parallel) -> None:
    clinic, ada = make_clinic(), make_patient()
    message = make_message(ada, clinic.location, now=NOW, facts={"measures": ["phq9"]})
    outcomes = parallel(
        FOUR, lambda _index: questions.open_questions(opened(message, NOW, Purpose.QUESTIONNAIRE), now=NOW)
    )
    assert len({one.value for one in outcomes}) == 1, outcomes
    assert MeasureLink.objects.count() == 1
