"""`make audit` tells "nothing is known" from "nobody could be asked"; secrets stand in the environment and nowhere else."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
SECRETS = (
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    r"AGE-SECRET-KEY-1[0-9A-Z]{50,}",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[0-9A-Za-z]{36}\b",
    r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    r"\bSG\.[0-9A-Za-z_-]{20,}\.[0-9A-Za-z_-]{20,}",
    r"\bkey-[0-9a-f]{32}\b",
    r"\bAC[0-9a-f]{32}\b",
    r"\bsk_live_[0-9A-Za-z]{16,}",
    r"(?i)\b(?:secret_key|auth_token|api_key|password)\s*=\s*[\"'](?=[^\"']*\d)(?=[^\"']*[A-Z])[0-9A-Za-z+/_-]{32,}[\"']",
    r"(?i)\b(?:postgres(?:ql)?|rediss?|smtps?|submission)://[^\s:/@\"'<]+:(?!pw@|password@|secret@|\$|\{|…)[0-9A-Za-z+/_-]{12,}@",
)
"""What keys and passwords of real services look like."""
NEVER_COMMITTED = re.compile(r"(^|/)\.env$|\.(pem|key|p12|pfx|kdbx|sqlite3|dump)$|(^|/)(var|secret-key|id_rsa)(/|$)")


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed() -> list[str]:
    command = ["git", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name]


def test_no_file_of_the_repository_holds_a_secret() -> None:
    found = []
    for name in committed():
        path = ROOT / name
        if (
            path.suffix in {".png", ".lock", ".mo"}
            or not path.is_file()
            or name == "clinic/tests/security/test_audit.py"
        ):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        found += [f"{name}: {match[0][:40]}" for one in SECRETS for match in re.finditer(one, text)]
    assert found == []


def test_no_file_that_holds_secrets_or_data_is_in_the_repository() -> None:
    assert [name for name in committed() if NEVER_COMMITTED.search(name)] == []


def test_the_patterns_know_a_secret_when_they_see_one() -> None:
    seen = "API_KEY = '" + "a1B2" * 10 + "'", "AC" + "0a" * 16, "-----BEGIN " + "PRIVATE KEY-----"
    assert all(any(re.search(one, text) for one in SECRETS) for text in seen)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ({"dependencies": [{"name": "django", "version": "5.2.9", "vulns": []}]}, 0),
        ({"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}]}, 1),
        ({"dependencies": [{"name": "a", "skip_reason": "x"}, {"name": "b", "version": "1", "vulns": []}]}, 2),
        ({"dependencies": []}, 2),
        ({"error": "405"}, 2),
    ],
)
def test_what_pip_audit_says_is_judged(audit: ModuleType, text: object, status: int) -> None:
    assert audit.judged_pip(json.dumps(text))[0] == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ('{"metadata": {"vulnerabilities": {"high": 0, "low": 0}}}', 0),
        ('{"metadata": {"vulnerabilities": {"high": 2, "low": 0}}}', 1),
        ('{"message": "405"}', 2),
        ("", 2),
    ],
)
def test_what_npm_audit_says_is_judged(audit: ModuleType, text: str, status: int) -> None:
    assert audit.judged_npm(text)[0] == status
