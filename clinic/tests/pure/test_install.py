"""What goes wrong while installing is one sentence; what is in place is left alone."""

from pathlib import Path

import pytest

from clinic.adapters import install


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("NewConnectionError: Failed to establish a new connection: [Errno -3] Temporary failure", "could not reach"),
        ("npm error code ENOTFOUND", "could not reach"),
        ("OSError: [Errno 28] No space left on device", "no space left"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "refused a package"),
        ("npm error code EINTEGRITY", "refused a package"),
        ("error: command 'gcc' failed", "var/log/install.log"),
    ],
)
def test_a_failure_is_explained_in_one_sentence(log: str, said: str) -> None:
    sentence = install.explain("pip", f"Collecting something\n{log}\n")
    assert said in sentence
    assert sentence.count("\n") == 0


def test_a_failed_command_says_so_and_leaves_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log" / "install.log"
    install.run("echo", ["sh", "-c", "echo all is well"], log)
    with pytest.raises(install.InstallError, match="pip found no space left"):
        install.run("pip", ["sh", "-c", "echo No space left on device; exit 1"], log)
    assert log.read_text(encoding="utf-8") == "all is well\nNo space left on device\n"


def test_the_sentence_is_about_this_failure_not_an_earlier_one(tmp_path: Path) -> None:
    log = tmp_path / "install.log"
    log.write_text("npm error code ENOTFOUND\n", encoding="utf-8")
    with pytest.raises(install.InstallError, match="what it said is in"):
        install.run("pip", ["sh", "-c", "echo something else; exit 1"], log)


def test_the_digest_follows_the_contents(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text("django==5.2.19\n", encoding="utf-8")
    first = install.digest(lock)
    assert install.digest(lock) == first
    lock.write_text("django==5.2.20\n", encoding="utf-8")
    assert install.digest(lock) != first
