"""Redis is away, hangs, and comes back: pages and bookings go on, messages wait and then leave once."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime

from bench.faults import checks
from bench.faults.outbox import Teller, make_due, only_dead, place_at_noon, rule_at, states, ten_minutes_later
from bench.faults.people import Browser, book_series, internals_shown, statuses, wishes_for
from bench.faults.report import Report
from bench.faults.stage import MAIL_PORT, SMS_PORT, Stage, stage
from clinic.models import Location
from patients.models import Channel
from patients.tests.providers_kit import Accept, mail_api, sms_provider

TITLE = "Redis is away, hangs, and comes back"
PAGES = ("/", "/patients/", "/calendar/", "/chairs/", "/messages/", "/worklists/", "/setup/me/")
COUNT = 120


def run(report: Report) -> None:
    with stage() as here, sms_provider(port=SMS_PORT) as sms, mail_api(port=MAIL_PORT):
        sms.each = lambda _: Accept(delay_s=0.03)
        here.web()
        since = checks.now()
        rule = rule_at(place_at_noon(), Channel.SMS)
        doctor = Browser([here.base])
        report.check("signed in while Redis was there", holds=doctor.sign_in("clinician"))
        for page in PAGES:  # once in each process before it is about Redis
            doctor.get(page)
        here.worker("sender0")
        ids = make_due(COUNT, Channel.SMS, rule)
        teller = Teller()
        teller.tell_until(lambda: len(sms.accepted) > COUNT // 4, "a quarter has left")

        here.redis.kill()
        report.say("Redis was killed while messages left")
        wishes = wishes_for(checks.some_patients(4), today=datetime.now(tz=UTC).date())
        _pages(report, here, doctor, "away")
        _lock(report, here)
        slowest = _book(report, doctor, wishes[:2], "away")
        report.check("a booking does not wait for Redis", holds=slowest < 10, seen=f"slowest {slowest:.1f} s")

        here.redis.start()
        report.check("signed in as before when Redis is back", holds=doctor.get("/").status == 200)
        teller.tell_until(lambda: _ended(ids) or only_dead(ids), "what waited has left")
        ten_minutes_later(ids)
        teller.tell_until(lambda: _ended(ids), "everything has ended")
        report.say(f"messages: {states(ids)}; the provider has {len(sms.accepted)}")
        report.check("no message went out twice", holds=not sms.duplicates())
        report.check("every message was sent", holds=states(ids) == {"sent": COUNT}, seen=states(ids))

        assert here.redis.process is not None
        os.kill(here.redis.process.pid, signal.SIGSTOP)
        report.say("Redis hangs (SIGSTOP): it takes connections and does not answer")
        _pages(report, here, doctor, "silent")
        slowest = _book(report, doctor, wishes[2:], "silent")
        report.check("a booking does not wait long for it", holds=slowest < 20, seen=f"slowest {slowest:.1f} s")
        os.kill(here.redis.process.pid, signal.SIGCONT)

        report.say(f"answers: {statuses([doctor])}")
        report.check("nobody saw anything of the inside", holds=not internals_shown([doctor]))
        checks.series(report, wishes, since=since)


def _pages(report: Report, here: Stage, doctor: Browser, how: str) -> None:
    answers = [doctor.get(page) for page in PAGES]
    bad = {one.path: one.status for one in answers if one.status not in {200, 302, 403}}
    slowest = max(answers, key=lambda one: one.took_s)
    report.check(
        f"Redis {how}: pages open in the same session", holds=not bad, seen=bad or f"slowest {slowest.took_s:.1f} s"
    )
    other = Browser([here.base])
    report.check(f"Redis {how}: somebody else signs in", holds=other.sign_in("nurse"))
    board = other.get("/chairs/?background=1")
    report.check(f"Redis {how}: the chair board goes on asking", holds=board.status == 200, seen=board.status)
    public = Browser([here.base]).get(f"/request/{_places()[0]}/")
    report.check(f"Redis {how}: the page for patients opens", holds=public.status == 200, seen=public.status)


def _lock(report: Report, here: Stage) -> None:
    """Each of two web processes counts by itself, so after ten wrong passwords both have five."""
    wrong = [Browser([here.base]) for _ in range(11)]
    for one in wrong:
        one.get("/accounts/login/")
        one.post("/accounts/login/", {"login": "manager", "password": "wrong"})
    met = ["is locked" in one.seen[-1].text for one in wrong]
    report.check("the lock after wrong passwords holds in each process", holds=met[-1], seen=f"{sum(met)} of 11 met it")


def _book(report: Report, doctor: Browser, wishes: list, how: str) -> float:  # type: ignore[type-arg]
    before = len(doctor.seen)
    for wish in wishes:
        book_series(doctor, wish, tries=3)
    done = sum(bool(wish.course) for wish in wishes)
    first = all(wish.tries == 1 for wish in wishes)
    report.check(f"Redis {how}: series are booked at the first try", holds=done == len(wishes) and first, seen=done)
    return max(one.took_s for one in doctor.seen[before:])


def _places() -> list[int]:
    return list(Location.objects.exclude(name="Noon").order_by("pk").values_list("pk", flat=True))


def _ended(ids: list[int]) -> bool:
    return set(states(ids)) <= {"sent", "failed"}
