"""Finding a patient, as it is typed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from django.db import connection

from bench.dataset import Data
from bench.harness import Figure, Missing, of_times, queries_of, timed

try:
    from bench.measure_search import measure as ask_everything
    from patients.services.search import search_patients
except ImportError as problem:
    raise Missing(f"the search is not there yet: {problem}") from problem

TITLE = "Patient search"
TYPED: tuple[tuple[str, list[str], dict[str, float]], ...] = (
    ("part of a name", ["oka", "mart", "zim", "lin", "yam"], {"Care": 24, "GNU Health": 97}),
    ("two parts, any order", ["okafor ad", "ros mar", "garc luc", "kim jo", "mei tan"], {}),
    ("without accents", ["chloe", "garcia", "lucia", "muller", "zoe"], {}),
    ("one letter", ["a", "m", "s", "k", "z"], {}),
    (
        "beginning of a phone number",
        ["212200", "2122001", "+121220", "21220012", "212201"],
        {"Care (exact only)": 9, "GNU Health": 94},
    ),
    ("MRN", ["10007", "50000", "101", "99999", "1234"], {}),
    ("birth date", ["1980-05-17", "17.05.1980", "5/17/1980", "1961-01-02", "12 Mar 1975"], {}),
    ("a misspelt name", ["okafro", "johnsen", "fernandes", "willaims", "takahasi"], {}),
    ("nobody", ["xqzzv", "qqqq", "wvxyz", "jjxx", "zzzq"], {}),
)


def measure(data: Data) -> Iterator[Figure]:
    def type_in(words: list[str], number: int) -> int:
        return len(search_patients(words[number % len(words)], today=data.today))

    for name, words, elsewhere in TYPED:
        yield timed(
            name,
            partial(type_in, words),
            runs=25,
            warm_up=5,
            queries=queries_of(partial(type_in, words, 0)),
            bar_ms=20,
            elsewhere=elsewhere,
            result=f"“{words[0]}”: {type_in(words, 0)} found",
        )
    rows = ask_everything(connection)
    slowest = max(rows, key=lambda row: row.median_ms)
    yield of_times(
        f"{len(rows)} hard questions, medians",
        [row.median_ms for row in rows],
        bar_ms=20,
        bar_on="p95",
        result=f"slowest “{slowest.text}” ({slowest.kind}), {slowest.median_ms:.0f}",
    )
