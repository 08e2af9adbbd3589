"""By which measures a course may be judged."""

from __future__ import annotations

from patients.pure.indications import Indication

LEADING = ("phq9", "qids16", "madrs")
"""The measure by which a course is judged: the first of these with a baseline; PCL-5 first where PTSD is treated."""
ALL_LEADING = ("pcl5", *LEADING)


def leading_measures(indication: str) -> tuple[str, ...]:
    """The measures by which a course may be judged, the first one preferred."""
    return ALL_LEADING if indication == Indication.PTSD else LEADING
