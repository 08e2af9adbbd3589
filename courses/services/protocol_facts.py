"""What a protocol version says, for people: its meaning in sentences and weeks, and what changed between versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Prefetch, Q

from courses.models import DoseBasis, Phase, PhaseKind, Protocol, ProtocolStep, ProtocolVersion, VersionStatus
from courses.models.courses import OPEN_COURSE_STATUSES
from courses.models.protocol_fields import STEP_FIELDS, VERSION_FIELDS
from courses.planning.protocols import Step, describe, say_decisions, say_steps
from courses.planning.sketch import Week, sketch_weeks
from courses.planning.words import say_count, say_list, say_weekdays
from courses.services.protocols import problems_of, step_of
from patients.pure.indications import INDICATION_LABELS, Indication


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the numbers of a version mean together; ``problems`` forbid saving, ``warnings`` only speak up (C2)."""

    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    weeks: tuple[Week, ...] = ()
    span_days: int = 0
    patient_min: int = 0
    chair_min: int = 0
    caution: str = ""  # the warning in a few words, for a list


def values_of(version: ProtocolVersion) -> dict[str, Any]:
    """The version's facts by field name."""
    return {name: getattr(version, name) for name in VERSION_FIELDS}


def step_values_of(version: ProtocolVersion) -> list[dict[str, Any]]:
    """The version's steps by field name, in order."""
    return [{name: getattr(step, name) for name in STEP_FIELDS} for step in version.steps.all()]


def steps_of(version: ProtocolVersion) -> tuple[Step, ...]:
    """The version's steps as the planning core speaks of them."""
    return tuple(step_of(values) for values in step_values_of(version))


def meaning_of(values: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Meaning:
    """What the numbers mean, or which of them contradict each other."""
    problems = tuple(problems_of(values, steps))
    patient = values["preparation_min"] + values["infusion_min"] + values["observation_min"]
    chair = patient + values["turnaround_min"]
    if problems:
        return Meaning(problems=problems, patient_min=patient, chair_min=chair)
    made, limit = [step_of(step) for step in steps], values["span_warn_days"]
    count, most = values["n_default"], values["n_max"]
    usual = describe(made, count, span_limit_days=limit)
    sentences, warnings = usual.sentences, usual.warnings
    caution = f"does not fit into {limit} days" if warnings else ""
    if most > count:
        longest = describe(made, most, span_limit_days=limit)
        sentences = (*sentences, longest.sentences[0])
        if longest.warnings and not warnings:
            warnings = tuple(f"{say_count(most, 'infusion')}: {_lower(warning)}" for warning in longest.warnings)
            caution = f"{most} do not fit into {limit} days"
    return Meaning(
        sentences=sentences,
        warnings=warnings,
        weeks=sketch_weeks(made, count),
        span_days=usual.span_days,
        patient_min=patient,
        chair_min=chair,
        caution=caution,
    )


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def meaning_of_version(version: ProtocolVersion) -> Meaning:
    """What a stored version means."""
    return meaning_of(values_of(version), step_values_of(version))


def say_rhythm(version: ProtocolVersion) -> str:
    """The rhythm in a line: "6 infusions 3 times a week (Mon-Wed-Fri)"."""
    steps = steps_of(version)
    if sum(step.count for step in steps) == 1:
        return say_count(1, "infusion")
    return say_steps(steps)


def say_reviews(version: ProtocolVersion) -> str:
    """The decision points in words; the end of a series is always one."""
    points = version.decision_points
    return say_decisions(points, at_end=version.n_default not in points)


def say_dose(version: ProtocolVersion) -> str:
    """The dose as a clinician writes it, without trailing zeros: "0.5 mg/kg (0.1 to 0.75)"."""
    if version.dose_start is None:
        return "As last given"
    said = f"{_number(version.dose_start)} {version.get_dose_basis_display()}"
    low, high = version.dose_min, version.dose_max
    if low is not None and high is not None:
        return f"{said} ({_number(low)} to {_number(high)})"
    if low is not None:
        return f"{said} (at least {_number(low)})"
    return f"{said} (at most {_number(high)})" if high is not None else said


def _number(value: Decimal) -> str:
    return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step for the table of a version."""

    row: ProtocolStep
    rhythm: str


def step_lines(version: ProtocolVersion) -> list[StepLine]:
    """The steps of a version with their rhythm in words."""
    rows = zip(version.steps.all(), steps_of(version), strict=True)
    return [StepLine(row, step.rhythm) for row, step in rows]


# -- the list ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProtocolLine:
    """One protocol in the list: the version to show, what it means, and how much it is used."""

    protocol: Protocol
    version: ProtocolVersion
    draft: ProtocolVersion | None
    rhythm: str
    meaning: Meaning
    in_use: int


@dataclass(frozen=True, slots=True)
class ProtocolGroup:
    kind: PhaseKind
    lines: list[ProtocolLine]


def protocol_groups(*, with_retired: bool = False) -> list[ProtocolGroup]:
    """All protocols by phase, in the order of a course; protocols without a living version only when asked for."""
    versions = ProtocolVersion.objects.prefetch_related("steps").order_by("-number")
    rows = Protocol.objects.prefetch_related(Prefetch("versions", queryset=versions, to_attr="all_versions")).annotate(
        in_use=Count(
            "versions__phases__course",
            filter=Q(versions__phases__course__status__in=OPEN_COURSE_STATUSES),
            distinct=True,
        )
    )
    lines: dict[str, list[ProtocolLine]] = {}
    for protocol in rows:
        line = _line(protocol)
        if line is not None and (with_retired or line.draft or line.version.status != VersionStatus.RETIRED):
            lines.setdefault(protocol.phase_kind, []).append(line)
    return [ProtocolGroup(kind, lines[kind]) for kind in PhaseKind if kind in lines]


def _line(protocol: Protocol) -> ProtocolLine | None:
    versions: list[ProtocolVersion] = protocol.all_versions  # type: ignore[attr-defined]
    if not versions:
        return None
    by_status = {version.status: version for version in reversed(versions)}
    draft = by_status.get(VersionStatus.DRAFT)
    shown = by_status.get(VersionStatus.PUBLISHED) or draft or versions[0]
    return ProtocolLine(
        protocol=protocol,
        version=shown,
        draft=draft if draft is not shown else None,
        rhythm=say_rhythm(shown),
        meaning=meaning_of_version(shown),
        in_use=protocol.in_use,  # type: ignore[attr-defined]
    )


def in_use_by_version(protocol_id: int) -> dict[int, int]:
    """Version id -> how many open courses have a phase under it."""
    rows = (
        Phase.objects.filter(protocol_version__protocol_id=protocol_id, course__status__in=OPEN_COURSE_STATUSES)
        .values("protocol_version_id")
        .annotate(n=Count("course", distinct=True))
    )
    return {row["protocol_version_id"]: row["n"] for row in rows}


# -- what changed ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldChange:
    label: str
    before: str
    after: str


def changes_between(older: ProtocolVersion, newer: ProtocolVersion) -> list[FieldChange]:
    """Every fact in which two versions differ, in words."""
    found = []
    for name in VERSION_FIELDS:
        before, after = getattr(older, name), getattr(newer, name)
        if before != after:
            label = str(getattr(ProtocolVersion, name).field.verbose_name)
            found.append(FieldChange(label.capitalize(), say_value(name, before), say_value(name, after)))
    old, new = step_values_of(older), step_values_of(newer)
    if old != new:
        found.append(FieldChange("Steps", _say_steps_fully(old), _say_steps_fully(new)))
    return found


def say_value(name: str, value: Any) -> str:  # noqa: ANN401 (any field's value)
    """A field's value as the pages write it."""
    if value in (None, "", []):
        return "none"
    if name == "indications":
        return ", ".join(INDICATION_LABELS[Indication(one)] for one in value)
    if name == "decision_points":
        return say_list([str(one) for one in value])
    if name == "dose_basis":
        return DoseBasis(value).label
    return _number(value) if isinstance(value, Decimal) else str(value)


def _say_steps_fully(steps: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(_say_step(step) for step in steps)


def _say_step(step: Mapping[str, Any]) -> str:
    rhythm = say_weekdays(step["weekdays"]) if step["weekdays"] else f"every {step['target_gap_days']} days"
    return f"{step['count']} × {rhythm}, gaps {step['min_gap_days']}–{step['max_gap_days']} days"
