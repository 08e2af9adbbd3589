"""The pages of privacy: terms, programs, marks and consents, holds, and an erasure from proposal to stub."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, CaughtMail, User
from clinic.pure.roles import Role
from clinic.tasks.housekeeping import forget_caught_mail
from clinic.tests.factories import Clinic, make_clinic
from patients.models import (
    DisclosureConsent,
    DisclosureTaken,
    Erasure,
    ErasureProposal,
    LegalHold,
    PartTwoMark,
    Patient,
    PrivacySettings,
    RetentionTerm,
)
from patients.pure.privacy import TERMS, Kept, kept_until, years_after
from patients.services.privacy_terms import due, terms
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
OLD = datetime(2010, 3, 1, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, settings: Any) -> None:
    settings.ERASURES_FILE = tmp_path / "erasures.jsonl"


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def post(client: Client, by: User, name: str, *args: int, **data: Any) -> Any:
    client.force_login(by)
    return client.post(reverse(name, args=args), data, follow=True)


# --- terms ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("last", "first", "born", "until"),
    [
        (date(2020, 5, 2), date(2019, 1, 1), date(1980, 1, 1), date(2027, 5, 2)),
        (
            date(2020, 5, 2),
            date(2019, 1, 1),
            date(2003, 6, 1),
            date(2027, 5, 2),
        ),  # came at 15; 21 in 2024, 7 years later
        (date(2020, 5, 2), date(2019, 1, 1), date(2010, 6, 1), date(2031, 6, 1)),  # came at 8; 21 in 2031
        (date(2024, 2, 29), date(2019, 1, 1), date(1980, 1, 1), date(2031, 3, 1)),
    ],
)
def test_a_record_is_kept_seven_years_and_a_minor_s_until_21(last: date, first: date, born: date, until: date) -> None:
    assert kept_until(last_contact=last, first_contact=first, born=born, medical_years=7, minor_age=21) == until


def test_years_after_a_leap_day_end_on_the_first_of_march() -> None:
    assert years_after(date(2024, 2, 29), 1) == date(2025, 3, 1)
    assert years_after(date(2024, 2, 29), 4) == date(2028, 2, 29)


def amounts(**other: int) -> dict[str, int]:
    return {term.kept.value: term.usual for term in TERMS} | other


def test_a_manager_sets_the_terms_and_never_below_the_law(client: Client, clinic: Clinic) -> None:
    assert post(client, clinic.manager, "retention:page", **amounts(medical=10)).status_code == 200
    assert terms()[Kept.MEDICAL] == 10
    refused = post(client, clinic.manager, "retention:page", **amounts(drug_log=1))
    assert refused.status_code == 422
    assert "The law names the least" in refused.content.decode()
    assert not RetentionTerm.objects.filter(kept="drug_log").exclude(amount=2).exists()


def test_a_record_past_its_term_stands_in_the_list_until_a_hold_is_placed(client: Client, clinic: Clinic) -> None:
    old = make_patient("Olga", "Petrova", created_at=OLD)
    make_patient("Mei", "Chen", created_at=datetime(2026, 1, 5, tzinfo=UTC))
    assert list(due(terms(), today=date(2027, 1, 4))) == [old]
    client.force_login(clinic.manager)
    assert "Petrova, Olga" in client.get(reverse("retention:page")).content.decode()
    post(client, clinic.manager, "patients:hold_place", old.pk, reason="Suit")
    assert list(due(terms(), today=date(2027, 1, 4))) == []


def test_what_was_caught_instead_of_sent_goes_after_a_month() -> None:
    for at in (OLD, datetime.now(UTC)):
        CaughtMail.objects.create(channel="sms", to="+12125550111", text="Tomorrow", at=at)
    assert forget_caught_mail() == 1
    assert CaughtMail.objects.count() == 1


# --- one person -------------------------------------------------------------------------------------------------------
def test_the_page_logs_its_reading_and_tells_a_manager_nothing_clinical(client: Client, clinic: Clinic) -> None:
    patient = make_patient()
    said = {}
    for role in (Role.MANAGER, Role.CLINICIAN):
        client.force_login(clinic.users[role])
        said[role] = client.get(reverse("patients:privacy", args=[patient.pk])).content.decode()
    assert "42 CFR Part 2" not in said[Role.MANAGER]
    assert "42 CFR Part 2" in said[Role.CLINICIAN]
    assert AccessLog.objects.filter(subject=patient.resource, page="Privacy").count() == 2


def test_a_mark_a_consent_and_its_revocation(client: Client, clinic: Clinic) -> None:
    patient, by = make_patient(), clinic.clinician
    post(client, by, "patients:part_two_mark", patient.pk, is_protected="1", reason="From a program")
    assert PartTwoMark.objects.get().is_protected
    facts = {"is_for_tpo": "1", "recipient": "My providers", "what": "All", "signer_name": "Ada Okafor"}
    late = post(client, by, "patients:disclosure_consent_add", patient.pk, **facts, signed_on="2999-01-01")
    assert late.status_code == 422
    post(client, by, "patients:disclosure_consent_add", patient.pk, **facts, signed_on="2026-01-05")
    consent = DisclosureConsent.objects.get()
    post(client, by, "patients:disclosure_consent_revoke", patient.pk, consent.pk, reason="Wrote a letter")
    consent.refresh_from_db()
    assert consent.revoked_reason == "Wrote a letter"


def test_a_hold_is_placed_once_and_lifted_with_a_reason(client: Client, clinic: Clinic) -> None:
    patient, by = make_patient(), clinic.manager
    post(client, by, "patients:hold_place", patient.pk, reason="Suit")
    assert post(client, by, "patients:hold_place", patient.pk, reason="Again").status_code == 422
    hold = LegalHold.objects.get()
    post(client, by, "patients:hold_lift", patient.pk, hold.pk, reason="")
    assert LegalHold.objects.filter(lifted_at=None).exists()
    post(client, by, "patients:hold_lift", patient.pk, hold.pk, reason="Settled")
    assert LegalHold.objects.get().lifted_reason == "Settled"


def test_a_second_hold_is_offered_only_when_none_stands_and_a_late_one_is_told(client: Client, clinic: Clinic) -> None:
    patient, by = make_patient(), clinic.manager
    client.force_login(by)
    url = reverse("patients:privacy", args=[patient.pk])
    assert "Place a hold" in client.get(url).content.decode()
    post(client, by, "patients:hold_place", patient.pk, reason="Suit")
    assert "Place a hold" not in client.get(url).content.decode()
    late = post(client, by, "patients:hold_place", patient.pk, reason="Pressed in a tab that was older")
    assert late.status_code == 422
    assert "There is a legal hold already." in late.content.decode()
    assert "Pressed in a tab that was older" in late.content.decode()
    hold = LegalHold.objects.get()
    post(client, by, "patients:hold_lift", patient.pk, hold.pk, reason="Settled")
    again = post(client, by, "patients:hold_lift", patient.pk, hold.pk, reason="Once more")
    assert "It was lifted before." in again.content.decode()
    assert LegalHold.objects.get().lifted_reason == "Settled"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 422),
        ({"reason": "   "}, 422),
        ({"reason": "x" * 301}, 422),
        ({"reason": "x" * 1_000_000}, 422),
        ({"reason": "x" * 5_000_000}, 422),  # read, and refused at its field
        ({"reason": "x" * 9_000_000}, 413),  # not read
        ({"reason": "a\x00b"}, 422),
        ({"kind": "exe"}, 422),
        ({"audience": "everybody"}, 422),
        ({"recipient": "x" * 161}, 422),
    ],
)
def test_what_does_not_fit_gives_no_file_and_stands_in_no_list(
    client: Client, clinic: Clinic, said: dict[str, str], status: int
) -> None:
    whole = {"kind": "json", "audience": "patient", "recipient": "Ada Okafor", "reason": "Asked"}
    answer = post(client, clinic.clinician, "patients:everything", make_patient().pk, **(whole | said if said else {}))
    assert answer.status_code == status
    assert "attachment" not in answer.headers.get("Content-Disposition", "")
    assert not DisclosureTaken.objects.exists()


def test_two_presses_are_two_files_and_both_stand_in_the_list_with_the_year(client: Client, clinic: Clinic) -> None:
    """Whoever presses twice has two files: the accounting says so, and years later of which year."""
    patient = make_patient()
    whole = {"kind": "json", "audience": "patient", "recipient": "Ada Okafor", "reason": "Asked"}
    for _ in range(2):
        assert post(client, clinic.clinician, "patients:everything", patient.pk, **whole).status_code == 200
    assert DisclosureTaken.objects.filter(patient=patient).count() == 2
    day = clinic.location.local(DisclosureTaken.objects.latest("at").at)
    said = f"{day.day} {day:%b} {day.year}, {day:%H:%M}"
    for name, args in (("patients:privacy", [patient.pk]), ("retention:disclosures", [])):
        client.force_login(clinic.manager)
        assert said in client.get(reverse(name, args=args)).content.decode()


def test_no_consent_is_older_than_the_patient(client: Client, clinic: Clinic) -> None:
    patient = make_patient(birth_date=date(1985, 3, 14))
    facts = {"is_for_tpo": "1", "recipient": "My providers", "what": "All", "signer_name": "Ada Okafor"}
    for day, status in (("0001-01-01", 422), ("1985-03-13", 422), ("1985-03-14", 200)):
        answer = post(client, clinic.clinician, "patients:disclosure_consent_add", patient.pk, **facts, signed_on=day)
        assert answer.status_code == status
    assert DisclosureConsent.objects.get().signed_on == patient.birth_date


def test_a_location_becomes_a_program_and_none_again(client: Client, clinic: Clinic) -> None:
    for value, is_one in (("1", True), ("0", False)):
        post(client, clinic.manager, "retention:program", clinic.location.pk, is_part_2_program=value)
        assert PrivacySettings.objects.get().is_part_2_program is is_one


# --- erasure ----------------------------------------------------------------------------------------------------------
def test_from_proposal_to_stub(client: Client, clinic: Clinic) -> None:
    patient = make_patient("Olga", "Petrova", created_at=OLD)
    mrn = patient.mrn
    post(client, clinic.manager, "patients:erasure_propose", patient.pk, basis="over", reason="Term over")
    proposal = ErasureProposal.objects.get()
    post(client, clinic.clinician, "patients:erasure_confirm", patient.pk, proposal.pk, mrn="wrong")
    assert not Erasure.objects.exists()
    answer = post(client, clinic.clinician, "patients:erasure_confirm", patient.pk, proposal.pk, mrn=mrn)
    assert answer.status_code == 410
    assert "Erased record no. 1" in answer.content.decode()
    assert not Patient.objects.filter(family_name="Petrova").exists()
    search = client.get(reverse("patients:list") + "?q=Petrova").content.decode()
    assert "Olga" not in search
    assert client.get(reverse("patients:background", args=[patient.pk])).status_code == 410
    client.force_login(clinic.manager)
    assert "In backups until" in client.get(reverse("retention:page")).content.decode()


def test_a_record_that_must_be_kept_is_refused_with_the_day(client: Client, clinic: Clinic) -> None:
    patient = make_patient()
    answer = post(client, clinic.manager, "patients:erasure_propose", patient.pk, basis="over", reason="Tidy")
    assert answer.status_code == 422
    assert "The record must be kept until" in answer.content.decode()


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN])
def test_only_a_manager_proposes(client: Client, clinic: Clinic, role: Role) -> None:
    patient = make_patient(created_at=OLD)
    answer = post(client, clinic.users[role], "patients:erasure_propose", patient.pk, basis="over", reason="Over")
    assert answer.status_code == 403
    assert not ErasureProposal.objects.exists()


def test_a_manager_cannot_confirm_and_anybody_of_the_two_can_keep_the_record(client: Client, clinic: Clinic) -> None:
    patient = make_patient(created_at=OLD)
    post(client, clinic.manager, "patients:erasure_propose", patient.pk, basis="over", reason="Over")
    proposal = ErasureProposal.objects.get()
    path = ("patients:erasure_confirm", patient.pk, proposal.pk)
    assert post(client, clinic.manager, *path, mrn=patient.mrn).status_code == 403
    post(client, clinic.clinician, "patients:erasure_take_back", patient.pk, proposal.pk)
    assert ErasureProposal.objects.get().is_confirmed is False
    assert ErasureProposal.objects.get().closed_by == clinic.clinician
