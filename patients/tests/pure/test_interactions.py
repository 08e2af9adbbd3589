"""Medicines beside ketamine. Expected severities: clinical.md C2, row by row; case 35 of H4."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.evidence import SOURCES, Mark, Severity
from patients.pure.interactions import (
    BENZODIAZEPINES,
    CLASSES,
    CONTINUED,
    Direction,
    Drug,
    diazepam_equivalent_mg,
    interactions_of,
    unrecognised,
)

STOP, REVIEW, WATCH, INFO = Severity

ROWS = [
    # row of C2, medicine, class, severity, direction, evidence
    ("I1", "theophylline", "theophylline", STOP, Direction.SEIZURES, Mark.READ),
    ("I1", "Aminophylline 200 MG Oral Tablet", "theophylline", STOP, Direction.SEIZURES, Mark.READ),
    ("I2", "clonazePAM 0.25 MG Oral Tablet", "benzodiazepine_sedation", WATCH, Direction.SEDATION, Mark.READ),
    ("I4", "Acetaminophen 325 MG / Oxycodone Hydrochloride 5 MG", "opioid", WATCH, Direction.SEDATION, Mark.READ),
    ("I4", "Suboxone", "opioid", WATCH, Direction.SEDATION, Mark.READ),
    ("I4 (label)", "zolpidem tartrate 10 MG", "other_sedative", WATCH, Direction.SEDATION, Mark.READ),
    ("I5", "alcohol", "alcohol", INFO, Direction.NOT_ON_THE_DAY, Mark.SECONDARY),
    ("I6", "naltrexone", "naltrexone", REVIEW, Direction.LESS_EFFECT, Mark.READ),
    ("I7", "lamoTRIgine 100 MG", "lamotrigine", INFO, Direction.FEWER_SIDE_EFFECTS, Mark.READ),
    ("I8", "phenelzine 15 MG", "maoi", REVIEW, Direction.PRESSURE, Mark.READ),
    ("I8", "rasagiline", "maoi_weak", WATCH, Direction.PRESSURE, Mark.READ),
    ("I9", "methylphenidate", "stimulant", WATCH, Direction.PRESSURE, Mark.READ),
    ("I9", "amphetamine", "stimulant", WATCH, Direction.PRESSURE, Mark.READ),
    ("I9", "modafinil", "stimulant", WATCH, Direction.PRESSURE, Mark.READ),
    ("I9", "armodafinil", "stimulant", WATCH, Direction.PRESSURE, Mark.READ),
    ("I10", "pseudoephedrine", "sympathomimetic", WATCH, Direction.PRESSURE, Mark.READ),
    ("I10", "vasopressin", "sympathomimetic", WATCH, Direction.PRESSURE, Mark.READ),
    *[
        ("I11", name, "cyp_inhibitor", REVIEW, Direction.MORE_EFFECT, Mark.READ)
        for name in ("clarithromycin", "ketoconazole", "ritonavir", "ticlopidine", "clopidogrel 75 MG [Plavix]")
    ],
    *[
        ("I12", name, "cyp_inducer", INFO, Direction.LESS_EFFECT, Mark.READ)
        for name in ("rifampicin", "carbamazepine", "phenytoin", "phenobarbital", "efavirenz", "St. John’s Wort")
    ],
    *[
        ("I13", name, "nmda", REVIEW, Direction.MORE_EFFECT, Mark.GENERAL)
        for name in ("memantine", "dextromethorphan", "amantadine")
    ],
    ("I14", "Levothyroxine Sodium 0.075 MG Oral Tablet", "thyroid", WATCH, Direction.PRESSURE, Mark.GENERAL),
    ("I16", "sertraline", "ssri", INFO, Direction.PRESSURE, Mark.READ),
    ("I17", "cannabis gummies", "cannabis", INFO, Direction.NOT_ON_THE_DAY, Mark.SECONDARY),
]


@pytest.mark.parametrize("expected", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_each_row_of_c2_is_recognised_with_its_severity(expected) -> None:
    _, medicine, code, severity, direction, mark = expected
    found = {one.code: one for one in interactions_of([Drug(medicine)])}
    assert (found[code].severity, found[code].direction, found[code].mark) == (severity, direction, mark)
    assert found[code].reason
    assert found[code].source


def test_each_class_has_a_row_here() -> None:
    assert {kind.code for kind in CLASSES} == {code for _, _, code, *_ in ROWS}


def test_case_35_exactly() -> None:
    """Theophylline; diazepam 10 mg/day; naltrexone; methylphenidate this morning; sertraline."""
    taken = [
        Drug("theophylline"),
        Drug("diazepam", "10 mg/day"),
        Drug("naltrexone"),
        Drug("methylphenidate", "this morning"),
        Drug("sertraline"),
    ]
    found = interactions_of(taken)
    worst = {position: min(one.severity.rank for one in found if one.position == position) for position in range(5)}
    assert [list(Severity)[worst[position]] for position in range(5)] == [STOP, REVIEW, REVIEW, WATCH, INFO]
    diazepam = next(one for one in found if one.code == "benzodiazepine_efficacy")
    assert diazepam.remark == "10 mg a day as diazepam."
    assert next(one for one in found if one.code == "stimulant").asks == "Taken today?"
    assert found[0].severity is STOP


@pytest.mark.parametrize(
    ("dose", "severity"), [("8 mg a day", INFO), ("8.1 mg a day", REVIEW), ("4 mg twice a day", INFO)]
)
def test_benzodiazepines_are_reviewed_above_8_mg_of_diazepam_a_day(dose, severity) -> None:
    """C2: INFO at or below 8 mg, REVIEW above; the sedation is watched at any dose (P29, L4)."""
    found = {one.code: one.severity for one in interactions_of([Drug("diazepam", dose)])}
    assert found == {"benzodiazepine_efficacy": severity, "benzodiazepine_sedation": WATCH}


def test_the_limit_is_a_clinic_setting() -> None:
    (efficacy,) = [
        one
        for one in interactions_of([Drug("diazepam", "10 mg a day")], benzodiazepine_limit_mg=10)
        if one.code == "benzodiazepine_efficacy"
    ]
    assert efficacy.severity is INFO
    assert "More than 10 mg a day" in efficacy.reason


def test_benzodiazepines_count_together() -> None:
    """5 mg of diazepam and 0.25 mg of alprazolam (as 5 mg) are 10 mg; neither alone is above 8."""
    found = [
        one
        for one in interactions_of([Drug("diazepam", "5 mg daily"), Drug("alprazolam", "0.25 mg daily")])
        if one.code == "benzodiazepine_efficacy"
    ]
    assert [one.severity for one in found] == [REVIEW, REVIEW]
    assert found[0].remark == "5 mg a day as diazepam. All benzodiazepines together: 10 mg."


def test_a_dose_that_cannot_be_read_is_said_and_asked_for() -> None:
    (found,) = [
        one for one in interactions_of([Drug("lorazepam", "as needed")]) if one.code == "benzodiazepine_efficacy"
    ]
    assert found.severity is REVIEW
    assert found.remark == "The daily dose cannot be read here."
    assert found.asks == "How many milligrams a day?"


@pytest.mark.parametrize(
    ("medicine", "dose", "as_diazepam"),
    [
        # ASAM/Joint guideline 2025, table 7; the smaller of its two columns equals 10 mg of diazepam
        ("alprazolam", "0.5 mg daily", 10),
        ("chlordiazepoxide", "25 mg daily", 10),
        ("clonazePAM 0.5 MG Oral Tablet", "1 tablet daily", 10),
        ("clorazepate", "15 mg daily", 10),
        ("Valium", "10 mg daily", 10),
        ("estazolam", "1 mg at bedtime", 10),
        ("flurazepam", "15 mg at bedtime", 10),
        ("LORazepam 1 MG Oral Tablet [Ativan]", "twice a day", 20),
        ("oxazepam", "20 mg daily", 10),
        ("quazepam", "10 mg daily", 10),
        ("temazepam", "15 mg at bedtime", 10),
        ("triazolam", "0.25 mg at bedtime", 10),
        # WHO 2009, table 8
        ("bromazepam", "3 mg daily", 5),
        ("clobazam", "10 mg daily", 5),
        ("nitrazepam", "5 mg daily", 5),
        # a combination: the strength behind the name counts
        ("Amitriptyline 12.5 MG / chlordiazepoxide 5 MG Oral Tablet", "2 tablets daily", 4),
    ],
)
def test_equivalents_stand_as_the_tables_print_them(medicine, dose, as_diazepam) -> None:
    assert diazepam_equivalent_mg(Drug(medicine, dose)) == Decimal(as_diazepam)


@pytest.mark.parametrize(
    "medicine",
    [
        "doxepin 10 mg",
        "24 HR Bupropion Hydrochloride 150 MG Extended Release Oral Tablet",
        "venlafaxine",
        "mirtazapine",
    ],
)
def test_usual_antidepressants_go_on_without_a_flag(medicine) -> None:
    """C2: most conventional antidepressants can be continued (P26b)."""
    assert CONTINUED.recognises(medicine)
    assert interactions_of([Drug(medicine)]) == ()
    assert unrecognised([Drug(medicine)]) == ()


@pytest.mark.parametrize(
    "medicine",
    [
        "lisinopril 10 MG Oral Tablet",
        "ketoconazole 2 % shampoo",
        "isopropyl alcohol swab",
        "hypothetical diazepamine",
        "tramadolol",
        "Somatropin",
    ],
)
def test_only_whole_words_and_the_right_use_are_recognised(medicine) -> None:
    assert interactions_of([Drug(medicine)]) == ()
    assert unrecognised([Drug(medicine)]) == (medicine,)


@pytest.mark.parametrize("medicine", ["Diazépam", "DIAZEPAM", "diazepam-10", "(diazepam)"])
def test_case_accents_and_signs_do_not_matter(medicine) -> None:
    assert "benzodiazepine_sedation" in {one.code for one in interactions_of([Drug(medicine)])}


def test_one_medicine_may_stand_in_two_classes() -> None:
    assert {one.code for one in interactions_of([Drug("fluvoxamine 50 MG")])} == {"ssri", "cyp_inhibitor"}


def test_the_most_serious_stands_first_then_the_order_of_the_list() -> None:
    found = interactions_of([Drug("sertraline"), Drug("oxycodone"), Drug("methylphenidate"), Drug("theophylline")])
    assert [one.code for one in found] == ["theophylline", "opioid", "stimulant", "ssri"]


def test_each_source_that_is_named_exists() -> None:
    keys = {key for kind in CLASSES for key in kind.source.split(", ") if key[1:2].isdigit()}
    assert keys <= set(SOURCES)


@given(st.text(max_size=80), st.text(max_size=40))
def test_no_text_makes_it_fail(description, dose) -> None:
    drug = Drug(description, dose)
    assert bool(unrecognised([drug])) or CONTINUED.recognises(description) or bool(interactions_of([drug]))


@given(st.sampled_from(BENZODIAZEPINES), st.integers(1, 400))
def test_review_begins_exactly_above_the_limit(drug, tenths) -> None:
    dose = Decimal(tenths) / 10
    (found,) = [
        one
        for one in interactions_of([Drug(drug.names[0], f"{dose} mg daily")])
        if one.code == "benzodiazepine_efficacy"
    ]
    assert (found.severity is REVIEW) == (dose * 10 > 8 * drug.as_10_mg_diazepam)
