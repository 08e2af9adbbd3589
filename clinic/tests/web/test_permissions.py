"""Who may open what: the table of design.md, held against the code, and every address held against the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from clinic.models import User
from clinic.pure.roles import PERMISSIONS, Can, Role, allowed
from clinic.tests.factories import make_user
from clinic.tests.web.addresses import Address, World, every_address, make_world

ADDRESSES = every_address()
GUARDED = [address for address in ADDRESSES if not address.public_because]

# The permission table of design.md ("Who uses it"), copied by hand column by column, while the code holds it by capability.
# In brackets: the row of the table that each group comes from.
DESK = {
    *{Can.VIEW_PATIENT, Can.EDIT_PATIENT, Can.VIEW_CALENDAR, Can.EDIT_BOOKING},  # [name, contact, bookings: edit]
    # [intake answers, screening, scores, notes: only "complete / missing"] -> nothing
    *{Can.VIEW_REQUESTS, Can.EDIT_REQUESTS},  # [name, contact, bookings: edit]
    *{Can.VIEW_COURSE, Can.MOVE_INFUSION},  # [plan a series: move dates inside the protocol's rules]
    # [infusion record: check in, check out] -> EDIT_BOOKING above; [staff, chairs ...: –]; [audit trail: –]
}
NURSE = {
    *{Can.VIEW_PATIENT, Can.VIEW_CALENDAR},  # [name, contact, bookings: view]
    Can.VIEW_CLINICAL,  # [intake answers, screening, scores, notes: view]
    Can.VIEW_COURSE,  # [plan a series: view]
    Can.VIEW_REQUESTS,  # [name, contact, bookings: view] and [intake answers: view]
    *{Can.RUN_INFUSION, Can.RECORD_VITALS, Can.RECORD_MEASURE},  # [infusion record: edit], vitals and today's measure
    *{Can.VIEW_INFUSION, Can.HANDLE_STOCK},  # the same row: what is recorded there, and the drug that is drawn for it
}
CLINICIAN = {
    *{Can.VIEW_PATIENT, Can.EDIT_PATIENT, Can.VIEW_CALENDAR, Can.EDIT_BOOKING},  # [name, contact, bookings: edit]
    *{Can.VIEW_REQUESTS, Can.EDIT_REQUESTS},  # [name, contact, bookings: edit]
    *{Can.VIEW_CLINICAL, Can.EDIT_CLINICAL},  # [intake answers, screening, scores, notes: edit]
    *{Can.RECORD_VITALS, Can.RECORD_MEASURE, Can.SIGN_DECISION, Can.ACKNOWLEDGE_ALERT},  # the same row
    *{Can.VIEW_COURSE, Can.PLAN_SERIES, Can.MOVE_INFUSION, Can.DECIDE_COURSE},  # [plan a series, accept it: edit]
    Can.OVERRIDE_RULE,  # [... override a rule with a reason]
    *{Can.RUN_INFUSION, Can.VIEW_INFUSION, Can.HANDLE_STOCK},  # [infusion record: edit ...]
    *{Can.SIGN_INFUSION, Can.ORDER_DOSE},  # [infusion record: ..., sign, amend] and "clinician: plans, doses, reviews"
    *{Can.EDIT_PROTOCOL, Can.APPROVE_PROTOCOL},  # [protocols] and "a protocol needs a clinician's approval"
    Can.PRINT_COURSE_REPORTS,  # names with scores: [scores, notes: edit] of who also sees outcomes
    Can.MERGE_PATIENTS,  # issue 2, section 3: "Merge of duplicates by a clinician"
}
MANAGER = {
    *{Can.VIEW_PATIENT, Can.VIEW_CALENDAR},  # [name, contact, bookings: view]
    Can.VIEW_COURSE,  # [plan a series: view]
    *{Can.EDIT_SETUP, Can.EDIT_PROTOCOL},  # [staff, chairs, hours, protocols, message texts: edit]
    Can.EDIT_MESSAGE_RULES,  # [the same row: message texts]
    *{Can.VIEW_AUDIT, Can.VIEW_OPENINGS},  # [audit trail: view], and which records were opened with a reason
}
TABLE = {Role.FRONT_DESK: DESK, Role.NURSE: NURSE, Role.CLINICIAN: CLINICIAN, Role.MANAGER: MANAGER}

DECIDED_HERE = {
    Can.VIEW_PROTOCOL: set(Role),  # whoever may see a plan may read the rules that it follows
    Can.IMPORT_PATIENTS: {
        Role.FRONT_DESK,
        Role.CLINICIAN,
        Role.MANAGER,
    },  # who registers patients, and who sets the clinic up
    # whoever meets the patient may hand them a questionnaire or a consent form, and must know that a signal waits
    **dict.fromkeys(
        (Can.SEND_MEASURE, Can.RECORD_CONSENT, Can.VIEW_ALERT),
        frozenset({Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN}),
    ),
    Can.EDIT_INTAKE_SETTINGS: {
        Role.CLINICIAN,
        Role.MANAGER,
    },  # as protocols: the clinical limits stand on the same page
    Can.EDIT_DAY_SETTINGS: {Role.CLINICIAN, Role.MANAGER},  # the same: limits and intervals, as in a protocol
    # who handles the drug, and who answers for the audit of the place ([audit trail: manager]); it names lots, no patient
    Can.VIEW_STOCK: {Role.NURSE, Role.CLINICIAN, Role.MANAGER},
    Can.VIEW_WORKLISTS: set(Role),  # issue 5: what waits, by name and without anything clinical for desk and manager
    # whoever meets patients works the lists; clinical notes of care and waived questionnaires are for who reads them
    Can.WORK_TASKS: {Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN},
    **dict.fromkeys((Can.EDIT_CARE, Can.WAIVE_MEASURE), frozenset({Role.NURSE, Role.CLINICIAN})),
    Can.EDIT_FOLLOW_UP: {Role.CLINICIAN, Role.MANAGER},  # as EDIT_DAY_SETTINGS
    Can.VIEW_MESSAGES: set(Role),  # issue 6: staff see what was, will be and could not be sent; nothing clinical in it
    Can.SEND_MESSAGES: {Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN},  # whoever meets patients, as WORK_TASKS
    # issue 7: "managers and clinicians see ... whether patients respond"; chairs and people: who plans them
    **dict.fromkeys((Can.VIEW_OUTCOME_REPORTS, Can.TAKE_REPORT_DATA), frozenset({Role.CLINICIAN, Role.MANAGER})),
    Can.VIEW_OPERATION_REPORTS: {Role.FRONT_DESK, Role.MANAGER},
    # issue 8: what leaves holds every clinical word; an erasure is proposed by one of them and confirmed by the other
    **dict.fromkeys((Can.EXPORT_PATIENT, Can.ERASE_PATIENT), frozenset({Role.CLINICIAN})),
    Can.EDIT_RETENTION: {Role.MANAGER},
    Can.VIEW_OPERATION: {Role.MANAGER},  # queues and failures of the machinery: [audit trail: manager]
}
"""Capabilities about which the table of design.md says nothing."""


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_do_exactly_what_the_table_says(role: Role) -> None:
    decided = {capability for capability, roles in DECIDED_HERE.items() if role in roles}
    assert {capability for capability in Can if allowed([role], capability)} == TABLE[role] | decided


def test_several_roles_may_do_what_any_of_them_may_and_no_role_may_do_nothing() -> None:
    both = {capability for capability in Can if allowed([Role.FRONT_DESK, Role.NURSE], capability)}
    assert both == DESK | NURSE | (
        set(DECIDED_HERE)
        - {Can.EDIT_INTAKE_SETTINGS, Can.EDIT_DAY_SETTINGS, Can.EDIT_FOLLOW_UP, Can.VIEW_OPERATION}
        - {Can.VIEW_OUTCOME_REPORTS, Can.TAKE_REPORT_DATA}
        - {Can.EXPORT_PATIENT, Can.ERASE_PATIENT, Can.EDIT_RETENTION}
    )
    assert not any(allowed([], capability) for capability in Can)


def test_the_table_in_the_code_knows_every_capability() -> None:
    assert set(PERMISSIONS) == set(Can)


def test_every_address_asks_for_a_capability_or_says_why_not() -> None:
    naked = [str(address) for address in GUARDED if not address.capabilities]
    assert naked == [], (
        "These addresses let anybody in. Put @requires(Can.…) on the view, or a line with the reason into PUBLIC "
        "(clinic/tests/web/addresses.py)."
    )


def test_no_address_without_a_name() -> None:
    assert [address.route for address in ADDRESSES if not address.name] == []


def test_every_address_has_an_example() -> None:
    missing = []
    for address in GUARDED:
        for parameter in address.parameters:
            try:
                address._example(parameter)
            except LookupError as problem:
                missing.append(str(problem))
    assert missing == []


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def visit(client: Client, address: Address, world: World) -> tuple[int, str]:
    """Status and target of the address, with whatever it did undone."""
    path = reverse(address.name, kwargs=address.kwargs(world))
    with transaction.atomic():
        answer = client.get(path)
        if answer.status_code == 405:
            answer = client.post(path)
        transaction.set_rollback(True)
    return answer.status_code, answer.headers.get("Location", "")


def asks_to_sign_in(status: int, target: str) -> bool:
    return status == 302 and target.startswith(reverse("account_login"))


def outcomes(client: Client, world: World, user: User | None) -> Iterator[tuple[Address, int, str]]:
    for address in GUARDED:
        if user is not None:
            client.cookies.clear()  # the visit before may have signed out, or renewed a session that is rolled back
            client.force_login(user)
        yield address, *visit(client, address, world)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_reaches_exactly_the_addresses_of_the_table(role: Role, world: World, client: Client) -> None:
    wrong = []
    for address, status, target in outcomes(client, world, world.clinic.users[role]):
        may = not address.capabilities.isdisjoint(
            TABLE[role] | {c for c, roles in DECIDED_HERE.items() if role in roles}
        )
        let_in = status != 403 and not asks_to_sign_in(status, target)
        if may and address.is_narrower:
            continue
        if may != let_in or status >= 500:
            wrong.append(f"{address}: {status} {target}, but the role may{'' if may else ' not'} open it")
    assert wrong == []


def test_signed_out_every_guarded_address_leads_to_sign_in_and_back(world: World, client: Client) -> None:
    wrong = []
    for address, status, target in outcomes(client, world, None):
        back = reverse(address.name, kwargs=address.kwargs(world))
        # an action leads to the page that it was on; here there was none
        was_action = target.endswith("?next=%2F&out=1")
        leads_back = was_action or back.replace("/", "%2F") in target.replace("/", "%2F")
        if not asks_to_sign_in(status, target) or not leads_back:
            wrong.append(f"{address}: {status} {target}")
    assert wrong == []


def test_somebody_without_a_role_reaches_nothing(world: World, client: Client) -> None:
    reached = [str(a) for a, status, _ in outcomes(client, world, make_user()) if status != 403]
    assert reached == []


def test_a_role_that_is_taken_away_closes_its_pages_at_once(world: World, client: Client) -> None:
    client.force_login(world.clinic.manager)
    assert client.get(reverse("setup:index")).status_code == 200
    User.objects.filter(pk=world.clinic.manager.pk).update(roles=[Role.NURSE.value])
    assert client.get(reverse("setup:index")).status_code == 403
