"""The safety report against numbers that were reckoned by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.tests.factories import Clinic, make_clinic
from courses.models import AdverseEvent, ClinicalEvent, InfusionRecord, InfusionVisit
from courses.pure.reports.contents import Figure, Report, Table, Unit
from courses.pure.reports.filters import Filters
from courses.reports.registry import NoSuchListError
from courses.reports.safety import KIND
from courses.tests.report_kit import put_result
from courses.tests.series_kit import at
from courses.tests.visits_kit import (
    course_of,
    put_alarm,
    put_decision,
    put_effect,
    put_look,
    put_run,
    put_visit,
)
from patients.models import DangerAlert, IntakeSettings, Patient
from patients.tests.factories import make_patient, make_request

pytestmark = pytest.mark.django_db

FIRST, LAST = date(2027, 3, 1), date(2027, 3, 31)
MARCH = Filters(since=FIRST, until=LAST)
NOW = at(date(2027, 4, 15), "12:00")


def built(filters: Filters = MARCH) -> Report:
    return KIND.build(filters, NOW)


def figure(key: str, filters: Filters = MARCH) -> Figure:
    return next(one for one in built(filters).figures() if one.key == key)


def table(key: str, filters: Filters = MARCH) -> Table:
    return next(one for one in built(filters).tables() if one.key == key)


def row(key: str, first: str, filters: Filters = MARCH) -> tuple[Any, ...]:
    return next(one for one in table(key, filters).rows if one[0] == first)


def listed(key: str, filters: Filters = MARCH) -> list[tuple[Any, ...]]:
    with time_machine.travel(NOW, tick=False):
        found = KIND.listed(key, filters)
    rows = list(found.rows[0:100])
    assert len(rows) == found.total == len(found.rows)
    assert all(len(one.cells) == len(found.columns) for one in rows)
    return [one.cells for one in rows]


def one_of(figure: Figure) -> tuple[int | None, int | None, str]:
    """Numerator, denominator, percent to one decimal."""
    return figure.numerator, figure.denominator, "" if figure.value is None else f"{figure.value:.1f}"


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def visits(clinic: Clinic, n: int, *, patient: Patient | None = None, day: int = 2) -> list[InfusionVisit]:
    """So many infusions given to one patient, one each day from the 2nd of March on, at ten."""
    patient = patient or make_patient()
    return [put_visit(clinic, patient, at(date(2027, 3, day) + timedelta(days=number), "10:00")) for number in range(n)]


# -- side effects ------------------------------------------------------------------------------------------------------
def test_case_37_thirteen_of_36_infusions_with_an_effect_are_36_1_percent(clinic: Clinic):
    given = [one for number in range(3) for one in visits(clinic, 12, patient=make_patient(family_name=f"P{number}"))]
    for visit in given[:13]:
        put_effect(visit)
    put_effect(given[0], "headache", "severe")  # a second one at the same infusion
    assert one_of(figure("effects")) == (13, 36, "36.1")
    # Wilson: (13 + 1.9208)/(36 + 3.8415) ± 1.96/39.8415 · sqrt(13·23/36 + 0.9604), by hand 22.5 to 52.4
    found = figure("effects")
    assert (f"{found.low:.1f}", f"{found.high:.1f}") == ("22.5", "52.4")
    # The first twelve are of the first patient, the 13th of the second; the third had none.
    assert one_of(figure("effect-patients")) == (None, 3, "")
    assert figure("effect-patients").is_few
    assert len(listed("effects")) == 14
    assert [cells[0] for cells in listed("effect-patients")] == [12, 12]


def test_an_effect_that_was_struck_or_at_an_infusion_not_given_does_not_count(clinic: Clinic):
    given = visits(clinic, 6)
    struck = put_effect(given[0])
    AdverseEvent.objects.filter(pk=struck.pk).update(struck_at=NOW, struck_by=clinic.nurse, struck_reason="Slip")
    withheld = put_visit(clinic, make_patient(), at(date(2027, 3, 20), "10:00"), "withheld", reason="Ill")
    put_effect(withheld)
    put_effect(given[1])
    assert one_of(figure("effects")) == (1, 6, "16.7")
    assert one_of(figure("withheld")) == (1, 7, "14.3")


def test_fewer_than_five_infusions_have_no_share(clinic: Clinic):
    put_effect(visits(clinic, 4)[0])
    found = figure("effects")
    assert (found.is_few, found.value, found.low, found.numerator, found.denominator) == (True, None, None, None, 4)
    assert row("effect-kinds", "Nausea")[1:3] == (1, None)


def test_effects_by_kind_severity_and_seriousness_with_the_published_shares(clinic: Clinic):
    given = visits(clinic, 5)
    put_effect(given[0], "nausea", "mild")
    put_effect(given[1], "nausea", "moderate", outcome="transferred", is_serious=True)
    put_effect(given[1], "dissociation", "severe")
    assert row("effect-severity", "Nausea") == ("Nausea", 1, 1, 0)
    kinds = row("effect-kinds", "Nausea")
    assert kinds == ("Nausea", 2, Decimal(40), 1, None, 1, "20 % or more (intravenous, P4)")
    assert row("effect-kinds", "Sedation")[1:] == (0, Decimal(0), 0, None, 0, "48–61 % (esketamine, L1)")
    worst = {one[0]: one[1] for one in table("worst").rows}
    assert worst == {"None": 3, "Mild": 1, "Moderate": 0, "Severe": 1}
    assert figure("serious").value == 1
    assert figure("serious").words == "1 sent to hospital"
    assert [cells[1:4] for cells in listed("serious")] == [("Nausea", "Moderate", "Serious")]
    assert [cells[1:3] for cells in listed("worst-severe")] == [("Dissociation that troubled them", "Severe")]
    assert len(listed("effect-nausea")) == 2


def test_infusions_without_an_answer_about_effects_are_said_to_be_so(clinic: Clinic):
    given = visits(clinic, 6)
    put_effect(given[0])
    InfusionRecord.objects.filter(pk=given[1].record.pk).update(
        no_adverse_events_at=NOW, no_adverse_events_by=clinic.nurse
    )
    assert figure("effects").words.startswith("At 4 of them neither an effect nor “none” was entered")
    asked = figure("effects-asked")
    assert (asked.denominator, asked.is_few, asked.missing[0].n) == (2, True, 4)


# -- period and place --------------------------------------------------------------------------------------------------
def test_the_last_day_ends_at_midnight_on_the_clocks_of_the_location(clinic: Clinic):
    patient = make_patient()
    for when in ("2027-02-28 23:59", "2027-03-01 00:00", "2027-03-31 23:30", "2027-04-01 00:00"):
        day, clock = when.split()
        put_visit(clinic, patient, at(date.fromisoformat(day), clock))
    assert figure("effects").denominator == 2


def test_a_location_further_west_has_its_own_midnight(clinic: Clinic):
    west = make_clinic("West", time_zone="America/Los_Angeles")
    half_past_eleven = datetime(2027, 4, 1, 6, 30, tzinfo=UTC)  # 23:30 on 31 March there, 02:30 on 1 April in New York
    put_visit(west, make_patient(), half_past_eleven)
    put_visit(clinic, make_patient(), half_past_eleven)
    assert figure("effects").denominator == 1
    assert figure("effects", replace(MARCH, location=west.location.pk)).denominator == 1
    assert figure("effects", replace(MARCH, location=clinic.location.pk)).denominator == 0


def test_another_location_does_not_count(clinic: Clinic):
    other = make_clinic("Uptown")
    put_effect(visits(clinic, 5)[0])
    visits(other, 7, patient=make_patient())
    assert one_of(figure("effects", replace(MARCH, location=clinic.location.pk))) == (1, 5, "20.0")
    assert one_of(figure("effects", replace(MARCH, location=other.location.pk))) == (0, 7, "0.0")
    assert one_of(figure("effects")) == (1, 12, "8.3")
    assert built(replace(MARCH, location=other.location.pk)).about == "Uptown · infusions 1 Mar 2027 to 31 Mar 2027"


def test_an_open_period_counts_everything(clinic: Clinic):
    visits(clinic, 5)
    assert figure("effects", Filters()).denominator == 5
    assert figure("effects", Filters(since=date(2027, 3, 4))).denominator == 3
    assert figure("effects", Filters(until=date(2027, 3, 4))).denominator == 3


# -- holds -------------------------------------------------------------------------------------------------------------
def test_findings_by_rule_soft_and_hard_and_whether_it_was_given(clinic: Clinic):
    given = visits(clinic, 5)
    put_decision(given[0], "pressure", "soft")
    put_decision(given[0], "pressure", "hard")
    put_decision(given[1], "fasting_solids", "hard")
    withheld = put_visit(clinic, make_patient(), at(date(2027, 3, 20), "10:00"), "withheld", reason="Pressure 170/104")
    put_decision(withheld, "pressure", "soft")
    assert row("findings", "Blood pressure or pulse before the start")[1:] == (2, 1, 1)
    assert row("findings", "Last solid food")[1:] == (0, 1, 1)
    assert one_of(figure("overridden")) == (2, 5, "40.0")
    assert one_of(figure("acknowledged")) == (1, 5, "20.0")
    assert table("withheld-reasons").rows == (("Pressure 170/104", 1),)
    assert listed("withheld") == [(date(2027, 3, 20), "Pressure 170/104")]
    assert [cells[1:3] for cells in listed("finding-fasting_solids")] == [("Last solid food", "Overridden")]
    assert len(listed("overridden")) == 2


# -- pauses and stops --------------------------------------------------------------------------------------------------
def test_stops_for_an_effect_and_for_another_reason_with_what_was_delivered(clinic: Clinic):
    given = visits(clinic, 10)
    put_run(given[0], ("start", 15), ("stop", 35), reason="Vomiting", for_effect=True)  # 20 of 40 min: 20.6 mg
    put_run(given[1], ("start", 15), ("pause", 25), ("resume", 35), ("stop", 45), reason="Vomiting", for_effect=True)
    put_run(given[2], ("start", 15), ("stop", 25), reason="Line came out")  # 10 of 40 min: 10.3 mg
    put_run(given[3], ("start", 15), ("end", 55))
    assert one_of(figure("stopped")) == (2, 10, "20.0")
    assert one_of(figure("stopped-other")) == (1, 10, "10.0")
    assert one_of(figure("paused")) == (1, 10, "10.0")
    # 20.6 mg and 50 % each (10 min and 10 min around the pause); 10.3 mg and 25 %.
    assert table("stop-reasons").rows == (
        ("Vomiting", "Yes", 2, Decimal("20.6"), Decimal(50)),
        ("Line came out", "No", 1, Decimal("10.3"), Decimal(25)),
    )
    assert figure("stopped-share").is_few
    assert [cells[1:] for cells in listed("stopped-other")] == [
        ("Line came out", Decimal("10.3"), Decimal("41.2"), Decimal(25))
    ]
    assert table("pauses").rows == (("Vomiting", 1, 1),)
    assert [cells[1:] for cells in listed("paused")] == [("10:25", "Vomiting")]


# -- limits ------------------------------------------------------------------------------------------------------------
def test_limits_by_rule_count_alarms_infusions_and_those_without_an_answer(clinic: Clinic):
    given = visits(clinic, 5)
    put_run(given[0], ("start", 15))
    high = put_look(given[0], 25, 184, 104)
    put_alarm(high, "pressure_pause", "pause", answered_at=NOW, answered_by=clinic.nurse, what_was_done="Paused")
    put_alarm(put_look(given[0], 30, 182, 100), "pressure_confirmed")
    put_alarm(put_look(given[1], 25, 130, 80, spo2_percent=92), "oxygen")
    struck = put_look(given[2], 25, 205, 118)
    put_alarm(struck, "pressure_stop", "stop")
    type(struck).objects.filter(pk=struck.pk).update(struck_at=NOW, struck_by=clinic.nurse, struck_reason="Slip")
    assert one_of(figure("high-pressure")) == (1, 5, "20.0")
    assert row("alarms", "High pressure") == ("High pressure", 1, 1, Decimal(20), 0)
    assert row("alarms", "High pressure, confirmed") == ("High pressure, confirmed", 1, 1, Decimal(20), 1)
    assert [one[0] for one in table("alarms").rows] == ["Low oxygen", "High pressure, confirmed", "High pressure"]
    assert len(listed("high-pressure")) == 2
    assert [cells[3] for cells in listed("alarm-pressure_pause")] == ["Paused"]


def test_the_last_reading_before_the_start_is_judged_and_the_peak_after_it_falls_in_its_band(clinic: Clinic):
    given = visits(clinic, 6)
    # Case 32: 140/90 proceeds, 141/85 is soft, 158/100 is hard; a high reading that was repeated counts no more.
    readings = ((140, 90), (141, 85), (158, 100), (130, 80), (130, 80), (132, 84))
    for visit, (systolic, diastolic) in zip(given, readings, strict=True):
        put_look(visit, 2, 165, 101, heart_rate_bpm=80)
        put_look(visit, 10, systolic, diastolic, heart_rate_bpm=80)
        put_run(visit, ("start", 15))
        put_look(visit, 30, systolic + 20, diastolic + 10)  # 160/100 161/95 178/110 150/90 150/90 152/94
        put_look(visit, 50, 120, 70)
    counted = [(one[0], one[1], one[2]) for one in table("before").rows]
    assert counted == [("Within the limits", 4, 0), ("Above the soft limit", 1, 0), ("Hold", 1, 0)]
    assert listed("before-soft") == [(date(2027, 3, 3), "141/85 mmHg, pulse 80", "given")]
    assert listed("before-hard") == [(date(2027, 3, 4), "158/100 mmHg, pulse 80", "given")]
    assert {one[0]: one[1] for one in table("peak-systolic").rows} == {
        "below 141": 0, "141–159": 3, "160–179": 3, "180–199": 0, "200 and more": 0,
    }  # fmt: skip
    assert {one[0]: one[1] for one in table("peak-diastolic").rows} == {
        "below 91": 2, "91–99": 2, "100–109": 1, "110–119": 1, "120 and more": 0,
    }  # fmt: skip


def test_the_profile_of_the_location_judges(clinic: Clinic):
    IntakeSettings.objects.create(location=clinic.location, pressure_profile="swiss_label")  # above 180 or above 100
    visit = visits(clinic, 1)[0]
    put_look(visit, 10, 158, 100, heart_rate_bpm=80)
    put_run(visit, ("start", 15))
    assert {one[0]: one[1] for one in table("before").rows}["Within the limits"] == 1


# -- danger ------------------------------------------------------------------------------------------------------------
def alert(clinic: Clinic, day: int, minutes: int | None, **fields: Any) -> DangerAlert:
    """Raised at ten on that day of March; acknowledged so many minutes later, or not."""
    raised = at(date(2027, 3, day), "10:00")
    done: dict[str, Any] = {}
    if minutes is not None:
        acknowledged = raised + timedelta(minutes=minutes)
        done = {"acknowledged_at": acknowledged, "acknowledged_by": clinic.clinician, "what_was_done": "Called"}
    values = {"kind": "phq9_item9", "detail": "2", "patient": make_patient(), "raised_at": raised} | done | fields
    return DangerAlert.objects.create(location=clinic.location, **values)


def test_danger_alerts_time_to_acknowledgement_open_late_and_escalated(clinic: Clinic):
    for number, minutes in enumerate((5, 10, 15, 20, 30, 31), 1):
        alert(clinic, number, minutes)
    alert(clinic, 20, None, escalated_at=NOW, kind="cssrs_high")
    asked = make_request(clinic.location)
    alert(clinic, 21, 4, patient=None, request=asked, kind="urgent_request")
    alert(make_clinic("Uptown"), 22, 90)
    here = replace(MARCH, location=clinic.location.pk)
    assert figure("alerts", here).value == 8
    # Waits 4 5 10 15 20 30 31: the median is 15, the 90th percentile lies 0.4 of the way from 30 to 31.
    wait = figure("alert-wait", here)
    assert (wait.value, wait.denominator, wait.unit) == (Decimal(15), 7, Unit.MINUTES)
    assert "90 in 100 within 30 min" in wait.words
    assert [(one.why, one.n) for one in wait.missing] == [("not acknowledged yet", 1)]
    assert figure("alerts-open", here).value == 1
    assert figure("alerts-late", here).value == 2  # 31 minutes, and the one that waits: more than the usual 30
    assert figure("alerts-escalated", here).value == 1
    assert row("alert-kinds", "PHQ-9 item 9", here)[1:5] == (6, 0, 1, 0)
    assert len(listed("alerts-late", here)) == 2
    assert [cells[2] for cells in listed("alerts-open", here)] == ["C-SSRS high"]
    assert figure("alerts", replace(here, until=date(2027, 3, 20))).value == 7


def test_admissions_and_attempts_of_the_days_of_the_period(clinic: Clinic):
    course = course_of(clinic, make_patient())
    for kind, day in (("admission", FIRST), ("admission", LAST), ("admission", date(2027, 4, 1)), ("attempt", LAST)):
        ClinicalEvent.objects.create(course=course, kind=kind, day=day, at=NOW, by=clinic.clinician)
    ClinicalEvent.objects.create(
        course=course, kind="attempt", day=FIRST, at=NOW, by=clinic.clinician,
        struck_at=NOW, struck_by=clinic.clinician, struck_reason="Slip",
    )  # fmt: skip
    assert [figure(f"event-{kind}").value for kind in ("admission", "attempt")] == [2, 1]
    assert listed("event-attempt") == [(LAST,)]
    elsewhere = replace(MARCH, location=make_clinic("Uptown").location.pk)
    assert figure("event-admission", elsewhere).value == 0


# -- in all ------------------------------------------------------------------------------------------------------------
def test_infusions_and_milligrams_in_all_are_of_all_courses_of_the_patients_of_the_period(clinic: Clinic):
    for number, given in enumerate((2, 6, 8, 12, 40)):
        patient = make_patient(family_name=f"P{number}")
        put_result(clinic, patient, date(2026, 11, 2), n_given_in_all=given, given_mg=Decimal(given * 40))
        put_visit(clinic, patient, at(date(2027, 3, 2), f"{8 + number:02d}:00"))
    put_result(clinic, make_patient(family_name="Elsewhere"), date(2026, 11, 2), n_given_in_all=99)  # none in March
    assert figure("infusions-in-all").value == 8
    assert figure("ketamine-in-all").value == 320
    assert table("cumulative").rows == (("1–3", 1), ("4–8", 2), ("9–16", 1), ("17–30", 0), ("31 and more", 1))
    assert [cells[0] for cells in listed("infusions-in-all")] == [40, 12, 8, 6, 2]


# -- the whole ---------------------------------------------------------------------------------------------------------
def test_an_empty_clinic_says_so_and_divides_by_nothing():
    report = built()
    assert all(one.value in (None, 0) for one in report.figures())
    assert figure("effects").words == "Nothing to count yet"
    assert all(listed(one.key) == [] for one in report.figures() if one.has_list)


def test_the_page_takes_one_query_however_much_there_is(clinic: Clinic):
    for visit in visits(clinic, 6):
        put_effect(visit)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        built()
    assert len(queries) == 1


def test_every_list_that_is_named_opens_and_no_other(clinic: Clinic):
    given = visits(clinic, 5)
    put_effect(given[0])
    put_decision(given[1])
    put_alarm(put_look(given[2], 25, 205, 118), "pressure_stop", "stop")
    alert(clinic, 5, 3)
    report = built()
    keys = [one.key for one in report.figures() if one.has_list]
    keys += [key for one in report.tables() for key in one.row_lists if key]
    assert {"effect-nausea", "finding-pressure", "alarm-pressure_stop", "alerts-kind-phq9_item9"} <= set(keys)
    for key in keys:
        listed(key)
    for odd in ("nothing", "effect-", "effect-x'; DROP TABLE", "alarm-none", "before-proceed", "worst-none"):
        with pytest.raises(NoSuchListError):
            KIND.listed(odd, MARCH)


def test_a_list_is_read_page_by_page(clinic: Clinic):
    for visit in visits(clinic, 7):
        put_effect(visit)
    rows = KIND.listed("effects", MARCH).rows
    assert [one.cells[0].day for one in rows[0:3]] == [8, 7, 6]
    assert [one.cells[0].day for one in rows[6:9]] == [2]
    assert list(rows[7:10]) == []
    assert len(rows) == 7


def test_filters_that_do_not_apply_are_named():
    assert "not applied here: indication" in built(replace(MARCH, indication="trd")).about
