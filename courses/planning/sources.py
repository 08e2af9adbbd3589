"""The publications behind the shipped protocols, by the short keys that the templates use.

Source: clinical.md section I. Read as abstracts or labels there; the medical director checks the full texts.
"""

from __future__ import annotations

import re

SOURCES = {
    "P1": "Murrough 2013, Biol Psychiatry 74:250-256",
    "P3": "Shiroma 2014, J Affect Disord",
    "P4": "Singh 2016, Am J Psychiatry, doi 10.1176/appi.ajp.2016.16010037",
    "P5": "Phillips 2019, Am J Psychiatry 176:401-409",
    "P6": "Wilkinson 2018, J Clin Psychiatry 79(4), 17m11731",
    "P7": "Anand 2023 (ELEKT-D), N Engl J Med",
    "P9": "Phillips 2020, BMC Psychiatry 20:268",
    "P12": "MGH maintenance ketamine chart review 2020, PubMed 32871698",
    "P15": "NCT02882711 (UTHealth, open trial)",
    "P16": "Feder 2021, Am J Psychiatry, doi 10.1176/appi.ajp.2020.20050596",
    "P17": "Abdallah 2022, Neuropsychopharmacology, doi 10.1038/s41386-022-01266-9",
    "P26a": "Andrade 2017, J Clin Psychiatry 78(7) e852-e857",
    "G5": "Cohen 2018 (ASRA/AAPM/ASA), Reg Anesth Pain Med 43:521-546",
    "L1": "Esketamine nasal spray, US prescribing information",
    "L2": "Esketamine REMS, Patient Monitoring Form",
}
_KEY = re.compile(r"\b[PGL]\d{1,2}[a-z]?\b")


def citations_in(text: str) -> tuple[str, ...]:
    """The publications that a short source line names, in its order: "P1, P3; ..." gives two."""
    found = dict.fromkeys(_KEY.findall(text))
    return tuple(SOURCES[key] for key in found if key in SOURCES)


def without_keys(text: str) -> str:
    """What a source line says besides its keys: "P1, P3; gaps 4 days [D]" gives "gaps 4 days (clinic setting)"."""
    parts = [part.strip() for part in re.split(r"[;]", text)]
    kept = [part for part in parts if _KEY.sub("", part).strip(" ,")]
    said = "; ".join(_KEY.sub("", part).strip(" ,") for part in kept)
    return said.replace("[D]", "(clinic setting)")
