"""Questionnaire links in each state, for patients who have a consultation ahead or behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from clinic.models import Location, User
from patients.models import LinkKind, MeasureLink, Patient
from patients.services.intake_settings import intake_settings_of
from patients.services.measure_links import LinkState, begin, create_link, finish, revoke, save_answer

ASKED = ("phq9", "gad7")
ANSWERS = (1, 2, 2, 1, 0, 2, 1, 0, 0)
"""To the nine items of the PHQ-9, in order: moderate at most, and nothing in item 9."""
HALF = 5
STATES = (
    LinkState.SENT,
    LinkState.OPENED,
    LinkState.STARTED,
    LinkState.FINISHED,
    LinkState.EXPIRED,
    LinkState.REVOKED,
)


def questionnaire_links(patients: Sequence[Patient], *, location: Location, by: User, now: datetime) -> None:
    """The first patients have a link each, one in every state, in the order of ``STATES``."""
    for patient, state in zip(patients, STATES, strict=False):
        _in_state(state, patient, location=location, by=by, now=now)


def _in_state(state: LinkState, patient: Patient, *, location: Location, by: User, now: datetime) -> MeasureLink:
    sent = now - timedelta(hours=20)
    if state is LinkState.EXPIRED:
        sent -= timedelta(days=intake_settings_of(location).link_valid_days)
    link, token = create_link(patient=patient, measures=ASKED, kind=LinkKind.PHONE, location=location, by=by, now=sent)
    if state is LinkState.REVOKED:
        return revoke(patient_id=patient.pk, link_id=link.pk, by=by, now=now)
    if state not in {LinkState.SENT, LinkState.EXPIRED}:
        begin(token, now=sent + timedelta(hours=2))
    if state in {LinkState.STARTED, LinkState.FINISHED}:
        given = ANSWERS if state is LinkState.FINISHED else ANSWERS[:HALF]
        for item, value in enumerate(given, 1):
            save_answer(token, measure="phq9", item=item, value=value, seen=None, now=sent + timedelta(hours=2))
    if state is LinkState.FINISHED:
        finish(token, now=sent + timedelta(hours=3))
    return link
