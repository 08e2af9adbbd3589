"""Everything about one person: complete by construction, honest about what is left out, written down before it leaves."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, models, transaction
from django.test import Client
from django.urls import reverse
from pghistory.models import Event

from clinic.models import AccessLog, Resource, User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from courses.tests.privacy_kit import SEEN, known_everywhere
from patients.models import DisclosureTaken, Patient
from patients.pure.privacy import PART_2_NOTICE, Audience
from patients.pure.record_paper import FIRST, ONLY_IN_JSON, paper_of
from patients.services.privacy_export import LEFT_OUT, SECRET, everything_of
from patients.services.privacy_part2 import (
    ConsentMissingError,
    check_disclosure,
    mark_part_two,
    part_two_of,
    record_disclosure_consent,
    revoke_disclosure_consent,
    set_program,
)
from patients.services.privacy_rows import tables
from patients.tests.factories import make_consultation, make_patient, make_problem

pytestmark = pytest.mark.django_db


def reachable() -> set[str]:
    """Tables with a chain of foreign keys to a patient, found anew and by names of no field: the oracle of the list."""
    known: set[type[models.Model]] = {Patient}
    while True:
        more = {
            model
            for model in apps.get_models()
            if model not in known
            and not model._meta.proxy
            and not issubclass(model, Event)
            and any(f.related_model in known for f in model._meta.concrete_fields if f.is_relation)
        }
        if not more:
            return {model._meta.label_lower for model in known}
        known |= more


def test_every_table_that_leads_to_a_patient_is_exported_or_left_out_with_a_reason() -> None:
    found = {model._meta.label_lower for model in tables()}
    of_clinic = {f"clinic.{one}" for one in ("resource", "booking", "accesslog", "allocation", "opening")}
    assert found == reachable() | of_clinic | {"courses.freedslot"}
    assert set(LEFT_OUT) <= found
    assert all(LEFT_OUT.values())


def test_no_reading_of_a_patient_through_a_resource_is_missed() -> None:
    """Fields that point to a resource and are named neither subject nor resource never hold a patient."""
    others = {
        f"{model._meta.label_lower}.{f.name}"
        for model in apps.get_models()
        if not model._meta.proxy and not issubclass(model, Event)
        for f in model._meta.concrete_fields
        if f.related_model is Resource and f.name not in ("subject", "resource")
    }
    assert others == {
        *(f"courses.phase.preferred_{one}" for one in ("clinician", "nurse", "chair")),
        "courses.freedslot.chair",
    }


def test_the_paper_names_only_tables_that_exist() -> None:
    found = {model._meta.label_lower for model in tables()}
    assert set(FIRST) | ONLY_IN_JSON <= found


def test_the_file_has_all_rows_of_the_person_and_none_of_another() -> None:
    day = known_everywhere()
    other = make_patient("Mei", "Chen")
    make_problem(other, "Migraine of another")
    data = everything_of(day.patient, clinic="Maple", now=SEEN, with_history=True, with_readings=True).as_data()
    by_table = {one["table"]: one["rows"] for one in data["sections"]}
    missing = {
        model._meta.label_lower
        for model in tables()
        if model._meta.label_lower not in LEFT_OUT
        and any(f.name == "patient" for f in model._meta.concrete_fields)
        and model._base_manager.filter(patient=day.patient).count() != len(by_table.get(model._meta.label_lower, ()))
    }
    assert missing == set()
    assert [row["description"] for row in by_table["patients.problem"]] == ["Hypertension"]
    assert len(by_table["courses.drugdraw"]) == len(by_table["courses.infusionrecord"]) == 1
    assert by_table["patients.consentscan"][0]["content"] == "eA=="  # the scan's one byte, "x"
    assert "Migraine of another" not in json.dumps(data)
    assert [one["reason"] for one in data["who_read"]] == ["Told"]
    assert any(row["change"] == "insert" for one in data["history"] for row in one["rows"])


def test_keys_and_locks_are_in_no_row() -> None:
    day = known_everywhere()
    record = everything_of(day.patient, clinic="Maple", now=SEEN, with_history=True)
    named = {name for one in (*record.sections, *record.history) for row in one.rows for name in row}
    assert named & SECRET == set()
    assert {"given_name", "birth_date"} <= named


def test_without_being_asked_history_and_readers_are_not_in_it() -> None:
    data = everything_of(make_patient(), clinic="Maple", now=SEEN).as_data()
    assert {"history", "who_read"} & set(data) == set()


def test_the_paper_says_choices_and_times_in_words_and_has_each_section() -> None:
    day = known_everywhere()
    data = everything_of(day.patient, clinic="Maple", now=SEEN).as_data()
    paper = paper_of(data, zone="America/New_York")
    parts = {part["title"]: part for part in paper["parts"]}
    sections = {one["title"] for one in data["sections"] if one["table"] not in ONLY_IN_JSON}
    assert sections - set(parts) == set()
    assert ["Status", "Active"] in parts["Patients"]["rows"][0]
    assert ["Birth date", "Mar 14, 1985"] in parts["Patients"]["rows"][0]
    assert paper["only_json"] == sorted(one["title"] for one in data["sections"] if one["table"] in ONLY_IN_JSON)


# --- 42 CFR Part 2 ----------------------------------------------------------------------------------------------------
def test_a_program_protects_who_has_substance_records_and_nobody_else() -> None:
    clinic = make_clinic()
    with_, without = make_patient(home_location=clinic.location), make_patient("Mei", home_location=clinic.location)
    make_problem(with_, "Alcohol use disorder")
    assert not part_two_of(with_).is_protected, "no program: [D]"
    set_program(location=clinic.location, is_part_2_program=True, by=clinic.manager, now=SEEN)
    assert part_two_of(with_).notice == "42 CFR part 2 prohibits unauthorized use or disclosure of these records."
    assert part_two_of(without).notice == ""


@pytest.mark.parametrize(
    ("description", "code", "counts"),
    [
        ("Opioid dependence", "F11.20", True),  # ICD-10-CM F10-F19
        ("Nicotine dependence", "F17.210", False),  # 42 CFR 2.11: not tobacco
        ("Drug allergy", "Z88.9", False),
        ("Cocaine abuse", "", True),
        ("Hypertension", "I10", False),
    ],
)
def test_what_counts_as_a_substance_use_record(description: str, code: str, counts: bool) -> None:
    patient = make_patient()
    make_problem(patient, description, code=code)
    assert bool(part_two_of(patient).held) is counts


def protected(clinic: Clinic) -> Patient:
    patient = make_patient()
    mark_part_two(patient=patient, is_protected=True, reason="From a program", by=clinic.clinician, now=SEEN)
    return patient


def consent(patient: Patient, clinic: Clinic, **fields: Any) -> int:
    values: dict[str, Any] = {
        "is_for_tpo": True,
        "recipient": "My providers",
        "what": "All",
        "signed_on": date(2027, 4, 1),
        "expires_on": None,
        "signer_name": "Ada Okafor",
    } | fields
    return record_disclosure_consent(patient=patient, by=clinic.clinician, now=SEEN, **values).pk


def test_who_is_not_the_patient_needs_a_consent_that_holds_and_covers() -> None:
    clinic = make_clinic()
    patient, day = protected(clinic), date(2027, 4, 6)
    assert check_disclosure(part_two_of(patient), audience=Audience.PATIENT, day=day) is None
    with pytest.raises(ConsentMissingError):
        check_disclosure(part_two_of(patient), audience=Audience.PROVIDER, day=day)
    pk = consent(patient, clinic)
    given = check_disclosure(part_two_of(patient), audience=Audience.PROVIDER, day=day)
    assert given is not None
    assert given.pk == pk
    with pytest.raises(ConsentMissingError):  # a consent for treatment, payment and operations opens no court
        check_disclosure(part_two_of(patient), audience=Audience.COURT, day=day)
    with pytest.raises(ConsentMissingError):  # before it was signed
        check_disclosure(part_two_of(patient), audience=Audience.PROVIDER, day=date(2027, 3, 31))
    revoke_disclosure_consent(consent_id=pk, reason="Wrote so", by=clinic.clinician, now=SEEN)
    with pytest.raises(ConsentMissingError):
        check_disclosure(part_two_of(patient), audience=Audience.PROVIDER, day=day)


def ask(client: Client, by: User, patient: Patient, **said: str) -> Any:
    client.force_login(by)
    data = {"kind": "json", "audience": "patient", "recipient": "Ada Okafor", "reason": "Request of April 6"} | said
    return client.post(reverse("patients:everything", args=[patient.pk]), data)


def test_a_file_is_written_down_with_its_digest_before_it_leaves(client: Client) -> None:
    import hashlib  # noqa: PLC0415

    clinic, patient = make_clinic(), make_patient()
    answer = ask(client, clinic.clinician, patient)
    taken = DisclosureTaken.objects.get()
    assert json.loads(answer.content)["patient"]["mrn"] == patient.mrn
    assert (taken.recipient, taken.reason, taken.sha256) == (
        "Ada Okafor",
        "Request of April 6",
        hashlib.sha256(answer.content).hexdigest(),
    )
    assert AccessLog.objects.filter(page="Everything, exported", reason="Request of April 6").count() == 1
    with pytest.raises(DatabaseError, match="stays_as_it_is"), transaction.atomic():
        DisclosureTaken.objects.update(recipient="Nobody")


def test_a_pdf_is_a_pdf_whose_name_tells_nobody_who_it_is(client: Client) -> None:
    clinic, patient = make_clinic(), make_patient()
    answer = ask(client, clinic.clinician, patient, kind="pdf")
    assert answer.content.startswith(b"%PDF-")
    assert patient.mrn not in answer["Content-Disposition"]
    assert "Okafor" not in answer["Content-Disposition"]


def test_without_recipient_or_reason_nothing_leaves(client: Client) -> None:
    clinic, patient = make_clinic(), make_patient()
    assert ask(client, clinic.clinician, patient, reason="").status_code == 422
    assert ask(client, clinic.clinician, patient, recipient=" ").status_code == 422
    assert not DisclosureTaken.objects.exists()


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NURSE, Role.MANAGER])
def test_only_clinicians_take_everything(client: Client, role: Role) -> None:
    clinic, patient = make_clinic(), make_patient()
    assert ask(client, clinic.users[role], patient).status_code == 403
    assert not DisclosureTaken.objects.exists()


def test_a_protected_record_goes_to_a_provider_only_with_consent_or_in_an_emergency(client: Client) -> None:
    clinic = make_clinic()
    patient = protected(clinic)
    said = {"audience": "provider", "recipient": "Dr. Weiss"}
    refused = ask(client, clinic.clinician, patient, **said)
    assert refused.status_code == 422
    assert b"no valid consent of the patient covers this recipient" in refused.content
    given = ask(client, clinic.clinician, patient, **said, override_reason="Unconscious in the emergency room")
    assert json.loads(given.content)["notice"] == PART_2_NOTICE
    taken = DisclosureTaken.objects.get()
    assert (taken.is_part_two, taken.consent, taken.override_reason) == (
        True,
        None,
        "Unconscious in the emergency room",
    )


def test_the_letter_asks_and_then_carries_the_notice(client: Client) -> None:
    clinic = make_clinic()
    patient = protected(clinic)
    record = make_consultation(patient, clinic.location, clinic.clinician, summary="Seen")
    client.force_login(clinic.clinician)
    address = reverse("intake:consultation_letter_pdf", args=[record.pk])
    assert client.get(address).status_code == 422
    assert not DisclosureTaken.objects.exists()
    preview = client.get(reverse("intake:consultation_letter", args=[record.pk]))
    assert PART_2_NOTICE.encode() in preview.content
    consent(patient, clinic, signed_on=date(2020, 1, 1))
    assert client.get(address).content.startswith(b"%PDF-")
    assert DisclosureTaken.objects.get().consent is not None
