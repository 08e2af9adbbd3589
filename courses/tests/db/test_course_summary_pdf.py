"""A course on paper: what the referrer reads in clinical terms, what the patient reads in plain words."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import typst

from clinic.tests.fixtures.ledger import Queries
from courses.adapters.course_pdf import pdf_of, source
from courses.adapters.typesetting import inputs_of
from courses.models import CareEntry, CareItem, CourseStatus, MaintenancePlan, Task
from courses.pure.course_page import Audience, CoursePage
from courses.pure.summary_pdf import Block
from courses.services.course_pdf import page_for
from courses.services.course_whole import NothingGivenError, read_whole, to_sum_up
from courses.services.courses import close_course
from courses.tests.closing_kit import whole_course
from courses.tests.outcome_kit import course_with
from courses.tests.series_kit import Booked, april, at, book
from patients.models import IntakeSettings

pytestmark = pytest.mark.django_db
NOW = at(april(20))
NASTY = '#panic("no") $x^2$ [b] <script>alert(1)</script> *bold* _it_ @ref `raw` // \\ "q"'


def text_of(pdf: bytes) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed (on Debian: apt-get install poppler-utils)")
    done = subprocess.run([program, "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def page(booked: Booked, audience: Audience, now: datetime = NOW) -> CoursePage:
    course = to_sum_up().get(pk=booked.course.pk)
    return page_for(audience, read_whole(course, now))


def made(summary: CoursePage) -> bytes:
    return pdf_of(summary, at=NOW.astimezone(UTC).replace(microsecond=123_456))


def words_of(booked: Booked, audience: Audience, now: datetime = NOW) -> str:
    return " ".join(text_of(made(page(booked, audience, now))).split())


def close(
    booked: Booked, status: CourseStatus = CourseStatus.COMPLETED, reason: str = "All given", to: str = ""
) -> None:
    close_course(booked.course.pk, status=status, reason=reason, to=to, by=booked.clinician, now=at(april(19)))


def add_therapy(booked: Booked) -> CareItem:
    known = {"created_at": NOW, "created_by": booked.nurse, "started_on": april(6)}
    item = CareItem.objects.create(
        course=booked.course, kind="therapy", title="Talk therapy", responsible="Dr. Ruiz", **known
    )
    for day in (8, 13):
        CareEntry.objects.create(item=item, day=april(day), at=NOW, by=booked.nurse)
    return item


def test_the_referrer_reads_what_was_given_what_it_came_to_and_what_follows() -> None:
    """Scores and terms of clinical.md case 2; 6 × 41.2 mg = 247.2 mg, at 82.4 kg 3.0 mg/kg (R8)."""
    booked = whole_course()
    add_therapy(booked)
    close(booked)
    words = words_of(booked, Audience.REFERRER)
    for said in (
        "Ada Okafor",
        "April 5, 2027 to April 16, 2027",
        "Treatment-resistant depression",
        "6 in 2 weeks, Mon-Wed-Fri, version 1",
        "6 given, 6 planned",
        "247.2 mg, 3.0 mg/kg",
        "Baseline 22 (April 1, 2027)",
        "After infusion 6 8 (April 17, 2027), improvement 63.6 %",
        "Response, not remission",
        "4 April 12, 2027 41.2 mg 10 54.5 %",
        "Nausea at 2 of 5 infusions, moderate at most",
        "Headache at 1 of 5 infusions, mild",
        "Not answered at 1 of 6.",
        "Completed on April 19, 2027",
        "All given",
        "Talk therapy (Dr. Ruiz), since April 6, 2027, 2 sessions",
        "No further infusions are planned here.",
        "None on record.",
    ):
        assert said in words, (said, words)
    assert "Page 1 of 1" in words
    (outcome,) = page(booked, Audience.REFERRER).right
    assert dict(outcome.rows)["First seen"] == (
        "improvement after infusion 2, partial response after infusion 2, response after infusion 4 (gradual)"
    )


def test_the_patient_reads_plain_words_and_no_terms_of_the_trade() -> None:
    """22 to 8 points is 14 fewer, and 8 is less than half of 22 (case 2)."""
    booked = whole_course()
    add_therapy(booked)
    close(booked)
    words = words_of(booked, Audience.PATIENT)
    for said in (
        "You had 6 infusions of ketamine for depression. Together that was 247.2 mg of the medicine.",
        "You had all of the infusions that we planned with you.",
        "Before your first infusion (April 1, 2027): 22 points.",
        "After infusion 6 (April 17, 2027): 8 points. That is 14 points fewer than before, and less than half of what it was.",
        "3 April 9, 2027 41.2 mg",
        "Your other care Talk therapy, with Dr. Ruiz.",
        "when",
        "It hurts when you pass water",
        "call 911",
        "988",
    ):
        assert said in words, (said, words)
    for foreign in (
        "response",
        "remission",
        "baseline",
        "Improvement",
        "%",
        "mg/kg",
        "protocol",
        "All given",
        "Nausea",
    ):
        assert foreign.lower() not in words.lower(), foreign
    assert "Page 1 of 1" in words


@pytest.mark.parametrize(
    ("status", "to", "for_patient", "for_referrer"),
    [
        (
            CourseStatus.STOPPED,
            "",
            "The treatment was stopped early.",
            "Stopped on April 19, 2027 Why Words of the trade",
        ),
        (
            CourseStatus.TRANSFERRED,
            "Dr. Vega",
            "From now on Dr. Vega goes on with your care.",
            "Transferred to Dr. Vega",
        ),
        (CourseStatus.LOST, "", "We have not heard from you for a while.", "Lost to follow-up on April 19, 2027"),
    ],
)
def test_each_end_is_said_to_both_and_the_reason_only_to_the_referrer(
    status: CourseStatus, to: str, for_patient: str, for_referrer: str
) -> None:
    booked = course_with(22, 19, 15)
    close(booked, status, "Words of the trade", to)
    plain, clinical = words_of(booked, Audience.PATIENT), words_of(booked, Audience.REFERRER)
    assert for_patient in plain
    assert "Words of the trade" not in plain
    assert for_referrer in clinical
    assert "Words of the trade" in clinical


def test_a_running_course_says_what_comes_next_and_what_is_open() -> None:
    booked = course_with(22, 19, 15)
    known = {"decided_at": NOW, "decided_by": booked.clinician, "reason": "Wants to wait"}
    MaintenancePlan.objects.create(course=booked.course, way="as_needed", review_on=date(2027, 7, 1), **known)
    Task.objects.create(
        kind="review", key="x", location=booked.clinic.location, course=booked.course, text="Review after infusion 2",
        due_on=april(9), opened_at=at(april(8)),
    )  # fmt: skip
    now = at(april(8))
    plain, clinical = words_of(booked, Audience.PATIENT, now), words_of(booked, Audience.REFERRER, now)
    assert "Your treatment is still going on." in plain
    assert "Your next infusion here: Fri 9 Apr, 08:00." in plain
    assert "You can have another infusion when you need one." in plain
    assert "by July 1, 2027" in plain
    assert "As needed; reviewed on July 1, 2027" in clinical
    assert "Review after infusion 2" in clinical
    assert "Review after infusion 2" not in plain


def test_a_worse_score_is_said_as_it_is_and_asks_to_talk() -> None:
    worse = words_of(course_with(12, 13, 15), Audience.PATIENT, at(april(9)))
    assert "After infusion 2 (April 9, 2027): 15 points. That is 3 points more than before." in worse
    assert "Please talk with us about it." in worse


def test_without_answers_before_the_first_infusion_nothing_is_claimed() -> None:
    booked = course_with(None, 19)
    plain = words_of(booked, Audience.PATIENT, at(april(8)))
    assert "So we cannot say what changed." in plain
    assert "fewer than before" not in plain
    assert "There is no PHQ-9 from before the first infusion." in words_of(booked, Audience.REFERRER, at(april(8)))


def test_the_clinic_s_own_crisis_lines_stand_at_the_end() -> None:
    booked = course_with(22, 19)
    IntakeSettings.objects.create(location=booked.clinic.location, crisis_text="Call 911.\nOur own line: 555-0199.")
    words = words_of(booked, Audience.PATIENT, at(april(8)))
    assert words.index("Call 911. Our own line: 555-0199.") > words.index("What comes next")
    assert "555-0199" not in words_of(booked, Audience.REFERRER, at(april(8)))


def test_before_the_first_infusion_there_is_nothing_to_sum_up() -> None:
    with pytest.raises(NothingGivenError, match="Nothing was given in this course yet"):
        page(book(), Audience.PATIENT, at(april(1)))


@pytest.mark.parametrize("audience", list(Audience))
def test_what_a_person_typed_is_text_whatever_characters_it_holds(audience: Audience) -> None:
    summary = page(course_with(22, 19), audience, at(april(8)))
    nasty = replace(
        summary, patient=NASTY, lead=(NASTY,), left=(Block(NASTY, ((NASTY, NASTY),)),),
        rows=((NASTY,) * len(summary.head),), after=(Block(NASTY, (("", NASTY), ("", NASTY))),), crisis=(NASTY,),
    )  # fmt: skip
    found = json.loads(typst.query(source(), "heading", field="body", sys_inputs=inputs_of(nasty.as_data())))
    assert {"func": "text", "text": NASTY} in found
    assert '#panic("no")' in text_of(made(nasty))


@pytest.mark.parametrize("audience", list(Audience))
def test_sixty_infusions_take_two_pages_at_most(audience: Audience) -> None:
    """A phase has at most 60 (``phase_number_plausible``)."""
    summary = page(course_with(22, 19), audience, at(april(8)))
    long = replace(summary, rows=tuple((str(number), *summary.rows[0][1:]) for number in range(1, 61)))
    assert "of 3" not in text_of(made(long))


def test_two_prints_of_the_same_are_the_same_and_a_rare_script_does_not_stop_it() -> None:
    summary = replace(page(course_with(22, 19), Audience.PATIENT, at(april(8))), patient="\U0001f600 李小明, Łukasz")
    assert made(summary) == made(summary)


def test_a_summary_needs_a_constant_number_of_queries(queries: Queries) -> None:
    booked = whole_course()
    add_therapy(booked)
    close(booked)
    course = to_sum_up().get(pk=booked.course.pk)
    with queries("course summary", at_most=12):
        summary = page_for(Audience.REFERRER, read_whole(course, NOW))
    assert len(summary.rows) == 6
