"""What the reports say, as plain values and arithmetic: no Django, no database, no clock."""
