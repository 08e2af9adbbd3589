"""The names of the fields that make up what a protocol version and its steps say: for forms, copies and comparisons."""

VERSION_FIELDS = (
    "title",
    "indications",
    "n_min",
    "n_default",
    "n_max",
    "span_warn_days",
    "preparation_min",
    "infusion_min",
    "infusion_max_min",
    "observation_min",
    "turnaround_min",
    "clinician_min",
    "attention_min",
    "vitals_during_min",
    "vitals_after_min",
    "aftercare",
    "dose_basis",
    "dose_start",
    "dose_min",
    "dose_max",
    "decision_points",
    "assess_note",
    "maintenance_note",
    "evidence_note",
    "source",
)
STEP_FIELDS = ("label", "count", "weekdays", "target_gap_days", "min_gap_days", "max_gap_days", "first_gap")
RHYTHM_FIELDS = ("weekdays", "target_gap_days", "min_gap_days", "max_gap_days")
