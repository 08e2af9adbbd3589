"""Free time in bulk: which candidate starts fit into a resource's open hours and between what is booked already.

Pure numpy on minutes since the epoch (UTC), half-open ``[lo, hi)``. Nothing is rounded: every span blocks a *range of
candidate starts*, so one difference array over the starts and its running sum answer all resources at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
OpenSpans = Sequence[tuple[int, int, int]] | IntArray  # (resource index, lo, hi)
BusySpans = Sequence[tuple[int, int, int, int]] | IntArray  # (resource index, lane, lo, hi)


def free_starts_for(
    starts_min: IntArray, duration_min: int, open_spans: OpenSpans, busy_spans: BusySpans, lanes: Sequence[int]
) -> BoolArray:
    """``[start, resource]`` is true where the resource is open, and has one lane free, for the whole duration.

    Args:
        starts_min: candidate starts in minutes since the epoch, in any order.
        duration_min: how long the resource is needed, at least 1 minute.
        open_spans: when each resource can be used; spans that touch or overlap count as one.
        busy_spans: what is taken already; they may overlap each other.
        lanes: per resource how many things it can do at once (a chair 1, a nurse who watches three chairs 3).

    Raises:
        ValueError: a duration below 1, or a resource or lane that does not exist.
    """
    free: BoolArray = first_free_lanes(starts_min, duration_min, open_spans, busy_spans, lanes) >= 0
    return free


def first_free_lanes(
    starts_min: IntArray, duration_min: int, open_spans: OpenSpans, busy_spans: BusySpans, lanes: Sequence[int]
) -> IntArray:
    """``[start, resource]`` is the lowest lane that is free for the whole duration, or -1; as ``free_starts_for``."""
    if duration_min < 1:
        raise ValueError(f"a duration is at least 1 minute, not {duration_min}")
    order = np.argsort(starts_min, kind="stable")
    starts = np.asarray(starts_min, dtype=np.int64)[order]
    count = np.asarray(lanes, dtype=np.int64)
    opened = _open_at(starts, duration_min, _as_spans(open_spans, 3), len(count))
    taken = _taken_at(starts, duration_min, _as_spans(busy_spans, 4), count)
    first = np.full((len(starts), len(count)), -1, dtype=np.int64)
    offset = np.concatenate([[0], np.cumsum(count)])
    for lane in range(int(count.max(initial=0)) - 1, -1, -1):
        has = np.flatnonzero(count > lane)
        first[:, has] = np.where(taken[:, offset[has] + lane], first[:, has], lane)
    found = np.empty_like(first)
    found[order] = np.where(opened, first, -1)
    return found


def merge_spans(spans: IntArray) -> IntArray:
    """Rows (resource, lo, hi) without overlaps: spans of one resource that touch or overlap became one."""
    spans = spans[spans[:, 2] > spans[:, 1]]
    if len(spans) == 0:
        return spans
    spans = spans[np.lexsort((spans[:, 1], spans[:, 0]))]
    resource, lo, hi = spans.T
    # Shifting each resource onto its own stretch of the axis lets one running maximum serve all of them.
    base, stretch = int(lo.min()), int(hi.max() - lo.min()) + 1
    reach = np.maximum.accumulate(hi - base + resource * stretch) + base - resource * stretch
    begins = np.ones(len(spans), dtype=bool)
    begins[1:] = (resource[1:] != resource[:-1]) | (lo[1:] > reach[:-1])
    heads = np.flatnonzero(begins)
    tails = np.append(heads[1:], len(spans)) - 1
    return np.stack([resource[heads], lo[heads], reach[tails]], axis=1)


def _as_spans(spans: OpenSpans | BusySpans, width: int) -> IntArray:
    return np.asarray(spans, dtype=np.int64).reshape(-1, width)


def _open_at(starts: IntArray, duration_min: int, spans: IntArray, resources: int) -> BoolArray:
    """[start, resource]: one open span holds the whole visit."""
    if len(spans) and not 0 <= spans[:, 0].min() <= spans[:, 0].max() < resources:
        raise ValueError("an open span names a resource that does not exist")
    merged = merge_spans(spans)
    first = np.searchsorted(starts, merged[:, 1], side="left")
    after = np.searchsorted(starts, merged[:, 2] - duration_min, side="right")
    return _covered(first, after, merged[:, 0], len(starts), resources)


def _taken_at(starts: IntArray, duration_min: int, spans: IntArray, lanes: IntArray) -> BoolArray:
    """[start, lane of all resources]: something in this lane overlaps the visit."""
    offset = np.concatenate([[0], np.cumsum(lanes)])
    resource, lane = spans[:, 0], spans[:, 1]
    if len(spans) and not 0 <= resource.min() <= resource.max() < len(lanes):
        raise ValueError("a busy span names a resource that does not exist")
    if np.any((lane < 0) | (lane >= lanes[resource])):
        raise ValueError("a busy span names a lane that does not exist")
    spans = spans[spans[:, 3] > spans[:, 2]]
    first = np.searchsorted(starts, spans[:, 2] - duration_min, side="right")
    after = np.searchsorted(starts, spans[:, 3], side="left")
    return _covered(first, after, offset[spans[:, 0]] + spans[:, 1], len(starts), int(offset[-1]))


def _covered(
    first: npt.NDArray[np.intp], after: npt.NDArray[np.intp], column: IntArray, rows: int, columns: int
) -> BoolArray:
    """[row, column]: at least one of the ranges ``first <= row < after`` of the column covers the row."""
    real = after > first
    size = (rows + 1) * columns
    opens = np.bincount(first[real] * columns + column[real], minlength=size)
    closes = np.bincount(after[real] * columns + column[real], minlength=size)
    covered: BoolArray = np.cumsum((opens - closes).reshape(rows + 1, columns), axis=0)[:rows] > 0
    return covered
