"""Faults, tried: real servers and processes are killed, filled up, put out of time, and nothing is lost or doubled.

Each module is one fault with ``TITLE`` and ``run(report)``; `python -m bench.faults` runs them (see `__main__`).
"""
