"""When this server started.

``clinic.gunicorn`` imports this before gunicorn forks, so a web process that is born later, after one that died, says
the same as its elders.
"""

from __future__ import annotations

from datetime import UTC, datetime

STARTED_AT = datetime.now(UTC)
