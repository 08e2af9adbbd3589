"""The page of the worklists: what each role sees and does, filters, put off, closed lately, and the line on Today."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.urls import resolve, reverse

from clinic.models import AccessLog, User, WorkPlace
from clinic.pure.roles import Role
from clinic.tests.factories import Clinic, make_clinic, make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from courses.models import Course, Task, TaskEnd, TaskKind
from courses.services import courses, moves
from courses.services.freed import key_of
from courses.services.worklists.engine import DECIDED_KINDS, end_task, put_off, sweep, take_task
from courses.services.worklists.page import KINDS, SHOWN, Act, say_waiting
from courses.tasks.worklists import sweep as sweep_task
from courses.tests.series_kit import Booked, april, at, book
from patients.models import AlertKind, Patient
from patients.services.alerts import raise_alert
from patients.tests.factories import make_patient

pytestmark = pytest.mark.django_db
TODAY = april(10)
NOW = at(TODAY, "09:00")
HTMX = {"HX-Request": "true"}
SECRET = "PHQ-9 21, 6 above the baseline"


@pytest.fixture(autouse=True)
def _today() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def clinic() -> Clinic:
    return make_clinic()


@pytest.fixture
def patient(clinic: Clinic) -> Patient:
    return make_patient(home_location=clinic.location)


def make_task(clinic: Clinic, *, kind: TaskKind = TaskKind.MEASURE, key: str = "", **known: Any) -> Task:
    number = Task.objects.count()
    values: dict[str, Any] = {
        "text": f"Something waits, number {number}",
        "facts": {"said": SECRET},
        "due_on": TODAY,
        "opened_at": NOW - timedelta(days=3),
        "location": clinic.location,
    }
    return Task.objects.create(kind=kind, key=key or f"task:{number}", **(values | known))


def see(client: Client, user: User, path: str = "/worklists/", **query: Any) -> str:
    client.force_login(user)
    answer = client.get(path, query)
    assert answer.status_code == 200, answer.status_code
    return html.unescape(answer.content.decode())


def post(client: Client, user: User, name: str, *args: Any, **data: Any) -> Any:
    client.force_login(user)
    return client.post(reverse(f"worklists:{name}", args=args), data)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def row(page: str, task: Task) -> str:
    found = re.search(rf'<li class="task[^>]*data-task="{task.pk}".*?</li>', page, re.DOTALL)
    return found[0] if found else ""


# -- one page ----------------------------------------------------------------------------------------------------------


def test_a_row_says_who_what_how_late_since_when_and_whose(client: Client, clinic: Clinic, patient: Patient) -> None:
    task = make_task(clinic, patient=patient, due_on=TODAY - timedelta(days=2), owner=clinic.nurse)
    said = words(row(see(client, clinic.clinician), task))
    for part in ("Okafor, Ada", SECRET, "overdue by 2 days", "waits for 3 days", clinic.nurse.display_name):
        assert part in said


@pytest.mark.parametrize(
    ("late", "said"), [(0, "due today"), (1, "overdue by 1 day"), (-1, "due tomorrow"), (-5, "due in 5 days")]
)
def test_how_due_it_is_in_words(client: Client, clinic: Clinic, late: int, said: str) -> None:
    task = make_task(clinic, due_on=TODAY - timedelta(days=late))
    assert said in words(row(see(client, clinic.desk), task))


def test_each_list_has_its_count_its_first_rows_and_the_rest_by_pages(client: Client, clinic: Clinic) -> None:
    for number in range(60):
        make_task(clinic, due_on=TODAY - timedelta(days=number % 3))
    page = see(client, clinic.desk)
    assert page.count('data-task="') == SHOWN
    assert re.search(r'Measures overdue <span class="tag tag-warn num">60</span>', page)
    assert "40 overdue" in words(page)  # due one or two days ago
    whole = see(client, clinic.desk, "/worklists/measure/")
    assert whole.count('data-task="') == 50
    assert "1–50 of 60 tasks" in words(whole)
    assert see(client, clinic.desk, "/worklists/measure/", page="2").count('data-task="') == 10


def test_danger_comes_first_and_every_kind_has_its_place(client: Client, clinic: Clinic) -> None:
    for kind in reversed(TaskKind):
        make_task(clinic, kind=kind)
    page = see(client, clinic.clinician)
    order = re.findall(r'id="list-(\w+)" aria-labelledby', page)
    assert order == [kind.value for kind in KINDS]
    assert set(order) == set(TaskKind.values)
    assert order[0] == TaskKind.WORSE


def test_danger_signals_are_the_first_line_for_who_may_see_them(
    client: Client, clinic: Clinic, patient: Patient
) -> None:
    raise_alert(kind=AlertKind.PHQ9_ITEM9, detail="2", location=clinic.location, now=NOW, patient=patient)
    page = see(client, clinic.desk)
    assert "1 danger signal waits for a clinician" in words(page)
    assert reverse("alerts:list") in page
    assert "danger signal" not in words(see(client, clinic.manager)).lower().replace("danger signals", "")


def test_nothing_there_says_so(client: Client, clinic: Clinic) -> None:
    assert "Nothing waits" in see(client, clinic.desk)
    assert "No task fits these filters" in see(client, clinic.desk, owner="mine")
    assert "Nothing on this list" in see(client, clinic.desk, "/worklists/review/")


def test_a_name_with_markup_stays_text(client: Client, clinic: Clinic) -> None:
    make_task(clinic, patient=make_patient("<b>Bo</b>", "O'Neil"), text="<script>x</script>")
    client.force_login(clinic.desk)
    page = client.get("/worklists/").content.decode()
    assert "<b>Bo" not in page
    assert "<script>x" not in page


def test_an_unknown_list_is_not_found(client: Client, clinic: Clinic) -> None:
    client.force_login(clinic.desk)
    assert client.get("/worklists/nonsense/").status_code == 404
    assert client.get(reverse("worklists:task", args=[987654])).status_code == 404


@pytest.mark.parametrize("many", [2, 20])
def test_the_pages_cost_the_same_for_twenty_tasks_of_each_kind(client: Client, queries: Queries, many: int) -> None:
    booked = book()
    for kind in TaskKind:
        known = {"course": booked.course, "patient": booked.patient, "infusion": booked.infusion(1)}
        for _ in range(many):
            make_task(booked.clinic, kind=kind, owner=booked.nurse, **known)
        for _ in range(many // 2):
            later, over = (make_task(booked.clinic, kind=kind, **known) for _ in range(2))
            put_off(later.pk, until=april(12), reason="Away", by=booked.clinician, now=NOW)
            end_task(over.pk, how=TaskEnd.DECIDED, text="Decided", by=booked.clinician, now=NOW)
    client.force_login(booked.clinician)
    client.get("/worklists/")
    with queries("worklists: all"):
        answer = client.get("/worklists/")
    assert answer.status_code == 200
    with queries("worklists: one list"):
        answer = client.get("/worklists/dropout/")
    assert answer.status_code == 200
    with queries("worklists: closed"):
        answer = client.get("/worklists/closed/")
    assert answer.status_code == 200


# -- who sees what -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "may_read"), [("desk", False), ("manager", False), ("nurse", True), ("clinician", True)]
)
def test_facts_are_for_clinical_staff_only(
    client: Client, clinic: Clinic, patient: Patient, who: str, may_read: bool
) -> None:
    task = make_task(clinic, kind=TaskKind.REVIEW, patient=patient, facts={"said": SECRET, "why": [SECRET]})
    user = getattr(clinic, who)
    for path in ("/worklists/", "/worklists/review/", reverse("worklists:task", args=[task.pk])):
        page = see(client, user, path)
        assert (SECRET in page) is may_read, path
        assert (task.text in page) is not may_read, path


@pytest.mark.parametrize(
    ("who", "may_read"), [("desk", False), ("manager", False), ("nurse", True), ("clinician", True)]
)
def test_reasons_on_clinical_lists_are_for_clinical_staff_only(
    client: Client, clinic: Clinic, who: str, may_read: bool
) -> None:
    waits, over = (make_task(clinic, kind=TaskKind.BOOSTER) for _ in range(2))
    put_off(waits.pk, until=april(12), reason="Mood is low again", by=clinic.clinician, now=NOW)
    end_task(over.pk, how=TaskEnd.DECLINED, text="Remission lasts", by=clinic.clinician, now=NOW)
    user = getattr(clinic, who)
    pages = [see(client, user), see(client, user, "/worklists/later/"), see(client, user, "/worklists/closed/")]
    pages += [see(client, user, reverse("worklists:task", args=[one.pk])) for one in (waits, over)]
    whole = " ".join(pages)
    assert ("Mood is low again" in whole) is may_read
    assert ("Remission lasts" in whole) is may_read
    assert clinic.clinician.display_name in whole


def test_on_the_radar_the_desk_reads_what_the_desk_wrote(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic, kind=TaskKind.DROPOUT)
    put_off(task.pk, until=april(12), reason="Called, will come", by=clinic.desk, now=NOW)
    assert "Called, will come" in see(client, clinic.desk)


def test_who_may_not_see_worklists_gets_in_nowhere(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic)
    stranger = make_user()
    client.force_login(stranger)
    for path in ("/worklists/", "/worklists/measure/", reverse("worklists:task", args=[task.pk])):
        assert client.get(path).status_code == 403
    client.logout()
    assert client.get("/worklists/").status_code == 302


def test_reading_a_task_is_logged(client: Client, clinic: Clinic, patient: Patient) -> None:
    task = make_task(clinic, patient=patient)
    see(client, clinic.nurse, reverse("worklists:task", args=[task.pk]))
    (log,) = AccessLog.objects.all()
    assert (log.user, log.subject_id, log.page) == (clinic.nurse, patient.resource_id, "Task")


# -- the one act -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "who", "label", "ending"),
    [
        (TaskKind.DROPOUT, "desk", "Find a time", "/move/"),
        (TaskKind.DROPOUT, "nurse", "Open course", ""),
        (TaskKind.INTERRUPTED, "clinician", "Decide", "/decide/"),
        (TaskKind.INTERRUPTED, "desk", "Open course", ""),
        (TaskKind.REVIEW, "clinician", "Review", "/reviews/"),
        (TaskKind.REVIEW, "desk", "Open course", ""),
        (TaskKind.BOOSTER, "clinician", "See times", "/boosters/"),
        (TaskKind.MAINTENANCE, "desk", "Book", "/maintenance/next/"),
        (TaskKind.MAINTENANCE_REVIEW, "clinician", "Review", "/maintenance/review/"),
        (TaskKind.MEASURE, "desk", "Send or enter", "/follow-up/"),
        (TaskKind.LONG_TERM, "nurse", "Open checks", "/follow-up/"),
        (TaskKind.EXPIRING, "desk", "Renew consent", "/consent/"),
        (TaskKind.WORSE, "nurse", "See scores", "/response/"),
        (TaskKind.WORSE, "desk", "Open course", ""),
    ],
)
def test_each_row_leads_to_where_it_is_done_and_this_person_may_go(
    client: Client, kind: TaskKind, who: str, label: str, ending: str
) -> None:
    booked = book()
    known = {"course": booked.course, "patient": booked.patient, "infusion": booked.infusion(1)}
    task = make_task(booked.clinic, kind=kind, **known)
    found = re.search(rf'id="act-{task.pk}"[^>]*href="([^"]+)"[^>]*>([^<]+)<', see(client, getattr(booked.clinic, who)))
    assert found, "there is no act"
    assert found[2] == label
    assert ending in found[1]
    if kind not in (TaskKind.REVIEW, TaskKind.MAINTENANCE_REVIEW, TaskKind.MAINTENANCE):  # these need their own facts
        assert client.get(found[1]).status_code == 200


def test_a_freed_time_leads_to_its_offers(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic, kind=TaskKind.FREED_SLOT, key=key_of(7))
    assert reverse("worklists:freed", args=[7]) in row(see(client, clinic.desk), task)
    assert "/freed/" not in row(see(client, clinic.nurse), task), "who moves no infusion offers none"


@pytest.mark.parametrize("act", [act for kind in KINDS.values() for act in kind.acts], ids=lambda act: act.name)
def test_every_act_has_an_address_that_asks_for_no_more_than_the_button_does(act: Act) -> None:
    view: Any = resolve(reverse(act.name, args=[1] * len(act.about))).func
    people = [User(roles=[role.value]) for role in Role]
    may = [person for person in people if person.can(act.needs)]
    assert may
    assert all(any(person.can(one) for one in view.capabilities) for person in may)


def test_a_task_without_a_course_leads_to_the_record(client: Client, clinic: Clinic, patient: Patient) -> None:
    make_task(clinic, patient=patient)
    assert patient.get_absolute_url() in see(client, clinic.desk)


# -- filters -----------------------------------------------------------------------------------------------------------


def test_mine_nobodys_location_and_kind(client: Client, clinic: Clinic) -> None:
    other = make_location("Uptown")
    mine, free, theirs = make_task(clinic, owner=clinic.desk), make_task(clinic), make_task(clinic, owner=clinic.nurse)
    far, review = make_task(clinic, location=other), make_task(clinic, kind=TaskKind.REVIEW)
    everything = [mine, free, theirs, far, review]

    def shown(**query: Any) -> list[Task]:
        page = see(client, clinic.desk, **query)
        return [task for task in everything if row(page, task)]

    assert shown() == [mine, free, theirs, review], "the location that this person works at"
    assert shown(owner="mine") == [mine]
    assert shown(owner="nobody") == [free, review]
    assert shown(location="all") == [mine, free, theirs, review], "every location that this person reaches"
    assert shown(location=other.pk) == [mine, free, theirs, review]
    WorkPlace.objects.create(user=clinic.desk, location=other)
    assert shown(location="all") == everything
    assert shown(location=other.pk) == [far]
    assert shown(kind="review") == [review]
    assert shown(owner="odd", location="x", kind="odd") == [mine, free, theirs, review]


def test_a_location_that_is_not_used_any_more_keeps_its_tasks_on_the_lists(client: Client, clinic: Clinic) -> None:
    """Nothing can fall off a list except by an act (issue 5)."""
    closed = make_location("Closed", is_active=False)
    task = make_task(clinic, location=closed)
    assert row(see(client, clinic.clinician, location="all"), task), "a clinician reaches every location"
    assert not row(see(client, clinic.desk, location="all"), task)
    WorkPlace.objects.create(user=clinic.desk, location=closed)
    assert row(see(client, clinic.desk, location="all"), task), "who works there reaches it, closed or not"


@pytest.mark.parametrize("key", ["due", "opened", "patient", "owner"])
def test_a_list_sorts_both_ways(client: Client, clinic: Clinic, key: str) -> None:
    one = make_task(
        clinic, patient=make_patient("Ada", "Abel"), due_on=april(1), opened_at=at(april(1)), owner=clinic.clinician
    )
    two = make_task(
        clinic, patient=make_patient("Zoe", "Zorn"), due_on=april(9), opened_at=at(april(9)), owner=clinic.nurse
    )

    def order(sort: str) -> list[str]:
        return re.findall(r'data-task="(\d+)"', see(client, clinic.desk, "/worklists/measure/", sort=sort))

    assert order(key) == [str(one.pk), str(two.pk)]  # Hart comes before Moreau
    assert order(f"-{key}") == [str(two.pk), str(one.pk)]


# -- later and closed --------------------------------------------------------------------------------------------------


def test_what_is_put_off_waits_under_later_and_comes_up_on_its_day(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic, kind=TaskKind.DROPOUT)
    answer = post(
        client,
        clinic.desk,
        "put_off",
        task.pk,
        until="2027-04-12",
        reason="Called, will come",
        next="/worklists/?owner=mine",
    )
    assert (answer.status_code, answer["Location"]) == (302, "/worklists/?owner=mine")
    page = see(client, clinic.desk)
    assert "Later" in page
    assert "until Mon 12 Apr" in words(row(page, task))
    assert not row(see(client, clinic.desk, "/worklists/dropout/"), task)
    assert row(see(client, clinic.desk, "/worklists/later/"), task)
    with time_machine.travel(at(april(12)), tick=False):
        assert row(see(client, clinic.desk, "/worklists/dropout/"), task)


def test_every_call_stands_with_the_task(client: Client, clinic: Clinic) -> None:
    """A contact attempt keeps the task and what was reached, also the earlier ones."""
    task = make_task(clinic, kind=TaskKind.DROPOUT)
    post(client, clinic.desk, "put_off", task.pk, until="2027-04-11", reason="Line busy")
    post(client, clinic.nurse, "put_off", task.pk, until="2027-04-13", reason="Called, will come")
    page = words(see(client, clinic.desk, reverse("worklists:task", args=[task.pk])))
    assert page.index("Called, will come") < page.index("Line busy")
    assert str(clinic.nurse) in page
    task.refresh_from_db()
    assert task.closed_at is None


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"until": "2027-04-12", "reason": " "}, "Say why it waits"),
        ({"until": "", "reason": "Away"}, "Say on which day"),
        ({"until": "2027-04-10", "reason": "Away"}, "Choose a day after today"),
        ({"until": "9999-01-01", "reason": "Away"}, "This is not a day"),
        ({"until": "2028-04-10", "reason": "Away"}, "later is not never"),
    ],
)
def test_a_refused_put_off_says_why_at_the_field(
    client: Client, clinic: Clinic, data: dict[str, str], why: str
) -> None:
    task = make_task(clinic)
    answer = post(client, clinic.desk, "put_off", task.pk, **data)
    assert answer.status_code == 422
    assert why in answer.content.decode()
    task.refresh_from_db()
    assert task.later_until is None


def test_what_is_set_aside_stands_under_closed_lately_with_why_and_by_whom(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic, kind=TaskKind.DROPOUT)
    assert post(client, clinic.desk, "end", task.pk, "declined", text="Goes elsewhere").status_code == 302
    for path in ("/worklists/", "/worklists/closed/"):
        said = words(row(see(client, clinic.desk, path), task))
        for part in ("Goes elsewhere", "Set aside", clinic.desk.display_name, "Sat 10 Apr, 09:00"):
            assert part in said, path


def test_an_end_without_a_word_is_refused(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic)
    answer = post(client, clinic.desk, "end", task.pk, "declined", text="")
    assert answer.status_code == 422
    assert "Say why; it stays with the task." in html.unescape(answer.content.decode())


def test_done_by_a_word_is_only_for_the_radar(client: Client, clinic: Clinic) -> None:
    radar, other = make_task(clinic, kind=TaskKind.DROPOUT), make_task(clinic)
    assert post(client, clinic.desk, "end", other.pk, "done", text="Yes").status_code == 404
    assert post(client, clinic.desk, "end", radar.pk, "done", text="Comes on Monday without a time").status_code == 302
    assert post(client, clinic.desk, "end", radar.pk, "settled", text="x").status_code == 404
    radar.refresh_from_db()
    assert (radar.closed_how, radar.closed_by) == (TaskEnd.DONE, clinic.desk)


@pytest.mark.parametrize("kind", sorted(DECIDED_KINDS))
@pytest.mark.parametrize(("who", "status"), [("desk", 403), ("nurse", 403), ("manager", 403), ("clinician", 302)])
def test_clinical_lists_are_set_aside_only_by_a_prescriber(
    client: Client, clinic: Clinic, kind: TaskKind, who: str, status: int
) -> None:
    task, user = make_task(clinic, kind=kind), getattr(clinic, who)
    offers = "Set it aside" in see(client, user, reverse("worklists:task", args=[task.pk]))
    assert offers is (status == 302)
    assert post(client, user, "end", task.pk, "declined", text="No").status_code == status


# -- whose it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "may"), [("desk", True), ("nurse", True), ("clinician", True), ("manager", False)])
def test_taking_and_giving_back(client: Client, clinic: Clinic, who: str, may: bool) -> None:
    task, user = make_task(clinic), getattr(clinic, who)
    assert (f"take-{task.pk}" in see(client, user)) is may
    assert post(client, user, "take", task.pk).status_code == (302 if may else 403)
    task.refresh_from_db()
    assert (task.owner == user) is may
    if may:
        assert "Yours" in words(row(see(client, user), task))
        assert post(client, user, "give_back", task.pk).status_code == 302
        task.refresh_from_db()
        assert task.owner is None


def test_taken_by_somebody_else_meanwhile_nothing_changes(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic)
    take_task(task.pk, by=clinic.nurse, now=NOW)
    answer = post(client, clinic.desk, "take", task.pk, owner="")
    assert answer.status_code == 409
    assert "took it meanwhile" in answer.content.decode()
    assert post(client, clinic.desk, "give_back", task.pk).status_code == 409
    task.refresh_from_db()
    assert task.owner == clinic.nurse
    assert post(client, clinic.desk, "take", task.pk, owner=clinic.nurse.pk).status_code == 302, "taken over on purpose"


@pytest.mark.parametrize("name", ["take", "give_back", "put_off", "end"])
def test_a_stale_click_on_what_is_over_changes_nothing(client: Client, clinic: Clinic, name: str) -> None:
    task = make_task(clinic)
    end_task(task.pk, how=TaskEnd.DONE, text="Called", by=clinic.nurse, now=NOW)
    args = (task.pk, "declined") if name == "end" else (task.pk,)
    answer = post(client, clinic.desk, name, *args, text="No", until="2027-04-12", reason="Away")
    assert answer.status_code == 409
    assert "This is over already" in answer.content.decode()
    task.refresh_from_db()
    assert (task.closed_text, task.owner, task.later_until) == ("Called", None, None)


def test_no_way_out_of_the_house_through_the_way_back(client: Client, clinic: Clinic) -> None:
    task = make_task(clinic)
    assert post(client, clinic.desk, "take", task.pk, next="https://example.org/")["Location"] == "/worklists/"


def test_the_sheet_has_the_same_as_the_page(client: Client, clinic: Clinic, patient: Patient) -> None:
    task = make_task(clinic, patient=patient)
    client.force_login(clinic.desk)
    piece = client.get(reverse("worklists:task", args=[task.pk]), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in piece
    assert "Put it off" in piece


# -- Today -------------------------------------------------------------------------------------------------------------


def today_line(client: Client, user: User) -> str:
    found = re.search(r'<li data-need="tasks-".*?</li>', see(client, user, "/"), re.DOTALL)
    return words(found[0]) if found else ""


def test_today_has_one_line_for_the_worklists_of_this_location(client: Client, clinic: Clinic) -> None:
    for kind in (TaskKind.REVIEW, TaskKind.REVIEW, TaskKind.MEASURE):
        make_task(clinic, kind=kind)
    make_task(clinic, due_on=april(11))  # not due
    make_task(clinic, location=make_location("Uptown"))
    make_task(clinic, kind=TaskKind.INTERRUPTED)  # has a line of its own there
    make_task(clinic, kind=TaskKind.DROPOUT)
    later = make_task(clinic)
    put_off(later.pk, until=april(12), reason="Away", by=clinic.desk, now=NOW)
    over = make_task(clinic)
    end_task(over.pk, how=TaskEnd.DONE, text="Seen", by=clinic.nurse, now=NOW)
    assert "3 tasks are due reviews due 2, measures overdue 1 Worklists" in today_line(client, clinic.desk)


def test_today_without_due_tasks_has_no_line(client: Client, clinic: Clinic) -> None:
    make_task(clinic, due_on=april(11))
    assert today_line(client, clinic.desk) == ""


def test_due_is_by_the_clocks_of_the_location(client: Client, clinic: Clinic) -> None:
    """23:00 in New York on the 10th: what is due on the 11th is not due yet, though Greenwich has the 11th."""
    make_task(clinic, due_on=april(11))
    with time_machine.travel(at(TODAY, "23:00"), tick=False):
        assert today_line(client, clinic.desk) == ""
    with time_machine.travel(at(april(11), "00:30"), tick=False):
        assert "1 task is due" in today_line(client, clinic.desk)


def test_counts_are_said_in_the_order_of_the_lists() -> None:
    waiting = [
        {"kind": "long_term", "n": 3, "due": 2},
        {"kind": "worse", "n": 1, "due": 1},
        {"kind": "interrupted", "n": 1, "due": 1},  # has a line of its own on Today
        {"kind": "review", "n": 4, "due": 0},
    ]
    assert say_waiting(waiting) == (3, "worse or in danger 1, long-term checks 2")
    assert say_waiting([]) == (0, "")


# -- by itself ---------------------------------------------------------------------------------------------------------


def test_the_sweep_runs_every_five_minutes_and_finds_a_lost_patient(client: Client) -> None:
    schedule = settings.CELERY_BEAT_SCHEDULE["sweep worklists"]
    assert schedule["task"] == "courses.tasks.worklists.sweep"
    assert schedule["schedule"].minute == set(range(0, 60, 5))
    booked: Booked = book()
    booked.give(1, 2, 3)
    for number in (4, 5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=NOW)
    assert sweep_task()[0] >= 1
    before = Task.objects.count()
    assert sweep_task()[0] == 0, "a second worker opens nothing twice"
    assert Task.objects.count() == before
    assert "Infusion 4 of 6 was cancelled" in see(client, booked.desk)


def test_an_interrupted_course_is_decided_from_the_list_and_gone(client: Client) -> None:
    booked = book()
    booked.give(1, 2, 3)
    for number in (4, 5, 6):
        moves.cancel_infusion(booked.infusion(number).pk, reason="Away", by=booked.desk, now=NOW)
    with time_machine.travel(at(april(24)), tick=False):
        courses.mark_interrupted(at(april(24)))
        sweep(at(april(24)), kinds=[TaskKind.INTERRUPTED])
        page = see(client, booked.clinician)
        assert reverse("courses:decide", args=[booked.course.pk]) in page
        client.post(reverse("courses:decide", args=[booked.course.pk]), {"choice": "continue", "reason": "Back"})
        sweep(at(april(24), "08:00"), kinds=[TaskKind.INTERRUPTED])
        assert "Continued after a pause of 15 days." in see(client, booked.clinician)
    assert Course.objects.get(pk=booked.course.pk).status == "active"
