"""Files as other programs write them: encodings, dialects, workbooks, and what is no table at all."""

from datetime import date, datetime

import pytest
from openpyxl import Workbook

from patients.adapters.encodings import detect_encoding
from patients.adapters.tables import Shape, UnreadableFileError, estimated_rows, look, records

TEXT = "Id,First,Last\n1,José,Gómez\n2,Ada,O'Brien\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, **options):
    shape = look(path, **options)
    return shape, [(row.line, row.values or row.problem) for row in records(path, shape)]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("utf-32", "utf-32"),
        ("latin-1", "cp1252"),  # the same letters
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_told_from_the_bytes(file, encoding, found):
    shape, rows = read(file(TEXT.encode(encoding)))
    assert shape.encoding == found
    assert shape.columns == ("Id", "First", "Last")
    assert rows == [(2, ("1", "José", "Gómez")), (3, ("2", "Ada", "O'Brien"))]


def test_cyrillic_letters_are_told_from_western_ones(file):
    text = "номер;имя;фамилия\n" + "1;Мария;Сидорова\n2;Иван;Петров\n" * 20
    assert detect_encoding(file(text.encode("cp1251"))) == "cp1251"


def test_one_broken_byte_refuses_its_row_and_spoils_no_other(file):
    broken = file((TEXT * 3).encode().replace("Gómez".encode(), b"G\xf3mez", 1))
    shape, rows = read(broken)
    assert shape.encoding == "utf-8"
    assert rows[0][1][2] == "G\udcf3mez"  # the reader of people refuses this value
    assert rows[3][1][2] == "Gómez"


def test_a_chosen_encoding_is_used(file):
    _, rows = read(file(TEXT.encode("mac-roman")), encoding="mac-roman")
    assert rows[0][1] == ("1", "José", "Gómez")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_from_the_first_rows(file, delimiter):
    shape, rows = read(file(TEXT.replace(",", delimiter)))
    assert shape.delimiter == delimiter
    assert rows[0][1] == ("1", "José", "Gómez")


def test_commas_inside_cells_do_not_make_a_semicolon_table_one_of_commas(file):
    shape, rows = read(file("Name;Born;Weight\nSilva, Ana;1985-03-07;70,5\nGómez, José;1989-05-25;81,0\n"))
    assert shape.delimiter == ";"
    assert rows[0][1] == ("Silva, Ana", "1985-03-07", "70,5")


def test_excels_own_first_line_names_the_delimiter(file):
    shape, rows = read(file("sep=;\nId;Name\n1;Ada\n"))
    assert (shape.delimiter, shape.columns, shape.header_line) == (";", ("Id", "Name"), 2)
    assert rows == [(3, ("1", "Ada"))]


def test_a_quoted_newline_stays_in_its_cell_and_lines_are_counted_as_an_editor_does(file):
    _, rows = read(file('Id,Address,City\n1,"1 Main Street\nApt 4",Boston\n2,x,y\n'))
    assert rows == [(2, ("1", "1 Main Street\nApt 4", "Boston")), (4, ("2", "x", "y"))]


def test_blank_lines_and_trailing_empty_cells_are_passed_over(file):
    shape, rows = read(file("\n\nId,Name,,\n1,Ada,,\n\n,,,\n2,Bo\n"))
    assert shape.columns == ("Id", "Name")
    assert rows == [(4, ("1", "Ada")), (7, ("2", "Bo"))]


@pytest.mark.parametrize(
    ("row", "words"),
    [("1,Ada", "The row has 2 cells, the header has 3."), ("1,Ada,x,y", "The row has 4 cells, the header has 3.")],
)
def test_a_row_of_another_width_is_refused_by_itself(file, row, words):
    _, rows = read(file(f"Id,First,Last\n{row}\n2,b,c\n"))
    assert rows[0][0] == 2
    assert rows[0][1].startswith(words)
    assert rows[1] == (3, ("2", "b", "c"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b" \n \n", "The file is empty"),
        ("Id,Phone,Name,phone\n1,2,3,4\n", "Line 1: The column “Phone” is there twice (columns 2 and 4)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "This is an Excel file of before 2007"),
        (b"%PDF-1.7 ...", "This is a PDF"),
        (b"\x1f\x8b\x08\x00", "This file is packed"),
        (b"PK\x03\x04 not really", "The Excel file is damaged"),
        (b"\x00\x01\x00\x00\x00\x02" * 500, "This is no text"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(file, content, words):
    with pytest.raises(UnreadableFileError) as refused:
        look(file(content))
    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('Id,Name\n1,Ada\n2,"Bo\n3,Cy\n', "Line 3: The row that begins here never ends"),
        ('Id,Name\n1,"Ada" Okafor\n', "Line 2: Something follows a closing quotation mark"),
        ('Id,Name\n1,"' + "x" * 140_000 + '"\n', "Line 2: The row that begins here never ends"),
    ],
)
def test_quotation_marks_that_do_not_match_name_their_line(file, content, words):
    path = file(content)
    shape = look(path)
    with pytest.raises(UnreadableFileError) as refused:
        list(records(path, shape))
    assert str(refused.value).startswith(words)


def test_utf_16_that_breaks_off_names_its_line(file):
    path = file((TEXT * 2000).encode("utf-16")[:-1])
    with pytest.raises(UnreadableFileError, match="The text is not UTF-16 from here on"):
        list(records(path, look(path)))


def test_a_workbook_is_read_like_a_table(tmp_path):
    path = tmp_path / "list.xlsx"
    book = Workbook()
    sheet = book.active
    sheet.title = "Patients"
    for row in (
        ["Id", "Name", "Born", "Seen", "Smokes"],
        [1, "José", date(1985, 3, 7), datetime(2026, 1, 2, 14, 30), True],
        [None, None, None, None, None],
        [2.0, "Ada", "1989-05-25", None, False],
    ):
        sheet.append(row)
    book.save(path)
    shape, rows = read(path)
    assert shape == Shape("", "", ("Id", "Name", "Born", "Seen", "Smokes"), 1, "Patients")
    assert rows == [
        (2, ("1", "José", "1985-03-07", "2026-01-02 14:30:00", "yes")),
        (4, ("2", "Ada", "1989-05-25", "", "no")),
    ]


def test_the_number_of_rows_is_estimated_from_line_ends(file):
    path = file(TEXT * 50)
    assert estimated_rows(path, look(path)) == 149
