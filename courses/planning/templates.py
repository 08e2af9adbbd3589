"""The protocol templates that the product ships, as plain frozen data.

Starting points, every field editable per clinic and per course; nothing here is medical advice. ``clinic_settings``
names the fields that are design defaults [D] and not published values: pages mark them "clinic setting".
Source: clinical.md B1, B2, B3, B5; source keys (P1, L1, G5 ...) as listed there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from courses.planning.protocols import THREE_A_WEEK, TWO_A_WEEK, FirstGap, Step, expand
from courses.planning.types import SeriesRule, VisitShape


class Route(StrEnum):
    IV = "iv"
    NASAL = "nasal"


class Phase(StrEnum):
    """Which phase of a course a template serves."""

    SERIES = "series"
    MAINTENANCE = "maintenance"
    BOOSTER = "booster"


class Indication(StrEnum):
    DEPRESSION = "depression"
    SUICIDAL_IDEATION = "suicidal_ideation"
    BIPOLAR_DEPRESSION = "bipolar_depression"
    PTSD = "ptsd"
    CHRONIC_PAIN = "chronic_pain"


class DoseBasis(StrEnum):
    MG_PER_KG = "mg/kg"
    MG_PER_KG_PER_HOUR = "mg/kg/h"
    TOTAL_MG = "mg"


@dataclass(frozen=True, slots=True)
class Dose:
    """A starting dose and its range in the unit of ``basis``; ``start`` is absent where the last given dose goes on."""

    basis: DoseBasis
    start: float | None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """One shipped protocol. Minutes and days as the names say; ``steps`` give the rhythm."""

    id: str
    name: str
    phase: Phase
    route: Route
    indications: frozenset[Indication]
    n_min: int
    n_default: int
    n_max: int
    steps: tuple[Step, ...]
    dose: Dose
    infusion_min: int
    infusion_max_min: int
    decision_after: tuple[int, ...]  # infusion numbers after which the prescriber decides to go on
    evidence_note: str
    source: str
    observation_min: int = 60
    decision_at_end: bool = True
    span_warn_days: int | None = None
    preparation_min: int = 20
    turnaround_min: int = 15
    clinician_min: int = 15  # the clinician attends the first minutes of the visit
    starts_need_own_nurse: bool = True  # nobody else's infusion starts with the same nurse meanwhile
    vitals_during_min: int = 10  # every 10 min during and every 15 min after, as in P27 (clinical.md D3)
    vitals_after_min: int = 15
    assess_after: tuple[int, ...] = (4,)  # PHQ-9 is asked at every check-in anyway; here GAD-7 and the review as well
    assess_days_after_end: tuple[int, ...] = (1, 14)  # windows next day-7 d and 14-31 d
    maintenance_steps: tuple[Step, ...] = ()  # the alternatives offered after the last step
    clinic_settings: frozenset[str] = frozenset()

    @property
    def visit(self) -> VisitShape:
        """The minutes of one visit."""
        return VisitShape(self.preparation_min, self.infusion_min, self.observation_min, self.turnaround_min)

    @property
    def continues(self) -> bool:
        """True when the template follows an earlier phase, so that its first infusion has a gap too."""
        return self.phase is not Phase.SERIES

    def rule(self, n: int | None = None) -> SeriesRule:
        """The series rule of this template for ``n`` infusions (its default when absent)."""
        return expand(self.steps, n or self.n_default, span_warn_days=self.span_warn_days, continues=self.continues)


EVERYWHERE_D = frozenset(
    {
        "preparation_min",
        "turnaround_min",
        "clinician_min",
        "starts_need_own_nurse",
        "assess_after",
        "assess_days_after_end",
        "observation_min",
        "span_warn_days",
        "n_min",
        "n_max",
    }
)
MOOD = frozenset({Indication.DEPRESSION, Indication.SUICIDAL_IDEATION, Indication.BIPOLAR_DEPRESSION})

# Usual 0.5 mg/kg, published range 0.1-0.75 mg/kg. Source: P26a Andrade 2017, J Clin Psychiatry 78(7) e852-e857.
HALF_MG_PER_KG = Dose(DoseBasis.MG_PER_KG, start=0.5, minimum=0.1, maximum=0.75)
LAST_DOSE = Dose(DoseBasis.MG_PER_KG, start=None, minimum=0.1, maximum=0.75)


def _three_a_week(count: int) -> Step:
    return Step(count, min_gap_days=2, max_gap_days=4, weekdays=THREE_A_WEEK)


def _twice_a_week(count: int) -> Step:
    return Step(count, min_gap_days=3, max_gap_days=5, weekdays=TWO_A_WEEK)


def _every(days: int, count: int, tolerance: tuple[int, int], first_gap: FirstGap = FirstGap.OWN) -> Step:
    low, high = tolerance
    return Step(count, min_gap_days=low, max_gap_days=high, target_gap_days=days, first_gap=first_gap)


T_MWF6 = Template(
    id="T-MWF6",
    name="6 in 2 weeks, Mon-Wed-Fri",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=MOOD,
    n_min=4,
    n_default=6,
    n_max=8,
    steps=(_three_a_week(6),),
    dose=HALF_MG_PER_KG,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(2, 4),
    span_warn_days=21,
    evidence_note=(
        "Murrough 2013 (n=24): 70.8 % response; median 18 days to relapse without maintenance. "
        "Shiroma 2014 (12 completers): 11 responded, 8 in remission. Twelve days only from a Monday."
    ),
    source="P1, P3; gaps 2-3 days published by the weekdays, 4 days [D]",
    clinic_settings=EVERYWHERE_D | {"max_gap_days", "decision_after"},
)

T_2W6 = Template(
    id="T-2W6",
    name="6 in 3 weeks, twice a week",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=MOOD,
    n_min=4,
    n_default=6,
    n_max=8,
    steps=(_twice_a_week(6),),
    dose=HALF_MG_PER_KG,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(2, 4),
    span_warn_days=21,
    evidence_note=(
        "ELEKT-D (Anand 2023): 55.4 % response, ECT 41.2 %. Singh 2016: twice a week did as well as three times. "
        "A chart review with the same rhythm (MGH, n=85) saw 18.3 % response. Eight infusions need 25 days."
    ),
    source="P4, P7, P12; gaps [D]",
    clinic_settings=EVERYWHERE_D | {"min_gap_days", "max_gap_days", "weekdays", "decision_after"},
)

T_YALE4 = Template(
    id="T-YALE4",
    name="4 in 2 weeks, twice a week",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=MOOD,
    n_min=4,
    n_default=4,
    n_max=6,
    steps=(_twice_a_week(4),),
    dose=HALF_MG_PER_KG,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(4,),
    span_warn_days=21,
    evidence_note="Wilkinson 2018 (n=44): 45.5 % response, 27.3 % remission after four infusions.",
    source="P6; gaps [D]",
    clinic_settings=EVERYWHERE_D | {"min_gap_days", "max_gap_days", "weekdays", "decision_after"},
)

T_SEED8 = Template(
    id="T-SEED8",
    name="8 in 3 weeks, Mon-Wed-Fri",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=MOOD,
    n_min=6,
    n_default=8,
    n_max=8,
    steps=(_three_a_week(8),),
    dose=HALF_MG_PER_KG,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(2, 4),
    span_warn_days=21,
    evidence_note=(
        "6 to 8 infusions in 2 to 3 weeks is what clinics publish for patients, not a trial's protocol; "
        "8 fit into 21 days only at three times a week (17 days from a Monday)."
    ),
    source="Clinic articles 000:9, 001:25, 003:130; infusion 40-60 min 000, 003:10; gaps as T-MWF6",
    clinic_settings=EVERYWHERE_D - {"n_min", "n_max"} | {"max_gap_days", "decision_after", "weekdays"},
)

T_2W4W4 = Template(
    id="T-2W4W4",
    name="12 in 8 weeks: twice a week, then weekly",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=frozenset({Indication.DEPRESSION}),
    n_min=12,
    n_default=12,
    n_max=12,
    # Week 5 follows week 4 without a pause, as the trial counts its weeks.
    steps=(_twice_a_week(8), _every(7, 4, (6, 9), FirstGap.PREVIOUS)),
    dose=HALF_MG_PER_KG,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(8,),
    assess_after=(4, 8),
    evidence_note="UTHealth open trial NCT02882711 (n=10): twice a week for 4 weeks, then weekly for 4 weeks.",
    source="P15; gaps [D]",
    clinic_settings=EVERYWHERE_D - {"n_min", "n_max"} | {"min_gap_days", "max_gap_days", "weekdays"},
)

M_W4 = Template(
    id="M-W4",
    name="4 weekly maintenance infusions",
    phase=Phase.MAINTENANCE,
    route=Route.IV,
    indications=MOOD,
    n_min=4,
    n_default=4,
    n_max=4,
    steps=(_every(7, 4, (6, 9)),),
    dose=LAST_DOSE,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(),
    assess_after=(),
    evidence_note="Phillips 2019 (n=41): response held during four weekly infusions after six.",
    source="P5; gaps 6-9 days [D]",
    clinic_settings=EVERYWHERE_D - {"n_min", "n_max"} | {"min_gap_days", "max_gap_days"},
)

M_CANBIND = Template(
    id="M-CANBIND",
    name="6-month taper: weekly, every 2 weeks, every 4 weeks",
    phase=Phase.MAINTENANCE,
    route=Route.IV,
    indications=MOOD,
    n_min=11,
    n_default=11,
    n_max=11,
    steps=(_every(7, 4, (5, 9)), _every(14, 4, (11, 17)), _every(28, 3, (21, 35))),
    dose=LAST_DOSE,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(4, 8),
    assess_after=(4, 8),
    evidence_note=(
        "Phillips 2020 (protocol paper): weekly for 1 month, every 2 weeks for 2 months, monthly for 3 months; "
        "on relapse back to every 2 weeks."
    ),
    source="P9; monthly taken as 28 days and all gap limits [D]",
    clinic_settings=EVERYWHERE_D - {"n_min", "n_max"} | {"min_gap_days", "max_gap_days", "target_gap_days"},
)

M_MONTHLY = Template(
    id="M-MONTHLY",
    name="Monthly maintenance",
    phase=Phase.MAINTENANCE,
    route=Route.IV,
    indications=MOOD | {Indication.PTSD},
    n_min=1,
    n_default=6,
    n_max=24,
    steps=(_every(28, 6, (21, 35)),),
    dose=LAST_DOSE,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(3,),
    assess_after=(3,),
    evidence_note="A clinic's article: some need maintenance monthly, others less often. No trial fixes the number.",
    source="Clinic article 000:180 (A 25); number, monthly taken as 28 days and all gap limits [D]",
    clinic_settings=EVERYWHERE_D | {"n_default", "min_gap_days", "max_gap_days", "target_gap_days", "decision_after"},
)

M_1_2_MONTH = Template(
    id="M-1-2-MONTH",
    name="1 to 2 maintenance infusions a month",
    phase=Phase.MAINTENANCE,
    route=Route.IV,
    indications=MOOD | {Indication.PTSD},
    n_min=1,
    n_default=8,
    n_max=24,
    # Twice a month is every 14 days at the closest, once a month every 35 at the widest; between them lies the usual.
    steps=(_every(21, 8, (14, 35)),),
    dose=LAST_DOSE,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(4,),
    assess_after=(4,),
    evidence_note="A clinic's article: some need one to two doses a month, others none. No trial fixes the number.",
    source="Clinic article 002:21 (A 27); number, usual gap and all gap limits [D]",
    clinic_settings=EVERYWHERE_D | {"n_default", "min_gap_days", "max_gap_days", "target_gap_days", "decision_after"},
)

M_PRN = Template(
    id="M-PRN",
    name="Single booster when symptoms return",
    phase=Phase.BOOSTER,
    route=Route.IV,
    indications=MOOD | {Indication.PTSD},
    n_min=1,
    n_default=1,
    n_max=1,
    # No upper limit is published: a booster comes when it is needed. A year keeps the arithmetic finite.
    steps=(_every(3, 1, (3, 366)),),
    dose=LAST_DOSE,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(),
    assess_after=(),
    evidence_note="Boosters as needed are common practice (articles 000:36, 000:212); no trial fixes the trigger.",
    source="Clinic articles; gap of at least 3 days [D]",
    clinic_settings=EVERYWHERE_D | {"min_gap_days", "max_gap_days", "target_gap_days"},
)

T_PTSD6 = Template(
    id="T-PTSD6",
    name="PTSD: 6 in 2 weeks, Mon-Wed-Fri",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=frozenset({Indication.PTSD}),
    n_min=6,
    n_default=6,
    n_max=6,
    steps=(_three_a_week(6),),
    dose=HALF_MG_PER_KG,
    infusion_min=40,
    infusion_max_min=60,
    decision_after=(3,),  # end of week 1; week 2 ends the series
    assess_after=(3,),
    span_warn_days=21,
    evidence_note=(
        "Feder 2021 (n=30): at least 30 % CAPS-5 drop in 67 % (midazolam 20 %); median 27.5 days to loss of response. "
        "In veterans (Abdallah 2022, n=158) PTSD scores showed no advantage over placebo."
    ),
    source="P16, P17; largest gap [D]",
    clinic_settings=EVERYWHERE_D - {"n_min", "n_max"} | {"max_gap_days", "weekdays"},
)

T_ESK = Template(
    id="T-ESK",
    name="Esketamine nasal spray: 8 in 4 weeks, then 4 weekly",
    phase=Phase.SERIES,
    route=Route.NASAL,
    indications=frozenset({Indication.DEPRESSION, Indication.SUICIDAL_IDEATION}),
    n_min=8,
    n_default=12,
    n_max=12,
    steps=(_twice_a_week(8), _every(7, 4, (6, 9), FirstGap.PREVIOUS)),
    dose=Dose(DoseBasis.TOTAL_MG, start=56, minimum=56, maximum=84),
    infusion_min=15,  # three devices with 5 minutes' rest between them, with room
    infusion_max_min=30,
    observation_min=120,
    vitals_after_min=30,  # the label asks for about 40 minutes after dosing; the rest is ours
    decision_after=(8,),
    assess_after=(4, 8),
    starts_need_own_nurse=False,
    maintenance_steps=(
        _every(7, 4, (6, 9), FirstGap.PREVIOUS),
        _every(14, 4, (11, 17), FirstGap.PREVIOUS),
    ),
    evidence_note=(
        "US label: 56 mg on day 1, then 56 or 84 mg twice a week for 4 weeks, weekly in weeks 5 to 8, then weekly or "
        "every 2 weeks, the least that keeps the response. At least 2 hours' observation. REMS form within 7 days."
    ),
    source="L1, L2; day limits of the gaps [D]",
    clinic_settings=EVERYWHERE_D - {"observation_min", "n_min", "n_max"}
    | {"infusion_min", "infusion_max_min", "min_gap_days", "max_gap_days", "weekdays"}
    | {"vitals_during_min", "vitals_after_min"},
)


def _esketamine_goes_on(code: str, name: str, step: Step) -> Template:
    """The label's choice after week 8: weekly or every 2 weeks; the weekly rhythm leads into it (case 27)."""
    return replace(
        T_ESK,
        id=code,
        name=name,
        phase=Phase.MAINTENANCE,
        n_min=1,
        n_default=step.count,
        n_max=24,
        steps=(step,),
        dose=replace(T_ESK.dose, start=None),
        decision_after=(),
        assess_after=(),
        maintenance_steps=(),
        evidence_note="US label: from week 9 on weekly or every 2 weeks, the least that keeps the response.",
        source="L1, L2; number and day limits of the gaps [D]",
        clinic_settings=T_ESK.clinic_settings - {"weekdays"} | {"n_min", "n_default", "n_max"},
    )


M_ESK_W = _esketamine_goes_on("M-ESK-W", "Esketamine goes on, once a week", T_ESK.maintenance_steps[0])
M_ESK_2W = _esketamine_goes_on("M-ESK-2W", "Esketamine goes on, every 2 weeks", T_ESK.maintenance_steps[1])

T_PAIN1 = Template(
    id="T-PAIN1",
    name="Chronic pain: single infusion, then reassess",
    phase=Phase.SERIES,
    route=Route.IV,
    indications=frozenset({Indication.CHRONIC_PAIN}),
    n_min=1,
    n_default=1,
    n_max=1,
    steps=(Step(1, min_gap_days=1, max_gap_days=14, target_gap_days=7),),
    dose=Dose(DoseBasis.TOTAL_MG, start=80, minimum=80),
    infusion_min=150,  # the guideline says more than 120
    infusion_max_min=240,
    decision_after=(1,),
    decision_at_end=False,
    assess_after=(1,),
    evidence_note=(
        "ASRA/AAPM/ASA 2018: at least 80 mg in total over more than 2 hours, then decide on more by the pain score "
        "(grade C)."
    ),
    source="G5, read in a secondary source; minutes above 120 [D]",
    clinic_settings=EVERYWHERE_D - {"n_min", "n_max"}
    | {"infusion_min", "infusion_max_min", "vitals_during_min", "vitals_after_min"},
)

TEMPLATES: tuple[Template, ...] = (
    T_MWF6,
    T_2W6,
    T_YALE4,
    T_SEED8,
    T_2W4W4,
    M_W4,
    M_CANBIND,
    M_MONTHLY,
    M_1_2_MONTH,
    M_PRN,
    T_PTSD6,
    T_ESK,
    M_ESK_W,
    M_ESK_2W,
    T_PAIN1,
)
BY_ID: dict[str, Template] = {template.id: template for template in TEMPLATES}
