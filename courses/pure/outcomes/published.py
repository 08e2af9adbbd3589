"""Published results to show beside one's own: each with its setting, scale and time point, never one number alone.

Source: clinical.md F2 (the table), B1 and B2 (scales and time points), C7 (why a range), section I (the publications).
Abstracts were read, not full texts. What is marked there as general knowledge is left out here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from patients.pure.indications import Indication

NOT_STATED = "not stated in what was read"
DEPRESSION = frozenset({Indication.MDD, Indication.TRD, Indication.BIPOLAR, Indication.SUICIDAL_IDEATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One study's result at the end of a first series, by its own definition."""

    key: str  # of section I
    study: str
    setting: str
    n: str
    regimen: str
    scale: str
    time_point: str
    response: Decimal | None = None  # percent
    response_words: str = ""  # where it is another definition than half of the baseline
    remission: Decimal | None = None
    later: str = ""

    @property
    def citation(self) -> str:
        return CITATIONS[self.key]


CITATIONS = {
    "P1": "Biol Psychiatry 74:250-256",
    "P3": "J Affect Disord",
    "P5": "Am J Psychiatry 176:401-409",
    "P6": "J Clin Psychiatry 79(4), 17m11731",
    "P7": "N Engl J Med",
    "P8": "Int J Neuropsychopharmacol, PMC9154276",
    "P12": "PubMed 32871698",
    "P13": "CRTCE, McIntyre 2020",
    "P16": "Am J Psychiatry, doi 10.1176/appi.ajp.2020.20050596",
    "P20": "J Affect Disord, doi 10.1016/j.jad.2021.12.097",
    "P21": "J Clin Psychiatry 83(6), 21m14336",
    "P22": "J Clin Psychiatry 85(1), 23m14984",
    "P23": "J Affect Disord",
}


@dataclass(frozen=True, slots=True)
class Median:
    """A published median time until the effect was lost."""

    key: str
    days: Decimal
    words: str


@dataclass(frozen=True, slots=True)
class Timing:
    """When a clinic's article says that a response shows. Not trial data."""

    condition: str
    severity: str
    expected: str
    article: str  # article and line


MOOD = (
    Published(
        key="P1",
        study="Murrough 2013",
        setting="open trial",
        n="24",
        regimen="up to 6 in 12 days",
        scale="MADRS",
        time_point="end of the series",
        response=Decimal("70.8"),
        later="median 18 days to relapse",
    ),
    Published(
        key="P3",
        study="Shiroma 2014",
        setting="open trial",
        n="12 completers",
        regimen="6 in 12 days",
        scale=NOT_STATED,
        time_point="end of the series",
        response=Decimal("91.6"),
        remission=Decimal("66.6"),
        later="5 of 11 still responding at 4 weeks",
    ),
    Published(
        key="P5",
        study="Phillips 2019",
        setting="trial",
        n="41",
        regimen="6 in 2 weeks",
        scale=NOT_STATED,
        time_point="after six infusions",
        response=Decimal(59),
        later="held by one infusion a week for 4 weeks; median 3 infusions to response",
    ),
    Published(
        key="P7",
        study="ELEKT-D 2023",
        setting="randomised trial",
        n="403 randomised",
        regimen="6 in 3 weeks",
        scale="QIDS",
        time_point="end of the series",
        response=Decimal("55.4"),
    ),
    Published(
        key="P20",
        study="McInnes 2022",
        setting="178 clinics",
        n="537",
        regimen="4 to 8 in 7 to 28 days",
        scale="PHQ-9",
        time_point="14 to 31 days after the series",
        response=Decimal("53.6"),
        remission=Decimal("28.9"),
        later="held by about 80 % at 4 weeks, 60 % at 8 weeks",
    ),
    Published(
        key="P21",
        study="Oliver 2022",
        setting="private clinics",
        n="424",
        regimen="6 in 21 days",
        scale="PHQ-9",
        time_point="within 6 weeks",
        response=Decimal(50),
        remission=Decimal(20),
        later="72 % response, 38 % remission after 10 infusions",
    ),
    Published(
        key="P6",
        study="Wilkinson 2018 (Yale)",
        setting="clinical practice",
        n="44",
        regimen="4 in 2 weeks",
        scale=NOT_STATED,
        time_point="by infusion 4",
        response=Decimal("45.5"),
        remission=Decimal("27.3"),
    ),
    Published(
        key="P13",
        study="McIntyre 2020 (CRTCE)",
        setting="one clinic",
        n="190",
        regimen="4 in 2 weeks",
        scale="QIDS",
        time_point="after infusion 4",
        response=Decimal(27),
        remission=Decimal(13),
    ),
    Published(
        key="P22",
        study="Pfeiffer 2024",
        setting="veterans’ hospitals",
        n="215",
        regimen="mean of 18 in a year",
        scale="PHQ-9",
        time_point="6 weeks",
        response=Decimal(26),
        remission=Decimal(15),
        later="similar at 12 and 26 weeks; remission there is a score of 5 or less",
    ),
    Published(
        key="P12",
        study="MGH chart review 2020",
        setting="one clinic",
        n="82",
        regimen="6 in 3 weeks",
        scale="QIDS",
        time_point="end of the series",
        response=Decimal("18.3"),
        later="7.3 % responders in maintenance",
    ),
    Published(
        key="P8",
        study="Ekstrand 2022",
        setting="randomised trial, inpatients",
        n="186",
        regimen="up to 12, three a week",
        scale="MADRS",
        time_point="end of the series",
        remission=Decimal(46),
        later="70 % of those relapsed in 12 months, median 57 days in remission",
    ),
)
TRAUMA = (
    Published(
        key="P16",
        study="Feder 2021",
        setting="randomised trial, mainly civilians",
        n="30",
        regimen="6 in 2 weeks",
        scale="CAPS-5, at least 30 % lower",
        time_point="2 weeks",
        response=Decimal(67),
        response_words="at least 30 % lower",
        later="median 27.5 days to loss of response; 20 % with midazolam",
    ),
)
ANXIETY = (
    Published(
        key="P23",
        study="Hietamies 2023",
        setting="10 clinics",
        n="714",
        regimen="induction",
        scale="GAD-7",
        time_point="end of the series",
        response_words="no share published; mean change d = 1.17",
    ),
)
MEDIANS = (
    Median("P1", Decimal(18), "18 days: Murrough 2013, open trial, MADRS, after six infusions without maintenance"),
    Median("P8", Decimal(57), "57 days: Ekstrand 2022, inpatients, MADRS, among those in remission"),
)
"""For depression. For PTSD there is one (P16), and one number is no range."""


@dataclass(frozen=True, slots=True)
class Held:
    """Of those who responded, how many percent still did after so many days."""

    key: str
    days: int
    percent: Decimal
    words: str


HELD = (
    Held("P3", 28, Decimal("45.5"), "5 of 11, 4 weeks after the series, of those who responded"),
    Held("P20", 28, Decimal(80), "about, 4 weeks after the series, of those who responded"),
    Held("P20", 56, Decimal(60), "about, 8 weeks after the series, of those who responded"),
)
"""Source: clinical.md F2 and B1 (P3; P20, Kaplan-Meier)."""
ARTICLES = "clinic article, not trial data"
TIMINGS = (
    Timing("Depression", "mild to moderate", "1–2 sessions", "003:142"),
    Timing("Depression", "severe", "multiple sessions", "003:143"),
    Timing("Anxiety", "mild to severe", "1–3 sessions", "003:144"),
    Timing("PTSD", "mild to severe", "multiple sessions", "003:145"),
)
"""Source: clinical.md A 69 to 72."""


def published_for(indication: str) -> tuple[Published, ...]:
    """What was published for a condition, the highest response first; empty where nothing was found."""
    if indication == Indication.PTSD:
        return TRAUMA
    if indication == Indication.ANXIETY:
        return ANXIETY
    rows = MOOD if indication in DEPRESSION else ()
    return tuple(sorted(rows, key=lambda one: one.response if one.response is not None else Decimal(-1), reverse=True))


def medians_for(indication: str) -> tuple[Median, ...]:
    """Published medians until relapse, the shortest first; empty where they give no range."""
    return MEDIANS if indication in DEPRESSION else ()


def timings_for(indication: str) -> tuple[Timing, ...]:
    """What the clinics' articles expect for a condition; empty where they say nothing."""
    if indication in DEPRESSION:
        return TIMINGS[:2]
    found = {Indication.ANXIETY.value: TIMINGS[2:3], Indication.PTSD.value: TIMINGS[3:]}
    return found.get(indication, ())
