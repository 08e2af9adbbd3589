"""What pages once only showed is sent where the patient agreed, and the page says what became of it (issue 6)."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_clinic, make_user
from courses.models import Discharge, InstructionsWay, MeasureAct, SlotOffer, Task, TaskKind
from courses.services import boosters
from courses.services.offers import plan_token
from courses.services.worklists.engine import sweep
from courses.tests.day_kit import Day, ten
from courses.tests.db.test_leaving import case34, leave, say
from courses.tests.messages_kit import agree, refuse, told_clinic, told_series, went_out
from courses.tests.offers_kit import NOW as SATURDAY
from courses.tests.offers_kit import another, make_gap, owes
from courses.tests.series_kit import Booked, april, at
from courses.tests.web.test_effects_section import ask, part
from patients.models import Channel, MeasureLink, Message, MessageEvent, MessageState
from patients.services.messages.rules import ensure_rules
from patients.tests.factories import make_patient
from patients.tests.messages_kit import NOW as JANUARY
from patients.tests.messages_kit import make_message

pytestmark = pytest.mark.django_db
TUESDAY = at(april(20), "09:00")  # the series ended on Fri 16 April


def post(client: Client, user: User, name: str, *args: Any, **data: Any) -> Any:
    client.force_login(user)
    return client.post(reverse(name, args=args), data)


def look(client: Client, user: User, name: str, *args: Any) -> str:
    client.force_login(user)
    return html.unescape(client.get(reverse(name, args=args)).content.decode())


# -- questionnaires ----------------------------------------------------------------------------------------------------


@pytest.fixture
def over() -> Iterator[Booked]:
    """A series that is over, of somebody who agreed to text messages; it is Tue 20 April."""
    series = told_series(at(april(1)))
    series.give(1, 2, 3, 4, 5, 6)
    with time_machine.travel(TUESDAY, tick=False):
        yield series


def test_an_item_of_the_schedule_is_sent_and_the_page_says_so(client: Client, over: Booked) -> None:
    page = look(client, over.desk, "following:schedule", over.course.pk)
    assert "Send by text" in page
    answer = post(client, over.desk, "following:schedule_act", over.course.pk, act="message", key="series-end")
    assert answer.status_code == 302
    message = Message.objects.get(event=MessageEvent.QUESTIONNAIRE)
    link = MeasureLink.objects.get()
    assert message.about == f"link:{link.pk}"
    assert set(MeasureAct.objects.values_list("link", flat=True)) == {link.pk}
    assert "Goes out" in look(client, over.desk, "following:schedule", over.course.pk)
    went_out(message, TUESDAY)
    page = look(client, over.desk, "following:schedule", over.course.pk)
    assert "Sent" in page
    assert "Send again by text" in page


def test_without_consent_it_is_refused_and_can_still_be_shown(client: Client, over: Booked) -> None:
    refuse(over.patient, TUESDAY)
    page = look(client, over.desk, "following:schedule", over.course.pk)
    assert "Questionnaires cannot be sent to this patient: No consent to text or e-mail." in page
    assert "Make a link" in page
    answer = post(client, over.desk, "following:schedule_act", over.course.pk, act="message", key="series-end")
    assert answer.status_code == 409
    assert not MeasureLink.objects.exists()
    assert not Message.objects.filter(event=MessageEvent.QUESTIONNAIRE).exists()


def test_what_the_clinic_switched_off_is_refused_whole(client: Client, over: Booked) -> None:
    over.clinic.location.message_rules.filter(event=MessageEvent.QUESTIONNAIRE).update(is_on=False)
    answer = post(client, over.desk, "following:schedule_act", over.course.pk, act="message", key="series-end")
    assert answer.status_code == 409
    assert "switched off at this location" in answer.content.decode()
    assert not MeasureLink.objects.exists()


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN])
def test_a_questionnaire_is_sent_from_the_patients_page_too(client: Client, over: Booked, role: Role) -> None:
    user = over.clinic.users[role]
    answer = post(client, user, "measures:send_message", over.patient.pk, measures=["phq9", "gad7"])
    assert answer.status_code == 302
    link, message = MeasureLink.objects.get(), Message.objects.get(event=MessageEvent.QUESTIONNAIRE)
    assert (link.measures, message.facts["measures"], message.created_by) == (["phq9", "gad7"], ["phq9", "gad7"], user)
    assert "Goes out" in look(client, user, "measures:send", over.patient.pk)


def test_a_manager_sends_none_and_a_patient_who_agreed_to_nothing_gets_none(client: Client, over: Booked) -> None:
    assert (
        post(client, over.clinic.manager, "measures:send_message", over.patient.pk, measures=["phq9"]).status_code
        == 403
    )
    refuse(over.patient, TUESDAY)
    answer = post(client, over.desk, "measures:send_message", over.patient.pk, measures=["phq9"])
    assert answer.status_code == 422
    assert "No consent to text or e-mail." in answer.content.decode()
    assert not Message.objects.filter(event=MessageEvent.QUESTIONNAIRE).exists()


# -- offers ------------------------------------------------------------------------------------------------------------


def test_an_offer_by_link_says_where_the_message_goes_and_what_became_of_it(client: Client) -> None:
    with time_machine.travel(SATURDAY, tick=False):
        gap = make_gap()
        ensure_rules(gap.clinic.location, now=SATURDAY)
        mei = another(gap.clinic, "Mei", "Chen")
        owes(mei)
        agree(mei.patient, SATURDAY, value="+12125550177")
        plan = next(plan_token(gap.freed(), one) for one in gap.candidates() if one.patient_id == mei.patient.pk)
        answer = post(client, gap.clinic.desk, "worklists:freed_link", gap.slot.pk, plan=plan)
        assert "A text message goes to" in answer.content.decode()
        message = Message.objects.get(event=MessageEvent.OFFER)
        assert message.about == f"offer:{SlotOffer.objects.get().pk}"
        went_out(message, SATURDAY)
        assert "Message: sent" in look(client, gap.clinic.desk, "worklists:freed", gap.slot.pk)


# -- going home --------------------------------------------------------------------------------------------------------


def leaver(*, agreed: bool) -> Day:
    day = case34()
    say(day, "escort", "Jordan Fictional", ten(158))
    ensure_rules(day.booking.location, now=ten(0))
    if agreed:
        day.patient.phones.get_or_create(number="+12125550123")
        agree(day.patient, ten(0))
    return day


def test_the_sheet_goes_out_when_they_leave_and_the_page_says_so(client: Client) -> None:
    day = leaver(agreed=True)
    page = part(ask(client, day, now=ten(160)), "discharge")
    assert "When they leave it also goes out by text to" in page
    assert "Explained, sheet sent as a message" in page
    leave(day, ten(161), InstructionsWay.SENT.value)
    message = Message.objects.get(event=MessageEvent.SHEET)
    assert (message.booking_id, message.about) == (day.pk, f"discharge:{Discharge.objects.get().pk}")
    assert "Goes out" in part(ask(client, day, now=ten(162)), "discharge")


def test_who_agreed_to_nothing_has_it_on_paper_and_cannot_leave_with_a_message(client: Client) -> None:
    day = leaver(agreed=False)
    page = part(ask(client, day, now=ten(160)), "discharge")
    assert "It is not sent as a message: No consent to text or e-mail." in page
    assert "sheet sent as a message" not in page
    answer = ask(client, day, "discharge", {"way": "sent"}, now=ten(160))
    assert "cannot be sent to this patient" in html.unescape(answer.content.decode())
    assert not Discharge.objects.exists()
    leave(day, ten(161))
    assert not Message.objects.filter(event=MessageEvent.SHEET).exists()


# -- boosters ----------------------------------------------------------------------------------------------------------


def test_a_prescriber_has_the_patient_asked_to_call_and_nobody_else_does(client: Client, over: Booked) -> None:
    task, _ = boosters.ask_for_booster(
        over.course.pk, by_whom=boosters.BY_PATIENT, reason="Feels low", by=over.desk, now=TUESDAY
    )
    args = (over.course.pk, task.pk)
    assert "Ask the patient to call" not in look(client, over.desk, "following:booster", over.course.pk)
    assert post(client, over.desk, "following:booster_ask_patient", *args).status_code == 403
    assert "Ask the patient to call" in look(client, over.clinician, "following:booster", over.course.pk)
    assert post(client, over.clinician, "following:booster_ask_patient", *args).status_code in (204, 302)
    assert Message.objects.filter(event=MessageEvent.BOOSTER_DUE).count() == 1
    assert "The patient is asked to call." in look(client, over.clinician, "following:booster", over.course.pk)
    assert post(client, over.clinician, "following:booster_ask_patient", over.course.pk, 999).status_code == 404


# -- failed ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def failure() -> Iterator[Task]:
    clinic = make_clinic()
    with time_machine.travel(JANUARY, tick=False):
        make_message(
            make_patient("Ada", "Okafor"),
            clinic.location,
            state=MessageState.FAILED,
            channel=Channel.SMS,
            to="+12125550123",
            error="The number cannot get text messages (a landline, perhaps).",
        )
        sweep(JANUARY, kinds=[TaskKind.MESSAGE])
        yield Task.objects.get(kind=TaskKind.MESSAGE)


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN])
def test_a_message_that_failed_is_tried_again_with_one_press(client: Client, failure: Task, role: Role) -> None:
    user = make_user(role, username=f"x{role.value}", home_location=failure.location)
    page = look(client, user, "worklists:task", failure.pk)
    assert "Try again" in page
    assert "(212) 555-0123" in page
    assert "landline" in page
    assert post(client, user, "worklists:message_again", failure.pk).status_code in (204, 302)
    assert Message.objects.get().state == MessageState.PLANNED
    assert post(client, user, "worklists:message_again", failure.pk).status_code == 409


def test_or_somebody_called_and_says_so(client: Client, failure: Task) -> None:
    user = make_user(Role.FRONT_DESK, username="dora", home_location=failure.location)
    assert post(client, user, "worklists:message_called", failure.pk, said="Comes on Thursday").status_code in (
        204,
        302,
    )
    failure.refresh_from_db()
    assert failure.closed_text == "Called instead: Comes on Thursday"
    assert Message.objects.get().state == MessageState.CALLED
    assert post(client, user, "worklists:message_called", failure.pk).status_code == 409


def test_a_manager_sees_the_task_and_does_nothing_about_it(client: Client, failure: Task) -> None:
    manager = make_user(Role.MANAGER, username="max", home_location=failure.location)
    assert "Try again" not in look(client, manager, "worklists:task", failure.pk)
    assert post(client, manager, "worklists:message_again", failure.pk).status_code == 403
    assert post(client, manager, "worklists:message_called", failure.pk).status_code == 403


# -- the summary by e-mail ---------------------------------------------------------------------------------------------


def test_everybody_who_has_the_summary_switches_it_off_on_their_own_page(client: Client) -> None:
    clinic = told_clinic(JANUARY)
    clinic.desk.first_name, clinic.desk.last_name = "Dan", "Desk"
    clinic.desk.save(update_fields=["first_name", "last_name"])
    assert "A summary by e-mail each working day" in look(client, clinic.desk, "setup:me")
    assert post(client, clinic.desk, "setup:me", first_name="Dan", last_name="Desk", title="").status_code in (204, 302)
    assert User.objects.get(pk=clinic.desk.pk).wants_digest is False
    assert "A summary by e-mail" not in look(client, clinic.nurse, "setup:me")
