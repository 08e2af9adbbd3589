"""The id of a request: made here or by our proxy, said in every log line, in the answer and to the tasks it starts."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""As nginx ($request_id) and Caddy ({http.request.uuid}) write them. Anything else could be a text of a stranger's."""

current: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request or task that this thread is at; empty outside of both."""


def request_id(proposed: str) -> str:
    """``proposed`` where it is well-formed, otherwise a new one: 32 hexadecimal digits."""
    return proposed if WELL_FORMED.fullmatch(proposed) else uuid.uuid4().hex
