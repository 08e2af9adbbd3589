"""On what it was measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import django
from django.conf import settings
from django.db import connection

PARAMETERS = ("shared_buffers", "fsync", "synchronous_commit", "work_mem", "max_connections")


def describe() -> dict[str, str | int | float]:
    """Processor, memory and versions, without a name or a path of the machine."""
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": os.cpu_count() or 0,
        "memory_gib": round(int((_first("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "django": django.get_version(),
        "postgresql": _show("server_version"),
        **{name: _show(name) for name in PARAMETERS},
        "database": "embedded" if settings.EMBEDDED_POSTGRES else "DATABASE_URL",
    }


def busy() -> float:
    """How many processes wanted a core during the last minute; above the number of cores, times are too long."""
    return round(os.getloadavg()[0], 2)


def _first(file: str, key: str) -> str | None:
    path = Path(file)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(key)), None)


def _show(parameter: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {parameter}")
        return str(cursor.fetchone()[0])
