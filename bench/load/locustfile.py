"""The people of the load test, for locust. Times are those of a real day divided by ten.

This file runs in locust's own process, whose sockets gevent has patched: it imports nothing of the product. What it
knows comes from the file that BENCH_LOAD_FACTS names, what came of it goes into BENCH_LOAD_RESULT.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import time
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import gevent
from locust import HttpUser, between, events, task

from bench.load.pages import between as cut
from bench.load.pages import forms_of

FACTS: dict[str, Any] = json.loads(Path(os.environ["BENCH_LOAD_FACTS"]).read_text(encoding="utf-8"))
HOURS = [f"{hour:02d}:{minute:02d}" for hour in range(9, 16) for minute in (0, 30)]
FASTER = 10
DICE = random.Random()  # noqa: S311 (no secret)
WINDOW_S = 5.0
"""Everybody who books within this time wants the same hour of the same clinician: so races are the rule."""
REFUSED = (409, 422)

answers: dict[str, Counter[int]] = defaultdict(Counter)
faults: list[str] = []
queues: dict[str, list[str]] = defaultdict(list)
for one in FACTS["staff"]:
    queues[one["role"]].append(one["cookie"])
COUNTS = {role: len(cookies) for role, cookies in queues.items()}


class Person(HttpUser):
    """Somebody of the staff who is signed in. ``polls`` are the pages that their screen asks for by itself."""

    abstract = True
    role = ""
    polls: tuple[
        tuple[str, str, str, float], ...
    ] = ()  # name, address, where the page says what it shows, real seconds

    def on_start(self) -> None:
        key, csrf = queues[self.role].pop(), secrets.token_hex(16)
        self.client.headers.update(
            {
                "Cookie": f"__Host-cadence_session={key}; __Host-cadence_csrf={csrf}",  # as production names them
                "X-CSRFToken": csrf,
                "X-Forwarded-Proto": "https",
                "Referer": self.host.replace("http://", "https://") + "/",
            }
        )
        for poll in self.polls:
            gevent.spawn(self._poll, *poll)

    def _poll(self, name: str, address: str, mark: str, seconds: float) -> None:
        page = self.get(name, address)
        while True:
            gevent.sleep(seconds / FASTER)
            seen = cut(page, f"{mark}=", "&" if mark.startswith("?") else '" ').strip('"')
            again = self.get(
                f"{name}, asked again",
                address,
                params={"seen": seen},
                headers={"HX-Request": "true", "X-Cadence-Background": "1"},
            )
            page = again if mark in again else page

    def get(self, name: str, address: str, **more: Any) -> str:
        return self._ask("GET", name, address, **more)

    def post(self, name: str, address: str, **more: Any) -> str:
        return self._ask("POST", name, address, **more)

    def _ask(self, method: str, name: str, address: str, **more: Any) -> str:
        with self.client.request(
            method, address, name=name, allow_redirects=False, catch_response=True, **more
        ) as answer:
            answers[name][answer.status_code] += 1
            if "/accounts/" in answer.headers.get("Location", ""):
                answer.failure("signed out")
            elif answer.status_code < 400 or (method == "POST" and answer.status_code in REFUSED):
                answer.success()
            else:
                answer.failure(f"answered {answer.status_code}")
            if answer.status_code >= 500 and len(faults) < 20:
                faults.append(f"{method} {name}: {answer.status_code} {answer.text[:300]}")
            return answer.text or ""

    # -- what several roles do
    def look_at_today(self) -> str:
        return self.get("Today", "/")

    def search(self) -> None:
        name = DICE.choice(FACTS["names"])
        for length in (2, 4, 6):
            self.get("search", "/patients/quick/", params={"q": name[:length]}, headers={"HX-Request": "true"})

    def look_at_a_patient(self) -> None:
        self.get("one patient", f"/patients/{DICE.choice(FACTS['patients'])}/")

    def look_at_the_calendar(self) -> None:
        self.get("calendar, a day", "/calendar/", params={"day": DICE.choice(FACTS["days"])})

    def take_a_step(self) -> None:
        """Somebody arrived: the first button of Today, which others see as well."""
        page = self.look_at_today()
        steps = [form for form in forms_of(page) if form.action.endswith("/step/")]
        if steps:
            form = DICE.choice(steps[:6])
            self.post("a step of a visit", form.action, data=form.fields, headers={"HX-Request": "true"})

    def book_a_consultation(self) -> None:
        turn = random.Random(int(time.time() / WINDOW_S))  # noqa: S311 (the same for all who book now)
        day, hour = turn.choice(FACTS["days"]), turn.choice(HOURS)
        self.get("new visit", "/calendar/new/", params={"day": day}, headers={"HX-Request": "true"})
        wanted = {
            "kind": "consultation",
            "patient_id": DICE.choice(FACTS["patients"]),
            "day": day,
            "start": hour,
            "length_min": 30,
            "clinician": turn.choice(FACTS["clinicians"]),
            "station": turn.choice(FACTS["rooms"]),
        }
        self.post("book a consultation", "/calendar/new/", data=wanted)

    def look_at_the_lists(self) -> None:
        self.get("worklists", "/worklists/")


class Desk(Person):
    role, fixed_count = "front_desk", COUNTS.get("front_desk", 0)
    abstract = not fixed_count
    wait_time = between(20 / FASTER, 60 / FASTER)
    polls = (("Today", "/", "?seen", 15.0),)

    tasks = {
        Person.search: 6,
        Person.look_at_a_patient: 5,
        Person.take_a_step: 4,
        Person.book_a_consultation: 5,
        Person.look_at_the_calendar: 4,
        Person.look_at_the_lists: 2,
    }


class Nurse(Person):
    role, fixed_count = "nurse", COUNTS.get("nurse", 0)
    abstract = not fixed_count
    wait_time = between(15 / FASTER, 45 / FASTER)
    polls = (("chair board", "/chairs/", "data-board-stamp", 4.0),)

    @task(8)
    def note_vital_signs(self) -> None:
        visit = DICE.choice(FACTS["in_chair"])
        page = self.get("one infusion", f"/visits/{visit}/infusion/")
        seen = cut(page, 'data-day-stamp="', '"')
        for _ in range(3):  # the page asks by itself every five seconds
            gevent.sleep(5.0 / FASTER)
            self.get(
                "one infusion, asked again",
                f"/visits/{visit}/infusion/",
                params={"seen": seen},
                headers={"HX-Request": "true", "X-Cadence-Background": "1"},
            )
        row = {
            "uid": str(uuid.uuid4()),
            "systolic_mmhg": DICE.randint(112, 139),
            "diastolic_mmhg": DICE.randint(68, 86),
            "heart_rate_bpm": DICE.randint(62, 92),
            "spo2_percent": DICE.randint(96, 99),
            "moaas": 5,
        }
        self.post("vital signs", f"/visits/{visit}/infusion/vitals/", data=row, headers={"HX-Request": "true"})

    @task(3)
    def step(self) -> None:
        self.take_a_step()

    @task(2)
    def patient(self) -> None:
        self.look_at_a_patient()

    @task(1)
    def shelf(self) -> None:
        self.get("drug stock", "/stock/")


class Clinician(Person):
    role, fixed_count = "clinician", COUNTS.get("clinician", 0)
    abstract = not fixed_count
    wait_time = between(30 / FASTER, 90 / FASTER)
    polls = (("Today", "/", "?seen", 15.0),)

    @task(4)
    def patient(self) -> None:
        self.search()
        self.look_at_a_patient()

    @task(4)
    def course(self) -> None:
        number = DICE.choice(FACTS["courses"])
        self.get("one course", f"/courses/{number}/")
        self.get("response of a course", f"/courses/{number}/response/")

    @task(3)
    def plan(self) -> None:
        """A series for somebody who waits for one; another clinician may be planning for the same person."""
        address = f"/patients/{DICE.choice(FACTS['to_plan'])}/plan/"
        page = self.get("planner", address)
        for form in forms_of(page):
            if form.name == "plan-book" and any(name == "p" for name, _ in form.fields):
                self.post("book a series", form.action, data=[one for one in form.fields if one[0] != "how"])

    @task(2)
    def lists(self) -> None:
        self.look_at_the_lists()

    @task(2)
    def week(self) -> None:
        self.get("calendar, a week", "/calendar/", params={"view": "week", "day": DICE.choice(FACTS["days"])})


class Manager(Person):
    role, fixed_count = "manager", COUNTS.get("manager", 0)
    abstract = not fixed_count
    wait_time = between(40 / FASTER, 120 / FASTER)

    @task(4)
    def report(self) -> None:
        kind = DICE.choice(("outcomes", "safety", "operations"))
        self.get(f"report {kind}", f"/reports/{kind}/")

    @task(2)
    def set_up(self) -> None:
        self.get("set-up", "/setup/")

    @task(1)
    def history(self) -> None:
        self.get("history", "/setup/history/")


@events.quitting.add_listener
def write_result(environment: Any, **_: Any) -> None:  # noqa: ANN401 (locust has no types for it)
    """Counts by status and times by page, for the report."""
    pages = {
        entry.name: {
            "requests": entry.num_requests,
            "failures": entry.num_failures,
            "p50": entry.get_response_time_percentile(0.50),
            "p95": entry.get_response_time_percentile(0.95),
            "max": entry.max_response_time,
            "statuses": {str(status): count for status, count in sorted(answers[entry.name].items())},
        }
        for entry in environment.stats.entries.values()
    }
    total = environment.stats.total
    whole = {"requests": total.num_requests, "per_second": total.total_rps, "failures": total.num_failures}
    whole |= {"p50": total.get_response_time_percentile(0.50), "p95": total.get_response_time_percentile(0.95)}
    said = {"pages": pages, "whole": whole, "faults": faults}
    Path(os.environ["BENCH_LOAD_RESULT"]).write_text(json.dumps(said, indent=1), encoding="utf-8")
