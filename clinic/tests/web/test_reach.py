"""Every address, asked by people of another location: what belongs to a patient or a place elsewhere stays closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from clinic.edge.reach import Open, rule_of
from clinic.models import AccessLog, Booking, Location, RolePolicy, User
from clinic.pure.roles import Role
from clinic.tests.factories import make_clinic, make_user
from clinic.tests.web.addresses import Address, every_address
from clinic.tests.web.things import BESIDE, OF_NOBODY, WORDS, path_to, thing_of
from courses.tests.reach_kit import There, somebody_else

GUARDED = [address for address in every_address() if not address.public_because]
ELSEWHERE = "belongs to Downtown"

BOUND = [address for address in GUARDED if thing_of(address)]


def test_every_address_says_to_whom_it_belongs() -> None:
    silent = [str(address) for address in GUARDED if rule_of(address.name) is None]
    assert silent == [], (
        "Say in ADDRESSES (clinic/edge/reach.py, patients/services/reach.py, courses/services/reach.py) whether these "
        "open a patient's, a location's, or nobody's things; until then nobody of one location only opens them."
    )


def test_every_address_that_names_a_thing_is_bound_to_it() -> None:
    named = [
        address
        for address in GUARDED
        if any(one not in WORDS and not re.fullmatch(BESIDE, one) for one in address.parameters)
    ]
    unknown = [
        str(address)
        for address in named
        if not thing_of(address) and not any(re.fullmatch(pattern, address.name) for pattern in OF_NOBODY)
    ]
    assert unknown == [], "say in THINGS or OF_NOBODY of this test what these addresses name"
    loose = [str(address) for address in BOUND if isinstance(rule_of(address.name), Open)]
    assert loose == []


@pytest.fixture
def there(db: None) -> There:
    RolePolicy.objects.bulk_create(RolePolicy(role=role.value, own_locations_only=True) for role in Role)
    return There()


def answers(client: Client, user: User, there: There, addresses: list[Address]) -> Iterator[tuple[Address, Any]]:
    signed_in = False
    for address in addresses:
        if not signed_in:  # the page before may have renewed the session, which is rolled back
            client.cookies.clear()
            client.force_login(user)
        path = path_to(address, there)
        with transaction.atomic():
            answer = client.get(path)
            if answer.status_code == 405:
                answer = client.post(path)
            transaction.set_rollback(True)
        signed_in = answer.status_code == 403
        yield address, answer


def is_refused(answer: Any) -> bool:
    return answer.status_code == 403 and ELSEWHERE in answer.content.decode()


@pytest.mark.parametrize("role", list(Role))
def test_people_of_another_location_open_nothing_of_this_one(role: Role, there: There, client: Client) -> None:
    stranger = somebody_else(role)
    wrong = [
        f"{address}: {answer.status_code}"
        for address, answer in answers(client, stranger, there, BOUND)
        if is_refused(answer) == address.capabilities.isdisjoint(c for c in address.capabilities if stranger.can(c))
    ]
    assert wrong == [], "refused by location exactly where the role would have opened it"


def test_no_form_of_another_location_is_taken(there: There, client: Client) -> None:
    everything, wrong = somebody_else(*Role), []
    client.force_login(everything)
    before = AccessLog.objects.count()
    for address in BOUND:
        answer = client.post(path_to(address, there), {"version": 1, "reason": "because"})
        if not is_refused(answer):
            wrong.append(f"{address}: {answer.status_code}")
    assert wrong == []
    assert AccessLog.objects.count() == before


def test_people_of_this_location_are_never_told_that_it_is_another(there: There, client: Client) -> None:
    own = somebody_else(*Role, place=there.place)
    assert [str(address) for address, answer in answers(client, own, there, BOUND) if is_refused(answer)] == []


@pytest.mark.parametrize("role", list(Role))
def test_one_role_without_a_limit_is_enough(role: Role, there: There, client: Client) -> None:
    client.force_login(somebody_else(*Role))
    record = reverse("patients:detail", args=[there.rows["patient"].pk])
    assert is_refused(client.get(record))
    RolePolicy.objects.filter(role=role).update(own_locations_only=False)
    assert client.get(record).status_code == 200


# -- what is named in the query or in a form ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "parameter", "thing"),
    [
        ("intake:slots", "patient", "patient"),
        ("intake:slots", "who", "patient"),
        ("intake:slots", "request", "request"),
        ("intake:slots", "move", "booking"),
        ("courses:new_visit", "patient", "patient"),
        ("courses:new_visit", "patient_id", "patient"),
        ("stock:log_csv", "lot", "lot"),
        ("reports:courses", "course", "course"),
    ],
)
def test_a_number_beside_the_address_opens_nothing_however_it_is_spelt(
    there: There, client: Client, name: str, parameter: str, thing: str
) -> None:
    client.force_login(somebody_else(*Role))
    for spelling in ("{}", "{}.0", " +{} "):
        asked = {parameter: spelling.format(there.rows[thing].pk)}
        assert is_refused(client.get(reverse(name), asked)), spelling
        assert is_refused(client.post(reverse(name), asked)), spelling


def test_somebody_elses_patient_is_not_linked_to_an_own_request(there: There, client: Client) -> None:
    from patients.tests.factories import make_request  # noqa: PLC0415

    person = somebody_else(Role.FRONT_DESK)
    assert person.home_location is not None
    mine = make_request(person.home_location)
    client.force_login(person)
    answer = client.post(
        reverse("intake:request_link", args=[mine.pk]), {"patient": there.rows["patient"].pk, "version": 1}
    )
    mine.refresh_from_db()
    assert is_refused(answer)
    assert mine.patient is None


def test_what_is_not_there_is_404_and_what_is_elsewhere_403(there: There, client: Client) -> None:
    client.force_login(somebody_else(Role.FRONT_DESK))
    assert client.get(reverse("patients:detail", args=[987_654_321])).status_code == 404
    assert client.get(reverse("patients:detail", args=[there.rows["patient"].pk])).status_code == 403


def test_an_address_of_which_nothing_is_said_stays_closed_to_whoever_is_limited(
    there: There, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinic.edge.reach.rule_of", lambda _: None)
    client.force_login(somebody_else(Role.FRONT_DESK))
    assert client.get(reverse("patients:list")).status_code == 403
    client.force_login(make_user(Role.FRONT_DESK))  # nobody said where: not limited
    assert client.get(reverse("patients:list")).status_code == 200


# -- locations ---------------------------------------------------------------------------------------------------------
def test_only_own_locations_are_offered_and_chosen(there: There, client: Client) -> None:
    person = somebody_else(Role.FRONT_DESK)
    client.force_login(person)
    assert is_refused(client.post(reverse("setup:choose_location", args=[there.place.pk])))
    page = client.get(reverse("courses:today"))
    assert [place.name for place in page.context["locations"]] == ["Uptown"]
    assert page.context["current_location"].name == "Uptown"


def test_a_location_that_is_chosen_in_the_session_is_left_when_it_is_no_longer_theirs(
    there: There, client: Client
) -> None:
    person = somebody_else(Role.FRONT_DESK)
    person.work_places.create(location=there.place)
    client.force_login(person)
    client.post(reverse("setup:choose_location", args=[there.place.pk]))
    assert client.get(reverse("courses:today")).context["current_location"] == there.place
    person.work_places.all().delete()
    assert client.get(reverse("courses:today")).context["current_location"].name == "Uptown"
    assert client.get(reverse("patients:detail", args=[there.rows["patient"].pk])).status_code == 403


LISTS = (
    "courses:today", "courses:calendar", "courses:list", "board:board", "worklists:all", "worklists:waiting",
    "intake:board", "intake:closed", "outbox:list", "outbox:calls", "outbox:answers", "alerts:list", "patients:list",
    "courses:rems", "stock:lots",
)  # fmt: skip


@pytest.mark.parametrize("asked", [{}, {"location": "all"}, {"location": "there"}])
def test_no_list_names_a_patient_of_another_location(there: There, client: Client, asked: dict[str, str]) -> None:
    client.force_login(somebody_else(*Role))
    asked = {name: str(there.place.pk) if value == "there" else value for name, value in asked.items()}
    named = []
    for name in LISTS:
        page = client.get(reverse(name), asked | {"day": "2027-04-05"})
        assert page.status_code == 200, name
        named += [name] if "Okafor" in page.content.decode() or "Calloway" in page.content.decode() else []
    assert named == []


def test_search_shows_of_another_location_only_who_it_is_and_where(there: There, client: Client) -> None:
    patient = there.rows["patient"]
    client.force_login(somebody_else(Role.FRONT_DESK))
    pages = (
        client.get(reverse("patients:quick"), {"q": "okafor"}),
        client.get(reverse("patients:quick"), {"q": "5550111"}),
        client.get(reverse("patients:list"), {"q": "okafor", "reach": "all"}),
        client.get(reverse("intake:slots"), {"q": "okafor"}),
        client.post(
            reverse("patients:duplicates"), {"given_name": "Ada", "family_name": "Okafor", "birth_date": "1985-03-14"}
        ),
        client.post(reverse("courses:new_visit"), {"kind": "consultation", "patient": "okafor"}),
    )
    for page in pages:
        text = page.content.decode()
        assert f"MRN {patient.mrn}" in text or patient.mrn in text
        assert "1985" in text
        assert "Downtown" in text
        for hidden in ("14 Mar 1985", "Mar 1985", "555-0111", "555 0111", "5550111<"):
            assert hidden not in text, (hidden, page.request["PATH_INFO"])


def test_the_list_begins_with_own_patients(there: There, client: Client) -> None:
    client.force_login(somebody_else(Role.FRONT_DESK))
    assert client.get(reverse("patients:list")).context["listing"].total == 0
    assert client.get(reverse("patients:list"), {"reach": "all"}).context["listing"].total == 2


def test_a_consultation_is_not_booked_by_typing_the_name_of_somebody_elses_patient(
    there: There, client: Client
) -> None:
    patient = there.rows["patient"]
    uptown = make_clinic("Uptown")
    client.force_login(uptown.desk)
    asked = {
        "kind": "consultation",
        "patient": patient.mrn,
        "day": "2027-04-12",
        "start": "10:00",
        "length_min": "60",
        "clinician": uptown.clinician.resource_id,
        "station": uptown.room.pk,
    }
    page = client.post(reverse("courses:new_visit"), asked)
    assert not Booking.objects.filter(location=uptown.location).exists()
    assert page.status_code == 422
    assert escape(f"{patient.list_name} belongs to Downtown.") in page.content.decode()


def test_reports_count_only_own_locations(there: There, client: Client) -> None:
    Location.objects.create(name="Third", short_name="Third")
    person = somebody_else(Role.FRONT_DESK)
    client.force_login(person)
    for asked in ({}, {"location": str(there.place.pk)}):
        page = client.get(reverse("reports:page", args=["operations"]), asked)
        choices = next(one for one in page.context["bar"].first if one.name == "location")
        assert (choices.value, [words for _, words in choices.options]) == (str(person.home_location_id), ["Uptown"])
    own = client.get(reverse("reports:file", args=["operations", "csv"]), {"location": str(there.place.pk)})
    assert "Uptown" in own.content.decode()
    assert "Downtown" not in own.content.decode()
