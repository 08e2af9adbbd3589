"""The suggested text says what it must and claims nothing that is not so; texts become paragraphs, never markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.pure.consent_text import (
    SUGGESTED_BODY,
    TOPICS,
    BlockKind,
    Piece,
    blocks_of,
    changes_between,
    fingerprint,
    missing_topics,
)

SENTENCES = [sentence for block in blocks_of(SUGGESTED_BODY) for line in block.lines for sentence in line.split(". ")]


# --- what it says -----------------------------------------------------------------------------------------------------
def test_the_suggested_text_speaks_of_every_topic_that_a_consent_must_cover() -> None:
    assert missing_topics(SUGGESTED_BODY) == ()


@pytest.mark.parametrize(
    "words",
    [
        "off-label",  # clinical.md A 149
        "as an anesthetic since the 1970s",  # A 148
        "not approved as an infusion for depression",  # C11
        "The effect often fades",  # A 96
        "(maintenance) may be needed",  # A 96
        "still being researched",  # A 133
        "Bladder",  # A 129
        "attention and memory",  # A 128
        "Dependence",  # A 130
        "no guarantee",  # G
        "until the next day, after a full night's sleep, and for at least 24 hours",  # D7 (driving)
        "A responsible adult must take you home",  # A 110
        "stop at any time",  # G
        "alternatives",  # G
    ],
)
def test_the_suggested_text_says(words: str) -> None:
    assert words in SUGGESTED_BODY


def test_the_suggested_text_never_says_that_the_infusion_is_approved() -> None:
    """C11: one article says that ketamine "has received approval"; that is wrong for the infusion."""
    claims = [sentence for sentence in SENTENCES if re.search(r"\bapprov", sentence)]
    assert len(claims) == 3
    for sentence in claims:
        assert re.search(r"as an anesthetic|not approved|esketamine nasal spray, is approved", sentence), sentence


@pytest.mark.parametrize("topic", [topic.label for topic in TOPICS])
def test_a_text_about_nothing_lacks_every_topic(topic: str) -> None:
    assert topic in {missing.label for missing in missing_topics("We look forward to meeting you.")}


def test_only_off_label_is_required_the_rest_is_a_hint() -> None:
    assert [topic.label for topic in TOPICS if topic.is_required] == ["that the use is off-label"]


# --- paragraphs -------------------------------------------------------------------------------------------------------
def test_paragraphs_headings_and_lists_are_told_apart() -> None:
    body = "One\ntwo.\n\n## Risks\n- Nausea\n  and more\n- Dizziness\nAfter"
    assert [(block.kind, block.lines) for block in blocks_of(body)] == [
        (BlockKind.PARAGRAPH, ("One two.",)),
        (BlockKind.HEADING, ("Risks",)),
        (BlockKind.LIST, ("Nausea and more", "Dizziness After")),
    ]


@pytest.mark.parametrize("body", ["", "\n\n", "   \n\t\n"])
def test_an_empty_text_has_no_pieces(body: str) -> None:
    assert blocks_of(body) == ()


def test_markup_stays_plain_words() -> None:
    assert blocks_of("<script>alert(1)</script>")[0].lines == ("<script>alert(1)</script>",)


@given(st.text(alphabet="ab #-\n<&*", max_size=80))
def test_no_word_is_lost(body: str) -> None:
    kept = "\n".join(line for block in blocks_of(body) for line in block.lines)
    assert set(re.findall(r"[ab<&]+", body)) <= set(re.findall(r"[ab<&]+", kept)) | {""} or re.search(r"[#*-]", body)
    assert sorted(re.findall(r"[ab<&]", body)) == sorted(re.findall(r"[ab<&]", kept))


# --- what changed -----------------------------------------------------------------------------------------------------
def test_equal_texts_show_no_change() -> None:
    assert {block.change for block in changes_between(SUGGESTED_BODY, SUGGESTED_BODY)} == {Piece.SAME}
    spans = [span for block in changes_between(SUGGESTED_BODY, SUGGESTED_BODY) for span in block.spans]
    assert {span.kind for span in spans} == {Piece.SAME}


def test_a_changed_word_is_marked_inside_its_line() -> None:
    (line,) = changes_between("- Do not drive for 24 hours.", "- Do not drive for 48 hours.")
    assert [(span.kind, span.text) for span in line.spans] == [
        (Piece.SAME, "Do not drive for"),
        (Piece.REMOVED, "24"),
        (Piece.ADDED, "48"),
        (Piece.SAME, "hours."),
    ]


def test_a_new_paragraph_and_one_that_went_are_whole() -> None:
    found = changes_between("One thing.\n\nIt costs much.", "One thing.\n\nBring somebody with you.")
    assert [(block.change, block.spans[0].text) for block in found] == [
        (Piece.SAME, "One thing."),
        (Piece.ADDED, "Bring somebody with you."),
        (Piece.REMOVED, "It costs much."),
    ]


@given(
    st.lists(st.sampled_from(["a b c", "a b d", "## x", "- y", "- y z", "q"]), max_size=6).map("\n\n".join), st.data()
)
def test_the_kept_and_added_words_are_the_newer_text(before: str, data: st.DataObject) -> None:
    after = "\n\n".join(
        data.draw(st.lists(st.sampled_from(["a b c", "a x d", "## x", "- y", "- y w", "r"]), max_size=6))
    )
    spans = [span for block in changes_between(before, after) for span in block.spans]
    newer = " ".join(span.text for span in spans if span.kind != Piece.REMOVED)
    assert newer.split() == [word for block in blocks_of(after) for line in block.lines for word in line.split()]
    older = [word for span in spans if span.kind != Piece.ADDED for word in span.text.split()]
    assert sorted(older) == sorted(word for block in blocks_of(before) for line in block.lines for word in line.split())


def test_a_fingerprint_tells_contents_apart() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b")
    assert fingerprint("a", "b") != fingerprint("ab", "")
