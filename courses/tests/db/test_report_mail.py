"""The monthly e-mail: when, to whom, once; a link and no number (issue 7, "scheduled monthly report by e-mail link")."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied

from clinic.models import Location, User
from clinic.pure.roles import Can, Role
from clinic.tests.factories import make_location, make_user
from clinic.tests.fixtures.ledger import Queries
from clinic.tests.fixtures.parallel import Parallel
from courses.models import ReportMail, ReportMonth
from courses.pure.reports.filters import Filters
from courses.services import report_mail
from courses.services.report_mail import (
    MailRefusedError,
    filters_of,
    standing_query,
    subscribe,
    tell_months,
    unsubscribe,
)

pytestmark = pytest.mark.django_db
KNOWN = {"outcomes": ("Outcomes", Can.VIEW_OUTCOME_REPORTS), "operations": ("Operations", Can.VIEW_OPERATION_REPORTS)}
MID_MARCH = datetime(2027, 3, 15, 16, 0, tzinfo=UTC)
EIGHT = datetime(2027, 4, 1, 12, 0, tzinfo=UTC)  # in New York, in summer time since 14 March


@pytest.fixture
def place() -> Location:
    return make_location("Brooklyn")  # America/New_York


@pytest.fixture
def manager(place: Location) -> User:
    return make_user(Role.MANAGER, username="mona", email="mona@clinic.example", home_location=place)


def ask(
    by: User, place: Location, *, report: str = "outcomes", query: str = "", now: datetime = MID_MARCH
) -> ReportMail:
    return subscribe(report=report, can=KNOWN[report][1], query=query, location=place, by=by, now=now)


def told(now: datetime = EIGHT) -> int:
    return tell_months(now, KNOWN)


# -- what it says ------------------------------------------------------------------------------------------------------
def test_it_links_to_the_report_of_that_very_month_and_says_no_number(
    place: Location, manager: User, settings: Any
) -> None:
    settings.CADENCE_BASE_URL = "https://cadence.example"
    ask(manager, place, query=f"location={place.pk}&indication=trd")
    assert told() == 1
    (message,) = mail.outbox
    assert message.to == ["mona@clinic.example"]
    assert message.subject == "Cadence: Outcomes of March 2027"
    link = f"https://cadence.example/reports/outcomes/?location={place.pk}&indication=trd&since=2027-03-01&until=2027-03-31"
    assert link in message.body
    assert "To have no more of these e-mails: https://cadence.example/reports/mail/" in message.body
    whole = message.message().as_string().lower()
    for secret in ("%", "ketamine", "depress", "phq", "brooklyn", "response"):
        assert secret not in whole


@pytest.mark.parametrize(
    ("now", "since", "until"),
    [
        (datetime(2027, 3, 1, 14, tzinfo=UTC), "2027-02-01", "2027-02-28"),
        (datetime(2028, 3, 1, 14, tzinfo=UTC), "2028-02-01", "2028-02-29"),
        (datetime(2028, 1, 1, 14, tzinfo=UTC), "2027-12-01", "2027-12-31"),
    ],
)
def test_months_have_their_own_length(place: Location, manager: User, now: datetime, since: str, until: str) -> None:
    ask(manager, place, now=now - timedelta(days=20))
    assert told(now) == 1
    assert f"since={since}&until={until}" in mail.outbox[0].body


# -- when --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("now", "leaves"),
    [
        (EIGHT - timedelta(seconds=1), 0),
        (EIGHT, 1),
        (datetime(2027, 4, 1, 3, 0, tzinfo=UTC), 0),  # 23:00 on 31 March there, the first in UTC
        (datetime(2027, 4, 23, 3, 0, tzinfo=UTC), 1),  # after an outage: late, in the same month
    ],
)
def test_it_leaves_at_eight_on_the_clocks_of_the_location_or_later_in_the_month(
    place: Location, manager: User, now: datetime, leaves: int
) -> None:
    ask(manager, place)
    assert told(now) == leaves


def test_each_place_has_its_own_morning(place: Location, manager: User) -> None:
    west = make_location("Oakland", time_zone="America/Los_Angeles")
    ask(manager, place)
    ask(manager, west)
    assert told(EIGHT) == 1
    assert told(EIGHT + timedelta(hours=3)) == 1  # eight in California


def test_once_a_month_and_again_for_the_next(place: Location, manager: User) -> None:
    row = ask(manager, place)
    assert [told(), told(), told(EIGHT + timedelta(days=20))] == [1, 0, 0]
    assert told(datetime(2027, 5, 1, 12, tzinfo=UTC)) == 1
    assert list(row.months.order_by("month").values_list("month", flat=True)) == [
        date(2027, 2, 1),  # over when it was asked for
        date(2027, 3, 1),
        date(2027, 4, 1),
    ]


def test_after_two_months_without_a_worker_only_the_last_month_is_told_of(place: Location, manager: User) -> None:
    ask(manager, place)
    assert told(datetime(2027, 6, 2, 12, tzinfo=UTC)) == 1
    assert "since=2027-05-01" in mail.outbox[0].body


def test_who_asks_in_the_middle_of_a_month_waits_for_its_end(place: Location, manager: User) -> None:
    ask(manager, place, now=datetime(2027, 4, 20, 12, tzinfo=UTC))
    assert told(datetime(2027, 4, 20, 13, tzinfo=UTC)) == 0
    assert told(datetime(2027, 5, 1, 12, tzinfo=UTC)) == 1


def test_a_mail_server_that_refuses_gives_the_month_back(
    place: Location, manager: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(manager, place)

    def refuse(*_: Any, **__: Any) -> int:
        raise SMTPServerDisconnected

    with monkeypatch.context() as broken:
        broken.setattr(report_mail.EmailMessage, "send", refuse)
        assert told() == 0
    assert told(EIGHT + timedelta(hours=1)) == 1


# -- to whom -----------------------------------------------------------------------------------------------------------
def test_who_lost_the_permission_left_or_has_no_address_gets_none(place: Location, manager: User) -> None:
    ask(manager, place)
    kept = {"roles": list(manager.roles)}
    for lost in ({"roles": [Role.NURSE]}, {"is_active": False}, {"email": ""}):
        User.objects.filter(pk=manager.pk).update(**lost)
        assert told() == 0
        User.objects.filter(pk=manager.pk).update(**kept, is_active=True, email="mona@clinic.example")
    assert told() == 1


def test_a_closed_place_and_a_report_that_is_no_more_are_told_of_to_nobody(place: Location, manager: User) -> None:
    row = ask(manager, place)
    Location.objects.filter(pk=place.pk).update(is_active=False)
    assert told() == 0
    Location.objects.filter(pk=place.pk).update(is_active=True)
    ReportMail.objects.filter(pk=row.pk).update(report="gone")
    assert told() == 0


def test_only_who_may_see_it_and_has_an_address_can_ask_for_it(place: Location, manager: User) -> None:
    nurse = make_user(Role.NURSE, username="nora", email="nora@clinic.example")
    with pytest.raises(PermissionDenied):
        ask(nurse, place)
    User.objects.filter(pk=manager.pk).update(email="")
    manager.refresh_from_db()
    with pytest.raises(MailRefusedError, match="no e-mail address"):
        ask(manager, place)
    assert not ReportMail.objects.exists()


def test_asked_for_twice_is_one_and_taken_back_it_is_no_more(place: Location, manager: User) -> None:
    row = ask(manager, place)
    assert ask(manager, place) == row
    stranger = make_user(Role.MANAGER, username="second")
    with pytest.raises(PermissionDenied):
        unsubscribe(row, by=stranger, now=MID_MARCH)
    unsubscribe(row, by=manager, now=MID_MARCH)
    assert told() == 0
    assert ask(manager, place, now=EIGHT + timedelta(days=2)) == row
    assert told(EIGHT + timedelta(days=3)) == 0  # asked for again after the first: from the next one on
    assert told(datetime(2027, 5, 1, 12, tzinfo=UTC)) == 1


# -- the filters that stay ---------------------------------------------------------------------------------------------
def test_filters_are_kept_without_their_period_and_read_as_last_month(place: Location, manager: User) -> None:
    query = standing_query(Filters(period="last-year", indication="trd", location=place.pk, at="later"))
    assert query == f"location={place.pk}&indication=trd&at=later"
    found = filters_of(ask(manager, place, query=query), date(2027, 4, 9))
    assert (found.since, found.until, found.indication) == (date(2027, 3, 1), date(2027, 3, 31), "trd")
    assert filters_of(ReportMail(query="indication=gone"), date(2027, 4, 9)).indication == ""


def test_the_queries_do_not_grow_with_those_who_were_told(place: Location, manager: User, queries: Queries) -> None:
    for number in range(5):
        other = make_user(Role.MANAGER, username=f"m{number}", email=f"m{number}@clinic.example")
        ask(other, place, now=EIGHT)
    ask(manager, place)
    with queries("monthly report e-mail", at_most=6):
        assert told() == 1


# -- two workers -------------------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
class TestTwoWorkers:
    @pytest.fixture
    def many(self) -> int:
        place = make_location("Brooklyn")
        ask(make_user(Role.MANAGER, username="mona", email="mona@clinic.example"), place)
        return 6

    def test_without_the_claim_each_of_them_writes(
        self, many: int, parallel: Parallel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The race: all have looked before the first has written."""
        monkeypatch.setattr(report_mail, "_claim", lambda *_: True)
        parallel(many, lambda _: told())
        assert len(mail.outbox) == many

    def test_with_it_one_of_them_does(self, many: int, parallel: Parallel) -> None:
        done = parallel(many, lambda _: told())
        assert [one.error for one in done if one.error] == []
        assert sum(one.value for one in done) == len(mail.outbox) == 1
        assert ReportMonth.objects.filter(month=date(2027, 3, 1)).count() == 1
