"""The chair board in a browser's eyes: who may read what, the wall screen, quiet polling, and what Today says of it."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import BookingStatus
from clinic.pure.roles import Role
from clinic.services import bookings
from clinic.tests.factories import make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import InfusionRecord, LimitAlarm, Protocol, RemsForm
from courses.services import stock_shelf
from courses.services.infusion_record import changing
from courses.tests.day_kit import BEFORE, Day, in_chair, infusing, make_day, observing, put_row, put_tap, ten
from courses.tests.sign_kit import put_draw
from patients.models import Allergy, Patient
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "X-Cadence-Background": "1"}
CHAIRS, WALL = "/chairs/", "/chairs/wall/"


def look(user: Any, now: datetime, address: str = CHAIRS, *, client: Client | None = None, **known: Any) -> Any:
    client = client or Client()
    with time_machine.travel(now, tick=False):
        client.force_login(user)
        return client.get(address, **known)


def page(user: Any, now: datetime, address: str = CHAIRS) -> str:
    content: str = look(user, now, address).content.decode()
    return content


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def card(html: str, day: Day) -> str:
    found = re.search(
        rf'<li class="chair [^>]*data-booking="{day.pk}".*?</li>\s*(?=<li class="chair|</ul>)', html, re.DOTALL
    )
    return found[0] if found else ""


def more(day: Day, number: int, make: Any = make_day, *steps: BookingStatus, **known: Any) -> Day:
    """One more patient on the same day in the same clinic."""
    version = day.course.phases.get().protocol_version
    made: Day = make(
        *steps, clinic=day.clinic, version=version, patient=make_patient("Robin", f"Fictional{number:02d}"), **known
    )
    return made


# -- who reads what ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.NURSE, Role.CLINICIAN])
def test_who_treats_reads_name_dose_pressure_and_flags_and_gets_to_the_infusion(role: Role) -> None:
    day = infusing()
    put_row(day, ten(10), 148, 92)
    Allergy.objects.create(patient=day.patient, description="Latex")
    html = page(day.clinic.users[role], ten(12))
    said = words(card(html, day))
    for part in (day.patient.list_name, "Infusing", "41.2 mg", "BP 148/92", "+16", "Latex allergy", "28:00", "left"):
        assert part in said
    assert reverse("infusion:day", args=[day.pk]) in card(html, day)


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_who_does_not_treat_reads_names_and_phases_but_no_clinical_value(role: Role) -> None:
    day = in_chair()
    put_row(day, ten(-1), 166, 98)
    Allergy.objects.create(patient=day.patient, description="Latex")
    html = page(day.clinic.users[role], ten())
    said = words(card(html, day))
    for part in (day.patient.list_name, "Preparing", "Waits for a decision"):
        assert part in said
    for secret in ("166", "98", "Latex", "Hold", "BP"):
        assert secret not in said
    assert reverse("infusion:day", args=[day.pk]) not in html
    assert reverse("courses:visit", args=[day.pk]) in html


def test_vital_signs_that_are_late_are_said_in_words_to_everybody() -> None:
    day = infusing()
    for user in (day.nurse, day.clinic.desk):
        in_time, late = card(page(user, ten(12)), day), card(page(user, ten(13)), day)
        assert ("is-late" in in_time, "is-late" in late) == (False, True)
        assert f'data-due="{ten(10).isoformat()}" data-grace="2"' in late


def test_who_waits_stands_above_and_empty_chairs_say_what_comes() -> None:
    day = make_day(BookingStatus.ARRIVED)
    html = page(day.clinic.desk, ten(-2))
    waiting = words(html[html.index('aria-label="Waiting"') : html.index('<ul class="chairs"')])
    assert f"{day.patient.list_name}" in waiting
    assert "8:00" in waiting
    other = more(day, 2)
    assert f"Free until {_clock(other)}, then {other.patient.family_name}" in words(page(day.clinic.desk, ten(-30)))
    assert "Nothing more booked today" not in words(page(day.clinic.desk, ten(-30)))


def _clock(day: Day) -> str:
    return f"{day.clinic.location.local(day.booking.start):%H:%M}"


def test_a_name_with_markup_in_it_is_a_name() -> None:
    day = infusing(patient=make_patient("<b>Bo", "</li><script>x", phones=["+12125550111"]))
    html = page(day.nurse, ten(5))
    assert "<script>x" not in html
    assert "&lt;script&gt;x" in html


def test_without_chairs_the_page_says_who_adds_them_and_without_a_location_today_does() -> None:
    place = make_location("Uptown")
    nurse = make_user(Role.NURSE, home_location=place)
    assert "No chairs yet" in page(nurse, ten())
    place.is_active = False
    place.save()
    assert look(nurse, ten())["Location"] == "/"


# -- on the wall -------------------------------------------------------------------------------------------------------


def test_the_wall_shows_initials_and_no_name_and_no_way_to_anything_else() -> None:
    day = infusing(patient=make_patient("Mei", "Chen", phones=["+12125550111"]))
    waiting = more(day, 2, make_day, BookingStatus.ARRIVED)
    following = more(day, 3)
    html = page(day.nurse, ten(5), WALL)
    assert "MC" in words(card(html, day))
    for one in (day, waiting, following):
        assert one.patient.family_name not in html
        assert str(one.patient.pk) not in re.findall(r'href="[^"]*?(\d+)', html)
    assert 'class="rail"' not in html
    assert re.findall(r'href="(/(?!static)[^"]*)"', html) == [CHAIRS]  # the way out
    assert look(day.nurse, ten(5), CHAIRS + "?wall=1")["Location"] == WALL


def test_left_on_a_screen_it_answers_nothing_else_and_stays_when_nobody_touches_it() -> None:
    day = infusing()
    client = Client()
    look(day.nurse, ten(5), WALL, client=client)
    with time_machine.travel(ten(5), tick=False):
        assert client.post("/chairs/wall/put-up/")["Location"] == WALL
    with time_machine.travel(ten(5) + timedelta(hours=8), tick=False):
        assert client.get(WALL).status_code == 200
        for other in ("/", CHAIRS, reverse("infusion:day", args=[day.pk])):
            assert client.get(other)["Location"] == reverse("handover")
        assert reverse("handover") in client.get(WALL).content.decode()


def test_nobody_puts_it_up_who_may_not_see_it() -> None:
    client = Client()
    client.force_login(make_user())
    assert client.post("/chairs/wall/put-up/").status_code == 403
    assert client.get(WALL).status_code == 403
    assert Client().get(WALL)["Location"].startswith("/accounts/login/")


# -- asking again ------------------------------------------------------------------------------------------------------


def stamp(html: str) -> str:
    found = re.search(r'data-board-stamp="([^"]+)"', html)
    assert found
    return found[1]


@pytest.mark.parametrize("address", [CHAIRS, WALL])
def test_asked_again_it_says_nothing_until_somebody_saves_a_row(address: str) -> None:
    day = infusing()
    client, now = Client(), ten(10)
    seen = stamp(look(day.clinic.desk, now, address, client=client).content.decode())
    assert look(day.clinic.desk, now, f"{address}?seen={seen}", client=client, headers=HTMX).status_code == 204
    put_row(day, now, 148, 92)
    answer = look(day.nurse, now, f"{address}?seen={seen}", client=client, headers=HTMX)
    assert answer.status_code == 200
    assert "148/92" in answer.content.decode()
    assert "<html" not in answer.content.decode()


def busy(chairs: int, patients: int) -> Day:
    """A clinic in which so many patients are being treated at once, as far as its chairs go."""
    first = infusing(clinic=make_clinic(chairs=chairs))
    for number in range(1, patients):
        day = more(first, number, infusing)
        Allergy.objects.create(patient=day.patient, description="Penicillin")
    return first


@pytest.mark.parametrize(("chairs", "patients"), [(2, 1), (20, 6)])
def test_the_board_needs_as_many_queries_for_two_chairs_as_for_twenty(
    queries: Queries, chairs: int, patients: int
) -> None:
    day, client = busy(chairs, patients), Client()
    look(day.nurse, ten(5), client=client)
    with time_machine.travel(ten(5), tick=False), queries("chair board"):
        html = client.get(CHAIRS).content.decode()
    assert html.count('<li class="chair ') == chairs
    with time_machine.travel(ten(5), tick=False), queries("chair board, again", at_most=4):
        assert client.get(f"{CHAIRS}?seen={stamp(html)}", headers=HTMX).status_code == 204


# -- what Today says ---------------------------------------------------------------------------------------------------


def needs(user: Any, now: datetime) -> list[str]:
    html = page(user, now, "/")
    return [words(one).strip() for one in re.findall(r"<li data-need=.*?</li>", html, re.DOTALL)]


def urgent(user: Any, now: datetime) -> list[str]:
    """Without what Today says anyway, that somebody should have left."""
    return [one for one in needs(user, now) if "was planned to leave" not in one]


def test_a_hold_an_alarm_and_late_vital_signs_need_somebody_the_gravest_first() -> None:
    day = infusing(clinic=make_clinic(chairs=3), patient=make_patient("Mei", "Chen", phones=["+12125550111"]))
    row = put_row(day, ten(10), 184, 104)
    with changing(day.pk, by=day.nurse, now=ten(10)) as record:
        LimitAlarm.objects.create(
            record=record, row=row, rule="pressure_pause", act="pause", said="184/104: pause", profile="default",
            raised_at=ten(10),
        )  # fmt: skip
    held = more(day, 2, in_chair)
    put_row(held, ten(), 166, 98)
    now = ten(23)
    nurse, desk = urgent(day.nurse, now), urgent(day.clinic.desk, now)
    assert "Chen, Mei alarm not answered: 184/104: pause, chair" in nurse[0]
    assert "since 10:10" in nurse[0]
    assert "Fictional02, Robin pressure hold 166/98, chair" in nurse[1]
    assert "waiting 23 min" in nurse[1]
    assert "Chen, Mei vital signs late, chair" in nurse[2]
    for said, kept in zip(desk, ("an alarm at the chair", "waits for a decision", "vital signs late"), strict=False):
        assert kept in said
        assert not re.search(r"184|104|166|98", said)
    html = page(day.nurse, now, "/")
    assert f'href="{reverse("infusion:day", args=[held.pk])}" aria-label="Open: Fictional02, Robin"' in html


def test_late_vital_signs_are_news_to_a_page_that_asks_again() -> None:
    day = infusing()
    client = Client()
    html = look(day.nurse, ten(11), "/", client=client).content.decode()
    assert "Vitals due 10:10" in words(html)
    poll = re.search(r'hx-get="(\?[^"]+)"', html)
    assert poll
    answer = look(day.nurse, ten(13), "/" + poll[1].replace("&amp;", "&"), client=client, headers=HTMX)
    assert "Vitals late since 10:10" in words(answer.content.decode())
    assert "X-Board-Only-Clock" not in answer


def complete(day: Day, when: datetime) -> None:
    InfusionRecord.objects.filter(visit__booking=day.pk).update(completed_at=when, completed_by=day.nurse)


def test_completed_records_wait_for_a_prescriber_s_signature_on_any_day() -> None:
    day = observing()
    tomorrow = ten() + timedelta(days=1)
    assert not [one for one in needs(day.clinician, tomorrow) if "to sign" in one]
    complete(day, ten(100))
    (said,) = [one for one in needs(day.clinician, tomorrow) if "to sign" in one]
    assert said.startswith(f"1 infusion record to sign {day.patient.list_name}, Mon 5 Apr")
    assert not [one for one in needs(day.nurse, tomorrow) if "to sign" in one]
    InfusionRecord.objects.filter(visit__booking=day.pk).update(signed_at=ten(110), signed_by=day.clinician)
    assert not [one for one in needs(day.clinician, tomorrow) if "to sign" in one]


def test_a_rems_form_is_asked_for_two_days_before_it_is_due_and_when_it_is_overdue() -> None:
    day = in_chair()
    Protocol.objects.update(route="nasal")
    put_tap(day, "device", ten())
    put_tap(day, "device", ten(5))
    bookings.advance(day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=ten(6))
    bookings.advance(day.pk, to=BookingStatus.DONE, by=day.nurse, now=ten(130))

    def forms(user: Any, day_of_april: int) -> list[str]:
        now = ten() + timedelta(days=day_of_april - 5)
        return [one for one in needs(user, now) if "REMS" in one]

    # given on 5 April, due on 12 April: seven days (case 27); asked for from 10 April on
    assert forms(day.nurse, 9) == []
    assert "REMS form due in 2 days" in forms(day.nurse, 10)[0]
    assert "REMS form overdue by 1 day" in forms(day.nurse, 13)[0]
    assert forms(day.clinic.desk, 13) == []
    RemsForm.objects.create(record=day.record, due_on=date(2027, 4, 12), sent_at=ten(200), sent_by=day.nurse)
    assert forms(day.nurse, 13) == []


def test_what_waits_in_the_drug_log_is_one_line_for_who_sees_the_log() -> None:
    day = infusing()
    lot = put_draw(day, ten(-2), None, "50.0").lot

    def lines(user: Any) -> list[str]:
        return [one for one in needs(user, ten(300)) if one.startswith("Drug log")]

    put_tap(day, "end", ten(40))
    bookings.advance(day.pk, to=BookingStatus.OBSERVING, by=day.nurse, now=ten(40))
    assert lines(day.nurse) == []  # the infusion's own page asks while the patient is here
    bookings.advance(day.pk, to=BookingStatus.DONE, by=day.nurse, now=ten(120))
    for user in (day.nurse, day.clinician, day.clinic.manager):
        assert lines(user) == ["Drug log 1 draw not accounted for Open"]
    assert lines(day.clinic.desk) == []
    stock_shelf.count_lot(lot_id=lot.pk, counted_mg=Decimal("149.0"), by=day.nurse, now=ten(130))
    assert lines(day.nurse) == ["Drug log 1 difference to explain and sign, 1 draw not accounted for Open"]


@pytest.mark.parametrize("patients", [2, 6])
@pytest.mark.parametrize("role", [Role.NURSE, Role.CLINICIAN])
def test_today_with_infusions_stays_in_its_budget(queries: Queries, patients: int, role: Role) -> None:
    day, client = busy(20, patients), Client()
    complete(day, ten(4))
    look(day.clinic.users[role], ten(15), "/", client=client)
    with time_machine.travel(ten(15), tick=False), queries("today, with infusions"):
        html = client.get("/").content.decode()
    assert html.count("data-visit=") == patients


def test_from_today_and_the_visit_sheet_one_gets_to_the_infusion_day_once_somebody_is_here() -> None:
    day = make_day()
    address = reverse("infusion:day", args=[day.pk])
    sheet = reverse("courses:visit", args=[day.pk])
    for way in ("/", sheet):
        assert address not in page(day.nurse, ten(-20), way)
    bookings.advance(day.pk, to=BookingStatus.ARRIVED, by=day.nurse, now=ten(-10))
    for way in ("/", sheet):
        assert address in page(day.nurse, ten(-5), way)
        assert address not in page(day.clinic.desk, ten(-5), way)


def test_the_rail_leads_to_the_chairs() -> None:
    clinic = make_clinic()
    for role in Role:
        assert re.search(r'class="rail-link is-current" href="/chairs/"', page(clinic.users[role], BEFORE))
    assert Patient.objects.count() == 0
