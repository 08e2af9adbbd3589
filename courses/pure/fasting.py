"""How long before an infusion nothing is eaten or drunk, by a profile that the clinic chooses for each route.

Published rules differ (clinical.md D2, C8), so a profile is data, is chosen, and its code is kept with each decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from patients.pure.evidence import Mark


class Intake(StrEnum):
    """What was taken last."""

    SOLIDS = "solids"
    LIQUIDS = "liquids"


LABELS = {Intake.SOLIDS: "Solids", Intake.LIQUIDS: "Clear liquids"}


@dataclass(frozen=True, slots=True)
class FastingProfile:
    """Minutes between the last intake and the start; None: this source says nothing about it.

    ``fatty_min`` is for a fatty meal or meat, where the source tells it apart. ``mark`` says how well it is known.
    """

    code: str
    title: str
    solids_min: int | None
    liquids_min: int | None
    source: str
    mark: Mark
    note: str = ""
    fatty_min: int | None = None

    def needed_min(self, kind: Intake, *, is_fatty: bool = False) -> int | None:
        """Minutes asked for, or None where the source has no rule."""
        if kind is Intake.LIQUIDS:
            return self.liquids_min
        return self.fatty_min if is_fatty and self.fatty_min is not None else self.solids_min

    @property
    def said(self) -> str:
        """The rule in one line: "solids 6 h, clear liquids 2 h"."""
        parts = [
            ("solids", self.solids_min),
            ("fatty meal or meat", self.fatty_min),
            ("clear liquids", self.liquids_min),
        ]
        return ", ".join(f"{name} {say_minutes(value)}" for name, value in parts if value is not None)


CONFLICT = (
    "The articles disagree: do not eat for 4 to 6 hours before (003:235), or a small amount of food against nausea "
    "(000:193). One profile counts here, and patients are told only that one."
)
"""Source: clinical.md C8, facts 108 and 109."""
DEFAULT, ESKETAMINE = "default", "esketamine_label"
PROFILES = (
    FastingProfile(DEFAULT, "Default", 360, 120, "clinic setting", Mark.SETTING, CONFLICT),
    FastingProfile("article_4h", "Article 003, at 4 h", 240, None, "article 003:235", Mark.SECONDARY, CONFLICT),
    FastingProfile("article_6h", "Article 003, at 6 h", 360, None, "article 003:235", Mark.SECONDARY, CONFLICT),
    FastingProfile(
        "asa_2017", "ASA 2017", 360, 120, "ASA 2017, several pages agree", Mark.SECONDARY, CONFLICT, fatty_min=480
    ),
    FastingProfile(
        "us_clinic",
        "A US clinic",
        360,
        120,
        "a US IV clinic",
        Mark.READ,
        "Solids include milk products; black coffee counts as a clear liquid. " + CONFLICT,
    ),
    FastingProfile(ESKETAMINE, "Esketamine label", 120, 30, "L1", Mark.READ, "For the nasal spray."),
)
"""Source: clinical.md D2."""
_BY_CODE = {profile.code: profile for profile in PROFILES}


def fasting_profile_of(code: str, *, is_nasal: bool = False) -> FastingProfile:
    """The profile of this code; the default for one that no longer exists. The nasal spray follows its own label."""
    return _BY_CODE[ESKETAMINE] if is_nasal else _BY_CODE.get(code, _BY_CODE[DEFAULT])


@dataclass(frozen=True, slots=True)
class Fasted:
    """Whether it was long enough. ``passes_from`` is the first instant at which it is; None where no rule applies."""

    kind: Intake
    is_kept: bool
    elapsed: timedelta
    needed_min: int | None
    passes_from: datetime | None

    @property
    def said(self) -> str:
        """As "Solids 4 h 30 ago, 6 h asked"."""
        asked = f"{say_minutes(self.needed_min)} asked" if self.needed_min is not None else "no rule in this profile"
        return f"{LABELS[self.kind]} {say_minutes(int(self.elapsed.total_seconds()) // 60)} ago, {asked}"


def judge_fasting(
    profile: FastingProfile, kind: Intake, *, last_at: datetime, start_at: datetime, is_fatty: bool = False
) -> Fasted:
    """Whether enough real time lies between the last intake and the start; exactly enough is enough.

    Args:
        last_at, start_at: instants (aware). What lies between is elapsed time, also over a night on which the clocks
            change.
        is_fatty: the last meal was fatty, or meat.

    Raises:
        ValueError: an instant is naive.

    Source: clinical.md D2 (boundary inclusive), case 33.
    """
    if last_at.tzinfo is None or start_at.tzinfo is None:
        raise ValueError("fasting is judged between instants")
    elapsed = timedelta(seconds=start_at.timestamp() - last_at.timestamp())
    needed = profile.needed_min(kind, is_fatty=is_fatty)
    if needed is None:
        return Fasted(kind, True, elapsed, None, None)
    return Fasted(kind, elapsed >= timedelta(minutes=needed), elapsed, needed, _later(last_at, needed))


def _later(instant: datetime, minutes: int) -> datetime:
    """So many real minutes later, said on the clocks of ``instant``."""
    return datetime.fromtimestamp(instant.timestamp() + minutes * 60, tz=instant.tzinfo)


def say_minutes(minutes: int) -> str:
    """270 → "4 h 30"; 360 → "6 h"; 30 → "30 min"."""
    sign, whole = ("-" if minutes < 0 else ""), abs(minutes)
    hours, rest = divmod(whole, 60)
    if not hours:
        return f"{sign}{rest} min"
    return f"{sign}{hours} h {rest:02d}" if rest else f"{sign}{hours} h"
