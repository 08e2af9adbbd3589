"""The pages of the ketamine log: the shelf, a lot's log, counting and settling, the inventory, the file; who may what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, User
from clinic.tests.factories import make_location
from clinic.tests.fixtures.ledger import Queries
from courses.models import Discrepancy, DrugLot, StockEntry
from courses.pure.stock import Split
from courses.services import stock, stock_shelf
from courses.tests.day_kit import observing, ten
from courses.tests.stock_kit import Stocked, make_lot, stocked
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
PASSWORD = "a-second-person-7"
NOW = ten(60)


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def made() -> Stocked:
    """400.0 mg received; 100.0 drawn, of which 41.2 given and 58.8 wasted before Petra Novak."""
    found = stocked(observing(patient=make_patient(family_name="Okafor & <b>", phones=["+12125550111"])))
    found.witness.set_password(PASSWORD)
    found.witness.save()
    drawn = stock.draw(
        booking_id=found.day.pk, lot_id=found.lot.pk, amount_mg=Decimal("100.0"), by=found.nurse, now=ten(41)
    )
    split = Split(Decimal("41.2"), Decimal("58.8"), Decimal("0.0"))
    stock.close_draw(draw_id=drawn.pk, split=split, witness=found.witness, by=found.nurse, now=ten(50))
    return found


def as_(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def page(client: Client, name: str, *args: Any, status: int = 200, **query: str) -> str:
    answer = client.get(reverse(f"stock:{name}", args=args), query)
    assert answer.status_code == status
    return answer.content.decode()


def post(client: Client, name: str, *args: Any, status: int, **data: object) -> str:
    answer = client.post(reverse(f"stock:{name}", args=args), data)
    assert answer.status_code == status, answer.content.decode()[-3000:]
    return answer.content.decode()


def cosign(made: Stocked, password: str = PASSWORD) -> dict[str, object]:
    return {"second": made.witness.pk, "second_password": password}


# -- who ---------------------------------------------------------------------------------------------------------------
def test_the_manager_reads_and_does_not_act_and_the_front_desk_does_neither(client: Client, made: Stocked) -> None:
    as_(client, made.day.clinic.manager)
    shown = page(client, "lots") + page(client, "lot", made.lot.pk)
    assert "Add a lot" not in shown
    assert reverse("stock:count", args=[made.lot.pk]) not in shown
    assert reverse("infusion:day", args=[made.day.pk]) not in shown  # a manager reads no infusion record
    post(client, "receive", made.lot.pk, status=403, units=1, seen=4)
    as_(client, made.day.clinic.desk)
    page(client, "lots", status=403)
    client.logout()
    assert client.get(reverse("stock:lots")).status_code == 302


# -- the shelf ---------------------------------------------------------------------------------------------------------
def test_the_shelf_shows_each_lot_with_its_balance_in_mg_and_vials(client: Client, made: Stocked) -> None:
    make_lot(made.lot.location, made.nurse, lot_number="OLD-1", expires_on=ten().date() - timedelta(days=1))
    make_lot(made.lot.location, made.nurse, lot_number="SOON-1", expires_on=ten().date() + timedelta(days=60))
    make_lot(make_location("Lakeside"), made.nurse, lot_number="ELSEWHERE-1")
    shown = page(as_(client, made.nurse), "lots")
    assert "300.0" in shown
    assert "1 vial + 100.0 mg" in shown
    assert "10 mg/mL, 200 mg in a vial" in shown
    assert shown.count("Expires soon") == 1
    assert shown.count("Expired") == 1
    assert "ELSEWHERE-1" not in shown
    assert "OLD-1" not in page(client, "lots", drug="esketamine")
    assert "No lot matches" in page(client, "lots", drug="esketamine")


def test_an_empty_shelf_says_how_to_begin_to_those_who_may(client: Client) -> None:
    day = observing()
    assert "Put the first lot on the list" in page(as_(client, day.nurse), "lots")
    assert "Nurses and prescribers" in page(as_(client, day.clinic.manager), "lots")


def test_draws_of_yesterday_and_discrepancies_wait_on_the_shelf(client: Client, made: Stocked) -> None:
    stock.draw(booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=Decimal("10.0"), by=made.nurse, now=ten(55))
    stock_shelf.count_lot(lot_id=made.lot.pk, counted_mg=Decimal("289.0"), by=made.nurse, now=ten(56))
    shown = page(as_(client, made.nurse), "lots")
    assert "Two people explain and sign" in shown
    assert "not accounted for" not in shown  # of today: the infusion's page asks
    with time_machine.travel(NOW + timedelta(days=1), tick=False):
        shown = page(as_(client, made.nurse), "lots")
    assert "not accounted for" in shown
    assert "Okafor &amp; &lt;b&gt;" in shown


@pytest.mark.parametrize("rows", [2, 20])
def test_the_shelf_needs_no_more_queries_for_many_lots(
    client: Client, made: Stocked, queries: Queries, rows: int
) -> None:
    for _ in range(rows):
        make_lot(made.lot.location, made.nurse)
    as_(client, made.nurse)
    with queries("stock lots"):
        shown = page(client, "lots")
    assert shown.count(reverse("stock:lots")) > 0


# -- one lot -----------------------------------------------------------------------------------------------------------
def test_the_log_of_a_lot_reads_line_by_line_with_both_people_and_the_patient(client: Client, made: Stocked) -> None:
    shown = page(as_(client, made.nurse), "lot", made.lot.pk)
    for kind in ("Received", "Drawn", "Given", "Wasted"):
        assert kind in shown
    assert "witness Petra Novak" in shown
    assert "Okafor &amp; &lt;b&gt;" in shown
    assert "<b>," not in shown
    assert reverse("infusion:day", args=[made.day.pk]) in shown
    assert "1–4 of 4 lines" in shown


def test_the_log_is_filtered_by_kind_and_days_and_says_when_nothing_fits(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    assert "1–1 of 1 lines" in page(client, "lot", made.lot.pk, kind="wasted")
    assert "1–3 of 3 lines" in page(client, "lot", made.lot.pk, since="2027-04-05")
    assert "1–1 of 1 lines" in page(client, "lot", made.lot.pk, until="2027-04-04")
    assert "No line matches" in page(client, "lot", made.lot.pk, kind="destroyed")
    assert "1–4 of 4 lines" in page(client, "lot", made.lot.pk, kind="nonsense", since="0001-01-01", until="x")


@pytest.mark.parametrize("rows", [2, 20])
def test_a_log_needs_no_more_queries_for_many_lines(client: Client, made: Stocked, queries: Queries, rows: int) -> None:
    for number in range(rows):
        drawn = stock.draw(
            booking_id=made.day.pk, lot_id=made.lot.pk, amount_mg=Decimal("1.0"), by=made.nurse, now=ten(51 + number)
        )
        stock.close_draw(
            draw_id=drawn.pk,
            split=Split(Decimal(0), Decimal("1.0"), Decimal(0)),
            witness=made.witness,
            by=made.nurse,
            now=ten(51 + number),
        )
    as_(client, made.nurse)
    with queries("stock lot"):
        shown = page(client, "lot", made.lot.pk)
    assert shown.count("Wasted") >= rows


def test_a_lot_that_is_not_there_is_not_found(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    for name, args, asked in (
        ("lot", [made.lot.pk + 99], {}),
        ("count", [made.lot.pk + 99], {}),
        ("discrepancy", [99], {}),
        ("log_csv", [], {"lot": str(made.lot.pk + 99)}),
    ):
        assert client.get(reverse(f"stock:{name}", args=args), asked).status_code == 404, name


# -- acts --------------------------------------------------------------------------------------------------------------
def test_a_lot_is_added_with_what_came_and_refused_with_the_reason(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    values = {"drug": "ketamine", "lot_number": "N-1", "content_mg": "500", "expires_on": "2028-01-31", "units": "2"}
    assert "A vial needs its concentration" in post(client, "lot_new", status=422, **values)
    values["concentration_mg_per_ml"] = "50"
    assert "no concentration" in post(client, "lot_new", status=422, **(values | {"drug": "esketamine"}))
    assert "This day is past" in post(client, "lot_new", status=422, **(values | {"expires_on": "2027-04-04"}))
    assert not DrugLot.objects.filter(lot_number="N-1").exists()
    post(client, "lot_new", status=302, **values)
    assert StockEntry.objects.get(lot__lot_number="N-1").balance_mg == Decimal("1000.0")
    assert "on the list already" in post(client, "lot_new", status=422, **values)


def test_receiving_twice_from_one_page_is_a_conflict_that_shows_the_last_line(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    post(client, "receive", made.lot.pk, status=302, units=1, seen=4)
    shown = post(client, "receive", made.lot.pk, status=409, units=1, seen=4)
    assert "now line 5: received" in shown
    assert 'name="seen" value="5"' in shown
    assert made.lines[-1] == ("received", Decimal("200.0"), Decimal("500.0"))
    post(client, "receive", made.lot.pk, status=422, units=0, seen=5)


def test_counting_does_not_show_what_the_log_says(client: Client, made: Stocked) -> None:
    shown = page(as_(client, made.nurse), "count", made.lot.pk)
    assert "300.0" not in shown
    assert "100.0" not in shown
    post(client, "count", made.lot.pk, status=302, whole=1, rest_mg="100.0", seen=4)
    assert made.lines[-1] == ("counted", Decimal("300.0"), Decimal("300.0"))
    assert not Discrepancy.objects.exists()


def test_destruction_is_signed_by_a_second_person_with_their_password(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    data = {"amount_mg": "300.0", "reason": "Expired, Form 41", "seen": 4}
    assert "not the password" in post(client, "destroy", made.lot.pk, status=422, **data, **cosign(made, "guess"))
    assert len(made.entries) == 4
    post(client, "destroy", made.lot.pk, status=302, **data, **cosign(made))
    assert made.entries[-1].witness == made.witness


def test_a_discrepancy_is_signed_by_one_person_and_settled_by_another(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    post(client, "count", made.lot.pk, status=302, whole=1, seen=4)
    found = Discrepancy.objects.get()
    assert "−100" in page(client, "discrepancy", found.pk) or "-100.0" in page(client, "discrepancy", found.pk)
    post(client, "sign_discrepancy", found.pk, status=422, explanation="")
    post(client, "sign_discrepancy", found.pk, status=302, explanation="An opened vial was thrown away")
    assert "You signed first" in page(client, "discrepancy", found.pk)
    assert "not the password" in post(client, "settle", found.pk, status=422, **cosign(made, "guess"))
    post(client, "settle", found.pk, status=422)
    assert len(made.entries) == 5
    as_(client, made.day.clinic.manager)
    assert "Waits for a second nurse" in page(client, "discrepancy", found.pk)
    as_(client, made.witness)
    post(client, "settle", found.pk, status=302)
    assert made.lines[-1] == ("corrected", Decimal("100.0"), Decimal("200.0"))
    post(client, "settle", found.pk, status=409)
    assert "Second signature" in page(client, "discrepancy", found.pk)


def test_the_second_person_may_sign_at_the_same_device(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    post(client, "count", made.lot.pk, status=302, whole=1, seen=4)
    found = Discrepancy.objects.get()
    post(client, "sign_discrepancy", found.pk, status=302, explanation="Broke", is_loss_reported="on")
    post(client, "settle", found.pk, status=302, **cosign(made))
    found.refresh_from_db()
    assert (found.first_by, found.settled_by, found.is_loss_reported) == (made.nurse, made.witness, True)


# -- inventory and file ------------------------------------------------------------------------------------------------
def test_the_inventory_of_a_day_is_printable_with_lines_to_sign(client: Client, made: Stocked) -> None:
    as_(client, made.day.clinic.manager)
    shown = page(client, "inventory", on="2027-04-04")
    assert "400.0" in shown
    assert "at the close of business on Sun 4 Apr 2027" in shown
    assert "Counted by" in shown
    assert "at least two years" in shown
    assert "300.0" in page(client, "inventory")
    assert "still to come" in page(client, "inventory", on="2027-04-06")
    assert "Nothing was on the shelf" in page(client, "inventory", on="2026-01-01")
    page(client, "inventory", on="0001-01-01")
    page(client, "inventory", on="9999-12-31")


@pytest.mark.parametrize("rows", [2, 20])
def test_the_inventory_needs_no_more_queries_for_many_lots(
    client: Client, made: Stocked, queries: Queries, rows: int
) -> None:
    for _ in range(rows):
        make_lot(made.lot.location, made.nurse)
    as_(client, made.nurse)
    with queries("stock inventory"):
        shown = page(client, "inventory")
    assert shown


def rows_of_csv(client: Client, **query: str) -> list[list[str]]:
    answer = client.get(reverse("stock:log_csv"), query)
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_the_file_has_every_line_of_the_period_with_the_running_balance(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    head, *lines = rows_of_csv(client, since="2027-04-05", until="2027-04-05")
    found = [dict(zip(head, line, strict=True)) for line in lines]
    assert [one["Kind"] for one in found] == ["Drawn", "Given", "Wasted"]
    assert [one["Out (mg)"] for one in found] == ["100.0", "", ""]
    assert {one["Balance (mg)"] for one in found} == {"300.0"}
    assert found[2]["Witness"] == made.witness.display_name
    assert found[0]["Patient"] == "Okafor & <b>, Ada"
    assert len(rows_of_csv(client, lot=str(made.lot.pk))) == 5


def test_the_file_is_a_reading_of_each_patient_that_it_names(client: Client, made: Stocked) -> None:
    as_(client, made.nurse)
    rows_of_csv(client, since="2027-04-06")
    assert not AccessLog.objects.exists()
    for _ in range(2):
        rows_of_csv(client)
    told = AccessLog.objects.values_list("user", "subject", "page", "path", "reason")
    read = "Log of the controlled drug, CSV", reverse("stock:log_csv"), "Downtown, all lots"
    assert list(told) == [(made.nurse.pk, made.day.patient.resource_id, *read)] * 2


def test_no_cell_of_the_file_is_a_formula(client: Client, made: Stocked) -> None:
    for text in ("=1+1", "+1", "-1", "@SUM(A1)"):
        stock_shelf.receive(lot_id=made.lot.pk, units=1, invoice=text, by=made.nurse, now=NOW)
    cells = [cell for line in rows_of_csv(as_(client, made.nurse)) for cell in line]
    assert {"'=1+1", "'+1", "'-1", "'@SUM(A1)"} <= set(cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
