"""Answers by text message that no machine understood: who wrote, and what somebody did about it."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import IncomingMessage

NOTE_MAX = 200


class AnswerHandledError(Exception):
    """Somebody has dealt with it already; ``answer`` says who and how. Nothing was changed."""

    def __init__(self, answer: IncomingMessage) -> None:
        self.answer = answer
        super().__init__(f"{answer.handled_by or 'Cadence'} has dealt with this already.")


def answers_waiting(location: Location) -> QuerySet[IncomingMessage]:
    """Those that wait for a person, of this location or of one that nobody knows."""
    return _here(location).filter(handled_at__isnull=True)


def answers_handled(location: Location) -> QuerySet[IncomingMessage]:
    """Those that were dealt with; the agreed words too, which were done at once."""
    return _here(location).filter(handled_at__isnull=False)


def _here(location: Location) -> QuerySet[IncomingMessage]:
    rows = IncomingMessage.objects.filter(Q(location=location) | Q(location__isnull=True))
    return rows.select_related("patient", "handled_by", "location")


def handle_answer(answer: IncomingMessage, *, note: str, by: User, now: datetime) -> IncomingMessage:
    """Somebody has dealt with it, and says how in a few words. What Cadence noted before is kept in front of it.

    Raises:
        AnswerHandledError: somebody was faster.
    """
    words = " ".join(note.replace("\x00", "").split())
    with recorded(by=by, now=now):
        row = IncomingMessage.objects.select_for_update().get(
            pk=answer.pk
        )  # joined rows would be those of before the wait
        if row.handled_at is not None:
            raise AnswerHandledError(row)
        row.handled_at, row.handled_by = now, by
        row.handled_note = (f"{row.handled_note} {words}".strip() if row.handled_note else words)[:NOTE_MAX]
        row.save(update_fields=["handled_at", "handled_by", "handled_note"])
    return row
