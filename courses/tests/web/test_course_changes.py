"""What a prescriber changes about a running course: rhythm step by step, people, number; notes and absences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.pure.roles import Role
from clinic.tests.factories import make_clinic, make_shifts, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import RevisionKind
from courses.tests.series_kit import Booked, april, at, book
from courses.tests.web.test_course_pages import as_, course_url, move_url, text, token_in
from patients.tests.factories import make_patient, make_unavailability

pytestmark = pytest.mark.django_db

NOW = at(april(10))  # Saturday: 1 to 3 are given, 4 is on Monday


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def booked() -> Booked:
    """T-MWF6 from Mon 2027-04-05 for Ada Okafor; 1 to 3 given; 12, 14, 16 April booked."""
    made = book()
    made.give(1, 2, 3)
    return made


# -- rhythm, people ----------------------------------------------------------------------------------------------------


MINUTES = {"preparation_min": 20, "infusion_min": 40, "observation_min": 60, "turnaround_min": 15}
MON_THU = {"step1-weekdays": [0, 3], "step1-min_gap_days": 3, "step1-max_gap_days": 5}
AS_IT_IS = {"step1-weekdays": [0, 2, 4], "step1-min_gap_days": 2, "step1-max_gap_days": 4}


def rhythm_url(booked: Booked) -> str:
    return reverse("courses:change_rhythm", args=[booked.course.pk])


def test_another_rhythm_through_the_page(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    asked = MINUTES | MON_THU | {"replan": "1"}
    page = text(client.get(rhythm_url(booked), asked))
    assert "Thu 15 Apr, 08:00" in page
    client.post(rhythm_url(booked), {"token": token_in(page), "reason": "Tired after each"})
    assert booked.days()[6] == april(19)
    wrong = text(client.get(rhythm_url(booked), asked | {"step1-min_gap_days": 9}))
    assert "The smallest gap (9 days) is above the largest (5 days)." in wrong
    assert 'name="token"' not in wrong
    neither = text(client.get(rhythm_url(booked), asked | {"step1-weekdays": []}))
    assert "Give weekdays or a usual gap." in neither


def test_a_rhythm_that_skips_some_of_its_weekdays_is_noted_and_not_refused(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    page = text(client.get(rhythm_url(booked), MINUTES | AS_IT_IS | {"step1-min_gap_days": 3}))
    assert "Mon-Wed-Fri comes round after 2 days, but the smallest gap is 3 days" in page
    assert 'name="token"' in page


def test_preferred_people_and_chair_are_kept_as_a_revision(client: Client, booked: Booked) -> None:
    clinic = booked.clinic
    doctor = make_user(Role.CLINICIAN, first_name="Elena", last_name="Brandt", home_location=clinic.location)
    make_shifts(doctor, clinic.location)
    wish = {"clinician": doctor.resource_id, "nurse": clinic.nurse.resource_id, "chair": clinic.chairs[1].pk}
    as_(client, booked.clinician)
    page = text(client.get(rhythm_url(booked), MINUTES | AS_IT_IS | wish))
    client.post(rhythm_url(booked), {"token": token_in(page), "reason": "Knows her from the ward"})
    phase = booked.series.phase
    assert (phase.preferred_clinician, phase.preferred_nurse, phase.preferred_chair) == (
        doctor.resource,
        clinic.nurse.resource,
        clinic.chairs[1],
    )
    revision = booked.course.revisions.get(kind=RevisionKind.WISHES)
    assert (revision.by, revision.reason) == (booked.clinician, "Knows her from the ward")
    assert booked.series.row(4).placed.clinician_id == booked.clinician.resource_id  # the times and people stay
    page = text(client.get(course_url(booked)))
    assert "Elena Brandt · Ines Moreau · Chair 2" in page
    page = text(client.get(rhythm_url(booked), MINUTES | AS_IT_IS | wish | {"replan": "1"}))
    client.post(rhythm_url(booked), {"token": token_in(page), "reason": "From now on"})
    assert {booked.series.row(n).placed.clinician_id for n in (4, 5, 6)} == {doctor.resource_id}
    assert {booked.series.row(n).placed.chair_id for n in (4, 5, 6)} == {clinic.chairs[1].pk}


def test_a_wish_needs_a_reason_and_somebody_who_can_be_chosen(client: Client, booked: Booked) -> None:
    as_(client, booked.clinician)
    asked = MINUTES | AS_IT_IS | {"nurse": booked.clinic.nurse.resource_id}
    page = text(client.get(rhythm_url(booked), asked))
    answer = client.post(rhythm_url(booked), {"token": token_in(page), "reason": " "})
    assert answer.status_code == 422
    assert booked.series.phase.preferred_nurse is None
    page = text(client.get(rhythm_url(booked), asked | {"nurse": booked.clinician.resource_id}))
    assert "is not one of the available choices" in page
    assert 'name="token"' not in page


def test_whoever_is_preferred_and_works_elsewhere_now_can_still_be_kept(client: Client, booked: Booked) -> None:
    gone = make_user(Role.NURSE, first_name="Lena", last_name="Vogt")
    phase = booked.series.phase
    phase.preferred_nurse = gone.resource
    phase.save()
    page = text(as_(client, booked.clinician).get(rhythm_url(booked)))
    assert "Lena Vogt (not at Downtown any more)" in page


@pytest.fixture
def taper() -> Booked:
    """T-ESK from Mon 5 April: 8 infusions twice a week, then 4 once a week."""
    made = book(slug="T-ESK")
    made.give(1, 2)
    return made


STEPS = {
    "step1-count": 8,
    "step1-weekdays": [0, 3],
    "step1-min_gap_days": 3,
    "step1-max_gap_days": 5,
    "step2-count": 4,
    "step2-target_gap_days": 7,
    "step2-min_gap_days": 6,
    "step2-max_gap_days": 9,
}
SPRAY = {"preparation_min": 20, "infusion_min": 15, "observation_min": 120, "turnaround_min": 15}


def steps_of(booked: Booked) -> list[tuple[int, frozenset[int], int | None, int, int]]:
    return [
        (one.count, one.weekdays, one.target_gap_days, one.min_gap_days, one.max_gap_days)
        for one in booked.series.settings.steps
    ]


def test_each_step_of_a_taper_is_edited_by_itself(client: Client, taper: Booked) -> None:
    twice = (8, frozenset({0, 3}), None, 3, 5)
    assert steps_of(taper) == [twice, (4, frozenset(), 7, 6, 9)]
    as_(client, taper.clinician)
    page = text(client.get(rhythm_url(taper)))
    assert "infusions 1–8" in page
    assert "infusions 9–12" in page
    asked = SPRAY | STEPS | {"step2-target_gap_days": 14, "step2-min_gap_days": 11, "step2-max_gap_days": 17}
    page = text(client.get(rhythm_url(taper), asked | {"replan": "1"}))
    client.post(rhythm_url(taper), {"token": token_in(page), "reason": "Holds well"})
    assert steps_of(taper) == [twice, (4, frozenset(), 14, 11, 17)]
    days = taper.days()
    assert [(days[n] - days[n - 1]).days for n in (10, 11, 12)] == [14, 14, 14]
    assert [(days[n] - days[n - 1]).days for n in range(2, 9)] == [3, 4, 3, 4, 3, 4, 3]
    assert taper.course.revisions.get(kind=RevisionKind.RHYTHM).reason == "Holds well"


def test_a_later_step_can_follow_weekdays_and_change_its_number(client: Client, taper: Booked) -> None:
    as_(client, taper.clinician)
    asked = SPRAY | STEPS | {"step1-count": 6, "step2-count": 6, "step2-weekdays": [2], "step2-target_gap_days": ""}
    page = text(client.get(rhythm_url(taper), asked))
    client.post(rhythm_url(taper), {"token": token_in(page), "reason": "Sooner once a week"})
    assert steps_of(taper) == [(6, frozenset({0, 3}), None, 3, 5), (6, frozenset({2}), None, 6, 9)]
    assert len(taper.series.rows) == 12


def test_steps_that_do_not_add_up_or_forget_what_was_given_are_refused(client: Client, taper: Booked) -> None:
    as_(client, taper.clinician)
    page = text(client.get(rhythm_url(taper), SPRAY | STEPS | {"step2-count": 5}))
    assert "The steps add up to 13 infusions, but this series has 12." in page
    page = text(client.get(rhythm_url(taper), SPRAY | STEPS | {"step1-count": 1, "step2-count": 11}))
    assert "2 infusions of this step were given already." in page
    assert 'name="token"' not in page


def test_a_step_that_was_given_does_not_change_any_more(client: Client) -> None:
    taper = book(slug="T-2W4W4")
    first, second = taper.series.settings.steps
    taper.give(*range(1, first.count + 1))
    as_(client, taper.clinician)
    page = text(client.get(rhythm_url(taper)))
    assert "this does not change any more" in page
    assert "step1-min_gap_days" not in page
    forged = {"step1-min_gap_days": 1, "step1-max_gap_days": 30, "step1-count": first.count}
    later = {
        "step2-count": second.count,
        "step2-target_gap_days": 10,
        "step2-min_gap_days": 8,
        "step2-max_gap_days": 12,
    }
    page = text(client.get(rhythm_url(taper), MINUTES | forged | later))
    client.post(rhythm_url(taper), {"token": token_in(page), "reason": "Every ten days"})
    assert taper.series.settings.steps[0] == first
    assert taper.series.settings.steps[1].target_gap_days == 10


def test_the_pages_of_a_change_need_the_same_queries_for_2_and_20_infusions(client: Client, queries: Queries) -> None:
    clinic = make_clinic()
    two = book(slug="T-YALE4", n=2, clinic=clinic)
    twenty = book(n=20, clinic=clinic, patient=make_patient("Mei", "Chen"))
    as_(client, clinic.clinician)
    for one in (two, twenty):
        asked = MINUTES | {"step1-weekdays": [1, 4], "step1-min_gap_days": 2, "step1-max_gap_days": 5, "replan": "1"}
        with queries("change rhythm"):
            assert 'name="token"' in text(client.get(rhythm_url(one), asked))
        n = len(one.series.rows) + 1
        with queries("change number"):
            assert 'name="token"' in text(client.get(reverse("courses:change_number", args=[one.course.pk]), {"n": n}))


# -- notes -------------------------------------------------------------------------------------------------------------


def test_a_number_outside_the_protocol_is_noted_and_not_refused(client: Client, booked: Booked) -> None:
    """Source: clinical.md A2 C1, "warn outside 4-8"."""
    address = reverse("courses:change_number", args=[booked.course.pk])
    as_(client, booked.clinician)
    assert "made for" not in text(client.get(address, {"n": 8}))
    page = text(client.get(address, {"n": 9}))
    assert "9 infusions are more than this protocol is made for: 4 to 8." in page
    client.post(f"{address}?n=9", {"token": token_in(page), "reason": "Late responder"})
    assert len(booked.series.rows) == 9


def test_a_long_infusion_is_noted_wherever_it_is_typed_and_on_the_course(client: Client, booked: Booked) -> None:
    """Source: clinical.md B5, 40-60 min."""
    said = "The infusion of 75 min is longer than this protocol says, 40 to 60 min."
    as_(client, booked.clinician)
    assert said not in text(client.get(rhythm_url(booked), MINUTES | AS_IT_IS | {"infusion_min": 60}))
    assert said in text(client.get(rhythm_url(booked), MINUTES | AS_IT_IS | {"infusion_min": 75}))
    address = reverse("courses:minutes", args=[booked.infusion(4).pk])
    assert "40 to 60 min by the protocol" in text(client.get(address))
    answer = client.post(address, MINUTES | {"infusion_min": 75, "reason": "Slow rate"}, follow=True)
    assert said in text(answer)
    assert "Infusion 4: the infusion of 75 min is longer than this protocol says" in text(answer)


# -- when the patient cannot come --------------------------------------------------------------------------------------


def test_bookings_inside_the_patients_unavailable_times_are_named_with_a_way_out(
    client: Client, booked: Booked
) -> None:
    as_(client, booked.desk)
    assert "cannot come" not in text(client.get(course_url(booked)))
    make_unavailability(booked.patient, april(12), april(14), note="Wedding")
    page = text(client.get(course_url(booked)))
    assert (
        "2 booked infusions fall into times at which the patient cannot come: "
        "infusion 4 on Mon 12 Apr, 08:00 and infusion 5 on Wed 14 Apr, 08:00."
    ) in page
    assert f"{move_url(booked, 4)}?mode=shift" in page
    assert "Move infusion 4" not in text(as_(client, booked.nurse).get(course_url(booked)))


def test_only_the_hours_that_touch_the_visit_count(client: Client, booked: Booked) -> None:
    """The visit is from 08:00 to 10:00."""
    as_(client, booked.desk)
    make_unavailability(booked.patient, april(12), from_time=time(10), until_time=time(12))
    assert "cannot come" not in text(client.get(course_url(booked)))
    make_unavailability(booked.patient, april(16), from_time=time(9, 45), until_time=time(12))
    page = text(client.get(course_url(booked)))
    assert "1 booked infusion falls into times at which the patient cannot come: infusion 6 on Fri 16 Apr" in page


def test_the_rhythm_page_leads_to_the_patients_unavailable_times(client: Client, booked: Booked) -> None:
    make_unavailability(booked.patient, april(20), april(22), note="Wedding")
    make_unavailability(booked.patient, april(1))  # over
    page = text(as_(client, booked.clinician).get(rhythm_url(booked)))
    assert "Tue 20 Apr to Thu 22 Apr" in page
    assert "Thu 1 Apr" not in page
    assert f"{booked.patient.get_absolute_url()}#away-title" in page
