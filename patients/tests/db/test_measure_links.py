"""Links by which a patient fills in measures: opened once, answered from anywhere, finished exactly once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.core.exceptions import ValidationError
from pghistory.models import Context

from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    AlertKind,
    Assessment,
    AssessmentSource,
    DangerAlert,
    IntakeSettings,
    LinkKind,
    MeasureLink,
    Patient,
)
from patients.pure.measures import MEASURES, sendable_measures
from patients.services.intake_settings import intake_settings_of
from patients.services.measure_links import (
    SALT,
    AnswerRefusedError,
    LinkRefusedError,
    LinkState,
    NothingAnsweredError,
    Overlap,
    Refusal,
    begin,
    create_link,
    finish,
    finished_link,
    forget_drafts,
    links_of,
    open_link,
    progress_of,
    revoke,
    save_answer,
)
from patients.services.merge import merge_patients
from patients.services.registry import MergedPatientError
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 4, 15, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient()


def send(patient: Patient, clinic: Clinic, *codes: str, **changed: Any) -> tuple[MeasureLink, str]:
    values = {"kind": LinkKind.PHONE, "location": clinic.location, "by": clinic.nurse, "now": NOW} | changed
    return create_link(patient=patient, measures=codes or ("phq9",), **values)


def say(token: str, item: int, value: int | None, *, measure: str = "phq9", seen: int | None = None, now=NOW):
    return save_answer(token, measure=measure, item=item, value=value, seen=seen, now=now)


def why(call, *args, **kwargs) -> Refusal:
    with pytest.raises(LinkRefusedError) as refused:
        call(*args, **kwargs)
    return refused.value.why


# --- made ---------------------------------------------------------------------------------------------------------------
def test_only_a_hash_of_the_secret_is_kept(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    row = MeasureLink.objects.values().get()
    assert token not in json.dumps(row, default=str)
    assert token.split(".")[0] not in json.dumps(row, default=str)
    assert len(link.token_hash) == 64
    assert len(token.split(".")[0]) == 32  # 24 bytes, 192 bits


def test_two_links_never_share_a_token(clinic: Clinic, ada: Patient) -> None:
    assert len({send(ada, clinic)[1] for _ in range(20)}) == 20


def test_it_is_valid_as_many_days_as_the_location_says_and_a_tablet_for_one_visit(clinic: Clinic, ada: Patient) -> None:
    settings = intake_settings_of(clinic.location)
    settings.link_valid_days = 3
    settings.save()
    assert send(ada, clinic)[0].expires_at == NOW + 3 * DAY
    assert send(ada, clinic, kind=LinkKind.TABLET)[0].expires_at == NOW + 4 * HOUR
    assert IntakeSettings.objects.count() == 1


def test_measures_stand_in_the_order_of_the_house_and_once(clinic: Clinic, ada: Patient) -> None:
    assert send(ada, clinic, "gad7", "phq9", "gad7")[0].measures == ["phq9", "gad7"]


@pytest.mark.parametrize("code", sorted(set(MEASURES) - {one.code for one in sendable_measures()}))
def test_what_may_not_be_shown_or_is_for_a_clinician_cannot_be_sent(clinic: Clinic, ada: Patient, code: str) -> None:
    """Clinical.md E2: wording only where the licence allows; C-SSRS, QIDS, MADRS … have none, HAM-D is rated by staff."""
    with pytest.raises(ValidationError, match="cannot be filled in"):
        send(ada, clinic, "phq9", code)
    assert not MeasureLink.objects.exists()


def test_four_self_reports_may_be_sent(clinic: Clinic) -> None:
    assert {one.code for one in sendable_measures()} == {"phq9", "gad7", "pcl5", "auditc"}  # clinical.md fact 9


@pytest.mark.parametrize("codes", [["nothing"], ["phq9", "<script>"], [""]])
def test_an_unknown_measure_is_refused(clinic: Clinic, ada: Patient, codes: list[str]) -> None:
    with pytest.raises(ValidationError, match="at least one"):
        send(ada, clinic, *codes)


def test_no_link_for_a_record_that_was_merged_away_or_for_somebody_who_died(clinic: Clinic, ada: Patient) -> None:
    other = make_patient("Adah", merged_into=ada)
    with pytest.raises(MergedPatientError):
        send(other, clinic)
    gone = make_patient("Eve", status="deceased")
    with pytest.raises(ValidationError, match="has died"):
        send(gone, clinic)


# --- opened -------------------------------------------------------------------------------------------------------------
def test_looking_at_a_link_opens_nothing_and_beginning_is_noted_once(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    assert open_link(token, now=NOW) == link
    link.refresh_from_db()
    assert link.opened_at is None  # mail programs look at links before people do
    begin(token, now=NOW + HOUR)
    begin(token, now=NOW + 2 * HOUR)
    link.refresh_from_db()
    assert link.opened_at == NOW + HOUR


def test_it_opens_until_the_last_moment_and_not_at_it(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    assert open_link(token, now=link.expires_at - timedelta(microseconds=1)) == link
    assert why(open_link, token, now=link.expires_at) is Refusal.EXPIRED


def test_expired_used_revoked_and_unknown_each_say_so(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    revoke(patient_id=ada.pk, link_id=link.pk, by=clinic.desk, now=NOW)
    assert why(open_link, token, now=NOW) is Refusal.REVOKED
    _, token = send(ada, clinic)
    say(token, 1, 2)
    finish(token, now=NOW)
    assert why(open_link, token, now=NOW + 30 * DAY) is Refusal.USED
    assert why(open_link, "nothing", now=NOW) is Refusal.UNKNOWN


def forged(token: str) -> dict[str, str]:
    secret, signature = token.split(".")
    other = signing.Signer(salt="another purpose", sep=".").sign(secret)
    never = signing.Signer(salt=SALT, sep=".").sign("x" * 32)
    return {
        "a changed secret": f"{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}.{signature}",
        "a changed signature": f"{secret}.{signature[:-1]}{'a' if signature[-1] != 'a' else 'b'}",
        "no signature": secret,
        "an empty signature": f"{secret}.",
        "signed for something else": other,
        "signed by us, never given out": never,
        "much too long": token + "x" * 10_000,
        "markup": "<script>alert(1)</script>",
        "a null byte": "a\x00b",
        "empty": "",
    }


def test_a_forged_token_and_one_that_never_was_are_the_same_to_whoever_asks(clinic: Clinic, ada: Patient) -> None:
    _, token = send(ada, clinic)
    for what, wrong in forged(token).items():
        with pytest.raises(LinkRefusedError) as refused:
            open_link(wrong, now=NOW)
        assert (refused.value.why, refused.value.link) == (Refusal.UNKNOWN, None), what


def test_a_forged_token_asks_the_table_like_one_that_never_was(
    clinic: Clinic, ada: Patient, django_assert_num_queries
) -> None:
    """So that the time it takes tells nothing."""
    _, token = send(ada, clinic)
    for wrong in forged(token).values():
        with django_assert_num_queries(1), pytest.raises(LinkRefusedError):
            open_link(wrong, now=NOW)


# --- answered -----------------------------------------------------------------------------------------------------------
def test_answers_are_kept_item_by_item_and_a_skip_is_told_from_what_was_not_reached(
    clinic: Clinic, ada: Patient
) -> None:
    link, token = send(ada, clinic, "phq9", "gad7")
    say(token, 1, 0)
    say(token, 2, None)
    say(token, 1, 3, measure="gad7")
    link.refresh_from_db()
    assert link.draft == {"phq9": {"1": 0, "2": None}, "gad7": {"1": 3}}
    assert link.opened_at == NOW


@pytest.mark.parametrize(
    ("measure", "item", "value"),
    [
        ("phq9", 1, 4),
        ("phq9", 1, -1),
        ("phq9", 11, 0),
        ("phq9", 0, 0),
        ("gad7", 1, 0),
        ("cssrs", 1, 1),
        ("'; --", 1, 0),
    ],
)
def test_what_is_not_asked_in_this_link_is_refused(
    clinic: Clinic, ada: Patient, measure: str, item: int, value: int
) -> None:
    link, token = send(ada, clinic)
    with pytest.raises(AnswerRefusedError):
        say(token, item, value, measure=measure)
    link.refresh_from_db()
    assert link.draft == {}


def test_an_older_tab_changes_only_its_own_question(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    say(token, 1, 3)  # the phone
    say(token, 2, 1)  # the older tab on the desk, opened before
    link.refresh_from_db()
    assert link.draft["phq9"] == {"1": 3, "2": 1}


def test_of_two_answers_to_one_question_the_later_counts_and_the_caller_is_told(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    assert say(token, 1, 3)[1] is Overlap.NONE
    assert say(token, 1, 1)[1] is Overlap.REPLACED  # this screen was opened before the first answer
    assert say(token, 1, 2, seen=1)[1] is Overlap.NONE  # this one knew
    assert say(token, 1, 2)[1] is Overlap.NONE  # the same answer is no conflict
    link.refresh_from_db()
    assert link.draft["phq9"]["1"] == 2


def test_a_skip_on_an_older_screen_takes_no_newer_answer_away_but_a_knowing_one_does(
    clinic: Clinic, ada: Patient
) -> None:
    link, token = send(ada, clinic)
    say(token, 1, 3)
    assert say(token, 1, None)[1] is Overlap.KEPT
    link.refresh_from_db()
    assert link.draft["phq9"]["1"] == 3
    assert say(token, 1, None, seen=3)[1] is Overlap.NONE
    link.refresh_from_db()
    assert link.draft["phq9"]["1"] is None


def test_what_a_screen_saves_by_itself_and_arrives_late_does_not_undo_what_was_pressed(
    clinic: Clinic, ada: Patient
) -> None:
    """Chosen 3, changed to 1, "Next" pressed; the first saving was slow."""
    link, token = send(ada, clinic)
    assert say(token, 1, 1, seen=3)[1] is Overlap.NONE  # "Next", from the screen that had sent 3
    late = save_answer(token, measure="phq9", item=1, value=3, seen=None, now=NOW, is_final=False)
    assert late[1] is Overlap.KEPT
    link.refresh_from_db()
    assert link.draft["phq9"]["1"] == 1


def test_a_link_of_one_patient_writes_only_to_that_patient(clinic: Clinic, ada: Patient) -> None:
    other = make_patient("Ben", "Ruiz")
    mine, token = send(ada, clinic)
    theirs, _ = send(other, clinic)
    say(token, 1, 3)
    finish(token, now=NOW)
    assert Assessment.objects.get().patient == ada
    theirs.refresh_from_db()
    assert (theirs.draft, theirs.finished_at) == ({}, None)
    with pytest.raises(MeasureLink.DoesNotExist):
        revoke(patient_id=other.pk, link_id=mine.pk, by=clinic.desk, now=NOW)


# --- finished -----------------------------------------------------------------------------------------------------------
def test_finishing_records_each_measure_once_and_empties_the_draft(clinic: Clinic, ada: Patient) -> None:
    """Worked case 9's answers (clinical.md H2), with AUDIT-C 1-1-1 beside them."""
    link, token = send(ada, clinic, "phq9", "auditc")
    for item, value in enumerate([0, 0, 0, 1, 0, 0, 0, 0, 1], 1):
        say(token, item, value)
    for item in (1, 2, 3):
        say(token, item, 1, measure="auditc")
    rows = finish(token, now=NOW + HOUR)
    assert [(row.measure, row.score) for row in rows] == [("phq9", Decimal(2)), ("auditc", Decimal(3))]
    row = rows[0]
    assert (row.patient, row.link, row.source) == (ada, link, AssessmentSource.LINK)
    assert (row.recorded_by, row.taken_at, row.measure_version) == (None, NOW + HOUR, MEASURES["phq9"].version)
    link.refresh_from_db()
    assert (link.draft, link.finished_at) == ({}, NOW + HOUR)
    assert finished_link(token) == link


def test_on_a_tablet_of_the_clinic_the_source_says_so(clinic: Clinic, ada: Patient) -> None:
    _, token = send(ada, clinic, kind=LinkKind.TABLET)
    say(token, 1, 1)
    assert finish(token, now=NOW)[0].source == AssessmentSource.TABLET


def test_a_measure_without_any_answer_is_not_recorded_and_nothing_at_all_cannot_be_sent(
    clinic: Clinic, ada: Patient
) -> None:
    link, token = send(ada, clinic, "phq9", "gad7")
    with pytest.raises(NothingAnsweredError):
        finish(token, now=NOW)
    say(token, 1, None, measure="gad7")
    with pytest.raises(NothingAnsweredError):
        finish(token, now=NOW)
    say(token, 1, 2)
    assert [row.measure for row in finish(token, now=NOW)] == ["phq9"]
    link.refresh_from_db()
    assert link.finished_at == NOW


def test_a_link_that_was_finished_or_taken_back_or_has_expired_takes_nothing(clinic: Clinic, ada: Patient) -> None:
    _, used = send(ada, clinic)
    say(used, 1, 2)
    finish(used, now=NOW)
    revoked, back = send(ada, clinic)
    say(back, 1, 2)
    revoke(patient_id=ada.pk, link_id=revoked.pk, by=clinic.desk, now=NOW)
    _, late = send(ada, clinic)
    say(late, 1, 2)
    for token, now, reason in (
        (used, NOW, Refusal.USED),
        (back, NOW, Refusal.REVOKED),
        (late, NOW + 8 * DAY, Refusal.EXPIRED),
    ):
        assert why(say, token, 2, 1, now=now) is reason
        assert why(begin, token, now=now) is reason
        assert why(finish, token, now=now) is reason
    assert Assessment.objects.count() == 1
    revoked.refresh_from_db()
    assert revoked.draft == {}


def test_taking_back_a_finished_link_changes_nothing(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    say(token, 1, 2)
    finish(token, now=NOW)
    assert revoke(patient_id=ada.pk, link_id=link.pk, by=clinic.desk, now=NOW).revoked_at is None


def test_a_link_follows_its_patient_into_the_record_that_is_kept(clinic: Clinic, ada: Patient) -> None:
    duplicate = make_patient("Adah", "Okafor")
    _, token = send(duplicate, clinic)
    say(token, 1, 2)
    merge_patients(kept_id=ada.pk, duplicate_id=duplicate.pk, by=clinic.clinician, now=NOW)
    assert finish(token, now=NOW)[0].patient == ada


def test_answers_that_were_never_sent_are_forgotten_when_the_link_expires(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    say(token, 1, 2)
    assert forget_drafts(now=link.expires_at - HOUR) == 0
    assert forget_drafts(now=link.expires_at) == 1
    link.refresh_from_db()
    assert link.draft == {}


# --- danger -------------------------------------------------------------------------------------------------------------
def test_a_danger_answer_waits_for_a_clinician_before_anything_is_sent(clinic: Clinic, ada: Patient) -> None:
    """Clinical.md case 9: any non-zero item 9, whatever the total; also of somebody who then closes the page."""
    _, token = send(ada, clinic)
    say(token, 9, 1)
    alert = DangerAlert.objects.get()
    assert (alert.kind, alert.patient, alert.assessment) == (AlertKind.PHQ9_ITEM9, ada, None)
    assert "Several days" in alert.detail
    assert "not finished" in alert.detail


@pytest.mark.parametrize(("item", "value"), [(9, 0), (9, None), (8, 3)])
def test_other_answers_raise_nothing(clinic: Clinic, ada: Patient, item: int, value: int | None) -> None:
    _, token = send(ada, clinic)
    say(token, item, value)
    assert not DangerAlert.objects.exists()


def test_the_finished_questionnaire_takes_the_alert_over_instead_of_adding_one(clinic: Clinic, ada: Patient) -> None:
    _, token = send(ada, clinic)
    say(token, 9, 1)
    say(token, 9, 2, seen=1)
    say(token, 1, 1)
    row = finish(token, now=NOW + HOUR)[0]
    alert = DangerAlert.objects.get()
    assert (alert.assessment, alert.raised_at) == (row, NOW)
    assert "More than half the days" in alert.detail


def test_an_unfinished_alert_of_one_patient_does_not_swallow_that_of_another(clinic: Clinic, ada: Patient) -> None:
    other = make_patient("Ben", "Ruiz")
    for patient in (ada, other):
        say(send(patient, clinic)[1], 9, 3)
    assert {alert.patient for alert in DangerAlert.objects.all()} == {ada, other}


def test_after_a_clinician_acted_a_new_answer_is_a_new_alert(clinic: Clinic, ada: Patient) -> None:
    _, token = send(ada, clinic)
    say(token, 9, 1)
    DangerAlert.objects.update(acknowledged_at=NOW, acknowledged_by=clinic.clinician, what_was_done="Called.")
    say(token, 9, 3, seen=1)
    assert DangerAlert.objects.waiting().count() == 1
    assert DangerAlert.objects.count() == 2


# --- as staff see it ----------------------------------------------------------------------------------------------------
def test_the_state_of_a_link_says_how_far_and_never_what(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic, "phq9", "gad7")

    def state(now: datetime = NOW) -> tuple[LinkState, int, int]:
        found = progress_of(links_of(ada), now=now)[0]
        return found.state, found.answered, found.total

    assert state() == (LinkState.SENT, 0, 17)  # PHQ-9 has 9 and the question about difficulty, GAD-7 has 7
    begin(token, now=NOW)
    assert state() == (LinkState.OPENED, 0, 17)
    for item in range(1, 9):
        say(token, item, 1)
    assert state() == (LinkState.STARTED, 8, 17)
    assert state(link.expires_at)[0] is LinkState.EXPIRED
    finish(token, now=NOW)
    assert state()[0] is LinkState.FINISHED
    other, _ = send(ada, clinic, now=NOW + HOUR)
    revoke(patient_id=ada.pk, link_id=other.pk, by=clinic.desk, now=NOW)
    assert state()[0] is LinkState.REVOKED


def test_the_history_names_the_staff_who_sent_it_and_never_the_token_or_a_draft(clinic: Clinic, ada: Patient) -> None:
    link, token = send(ada, clinic)
    say(token, 1, 3)
    finish(token, now=NOW)
    assert {context.metadata["user"] for context in Context.objects.all()} >= {clinic.nurse.pk, None}
    events = json.dumps(list(link.events.values()), default=str)  # type: ignore[attr-defined]
    assert token.split(".")[0] not in events
    assert '"draft"' not in events
