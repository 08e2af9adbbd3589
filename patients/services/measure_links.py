"""Links by which a patient fills in measures without signing in: made, opened, answered, finished once, taken back."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.core import signing
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import Assessment, AssessmentSource, LinkKind, MeasureLink, Patient, PatientStatus
from patients.pure.measures import MEASURES
from patients.pure.questionnaire import Step, answered, find_step, steps_of
from patients.services.alerts import raise_alert
from patients.services.assessments import ALERT_KINDS, record_assessment
from patients.services.intake_settings import intake_settings_of
from patients.services.registry import lock_patient

SALT = "patients.measure_link"
SECRET_BYTES = 24
"""192 bits: nobody guesses one, however many links are out."""
LONGEST_TOKEN = 120
TABLET_VALID = timedelta(hours=4)
"""[D] A tablet is handed over and comes back the same visit; what it opened is not left open overnight."""
SOURCES = {LinkKind.PHONE: AssessmentSource.LINK, LinkKind.TABLET: AssessmentSource.TABLET}


class Refusal(StrEnum):
    """Why a link opens nothing. A forged one and one that never was are the same to whoever asks."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    USED = "used"
    REVOKED = "revoked"


class LinkRefusedError(Exception):
    """The link opens nothing. ``link`` is None unless the token was a real one."""

    def __init__(self, why: Refusal, link: MeasureLink | None = None) -> None:
        self.why, self.link = why, link
        super().__init__(f"This link is {why}.")


class NothingAnsweredError(Exception):
    """There is nothing to send yet."""


class AnswerRefusedError(ValueError):
    """No such question in this link, or no such answer to it."""


class Overlap(StrEnum):
    """What happened when another screen had answered the same question meanwhile."""

    NONE = ""
    REPLACED = "replaced"  # this answer is the later one and counts
    KEPT = "kept"  # this screen had no answer to give, or saved by itself; the other one stays


class LinkState(StrEnum):
    """What became of a link, as staff see it: never what was answered."""

    SENT = "sent"
    OPENED = "opened"
    STARTED = "started"
    FINISHED = "finished"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a link has come."""

    link: MeasureLink
    state: LinkState
    answered: int
    total: int
    short_names: list[str]


def create_link(
    *,
    patient: Patient,
    measures: Iterable[str],
    kind: LinkKind,
    location: Location,
    by: User | None,
    now: datetime,
    secret: str = "",
) -> tuple[MeasureLink, str]:
    """A link that this patient can use once, and its token. The token is not kept anywhere: show it now.

    Args:
        by: None where a press behind a message's link made it.
        secret: one that can be derived again (``link_of_secret``); empty: a random one.

    Raises:
        ValidationError: no measure, or one that patients may not fill in alone (its words may not be shown, or a
            clinician rates it); or the patient has died.
        MergedPatientError: the record was merged away.
    """
    wanted = set(measures)
    codes = [code for code in MEASURES if code in wanted]
    if not codes or len(codes) != len(wanted):
        raise ValidationError({"measures": "Choose at least one questionnaire."})
    if refused := [MEASURES[code].short_name for code in codes if not MEASURES[code].can_be_sent]:
        raise ValidationError({"measures": f"{', '.join(refused)} cannot be filled in by a patient alone."})
    secret = secret or secrets.token_urlsafe(SECRET_BYTES)
    with recorded(by=by, now=now):
        patient = lock_patient(patient.pk)
        if patient.status == PatientStatus.DECEASED:
            raise ValidationError("This patient has died. No questionnaire can be sent.")
        link = MeasureLink(
            patient=patient,
            location=location,
            measures=codes,
            kind=kind,
            token_hash=_hash(secret),
            created_at=now,
            created_by=by,
            expires_at=now + _valid(kind, location),
        )
        link.full_clean()
        link.save()
    return link, _signer().sign(secret)


def token_of_secret(secret: str) -> str:
    """The token of a link whose secret was derived."""
    return _signer().sign(secret)


def link_of_secret(secret: str) -> MeasureLink | None:
    """The link that was made with this secret, whatever became of it."""
    return MeasureLink.objects.filter(token_hash=_hash(secret)).first()


def open_link(token: str, *, now: datetime) -> MeasureLink:
    """The link that the token opens, with its patient and location. Reads only: who previews a link does not open it.

    Raises:
        LinkRefusedError: forged, unknown, expired, used or revoked.
    """
    return _still_open(_find(token), now)


def finished_link(token: str) -> MeasureLink:
    """The link when it was finished, for the page that says thank you.

    Raises:
        LinkRefusedError: forged, unknown, or not finished.
    """
    link = _find(token)
    if link.finished_at is None:
        raise LinkRefusedError(Refusal.UNKNOWN)
    return link


def begin(token: str, *, now: datetime) -> MeasureLink:
    """Somebody has begun; the first time is kept. Raises: LinkRefusedError."""
    with recorded(by=None, now=now):
        link = _locked(token, now)
        if link.opened_at is None:
            link.opened_at = now
            link.save(update_fields=["opened_at"])
        return link


def save_answer(
    token: str, *, measure: str, item: int, value: int | None, seen: int | None, now: datetime, is_final: bool = True
) -> tuple[MeasureLink, Overlap]:
    """The answer stands in the draft, whichever device it came from; of two for one question the later one counts.

    A danger answer waits for a clinician at once: it must not be lost when the questionnaire is never finished.

    Args:
        value: None skips the question.
        seen: what the screen showed as the answer when it was opened. Where the draft says something else by now,
            the caller is told; and a skip from such a screen takes nothing away.
        is_final: False for what a screen saves by itself while somebody chooses. That may arrive late, so it never
            replaces an answer which its screen had not seen.

    Raises:
        LinkRefusedError: the link takes nothing any more, or never did.
        AnswerRefusedError: the question is not part of this link, or the value is none of its answers.
    """
    with recorded(by=None, now=now):
        link = _locked(token, now)
        step = find_step(steps_of(link.measures), measure, item)
        if step is None or (value is not None and value not in step.item.values):
            raise AnswerRefusedError("This is none of the answers.")
        before = step.answer(link.draft)
        overlap = _overlap(before, value, seen, is_final=is_final)
        if overlap is Overlap.KEPT:
            return link, overlap
        link.draft = {**link.draft, measure: {**link.draft.get(measure, {}), str(item): value}}
        link.opened_at = link.opened_at or now
        link.save(update_fields=["draft", "opened_at"])
        if value != before:
            _warn_at_once(link, step, now)
        return link, overlap


def finish(token: str, *, now: datetime) -> list[Assessment]:
    """Each measure with an answer stands in the record, once; the draft is empty and the link is used.

    Sent twice, or from two screens at once, the second is refused as used. A measure without any answer is not
    recorded.

    Raises:
        LinkRefusedError: the link takes nothing any more, or never did.
        NothingAnsweredError: no question has an answer.
    """
    link = open_link(token, now=now)
    with recorded(by=None, now=now):
        # The patient first, as merging does: a merge and a finish then wait for each other and never deadlock.
        Patient.objects.select_for_update(of=("self",), no_key=True).get(pk=link.patient_id)
        link = _locked(token, now)
        given = _given(link)
        if not given:
            raise NothingAnsweredError
        rows = [
            record_assessment(
                patient=link.patient,
                measure=code,
                answers=answers,
                taken_at=now,
                source=SOURCES[LinkKind(link.kind)],
                by=None,
                location=link.location,
                now=now,
                link=link,
            )
            for code, answers in given.items()
        ]
        link.draft, link.finished_at = {}, now
        link.save(update_fields=["draft", "finished_at"])
        return rows


def revoke(*, patient_id: int, link_id: int, by: User, now: datetime) -> MeasureLink:
    """The link opens nothing from now on, and answers not sent yet are gone. A finished one stays as it is.

    Raises:
        MeasureLink.DoesNotExist: the patient has no such link.
    """
    with recorded(by=by, now=now):
        link = MeasureLink.objects.select_for_update(no_key=True).get(pk=link_id, patient_id=patient_id)
        if link.finished_at is None and link.revoked_at is None:
            link.revoked_at, link.draft = now, {}
            link.save(update_fields=["revoked_at", "draft"])
        return link


def forget_drafts(*, now: datetime) -> int:
    """Answers in links that expired without being sent are gone; how many links that were."""
    with recorded(by=None, now=now):
        return MeasureLink.objects.filter(expires_at__lte=now).exclude(draft={}).update(draft={})


def progress_of(links: Iterable[MeasureLink], *, now: datetime) -> list[Progress]:
    """Every link with its state and how many questions have an answer; no answer itself. No query."""
    return [_progress(link, now) for link in links]


def links_of(patient: Patient) -> QuerySet[MeasureLink]:
    return MeasureLink.objects.filter(patient=patient).select_related("created_by")


# -- parts -------------------------------------------------------------------------------------------------------------
def _signer() -> signing.Signer:
    return signing.Signer(salt=SALT, sep=".")


def _hash(secret: str) -> str:
    # The secret is random and long, so one round of a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()


def _valid(kind: LinkKind, location: Location) -> timedelta:
    if kind == LinkKind.TABLET:
        return TABLET_VALID
    return timedelta(days=intake_settings_of(location).link_valid_days)


def _secret_of(token: str) -> tuple[str, bool]:
    """The secret that the token claims, and whether our signature stands under it."""
    try:
        return _signer().unsign(token[:LONGEST_TOKEN]), True
    except signing.BadSignature:
        return token[:LONGEST_TOKEN], False


def _find(token: str) -> MeasureLink:
    # The table is asked in either case: a forged token takes as long as one that never was. Django compares the
    # signature in constant time; how far the hash agrees with another tells nothing about a secret.
    secret, is_signed = _secret_of(token)
    row = MeasureLink.objects.select_related("patient", "location").filter(token_hash=_hash(secret)).first()
    if row is None or not is_signed:
        raise LinkRefusedError(Refusal.UNKNOWN)
    return row


def _locked(token: str, now: datetime) -> MeasureLink:
    """The link, its row held until the transaction ends; what it says was read after that."""
    pk = _find(token).pk
    rows = MeasureLink.objects.select_for_update(of=("self",), no_key=True).select_related("patient", "location")
    return _still_open(rows.get(pk=pk), now)


def _still_open(link: MeasureLink, now: datetime) -> MeasureLink:
    if link.finished_at is not None:
        raise LinkRefusedError(Refusal.USED, link)
    if link.revoked_at is not None:
        raise LinkRefusedError(Refusal.REVOKED, link)
    if now >= link.expires_at:
        raise LinkRefusedError(Refusal.EXPIRED, link)
    return link


def _overlap(before: int | None, value: int | None, seen: int | None, *, is_final: bool) -> Overlap:
    if before is None or before in (seen, value):
        return Overlap.NONE
    return Overlap.REPLACED if is_final and value is not None else Overlap.KEPT


def _given(link: MeasureLink) -> dict[str, Mapping[str, int | None]]:
    return {
        code: link.draft[code]
        for code in link.measures
        if any(value is not None for value in link.draft.get(code, {}).values())
    }


def _warn_at_once(link: MeasureLink, step: Step, now: datetime) -> None:
    said = f"{step.measure.short_name} item {step.item.number}: “{step.said(link.draft)}”."
    for flag in step.dangers(link.draft):
        raise_alert(
            kind=ALERT_KINDS[flag],
            detail=f"{said} The questionnaire is not finished yet.",
            location=link.location,
            now=now,
            patient=link.patient,
        )


def _progress(link: MeasureLink, now: datetime) -> Progress:
    known = [code for code in link.measures if code in MEASURES]
    steps = steps_of(known)
    given = answered(steps, link.draft)
    if link.finished_at is not None:
        state = LinkState.FINISHED
    elif link.revoked_at is not None:
        state = LinkState.REVOKED
    elif now >= link.expires_at:
        state = LinkState.EXPIRED
    elif given:
        state = LinkState.STARTED
    else:
        state = LinkState.OPENED if link.opened_at else LinkState.SENT
    return Progress(link, state, given, len(steps), [MEASURES[code].short_name for code in known])
