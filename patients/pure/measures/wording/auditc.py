"""AUDIT-C in one of its phrasings (clinical.md E3). Available for use in the public domain (SAMHSA)."""

STEM = "Please answer for the past year."
ITEMS = (
    (
        "How often do you have a drink containing alcohol?",
        ("Never", "Monthly or less", "2 to 4 times a month", "2 to 3 times a week", "4 or more times a week"),
    ),
    (
        "How many drinks containing alcohol do you have on a typical day when you are drinking?",
        ("1 or 2", "3 or 4", "5 or 6", "7, 8, or 9", "10 or more"),
    ),
    (
        "How often do you have six or more drinks on one occasion?",
        ("Never", "Less than monthly", "Monthly", "Weekly", "Daily or almost daily"),
    ),
)
NOTICE = (
    "AUDIT-C: the first three questions of the Alcohol Use Disorders Identification Test (World Health Organization). "
    "Available for use in the public domain (SAMHSA)."
)
