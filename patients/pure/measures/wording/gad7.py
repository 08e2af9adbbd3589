"""GAD-7, verbatim (clinical.md E3). No permission is required to reproduce, translate, display or distribute it.

The lowest option is "Not at all". "Not at all sure" is a known error of reproduction (Zorowitz 2021).
"""

STEM = "Over the last 2 weeks, how often have you been bothered by the following problems?"
OPTIONS = ("Not at all", "Several days", "More than half the days", "Nearly every day")
ITEMS = (
    "Feeling nervous, anxious or on edge",
    "Not being able to stop or control worrying",
    "Worrying too much about different things",
    "Trouble relaxing",
    "Being so restless that it is hard to sit still",
    "Becoming easily annoyed or irritable",
    "Feeling afraid as if something awful might happen",
)
NOTICE = (
    "GAD-7: developed by Drs. Robert L. Spitzer, Janet B.W. Williams, Kurt Kroenke and colleagues, with an educational "
    "grant from Pfizer Inc. No permission required to reproduce, translate, display or distribute."
)
