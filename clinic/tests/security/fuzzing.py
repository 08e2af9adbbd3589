"""Hostile input at every address: what a person, a scanner or a broken script could send, and no answer is 5xx.

Pages are found by following links from a few starts, as somebody would who signed in. Each form that a page shows is
sent with what stands in it, a few of its fields turned into junk. What a view reads without a form showing it is
learnt on the way: the parameters are handed over in a mapping that notes what it was asked for. Everything that a
request writes is rolled back.
"""

from __future__ import annotations

import random
import re
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.db import transaction
from django.http import QueryDict
from django.http.response import HttpResponseBase
from django.test import Client, override_settings
from django.urls import Resolver404, resolve

from clinic.models import User

HOSTILE = (
    *("", " ", "0", "-1", "1", "00", "+1", "1.5", "1e9", "1e400", "NaN", "Infinity", "-0", "٣", "²", "½", "1_000"),
    *("9" * 10, "9" * 19, "9" * 20, "9" * 400, "9" * 5000, "-" + "9" * 20, "2147483648", "9223372036854775808"),
    *(
        "\x00",
        "a\x00b",
        "\ud800",
        "\udfff x",
        "\ufeff",
        "\u202e",
        "\r\nSet-Cookie: a=b",
        "\n",
        "\t",
        "a\x0bb",
        "\x7f",
        "\x85",
    ),
    *(
        "9999-12-31",
        "0001-01-01",
        "0000-00-00",
        "2027-02-30",
        "2027-13-01",
        "10000-01-01",
        "2027-W01",
        "2027-03-14T02:30",
    ),
    *(
        "9999-12-31T23:59",
        "0001-01-01T00:00",
        "2027-11-07T01:30:00+25:00",
        "24:00",
        "99:99",
        "02:30",
        "2027-04-05T10:00",
    ),
    *(
        "'",
        '"',
        "';--",
        "1 OR 1=1",
        "%",
        "_",
        "%%s",
        "\\",
        "{{7*7}}",
        "{% x %}",
        "${7*7}",
        "%(x)s",
        "{0}",
        "{x.__class__}",
    ),
    *("<script>alert(1)</script>", "=1+1", "@SUM(A1)", "../../etc/passwd", "//evil.example/", "https://evil.example/"),
    *(
        "javascript:alert(1)",
        "null",
        "None",
        "undefined",
        "true",
        "[]",
        "{}",
        "[1]",
        '{"a":1}',
        "a,b",
        "1,2",
        "1.2.3",
        ":",
        "|",
    ),
    *(
        "İ",
        "ß" * 300,
        "👩‍👩‍👧" * 40,
        "é",
        "x" * 300,
        "x" * 70_000,
        "(" * 300,
        "a" * 3000 + "!",
        "1." * 300,
        ".",
        "-",
        "--",
        "p=1",
    ),
    *(
        "00000000-0000-0000-0000-000000000007",
        "eyJhIjoxfQ:1abc:def",
        "a:b:c",
        "AAAA",
        "MQ==",
        "+12125550123",
        "a@b",
        "today",
    ),
)
"""Odd values for any field: numbers past every type, bytes that PostgreSQL and UTF-8 refuse, days at the ends of time,
times that a clock skips, what other languages would run, and what is far too long."""
LEFT_OUT = ("account_logout", "handover", "setup:alive")
"""They end or lock the session that the walk needs; they have no fields."""


@dataclass(frozen=True)
class Form:
    """One form as a page shows it: where it goes, how, and what stands in it."""

    action: str
    method: str
    fields: tuple[tuple[str, str], ...]
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """An answer of 5xx, with what was sent."""

    who: str
    method: str
    path: str
    sent: str
    error: str

    def __str__(self) -> str:
        return f"{self.who} {self.method} {self.path[:160]} {self.sent[:300]}\n    {self.error}"


@dataclass
class Seen:
    """What the walk learnt: addresses by the name of their pattern, forms, and the names that views read."""

    paths: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    forms: dict[tuple[str, str], Form] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


class Reader(HTMLParser):
    """Links and forms of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[dict[str, Any]] = []
        self._select = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.links += [known[name] for name in ("href", "hx-get") if known.get(name)]
        for name in ("hx-post", "formaction"):
            if name in known and tag != "form":
                self.forms.append({"action": known[name], "method": "POST", "fields": [], "files": []})
        if tag == "form":
            action = known.get("hx-post") or known.get("hx-get") or known.get("action", "")
            method = "POST" if "hx-post" in known else known.get("method", "GET").upper()
            self.forms.append({"action": action, "method": method, "fields": [], "files": []})
        elif self.forms and tag in {"input", "select", "textarea", "button", "option"}:
            self._field(tag, known)

    def _field(self, tag: str, known: dict[str, str]) -> None:
        form, name = self.forms[-1], known.get("name", "")
        if tag == "option":
            if self._select and ("selected" in known or known.get("value")):
                form["fields"] = [one for one in form["fields"] if one[0] != self._select or "selected" not in known]
                form["fields"].append((self._select, known.get("value", "")))
        elif tag == "select":
            self._select = name
        elif known.get("type") == "file":
            form["files"].append(name)
        elif name and name != "csrfmiddlewaretoken":
            form["fields"].append((name, known.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""


class Noting(QueryDict):
    """Parameters that note which of their names were asked for."""

    asked: set[str]

    def _note(self, name: Any) -> None:
        self.__dict__.setdefault("asked", set()).add(str(name))

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().get(key, default)

    def getlist(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return super().getlist(key, default)

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)


class Fuzzer:
    """One signed-in person (or nobody) who walks the product and then sends junk."""

    def __init__(self, user: User | None, *, seed: int, host: str = "testserver") -> None:
        self.who = user.username if user else "nobody"
        self.client = Client(raise_request_exception=False, headers={"host": host})
        if user is not None:
            self.client.force_login(user)
        self.cookies = dict(self.client.cookies)
        self.random = random.Random(f"{seed} {self.who}")  # noqa: S311 (the same junk again for the same seed)
        self.seen = Seen()
        self.findings: dict[str, Finding] = {}
        self.sent = 0

    # --- walking -----------------------------------------------------------------------------------------------------
    def walk(self, starts: Iterable[str], *, each: int, most: int) -> None:
        """At most ``each`` addresses of one pattern are opened, ``most`` in all; their links and forms are noted."""
        waiting, known, opened = list(starts), set(starts), 0
        while waiting and opened < most:
            path = waiting.pop(0)
            name = name_of(path)
            if not name or len(self.seen.paths[name]) >= each:
                continue
            self.seen.paths[name].append(path)
            opened += 1
            for link in self._read(path, self.send("GET", path)):
                if link not in known:
                    known.add(link)
                    waiting.append(link)

    def _read(self, path: str, answer: HttpResponseBase) -> Iterator[str]:
        if answer.headers.get("Location"):
            yield _here(path, answer.headers["Location"])
        if "html" not in answer.headers.get("Content-Type", "") or answer.streaming:
            return
        reader = Reader()
        reader.feed(answer.content.decode(errors="replace"))  # type: ignore[attr-defined]
        for one in reader.forms:
            action = _here(path, one["action"] or path)
            form = Form(action, one["method"], tuple(one["fields"]), tuple(one["files"]))
            self.seen.forms.setdefault((name_of(action), f"{form.method} {sorted({n for n, _ in form.fields})}"), form)
            yield action
        for link in reader.links:
            yield _here(path, link)

    # --- junk --------------------------------------------------------------------------------------------------------
    def attack(self, examples: int) -> None:
        """``examples`` hostile requests to each address that the walk met, and as many of each form."""
        for name, paths in sorted(self.seen.paths.items()):
            for _ in range(examples):
                self._junk_in_address(name, self.random.choice(paths))
        for (name, _), form in sorted(self.seen.forms.items(), key=lambda item: item[0]):
            for _ in range(examples):
                self._junk_in_form(name, form)

    def _junk_in_address(self, name: str, path: str) -> None:
        parts = urlsplit(path)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        names = sorted(self.seen.asked[f"GET {name}"] | set(given)) or ["q", "page", "day"]
        chosen = self.random.sample(names, k=min(len(names), self.random.randint(1, 3)))
        given |= {one: self._junk() for one in chosen}
        method = self.random.choice(("GET", "GET", "GET", "HEAD", "POST"))
        self.send(method, parts.path + "?" + urlencode(given, errors="surrogatepass"))
        broken = self._broken(parts.path)
        self.send(self.random.choice(("GET", "POST")), broken)

    def _broken(self, path: str) -> str:
        """The path with one of its parts that look like an id or key turned into junk."""
        pieces = path.split("/")
        at = [i for i, piece in enumerate(pieces) if piece and (piece.isdigit() or len(piece) > 20)]
        at = at or [i for i, piece in enumerate(pieces) if piece]
        if at:
            pieces[self.random.choice(at)] = self.random.choice(PARTS)
        return "/".join(pieces)

    def _junk_in_form(self, name: str, form: Form) -> None:
        data: dict[str, Any] = defaultdict(list)
        for field_name, value in form.fields:
            data[field_name] = [*data[field_name][-2:], value]
        for one in self.seen.asked[f"{form.method} {name}"]:
            data.setdefault(one, [""])
        if not data and not form.files:
            data["reason"] = [""]
        for key in list(data):
            if len(data[key]) > 1 and self.random.random() < 0.8:
                data[key] = [self.random.choice(data[key])]
        for key in self.random.sample(sorted(data), k=min(len(data), self.random.choice((0, 1, 1, 1, 2, 3)))):
            data[key] = [self._junk() for _ in range(self.random.choice((1, 1, 1, 2)))]
        if self.random.random() < 0.1 and data:
            data.pop(self.random.choice(sorted(data)))
        for one in form.files:
            data[one] = [SimpleUploadedFile(self.random.choice(FILE_NAMES), self.random.choice(FILES))]
        self.send(form.method, form.action, dict(data), as_files=bool(form.files))

    def _junk(self) -> str:
        return self.random.choice(HOSTILE)

    # --- sending -----------------------------------------------------------------------------------------------------
    def send(
        self, method: str, path: str, data: dict[str, Any] | None = None, *, as_files: bool = False
    ) -> HttpResponseBase:
        """The answer; what it wrote is undone. One of 5xx is noted once for each place in the code that failed."""
        name = name_of(path)
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies)
        self.client.exc_info = None
        self.sent += 1
        extra = {"HTTP_HX_REQUEST": "true"} if self.random.random() < 0.3 else {}
        made: list[WSGIRequest] = []
        with override_settings(RATELIMIT_ENABLE=False), transaction.atomic(), noting_names(made):
            if as_files:
                answer = self.client.post(path, _sendable(data or {}), **extra)
            else:
                body = urlencode(data or {}, doseq=True, errors="surrogatepass")
                if method == "GET" and data is not None:
                    path, body = path.split("?", maxsplit=1)[0] + "?" + body, ""
                answer = self.client.generic(
                    method, path, body, content_type="application/x-www-form-urlencoded", **extra
                )
            transaction.set_rollback(True)
        for request in made:
            for kind in ("GET", "POST"):
                noted = getattr(request, f"_{kind.lower()}_noted", None)
                self.seen.asked[f"{kind} {name}"] |= getattr(noted, "asked", set()) - {"csrfmiddlewaretoken"}
        if answer.status_code >= 500:
            self._note(method, path, data, answer.status_code)
        return answer

    def _note(self, method: str, path: str, data: dict[str, Any] | None, status: int) -> None:
        error = f"{status} without an exception"
        if self.client.exc_info:
            kind, problem, trace = self.client.exc_info
            ours = [f for f in traceback.extract_tb(trace) if re.search(r"/(clinic|patients|courses)/", f.filename)]
            where = [
                f"{f.filename.rsplit('/', 3)[-3]}/{'/'.join(f.filename.rsplit('/', 2)[1:])}:{f.lineno}" for f in ours
            ]
            error = f"{kind.__name__}: {str(problem)[:200]} at {' < '.join(reversed(where[-5:]))}"
        key = re.sub(r"'[^']*'|\d+(?=[^:]*:)", "", error.split(" at ")[-1]) + error.split(":")[0]
        sent = repr({k: [str(v)[:40] for v in values] for k, values in (data or {}).items()})
        self.findings.setdefault(key, Finding(self.who, method, path, sent, error))


PARTS = (
    "99999999999999999999",
    "0",
    "-1",
    "9" * 300,
    "%00",
    "a%00b",
    "%ED%A0%80",
    "%FF",
    "..%2f",
    "x",
    "%0d%0a",
    "é",
    "٣",
    "1e3",
)
FILE_NAMES = ("list.csv", "list.xlsx", "../../x.csv", "x.png", "a\nb.csv", "é" * 60 + ".csv", "x.exe", "=1.csv", ".csv")
FILES = (
    b"",
    b"\x00",
    b"a,b\n1,2\n",
    b"\xff\xfe\x00\x00",
    b'"' * 1000,
    b"PK\x03\x04" + b"\x00" * 50,
    b"%PDF-1.4\n",
    b"\x89PNG\r\n\x1a\n" + b"\x00" * 40,
    b"GIF89a",
    b"family_name,given_name,birth_date\n\x00,=1+1,0001-01-01\n",
    b"," * 5000 + b"\n",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
)


def name_of(path: str) -> str:
    """The name of the pattern that answers the address; empty for one that is left out or that nothing answers."""
    try:
        found = resolve(urlsplit(path).path)
    except (Resolver404, ValueError):
        return ""
    return "" if found.view_name in LEFT_OUT else found.view_name


def _here(base: str, link: str) -> str:
    """The link without its host, as seen from the page; the page itself for what leads elsewhere."""
    try:
        parts = urlsplit(urljoin(base, link))
    except ValueError:
        return base
    if parts.scheme not in {"", "http", "https"} or parts.netloc not in {"", "testserver", "localhost"}:
        return base
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _sendable(data: dict[str, Any]) -> dict[str, Any]:
    """Half a letter (a lone surrogate) as the bytes that a broken program sends; Django's client refuses to."""
    return {
        name: [one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one for one in values]
        for name, values in data.items()
    }


class noting_names:  # noqa: N801 (used as `with noting_names(...)`)
    """While inside, the parameters of each request note what is asked of them."""

    def __init__(self, made: list[WSGIRequest]) -> None:
        self.made = made
        before_get, before_post = WSGIRequest.__dict__["GET"], WSGIRequest.__dict__["POST"]

        def get(request: WSGIRequest) -> QueryDict:
            if not hasattr(request, "_get_noted"):
                request._get_noted = _noting(before_get.__get__(request, WSGIRequest))  # type: ignore[attr-defined]
                made.append(request)
            return request._get_noted  # type: ignore[attr-defined]

        def post(request: WSGIRequest) -> QueryDict:
            plain = before_post.__get__(request, WSGIRequest)
            if getattr(request, "_post_plain", None) is not plain:
                request._post_plain, request._post_noted = plain, _noting(plain)  # type: ignore[attr-defined]
                made.append(request)
            return request._post_noted  # type: ignore[attr-defined]

        def set_post(request: WSGIRequest, value: QueryDict) -> None:
            before_post.__set__(request, value)

        self.patches = (
            patch.object(WSGIRequest, "GET", property(get)),
            patch.object(WSGIRequest, "POST", property(post, set_post)),
        )

    def __enter__(self) -> None:
        for one in self.patches:
            one.start()

    def __exit__(self, *_: object) -> None:
        for one in self.patches:
            one.stop()


def _noting(plain: QueryDict) -> Noting:
    noted = Noting("", mutable=True, encoding=plain.encoding)
    for name, values in plain.lists():
        noted.setlist(name, values)
    noted._mutable = False
    return noted
