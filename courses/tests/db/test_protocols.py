"""Protocols: the shipped ones are installed once, versions follow each other, what is published never changes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.utils import InternalError
from django.test.utils import CaptureQueriesContext

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from courses.models import DoseBasis, PhaseKind, Protocol, ProtocolStep, ProtocolVersion, Route, VersionStatus
from courses.planning.templates import TEMPLATES
from courses.services import protocol_facts as facts
from courses.services import protocols as service

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 1, 4, 14, 0, tzinfo=UTC)


@pytest.fixture
def shipped() -> list[ProtocolVersion]:
    return service.install_shipped_protocols(now=NOW)


@pytest.fixture
def clinician() -> User:
    return make_user(Role.CLINICIAN)


@pytest.fixture
def manager() -> User:
    return make_user(Role.MANAGER)


def current(slug: str) -> ProtocolVersion:
    return ProtocolVersion.objects.get(protocol__slug=slug, status=VersionStatus.PUBLISHED)


def save(
    draft: ProtocolVersion, by: User, *, steps: list[dict[str, Any]] | None = None, **values: Any
) -> ProtocolVersion:
    return service.save_draft(
        draft.pk, values=facts.values_of(draft) | values, steps=steps or facts.step_values_of(draft), by=by
    )


# -- shipped -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_every_shipped_template_is_installed_as_published_version_one() -> None:
    assert set(Protocol.objects.values_list("slug", flat=True)) == {template.id for template in TEMPLATES}
    assert set(ProtocolVersion.objects.values_list("number", "status")) == {(1, VersionStatus.PUBLISHED)}


@pytest.mark.usefixtures("shipped")
def test_the_numbers_of_six_in_two_weeks_are_those_of_the_table() -> None:
    """Source: clinical.md B5, T-MWF6."""
    version = current("T-MWF6")
    assert (version.n_min, version.n_default, version.n_max) == (4, 6, 8)
    assert (version.infusion_min, version.infusion_max_min, version.observation_min) == (40, 60, 60)
    assert (version.dose_basis, version.dose_start) == (DoseBasis.MG_PER_KG, Decimal("0.5"))
    assert version.decision_points == [2, 4]
    step = version.steps.get()
    assert (step.weekdays, step.min_gap_days, step.max_gap_days) == ([0, 2, 4], 2, 4)
    assert {"max_gap_days", "observation_min"} <= set(version.clinic_settings)
    assert "infusion_min" not in version.clinic_settings
    assert "Murrough" in version.evidence_note


@pytest.mark.usefixtures("shipped")
def test_maintenance_and_spray_keep_their_phase_route_and_dose() -> None:
    assert current("M-CANBIND").protocol.phase_kind == PhaseKind.MAINTENANCE
    assert current("M-CANBIND").dose_basis == DoseBasis.LAST
    spray = current("T-ESK")
    assert (spray.protocol.route, spray.dose_basis, spray.dose_start) == (Route.NASAL, DoseBasis.TOTAL_MG, Decimal(56))
    assert spray.observation_min == 120
    assert "observation_min" not in spray.clinic_settings  # the label fixes it
    assert [step.count for step in spray.steps.all()] == [8, 4]


@pytest.mark.usefixtures("shipped")
def test_what_is_shipped_passes_every_check_that_an_edit_must_pass() -> None:
    """They are written in bulk, which asks for none of these."""
    versions, steps = list(ProtocolVersion.objects.all()), list(ProtocolStep.objects.all())
    assert len(versions) == len(TEMPLATES)
    assert len(steps) == sum(len(template.steps) for template in TEMPLATES)
    assert [said for row in (*versions, *steps) if (said := refusal_of(row))] == []
    versions[0].n_min = versions[0].n_max + 1
    assert refusal_of(versions[0]) == "Fewest, usual and most infusions must be in this order, from 1 to 60."


def refusal_of(row: ProtocolVersion | ProtocolStep) -> str:
    """What an edit would be told of this row; empty where all is well."""
    try:
        row.full_clean()
    except ValidationError as refusal:
        return " ".join(refusal.messages)
    return ""


@pytest.mark.usefixtures("shipped")
def test_installing_again_changes_nothing_and_an_edited_protocol_stays(clinician: User) -> None:
    draft = service.draft_from(current("T-MWF6"), by=clinician, now=NOW)
    service.publish(draft.pk, by=clinician, now=NOW)
    assert service.install_shipped_protocols(now=NOW) == []
    assert current("T-MWF6").number == 2
    said = StringIO()
    call_command("install_protocols", stdout=said)
    assert "installed already" in said.getvalue()


# -- drafts ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_editing_makes_one_draft_of_the_next_version(manager: User) -> None:
    draft = service.draft_from(current("T-2W6"), by=manager, now=NOW)
    assert (draft.number, draft.status, draft.created_by) == (2, VersionStatus.DRAFT, manager)
    assert facts.step_values_of(draft) == facts.step_values_of(current("T-2W6"))
    assert service.draft_from(current("T-2W6"), by=manager, now=NOW) == draft


@pytest.mark.usefixtures("shipped")
def test_a_changed_number_becomes_a_clinic_setting(manager: User) -> None:
    draft = service.draft_from(current("T-MWF6"), by=manager, now=NOW)
    assert "infusion_min" not in draft.clinic_settings
    saved = save(draft, manager, infusion_min=45)
    assert saved.infusion_min == 45
    assert "infusion_min" in saved.clinic_settings
    assert [change.label for change in facts.changes_between(current("T-MWF6"), saved)] == ["Infusion (min)"]


@pytest.mark.usefixtures("shipped")
def test_numbers_that_cannot_be_followed_are_refused_and_nothing_is_saved(manager: User) -> None:
    draft = service.draft_from(current("T-MWF6"), by=manager, now=NOW)
    step = facts.step_values_of(draft)[0]
    with pytest.raises(ValidationError, match="the smallest gap is 3 days"):
        save(draft, manager, steps=[step | {"min_gap_days": 3}], title="Changed")
    with pytest.raises(ValidationError, match="add up to 6 infusions, but the usual number is 7"):
        save(draft, manager, n_default=7)
    with pytest.raises(ValidationError, match="Lowest, starting and highest dose"):
        save(draft, manager, dose_min=Decimal("0.6"))
    draft.refresh_from_db()
    assert draft.title == "6 in 2 weeks, Mon-Wed-Fri"


@pytest.mark.usefixtures("shipped")
def test_a_new_protocol_starts_as_a_draft_with_the_numbers_of_another(manager: User) -> None:
    draft = service.start_protocol(current("T-2W6"), slug="T-OWN6", title="Ours", by=manager, now=NOW)
    assert (draft.protocol.slug, draft.title, draft.number, draft.n_default) == ("T-OWN6", "Ours", 1, 6)
    with pytest.raises(ValidationError):
        service.start_protocol(current("T-2W6"), slug="T-OWN6", title="Again", by=manager, now=NOW)
    assert service.discard_draft(draft.pk, by=manager) is None
    assert not Protocol.objects.filter(slug="T-OWN6").exists()


# -- publishing --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_a_manager_edits_but_only_a_clinician_publishes_and_retires(manager: User, clinician: User) -> None:
    draft = save(service.draft_from(current("T-2W6"), by=manager, now=NOW), manager, observation_min=90)
    with pytest.raises(PermissionDenied, match="published and retired by a clinician"):
        service.publish(draft.pk, by=manager, now=NOW)
    with pytest.raises(PermissionDenied):
        service.retire(current("T-2W6").pk, by=manager)
    service.publish(draft.pk, by=clinician, now=NOW)
    assert (current("T-2W6").number, current("T-2W6").published_by) == (2, clinician)
    assert ProtocolVersion.objects.get(protocol__slug="T-2W6", number=1).status == VersionStatus.RETIRED


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE])
def test_desk_and_nurse_do_not_edit_protocols(role: Role) -> None:
    with pytest.raises(PermissionDenied):
        service.draft_from(current("T-2W6"), by=make_user(role), now=NOW)


@pytest.mark.usefixtures("shipped")
def test_a_draft_that_somebody_published_meanwhile_is_not_written_any_more(manager: User, clinician: User) -> None:
    draft = service.draft_from(current("T-2W6"), by=manager, now=NOW)
    service.publish(draft.pk, by=clinician, now=NOW)
    for act in (
        lambda: save(draft, manager, infusion_min=50),
        lambda: service.publish(draft.pk, by=clinician, now=NOW),
        lambda: service.discard_draft(draft.pk, by=manager),
    ):
        with pytest.raises(service.ProtocolStateError, match="published or discarded meanwhile"):
            act()


@pytest.mark.usefixtures("shipped")
def test_a_retired_version_cannot_be_retired_again(clinician: User) -> None:
    version = service.retire(current("T-2W6").pk, by=clinician)
    assert version.status == VersionStatus.RETIRED
    with pytest.raises(service.ProtocolStateError):
        service.retire(version.pk, by=clinician)


@pytest.mark.usefixtures("shipped")
def test_a_longest_infusion_below_the_usual_one_is_refused_and_none_is_no_limit(manager: User) -> None:
    draft = service.draft_from(current("T-SEED8"), by=manager, now=NOW)
    assert (draft.infusion_min, draft.infusion_max_min) == (40, 60)
    with pytest.raises(ValidationError, match="longest infusion must not be below the usual one"):
        save(draft, manager, infusion_max_min=39)
    with pytest.raises(IntegrityError, match="protocolversion_infusion_in_order"), transaction.atomic():
        ProtocolVersion.objects.filter(pk=draft.pk).update(infusion_max_min=39)
    assert save(draft, manager, infusion_max_min=40).infusion_max_min == 40
    assert save(draft, manager, infusion_max_min=None).infusion_max_min is None


# -- the database itself keeps what was published ----------------------------------------------------------------------


def refused(act: Any) -> str:
    with pytest.raises(InternalError) as refusal, transaction.atomic():
        act()
    return str(refusal.value)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("status", [VersionStatus.PUBLISHED, VersionStatus.RETIRED])
def test_the_database_refuses_to_change_or_delete_a_published_version(status: VersionStatus, clinician: User) -> None:
    version = current("T-MWF6")
    if status == VersionStatus.RETIRED:
        service.retire(version.pk, by=clinician)
    rows = ProtocolVersion.objects.filter(pk=version.pk)
    assert "pgtrigger" in refused(lambda: rows.update(infusion_min=50))
    assert "pgtrigger" in refused(lambda: rows.update(infusion_max_min=90))
    assert "pgtrigger" in refused(lambda: rows.update(title="Another"))
    assert "pgtrigger" in refused(lambda: rows.update(status=VersionStatus.DRAFT))
    assert "pgtrigger" in refused(lambda: ProtocolVersion.objects.get(pk=version.pk).delete())
    assert current_or_retired(version.pk).infusion_min == 40


def current_or_retired(pk: int) -> ProtocolVersion:
    return ProtocolVersion.objects.get(pk=pk)


@pytest.mark.usefixtures("shipped")
def test_the_database_refuses_to_change_add_or_delete_the_steps_of_a_published_version() -> None:
    step = current("T-MWF6").steps.get()
    rows = ProtocolStep.objects.filter(pk=step.pk)
    assert "does not change" in refused(lambda: rows.update(max_gap_days=9))
    assert "does not change" in refused(rows.delete)
    another = ProtocolStep(version=step.version, position=2, count=1, weekdays=[0], min_gap_days=7, max_gap_days=9)
    assert "does not change" in refused(another.save)
    assert current("T-MWF6").steps.get().max_gap_days == 4


@pytest.mark.usefixtures("shipped")
def test_raw_sql_is_refused_as_well() -> None:
    version = current("T-MWF6")

    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE courses_protocolversion SET observation_min = 5 WHERE id = %s", [version.pk])

    assert "pgtrigger" in refused(write)


@pytest.mark.usefixtures("shipped")
def test_a_draft_is_free_to_change_and_to_delete(manager: User) -> None:
    draft = service.draft_from(current("T-MWF6"), by=manager, now=NOW)
    assert ProtocolVersion.objects.filter(pk=draft.pk).update(infusion_min=50) == 1
    assert draft.steps.update(max_gap_days=5) == 1
    service.discard_draft(draft.pk, by=manager)
    assert not ProtocolVersion.objects.filter(pk=draft.pk).exists()


# -- what it means -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_twice_a_week_says_that_eight_need_25_days_and_only_six_fit_into_21() -> None:
    """Source: clinical.md A2 C2, H3 case 19."""
    meaning = facts.meaning_of_version(current("T-2W6"))
    assert meaning.sentences[0] == "6 infusions at twice a week need 18 days."
    assert "8 infusions at twice a week need 25 days." in meaning.sentences
    assert meaning.warnings == ("8 infusions: at most 6 fit into 21 days; 3 a week fits 8 in 17 days.",)
    assert (meaning.patient_min, meaning.chair_min) == (120, 135)


@pytest.mark.usefixtures("shipped")
def test_doses_are_written_without_trailing_zeros() -> None:
    assert facts.say_dose(current("T-MWF6")) == "0.5 mg/kg (0.1 to 0.75)"
    assert facts.say_dose(current("T-PAIN1")) == "80 mg in total (at least 80)"
    assert facts.say_dose(current("M-W4")) == "As last given"


@pytest.mark.usefixtures("shipped")
def test_the_list_groups_by_phase_in_the_order_of_a_course_with_few_queries() -> None:
    with CaptureQueriesContext(connection) as captured:
        groups = facts.protocol_groups()
    assert [group.kind for group in groups] == [PhaseKind.INITIAL, PhaseKind.MAINTENANCE, PhaseKind.BOOSTER]
    assert sum(len(group.lines) for group in groups) == len(TEMPLATES)
    assert len(captured) <= 3
