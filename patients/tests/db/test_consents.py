"""Consent to treatment: texts that freeze when published, consents that stay as they were signed, and what counts when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, InternalError, transaction

from clinic.tests.factories import Clinic, make_clinic, make_location
from patients.models import Consent, ConsentScan, ConsentText, IntakeSettings, Patient, SigningMethod
from patients.pure.consent_text import SUGGESTED_BODY
from patients.services.consents import (
    ConsentStateError,
    ConsentTextStateError,
    NewerTextError,
    OnPaper,
    OnScreen,
    Signer,
    StaleDraftError,
    consents_of,
    current_consent,
    discard_draft,
    draft_text,
    install_consent_text,
    publish_text,
    published_text,
    record_consent,
    save_draft,
    seen,
    start_draft,
    text_before,
    withdraw_consent,
)
from patients.services.merge import merge_patients
from patients.services.registry import MergedPatientError
from patients.tests.factories import make_consent, make_consent_text, make_patient
from patients.tests.pure.test_signatures_and_scans import PDF, PNG

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York
TODAY = date(2027, 1, 7)
DRAWN = [[[100, 500], [700, 200], [900, 800]]]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def ada() -> Patient:
    return make_patient()


def sign(clinic: Clinic, patient: Patient, text: ConsentText, **changes: Any) -> Consent:
    values: dict[str, Any] = {
        "signature": OnScreen(DRAWN),
        "signer": Signer("Ada Okafor"),
        "signed_on": TODAY,
        "by": clinic.desk,
        "now": NOW,
    }
    return record_consent(patient_id=patient.pk, text=text, **(values | changes))


# --- texts ------------------------------------------------------------------------------------------------------------
def test_the_suggested_text_is_installed_once_and_published(clinic: Clinic) -> None:
    text = install_consent_text(location=clinic.location, by=None, now=NOW)
    assert text is not None
    assert (text.version, text.body, text.published_at) == (1, SUGGESTED_BODY, NOW)
    assert install_consent_text(location=clinic.location, by=None, now=NOW) is None
    assert published_text(clinic.location) == text


def test_a_location_with_a_draft_gets_nothing_installed(clinic: Clinic) -> None:
    start_draft(location=clinic.location, by=clinic.manager, now=NOW)
    assert install_consent_text(location=clinic.location, by=None, now=NOW) is None


def test_a_draft_begins_with_the_suggested_text_and_then_with_the_one_in_use(clinic: Clinic) -> None:
    first = start_draft(location=clinic.location, by=clinic.manager, now=NOW)
    assert (first.version, first.body, first.published_at) == (1, SUGGESTED_BODY, None)
    assert start_draft(location=clinic.location, by=clinic.clinician, now=NOW) == first
    body = "Our own text. The use is off-label.\n"
    saved = save_draft(draft_id=first.pk, title="Ours", body=body, expected=seen(first), by=clinic.manager, now=NOW)
    publish_text(draft_id=first.pk, expected=seen(saved), by=clinic.clinician, now=NOW)
    second = start_draft(location=clinic.location, by=clinic.manager, now=NOW)
    assert (second.version, second.title, second.body) == (2, "Ours", body)
    assert text_before(second) == first


def test_the_next_version_replaces_the_one_before(clinic: Clinic) -> None:
    old = make_consent_text(clinic.location)
    draft = make_consent_text(clinic.location, version=2, is_published=False)
    assert published_text(clinic.location) == old
    published = publish_text(draft_id=draft.pk, expected=seen(draft), by=clinic.clinician, now=NOW)
    assert (published.published_at, published.published_by) == (NOW, clinic.clinician)
    assert published_text(clinic.location) == published
    assert draft_text(clinic.location) is None
    assert published_text(make_location("Uptown")) is None


@pytest.mark.parametrize(
    "touch",
    [
        lambda text: ConsentText.objects.filter(pk=text.pk).update(body="Ketamine is approved."),
        lambda text: ConsentText.objects.filter(pk=text.pk).update(published_at=None),
        lambda text: ConsentText.objects.filter(pk=text.pk).delete(),
    ],
    ids=["update", "unpublish", "delete"],
)
def test_the_database_refuses_to_change_a_published_text(clinic: Clinic, touch: Callable[[ConsentText], Any]) -> None:
    text, draft = make_consent_text(clinic.location), make_consent_text(clinic.location, version=2, is_published=False)
    with pytest.raises(InternalError, match="Cannot update or delete rows"), transaction.atomic():
        touch(text)
    touch(draft)  # a draft may


def test_a_text_that_does_not_say_off_label_is_not_published(clinic: Clinic) -> None:
    """Source: clinical.md C11."""
    draft = make_consent_text(clinic.location, is_published=False, body="Ketamine helps many people.")
    with pytest.raises(ValidationError, match="off-label"):
        publish_text(draft_id=draft.pk, expected=seen(draft), by=clinic.clinician, now=NOW)
    assert published_text(clinic.location) is None


def test_a_version_in_which_nothing_differs_is_not_published(clinic: Clinic) -> None:
    make_consent_text(clinic.location)
    draft = start_draft(location=clinic.location, by=clinic.manager, now=NOW)
    with pytest.raises(ValidationError, match="Nothing differs from version 1"):
        publish_text(draft_id=draft.pk, expected=seen(draft), by=clinic.clinician, now=NOW)


def test_a_save_on_top_of_somebody_elses_is_refused_and_shows_theirs(clinic: Clinic) -> None:
    draft = start_draft(location=clinic.location, by=clinic.manager, now=NOW)
    opened = seen(draft)
    save_draft(draft_id=draft.pk, title="Theirs", body="off-label", expected=opened, by=clinic.clinician, now=NOW)
    with pytest.raises(StaleDraftError) as stale:
        save_draft(draft_id=draft.pk, title="Mine", body="off-label too", expected=opened, by=clinic.manager, now=NOW)
    assert stale.value.current.title == "Theirs"
    with pytest.raises(StaleDraftError):
        publish_text(draft_id=draft.pk, expected=opened, by=clinic.manager, now=NOW)
    with pytest.raises(StaleDraftError):
        discard_draft(draft_id=draft.pk, expected=opened, by=clinic.manager, now=NOW)


def test_a_draft_is_discarded_and_a_published_text_is_not(clinic: Clinic) -> None:
    draft = start_draft(location=clinic.location, by=clinic.manager, now=NOW)
    discard_draft(draft_id=draft.pk, expected=seen(draft), by=clinic.manager, now=NOW)
    assert not ConsentText.objects.exists()
    with pytest.raises(ConsentTextStateError, match="discarded"):
        discard_draft(draft_id=draft.pk, expected=seen(draft), by=clinic.manager, now=NOW)
    text = make_consent_text(clinic.location)
    with pytest.raises(ConsentTextStateError, match="is published and does not change"):
        save_draft(draft_id=text.pk, title="x", body="y", expected=seen(text), by=clinic.manager, now=NOW)


def test_a_location_has_one_draft_at_most(clinic: Clinic) -> None:
    make_consent_text(clinic.location, is_published=False)
    with pytest.raises(IntegrityError, match="consenttext_one_draft"), transaction.atomic():
        make_consent_text(clinic.location, version=2, is_published=False)


# --- signing ----------------------------------------------------------------------------------------------------------
def test_a_drawn_signature_is_kept_and_valid_for_the_days_of_the_settings(clinic: Clinic, ada: Patient) -> None:
    IntakeSettings.objects.create(location=clinic.location, consent_valid_days=180)
    consent = sign(clinic, ada, make_consent_text(clinic.location))
    assert consent.method == SigningMethod.SCREEN
    assert consent.signature == DRAWN
    assert consent.expires_on == TODAY + timedelta(days=180)
    assert (consent.recorded_by, consent.recorded_at) == (clinic.desk, NOW)


def test_a_typed_name_signs_only_with_the_explicit_tick(clinic: Clinic, ada: Patient) -> None:
    text = make_consent_text(clinic.location)
    for strokes in ([], [[[500, 500]]]):
        with pytest.raises(ValidationError) as refused:
            sign(clinic, ada, text, signature=OnScreen(strokes))
        assert "signature" in refused.value.message_dict
    assert sign(clinic, ada, text, signature=OnScreen([], is_ticked=True)).signature == []


def test_a_scan_is_kept_with_its_digest_and_the_type_that_it_has(clinic: Clinic, ada: Patient) -> None:
    text = make_consent_text(clinic.location)
    signed_on = date(2026, 12, 30)
    consent = sign(clinic, ada, text, signature=OnPaper(PNG, "../page.pdf"), signed_on=signed_on)
    assert (consent.method, consent.signed_on, consent.signature) == (SigningMethod.SCAN, signed_on, [])
    assert (consent.scan.filename, consent.scan.content_type, bytes(consent.scan.content)) == (
        "page.png",
        "image/png",
        PNG,
    )
    assert len(consent.scan.sha256) == 64


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signature": OnPaper(b"MZ\x90", "consent.pdf")}, "scan"),
        ({"signature": OnPaper(PDF, "a.pdf"), "signed_on": TODAY + timedelta(days=1)}, "signed_on"),
        ({"signature": OnPaper(PDF, "a.pdf"), "signed_on": date(1985, 3, 13)}, "signed_on"),
        ({"signature": OnPaper(PDF, "a.pdf"), "signed_on": date(2025, 12, 1)}, "signed_on"),
        ({"signed_on": TODAY - timedelta(days=1)}, "signed_on"),
        ({"signer": Signer("  ")}, "signer_name"),
    ],
    ids=["program", "future", "before birth", "ended already", "screen yesterday", "no name"],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(
    clinic: Clinic, ada: Patient, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        sign(clinic, ada, make_consent_text(clinic.location), **changes)
    assert list(refused.value.message_dict) == [field]
    assert not Consent.objects.exists()
    assert not ConsentScan.objects.exists()


def test_somebody_else_signs_for_a_minor(clinic: Clinic) -> None:
    child = make_patient(birth_date=date(2009, 1, 8))  # 17 until tomorrow
    text = make_consent_text(clinic.location)
    with pytest.raises(ValidationError, match="Under 18 somebody else signs"):
        sign(clinic, child, text)
    consent = sign(clinic, child, text, signer=Signer("Chi Okafor", "legal guardian"))
    assert (consent.signer_name, consent.signer_relation) == ("Chi Okafor", "legal guardian")


def test_on_screen_only_the_newest_version_is_signed_on_paper_also_an_older_one(clinic: Clinic, ada: Patient) -> None:
    old = make_consent_text(clinic.location)
    new = make_consent_text(clinic.location, version=2)
    with pytest.raises(NewerTextError) as newer:
        sign(clinic, ada, old)
    assert newer.value.latest == new
    assert sign(clinic, ada, old, signature=OnPaper(PDF, "a.pdf")).text == old


def test_a_draft_is_never_signed(clinic: Clinic, ada: Patient) -> None:
    with pytest.raises(ConsentTextStateError, match="draft"):
        sign(clinic, ada, make_consent_text(clinic.location, is_published=False), signature=OnPaper(PDF, "a.pdf"))


def test_sent_twice_it_is_recorded_once(clinic: Clinic, ada: Patient) -> None:
    text = make_consent_text(clinic.location)
    assert sign(clinic, ada, text) == sign(clinic, ada, text, now=NOW + timedelta(seconds=2))
    paper = OnPaper(PDF, "a.pdf")
    assert sign(clinic, ada, text, signature=paper) == sign(clinic, ada, text, signature=paper)
    assert Consent.objects.count() == 2


def test_the_day_is_that_of_the_location(clinic: Clinic, ada: Patient) -> None:
    """23:30 in New York is tomorrow in UTC."""
    late = datetime(2027, 1, 8, 4, 30, tzinfo=UTC)
    assert sign(clinic, ada, make_consent_text(clinic.location), now=late).signed_on == TODAY


def test_a_record_that_was_merged_away_signs_nothing_and_its_consent_moves(clinic: Clinic, ada: Patient) -> None:
    text, twin = make_consent_text(clinic.location), make_patient("Ada", "Okafor-Reed")
    consent = sign(clinic, twin, text)
    merge_patients(kept_id=ada.pk, duplicate_id=twin.pk, by=clinic.clinician, now=NOW)
    assert current_consent(ada, clinic.location, TODAY).consent == consent
    with pytest.raises(MergedPatientError):
        sign(clinic, twin, text)


# --- what was signed stays --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [{"signed_on": date(2020, 1, 1)}, {"signature": []}, {"signer_name": "Eve"}, {"expires_on": date(2099, 1, 1)}],
)
def test_the_database_refuses_to_change_a_consent(clinic: Clinic, ada: Patient, change: dict[str, Any]) -> None:
    consent = sign(clinic, ada, make_consent_text(clinic.location))
    with pytest.raises(InternalError, match="Cannot update rows"), transaction.atomic():
        Consent.objects.filter(pk=consent.pk).update(**change)


def test_the_database_refuses_to_delete_a_consent_and_its_scan(clinic: Clinic, ada: Patient) -> None:
    consent = sign(clinic, ada, make_consent_text(clinic.location), signature=OnPaper(PDF, "a.pdf"))
    with pytest.raises(InternalError, match="Cannot delete rows"), transaction.atomic():
        Consent.objects.filter(pk=consent.pk)._raw_delete(using="default")
    for touch in (lambda rows: rows.delete(), lambda rows: rows.update(content=b"%PDF-")):
        with pytest.raises(InternalError, match="Cannot update or delete rows"), transaction.atomic():
            touch(ConsentScan.objects.filter(consent=consent))


def test_a_withdrawn_consent_counts_no_more_and_says_who_and_why(clinic: Clinic, ada: Patient) -> None:
    consent = sign(clinic, ada, make_consent_text(clinic.location))
    withdraw_consent(consent_id=consent.pk, reason="Changed her mind", by=clinic.nurse, now=NOW)
    state = current_consent(ada, clinic.location, TODAY)
    assert not state.is_valid
    assert state.note == "Withdrawn."
    assert state.last is not None
    assert (state.last.withdrawn_by, state.last.withdrawn_reason) == (clinic.nurse, "Changed her mind")
    with pytest.raises(ConsentStateError, match="already"):
        withdraw_consent(consent_id=consent.pk, reason="Again", by=clinic.nurse, now=NOW)


def test_withdrawing_needs_a_reason(clinic: Clinic, ada: Patient) -> None:
    consent = sign(clinic, ada, make_consent_text(clinic.location))
    with pytest.raises(ValidationError, match="Say why"):
        withdraw_consent(consent_id=consent.pk, reason="  ", by=clinic.nurse, now=NOW)


# --- what counts when -------------------------------------------------------------------------------------------------
def test_nothing_signed_and_nothing_to_sign_are_told_apart(clinic: Clinic, ada: Patient) -> None:
    assert current_consent(ada, clinic.location, TODAY).note == "There is no text to sign at this location yet."
    make_consent_text(clinic.location)
    state = current_consent(ada, clinic.location, TODAY)
    assert (state.is_valid, state.note, state.days_left) == (False, "Not signed yet.", 0)


@pytest.mark.parametrize(
    ("day", "valid", "note"),
    [
        (date(2027, 1, 6), False, "Signed only on 7 Jan 2027."),
        (date(2027, 1, 7), True, ""),
        (date(2027, 12, 7), True, ""),  # 31 days left
        (date(2027, 12, 8), True, "Ends in 30 days."),
        (date(2028, 1, 6), True, "Ends in 1 day."),
        (date(2028, 1, 7), True, "Ends in 0 days."),  # the 365th day after signing is the last
        (date(2028, 1, 8), False, "Ended on 7 Jan 2028."),
    ],
)
def test_a_consent_is_valid_from_its_day_to_its_last_day(
    clinic: Clinic, ada: Patient, day: date, note: str, *, valid: bool
) -> None:
    make_consent(ada, make_consent_text(clinic.location), by=clinic.desk, signed_on=TODAY)
    state = current_consent(ada, clinic.location, day)
    assert (state.is_valid, state.note) == (valid, note)


def test_an_older_version_stays_valid_and_says_so_until_the_new_one_is_signed(clinic: Clinic, ada: Patient) -> None:
    make_consent(ada, make_consent_text(clinic.location, version=2), by=clinic.desk, signed_on=date(2026, 12, 1))
    new = make_consent_text(clinic.location, version=3)
    state = current_consent(ada, clinic.location, TODAY)
    assert (state.is_valid, state.is_outdated, state.note) == (True, True, "Signed version 2, current is 3.")
    renewed = sign(clinic, ada, new)
    state = current_consent(ada, clinic.location, TODAY)
    assert (state.consent, state.is_outdated, state.note) == (renewed, False, "")
    assert len(consents_of(ada)) == 2


def test_taking_consent_back_takes_back_an_earlier_one_too_but_not_what_had_ended(clinic: Clinic, ada: Patient) -> None:
    text = make_consent_text(clinic.location)
    ended = make_consent(ada, text, by=clinic.desk, signed_on=date(2025, 12, 1))
    earlier = make_consent(ada, text, by=clinic.desk, signed_on=date(2026, 12, 1))
    renewed = sign(clinic, ada, text)
    withdrawn = withdraw_consent(consent_id=renewed.pk, reason="Does not want it", by=clinic.nurse, now=NOW)
    assert withdrawn == [renewed, earlier]
    assert not current_consent(ada, clinic.location, TODAY).is_valid
    ended.refresh_from_db()
    assert ended.withdrawn_at is None
    anew = sign(clinic, ada, text, now=NOW + timedelta(hours=1))
    assert current_consent(ada, clinic.location, TODAY).consent == anew


def test_withdrawing_at_one_location_leaves_the_others(clinic: Clinic, ada: Patient) -> None:
    here, there = sign(clinic, ada, make_consent_text(clinic.location)), make_location("Uptown")
    sign(clinic, ada, make_consent_text(there))
    withdraw_consent(consent_id=here.pk, reason="Treated Uptown", by=clinic.desk, now=NOW)
    assert current_consent(ada, there, TODAY).is_valid


def test_a_consent_holds_for_its_location_only(clinic: Clinic, ada: Patient) -> None:
    sign(clinic, ada, make_consent_text(clinic.location))
    elsewhere = make_location("Uptown")
    make_consent_text(elsewhere)
    assert not current_consent(ada, elsewhere, TODAY).is_valid
