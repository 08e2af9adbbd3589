"""What people are treated for (clinical.md A, rows 73-79)."""

from __future__ import annotations

from enum import StrEnum


class Indication(StrEnum):
    MDD = "mdd"
    TRD = "trd"
    BIPOLAR = "bipolar"
    ANXIETY = "anxiety"
    PTSD = "ptsd"
    PAIN = "pain"
    SUICIDAL_IDEATION = "si"
    OTHER = "other"


INDICATION_LABELS = {
    Indication.MDD: "Major depressive disorder",
    Indication.TRD: "Treatment-resistant depression",
    Indication.BIPOLAR: "Bipolar depression",
    Indication.ANXIETY: "Anxiety disorder",
    Indication.PTSD: "Post-traumatic stress disorder",
    Indication.PAIN: "Chronic pain",
    Indication.SUICIDAL_IDEATION: "Acute suicidal ideation",
    Indication.OTHER: "Other mood disorder",
}
