"""How much of it there is, and over which days it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

PLACES = 3
SMALLEST = 30
WEEKS_AHEAD = 26
A_YEAR = 18_200
"""So many patients for each year fill three locations as they are staffed here; more would not find a time."""
DAYS_IN_YEAR = 365.25


class TooLargeError(ValueError):
    """The three locations cannot hold that much; the message says how much they can."""


@dataclass(frozen=True, slots=True)
class Size:
    """Ten bookings for each patient, a course for each fifth; over so many years up to today and 26 weeks ahead.

    Raises:
        TooLargeError: the chairs, rooms and people do not suffice, or there is too little of it to be anything.
    """

    patients: int
    years: int = 5

    def __post_init__(self) -> None:
        most = int(A_YEAR * (self.years + WEEKS_AHEAD * 7 / DAYS_IN_YEAR)) // 100 * 100
        if not SMALLEST <= self.patients <= most:
            raise TooLargeError(
                f"{self.patients:,} patients in {self.years} years do not fit: {PLACES} locations of 20 chairs hold "
                f"{SMALLEST} to {most:,} in that time."
            )

    @property
    def bookings(self) -> int:
        return 10 * self.patients

    @property
    def courses(self) -> int:
        return self.patients // 5

    def first_day(self, today: date) -> date:
        return today - timedelta(days=round(self.years * DAYS_IN_YEAR))

    def last_day(self, today: date) -> date:
        return today + timedelta(weeks=WEEKS_AHEAD)
