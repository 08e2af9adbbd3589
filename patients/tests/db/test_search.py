"""Finding patients: on names of the public Synthea population, as people at a front desk type them."""

from datetime import date

import pytest
from django.apps import apps

from patients.models import Patient, PatientStatus
from patients.pure.names import search_columns
from patients.services.search import Why, rebuild_search, refresh_search, search_patients
from patients.tests.factories import make_patient, make_phone

pytestmark = pytest.mark.django_db

TODAY = date(2027, 1, 7)


@pytest.fixture
def people():
    """Nine patients named as in the Synthea file, digits stripped, and one for a name of several words."""
    known = [
        make_patient("José Eduardo", "Gómez", mrn="10001", birth_date=date(1989, 5, 25), phones=["+14155550123"]),
        make_patient("María Soledad", "Aparicio", mrn="10002", birth_date=date(1985, 3, 7)),
        make_patient("Adán", "Espinosa", mrn="10003", birth_date=date(1985, 7, 3)),
        make_patient("Daniela", "Hernádez", mrn="10004", birth_date=date(1971, 1, 1), phones=["+442079460958"]),
        make_patient("Milo", "Feil", mrn="10005", birth_date=date(1983, 11, 14)),
        make_patient("Conor", "O'Reilly", mrn="10006", birth_date=date(1960, 2, 29)),
        make_patient("Mercedes", "Patiño", mrn="10007", birth_date=date(1999, 12, 31), preferred_name="Merche"),
        make_patient("Jayson", "Fadel", mrn="10008", birth_date=date(1992, 6, 2)),
        make_patient("José Luis", "Villalobos", mrn="10009", birth_date=date(1958, 8, 8)),
        make_patient("Ann-Marie", "De la Cruz", mrn="10010", birth_date=date(1990, 10, 10)),
    ]
    refresh_search(known)
    return known


def found(text, **options):
    return [hit.patient.mrn for hit in search_patients(text, today=TODAY, **options)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("gomez", ["10001"]),
        ("GÓMEZ", ["10001"]),
        ("jose", ["10001", "10009"]),
        ("eduardo jose", ["10001"]),  # in any order
        ("gom jos", ["10001"]),  # beginnings
        ("ome", ["10001"]),  # inside
        ("m", ["10007", "10005", "10002", "10010"]),  # all that begin with it, also a given or second name
        ("ob", []),  # two letters find only what begins with them, not Villalobos
        ("oreilly", ["10006"]),
        ("o'reilly", ["10006"]),
        ("o reilly", ["10006"]),
        ("patino", ["10007"]),
        ("merche", ["10007"]),  # the name she goes by
        ("mercedes", ["10007"]),  # and the legal one
        ("delacruz", ["10010"]),
        ("de la cruz", ["10010"]),
        ("annmarie", ["10010"]),
        ("10004", ["10004"]),
        ("mrn 10004", ["10004"]),
        ("(415) 555-0123", ["10001"]),
        ("+1 415 555 0123", ["10001"]),
        ("555-0123", ["10001"]),
        ("020 7946 0958", ["10004"]),  # as Londoners write it; kept as +44 20 7946 0958
        ("+44 20 7946 0958", ["10004"]),
        ("0044 20 7946", ["10004"]),
        ("1985-03-07", ["10002"]),
        ("3/7/1985", ["10002", "10003"]),  # both ways round
        ("07.03.1985", ["10002", "10003"]),
        ("7 Mar 1985", ["10002"]),
        ("03071985", ["10002", "10003"]),
        ("espinosa 1985", ["10003"]),
        ("1985", ["10002", "10003"]),
        ("espinosa 1986", []),
        ("29.2.1960", ["10006"]),
    ],
)
def test_a_patient_is_found(people, typed, expected):
    assert sorted(found(typed)) == sorted(expected)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("gomze", "10001"),  # two letters swapped
        ("gmez", "10001"),  # one left out
        ("gomeez", "10001"),  # one too many
        ("gamez", "10001"),  # another one
        ("hernandez", "10004"),  # the file itself has Hernádez
        ("hernandes", "10004"),  # two edits in a word of nine letters
        ("vilalobso", "10009"),  # one left out, two swapped
        ("jsoe gomez", "10001"),
        ("feil mlio", "10005"),
        ("fiel 1983", "10005"),
    ],
)
def test_a_misspelt_name_is_found_and_said_to_be_a_guess(people, typed, expected):
    hits = search_patients(typed, today=TODAY)
    assert [hit.patient.mrn for hit in hits] == [expected]
    assert not hits[0].exact


@pytest.mark.parametrize("typed", ["mil0x", "gmz", "fe1l 1999", "xyzzy", "hrnndz"])
def test_what_is_too_far_from_every_name_finds_nobody(people, typed):
    assert found(typed) == []


def test_surer_hits_stand_first(people):
    near = [
        make_patient("Gomezia", "Abel", mrn="10021"),
        make_patient("Ana", "Vilagomez", mrn="10022"),
        make_patient("Bo", "Gomer", mrn="10023"),
    ]
    refresh_search(near)
    hits = search_patients("gomez", today=TODAY)
    assert [hit.patient.mrn for hit in hits] == ["10001", "10021", "10022", "10023"]
    assert [hit.exact for hit in hits] == [True, True, True, False]


def test_who_is_inactive_or_has_died_stands_last(people):
    others = [
        make_patient("Ana", "Gómez", mrn="10031", status=PatientStatus.DECEASED, deceased_on=date(2020, 1, 1)),
        make_patient("Ana", "Gomezson", mrn="10032"),
        make_patient("Ana", "Gómez", mrn="10033", status=PatientStatus.INACTIVE),
    ]
    refresh_search(others)
    assert found("gomez") == ["10001", "10032", "10031", "10033"]


def test_a_record_that_was_merged_away_is_not_found(people):
    Patient.objects.filter(mrn="10005").update(merged_into=people[0])
    assert found("feil") == []
    assert found("10005") == []
    assert found("fiel") == []


def test_the_answer_stops_at_its_limit(people):
    many = [make_patient(f"Ada{number}", "Lovelace", mrn=str(11000 + number)) for number in range(30)]
    refresh_search(many)
    assert len(found("lovelace")) == 20
    assert len(found("lovelace", limit=7)) == 7
    assert len(found("lov", limit=7)) == 7


def test_nothing_typed_finds_nobody(people):
    assert found("") == []
    assert found(" … %_ ") == []


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("gomez", Why(words=("gomez",))),
        ("gomze", Why(words=("gomez",))),
        ("10001", Why(mrn=True)),
        ("4155550123", Why(phone="+14155550123")),
        ("1989-05-25", Why(birth_date=True)),
        ("gomez 1989", Why(words=("gomez",), birth_date=True)),
    ],
)
def test_each_hit_says_what_was_found(people, typed, why):
    assert search_patients(typed, today=TODAY)[0].why == why


def test_a_changed_name_and_number_are_found_once_refreshed(people):
    patient = people[4]
    patient.family_name = "Ångström"
    patient.save()
    make_phone(patient, "+12125550777")
    refresh_search([patient])
    assert found("angstrom") == ["10005"]
    assert found("212 555 0777") == ["10005"]
    assert found("feil") == []


def test_refreshing_writes_no_history(people):
    events = apps.get_model("patients", "PatientEvent").objects
    before = events.count()
    Patient.objects.update(search_name="", search_keys=[])
    assert rebuild_search() == len(people)
    assert events.count() == before
    assert found("gomez") == ["10001"]


def test_refreshing_many_patients_takes_three_queries(people, queries):
    Patient.objects.update(search_name="", search_keys=[])
    with queries("refresh the search columns of ten patients", at_most=3):
        refresh_search(people)
    assert found("gomez") == ["10001"]


def test_the_stored_columns_are_those_of_the_pure_core(people):
    stored = Patient.objects.get(mrn="10001")
    expected = search_columns(
        given_name="José Eduardo", family_name="Gómez", preferred_name="", mrn="10001", phones=["+14155550123"]
    )
    assert (stored.search_name, stored.search_keys) == (expected.text, expected.keys)


@pytest.mark.parametrize("typed", ["gomez", "gomze", "3/7/1985", "020 7946 0958"])
def test_a_search_takes_at_most_two_queries(people, queries, typed):
    with queries(f"search {typed}", at_most=2):
        hits = search_patients(typed, today=TODAY)
    assert hits
