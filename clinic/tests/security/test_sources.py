"""What docs/security.md says is in no place of the product: looked for in every source."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from clinic.celery import app

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("clinic", "patients", "courses")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if "/tests/" not in name:
                yield name, ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.Call) -> str:
    """As in "subprocess.run" or "eval"."""
    return ast.unparse(node.func)


def calls() -> Iterator[tuple[str, ast.Call]]:
    for name, module in modules():
        yield from ((name, node) for node in ast.walk(module) if isinstance(node, ast.Call))


def imported() -> dict[str, set[str]]:
    """Top name of each imported module -> who imports it."""
    found: dict[str, set[str]] = {}
    for name, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Import):
                whole = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                whole = [node.module or ""]
            else:
                continue
            for one in whole:
                found.setdefault(one, set()).add(name)
                found.setdefault(one.partition(".")[0], set()).add(name)
    return found


def test_no_command_goes_through_a_shell_and_none_is_one_text() -> None:
    wrong, started = [], 0
    for name, node in calls():
        what = called(node)
        if what in {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}:
            wrong.append(f"{name}:{node.lineno} {what}")
        if what.startswith("subprocess.") and what.rpartition(".")[2] in {"run", "Popen", "call", "check_output"}:
            started += 1
            if any(one.arg == "shell" for one in node.keywords) or isinstance(
                node.args[0], ast.Constant | ast.JoinedStr
            ):
                wrong.append(f"{name}:{node.lineno} {what}")
    assert wrong == []
    assert started > 3


def test_nothing_that_was_typed_is_run_or_taken_for_a_template() -> None:
    names = {"eval", "exec", "compile", "__import__", "yaml.load"}
    ends = (".from_string", ".render_from_string")
    found = [
        f"{name}:{node.lineno} {called(node)}"
        for name, node in calls()
        if called(node) in names or (called(node).endswith(ends) and not called(node).startswith("PhoneNumber"))
    ]
    assert found == []
    for name, module in modules():  # Django's own class for a text that is a template
        taken = [
            node for node in ast.walk(module) if isinstance(node, ast.ImportFrom) and node.module == "django.template"
        ]
        assert not {"Template", "Engine"} & {one.name for node in taken for one in node.names}, name


@pytest.mark.parametrize(
    "module",
    [
        "pickle",
        "marshal",
        "shelve",
        "dill",
        "ldap",
        "ldap3",
        "lxml",
        "xml.etree",
        "xml.dom",
        "pylibmc",
        "memcache",
        "jinja2",
    ],
)
def test_what_is_said_to_be_unused_is_not_imported(module: str) -> None:
    assert module not in imported()


def test_tasks_and_sessions_are_json() -> None:
    assert {app.conf.task_serializer, app.conf.result_serializer, *app.conf.accept_content} == {"json"}
    assert settings.SESSION_SERIALIZER.endswith("JSONSerializer")


def test_there_is_no_admin_no_api_no_foreign_sign_in_and_no_cors() -> None:
    apps = " ".join(settings.INSTALLED_APPS)
    for one in (
        "django.contrib.admin",
        "rest_framework",
        "ninja",
        "graphene",
        "channels",
        "corsheaders",
        "socialaccount",
    ):
        assert one not in apps
    assert "oauth" not in " ".join(imported()).lower()


def test_no_script_of_ours_listens_to_other_windows_or_makes_a_page_of_a_text() -> None:
    wrong = re.compile(
        r"postMessage|addEventListener\(\s*[\"']message[\"']|\beval\(|new Function|document\.write|"
        r"\.(?:inner|outer)HTML\s*\+?=[^=]|insertAdjacentHTML|RTCPeerConnection|WebSocket"
    )
    scripts = sorted((ROOT / "static" / "js").glob("*.js"))
    found = [
        f"{path.name}: {match[0]}" for path in scripts for match in wrong.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
    assert len(scripts) > 20


def test_the_lock_files_name_every_package_with_its_digest() -> None:
    for path in (ROOT / "requirements.txt", ROOT / ".ci" / "requirements.txt"):
        parts = re.split(r"\n(?=[a-zA-Z0-9])", path.read_text(encoding="utf-8"))
        packages = [one for one in parts if re.match(r"[\w.\[\]-]+==", one)]
        assert packages
        assert [one.split("=")[0] for one in packages if "--hash=sha256:" not in one] == []
    npm = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert [name for name, one in npm.items() if name and "integrity" not in one and not one.get("link")] == []
