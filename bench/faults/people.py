"""People at browsers: they sign in, plan a series, book it, and do it once more when the answer did not come."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import unescape
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlencode

import requests

PASSWORD = "cadence-demo"  # noqa: S105 (of the demo clinic)
CUT_OFF = "no answer"
ASK_AGAIN_S = 0.5
CONNECT_S, LOST_S = 3.0, 15.0
OURS = ("Traceback", "OperationalError", "psycopg2", "InterfaceError")
"""Words that nobody at a browser is to read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: what was asked, how it ended (a status, or CUT_OFF), how long it took."""

    method: str
    path: str
    status: int | str
    took_s: float
    text: str = ""


@dataclass
class Browser:
    """One browser, which may know several addresses of the clinic (several web nodes) and asks them in turn."""

    bases: Sequence[str]
    timeout_s: float = 30.0
    seen: list[Seen] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.sending = False
        self.cookies: dict[str, str] = {}  # of one name in front, whichever node answers
        self.lost: dict[str, float] = {}
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get(self, path: str, **more: object) -> Seen:
        return self._ask("GET", path, **more)

    def post(self, path: str, data: object, **more: object) -> Seen:
        """With the key against forgery that the last page gave us."""
        headers = {"X-CSRFToken": self.cookies.get("csrftoken", "")}
        return self._ask("POST", path, data=data, headers=headers, **more)

    def _ask(self, method: str, path: str, **more: object) -> Seen:
        base = self._next_base()
        begun = time.monotonic()
        self.sending = method == "POST"
        try:
            answer = self.session.request(
                method,
                base + path,
                allow_redirects=False,
                cookies=self.cookies,
                timeout=(CONNECT_S, self.timeout_s),
                **more,  # type: ignore[arg-type]
            )
            self.cookies |= answer.cookies.get_dict()
            status: int | str = answer.status_code
            text = answer.headers.get("Location", "") if answer.is_redirect else answer.text
        except requests.RequestException as problem:
            status, text = CUT_OFF, type(problem).__name__
            if len(self.bases) > 1:
                self.lost[base] = time.monotonic() + LOST_S
        self.sending = False
        one = Seen(method, path, status, time.monotonic() - begun, text)
        self.seen.append(one)
        return one

    def _next_base(self) -> str:
        """In turn, as a proxy in front does; one that did not answer is left out for a while."""
        alive = [base for base in self.bases if self.lost.get(base, 0) < time.monotonic()] or list(self.bases)
        self.asked += 1
        return alive[self.asked % len(alive)]

    def sign_in(self, name: str) -> bool:
        """Signed in; False where the page did not let us."""
        self.get("/accounts/login/")
        answer = self.post("/accounts/login/", {"login": name, "password": PASSWORD})
        return answer.status == 302


def statuses(browsers: Sequence[Browser]) -> dict[str, int]:
    """How often each kind of answer came, as text: {"200": 40, "503": 2, "no answer": 3}."""
    return dict(sorted(Counter(str(one.status) for browser in browsers for one in browser.seen).items()))


def internals_shown(browsers: Sequence[Browser]) -> list[str]:
    """Pages on which something stood that is ours alone."""
    answers = [one for browser in browsers for one in browser.seen]
    return [f"{one.method} {one.path}" for one in answers if any(word in one.text for word in OURS)]


# --- a series -----------------------------------------------------------------------------------------------------
@dataclass
class Wish:
    """A series that somebody books for one patient; ``course`` is the address that the answer led to."""

    patient: int
    first: date
    course: str = ""
    tries: int = 0
    cut_off: int = 0
    refused: list[str] = field(default_factory=list)


def book_series(browser: Browser, wish: Wish, *, tries: int = 40) -> None:
    """The series is booked, or it was tried so often; each try begins with the page, as a person would."""
    while not wish.course and wish.tries < tries:
        wish.tries += 1
        _try_series(browser, wish)
        if not wish.course:
            time.sleep(ASK_AGAIN_S)


def _try_series(browser: Browser, wish: Wish) -> None:
    path = f"/patients/{wish.patient}/plan/?{urlencode({'first': wish.first})}"
    page = browser.get(path)
    if page.status == 302 and page.text.startswith("/courses/"):
        wish.course = page.text  # it was booked already: the answer was lost, not the series
        return
    found = re.search(r'id="plan-book"[^>]*action="([^"]+)"', page.text) if page.status == 200 else None
    if found is None:
        wish.cut_off += page.status == CUT_OFF
        wish.refused.append(f"{page.status}, no plan")
        if page.status == 200:  # nothing fits around these days, as over holidays
            wish.first += timedelta(days=7)
        return
    form = page.text[found.start() :]
    data = [("p", code) for code in re.findall(r'name="p" value="([^"]+)"', form)]
    data += [("phases", code) for code in re.findall(r'name="phases" value="([^"]+)"', form)]
    data += [("how", "override"), ("override_reason", "A rehearsal of faults")]
    answer = browser.post(unescape(found[1]), data)
    if answer.status == 302:
        wish.course = answer.text
    elif answer.status == CUT_OFF:
        wish.cut_off += 1
    else:
        wish.refused.append(str(answer.status))


def all_at_once(work: Sequence[Callable[[], None]]) -> list[threading.Thread]:
    """Each in a thread of its own, begun."""
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    return threads


def wishes_for(patients: Sequence[int], *, today: date) -> list[Wish]:
    """One for each patient, spread over the next months so that the chairs suffice."""
    return [Wish(patient, today + timedelta(days=14 + 5 * (number % 30))) for number, patient in enumerate(patients)]
