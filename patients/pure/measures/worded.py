"""The instruments whose questions may be shown: PHQ-9, GAD-7, PCL-5, AUDIT-C, HAM-D-17. Facts: clinical.md E1, E2."""

from __future__ import annotations

from datetime import date

from patients.pure.measures import rules
from patients.pure.measures.types import (
    Band,
    Change,
    Cut,
    Direction,
    Entry,
    Group,
    Item,
    Measure,
    Option,
    Rater,
)
from patients.pure.measures.wording import auditc, gad7, hamd17, pcl5, phq9

CHECKED = date(2026, 11, 21)


def options(labels: tuple[str, ...]) -> tuple[Option, ...]:
    """Labels as options valued 0, 1, 2 and so on."""
    return tuple(Option(value, label) for value, label in enumerate(labels))


def alike(texts: tuple[str, ...], labels: tuple[str, ...]) -> tuple[Item, ...]:
    """Questions that share their options, numbered from 1."""
    return tuple(Item(number, text, options(labels)) for number, text in enumerate(texts, 1))


def each(rows: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[Item, ...]:
    """Questions with options of their own, numbered from 1."""
    return tuple(Item(number, text, options(labels)) for number, (text, labels) in enumerate(rows, 1))


PHQ9 = Measure(
    code="phq9",
    name="Patient Health Questionnaire, 9 items",
    short_name="PHQ-9",
    group=Group.MOOD,
    rater=Rater.PATIENT,
    entry=Entry.ITEMS,
    minimum=0,
    maximum=27,
    direction=Direction.WORSE,
    recall="the last 2 weeks",
    recall_days=14,
    stem=phq9.STEM,
    items=(
        *alike(phq9.ITEMS, phq9.OPTIONS),
        Item(10, phq9.DIFFICULTY, options(phq9.DIFFICULTY_OPTIONS), is_scored=False),
    ),
    rule=rules.phq9,
    bands=(
        Band(0, 4, "None or minimal"),
        Band(5, 9, "Mild"),
        Band(10, 14, "Moderate"),
        Band(15, 19, "Moderately severe"),
        Band(20, 27, "Severe"),
    ),
    cuts=(Cut(10, "usual cut of the screen for depression"),),
    changes=(Change("mcid_5", 5, "5 points: smallest change that matters (Löwe 2004)"),),
    remission_max=4,
    danger_item=9,
    licence="© Pfizer. No permission required to reproduce, translate, display or distribute.",
    notice=phq9.NOTICE,
    source_url="https://www.phqscreeners.com/",
    wording_allowed=True,
    checked_on=CHECKED,
    version="en-US 1",
    sources="Kroenke 2001; Löwe 2004 (M4); HL7 US Core (M2); missing items: M3; remission below 5: P20, NCQA.",
)

GAD7 = Measure(
    code="gad7",
    name="Generalized Anxiety Disorder, 7 items",
    short_name="GAD-7",
    group=Group.ANXIETY,
    rater=Rater.PATIENT,
    entry=Entry.ITEMS,
    minimum=0,
    maximum=21,
    direction=Direction.WORSE,
    recall="the last 2 weeks",
    recall_days=14,
    stem=gad7.STEM,
    items=alike(gad7.ITEMS, gad7.OPTIONS),
    rule=rules.plain_sum,
    bands=(Band(0, 4, "Minimal"), Band(5, 9, "Mild"), Band(10, 14, "Moderate"), Band(15, 21, "Severe")),
    changes=(
        Change("mcid_4", 4, "4 points: smallest change that matters (Toussaint 2020)"),
        Change("rci_6", 6, "6 points: reliable change (Bischoff 2020)"),
    ),
    remission_max=4,
    licence="© Pfizer; in the public domain. No permission required to reproduce, translate, display or distribute.",
    notice=gad7.NOTICE,
    source_url="https://www.phqscreeners.com/",
    wording_allowed=True,
    checked_on=CHECKED,
    version="en-US 1",
    sources="M1; Toussaint 2020 (M5); Bischoff 2020 (M6). Remission below 5 is general knowledge, to be confirmed.",
)

PCL5 = Measure(
    code="pcl5",
    name="PTSD Checklist for DSM-5",
    short_name="PCL-5",
    group=Group.ANXIETY,
    rater=Rater.PATIENT,
    entry=Entry.ITEMS,
    minimum=0,
    maximum=80,
    direction=Direction.WORSE,
    recall="the past month",
    recall_days=30,
    stem=pcl5.STEM,
    items=alike(pcl5.ITEMS, pcl5.OPTIONS),
    rule=rules.pcl5,
    cuts=(Cut(rules.PCL5_CUT[0], "31 to 33: provisional PTSD by the total, where sources differ"),),
    changes=(
        Change("meaningful_10", 10, "10 points: clinically meaningful (older VA guidance)"),
        Change("reliable_5", 5, "5 points: smallest reliable change (older VA guidance)"),
        Change("rci_15", 15, "15 points: reliable change (Marx 2022 gives 15 to 18)"),
    ),
    licence="A work of the US Government (VA National Center for PTSD); not copyrighted.",
    notice=pcl5.NOTICE,
    source_url="https://www.ptsd.va.gov/professional/assessment/adult-sr/ptsd-checklist.asp",
    wording_allowed=True,
    checked_on=CHECKED,
    version="en-US 1",
    sources="M7; Marx 2022 (M8); Blanchard 2023 (M9); M10. No severity bands have been derived empirically.",
)

AUDITC = Measure(
    code="auditc",
    name="Alcohol Use Disorders Identification Test, consumption",
    short_name="AUDIT-C",
    group=Group.SUBSTANCES,
    rater=Rater.PATIENT,
    entry=Entry.ITEMS,
    minimum=0,
    maximum=12,
    direction=Direction.WORSE,
    recall="the past year",
    recall_days=365,
    stem=auditc.STEM,
    items=each(auditc.ITEMS),
    rule=rules.plain_sum,
    licence="Available for use in the public domain (SAMHSA). The full AUDIT (© WHO) is not part of it.",
    notice=auditc.NOTICE,
    source_url="https://www.samhsa.gov/",
    wording_allowed=True,
    checked_on=CHECKED,
    version="en-US 1",
    sources="M24. Positive from 3 for a woman, from 4 for a man.",
)

HAMD17 = Measure(
    code="hamd17",
    name="Hamilton Depression Rating Scale, 17 items",
    short_name="HAM-D-17",
    group=Group.MOOD,
    rater=Rater.CLINICIAN,
    entry=Entry.ITEMS,
    minimum=0,
    maximum=52,
    direction=Direction.WORSE,
    recall="the past week",
    recall_days=7,
    stem=hamd17.STEM,
    items=each(hamd17.ITEMS),
    rule=rules.plain_sum,
    bands=(Band(0, 7, "Normal"), Band(8, 16, "Mild"), Band(17, 23, "Moderate"), Band(24, 52, "Severe")),
    bands_confirmed=False,
    remission_max=7,
    danger_item=3,
    licence="In the public domain (NINDS Common Data Elements).",
    notice=hamd17.NOTICE,
    source_url="https://www.commondataelements.ninds.nih.gov/",
    wording_allowed=True,
    checked_on=CHECKED,
    version="en-US 1, history",
    sources="M1. Bands and remission (7 or less) are general knowledge, to be confirmed by the clinic.",
)

WORDED = (PHQ9, GAD7, PCL5, AUDITC, HAMD17)
