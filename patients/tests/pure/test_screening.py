"""Screening rules. Expected severities: clinical.md C1, row by row (S1-S29 of docs/traceability.md); D3; E1; H9."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.models import ScreeningAnswer
from patients.pure.evidence import SOURCES, Mark, Severity
from patients.pure.interactions import Drug
from patients.pure.measures import MEASURES
from patients.pure.screening import (
    BY_CODE,
    GROUPS,
    QUESTIONS,
    Answer,
    Facts,
    Kind,
    Limits,
    Pregnancy,
    Pressure,
    Recorded,
    applies,
    evaluate,
    worded,
    worst,
)
from patients.pure.screening.evaluate import SUGGESTED_MEASURES

STOP, REVIEW, WATCH, INFO = Severity

GOOD = Facts(
    age=41,
    sex="female",
    treated_for=frozenset({"trd"}),
    answers={question.code: Answer("yes" if question.is_suggested else "no") for question in QUESTIONS},
    asked=frozenset({"medicines", "allergies", "problems"}),
    can_be_pregnant="no",
    pressure=Pressure(128, 82, 74),
    has_weight=True,
    measures=frozenset({"phq9", "gad7", "cssrs", "auditc", "dast10", "icsi", "moca"}),
    auditc=Decimal(1),
    cssrs="No positive answer",
    phq9_item9=0,
)
"""Everything asked, measured and fine."""


def found(facts: Facts, limits: Limits | None = None) -> dict[str, Severity]:
    return {one.code: one.severity for one in evaluate(facts, limits)}


def with_answers(**answers: str) -> Facts:
    return replace(GOOD, answers={**GOOD.answers, **{code: Answer(value) for code, value in answers.items()}})


def test_when_everything_was_asked_and_is_fine_there_is_no_finding() -> None:
    assert evaluate(GOOD) == ()
    assert worst(()) is None


@pytest.mark.parametrize(
    ("row", "code", "severity"),
    [
        ("S1", "aneurysm", STOP),
        ("S2", "avm", STOP),
        ("S3", "brain_haemorrhage", STOP),
        ("S4", "hypersensitivity", STOP),
        ("S5", "pressure_hazard", STOP),
        ("S6", "heart_severe", STOP),
        ("S6", "stroke", REVIEW),
        ("S6", "eclampsia", STOP),
        ("S8", "hypertension_uncontrolled", REVIEW),
        ("S9", "hyperthyroidism", STOP),
        ("S10", "heart_disease", REVIEW),
        ("S10", "ecg_abnormal", REVIEW),
        ("S11", "cerebrovascular_unstable", STOP),
        ("S11", "head_injury", REVIEW),
        ("S11", "intracranial_pressure", STOP),
        ("S12", "glaucoma", REVIEW),
        ("S13", "psychosis", STOP),
        ("S14", "family_psychosis", REVIEW),
        ("S15", "mania", STOP),
        ("S16", "bipolar", REVIEW),
        ("S17", "delirium", STOP),
        ("S17", "dementia", REVIEW),
        ("S18", "substance_active", STOP),
        ("S18", "substance_recent", REVIEW),
        ("S19", "ketamine_misuse", STOP),
        ("S20", "breastfeeding", STOP),
        ("S21", "liver_severe", STOP),
        ("S21", "liver_moderate", WATCH),
        ("S22", "cystitis", REVIEW),
        ("S23", "seizures", REVIEW),
        ("S24", "sleep_apnoea", REVIEW),
        ("S25", "porphyria", REVIEW),
    ],
)
def test_each_condition_of_c1_has_its_severity(row, code, severity) -> None:
    findings = evaluate(with_answers(**{code: "yes"}))
    assert {one.code: one.severity for one in findings} == {code: severity}
    assert BY_CODE[code].row == row
    (one,) = findings
    assert one.kind is Kind.FOUND
    assert one.raised_by == (f"{worded(BY_CODE[code].text, Limits())} Yes",)
    assert one.reason
    assert one.source


def test_each_question_has_a_group_a_source_and_fits_its_column() -> None:
    groups = {group.code for group in GROUPS}
    for question in QUESTIONS:
        assert question.group in groups
        assert question.mark is not Mark.READ or set(re.findall(r"\b[PGLEM]\d+\w?\b", question.source)) <= set(SOURCES)
        assert len(question.code) <= (ScreeningAnswer._meta.get_field("code").max_length or 0)
    assert len(BY_CODE) == len(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.code)
def test_no_question_that_nobody_asked_is_silently_fine(question) -> None:
    """C1 as a list of questions: each is found, recorded, missing or suggested, until it is answered."""
    facts = replace(with_answers(**{question.code: ""}), can_be_pregnant="yes", cssrs="High")
    said = [" ".join(one.raised_by) + one.title for one in evaluate(facts)]
    name = question.title.split(" in the last {")[0]
    if question.code == "suicide_imminent":
        name = "Risk of suicide"
    assert any(name in words for words in said)


def test_what_was_not_asked_is_named_group_by_group() -> None:
    facts = with_answers(aneurysm="", avm="", glaucoma="")
    findings = {one.code: one for one in evaluate(facts)}
    assert set(findings) == {"not_asked_heart", "not_asked_organs"}
    assert findings["not_asked_heart"].raised_by == ("Aneurysm", "Arteriovenous malformation")
    assert findings["not_asked_heart"].kind is Kind.MISSING
    assert findings["not_asked_heart"].severity is REVIEW


def test_nothing_recorded_at_all_is_all_missing() -> None:
    findings = evaluate(Facts(age=41, sex="female"))
    assert {one.kind for one in findings} == {Kind.MISSING, Kind.SUGGESTED}
    assert {one.code for one in findings if one.kind is Kind.MISSING} == {
        *(f"not_asked_{group.code}" for group in GROUPS if group.code != "data"),
        "no_medicines",
        "no_allergies",
        "no_problems",
        "pressure_missing",
        "pregnancy_not_asked",
    }


# --- the registry -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("problem", "code", "severity"),
    [
        (Recorded("Aneurysm of the abdominal aorta"), "aneurysm", STOP),
        (Recorded("Dissection", "icd10", "I71.00"), "aneurysm", STOP),
        (Recorded("Subarachnoid haemorrhage", is_current=False), "brain_haemorrhage", STOP),
        (Recorded("Schizophrenia (disorder)"), "psychosis", STOP),
        (Recorded("Severe depression with psychotic symptoms", "icd10", "F32.3"), "psychosis", STOP),
        (Recorded("Family history of schizophrenia"), "family_psychosis", REVIEW),
        (Recorded("Bipolar II disorder"), "bipolar", REVIEW),
        (Recorded("Glaucoma, open-angle"), "glaucoma", REVIEW),
        (Recorded("Ocular hypertension"), "glaucoma", REVIEW),
        (Recorded("Hypertension"), "hypertension_uncontrolled", REVIEW),
        (Recorded("Essential (primary) hypertension", "icd10", "I10"), "hypertension_uncontrolled", REVIEW),
        (Recorded("Hyperthyroidism"), "hyperthyroidism", REVIEW),
        (Recorded("Cystitis"), "cystitis", REVIEW),
        (Recorded("Epilepsy"), "seizures", REVIEW),
        (Recorded("History of single seizure (situation)"), "seizures", REVIEW),
        (Recorded("Obstructive sleep apnea"), "sleep_apnoea", REVIEW),
        (Recorded("Acute intermittent porphyria"), "porphyria", REVIEW),
        (Recorded("Alcoholism"), "substance_active", REVIEW),
        (Recorded("Opioid abuse (disorder)"), "substance_active", REVIEW),
        (Recorded("Atrial Fibrillation"), "heart_disease", REVIEW),
        (Recorded("History of myocardial infarction (situation)", is_current=False), "heart_disease", REVIEW),
        (Recorded("Alzheimer's disease (disorder)"), "dementia", REVIEW),
        (Recorded("Stroke", is_current=False), "stroke", REVIEW),
        (Recorded("Cirrhosis of liver"), "liver_severe", REVIEW),
        (Recorded("Preeclampsia"), "eclampsia", STOP),
        (Recorded("Normal pregnancy"), "pregnancy", STOP),
    ],
)
def test_what_the_registry_knows_is_suggested(problem, code, severity) -> None:
    """A suggestion, to be asked about; as serious as the question, or REVIEW where the question asks for more."""
    open_question = replace(with_answers(**{code: ""}), problems=(problem,), can_be_pregnant="yes")
    one = next(one for one in evaluate(open_question) if one.code == code)
    assert (one.severity, one.kind) == (severity, Kind.RECORDED)
    assert one.raised_by[0].startswith(f"Recorded in the registry: {problem.description}")
    assert one.asks


@pytest.mark.parametrize(
    "problem",
    [
        Recorded("Idiopathic atrophic hypothyroidism"),
        Recorded("Chronic sinusitis (disorder)"),
        Recorded("Prehypertension"),
        Recorded("No history of aneurysm"),
        Recorded("Major depressive disorder without psychotic features"),
        Recorded("No other current problems"),
        Recorded("Cystitis", is_current=False),
        Recorded("Mania", is_current=False),
        Recorded("Concussion with no loss of consciousness"),
        Recorded("Essential tremor", "icd10", "G25.0"),
        Recorded("A code of another system", "snomed", "I71"),
    ],
)
def test_what_the_registry_does_not_say_is_not_suggested(problem) -> None:
    facts = replace(GOOD, answers={}, problems=(problem,))
    assert [one for one in evaluate(facts) if one.kind is Kind.RECORDED] == []


def test_a_no_settles_what_asks_for_more_than_the_record_says() -> None:
    """Hypertension is recorded, and it is not uncontrolled."""
    assert evaluate(replace(GOOD, problems=(Recorded("Hypertension"),))) == ()


def test_a_no_against_the_record_is_reviewed() -> None:
    (one,) = evaluate(replace(GOOD, problems=(Recorded("Schizophrenia"),)))
    assert (one.code, one.severity, one.kind) == ("psychosis", REVIEW, Kind.RECORDED)
    assert one.asks == "The answer and the record disagree. Which is right?"


def test_a_yes_names_the_record_as_well() -> None:
    (one,) = evaluate(replace(with_answers(glaucoma="yes"), problems=(Recorded("Glaucoma"),)))
    assert one.raised_by == (
        "Glaucoma, or raised pressure in the eye? Yes",
        "Recorded in the registry: Glaucoma",
    )


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Mother: schizophrenia", True),
        ("No psychosis in the family", False),
        ("Father had a stroke. Aunt with psychosis.", True),
        ("", False),
    ],
)
def test_the_family_history_of_the_consultation_is_read(text, is_found) -> None:
    facts = replace(with_answers(family_psychosis=""), family_history=text)
    assert ("family_psychosis" in found(facts)) == is_found


@pytest.mark.parametrize("allergy", ["Ketamine", "Esketamine hydrochloride", "Spravato", "Ketalar 50 mg/ml"])
def test_an_allergy_to_ketamine_stops(allergy) -> None:
    """C1: hypersensitivity is a contraindication (L1, L5, L6). A "no" in the questions does not undo it."""
    (one,) = evaluate(replace(GOOD, allergies=("Latex", allergy)))
    assert (one.code, one.severity) == ("hypersensitivity", STOP)
    assert evaluate(replace(GOOD, allergies=("Latex", "Penicillin"))) == ()


# --- measurements -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "pressure", "severity"),
    [
        # case 32, by the profile "Default"
        ("default", Pressure(138, 88, 80), None),
        ("default", Pressure(140, 90, 80), None),
        ("default", Pressure(141, 85, 80), REVIEW),
        ("default", Pressure(152, 94, 80), REVIEW),
        ("default", Pressure(158, 100, 80), STOP),
        ("default", Pressure(160, 85, 80), STOP),
        ("default", Pressure(130, 80, 112), STOP),
        # the same reading by the others
        ("label", Pressure(158, 100, 80), REVIEW),
        ("trial_e1", Pressure(158, 91, 80), STOP),
        ("trial_e2", Pressure(150, 100, 110), None),
        ("swiss_label", Pressure(180, 100, 80), None),
        ("swiss_label", Pressure(181, 100, 80), STOP),
    ],
)
def test_blood_pressure_is_judged_by_the_chosen_profile(profile, pressure, severity) -> None:
    """S7. A soft limit is reviewed, a hold stops (D3: only with a documented override)."""
    assert found(replace(GOOD, pressure=pressure), Limits(pressure_profile=profile)).get("pressure") == severity


def test_the_finding_names_reading_limit_and_profile() -> None:
    (one,) = evaluate(replace(GOOD, pressure=Pressure(160, 85, 80)))
    assert one.raised_by == ("160/85 mmHg, pulse 80, today", "Systolic 160 mmHg is not below 160")
    assert one.reason.startswith("Profile “Default”.")


def test_a_pressure_without_pulse_and_an_old_one_are_missing_data() -> None:
    assert found(replace(GOOD, pressure=Pressure(120, 80))) == {"pulse_missing": REVIEW}
    assert found(replace(GOOD, pressure=Pressure(120, 80, 70, age_days=30))) == {}
    assert found(replace(GOOD, pressure=Pressure(120, 80, 70, age_days=31))) == {"pressure_old": REVIEW}
    assert found(replace(GOOD, pressure=None)) == {"pressure_missing": REVIEW}


@pytest.mark.parametrize(
    ("possible", "test", "expected"),
    [
        ("yes", None, {"pregnancy_test_missing": REVIEW}),
        ("yes", Pregnancy("negative", 7), {}),
        ("yes", Pregnancy("negative", 8), {"pregnancy_test_old": REVIEW}),
        ("yes", Pregnancy("unclear", 0), {"pregnancy_test_unclear": REVIEW}),
        ("yes", Pregnancy("positive", 0), {"pregnancy": STOP}),
        ("no", Pregnancy("positive", 0), {"pregnancy": STOP}),
        ("no", None, {}),
        ("", Pregnancy("negative", 0), {"pregnancy_not_asked": REVIEW}),
    ],
)
def test_pregnancy_needs_a_dated_test_where_it_applies(possible, test, expected) -> None:
    """S20."""
    assert found(replace(GOOD, can_be_pregnant=possible, pregnancy=test)) == expected


def test_pregnancy_by_answer_stops() -> None:
    assert found(replace(with_answers(pregnancy="yes"), can_be_pregnant="yes", pregnancy=Pregnancy("negative"))) == {
        "pregnancy": STOP
    }


def test_a_recorded_pregnancy_counts_although_the_consultation_says_that_none_is_possible() -> None:
    (one,) = evaluate(replace(GOOD, problems=(Recorded("Normal pregnancy"),)))
    assert (one.code, one.severity, one.kind) == ("pregnancy", STOP, Kind.RECORDED)


@pytest.mark.parametrize(
    ("treated_for", "expected"),
    [
        ({"bipolar"}, {"bipolar": REVIEW}),
        ({"trd", "bipolar"}, {"bipolar": REVIEW}),
        ({"si"}, {"suicide_risk": REVIEW, "safety_plan": REVIEW, "level_of_care": REVIEW}),
        ({"ptsd"}, {}),
    ],
)
def test_what_the_patient_is_treated_for_is_looked_at(treated_for, expected) -> None:
    """S16, S26."""
    facts = replace(with_answers(bipolar=""), treated_for=frozenset(treated_for))
    named = {code: severity for code, severity in found(facts).items() if code != "not_asked_mind"}
    assert named == expected


def test_a_man_is_not_asked_about_pregnancy_unless_it_is_recorded_as_possible() -> None:
    man = replace(GOOD, sex="male", can_be_pregnant="", answers={}, auditc=None)
    assert not any(applies(BY_CODE[code], man) for code in ("pregnancy", "breastfeeding", "eclampsia"))
    assert "not_asked_pregnancy" not in found(man)
    assert applies(BY_CODE["pregnancy"], replace(man, can_be_pregnant="yes"))


@pytest.mark.parametrize(("age", "expected"), [(17, {"age": REVIEW}), (18, {}), (85, {})])
def test_below_18_is_reviewed(age, expected) -> None:
    """S27."""
    assert found(replace(GOOD, age=age)) == expected


# --- measures ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sex", "score", "is_found"),
    [("female", 3, True), ("female", 2, False), ("male", 3, False), ("male", 4, True), ("unknown", 3, True)],
)
def test_auditc_is_judged_by_sex(sex, score, is_found) -> None:
    """Case 14: 3 for a woman is positive, 3 for a man negative, 4 for a man positive. Unknown sex: never silent."""
    assert found(replace(GOOD, sex=sex, auditc=Decimal(score))) == ({"alcohol_screen": REVIEW} if is_found else {})


@pytest.mark.parametrize("band", ["Moderate", "High"])
def test_a_risk_of_suicide_is_no_bar_but_needs_a_plan_and_a_level_of_care(band) -> None:
    """S26: not a bar by itself: require safety plan and level-of-care decision."""
    facts = replace(GOOD, cssrs=band)
    assert found(facts) == {"suicide_risk": REVIEW, "safety_plan": REVIEW, "level_of_care": REVIEW}
    decided = replace(with_answers(level_of_care="yes"), cssrs=band, has_safety_plan=True)
    assert found(decided) == {"suicide_risk": REVIEW}


@pytest.mark.parametrize("band", ["Low", "No positive answer"])
def test_below_moderate_no_plan_is_asked_for(band) -> None:
    assert found(replace(GOOD, cssrs=band)) == {}


def test_an_imminent_risk_by_answer_counts_as_well() -> None:
    assert set(found(with_answers(suicide_imminent="yes"))) == {"suicide_risk", "safety_plan", "level_of_care"}


def test_item_9_asks_for_the_cssrs() -> None:
    """Case 9: any non-zero item 9, whatever the total, prompts the C-SSRS."""
    assert found(replace(GOOD, phq9_item9=1, cssrs="", measures=GOOD.measures)) == {"ask_cssrs": REVIEW}
    assert found(replace(GOOD, phq9_item9=1)) == {}


@pytest.mark.parametrize("missing", [name for _, name in SUGGESTED_MEASURES])
def test_suggested_measures_that_are_missing_are_said(missing) -> None:
    """S29."""
    codes = next(codes for codes, name in SUGGESTED_MEASURES if name == missing)
    (one,) = evaluate(replace(GOOD, measures=GOOD.measures.difference(codes)))
    assert (one.code, one.severity, one.raised_by) == ("suggested_data", INFO, (missing,))
    assert set(codes) <= set(MEASURES)


def test_suggested_examinations_and_the_weight_are_said() -> None:
    (one,) = evaluate(replace(with_answers(done_ecg="no", done_urine=""), has_weight=False))
    assert one.raised_by == ("ECG if indicated", "Urine drug screen", "Weight")


# --- medicines --------------------------------------------------------------------------------------------------------
def test_case_35_as_findings() -> None:
    taken = (
        Drug("theophylline"),
        Drug("diazepam", "10 mg/day"),
        Drug("naltrexone"),
        Drug("methylphenidate", "this morning"),
        Drug("sertraline"),
    )
    assert found(replace(GOOD, medicines=taken)) == {
        "medicine_theophylline": STOP,
        "medicine_naltrexone": REVIEW,
        "medicine_benzodiazepine_efficacy": REVIEW,
        "medicine_benzodiazepine_sedation": WATCH,
        "medicine_stimulant": WATCH,
        "medicine_ssri": INFO,
    }


def test_medicines_of_one_class_are_one_finding_and_unknown_ones_are_said() -> None:
    findings = evaluate(replace(GOOD, medicines=(Drug("oxycodone"), Drug("tramadol", "50 mg"), Drug("lisinopril"))))
    assert [(one.code, one.raised_by) for one in findings] == [
        ("medicine_opioid", ("oxycodone", "tramadol, 50 mg")),
        ("medicines_unknown", ("lisinopril",)),
    ]


# --- settings and order -----------------------------------------------------------------------------------------------
def test_the_clinic_sets_only_what_is_marked_d() -> None:
    limits = Limits(
        benzodiazepine_limit_mg=20,
        substance_window_months=6,
        pressure_max_age_days=90,
        pregnancy_test_max_age_days=14,
        adult_from_years=21,
    )
    facts = replace(
        with_answers(substance_recent="yes"),
        age=20,
        medicines=(Drug("diazepam", "15 mg daily"),),
        pressure=Pressure(120, 80, 70, age_days=60),
        can_be_pregnant="yes",
        pregnancy=Pregnancy("negative", 10),
    )
    findings = {one.code: one for one in evaluate(facts, limits)}
    assert findings["medicine_benzodiazepine_efficacy"].severity is INFO
    assert findings["substance_recent"].title == "Alcohol or drug use disorder in the last 6 months"
    assert findings["substance_recent"].mark is Mark.SETTING
    assert findings["age"].title == "Younger than 21"
    assert not {"pressure_old", "pregnancy_test_old"} & set(findings)


def test_stop_stands_first_and_codes_are_unique() -> None:
    facts = Facts(
        age=17,
        medicines=(Drug("theophylline"), Drug("sertraline"), Drug("oxycodone")),
        allergies=("ketamine",),
        problems=(Recorded("Schizophrenia"), Recorded("Glaucoma")),
        pressure=Pressure(170, 90, 80),
    )
    findings = evaluate(facts)
    ranks = [one.severity.rank for one in findings]
    assert ranks == sorted(ranks)
    assert findings[0].severity is worst(findings) is STOP
    assert len({one.code for one in findings}) == len(findings)


def test_a_stamp_changes_with_what_a_finding_rests_on() -> None:
    before, after = (
        evaluate(replace(GOOD, pressure=Pressure(150, 80, 70))),
        evaluate(replace(GOOD, pressure=Pressure(151, 80, 70))),
    )
    assert before[0].stamp != after[0].stamp
    assert before[0].stamp == evaluate(replace(GOOD, pressure=Pressure(150, 80, 70)))[0].stamp


@given(
    st.dictionaries(st.sampled_from([one.code for one in QUESTIONS]), st.sampled_from(["yes", "no", ""])),
    st.sampled_from(["female", "male", "other", "unknown"]),
    st.sampled_from(["yes", "no", ""]),
    st.lists(st.text(max_size=40), max_size=3),
)
def test_whatever_is_recorded_every_open_question_is_named(answers, sex, possible, texts) -> None:
    facts = Facts(
        age=40,
        sex=sex,
        can_be_pregnant=possible,
        answers={code: Answer(value) for code, value in answers.items()},
        problems=tuple(Recorded(text) for text in texts),
        medicines=tuple(Drug(text) for text in texts),
        allergies=tuple(texts),
        family_history=" ".join(texts),
    )
    findings = evaluate(facts)
    named = " ".join(" ".join(one.raised_by) for one in findings)
    for question in QUESTIONS:
        if applies(question, facts) and not facts.answer(question.code) and question.code != "level_of_care":
            assert question.title.split(" in the last {")[0] in named


@given(st.sampled_from([one.code for one in QUESTIONS if not one.is_suggested and one.code != "level_of_care"]))
def test_one_more_yes_never_makes_the_whole_milder(code) -> None:
    facts = replace(GOOD, can_be_pregnant="yes", pregnancy=Pregnancy("negative"))
    asked = replace(facts, answers={**facts.answers, code: Answer("yes")})
    before, after = worst(evaluate(facts)), worst(evaluate(asked))
    assert after is not None
    assert before is None or after.rank <= before.rank
