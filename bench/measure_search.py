"""The search at its hardest, on whatever patients are there: every kind of question, common, rare and hopeless ones.

DATABASE_URL=… python -m bench.measure_search
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

RUNS = 9
BAR_MS = 20.0
"""design.md, speed budget: patient search at 100,000."""


@dataclass(frozen=True)
class Row:
    """One question and how long its answer took."""

    kind: str
    text: str
    median_ms: float
    best_ms: float  # what a machine that does nothing else would need
    worst_ms: float
    hits: int

    @property
    def keeps_bar(self) -> bool:
        return self.median_ms <= BAR_MS


def measure(connection: BaseDatabaseWrapper) -> list[Row]:
    """Each question asked nine times after one that warms up, against the patients of ``connection``."""
    from django.utils import timezone  # noqa: PLC0415 (Django is set up by now)

    from patients.services.search import search_patients  # noqa: PLC0415

    today = timezone.now().date()
    rows = []
    for kind, text in questions(connection):
        times = []
        hits = search_patients(text, today=today)
        for _ in range(RUNS):
            begun = time.perf_counter()
            hits = search_patients(text, today=today)
            times.append((time.perf_counter() - begun) * 1000)
        rows.append(Row(kind, text, sorted(times)[RUNS // 2], min(times), max(times), len(hits)))
    return rows


def questions(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    """What is asked: made from the commonest and the rarest names, and the commonest digits, that are there."""

    def ask(sql: str) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return [str(value) for (value,) in cursor.fetchall()]

    family = ask("SELECT family_name FROM patients_patient GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 3")
    given = ask("SELECT given_name FROM patients_patient GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 3")
    rare = ask(
        "SELECT family_name FROM patients_patient GROUP BY 1 ORDER BY count(*), length(family_name) DESC LIMIT 1"
    )
    areas = ask("SELECT substr(number, 3, 3) FROM patients_phone GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    born = ask("SELECT birth_date FROM patients_patient ORDER BY id LIMIT 1")
    asked = [("one letter", letter) for letter in "amsx"] + [("two letters", "ma"), ("two letters", "li")]
    for name in family:
        asked += [("commonest family name", name), ("its beginning", name[:3]), ("with a year", f"{name} 1985")]
        asked += [("misspelt", name[0] + name[2] + name[1] + name[3:])]
    for name in given:
        asked += [("commonest given name", name), ("inside a name", name[1:4]), ("with a letter", f"{name} s")]
    asked += [
        ("two common names", f"{given[0]} {family[0]}"),
        ("names that never meet", f"{family[0]} {family[1]} {family[2]}"),
    ]
    asked += [("rarest name", rare[0]), ("rarest, one letter off", rare[0][:-1] + "q"), ("two misspelt", "jhon smtih")]
    asked += [("long, two edits off", "christophr"), ("nobody", "xqzwvk"), ("nobody, two words", "zzzz qqqq")]
    asked += [
        ("birth date", born[0]),
        ("birth date both ways", "3/7/1985"),
        ("year", "1985"),
        ("month and year", "mar 1985"),
    ]
    for area in areas:
        asked += [("area code", area), ("with two more digits", f"{area}55"), ("in two groups", f"({area}) 555")]
    return [*asked, ("MRN, one digit", "1"), ("MRN, three digits", "100"), ("digits of nobody", "000999000")]


def main() -> None:
    import django  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
    django.setup()
    from django.db import connection  # noqa: PLC0415

    rows = measure(connection)
    for row in sorted(rows, key=lambda row: -row.median_ms):
        took = f"{row.median_ms:7.1f} ms  best {row.best_ms:6.1f}  worst {row.worst_ms:7.1f}"
        print(f"{took}  {row.hits:3} hits  {row.kind}: {row.text}")
    late = [row for row in rows if not row.keeps_bar]
    print(f"{len(rows)} questions, {len(late)} slower than {BAR_MS:.0f} ms")


if __name__ == "__main__":
    main()
