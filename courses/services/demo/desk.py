"""Plays the demo's intake desk: what people asked for and what became of it, each act through its service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from clinic.models import Location, User
from clinic.services.freetime import open_days
from courses.services.demo.asks import ASKS, Ask, Becomes
from courses.services.demo.intake import about, consent, consulted_record, decide
from courses.services.demo.place import Site
from courses.services.demo.play import Play
from courses.services.demo.scores import answers_for
from patients.models import (
    Channel,
    Consent,
    Consultation,
    ConsultationRequest,
    ContactOutcome,
    LinkKind,
    Patient,
    PriceKind,
    RequestSource,
    RequestStatus,
    VisitMode,
)
from patients.services import requests
from patients.services.alerts import escalate_overdue
from patients.services.consents import (
    install_consent_text,
    publish_text,
    save_draft,
    seen,
    start_draft,
    withdraw_consent,
)
from patients.services.contact_consents import record_contact_consent
from patients.services.intake_settings import intake_settings_of
from patients.services.intake_setup import (
    SETTINGS,
    PriceData,
    add_price,
    change_intake_settings,
    seen_settings,
)
from patients.services.measure_links import create_link, finish, save_answer

PRICES = (
    (PriceKind.CONSULTATION, "Consultation, 60 minutes", "275.00"),
    (PriceKind.INFUSION, "Infusion with monitoring", "450.00"),
    (PriceKind.SERIES, "Series review with letter", "120.00"),
    (PriceKind.OTHER, "Copy of records", "25.00"),
)
CONDITIONS = "Blood pressure below 140/90 at two visits; referrer agrees to reduce the benzodiazepine."
IN_THESE_STATES = 3
NEWER = "You may bring somebody who stays with you while you rest."
SATURDAY = 5
REASONS = {
    "not_now": "Blood pressure is not controlled yet. See again after four weeks of treatment by the family doctor.",
    "no": "Aneurysm under observation. Referred back with alternatives.",
}


def set_up_intake(sites: Sequence[Site], *, by: User, prescriber: User, now: datetime) -> None:
    """Each location has its price list, its wording, and a published consent text."""
    for site in sites:
        place = site.location
        install_consent_text(location=place, by=prescriber, now=now)
        for kind, label, amount in PRICES:
            add_price(location=place, data=PriceData(kind, label, Decimal(amount)), by=by, now=now)
        current = intake_settings_of(place)
        values: dict[str, Any] = {name: getattr(current, name) for name in SETTINGS}
        values["hours_text"] = "We call back Monday to Friday, 8 am to 5 pm, usually the same day."
        change_intake_settings(location=place, values=values, expected=seen_settings(current), by=by, now=now)


@dataclass
class Desk:
    """The requests on their way through the clinic."""

    play: Play

    def open(self) -> None:
        """Every request comes in at its hour."""
        for number, ask in enumerate(ASKS, 1):
            self.play.at(self.play.now - timedelta(hours=ask.hours), self._receive(number, ask))

    def _receive(self, number: int, ask: Ask) -> Callable[[datetime], None]:
        def come(when: datetime) -> None:
            site = self.play.sites[ask.site]
            data = requests.RequestData(
                given_name=ask.given_name,
                family_name=ask.family_name,
                birth_date=ask.born,
                phone=f"+1212555{140 + number:04d}",
                email=f"{ask.given_name}.{ask.family_name}@people.example".lower(),
                may_phone=True,
                may_sms=number % 3 > 0,
                may_email=number % 2 > 0,
                seeks_help_for=tuple(one.value for one in ask.helps),
                message=ask.message,
                wished_mode="video" if ask.is_video else "",
                referrer=ask.referrer,
                danger=ask.danger,
            )
            key = UUID(int=number)
            if ask.source == RequestSource.WEB:
                row = requests.receive_request(data=data, location=site.location, submission=key, now=when)
            else:
                row = requests.take_phone_request(
                    data=data, location=site.location, submission=key, by=site.desk, now=when, source=ask.source
                )
            self._answer(ask, row.pk, site, when)

        return come

    def _answer(self, ask: Ask, request_id: int, site: Site, when: datetime) -> None:
        later = when
        for outcome in ask.contacts:
            later += timedelta(hours=2)

            def contact(at: datetime, outcome: ContactOutcome = outcome) -> None:
                requests.log_contact(
                    request_id=request_id, outcome=outcome, expected_version=_version(request_id), by=site.desk, now=at
                )

            self.play.at(later, contact)
        if ask.becomes is Becomes.CLOSED and ask.closed_as:
            reason = ask.closed_as

            def close(at: datetime) -> None:
                requests.close_request(
                    request_id=request_id, reason=reason, expected_version=_version(request_id), by=site.desk, now=at
                )

            self.play.at(later + timedelta(hours=1), close)
        elif ask.becomes in (Becomes.BOOKED, Becomes.SEEN, Becomes.DECIDED):
            self.play.at(later + timedelta(minutes=5), lambda at: self._book(ask, request_id, site, at))

    def _book(self, ask: Ask, request_id: int, site: Site, when: datetime) -> None:
        row = requests.register_from_request(
            request_id=request_id, birth_date=ask.born, expected_version=_version(request_id), by=site.desk, now=when
        )
        if row.patient is None:
            return
        day = _day_for(ask, site.location, self.play.now)
        mode = VisitMode.VIDEO if ask.is_video else VisitMode.IN_PERSON
        self.play.consult(
            site=site,
            patient=row.patient,
            day=day,
            clock=time(9 + request_id % 6),
            turn=request_id,
            booked=when,
            mode=mode,
        )
        if ask.becomes is Becomes.DECIDED:
            self.play.at(site.location.at(day, time(17)), lambda at: self._decide(ask, request_id, at))

    def _decide(self, ask: Ask, request_id: int, when: datetime) -> None:
        """At the end of the day the record is written up, signed, and the decision with it."""
        record = Consultation.objects.filter(request=request_id).select_related("patient", "location", "clinician")
        for one in record.filter(request__status=RequestStatus.SEEN):
            indication = ask.helps[0].value
            about(one.patient, location=one.location, by=one.clinician, when=when - timedelta(hours=2), turn=request_id)
            signed = consulted_record(
                one.patient,
                indication=indication,
                infusions=6,
                location=one.location,
                by=one.clinician,
                when=when - timedelta(hours=1),
                record=one,
            )
            decide(
                signed,
                indication=indication,
                by=one.clinician,
                when=when,
                outcome=ask.outcome,
                conditions=CONDITIONS,
                reason=REASONS.get(ask.outcome, ""),
            )


def _version(request_id: int) -> int:
    return ConsultationRequest.objects.values_list("version", flat=True).get(pk=request_id)


def _day_for(ask: Ask, place: Location, now: datetime) -> date:
    """Booked ones come in some days, seen ones came on the last working day, decided ones on those before."""
    today = place.local(now).date()
    around = open_days(place, today - timedelta(days=14), today + timedelta(days=14)) - {today}
    working = sorted(day for day in around if day.weekday() < SATURDAY)
    if ask.becomes is Becomes.BOOKED:
        return [day for day in working if day > today][int(ask.hours) % 3]
    before = [day for day in reversed(working) if day < today]
    return before[0 if ask.becomes is Becomes.SEEN else 1 + int(ask.hours) % 3]


# --- signals ----------------------------------------------------------------------------------------------------------


def signals(people: Sequence[Patient], *, location: Location, by: User, now: datetime) -> None:
    """Two questionnaires came back today with thoughts of death: one has waited too long already, one just came."""
    for patient, minutes, danger in zip(people, (55, 8), (2, 1), strict=False):
        sent, answered = now - timedelta(hours=20), now - timedelta(minutes=minutes)
        link, token = create_link(
            patient=patient, measures=["phq9"], kind=LinkKind.PHONE, location=location, by=by, now=sent
        )
        for item, value in answers_for(link.measures[0], 16, danger=danger).items():
            save_answer(token, measure="phq9", item=item, value=value, seen=None, now=answered)
        finish(token, now=answered)
    escalate_overdue(now)


# --- consent ----------------------------------------------------------------------------------------------------------


def consent_states(people: Sequence[Patient], sites: Sequence[Site], *, by: User, now: datetime) -> None:
    """A consent that ends soon, a withdrawn one, a text message to an old number, a text with a newer version."""
    if len(people) < IN_THESE_STATES:
        return  # a small population has nobody left for them
    ending, withdrawn, old_number = people
    here, there = sites[0].location, sites[1].location
    consent(ending, location=here, by=by, when=now - timedelta(days=345))
    consent(withdrawn, location=here, by=by, when=now - timedelta(days=20))
    signed = Consent.objects.get(patient=withdrawn)
    withdraw_consent(consent_id=signed.pk, reason="Wants to wait with it", by=by, now=now - timedelta(days=2))
    record_contact_consent(
        patient=old_number,
        channel=Channel.SMS,
        granted=True,
        value="+12125550199",
        source="On the phone",
        by=by,
        now=now - timedelta(days=90),
    )
    draft = start_draft(location=there, by=by, now=now - timedelta(days=3))
    draft = save_draft(
        draft_id=draft.pk,
        title=draft.title,
        body=f"{draft.body}\n{NEWER}\n",
        expected=seen(draft),
        by=by,
        now=now - timedelta(days=3),
    )
    publish_text(draft_id=draft.pk, expected=seen(draft), by=by, now=now - timedelta(days=3))
