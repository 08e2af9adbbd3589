"""Packages above this one are told what was recorded about a patient, as soon as it is saved.

They are told by a task in a worker, after the commit: whatever goes wrong there, what was recorded stays, and who
recorded it does not wait. A broker that is away is logged; the followers look by themselves every few minutes.
"""

from __future__ import annotations

from enum import StrEnum

from clinic.services.jobs import enqueue_if_possible


class Noted(StrEnum):
    """What was recorded, or struck."""

    SCORE = "score"
    CONSENT = "consent"
    DECISION = "decision"


_tasks: list[str] = []


def follow_patients(task: str) -> None:
    """After each such record the task of that dotted name runs with (id of the patient, value of ``Noted``).

    Named twice it is told once. The task may run more than once and never sees what was rolled back.
    """
    if task not in _tasks:
        _tasks.append(task)


def tell_followers(noted: Noted, patient_id: int) -> None:
    """Belongs into the transaction of the record; costs no query."""
    for task in _tasks:
        enqueue_if_possible(task, patient_id, noted.value)
