"""Consent to treatment: the text of a location in numbered versions, and who signed which of them.

A published text never changes and a signed consent never changes; the database refuses both. What is new is a new
version and a new consent. `current_consent` is the one answer to "has this patient consented?".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Q, QuerySet

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import Consent, ConsentScan, ConsentText, Patient, SigningMethod
from patients.pure.background import ADULT_FROM_YEARS
from patients.pure.consent_text import SUGGESTED_BODY, SUGGESTED_TITLE, fingerprint, missing_topics
from patients.pure.scans import ScanError, kind_of_scan, safe_filename
from patients.pure.signatures import Strokes, is_drawn
from patients.services.followers import Noted, tell_followers
from patients.services.intake_settings import intake_settings_of
from patients.services.registry import lock_patient

EXPIRES_SOON = timedelta(days=30)


class ConsentTextStateError(Exception):
    """The text is not in a state that allows this; the message says what happened and what to do."""


class StaleDraftError(Exception):
    """Somebody else saved the draft while it was open; `current` is the draft as it stands. Nothing was saved."""

    def __init__(self, current: ConsentText) -> None:
        self.current = current
        super().__init__("Somebody else saved this draft while it was open. Nothing was overwritten.")


class NewerTextError(Exception):
    """A newer version was published while the patient was reading; it must be read before it is signed."""

    def __init__(self, latest: ConsentText) -> None:
        self.latest = latest
        super().__init__(f"Version {latest.version} was published meanwhile. Please read it before you sign.")


class ConsentStateError(Exception):
    """The consent was withdrawn already."""


# --- texts ------------------------------------------------------------------------------------------------------------
def published_text(location: Location) -> ConsentText | None:
    """The version that is signed at this location now. One query."""
    return ConsentText.objects.filter(location=location, published_at__isnull=False).first()


def draft_text(location: Location) -> ConsentText | None:
    """The version that is being written, if there is one. One query."""
    return ConsentText.objects.filter(location=location, published_at__isnull=True).first()


def texts_of(location: Location) -> QuerySet[ConsentText]:
    """Every version of the location, newest first, each with how many consents to it still stand. One query."""
    standing = Count("consents", filter=Q(consents__withdrawn_at__isnull=True))
    rows = ConsentText.objects.filter(location=location).select_related("published_by")
    return rows.defer("body").annotate(standing=standing)


def text_before(text: ConsentText) -> ConsentText | None:
    """The published version that this one follows."""
    return ConsentText.objects.filter(
        location=text.location_id, version__lt=text.version, published_at__isnull=False
    ).first()


def seen(text: ConsentText) -> str:
    """What a form sends along, so that a save on top of somebody else's is noticed."""
    return fingerprint(text.title, text.body)


def install_consent_text(*, location: Location, by: User | None, now: datetime) -> ConsentText | None:
    """A location without any text has the suggested one, published as version 1; else nothing happens (None)."""
    with recorded(by=by, now=now):
        _lock(location)
        if ConsentText.objects.filter(location=location).exists():
            return None
        text = ConsentText(
            location=location,
            version=1,
            title=SUGGESTED_TITLE,
            body=SUGGESTED_BODY,
            created_at=now,
            published_at=now,
            published_by=by,
        )
        text.full_clean()
        text.save()
        return text


def start_draft(*, location: Location, by: User, now: datetime) -> ConsentText:
    """The location has a draft: the one that is there, else a copy of the published text, else the suggested one."""
    with recorded(by=by, now=now):
        _lock(location)
        existing = draft_text(location)
        if existing is not None:
            return existing
        current = published_text(location)
        last = ConsentText.objects.filter(location=location).aggregate(last=Max("version"))["last"] or 0
        return ConsentText.objects.create(
            location=location,
            version=last + 1,
            title=current.title if current else SUGGESTED_TITLE,
            body=current.body if current else SUGGESTED_BODY,
            created_at=now,
        )


def save_draft(*, draft_id: int, title: str, body: str, expected: str, by: User, now: datetime) -> ConsentText:
    """The draft says what was typed.

    Args:
        expected: `seen` of the draft that the person had before them.

    Raises:
        StaleDraftError: when somebody else saved it meanwhile.
        ConsentTextStateError: when it was published or discarded meanwhile.
        ValidationError: when a value does not fit.
    """
    with recorded(by=by, now=now):
        draft = _locked_draft(draft_id, expected)
        draft.title, draft.body = title, _plain(body)
        draft.full_clean()
        draft.save(update_fields=["title", "body"])
        return draft


def discard_draft(*, draft_id: int, expected: str, by: User, now: datetime) -> None:
    """The draft is gone; history keeps what it said.

    Raises:
        StaleDraftError, ConsentTextStateError: as for `save_draft`.
    """
    with recorded(by=by, now=now):
        _locked_draft(draft_id, expected).delete()


def publish_text(*, draft_id: int, expected: str, by: User, now: datetime) -> ConsentText:
    """The draft is what patients sign from now on, and never changes. Consents to earlier versions stay valid.

    Raises:
        StaleDraftError, ConsentTextStateError: as for `save_draft`.
        ValidationError: when it does not say what it must, or nothing differs from the version before.

    Source: clinical.md C11 (a text must say that the use is off-label).
    """
    with recorded(by=by, now=now):
        draft = _locked_draft(draft_id, expected)
        if missing := [topic.label for topic in missing_topics(draft.body) if topic.is_required]:
            raise ValidationError(f"The text must say {', '.join(missing)}. Add it to the draft, then publish.")
        before = text_before(draft)
        if before is not None and (before.title, before.body) == (draft.title, draft.body):
            raise ValidationError(f"Nothing differs from version {before.version}. Change the draft, or discard it.")
        draft.published_at, draft.published_by = now, by
        draft.save(update_fields=["published_at", "published_by"])
        return draft


def _lock(location: Location) -> None:
    """Whoever writes texts of a location waits here; reading and booking go on."""
    Location.objects.select_for_update(no_key=True).get(pk=location.pk)


def _locked_draft(draft_id: int, expected: str) -> ConsentText:
    draft = ConsentText.objects.select_for_update(no_key=True, of=("self",)).filter(pk=draft_id).first()
    if draft is None:
        raise ConsentTextStateError("Somebody else discarded this draft. Begin a new one.")
    if draft.published_at is not None:
        raise ConsentTextStateError(
            f"Version {draft.version} is published and does not change any more. Begin the next version."
        )
    if seen(draft) != expected:
        raise StaleDraftError(draft)
    return draft


def _plain(body: str) -> str:
    """Line ends as everywhere else; a browser sends those of a teletype."""
    return (
        "\n".join(line.rstrip() for line in body.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n")) + "\n"
    )


# --- who consented ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class CurrentConsent:
    """Whether a patient has consented to treatment at a location on a day, and what to know about it.

    Attributes:
        consent: the newest one that is valid on that day; None when there is none.
        last: the newest one at all, also when it has ended or was withdrawn.
        latest_text: the version that would be signed now; None when the location has published none.
    """

    day: date
    consent: Consent | None
    last: Consent | None
    latest_text: ConsentText | None

    @property
    def is_valid(self) -> bool:
        return self.consent is not None

    @property
    def is_outdated(self) -> bool:
        """True when the text has a newer version than the one that was signed. The consent is valid all the same."""
        return bool(self.consent and self.latest_text and self.latest_text.version > self.consent.text.version)

    @property
    def ends_soon(self) -> bool:
        return self.consent is not None and self.consent.expires_on - self.day <= EXPIRES_SOON

    @property
    def days_left(self) -> int:
        """Days after this one on which it is still valid; 0 when this is the last, or there is none."""
        return (self.consent.expires_on - self.day).days if self.consent else 0

    @property
    def note(self) -> str:
        """What to know in one sentence without clinical facts; empty when all is well."""
        if self.consent is None:
            return self._why_none()
        if self.is_outdated and self.latest_text:
            return f"Signed version {self.consent.text.version}, current is {self.latest_text.version}."
        return f"Ends in {_days(self.days_left)}." if self.ends_soon else ""

    def _why_none(self) -> str:
        if self.last is None:
            return "Not signed yet." if self.latest_text else "There is no text to sign at this location yet."
        if self.last.withdrawn_at:
            return "Withdrawn."
        if self.last.signed_on > self.day:
            return f"Signed only on {self.last.signed_on:%-d %b %Y}."
        return f"Ended on {self.last.expires_on:%-d %b %Y}."


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def current_consent(patient: Patient, location: Location, day: date) -> CurrentConsent:
    """Whether the patient has consented to treatment at this location on that day. Two queries."""
    signed = Consent.objects.filter(patient=patient, text__location=location).select_related("text").defer("signature")
    return current_among(signed, location, published_text(location), day)


def current_among(
    consents: Iterable[Consent], location: Location, latest_text: ConsentText | None, day: date
) -> CurrentConsent:
    """The same, of consents that are read already, newest first; those of other locations are passed over. No query."""
    signed = [one for one in consents if one.text.location_id == location.pk]
    return CurrentConsent(
        day=day,
        consent=next((one for one in signed if one.is_valid_on(day)), None),
        last=signed[0] if signed else None,
        latest_text=latest_text,
    )


def consents_of(patient: Patient) -> QuerySet[Consent]:
    """Every consent of the patient at all locations, newest first, with all that a list shows but no scan's content."""
    related = ("text__location", "recorded_by", "withdrawn_by", "scan")
    rows = Consent.objects.filter(patient=patient).select_related(*related)
    return rows.defer("scan__content", "text__body", "signature")


# --- signing ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed: the patient (`relation` empty) or somebody for the patient, for example the legal guardian."""

    name: str
    relation: str = ""


@dataclass(frozen=True, slots=True)
class OnScreen:
    """Signed here: drawn, or where nothing can be drawn by a typed name and an explicit tick."""

    strokes: Strokes
    is_ticked: bool = False


@dataclass(frozen=True, slots=True)
class OnPaper:
    """Signed on paper; `content` is the scan, checked by what is in it."""

    content: bytes
    filename: str


def record_consent(
    *,
    patient_id: int,
    text: ConsentText,
    signature: OnScreen | OnPaper,
    signer: Signer,
    signed_on: date,
    by: User,
    now: datetime,
) -> Consent:
    """The patient has consented to this version, from that day for as long as the location's settings say.

    Sent twice it is recorded once: the same signature of the same day gives back the consent that is there.

    Raises:
        NewerTextError: on screen, when another version was published meanwhile.
        ConsentTextStateError: when the text was never published.
        ValidationError: with what is wrong at `signer_name`, `signer_relation`, `signature`, `scan` or `signed_on`.
        MergedPatientError: when the record was merged away.
    """
    with recorded(by=by, now=now):
        patient = lock_patient(patient_id)
        location = Location.objects.get(pk=text.location_id)
        today = location.local(now).date()
        _refuse_text(text, location, signature)
        _refuse_day(patient, signed_on, today, signature)
        _refuse_signer(patient, signer, signed_on)
        consent = Consent(
            patient=patient,
            text=text,
            method=SigningMethod.SCREEN if isinstance(signature, OnScreen) else SigningMethod.SCAN,
            signed_on=signed_on,
            signer_name=signer.name.strip(),
            signer_relation=signer.relation.strip(),
            signature=signature.strokes if isinstance(signature, OnScreen) else [],
            recorded_at=now,
            recorded_by=by,
            expires_on=signed_on + timedelta(days=intake_settings_of(location).consent_valid_days),
        )
        if consent.expires_on < today:
            raise ValidationError({"signed_on": f"This ended on {consent.expires_on:%-d %b %Y}. It is signed anew."})
        scan = _scan(signature)
        if (twin := _twin(consent, scan)) is not None:
            return twin
        consent.full_clean()
        consent.save()
        if scan is not None:
            scan.consent = consent
            scan.full_clean()
            scan.save()
        tell_followers(Noted.CONSENT, patient.pk)
        return consent


def withdraw_consent(*, consent_id: int, reason: str, by: User, now: datetime) -> list[Consent]:
    """The patient has no consent at that location from now on; what was signed stays on record with who, when and why.

    Who takes consent back takes back all of it: an earlier one that has not ended yet must not count instead. So every
    consent that still stands at the location is withdrawn, newest first in what is returned.

    Raises:
        ConsentStateError: when it was withdrawn already.
        ValidationError: without a reason.
        MergedPatientError: when the record was merged away.
    """
    with recorded(by=by, now=now):
        # The patient first, as in signing: two that touch the same record wait for each other and never deadlock.
        patient = lock_patient(Consent.objects.values_list("patient_id", flat=True).get(pk=consent_id))
        consent = Consent.objects.select_related("text__location").get(pk=consent_id)
        if consent.withdrawn_at is not None:
            raise ConsentStateError("This consent was withdrawn already. Load the page again to see by whom.")
        if not reason.strip():
            raise ValidationError({"reason": "Say why it was withdrawn."})
        location = consent.text.location
        standing = Consent.objects.filter(patient=patient, text__location=location, withdrawn_at__isnull=True)
        standing = standing.filter(expires_on__gte=location.local(now).date()) | standing.filter(pk=consent_id)
        withdrawn = list(standing)
        for one in withdrawn:
            one.withdrawn_at, one.withdrawn_by, one.withdrawn_reason = now, by, reason.strip()
            one.full_clean()
            one.save(update_fields=["withdrawn_at", "withdrawn_by", "withdrawn_reason"])
        tell_followers(Noted.CONSENT, patient.pk)
        return withdrawn


def _refuse_text(text: ConsentText, location: Location, signature: OnScreen | OnPaper) -> None:
    if text.published_at is None:
        raise ConsentTextStateError("This version is a draft. Publish it first.")
    if isinstance(signature, OnScreen):
        latest = published_text(location)
        if latest is not None and latest.pk != text.pk:
            raise NewerTextError(latest)


def _refuse_day(patient: Patient, signed_on: date, today: date, signature: OnScreen | OnPaper) -> None:
    if signed_on > today:
        raise ValidationError({"signed_on": "This day is in the future. Check the date on the paper."})
    if signed_on < patient.birth_date:
        raise ValidationError({"signed_on": "This day is before the patient was born. Check the year."})
    if isinstance(signature, OnScreen) and signed_on != today:
        raise ValidationError({"signed_on": "What is signed on screen is signed today."})


def _refuse_signer(patient: Patient, signer: Signer, signed_on: date) -> None:
    if not signer.name.strip():
        raise ValidationError({"signer_name": "Type the name of the person who signs."})
    if patient.age_on(signed_on) < ADULT_FROM_YEARS and not signer.relation.strip():
        raise ValidationError(
            {"signer_relation": f"Under {ADULT_FROM_YEARS} somebody else signs. Say who, for example legal guardian."}
        )


def _scan(signature: OnScreen | OnPaper) -> ConsentScan | None:
    """The scan to keep, or None on screen where something must have been drawn or ticked."""
    if isinstance(signature, OnScreen):
        if not is_drawn(signature.strokes) and not signature.is_ticked:
            raise ValidationError({"signature": "Sign in the box, or tick that the typed name is the signature."})
        return None
    try:
        kind = kind_of_scan(signature.content)
    except ScanError as refused:
        raise ValidationError({"scan": str(refused)}) from refused
    return ConsentScan(
        filename=safe_filename(signature.filename, kind),
        content_type=kind.content_type,
        content=signature.content,
        sha256=sha256(signature.content).hexdigest(),
    )


def _twin(consent: Consent, scan: ConsentScan | None) -> Consent | None:
    """The same consent, sent a moment before by a double click or a page that was loaded again."""
    same = Consent.objects.filter(
        patient=consent.patient,
        text=consent.text,
        method=consent.method,
        signed_on=consent.signed_on,
        signer_name=consent.signer_name,
        signer_relation=consent.signer_relation,
        withdrawn_at__isnull=True,
    )
    same = same.filter(scan__sha256=scan.sha256) if scan else same.filter(signature=consent.signature)
    return same.first()
