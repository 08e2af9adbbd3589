"""What is written for servers is true: compose.yaml, the systemd units, the Dockerfile and .env.example agree with the code."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.forms import BaseForm, FileField
from django.urls import reverse

from clinic.management.commands.serve import programs
from clinic.pure.version import VERSION
from patients.forms.consents import ScanForm
from patients.forms.imports import MAX_MEGABYTES, UploadForm
from patients.pure.scans import MAX_SCAN_BYTES

ROOT = Path(__file__).resolve().parents[3]
UNITS = sorted((ROOT / "docs" / "deploy").glob("*.service"))
STANDARD = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
COMPOSE_ONLY = {"CADENCE_HOST", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
PROXY_ONLY = {"CADENCE_WEB"}
"""In the Caddyfile, with a default; for a proxy that is not in compose.yaml."""


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def ours() -> dict[str, dict[str, Any]]:
    """The services that run this product."""
    return {name: one for name, one in compose()["services"].items() if str(one["image"]).startswith("cadence:")}


def unit(path: Path) -> configparser.SectionProxy:
    found = configparser.RawConfigParser(strict=False, delimiters="=")
    found.optionxform = str
    found.read(path, encoding="utf-8")
    return found["Service"]


def deed(command: list[str]) -> tuple[str, ...]:
    """What a command is for, however it is written: its program, and for a worker its name and queues."""
    words = [word.replace("%%", "%") for word in command]
    if "gunicorn" in words:
        return ("web", words[words.index("-c") + 1], "clinic.wsgi" if "clinic.wsgi" in words else "")
    if "worker" in words:
        return ("worker", words[words.index("-n") + 1], words[words.index("-Q") + 1])
    return tuple(words[-1:]) if "beat" not in words else ("beat",)


def wanted() -> set[tuple[str, ...]]:
    return {deed(program.command) for program in programs(8000)}


def known_variables() -> set[str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))


def read_variables() -> set[str]:
    """Those that the code reads, by their names in its source."""
    source = (ROOT / "clinic" / "edge" / "environment.py").read_text(encoding="utf-8")
    kept = re.findall(r'"(BACKUP_KEEP_[A-Z]+)"', source)  # read in a loop
    return set(re.findall(r'_(?:optional|one_of)\(env, "([A-Z][A-Z0-9_]+)"', source)) | set(kept)


def test_every_program_of_make_start_is_in_compose() -> None:
    found = {deed(one["command"]) for one in ours().values()}
    assert wanted() <= found


def test_every_program_of_make_start_is_a_unit() -> None:
    found = {deed(shlex.split(unit(path)["ExecStart"])) for path in UNITS}
    assert wanted() <= found


def test_migrations_run_before_anything_serves() -> None:
    for name, one in ours().items():
        if name != "migrate":
            assert one["depends_on"]["migrate"]["condition"] == "service_completed_successfully", name
    for path in UNITS:
        if path.stem != "cadence-migrate":
            assert "Requires=cadence-migrate.service" in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("name", sorted(ours()))
def test_a_container_of_ours_can_write_nowhere_else_and_gain_nothing(name: str) -> None:
    one = ours()[name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["volumes"] == ["files:/var/lib/cadence"]
    assert not one.get("privileged")
    assert "ports" not in one


def test_database_and_redis_are_reached_from_inside_only() -> None:
    found = compose()
    assert found["networks"]["inside"]["internal"] is True
    for name in ("db", "redis"):
        assert found["services"][name]["networks"] == ["inside"]
        assert "ports" not in found["services"][name]
    assert "--appendonly" in found["services"]["redis"]["command"]


# --- how much may be sent ---------------------------------------------------------------------------------------------
MIB = 1 << 20
AROUND = MIB
"""Names of fields, borders between the parts of a form, answers in its other fields."""


def caddyfile() -> str:
    return (ROOT / "docs/deploy/Caddyfile").read_text(encoding="utf-8")


def body_limits() -> dict[str, int]:
    """Name of the matcher -> bytes that Caddy lets through."""
    found = re.findall(r"request_body (@\w+) \{\s*max_size (\d+)MiB\s*\}", caddyfile())
    assert len(found) == caddyfile().count("request_body")  # each limit has its addresses, and a unit that we can read
    return {name: int(number) * MIB for name, number in found}


def forms_with_files() -> set[type[BaseForm]]:
    for package in ("clinic", "patients", "courses"):
        for path in (ROOT / package / "forms").glob("*.py"):
            importlib.import_module(f"{package}.forms.{path.stem}")
    waiting, found = [BaseForm], set()
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        ours = one.__module__.startswith(("clinic.forms", "patients.forms", "courses.forms"))
        if ours and any(isinstance(field, FileField) for field in getattr(one, "base_fields", {}).values()):
            found.add(one)
    return found


def test_whatever_takes_a_file_is_known_to_the_proxy() -> None:
    """A new form with a file needs a limit in the Caddyfile, and a line here."""
    assert forms_with_files() == {UploadForm, ScanForm}


def test_the_proxy_lets_a_list_through_where_lists_are_taken_and_nowhere_else() -> None:
    matchers = dict(re.findall(r"^\s*(@\w+) (path .*|not path .*)$", caddyfile(), re.MULTILINE))
    lists = reverse("patients:import")
    assert (matchers["@lists"], matchers["@rest"]) == (f"path {lists}", f"not path {lists}")


def test_the_proxy_lets_through_what_the_product_takes_and_hardly_more() -> None:
    limits = body_limits()
    files = [name for name, field in UploadForm.base_fields.items() if isinstance(field, FileField)]
    whole = len(files) * (MAX_MEGABYTES << 20) + AROUND
    assert whole <= limits["@lists"] <= whole + 64 * MIB
    rest = max(MAX_SCAN_BYTES, settings.DATA_UPLOAD_MAX_MEMORY_SIZE) + AROUND
    assert rest <= limits["@rest"] <= rest + 8 * MIB


def test_a_list_that_the_proxy_lets_through_has_room_in_the_container() -> None:
    for name, one in ours().items():
        [(path, size)] = re.findall(r"^(/\w+):size=(\d+)m", "".join(one["tmpfs"]))
        assert path == "/tmp", name  # noqa: S108 (the path inside the container)
        assert int(size) * MIB >= body_limits()["@lists"], name


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_without_rights(path: Path) -> None:
    found = unit(path)
    assert found["User"] == "cadence"
    assert found["ProtectSystem"] == "strict"
    assert found["CapabilityBoundingSet"] == ""
    assert {found[name] for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome")} == {"yes"}


def test_the_example_names_exactly_what_is_read() -> None:
    assert known_variables() - COMPOSE_ONLY == read_variables()


def test_every_variable_that_servers_are_given_is_in_the_example() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{([A-Z][A-Z0-9_]+)", text))
    for one in ours().values():
        named |= set(one["environment"])
    for path in UNITS:
        named |= {entry.partition("=")[0] for entry in shlex.split(unit(path)["Environment"])}
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8").rpartition("FROM ")[2]
    named |= set(re.findall(r"^(?:ENV| {4})\s*([A-Z][A-Z0-9_]+)=", image, re.MULTILINE))
    named |= set(re.findall(r"\{\$([A-Z][A-Z0-9_]+)", (ROOT / "docs/deploy/Caddyfile").read_text(encoding="utf-8")))
    assert named - STANDARD - PROXY_ONLY <= known_variables()
    assert named & {"CADENCE_VAR", "CADENCE_STATIC_ROOT", "DATABASE_URL"}


def test_what_the_commands_start_can_be_imported() -> None:
    modules = {"gunicorn", "celery", "clinic.gunicorn", "clinic.wsgi", "clinic.celery"}
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    commands = [shlex.split(unit(path)["ExecStart"]) for path in UNITS] + [one["command"] for one in ours().values()]
    started = {words[words.index("-m") + 1] for words in commands if "-m" in words}
    assert started <= {"gunicorn", "celery"}
    assert all((ROOT / "manage.py").exists() for words in commands if "manage.py" in words)


def test_the_image_is_not_root_and_bears_this_version_and_no_secret() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = text.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "SECRET_KEY" not in last
    assert {one["image"] for one in ours().values()} == {f"cadence:{VERSION}"}


def test_the_alerts_ask_for_metrics_that_there_are() -> None:
    rules = yaml.safe_load((ROOT / "docs/deploy/alerts.yaml").read_text(encoding="utf-8"))
    asked = set(re.findall(r"cadence_[a-z0-9_]+", " ".join(r["expr"] for g in rules["groups"] for r in g["rules"])))
    sources = [*(ROOT / "clinic").rglob("*.py"), *(ROOT / "patients/services").rglob("*.py")]
    told = {
        name for path in sources for name in re.findall(r'"(cadence_[a-z0-9_]+)"', path.read_text(encoding="utf-8"))
    }
    told |= {f"{name}_{part}" for name in told for part in ("bucket", "count", "sum", "total")}
    assert asked <= told
