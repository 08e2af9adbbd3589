"""Short keys become publications that a clinician can look up."""

from __future__ import annotations

import pytest

from courses.planning.sources import SOURCES, citations_in, without_keys
from courses.planning.templates import TEMPLATES, Template


def test_a_source_line_names_its_publications_in_order() -> None:
    assert citations_in("P1, P3; gaps 4 days [D]") == (SOURCES["P1"], SOURCES["P3"])
    assert citations_in("Own experience 2026") == ()


def test_what_is_said_besides_the_keys_stays() -> None:
    assert without_keys("P4, P7, P12; gaps [D]") == "gaps (clinic setting)"
    assert without_keys("Own experience 2026") == "Own experience 2026"
    assert without_keys("P15") == ""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.id)
def test_every_shipped_protocol_says_where_it_comes_from(template: Template) -> None:
    assert citations_in(template.source) or without_keys(template.source)
