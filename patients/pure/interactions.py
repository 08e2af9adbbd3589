"""Medicines that matter beside ketamine, by class: what they do, how serious that is, and who says so.

Source: clinical.md C2, every row; A 143-147. The names are recognised as whole words in whatever was written down, also
in RxNorm's strings ("clonazePAM 0.25 MG Oral Tablet"). Which names belong to a class is general knowledge [GK]; what is
said about the class carries its own mark. A medicine that is not recognised has not been judged: `unrecognised`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from patients.pure.doses import daily_mg
from patients.pure.evidence import Mark, Severity
from patients.pure.wordmatch import any_of, plain

BENZODIAZEPINE_LIMIT_MG = 8
"""Diazepam equivalent a day that separated those who did not respond. Source: P29, clinical.md C2; a clinic setting."""


class Direction(StrEnum):
    """What the medicine does together with ketamine."""

    SEIZURES = "seizures"
    SEDATION = "sedation"
    LESS_EFFECT = "less_effect"
    MORE_EFFECT = "more_effect"
    PRESSURE = "pressure"
    FEWER_SIDE_EFFECTS = "fewer_side_effects"
    NOT_ON_THE_DAY = "not_on_the_day"


DIRECTION_LABELS = {
    Direction.SEIZURES: "seizures become likelier",
    Direction.SEDATION: "more sedation",
    Direction.LESS_EFFECT: "less effect of ketamine",
    Direction.MORE_EFFECT: "more effect of ketamine",
    Direction.PRESSURE: "blood pressure up",
    Direction.FEWER_SIDE_EFFECTS: "fewer side effects",
    Direction.NOT_ON_THE_DAY: "not on the day of an infusion",
}


class Taken(Protocol):
    """A medicine as it is written down; the ``Medicine`` rows of the registry are such."""

    @property
    def description(self) -> str: ...
    @property
    def dose(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Drug:
    """A medicine outside the database."""

    description: str
    dose: str = ""


@dataclass(frozen=True)
class DrugClass:
    """Medicines of one kind. ``names`` are generic names and common US brand names."""

    code: str
    title: str
    severity: Severity
    direction: Direction
    reason: str
    source: str
    mark: Mark
    names: tuple[str, ...]
    unless: tuple[str, ...] = ()
    """Words that show another way of using it: a shampoo with ketoconazole hardly reaches the blood."""
    asks: str = ""

    @cached_property
    def _named(self) -> re.Pattern[str]:
        return any_of(self.names)

    @cached_property
    def _other_use(self) -> re.Pattern[str]:
        return any_of(self.unless)

    def recognises(self, description: str) -> bool:
        text = plain(description)
        return bool(self._named.search(text)) and not self._other_use.search(text)


@dataclass(frozen=True, slots=True)
class Interaction:
    """What one medicine means beside ketamine.

    ``position`` is the medicine's place in the list that was judged, ``remark`` what was worked out (a dose), ``asks``
    what somebody has to ask.
    """

    code: str
    title: str
    severity: Severity
    direction: Direction
    reason: str
    source: str
    mark: Mark
    medicine: str
    position: int
    remark: str = ""
    asks: str = ""


@dataclass(frozen=True, slots=True)
class _Benzodiazepine:
    names: tuple[str, ...]
    as_10_mg_diazepam: Decimal  # mg that equal 10 mg of diazepam
    source: str
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", any_of(self.names))


BENZODIAZEPINES = (
    _Benzodiazepine(("alprazolam", "Xanax", "Niravam"), Decimal("0.5"), "Z1"),
    _Benzodiazepine(("bromazepam",), Decimal(6), "Z2"),
    _Benzodiazepine(("chlordiazepoxide", "Librium", "Librax"), Decimal(25), "Z1"),
    _Benzodiazepine(("clobazam", "Onfi", "Sympazan"), Decimal(20), "Z2"),
    _Benzodiazepine(("clonazepam", "Klonopin"), Decimal("0.5"), "Z1"),
    _Benzodiazepine(("clorazepate", "Tranxene"), Decimal(15), "Z1"),
    _Benzodiazepine(("diazepam", "Valium", "Diastat"), Decimal(10), "Z1"),
    _Benzodiazepine(("estazolam", "ProSom"), Decimal(1), "Z1"),
    _Benzodiazepine(("flunitrazepam",), Decimal(2), "Z2"),
    _Benzodiazepine(("flurazepam", "Dalmane"), Decimal(15), "Z1"),
    _Benzodiazepine(("lorazepam", "Ativan", "Loreev"), Decimal(1), "Z1"),
    _Benzodiazepine(("lormetazepam",), Decimal("1.5"), "Z2"),
    _Benzodiazepine(("midazolam", "Versed"), Decimal(5), "Z2"),
    _Benzodiazepine(("nitrazepam",), Decimal(10), "Z2"),
    _Benzodiazepine(("oxazepam", "Serax"), Decimal(20), "Z1"),
    _Benzodiazepine(("quazepam", "Doral"), Decimal(10), "Z1"),
    _Benzodiazepine(("temazepam", "Restoril"), Decimal(15), "Z1"),
    _Benzodiazepine(("triazolam", "Halcion"), Decimal("0.25"), "Z1"),
)
"""Daily doses that equal 10 mg of diazepam by mouth. Z1 prints two columns (Ashton 2002, VA/DoD 2021): the smaller dose
counts, so that nobody above the limit is missed; Z2 where Z1 is silent. [X2]: read in copies of these tables. Such
equivalents are rough, and differ between authors by a factor of two.
"""

_TOPICAL = ("shampoo", "cream", "topical", "ointment", "lotion", "vaginal", "ophthalmic", "otic")

CLASSES = (
    DrugClass(
        "theophylline",
        "Theophylline, aminophylline",
        Severity.STOP,
        Direction.SEIZURES,
        "They lower the seizure threshold together with ketamine: not to be given together.",
        "L4",
        Mark.READ,
        ("theophylline", "aminophylline", "Theo-24", "Theochron", "Uniphyl", "Elixophyllin", "Phyllocontin"),
    ),
    DrugClass(
        "benzodiazepine_sedation",
        "Benzodiazepine: sedation",
        Severity.WATCH,
        Direction.SEDATION,
        "Deep sedation and weak breathing are possible together with ketamine.",
        "L4, L1",
        Mark.READ,
        tuple(name for drug in BENZODIAZEPINES for name in drug.names),
        asks="Taken today?",
    ),
    DrugClass(
        "opioid",
        "Opioid",
        Severity.WATCH,
        Direction.SEDATION,
        "Depresses breathing and alertness as ketamine does, and may prolong recovery.",
        "L4",
        Mark.READ,
        (
            *("opium", "morphine", "MS Contin", "Kadian", "codeine", "hydrocodone", "Vicodin", "Norco", "Lortab"),
            *("Hysingla", "Zohydro", "oxycodone", "OxyContin", "Roxicodone", "Percocet", "Endocet", "Xtampza"),
            *("hydromorphone", "Dilaudid", "Exalgo", "oxymorphone", "Opana", "fentanyl", "Duragesic", "Actiq"),
            *("methadone", "Dolophine", "Methadose", "meperidine", "Demerol", "levorphanol", "tapentadol", "Nucynta"),
            *("tramadol", "Ultram", "Ultracet", "ConZip", "buprenorphine", "Suboxone", "Subutex", "Zubsolv"),
            *("Sublocade", "Brixadi", "Butrans", "Belbuca", "butorphanol", "nalbuphine", "pentazocine", "kratom"),
        ),
        asks="Taken today?",
    ),
    DrugClass(
        "other_sedative",
        "Other sedative",
        Severity.WATCH,
        Direction.SEDATION,
        "Depresses the nervous system as ketamine does: deep sedation is possible.",
        "L4",
        Mark.READ,
        (
            *("zolpidem", "Ambien", "Edluar", "Intermezzo", "zaleplon", "Sonata", "eszopiclone", "Lunesta"),
            *("zopiclone", "phenobarbital", "secobarbital", "butalbital", "Fioricet", "primidone", "Mysoline"),
            *("carisoprodol", "Soma", "sodium oxybate", "Xyrem", "Xywav", "Lumryz"),
        ),
        asks="Taken today?",
    ),
    DrugClass(
        "alcohol",
        "Alcohol",
        Severity.INFO,
        Direction.NOT_ON_THE_DAY,
        "None on the day of an infusion and for 24 hours after it.",
        "discharge sheets of clinics",
        Mark.SECONDARY,
        ("alcohol", "ethanol", "beer", "wine", "liquor", "spirits"),
        unless=("isopropyl", "benzyl", "rubbing", "cetyl", "stearyl", "polyvinyl", "lanolin", "swab", "pad", "pads"),
    ),
    DrugClass(
        "naltrexone",
        "Naltrexone",
        Severity.REVIEW,
        Direction.LESS_EFFECT,
        "50 mg before an infusion blocked the antidepressant effect but not the dissociation (12 patients, trial "
        "stopped early). Later data are mixed.",
        "P31",
        Mark.READ,
        ("naltrexone", "ReVia", "Vivitrol", "Contrave", "Depade"),
    ),
    DrugClass(
        "lamotrigine",
        "Lamotrigine",
        Severity.INFO,
        Direction.FEWER_SIDE_EFFECTS,
        "May weaken the side effects of ketamine; what it does to the benefit is not known.",
        "P26b",
        Mark.READ,
        ("lamotrigine", "Lamictal", "Subvenite"),
    ),
    DrugClass(
        "maoi",
        "MAO inhibitor",
        Severity.REVIEW,
        Direction.PRESSURE,
        "Blood pressure may rise; some trials did not admit patients who take one.",
        "L1, E4",
        Mark.READ,
        (
            *("phenelzine", "Nardil", "tranylcypromine", "Parnate", "isocarboxazid", "Marplan", "selegiline", "Emsam"),
            *("Zelapar", "Eldepryl"),
        ),
    ),
    DrugClass(
        "maoi_weak",
        "MAO inhibitor (reversible or selective)",
        Severity.WATCH,
        Direction.PRESSURE,
        "Blood pressure may rise, less than with the older MAO inhibitors.",
        "L1, E4",
        Mark.READ,
        ("rasagiline", "Azilect", "safinamide", "Xadago", "moclobemide", "linezolid", "Zyvox", "methylene blue"),
    ),
    DrugClass(
        "stimulant",
        "Stimulant",
        Severity.WATCH,
        Direction.PRESSURE,
        "Blood pressure may rise.",
        "L1",
        Mark.READ,
        (
            *("amphetamine", "dextroamphetamine", "amphetamines", "Adderall", "Mydayis", "Evekeo", "Dexedrine"),
            *("Zenzedi", "Adzenys", "Dyanavel", "lisdexamfetamine", "Vyvanse", "methamphetamine", "Desoxyn"),
            *("methylphenidate", "Ritalin", "Concerta", "Metadate", "Daytrana", "Quillivant", "Aptensio", "Jornay"),
            *("Methylin", "dexmethylphenidate", "Focalin", "serdexmethylphenidate", "Azstarys", "modafinil"),
            *("Provigil", "armodafinil", "Nuvigil"),
        ),
        asks="Taken today?",
    ),
    DrugClass(
        "sympathomimetic",
        "Sympathomimetic or vasopressin",
        Severity.WATCH,
        Direction.PRESSURE,
        "Strengthens the rise of pressure and pulse: vital signs closely, the dose adjusted.",
        "L4",
        Mark.READ,
        (
            *("pseudoephedrine", "Sudafed", "phenylephrine", "ephedrine", "ephedra", "epinephrine", "EpiPen", "Auvi-Q"),
            *("norepinephrine", "midodrine", "droxidopa", "Northera", "phentermine", "Adipex", "Qsymia"),
            *("phendimetrazine", "diethylpropion", "albuterol", "Ventolin", "ProAir", "Proventil", "levalbuterol"),
            *("Xopenex", "salmeterol", "formoterol", "terbutaline", "vasopressin"),
        ),
        asks="Taken today?",
    ),
    DrugClass(
        "cyp_inhibitor",
        "Inhibitor of CYP3A4 or CYP2B6",
        Severity.REVIEW,
        Direction.MORE_EFFECT,
        "Ketamine is broken down more slowly, so the same dose does more. Review the dose.",
        "P26b",
        Mark.READ,
        (
            *("clarithromycin", "Biaxin", "erythromycin", "telithromycin", "ketoconazole", "itraconazole", "Sporanox"),
            *("posaconazole", "Noxafil", "voriconazole", "Vfend", "fluconazole", "Diflucan", "ritonavir", "Norvir"),
            *("Paxlovid", "nirmatrelvir", "Kaletra", "cobicistat", "Tybost", "Genvoya", "Stribild", "Prezcobix"),
            *("Symtuza", "atazanavir", "darunavir", "indinavir", "nelfinavir", "saquinavir", "nefazodone"),
            *("fluvoxamine", "Luvox", "diltiazem", "Cardizem", "verapamil", "Calan", "grapefruit", "ticlopidine"),
            *("clopidogrel", "Plavix", "thiotepa"),
        ),
        unless=_TOPICAL,
    ),
    DrugClass(
        "cyp_inducer",
        "Inducer of CYP3A4 or CYP2B6",
        Severity.INFO,
        Direction.LESS_EFFECT,
        "Ketamine is broken down faster, so the same dose may do less.",
        "P26b",
        Mark.READ,
        (
            *("rifampicin", "rifampin", "Rifadin", "rifabutin", "rifapentine", "carbamazepine", "Tegretol", "Equetro"),
            *("Carbatrol", "oxcarbazepine", "Trileptal", "phenytoin", "Dilantin", "fosphenytoin", "phenobarbital"),
            *("primidone", "Mysoline", "efavirenz", "Sustiva", "Atripla", "nevirapine", "etravirine", "bosentan"),
            *("enzalutamide", "apalutamide", "St John's wort", "Saint John's wort", "hypericum"),
        ),
    ),
    DrugClass(
        "nmda",
        "Another NMDA blocker",
        Severity.REVIEW,
        Direction.MORE_EFFECT,
        "Blocks the same receptor as ketamine: the effects may add up.",
        "general knowledge",
        Mark.GENERAL,
        (
            *(
                "memantine",
                "Namenda",
                "Namzaric",
                "dextromethorphan",
                "Auvelity",
                "Nuedexta",
                "Delsym",
                "Robitussin DM",
            ),
            *("Mucinex DM", "NyQuil", "DayQuil", "amantadine", "Gocovri", "Osmolex", "Symmetrel"),
        ),
    ),
    DrugClass(
        "thyroid",
        "Thyroid hormone",
        Severity.WATCH,
        Direction.PRESSURE,
        "Pressure and pulse may rise.",
        "general knowledge",
        Mark.GENERAL,
        (
            *("levothyroxine", "Synthroid", "Levoxyl", "Unithroid", "Euthyrox", "Tirosint", "liothyronine", "Cytomel"),
            *("liotrix", "Armour Thyroid", "NP Thyroid", "thyroid USP", "desiccated thyroid", "thyroid tablet"),
        ),
    ),
    DrugClass(
        "ssri",
        "SSRI",
        Severity.INFO,
        Direction.PRESSURE,
        "Can be continued. Blood pressure peaked higher in one small series.",
        "P28, P26b",
        Mark.READ,
        (
            *("sertraline", "Zoloft", "fluoxetine", "Prozac", "Sarafem", "paroxetine", "Paxil", "Pexeva", "Brisdelle"),
            *("citalopram", "Celexa", "escitalopram", "Lexapro", "fluvoxamine", "Luvox"),
        ),
    ),
    DrugClass(
        "cannabis",
        "Cannabis",
        Severity.INFO,
        Direction.NOT_ON_THE_DAY,
        "None on the day of an infusion and for 24 hours around it.",
        "advice of clinics",
        Mark.SECONDARY,
        (
            *("cannabis", "marijuana", "THC", "dronabinol", "Marinol", "Syndros", "nabilone", "Cesamet", "hashish"),
            *("cannabidiol", "CBD", "Epidiolex"),
        ),
    ),
)
"""One entry a row of C2 (MAO inhibitors in two, because the row says WATCH/REVIEW; sedatives beside benzodiazepines and
opioids stand under the label's warning about CNS depressants). How much benzodiazepines weaken the effect is worked out
from the dose, `_efficacy_of`.
"""

CONTINUED = DrugClass(
    "antidepressant",
    "Usual antidepressant",
    Severity.INFO,
    Direction.MORE_EFFECT,
    "Most usual antidepressants can be continued.",
    "P26b",
    Mark.READ,
    (
        *(
            "venlafaxine",
            "Effexor",
            "desvenlafaxine",
            "Pristiq",
            "duloxetine",
            "Cymbalta",
            "levomilnacipran",
            "Fetzima",
        ),
        *("milnacipran", "Savella", "bupropion", "Wellbutrin", "Aplenzin", "Forfivo", "mirtazapine", "Remeron"),
        *("trazodone", "Desyrel", "vilazodone", "Viibryd", "vortioxetine", "Trintellix", "amitriptyline", "Elavil"),
        *("nortriptyline", "Pamelor", "imipramine", "Tofranil", "desipramine", "Norpramin", "doxepin", "Silenor"),
        *("protriptyline", "trimipramine", "clomipramine", "Anafranil", "amoxapine", "maprotiline"),
    ),
)
"""The row that raises nothing: known, and fine. Source: C2, P26b."""

_EFFICACY_REASON = (
    "More than {limit} mg a day of diazepam equivalent separated those who did not respond (sensitivity 80 %, "
    "specificity 85 %). The evidence conflicts: elsewhere a higher dose meant less improvement on day 1 but not on "
    "day 3, and taking any or none made no difference."
)


def interactions_of(
    medicines: Sequence[Taken], benzodiazepine_limit_mg: int = BENZODIAZEPINE_LIMIT_MG
) -> tuple[Interaction, ...]:
    """What these medicines mean beside ketamine, the most serious first, then in the order of the list.

    Args:
        medicines: what is taken now; ended ones are left out by whoever asks.
        benzodiazepine_limit_mg: diazepam equivalent a day above which the effect is reviewed; a clinic setting.

    Source: clinical.md C2.
    """
    found = [
        Interaction(
            code=kind.code,
            title=kind.title,
            severity=kind.severity,
            direction=kind.direction,
            reason=kind.reason,
            source=kind.source,
            mark=kind.mark,
            medicine=as_written(medicine),
            position=position,
            asks=kind.asks,
        )
        for position, medicine in enumerate(medicines)
        for kind in CLASSES
        if kind.recognises(medicine.description)
    ]
    found += _efficacy_of(medicines, benzodiazepine_limit_mg)
    return tuple(sorted(found, key=lambda one: (one.severity.rank, one.position)))


def unrecognised(medicines: Iterable[Taken]) -> tuple[str, ...]:
    """The medicines that stand in none of the classes, as written: nothing is known about them here."""
    known = (*CLASSES, CONTINUED)
    return tuple(
        as_written(medicine)
        for medicine in medicines
        if not any(kind.recognises(medicine.description) for kind in known)
    )


def as_written(medicine: Taken) -> str:
    """Name and dose in one line."""
    return ", ".join(part for part in (medicine.description.strip(), medicine.dose.strip()) if part)


def diazepam_equivalent_mg(medicine: Taken) -> Decimal | None:
    """What somebody takes a day of a benzodiazepine, as diazepam; None when it is none, or the dose cannot be read.

    Source: `BENZODIAZEPINES`.
    """
    drug = _benzodiazepine_in(medicine)
    if drug is None:
        return None
    found = drug.pattern.search(_aligned(medicine.description))
    daily = daily_mg(medicine.dose, written=_strength_in(medicine.description[found.end() :] if found else ""))
    return None if daily is None else daily * 10 / drug.as_10_mg_diazepam


def _benzodiazepine_in(medicine: Taken) -> _Benzodiazepine | None:
    text = plain(medicine.description)
    return next((drug for drug in BENZODIAZEPINES if drug.pattern.search(text)), None)


def _strength_in(rest: str) -> str:
    """What follows a drug's name, up to the next drug of a combination: "5 MG / Clidinium 2.5 MG" gives "5 MG"."""
    return rest.split(" / ", maxsplit=1)[0]


def _aligned(text: str) -> str:
    """Small letters with every sign in its place, so that positions are those of the text itself."""
    return "".join(sign if sign.isascii() and sign.isalnum() else " " for sign in text.lower())


def _efficacy_of(medicines: Sequence[Taken], limit_mg: int) -> list[Interaction]:
    """One for each benzodiazepine; what is taken together counts together."""
    benzodiazepines = [
        (position, medicine, diazepam_equivalent_mg(medicine))
        for position, medicine in enumerate(medicines)
        if _benzodiazepine_in(medicine) is not None
    ]
    read = [mg for _, _, mg in benzodiazepines if mg is not None]
    total = sum(read, Decimal(0))
    is_above = total > limit_mg
    is_certain = len(read) == len(benzodiazepines)
    found = []
    for position, medicine, mg in benzodiazepines:
        remark = "The daily dose cannot be read here." if mg is None else f"{_said(mg)} mg a day as diazepam."
        if mg is not None and len(read) > 1:
            remark += f" All benzodiazepines together: {_said(total)} mg."
        found.append(
            Interaction(
                code="benzodiazepine_efficacy",
                title="Benzodiazepine: effect of ketamine",
                severity=Severity.INFO if is_certain and not is_above else Severity.REVIEW,
                direction=Direction.LESS_EFFECT,
                reason=_EFFICACY_REASON.format(limit=limit_mg),
                source="P29, P30, E3, E4; equivalents Z1, Z2",
                mark=Mark.READ,
                medicine=as_written(medicine),
                position=position,
                remark=remark,
                asks="" if mg is not None else "How many milligrams a day?",
            )
        )
    return found


def _said(mg: Decimal) -> str:
    return f"{mg.quantize(Decimal('0.1')).normalize():f}"
