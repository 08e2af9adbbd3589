"""Versions of the outcome terms: each save adds one, courses keep theirs, two at once make one."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError

from clinic.models import User
from clinic.tests.factories import make_clinic
from clinic.tests.fixtures.parallel import Parallel
from courses.models import OutcomeDefinition
from courses.pure.outcomes.terms import SHIPPED
from courses.services import outcome_terms as service
from courses.services.outcome_terms import StaleTermsError, latest_definition, values_of, versions, write_next_version
from courses.services.outcomes import terms_of
from courses.tests.series_kit import at, book
from patients.tests.factories import make_patient

NOW = at(date(2027, 4, 1))


def write(by: User, *, expected: int = 0, reason: str = "Agreed on 1 April", **changed: Any) -> OutcomeDefinition:
    values = values_of(terms_of(latest_definition())) | changed
    return write_next_version(values=values, reason=reason, expected=expected, by=by, now=NOW)


@pytest.mark.django_db
def test_the_next_version_stands_beside_the_earlier_and_says_what_it_changed() -> None:
    clinic = make_clinic()
    write(clinic.manager, response_percent=60)
    second = write(clinic.clinician, expected=1, relapse_scores={"madrs": 22}, reason="P24")
    assert [one.definition.number for one in versions()] == [2, 1]
    assert versions()[0].changes == (("Relapse at once, from (score)", "none", "MADRS 22"),)
    assert versions()[1].changes == (("Response (%)", "50", "60"),)
    assert latest_definition() == second
    terms = terms_of(second)
    assert (terms.response_percent, terms.remission_max, terms.number) == (60, SHIPPED.remission_max, 2)


@pytest.mark.django_db
def test_who_may_not_and_what_does_not_fit_changes_nothing() -> None:
    clinic = make_clinic()
    for wrong in (clinic.nurse, clinic.desk):
        with pytest.raises(PermissionDenied):
            write(wrong, response_percent=60)
    with pytest.raises(ValidationError, match="Say why"):
        write(clinic.manager, reason="  ", response_percent=60)
    with pytest.raises(ValidationError, match="in this order"):
        write(clinic.manager, partial_percent=60)
    with pytest.raises(ValidationError, match="Early must end before"):
        write(clinic.manager, early_last=4)
    with pytest.raises(ValidationError, match="Nothing is changed"):
        write(clinic.manager)
    with pytest.raises(StaleTermsError):
        write(clinic.manager, expected=4, response_percent=60)
    assert not OutcomeDefinition.objects.exists()


@pytest.mark.django_db
def test_a_version_is_never_changed() -> None:
    made = write(make_clinic().manager, response_percent=60)
    made.response_percent = 40
    with pytest.raises(DatabaseError, match="append_only"):
        made.save()


@pytest.mark.django_db
def test_new_courses_get_the_latest_and_running_ones_keep_theirs() -> None:
    first = book()
    assert first.course.outcome_definition is None
    made = write(first.clinic.manager, response_percent=60)
    second = book(date(2027, 5, 3), clinic=first.clinic, patient=make_patient("Mei", "Chen"))
    assert second.course.outcome_definition == made
    first.course.refresh_from_db()
    assert first.course.outcome_definition is None
    assert versions()[0].courses == 1


def test_two_who_looked_at_the_same_version_make_one(parallel: Parallel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked before either writes; the number, which is there once, decides."""
    clinic = make_clinic()
    gate, looked = threading.Barrier(2), threading.local()
    real = service.latest_definition

    def together() -> OutcomeDefinition | None:
        found = real()
        if not getattr(looked, "once", False):
            looked.once = True
            gate.wait(10)
        return found

    monkeypatch.setattr(service, "latest_definition", together)
    values = values_of(SHIPPED)

    def act(index: int) -> Any:
        mine = values | {"response_percent": 60 + index}
        return write_next_version(values=mine, reason="Mine", expected=0, by=clinic.manager, now=NOW)

    found = parallel(2, act)
    assert sorted(type(one.error or one.value).__name__ for one in found) == ["OutcomeDefinition", "StaleTermsError"]
    assert OutcomeDefinition.objects.count() == 1
