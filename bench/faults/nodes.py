"""Two web nodes and three worker nodes, each with a network of its own; nodes are lost in mid-work. Needs root.

PostgreSQL, Redis and the provider's stand-in are at 10.83.0.1, the nodes behind a bridge at 10.83.0.11 and following.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from bench.faults import checks
from bench.faults.outbox import (
    Teller,
    all_ended,
    make_due,
    only_dead,
    place_at_noon,
    rule_at,
    states,
    ten_minutes_later,
)
from bench.faults.people import Browser, all_at_once, book_series, internals_shown, statuses, wishes_for
from bench.faults.report import Report
from bench.faults.stage import NAME, POSTGRES_PORT, REDIS_PORT, SMS_PORT, Process, Stage, stage, until
from patients.models import Channel, Message, MessageState
from patients.tests.providers_kit import Accept, sms_provider

TITLE = "Two web nodes and three worker nodes; nodes are lost in mid-work"
BRIDGE, HOST = "cadfault0", "10.83.0.1"
WEBS = {"cadweb1": "10.83.0.11", "cadweb2": "10.83.0.12"}
WORKERS = {"cadwork1": "10.83.0.21", "cadwork2": "10.83.0.22", "cadwork3": "10.83.0.23"}
PORT = 8000
BROWSERS, EACH, COUNT = 4, 5, 240
IP = "/usr/sbin/ip"


def run(report: Report) -> None:
    if os.getuid() != 0:
        report.say("left out: it needs root to make network namespaces")
        return
    with _network(), stage(listen=f"127.0.0.1,{HOST}") as here, sms_provider(port=SMS_PORT, host=HOST) as sms:
        sms.each = lambda _: Accept(delay_s=0.1)
        webs = _start_webs(here)
        workers = {name: here.worker(name, prefix=_inside(name), **_told()) for name in WORKERS}
        here.beat(prefix=_inside("cadwork1"), **_told())
        since = checks.now()
        bases = [f"http://{address}:{PORT}" for address in WEBS.values()]
        wishes = wishes_for(checks.some_patients(BROWSERS * EACH), today=datetime.now(tz=UTC).date())
        browsers = [Browser(bases) for _ in range(BROWSERS)]
        report.check("everybody signed in, by either node", holds=all(one.sign_in("clinician") for one in browsers))
        _shared(report, browsers[0], bases)
        ids = make_due(COUNT, Channel.SMS, rule_at(place_at_noon(), Channel.SMS))
        teller = Teller()
        booking = all_at_once(
            [
                lambda browser=browser, mine=wishes[number::BROWSERS]: [book_series(browser, one) for one in mine]  # type: ignore[misc]
                for number, browser in enumerate(browsers)
            ]
        )
        teller.tell_until(lambda: len(sms.accepted) > COUNT // 6, "messages leave")
        until(lambda: sum(bool(wish.course) for wish in wishes) >= 3, "some are booked")
        until(lambda: any(one.sending for one in browsers) or all(wish.course for wish in wishes), "somebody sends")
        lost_at = time.monotonic()
        _cut("cadweb2")
        report.say("cadweb2 lost its network without a word")
        teller.tell_until(lambda: _holds(ids), "a worker holds messages")
        _cut("cadwork2")
        workers["cadwork3"].kill()
        report.say(f"cadwork2 lost its network, cadwork3 was killed; {len(sms.accepted)} of {COUNT} texts had left")
        teller.tell_until(lambda: not any(thread.is_alive() for thread in booking), "everybody has booked")
        took = time.monotonic() - lost_at
        slowest = max(one.took_s for browser in browsers for one in browser.seen)
        report.say(f"all {len(wishes)} series booked {took:.0f} s after the loss; slowest answer {slowest:.1f} s")
        report.say(f"answers: {statuses(browsers)}")
        sent_to_sign_in = [one.path for b in browsers for one in b.seen if "/accounts/login/?next" in one.text]
        report.check("nobody had to sign in anew", holds=not sent_to_sign_in, seen=len(sent_to_sign_in))
        _messages(report, teller, ids, sms)
        _returns(report, here, webs, ids, sms)
        report.check("nobody saw anything of the inside", holds=not internals_shown(browsers))
        checks.series(report, wishes, since=since)


def _start_webs(here: Stage) -> dict[str, Process]:
    webs = {name: here.web(prefix=_inside(name), bind=f"{address}:{PORT}", **_told()) for name, address in WEBS.items()}
    for address in WEBS.values():
        stranger = Browser([f"http://{address}:{PORT}"])
        until(lambda stranger=stranger: stranger.get("/accounts/login/").status == 200, "the web node answers")  # type: ignore[misc]
    return webs


def _shared(report: Report, browser: Browser, bases: Sequence[str]) -> None:
    """One session at both nodes: signed in at one, known at the other, and a form of one is taken by the other."""
    pages = []
    for base in bases:
        other = Browser([base])
        other.cookies = dict(browser.cookies)
        pages.append(other.get("/").status)
    report.check("a session counts at both nodes", holds=pages == [200, 200], seen=pages)
    form, sender = Browser([bases[0]]), Browser([bases[1]])
    form.cookies = dict(browser.cookies)
    form.get("/patients/")
    sender.cookies = dict(form.cookies)
    answer = sender.post("/patients/999999/unavailable/add/", {})
    report.check("the key of a form of one node is good at the other", holds=answer.status != 403, seen=answer.status)


def _messages(report: Report, teller: Teller, ids: list[int], sms: object) -> None:
    teller.tell_until(lambda: only_dead(ids), "the living sent the rest")
    freed = ten_minutes_later(ids)
    report.say(f"{freed} messages of the lost workers were given back (as after ten minutes)")
    teller.tell_until(lambda: all_ended(ids), "everything has ended")
    report.say(f"messages: {states(ids)}; the provider has {len(sms.accepted)}")  # type: ignore[attr-defined]


def _returns(report: Report, here: Stage, webs: dict[str, Process], ids: list[int], sms: object) -> None:
    """The lost nodes have their network again: what they held meanwhile is not theirs any more."""
    before = states(ids)
    for name in ("cadweb2", "cadwork2"):
        _ip("link", "set", name, "up")
    report.say("cadweb2 and cadwork2 have their network again")
    stranger = Browser([f"http://{WEBS['cadweb2']}:{PORT}"], timeout_s=10)
    took = until(lambda: stranger.get("/accounts/login/").status == 200, "the node that was lost answers again")
    report.say(f"cadweb2 answers again after {took:.1f} s, without being started anew")
    time.sleep(15)
    failed = before.get("failed", 0)
    rows = {str(row.uid): row.state for row in Message.objects.filter(pk__in=ids)}
    at_provider = {one.key for one in sms.accepted}  # type: ignore[attr-defined]
    report.check("no message left twice", holds=not sms.duplicates(), seen=sms.duplicates())  # type: ignore[attr-defined]
    report.check(
        "what was sent is at the provider",
        holds={uid for uid, state in rows.items() if state == MessageState.SENT} <= at_provider,
    )
    report.check("at most one for each lost worker is on the list", holds=failed <= 2, seen=failed)
    report.check("the worker that came back changed nothing", holds=states(ids) == before, seen=states(ids))
    del here, webs


def _holds(ids: list[int]) -> bool:
    return Message.objects.filter(pk__in=ids, state=MessageState.SENDING).exists()


# --- the network ------------------------------------------------------------------------------------------------------
def _told() -> dict[str, str]:
    return {
        "DATABASE_URL": f"postgres://{NAME}@{HOST}:{POSTGRES_PORT}/{NAME}",
        "REDIS_URL": f"redis://{HOST}:{REDIS_PORT}/0",
        "TWILIO_API_URL": f"http://{HOST}:{SMS_PORT}",
        "ALLOWED_HOSTS": ",".join(WEBS.values()),
    }


def _inside(name: str) -> list[str]:
    return [IP, "netns", "exec", name]


def _ip(*words: str) -> None:
    subprocess.run([IP, *words], check=True)


def _cut(name: str) -> None:
    """The node's cable is pulled: nothing is said to anybody."""
    _ip("link", "set", name, "down")


@contextmanager
def _network() -> Iterator[None]:
    _remove_network()
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for name, address in (WEBS | WORKERS).items():
            _ip("netns", "add", name)
            _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", name, "master", BRIDGE, "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _remove_network()


def _remove_network() -> None:
    for name in WEBS | WORKERS:
        subprocess.run([IP, "netns", "del", name], check=False, stderr=subprocess.DEVNULL)
    subprocess.run([IP, "link", "del", BRIDGE], check=False, stderr=subprocess.DEVNULL)
