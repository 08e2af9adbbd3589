"""A clinic of the previous release is upgraded, and goes back: nothing is lost, and the product works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from pytest_django import DjangoDbBlocker

from clinic.adapters import pg_databases
from clinic.models import Allocation, Booking, User
from clinic.services.backups.contents import Contents, applied_migrations, measure, missing_guards
from courses.tests.backup_kit import database, own_name, unblocked
from courses.tests.releases import LEAVES, PREVIOUS, sql_of
from patients.models import Patient

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("backups")]


@pytest.fixture
def previous(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The small clinic at the previous release, to which Django's connection leads."""
    with unblocked(django_db_blocker), database(own_name("previous")) as name:
        with pg_databases.maintenance() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        with pg_databases.connected(name) as fresh, fresh.cursor() as cursor:
            cursor.execute(sql_of(PREVIOUS))
        yield name


def look(name: str) -> Contents:
    connection.close()
    with pg_databases.standing_still(name) as (cursor, _):
        return measure(cursor)


def counts(found: Contents) -> dict[str, int]:
    """Rows of each table but those that migrating itself writes."""
    written = {"django_migrations", "django_content_type", "auth_permission"}
    return {name: count for name, (count, _) in found.tables.items() if name not in written}


def test_nothing_is_lost_on_the_way_there_and_back_and_the_product_works(previous: str) -> None:
    before = look(previous)
    assert applied_migrations().items() >= {app: (leaf,) for app, leaf in LEAVES[PREVIOUS].items()}.items()
    assert counts(before)["clinic_booking"] > 6

    call_command("migrate", verbosity=0)
    after = look(previous)
    assert {name: count for name, count in counts(after).items() if name in before.tables} == counts(before)
    assert {name: found for name, found in after.history.items() if name in before.history} == before.history
    assert missing_guards(after.guards) == []
    works()

    MigrationExecutor(connection).migrate(list(LEAVES[PREVIOUS].items()))
    back = look(previous)
    assert set(back.tables) == set(before.tables)
    assert set(back.guards) == set(before.guards)
    assert {name: count for name, count in counts(back).items() if before.tables[name][0] > count} == {}

    again = MigrationExecutor(connection)
    again.migrate([key for key in again.loader.graph.leaf_nodes() if key[0] in LEAVES[PREVIOUS]])
    assert missing_guards(look(previous).guards) == []


def works() -> None:
    """A page opens with a record of the release before, a booking can be read, and a time is not given twice."""
    rosa = Patient.objects.get(given_name="Rosa")
    client = Client()
    client.force_login(User.objects.get(username="clinician"))
    page = client.get(f"/patients/{rosa.pk}/")
    assert page.status_code == 200
    assert b"Vidal" in page.content
    held = Allocation.objects.filter(released=False).first()
    assert held is not None
    other = Booking.objects.exclude(pk=held.booking_id).first()
    with pytest.raises(IntegrityError, match="allocation_never_in_two_places"), transaction.atomic():
        Allocation.objects.create(
            booking=other, resource_id=held.resource_id, lane=held.lane, span=held.span, role=held.role
        )
