"""A backup as a file: a tar in the age format, so that `age -d` and `tar` open it where there is no Cadence.

``head.json`` comes first, then the database in pieces (``database/000001`` …, together one file of pg_dump's custom
format), then the uploaded files below ``media/``, and ``manifest.json`` last: a backup without it is not whole.
Nothing is kept unencrypted on the disk, and nothing larger than a piece in memory.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from pyrage.x25519 import Identity

from clinic.adapters.age import AgeError, decrypted
from clinic.services.backups.contents import BackupError, Contents, Head, Manifest

HEAD, MANIFEST, DATABASE, MEDIA = "head.json", "manifest.json", "database", "media"
PIECE = 8 << 20
"""Bytes of the dump in one member: what is in memory at a time."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Receiver(Protocol):
    """What becomes of a backup that is read. Called in the order of the file."""

    def begin(self, head: Head) -> None: ...

    def database(self, some: bytes) -> None: ...

    def media(self, name: str, content: Readable) -> None: ...


# --- writing ----------------------------------------------------------------------------------------------------------
def chunks(head: Head, contents: Contents, dump: IO[bytes], media: Path) -> Iterator[bytes]:
    """The bytes of the archive, before encryption; read ``dump`` to its end, and every file below ``media``."""
    parts: dict[str, tuple[int, str]] = {}
    yield from _member(HEAD, _json(head.as_json()))
    size, digest, number = 0, hashlib.sha256(), 0
    while piece := dump.read(PIECE):
        number, size = number + 1, size + len(piece)
        digest.update(piece)
        yield from _member(f"{DATABASE}/{number:06}", piece)
    parts[DATABASE] = (size, digest.hexdigest())
    for path in _files(media):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # tidied away meanwhile
        name = f"{MEDIA}/{path.relative_to(media).as_posix()}"
        parts[name] = (len(content), hashlib.sha256(content).hexdigest())
        yield from _member(name, content)
    yield from _member(MANIFEST, _json(Manifest(contents, parts).as_json()))
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _files(folder: Path) -> list[Path]:
    """Not what a restore keeps there under a name with a dot, and not what a link leads to."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if not path.relative_to(folder).parts[0].startswith("."))


def _member(name: str, content: bytes) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    yield info.tobuf(format=tarfile.PAX_FORMAT)
    yield content
    yield b"\0" * (-len(content) % tarfile.BLOCKSIZE)


def _json(known: Mapping[str, Any]) -> bytes:
    return json.dumps(known, sort_keys=True, indent=1).encode()


# --- reading ----------------------------------------------------------------------------------------------------------
def read(path: Path, identities: Sequence[Identity], into: Receiver) -> tuple[Head, Manifest]:
    """Everything in the file went into the receiver, and each part is what its manifest says.

    Raises:
        BackupError: wrong key, cut, altered, no backup of Cadence, or written by a newer one.
    """
    try:
        with decrypted(path, identities) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return _read(path, tar, into)
    except (AgeError, tarfile.TarError) as problem:
        said = f"{path.name} is no backup of Cadence." if isinstance(problem, tarfile.TarError) else str(problem)
        raise BackupError(said) from None
    except OSError as problem:
        if problem.filename == str(path):
            raise BackupError(f"{path} cannot be read: {problem.strerror}.") from None
        raise


def _read(path: Path, tar: tarfile.TarFile, into: Receiver) -> tuple[Head, Manifest]:
    head, manifest = None, None
    found: dict[str, tuple[int, str]] = {}
    size, digest = 0, hashlib.sha256()
    for member in tar:
        content = tar.extractfile(member)
        if content is None:
            raise BackupError(f"{path.name} holds {member.name!r}, which is no file: it is no backup of Cadence.")
        folder = member.name.partition("/")[0]
        if head is None:
            if member.name != HEAD:
                raise BackupError(f"{path.name} is no backup of Cadence: it begins with {member.name!r}.")
            head = Head.parse(json.load(content))
            into.begin(head)
        elif folder == DATABASE:
            piece = content.read()
            size += len(piece)
            digest.update(piece)
            into.database(piece)
        elif folder == MEDIA:
            noted = _Noted(content)
            into.media(_safe(member.name), noted)
            found[member.name] = (noted.size, noted.digest.hexdigest())
        elif member.name == MANIFEST:
            manifest = Manifest.parse(json.load(content))
    found[DATABASE] = (size, digest.hexdigest())
    if head is None or manifest is None:
        raise BackupError(f"{path.name} is not whole: it ends before its list of contents.")
    if found != dict(manifest.parts):
        raise BackupError(f"{path.name} does not hold what its list of contents names.")
    return head, manifest


def _safe(name: str) -> str:
    """The name below ``media/``; a file that was made by somebody else must not be written outside of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BackupError(f"The backup holds a file named {name!r}, which leads outside: it was not made by Cadence.")
    return str(path.relative_to(MEDIA))


class _Noted:
    """A stream that counts and digests what is read from it."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.size, self.digest = 0, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        some = self._content.read(size)
        self.size += len(some)
        self.digest.update(some)
        return some
