"""How often vital signs are taken, and what patients take home: written, compared, copied and marked with the rest."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from clinic.tests.factories import make_clinic
from courses.models import ProtocolVersion
from courses.models.protocol_fields import STEP_FIELDS, VERSION_FIELDS
from courses.services.protocol_facts import changes_between
from courses.services.protocols import draft_from, install_shipped_protocols, publish, save_draft
from courses.tests.factories import LONG_BEFORE

pytestmark = pytest.mark.django_db


def shipped(slug: str) -> ProtocolVersion:
    return ProtocolVersion.objects.get(protocol__slug=slug)


@pytest.fixture(autouse=True)
def _installed(db: None) -> None:
    install_shipped_protocols(now=LONG_BEFORE)


def test_shipped_intervals_are_those_of_p27_and_the_sprays_are_clinic_settings() -> None:
    series = shipped("T-MWF6")
    assert (series.vitals_during_min, series.vitals_after_min) == (10, 15)  # clinical.md D3, P27
    assert not {"vitals_during_min", "vitals_after_min"} & set(series.clinic_settings)
    spray = shipped("T-ESK")
    assert (spray.vitals_during_min, spray.vitals_after_min) == (10, 30)
    assert {"vitals_during_min", "vitals_after_min"} <= set(spray.clinic_settings)


def test_a_changed_interval_becomes_a_clinic_setting_and_what_changed_names_both() -> None:
    clinic = make_clinic()
    old = shipped("T-MWF6")
    draft = draft_from(old, by=clinic.clinician, now=LONG_BEFORE)
    assert (draft.vitals_during_min, draft.aftercare) == (10, "")
    values = {name: getattr(draft, name) for name in VERSION_FIELDS}
    steps = [{name: getattr(step, name) for name in STEP_FIELDS} for step in draft.steps.all()]
    values |= {"vitals_during_min": 5, "aftercare": "Rest today.\nCall us with any question."}
    saved = save_draft(draft.pk, values=values, steps=steps, by=clinic.clinician)
    assert "vitals_during_min" in saved.clinic_settings
    assert "aftercare" not in saved.clinic_settings  # words, not a number
    changed = {one.label: (one.before, one.after) for one in changes_between(old, saved)}
    assert changed["Vital signs during, every (min)"] == ("10", "5")
    assert changed["What the patient takes home"][0] == "none"
    published = publish(saved.pk, by=clinic.clinician, now=LONG_BEFORE)
    assert (published.vitals_during_min, published.number) == (5, 2)


def test_the_page_says_them_with_their_mark_and_the_editor_asks_for_them() -> None:
    clinic = make_clinic()
    client = Client()
    client.force_login(clinic.clinician)
    page = " ".join(client.get(reverse("courses:protocol", args=[shipped("T-ESK").pk])).content.decode().split())
    assert 'afterwards, every 30 min <span class="setting-mark"' in page
    assert "the usual text" in page
    draft = draft_from(shipped("T-ESK"), by=clinic.clinician, now=LONG_BEFORE)
    editor = client.get(reverse("courses:protocol_edit", args=[draft.pk])).content.decode()
    for name in ("vitals_during_min", "vitals_after_min", "aftercare"):
        assert f'name="{name}"' in editor, name
