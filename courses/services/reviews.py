"""A review: the facts of a series laid out for whoever decides how to go on, and the decisions themselves.

Source: clinical.md A 15, 16, 35, 142; B1 "Stop/continue rule" (P25); B3 (L3); cases 1, 4, 6, 27c. The facts ask, they
never decide: nothing of a course changes but by a prescriber's choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import OuterRef

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import (
    AdverseEvent,
    CareItem,
    CareKind,
    Course,
    CourseStatus,
    Infusion,
    InfusionRecord,
    Phase,
    Revision,
    RevisionKind,
    Route,
    Task,
    TaskEnd,
    TaskKind,
    VisitOutcome,
)
from courses.planning.dates import gap_days
from courses.planning.rules import gap_limits
from courses.planning.words import say_count, say_numbers
from courses.pure.adverse import label_of
from courses.pure.doses import DoseError, Ordered, devices_for, exact_mg, plain
from courses.pure.doses_given import Given
from courses.pure.outcomes.judging import Outcome, Score, shown
from courses.pure.reviews import OF_SERIES, Point, PointKind, Rhythm, StopRule, steps_from_now, stop_rule
from courses.services.course_summary import read_summaries
from courses.services.courses import close_course, locked_course, preview_settings
from courses.services.doses_given import dose_of, with_doses
from courses.services.following import Following, read_following
from courses.services.outcomes import outcome_of
from courses.services.planning_input import Team
from courses.services.revisions import write_revision
from courses.services.series_changes import (
    ChangedMeanwhileError,
    ChangeRefusedError,
    Preview,
    ReasonNeededError,
    read_token,
)
from courses.services.series_commit import commit
from courses.services.series_state import Row, Series, read_series
from courses.services.together import rows_as_json, rows_from_json
from courses.services.worklists.engine import end_task
from patients.pure.measures import MEASURES

WORST_FIRST = ("severe", "moderate", "mild")


class AlreadyDecidedError(ChangedMeanwhileError):
    """Somebody decided at this review meanwhile; nothing was changed."""


# -- the facts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SideEffect:
    """One side effect as the review shows it."""

    label: str
    severity: str
    is_serious: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One infusion that was given, with what came before and after it."""

    number: int
    day: date
    gap: int | None
    limits: tuple[int, int] | None
    score: Score | None
    change: Decimal | None  # points from the baseline; below zero is better
    percent: Decimal | None  # improvement, one decimal
    dose: Given | None
    effects: tuple[SideEffect, ...]
    asked: bool  # side effects were asked about, whatever the answer

    @property
    def fewer(self) -> Decimal | None:
        """Points below the baseline."""
        return -self.change if self.change is not None else None

    @property
    def on_window(self) -> bool:
        return self.gap is None or self.limits is None or self.limits[0] <= self.gap <= self.limits[1]


@dataclass(frozen=True, slots=True)
class Held:
    """A visit at which nothing was given: withheld or missed."""

    number: int
    day: date
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """A review without its facts: what it is about and where the series stands."""

    task: Task
    point: Point
    series: Series

    @property
    def course(self) -> Course:
        return self.series.course

    @property
    def is_open(self) -> bool:
        return self.task.closed_at is None

    @property
    def given(self) -> int:
        return len(self.series.given)

    @property
    def left(self) -> int:
        """Infusions still to come."""
        return max(0, self.series.settings.n - self.given)

    @property
    def is_nasal(self) -> bool:
        return self.series.phase.protocol_version.protocol.route == Route.NASAL


@dataclass(frozen=True, slots=True)
class Review(Due):
    """Everything that the page of one review shows. ``outcome`` is that of the leading ``measure``."""

    measure: str
    outcome: Outcome
    recall_days: int | None  # the span that the measure asks about
    lines: tuple[Line, ...]
    held: tuple[Held, ...]
    rule: StopRule

    @property
    def overlaps(self) -> bool:
        """Scores lie closer together than the span that the measure asks about."""
        gaps = [line.gap for line in self.lines if line.gap is not None]
        return self.recall_days is not None and any(gap < self.recall_days for gap in gaps)

    @property
    def missing(self) -> tuple[int, ...]:
        """Infusions without a score after them; the last one may still get its own."""
        return tuple(line.number for line in self.lines if line.score is None)

    @property
    def missing_words(self) -> str:
        return f"No score after {say_numbers(list(self.missing))}." if self.missing else ""

    @property
    def not_asked(self) -> str:
        """The infusions at which side effects were neither recorded nor answered with none."""
        numbers = [line.number for line in self.lines if not line.asked]
        return f"Side effects were not recorded at {say_numbers(numbers)}." if numbers else ""

    @property
    def latest(self) -> Line | None:
        """The latest infusion with a score after it."""
        return next((line for line in reversed(self.lines) if line.score is not None), None)

    @property
    def effects(self) -> tuple[tuple[str, str, int], ...]:
        """Side effects over the series: what, worst severity, at how many infusions; the worst first."""
        found: dict[str, list[str]] = {}
        for line in self.lines:
            for label in {one.label for one in line.effects}:
                worst = min((one.severity for one in line.effects if one.label == label), key=WORST_FIRST.index)
                found.setdefault(label, []).append(worst)
        rows = [(label, min(each, key=WORST_FIRST.index), len(each)) for label, each in found.items()]
        return tuple(sorted(rows, key=lambda row: (WORST_FIRST.index(row[1]), -row[2], row[0])))

    @property
    def serious(self) -> int:
        return sum(one.is_serious for line in self.lines for one in line.effects)

    @property
    def gaps(self) -> tuple[int, int]:
        """Gaps inside their limits, and all gaps."""
        found = [line for line in self.lines if line.gap is not None]
        return sum(line.on_window for line in found), len(found)

    @property
    def stopped_early(self) -> int:
        return sum(line.dose is not None and line.dose.stopped_early for line in self.lines)


def read_review(task: Task, now: datetime) -> Review:
    """The facts as they stand now.

    Raises:
        Task.DoesNotExist: the task is no review of a series that there still is.
    """
    if task.kind != TaskKind.REVIEW or task.course is None:
        raise Task.DoesNotExist
    summaries = read_summaries(task.course.pk, now)
    series = next((one.series for one in summaries if one.series.phase.pk == task.facts.get("phase")), None)
    if series is None:
        raise Task.DoesNotExist
    following = read_following(series.course)
    found = outcome_of(series.course, summaries, following)
    outcome = found.outcome
    if found.phase_id not in (None, series.phase.pk):
        outcome = replace(outcome, after={}, improvement={})  # it speaks of another series of this course
    measure = MEASURES.get(found.measure)
    return Review(
        task=task,
        point=_point(task),
        series=series,
        measure=found.measure,
        outcome=outcome,
        recall_days=measure.recall_days if measure is not None else None,
        lines=tuple(_lines(series, outcome, _records(series, now))),
        held=tuple(_held(series)),
        rule=stop_rule(
            outcome.improvement,
            given=len(series.given),
            after=outcome.terms.review_after,
            below_percent=outcome.terms.improvement_percent,
        ),
    )


def read_due(task: Task) -> Due:
    """The review without its facts, for the preview of a change: three queries, one more after an earlier phase.

    Raises:
        Task.DoesNotExist: as for ``read_review``.
    """
    if task.kind != TaskKind.REVIEW:
        raise Task.DoesNotExist
    try:
        return Due(task, _point(task), read_series(task.facts.get("phase", 0)))
    except Phase.DoesNotExist as error:
        raise Task.DoesNotExist from error


def _point(task: Task) -> Point:
    return Point(PointKind(task.facts["point"]), task.facts["after"])


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the record of one infusion says: dose and side effects."""

    dose: Given | None
    effects: tuple[SideEffect, ...]
    asked: bool


def _records(series: Series, now: datetime) -> dict[int, Recorded]:
    """By the id of the infusion. One query."""
    none = InfusionRecord.objects.filter(
        visit__infusion=OuterRef("pk"), visit__outcome=VisitOutcome.GIVEN, no_adverse_events_at__isnull=False
    )
    rows = Infusion.objects.filter(phase=series.phase).annotate(
        **with_doses(),
        effect_rows=rows_as_json(AdverseEvent, "record__visit__infusion", "onset_at"),
        none_at=ArraySubquery(none.values("no_adverse_events_at")),
    )
    found = {}
    for row in rows:
        valid = [one for one in rows_from_json(AdverseEvent, row.effect_rows) if one.struck_at is None]
        effects = tuple(SideEffect(label_of(one.code, one.text), one.severity, one.is_serious) for one in valid)
        found[row.pk] = Recorded(dose_of(row, now), effects, bool(effects or row.none_at))
    return found


def _lines(series: Series, outcome: Outcome, records: Mapping[int, Recorded]) -> Iterator[Line]:
    given = [row for row in series.rows if row.is_given and row.placed is not None]
    before: Mapping[int, Row] = {later.number: earlier for earlier, later in pairwise(given)}
    for row in given:
        earlier, record = before.get(row.number), records.get(row.infusion.pk, Recorded(None, (), False))
        score, percent = outcome.after.get(row.number), outcome.improvement.get(row.number)
        yield Line(
            number=row.number,
            day=row.placed.day,  # type: ignore[union-attr] # only placed rows are among them
            gap=gap_days(earlier.placed.day, row.placed.day) if earlier else None,  # type: ignore[union-attr]
            limits=gap_limits(earlier.number, row.number, series.rule) if earlier else None,
            score=score,
            change=score.value - outcome.baseline.value if score and outcome.baseline else None,
            percent=shown(percent) if percent is not None else None,
            dose=record.dose,
            effects=record.effects,
            asked=record.asked,
        )


def _held(series: Series) -> Iterator[Held]:
    for row in series.rows:
        for visit in row.attempts:
            if visit.outcome in (VisitOutcome.WITHHELD, VisitOutcome.MISSED):
                day = series.local_day(visit.booking.start)
                yield Held(row.number, day, visit.get_outcome_display(), visit.reason)


def snapshot(review: Review) -> dict[str, Any]:
    """The facts as plain JSON, for the revision that keeps on what a decision rested."""
    outcome = review.outcome
    return {
        "point": review.point.kind.value,
        "after": review.point.after,
        "given": len(review.lines),
        "planned": review.series.settings.n,
        "measure": review.measure,
        "baseline": str(outcome.baseline.value) if outcome.baseline else None,
        "infusions": [
            {
                "number": line.number,
                "day": line.day.isoformat(),
                "gap": line.gap,
                "score": str(line.score.value) if line.score else None,
                "improvement": str(line.percent) if line.percent is not None else None,
                "dose_mg": str(line.dose.delivered_mg) if line.dose else None,
                "side_effects": [[one.label, one.severity] for one in line.effects],
                "side_effects_asked": line.asked,
            }
            for line in review.lines
        ],
        "held": [[one.number, one.day.isoformat(), one.what] for one in review.held],
        "rule_after_4": review.rule.said.value,
    }


# -- deciding ----------------------------------------------------------------------------------------------------------


@contextmanager
def _deciding(task_id: int, *, by: User, now: datetime) -> Iterator[tuple[Review, dict[str, Any]]]:
    """The review, open and locked, with the snapshot of its facts; all that is written inside is saved whole.

    The patient's row is locked first, as every change to a course does, so that a decision and a move wait in turn.
    """
    if not by.can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber decides at a review.")
    with recorded(by=by, now=now):
        course_id = Task.objects.filter(kind=TaskKind.REVIEW).values_list("course", flat=True).get(pk=task_id)
        if course_id is None:
            raise Task.DoesNotExist
        locked_course(course_id)
        task = Task.objects.select_for_update(of=("self",)).select_related("course", "closed_by").get(pk=task_id)
        if task.closed_at is not None:
            raise AlreadyDecidedError(say_decided(task))
        review = read_review(task, now)
        seen = snapshot(review)
        task.facts = task.facts | {"seen": seen}
        task.save(update_fields=["facts"])
        yield review, {"review": seen}


def say_decided(task: Task) -> str:
    """By whom and how a review ended, as a sentence."""
    who = task.closed_by.display_name if task.closed_by else "The system"
    return f"{who} ended this review meanwhile: {task.closed_text.rstrip('.')}. Nothing more was changed."


def _end(review: Review, text: str, revision: Revision | None, *, by: User, now: datetime) -> None:
    """This review is decided, and with it open ones of earlier points: their facts are among those of this one."""
    ids = [review.task.pk]
    if review.point.kind in OF_SERIES:
        others = Task.objects.open().filter(kind=TaskKind.REVIEW, course=review.course).exclude(pk=review.task.pk)
        ids += [
            one.pk
            for one in others
            if one.facts.get("phase") == review.series.phase.pk
            and one.facts.get("point") in OF_SERIES
            and one.facts.get("after", 0) <= review.point.after
        ]
    for pk in ids:
        end_task(pk, how=TaskEnd.DECIDED, text=text, by=by, now=now, revision=revision)


def continue_as_planned(task_id: int, *, note: str = "", by: User, now: datetime) -> Revision:
    """Nothing changes; that it was looked at stands in the history, with the facts.

    Raises:
        PermissionDenied, AlreadyDecidedError
    """
    with _deciding(task_id, by=by, now=now) as (review, facts):
        revision = _write(
            review, RevisionKind.REVIEWED, f"Reviewed {review.point.words}: goes on as planned.",
            reason=note, before=facts, after={"choice": "continue"}, by=by, now=now,
        )  # fmt: skip
        _end(review, "Goes on as planned", revision, by=by, now=now)
        return revision


def change_dose(task_id: int, *, basis: str, amount: Decimal, reason: str, by: User, now: datetime) -> Revision:
    """The next order shows this dose as decided at the review. The order itself is still written, and checked, then.

    Raises:
        PermissionDenied, AlreadyDecidedError, ReasonNeededError
        ValidationError: by field, a dose that cannot be ordered.
    """
    with _deciding(task_id, by=by, now=now) as (review, facts):
        why = _reason(reason)
        ordered = _dose(review, basis, amount)
        dose = {"basis": ordered.basis, "amount": plain(ordered.amount), "said": ordered.said, "why": why}
        revision = _write(
            review, RevisionKind.DOSE, f"Another dose from the next infusion on, decided {review.point.words}.",
            reason=f"{ordered.said}: {why}", before=facts, after={"choice": "dose", "dose": dose}, by=by, now=now,
        )  # fmt: skip
        _end(review, "Dose changed", revision, by=by, now=now)
        return revision


def _dose(review: Review, basis: str, amount: Decimal) -> Ordered:
    ordered = Ordered(basis, amount, review.series.settings.shape.infusion_min)
    try:
        if review.is_nasal:
            devices_for(ordered)
        else:
            exact_mg(ordered, Decimal(1))  # whatever the weight: it says whether the amount is a slip of the keyboard
    except DoseError as error:
        raise ValidationError({error.field: str(error)}) from error
    return ordered


@dataclass(frozen=True, slots=True)
class Beside:
    """A new item of care beside the infusions that a decision brings along."""

    responsible: str


def change_treatment(
    task_id: int, *, what: str, reason: str, care: Beside | None = None, by: User, now: datetime
) -> Revision:
    """Another treatment is changed or added; on wish it stands under the care beside the infusions from today on.

    Raises:
        PermissionDenied, AlreadyDecidedError, ReasonNeededError
        ValidationError: it does not say what, or nobody is responsible for the care.
    """
    with _deciding(task_id, by=by, now=now) as (review, facts):
        why, what = _reason(reason), what.strip()
        if not what:
            raise ValidationError({"what": "Say what is changed or added."})
        if care is not None and not care.responsible.strip():
            raise ValidationError({"responsible": "Say who is responsible for it."})
        after: dict[str, Any] = {"choice": "treatment", "treatment": what}
        if care is not None:
            item = CareItem.objects.create(
                course=review.course,
                kind=CareKind.TREATMENT,
                title=what[:120],
                responsible=care.responsible.strip()[:120],
                started_on=review.series.today(now),
                created_at=now,
                created_by=by,
            )
            after["care"] = item.pk
        revision = _write(
            review, RevisionKind.TREATMENT, f"Other treatment changed or added, decided {review.point.words}.",
            reason=f"{what.rstrip('.')}: {why}", before=facts, after=after, by=by, now=now,
        )  # fmt: skip
        _end(review, "Other treatment changed or added", revision, by=by, now=now)
        return revision


def commit_change(task_id: int, token: str, *, reason: str, by: User, now: datetime) -> Revision:
    """The number or the rhythm changes exactly as it was previewed, judged again; and the review is decided.

    Raises:
        PermissionDenied, AlreadyDecidedError, ReasonNeededError
        ChangeRefusedError: as for ``series_commit.commit``; or the preview is of another series.
    """
    with _deciding(task_id, by=by, now=now) as (review, facts):
        plain_token = read_token(token)
        if plain_token["phase"] != review.series.phase.pk or plain_token["kind"] not in TEXTS:
            raise ChangeRefusedError("This preview does not belong to this review. Look at it again.")
        commit(token, reason=_reason(reason), by=by, now=now, beside=facts)
        revision = review.course.revisions.filter(kind=plain_token["kind"]).order_by("-pk")[0]
        _end(review, TEXTS[plain_token["kind"]].format(revision.summary.rstrip(".")), revision, by=by, now=now)
        return revision


TEXTS = {RevisionKind.NUMBER.value: "Number changed: {}", RevisionKind.RHYTHM.value: "Rhythm changed"}


def stop(task_id: int, *, reason: str, by: User, now: datetime) -> Course:
    """The course ends here: completed where all of it is given, else stopped. What is booked is released.

    The facts stand in the revision, as for every decision; closing a course ends everything that waits for it.

    Raises:
        PermissionDenied, AlreadyDecidedError, ReasonNeededError, ChangeRefusedError
    """
    with _deciding(task_id, by=by, now=now) as (review, facts):
        status = CourseStatus.STOPPED if review.left else CourseStatus.COMPLETED
        return close_course(review.course.pk, status=status, reason=_reason(reason), by=by, now=now, beside=facts)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise ReasonNeededError("Give the reason; it stays with the course.")
    return reason.strip()[:250]


def _write(
    review: Review,
    kind: RevisionKind,
    summary: str,
    *,
    reason: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    by: User,
    now: datetime,
) -> Revision:
    return write_revision(
        course=review.course,
        phase=review.series.phase,
        kind=kind,
        summary=summary[:300],
        reason=reason.strip()[:300],
        before=before,
        after=after,
        by=by,
        now=now,
    )


# -- another rhythm ----------------------------------------------------------------------------------------------------


def preview_rhythm(series: Series, rhythm: Rhythm, *, now: datetime, team: Team | None = None) -> Preview:
    """Everything still to come in another rhythm, re-planned through the judge; what was given stays.

    Raises:
        ChangeRefusedError: nothing is to come, or the course does not run.
    """
    given = len(series.given)
    try:
        steps = steps_from_now(series.settings.steps, given=given, n=series.settings.n, rhythm=rhythm)
    except ValueError as error:
        said = say_count(given, "infusion")
        raise ChangeRefusedError(
            f"All {said} are given, so there is no rhythm to change. Change the number."
        ) from error
    return preview_settings(series, settings=replace(series.settings, steps=steps), replan=True, now=now, team=team)


def open_reviews(following: Following) -> Sequence[Task]:
    """The reviews of a course that wait for a decision, the one due first."""
    found = [task for task in following.open_tasks if task.kind == TaskKind.REVIEW]
    return sorted(found, key=lambda task: (task.due_on, task.pk))
