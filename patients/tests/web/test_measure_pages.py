"""Measures of a patient: who reads them, typing one in, what the result says, striking, the list, the trend."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.pure.roles import Can, Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import Assessment, AssessmentSource, DangerAlert, IntakeSettings, Patient
from patients.pure.measures import MEASURES
from patients.services import panels
from patients.services.assessments import record_assessment, strike_assessment
from patients.services.panels import Mark
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York
CLINICAL = (Role.NURSE, Role.CLINICIAN)
OTHERS = (Role.FRONT_DESK, Role.MANAGER)
MILD = {1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 0, 7: 0, 8: 0, 9: 0}


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _only_own_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_panels", "_timelines", "_marks"):
        monkeypatch.setattr(panels, name, {})


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_patient()


@pytest.fixture
def nurse(clinic: Clinic) -> Client:
    return signed_in(clinic, Role.NURSE)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def record(clinic: Clinic, patient: Patient, measure: str = "phq9", *, days_ago: int = 0, **fields: Any) -> Assessment:
    if not {"answers", "total"} & set(fields):
        fields["answers"] = MILD
    usual: dict[str, Any] = {
        "taken_at": NOW - timedelta(days=days_ago),
        "source": AssessmentSource.STAFF,
        "by": clinic.nurse,
        "location": clinic.location,
        "now": NOW,
    }
    return record_assessment(patient=patient, measure=measure, **(usual | fields))


def posted(answers: dict[int, int], **fields: str) -> dict[str, str]:
    usual = {"how": "items", "taken_on": "2027-01-07", "taken_time": "09:30", "note": "", "token": "t1"}
    return usual | {f"item_{number}": str(value) for number, value in answers.items()} | fields


def send(client: Client, patient: Patient, measure: str, data: dict[str, str]) -> HttpResponse:
    return client.post(reverse("measures:entry", args=[patient.pk, measure]), data)  # type: ignore[return-value]


def text_of(client: Client, name: str, *args: object, query: str = "") -> str:
    answer = client.get(reverse(f"measures:{name}", args=args) + query)
    assert answer.status_code == 200, (name, answer.status_code)
    return str(answer.content.decode())


# --- who ---------------------------------------------------------------------------------------------------------------
PAGES = ("patient", "trend", "entry", "result", "strike")


def url_of(name: str, row: Assessment) -> str:
    args = {"patient": [row.patient_id], "trend": [row.patient_id, "phq9"], "entry": [row.patient_id, "phq9"]}
    return reverse(f"measures:{name}", args=args.get(name, [row.pk]))


@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_for_nurses_and_clinicians_only(clinic: Clinic, ada: Patient, name: str) -> None:
    url = url_of(name, record(clinic, ada))
    for role in CLINICAL:
        assert signed_in(clinic, role).get(url).status_code == 200, role
    for role in OTHERS:
        assert signed_in(clinic, role).get(url).status_code == 403, role
    stranger = Client()
    stranger.force_login(make_user())
    assert stranger.get(url).status_code == 403
    assert Client().get(url)["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("role", OTHERS)
def test_others_can_neither_enter_nor_strike(clinic: Clinic, ada: Patient, role: Role) -> None:
    row, client = record(clinic, ada), signed_in(clinic, role)
    assert send(client, ada, "phq9", posted(MILD)).status_code == 403
    assert client.post(reverse("measures:strike", args=[row.pk]), {"reason": "x"}).status_code == 403
    assert Assessment.objects.valid().count() == 1


def test_the_front_desk_learns_whether_a_score_is_there_and_no_more(clinic: Clinic, ada: Patient) -> None:
    page = reverse("patients:detail", args=[ada.pk])
    desk, manager = signed_in(clinic, Role.FRONT_DESK), signed_in(clinic, Role.MANAGER)
    before = desk.get(page).content.decode()
    assert "PHQ-9" in before
    assert re.search(r"PHQ-9</dt><dd>.*missing", before)
    record(clinic, ada, answers=MILD | {9: 1})
    after = desk.get(page).content.decode()
    assert re.search(r"PHQ-9</dt><dd>.*complete", after)
    for word in ("Mild", "spark", "item 9", "measures/patient"):
        assert word not in re.sub(r"/measures/patient/\d+/(send|hand-over)/", "", after), word
    assert "PHQ-9" not in manager.get(page).content.decode()


def test_the_reading_of_a_result_and_of_a_trend_is_logged(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    row = record(clinic, ada)
    for name in ("patient", "trend", "result"):
        nurse.get(url_of(name, row))
    pages = set(AccessLog.objects.filter(subject=ada.resource).values_list("page", flat=True))
    assert pages == {"Measures", "Trend of PHQ-9", "Measure"}


def test_an_unknown_measure_or_patient_is_not_found(ada: Patient, nurse: Client) -> None:
    assert nurse.get(reverse("measures:entry", args=[ada.pk, "bdi"])).status_code == 404
    assert nurse.get(reverse("measures:trend", args=[ada.pk, "bdi"])).status_code == 404
    assert nurse.get(reverse("measures:patient", args=[987654])).status_code == 404


def test_a_merged_record_leads_to_the_one_that_was_kept(ada: Patient, nurse: Client) -> None:
    old = make_patient("Ada", "Old", merged_into=ada)
    for name in ("patient", "entry"):
        args = [old.pk] if name == "patient" else [old.pk, "phq9"]
        assert nurse.get(reverse(f"measures:{name}", args=args))["Location"] == f"/measures/patient/{ada.pk}/"
    assert send(nurse, old, "phq9", posted(MILD))["Location"] == f"/measures/patient/{ada.pk}/"


# --- entering ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("code", MEASURES)
def test_every_measure_has_a_page_to_enter_it(ada: Patient, nurse: Client, code: str) -> None:
    page = text_of(nurse, "entry", ada.pk, code)
    one = MEASURES[code]
    assert one.name.replace("’", "’") in page
    assert "Licence:" in page
    if one.wording_allowed:
        assert all(
            re.sub(r"\W+", "", item.text) in re.sub(r"&#x27;|&quot;|<[^>]+>|\W+", "", page) for item in one.items
        )
    elif one.entry == "total":
        assert 'name="total"' in page


def test_phq9_shows_its_wording_with_the_notice_and_all_options(ada: Patient, nurse: Client) -> None:
    page = text_of(nurse, "entry", ada.pk, "phq9")
    assert "Over the last 2 weeks, how often have you been bothered by any of the following problems?" in page
    assert page.count('type="radio"') == 40
    assert "No permission required to reproduce, translate, display or distribute" in page


def test_answers_are_saved_with_the_clock_of_the_location_and_lead_to_the_result(ada: Patient, nurse: Client) -> None:
    answer = send(nurse, ada, "phq9", posted(MILD, note="By phone"))
    row = Assessment.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == reverse("measures:result", args=[row.pk])
    assert row.taken_at == datetime(2027, 1, 7, 14, 30, tzinfo=UTC)  # 09:30 in New York
    assert (int(row.score or 0), row.band, row.note, row.source) == (5, "Mild", "By phone", "staff")
    page = text_of(nurse, "result", row.pk)
    assert "Mild" in page
    assert "Thu 7 Jan 2027, 09:30" in page
    assert "By phone" in page


def test_the_same_form_sent_twice_is_one_assessment(ada: Patient, nurse: Client) -> None:
    first, second = (send(nurse, ada, "phq9", posted(MILD)) for _ in range(2))
    assert first["Location"] == second["Location"]
    assert Assessment.objects.count() == 1


def test_missing_items_are_said_before_they_are_saved(ada: Patient, nurse: Client) -> None:
    some = {number: value for number, value in MILD.items() if number not in {5, 6}}
    refused = send(nurse, ada, "phq9", posted(some))
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "Items 5, 6 are not answered." in page
    assert "prorated" in page
    assert page.count(" checked>") == 7  # what was chosen stays chosen
    assert not Assessment.objects.exists()
    assert send(nurse, ada, "phq9", posted(some, save_incomplete="1")).status_code == 302
    row = Assessment.objects.get()
    assert (int(row.score or 0), row.is_prorated) == (5, True)  # 4 / 7 × 9 = 5.14


def test_the_enter_key_never_means_save_as_it_is(ada: Patient, nurse: Client) -> None:
    page = send(nurse, ada, "phq9", posted({1: 1})).content.decode()
    form = page[page.index("data-measure-form") :]
    first = re.search(r"<button[^>]*type=\"submit\"[^>]*>", form)
    assert first
    assert "save_incomplete" not in first.group()


def test_item_9_left_out_gives_no_score_a_task_and_a_concern(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    some = {number: value for number, value in MILD.items() if number != 9}
    refused = send(nurse, ada, "phq9", posted(some)).content.decode()
    assert "Item 9 asks about suicide" in refused
    saved = send(nurse, ada, "phq9", posted(some, save_incomplete="1"))
    page = nurse.get(saved["Location"]).content.decode()
    assert "Item 9 was not answered. Ask it" in page
    assert DangerAlert.objects.get().detail == "not answered. Ask it today."
    overview = nurse.get(reverse("patients:detail", args=[ada.pk])).content.decode()
    assert "PHQ-9 item 9 was not answered: ask it today" in overview


def test_skipped_questions_of_the_screener_are_not_missing(ada: Patient, nurse: Client) -> None:
    assert send(nurse, ada, "cssrs", posted({1: 1, 2: 0, 6: 0})).status_code == 302
    assert Assessment.objects.get().band == "Low"
    page = send(nurse, ada, "cssrs", posted({1: 1, 2: 1, 6: 0}, token="t2")).content.decode()
    assert "Items 3, 4, 5 are not answered." in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"taken_on": "2027-01-08"}, "in the future"),
        ({"taken_on": "1980-01-01"}, "before the patient was born"),
        ({"taken_on": ""}, "This field is required"),
        ({"item_1": "7"}, "Choose one of the answers"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(
    ada: Patient, nurse: Client, fields: dict[str, str], words: str
) -> None:
    answer = send(nurse, ada, "phq9", posted(MILD) | fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Assessment.objects.exists()


def test_nothing_answered_is_refused(ada: Patient, nurse: Client) -> None:
    answer = send(nurse, ada, "phq9", posted({}, save_incomplete="1"))
    assert answer.status_code == 422
    assert "Nothing is answered yet." in answer.content.decode()


def test_a_total_is_entered_with_its_range_and_its_item_about_suicide(ada: Patient, nurse: Client) -> None:
    page = text_of(nurse, "entry", ada.pk, "madrs")
    assert "Total (0–60)" in page
    assert "Item 10, about suicide" in page
    refused = send(nurse, ada, "madrs", posted({}, how="total", total="61"))
    assert refused.status_code == 422
    saved = send(nurse, ada, "madrs", posted({}, how="total", total="31", danger_answer="3"))
    row = Assessment.objects.get()
    assert (int(row.score or 0), row.band, row.answers) == (31, "Moderate", {"10": 3})
    assert "MADRS item 10: answered 3. Total 31." in nurse.get(saved["Location"]).content.decode()


def test_the_other_way_of_entering_is_offered(ada: Patient, nurse: Client) -> None:
    assert 'name="total"' in text_of(nurse, "entry", ada.pk, "phq9", query="?how=total")
    assert text_of(nurse, "entry", ada.pk, "madrs", query="?how=items").count('type="radio"') == 70
    assert 'name="total"' not in text_of(nurse, "entry", ada.pk, "cssrs", query="?how=total")


def test_form_and_education_are_asked_where_they_matter(ada: Patient, nurse: Client) -> None:
    data = posted({}, how="total", total="25", finished_high_school="0", form_version="8.1")
    saved = send(nurse, ada, "slums", data)
    page = nurse.get(saved["Location"]).content.decode()
    assert "Normal" in page
    assert "8.1" in page


# --- the result --------------------------------------------------------------------------------------------------------
def test_a_danger_signal_shows_crisis_contacts_and_its_alert(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    IntakeSettings.objects.create(location=clinic.location, crisis_text="Call the house line 555-0100.")
    saved = send(nurse, ada, "phq9", posted(MILD | {9: 1}))
    page = nurse.get(saved["Location"]).content.decode()
    assert "Needs a clinician today" in page
    assert "Call the house line 555-0100." in page
    assert "not acknowledged yet" in page
    assert reverse("measures:entry", args=[ada.pk, "cssrs"]) in page  # clinical.md case 9: the C-SSRS is prompted


def test_without_a_signal_no_crisis_line_stands_there(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    assert "988" not in text_of(nurse, "result", record(clinic, ada).pk)


def test_the_result_says_what_it_means_and_how_far_it_moved(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    record(clinic, ada, total=20, days_ago=20)
    row = record(clinic, ada, answers={1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 0, 7: 0, 8: 0, 9: 0, 10: 1})
    page = text_of(nurse, "result", row.pk)
    assert "pattern: major depressive syndrome (a screen, not a diagnosis)" in page
    assert "somewhat difficult (not part of the score)" in page
    assert re.search(r"−10</span> <span>better</span>.*change that matters", page)
    assert "Löwe 2004" in page


def test_an_instrument_that_is_no_longer_known_is_still_shown(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    row = Assessment.objects.create(
        patient=ada, measure="old-scale", taken_at=NOW, recorded_at=NOW, source=AssessmentSource.IMPORTED, score=7
    )
    assert "old-scale" in text_of(nurse, "result", row.pk)
    assert "old-scale" in text_of(nurse, "patient", ada.pk)


# --- struck ------------------------------------------------------------------------------------------------------------
def test_striking_needs_a_reason_and_stays_visible(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    row = record(clinic, ada)
    url = reverse("measures:strike", args=[row.pk])
    assert nurse.post(url, {"reason": ""}).status_code == 422
    assert nurse.post(url, {"reason": "Belongs to Mei"}).status_code == 302
    page = text_of(nurse, "result", row.pk)
    assert "Struck: it counts no more." in page
    assert "Belongs to Mei" in page
    assert "Belongs to Mei" in text_of(nurse, "patient", ada.pk)
    assert "No score yet" in text_of(nurse, "trend", ada.pk, "phq9")


# --- the list ----------------------------------------------------------------------------------------------------------
def test_the_list_filters_sorts_and_says_when_nothing_is_there(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    assert "Nothing filled in yet" in text_of(nurse, "patient", ada.pk)
    record(clinic, ada, total=20, days_ago=3)
    record(clinic, ada, "gad7", total=9, days_ago=1)

    def listed(query: str = "") -> list[str]:
        rows = re.search(r"<tbody>(.*)</tbody>", text_of(nurse, "patient", ada.pk, query=query), re.DOTALL)
        return re.findall(r">(PHQ-9|GAD-7)</a>", rows.group(1)) if rows else []

    assert listed() == ["GAD-7", "PHQ-9"]
    assert listed("?sort=when") == ["PHQ-9", "GAD-7"]
    assert listed("?measure=phq9") == ["PHQ-9"]
    assert listed("?measure=nonsense") == ["GAD-7", "PHQ-9"]
    assert "None of this measure" in text_of(nurse, "patient", ada.pk, query="?measure=pcl5")


# --- the trend ---------------------------------------------------------------------------------------------------------
def chart_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="trend-facts" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    facts: dict[str, Any] = json.loads(found.group(1))
    return facts


def infusions(monkeypatch: pytest.MonkeyPatch, *days: date) -> None:
    def marks(_request: HttpRequest, _patient: Patient) -> list[Mark]:
        return [Mark(day, str(number), f"Infusion {number} of 6") for number, day in enumerate(days, 1)]

    panels.register_marks("course", Can.VIEW_COURSE, marks)


def test_chart_and_table_say_the_same_with_bands_infusions_and_overlaps(
    clinic: Clinic, ada: Patient, nurse: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    infusions(monkeypatch, date(2026, 12, 20), date(2026, 12, 23))
    for days_ago, total in ((30, 20), (15, 14), (13, 9), (0, 8)):  # 8 and 23 and 25 Dec, 7 Jan
        record(clinic, ada, total=total, days_ago=days_ago)
    page = text_of(nurse, "trend", ada.pk, "phq9")
    facts = chart_of(page)
    assert [point["score"] for point in facts["points"]] == [20, 14, 9, 8]
    assert facts["points"][-1]["at"] == "2027-01-07T10:00:00"  # the clock of the location
    overlaps = ["", "", "in-series, overlapping window", "overlapping window"]
    assert [point["window"] for point in facts["points"]] == overlaps
    assert [(mark["short"], mark["at"]) for mark in facts["marks"]] == [("1", "2026-12-20"), ("2", "2026-12-23")]
    assert (facts["low"], facts["high"], facts["remission"], len(facts["bands"])) == (0, 27, 4, 5)
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)[1:]
    assert len(rows) == 4
    assert "60.0 % lower" in rows[0]  # 20 → 8
    assert "infusion 1 of 6" in rows[2]  # of 23 Dec: taken at the check-in of the second
    assert "infusion 2 of 6" in rows[1]
    assert "Scores taken closer together overlap" in page


def test_a_measure_without_bands_says_so_and_invents_none(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    record(clinic, ada, "cadss", total=12)
    page = text_of(nurse, "trend", ada.pk, "cadss")
    assert chart_of(page)["bands"] == []
    assert "No bands are published for this measure." in page


def test_the_screener_has_a_table_and_no_chart(clinic: Clinic, ada: Patient, nurse: Client) -> None:
    record(clinic, ada, "cssrs", answers={1: 1, 2: 0, 6: 0})
    page = text_of(nurse, "trend", ada.pk, "cssrs")
    assert "trend-facts" not in page
    assert "Low" in page


def test_what_counts_as_a_change_can_be_chosen_where_sources_differ(
    clinic: Clinic, ada: Patient, nurse: Client
) -> None:
    record(clinic, ada, "pcl5", total=36, days_ago=40)
    record(clinic, ada, "pcl5", total=25)
    by_ten = text_of(nurse, "trend", ada.pk, "pcl5")
    assert "change that matters</span>" in by_ten  # clinical.md case 12: 10 points is the default
    assert "change that matters</span>" not in text_of(nurse, "trend", ada.pk, "pcl5", query="?change=rci_15")
    assert "change that matters</span>" in text_of(nurse, "trend", ada.pk, "pcl5", query="?change=nonsense")


# --- the card of the patient's page -------------------------------------------------------------------------------------
def test_the_overview_shows_the_latest_score_its_change_and_the_timeline(
    clinic: Clinic, ada: Patient, nurse: Client
) -> None:
    url = reverse("patients:detail", args=[ada.pk])
    assert "No score yet." in nurse.get(url).content.decode()
    record(clinic, ada, total=20, days_ago=21)
    record(clinic, ada, total=9)
    page = nurse.get(url).content.decode()
    assert re.search(r"−11</span> since the first <span[^>]*>\(55.0 % lower\)", page)
    assert 'aria-label="2 scores, from 20 to 9"' in page
    assert "PHQ-9 9, mild" in page
    assert page.count("spark-dot") >= 2


# --- safety of words, and queries ---------------------------------------------------------------------------------------
MARKUP = "<script>alert(1)</script>"


def test_markup_in_names_notes_and_reasons_stays_text(clinic: Clinic, nurse: Client) -> None:
    patient = make_patient(MARKUP, "Okafor")
    row = record(clinic, patient, note=MARKUP)
    strike_assessment(patient_id=patient.pk, assessment_id=row.pk, reason=MARKUP, by=clinic.nurse, now=NOW)
    record(clinic, patient, note=MARKUP)
    for name in PAGES:
        page = nurse.get(url_of(name, row)).content.decode()
        assert MARKUP not in page, name
        assert "&lt;script&gt;" in page, name


@pytest.mark.parametrize("count", [2, 20])
def test_pages_take_the_same_queries_for_2_and_20_assessments(
    clinic: Clinic, ada: Patient, nurse: Client, queries: Queries, count: int
) -> None:
    rows = [record(clinic, ada, total=9, days_ago=number) for number in range(count)]
    for name in ("patient", "trend", "result"):
        with queries(f"measures {name}"):
            assert nurse.get(url_of(name, rows[0])).status_code == 200
    with queries("measures entry"):
        assert nurse.get(url_of("entry", rows[0])).status_code == 200
