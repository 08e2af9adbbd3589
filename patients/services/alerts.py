"""Danger alerts: raised by answers, waiting until a clinician says what was done.

Nothing about an alert leaves the house: an e-mail says only that something needs somebody, and background tasks are
handed an id.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, JSONObject

from clinic.models import Location, User
from clinic.pure.roles import Can, Role
from clinic.services.jobs import enqueue_if_possible
from clinic.services.recorded import recorded
from patients.models import AlertKind, Assessment, ConsultationRequest, DangerAlert, IntakeSettings, Patient
from patients.services.intake_settings import CRISIS

logger = logging.getLogger(__name__)

SUBJECT = "Something in Cadence needs you"
BODY = "Something in Cadence needs you. Please open Cadence.\n"
"""The whole message. No name, no kind, no number: an e-mail is read by whoever holds the telephone."""
ESCALATE_AFTER_MIN = IntakeSettings._meta.get_field("escalate_after_min").get_default()
LONGEST_DEED = 2000
TELL_LATE = timedelta(minutes=1)
"""So long after it was raised a worker has usually told about an alert; then the sweep does."""


class AlertStateError(Exception):
    """The alert has been acknowledged by somebody already; ``alert`` says by whom and what was done."""

    def __init__(self, alert: DangerAlert) -> None:
        self.alert = alert
        super().__init__(f"{alert.acknowledged_by} acknowledged this already.")


class DeedMissingError(Exception):
    """Nothing was said about what was done."""


# -- raising -----------------------------------------------------------------------------------------------------------


def raise_alert(
    *,
    kind: AlertKind,
    detail: str,
    location: Location,
    now: datetime,
    patient: Patient | None = None,
    request: ConsultationRequest | None = None,
    assessment: Assessment | None = None,
    assigned_to: User | None = None,
) -> DangerAlert:
    """The signal waits on Today, and those who can act are told by e-mail to look. Raised twice, it stays one alert.

    Without a request and an assessment it is about an answer in a questionnaire that is not finished: then there is one
    such alert of a kind and patient as long as it waits, and the finished questionnaire takes it over.

    Args:
        detail: what was answered, in words; clinical, so it is shown only to those who may read clinical facts.
    """
    about: dict[str, Any] = {"request": request, "assessment": assessment}
    if request is None and assessment is None:
        about |= {"patient": patient, "acknowledged_at": None}
    elif assessment is not None and assessment.link_id is not None:
        unfinished = DangerAlert.objects.waiting().filter(kind=kind, patient=patient, request=None, assessment=None)
        if (early := unfinished.first()) is not None:
            early.assessment, early.detail = assessment, detail[:300]
            early.save(update_fields=["assessment", "detail"])
            return early
    alert, is_new = DangerAlert.objects.get_or_create(
        kind=kind,
        **about,
        defaults={
            "detail": detail[:300],
            "location": location,
            "patient": patient,
            "assigned_to": assigned_to,
            "raised_at": now,
        },
    )
    if is_new:
        _tell_soon(alert.pk)
    return alert


def _tell_soon(alert_id: int) -> None:
    """Those who can act are written to after the commit; without a worker the alert waits on Today all the same."""
    enqueue_if_possible("patients.tasks.alerts.tell", alert_id)


# -- acting ------------------------------------------------------------------------------------------------------------


def take_alert(alert_id: int, *, by: User, now: datetime) -> DangerAlert:
    """``by`` is the clinician who answers for it; taken from somebody else, the history says so.

    Raises:
        PermissionDenied: only those who may acknowledge can take it.
        AlertStateError: it has been acknowledged already.
    """
    if not by.can(Can.ACKNOWLEDGE_ALERT):
        raise PermissionDenied("Only a clinician takes a danger signal.")
    with recorded(by=by, now=now):
        alert = _waiting(alert_id)
        alert.assigned_to = by
        alert.save(update_fields=["assigned_to"])
        return alert


def acknowledge_alert(alert_id: int, *, what_was_done: str, by: User, now: datetime) -> DangerAlert:
    """The alert waits no longer; who acted and what was done stands with it. Only once.

    Raises:
        PermissionDenied: the person's role does not acknowledge.
        DeedMissingError: it does not say what was done.
        AlertStateError: somebody was faster; ``alert`` is as they left it.

    Source: clinical.md E1 (item 9), G ("Safety replies").
    """
    if not by.can(Can.ACKNOWLEDGE_ALERT):
        raise PermissionDenied("Only a clinician acknowledges a danger signal.")
    deed = what_was_done.strip()
    if not deed:
        raise DeedMissingError("Say what was done.")
    with recorded(by=by, now=now):
        alert = _waiting(alert_id)
        alert.acknowledged_at, alert.acknowledged_by = now, by
        alert.what_was_done = deed[:LONGEST_DEED]
        alert.assigned_to = alert.assigned_to or by
        alert.save(update_fields=["acknowledged_at", "acknowledged_by", "what_was_done", "assigned_to"])
        return alert


def _waiting(alert_id: int) -> DangerAlert:
    """The alert, locked and then read: of two who act at once, the second finds what the first did."""
    alert = DangerAlert.objects.select_for_update(of=("self",), no_key=True).get(pk=alert_id)
    if alert.acknowledged_at is not None:
        raise AlertStateError(alert)
    return alert


# -- escalating --------------------------------------------------------------------------------------------------------


def escalate_overdue(now: datetime) -> int:
    """Alerts that nobody acknowledged within the location's minutes are escalated, once each; returns how many.

    Each is claimed by a conditional update, so two sweeps never tell anybody twice.
    """
    minutes = IntakeSettings.objects.filter(location=OuterRef("location")).values("escalate_after_min")
    open_rows = DangerAlert.objects.waiting().filter(escalated_at__isnull=True)
    rows = open_rows.annotate(after_min=Coalesce(Subquery(minutes), ESCALATE_AFTER_MIN)).values_list(
        "pk", "raised_at", "after_min"
    )
    overdue = [pk for pk, raised_at, after_min in rows if raised_at + timedelta(minutes=after_min) <= now]
    return sum(_escalate(pk, now) for pk in overdue)


def _escalate(alert_id: int, now: datetime) -> bool:
    with recorded(by=None, now=now):
        claimed = DangerAlert.objects.waiting().filter(pk=alert_id, escalated_at__isnull=True).update(escalated_at=now)
        if claimed:
            _tell_soon(alert_id)
        return claimed == 1


# -- telling -----------------------------------------------------------------------------------------------------------


def tell_about(alert_id: int, *, now: datetime) -> int:
    """Those who can act have an e-mail that says only that something needs them; returns how many were written to.

    Once for the alert and once more when it is escalated (then the managers of the location too), however many workers
    are asked: each telling is claimed before the first e-mail leaves, and given back only where none left. Acknowledged
    meanwhile, nobody is written to.
    """
    alert = DangerAlert.objects.waiting().select_related("assigned_to").filter(pk=alert_id).first()
    if alert is None:
        return 0
    mark = "told_again_at" if alert.escalated_at is not None else "told_at"
    if not _mark_told(alert_id, mark, was=None, becomes=now, now=now):
        return 0
    people = people_to_tell(alert)
    told = sum(_write_to(person.email) for person in people)
    if people and not told:
        _mark_told(alert_id, mark, was=now, becomes=None, now=now)
    return told


def tell_untold(now: datetime) -> int:
    """Alerts that nobody was told about (the broker was away, or no mail left) are told now; returns how many were."""
    late = DangerAlert.objects.waiting().filter(
        Q(escalated_at__isnull=True, told_at__isnull=True, raised_at__lte=now - TELL_LATE)
        | Q(escalated_at__lte=now - TELL_LATE, told_again_at__isnull=True)
    )
    return sum(tell_about(pk, now=now) > 0 for pk in late.order_by("pk").values_list("pk", flat=True))


def _mark_told(alert_id: int, mark: str, *, was: datetime | None, becomes: datetime | None, now: datetime) -> bool:
    """True for the one who changed it."""
    standing = {f"{mark}__isnull": True} if was is None else {mark: was}
    with recorded(by=None, now=now):
        return DangerAlert.objects.filter(pk=alert_id, **standing).update(**{mark: becomes}) == 1


def _write_to(address: str) -> bool:
    """One message; a mail server that refuses one person must not keep the others from being told."""
    try:
        return EmailMessage(SUBJECT, BODY, django_settings.DEFAULT_FROM_EMAIL, [address]).send() == 1
    except (OSError, ValueError):  # SMTPException is one; an address of two lines is the other
        logger.exception("An alert could not be told by e-mail; it waits on Today")
        return False


def people_to_tell(alert: DangerAlert) -> list[User]:
    """The assigned clinician, else all clinicians of the location; after escalation everybody, with the managers.

    Of the location are those whose home it is or who work shifts there; where nobody is, everybody with the role.
    """
    assigned = alert.assigned_to
    if alert.escalated_at is None and assigned is not None and assigned.is_active and assigned.email:
        return [assigned]
    roles = [Role.CLINICIAN, *([Role.MANAGER] if alert.escalated_at else [])]
    return [person for role in roles for person in _holders(role, alert.location_id)]


def _holders(role: Role, location_id: int) -> list[User]:
    everybody = User.objects.with_role(role).exclude(email="")
    here = everybody.filter(Q(home_location=location_id) | Q(shifts__location=location_id)).distinct()
    return list(here) or list(everybody)


# -- reading -----------------------------------------------------------------------------------------------------------


def waiting_count(location: str = "pk") -> dict[str, Coalesce]:
    """Annotations of a location: how many alerts wait there, and how many of them are escalated. One indexed look."""
    rows = DangerAlert.objects.waiting().filter(location=OuterRef(location)).order_by().values("location")
    escalated = rows.filter(escalated_at__isnull=False)
    return {
        "waiting_alerts": _count(rows),
        "escalated_alerts": _count(escalated),
    }


def _count(rows: QuerySet[DangerAlert, Any]) -> Coalesce:
    counted = Subquery(rows.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
    return Coalesce(counted, 0)


def alerts_for_today(location: Location) -> list[DangerAlert]:
    """What waits at ``location``, and what is escalated anywhere: escalated first, then the oldest. One query."""
    rows = DangerAlert.objects.waiting().filter(Q(location=location) | Q(escalated_at__isnull=False))
    found = rows.select_related("patient", "request", "location", "assigned_to")
    return sorted(found, key=lambda one: (one.escalated_at is None, one.raised_at))


@dataclass(frozen=True, slots=True)
class WaitingAlert:
    """One line above a patient's record. ``detail`` is clinical."""

    pk: int
    kind: str
    detail: str
    raised_at: datetime
    is_escalated: bool
    crisis: Crisis

    @property
    def label(self) -> str:
        return AlertKind(self.kind).label


def waiting_facts(patient: str) -> QuerySet[DangerAlert, Any]:
    """What waits about a patient, for the query that reads the patient: no query of its own.

    Args:
        patient: how the outer rows name the patient ("pk").
    """
    rows = DangerAlert.objects.waiting().filter(patient=OuterRef(patient)).order_by("raised_at")
    columns = ("pk", "kind", "detail", "raised_at", "escalated_at")
    crisis = "location__intake_settings__crisis_text"
    return rows.values(row=JSONObject(**{name: name for name in columns}, crisis=crisis))


def waiting_in(rows: Iterable[Mapping[str, Any]]) -> list[WaitingAlert]:
    """What ``waiting_facts`` brought along."""
    return [
        WaitingAlert(
            pk=row["pk"],
            kind=row["kind"],
            detail=row["detail"],
            raised_at=datetime.fromisoformat(row["raised_at"]),
            is_escalated=row["escalated_at"] is not None,
            crisis=Crisis(row["crisis"] or CRISIS),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Crisis:
    """What somebody in danger is told."""

    text: str

    @property
    def lines(self) -> Sequence[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def crisis_of(location: Location) -> Crisis:
    """The crisis lines of a location, in its own words where it has some."""
    text = IntakeSettings.objects.filter(location=location).values_list("crisis_text", flat=True).first()
    return Crisis(text or CRISIS)
