"""Every address that shows one patient's record writes that it was read, or says here why it need not.

Each GET address is opened by somebody who may, about things that are there. What names the patient, and every file at
an address of a patient's thing, must have written a reading.
"""

from __future__ import annotations

import re

import pytest
import time_machine
from django.db import transaction
from django.test import Client

from clinic.models import AccessLog
from clinic.pure.roles import Role
from clinic.tests.factories import make_user
from clinic.tests.web.addresses import Address, every_address
from clinic.tests.web.things import path_to, thing_of
from courses.tests.reach_kit import There
from patients.models import Patient

NAME = "Quillfeather"
OF_PLACE = frozenset({"location", "station", "closure", "rule", "price", "text"})
"""Things that are no patient's; their pages name none."""

LISTS = "a list to choose from: a name, a time, what is due; opening one of them is logged"
FORM = "a form with the name above it, opened from a page that has logged the reading; it shows nothing of the record"
NEED_NOT: dict[str, str] = {
    r"patients:list": LISTS,
    r"courses:(today|calendar|list)": LISTS,
    r"board:board": LISTS,
    r"worklists:all": LISTS,
    r"alerts:list": LISTS,
    r"outbox:(list|answers)": LISTS,
    r"setup:history": "of managers, without clinical values; what they ask about one patient is logged (test_audit)",
    r"patients:(status|unavailable_add|merge_choose)": FORM,
    r"intake:(consultation_sign|treatment_add|vitals_add|pregnancy_add)": FORM,
    r"measures:entry": FORM,
    r"consents:(upload|contact_record)": FORM,
    r"following:(event_add|care_add)": FORM,
}
"""Addresses that name the patient and write no reading."""

ROW = "one row of a page that has logged the reading, to correct or strike it"
NOT_MET: dict[str, str] = {
    r"patients:(entry_add|entry_edit)": ROW,
    r"intake:(treatment_edit|observation_strike)": ROW,
    r"following:(event_strike|care_edit|care_entry|care_end|care_strike|care_strike_entry)": ROW,
    r"infusion:stock_account": ROW,
    r"intake:(consultation_part|consultation_amend)": "parts of the page of the record, which logs the reading",
    r"courses:(plan_zones|visit_time)": "a part of the planner, or of the sheet of a visit, which log the reading",
    r"following:booster_times": "leads back to the boosters, which log it, without a question to the planner",
    r"following:review": "logs as every page of a course; it needs a review that is due",
    r"following:summary_pdf": "logged (test_closing_pages); it needs an infusion that was given",
    r"courses:rems_form": "logged (test_rems_pages); it needs a session with esketamine",
    r"consents:scan": "logged (test_consent_pages); it needs a scan",
    r"intake:booked": "logs as a visit; it needs one for a consultation",
}
"""Addresses of a patient's thing that answer nothing about the one of this test, and where their reading is."""


def said(table: dict[str, str], address: Address) -> bool:
    return any(re.fullmatch(pattern, address.name) for pattern in table)


def is_of_patient(address: Address) -> bool:
    return thing_of(address) not in OF_PLACE | {"", "lot", "discrepancy", "slot"}


def outcome(client: Client, address: Address, there: There) -> str:
    """What became of one GET: "logged", "shown" without a reading, "missing", or "" for what shows nobody."""
    patient = there.rows["patient"]
    with transaction.atomic():
        answer = client.get(path_to(address, there))
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
        is_logged = AccessLog.objects.filter(subject=patient.resource).exists()
        transaction.set_rollback(True)
    is_page = answer["Content-Type"].startswith("text/html")
    text = body.decode("utf-8", "replace")
    if is_logged:
        return "logged"
    if answer.status_code in (302, 404) and is_of_patient(address):
        return "missing"
    names = NAME in text or f"MRN {patient.mrn}" in text
    return "shown" if names or (not is_page and body and is_of_patient(address)) else ""


@pytest.fixture
def there(db: None) -> There:
    made = There()
    Patient.objects.filter(pk=made.rows["patient"].pk).update(family_name=NAME)
    AccessLog.objects.all().delete()
    return made


def test_every_page_that_shows_a_patient_writes_a_reading_or_says_why_not(there: There, client: Client) -> None:
    everybody = make_user(*Role, username="everybody", home_location=there.place)
    found: dict[str, list[Address]] = {"logged": [], "shown": [], "missing": [], "": []}
    with time_machine.travel(there.now, tick=False):
        for address in every_address():
            if not address.public_because and thing_of(address) not in OF_PLACE:
                client.cookies.clear()  # the page before may have renewed the session, which is rolled back
                client.force_login(everybody)
                found[outcome(client, address, there)].append(address)
    silent = [str(one) for one in found["shown"] if not said(NEED_NOT, one)]
    assert silent == [], "record the reading, or say in NEED_NOT why it need not be"
    unmet = [str(one) for one in found["missing"] if not said(NOT_MET, one)]
    assert unmet == [], "add the thing to courses/tests/reach_kit.py, or say in NOT_MET where its reading is tested"
    spared = [str(one) for one in found["logged"] if said(NEED_NOT, one)]
    assert spared == [], "these write a reading: NEED_NOT is wrong about them"
    assert len(found["logged"]) >= 55
