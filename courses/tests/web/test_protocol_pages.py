"""The pages of protocols: reading, writing a draft with its meaning beside it, publishing; who may what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import Role
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import Protocol, ProtocolVersion, VersionStatus
from courses.services import protocol_facts as facts
from courses.services import protocols as service

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 1, 4, 14, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _shipped() -> None:
    make_location()
    service.install_shipped_protocols(now=NOW)


def signed_in(client: Client, *roles: Role) -> User:
    user = make_user(*roles)
    client.force_login(user)
    return user


def version_of(slug: str, status: str = VersionStatus.PUBLISHED) -> ProtocolVersion:
    return ProtocolVersion.objects.get(protocol__slug=slug, status=status)


def draft_of(slug: str, by: User) -> ProtocolVersion:
    return service.draft_from(version_of(slug), by=by, now=NOW)


def typed(draft: ProtocolVersion, **changes: Any) -> dict[str, Any]:
    """What the form sends for a draft as it stands; "steps-0-…" and the fields can be said differently."""
    data: dict[str, Any] = {name: value for name, value in facts.values_of(draft).items() if value is not None}
    data["decision_points"] = ",".join(str(one) for one in draft.decision_points)
    steps = facts.step_values_of(draft)
    data |= {"steps-TOTAL_FORMS": len(steps), "steps-INITIAL_FORMS": len(steps)}
    for index, step in enumerate(steps):
        data |= {f"steps-{index}-{name}": value for name, value in step.items() if value is not None}
    return data | changes


def test_the_list_says_what_each_protocol_means(client: Client) -> None:
    signed_in(client, Role.FRONT_DESK)
    page = client.get(reverse("courses:protocols")).content.decode()
    assert "6 infusions 3 times a week (Mon-Wed-Fri)" in page
    assert "12 days from first to last" in page
    assert "8 do not fit into 21 days" in page  # T-2W6, clinical.md C2
    assert "New protocol" not in page  # the desk reads, it does not edit


def test_a_version_shows_clinic_settings_meaning_and_publications(client: Client) -> None:
    signed_in(client, Role.NURSE)
    page = client.get(reverse("courses:protocol", args=[version_of("T-2W6").pk])).content.decode()
    assert "8 infusions at twice a week need 25 days." in page
    assert "clinic setting" in page
    assert "Anand 2023 (ELEKT-D)" in page
    assert "after the 2nd and 4th infusion, and at the end" in page
    assert "Retire this protocol" not in page


def test_an_unknown_version_is_not_found(client: Client) -> None:
    signed_in(client, Role.NURSE)
    assert client.get(reverse("courses:protocol", args=[987654])).status_code == 404


def test_a_manager_writes_a_draft_and_sees_its_meaning_at_once(client: Client) -> None:
    manager = signed_in(client, Role.MANAGER)
    answer = client.post(reverse("courses:protocol_draft", args=[version_of("T-2W6").pk]))
    draft = version_of("T-2W6", VersionStatus.DRAFT)
    assert answer.headers["Location"] == reverse("courses:protocol_edit", args=[draft.pk])
    assert "6 infusions at twice a week need 18 days." in client.get(answer.headers["Location"]).content.decode()
    changes = {"n_default": 8, "steps-0-count": 8}
    meaning = client.post(
        reverse("courses:protocol_meaning", args=[draft.pk]), typed(draft, **changes), headers=HTMX
    ).content.decode()
    assert "8 infusions at twice a week need 25 days." in meaning
    assert "At most 6 fit into 21 days; 3 a week fits 8 in 17 days." in meaning
    assert draft.n_default == 6
    saved = client.post(reverse("courses:protocol_edit", args=[draft.pk]), typed(draft, **changes))
    assert saved.headers["Location"] == reverse("courses:protocol", args=[draft.pk])
    draft.refresh_from_db()
    assert (draft.n_default, draft.steps.get().count, draft.created_by) == (8, 8, manager)


def test_the_meaning_names_what_cannot_be_followed(client: Client) -> None:
    draft = draft_of("T-MWF6", signed_in(client, Role.MANAGER))
    address = reverse("courses:protocol_meaning", args=[draft.pk])
    said = client.post(address, typed(draft, **{"steps-0-min_gap_days": 3}), headers=HTMX).content.decode()
    assert "the smallest gap is 3 days" in said
    empty = client.post(address, typed(draft, n_default=""), headers=HTMX).content.decode()
    assert "Fill in the numbers" in empty


def test_a_refused_draft_comes_back_with_the_reason_and_nothing_is_saved(client: Client) -> None:
    draft = draft_of("T-MWF6", signed_in(client, Role.MANAGER))
    answer = client.post(reverse("courses:protocol_edit", args=[draft.pk]), typed(draft, n_default=7, title="Other"))
    assert answer.status_code == 422
    assert "add up to 6 infusions, but the usual number is 7" in answer.content.decode()
    draft.refresh_from_db()
    assert draft.title == "6 in 2 weeks, Mon-Wed-Fri"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dose_start": "2.0"}, "Lowest, starting and highest dose must be in this order."),
        ({"dose_start": ""}, "Give the starting dose"),
        ({"dose_basis": "last"}, "the dose is the one last given"),
        ({"infusion_min": "0"}, "These minutes are not plausible."),
        ({"decision_points": "2, x"}, "Item 2 in the array did not validate"),
    ],
)
def test_odd_values_are_refused_at_their_field(client: Client, changes: dict[str, str], said: str) -> None:
    draft = draft_of("T-MWF6", signed_in(client, Role.MANAGER))
    answer = client.post(reverse("courses:protocol_edit", args=[draft.pk]), typed(draft, **changes))
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_a_step_is_added_and_taken_out_without_javascript(client: Client) -> None:
    draft = draft_of("T-MWF6", signed_in(client, Role.MANAGER))
    address = reverse("courses:protocol_edit", args=[draft.pk])
    page = client.post(address, typed(draft, more="1")).content.decode()
    assert "Step 2" in page
    second = {
        "steps-TOTAL_FORMS": 2,
        "steps-1-count": 4,
        "steps-1-target_gap_days": 7,
        "steps-1-min_gap_days": 6,
        "steps-1-max_gap_days": 9,
        "steps-1-first_gap": "own",
    }
    client.post(address, typed(draft, n_default=10, n_max=10, **second))
    assert [step.count for step in draft.steps.all()] == [6, 4]
    draft = version_of("T-MWF6", VersionStatus.DRAFT)
    client.post(address, typed(draft, n_default=6, n_max=8, **{"steps-1-DELETE": "on"}))
    assert [step.count for step in ProtocolVersion.objects.get(pk=draft.pk).steps.all()] == [6]


def test_only_a_clinician_publishes_and_the_page_says_so(client: Client) -> None:
    draft = draft_of("T-MWF6", signed_in(client, Role.MANAGER))
    page = client.get(reverse("courses:protocol", args=[draft.pk])).content.decode()
    assert "A clinician has to publish this" in page
    assert client.post(reverse("courses:protocol_publish", args=[draft.pk])).status_code == 403
    signed_in(client, Role.CLINICIAN)
    assert "Publish version 2" in client.get(reverse("courses:protocol", args=[draft.pk])).content.decode()
    client.post(reverse("courses:protocol_publish", args=[draft.pk]))
    assert version_of("T-MWF6").number == 2


def test_a_published_version_cannot_be_edited_through_its_address(client: Client) -> None:
    signed_in(client, Role.CLINICIAN)
    version = version_of("T-MWF6")
    answer = client.post(reverse("courses:protocol_edit", args=[version.pk]), typed(version, infusion_min=50))
    assert answer.headers["Location"] == reverse("courses:protocol", args=[version.pk])
    assert version_of("T-MWF6").infusion_min == 40


def test_retiring_and_discarding(client: Client) -> None:
    clinician = signed_in(client, Role.CLINICIAN)
    draft = draft_of("T-MWF6", clinician)
    client.post(reverse("courses:protocol_discard", args=[draft.pk]))
    assert not ProtocolVersion.objects.filter(pk=draft.pk).exists()
    client.post(reverse("courses:protocol_retire", args=[version_of("T-MWF6").pk]))
    assert "6 in 2 weeks" not in client.get(reverse("courses:protocols")).content.decode().split("PTSD")[0]
    assert "v1 retired" in client.get(reverse("courses:protocols"), {"retired": "1"}).content.decode()


def test_a_new_protocol_and_a_code_that_is_taken(client: Client) -> None:
    signed_in(client, Role.MANAGER)
    data = {"title": "Our own", "slug": "T-OWN", "source": version_of("T-2W6").pk}
    client.post(reverse("courses:protocol_new"), data)
    assert Protocol.objects.filter(slug="T-OWN").exists()
    again = client.post(reverse("courses:protocol_new"), data | {"slug": "t-own"})
    assert again.status_code == 422
    assert "There is a protocol with this code already" in again.content.decode()


@pytest.mark.parametrize("name", ["protocol_draft", "protocol_edit", "protocol_meaning", "protocol_discard"])
def test_writing_is_closed_to_the_desk_and_to_the_signed_out(client: Client, name: str) -> None:
    address = reverse(f"courses:{name}", args=[version_of("T-MWF6").pk])
    assert client.post(address).headers["Location"].startswith(reverse("account_login"))
    signed_in(client, Role.FRONT_DESK)
    assert client.post(address).status_code == 403


def test_the_list_needs_the_same_queries_for_two_and_for_many(client: Client, queries: Queries) -> None:
    signed_in(client, Role.CLINICIAN)
    client.get(reverse("courses:protocols"))
    with queries("protocols"):
        answer = client.get(reverse("courses:protocols"))
    assert answer.status_code == 200
    clinician = make_user(Role.CLINICIAN)
    for number in range(9):
        draft = service.start_protocol(
            version_of("T-2W6"), slug=f"T-X{number}", title=f"Own {number}", by=clinician, now=NOW
        )
        service.publish(draft.pk, by=clinician, now=NOW)
    with queries("protocols"):
        answer = client.get(reverse("courses:protocols"))
    assert answer.status_code == 200


def test_a_version_page_needs_the_same_queries_for_one_and_for_ten_versions(client: Client, queries: Queries) -> None:
    clinician = signed_in(client, Role.CLINICIAN)
    client.get(reverse("courses:protocol", args=[version_of("T-2W6").pk]))
    with queries("protocol version"):
        answer = client.get(reverse("courses:protocol", args=[version_of("T-2W6").pk]))
    assert answer.status_code == 200
    for _ in range(9):
        service.publish(draft_of("T-2W6", clinician).pk, by=clinician, now=NOW)
    with queries("protocol version"):
        answer = client.get(reverse("courses:protocol", args=[version_of("T-2W6").pk]))
    assert answer.status_code == 200
