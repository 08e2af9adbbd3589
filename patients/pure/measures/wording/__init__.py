"""The words of questionnaires, one module for each instrument whose licence allows to ship them, and for no other.

A test compares the modules of this folder with the instruments whose ``wording_allowed`` is true.
Source: clinical.md E2 (what was found about each licence) and E3 (the wordings).
"""
