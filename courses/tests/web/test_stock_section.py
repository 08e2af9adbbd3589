"""“Drug drawn” on the page of an infusion: drawing from a lot, accounting for it with a witness, refusals in place."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import BookingStatus, User
from clinic.services import bookings
from clinic.tests.fixtures.ledger import Queries
from courses.models import DrugDraw
from courses.services import stock
from courses.tests.day_kit import Day, in_chair, observing, put_order, put_tap, ten
from courses.tests.stock_kit import FIFTY, Stocked, make_devices, make_lot, stocked
from courses.views.infusion.frame import State
from courses.views.infusion.stock import section

pytestmark = pytest.mark.django_db
PASSWORD = "a-second-person-7"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(ten(60), tick=False):
        yield


@pytest.fixture
def made() -> Stocked:
    """Ordered and in the chair, 400.0 mg of 10 mg/mL on the shelf."""
    day = in_chair()
    put_order(day, ten(-3))
    return with_password(stocked(day))


def with_password(made: Stocked) -> Stocked:
    made.witness.set_password(PASSWORD)
    made.witness.save()
    return made


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def draw(client: Client, made: Stocked, *, status: int, headers: dict[str, str] | None = HTMX, **data: object) -> str:
    values = {"lot": made.lot.pk, "amount": "100.0", "unit": "mg", "seen": 0} | data
    answer = client.post(reverse("infusion:stock_draw", args=[made.day.pk]), values, headers=headers)
    assert answer.status_code == status
    return answer.content.decode()


def close(client: Client, made: Stocked, *, status: int, headers: dict[str, str] | None = HTMX, **data: object) -> str:
    values = {"given_mg": "41.2", "wasted_mg": "58.8", "returned_mg": "0"}
    values |= {"second": made.witness.pk, "second_password": PASSWORD} | data
    address = reverse("infusion:stock_close", args=[made.day.pk, DrugDraw.objects.get().pk])
    answer = client.post(address, values, headers=headers)
    assert answer.status_code == status
    return answer.content.decode()


def drawn(made: Stocked) -> DrugDraw:
    return stock.draw(
        booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=Decimal("100.0"), by=made.nurse, now=ten(-1)
    )


def shown(day: Day) -> tuple[State, str, str]:
    found = section(day.desk(ten(60)), day.nurse)
    return found.state, found.summary, found.act


# -- how it stands -----------------------------------------------------------------------------------------------------
def test_the_section_waits_for_the_order_then_asks_for_the_draw_then_for_the_account(made: Stocked) -> None:
    assert shown(in_chair(clinic=made.day.clinic, slug="T-2")) == (State.WAITING, "", "")
    assert shown(made.day) == (State.NOW, "", "Draw the drug")
    drawn(made)
    assert shown(made.day) == (State.WAITING, "100.0 mg drawn", "")
    put_tap(made.day, "start", ten(), order=made.day.desk(ten()).order)
    assert shown(made.day) == (State.WAITING, "100.0 mg drawn", "")
    put_tap(made.day, "end", ten(40))
    assert shown(made.day) == (State.NOW, "100.0 mg drawn, not accounted for", "Account for the rest")


def test_the_summary_is_the_equation_with_the_witness(client: Client, made: Stocked) -> None:
    drawn(made)
    put_tap(made.day, "start", ten(), order=made.day.desk(ten()).order)
    put_tap(made.day, "end", ten(40))
    close(as_(client, made.nurse), made, status=200)
    said = f"100.0 mg drawn = 41.2 given + 58.8 wasted (witness {made.witness.display_name})"
    assert shown(made.day) == (State.DONE, said, "")


def test_an_infusion_that_runs_without_a_draw_asks_for_one() -> None:
    made = stocked(observing())
    assert shown(made.day)[0] is State.ASKS


def test_the_section_needs_one_query_when_something_can_be_drawn_and_none_before(
    made: Stocked, queries: Queries
) -> None:
    for _ in range(5):
        make_lot(made.day.booking.location, made.nurse)
    desk = made.day.desk(ten())
    with queries("stock section", at_most=1):
        found = section(desk, made.nurse)
    assert found.act
    before = in_chair(clinic=made.day.clinic, slug="T-2").desk(ten())
    with queries("stock section before the order", at_most=0):
        found = section(before, made.nurse)
    assert not found.act


# -- drawing -----------------------------------------------------------------------------------------------------------
def test_lots_that_do_not_fit_are_not_offered_and_say_why(client: Client, made: Stocked) -> None:
    place = made.day.booking.location
    other = make_lot(place, made.nurse, lot_number="K50-1", concentration_mg_per_ml=FIFTY, content_mg=Decimal(500))
    make_devices(place, made.nurse, lot_number="DEVICE-1")
    page = as_(client, made.nurse).get(reverse("infusion:day", args=[made.day.pk])).content.decode()
    assert f'name="lot" value="{made.lot.pk}"' in page
    assert f'name="lot" value="{other.pk}"' not in page
    assert "The order is for 10 mg/mL, this lot has 50 mg/mL" in page
    assert "DEVICE-1" not in page


def test_a_draw_is_saved_and_the_page_says_so(client: Client, made: Stocked) -> None:
    page = draw(as_(client, made.nurse), made, status=200)
    assert "100.0 mg</strong>" in page
    assert made.lines[-1] == ("drawn", Decimal("100.0"), Decimal("300.0"))


def test_without_scripts_a_draw_leads_back_to_the_day(client: Client, made: Stocked) -> None:
    draw(as_(client, made.nurse), made, status=302, headers=None, unit="whole", amount="1")
    assert DrugDraw.objects.get().drawn_mg == Decimal("200.0")


def test_a_refused_draw_comes_back_with_what_was_typed_and_why(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    page = draw(client, made, status=422, amount="400.1")
    assert "400.0 mg are left of this lot" in page
    assert 'value="400.1"' in page
    assert "Choose the lot" in draw(client, made, status=422, lot="")
    assert "whole number" in draw(client, made, status=422, unit="whole", amount="0.5")
    draw(client, made, status=422, amount="")
    assert not DrugDraw.objects.exists()


def test_a_second_click_on_draw_is_a_conflict(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    draw(client, made, status=200)
    assert "Somebody has drawn" in draw(client, made, status=409)
    assert DrugDraw.objects.count() == 1


def test_no_lot_that_fits_is_said_with_what_to_do(client: Client) -> None:
    day = in_chair()
    put_order(day, ten(-3))
    page = as_(client, day.nurse).get(reverse("infusion:day", args=[day.pk])).content.decode()
    assert "fits this order" in page
    assert reverse("stock:lots") in page


# -- the account -------------------------------------------------------------------------------------------------------
@pytest.fixture
def after(made: Stocked) -> Stocked:
    """100.0 mg drawn, 41.2 mg infused from 10:00 to 10:40."""
    drawn(made)
    put_tap(made.day, "start", ten(), order=made.day.desk(ten()).order)
    put_tap(made.day, "end", ten(40))
    return made


def test_the_fields_are_empty_until_somebody_takes_what_the_record_says(client: Client, after: Stocked) -> None:
    address = reverse("infusion:stock_account", args=[after.day.pk, DrugDraw.objects.get().pk])
    empty = as_(client, after.nurse).get(address, headers=HTMX).content.decode()
    assert "41.2 mg given, 58.8 mg waste" in empty
    assert 'value="41.2"' not in empty
    filled = client.get(address, {"use": "record"}, headers=HTMX).content.decode()
    assert 'value="41.2"' in filled
    assert 'value="58.8"' in filled
    assert after.witness.display_name in filled
    assert "<html" in client.get(address).content.decode()


def test_the_account_is_saved_with_the_witness_and_refused_without(client: Client, after: Stocked) -> None:
    as_(client, after.nurse)
    page = close(client, after, status=422, second_password="guess")
    assert "not the password" in page
    assert 'value="58.8"' in page  # what was typed is still there
    close(client, after, status=422, second=after.nurse.pk)
    close(client, after, status=422, second="")
    assert DrugDraw.objects.get().closed_at is None
    close(client, after, status=200)
    assert DrugDraw.objects.get().witness == after.witness
    assert close(client, after, status=409).count("Nothing was overwritten") == 1


def test_an_account_that_does_not_add_up_says_by_how_much(client: Client, after: Stocked) -> None:
    as_(client, after.nurse)
    assert "0.1 mg too little" in close(client, after, status=422, wasted_mg="58.7")
    assert "Say why" in close(client, after, status=422, given_mg="41.0", wasted_mg="59.0")
    close(client, after, status=422, given_mg="")  # empty is not zero
    assert "<html" in close(client, after, status=422, wasted_mg="58.7", headers=None)
    close(client, after, status=302, headers=None)


def test_nothing_wasted_needs_no_witness(client: Client, after: Stocked) -> None:
    data = {"given_mg": "41.2", "wasted_mg": "0", "returned_mg": "58.8", "second": "", "second_password": ""}
    close(as_(client, after.nurse), after, status=200, **data)
    assert after.lines[-1] == ("returned", Decimal("58.8"), Decimal("358.8"))


def test_a_draw_for_a_withheld_visit_is_accounted_for_on_its_page(client: Client, made: Stocked) -> None:
    drawn(made)
    bookings.release([made.day.pk], status=BookingStatus.WITHHELD, reason="BP", by=made.nurse, now=ten(2))
    as_(client, made.nurse)
    page = client.get(reverse("infusion:day", args=[made.day.pk])).content.decode()
    assert "Account for it" in page
    assert reverse("infusion:stock_draw", args=[made.day.pk]) not in page
    close(client, made, status=200, given_mg="0", wasted_mg="100.0")
    assert DrugDraw.objects.get().wasted_mg == Decimal("100.0")


def test_a_draw_of_another_visit_is_not_found(client: Client, after: Stocked) -> None:
    other = in_chair(clinic=after.day.clinic, slug="T-2")
    address = reverse("infusion:stock_account", args=[other.pk, DrugDraw.objects.get().pk])
    assert as_(client, after.nurse).get(address).status_code == 404


def test_only_those_who_handle_the_drug_draw_it(client: Client, made: Stocked) -> None:
    for user in (made.day.clinic.desk, made.day.clinic.manager):
        draw(as_(client, user), made, status=403)
    assert not DrugDraw.objects.exists()
    draw(as_(client, made.day.clinician), made, status=200)
    assert DrugDraw.objects.get().drawn_by == made.day.clinician
