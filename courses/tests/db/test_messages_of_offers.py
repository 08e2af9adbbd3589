"""A freed time offered by message: sent where the patient agreed, gone told to those it reached, once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clinic.tests.fixtures.parallel import Parallel
from courses.models import FreedSlot, OfferState, SlotOffer
from courses.services import offers
from courses.services.freed import close_spent, read_freed
from courses.tests.messages_kit import agree, said, went_out, why_not
from courses.tests.offers_kit import NOW, Gap, another, make_gap, owes
from courses.tests.series_kit import Booked
from patients.models import Message, MessageEvent
from patients.services.messages.rules import ensure_rules

pytestmark = pytest.mark.django_db


def told_gap() -> Gap:
    gap = make_gap()
    ensure_rules(gap.clinic.location, now=NOW)
    return gap


def wanting(gap: Gap, name: str, number: str, *, agreed: bool = True) -> Booked:
    """Somebody whose infusion 4 has no time, who agreed to text messages."""
    found = another(gap.clinic, name, "Fictional", phones=(number,))
    owes(found)
    if agreed:
        agree(found.patient, NOW, value=number)
    return found


def offer(gap: Gap, booked: Booked) -> SlotOffer:
    return offers.offer_by_link(gap.plan_for(booked), valid_min=120, by=gap.clinic.desk, now=NOW)[0]


def messages(event: MessageEvent) -> list[Message]:
    return list(Message.objects.filter(event=event).order_by("pk"))


def test_an_offer_goes_out_as_a_message_where_the_patient_agreed() -> None:
    gap = told_gap()
    yes, no = wanting(gap, "Yes", "+12125550101"), wanting(gap, "No", "+12125550102", agreed=False)
    made = offer(gap, yes)
    offer(gap, no)
    (message,) = messages(MessageEvent.OFFER)
    assert (message.patient_id, message.about) == (yes.patient.pk, f"offer:{made.pk}")
    assert message.facts["offer"] == made.pk  # what the page behind the link asks for
    assert message.useful_until <= made.expires_at
    assert said(message, NOW)["when"].startswith("Mon, Apr 12, ")
    assert said(message, NOW)["until"] == "Sat, Apr 10, 11:00 AM"
    shown = {one.offer_id: one.message for one in read_freed(gap.slot.pk, NOW).asked}
    assert shown[made.pk] == "planned"
    assert list(shown.values()).count(None) == 1


def test_an_offer_that_is_over_is_not_sent() -> None:
    gap = told_gap()
    made = offer(gap, wanting(gap, "Yes", "+12125550101"))
    (message,) = messages(MessageEvent.OFFER)
    assert why_not(message, NOW) == ""
    assert why_not(message, NOW + timedelta(hours=3)) == "The offer has expired."
    offers.withdraw(made.pk, slot_id=gap.slot.pk, by=gap.clinic.desk, now=NOW)
    assert why_not(message, NOW) == "The offer is over: withdrawn."


def test_who_was_reached_is_told_that_it_is_gone_and_who_was_not_is_told_nothing() -> None:
    gap = told_gap()
    first, second, third = (wanting(gap, name, f"+1212555010{n}") for n, name in enumerate(("A", "B", "C"), 1))
    made = {one.patient.pk: offer(gap, one) for one in (first, second)}
    reached, unsent = messages(MessageEvent.OFFER)
    went_out(reached, NOW)
    offers.accept_by_call(gap.plan_for(third), by=gap.clinic.desk, now=NOW)
    gone = {one.patient_id: one for one in messages(MessageEvent.OFFER_GONE)}
    assert set(gone) == set(made)
    assert why_not(gone[first.patient.pk], NOW) == ""
    assert why_not(gone[second.patient.pk], NOW) == "The offer itself never went out."
    assert why_not(unsent, NOW).startswith("The offer is over")


def test_a_time_that_passed_is_told_to_nobody() -> None:
    gap = told_gap()
    offer(gap, wanting(gap, "Yes", "+12125550101"))
    close_spent(gap.slot.start + timedelta(minutes=1))
    assert SlotOffer.objects.get().state == OfferState.GONE
    assert messages(MessageEvent.OFFER_GONE) == []


def test_who_saw_on_the_page_that_it_is_gone_is_not_told_again() -> None:
    gap = told_gap()
    made = offer(gap, wanting(gap, "Yes", "+12125550101"))
    went_out(messages(MessageEvent.OFFER)[0], NOW)
    offers.accept_by_call(gap.plan_for(wanting(gap, "B", "+12125550102")), by=gap.clinic.desk, now=NOW)
    (gone,) = messages(MessageEvent.OFFER_GONE)
    SlotOffer.objects.filter(pk=made.pk).update(told_at=NOW)
    assert why_not(gone, NOW) == "The patient has seen on the page that it is gone."


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_who_close_the_same_time_tell_each_patient_once(parallel: Parallel) -> None:
    gap = told_gap()
    offer(gap, wanting(gap, "Yes", "+12125550101"))
    went_out(messages(MessageEvent.OFFER)[0], NOW)
    other = gap.plan_for(wanting(gap, "B", "+12125550102"))

    def answer(_: int) -> None:
        offers.accept_by_call(other, by=gap.clinic.desk, now=NOW)

    done = parallel(4, answer)
    assert sum(one.error is None for one in done) == 1
    assert FreedSlot.objects.get(pk=gap.slot.pk).closed_at is not None
    assert len(messages(MessageEvent.OFFER_GONE)) == 1
