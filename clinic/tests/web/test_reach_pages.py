"""The way through: the page that asks for a reason, the notice while a record is open, the managers' list, the set-up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, Location, Opening, RolePolicy, User, WorkPlace
from clinic.pure.roles import Role
from clinic.tests.factories import make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.web.addresses import NOW
from patients.models import Patient
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
WHY = {"kind": "here", "reason": "asks to move her visit"}
BANNER = "A record of another location, opened with a reason."


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def lakeside(db: None) -> Location:
    return make_location("Lakeside")


@pytest.fixture
def ada(lakeside: Location) -> Patient:
    return make_patient(phones=["+12125550123"], home_location=lakeside)


@pytest.fixture
def desk(db: None) -> User:
    """Front desk of Downtown, which works."""
    return make_clinic().desk


def record_of(patient: Patient) -> str:
    return reverse("patients:detail", args=[patient.pk])


def ask(client: Client, patient: Patient, **more: str) -> Any:
    address = reverse("setup:open_record", args=[patient.resource_id])
    return client.post(address, WHY | {"next": record_of(patient)} | more)


def test_the_record_opens_with_a_reason_says_so_and_closes_again(client: Client, desk: User, ada: Patient) -> None:
    bo = make_patient("Bo", "Berg", home_location=ada.home_location)
    client.force_login(desk)
    refused = client.get(record_of(ada))
    assert refused.status_code == 403
    assert "This patient belongs to Lakeside" in refused.content.decode()
    assert "Okafor" not in refused.content.decode()
    assert ask(client, ada)["Location"] == record_of(ada)
    page = client.get(record_of(ada))
    assert page.status_code == 200
    assert BANNER in page.content.decode()
    assert "asks to move her visit" in page.content.decode()
    assert client.get(record_of(bo)).status_code == 403
    client.post(reverse("setup:close_record", args=[Opening.objects.get().pk]))
    assert client.get(record_of(ada)).status_code == 403


def test_what_is_read_meanwhile_stands_in_the_log_with_the_reason(client: Client, desk: User, ada: Patient) -> None:
    client.force_login(desk)
    ask(client, ada)
    client.get(record_of(ada))
    client.get(reverse("patients:bookings", args=[ada.pk]))
    rows = AccessLog.objects.filter(subject=ada.resource)
    assert rows.count() == 3
    assert set(rows.values_list("reason", flat=True)) == {
        "The patient is here, or on the phone: asks to move her visit"
    }


def test_it_is_over_after_twelve_hours(client: Client, desk: User, ada: Patient) -> None:
    client.force_login(desk)
    ask(client, ada)
    until = Opening.objects.get().until
    with time_machine.travel(until - timedelta(seconds=1), tick=False):
        client.force_login(desk)
        assert client.get(record_of(ada)).status_code == 200
    with time_machine.travel(until, tick=False):
        client.force_login(desk)
        assert client.get(record_of(ada)).status_code == 403


@pytest.mark.parametrize("odd", [{"reason": "x"}, {"reason": ""}, {"kind": "boredom"}, {"reason": "       x        "}])
def test_hardly_a_reason_opens_nothing_and_the_form_says_why(
    client: Client, desk: User, ada: Patient, odd: dict[str, str]
) -> None:
    client.force_login(desk)
    answer = ask(client, ada, **odd)
    assert answer.status_code == 422
    assert "invalid-feedback" in answer.content.decode()
    assert not Opening.objects.exists()


def test_the_way_back_leads_nowhere_else(client: Client, desk: User, ada: Patient) -> None:
    client.force_login(desk)
    assert ask(client, ada, next="https://elsewhere.example/")["Location"] == "/"


def test_whoever_reaches_the_patient_anyway_is_not_asked(client: Client, desk: User, ada: Patient) -> None:
    client.force_login(make_user(Role.NURSE))
    assert ask(client, ada)["Location"] == record_of(ada)
    assert not Opening.objects.exists()


def test_a_piece_of_a_page_leads_to_the_reason_and_a_form_keeps_what_was_typed(
    client: Client, desk: User, ada: Patient
) -> None:
    client.force_login(desk)
    looked = client.get(record_of(ada), headers=HTMX)
    assert looked.status_code == 403
    assert looked["HX-Redirect"].startswith(reverse("setup:open_record", args=[ada.resource_id]))
    typed = client.post(reverse("patients:status", args=[ada.pk]), {"status": "inactive"}, headers=HTMX)
    assert (typed.status_code, "HX-Redirect" in typed) == (403, False)
    assert typed["X-Cadence-Elsewhere"] == "This patient belongs to Lakeside, so nothing was done."
    ada.refresh_from_db()
    assert ada.status == "active"


# -- managers ----------------------------------------------------------------------------------------------------------
def test_a_manager_sees_who_opened_what_and_looks_at_it(client: Client, desk: User, ada: Patient) -> None:
    client.force_login(desk)
    ask(client, ada)
    manager = User.objects.get(username="manager")
    client.force_login(manager)
    assert "1 opened with a reason, to look at" in client.get(reverse("setup:index")).content.decode()
    page = client.get(reverse("setup:openings")).content.decode()
    for said in ("Maya Lindqvist", "Ada Okafor", f"MRN {ada.mrn}", "Lakeside", "asks to move her visit"):
        assert said in page
    row = Opening.objects.get()
    client.post(reverse("setup:look_at", args=[row.pk]), {"note": "Called her."})
    row.refresh_from_db()
    assert (row.seen_by, row.seen_note) == (manager, "Called her.")
    assert "Nothing to look at" in client.get(reverse("setup:openings")).content.decode()
    assert "Called her." in client.get(reverse("setup:openings"), {"show": "all"}).content.decode()
    again = client.post(reverse("setup:look_at", args=[row.pk]), {"note": "Me too."})
    assert (again.status_code, "has looked at it already" in again.content.decode()) == (409, True)


def test_nobody_looks_at_their_own(client: Client, desk: User, ada: Patient) -> None:
    desk.roles = [Role.FRONT_DESK.value, Role.MANAGER.value]
    desk.save()
    RolePolicy.objects.create(role=Role.MANAGER, own_locations_only=True)
    client.force_login(desk)
    ask(client, ada)
    answer = client.post(reverse("setup:look_at", args=[Opening.objects.get().pk]), {"note": ""})
    assert answer.status_code == 422
    assert "another manager" in answer.content.decode()
    assert Opening.objects.get().seen_at is None


@pytest.mark.parametrize("odd", [{"first_day": "9999-12-31"}, {"last_day": "0001-01-01"}, {"person": "nobody"}])
def test_odd_filters_are_refused_beside_their_field(client: Client, desk: User, odd: dict[str, str]) -> None:
    client.force_login(User.objects.get(username="manager"))
    assert client.get(reverse("setup:openings"), odd).status_code == 422


def test_a_manager_says_where_somebody_works_and_which_roles_are_limited(
    client: Client, desk: User, ada: Patient, lakeside: Location
) -> None:
    client.force_login(User.objects.get(username="manager"))
    client.post(
        reverse("setup:staff_edit", args=[desk.pk]),
        {
            "first_name": "Maya", "last_name": "Lindqvist", "username": desk.username, "roles": ["front_desk"], "lanes": 3,
            "home_location": desk.home_location_id, "locations": [lakeside.pk],
        },
    )  # fmt: skip
    assert [place.location for place in WorkPlace.objects.filter(user=desk)] == [lakeside]
    page = client.get(reverse("setup:staff")).content.decode()
    assert "Downtown, Lakeside" in page
    WorkPlace.objects.all().delete()
    client.post(reverse("setup:own_locations"), {"roles": []})
    client.force_login(desk)
    assert client.get(record_of(ada)).status_code == 200
    client.force_login(User.objects.get(username="manager"))
    client.post(reverse("setup:own_locations"), {"roles": ["front_desk"]})
    client.force_login(desk)
    assert client.get(record_of(ada)).status_code == 403


def test_who_has_no_location_is_named_to_the_manager(client: Client, desk: User) -> None:
    User.objects.filter(pk=desk.pk).update(home_location=None)
    client.force_login(User.objects.get(username="manager"))
    assert "no location said, so all" in client.get(reverse("setup:staff")).content.decode()
    assert "Without a location, so they open every patient" in client.get(reverse("setup:index")).content.decode()
    assert "1 of 1 without a location" in client.get(reverse("setup:own_locations")).content.decode()


def test_nobody_gives_themselves_another_location(client: Client, desk: User, ada: Patient, lakeside: Location) -> None:
    own = desk.home_location
    client.force_login(desk)
    mine = {"first_name": "Maya", "last_name": "Lindqvist", "title": ""}
    assert client.post(reverse("setup:me"), mine | {"home_location": lakeside.pk}).status_code == 422
    client.post(reverse("setup:me"), mine | {"home_location": ""})  # "the first one" is no way out either
    desk = User.objects.get(pk=desk.pk)
    assert (desk.home_location, desk.reach) == (None, frozenset({own.pk if own else 0}))
    assert client.get(record_of(ada)).status_code == 403


def test_an_import_of_somebody_else_is_not_shown_to_whoever_is_limited(client: Client, desk: User) -> None:
    from patients.models import ImportRun  # noqa: PLC0415

    run = ImportRun.objects.create(by=User.objects.get(username="manager"), created_at=NOW, state="done")
    client.force_login(desk)
    assert client.get(reverse("patients:import_run", args=[run.pk])).status_code == 404
    client.force_login(User.objects.get(username="manager"))
    assert client.get(reverse("patients:import_run", args=[run.pk])).status_code == 200


def test_the_gate_costs_a_page_no_query(client: Client, desk: User, queries: Queries) -> None:
    patient = make_patient(phones=["+12125550124"], home_location=desk.home_location)
    for person, name in ((desk, "limited"), (make_user(Role.FRONT_DESK), "not limited")):
        client.force_login(person)
        with queries(f"patient record, front desk, {name}", at_most=12):
            assert client.get(record_of(patient)).status_code == 200
