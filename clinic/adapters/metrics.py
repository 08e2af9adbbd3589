"""What this process counts for Prometheus. Routes and kinds of error only: no label says anything about a person.

With several web processes each counts in a file of its own (prometheus_client's multiprocess mode), and whichever is
asked adds them up. `clinic/gunicorn.py` names the folder before this is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own name for the folder of these files."""

REQUESTS = Histogram(
    "cadence_request_seconds",
    "Time from the first byte read to the answer made, by method, route (pattern) and status",
    ["method", "route", "status"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
UNCAUGHT = Counter("cadence_uncaught_errors", "Errors that no page caught, by kind", ["kind"])
DATABASE_ERRORS = Counter(
    "cadence_database_errors", "Statements that the database refused, by kind (a taken slot is one, too)", ["kind"]
)


@receiver(connection_created)
def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """The connection counts what the database refuses, from now on and once."""
    if _counted not in connection.execute_wrappers:
        connection.execute_wrappers.append(_counted)


def _counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:  # noqa: ANN401, FBT001
    try:
        return execute(sql, params, many, context)
    except (DatabaseError, InterfaceError) as problem:
        DATABASE_ERRORS.labels(type(problem).__name__).inc()
        raise


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number as it stands now: one value, or one for each value of ``label`` (None is left out).

    ``name`` as Prometheus wants it: with its unit, moments as seconds since 1970 ("..._timestamp_seconds").
    """

    name: str
    words: str
    value: float | Mapping[str, float | None] | None
    label: str = ""


class _Standing(Collector):
    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self.gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for gauge in self.gauges:
            family = GaugeMetricFamily(gauge.name, gauge.words, labels=[gauge.label] if gauge.label else [])
            values = gauge.value if isinstance(gauge.value, Mapping) else {"": gauge.value}
            for label, value in values.items():
                if value is not None:
                    family.add_metric([label] if gauge.label else [], value)
            yield family


def exposition(gauges: Iterable[Gauge]) -> bytes:
    """All of it in Prometheus' text format: what the web processes counted, and what stands now."""
    counted: CollectorRegistry = REGISTRY
    if FOLDER in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)
    standing = CollectorRegistry()
    standing.register(_Standing(gauges))
    return generate_latest(counted) + generate_latest(standing)
