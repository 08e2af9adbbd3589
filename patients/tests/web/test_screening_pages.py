"""The screening page, deciding, the signed decision, and the card on the patient's page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import Consultation, IntakeSettings, Patient, RequestStatus, ScreeningAnswer, ScreeningDecision
from patients.pure.pressure import PROFILES
from patients.pure.screening import QUESTIONS
from patients.services.screening import screen
from patients.tests.factories import (
    make_allergy,
    make_consultation,
    make_medicine,
    make_patient,
    make_problem,
    make_request,
    make_vitals,
)
from patients.tests.screening_kit import make_clean

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York
FRAGMENT = {"HX-Request": "true"}
MARKUP = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_patient(sex="female")


@pytest.fixture
def record(clinic: Clinic, ada: Patient) -> Consultation:
    return make_clean(ada, clinic.location, clinic.clinician, NOW)


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def url(name: str, record: Any) -> str:
    return reverse(f"intake:{name}", args=[record.pk])


def body(response: HttpResponse, status: int = 200) -> str:
    assert response.status_code == status
    return response.content.decode()


def decision_form(record: Consultation, **fields: Any) -> dict[str, Any]:
    """What the page sends: fit, everything accepted, confirmed, unless said otherwise."""
    found = screen(record.pk, now=NOW).findings
    return {
        "indication": "trd",
        "outcome": "fit",
        "conditions": "",
        "reason": "",
        "profile": "default",
        "confirmed": "on",
        "shown": [one.stamp for one in found],
        **{f"verdict-{one.code}": "accepted" for one in found},
    } | fields


# --- the questions ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", [Role.NURSE, Role.CLINICIAN])
def test_clinical_staff_read_every_question_and_the_findings(
    role: Role, clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_medicine(ada, "theophylline")
    page = body(signed_in(clinic, role).get(url("screening", record)))
    assert "Theophylline, aminophylline" in page
    assert "They lower the seizure threshold" in page
    assert "Ketamine hydrochloride injection, US prescribing information (2024)" in page
    for question in QUESTIONS:
        if question.code != "pregnancy":  # recorded as not possible
            assert question.text.split("{")[0] in page
    assert ("Each answer is saved at once" in page) == (role is Role.CLINICIAN)
    assert (url("decide", record) in page) == (role is Role.CLINICIAN)


@pytest.mark.parametrize("name", ["screening", "screening_answers", "decide"])
@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_the_front_desk_and_managers_see_nothing_of_it(
    name: str, role: Role, clinic: Clinic, record: Consultation
) -> None:
    client = signed_in(clinic, role)
    answer = client.post(url(name, record)) if name == "screening_answers" else client.get(url(name, record))
    assert answer.status_code == 403


def test_a_nurse_neither_answers_nor_decides(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.NURSE)
    assert client.post(url("screening_answers", record), {"answer-mania": "yes"}).status_code == 403
    assert client.get(url("decide", record)).status_code == 403
    assert client.post(url("decide", record), decision_form(record)).status_code == 403
    assert not ScreeningDecision.objects.exists()


def test_a_stranger_is_sent_to_sign_in(record: Consultation) -> None:
    assert Client().get(url("screening", record)).status_code == 302


@pytest.mark.parametrize("headers", [{}, FRAGMENT])
def test_the_reading_is_logged(headers: dict[str, str], clinic: Clinic, record: Consultation, ada: Patient) -> None:
    signed_in(clinic, Role.NURSE).get(url("screening", record), headers=headers)
    row = AccessLog.objects.get()
    assert (row.subject_id, row.page) == (ada.resource_id, "Screening")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.code)
def test_each_profile_can_be_chosen_and_says_its_limits(profile: Any, clinic: Clinic, record: Consultation) -> None:
    page = body(signed_in(clinic, Role.CLINICIAN).get(url("screening", record), {"profile": profile.code}))
    assert f'<option value="{profile.code}" selected>' in page
    assert profile.note.replace("'", "&#x27;") in page


def test_a_consultation_that_does_not_exist_is_not_found(clinic: Clinic) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    for name in ("screening", "decide", "decision"):
        assert client.get(reverse(f"intake:{name}", args=[404])).status_code == 404
    assert client.post(reverse("intake:screening_answers", args=[404])).status_code == 404


def test_an_empty_consultation_says_what_was_not_asked(clinic: Clinic, ada: Patient) -> None:
    record = make_consultation(ada, clinic.location, clinic.clinician)
    page = body(signed_in(clinic, Role.CLINICIAN).get(url("screening", record)))
    assert "Not asked: heart and vessels" in page
    assert "No blood pressure" in page
    assert "Nothing was decided yet" in page


def test_markup_is_text(clinic: Clinic, ada: Patient) -> None:
    record = make_consultation(ada, clinic.location, clinic.clinician)
    make_medicine(ada, f"diazepam {MARKUP}", dose=MARKUP)
    make_problem(ada, f"Glaucoma {MARKUP}")
    ScreeningAnswer.objects.create(consultation=record, code="porphyria", answer="yes", note=MARKUP)
    for name in ("screening", "decide"):
        assert MARKUP not in body(signed_in(clinic, Role.CLINICIAN).get(url(name, record)))


def test_what_is_missing_leads_to_where_it_is_recorded(clinic: Clinic, ada: Patient) -> None:
    record = make_consultation(ada, clinic.location, clinic.clinician, can_be_pregnant="yes")
    page = body(signed_in(clinic, Role.NURSE).get(url("screening", record), headers=FRAGMENT))
    assert "<html" not in page
    for name in ("intake:vitals_add", "intake:pregnancy_add", "patients:background", "measures:patient"):
        assert f'href="{reverse(name, args=[ada.pk])}"' in page


# --- answers ----------------------------------------------------------------------------------------------------------
def test_an_answer_is_saved_and_the_findings_come_back(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    sent = {"answer-glaucoma": "yes", "note-glaucoma": "left eye", "base-glaucoma": "no", "base-note-glaucoma": ""}
    answer = client.post(url("screening_answers", record), sent, headers=FRAGMENT)
    page = body(answer)
    assert "<html" not in page
    assert 'id="findings"' in page
    assert "raised pressure in the eye? Yes (left eye)" in page
    assert '<input type="hidden" id="base-glaucoma" name="base-glaucoma" value="yes" hx-swap-oob="true">' in page
    assert ScreeningAnswer.objects.get(code="glaucoma").note == "left eye"


def test_without_javascript_the_page_comes_back(clinic: Clinic, record: Consultation) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    sent = {"answer-glaucoma": "yes", "base-glaucoma": "no", "profile": "label"}
    answer = client.post(url("screening_answers", record), sent)
    assert answer.status_code == 302
    assert answer["Location"] == url("screening", record) + "?profile=label#group-heart"


def test_the_rest_of_a_group_is_no_and_what_was_answered_stays(clinic: Clinic, ada: Patient) -> None:
    record = make_consultation(ada, clinic.location, clinic.clinician)
    sent: dict[str, str] = {f"answer-{question.code}": "" for question in QUESTIONS}
    sent |= {"answer-porphyria": "yes", "all_no": "organs"}
    signed_in(clinic, Role.CLINICIAN).post(url("screening_answers", record), sent)
    stored = {row.code: row.answer for row in ScreeningAnswer.objects.filter(consultation=record)}
    organs = [question.code for question in QUESTIONS if question.group == "organs"]
    assert stored == dict.fromkeys(organs, "no") | {"porphyria": "yes"}


@pytest.mark.parametrize("headers", [FRAGMENT, {}])
def test_what_somebody_else_answered_is_shown_and_kept(
    headers: dict[str, str], clinic: Clinic, record: Consultation
) -> None:
    ScreeningAnswer.objects.filter(code="glaucoma").update(answer="yes", note="seen by Dr. Lee")
    sent = {
        "answer-glaucoma": "no",
        "note-glaucoma": "asked twice",
        "base-glaucoma": "",
        "answer-avm": "yes",
        "base-avm": "no",
    }
    page = body(signed_in(clinic, Role.CLINICIAN).post(url("screening_answers", record), sent, headers=headers), 409)
    assert "Somebody else answered <strong>yes (seen by Dr. Lee)</strong> meanwhile, and that is kept" in page
    assert "You chose <strong>no (asked twice)</strong>" in page
    assert '<input type="radio" name="answer-glaucoma" value="yes" checked>' in page
    assert ScreeningAnswer.objects.get(code="glaucoma").answer == "yes"
    assert ScreeningAnswer.objects.get(code="avm").answer == "yes"


def test_forged_questions_and_answers_change_nothing(clinic: Clinic, record: Consultation) -> None:
    before = list(ScreeningAnswer.objects.values_list("code", "answer"))
    sent = {"answer-invented": "yes", "answer-mania": "perhaps", "all_no": "nowhere"}
    signed_in(clinic, Role.CLINICIAN).post(url("screening_answers", record), sent)
    assert list(ScreeningAnswer.objects.values_list("code", "answer")) == before


# --- deciding ---------------------------------------------------------------------------------------------------------
def test_a_decision_is_signed_and_shown(clinic: Clinic, ada: Patient) -> None:
    request = make_request(clinic.location, patient=ada, status=RequestStatus.SEEN)
    record = make_clean(ada, clinic.location, clinic.clinician, NOW, request=request)
    make_medicine(ada, "sertraline", dose="50 mg")
    client = signed_in(clinic, Role.CLINICIAN)
    conditions = "Pressure below 140/90 before each infusion"
    form = decision_form(record, outcome="conditions", conditions=conditions)
    answer = client.post(url("decide", record), form, follow=True)
    page = body(answer)
    assert "Fit with conditions" in page
    assert conditions in page
    assert "sertraline, 50 mg" in page
    assert "Accepted as it is" in page
    assert "Wed 7 Apr 2027" in page  # 90 days later
    assert clinic.clinician.display_name in page
    request.refresh_from_db()
    assert request.status == RequestStatus.DECIDED


def test_watch_and_info_begin_as_accepted_and_a_stop_begins_open(
    clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_medicine(ada, "sertraline")
    make_medicine(ada, "theophylline")
    page = body(signed_in(clinic, Role.CLINICIAN).get(url("decide", record)))
    assert 'name="verdict-medicine_ssri" value="accepted" checked' in page
    assert 'name="verdict-medicine_theophylline" value="accepted">' in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"confirmed": ""}, "Confirm that you sign this decision."),
        ({"outcome": ""}, "Choose the decision."),
        ({"outcome": "conditions"}, "Say which conditions."),
        ({"outcome": "not_now"}, "Say why."),
        ({"indication": ""}, "This field is required."),
        ({"verdict-hypersensitivity": ""}, "Decide on this finding."),
        ({"verdict-hypersensitivity": "accepted"}, "A stop cannot be accepted and the way be open."),
        ({"verdict-hypersensitivity": "overridden"}, "Say why it is overridden."),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_signed(
    fields: dict[str, str], said: str, clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_allergy(ada, "Ketamine")
    good = {"verdict-hypersensitivity": "overridden", "why-hypersensitivity": "Rash from tape, allergist agrees"}
    client = signed_in(clinic, Role.CLINICIAN)
    form = decision_form(
        record, **(good | {"why-hypersensitivity": "" if "verdict" in str(fields) else "tape"} | fields)
    )
    page = body(client.post(url("decide", record), form), 422)
    assert said in page
    assert not ScreeningDecision.objects.exists()
    assert client.post(url("decide", record), decision_form(record, **good)).status_code == 302


def test_findings_that_are_new_since_the_page_was_opened_are_shown_and_nothing_is_signed(
    clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    form = decision_form(record)
    make_medicine(ada, "theophylline")
    page = body(signed_in(clinic, Role.CLINICIAN).post(url("decide", record), form), 422)
    assert "Nothing was signed: 1 finding is new or changed since you opened this page." in page
    assert "is-new" in page
    assert not ScreeningDecision.objects.exists()


def test_the_profile_that_was_chosen_is_the_one_that_is_kept(
    clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_vitals(ada, clinic.clinician, systolic_mmhg=158, diastolic_mmhg=88, measured_at=NOW + timedelta(seconds=1))
    client = signed_in(clinic, Role.CLINICIAN)
    assert "above the soft limit" in body(client.get(url("decide", record)))
    assert "above the soft limit" not in body(client.get(url("decide", record), {"profile": "trial_e1"}))
    client.post(url("decide", record), decision_form(record, shown=[], profile="trial_e1"))
    assert ScreeningDecision.objects.get().pressure_profile == "trial_e1"


def test_ten_thousand_characters_are_refused_with_words(clinic: Clinic, record: Consultation) -> None:
    form = decision_form(record, outcome="no", reason="x" * 10_000)
    assert "at most 4000 characters" in body(signed_in(clinic, Role.CLINICIAN).post(url("decide", record), form), 422)


# --- the signed decision ----------------------------------------------------------------------------------------------
def make_decision(record: Consultation, clinic: Clinic, **fields: Any) -> ScreeningDecision:
    values = {
        "indication": "trd",
        "outcome": "fit",
        "pressure_profile": "default",
        "signed_at": NOW,
        "signed_by": clinic.clinician,
        "expires_on": (NOW + timedelta(days=90)).date(),
    } | fields
    return ScreeningDecision.objects.create(patient=record.patient, consultation=record, **values)


def test_a_decision_is_read_by_clinical_staff_only(clinic: Clinic, record: Consultation) -> None:
    signed = make_decision(record, clinic)
    for role, status in ((Role.NURSE, 200), (Role.CLINICIAN, 200), (Role.FRONT_DESK, 403), (Role.MANAGER, 403)):
        assert signed_in(clinic, role).get(url("decision", signed)).status_code == status


def test_the_history_says_which_decision_counts(clinic: Clinic, record: Consultation) -> None:
    none = {"expires_on": None, "reason": "Waits for the ECG"}
    first = make_decision(record, clinic, outcome="not_now", signed_at=NOW - timedelta(days=9), **none)
    second = make_decision(record, clinic)
    page = body(signed_in(clinic, Role.NURSE).get(url("decision", first)))
    assert "Replaced by a later one" in page
    assert url("decision", second) in page
    assert "Valid" in page


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (90, "Valid"),
        (15, "Valid"),
        (5, "Expires in 5 days"),
        (1, "Expires in 1 day"),
        (0, "Expires today"),
        (-1, "Expired: renew it"),
    ],
)
def test_the_patients_page_says_how_long_a_decision_counts(
    days: int, said: str, clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_decision(record, clinic, expires_on=(NOW + timedelta(days=days)).date())
    page = body(signed_in(clinic, Role.NURSE).get(reverse("patients:detail", args=[ada.pk])))
    assert "Screening decision" in page
    assert said in page
    assert clinic.clinician.display_name in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Complete"),
        ({"expires_on": (NOW - timedelta(days=1)).date()}, "Missing"),
        ({"outcome": "no", "reason": "Psychosis in 1998", "expires_on": None}, "Missing"),
    ],
)
def test_the_front_desk_sees_only_complete_or_missing(
    fields: dict[str, Any], said: str, clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_decision(record, clinic, **fields)
    page = body(signed_in(clinic, Role.FRONT_DESK).get(reverse("patients:detail", args=[ada.pk])))
    assert f"{said}</span>" in page
    assert "Screening decision" not in page
    assert "Psychosis" not in page


def test_managers_see_no_card_and_nobody_sees_one_before_a_consultation(
    clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    make_decision(record, clinic)
    assert "decision-card" not in body(signed_in(clinic, Role.MANAGER).get(reverse("patients:detail", args=[ada.pk])))
    other = make_patient("Mei", "Chen")
    assert "decision-card" not in body(
        signed_in(clinic, Role.CLINICIAN).get(reverse("patients:detail", args=[other.pk]))
    )


def test_after_a_consultation_without_decision_the_card_says_so(
    clinic: Clinic, record: Consultation, ada: Patient
) -> None:
    address = reverse("patients:detail", args=[ada.pk])
    assert "Nothing decided yet" in body(signed_in(clinic, Role.NURSE).get(address))
    assert "Missing</span>" in body(signed_in(clinic, Role.FRONT_DESK).get(address))


def test_a_condition_with_markup_is_text(clinic: Clinic, record: Consultation) -> None:
    kept = [
        {
            **dict.fromkeys(("code", "title", "reason", "source", "note"), MARKUP),
            "severity": "stop",
            "raised_by": MARKUP,
            "verdict": "overridden",
        }
    ]
    signed = make_decision(record, clinic, outcome="conditions", conditions=MARKUP, findings=kept)
    assert MARKUP not in body(signed_in(clinic, Role.NURSE).get(url("decision", signed)))


# --- ledger -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [2, 20])
def test_each_page_needs_as_many_queries_for_2_rows_as_for_20(
    rows: int, clinic: Clinic, record: Consultation, ada: Patient, queries: Queries
) -> None:
    IntakeSettings.objects.create(location=clinic.location)
    for number in range(rows):
        make_medicine(ada, f"tramadol {number}")
        make_problem(ada, f"Glaucoma {number}")
        make_decision(record, clinic, signed_at=NOW - timedelta(days=number))
    client = signed_in(clinic, Role.CLINICIAN)
    client.get(url("screening", record))
    with queries("screening"):
        answer = client.get(url("screening", record))
    assert answer.status_code == 200
    with queries("screening, an answer"):
        answer = client.post(
            url("screening_answers", record), {"answer-avm": "yes", "base-avm": "no"}, headers=FRAGMENT
        )
    assert answer.status_code == 200
    client.get(url("decide", record))
    with queries("screening, decide"):
        answer = client.get(url("decide", record))
    assert answer.status_code == 200
    signed = ScreeningDecision.objects.first()
    client.get(url("decision", signed))
    with queries("screening, decision"):
        answer = client.get(url("decision", signed))
    assert answer.status_code == 200


def test_only_its_own_clinic_role_counts(clinic: Clinic, record: Consultation) -> None:
    """Somebody with two roles may do what either may."""
    both = make_user(Role.FRONT_DESK, Role.CLINICIAN, home_location=clinic.location)
    client = Client()
    client.force_login(both)
    assert client.get(url("decide", record)).status_code == 200
