"""How gunicorn serves the product: `python -m gunicorn -c python:clinic.gunicorn clinic.wsgi --bind 0.0.0.0:8000`.

Options of the command line and of GUNICORN_CMD_ARGS go before these.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from clinic.adapters import started  # noqa: F401 (so that every process that is forked says when the server began)
from clinic.adapters.logs import logging_config
from clinic.edge.environment import Kind, read_environment

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
ENVIRONMENT = read_environment(dotenv=Path(__file__).resolve().parent.parent / ".env")

# Each server has a folder of its own for what its processes count, gone with it: no old figure is counted again, and
# two servers of one machine, or with one shared var/, do not meet. A reload reads this file again and keeps it.
if FOLDER not in os.environ:
    os.environ[FOLDER] = tempfile.mkdtemp(prefix="cadence-metrics-")
OURS = os.environ[FOLDER]

workers = 2
threads = 4
timeout = 60
graceful_timeout = 30
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 (a heartbeat file must not wait for a disk)
control_socket_disable = True  # nobody commands it from outside; its socket would lie in a home that there is not
accesslog = None  # it would write addresses, and /v/<token>/ is a secret; clinic.edge.requestlog writes one line each
logconfig_dict = logging_config(level=ENVIRONMENT.log_level, as_json=ENVIRONMENT.kind is Kind.PRODUCTION)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ANN401, ARG001 (gunicorn has no types)
    """A worker has ended: what it counted stays counted."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 (reads the folder's name at import)

    mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:  # noqa: ANN401, ARG001 (gunicorn has no types)
    shutil.rmtree(OURS, ignore_errors=True)
