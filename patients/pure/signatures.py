"""A signature drawn on a screen: strokes of points from 0 to 1000 both ways, as they are sent, checked, drawn again.

The drawing is data, never a picture that somebody sends: the server checks every number and draws it itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

SIDE = 1000
HEIGHT = 300
"""The pad is 10 wide and 3 high; drawn again, its height is 300 where its width is 1000."""
MAX_STROKES = 100
MAX_POINTS = 6000
MAX_CHARACTERS = 100_000
LEAST_EXTENT = 60
"""A dot or a slip of the finger is no signature: it must reach over at least 6 % of the pad's width."""

Strokes = list[list[list[int]]]


def parse_strokes(text: str) -> Strokes:
    """The strokes that a page sent; none for empty text.

    Raises:
        ValueError: when it is not a list of lists of points, or far more than anybody draws.
    """
    if not text.strip():
        return []
    if len(text) > MAX_CHARACTERS:
        raise ValueError("The drawing is too long.")
    try:
        sent = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("The drawing cannot be read.") from error
    if not isinstance(sent, list) or len(sent) > MAX_STROKES:
        raise ValueError("The drawing cannot be read.")
    strokes = [_stroke(one) for one in sent]
    if sum(map(len, strokes)) > MAX_POINTS:
        raise ValueError("The drawing is too long.")
    return [stroke for stroke in strokes if stroke]


def _stroke(sent: object) -> list[list[int]]:
    if not isinstance(sent, list):
        raise ValueError("The drawing cannot be read.")  # noqa: TRY004 (one kind of refusal for whatever was sent)
    for point in sent:
        fits = isinstance(point, list) and len(point) == 2  # noqa: PLR2004 (x and y)
        if not fits or not all(type(value) is int and 0 <= value <= SIDE for value in point):
            raise ValueError("The drawing cannot be read.")
    return [[point[0], point[1]] for point in sent]


def is_drawn(strokes: Sequence[Sequence[Sequence[int]]]) -> bool:
    """True when it is more than a dot."""
    points = [point for stroke in strokes for point in stroke]
    if not points:
        return False
    across, down = [point[0] for point in points], [point[1] for point in points]
    height = (max(down) - min(down)) * HEIGHT // SIDE
    return max(max(across) - min(across), height) >= LEAST_EXTENT


def svg_paths(strokes: Sequence[Sequence[Sequence[int]]]) -> list[str]:
    """One path for each stroke, for a drawing of 1000 by 300. Only digits, blanks and M and L: safe as an attribute."""
    return [_path(stroke) for stroke in strokes if stroke]


def _path(stroke: Sequence[Sequence[int]]) -> str:
    points = [(int(x), int(y) * HEIGHT // SIDE) for x, y in stroke]
    if len(points) == 1:  # a dot: a line that goes nowhere is drawn as one by its round end
        points *= 2
    first, *rest = points
    return f"M{first[0]} {first[1]}" + "".join(f"L{x} {y}" for x, y in rest)
