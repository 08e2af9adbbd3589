"""Questionnaires by the link in a message: nothing is made until somebody presses, and then one link, once."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac

from clinic.services.recorded import recorded
from patients.models import LinkKind, MeasureLink, Message
from patients.pure.measures import MEASURES
from patients.services.measure_links import create_link, link_of_secret, token_of_secret
from patients.services.messages.acts import ActRefusedError, Why
from patients.services.messages.links import Opened, note_opened
from patients.services.registry import MergedPatientError

SALT = "patients.message_measures"
SECRET_CHARS = 48  # 192 bits in hexadecimal


def measures_of(message: Message) -> list[str]:
    """The codes of what is asked, in the house's order: the message's ``facts["measures"]``."""
    wanted = message.facts.get("measures", [])
    return [code for code in MEASURES if code in wanted]


def link_made(message: Message) -> MeasureLink | None:
    """The questionnaire that this message led to before, whatever became of it."""
    return link_of_secret(secret_of(message))


def open_questions(opened: Opened, *, now: datetime) -> str:
    """The token of the message's own questionnaire, made by the first press; the same at each later one.

    Raises:
        ActRefusedError: CALL, there is nothing that could be asked.
    """
    message, secret = opened.message, secret_of(opened.message)
    with recorded(by=None, now=now):
        Message.objects.select_for_update(no_key=True, of=("self",)).get(pk=message.pk)
        if link_of_secret(secret) is None:
            try:
                create_link(
                    patient=opened.patient,
                    measures=measures_of(message),
                    kind=LinkKind.PHONE,
                    location=message.location,
                    by=None,
                    now=now,
                    secret=secret,
                )
            except (ValidationError, MergedPatientError) as error:
                raise ActRefusedError(Why.CALL) from error
            note_opened(message, now=now, said="The questionnaire was opened by the link.")
    return token_of_secret(secret)


def secret_of(message: Message) -> str:
    """Derived from the message, so that it need not be kept to be found again."""
    return salted_hmac(SALT, message.uid.bytes, algorithm="sha256").hexdigest()[:SECRET_CHARS]
