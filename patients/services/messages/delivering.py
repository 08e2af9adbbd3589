"""Handing messages over to their provider, and what it said.

A provider that knows idempotency keys is asked by several threads, and a batch is written down together: whoever is
killed in between leaves messages that are asked for again under the same key. To any other provider one message goes at
a time: that it is being asked is committed before, what came of it after, so a worker that is killed leaves at most one
message of which nobody knows whether it went.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby

from patients.adapters.providers import Provider, ProviderError, Receipt, TryLaterError, UnknownOutcomeError
from patients.models import Message
from patients.services.messages.rendering import Rendered

logger = logging.getLogger(__name__)

THREADS = 8
"""Requests to one provider at the same time, of one worker."""
GIVE_UP_AFTER = 5
"""So many refusals one after the other, and the provider is away: the rest of the batch waits without asking."""
LONGEST_S = 120.0
"""For so long a worker goes on asking; far below the time limit of its task. What is left is due again at once."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A message that has passed all checks, in words, with who carries it."""

    message: Message
    provider: Provider
    rendered: Rendered


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: a receipt, an error of the provider, or neither (it was not asked, and waits for something)."""

    ready: Ready
    receipt: Receipt | None = None
    error: ProviderError | None = None
    waits_for: str = "Waits: the provider does not answer."

    @property
    def was_asked(self) -> bool:
        return self.receipt is not None or self.error is not None


@dataclass(slots=True)
class _Patience:
    """Says when a batch has to stop asking."""

    until: float = field(default_factory=lambda: time.monotonic() + LONGEST_S)
    refused: int = 0  # one after the other

    @property
    def is_over(self) -> bool:
        return self.refused >= GIVE_UP_AFTER or time.monotonic() >= self.until

    def note(self, outcome: Outcome) -> None:
        is_away = isinstance(outcome.error, TryLaterError | UnknownOutcomeError)
        self.refused = self.refused + 1 if is_away else 0


def deliver(
    ready: Sequence[Ready],
    *,
    about_to_ask: Callable[[Sequence[Ready]], Sequence[Ready]],
    settle: Callable[[Sequence[Outcome]], None],
) -> None:
    """Every message was handed over, refused, or left for later; ``settle`` has been told of each.

    Args:
        about_to_ask: writes down, committed, that these are being asked for; returns those that are still ours.
        settle: writes down what came of them.
    """
    by_provider = sorted(ready, key=lambda one: one.provider.name)
    for _, group in groupby(by_provider, key=lambda one: one.provider.name):
        some = list(group)
        if some[0].provider.gives_idempotency:
            settle(list(_together(about_to_ask(some))))
        else:
            _one_by_one(some, about_to_ask, settle)


def _together(ready: Sequence[Ready]) -> Iterator[Outcome]:
    patience = _Patience()

    def ask(one: Ready) -> Outcome:
        if patience.is_over:
            return Outcome(one)
        outcome = _ask(one)
        patience.note(outcome)
        return outcome

    with ThreadPoolExecutor(THREADS, thread_name_prefix="provider") as threads:
        yield from threads.map(ask, ready)


def _one_by_one(
    ready: Sequence[Ready],
    about_to_ask: Callable[[Sequence[Ready]], Sequence[Ready]],
    settle: Callable[[Sequence[Outcome]], None],
) -> None:
    patience = _Patience()
    for number, one in enumerate(ready):
        if patience.is_over:
            settle([Outcome(other) for other in ready[number:]])
            return
        if not about_to_ask([one]):  # it was released meanwhile: somebody else has it
            continue
        outcome = _ask(one)
        patience.note(outcome)
        settle([outcome])


def _ask(one: Ready) -> Outcome:
    message, said = one.message, one.rendered
    try:
        receipt = one.provider.send(
            to=message.to,
            subject=said.subject,
            text=said.text,
            html=said.html,
            key=str(message.uid),
            reply_to="",
        )
    except ProviderError as error:
        return Outcome(one, error=error)
    except Exception:  # whatever a library raises: nobody knows how far it came
        logger.exception("Sending by %s ended with an error", one.provider.name)
        return Outcome(one, error=UnknownOutcomeError("Sending ended with an error that is in the log."))
    return Outcome(one, receipt=receipt)


def again_after(attempts: int, error: ProviderError) -> timedelta | None:
    """When to try once more after so many attempts; None: not at all."""
    if attempts > len(BACKOFF):
        return None
    asked_to_wait = getattr(error, "after", None)
    return max(BACKOFF[attempts - 1], asked_to_wait or timedelta(0))


BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 20, 60))
