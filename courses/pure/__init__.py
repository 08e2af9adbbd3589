"""The infusion day as arithmetic and clinical judgement: no Django, no clock, no database."""
