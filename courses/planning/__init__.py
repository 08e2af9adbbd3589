"""The pure core of planning: dates, judge, exact planner. No Django, no clock, no database."""
