"""The text that patients consent to: the suggested wording, what a text must say, its paragraphs, and what changed.

A text is plain: paragraphs parted by empty lines, headings that begin with ``##``, list items that begin with ``-``.
Nothing else has a meaning, so nothing that somebody types can become markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from hashlib import sha256

SUGGESTED_TITLE = "Consent to ketamine infusions"
SUGGESTED_BODY = """\
Please read this at your own pace. Ask about anything that is unclear. You sign at the end, and only if you want the \
treatment.

## What this treatment is

- You would receive ketamine through a vein (an infusion) in this clinic, usually several times over some weeks, while \
a trained person watches you.
- Ketamine has been approved by the FDA as an anesthetic since the 1970s. It is not approved as an infusion for \
depression, PTSD, anxiety, suicidal thoughts or chronic pain. Giving it for these is an off-label use: your clinician \
may offer it on the strength of studies and experience, but the FDA has not reviewed it for this purpose.
- One related medicine, esketamine nasal spray, is approved for some forms of depression. It is a different product \
and is not what this text is about.

## What it may and may not do

- Many people feel better within hours to days. Some feel no change, and a few feel worse.
- There is no guarantee that it will help you.
- The effect often fades after days or weeks. Further infusions (maintenance) may be needed to keep it, nobody can say \
beforehand how many or how often, and they are agreed on separately.

## What else you could do

- Other medicines, psychotherapy, esketamine nasal spray, magnetic stimulation (TMS), electroconvulsive therapy (ECT), \
or no treatment now. Your clinician has talked with you about the alternatives that fit you.

## What you may feel during and soon after

- Common: feeling detached from your body or surroundings, changed sight and hearing, dizziness, nausea, headache, \
tiredness, being unsteady, blurred vision, a changed taste, trouble thinking clearly. Most of this passes within two \
hours.
- A rise in blood pressure and heart rate. It is measured throughout, and treated if needed.
- Less often: fear or confusion, seeing or hearing what is not there, vomiting. Rarely: a severe rise in blood \
pressure, trouble breathing, an allergic reaction, worse mood or thoughts of suicide. Tell us at once; we can stop the \
infusion at any moment.

## Risks of repeated treatment

- Bladder: pain, urgency or blood in the urine, which can become lasting damage with frequent use.
- Memory and thinking: repeated use may affect attention and memory.
- Dependence: ketamine can be misused, and some people come to crave it. Tell us about any past or present problem \
with alcohol or drugs.
- The long-term effects of repeated infusions are still being researched. Some risks may not be known yet.

## On the day

- Do not drive, ride a bicycle or use machines until the next day, after a full night's sleep, and for at least \
24 hours. Make no important decisions in that time.
- A responsible adult must take you home. Without one, we cannot begin.
- Follow what we told you about eating, drinking and your medicines. No alcohol on the day or for 24 hours afterwards.
- Tell us beforehand if you are or may be pregnant, or are breastfeeding.

## Your rights

- You decide freely. You may say no, ask for a pause, or stop at any time, before or during an infusion, without \
giving a reason. Your other care here does not depend on it.
- You may withdraw this consent at any time by telling any of our staff.
- You were told what the treatment costs. Insurers often do not pay for an off-label use; then you pay yourself, also \
when it does not help.

## What you confirm by signing

- I have read this text, or it was read to me. My questions were answered.
- I understand that this use is off-label, what the risks and alternatives are, and that success is not promised.
- I agree to the treatment.
"""
"""Our own words. Source: clinical.md A 96, 128-130, 133, 148-150, C11, D7 (driving) and G (informed consent)."""


# --- what a text must say ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Topic:
    """Something that a consent text should say, and how it is recognised. `is_required`: not published without it."""

    label: str
    pattern: str
    is_required: bool = False


TOPICS = (
    Topic("that the use is off-label", r"off[\s-]?label", is_required=True),
    Topic("what else could be done (alternatives)", r"alternative"),
    Topic("that success is not guaranteed", r"\b(no|not|cannot|never)\b[^.]{0,40}\b(guarantee|promise)"),
    Topic("that the effect may fade and maintenance may be needed", r"maintenance"),
    Topic("the risk for the bladder", r"bladder"),
    Topic("the risk for memory and thinking", r"memory|cogniti"),
    Topic("the risk of dependence", r"dependen|addict"),
    Topic("that long-term effects are still being researched", r"long[\s-]term[^.]*(research|studied|unknown|known)"),
    Topic("not to drive until the next day", r"\bdriv(e|ing)\b"),
    Topic("who takes the patient home", r"\b(escort|takes? you home|responsible adult)"),
    Topic("the right to stop", r"\bstop\b|withdraw"),
    Topic("what it costs", r"\bcost|\bpay"),
)
"""Source: clinical.md G (informed consent), A 96 and 133, C11 (a text must say off-label for intravenous ketamine)."""


def missing_topics(body: str) -> tuple[Topic, ...]:
    """What the text does not seem to speak of, most important first. It looks for words; a person reads the rest."""
    flat = " ".join(body.split())
    return tuple(topic for topic in TOPICS if not re.search(topic.pattern, flat, re.IGNORECASE))


def fingerprint(*parts: object) -> str:
    """Equal for equal contents; sent along with a form, it tells whether somebody else saved in between."""
    return sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()[:32]


# --- paragraphs -------------------------------------------------------------------------------------------------------
class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a text. A list has several lines, the others exactly one; lines are plain words, never markup."""

    kind: BlockKind
    lines: tuple[str, ...]


def blocks_of(body: str) -> tuple[Block, ...]:
    """The text in pieces, in order. Single line breaks inside a paragraph or an item are blanks."""
    found: list[Block] = []
    words: list[str] = []
    items: list[str] = []

    def close() -> None:
        if words:
            found.append(Block(BlockKind.PARAGRAPH, (" ".join(words),)))
            words.clear()
        if items:
            found.append(Block(BlockKind.LIST, tuple(items)))
            items.clear()

    for raw in body.splitlines():
        line = raw.strip()
        if not line:
            close()
        elif heading := re.fullmatch(r"#+\s+(.+)", line):
            close()
            found.append(Block(BlockKind.HEADING, (heading[1],)))
        elif item := re.fullmatch(r"[-*•]\s+(.+)", line):
            if words:
                close()
            items.append(item[1])
        elif items:
            items[-1] += f" {line}"
        else:
            words.append(line)
    close()
    return tuple(found)


# --- what changed -----------------------------------------------------------------------------------------------------
class Piece(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Span:
    """A run of words that stayed, came or went."""

    kind: Piece
    text: str


@dataclass(frozen=True, slots=True)
class ChangedBlock:
    """One piece of the newer text (of the older one where it went away), with its words marked."""

    kind: BlockKind
    change: Piece
    spans: tuple[Span, ...]


def changes_between(before: str, after: str) -> tuple[ChangedBlock, ...]:
    """Both texts as one, piece by piece, with the words that came and went; equal texts give only `Piece.SAME`."""
    old, new = _lines(before), _lines(after)
    matcher = SequenceMatcher(None, [_key(one) for one in old], [_key(one) for one in new], autojunk=False)
    found: list[ChangedBlock] = []
    for kind, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if kind == "equal":
            found += [_whole(line, Piece.SAME) for line in new[new_from:new_to]]
        else:
            found += _replaced(old[old_from:old_to], new[new_from:new_to])
    return tuple(found)


_Line = tuple[BlockKind, str]


def _lines(body: str) -> list[_Line]:
    return [(block.kind, line) for block in blocks_of(body) for line in block.lines]


def _key(line: _Line) -> str:
    return f"{line[0]}|{line[1]}"


def _whole(line: _Line, change: Piece) -> ChangedBlock:
    return ChangedBlock(line[0], change, (Span(change, line[1]),))


ALIKE = 0.5
"""Lines that share this much of their words are one line that was changed; below it, one went and another came."""


def _replaced(old: list[_Line], new: list[_Line]) -> Iterator[ChangedBlock]:
    left = list(old)
    for line in new:
        twin = max(left, key=lambda one: _alike(one, line), default=None)
        if twin is None or _alike(twin, line) < ALIKE:
            yield _whole(line, Piece.ADDED)
            continue
        while left[0] is not twin:
            yield _whole(left.pop(0), Piece.REMOVED)
        left.pop(0)
        yield ChangedBlock(line[0], Piece.SAME, tuple(_words(twin[1], line[1])))
    for line in left:
        yield _whole(line, Piece.REMOVED)


def _alike(one: _Line, other: _Line) -> float:
    if one[0] != other[0]:
        return 0.0
    return SequenceMatcher(None, one[1].split(), other[1].split(), autojunk=False).ratio()


def _words(before: str, after: str) -> Iterator[Span]:
    old, new = before.split(), after.split()
    for kind, old_from, old_to, new_from, new_to in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Span(Piece.SAME, " ".join(new[new_from:new_to]))
            continue
        if old_from < old_to:
            yield Span(Piece.REMOVED, " ".join(old[old_from:old_to]))
        if new_from < new_to:
            yield Span(Piece.ADDED, " ".join(new[new_from:new_to]))
