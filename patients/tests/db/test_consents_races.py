"""Two people at once, on real connections: first the race without the guard, then that it cannot happen."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.parallel import Parallel
from patients.models import Consent, ConsentText
from patients.services.consents import (
    ConsentStateError,
    ConsentTextStateError,
    OnScreen,
    Signer,
    StaleDraftError,
    install_consent_text,
    publish_text,
    record_consent,
    save_draft,
    seen,
    start_draft,
    withdraw_consent,
)
from patients.tests.factories import make_consent, make_consent_text, make_patient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
TODAY = date(2027, 1, 7)
PEOPLE = 8
DRAWN = [[[100, 500], [700, 200]]]


def test_without_the_lock_two_readers_write_on_top_of_each_other(parallel: Parallel) -> None:
    """The race itself: read the draft, look, write it all back. The first one's words are gone and nobody is told."""
    clinic = make_clinic()
    draft = make_consent_text(clinic.location, is_published=False)

    def careless(number: int) -> None:
        with transaction.atomic():
            mine = ConsentText.objects.get(pk=draft.pk)
            time.sleep(0.2)  # both have read before either writes
            mine.body += f"Paragraph {number}.\n"
            mine.save(update_fields=["body"])

    assert not any(outcome.error for outcome in parallel(2, careless))
    draft.refresh_from_db()
    assert draft.body.count("Paragraph") == 1


def test_of_many_saves_of_the_same_draft_one_gets_in_and_the_others_are_told(parallel: Parallel) -> None:
    clinic = make_clinic()
    draft = make_consent_text(clinic.location, is_published=False)
    opened = seen(draft)

    def save(number: int) -> ConsentText:
        return save_draft(
            draft_id=draft.pk, title=f"By {number}", body="off-label", expected=opened, by=clinic.manager, now=NOW
        )

    outcomes = parallel(PEOPLE, save)
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {StaleDraftError}


def test_many_who_begin_a_draft_get_the_same_one(parallel: Parallel) -> None:
    clinic = make_clinic()
    make_consent_text(clinic.location)
    outcomes = parallel(PEOPLE, lambda _: start_draft(location=clinic.location, by=clinic.manager, now=NOW).pk)
    assert not any(outcome.error for outcome in outcomes)
    assert len({outcome.value for outcome in outcomes}) == 1
    assert ConsentText.objects.count() == 2


def test_the_suggested_text_is_installed_once(parallel: Parallel) -> None:
    clinic = make_clinic()
    outcomes = parallel(PEOPLE, lambda _: install_consent_text(location=clinic.location, by=None, now=NOW))
    assert not any(outcome.error for outcome in outcomes)
    assert sum(outcome.value is not None for outcome in outcomes) == 1


def test_of_many_who_publish_one_does_and_the_others_are_told(parallel: Parallel) -> None:
    clinic = make_clinic()
    draft = make_consent_text(clinic.location, is_published=False)
    opened = seen(draft)
    outcomes = parallel(
        PEOPLE, lambda _: publish_text(draft_id=draft.pk, expected=opened, by=clinic.clinician, now=NOW)
    )
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {ConsentTextStateError}


def test_a_signature_that_is_sent_many_times_at_once_is_one_consent(parallel: Parallel) -> None:
    clinic, ada = make_clinic(), make_patient()
    text = make_consent_text(clinic.location)

    def sign(_: int) -> int:
        consent = record_consent(
            patient_id=ada.pk,
            text=text,
            signature=OnScreen(DRAWN),
            signer=Signer("Ada Okafor"),
            signed_on=TODAY,
            by=clinic.desk,
            now=NOW,
        )
        return consent.pk

    outcomes = parallel(PEOPLE, sign)
    assert not any(outcome.error for outcome in outcomes)
    assert len({outcome.value for outcome in outcomes}) == Consent.objects.count() == 1


def test_a_consent_is_withdrawn_once(parallel: Parallel) -> None:
    clinic, ada = make_clinic(), make_patient()
    consent = make_consent(ada, make_consent_text(clinic.location), by=clinic.desk, signed_on=TODAY)
    outcomes = parallel(
        PEOPLE, lambda n: withdraw_consent(consent_id=consent.pk, reason=f"Reason {n}", by=clinic.nurse, now=NOW)
    )
    assert sum(outcome.error is None for outcome in outcomes) == 1
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {ConsentStateError}


def test_signing_and_publishing_at_once_leave_a_signature_of_one_of_the_two_versions(parallel: Parallel) -> None:
    clinic, ada = make_clinic(), make_patient()
    old, draft = make_consent_text(clinic.location), make_consent_text(clinic.location, version=2, is_published=False)
    opened = seen(draft)

    def act(number: int) -> object:
        if number:
            return publish_text(draft_id=draft.pk, expected=opened, by=clinic.clinician, now=NOW)
        return record_consent(
            patient_id=ada.pk,
            text=old,
            signature=OnScreen(DRAWN),
            signer=Signer("Ada Okafor"),
            signed_on=TODAY,
            by=clinic.desk,
            now=NOW,
        )

    signed, published = parallel(2, act)
    assert published.error is None
    assert Consent.objects.filter(text=old).count() == (signed.error is None)
