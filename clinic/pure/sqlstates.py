"""PostgreSQL's error codes, as far as the product tells them apart (Appendix A of its manual)."""

from __future__ import annotations

DEADLOCK_DETECTED = "40P01"
SERIALIZATION_FAILURE = "40001"
LOCK_NOT_AVAILABLE = "55P03"
EXCLUSION_VIOLATION = "23P01"

PASSING = frozenset({DEADLOCK_DETECTED, SERIALIZATION_FAILURE, LOCK_NOT_AVAILABLE})
"""Somebody else wrote at the same time: the transaction is rolled back, and the same again may well succeed."""


def sqlstate(error: BaseException) -> str:
    """The code of a database error, "" where PostgreSQL gave none (as when it could not be reached).

    Django raises its own class ``from`` the driver's, which has the code: ``sqlstate`` in psycopg 3, ``pgcode`` in 2.
    """
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None) or ""


def is_passing(error: BaseException) -> bool:
    """Whether only another transaction at the same moment was in the way."""
    return sqlstate(error) in PASSING
