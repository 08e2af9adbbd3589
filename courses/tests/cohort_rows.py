"""Forty courses written by hand, and what each achieved, reckoned by hand from clinical.md F1.

Every day is an offset from the first infusion of the course. An infusion visit begins at 10:00 on the clocks of its
location, prepares 15 minutes and infuses 40, so it ends at 10:55; a score is taken at 07:00, before the visit of the
day, unless ``clocks`` says otherwise. 07:00 on the day after an infusion is 20 h 5 min after it and counts for it.
The usual series is six infusions on days 0, 2, 4, 7, 9 and 11 with gaps of 2 to 4 days allowed; the scores of days 2, 4,
7, 9, 11 and 12 tell about infusions 1 to 6. Today is Mon 2027-12-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

USUAL = (0, 2, 4, 7, 9, 11)
Later = tuple[int, str | None, str, bool]
"""Score, improvement in percent to one decimal, how it is called, remission."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a course achieved. Percentages to one decimal, half-up; what stands here unsaid is that of a usual series."""

    given: int = 6
    last: int = 11  # day of the last infusion of the series
    span: int = 12  # days, both ends included
    on_window: int = 5
    completed: bool = True
    kit: bool = True  # 4 to 8 infusions in 7 to 28 days
    dropped: bool = False
    changes_on: date | None = None
    over: bool = True
    measure: str = "phq9"
    baseline: int | None
    evaluable: bool = True
    end: str
    score: int | None = None
    percent: str | None = None
    remission: bool = False
    first: int | None = None
    speed: str = ""
    lost: bool = False
    increase: bool = False
    worse: bool = False
    danger: bool = False
    later: Later | None = None
    held: int | None = None
    relapsed: bool = False
    censored: str = ""
    maintenance_day: int | None = None
    given_in_all: int | None = None  # None: those of the series
    mg: str | None = None
    mg_per_kg: str | None = None
    effects: tuple[int, int, int] = (0, 0, 0)  # infusions with effects, infusions stopped, serious effects
    severity: str = "Severe"
    failures: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One course: what it is about, what happened, and what follows from that."""

    about: str
    start: str  # ISO day of the first infusion
    facts: Facts
    days: tuple[int, ...] = USUAL
    n: int = 6  # planned
    protocol: str = "T-MWF6"
    status: str = "completed"
    phq9: Mapping[int, int] = field(default_factory=dict)
    pcl5: Mapping[int, int] = field(default_factory=dict)
    qids16: Mapping[int, int] = field(default_factory=dict)
    item9: Mapping[int, int] = field(default_factory=dict)  # answers to the item about suicide of these PHQ-9
    clocks: Mapping[int, str] = field(default_factory=dict)
    struck: Mapping[int, int] = field(default_factory=dict)  # PHQ-9 that were entered in error
    person: str = ""  # two courses with the same name are one patient's
    indication: str = "trd"
    place: str = "Downtown"
    prescriber: str = "Hart"
    referrer: str = ""
    treatments: tuple[tuple[str, str], ...] = ()  # adequate?, what came of it
    died: int | None = None
    admitted: int | None = None
    tries: Mapping[int, str] = field(default_factory=dict)  # day -> an attempt at a visit that came to nothing
    booked: Mapping[int, str] = field(default_factory=dict)  # day -> why it was allowed beyond the gap
    maintenance: tuple[int, ...] = ()
    mg: tuple[str, ...] = ()  # ordered at each infusion of the series
    kg: tuple[str, ...] = ()
    stopped_after_min: Mapping[int, int] = field(default_factory=dict)  # infusion -> minutes of 40, for an effect
    effects: Mapping[int, tuple[bool, ...]] = field(default_factory=dict)  # infusion -> whether each is serious


# A table: what belongs together stands in one line.
# fmt: off
ROWS: dict[str, Row] = {
    "01": Row(
        about="Case 1 of clinical.md: response after #2, remission at the end",
        start="2027-01-04",
        phq9={-4: 20, 2: 14, 4: 9, 7: 8, 9: 6, 11: 5, 12: 4, 29: 5},
        referrer="Dr. Lena Fischer",
        treatments=(("yes", "none"), ("yes", "partial"), ("yes", "lost"), ("no", "none")),
        mg=("40",) * 6,
        kg=("80",) * 6,
        facts=Facts(
            baseline=20, end="RESPONSE", score=4, percent="80.0", remission=True,
            first=2, speed="EARLY",  # 9 of 20 is 55 % better
            later=(5, "75.0", "RESPONSE", False),  # day 29 is 18 days after the last infusion
            held=18, censored="last_score", mg="240.0", mg_per_kg="0.50",
            failures=2,  # none and partial were adequate; an effect that was lost had been a response
        ),
    ),
    "02": Row(
        about="Case 2: response after #4, no remission; the doses of case 29",
        start="2027-01-11",
        phq9={-3: 22, 2: 19, 4: 15, 7: 12, 9: 10, 11: 9, 12: 8},
        referrer="Dr. Lena Fischer",
        mg=("41.2", "41.2", "41.2", "49.4", "49.4", "48.6"),
        kg=("82.4", "82.4", "82.4", "82.4", "82.4", "81.0"),
        facts=Facts(
            baseline=22, end="RESPONSE", score=8, percent="63.6",  # 14 of 22
            first=4, speed="GRADUAL", held=1, censored="last_score",  # 10 of 22 is 54.5 % better
            mg="271.0", mg_per_kg="0.55",  # the middle of 0.5 and 49.4/82.4 = 0.5995
        ),
    ),
    "03": Row(
        about="Case 4: no response; asked again exactly 14 days after the last infusion",
        start="2027-01-18",
        phq9={-4: 21, 2: 20, 4: 19, 7: 18, 9: 18, 11: 17, 12: 17, 25: 18},
        treatments=(("", "none"),),  # nobody said whether it was adequate
        facts=Facts(
            baseline=21, end="NON_RESPONSE", score=17, percent="19.0",  # 4 of 21
            later=(18, "14.3", "NON_RESPONSE", False),  # 3 of 21
        ),
    ),
    "04": Row(
        about="Case 6: worse by 5 points from #3 on; #3 stopped half-way for a serious effect",
        start="2027-02-01",
        days=(0, 2, 4, 7),
        n=4,
        phq9={-2: 15, 2: 16, 4: 18, 7: 20, 8: 21},
        mg=("40",) * 4,
        kg=("80",) * 4,
        stopped_after_min={3: 20},
        effects={1: (False, False), 3: (True,)},
        facts=Facts(
            given=4, last=7, span=8, on_window=3,
            baseline=15, severity="Moderately severe", end="NON_RESPONSE", score=21, percent="-40.0",
            increase=True, worse=True,
            mg="140.0", mg_per_kg="0.50", effects=(2, 1, 1),  # 20 of 40 mg; 0.25 is not the middle
        ),
    ),
    "05": Row(
        about="Case 7a: 19 to 10 is no response; there was one after #2, so the responder was lost",
        start="2027-02-01",
        phq9={-5: 19, 2: 15, 4: 9, 7: 10, 9: 10, 11: 10, 12: 10},
        facts=Facts(
            baseline=19, severity="Moderately severe", end="PARTIAL", score=10, percent="47.4",
            first=2, speed="EARLY", lost=True,  # 9 of 19 is 52.6 % better, 10 is 47.4 %
        ),
    ),
    "06": Row(
        about="Still in the series: three of six given",
        start="2027-12-13",
        days=(0, 2, 4),
        status="active",
        phq9={-3: 18, 2: 14, 4: 11},
        facts=Facts(
            given=3, last=4, span=5, on_window=2, completed=False, kit=False, over=False,
            changes_on=date(2028, 1, 1),  # the last on 17 Dec, 14 days without one end with 31 Dec
            baseline=18, severity="Moderately severe", end="RUNNING",
        ),
    ),
    "07": Row(
        about="Case 7c: baseline below 10: remission, not evaluable for response",
        start="2027-02-08",
        phq9={-4: 9, 12: 4},
        facts=Facts(
            baseline=9, severity="Mild", evaluable=False, end="NOT_EVALUABLE",
            score=4, percent="55.6", remission=True,  # 5 of 9
        ),
    ),
    "08": Row(
        about="No baseline at all",
        start="2027-02-15",
        phq9={12: 3, 28: 2},
        facts=Facts(
            baseline=None, severity="", evaluable=False, end="NO_BASELINE", score=3,
            remission=True,
            later=(2, None, "NO_BASELINE", True),
        ),
    ),
    "09": Row(
        about="The only score before is 15 days old: no baseline",
        start="2027-02-22",
        phq9={-15: 18, 12: 8},
        facts=Facts(baseline=None, severity="", evaluable=False, end="NO_BASELINE", score=8),
    ),
    "10": Row(
        about="A baseline exactly 14 days old; exactly half of it at the end",
        start="2027-03-01",
        phq9={-14: 18, 12: 9},
        facts=Facts(
            baseline=18, severity="Moderately severe", end="RESPONSE", score=9, percent="50.0",
            first=6, speed="LATE", held=1, censored="last_score",
        ),
    ),
    "11": Row(
        about="A score exactly 20 hours after the last infusion counts",
        start="2027-04-05",
        phq9={-4: 20, 12: 10},
        clocks={12: "06:55"},
        facts=Facts(
            baseline=20, end="RESPONSE", score=10, percent="50.0",
            first=6, speed="LATE", held=1, censored="last_score",
        ),
    ),
    "12": Row(
        about="A minute less than 20 hours does not count; the next score does",
        start="2027-04-12",
        phq9={-4: 20, 12: 8, 13: 12},
        clocks={12: "06:54"},
        facts=Facts(baseline=20, end="PARTIAL", score=12, percent="40.0"),
    ),
    "13": Row(
        about="The only score after is 14 days after the last infusion: the end of the series and the later one at once",
        start="2027-04-19",
        place="Harbour",
        prescriber="Osei",
        phq9={-4: 20, 25: 9},
        facts=Facts(
            baseline=20, end="RESPONSE", score=9, percent="55.0", first=6, speed="LATE",
            later=(9, "55.0", "RESPONSE", False),
            held=14, censored="last_score",
        ),
    ),
    "14": Row(
        about="15 days after: too late for the end of the series; what was entered in error counts nowhere",
        start="2027-04-26",
        place="Harbour",
        prescriber="Osei",
        phq9={-4: 20, 26: 9},
        struck={12: 3},
        facts=Facts(baseline=20, end="NO_SCORE", later=(9, "55.0", "RESPONSE", False)),
    ),
    "15": Row(
        about="Asked again on day 31, the last that counts; one reading below response is no relapse",
        start="2027-05-03",
        place="Harbour",
        prescriber="Osei",
        phq9={-4: 20, 12: 8, 42: 12},
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            later=(12, "40.0", "PARTIAL", False),
            held=31, censored="last_score",
        ),
    ),
    "16": Row(
        about="Asked again on day 32: no later score",
        start="2027-05-10",
        place="Harbour",
        prescriber="Osei",
        phq9={-4: 20, 12: 8, 43: 9},
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            held=32, censored="last_score",
        ),
    ),
    "17": Row(
        about="Case 8: relapse confirmed 28 days after the last infusion, dated at the first reading, day 21",
        start="2027-05-17",
        phq9={-4: 20, 12: 6, 18: 7, 25: 9, 32: 12, 39: 13},
        facts=Facts(
            baseline=20, end="RESPONSE", score=6, percent="70.0", first=6, speed="LATE",
            later=(9, "55.0", "RESPONSE", False),
            held=21, relapsed=True,
        ),
    ),
    "18": Row(
        about="Case 8 with 9 on day 28: a single excursion, no relapse",
        start="2027-05-24",
        phq9={-4: 20, 12: 6, 18: 7, 25: 9, 32: 12, 39: 9},
        facts=Facts(
            baseline=20, end="RESPONSE", score=6, percent="70.0", first=6, speed="LATE",
            later=(9, "55.0", "RESPONSE", False),
            held=28, censored="last_score",
        ),
    ),
    "19": Row(
        about="A psychiatric admission is a relapse at once, whatever the scores say",
        start="2027-05-31",
        phq9={-4: 20, 12: 8, 60: 9},
        admitted=51,
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            held=40, relapsed=True,
        ),
    ),
    "20": Row(
        about="Item 9 rises from 0 to 1 after #2 while the score falls",
        start="2027-06-07",
        phq9={-4: 16, 4: 15, 12: 7},
        item9={-4: 0, 4: 1, 12: 0},
        facts=Facts(
            baseline=16, severity="Moderately severe", end="RESPONSE", score=7, percent="56.3",
            first=6, speed="LATE", danger=True, held=1, censored="last_score",  # 9 of 16
        ),
    ),
    "21": Row(
        about="Dropped out after the first infusion",
        start="2027-06-14",
        days=(0,),
        status="lost",
        phq9={-4: 18, 2: 16},
        facts=Facts(
            given=1, last=0, span=1, on_window=0, completed=False, kit=False, dropped=True,
            baseline=18, severity="Moderately severe", end="NON_RESPONSE", score=16,
            percent="11.1",  # 2 of 18
        ),
    ),
    "22": Row(
        about="Open end: three of six given in October, nobody closed it",
        start="2027-10-04",
        days=(0, 2, 4),
        status="active",
        phq9={-4: 17, 2: 12, 4: 9, 7: 8},
        facts=Facts(
            given=3, last=4, span=5, on_window=2, completed=False, kit=False, over=False,
            dropped=True, baseline=17, severity="Moderately severe", end="RUNNING",
            first=3, speed="GRADUAL",  # 9 of 17 is 47.1 % better, 8 is 52.9 %
        ),
    ),
    "23": Row(
        about="Stopped after four of six for want of an effect: fewer than planned, and nothing for 14 days",
        start="2027-06-21",
        days=(0, 2, 4, 7),
        status="stopped",
        phq9={-4: 20, 2: 20, 4: 19, 7: 19, 8: 19},
        facts=Facts(
            given=4, last=7, span=8, on_window=3, completed=False, dropped=True,
            baseline=20, end="NON_RESPONSE", score=19, percent="5.0",
        ),
    ),
    "24": Row(
        about="Transferred after two: goes on elsewhere, so nobody dropped out",
        start="2027-06-28",
        days=(0, 2),
        status="transferred",
        phq9={-4: 20, 3: 15},
        facts=Facts(
            given=2, last=2, span=3, on_window=1, completed=False, kit=False,
            baseline=20, end="NON_RESPONSE", score=15, percent="25.0",
        ),
    ),
    "25": Row(
        about="Died five days after the fourth of six",
        start="2027-07-05",
        days=(0, 2, 4, 7),
        status="stopped",
        phq9={-4: 22, 8: 9},
        died=12,
        facts=Facts(
            given=4, last=7, span=8, on_window=3, completed=False,
            baseline=22, end="RESPONSE", score=9, percent="59.1",  # 13 of 22
            first=4, speed="GRADUAL", held=1, censored="death",
        ),
    ),
    "26": Row(
        about="Died 29 days after a whole series; the last assessment was 14 days after it",
        start="2027-07-12",
        phq9={-4: 20, 12: 8, 25: 6},
        died=40,
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            later=(6, "70.0", "RESPONSE", False),
            held=14, censored="death",
        ),
    ),
    "27": Row(
        about="First of two courses: the second reading below response is the baseline of the second course",
        start="2027-01-25",
        person="Noor",
        phq9={-4: 20, 12: 8, 60: 14},
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            held=49, relapsed=True,  # 14 on day 60 and 16 on day 66, 6 days apart
        ),
    ),
    "28": Row(
        about="Second of two courses, 70 days after the first began",
        start="2027-04-05",
        person="Noor",
        phq9={-4: 16, 12: 7},
        facts=Facts(
            baseline=16, severity="Moderately severe", end="RESPONSE", score=7, percent="56.3",
            first=6, speed="LATE", held=1, censored="last_score",
        ),
    ),
    "29": Row(
        about="Followed until a new series begins",
        start="2027-08-02",
        person="Tomas",
        phq9={-4: 20, 12: 8, 40: 8},
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            later=(8, "60.0", "RESPONSE", False),  # day 40 is 29 days after
            held=29, censored="next_series",
        ),
    ),
    "30": Row(
        about="A new series while the first still holds: its baseline is 8, ten days old",
        start="2027-09-21",
        person="Tomas",
        phq9={12: 4},
        facts=Facts(
            baseline=8, severity="Mild", evaluable=False, end="NOT_EVALUABLE",
            score=4, percent="50.0", remission=True,
        ),
    ),
    "31": Row(
        about="Case 20 across the change of clocks: no-show #4, moved by a day; Fri 12 to Tue 16 March is 4 days",
        start="2027-03-08",
        days=(0, 2, 4, 8, 11, 14),
        tries={7: "missed"},
        phq9={-4: 20, 15: 8},
        facts=Facts(
            last=14, span=15,  # gaps 2, 2, 4, 3, 3
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            held=1, censored="last_score",
        ),
    ),
    "32": Row(
        about="#4 withheld and given three days late: one gap of 6 days",
        start="2027-08-09",
        days=(0, 2, 4, 10, 12, 14),
        tries={7: "withheld"},
        phq9={-4: 20, 15: 8},
        facts=Facts(
            last=14, span=15, on_window=4,  # gaps 2, 2, 6, 2, 2
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            held=1, censored="last_score",
        ),
    ),
    "33": Row(
        about="The night of 14 March is an hour short: 07:00 on Sunday is 19 h 5 min after Saturday's infusion",
        start="2027-03-01",
        days=(0, 2, 4, 7, 9, 12),
        phq9={-4: 18, 13: 12, 14: 9},
        facts=Facts(
            last=12, span=13,  # gaps 2, 2, 3, 2, 3
            baseline=18, severity="Moderately severe", end="RESPONSE", score=9, percent="50.0",
            first=6, speed="LATE", held=2, censored="last_score",
        ),
    ),
    "34": Row(
        about="The night of 7 November is an hour long: 06:00 on Sunday is 20 h 5 min after Saturday's infusion",
        start="2027-10-25",
        days=(0, 2, 4, 7, 9, 12),
        phq9={-4: 20, 13: 8, 14: 12},
        clocks={13: "06:00"},
        facts=Facts(
            last=12, span=13,
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            held=2, censored="last_score",  # 12 on the day after is one reading below response
        ),
    ),
    "35": Row(
        about="A planned pause: the fourth is booked for Wed 22 December, 26 days after the third, and allowed",
        start="2027-11-22",
        days=(0, 2, 4),
        status="active",
        booked={30: "Travels until 20 December"},
        phq9={-4: 20, 2: 15},
        facts=Facts(
            given=3, last=4, span=5, on_window=2, completed=False, kit=False, over=False,
            changes_on=date(2027, 12, 23),
            baseline=20, end="RUNNING",
        ),
    ),
    "36": Row(
        about="Maintenance from 7 days after the series on",
        start="2027-09-06",
        status="active",
        maintenance=(18, 25, 32),
        phq9={-4: 20, 12: 8, 18: 7, 32: 9},
        facts=Facts(
            baseline=20, end="RESPONSE", score=8, percent="60.0", first=6, speed="LATE",
            later=(9, "55.0", "RESPONSE", False),  # day 32 is 21 days after
            held=21, censored="last_score", maintenance_day=7, given_in_all=9,
        ),
    ),
    "37": Row(
        about="PTSD is judged by the PCL-5, although there is a PHQ-9; no remission is defined for it",
        start="2027-09-13",
        indication="ptsd",
        pcl5={-4: 50, 12: 20},
        phq9={-4: 12, 12: 10},
        facts=Facts(
            measure="pcl5", baseline=50, severity="", end="RESPONSE", score=20, percent="60.0",
            first=6, speed="LATE", held=1, censored="last_score",
        ),
    ),
    "38": Row(
        about="Only a QIDS: remission is at most 5",
        start="2027-09-20",
        qids16={-4: 18, 12: 5},
        facts=Facts(
            measure="qids16", baseline=18, end="RESPONSE", score=5, percent="72.2",  # 13 of 18
            remission=True, first=6, speed="LATE", held=1, censored="last_score",
        ),
    ),
    "39": Row(
        about="Eight infusions in 28 days: KIT-type completion; no score afterwards",
        start="2027-10-11",
        protocol="IV-KIT",
        days=(0, 4, 8, 12, 16, 20, 24, 27),
        n=8,
        phq9={-4: 20},
        facts=Facts(given=8, last=27, span=28, on_window=7, baseline=20, end="NO_SCORE"),
    ),
    "40": Row(
        about="Nine infusions in 29 days: completed, not KIT-type",
        start="2027-11-01",
        protocol="IV-KIT",
        days=(0, 4, 8, 12, 16, 20, 24, 27, 28),
        n=9,
        phq9={-4: 20, 29: 9},
        facts=Facts(
            given=9, last=28, span=29, on_window=8, kit=False,
            baseline=20, end="RESPONSE", score=9, percent="55.0", first=9, speed="LATE",
            held=1, censored="last_score",
        ),
    ),
}
# fmt: on
