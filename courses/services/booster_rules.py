"""Which booster rule counts for a course: its own, else its location's, else the shipped one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied

from clinic.models import User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import Course, CourseBoosterRule, FollowUpSettings
from courses.models.outcomes import BoosterRuleFields
from courses.pure.boosters import BoosterRule
from courses.services.series_changes import ChangedMeanwhileError, ReasonNeededError
from patients.pure.consent_text import fingerprint

RULE_FIELDS = tuple(field.name for field in BoosterRuleFields._meta.fields)


def plain_rule(row: BoosterRuleFields) -> BoosterRule:
    """A stored rule as the pure core knows it."""
    return BoosterRule(**{name: getattr(row, name) for name in RULE_FIELDS})


def rule_for(course: Course) -> tuple[BoosterRule, CourseBoosterRule | None]:
    """The rule in force, and the course's own row where it has one."""
    own = CourseBoosterRule.objects.filter(course=course).first()
    return (plain_rule(own), own) if own is not None else (clinic_rule(course.location_id), None)


def clinic_rule(location_id: int) -> BoosterRule:
    """The rule of a location, or the shipped one."""
    row = FollowUpSettings.objects.filter(location=location_id).first()
    return plain_rule(row or FollowUpSettings())


def rules_of_many(courses: Iterable[Course]) -> dict[int, tuple[BoosterRule, bool]]:
    """By course id: the rule in force, and whether it is the course's own. Two queries."""
    wanted = list(courses)
    own = {row.course_id: plain_rule(row) for row in CourseBoosterRule.objects.filter(course__in=wanted)}
    places = {one.location_id for one in wanted}
    theirs = {
        row.location_id: plain_rule(row) for row in FollowUpSettings.objects.filter(location__in=places).order_by()
    }
    shipped = plain_rule(FollowUpSettings())
    return {
        one.pk: (own[one.pk], True) if one.pk in own else (theirs.get(one.location_id, shipped), False)
        for one in wanted
    }


def seen_rule(row: CourseBoosterRule | None) -> str:
    """What a form sends along, so that a save on top of somebody else's is noticed."""
    return fingerprint(*(getattr(row, name) for name in (*RULE_FIELDS, "reason"))) if row is not None else ""


def set_course_rule(
    course_id: int, *, values: Mapping[str, Any] | None, reason: str, expected: str, by: User, now: datetime
) -> CourseBoosterRule | None:
    """The course goes by a rule of its own, or (without values) by its location's again; the history keeps the reason.

    Args:
        values: ``RULE_FIELDS`` by name; None: the location's rule counts again.
        expected: ``seen_rule`` of what the person had before them.

    Raises:
        PermissionDenied: the person does not decide about courses.
        ReasonNeededError: there is no reason.
        ChangedMeanwhileError: somebody else saved meanwhile.
        ValidationError: a value does not fit.
    """
    if not by.can(Can.DECIDE_COURSE):
        raise PermissionDenied("Only a prescriber decides about a course.")
    if not reason.strip():
        raise ReasonNeededError("Give the reason; it stays with the course.")
    with recorded(by=by, now=now):
        course = Course.objects.select_for_update(no_key=True).get(pk=course_id)
        row = CourseBoosterRule.objects.filter(course=course).first()
        if seen_rule(row) != expected:
            raise ChangedMeanwhileError("Somebody else changed this rule meanwhile. Nothing was saved; look again.")
        if values is None and row is None:
            return None
        row = row or CourseBoosterRule(course=course)
        for name, value in (values or {}).items():
            setattr(row, name, value)
        row.reason = reason.strip()[:300]
        row.full_clean()
        row.save()
        if values is not None:
            return row
        row.delete()  # after the save: so the history has the reason of the way back as well
        return None
