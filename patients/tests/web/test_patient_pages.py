"""The list of patients and the patient's page: what each role sees, what is wrong, how many queries it takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from clinic.models import AccessLog, AllocationRole, Booking, BookingKind, BookingStatus
from clinic.pure.roles import Can, Role
from clinic.services.bookings import Claim, Wanted, book, release
from clinic.tests.factories import Clinic, make_clinic, make_user
from clinic.tests.fixtures.ledger import Queries
from patients.models import IntakeSettings, Medicine, Patient, PatientStatus
from patients.pure.indications import Indication
from patients.services import panels
from patients.services.panels import Concern, Level, TimelineEntry
from patients.tests.factories import (
    make_allergy,
    make_condition,
    make_medicine,
    make_patient,
    make_phone,
    make_problem,
    make_unavailability,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 7, 15, 0, tzinfo=UTC)  # Thu 7 Jan 2027, 10:00 in New York


@pytest.fixture(autouse=True)
def _seventh_of_january() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _only_own_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other packages register is theirs to test."""
    monkeypatch.setattr(panels, "_panels", {})
    monkeypatch.setattr(panels, "_timelines", {})
    monkeypatch.setattr(panels, "_marks", {})


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


def signed_in(clinic: Clinic, role: Role) -> Client:
    client = Client()
    client.force_login(clinic.users[role])
    return client


def visit(clinic: Clinic, patient: Patient, start: datetime, now: datetime = NOW) -> Booking:
    end = start + timedelta(hours=1)
    claims = (Claim(patient.resource_id, AllocationRole.PATIENT, start, end),)
    wanted = Wanted(BookingKind.INFUSION, clinic.location.pk, start, end, claims, subject_id=patient.resource_id)
    return book([wanted], by=clinic.desk, now=now)[0]


def page(client: Client, patient: Patient, name: str = "detail") -> str:
    answer = client.get(reverse(f"patients:{name}", args=[patient.pk]))
    assert answer.status_code == 200, (name, answer.status_code)
    return answer.content.decode()


# --- who sees what ----------------------------------------------------------------------------------------------------
CLINICAL_WORDS = ("Latex", "Diazepam", "Hypertension", "Treatment-resistant depression")


def ada_with_everything() -> Patient:
    ada = make_patient(phones=["+12125550123"], conditions=[Indication.TRD])
    make_allergy(ada, "Latex")
    make_medicine(ada, "Diazepam")
    make_problem(ada, "Hypertension")
    return ada


@pytest.mark.parametrize("role", [Role.NURSE, Role.CLINICIAN])
def test_clinical_staff_read_the_background_on_the_first_page(clinic: Clinic, role: Role) -> None:
    text = page(signed_in(clinic, role), ada_with_everything())
    for word in CLINICAL_WORDS:
        assert word in text, word


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.MANAGER])
def test_others_see_contact_and_visits_but_only_whether_the_background_is_there(clinic: Clinic, role: Role) -> None:
    ada = ada_with_everything()
    client = signed_in(clinic, role)
    text = page(client, ada)
    assert "(212) 555-0123" in text
    assert "complete" in text
    for word in CLINICAL_WORDS:
        assert word not in text, word
    assert client.get(reverse("patients:background", args=[ada.pk])).status_code == 403
    listed = client.get(reverse("patients:list")).content.decode()
    assert "Treated for" not in listed


def test_a_manager_reads_history_without_clinical_contents_and_the_front_desk_reads_none(clinic: Clinic) -> None:
    ada = ada_with_everything()
    text = page(signed_in(clinic, Role.MANAGER), ada, "history")
    assert "Allergy added" in text
    assert "Latex" not in text
    assert "Allergy added: Latex" in page(signed_in(clinic, Role.CLINICIAN), ada, "history")
    url = reverse("patients:history", args=[ada.pk])
    assert signed_in(clinic, Role.FRONT_DESK).get(url).status_code == 403


PAGES = {
    "list": (Can.VIEW_PATIENT,),
    "detail": (Can.VIEW_PATIENT,),
    "bookings": (Can.VIEW_PATIENT,),
    "history": (Can.VIEW_AUDIT, Can.EDIT_CLINICAL),
    "background": (Can.VIEW_CLINICAL,),
    "add": (Can.EDIT_PATIENT,),
    "quick_add": (Can.EDIT_PATIENT,),
    "edit": (Can.EDIT_PATIENT,),
    "status": (Can.EDIT_PATIENT,),
    "unavailable_add": (Can.EDIT_PATIENT,),
    "merge_choose": (Can.MERGE_PATIENTS,),
}


@pytest.mark.parametrize("name", PAGES)
def test_each_page_opens_for_its_roles_only(clinic: Clinic, name: str) -> None:
    ada = make_patient()
    url = reverse(f"patients:{name}", args=[] if name in {"list", "add", "quick_add"} else [ada.pk])
    for role, user in clinic.users.items():
        expected = 200 if any(user.can(capability) for capability in PAGES[name]) else 403
        assert signed_in(clinic, role).get(url).status_code == expected, role
    stranger = Client()
    stranger.force_login(make_user())
    assert stranger.get(url).status_code == 403
    signed_out = Client().get(url)
    assert signed_out.status_code == 302
    assert signed_out["Location"].startswith("/accounts/login/")


def test_the_reading_is_logged(clinic: Clinic) -> None:
    ada = make_patient()
    page(signed_in(clinic, Role.NURSE), ada)
    row = AccessLog.objects.get()
    assert (row.user, row.subject, row.page, row.path) == (
        clinic.nurse,
        ada.resource,
        "Patient record",
        f"/patients/{ada.pk}/",
    )


# --- what is next, what is wrong --------------------------------------------------------------------------------------
def test_the_head_says_who_this_is(clinic: Clinic) -> None:
    ada = make_patient("Adaeze", preferred_name="Ada", pronouns="she/her")
    text = page(signed_in(clinic, Role.CLINICIAN), ada)
    for words in ("Ada Okafor", "she/her", "<strong>41</strong>", "14 Mar 1985", f"MRN {ada.mrn}", "Adaeze Okafor"):
        assert words in text, words


def test_the_next_visit_is_the_soonest_that_stands_on_its_locations_clock(clinic: Clinic) -> None:
    ada = make_patient()
    cancelled = visit(clinic, ada, NOW + timedelta(hours=3))
    release([cancelled.pk], status=BookingStatus.CANCELLED, reason="ill", by=clinic.desk, now=NOW)
    visit(clinic, ada, NOW + timedelta(days=5))
    visit(clinic, ada, NOW + timedelta(days=1))
    text = page(signed_in(clinic, Role.FRONT_DESK), ada)
    assert "Fri 8 Jan, 10:00" in text
    assert "1 more after that" in text
    assert "The next visit is not confirmed yet" in text


def test_nothing_booked_and_nothing_known_says_what_to_do(clinic: Clinic) -> None:
    text = page(signed_in(clinic, Role.CLINICIAN), make_patient())
    assert "Nothing booked" in text
    assert "nobody can reach this patient" in text
    assert "Missing: treated for, allergies, medicines, problems" in text


def test_a_complete_patient_has_nothing_wrong(clinic: Clinic) -> None:
    ada = make_patient(phones=["+12125550123"], conditions=[Indication.TRD])
    make_allergy(ada, "Latex")
    make_medicine(ada, "Sertraline")
    make_problem(ada, "Asthma")
    assert "Nothing\n" in page(signed_in(clinic, Role.CLINICIAN), ada).replace("</p>", "\n")


def test_a_medicine_that_needs_review_stands_among_what_needs_attention(clinic: Clinic) -> None:
    """Source: clinical.md C2: above 8 mg of diazepam a day is reviewed, theophylline stops (case 35)."""
    ada = ada_with_everything()
    Medicine.objects.filter(patient=ada).update(dose="10 mg once a day")
    assert "Review: Diazepam, 10 mg once a day. 10 mg a day as diazepam." in page(signed_in(clinic, Role.NURSE), ada)
    assert "as diazepam" not in page(signed_in(clinic, Role.FRONT_DESK), ada)
    make_medicine(ada, "Theophylline")
    text = page(signed_in(clinic, Role.CLINICIAN), ada)
    assert text.index("Stop: Theophylline") < text.index("Review: Diazepam")
    IntakeSettings.objects.create(location=clinic.location, benzodiazepine_limit_mg=12)
    assert "as diazepam" not in page(signed_in(clinic, Role.CLINICIAN), ada)


@pytest.mark.parametrize(("born", "is_warned"), [(date(2009, 1, 8), True), (date(2009, 1, 7), False)])
def test_under_18_is_warned_until_the_birthday(clinic: Clinic, born: date, is_warned: bool) -> None:
    """Source: clinical.md C1, age: trials from 18."""
    text = page(signed_in(clinic, Role.FRONT_DESK), make_patient(birth_date=born))
    assert ("Under 18: trials begin at 18" in text) is is_warned


def test_a_deceased_patient_with_visits_is_urgent_and_cannot_be_planned(clinic: Clinic) -> None:
    ada = make_patient()
    visit(clinic, ada, NOW + timedelta(days=1))
    Patient.objects.filter(pk=ada.pk).update(status=PatientStatus.DECEASED, deceased_on=date(2027, 1, 6))
    text = page(signed_in(clinic, Role.CLINICIAN), ada)
    assert "Deceased 6 Jan 2027" in text
    assert "1 visit is still booked, although the patient is deceased" in text
    assert "Plan series" not in text
    assert "Plan series" in page(signed_in(clinic, Role.CLINICIAN), make_patient("Mei", "Chen"))


def test_a_visit_in_an_unavailable_time_and_a_lone_no_show_are_said(clinic: Clinic) -> None:
    ada, mei = make_patient(), make_patient("Mei", "Chen")
    visit(clinic, ada, NOW + timedelta(days=5))
    make_unavailability(ada, date(2027, 1, 11), date(2027, 1, 15))
    assert "1 visit falls into a time when the patient cannot come" in page(signed_in(clinic, Role.FRONT_DESK), ada)
    missed = visit(clinic, mei, NOW - timedelta(days=2), now=NOW - timedelta(days=9))
    release([missed.pk], status=BookingStatus.MISSED, reason="", by=clinic.desk, now=NOW)
    assert "No-show on 5 Jan, and nothing is booked since" in page(signed_in(clinic, Role.FRONT_DESK), mei)


@pytest.mark.parametrize("name", ["detail", "bookings", "edit", "background", "history", "merge_choose"])
def test_a_merged_record_leads_to_the_kept_one_and_says_so(clinic: Clinic, name: str) -> None:
    kept, gone = make_patient(), make_patient(mrn="20777")
    Patient.objects.filter(pk=gone.pk).update(merged_into=kept)
    answer = signed_in(clinic, Role.CLINICIAN).get(reverse(f"patients:{name}", args=[gone.pk]), follow=True)
    assert answer.redirect_chain == [(reverse(f"patients:{name}", args=[kept.pk]), 302)]
    assert "MRN 20777 was merged into this record." in answer.content.decode()


def test_a_name_with_markup_is_text_everywhere(clinic: Clinic) -> None:
    bad = make_patient("<script>alert(1)</script>", "O'Neil & Söhne", email="x@example.org")
    client = signed_in(clinic, Role.CLINICIAN)
    for name in ("detail", "bookings", "background", "history", "edit", "status", "merge_choose", "unavailable_add"):
        assert "<script>alert" not in page(client, bad, name), name
    assert "<script>alert" not in client.get(reverse("patients:list")).content.decode()


# --- panels -----------------------------------------------------------------------------------------------------------
def course_panel(request: HttpRequest, patient: Patient) -> dict[str, object] | None:
    assert request.user.is_authenticated
    if patient.given_name == "Mei":
        return None
    return {
        "template": "_parts/_sorry.html",
        "context": {"code": "●●○○", "title": f"Course of {patient.name}"},
        "concerns": [Concern(Level.DANGER, "Interrupted for 15 days", "/courses/1/", "Decide")],
    }


def course_timeline(request: HttpRequest, patient: Patient) -> list[TimelineEntry]:
    return [TimelineEntry(NOW + timedelta(days=d), "pencil", f"Revision {d}") for d in (-3, 3)]


def test_a_registered_panel_stands_in_the_page_its_concerns_first(clinic: Clinic) -> None:
    panels.register_panel("course", Can.VIEW_COURSE, f"{__name__}.course_panel")
    panels.register_timeline("course", Can.VIEW_COURSE, course_timeline)
    client = signed_in(clinic, Role.CLINICIAN)
    text = page(client, make_patient())
    assert "●●○○" in text
    assert text.index("Interrupted for 15 days") < text.index("nobody can reach this patient")
    assert text.index("Revision 3") < text.index("Revision -3")
    assert "●●○○" not in page(client, make_patient("Mei", "Chen"))


def test_a_panel_is_for_those_who_hold_its_capability(clinic: Clinic) -> None:
    panels.register_panel("doses", Can.VIEW_CLINICAL, course_panel)
    panels.register_timeline("doses", Can.VIEW_CLINICAL, course_timeline)
    ada = make_patient()
    assert "●●○○" in page(signed_in(clinic, Role.NURSE), ada)
    text = page(signed_in(clinic, Role.FRONT_DESK), ada)
    assert "●●○○" not in text
    assert "Revision" not in text


# --- the list ---------------------------------------------------------------------------------------------------------
def listed(client: Client, query: str = "") -> list[str]:
    answer = client.get(reverse("patients:list") + query)
    assert answer.status_code == 200
    return [patient.name for patient, _, _ in answer.context["rows"]]


def test_the_list_sorts_filters_and_searches(clinic: Clinic) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    make_patient("Zoë", "Ábalos", birth_date=date(1999, 1, 1))
    make_patient("Mei", "Chen", conditions=[Indication.PAIN], home_location=clinic.location)
    make_patient("Ada", "Okafor", status=PatientStatus.INACTIVE, birth_date=date(1950, 1, 1))
    assert listed(client) == ["Zoë Ábalos", "Mei Chen", "Ada Okafor"]
    assert listed(client, "?sort=-name") == ["Ada Okafor", "Mei Chen", "Zoë Ábalos"]
    assert listed(client, "?sort=born")[0] == "Ada Okafor"
    assert listed(client, "?status=inactive") == ["Ada Okafor"]
    assert listed(client, "?condition=pain") == ["Mei Chen"]
    assert listed(client, f"?location={clinic.location.pk}") == ["Mei Chen"]
    assert listed(client, "?q=abalos+zoe") == ["Zoë Ábalos"]
    assert listed(client, "?q=chen&status=inactive") == []
    assert len(listed(client, "?status=nonsense&location=x&sort=nonsense&page=99")) == 3


def test_the_front_desk_cannot_filter_by_condition(clinic: Clinic) -> None:
    make_patient("Mei", "Chen", conditions=[Indication.PAIN])
    make_patient("Ada", "Okafor")
    assert len(listed(signed_in(clinic, Role.FRONT_DESK), "?condition=pain")) == 2


def test_a_merged_record_is_not_listed(clinic: Clinic) -> None:
    kept, gone = make_patient(), make_patient("Mei", "Chen")
    Patient.objects.filter(pk=gone.pk).update(merged_into=kept)
    assert listed(signed_in(clinic, Role.CLINICIAN)) == ["Ada Okafor"]


def test_the_empty_list_teaches_the_next_step(clinic: Clinic) -> None:
    client = signed_in(clinic, Role.FRONT_DESK)
    assert "No patients yet" in client.get(reverse("patients:list")).content.decode()
    text = client.get(reverse("patients:list") + "?q=nobody").content.decode()
    assert "No patient matches “nobody”" in text


def test_htmx_gets_the_rows_alone(clinic: Clinic) -> None:
    make_patient()
    text = signed_in(clinic, Role.NURSE).get(reverse("patients:list"), headers={"HX-Request": "true"}).content.decode()
    assert "Okafor, Ada" in text
    assert "<html" not in text


# --- queries ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [2, 20])
def test_the_list_takes_the_same_queries_for_2_and_20_patients(clinic: Clinic, queries: Queries, rows: int) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    for number in range(rows):
        patient = make_patient(phones=["+12125550123"], conditions=[Indication.TRD])
        visit(clinic, patient, NOW + timedelta(days=number + 1))
    with queries("patients list"):
        answer = client.get(reverse("patients:list"))
    assert answer.status_code == 200


@pytest.mark.parametrize("rows", [6, 20])  # with fewer than 5 hits the search also looks for misspellings
def test_the_searched_list_takes_the_same_queries_for_6_and_20_patients(
    clinic: Clinic, queries: Queries, rows: int
) -> None:
    client = signed_in(clinic, Role.CLINICIAN)
    for number in range(rows):
        visit(clinic, make_patient(), NOW + timedelta(days=number + 1))
    with queries("patients list, searched"):
        assert len(listed(client, "?q=okafor")) == rows


@pytest.mark.parametrize("rows", [2, 20])
@pytest.mark.parametrize("name", ["detail", "background", "bookings", "history"])
def test_a_patients_page_takes_the_same_queries_for_2_and_20_rows(
    clinic: Clinic, queries: Queries, name: str, rows: int
) -> None:
    ada = make_patient()
    for number in range(rows):
        make_phone(ada, f"+1212555{100 + number:04}")
        make_allergy(ada, f"Allergy {number}")
        make_medicine(ada, f"Medicine {number}")
        make_problem(ada, f"Problem {number}")
        make_unavailability(ada, date(2027, 3, 1) + timedelta(days=number))
        visit(clinic, ada, NOW + timedelta(days=number + 1))
        AccessLog.objects.create(at=NOW, user=clinic.nurse, subject=ada.resource, page="Course", path="/")
    for indication in list(Indication)[: 2 if rows == 2 else None]:
        make_condition(ada, indication)
    client = signed_in(clinic, Role.CLINICIAN)
    with queries(f"patient {name}"):
        answer = client.get(reverse(f"patients:{name}", args=[ada.pk]))
    assert answer.status_code == 200
