"""The whole link of a visit in Spanish on a phone: switched, prepared for, confirmed, moved, cancelled; light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse

from clinic.models import BookingStatus
from clinic.tests.fixtures.browser import Axe, Expect
from courses.tests.e2e.test_visit_link import (  # noqa: F401 (fixtures)
    ada,
    is_wide,
    message,
    phone,
    scheme,
    too_small,
    visit,
)
from courses.tests.series_kit import Booked
from patients.models import ConsultationRequest, Message, Patient
from patients.tests.link_kit import page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_from_the_message_to_a_new_time_and_a_cancel_in_spanish(
    phone: Page,  # noqa: F811
    ada: Booked,  # noqa: F811
    message: Message,  # noqa: F811
    axe: Axe,
    expect: Expect,
) -> None:
    def look(heading: str) -> None:
        expect(phone.get_by_role("heading", name=heading, level=1)).to_be_visible()
        assert phone.locator("html").get_attribute("lang") == "es"
        assert axe(phone) == []
        assert too_small(phone) == []
        assert not is_wide(phone)

    phone.goto(page_of(message))
    expect(phone.get_by_role("heading", name="are you coming?")).to_be_visible()
    phone.get_by_role("link", name="Español").tap()
    look("¿va a venir?")
    phone.get_by_role("link", name="Cómo prepararse").tap()
    look("Cómo prepararse")
    expect(phone.get_by_text("Alguien tiene que llevarle a casa.")).to_be_visible()
    phone.get_by_role("link", name="Volver a su cita").tap()
    look("¿va a venir?")
    phone.get_by_role("button", name="Sí, voy a ir").tap()
    look("Su cita está confirmada")
    assert visit(ada).status == BookingStatus.CONFIRMED
    before = visit(ada).start
    phone.get_by_role("link", name="Elegir otra hora").tap()
    look("Elegir otra hora")
    phone.locator(".visit-times button").last.tap()
    look("Su nueva hora está reservada")
    assert visit(ada).start != before
    phone.get_by_role("link", name="Cancelar la cita").tap()
    look("¿Cancelar la cita?")
    phone.get_by_label("Motivo").fill("Estoy de viaje")
    phone.get_by_role("button", name="English").tap()  # what was typed stays
    expect(phone.get_by_role("heading", name="Cancel the appointment?")).to_be_visible()
    expect(phone.get_by_label("Why")).to_have_value("Estoy de viaje")
    phone.get_by_role("button", name="Español").tap()
    expect(phone.get_by_label("Motivo")).to_have_value("Estoy de viaje")
    assert visit(ada).status == BookingStatus.CONFIRMED
    booking = visit(ada)
    phone.get_by_role("button", name="Sí, cancelarla").tap()
    look("Esta cita está cancelada")
    booking.refresh_from_db()
    assert booking.status == BookingStatus.CANCELLED
    assert Patient.objects.get(pk=ada.patient.pk).language == "en"


@pytest.mark.parametrize("scripts", [True, False])
def test_what_was_typed_into_a_request_stays_when_the_language_is_changed(
    browser: Browser,
    live_server: LiveServer,
    ada: Booked,  # noqa: F811
    expect: Expect,
    scripts: bool,
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=scripts, locale="en-US")
    page = context.new_page()
    page.goto(reverse("public:request", args=[ada.clinic.location.pk]))
    page.get_by_label("Given name").fill("Iris")
    page.get_by_label("In your own words").fill("Nothing has helped\nso far.")
    page.get_by_label("Anxiety").check()
    page.get_by_role("button", name="Español").click()
    expect(page.get_by_role("heading", name="Solicitar una consulta", level=1)).to_be_visible()
    expect(page.get_by_label("Nombre", exact=True)).to_have_value("Iris")
    expect(page.locator("textarea[name=message]")).to_have_value("Nothing has helped\nso far.")
    expect(page.locator("input[name=seeks_help_for][value=anxiety]")).to_be_checked()
    page.get_by_label("Nombre", exact=True).press("Enter")  # sends, and is refused: it does not switch back
    expect(page.get_by_text("Todavía no se envió nada.")).to_be_visible()
    assert ConsultationRequest.objects.count() == 0
    context.close()
