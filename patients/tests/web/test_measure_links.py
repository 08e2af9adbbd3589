"""Staff ask for questionnaires: a link shown once, the state of each, taking one back, handing this device over."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from qrcode.main import QRCode

from clinic.models import AccessLog, User
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.web.addresses import every_address
from patients.adapters.qr import qr_code
from patients.models import LinkKind, MeasureLink, Patient
from patients.services.measure_links import create_link, finish, revoke, save_answer
from patients.tasks.measures import forget_drafts
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
ALLOWED = [Role.FRONT_DESK, Role.NURSE, Role.CLINICIAN]


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic(phone="+12125550100")


@pytest.fixture
def ada(clinic: Clinic) -> Patient:
    return make_patient()


def page(patient: Patient) -> str:
    return reverse("measures:send", args=[patient.pk])


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def address_in(answer: Any) -> str:
    found = re.search(r'id="link-address"[^>]*value="([^"]+)"', answer.content.decode())
    assert found
    return found.group(1)


def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def make(patient: Patient, clinic: Clinic, *codes: str, now: datetime | None = None) -> tuple[MeasureLink, str]:
    return create_link(
        patient=patient,
        measures=codes or ("phq9",),
        kind=LinkKind.PHONE,
        location=clinic.location,
        by=clinic.nurse,
        now=now or datetime.now(UTC),
    )


def say(token: str, item: int, value: int) -> None:
    save_answer(token, measure="phq9", item=item, value=value, seen=None, now=datetime.now(UTC))


@pytest.mark.parametrize("role", ALLOWED)
def test_whoever_meets_the_patient_makes_a_link_and_sees_it_once(
    client: Client, clinic: Clinic, ada: Patient, role: Role
) -> None:
    signed_in(client, clinic.users[role])
    answer = client.post(page(ada), {"measures": ["phq9", "gad7"]})
    assert answer.status_code == 200
    address = address_in(answer)
    assert address.startswith("http://testserver/q/")
    assert "It is shown only now" in text_of(answer)
    assert "not sent by Cadence" in text_of(answer)
    assert "no-store" in answer.headers["Cache-Control"]
    assert address.rsplit("/", 2)[1] not in text_of(client.get(page(ada)))
    link = MeasureLink.objects.get()
    assert (link.patient, link.created_by, link.measures) == (ada, clinic.users[role], ["phq9", "gad7"])
    assert link.location == clinic.location
    assert Client().get(address).status_code == 200


def test_a_manager_and_a_stranger_reach_none_of_it(client: Client, clinic: Clinic, ada: Patient) -> None:
    link, _ = make(ada, clinic)
    paths = [
        page(ada),
        reverse("measures:hand_over", args=[ada.pk]),
        reverse("measures:revoke_link", args=[ada.pk, link.pk]),
    ]
    for path in paths:
        assert Client().post(path).status_code == 302
        assert signed_in(client, clinic.manager).post(path).status_code == 403
    link.refresh_from_db()
    assert link.revoked_at is None


def test_the_code_holds_the_address_and_is_drawn_into_the_page(client: Client, clinic: Clinic, ada: Patient) -> None:
    answer = signed_in(client, clinic.desk).post(page(ada), {"measures": ["phq9"]})
    code = qr_code(address_in(answer))
    assert code.path in answer.content.decode()
    assert "<img" not in text_of(answer)


def test_the_code_is_the_matrix_of_the_library_run_by_run() -> None:
    """Every dark module is covered once: the lengths of the runs sum up to the number of dark modules."""
    text = "https://clinic.example.org/q/" + "x" * 76 + "/"
    code: QRCode = QRCode(error_correction=0, border=4)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    made = qr_code(text)
    drawn = {
        (int(x) + step, int(y))
        for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", made.path)
        for step in range(int(length))
    }
    assert made.size == len(matrix)
    assert drawn == {(x, y) for y, row in enumerate(matrix) for x, is_dark in enumerate(row) if is_dark}


@pytest.mark.parametrize("chosen", [[], ["cssrs"], ["madrs"], ["hamd17"], ["<script>"], ["phq9", "qids"]])
def test_what_cannot_be_sent_is_refused_beside_the_choice(
    client: Client, clinic: Clinic, ada: Patient, chosen: list[str]
) -> None:
    signed_in(client, clinic.nurse)
    for path in (page(ada), reverse("measures:hand_over", args=[ada.pk])):
        answer = client.post(path, {"measures": chosen})
        assert answer.status_code == 422
        assert 'id="measures-problem"' in text_of(answer)
        assert "<script>" not in text_of(answer).split("</head>")[1]
    assert not MeasureLink.objects.exists()


def test_only_self_reports_with_free_wording_are_offered(client: Client, clinic: Clinic, ada: Patient) -> None:
    offered = re.findall(r'name="measures" value="(\w+)"', text_of(signed_in(client, clinic.nurse).get(page(ada))))
    assert offered == ["phq9", "gad7", "pcl5", "auditc"]  # clinical.md E2


def test_each_state_is_said_in_a_word_and_no_answer_is(client: Client, clinic: Clinic, ada: Patient) -> None:
    make(ada, clinic)
    _, half = make(ada, clinic)
    say(half, 1, 3)
    _, sent = make(ada, clinic)
    say(sent, 1, 3)
    finish(sent, now=datetime.now(UTC))
    taken, _ = make(ada, clinic)
    revoke(patient_id=ada.pk, link_id=taken.pk, by=clinic.desk, now=datetime.now(UTC))
    make(ada, clinic, now=datetime(2026, 1, 5, tzinfo=UTC))
    shown = text_of(signed_in(client, clinic.desk).get(page(ada)))
    for words in ("Made", "Half answered", "1 of 10", "Finished", "Complete", "Taken back", "Expired"):
        assert words in shown
    assert "Nearly every day" not in shown
    assert "See scores" not in shown  # the front desk: "complete" or "missing", nothing more
    assert "See scores" in text_of(signed_in(client, clinic.nurse).get(page(ada)))
    assert shown.count("Take back<") == 2


def test_nothing_sent_yet_says_what_to_do(client: Client, clinic: Clinic, ada: Patient) -> None:
    assert "Nothing sent yet" in text_of(signed_in(client, clinic.desk).get(page(ada)))


def test_a_link_is_taken_back_at_once(client: Client, clinic: Clinic, ada: Patient) -> None:
    link, token = make(ada, clinic)
    address = reverse("public:questionnaire", args=[token])
    assert client.get(address).status_code == 200
    answer = signed_in(client, clinic.desk).post(reverse("measures:revoke_link", args=[ada.pk, link.pk]), follow=True)
    assert "The link was taken back" in text_of(answer)
    assert Client().get(address).status_code == 410


def test_a_link_of_somebody_else_is_not_taken_back_through_this_patient(
    client: Client, clinic: Clinic, ada: Patient
) -> None:
    link, _ = make(make_patient("Ben", "Ruiz"), clinic)
    answer = signed_in(client, clinic.desk).post(reverse("measures:revoke_link", args=[ada.pk, link.pk]), follow=True)
    assert "no such link" in text_of(answer)
    link.refresh_from_db()
    assert link.revoked_at is None


def test_a_record_that_was_merged_leads_to_the_one_kept(client: Client, clinic: Clinic, ada: Patient) -> None:
    gone = make_patient("Adah", merged_into=ada)
    signed_in(client, clinic.nurse)
    assert client.get(page(gone)).headers["Location"] == page(ada)
    answer = client.post(reverse("measures:hand_over", args=[gone.pk]), {"measures": ["phq9"]})
    assert answer.headers["Location"] == page(ada)
    assert not MeasureLink.objects.exists()


def test_nothing_is_sent_to_somebody_who_has_died(client: Client, clinic: Clinic) -> None:
    gone = make_patient("Eve", status="deceased")
    signed_in(client, clinic.nurse)
    assert "This patient has died" in text_of(client.get(page(gone)))
    assert client.post(page(gone), {"measures": ["phq9"]}).status_code == 422
    assert not MeasureLink.objects.exists()


def test_a_name_with_markup_is_words_and_the_reading_is_logged(client: Client, clinic: Clinic) -> None:
    odd = make_patient("<b>Eve</b>", "O'Neil")
    shown = text_of(signed_in(client, clinic.desk).post(page(odd), {"measures": ["phq9"]}))
    assert "<b>Eve</b>" not in shown
    assert AccessLog.objects.filter(subject=odd.resource, user=clinic.desk, page="Questionnaire links").exists()


def test_queries_do_not_grow_with_links(client: Client, clinic: Clinic, ada: Patient, queries: Queries) -> None:
    signed_in(client, clinic.nurse)
    for _ in range(2):
        make(ada, clinic)
    client.get(page(ada))
    with queries("questionnaire links"):
        answer = client.get(page(ada))
    assert answer.status_code == 200
    for _ in range(18):
        make(ada, clinic)
    with queries("questionnaire links"):
        answer = client.get(page(ada))
    assert answer.status_code == 200


def test_unsent_answers_are_forgotten_at_night(clinic: Clinic, ada: Patient) -> None:
    link, _ = make(ada, clinic, now=datetime(2026, 1, 5, tzinfo=UTC))
    MeasureLink.objects.update(draft={"phq9": {"1": 1}})
    forget_drafts()
    link.refresh_from_db()
    assert link.draft == {}


# --- handing this device over -------------------------------------------------------------------------------------------
@pytest.fixture
def tablet(client: Client, clinic: Clinic, ada: Patient) -> Client:
    clinic.nurse.set_password(PASSWORD)
    clinic.nurse.save()
    return signed_in(client, clinic.nurse)


def hand_over(client: Client, patient: Patient) -> str:
    answer = client.post(reverse("measures:hand_over", args=[patient.pk]), {"measures": ["phq9"]})
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def test_the_lock_is_on_before_the_questionnaire_shows(tablet: Client, ada: Patient) -> None:
    """The answer that leads to the questionnaire carries the new, locked session already; nothing was shown yet."""
    before = tablet.session.session_key
    home = hand_over(tablet, ada)
    assert home.startswith("/q/")
    assert tablet.session.session_key != before
    assert tablet.get(page(ada)).headers["Location"] == "/hand-over/"


def test_a_handed_over_device_answers_only_this_questionnaire_whatever_is_asked(
    tablet: Client, clinic: Clinic, ada: Patient
) -> None:
    _, other = make(make_patient("Ben", "Ruiz"), clinic)
    home = hand_over(tablet, ada)
    assert tablet.get(home).status_code == 200
    for path in (reverse("public:questionnaire", args=[other]), page(ada), "/", "/patients/quick/?q=o", "/request/"):
        assert tablet.get(path).headers.get("Location") == "/hand-over/", path
    for address in every_address():
        if (
            address.name.startswith(("patients:", "courses:", "intake:", "alerts:", "consents:"))
            and not address.parameters
        ):
            assert tablet.get(reverse(address.name)).headers.get("Location") == "/hand-over/", address


def test_the_patient_goes_the_whole_way_and_staff_take_the_device_back(tablet: Client, ada: Patient) -> None:
    home = hand_over(tablet, ada)
    first = text_of(tablet.get(home))
    assert "data-handed-over" in first
    assert "take this device back" in first
    step = tablet.post(home).headers["Location"]
    while "review" not in step:
        shown = text_of(tablet.get(step))
        assert "rail" not in shown
        assert "Moreau" not in shown
        step = tablet.post(step, {"value": "1", "seen": ""}).headers["Location"]
    last = tablet.post(step).headers["Location"]
    assert "hand the device back" in text_of(tablet.get(last))
    assert tablet.get(page(ada)).headers["Location"] == "/hand-over/"
    assert tablet.post("/hand-over/", {"password": PASSWORD}).headers["Location"] == page(ada)
    assert "Finished" in text_of(tablet.get(page(ada)))
    assessment = ada.assessments.get()
    assert (assessment.source, assessment.recorded_by) == ("tablet", None)


def test_a_link_that_dies_on_the_tablet_leads_staff_out_and_shows_nothing_else(
    tablet: Client, ada: Patient, clinic: Clinic
) -> None:
    home = hand_over(tablet, ada)
    revoke(patient_id=ada.pk, link_id=MeasureLink.objects.get().pk, by=clinic.desk, now=datetime.now(UTC))
    shown = tablet.get(home)
    assert shown.status_code == 410
    assert "take this device back" in text_of(shown)


@pytest.mark.parametrize("path", ["", "nothing/", "phq9/1/../../../patients/", "phq9/abc/", "x" * 500])
def test_whatever_is_typed_below_the_questionnaire_shows_no_staff_page(tablet: Client, ada: Patient, path: str) -> None:
    home = hand_over(tablet, ada)
    shown = text_of(tablet.get(home + path))
    assert "rail" not in shown
    assert "Moreau" not in shown
    assert "Okafor" not in shown
