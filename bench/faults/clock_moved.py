"""The clock of the product's machine jumps by hours, forwards and backwards.

The clock of PostgreSQL and Redis stays right: so one machine of several, or the one where both lie elsewhere, is wrong.
The shim in `clock/` moves the wall clock of real processes while they run; monotonic time goes on evenly.
(libfaketime was tried: with an even monotonic clock its time.sleep answers EINVAL, and gunicorn dies.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from bench.faults import checks
from bench.faults.outbox import Teller, all_ended, make_due, only_dead, place_at_noon, rule_at, states
from bench.faults.people import Browser, book_series, internals_shown, statuses, wishes_for
from bench.faults.report import Report
from bench.faults.stage import FOLDER, SMS_PORT, Stage, stage, until
from patients.models import Channel, Message, MessageState
from patients.tests.providers_kit import Accept, sms_provider

TITLE = "The clock jumps by hours"
COUNT = 80
HOUR = 3600
BEAT_PATIENCE_S = 150.0
SHIM = Path(__file__).with_name("clock")
SEEN_S = 0.5
"""Every process has looked at the file by then."""


def run(report: Report) -> None:
    if find_spec("time_machine") is None:
        report.say("left out: it needs time-machine, which comes with the tools (make tools)")
        return
    clock = FOLDER / "clock"
    with stage() as here, sms_provider(port=SMS_PORT) as sms:
        sms.each = lambda _: Accept(delay_s=0.1)
        _set(clock, 0)
        here.web(**_faked(clock))
        since = checks.now()
        wishes = wishes_for(checks.some_patients(3), today=datetime.now(tz=UTC).date())
        doctor = Browser([here.base])
        report.check("signed in", holds=doctor.sign_in("clinician"))
        book_series(doctor, wishes[0])
        _forwards(report, clock, doctor, wishes[1])
        _messages(report, here, clock, sms)
        _backwards(report, here, clock, doctor, wishes[2])
        report.say(f"answers: {statuses([doctor])}")
        report.check("nobody saw anything of the inside", holds=not internals_shown([doctor]))
        checks.series(report, wishes, since=since)


def _forwards(report: Report, clock: Path, doctor: Browser, wish: object) -> None:
    _set(clock, 3 * HOUR)
    answer = doctor.get("/")
    report.check(
        "three hours forwards: who was signed in is signed out, and told why",
        holds=answer.status == 302 and "idle=1" in answer.text,
        seen=answer.text[:60],
    )
    report.check("and signs in again", holds=doctor.sign_in("clinician"))
    book_series(doctor, wish, tries=3)  # type: ignore[arg-type]
    report.check("and books", holds=bool(wish.course))  # type: ignore[attr-defined]
    _set(clock, 0)


def _messages(report: Report, here: Stage, clock: Path, sms: object) -> None:
    """A worker is taken for dead while it sends, because the clock jumped: nothing leaves twice."""
    ids = make_due(COUNT, Channel.SMS, rule_at(place_at_noon(), Channel.SMS))
    workers = [here.worker(f"sender{number}", **_faked(clock)) for number in range(2)]
    teller = Teller()
    teller.tell_until(lambda: len(sms.accepted) > COUNT // 4, "some have left")  # type: ignore[attr-defined]
    _set(clock, 2 * HOUR)
    teller.celery.send_task("patients.tasks.messages.release_stale", queue="messages")
    report.say("two hours forwards while messages leave: what is held counts as held for too long")
    teller.tell_until(lambda: all_ended(ids) or only_dead(ids), "all ended")
    rows = Message.objects.filter(pk__in=ids)
    failed = rows.filter(state=MessageState.FAILED).count()
    report.say(f"messages: {states(ids)}; the provider has {len(sms.accepted)}")  # type: ignore[attr-defined]
    report.check("no message left twice", holds=not sms.duplicates())  # type: ignore[attr-defined]
    report.check("at most the one that was on its way is on the list of failures", holds=failed <= 1, seen=failed)
    sent = rows.filter(state=MessageState.SENT).count()
    report.check("every other one left", holds=sent + failed == COUNT, seen=f"{sent} left, {failed} failed")
    for worker in workers:
        worker.kill()
    _set(clock, 0)


def _backwards(report: Report, here: Stage, clock: Path, doctor: Browser, wish: object) -> None:
    doctor.sign_in("clinician")
    here.beat(**_faked(clock))
    log = FOLDER / "beat.log"
    until(lambda: _begun(log) > 0, "the scheduler begins its tasks", patience_s=BEAT_PATIENCE_S)
    _set(clock, -3 * HOUR)
    before = _begun(log)
    report.say("three hours backwards")
    answer = doctor.get("/")
    report.check("who is signed in stays so", holds=answer.status == 200, seen=answer.status)
    book_series(doctor, wish, tries=3)  # type: ignore[arg-type]
    report.check("and books", holds=bool(wish.course))  # type: ignore[attr-defined]
    took = until(lambda: _begun(log) > before, "the scheduler goes on", patience_s=BEAT_PATIENCE_S)
    report.check("the scheduler goes on within two minutes", holds=took < 125, seen=f"{took:.0f} s")
    _set(clock, -3 * HOUR + 20 * 60)
    answer = doctor.get("/")
    report.check(
        "after 20 quiet minutes who sat still is signed out", holds="idle=1" in answer.text, seen=answer.status
    )
    doctor.sign_in("clinician")
    _set(clock, 0)


def _begun(log: Path) -> int:
    """How many tasks the scheduler has sent."""
    return log.read_text(encoding="utf-8").count("Sending due task") if log.exists() else 0


def _set(clock: Path, seconds: int) -> None:
    """The clock of whoever looks at this file is ahead by so much."""
    clock.write_text(f"{seconds}\n", encoding="ascii")
    time.sleep(SEEN_S)


def _faked(clock: Path) -> Mapping[str, str]:
    return {"PYTHONPATH": str(SHIM), "CADENCE_FAULTS_CLOCK": str(clock)}
