"""A freed time is offered by telephone or by a link, and given to whoever accepts first.

Order of locks: the freed time, then what a move locks (patient, bookings, resources). Everybody who answers for one
time therefore waits for the others, and then sees that it is gone. What is booked is exactly the judged preview, by
``move_infusion``; the exclusion constraint on allocations stays the last guard against whoever books in another way.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from clinic.models import Booking, User
from clinic.pure.roles import Can
from clinic.services.recorded import recorded
from courses.models import (
    FreedSlot,
    Infusion,
    InfusionVisit,
    OfferState,
    OfferWay,
    SlotOffer,
    TaskEnd,
    VisitOutcome,
)
from courses.services.freed import PASSED, TAKEN, Freed, close_slot, is_taken
from courses.services.freed_for import Candidate
from courses.services.messages.offers import announce_offer
from courses.services.moves import ChangedMeanwhileError, ChangeRefusedError, move_infusion

SALT = "courses.slot_offer"
PLAN_SALT = "courses.slot_offer.plan"
SECRET_BYTES = 24
"""192 bits: nobody guesses one, however many links are out."""
LONGEST_TOKEN = 120
LONGEST_WHY = 300  # SlotOffer.why
BY_CALL, BY_LINK = "Accepted by telephone.", "Accepted by a link."


class OfferRefusedError(Exception):
    """Nothing was booked or offered; the message says why, and what to do."""


class SlotGoneError(OfferRefusedError):
    """The time is no longer there to give."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the page showed for one patient: whose infusion, why, and the judged preview that would book it."""

    slot_id: int
    infusion_id: int
    patient_id: int
    why: str
    token: str


def plan_token(freed: Freed, candidate: Candidate) -> str:
    """The plan, signed, for the form that acts on it."""
    plain = {
        "slot": freed.slot.pk,
        "infusion": candidate.standing.infusion_id,
        "patient": candidate.patient_id,
        "why": candidate.ranked.why,
        "token": candidate.offer.token,
    }
    return signing.dumps(plain, salt=PLAN_SALT, compress=True)


def read_plan(token: str, *, slot_id: int) -> Plan:
    """What the page showed.

    Raises:
        OfferRefusedError: it was not written here, or is about another time.
    """
    try:
        plain: dict[str, Any] = signing.loads(token, salt=PLAN_SALT)
    except signing.BadSignature as error:
        raise OfferRefusedError("This could not be read. Load the page again and choose somebody.") from error
    if plain["slot"] != slot_id:
        raise OfferRefusedError("This belongs to another freed time. Load the page again.")
    return Plan(slot_id, plain["infusion"], plain["patient"], plain["why"], plain["token"])


# -- by the desk -------------------------------------------------------------------------------------------------------


def accept_by_call(plan: Plan, *, by: User, now: datetime) -> SlotOffer:
    """The patient said yes on the telephone: the time is theirs, at once; everybody else's offer is gone.

    Raises:
        PermissionDenied
        SlotGoneError: somebody else has it, or it has passed.
        OfferRefusedError: the patient's plan changed since the page was shown.
    """
    _demand(by)
    offer, refusal = None, None
    with recorded(by=by, now=now):
        slot = _open_slot(plan.slot_id, now)
        refusal = _book(slot, plan.token, reason=f"Freed time. {BY_CALL}", by=by, now=now)
        if refusal is None:
            _withdraw_links(slot, plan, now)
            offer = _offered(slot, plan, way=OfferWay.CALL, state=OfferState.ACCEPTED, by=by, now=now)
            close_slot(slot, BY_CALL, now=now, how=TaskEnd.DONE, by=by)
        else:
            _close_if_taken(slot, now)
    if offer is None:
        raise refusal or OfferRefusedError("Nothing was booked.")
    return offer


def decline_by_call(plan: Plan, *, reason: str = "", by: User, now: datetime) -> SlotOffer:
    """The patient does not want the time; it is not offered to them again. A link that is out is withdrawn.

    Raises:
        PermissionDenied, SlotGoneError
    """
    _demand(by)
    with recorded(by=by, now=now):
        slot = _open_slot(plan.slot_id, now)
        _withdraw_links(slot, plan, now)
        return _offered(slot, plan, way=OfferWay.CALL, state=OfferState.DECLINED, said=reason, by=by, now=now)


def offer_by_link(plan: Plan, *, valid_min: int, by: User, now: datetime) -> tuple[SlotOffer, str]:
    """The patient can take the time by a link, and its token. The token is not kept anywhere: show it now.

    A message with a link of its own goes out as well, where the patient agreed to text or e-mail.

    Args:
        valid_min: for how long the offer stands; never beyond the time itself.

    Raises:
        PermissionDenied, SlotGoneError
        OfferRefusedError: a link to this patient is out already.
    """
    _demand(by)
    with recorded(by=by, now=now):
        slot = _open_slot(plan.slot_id, now)
        open_ones = SlotOffer.objects.filter(slot=slot, infusion=plan.infusion_id, state=OfferState.OPEN)
        open_ones.filter(expires_at__lte=now).update(state=OfferState.WITHDRAWN, answered_at=now)
        if open_ones.exists():
            raise OfferRefusedError("A link to this patient is out already. Withdraw it first to make a new one.")
        secret = secrets.token_urlsafe(SECRET_BYTES)
        expires_at = min(now + timedelta(minutes=valid_min), slot.start)
        offer = _offered(
            slot,
            plan,
            way=OfferWay.LINK,
            state=OfferState.OPEN,
            token_hash=_hash(secret),
            expires_at=expires_at,
            by=by,
            now=now,
        )
        announce_offer(offer, by=by, now=now)
    return offer, _signer().sign(secret)


def withdraw(offer_id: int, *, slot_id: int, by: User, now: datetime) -> SlotOffer:
    """The link takes nothing any more. One that was answered stays as it is.

    Raises:
        PermissionDenied
        SlotOffer.DoesNotExist: this time was not offered so.
    """
    _demand(by)
    with recorded(by=by, now=now):
        FreedSlot.objects.select_for_update(no_key=True).get(pk=slot_id)
        offer = SlotOffer.objects.select_for_update(no_key=True).get(pk=offer_id, slot=slot_id)
        if offer.state == OfferState.OPEN:
            offer.state, offer.answered_at = OfferState.WITHDRAWN, now
            offer.save(update_fields=["state", "answered_at"])
        return offer


def leave_open(slot_id: int, *, reason: str, by: User, now: datetime) -> FreedSlot:
    """Nobody is asked any more: the time stays free for whoever books it, and the task is over, with the reason.

    Raises:
        PermissionDenied, SlotGoneError
        OfferRefusedError: no reason.
    """
    _demand(by)
    reason = reason.strip()
    if not reason:
        raise OfferRefusedError("Say why nobody is asked; it stays with the task.")
    with recorded(by=by, now=now):
        slot = _open_slot(slot_id, now)
        SlotOffer.objects.filter(slot=slot, state=OfferState.OPEN).update(state=OfferState.WITHDRAWN, answered_at=now)
        close_slot(slot, f"Left open: {reason}", now=now, how=TaskEnd.DECLINED, by=by)
        return slot


# -- by the patient ----------------------------------------------------------------------------------------------------


class Reply(StrEnum):
    """What the patient's page has to say."""

    OFFERED = "offered"
    YOURS = "yours"
    KEPT = "kept"  # the patient keeps the time that they had
    GONE = "gone"  # somebody else was faster
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class UnknownOfferError(Exception):
    """Forged, or there never was such a link: both are the same to whoever asks."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An offer as its patient sees it."""

    offer: SlotOffer
    reply: Reply
    had: Booking | None  # the visit that the patient has for this infusion, unless the offered one is it


def read_link(token: str, *, now: datetime) -> Shown:
    """What the link says now; nothing is accepted by looking. That somebody saw it is gone is noted, once.

    Raises:
        UnknownOfferError
    """
    return _shown(_find(token), now)


def read_own(offer_id: int, *, patient_id: int, now: datetime) -> Shown:
    """The same where a message's own link leads to the offer; looking writes nothing at all.

    Raises:
        UnknownOfferError: the patient has no such offer.
    """
    return _shown(_own(offer_id, patient_id), now, is_told=False)


def accept_own(offer_id: int, *, patient_id: int, now: datetime) -> Shown:
    """As ``accept_link``. Raises UnknownOfferError."""
    return _accept(_own(offer_id, patient_id), now)


def decline_own(offer_id: int, *, patient_id: int, now: datetime) -> Shown:
    """As ``decline_link``. Raises UnknownOfferError."""
    return _decline(_own(offer_id, patient_id), now)


def accept_link(token: str, *, now: datetime) -> Shown:
    """The first to accept has the time; the others' offers are gone, and their visits stay as they are.

    It is booked in the name of whoever offered it, exactly as it was previewed then.

    Raises:
        UnknownOfferError
    """
    return _accept(_find(token), now)


def _accept(found: SlotOffer, now: datetime) -> Shown:
    with recorded(by=None, now=now):
        slot = FreedSlot.objects.select_for_update(no_key=True).get(pk=found.slot_id)
        offer = _locked(found.pk)
        if offer.state != OfferState.OPEN or now >= offer.expires_at:
            return _shown(offer, now)
        if slot.closed_at is not None:  # closed in another way than by an answer: what was open is gone
            _answer(offer, OfferState.GONE, now)
            return _shown(offer, now)
        refusal = _book(slot, offer.plan, reason=f"Freed time. {BY_LINK}", by=offer.offered_by, now=now)
        if refusal is None:
            _answer(offer, OfferState.ACCEPTED, now)
            close_slot(slot, BY_LINK, now=now, how=TaskEnd.SETTLED)
        elif _close_if_taken(slot, now):
            offer = _locked(offer.pk)
        else:
            _answer(offer, OfferState.WITHDRAWN, now)  # the patient's own plan is another one by now
        return _shown(offer, now)


def decline_link(token: str, *, now: datetime) -> Shown:
    """The patient keeps the time that they had. What was answered before stays.

    Raises:
        UnknownOfferError
    """
    return _decline(_find(token), now)


def _decline(found: SlotOffer, now: datetime) -> Shown:
    with recorded(by=None, now=now):
        FreedSlot.objects.select_for_update(no_key=True).get(pk=found.slot_id)
        offer = _locked(found.pk)
        if offer.state == OfferState.OPEN and now < offer.expires_at:
            _answer(offer, OfferState.DECLINED, now)
        return _shown(offer, now)


# -- parts -------------------------------------------------------------------------------------------------------------


def _demand(by: User) -> None:
    if not by.can(Can.MOVE_INFUSION):
        raise PermissionDenied("Your role does not include this.")


def _open_slot(slot_id: int, now: datetime) -> FreedSlot:
    """The freed time, its row held until the transaction ends; still to be given."""
    slot = FreedSlot.objects.select_for_update(no_key=True, of=("self",)).select_related("location").get(pk=slot_id)
    if slot.closed_at is not None:
        raise SlotGoneError(f"This time is no longer offered: {slot.closed_text}")
    if slot.start <= now:
        raise SlotGoneError(PASSED)
    return slot


def _book(slot: FreedSlot, token: str, *, reason: str, by: User, now: datetime) -> OfferRefusedError | None:
    """The infusion stands at the freed time; or the reason why it does not, and nothing was written."""
    try:
        move_infusion(token, reason=reason, by=by, now=now)
    except ChangedMeanwhileError as error:
        if _taken(slot):
            return SlotGoneError(f"{TAKEN} Nothing was changed for this patient.")
        return OfferRefusedError(f"{error} Load the page again.")
    except ChangeRefusedError as error:
        return OfferRefusedError(str(error))
    except PermissionDenied as error:
        return OfferRefusedError(f"{error} Nothing was changed.")
    return None


def _withdraw_links(slot: FreedSlot, plan: Plan, now: datetime) -> None:
    """The patient answered on the telephone, so a link that is out says nothing any more."""
    mine = SlotOffer.objects.filter(slot=slot, infusion=plan.infusion_id, state=OfferState.OPEN)
    mine.update(state=OfferState.WITHDRAWN, answered_at=now)


def _taken(slot: FreedSlot) -> bool:
    return FreedSlot.objects.filter(pk=slot.pk).filter(is_taken()).exists()


def _close_if_taken(slot: FreedSlot, now: datetime) -> bool:
    if not _taken(slot):
        return False
    close_slot(slot, TAKEN, now=now, how=TaskEnd.SETTLED)
    return True


def _offered(
    slot: FreedSlot,
    plan: Plan,
    *,
    way: OfferWay,
    state: OfferState,
    by: User,
    now: datetime,
    said: str = "",
    token_hash: str | None = None,
    expires_at: datetime | None = None,
) -> SlotOffer:
    """The offer is on record. What a patient said on the telephone stands behind the reason for asking them."""
    infusion = Infusion.objects.get(pk=plan.infusion_id, phase__course__patient=plan.patient_id)
    why = f"{plan.why}. Said: {said.strip()}" if said.strip() else plan.why
    return SlotOffer.objects.create(
        slot=slot,
        infusion=infusion,
        patient_id=plan.patient_id,
        way=way,
        why=why[:LONGEST_WHY],
        plan=plan.token,
        token_hash=token_hash,
        offered_at=now,
        offered_by=by,
        expires_at=expires_at or now,
        state=state,
        answered_at=None if state == OfferState.OPEN else now,
    )


def _answer(offer: SlotOffer, state: OfferState, now: datetime) -> None:
    offer.state, offer.answered_at = state, now
    offer.save(update_fields=["state", "answered_at"])


REPLIES = {
    OfferState.ACCEPTED: Reply.YOURS,
    OfferState.DECLINED: Reply.KEPT,
    OfferState.GONE: Reply.GONE,
    OfferState.WITHDRAWN: Reply.WITHDRAWN,
}


def _shown(offer: SlotOffer, now: datetime, *, is_told: bool = True) -> Shown:
    state = OfferState(offer.state)
    reply = REPLIES.get(state) or (Reply.EXPIRED if now >= offer.expires_at else Reply.OFFERED)
    if is_told and reply is Reply.GONE and offer.told_at is None:
        SlotOffer.objects.filter(pk=offer.pk, told_at__isnull=True).update(told_at=now)
        offer.told_at = now
    visits = InfusionVisit.objects.filter(infusion=offer.infusion_id, outcome=VisitOutcome.OPEN)
    visit = None if reply is Reply.YOURS else visits.select_related("booking").first()
    return Shown(offer, reply, visit.booking if visit is not None else None)


def _locked(offer_id: int) -> SlotOffer:
    rows = SlotOffer.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("slot__location", "patient", "offered_by").get(pk=offer_id)


def _signer() -> signing.Signer:
    return signing.Signer(salt=SALT, sep=".")


def _hash(secret: str) -> str:
    # The secret is random and long, so one round of a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()


def _find(token: str) -> SlotOffer:
    # The table is asked in either case: a forged token takes as long as one that never was.
    try:
        secret, is_signed = _signer().unsign(token[:LONGEST_TOKEN]), True
    except signing.BadSignature:
        secret, is_signed = token[:LONGEST_TOKEN], False
    offer = _offers().filter(token_hash=_hash(secret)).first()
    if offer is None or not is_signed:
        raise UnknownOfferError
    return offer


def _own(offer_id: int, patient_id: int) -> SlotOffer:
    offer = _offers().filter(pk=offer_id, patient=patient_id, way=OfferWay.LINK).first()
    if offer is None:
        raise UnknownOfferError
    return offer


def _offers() -> QuerySet[SlotOffer]:
    return SlotOffer.objects.select_related("slot__location", "patient", "offered_by")
