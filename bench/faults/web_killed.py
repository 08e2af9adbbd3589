"""Web workers are killed with -9, one after the other, while many series are being booked."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime

from bench.faults import checks
from bench.faults.people import Browser, Wish, all_at_once, book_series, internals_shown, statuses, wishes_for
from bench.faults.report import Report
from bench.faults.stage import Process, stage, until

TITLE = "A web worker is killed in mid-booking"
BROWSERS, EACH, KILLS = 4, 6, 8
LATER_S = 0.15
"""A booking takes about so long: the kill falls anywhere into it."""


def run(report: Report) -> None:
    with stage() as here:
        web = here.web()
        since = checks.now()
        wishes = wishes_for(checks.some_patients(BROWSERS * EACH), today=datetime.now(tz=UTC).date())
        browsers = [Browser([here.base]) for _ in range(BROWSERS)]
        signed_in = [browser.sign_in("clinician") for browser in browsers]
        report.check("everybody signed in", holds=all(signed_in))
        report.say(f"{BROWSERS} browsers book {len(wishes)} series; a web worker is killed again and again")
        killed: list[int] = []
        killer = all_at_once([lambda: _kill_workers(web, browsers, wishes, killed)])
        booking = all_at_once(
            [
                lambda browser=browser, mine=wishes[number::BROWSERS]: _book_all(browser, mine)  # type: ignore[misc]
                for number, browser in enumerate(browsers)
            ]
        )
        for thread in booking:
            thread.join()
        killer[0].join(5)
        cut_off = sum(wish.cut_off for wish in wishes)
        report.say(f"{len(killed)} workers killed; answers: {statuses(browsers)}")
        report.check("workers were killed while something was asked of them", holds=cut_off > 0, seen=cut_off)
        report.check("nobody saw anything of the inside", holds=not internals_shown(browsers))
        checks.series(report, wishes, since=since)


def _book_all(browser: Browser, wishes: list[Wish]) -> None:
    for wish in wishes:
        book_series(browser, wish)


def _kill_workers(web: Process, browsers: list[Browser], wishes: list[Wish], killed: list[int]) -> None:
    """While something is being sent, one of the workers; the next one when bookings have gone on."""
    pick = random.Random(8)  # noqa: S311 (the same choices in each run)
    while len(killed) < KILLS and not all(wish.course for wish in wishes):
        until(lambda: any(browser.sending for browser in browsers), "somebody sends something")
        time.sleep(pick.uniform(0, LATER_S))
        booked = sum(bool(wish.course) for wish in wishes)
        with suppress(ProcessLookupError, IndexError):
            victim = pick.choice(web.children())
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)
        until(lambda booked=booked: sum(bool(wish.course) for wish in wishes) > booked, "bookings go on")  # type: ignore[misc]
