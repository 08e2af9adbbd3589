"""Words that must not stand in a message: drugs, conditions, scores, and what tells of the treatment.

Source: clinical.md G, "PHI in messages": no "ketamine", drug, diagnosis, score or link with identifiers. A phone lies
on a table: what it shows while it is locked must not say more than that somebody has an appointment. "Infusion" tells
what is done, so messages say "visit". The names of medicines and measures are those that this product knows; the other
words are ours, in English and Spanish, and hold in both whichever language a text is in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from patients.pure.interactions import BENZODIAZEPINES, CLASSES, CONTINUED
from patients.pure.measures import MEASURES
from patients.pure.wordmatch import any_of, plain

TREATMENT = (
    *(
        "ketamine",
        "esketamine",
        "Ketalar",
        "Spravato",
        "ketamina",
        "esketamina",
        "racemic",
        "psychedelic",
        "psicodélico",
    ),
    *("anesthetic", "anestésico", "infusion", "infusions", "infusión", "infusiones", "intravenous", "intravenosa"),
    *("intravenoso", "nasal spray", "aerosol nasal", "IV drip", "suero", "dose", "doses", "dosage", "dosis"),
    *("milligram", "milligrams", "miligramo", "miligramos", "mg", "injection", "inyección"),
    *("REMS", "booster", "maintenance", "TMS", "ECT", "electroconvulsive", "psychotherapy", "psicoterapia"),
)
CONDITIONS = (
    *("depression", "depressed", "depressive", "antidepressant", "antidepressants", "depresión", "deprimido"),
    *("deprimida", "depresivo", "depresiva", "antidepresivo", "antidepresivos", "MDD", "TRD", "PTSD", "TEPT"),
    *("post-traumatic", "posttraumatic", "postraumático", "trauma", "bipolar", "mania", "anxiety", "anxious"),
    *("ansiedad", "OCD", "TOC", "suicide", "suicidal", "suicidio", "suicida", "self-harm", "autolesión", "psychiatry"),
    *("psychiatric", "psychiatrist", "psiquiatría", "psiquiátrico", "psiquiátrica", "psiquiatra", "psychology"),
    *("psychological", "mental health", "mental illness", "salud mental", "enfermedad mental", "mood disorder"),
    *("trastorno", "chronic pain", "dolor crónico", "CRPS", "fibromyalgia", "fibromialgia", "addiction", "adicción"),
    *("substance use", "substance abuse", "overdose", "sobredosis", "relapse", "recaída", "remission", "remisión"),
    *("diagnosis", "diagnosed", "diagnóstico", "diagnosticado", "diagnosticada"),
)
SCORES = (
    *("score", "scores", "puntuación", "puntuaciones", "puntaje", "PHQ", "GAD", "PCL", "AUDIT", "HAM-D", "QIDS"),
    *("C-SSRS", "DAST", "BPIC", "PGI", "Montgomery", "Columbia scale"),
)
EVERYDAY = frozenset(
    {"Pain", "Craving", "Soma", "Sonata", "spirits", "wine", "beer", "alcohol", "grapefruit", "liquor"}
)
"""Names of a medicine or a measure that are usual words too."""

_WORD = re.compile(r"[^\W_]+(?:['’‘`´][^\W_]+)*")
_PLACEHOLDER = re.compile(r"\{[a-z_]*\}")


@dataclass(frozen=True, slots=True)
class Telling:
    """A word as it was typed, and why it must not go out."""

    word: str
    why: str


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    classes = (*CLASSES, *BENZODIAZEPINES, CONTINUED)
    medicines = {name for one in classes for name in getattr(one, "names", ())} - EVERYDAY
    measures = {name for one in MEASURES.values() for name in (one.short_name, one.code)} - EVERYDAY
    return (
        ("it tells of the treatment", any_of(TREATMENT)),
        ("it names a condition", any_of(CONDITIONS)),
        ("it names a score or a questionnaire", any_of({*SCORES, *measures})),
        ("it names a medicine", any_of(medicines)),
    )


def telling_words(text: str) -> list[Telling]:
    """What in ``text`` must not go out, in its order, each once; accents, case and hyphens do not matter."""
    found: dict[str, tuple[int, Telling]] = {}
    bare, places = _bare(_PLACEHOLDER.sub(lambda hole: " " * len(hole.group()), text))
    for why, pattern in _patterns():
        for match in pattern.finditer(bare):
            start = next(first for offset, first, _ in reversed(places) if offset <= match.start())
            end = next(last for offset, _, last in reversed(places) if offset < match.end())
            found.setdefault(match.group(), (start, Telling(text[start:end], why)))
    return [telling for _, telling in sorted(found.values(), key=lambda pair: pair[0])]


def without_telling_words(text: str) -> str:
    """``text`` without them, its spaces in order: "Maple Ketamine Clinic" becomes "Maple Clinic"."""
    for telling in telling_words(text):
        text = text.replace(telling.word, " ")
    return " ".join(text.split()).strip(" -–,&+/")


def _bare(text: str) -> tuple[str, list[tuple[int, int, int]]]:
    """The words as `plain` makes them; for each where it begins there, and its first and last place in ``text``."""
    said: list[str] = []
    places: list[tuple[int, int, int]] = []
    length = 0
    for match in _WORD.finditer(text):
        word = plain(match.group())
        if word:
            places.append((length, match.start(), match.end()))
            said.append(word)
            length += len(word) + 1
    return " ".join(said), places
