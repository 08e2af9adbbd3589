"""What each address of the product opens: the thing that its parameters name, and the address of one that exists."""

from __future__ import annotations

import re
from typing import Any

from django.urls import reverse

from clinic.tests.web.addresses import Address
from courses.tests.reach_kit import There

# What the parameters of addresses name, by hand: the first line that fits. Independent of the tables of the product.
THINGS: tuple[tuple[str, str, str], ...] = (
    (r"setup:(location.*|station_add|opening_hours|closures|closure_add|holidays|choose_location)", "pk", "location"),
    (r"setup:station_.*", "pk", "station"),
    (r"setup:closure(_delete)?", "pk", "closure"),
    (r".*", "location_pk", "location"),
    (r"rules:.*", "rule_id", "rule"),
    (r"intake:price.*", "price_id", "price"),
    (r"intake:consent_text.*", "text_id", "text"),
    (r"stock:.*", "lot_id", "lot"),
    (r"stock:.*", "discrepancy_id", "discrepancy"),
    (r"worklists:freed.*", "slot_id", "slot"),
    (r"patients:merge_undo", "pk", "merge"),
    (r"measures:(result|strike)", "pk", "assessment"),
    (r"consents:.*", "consent_id", "consent"),
    (r"(patients|measures|consents):.*", "pk", "patient"),
    (r".*", "patient_id", "patient"),
    (r".*", "other_pk", "other"),
    (r".*", "booking_id", "booking"),
    (r"alerts:.*", "pk", "alert"),
    (r"outbox:handle", "pk", "answer"),
    (r"outbox:.*", "pk", "message"),
    (r"intake:consultations", "pk", "patient"),
    (r"intake:request.*", "pk", "request"),
    (r"intake:decision", "pk", "decision"),
    (r"intake:.*", "pk", "consultation"),
    (r"worklists:.*", "task_id", "task"),
    (r"courses:(move|given|minutes|end_infusion)", "infusion_id", "infusion"),
    (r"courses:rems_.*", "pk", "record"),
    (r"(courses|following):.*", "pk", "course"),
)
# Addresses whose object is no patient's and no location's.
OF_NOBODY: dict[str, str] = {
    r"setup:(person|staff_edit|invite|deactivate|reactivate|exception_.*|end_sessions|forget_second_factor)": "an account, for managers",
    r"setup:(look_at|close_record|open_record)": "the way to open with a reason, and what managers say to it",
    r"patients:import_.*": "an import run: the rows of the file",
    r"courses:protocol.*": "a protocol, the same everywhere",
    r"reports:(saved|saved_delete|mail_off)": "the person's own",
}
WORDS = {
    "kind": "problems", "measure": "phq9", "channel": "sms", "field": "summary", "section": "condition",
    "direction": "up", "key": "response", "suffix": "csv", "how": "cancel",
}  # fmt: skip
"""Parameters that name no thing."""
BESIDE = r"(hold|proposal|unavailability|entry|link|treatment|record|draw|effect|event|item|task|offer)_id"
"""Parts of the thing that stands before them in the address; their views look for them in it alone."""


def thing_of(address: Address) -> str:
    """The name of what the address opens; "" where it is nobody's or nothing."""
    if any(re.fullmatch(pattern, address.name) for pattern in OF_NOBODY):
        return ""
    for parameter in address.parameters:
        for pattern, wanted, name in THINGS:
            if re.fullmatch(pattern, address.name) and wanted == parameter:
                return name
    return ""


def path_to(address: Address, there: There) -> str:
    known: dict[str, Any] = {}
    for parameter in address.parameters:
        found = next(
            (name for pattern, wanted, name in THINGS if re.fullmatch(pattern, address.name) and wanted == parameter),
            "",
        )
        if found:
            known[parameter] = there.rows[found].pk
        else:
            known[parameter] = WORDS.get(parameter, 1)
    return reverse(address.name, kwargs=known)
