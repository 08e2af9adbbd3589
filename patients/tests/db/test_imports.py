"""Files into the registry: as a whole or not at all, twice without doubling, by the registry's own rules."""

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.apps import apps

from clinic.models import Resource
from clinic.tests.factories import make_user
from patients.adapters.tables import UnreadableFileError, look
from patients.models import (
    Allergy,
    DuplicateChoice,
    ExternalId,
    ImportSource,
    Patient,
    PatientStatus,
    Phone,
    Problem,
    RefusalKind,
    Sex,
)
from patients.pure.columns import guess_mapping
from patients.services.imports.job import SYNTHEA_MAPPING, Job
from patients.services.imports.perform import ImportRefusedError, import_people
from patients.services.registry import PatientData, PhoneData, register_patient
from patients.services.search import search_patients
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db

SYNTHEA = Path(__file__).parent / "data" / "synthea"
"""Sixty patients cut from the public population, with their conditions and allergies."""
TODAY = date(2027, 1, 7)
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)
HEADER = "Id,First name,Last name,DOB,Gender,Cell phone,E-mail,Street,Date of death"
ADA = "1,Ada,Okafor,1985-03-14,F,(212) 555-0123,ada@example.org,1 Main Street,"
BO = "2,Bo,Chen,1990-12-24,M,,,,"


@pytest.fixture
def table(tmp_path):
    """`table(row, row)` is the job of importing a file with these rows."""

    def make(*rows, header=HEADER, **options):
        path = tmp_path / "list.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        mapping = guess_mapping(look(path).columns)
        return Job(path=path, source=ImportSource.GENERIC, mapping=mapping, today=TODAY, **options)

    return make


def synthea(folder=SYNTHEA, **options):
    files = {name: folder / f"{name}.csv" for name in ("conditions", "allergies")}
    return Job(
        path=folder / "patients.csv",
        source=ImportSource.SYNTHEA,
        mapping=SYNTHEA_MAPPING,
        today=TODAY,
        **files,
        **options,
    )


def run(job, **options):
    return import_people(job, **{"by": None, "now": NOW} | options)


def counted(outcome):
    return (outcome.created, outcome.updated, outcome.unchanged, outcome.refused)


def refused(job):
    with pytest.raises(ImportRefusedError) as refusal:
        run(job)
    return [(note.line, note.column, note.value, note.reason) for note in refusal.value.outcome.notes]


# --- Synthea -------------------------------------------------------------------------------------------------------


def test_synthea_patients_come_with_their_names_as_people_write_them():
    outcome = run(synthea())
    with (SYNTHEA / "patients.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert counted(outcome) == (len(rows), 0, 0, 0)
    jose = Patient.objects.get(external_ids__value="1d604da9-9a81-4ba9-80c2-de3375d59b40")
    assert (jose.given_name, jose.family_name) == ("José Eduardo", "Gómez")
    assert (jose.birth_date, jose.sex, jose.status) == (date(1989, 5, 25), Sex.MALE, PatientStatus.ACTIVE)
    assert (jose.address, jose.city, jose.region) == ("427 Balistreri Way Unit 19", "Chicopee", "Massachusetts")
    assert (jose.postal_code, jose.country) == ("01013", "US")
    assert not Patient.objects.filter(family_name__regex="[0-9]").exists()


def test_who_has_died_is_deceased_on_that_day_and_cannot_be_booked():
    run(synthea())
    with (SYNTHEA / "patients.csv").open(encoding="utf-8") as file:
        died = {row["Id"]: row["DEATHDATE"] for row in csv.DictReader(file) if row["DEATHDATE"]}
    dead = Patient.objects.filter(status=PatientStatus.DECEASED)
    assert {one.external_ids.get().value: str(one.deceased_on) for one in dead} == died
    assert not Resource.objects.filter(patient__in=dead, is_active=True).exists()
    assert Resource.objects.filter(patient__isnull=False, is_active=True).count() == 60 - len(died)


def test_synthea_conditions_and_allergies_keep_their_codes_and_days():
    outcome = run(synthea())
    with (SYNTHEA / "conditions.csv").open(encoding="utf-8") as file:
        conditions = list(csv.DictReader(file))
    assert outcome.counts["problems"]["created"] == Problem.objects.count() == len(conditions)
    sinusitis = Problem.objects.get(
        patient__external_ids__value="1d604da9-9a81-4ba9-80c2-de3375d59b40", code="40055000"
    )
    assert (sinusitis.code_system, sinusitis.description) == ("snomed", "Chronic sinusitis (disorder)")
    assert (sinusitis.started_on, sinusitis.ended_on) == (date(2001, 5, 1), None)
    assert outcome.counts["allergies"]["created"] == Allergy.objects.count() > 0


def test_a_second_import_of_synthea_changes_nothing():
    run(synthea())
    before = list(Patient.objects.order_by("pk").values())
    outcome = run(synthea())
    assert counted(outcome) == (0, 0, 60, 0)
    assert outcome.counts["problems"] == {"unchanged": Problem.objects.count()}
    assert outcome.counts["allergies"] == {"unchanged": Allergy.objects.count()}
    assert list(Patient.objects.order_by("pk").values()) == before


def test_a_condition_that_ended_since_gets_its_end_and_one_that_the_clinic_ended_stays(tmp_path):
    run(synthea())
    sinusitis = Problem.objects.get(
        patient__external_ids__value="1d604da9-9a81-4ba9-80c2-de3375d59b40", code="40055000"
    )
    for name in ("patients", "conditions", "allergies"):
        (tmp_path / f"{name}.csv").write_text((SYNTHEA / f"{name}.csv").read_text(encoding="utf-8"), encoding="utf-8")
    conditions = (tmp_path / "conditions.csv").read_text(encoding="utf-8")
    ended = conditions.replace("2001-05-01,,1d604da9", "2001-05-01,2026-12-01,1d604da9", 1)
    (tmp_path / "conditions.csv").write_text(ended, encoding="utf-8")
    outcome = run(synthea(tmp_path))
    sinusitis.refresh_from_db()
    assert sinusitis.ended_on == date(2026, 12, 1)
    assert outcome.counts["problems"]["updated"] == 1
    assert run(synthea()).counts["problems"] == {"unchanged": Problem.objects.count()}  # the old file takes no end away
    sinusitis.refresh_from_db()
    assert sinusitis.ended_on == date(2026, 12, 1)


def test_no_identity_number_of_the_file_is_kept_anywhere():
    run(synthea())
    with (SYNTHEA / "patients.csv").open(encoding="utf-8") as file:
        secrets = {row[name] for row in csv.DictReader(file) for name in ("SSN", "DRIVERS", "PASSPORT") if row[name]}
    kept = " ".join(str(value) for row in Patient.objects.values() for value in row.values())
    kept += " ".join(str(one) for one in ExternalId.objects.values_list("imported", flat=True))
    assert secrets
    assert not [secret for secret in secrets if secret in kept]


def test_a_condition_of_nobody_is_refused_with_its_file(tmp_path):
    for name in ("patients", "allergies"):
        (tmp_path / f"{name}.csv").write_text((SYNTHEA / f"{name}.csv").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "conditions.csv").write_text(
        "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION\n2001-05-01,,nobody,x,1,Cough\n", encoding="utf-8"
    )
    with pytest.raises(ImportRefusedError) as refusal:
        run(synthea(tmp_path))
    note = refusal.value.outcome.notes[0]
    assert (note.file_name, note.line, note.column) == ("conditions.csv", 2, "PATIENT")
    assert note.reason == "is the id of no patient who was imported"
    assert not Patient.objects.exists()


def test_a_synthea_file_without_a_column_is_refused_by_name(tmp_path):
    (tmp_path / "patients.csv").write_text("Id,FIRST,LAST\n1,a,b\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="Line 1: The column “BIRTHDATE” is missing"):
        run(synthea(tmp_path))


# --- a table from any system ---------------------------------------------------------------------------------------


def test_an_imported_patient_is_what_the_registry_would_have_made(table):
    by = make_user()
    run(table(ADA), by=by)
    imported = Patient.objects.get()
    data = PatientData(
        "Ada",
        "Okafor",
        date(1985, 3, 14),
        sex=Sex.FEMALE,
        email="ada@example.org",
        address="1 Main Street",
        phones=(PhoneData("+12125550123"),),
    )
    registered = register_patient(data=data, by=by, now=NOW)
    apart = {"id", "resource_id", "mrn", "search_name", "search_keys"}
    for name, value in Patient.objects.filter(pk=registered.pk).values()[0].items():
        if name not in apart:
            assert getattr(imported, name) == value, name
    ours, theirs = imported.resource, registered.resource
    assert (ours.kind, ours.is_active, ours.lanes, ours.location) == (theirs.kind, theirs.is_active, theirs.lanes, None)
    assert (ours.name, theirs.name) == (f"MRN {imported.mrn}", f"MRN {registered.mrn}")
    assert int(registered.mrn) == int(imported.mrn) + 1  # one sequence
    assert list(imported.phones.values("number", "kind", "is_primary")) == list(
        registered.phones.values("number", "kind", "is_primary")
    )
    found = {hit.patient.mrn for hit in search_patients("okafor 212 555 0123", today=TODAY)}
    assert found == {imported.mrn, registered.mrn}


def test_the_history_knows_who_imported(table):
    by = make_user()
    run(table(ADA, BO), by=by)
    for model in ("PatientEvent", "PhoneEvent", "ExternalIdEvent"):
        events = apps.get_model("patients", model).objects.all()
        assert events.exists(), model
        assert {event.pgh_context.metadata["user"] for event in events} == {by.pk}
    assert apps.get_model("clinic", "ResourceEvent").objects.filter(kind="patient").count() == 2


def test_a_second_import_changes_nothing_and_a_changed_row_updates(table):
    run(table(ADA, BO))
    assert counted(run(table(ADA, BO))) == (0, 0, 2, 0)
    assert counted(run(table(ADA.replace("Main Street", "Elm Street"), BO))) == (0, 1, 1, 0)
    ada = Patient.objects.get(family_name="Okafor")
    assert (ada.address, ada.version) == ("1 Elm Street", 2)


def test_what_the_clinic_corrected_stays_until_the_source_says_something_new(table):
    run(table(ADA))
    Patient.objects.update(address="7 Oak Avenue", email="new@example.org")
    assert counted(run(table(ADA))) == (0, 0, 1, 0)
    run(table(ADA.replace("ada@example.org", "ada@example.com")))
    ada = Patient.objects.get()
    assert (ada.address, ada.email) == ("7 Oak Avenue", "ada@example.com")


def test_a_new_number_replaces_the_old_one_of_the_source_and_no_other(table):
    run(table(ADA))
    ada = Patient.objects.get()
    Phone.objects.create(patient=ada, number="+12125550777", kind="home")
    run(table(ADA.replace("555-0123", "555-0199")))
    numbers = {str(phone.number.as_e164): phone.is_primary for phone in ada.phones.all()}
    assert numbers == {"+12125550777": True, "+12125550199": False}
    assert [hit.patient for hit in search_patients("5550199", today=TODAY)] == [ada]
    assert search_patients("5550123", today=TODAY) == []


def test_a_death_that_the_source_reports_later_makes_the_patient_deceased(table):
    run(table(ADA))
    run(table(ADA + "2026-11-30"))
    ada = Patient.objects.select_related("resource").get()
    assert (ada.status, ada.deceased_on, ada.resource.is_active) == (PatientStatus.DECEASED, date(2026, 11, 30), False)
    run(table(ADA))  # the source takes it back
    ada = Patient.objects.select_related("resource").get()
    assert (ada.status, ada.deceased_on, ada.resource.is_active) == (PatientStatus.ACTIVE, None, True)


def test_a_table_without_ids_is_known_again_by_name_and_birth_date(table):
    header, row = "First name,Last name,DOB,E-mail", "José,Gómez,1989-05-25,"
    run(table(row, header=header))
    assert counted(run(table("JOSE,Gomez,1989-05-25,jose@example.org", header=header))) == (0, 1, 0, 0)
    assert refused(table(row, row, header=header)) == [
        (
            3,
            "",
            "José Gómez",
            "has the same name and birth date as line 2; a column with ids tells two such people apart",
        )
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (ADA.replace("1985-03-14", "1985-02-31"), ("DOB", "1985-02-31", "is a day that does not exist")),
        (ADA.replace("1985-03-14", "2027-02-01"), ("DOB", "2027-02-01", "this day is in the future. Check the year")),
        (
            ADA.replace("1985-03-14", "1801-03-14"),
            ("DOB", "1801-03-14", "that would make the patient 226 years old. Check the year"),
        ),
        (ADA + "1980-01-01", ("Date of death", "1980-01-01", "is before the birth date, 1985-03-14")),
        (ADA + "2027-03-01", ("Date of death", "2027-03-01", "is in the future")),
        (ADA.replace("Okafor", ""), ("Last name", "", "is empty")),
        (ADA.replace("ada@example.org", "ada"), ("E-mail", "ada", "enter a valid email address")),
        (
            ADA.replace("Ada", "A" * 95),
            ("First name", "A" * 95, "ensure this value has at most 80 characters (it has 95)"),
        ),
        (
            ADA.replace("(212) 555-0123", "12"),
            ("Cell phone", "12", "is no telephone number that can be dialled; write it with area code"),
        ),
        (ADA.replace("1,", ",", 1), ("Id", "", "is empty; without it a second import would add the patient again")),
        (
            ADA.replace("Ada", "A\x00da"),
            ("First name", "A\ufffdda", "holds control characters (for example a zero byte); remove them"),
        ),
    ],
)
def test_a_bad_row_refuses_the_file_with_line_column_and_reason(table, row, expected):
    assert refused(table(BO, row)) == [(3, *expected)]
    assert not Patient.objects.exists()
    assert not Resource.objects.filter(kind="patient").exists()


def test_the_good_rows_are_imported_when_that_is_chosen(table):
    outcome = run(table(BO, ADA.replace("1985-03-14", "never"), good_rows_only=True))
    assert counted(outcome) == (1, 0, 0, 1)
    assert Patient.objects.get().family_name == "Chen"


def test_a_dry_run_says_the_same_and_saves_nothing(table):
    run(table(BO))
    job = table(ADA, BO.replace("Bo,", "Bob,"), "3,X,Y,1985-02-31,,,,,", is_dry_run=True)
    outcome = run(job)
    assert counted(outcome) == (1, 1, 0, 1)
    assert Patient.objects.get().given_name == "Bo"


def test_the_same_id_twice_in_a_file_is_refused(table):
    assert refused(table(ADA, BO.replace("2,", "1,", 1))) == [(3, "Id", "1", "is the same id as in line 2")]


def test_an_id_that_was_given_to_somebody_else_is_refused(table):
    run(table(ADA))
    ada = Patient.objects.get()
    [(line, column, value, reason)] = refused(table("1,Bo,Chen,1990-12-24,M,,,,"))
    assert (line, column, value) == (2, "Id", "1")
    assert reason.startswith(f"is the id of MRN {ada.mrn}, Ada Okafor, born 1985-03-14, but this row has another name")
    assert counted(run(table("1,Bo,Chen,1990-12-24,M,,,,", id_system="other"))) == (1, 0, 0, 0)


@pytest.mark.parametrize(("choice", "created"), [(DuplicateChoice.SKIP, 0), (DuplicateChoice.IMPORT, 1)])
def test_a_likely_duplicate_of_the_registry_is_listed_and_imported_only_by_choice(table, choice, created):
    known = make_patient("Ada", "OKAFOR", birth_date=date(1985, 3, 14))
    outcome = run(table(ADA, duplicates=choice))
    assert (outcome.created, outcome.refused, outcome.likely_duplicates) == (created, 0, 1)
    assert outcome.notes[0].kind == RefusalKind.DUPLICATE
    assert outcome.notes[0].reason.startswith(f"likely duplicate of MRN {known.mrn}: same name and birth date")
    assert Patient.objects.count() == 1 + created


def test_a_likely_duplicate_inside_the_file_names_the_line(table):
    outcome = run(table(ADA, ADA.replace("1,", "9,", 1)))
    assert (outcome.created, outcome.likely_duplicates) == (1, 1)
    assert outcome.notes[0].reason == "likely duplicate of line 2 of this file: same name and birth date; left out"


def test_a_merged_record_is_no_duplicate_but_its_id_still_leads_to_the_kept_one(table):
    kept = make_patient("Ann", "Okafor", birth_date=date(1985, 3, 14))
    make_patient("Ada", "Okafor", birth_date=date(1985, 3, 14), merged_into=kept)
    outcome = run(table(ADA))
    assert (outcome.created, outcome.likely_duplicates) == (1, 0)


def test_many_batches_are_one_transaction(table, monkeypatch):
    monkeypatch.setattr("patients.services.imports.perform.BATCH", 3)
    rows = [f"{n},Ada{chr(97 + n)},Okafor,1985-03-{n + 1:02d},F,,,," for n in range(10)]
    assert refused(table(*rows, "x,Bad,Row,never,F,,,,"))[0][0] == 12
    assert not Patient.objects.exists()
    assert run(table(*rows)).created == 10
