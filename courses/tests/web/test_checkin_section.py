"""The check-in on the page of the infusion day: what it shows to whom, what is saved, what is refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import Booking, BookingStatus
from clinic.tests.fixtures.ledger import Queries
from courses.models import CheckAnswer, GateDecision
from courses.services.gate import gate_of
from courses.tests.checkin_kit import answered, checked_in, measured, put_answers
from courses.tests.day_kit import Day, in_chair, infusing, make_day, put_row, ten
from courses.views.infusion.checkin import section
from courses.views.infusion.frame import State
from patients.models import PregnancyTest, VitalSigns
from patients.tests.alert_kit import make_alert
from patients.tests.factories import make_allergy, make_patient

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ALL = {
    "identity": "yes",
    "escort": "yes",
    "escort_detail": "Jordan Fictional",
    "fasting_solids": "22:00",
    "fasting_solids_day": "yesterday",
    "fasting_liquids": "07:00",
    "fasting_liquids_day": "today",
    "medicines_today": ["none"],
    "health_change": "no",
    "since_urinary": "no",
    "since_memory": "no",
    "since_mania": "no",
    "since_cravings": "no",
    "since_other": "no",
    "airway": "yes",
}


def ask(
    client: Client,
    day: Day,
    name: str = "day",
    post: dict[str, Any] | None = None,
    *,
    now: datetime | None = None,
    user: Any = None,
    htmx: bool = True,
) -> Any:
    address = reverse(f"infusion:{name}", args=[day.pk])
    headers = HTMX if htmx else {}
    with time_machine.travel(now or ten(), tick=False):
        client.force_login(user or day.nurse)
        return client.get(address) if post is None else client.post(address, post, headers=headers)


def typed(**fields: Any) -> dict[str, Any]:
    return {f"checkin-{name}": value for name, value in fields.items()}


def html(answer: Any) -> str:
    found = re.search(r'data-section="checkin".*?(?=data-section="dose")', answer.content.decode(), re.DOTALL)
    assert found
    return found.group()


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html(answer)))


def stamp(day: Day) -> dict[str, str]:
    (finding,) = gate_of(day.desk(ten())).holds
    return {"code": finding.code, "stamp": finding.stamp}


# -- reading -----------------------------------------------------------------------------------------------------------


def test_before_the_arrival_the_check_in_waits(client: Client) -> None:
    day = make_day()
    assert section(day.desk(ten()), day.nurse).state is State.WAITING
    assert "begins when the patient has arrived" in words(ask(client, day))


def test_in_the_chair_it_is_the_act_to_do_and_says_how_much_is_left() -> None:
    day = in_chair()
    found = section(day.desk(ten()), day.nurse)
    assert (found.state, found.summary, found.act) == (State.NOW, "16 left", "Check in: 16 left")


def test_a_hold_asks_and_names_itself_in_the_head() -> None:
    day = checked_in(166, 98)
    found = section(day.desk(ten()), day.nurse)
    assert (found.state, found.summary, found.act) == (State.ASKS, "Hold: pressure 166/98", "Decide")


def test_done_it_says_go() -> None:
    day = checked_in()
    found = section(day.desk(ten()), day.nurse)
    assert (found.state, found.summary, found.act) == (State.DONE, "Go", "")


def test_after_the_start_it_shows_answers_and_no_form(client: Client) -> None:
    day = infusing()
    put_answers(day, identity=("yes", ""), since_memory=("yes", "forgets names"))
    page = ask(client, day, now=ten(5))
    assert "Yes: forgets names" in words(page)
    assert "checkin-save" not in html(page)


def test_the_section_asks_the_database_for_the_person_and_the_last_infusion_only(queries: Queries) -> None:
    day = checked_in(166, 98)
    desk = day.desk(ten())
    with queries("infusion check-in", at_most=3):
        found = section(desk, day.nurse)
    assert "166/98" in found.summary


def test_the_profile_and_the_conflict_of_the_articles_are_said(client: Client) -> None:
    said = words(ask(client, in_chair()))
    assert "Profile “Default”: solids 6 h, clear liquids 2 h" in said
    assert "The articles disagree" in said


def test_the_front_desk_has_no_access_and_signed_out_one_is_sent_to_sign_in(client: Client) -> None:
    day = in_chair()
    for name in ("day", "checkin_save", "checkin_decide", "checkin_withhold"):
        post: dict[str, Any] | None = None if name == "day" else {}
        assert ask(client, day, name, post, user=day.clinic.desk).status_code == 403
        client.logout()
        address = reverse(f"infusion:{name}", args=[day.pk])
        answer = client.get(address) if post is None else client.post(address, post)
        assert answer.status_code == 302


def test_names_and_answers_with_markup_are_shown_as_text(client: Client) -> None:
    evil = "<script>alert(1)</script>"
    day = in_chair(patient=make_patient(given_name=evil, emergency_name=evil, phones=["+12125550111"]))
    make_allergy(day.patient, evil)
    put_answers(day, escort=("yes", evil), since_other=("yes", evil))
    page = ask(client, day)
    assert evil not in page.content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html(page)


def test_what_others_mend_elsewhere_is_looked_at_again_while_it_lacks(client: Client) -> None:
    day = in_chair()
    assert "data-checkin-watch" in html(ask(client, day))
    measured(day)
    answered(day)
    assert "data-checkin-watch" not in html(ask(client, day))


# -- saving ------------------------------------------------------------------------------------------------------------


def test_all_answers_at_once_and_the_day_is_a_go(client: Client) -> None:
    day = in_chair()
    measured(day)
    put_row(day, ten(-2), 132, 84, heart_rate_bpm=78, spo2_percent=98, respiratory_rate=14, moaas=5)
    found = day.desk(ten()).person.measure
    assert found is not None
    answer = ask(client, day, "checkin_save", typed(**ALL, measure="yes", measure_detail=found.stamp))
    assert answer.status_code == 200
    assert gate_of(day.desk(ten())).is_go
    assert CheckAnswer.objects.get(item="fasting_solids").value == "2027-04-04T22:00:00-04:00"


def test_without_htmx_the_page_comes_back(client: Client) -> None:
    day = in_chair()
    answer = ask(client, day, "checkin_save", typed(identity="yes"), htmx=False)
    assert answer.status_code == 302
    assert answer.url == reverse("infusion:day", args=[day.pk])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"escort": "yes"}, "Give the name."),
        ({"since_urinary": "yes"}, "What, since when?"),
        ({"fasting_solids": "05:30"}, "Today or yesterday?"),
        ({"fasting_solids_day": "today"}, "Give the time."),
        ({"fasting_solids": "10:01", "fasting_solids_day": "today"}, "This time has not come yet."),
        ({"medicines_today": ["none", "opioid"]}, "do not go together"),
        ({"weight": "82.4"}, "Kilograms or pounds?"),
        ({"weight": "82.45", "weight_unit": "kg"}, "Kilograms to one decimal"),
        ({"weight": "8.2", "weight_unit": "kg"}, "Weight must be between 20 and 400 kg."),
        ({"temperature": "36.8"}, "Celsius or Fahrenheit?"),
        ({"temperature": "98.6", "temperature_unit": "c"}, "Must be between 30 and 45 °C."),
    ],
)
def test_what_does_not_fit_is_said_beside_its_question_and_what_was_typed_stays(
    client: Client, fields: dict[str, Any], said: str
) -> None:
    day = in_chair()
    answer = ask(client, day, "checkin_save", typed(identity="no", **fields))
    assert answer.status_code == 422
    assert said in words(answer)
    assert re.search(r'id="checkin-identity-no" value="no" checked', html(answer))
    assert not CheckAnswer.objects.exists()


def test_junk_in_every_field_is_refused_and_never_an_error(client: Client) -> None:
    day = in_chair()
    junk = dict.fromkeys([*ALL, "weight", "test", "temperature", "measure", "pregnancy"], "\x00<b>9e99")
    assert ask(client, day, "checkin_save", typed(**junk)).status_code == 422


def test_what_somebody_else_answered_meanwhile_comes_back_with_both(client: Client) -> None:
    day = in_chair()
    put_answers(day, since_memory=("yes", "forgets names"))
    answer = ask(client, day, "checkin_save", typed(since_memory="no", since_memory_base=""), user=day.clinician)
    assert answer.status_code == 409
    assert f"Meanwhile {day.nurse.display_name} entered: Yes: forgets names" in words(answer)
    assert re.search(r'id="checkin-since_memory-no" value="no" checked', html(answer))
    base = re.search(r'name="checkin-since_memory_base" value="(\w+)"', html(answer))
    assert base
    assert CheckAnswer.objects.get().value == "yes"
    again = ask(client, day, "checkin_save", typed(since_memory="no", since_memory_base=base[1]), user=day.clinician)
    assert again.status_code == 200
    assert CheckAnswer.objects.get().value == "no"


def test_pounds_are_kept_as_kilograms_by_case_28b(client: Client) -> None:
    day = in_chair()
    assert ask(client, day, "checkin_save", typed(weight="198", weight_unit="lb")).status_code == 200
    assert str(VitalSigns.objects.latest("id").weight_kg) == "89.8"


def test_an_unusual_weight_is_asked_twice(client: Client) -> None:
    day = in_chair()
    measured(day)
    base = str(VitalSigns.objects.latest("id").pk)
    fields = typed(weight="102.4", weight_unit="kg", weight_base=base)
    answer = ask(client, day, "checkin_save", fields)
    assert answer.status_code == 422
    assert "more than 10 % apart" in words(answer)
    assert ask(client, day, "checkin_save", fields | typed(weight_confirmed="yes")).status_code == 200


def test_fahrenheit_is_kept_as_celsius(client: Client) -> None:
    day = in_chair()
    ask(client, day, "checkin_save", typed(temperature="98.6", temperature_unit="f"))
    assert CheckAnswer.objects.get(item="temperature").value == "37.0"


def test_a_pregnancy_test_is_asked_where_it_applies_and_stands_in_the_record(client: Client) -> None:
    day = in_chair()
    assert "Pregnancy test now" not in words(ask(client, day))
    day.patient.consultations.update(can_be_pregnant="yes")
    assert "Pregnancy test now" in words(ask(client, day))
    ask(client, day, "checkin_save", typed(test="positive"))
    assert PregnancyTest.objects.get().result == "positive"
    assert "pregnancy test positive" in section(day.desk(ten()), day.nurse).summary


# -- deciding ----------------------------------------------------------------------------------------------------------


def test_a_nurse_sees_who_decides_and_gets_403_for_trying(client: Client) -> None:
    day = checked_in(166, 98)
    page = ask(client, day)
    assert "Only a prescriber overrides this, with a reason." in words(page)
    assert "checkin-act-pressure" not in html(page)
    answer = ask(client, day, "checkin_decide", {**stamp(day), "reason": "Anxious"})
    assert answer.status_code == 403
    assert not GateDecision.objects.exists()


def test_a_prescriber_overrides_with_a_reason_and_it_stays_visible(client: Client) -> None:
    day = checked_in(166, 98)
    assert ask(client, day, "checkin_decide", stamp(day), user=day.clinician).status_code == 422
    fields = {**stamp(day), "reason": "Usual for her, seen by cardiology"}
    answer = ask(client, day, "checkin_decide", fields, user=day.clinician)
    assert answer.status_code == 200
    assert "Usual for her, seen by cardiology" in words(answer)
    assert GateDecision.objects.get().profile == "default"
    assert ask(client, day, "checkin_decide", fields, user=day.clinician).status_code == 409
    assert GateDecision.objects.count() == 1


def test_the_rest_before_a_repeat_is_counted_from_the_reading(client: Client) -> None:
    day = checked_in(152, 94)
    assert f'data-checkin-rest="{ten(8).isoformat()}"' in html(ask(client, day))


def test_a_danger_signal_leads_to_itself(client: Client) -> None:
    day = checked_in()
    alert = make_alert(day.patient, day.clinic.location, ten(-5))
    page = html(ask(client, day, user=day.clinician))
    assert reverse("alerts:alert", args=[alert.pk]) in page
    assert "Nobody overrides this." in page


# -- withholding -------------------------------------------------------------------------------------------------------


def test_withheld_by_a_nurse_the_reason_is_the_hold_and_the_course_shows_next(client: Client) -> None:
    day = checked_in(166, 98)
    page = html(ask(client, day))
    reason = re.search(r"<textarea[^>]*>([^<]+)</textarea>", page)
    version = re.search(r'name="version" value="(\d+)"', page)
    assert reason
    assert version
    assert reason[1].startswith("166/98 mmHg, heart rate 78: Systolic 166 mmHg is not below 160")
    answer = ask(client, day, "checkin_withhold", {"reason": reason[1], "version": version[1]}, htmx=False)
    assert answer.status_code == 302
    assert answer.url == reverse("courses:course", args=[day.course.pk])
    assert Booking.objects.get(pk=day.pk).status == BookingStatus.WITHHELD


def test_withheld_by_a_clinician_a_new_time_is_offered_at_once(client: Client) -> None:
    day = checked_in(166, 98)
    version = Booking.objects.get(pk=day.pk).version
    fields = {"reason": "Pressure 166/98", "version": version}
    answer = ask(client, day, "checkin_withhold", fields, user=day.clinician, htmx=False)
    infusion = day.course.phases.get().infusions.get(number=1)
    assert answer.url == reverse("courses:move", args=[infusion.pk])


def test_withholding_without_a_reason_or_from_an_old_page_is_refused_in_place(client: Client) -> None:
    day = checked_in(166, 98)
    answer = ask(client, day, "checkin_withhold", {"reason": "", "version": Booking.objects.get(pk=day.pk).version})
    assert answer.status_code == 422
    assert "Give the reason" in words(answer)
    assert ask(client, day, "checkin_withhold", {"reason": "Pressure", "version": 1}).status_code == 409
    assert Booking.objects.get(pk=day.pk).status == BookingStatus.IN_CHAIR
