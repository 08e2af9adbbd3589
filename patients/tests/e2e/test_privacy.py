"""Privacy in a real browser: the tab one is on is in view however narrow the window; axe on each page, light and dark."""

from __future__ import annotations

import pytest
from django.urls import reverse

from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.browser import Axe, SignIn
from patients.tests.factories import make_patient

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]
IN_VIEW = """tab => {
  const box = tab.getBoundingClientRect(), row = tab.parentElement.getBoundingClientRect();
  return box.left >= row.left - 1 && box.right <= row.right + 1;
}"""


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_the_tab_of_the_page_is_in_view(clinic: Clinic, sign_in: SignIn, width: int) -> None:
    page = sign_in(clinic.clinician)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(reverse("patients:privacy", args=[make_patient().pk]))
    here = page.locator(".patient-tabs [aria-current=page]")
    assert here.inner_text() == "Privacy"
    assert here.evaluate(IN_VIEW)
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")


def test_the_pages_of_privacy_are_clean_for_axe(clinic: Clinic, sign_in: SignIn, axe: Axe) -> None:
    patient = make_patient()
    page = sign_in(clinic.clinician)
    own = [reverse("patients:privacy", args=[patient.pk]), reverse("patients:everything", args=[patient.pk])]
    names = ("retention:page", "retention:disclosures", "setup:openings", "setup:own_locations", "reports:table")
    for person, urls in ((clinic.clinician, own), (clinic.manager, [own[0], *map(reverse, names)])):
        page.context.clear_cookies()
        page = sign_in(person)
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 844})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for url in urls:
                    page.goto(url)
                    assert axe(page) == [], f"{url} at {width}, {scheme}"
