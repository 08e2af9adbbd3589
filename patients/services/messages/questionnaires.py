"""Questionnaires that a person sends: by text or e-mail, where the patient agreed to one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from clinic.models import Location, User
from clinic.services.recorded import recorded
from patients.models import LinkKind, MeasureLink, Message, MessageEvent, Patient
from patients.services.measure_links import LinkState, create_link, progress_of
from patients.services.messages.addressing import choose_for
from patients.services.messages.kinds import Kind, Occasion, register_kind
from patients.services.messages.links import Purpose
from patients.services.messages.planning import announce
from patients.services.messages.questions import secret_of

ABOUT = "link"
SWITCHED_OFF = "Sending questionnaires is switched off at this location, under the rules for messages."
OPEN = (LinkState.SENT, LinkState.OPENED, LinkState.STARTED)


class CannotSendError(Exception):
    """Nothing was made or sent; the message says why, and what to do instead."""


def register() -> None:
    """Questionnaires that staff send are a kind of message."""
    still = f"{__name__}.why_not"
    register_kind(Kind(event=MessageEvent.QUESTIONNAIRE, purpose=Purpose.QUESTIONNAIRE, still=still))


def send_questionnaire(
    *, patient: Patient, measures: Iterable[str], location: Location, by: User, now: datetime
) -> tuple[MeasureLink, Message]:
    """A questionnaire and the message that leads to it: both, or neither.

    Raises:
        CannotSendError: the patient agreed to neither text nor e-mail, or the clinic has switched it off.
        ValidationError, MergedPatientError: see ``create_link``.
    """
    address = choose_for(patient, location)
    if address.is_call:
        raise CannotSendError(f"{address.why_not} Show the link, or hand over this device.")
    codes = list(measures)
    with recorded(by=by, now=now):
        occasion = Occasion(
            event=MessageEvent.QUESTIONNAIRE,
            key=f"questionnaire {uuid4()}",
            location_id=location.pk,
            anchor=now,
            patient_id=patient.pk,
            facts={"measures": codes},
        )
        rows = announce([occasion], now=now, by=by)
        if not rows:
            raise CannotSendError(SWITCHED_OFF)
        link, _ = create_link(
            patient=patient,
            measures=codes,
            kind=LinkKind.PHONE,
            location=location,
            by=by,
            now=now,
            secret=secret_of(rows[0]),
        )
        rows[0].about = f"{ABOUT}:{link.pk}"
        rows[0].save(update_fields=["about"])
    return link, rows[0]


def why_not(messages: Sequence[Message], *, now: datetime) -> Mapping[int, str]:
    """The link still takes answers; one query."""
    ids = {message.pk: message.about.partition(":")[2] for message in messages if message.about.startswith(ABOUT)}
    links = MeasureLink.objects.in_bulk([int(pk) for pk in ids.values()])
    standing = {one.link.pk: one.state for one in progress_of(links.values(), now=now)}
    found = {}
    for message_id, link_id in ids.items():
        state = standing.get(int(link_id))
        if state not in OPEN:
            found[message_id] = f"The questionnaire is {state}." if state else "The questionnaire is gone."
    return found


def messages_of_links(links: Iterable[MeasureLink]) -> dict[int, Message]:
    """Link id -> the message that led to it; one query, none without links."""
    wanted = {f"{ABOUT}:{link.pk}": link for link in links}
    if not wanted:
        return {}
    patients = {link.patient_id for link in wanted.values()}
    rows = Message.objects.filter(patient__in=patients, event=MessageEvent.QUESTIONNAIRE, about__in=wanted)
    return {wanted[row.about].pk: row for row in rows.order_by("pk")}
