"""Drawn signatures are numbers that are checked; scans are known by what is in them."""

from __future__ import annotations

import json

import pytest

from patients.pure.scans import MAX_SCAN_BYTES, ScanError, kind_of_scan, safe_filename
from patients.pure.signatures import is_drawn, parse_strokes, svg_paths

PDF = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20 + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 20 + b"\xff\xd9"


# --- strokes ----------------------------------------------------------------------------------------------------------
def test_strokes_are_read_and_drawn_again() -> None:
    strokes = parse_strokes("[[[0,0],[500,1000]],[[10,10]],[]]")
    assert strokes == [[[0, 0], [500, 1000]], [[10, 10]]]
    assert svg_paths(strokes) == ["M0 0L500 300", "M10 3L10 3"]


@pytest.mark.parametrize("text", ["", "   "])
def test_nothing_drawn_is_nothing(text: str) -> None:
    assert parse_strokes(text) == []
    assert not is_drawn([])


@pytest.mark.parametrize(
    "sent",
    [
        "{",
        "7",
        '{"a": 1}',
        "[7]",
        "[[7]]",
        "[[[1]]]",
        "[[[1,2,3]]]",
        '[[["1","2"]]]',
        "[[[1.5,2]]]",
        "[[[true,false]]]",
        "[[[1001,0]]]",
        "[[[-1,0]]]",
        '[[["<script>",0]]]',
        "[" * 60_000,
    ],
)
def test_anything_else_than_points_is_refused(sent: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        parse_strokes(sent)


@pytest.mark.parametrize("strokes", [[[[1, 1]]] * 101, [[[1, 1]] * 6001], [[[1000, 1000]] * 20_000]])
def test_more_than_anybody_draws_is_refused(strokes: object) -> None:
    with pytest.raises(ValueError, match="drawing"):
        parse_strokes(json.dumps(strokes))


@pytest.mark.parametrize(
    ("strokes", "expected"),
    [
        ([[[500, 500]]], False),
        ([[[500, 500], [510, 510]]], False),
        ([[[500, 500], [560, 500]]], True),
        ([[[500, 100], [500, 300]]], True),  # 200 of the height are 60 of the width
    ],
)
def test_a_dot_is_no_signature(strokes: list[list[list[int]]], *, expected: bool) -> None:
    assert is_drawn(strokes) is expected


# --- scans ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "expected"), [(PDF, "application/pdf"), (PNG, "image/png"), (JPEG, "image/jpeg"), (PDF + b"\x00", None)]
)
def test_pdf_png_and_jpeg_are_known_by_their_content(content: bytes, expected: str | None) -> None:
    assert kind_of_scan(content).content_type == (expected or "application/pdf")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"MZ\x90\x00 this program cannot be run in DOS mode", "no PDF, PNG or JPEG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "no PDF, PNG or JPEG"),
        (b"<html><script>alert(1)</script>", "no PDF, PNG or JPEG"),
        (b"  " + PDF, "no PDF, PNG or JPEG"),
        (b"GIF89a", "no PDF, PNG or JPEG"),
        (PDF[:20], "breaks off"),
        (PNG[:20], "breaks off"),
        (JPEG[:-2], "breaks off"),
        (PDF + b"\x00" * 11 * 1024 * 1024, "11.0 MB"),
    ],
)
def test_everything_else_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ScanError, match=reason):
        kind_of_scan(content)


def test_ten_megabytes_are_taken_and_one_byte_more_is_not() -> None:
    filler = MAX_SCAN_BYTES - len(PDF)
    assert kind_of_scan(b"%PDF-" + b" " * filler + PDF[5:]).suffix == ".pdf"
    with pytest.raises(ScanError, match="at most 10"):
        kind_of_scan(b"%PDF-" + b" " * (filler + 1) + PDF[5:])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("consent.pdf", "consent.pdf"),
        ("setup.exe.pdf", "setup.exe.pdf"),
        ("scan.exe", "scan.pdf"),
        ('../../etc/pass"wd\r\nX: y', "etc-pass-wd-X-y.pdf"),
        ("", "consent.pdf"),
        (".pdf", "consent.pdf"),
        ("Ünterschrift.png", "nterschrift.pdf"),
        ("a" * 300 + ".pdf", "a" * 80 + ".pdf"),
    ],
)
def test_a_file_name_is_made_harmless_and_ends_as_its_content_is(name: str, expected: str) -> None:
    assert safe_filename(name, kind_of_scan(PDF)) == expected
