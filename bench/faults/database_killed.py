"""PostgreSQL is killed with -9 in mid-write: first one backend, which makes the server start anew, then all of it."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime

import psycopg2
from django.db import connections

from bench.faults import checks
from bench.faults.people import Browser, all_at_once, book_series, internals_shown, statuses, wishes_for
from bench.faults.report import Report
from bench.faults.stage import DATABASE_URL, Stage, stage, until

TITLE = "PostgreSQL is killed in mid-write"
BROWSERS, EACH = 4, 5
AWAY_S = 6.0


def run(report: Report) -> None:
    with stage() as here:
        here.web()
        since = checks.now()
        wishes = wishes_for(checks.some_patients(BROWSERS * EACH), today=datetime.now(tz=UTC).date())
        browsers = [Browser([here.base]) for _ in range(BROWSERS)]
        reader = Browser([here.base])
        report.check("everybody signed in", holds=all(one.sign_in("clinician") for one in (*browsers, reader)))
        booking = all_at_once(
            [
                lambda browser=browser, mine=wishes[number::BROWSERS]: [book_series(browser, one) for one in mine]  # type: ignore[misc]
                for number, browser in enumerate(browsers)
            ]
        )
        until(lambda: sum(bool(wish.course) for wish in wishes) >= 3, "some are booked")
        until(lambda: any(browser.sending for browser in browsers), "somebody sends something")
        _kill_backend(report)
        until(here.postgres.answers, "PostgreSQL came back by itself")
        booked = sum(bool(wish.course) for wish in wishes)
        until(lambda: sum(bool(wish.course) for wish in wishes) >= min(booked + 3, len(wishes)), "bookings go on")
        until(lambda: any(browser.sending for browser in browsers) or all(w.course for w in wishes), "sent")
        _kill_all(report, here, reader)
        for thread in booking:
            thread.join()
        connections.close_all()
        report.say(f"answers: {statuses(browsers)}")
        report.check("nobody saw anything of the inside", holds=not internals_shown([*browsers, reader]))
        errors = sum(one.status == 500 for browser in (*browsers, reader) for one in browser.seen)
        report.check("nobody was shown an error of ours (500)", holds=errors == 0, seen=errors)
        checks.series(report, wishes, since=since)


def _kill_backend(report: Report) -> None:
    """Kill -9 of one that serves a page: PostgreSQL ends all others too, and starts anew by itself."""
    own = psycopg2.connect(DATABASE_URL)
    with own.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        pids = [row[0] for row in cursor.fetchall()]
    os.kill(pids[0], signal.SIGKILL)
    report.say("one backend was killed")
    connections.close_all()


def _kill_all(report: Report, here: Stage, reader: Browser) -> None:
    here.postgres.kill()
    report.say(f"all of PostgreSQL was killed; it stays away for {AWAY_S:.0f} s")
    begun = time.monotonic()
    page = reader.get("/")
    sent = reader.post("/patients/add/", {"given_name": "Nobody"})
    stranger = Browser([here.base])
    public = stranger.get("/request/1/")
    sign_in = stranger.get("/accounts/login/")
    report.check(
        "a page answers 503 at once", holds=page.status == 503 and page.took_s < 3, seen=f"{page.took_s:.2f} s"
    )
    report.check("it says that it loads itself again", holds="loads itself again" in page.text)
    report.check(
        "who sent something reads what became of it", holds="most likely not saved" in sent.text, seen=sent.status
    )
    report.check(
        "a patient's page says so with the crisis lines",
        holds=public.status == 503 and "Not available just now" in public.text and "988" in public.text,
        seen=public.status,
    )
    report.say(f"the sign-in page answers {sign_in.status}")
    time.sleep(max(0.0, AWAY_S - (time.monotonic() - begun)))
    here.postgres.start()
    took = until(lambda: reader.get("/").status == 200, "the page is there again")
    report.say(f"the page was there {took:.1f} s after PostgreSQL answered again, in the same session")
