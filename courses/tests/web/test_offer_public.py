"""An offered time as its patient meets it on a phone: taken, refused, too late, expired, forged, asked for too often."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pghistory.models import Context

from courses.models import FreedSlot, InfusionStatus, OfferState, SlotOffer
from courses.services.moves import Mode, Target, move_infusion, preview_move
from courses.services.offers import accept_by_call, accept_link, offer_by_link, withdraw
from courses.services.waiting import put_on_list
from courses.tests.offers_kit import NOW, Gap, another, ill, make_gap, owes, tasks
from courses.tests.series_kit import Booked, april

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


@pytest.fixture
def gap() -> Gap:
    return make_gap()


@pytest.fixture
def mei(gap: Gap) -> Booked:
    """Infusion 4 has no time: the one on Tue 13 April was cancelled."""
    booked = another(gap.clinic, "Mei", "Chen")
    owes(booked)
    return booked


def offer(gap: Gap, booked: Booked) -> str:
    """The address of a link to this patient."""
    _row, token = offer_by_link(gap.plan_for(booked), valid_min=120, by=gap.clinic.desk, now=NOW)
    return reverse("offer:offer", args=[token])


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


# -- looking -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_new_time_and_says_what_becomes_of_the_old_one(
    client: Client, gap: Gap, mei: Booked
) -> None:
    said = words(client.get(offer(gap, mei)))
    for part in (
        "Hello Mei",
        "Downtown",
        "Mon, Apr 12, 8:00 AM",
        "You have no time yet",
        "Yes, I take it",
        "Sat, Apr 10, 11:00 AM",
    ):
        assert part in said


def test_whoever_has_a_time_sees_both(client: Client, gap: Gap) -> None:
    leo = another(gap.clinic, "Leo", "Park")
    _later(leo)
    put_on_list(leo.course.pk, by=gap.clinic.desk, now=NOW)
    said = words(client.get(offer(gap, leo)))
    assert "Your time now Tue, Apr 13" in said
    assert "No, keep my time" in said
    assert "your time stays as it is" in said


def _later(booked: Booked) -> None:
    """Infusion 4 is on Tue 13 April, one day later than it could be."""
    pk = booked.infusion(5).pk
    move_infusion(preview_move(pk, target=Target(april(15)), mode=Mode.SHIFT, now=NOW).token, by=booked.desk, now=NOW)
    pk = booked.infusion(4).pk
    move_infusion(preview_move(pk, target=Target(april(13)), mode=Mode.ONLY, now=NOW).token, by=booked.desk, now=NOW)


def test_the_page_says_nothing_about_the_treatment(client: Client, gap: Gap, mei: Booked) -> None:
    page = client.get(offer(gap, mei)).content.decode().lower()
    for word in ("infusion", "ketamine", "depress", "treatment", "dose", "series", "suicid", "chen"):
        assert word not in page


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_accepts_nothing(client: Client, gap: Gap, mei: Booked, method: str) -> None:
    url = offer(gap, mei)
    for _ in range(3):
        assert getattr(client, method)(url).status_code == 200
    assert SlotOffer.objects.get().state == OfferState.OPEN
    assert mei.infusion(4).status == InfusionStatus.CANCELLED


def test_no_browser_keeps_it_no_other_site_hears_of_it_and_no_cookie_is_set(
    client: Client, gap: Gap, mei: Booked
) -> None:
    answer = client.get(offer(gap, mei))
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "noindex" in answer["X-Robots-Tag"]
    assert not answer.cookies


# -- answering ---------------------------------------------------------------------------------------------------------


def test_yes_books_it_and_says_so_however_often_it_is_sent(client: Client, gap: Gap, mei: Booked) -> None:
    url = offer(gap, mei)
    assert client.post(url, {"answer": "yes"}).status_code == 302
    assert "The time is yours" in words(client.get(url))
    version = mei.course.__class__.objects.get(pk=mei.course.pk).version
    client.post(url, {"answer": "yes"})
    client.post(url, {"answer": "no"})
    assert mei.course.__class__.objects.get(pk=mei.course.pk).version == version
    assert mei.days()[4] == april(12)
    assert FreedSlot.objects.get(pk=gap.slot.pk).closed_text == "Accepted by a link."
    task = tasks().get(key=f"freed:{gap.slot.pk}")
    assert (task.closed_how, task.closed_text) == ("settled", "Accepted by a link.")


def test_the_change_stands_in_the_course_in_the_name_of_whoever_offered_it(
    client: Client, gap: Gap, mei: Booked
) -> None:
    client.post(offer(gap, mei), {"answer": "yes"})
    revision = mei.course.revisions.first()
    assert revision is not None
    assert (revision.kind, revision.by) == ("offered", gap.clinic.desk)
    assert revision.summary == "Infusion 4 has a new time: Mon 12 Apr, 08:00."
    assert revision.reason == "Freed time. Accepted by a link."


def test_the_history_never_holds_the_address(client: Client, gap: Gap, mei: Booked) -> None:
    url = offer(gap, mei)
    client.post(url, {"answer": "yes"})
    told = [str(context.metadata) for context in Context.objects.all()]
    assert any("/offer/" in one for one in told)
    assert not any(url in one for one in told)


def test_no_keeps_everything_as_it_is(client: Client, gap: Gap, mei: Booked) -> None:
    url = offer(gap, mei)
    client.post(url, {"answer": "no"})
    assert "Nothing was booked" in words(client.get(url))
    client.post(url, {"answer": "yes"})  # changed their mind: the offer is answered
    assert mei.infusion(4).status == InfusionStatus.CANCELLED
    assert SlotOffer.objects.get().state == OfferState.DECLINED
    assert FreedSlot.objects.get(pk=gap.slot.pk).closed_at is None


@pytest.mark.parametrize("answer", ["", "maybe"])
def test_an_odd_answer_is_refused(client: Client, gap: Gap, mei: Booked, answer: str) -> None:
    refused = client.post(offer(gap, mei), {"answer": answer})
    assert refused.status_code == 422
    assert "Choose one of the two." in words(refused)
    assert SlotOffer.objects.get().state == OfferState.OPEN


# -- too late ----------------------------------------------------------------------------------------------------------


def test_the_second_is_told_that_somebody_else_took_it_once_it_is_noted(client: Client, gap: Gap, mei: Booked) -> None:
    leo = another(gap.clinic, "Leo", "Park")
    owes(leo)
    first, second = offer(gap, mei), offer(gap, leo)
    client.post(first, {"answer": "yes"})
    assert SlotOffer.objects.get(patient=leo.patient).told_at is None
    client.post(second, {"answer": "yes"})
    late = client.get(second)
    assert late.status_code == 410
    assert "Somebody else took it" in words(late)
    assert "Nothing was booked" in words(late)
    told = SlotOffer.objects.get(patient=leo.patient)
    assert (told.state, told.told_at) == (OfferState.GONE, NOW)
    assert leo.infusion(4).status == InfusionStatus.CANCELLED


def test_a_time_that_the_desk_gave_by_telephone_is_gone_for_the_link(client: Client, gap: Gap, mei: Booked) -> None:
    leo = another(gap.clinic, "Leo", "Park")
    owes(leo)
    url = offer(gap, leo)
    accept_by_call(gap.plan_for(mei), by=gap.clinic.desk, now=NOW)
    client.post(url, {"answer": "yes"})
    assert "Somebody else took it" in words(client.get(url))


def test_an_offer_ends_after_the_minutes_that_the_clinic_set(client: Client, gap: Gap, mei: Booked, clock: Any) -> None:
    url = offer(gap, mei)
    clock.move_to(NOW + timedelta(minutes=119))
    assert client.get(url).status_code == 200
    clock.move_to(NOW + timedelta(minutes=120))
    client.post(url, {"answer": "yes"})
    late = client.get(url)
    assert late.status_code == 410
    assert "This offer has ended" in words(late)
    assert mei.infusion(4).status == InfusionStatus.CANCELLED


def test_an_offer_never_outlives_its_time(gap: Gap, mei: Booked) -> None:
    row, _token = offer_by_link(gap.plan_for(mei), valid_min=10_000, by=gap.clinic.desk, now=NOW)
    assert row.expires_at == gap.slot.start


def test_a_withdrawn_offer_says_so(client: Client, gap: Gap, mei: Booked) -> None:
    url = offer(gap, mei)
    withdraw(SlotOffer.objects.get().pk, slot_id=gap.slot.pk, by=gap.clinic.desk, now=NOW)
    client.post(url, {"answer": "yes"})
    late = client.get(url)
    assert late.status_code == 410
    assert "This offer was taken back" in words(late)


def test_a_plan_that_changed_since_books_nothing_and_leaves_the_time_to_others(
    client: Client, gap: Gap, mei: Booked
) -> None:
    url = offer(gap, mei)
    ill(mei, 5)
    client.post(url, {"answer": "yes"})
    assert "cannot be accepted any more" in words(client.get(url))
    assert mei.infusion(4).status == InfusionStatus.CANCELLED
    assert FreedSlot.objects.get(pk=gap.slot.pk).closed_at is None


def test_a_forged_link_and_one_that_never_was_are_the_same(client: Client, gap: Gap, mei: Booked) -> None:
    url = offer(gap, mei)
    secret = url.removeprefix("/offer/").split(".")[0]
    for token in (f"{secret}.forged", secret, "x", "y" * 500, "never.was"):
        for answer in (
            client.get(reverse("offer:offer", args=[token])),
            client.post(f"/offer/{token}/", {"answer": "yes"}),
        ):
            assert answer.status_code == 404
            assert "This link does not work" in words(answer)
    assert SlotOffer.objects.get().state == OfferState.OPEN


def test_a_database_that_leaks_opens_nothing(gap: Gap, mei: Booked, client: Client) -> None:
    offer(gap, mei)
    row = SlotOffer.objects.get()
    for leaked in (row.token_hash, row.plan):
        assert client.get(f"/offer/{leaked[:200]}/").status_code == 404


def test_whoever_asks_too_often_is_stopped(client: Client, gap: Gap, mei: Booked) -> None:
    url = offer(gap, mei)
    known = {"REMOTE_ADDR": "203.0.113.77"}
    seen = [client.get(url, **known).status_code for _ in range(62)]
    assert seen[0] == 200
    assert seen[-1] == 429


def test_a_large_form_is_refused(client: Client, gap: Gap, mei: Booked) -> None:
    assert client.post(offer(gap, mei), {"answer": "yes", "x": "y" * 4000}).status_code == 413


def test_whoever_offered_it_and_may_not_any_more_gives_nothing_away(gap: Gap, mei: Booked, client: Client) -> None:
    url = offer(gap, mei)
    gap.clinic.desk.roles = ["nurse"]
    gap.clinic.desk.save()
    shown = accept_link(url.removeprefix("/offer/").removesuffix("/"), now=NOW)
    assert shown.reply == "withdrawn"
    assert mei.infusion(4).status == InfusionStatus.CANCELLED
