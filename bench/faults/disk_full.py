"""The disk is full: first where PostgreSQL keeps its files, then where the product keeps uploads. Needs root."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from django.db import connections

from bench.faults import checks
from bench.faults.people import Browser, book_series, internals_shown, statuses, wishes_for
from bench.faults.report import Report
from bench.faults.stage import FOLDER, ROOT, Stage, prepared, stage, until
from clinic.adapters import embedded_postgres
from patients.models import ImportRun

TITLE = "The disk is full"
ROOM_MB = 96
MB = 1 << 20


def run(report: Report) -> None:
    if os.getuid() != 0:
        report.say("left out: it needs root to mount a small file system")
        return
    with _small_disk(_size_mb(prepared()) + ROOM_MB) as disk:
        _database(report, disk)
    with _small_disk(4) as disk:
        _uploads(report, disk)


def _database(report: Report, disk: Path) -> None:
    with stage(data=disk / "data") as here:
        here.web()
        since = checks.now()
        wishes = wishes_for(checks.some_patients(10), today=datetime.now(tz=UTC).date())
        doctor = Browser([here.base])
        doctor.sign_in("clinician")
        book_series(doctor, wishes[0])
        report.check("booked while there was room", holds=bool(wishes[0].course))
        connections.close_all()
        _fill(disk)
        report.say(f"the disk of PostgreSQL is full ({_free(disk)} bytes left); people go on booking")
        before = len(doctor.seen)
        for wish in wishes[1:]:
            book_series(doctor, wish, tries=2)
            if any(one.status == 503 for one in doctor.seen[before:]) and wish is not wishes[1]:
                break
        answers = list(doctor.seen[before:])
        refused = [one for one in answers if one.status == 503]
        report.say(
            f"answers: {statuses([doctor])}; PostgreSQL {'answers' if here.postgres.answers() else 'has stopped'}"
        )
        report.check("booking was refused with a plain page", holds=bool(refused), seen=len(refused))
        said = [one for one in refused if "disk is full" in one.text or "does not answer" in one.text]
        report.check("it says what is wrong", holds=len(said) == len(refused))
        report.check("nobody was shown an error of ours", holds=not [one for one in answers if one.status == 500])
        report.check("nobody saw anything of the inside", holds=not internals_shown([doctor]))

        (disk / "ballast").unlink()
        _restart_where_stopped(report, here)
        took = until(lambda: doctor.get("/").status == 200, "the page is there again")
        report.say(f"room was made; pages were there {took:.1f} s later")
        for wish in wishes:
            book_series(doctor, wish)
        checks.series(report, wishes, since=since)


def _restart_where_stopped(report: Report, here: Stage) -> None:
    time.sleep(1)
    if here.postgres.answers():
        return
    with suppress(TimeoutError):
        until(here.postgres.answers, "it recovers by itself", patience_s=10)
        return
    here.postgres.kill()
    here.postgres.start()
    report.say("PostgreSQL had stopped, and was started again by hand (systemd does that: Restart=on-failure)")


def _uploads(report: Report, disk: Path) -> None:
    """var/ of one web server, and its temporary files, lie on the small disk: a mount of its own, seen by it alone."""
    with stage() as here:
        var = ROOT / "var"
        (disk / "tmp").mkdir()
        mounts = f'mount --bind {disk} {var} && exec "$@"'
        here.web(prefix=["/usr/bin/unshare", "-m", "/bin/sh", "-c", mounts, "sh"], TMPDIR=str(var / "tmp"))
        desk, doctor = Browser([here.base]), Browser([here.base])
        desk.sign_in("manager")
        doctor.sign_in("clinician")
        before = ImportRun.objects.count()
        course = checks.one("SELECT coalesce(max(id), 0) FROM courses_course WHERE closed_on IS NOT NULL")
        pdf = f"/courses/{course}/summary.pdf"
        report.say(f"a PDF while there is room: {doctor.get(pdf).status}")
        _fill(disk)
        sent = _upload(desk)
        report.check("an upload is refused with a plain page", holds=sent.status == 503, seen=sent.status)
        report.check("it says that the disk is full", holds="disk is full" in sent.text)
        report.check("nothing of it was half saved", holds=ImportRun.objects.count() == before)
        answer = doctor.get(pdf)
        report.check(
            "a PDF is made, or says that it could not be", holds=answer.status in {200, 404, 503}, seen=answer.status
        )
        wishes = wishes_for(checks.some_patients(1), today=datetime.now(tz=UTC).date())
        book_series(doctor, wishes[0], tries=2)
        report.check("booking goes on: it needs no room here", holds=bool(wishes[0].course))
        (disk / "ballast").unlink()
        sent = _upload(desk)
        report.check("the upload works when there is room again", holds=sent.status == 302, seen=sent.status)
        report.check("it is there once", holds=ImportRun.objects.count() == before + 1)
        report.check("nobody saw anything of the inside", holds=not internals_shown([desk, doctor]))


def _upload(browser: Browser):  # type: ignore[no-untyped-def]  # noqa: ANN202
    """A list of patients of half a megabyte."""
    browser.get("/patients/import/")
    rows = "".join(f"Given{number},Family{number},1980-01-02\n" for number in range(16_000))
    files = {"file": ("patients.csv", "given_name,family_name,birth_date\n" + rows, "text/csv")}
    return browser.post("/patients/import/", {"source": "generic"}, files=files)


# --- a small disk -----------------------------------------------------------------------------------------------------
@contextmanager
def _small_disk(size_mb: int) -> Iterator[Path]:
    """A file system of so many megabytes, in memory, mounted below var/faults."""
    disk = FOLDER / "disk"
    disk.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["/usr/bin/mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0755", "tmpfs", str(disk)], check=True
    )
    try:
        embedded_postgres.let_in(disk / "any")
        yield disk
    finally:
        subprocess.run(["/usr/bin/umount", "-l", str(disk)], check=True)
        disk.rmdir()


def _size_mb(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*")) // MB + 1


def _free(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def _fill(disk: Path) -> None:
    """Not a byte is left."""
    with suppress(OSError), (disk / "ballast").open("ab", buffering=0) as file:
        while file.write(b"0" * 4096):
            pass
