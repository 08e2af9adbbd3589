"""A freed time on its page: called, offered by a link, left open; the waiting list; Today's line about a gap."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import FreedSlot, OfferState, SlotOffer, TaskEnd, WaitingEntry
from courses.services.offers import plan_token
from courses.services.waiting import put_on_list
from courses.services.worklists.engine import end_task
from courses.tests.offers_kit import NOW, Gap, another, make_gap, owes, tasks
from courses.tests.series_kit import Booked, april, at
from patients.models import PatientStatus
from patients.tests.factories import make_phone

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


def page(slot: FreedSlot, name: str = "freed") -> str:
    return reverse(f"worklists:{name}", args=[slot.pk])


def plan(gap: Gap, booked: Booked) -> str:
    for one in gap.candidates():
        if one.patient_id == booked.patient.pk:
            return plan_token(gap.freed(), one)
    raise LookupError(booked.patient)


def post(client: Client, user: User, url: str, **data: Any) -> Any:
    client.force_login(user)
    return client.post(url, data)


def look(client: Client, user: User, url: str) -> str:
    client.force_login(user)
    return client.get(url).content.decode()


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_says_when_where_for_whom_and_why_and_how_to_call(client: Client, gap: Gap, mei: Booked) -> None:
    make_phone(mei.patient, "+12125550188")
    said = look(client, gap.clinic.desk, page(gap.slot))
    assert "Mon 12 Apr, 08:00" in said
    assert "Chair 1" in said
    assert "Chen, Mei" in said
    assert "Infusion 4 of 6 has no time yet" in said
    assert 'href="tel:+12125550177"' in said
    assert "(212) 555-0188" in said
    assert "Okafor" not in said  # whoever gave the time up is not asked


def test_the_desk_reads_no_score_no_dose_and_no_reason_of_a_course(client: Client, gap: Gap, mei: Booked) -> None:
    said = look(client, gap.clinic.desk, page(gap.slot))
    for word in ("Has a cold", "depress", "ketamine", "PHQ", " mg"):
        assert word not in said


def test_a_freed_time_that_suits_nobody_says_so(client: Client, gap: Gap) -> None:
    assert "Nobody would be better off with this time" in look(client, gap.clinic.desk, page(gap.slot))


def test_a_name_with_markup_is_shown_as_text(client: Client, gap: Gap) -> None:
    owes(another(gap.clinic, "<b>Mei</b>", "Chen"))
    assert "&lt;b&gt;Mei" in look(client, gap.clinic.desk, page(gap.slot))


@pytest.mark.parametrize(
    ("role", "status"), [(Role.FRONT_DESK, 200), (Role.CLINICIAN, 200), (Role.NURSE, 403), (Role.MANAGER, 403)]
)
def test_who_moves_visits_opens_it(client: Client, gap: Gap, role: Role, status: int) -> None:
    client.force_login(gap.clinic.users[role])
    assert client.get(page(gap.slot)).status_code == status


def test_a_stranger_and_an_unknown_time(client: Client, gap: Gap) -> None:
    assert client.get(page(gap.slot)).status_code == 302
    client.force_login(make_user())
    assert client.get(page(gap.slot)).status_code == 403
    client.force_login(gap.clinic.desk)
    assert client.get(reverse("worklists:freed", args=[987_654])).status_code == 404


def test_the_page_needs_as_many_queries_for_six_patients_as_for_one(
    client: Client, gap: Gap, mei: Booked, queries: Queries
) -> None:
    client.force_login(gap.clinic.desk)
    with queries("freed time"):
        client.get(page(gap.slot))
    for number in range(5):
        owes(another(gap.clinic, "Robin", f"Fictional{number}"))
    with queries("freed time"):
        said = client.get(page(gap.slot)).content.decode()
    assert said.count("has no time yet") == 6


# -- acts --------------------------------------------------------------------------------------------------------------


def test_called_and_accepted_is_booked_at_once(client: Client, gap: Gap, mei: Booked) -> None:
    answer = post(client, gap.clinic.desk, page(gap.slot, "freed_accepted"), plan=plan(gap, mei))
    assert answer.status_code == 302
    assert mei.days()[4] == april(12)
    assert mei.starts()[4] == 8 * 60
    said = look(client, gap.clinic.desk, page(gap.slot))
    assert "Accepted by telephone." in said
    assert "It is Chen, Mei’s now." in said


def test_called_and_declined_is_not_asked_again_and_what_was_said_stays(client: Client, gap: Gap, mei: Booked) -> None:
    said = plan(gap, mei)
    assert (
        post(client, gap.clinic.desk, page(gap.slot, "freed_declined"), plan=said, reason="Works then").status_code
        == 302
    )
    after = look(client, gap.clinic.desk, page(gap.slot))
    assert "Nobody would be better off" in after
    assert "Said: Works then" in after
    assert "Declined" in after


def test_a_link_is_shown_once_and_never_again(client: Client, gap: Gap, mei: Booked) -> None:
    made = post(client, gap.clinic.desk, page(gap.slot, "freed_link"), plan=plan(gap, mei))
    assert made.status_code == 200
    assert made["Cache-Control"] == "no-store, private"
    address = str(made.context["address"])
    assert address in made.content.decode()
    assert "It is not sent: No consent to text or e-mail." in made.content.decode()
    offer = SlotOffer.objects.get()
    assert offer.expires_at == NOW + timedelta(minutes=120)  # FollowUpSettings.offer_min
    assert offer.token_hash
    assert offer.token_hash not in address
    again = look(client, gap.clinic.desk, page(gap.slot))
    assert address not in again
    assert "Link is out" in again
    assert "Open until 11:00" in again


def test_a_second_link_to_the_same_patient_is_refused(client: Client, gap: Gap, mei: Booked) -> None:
    wanted = plan(gap, mei)
    post(client, gap.clinic.desk, page(gap.slot, "freed_link"), plan=wanted)
    refused = post(client, gap.clinic.desk, page(gap.slot, "freed_link"), plan=wanted)
    assert refused.status_code == 422
    assert "A link to this patient is out already" in refused.content.decode()
    assert SlotOffer.objects.count() == 1


def test_a_link_is_withdrawn(client: Client, gap: Gap, mei: Booked) -> None:
    post(client, gap.clinic.desk, page(gap.slot, "freed_link"), plan=plan(gap, mei))
    offer = SlotOffer.objects.get()
    url = reverse("worklists:freed_withdraw", args=[gap.slot.pk, offer.pk])
    assert post(client, gap.clinic.desk, url).status_code == 302
    offer.refresh_from_db()
    assert offer.state == OfferState.WITHDRAWN
    other = reverse("worklists:freed_withdraw", args=[gap.slot.pk, offer.pk + 1])
    assert post(client, gap.clinic.desk, other).status_code == 404


def test_leaving_it_open_needs_a_reason_and_ends_the_task(client: Client, gap: Gap) -> None:
    refused = post(client, gap.clinic.desk, page(gap.slot, "freed_leave"), reason=" ")
    assert refused.status_code == 422
    assert "Say why nobody is asked" in refused.content.decode()
    assert tasks().open().count() == 1
    assert post(client, gap.clinic.desk, page(gap.slot, "freed_leave"), reason="Nurse is ill").status_code == 302
    task = tasks().get()
    assert (task.closed_how, task.closed_text) == ("declined", "Left open: Nurse is ill")
    assert "Left open: Nurse is ill" in look(client, gap.clinic.desk, page(gap.slot))


def test_a_time_that_was_given_meanwhile_is_refused_and_the_page_says_so(client: Client, gap: Gap, mei: Booked) -> None:
    leo = another(gap.clinic, "Leo", "Park")
    owes(leo)
    late = plan(gap, leo)
    post(client, gap.clinic.desk, page(gap.slot, "freed_accepted"), plan=plan(gap, mei))
    refused = post(client, gap.clinic.desk, page(gap.slot, "freed_accepted"), plan=late)
    assert refused.status_code == 409
    assert "This time is no longer offered: Accepted by telephone." in refused.content.decode()
    assert leo.infusion(4).status == "cancelled"


@pytest.mark.parametrize("sent", ["", "forged", "a:b:c"])
def test_a_plan_that_was_not_written_here_books_nothing(client: Client, gap: Gap, mei: Booked, sent: str) -> None:
    refused = post(client, gap.clinic.desk, page(gap.slot, "freed_accepted"), plan=sent)
    assert refused.status_code == 422
    assert mei.infusion(4).status == "cancelled"


@pytest.mark.parametrize("name", ["freed_accepted", "freed_declined", "freed_link", "freed_leave"])
def test_a_nurse_offers_nothing(client: Client, gap: Gap, mei: Booked, name: str) -> None:
    assert post(client, gap.clinic.nurse, page(gap.slot, name), plan=plan(gap, mei), reason="x").status_code == 403
    assert SlotOffer.objects.count() == 0


# -- the waiting list --------------------------------------------------------------------------------------------------


def waits(booked: Booked) -> str:
    return reverse("following:waiting", args=[booked.course.pk])


def test_a_patient_is_put_on_the_list_changed_and_taken_off(client: Client, gap: Gap, mei: Booked) -> None:
    sent = {"weekdays": ["0", "2"], "from_time": "09:00", "to_time": "12:00", "notice_hours": "24", "note": ""}
    assert post(client, gap.clinic.desk, waits(mei), **sent).status_code == 302
    said = look(client, gap.clinic.desk, reverse("worklists:waiting"))
    assert "Chen, Mei" in said
    assert "Mon or Wed, from 09:00 to 12:00, with 24 h notice" in said
    post(client, gap.clinic.desk, waits(mei), **sent | {"weekdays": [], "to_time": ""})
    assert "any day, from 09:00, with 24 h notice" in look(client, gap.clinic.desk, reverse("worklists:waiting"))
    assert WaitingEntry.objects.count() == 1
    assert post(client, gap.clinic.desk, waits(mei), act="off", reason="Is fine now").status_code == 302
    assert WaitingEntry.objects.get().closed_reason == "Is fine now"
    assert "Nobody waits for an earlier time" in look(client, gap.clinic.desk, reverse("worklists:waiting"))


def test_hours_in_the_wrong_order_are_refused_at_their_field(client: Client, gap: Gap) -> None:
    sent = {"from_time": "12:00", "to_time": "09:00", "notice_hours": "4"}
    refused = post(client, gap.clinic.desk, waits(gap.left), **sent)
    assert refused.status_code == 422
    assert "The earliest start must be before the latest." in refused.content.decode()
    assert WaitingEntry.objects.count() == 0


def test_who_is_not_on_the_list_cannot_be_taken_off(client: Client, gap: Gap) -> None:
    refused = post(client, gap.clinic.desk, waits(gap.left), act="off")
    assert refused.status_code == 422
    assert "not on the waiting list any more" in refused.content.decode()


def test_a_nurse_reads_the_list_but_changes_nothing(client: Client, gap: Gap, mei: Booked) -> None:
    put_on_list(mei.course.pk, by=gap.clinic.desk, now=NOW)
    said = look(client, gap.clinic.nurse, reverse("worklists:waiting"))
    assert "Chen, Mei" in said
    assert "Change the wishes" not in said
    assert post(client, gap.clinic.nurse, waits(mei), notice_hours="1").status_code == 403


def test_the_list_needs_as_many_queries_for_four_as_for_one(
    client: Client, gap: Gap, mei: Booked, queries: Queries
) -> None:
    put_on_list(mei.course.pk, by=gap.clinic.desk, now=NOW)
    client.force_login(gap.clinic.desk)
    with queries("waiting list"):
        client.get(reverse("worklists:waiting"))
    for number in range(3):
        one = another(gap.clinic, "Robin", f"Fictional{number}")
        put_on_list(one.course.pk, by=gap.clinic.desk, now=NOW)
    with queries("waiting list"):
        assert client.get(reverse("worklists:waiting")).content.decode().count("Change the wishes") == 4


def test_the_freed_time_names_who_waits_and_whom_it_suits(client: Client, gap: Gap) -> None:
    mei = another(gap.clinic, "Mei", "Chen")
    leo = another(gap.clinic, "Leo", "Park")
    put_on_list(mei.course.pk, weekdays=[0], by=gap.clinic.desk, now=NOW)
    put_on_list(leo.course.pk, weekdays=[4], by=gap.clinic.desk, now=NOW)
    said = look(client, gap.clinic.desk, page(gap.slot))
    assert said.index("Mon, with 4 h notice") < said.index("Fri, with 4 h notice")
    assert said.count("Suits this time") == 1


# -- Today -------------------------------------------------------------------------------------------------------------


def test_today_says_that_a_time_of_today_is_free(client: Client, gap: Gap, clock: Any) -> None:
    assert "gap at" not in look(client, gap.clinic.desk, "/")  # it is Saturday, and the gap is on Monday
    clock.move_to(at(april(12), "06:30"))
    assert "1 gap at 08:00" in look(client, gap.clinic.desk, "/")
    assert "gap at" not in look(client, gap.clinic.nurse, "/")  # who moves no visits is not asked to
    clock.move_to(at(april(12), "08:01"))
    assert "gap at" not in look(client, gap.clinic.desk, "/")


def fit(client: Client, slot: FreedSlot) -> str:
    """What Today fetches behind the gap."""
    answer = client.get(page(slot, "freed_fit"), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.content.decode().strip()


def test_today_says_for_how_many_the_gap_fits_a_moment_later(
    client: Client, gap: Gap, mei: Booked, clock: Any, queries: Queries
) -> None:
    """screens.md: "1 gap at 14:00 → offer it (3 fit)". Mei owes infusion 4; Leo and Robin are made to owe it as well."""
    clock.move_to(at(april(12), "06:30"))
    assert f'hx-get="{page(gap.slot, "freed_fit")}"' in look(client, gap.clinic.desk, "/")
    assert fit(client, gap.slot) == "(1 fits)"
    for name in ("Leo", "Robin"):
        clock.move_to(NOW)
        owes(another(gap.clinic, name, "Park"))
        clock.move_to(at(april(12), "06:30"))
    with queries("today, how many a gap fits"):
        assert fit(client, gap.slot) == "(3 fit)"
    assert look(client, gap.clinic.desk, page(gap.slot)).count("Called: accepted</button>") == 3  # the names behind it


def test_how_many_fit_is_silent_about_a_closed_time_and_only_for_those_who_move_visits(
    client: Client, gap: Gap, clock: Any
) -> None:
    clock.move_to(at(april(12), "06:30"))
    look(client, gap.clinic.desk, "/")
    assert fit(client, gap.slot) == "(nobody fits now)"
    leads = client.get(page(gap.slot, "freed_fit"))
    assert (leads.status_code, leads["Location"]) == (302, page(gap.slot))
    clock.move_to(at(april(12), "08:01"))
    assert fit(client, gap.slot) == ""
    client.force_login(gap.clinic.nurse)
    assert client.get(page(gap.slot, "freed_fit"), headers={"HX-Request": "true"}).status_code == 403
    client.force_login(gap.clinic.desk)
    assert client.get("/worklists/freed/987654/fit/", headers={"HX-Request": "true"}).status_code == 404


def test_today_is_silent_about_a_time_whose_task_was_set_aside(client: Client, gap: Gap, clock: Any) -> None:
    clock.move_to(at(april(12), "06:30"))
    task = tasks().get()
    end_task(task.pk, how=TaskEnd.DECLINED, text="Nurse is ill", by=gap.clinic.desk, now=at(april(12), "06:30"))
    assert "gap at" not in look(client, gap.clinic.desk, "/")


def test_who_has_died_is_not_on_the_page(client: Client, gap: Gap, mei: Booked) -> None:
    mei.patient.status = PatientStatus.DECEASED
    mei.patient.save()
    assert "Chen, Mei" not in look(client, gap.clinic.desk, page(gap.slot))
