"""Encryption in the age format (age-encryption.org): what is written here, the ordinary `age` tool opens as well.

A backup is encrypted for public recipients; the identity that opens it need not be on the server.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

import pyrage
from pyrage.x25519 import Identity, Recipient


class AgeError(Exception):
    """A key, or what it was to open, cannot be used; the message is a sentence for the person at the keyboard."""


class Sink(Protocol):
    def write(self, some: bytes, /) -> int: ...


def recipient(text: str) -> Recipient:
    """Raises: AgeError."""
    try:
        return Recipient.from_str(text)
    except pyrage.RecipientError:
        raise AgeError(f"{text!r} is not a recipient: write what `manage.py backup --make-key` prints.") from None


def write_identity(path: Path, *, now: datetime) -> str:
    """A new identity stands in ``path``, which nobody else can read; returns its recipient. Raises: AgeError."""
    identity = Identity.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise AgeError(f"{path} is there already and is left alone: name another file.") from None
    except OSError as problem:
        raise AgeError(f"{path} cannot be written: {problem.strerror}.") from None
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(f"# created: {now:%Y-%m-%dT%H:%M:%SZ}\n# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public())


def read_identities(path: Path) -> list[Identity]:
    """The identities in a file as `age-keygen` or ``write_identity`` make it. Raises: AgeError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise AgeError(f"The key {path} cannot be read: {why}.") from None
    try:
        found = [Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")]
    except pyrage.IdentityError:
        raise AgeError(f"The key in {path} is damaged.") from None
    if not found:
        raise AgeError(f"{path} holds no key: it has a line that begins with AGE-SECRET-KEY-.")
    return found


class _Pieces:
    """What pyrage reads from: chunks of bytes as they come. It keeps the error that ended them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        size = len(self._rest) if size < 0 else size
        some, self._rest = self._rest[:size], self._rest[size:]
        return bytes(some)


class _Target:
    """What pyrage writes to. It keeps the error of the disk: one at the very end pyrage would not report at all."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.error: OSError | None = None

    def write(self, some: bytes) -> int:
        try:
            return self._sink.write(some)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        return


def encrypt(chunks: Iterable[bytes], sink: Sink, recipients: Sequence[Recipient]) -> None:
    """All chunks stand encrypted in ``sink``; whatever the chunks or the sink raised is raised here."""
    source, target = _Pieces(chunks), _Target(sink)
    try:
        pyrage.encrypt_io(source, target, recipients)
    except BaseException as problem:  # noqa: BLE001 (raised anew, or what caused it)
        raise (source.error or target.error or problem) from None
    if target.error is not None:
        raise target.error


@contextmanager
def decrypted(path: Path, identities: Sequence[Identity]) -> Iterator[IO[bytes]]:
    """What is in the file, as a stream to be read to its end inside the block.

    Raises:
        AgeError: wrong key, or the file was cut or altered; also out of the end of the block.
    """
    reading, writing = os.pipe()
    failed: list[BaseException] = []

    def pump() -> None:
        with path.open("rb") as file, os.fdopen(writing, "wb") as pipe:
            try:
                pyrage.decrypt_io(file, pipe, identities)
            except BaseException as problem:  # noqa: BLE001 (carried over to the thread that reads)
                failed.append(problem)

    thread = threading.Thread(target=_quietly(pump), daemon=True)
    thread.start()
    cause: list[BaseException] = []
    try:
        with os.fdopen(reading, "rb") as stream:
            try:
                yield stream
                while stream.read(1 << 20):  # to the end, where a file that was cut is noticed
                    pass
            except BaseException:
                cause = failed[:]  # what the thread says after this only follows from nobody reading any more
                raise
        thread.join()
        cause = failed
    except BaseException:
        thread.join()
        if cause:
            raise _said(path, cause[0]) from None
        raise
    if cause:
        raise _said(path, cause[0])


def _quietly(work: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            work()
        except (BrokenPipeError, OSError):
            return  # nobody reads on: whoever stopped says why

    return run


def _said(path: Path, problem: BaseException) -> AgeError:
    if isinstance(problem, pyrage.DecryptError) and "No matching keys" in str(problem):
        return AgeError(f"The key does not open {path.name}: it was written for another one.")
    return AgeError(f"{path.name} was cut short or altered: it cannot be opened to its end ({problem}).")
