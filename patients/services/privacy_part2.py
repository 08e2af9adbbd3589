"""42 CFR Part 2: whether a record holds what it protects, and whether it may be given to somebody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import (
    Assessment,
    Consultation,
    DisclosureConsent,
    PartTwoMark,
    Patient,
    PrivacySettings,
    Problem,
    ScreeningAnswer,
)
from patients.pure.privacy import (
    PART_2_NOTICE,
    SUBSTANCE_MEASURES,
    SUBSTANCE_QUESTIONS,
    TPO,
    Audience,
    is_substance_problem,
)

HELD = {
    "problems": "problems of the list",
    "measures": "alcohol or drug questionnaires",
    "screening": "answers of the screening",
    "consultations": "what a consultation says about substance use",
}
HELD_BY = {"has_answers": "screening", "has_words": "consultations", "has_measures": "measures"}


@dataclass(frozen=True, slots=True)
class PartTwo:
    """What the record holds about substance use, and whether 42 CFR Part 2 protects it here.

    ``mark``: what somebody said by hand, which goes before what is found.
    """

    is_program: bool
    held: tuple[str, ...]
    mark: PartTwoMark | None
    consents: tuple[DisclosureConsent, ...]

    @property
    def is_protected(self) -> bool:
        return self.mark.is_protected if self.mark else self.is_program and bool(self.held)

    @property
    def notice(self) -> str:
        """What stands on whatever leaves the clinic about this person; empty where nothing is protected."""
        return PART_2_NOTICE if self.is_protected else ""

    def consent_for(self, audience: Audience, day: date) -> DisclosureConsent | None:
        """The consent that covers a disclosure to such a recipient on that day."""
        valid = [one for one in self.consents if one.is_valid_on(day)]
        return next((one for one in valid if not one.is_for_tpo or audience in TPO), None)


NOTHING = PartTwo(is_program=False, held=(), mark=None, consents=())


class ConsentMissingError(Exception):
    """42 CFR Part 2 protects the record and no consent covers the recipient."""

    def __init__(self) -> None:
        super().__init__(
            "This record holds substance use disorder records that 42 CFR Part 2 protects, and no valid consent of the "
            "patient covers this recipient. Record the signed consent first. In a medical emergency write why it "
            "cannot wait; that stands in the accounting of disclosures for good."
        )


def part_two_of(patient: Patient) -> PartTwo:
    """What holds for this patient now; four queries."""
    held = _held(patient)
    return PartTwo(
        is_program=_is_of_program(patient),
        held=tuple(words for key, words in HELD.items() if key in held),
        mark=PartTwoMark.objects.filter(patient=patient).select_related("by").first(),
        consents=tuple(patient.disclosure_consents.select_related("recorded_by", "revoked_by")),
    )


def part_two_if_near(patient: Patient) -> PartTwo:
    """The same, with one query where no mark and no program is near: then nothing is protected."""
    return part_two_of(patient) if Patient.objects.filter(is_near("pk"), pk=patient.pk).exists() else NOTHING


def notice_for(patient: Patient) -> str:
    """The notice for a paper about this patient, or nothing."""
    return part_two_if_near(patient).notice


def is_near(patient: str) -> Any:  # noqa: ANN401 (a condition; Django's stubs name no type for two joined ones)
    """Whether somebody marked the patient or a program exists at all, for a query that reads something else anyway.

    Args:
        patient: the lookup to the patient: "pk", "patient".
    """
    marks = PartTwoMark.objects.filter(patient=OuterRef(patient))
    return Exists(marks) | Exists(PrivacySettings.objects.filter(is_part_2_program=True))


def check_disclosure(
    part_two: PartTwo, *, audience: Audience, day: date, override_reason: str = ""
) -> DisclosureConsent | None:
    """The consent that covers it, or None where none is needed or an emergency goes before.

    Raises:
        ConsentMissingError: it is protected, the recipient is not the patient, and nothing covers it.
    """
    if not part_two.is_protected or audience == Audience.PATIENT:
        return None
    consent = part_two.consent_for(audience, day)
    if consent is None and not override_reason.strip():
        raise ConsentMissingError
    return consent


def _is_of_program(patient: Patient) -> bool:
    """The patient was seen, or belongs, at a location that is (part of) a Part 2 program."""
    programs = PrivacySettings.objects.filter(is_part_2_program=True)
    seen = Q(location__bookings__subject=patient.resource_id) | Q(location=patient.home_location_id)
    return programs.filter(seen).exists()


def _held(patient: Patient) -> set[str]:
    """Which parts of the record speak of substance use. Problems are read by their words, so they come as rows."""
    mine = {"patient": patient.pk}
    answers = ScreeningAnswer.objects.filter(
        consultation__patient=OuterRef("pk"), code__in=SUBSTANCE_QUESTIONS, answer="yes"
    )
    said = Consultation.objects.filter(patient=OuterRef("pk")).exclude(substance_use="")
    filled = Assessment.objects.filter(patient=OuterRef("pk"), measure__in=SUBSTANCE_MEASURES)
    flags = (
        Patient.objects.filter(pk=patient.pk)
        .annotate(has_answers=Exists(answers), has_words=Exists(said), has_measures=Exists(filled))
        .values("has_answers", "has_words", "has_measures")
        .get()
    )
    held = {HELD_BY[name] for name, is_there in flags.items() if is_there}
    problems = Problem.objects.filter(**mine).values_list("description", "code")
    return held | ({"problems"} if any(is_substance_problem(*row) for row in problems) else set())


# --- what staff say ---------------------------------------------------------------------------------------------------
def mark_part_two(*, patient: Patient, is_protected: bool, reason: str, by: User, now: datetime) -> PartTwoMark:
    """The record counts as protected, or as not, from now on; earlier marks stay readable."""
    with recorded(by=by, now=now):
        return PartTwoMark.objects.create(patient=patient, is_protected=is_protected, reason=reason, at=now, by=by)


def record_disclosure_consent(
    *,
    patient: Patient,
    is_for_tpo: bool,
    recipient: str,
    what: str,
    signed_on: date,
    expires_on: date | None,
    signer_name: str,
    signer_relation: str = "",
    by: User,
    now: datetime,
) -> DisclosureConsent:
    """The consent that was signed on paper stands in the record. Raises ValidationError by field."""
    if signed_on < patient.birth_date:
        raise ValidationError({"signed_on": "The patient was not born yet."})
    row = DisclosureConsent(
        patient=patient,
        is_for_tpo=is_for_tpo,
        recipient=recipient,
        what=what,
        signed_on=signed_on,
        expires_on=expires_on,
        signer_name=signer_name,
        signer_relation=signer_relation,
        recorded_at=now,
        recorded_by=by,
    )
    with recorded(by=by, now=now):
        row.full_clean()
        row.save()
    return row


def revoke_disclosure_consent(*, consent_id: int, reason: str, by: User, now: datetime) -> bool:
    """The consent covers nothing from now on; False when it was revoked before."""
    with recorded(by=by, now=now):
        rows = DisclosureConsent.objects.filter(pk=consent_id, revoked_at=None)
        return bool(rows.update(revoked_at=now, revoked_by=by, revoked_reason=reason))


def set_program(*, location: Location, is_part_2_program: bool, by: User, now: datetime) -> None:
    """The location is (part of) a Part 2 program from now on, or is none."""
    with recorded(by=by, now=now):
        PrivacySettings.objects.update_or_create(location=location, defaults={"is_part_2_program": is_part_2_program})
