"""`manage.py add_manager NAME`: the first person of a new installation, who adds the others on the set-up pages."""

from __future__ import annotations

from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from clinic.models import User
from clinic.pure.roles import Role
from clinic.services.staff import StaffData, add_staff


class Command(BaseCommand):
    help = "Adds somebody with the role of manager. The password is asked for, twice."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--first-name", default="Clinic")
        parser.add_argument("--last-name", default="Manager")
        parser.add_argument("--email", default="")

    def handle(self, *_: Any, **options: Any) -> None:
        data = StaffData(
            username=options["username"],
            first_name=options["first_name"],
            last_name=options["last_name"],
            email=options["email"],
            roles=frozenset({Role.MANAGER}),
        )
        try:
            with transaction.atomic():
                person = add_staff(data=data, by=None, now=timezone.now())
                self._set_password(person)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(f"{person.username} can sign in and set the clinic up.")

    def _set_password(self, person: User) -> None:
        password = getpass("Password: ")
        if password != getpass("The same again: "):
            raise CommandError("The two passwords differ; nobody was added.")
        validate_password(password, person)
        person.set_password(password)
        person.save(update_fields=["password"])
