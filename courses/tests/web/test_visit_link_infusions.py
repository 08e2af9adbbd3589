"""What a patient does by the link of a message about an infusion: other legal times, cancelling, how to prepare."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clinic.models import Booking, BookingStatus
from clinic.tests.factories import make_clinic
from courses.models import (
    CourseStatus,
    FreedSlot,
    InfusionDaySettings,
    InfusionStatus,
    InfusionVisit,
    OfferState,
    Revision,
    RuleOverride,
    SlotOffer,
    TaskKind,
    VisitOutcome,
)
from courses.services import moves
from courses.services.offers import offer_by_link
from courses.tests.offers_kit import NOW as GAP_NOW
from courses.tests.offers_kit import another, make_gap, owes, tasks
from courses.tests.series_kit import Booked, april, at, book
from patients.models import Message, MessageEvent, Patient
from patients.services.messages.links import Purpose
from patients.tests.link_kit import make_message, page_of, seen, words

if TYPE_CHECKING:
    from clinic.tests.fixtures.ledger import Queries

pytestmark = pytest.mark.django_db
NOW = at(april(9), "09:00")  # a Friday: infusion 4 of a T-MWF6 is on Mon 12 April


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def ada() -> Booked:
    booked = book(clinic=make_clinic(chairs=3, phone="+12125550100", address="1 Main Street"))
    booked.give(1, 2)
    return booked


def visit_of(booked: Booked, number: int) -> Booking:
    booking = booked.series.row(number).booking
    assert booking is not None
    return booking


def told(booked: Booked, number: int = 4) -> Message:
    """The message about an infusion."""
    booking = visit_of(booked, number)
    return make_message(booked.patient, booked.clinic.location, now=NOW, booking=booking, event=MessageEvent.INFUSION)


def times(answer: Any) -> list[str]:
    return [one.key for _start, rows in answer.context["days"] for one in rows]


def start_of(key: str) -> datetime:
    return datetime.strptime(key, "%Y%m%dT%H%M").replace(tzinfo=UTC)


# -- moving ------------------------------------------------------------------------------------------------------------


def test_only_days_that_the_judge_finds_legal_are_offered(client: Client, ada: Booked) -> None:
    """T-MWF6 wants 2 to 4 days between infusions: after Fri 9 and before Wed 14 April only Mon 12 is legal."""
    keys = times(client.get(page_of(told(ada), "move")))
    place = ada.clinic.location
    assert {place.local(start_of(key)).date() for key in keys} == {april(12)}
    assert start_of(keys[0]) != visit_of(ada, 4).start
    for key in keys:
        local = place.local(start_of(key))
        target = moves.Target(local.date(), local.hour * 60 + local.minute)
        found = moves.preview_move(ada.infusion(4).pk, target=target, mode=moves.Mode.ONLY, now=NOW)
        assert found.is_possible
        assert not found.breaches


def test_a_pressed_time_moves_this_one_alone_in_the_patients_name(client: Client, ada: Booked) -> None:
    message, before = told(ada), ada.days() | {4: april(12)}
    key = times(client.get(page_of(message, "move")))[-1]
    answer = client.post(page_of(message, "move"), {"time": key} | seen(visit_of(ada, 4)), follow=True)
    assert "Your new time is booked" in words(answer)
    there = visit_of(ada, 4)
    assert (there.start, there.status) == (start_of(key), BookingStatus.CONFIRMED)
    assert ada.days() == before
    revision = Revision.objects.first()
    assert revision is not None
    assert (revision.kind, revision.by, revision.reason) == ("moved", None, "Moved by the patient, by a link.")
    assert not RuleOverride.objects.exists()
    assert client.post(page_of(message, "move"), {"time": key, "seen": before[4].isoformat()}).status_code == 302
    assert Revision.objects.filter(kind="moved").count() == 1


@pytest.mark.parametrize(
    ("day", "clock_time"),
    [(11, "10:00"), (13, "10:00"), (14, "10:00"), (20, "10:00"), (12, "03:00"), (12, "10:07"), (10, "08:00")],
)
def test_a_time_against_a_rule_or_the_hours_is_refused(client: Client, ada: Booked, day: int, clock_time: str) -> None:
    """A Sunday; one day before the next one; the day of the next one; too late; at night; off the grid; too soon."""
    message, before = told(ada), visit_of(ada, 4)
    key = f"{at(april(day), clock_time):%Y%m%dT%H%M}"
    answer = client.post(page_of(message, "move"), {"time": key} | seen(before))
    assert answer.status_code == 409
    assert "somebody was faster" in words(answer)
    assert (visit_of(ada, 4).start, visit_of(ada, 4).version) == (before.start, before.version)
    assert not Revision.objects.filter(by=None).exists()


def test_a_course_that_was_interrupted_moves_only_by_telephone(client: Client, ada: Booked) -> None:
    message = told(ada)
    type(ada.course).objects.filter(pk=ada.course.pk).update(status=CourseStatus.INTERRUPTED)
    for answer in (
        client.get(page_of(message, "move")),
        client.post(page_of(message, "move"), {"time": "20270412T1400"} | seen(visit_of(ada, 4))),
    ):
        assert answer.status_code == 409
        assert "please call us" in words(answer)


# -- cancelling --------------------------------------------------------------------------------------------------------


def test_cancelling_is_the_desks_cancel_without_a_user(client: Client, ada: Booked) -> None:
    message, booking = told(ada), visit_of(ada, 4)
    answer = client.post(page_of(message, "cancel"), {"reason": "Work"} | seen(booking), follow=True)
    assert "We will call you" in words(answer)
    assert Booking.objects.get(pk=booking.pk).status == BookingStatus.CANCELLED
    assert ada.infusion(4).status == InfusionStatus.CANCELLED
    visit = InfusionVisit.objects.get(booking=booking)
    said = "Cancelled by the patient, by a link. “Work”"
    assert (visit.outcome, visit.by, visit.reason) == (VisitOutcome.CANCELLED, None, said)
    revision = Revision.objects.first()
    assert revision is not None
    assert (revision.kind, revision.by, revision.reason) == ("cancelled", None, said)
    # R5 gives it a new time as after any other cancel, and the freed time is offered to the waiting list.
    assert moves.preview_reslot(ada.infusion(4).pk, now=NOW).is_possible
    assert FreedSlot.objects.get().start == booking.start
    assert tasks().open().filter(kind=TaskKind.FREED_SLOT).count() == 1


def test_the_course_page_says_who_cancelled(client: Client, ada: Booked) -> None:
    client.post(page_of(told(ada), "cancel"), seen(visit_of(ada, 4)))
    client.force_login(ada.desk)
    assert "the patient, by a link" in words(client.get(f"/courses/{ada.course.pk}/"))
    assert "the patient, by a link" in words(client.get(f"/patients/{ada.patient.pk}/"))


def test_a_new_time_by_the_desk_is_told_on_the_page_of_the_old_one(client: Client, ada: Booked) -> None:
    message = told(ada)
    client.post(page_of(message, "cancel"), seen(visit_of(ada, 4)))
    said = words(client.get(page_of(message)))
    assert "Your next appointment" in said


def test_a_confirmation_by_link_shows_on_today(client: Client, ada: Booked, clock: Any) -> None:
    message = told(ada)
    clock.move_to(at(april(12), "06:30"))
    client.force_login(ada.desk)
    assert "1 unconfirmed" in words(client.get(reverse("courses:today")))
    client.logout()
    client.post(page_of(message), {"answer": "confirm"} | seen(visit_of(ada, 4)))
    client.force_login(ada.desk)
    assert "0 unconfirmed" in words(client.get(reverse("courses:today")))
    assert [one.text for one in message.steps.all()] == ["Confirmed by the patient, by a link."]


# -- preparing ---------------------------------------------------------------------------------------------------------


def prepared(client: Client, booked: Booked, number: int = 4) -> str:
    answer = client.get(page_of(told(booked, number), "prepare"))
    assert answer.status_code == 200
    return words(answer)


def start_at(booked: Booked, number: int, start: datetime) -> None:
    booking = visit_of(booked, number)
    Booking.objects.filter(pk=booking.pk).update(span=(start, start + (booking.end - booking.start)))


def test_the_sheet_says_exact_times_by_the_clinics_fasting_profile(client: Client, ada: Booked) -> None:
    """clinical.md D2, default: solids 6 h, clear liquids 2 h before; 10:00 makes 04:00 and 08:00."""
    start_at(ada, 4, at(april(12), "10:00"))
    said = prepared(client, ada)
    assert "until 4:00 AM Mon, Apr 12" in said
    assert "until 8:00 AM Mon, Apr 12" in said
    for part in ("Somebody has to take you home", "Comfortable clothes", "as your prescriber ordered", "water"):
        assert part in said


@pytest.mark.parametrize(
    ("profile", "shown", "hidden"),
    [
        ("article_4h", ["until 6:00 AM"], ["8:00 AM", "4:00 AM"]),
        ("article_6h", ["until 4:00 AM"], ["8:00 AM"]),
        ("asa_2017", ["until 2:00 AM", "until 4:00 AM", "until 8:00 AM"], []),
    ],
)
def test_one_profile_counts_and_no_other_is_told(
    client: Client, ada: Booked, profile: str, shown: list[str], hidden: list[str]
) -> None:
    """clinical.md D2 and C8."""
    InfusionDaySettings.objects.create(location=ada.clinic.location, fasting_profile=profile)
    start_at(ada, 4, at(april(12), "10:00"))
    said = prepared(client, ada)
    assert all(one in said for one in shown)
    assert not any(one in said for one in hidden)


def test_the_sheet_is_on_the_patients_clocks(client: Client, ada: Booked) -> None:
    Patient.objects.filter(pk=ada.patient.pk).update(time_zone="America/Los_Angeles")
    start_at(ada, 4, at(april(12), "08:00"))
    said = prepared(client, ada)
    assert "until 11:00 PM Sun, Apr 11" in said  # 6 h before 05:00 on Monday over there
    assert "All times are on the clocks in Los Angeles" in said


def test_over_the_night_on_which_the_clocks_change_the_hours_are_real(client: Client, ada: Booked, clock: Any) -> None:
    """On Sunday 14 March 2027 clocks go from 02:00 to 03:00: 6 real hours before 07:00 is 00:00."""
    start_at(ada, 4, at(date(2027, 3, 14), "07:00"))
    clock.move_to(at(date(2027, 3, 12), "09:00"))
    booking = visit_of(ada, 4)
    message = make_message(ada.patient, ada.clinic.location, now=timezone.now(), booking=booking)
    said = words(client.get(page_of(message, "prepare")))
    assert "until 12:00 AM Sun, Mar 14" in said
    assert "until 5:00 AM Sun, Mar 14" in said


def test_no_page_names_the_drug_or_the_treatment(client: Client, ada: Booked) -> None:
    message = told(ada)
    for name in ("link", "move", "cancel", "prepare", "calendar"):
        page = client.get(page_of(message, name)).content.decode().lower().partition("public-foot")[0]  # crisis lines
        for word in ("infusion", "ketamine", "spravato", "depress", "treatment", "dose", "series", "suicid", "okafor"):
            assert word not in page, (name, word)


# -- an offer by message -----------------------------------------------------------------------------------------------


def test_an_offer_is_taken_by_the_link_of_a_message_and_only_by_its_patient(client: Client, clock: Any) -> None:
    clock.move_to(GAP_NOW)
    gap = make_gap()
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    row, _token = offer_by_link(gap.plan_for(mei), valid_min=120, by=gap.clinic.desk, now=GAP_NOW)
    more = {"now": GAP_NOW, "event": MessageEvent.OFFER, "facts": {"offer": row.pk}}
    stranger = make_message(gap.left.patient, gap.clinic.location, **more)
    assert client.get(page_of(stranger, "link", Purpose.OFFER)).status_code == 410
    message = make_message(mei.patient, gap.clinic.location, **more)
    url = page_of(message, "link", Purpose.OFFER)
    said = words(client.get(url))
    assert "Hello Mei" in said
    assert "Mon, Apr 12, 8:00 AM" in said
    assert SlotOffer.objects.get().state == OfferState.OPEN
    assert client.post(url, {"answer": "maybe"}).status_code == 422
    answer = client.post(url, {"answer": "yes"}, follow=True)
    assert "The time is yours" in words(answer)
    assert mei.days()[4] == april(12)
    assert [one.text for one in message.steps.all()] == ["The offer was accepted."]


def test_looking_at_an_offer_that_is_gone_writes_nothing(client: Client, clock: Any) -> None:
    clock.move_to(GAP_NOW)
    gap = make_gap()
    mei = another(gap.clinic, "Mei", "Chen")
    owes(mei)
    row, _token = offer_by_link(gap.plan_for(mei), valid_min=120, by=gap.clinic.desk, now=GAP_NOW)
    SlotOffer.objects.filter(pk=row.pk).update(state=OfferState.GONE, answered_at=GAP_NOW)
    message = make_message(
        mei.patient, gap.clinic.location, now=GAP_NOW, event=MessageEvent.OFFER, facts={"offer": row.pk}
    )
    answer = client.get(page_of(message, "link", Purpose.OFFER))
    assert answer.status_code == 410
    assert "Somebody else took it" in words(answer)
    assert SlotOffer.objects.get().told_at is None


# -- speed -------------------------------------------------------------------------------------------------------------


def test_queries_of_each_page(client: Client, ada: Booked, queries: Queries) -> None:
    message = told(ada)
    for name in ("link", "move", "cancel", "prepare"):
        with queries(f"visit link of an infusion, {name}"):
            client.get(page_of(message, name))
    assert visit_of(ada, 4).status == BookingStatus.BOOKED
