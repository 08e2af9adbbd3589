"""Protocols: shipped ones are installed, drafts written, published by a clinician; what was published never changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Max

from clinic.models import User
from clinic.pure.roles import Can
from courses.models import (
    DoseBasis,
    FirstGap,
    PhaseKind,
    Protocol,
    ProtocolStep,
    ProtocolVersion,
    Route,
    VersionStatus,
)
from courses.models.protocol_fields import RHYTHM_FIELDS, STEP_FIELDS, VERSION_FIELDS
from courses.planning import protocols as pure
from courses.planning import templates
from courses.planning.checks import check_gaps, check_numbers
from courses.planning.words import ordinal, say_list
from patients.pure.indications import Indication

PHASES = {
    templates.Phase.SERIES: PhaseKind.INITIAL,
    templates.Phase.MAINTENANCE: PhaseKind.MAINTENANCE,
    templates.Phase.BOOSTER: PhaseKind.BOOSTER,
}
DOSES = {
    templates.DoseBasis.MG_PER_KG: DoseBasis.MG_PER_KG,
    templates.DoseBasis.MG_PER_KG_PER_HOUR: DoseBasis.MG_PER_KG_H,
    templates.DoseBasis.TOTAL_MG: DoseBasis.TOTAL_MG,
}
# The sources speak of depression; the clinic tells first-line from treatment-resistant.
INDICATIONS = {
    templates.Indication.DEPRESSION: (Indication.TRD, Indication.MDD),
    templates.Indication.SUICIDAL_IDEATION: (Indication.SUICIDAL_IDEATION,),
    templates.Indication.BIPOLAR_DEPRESSION: (Indication.BIPOLAR,),
    templates.Indication.PTSD: (Indication.PTSD,),
    templates.Indication.CHRONIC_PAIN: (Indication.PAIN,),
}
SETTING_NAMES = {
    "starts_need_own_nurse": "attention_min",
    "assess_after": "assess_note",
    "assess_days_after_end": "assess_note",
    "decision_after": "decision_points",
}
ATTENTION_MIN = 15
PUBLISHED_FIELDS = ["status", "published_at", "published_by"]


class ProtocolStateError(Exception):
    """The version is not in a state that allows this; the message says what to do instead."""


# -- shipped protocols -------------------------------------------------------------------------------------------------


@transaction.atomic
def install_shipped_protocols(*, by: User | None = None, now: datetime) -> list[ProtocolVersion]:
    """Every shipped template exists as a protocol with version 1 published; those that exist already stay as they are.

    Returns:
        The versions that this call made, none on a second run.
    """
    versions = _draft(templates_left(), by, now)
    for version in versions:
        _publish(version, by, now)
    ProtocolVersion.objects.bulk_update(versions, PUBLISHED_FIELDS)
    return versions


@transaction.atomic
def draft_shipped_protocols(slugs: Collection[str], *, by: User, now: datetime) -> list[ProtocolVersion]:
    """Those of the named templates that are not here yet exist as drafts, which a clinician publishes."""
    _demand(by, Can.EDIT_PROTOCOL)
    User.objects.select_for_update().get(pk=by.pk)  # a double click meets its own first drafts
    return _draft([template for template in templates_left() if template.id in slugs], by, now)


def templates_left() -> list[templates.Template]:
    """The shipped templates of which there is no protocol yet."""
    known = set(Protocol.objects.values_list("slug", flat=True))
    return [template for template in templates.TEMPLATES if template.id not in known]


def _draft(wanted: Sequence[templates.Template], by: User | None, now: datetime) -> list[ProtocolVersion]:
    protocols = Protocol.objects.bulk_create(
        Protocol(slug=one.id, phase_kind=PHASES[one.phase], route=Route(one.route.value)) for one in wanted
    )
    versions = ProtocolVersion.objects.bulk_create(
        ProtocolVersion(protocol=protocol, number=1, created_at=now, created_by=by, **_values_of(template))
        for protocol, template in zip(protocols, wanted, strict=True)
    )
    ProtocolStep.objects.bulk_create(
        step
        for version, template in zip(versions, wanted, strict=True)
        for step in _steps(version, [_step_values(step) for step in template.steps])
    )
    return versions


def _values_of(template: templates.Template) -> dict[str, Any]:
    last = template.dose.start is None
    named = {indication for one in template.indications for indication in INDICATIONS[one]}
    return {
        "title": template.name,
        "indications": [one.value for one in Indication if one in named],
        "n_min": template.n_min,
        "n_default": template.n_default,
        "n_max": template.n_max,
        "span_warn_days": template.span_warn_days,
        "preparation_min": template.preparation_min,
        "infusion_min": template.infusion_min,
        "infusion_max_min": template.infusion_max_min,
        "observation_min": template.observation_min,
        "turnaround_min": template.turnaround_min,
        "clinician_min": template.clinician_min,
        "attention_min": ATTENTION_MIN if template.starts_need_own_nurse else 0,
        "vitals_during_min": template.vitals_during_min,
        "vitals_after_min": template.vitals_after_min,
        "dose_basis": DoseBasis.LAST if last else DOSES[template.dose.basis],
        # The limits of "as last given" would have no unit of their own.
        "dose_start": _decimal(template.dose.start),
        "dose_min": None if last else _decimal(template.dose.minimum),
        "dose_max": None if last else _decimal(template.dose.maximum),
        "decision_points": list(template.decision_after),
        "assess_note": _assessments(template),
        "maintenance_note": _what_follows(template),
        "evidence_note": template.evidence_note,
        "source": template.source,
        "clinic_settings": sorted({SETTING_NAMES.get(name, name) for name in template.clinic_settings}),
    }


def _decimal(dose: float | None) -> Decimal | None:
    return None if dose is None else Decimal(str(dose))


def _assessments(template: templates.Template) -> str:
    found = ["PHQ-9 before each infusion."]
    if template.assess_after:
        after = say_list([ordinal(number) for number in template.assess_after])
        found.append(f"GAD-7 and a review after the {after} infusion.")
    if template.assess_days_after_end:
        days = say_list([str(days) for days in template.assess_days_after_end])
        found.append(f"PHQ-9 again {days} days after the last infusion.")
    return " ".join(found)


def _what_follows(template: templates.Template) -> str:
    rhythms = [step.rhythm for step in template.maintenance_steps]
    return f"Then {say_list(rhythms, last='or')}, as the response allows." if rhythms else ""


def _step_values(step: pure.Step) -> dict[str, Any]:
    return {
        "label": "",
        "count": step.count,
        "weekdays": sorted(step.weekdays),
        "target_gap_days": step.target_gap_days,
        "min_gap_days": step.min_gap_days,
        "max_gap_days": step.max_gap_days,
        "first_gap": FirstGap(step.first_gap.value),
    }


# -- drafts ------------------------------------------------------------------------------------------------------------


def step_of(values: Mapping[str, Any]) -> pure.Step:
    """One step as the planning core speaks of it.

    Raises:
        ValueError: the values contradict each other.
    """
    return pure.Step(
        count=values["count"],
        min_gap_days=values["min_gap_days"],
        max_gap_days=values["max_gap_days"],
        weekdays=frozenset(values["weekdays"]),
        target_gap_days=values["target_gap_days"],
        first_gap=pure.FirstGap(values["first_gap"]),
    )


@transaction.atomic
def draft_from(version: ProtocolVersion, *, by: User, now: datetime) -> ProtocolVersion:
    """The protocol has a draft of its next version: the one that is there, else a copy of ``version``."""
    _demand(by, Can.EDIT_PROTOCOL)
    protocol = Protocol.objects.select_for_update().get(pk=version.protocol_id)
    existing = protocol.versions.filter(status=VersionStatus.DRAFT).first()
    if existing is not None:
        return existing
    return _copy(version, protocol, by, now)


@transaction.atomic
def start_protocol(source: ProtocolVersion, *, slug: str, title: str, by: User, now: datetime) -> ProtocolVersion:
    """A new protocol with a draft exists, with the numbers of ``source`` to start from.

    Raises:
        ValidationError: the code is taken or not a code.
    """
    _demand(by, Can.EDIT_PROTOCOL)
    protocol = Protocol(slug=slug, phase_kind=source.protocol.phase_kind, route=source.protocol.route)
    protocol.full_clean()
    protocol.save()
    draft = _copy(source, protocol, by, now)
    draft.title = title
    draft.full_clean()
    draft.save(update_fields=["title"])
    return draft


def _copy(version: ProtocolVersion, protocol: Protocol, by: User, now: datetime) -> ProtocolVersion:
    number = (protocol.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    draft = ProtocolVersion.objects.create(
        protocol=protocol,
        number=number,
        created_at=now,
        created_by=by,
        clinic_settings=version.clinic_settings,
        **{name: getattr(version, name) for name in VERSION_FIELDS},
    )
    _write_steps(draft, [{name: getattr(step, name) for name in STEP_FIELDS} for step in version.steps.all()])
    return draft


@transaction.atomic
def save_draft(
    draft_id: int, *, values: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], by: User
) -> ProtocolVersion:
    """The draft says what was typed; a number that differs from the version before is marked as a clinic setting.

    Raises:
        ProtocolStateError: somebody published or discarded the draft meanwhile.
        ValidationError: the numbers contradict each other.
    """
    _demand(by, Can.EDIT_PROTOCOL)
    draft = _locked_draft(draft_id)
    problems = problems_of(values, steps)
    if problems:
        raise ValidationError(problems)
    for name in VERSION_FIELDS:
        setattr(draft, name, values[name])
    draft.clinic_settings = _settings_after(draft, steps)
    draft.full_clean()
    draft.save()
    draft.steps.all().delete()
    _write_steps(draft, steps)
    return draft


def problems_of(values: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """What could never be followed, in sentences; none when the numbers fit each other."""
    if not steps:
        return ["A protocol needs at least one step."]
    found: list[str] = []
    for position, step in enumerate(steps, 1):
        where = f"Step {position}: " if len(steps) > 1 else ""
        gaps = check_gaps(
            frozenset(step["weekdays"]), step["target_gap_days"], step["min_gap_days"], step["max_gap_days"]
        )
        found += [f"{where}{sentence}" for sentence in gaps]
    if found:
        return found
    numbers = {name: values[name] for name in ("n_min", "n_default", "n_max")}
    return list(check_numbers([step_of(step) for step in steps], decision_points=values["decision_points"], **numbers))


def _settings_after(draft: ProtocolVersion, steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """A published value that the clinic changed is no published value any more."""
    marked = set(draft.clinic_settings)
    before = version_before(draft)
    if before is None:
        return sorted(marked)
    texts = {"title", "indications", "evidence_note", "source", "maintenance_note", "aftercare"}
    marked |= {name for name in VERSION_FIELDS if name not in texts and getattr(draft, name) != getattr(before, name)}
    old = [{name: getattr(step, name) for name in RHYTHM_FIELDS} for step in before.steps.all()]
    for name in RHYTHM_FIELDS:
        if [step[name] for step in steps] != [step[name] for step in old]:
            marked.add(name)
    return sorted(marked)


def version_before(version: ProtocolVersion) -> ProtocolVersion | None:
    """The version that this one follows."""
    return ProtocolVersion.objects.filter(protocol_id=version.protocol_id, number__lt=version.number).first()


@transaction.atomic
def discard_draft(draft_id: int, *, by: User) -> Protocol | None:
    """The draft is gone; so is its protocol when there was nothing else in it (then None is returned)."""
    _demand(by, Can.EDIT_PROTOCOL)
    draft = _locked_draft(draft_id)
    protocol = draft.protocol
    draft.delete()
    if protocol.versions.exists():
        return protocol
    protocol.delete()
    return None


# -- publishing --------------------------------------------------------------------------------------------------------


@transaction.atomic
def publish(draft_id: int, *, by: User, now: datetime) -> ProtocolVersion:
    """The draft is the version that new courses use; the one before is retired, running courses keep it.

    Raises:
        PermissionDenied: ``by`` is no clinician.
        ProtocolStateError: it is no draft any more.
    """
    _demand(by, Can.APPROVE_PROTOCOL)
    draft = _locked_draft(draft_id)
    problems = problems_of(
        {name: getattr(draft, name) for name in VERSION_FIELDS},
        [{name: getattr(step, name) for name in STEP_FIELDS} for step in draft.steps.all()],
    )
    if problems:
        raise ValidationError(problems)
    draft.protocol.versions.filter(status=VersionStatus.PUBLISHED).update(status=VersionStatus.RETIRED)
    _mark_published(draft, by, now)
    return draft


@transaction.atomic
def retire(version_id: int, *, by: User) -> ProtocolVersion:
    """No new course can use the version; running courses keep it.

    Raises:
        PermissionDenied: ``by`` is no clinician.
        ProtocolStateError: it is not the published version.
    """
    _demand(by, Can.APPROVE_PROTOCOL)
    version = ProtocolVersion.objects.select_for_update().select_related("protocol").get(pk=version_id)
    if version.status != VersionStatus.PUBLISHED:
        raise ProtocolStateError("Only the version in use can be retired. Load the page again to see what changed.")
    version.status = VersionStatus.RETIRED
    version.save(update_fields=["status"])
    return version


def _mark_published(version: ProtocolVersion, by: User | None, now: datetime) -> None:
    _publish(version, by, now)
    version.save(update_fields=PUBLISHED_FIELDS)


def _publish(version: ProtocolVersion, by: User | None, now: datetime) -> None:
    version.status, version.published_at, version.published_by = VersionStatus.PUBLISHED, now, by


def _locked_draft(draft_id: int) -> ProtocolVersion:
    draft = (
        ProtocolVersion.objects.select_for_update(of=("self",)).select_related("protocol").filter(pk=draft_id).first()
    )
    if draft is None or draft.status != VersionStatus.DRAFT:
        raise ProtocolStateError(
            "This draft was published or discarded meanwhile, so nothing was changed. "
            "Start a new draft from the version in use."
        )
    return draft


def _write_steps(version: ProtocolVersion, steps: Sequence[Mapping[str, Any]]) -> None:
    rows = _steps(version, steps)
    for row in rows:
        row.full_clean(validate_unique=False)
    ProtocolStep.objects.bulk_create(rows)


def _steps(version: ProtocolVersion, steps: Sequence[Mapping[str, Any]]) -> list[ProtocolStep]:
    return [
        ProtocolStep(version=version, position=position, **{name: step[name] for name in STEP_FIELDS})
        for position, step in enumerate(steps, 1)
    ]


def _demand(by: User, capability: Can) -> None:
    if not by.can(capability):
        words = {
            Can.APPROVE_PROTOCOL: "A protocol is published and retired by a clinician.",
            Can.EDIT_PROTOCOL: "Protocols are edited by clinicians and managers.",
        }
        raise PermissionDenied(words[capability])
