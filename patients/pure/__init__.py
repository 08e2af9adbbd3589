"""Plain Python about persons: names, search tokens, indications. No Django, no database, no clock."""
