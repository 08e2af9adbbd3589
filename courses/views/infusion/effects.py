"""Side effects and the two notes of a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_POST

from clinic.edge.access import requires, staff
from clinic.models import User
from clinic.pure.roles import Can
from courses.forms.effects import EffectForm, FollowForm, NoteForm, StrikeForm, initial_of
from courses.models import AdverseEvent
from courses.pure.adverse import BY_CODE, EFFECTS, label_of
from courses.services import effects
from courses.services.infusion_desk import Desk
from courses.services.infusion_record import ChangedMeanwhileError, DayRefusedError
from courses.services.leaving import effects_said
from courses.views.infusion.frame import Section, State, desk_or_404, done, refused
from patients.pure.consultation import fingerprint

NAME = "effects"


@dataclass(frozen=True, slots=True)
class Shown:
    """One effect, with its form to follow up; ``problem`` belongs to striking it."""

    effect: AdverseEvent
    label: str
    expected: str
    who: str
    form: FollowForm | None
    strike_problem: str = ""

    @property
    def prefix(self) -> str:
        """Of the ids of its fields."""
        return f"effects_{self.effect.pk}"

    @property
    def is_asked(self) -> bool:
        return bool(self.form and self.form.is_bound)


def section(desk: Desk, user: User, **bound: Any) -> Section:
    """What was answered; what to ask when the infusion is over."""
    said = effects_said(desk)
    is_over = desk.run.is_over
    may_write = user.can(Can.RUN_INFUSION) and not desk.is_signed and not desk.is_ended
    record = desk.record
    context = {
        **bound,
        "shown": [_shown(desk, effect, bound, may_write=may_write) for effect in desk.effects],
        "struck": [
            (label_of(one.code, one.text), one, desk.name(one.struck_by_id))
            for one in desk.children["effects"]
            if one.struck_at is not None
        ],
        "said": said,
        "is_none": bool(record and record.no_adverse_events_at),
        "none_by": desk.name(record.no_adverse_events_by_id) if record else "",
        "is_over": is_over,
        "may_write": may_write and desk.booking.arrived_at is not None,
        "new_form": bound.get("form") or EffectForm(auto_id="effects_new_%s"),
        "notes": _notes(desk, bound),
        "expected": [one for one in EFFECTS if one.expected],
    }
    if said:
        return Section(State.DONE, said, context)
    if is_over and may_write:
        return Section(State.ASKS, "Not answered yet", context, act="Side effects?")
    return Section(State.WAITING, "", context)


def _shown(desk: Desk, effect: AdverseEvent, bound: dict[str, Any], *, may_write: bool) -> Shown:
    known = BY_CODE.get(effect.code)
    is_bound = bound.get("effect_id") == effect.pk
    form: FollowForm | None = bound.get("follow_form") if is_bound else None
    if form is None and may_write:
        initial = initial_of(effect, desk.place.local, effects.base_of(effect))
        form = FollowForm(initial=initial, auto_id=f"effects_{effect.pk}_%s")
    return Shown(
        effect,
        label_of(effect.code, effect.text),
        known.expected if known else "",
        desk.name(effect.recorded_by_id),
        form,
        bound.get("strike_problem", "") if is_bound else "",
    )


def _notes(desk: Desk, bound: dict[str, Any]) -> list[dict[str, Any]]:
    titles = {
        "session_note": ("How the session went", "What they felt and said, mood during the infusion."),
        "prophylaxis_note": (
            "For the next infusion",
            "For example what helped against nausea. Shown at next check-in.",
        ),
    }
    found = []
    for field, (title, hint) in titles.items():
        stored = getattr(desk.record, field) if desk.record else ""
        mine = bound.get("note_text", stored) if bound.get("note_field") == field else stored
        problem = bound.get("note_problem", "") if bound.get("note_field") == field else ""
        one = {"field": field, "title": title, "hint": hint, "stored": stored, "text": mine, "problem": problem}
        found.append(one | {"base": fingerprint(stored), "is_long": field == "session_note"})
    return found


def _instant(desk: Desk) -> Callable[[time], datetime]:
    day = desk.place.local(desk.booking.start).date()
    return lambda clock: desk.place.at(day, clock)


# -- acts --------------------------------------------------------------------------------------------------------------
@requires(Can.RUN_INFUSION)
@require_POST
def add(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """One side effect more."""
    desk = desk_or_404(booking_id)
    form = EffectForm(request.POST, auto_id="effects_new_%s")
    if not form.is_valid():
        return refused(request, booking_id, NAME, form=form)
    instant = _instant(desk)
    got = form.cleaned_data
    try:
        effects.record_effect(
            booking_id=booking_id,
            code=got["code"],
            text=got["text"],
            onset_at=instant(got["onset"]),
            how=form.how(instant),
            by=staff(request),
            now=timezone.now(),
        )
    except ValidationError as refusal:
        form.add_refusal(refusal.message_dict)
        return refused(request, booking_id, NAME, form=form)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, form=form, problem=str(refusal))
    return done(request, booking_id, notice="Side effect recorded.")


@requires(Can.RUN_INFUSION)
@require_POST
def follow(request: HttpRequest, booking_id: int, effect_id: int) -> HttpResponseBase:
    """How one went on."""
    desk = desk_or_404(booking_id)
    form = FollowForm(request.POST, auto_id=f"effects_{effect_id}_%s")
    if not form.is_valid():
        return refused(request, booking_id, NAME, follow_form=form, effect_id=effect_id)
    try:
        effects.follow_effect(
            booking_id=booking_id,
            effect_id=effect_id,
            how=form.how(_instant(desk)),
            base=form.cleaned_data["base"],
            by=staff(request),
            now=timezone.now(),
        )
    except ValidationError as refusal:
        form.add_refusal(refusal.message_dict)
        return refused(request, booking_id, NAME, follow_form=form, effect_id=effect_id)
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal))
    return done(request, booking_id, notice="Saved.")


@requires(Can.RUN_INFUSION)
@require_POST
def strike(request: HttpRequest, booking_id: int, effect_id: int) -> HttpResponseBase:
    """One was entered in error."""
    form = StrikeForm(request.POST)
    if not form.is_valid():
        said = " ".join(map(str, form.errors["reason"]))
        return refused(request, booking_id, NAME, effect_id=effect_id, strike_problem=said)
    try:
        effects.strike_effect(
            booking_id=booking_id,
            effect_id=effect_id,
            reason=form.cleaned_data["reason"],
            by=staff(request),
            now=timezone.now(),
        )
    except ChangedMeanwhileError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), status=409)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal))
    return done(request, booking_id, notice="Struck.")


@requires(Can.RUN_INFUSION)
@require_POST
def none(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """There were none; or, with ``undo``, the question is open again."""
    act = effects.take_none_back if request.POST.get("undo") else effects.answer_none
    desk_or_404(booking_id)
    try:
        act(booking_id=booking_id, by=staff(request), now=timezone.now())
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal))
    return done(request, booking_id)


@requires(Can.RUN_INFUSION)
@require_POST
def note(request: HttpRequest, booking_id: int) -> HttpResponseBase:
    """One of the two notes."""
    desk_or_404(booking_id)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return refused(request, booking_id, NAME, problem="This note could not be read. Nothing was saved.")
    got = form.cleaned_data
    typed = {"note_field": got["field"], "note_text": got["text"]}
    try:
        effects.save_note(booking_id=booking_id, by=staff(request), now=timezone.now(), **got)
    except ValidationError as refusal:
        said = f"{' '.join(refusal.messages)} Nothing was saved; your words are still in the field."
        return refused(request, booking_id, NAME, note_problem=said, **typed)
    except ChangedMeanwhileError as refusal:
        said = f"{refusal} Your words are still in the field; save again to replace theirs."
        return refused(request, booking_id, NAME, note_problem=said, status=409, **typed)
    except DayRefusedError as refusal:
        return refused(request, booking_id, NAME, problem=str(refusal), **typed)
    return done(request, booking_id, notice="Saved.")
