"""Measuring Cadence on a data set of its own (see docs/performance.md)."""
