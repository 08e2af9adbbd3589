"""A course summed up in words, for referrer and insurer in clinical terms and for the patient in plain ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from courses.models import (
    CareKind,
    CourseStatus,
    MaintenanceWay,
)
from courses.planning.words import say_count, say_moment
from courses.pure.adverse import label_of
from courses.pure.course_chart import trajectory_of
from courses.pure.course_page import (
    Audience,
    CoursePage,
    effect_rows,
    outcome_rows,
    say_day_year,
    say_number,
    say_percent,
    scores_in_words,
)
from courses.pure.outcomes.terms import End
from courses.pure.summary_pdf import Block, Rows
from courses.services.care import ENTRY_WORDS
from courses.services.course_whole import Whole
from patients.pure.indications import Indication
from patients.pure.measures import MEASURES
from patients.services.intake_settings import worded
from patients.templatetags.people import phone_words

OPEN_QUESTIONS = 8
"""How many waiting tasks the referrer reads of; the page says how many more there are."""
MOST_TRIED = 12
"""How many earlier treatments are named; the page says how many more there are."""


def page_for(audience: Audience, whole: Whole) -> CoursePage:
    """The page for one of its readers."""
    return {
        Audience.PATIENT: _for_patient,
        Audience.REFERRER: _for_referrer,
        Audience.INSURER: _for_insurer,
    }[audience](whole)


def _page(
    audience: Audience,
    whole: Whole,
    *,
    title: str,
    lead: Iterable[str],
    left: Iterable[Block | None],
    right: Iterable[Block | None] = (),
    table: tuple[str, tuple[str, ...], tuple[tuple[str, ...], ...], str],
    after: Iterable[Block | None],
    crisis: tuple[str, ...] = (),
    before: Iterable[Block | None] = (),
) -> CoursePage:
    course, place = whole.course, whole.course.location
    table_title, head, rows, note = table
    return CoursePage(
        audience=audience,
        clinic=place.name,
        address=place.address,
        title=title,
        span=_span(whole),
        patient=course.patient.legal_name,
        person=f"born {say_day_year(course.patient.birth_date)}, MRN {course.patient.mrn}",
        lead=tuple(lead),
        left=tuple(one for one in left if one),
        right=tuple(one for one in right if one),
        table_title=table_title,
        head=head,
        rows=rows,
        note=note,
        after=tuple(one for one in after if one),
        crisis=crisis,
        made=f"Printed {whole.day(whole.now)}.",
        before=tuple(one for one in before if one),
        chart=None if audience is Audience.PATIENT else trajectory_of(whole.outcome.outcome),
        chart_title=f"{whole.score_name} over the course",
    )


def _span(whole: Whole) -> str:
    first, last = whole.given[0].day, whole.given[-1].day
    return first if first == last else f"{first} to {last}"


def _block(title: str, rows: Iterable[tuple[str, str]]) -> Block | None:
    found = tuple((label, said) for label, said in rows if said)
    return Block(title, found) if found else None


def _plain(title: str, sentences: Iterable[str]) -> Block | None:
    return _block(title, (("", said) for said in sentences))


def _phone(whole: Whole) -> str:
    place = whole.course.location
    return phone_words(place.phone) if place.phone else ""


def _next_visit(whole: Whole) -> str:
    coming = [one.next for one in whole.summaries if one.next is not None]
    first = min(coming, key=lambda one: one.start, default=None)
    return say_moment(whole.course.location.local(first.start)) if first is not None else ""


# -- for the referrer and the insurer ----------------------------------------------------------------------------------


def _for_referrer(whole: Whole) -> CoursePage:
    return _page(
        Audience.REFERRER,
        whole,
        title="Summary of a course of treatment",
        lead=(),
        left=[_block("Treatment", _treatment(whole))],
        right=[_block(f"Outcome by {whole.score_name}", _outcome(whole))],
        before=[_block("Tried before", _tried(whole))],
        table=("What was given", *_infusion_table(whole), _terms_note(whole)),
        after=[
            _block("Side effects", _effects(whole)),
            _block("How it ended" if whole.is_closed else "How it stands", _ending(whole)),
            _block("What follows", _follows(whole)),
            _block("Care beside", _care(whole)),
            _plain("Open questions", _questions(whole)),
            _block("Contact", _contact(whole)),
        ],
    )


def _for_insurer(whole: Whole) -> CoursePage:
    """Why it was given, what was given and what it came to; no word of what waits here, of other care or of reasons."""
    return _page(
        Audience.INSURER,
        whole,
        title="Report of a course of treatment",
        lead=(),
        left=[_block("Treatment", _treatment(whole))],
        right=[_block(f"Outcome by {whole.score_name}", _outcome(whole))],
        before=[_block("Tried before", _tried(whole) or (("", "No earlier treatment is recorded here."),))],
        table=("What was given", *_infusion_table(whole), _terms_note(whole)),
        after=[
            _block("Side effects", _effects(whole)),
            _block("How it ended" if whole.is_closed else "How it stands", _ending(whole)[:2]),
            _block("What follows", _follows(whole)),
            _block("Contact", _contact(whole)),
        ],
    )


def _tried(whole: Whole) -> Rows:
    """What was tried before this course, and what came of it."""
    rows = []
    for one in whole.tried[:MOST_TRIED]:
        weeks = say_count(one.duration_weeks, "week") if one.duration_weeks is not None else ""
        adequate = {"yes": "adequate", "no": "not adequate"}.get(one.adequate, "")
        outcome = one.get_outcome_display().lower() if one.outcome else ""
        said = ", ".join(part for part in (one.dose, weeks, adequate, outcome) if part)
        rows.append((one.name, said or "nothing more is recorded"))
    if len(whole.tried) > MOST_TRIED:
        rows.append(("", f"{len(whole.tried) - MOST_TRIED} more are on record."))
    return tuple(rows)


def _treatment(whole: Whole) -> Rows:
    course = whole.course
    total = whole.total
    counted = f"{len(whole.given)} given, {sum(one.planned for one in whole.summaries)} planned"
    protocols = "\n".join(
        f"{one.series.phase.protocol_version.title}, version {one.series.phase.protocol_version.number}"
        f" ({one.series.phase.get_kind_display().lower()}, {one.words})"
        for one in whole.summaries
    )
    by_weight = f", {total.mg_per_kg} mg/kg" if total and total.mg_per_kg is not None else ""
    recorded = (
        f" (recorded at {total.infusions} of {len(whole.given)})"
        if total and total.infusions < len(whole.given)
        else ""
    )
    return (
        ("Condition", course.get_indication_display()),
        ("Protocol", protocols),
        ("Prescriber", course.prescriber.display_name),
        ("Infusions", counted),
        ("Delivered in all", f"{total.mg} mg{by_weight}{recorded}" if total else "not recorded"),
    )


def _outcome(whole: Whole) -> Rows:
    rows = list(outcome_rows(whole.outcome.outcome))
    for other in whole.outcome.others:
        values = [one.value for one in (other.baseline, *other.after.values()) if one is not None]
        if len(values) > 1:
            name = MEASURES[other.measure].short_name
            rows.append((name, f"{say_number(values[0])} to {say_number(values[-1])}"))
    return tuple(rows)


def _infusion_table(whole: Whole) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The head and a row for each infusion; the scores stand beside those of the series that was judged."""
    outcome, rows = whole.outcome.outcome, []
    for one in whole.given:
        number, judged = one.infusion.number, one.phase.pk == whole.outcome.phase_id
        score = outcome.after.get(number) if judged else None
        change = outcome.improvement.get(number) if judged else None
        rows.append(
            (
                str(number) if one.phase.position == 1 else f"{one.phase.get_kind_display()} {number}",
                one.day,
                one.dose.said if one.dose else "not recorded",
                say_number(score.value) if score else "",
                say_percent(change) if change is not None else "",
                ", ".join(f"{label_of(seen.code, seen.text)} ({seen.severity})" for seen in one.effects),
            )
        )
    head = ("No.", "Date", "Delivered", f"{whole.score_name} after", "Improvement", "Side effects")
    return head, tuple(rows)


def _terms_note(whole: Whole) -> str:
    terms = whole.outcome.outcome.terms
    remission = terms.remission_max.get(whole.outcome.measure)
    low = f"; remission: a score of {say_number(remission)} or less" if remission is not None else ""
    return (
        f"Improvement: percent of the baseline. Partial response from {terms.partial_percent} %, response from "
        f"{terms.response_percent} %{low}. The score after an infusion may also hold the effect of those before."
    )


def _effects(whole: Whole) -> Rows:
    seen = [effect for one in whole.given for effect in one.effects]
    return effect_rows(seen, asked=sum(one.is_asked for one in whole.given), given=len(whole.given))


def _ending(whole: Whole) -> Rows:
    course = whole.course
    if course.closed_on is None:
        return (("Status", course.get_status_display()),)
    how = f"{course.get_status_display()} on {say_day_year(course.closed_on)}"
    return (("How", how), ("Transferred to", course.closed_to), ("Why", course.closed_reason))


def _follows(whole: Whole) -> Rows:
    plan, coming = whole.following.plan, _next_visit(whole)
    later: datetime | None = whole.course.followed_at  # type: ignore[attr-defined]
    return (
        ("Maintenance", f"{plan.get_way_display()}; reviewed on {say_day_year(plan.review_on)}" if plan else ""),
        ("Next infusion", coming),
        ("A later course", f"planned on {whole.day(later)}" if later else ""),
        ("", "" if plan or coming or later else "No further infusions are planned here."),
    )


def _care(whole: Whole) -> Rows:
    items = [one for one in whole.following.care if not one.is_struck]
    rows = []
    for item in items:
        valid = [one for one in whole.following.entries if one.item_id == item.pk and not one.is_struck]
        many = f", {say_count(len(valid), ENTRY_WORDS[CareKind(item.kind)])}" if valid else ""
        until = f" to {say_day_year(item.ended_on)}" if item.ended_on else ""
        since = f"since {say_day_year(item.started_on)}" if not until else f"{say_day_year(item.started_on)}{until}"
        rows.append((item.get_kind_display(), f"{item.title} ({item.responsible}), {since}{many}"))
    return tuple(rows)


def _questions(whole: Whole) -> Iterable[str]:
    outcome, found = whole.outcome.outcome, []
    if outcome.baseline is None:
        found.append(f"There is no {whole.score_name} from before the first infusion.")
    if outcome.end is End.NO_SCORE:
        found.append(f"There is no {whole.score_name} after the last infusion of the series.")
    if outcome.new_danger_from is not None:
        found.append("The item on suicidal thoughts rose above the baseline: please ask about it.")
    if (outcome.relapse or outcome.is_responder_lost) and not whole.following.plan:
        found.append("The response was lost, and nothing is planned here that answers it.")
    found += [said for one in whole.given for said in one.unsolved]
    tasks = [task.text for task in whole.following.open_tasks]
    found += tasks[:OPEN_QUESTIONS]
    if len(tasks) > OPEN_QUESTIONS:
        found.append(f"{len(tasks) - OPEN_QUESTIONS} more wait in the clinic’s worklists.")
    return found or ["None on record."]


def _contact(whole: Whole) -> Rows:
    place = whole.course.location
    who = ", ".join(filter(None, (whole.course.prescriber.display_name, place.name, _phone(whole))))
    return (("Please ask", who),)


# -- for the patient ---------------------------------------------------------------------------------------------------

FOR = {
    Indication.MDD: "depression",
    Indication.TRD: "depression",
    Indication.BIPOLAR: "depression",
    Indication.ANXIETY: "anxiety",
    Indication.PTSD: "stress after a trauma (PTSD)",
    Indication.PAIN: "long-lasting pain",
    Indication.SUICIDAL_IDEATION: "depression",
    Indication.OTHER: "your mood",
}
SCALES = {
    "phq9": "the questions about low mood (PHQ-9)",
    "qids16": "the questions about low mood (QIDS)",
    "madrs": "some questions about low mood (MADRS)",
    "pcl5": "the questions about stress after a trauma (PCL-5)",
}
WHEN_TO_CALL = (
    "You feel worse, or your low mood comes back.",
    "It hurts when you pass water, or you have to go much more often.",  # A 129
    "You have new trouble with your memory or your thinking.",  # A 128
    "You feel a strong wish for ketamine, or you take some outside the clinic.",  # A 130
)


def _for_patient(whole: Whole) -> CoursePage:
    known = MEASURES[whole.outcome.measure]
    name = SCALES.get(whole.outcome.measure, f"some questions ({known.short_name})")
    phone = _phone(whole)
    call = f"Call us at {phone} when" if phone else "Call us when"
    return _page(
        Audience.PATIENT,
        whole,
        title="Your treatment in short",
        lead=_told(whole),
        left=[
            _plain(
                "How you have been",
                scores_in_words(whole.outcome.outcome, name=name, maximum=known.maximum, noun=whole.noun),
            )
        ],
        table=("What you were given", *_patient_table(whole), ""),
        after=[
            _plain("What comes next", _next_for_patient(whole)),
            _plain("Your other care", _care_for_patient(whole)),
            _plain(call, WHEN_TO_CALL),
        ],
        crisis=_crisis(whole),
    )


def _told(whole: Whole) -> Iterable[str]:
    medicine = "esketamine nasal spray" if whole.is_nasal else "ketamine"
    total = whole.total
    many = say_count(len(whole.given), whole.noun)
    amount = (
        f" Together that was {total.mg} mg of the medicine." if total and total.infusions == len(whole.given) else ""
    )
    yield f"You had {many} of {medicine} for {FOR[Indication(whole.course.indication)]}.{amount}"
    yield _ended_for_patient(whole)


def _ended_for_patient(whole: Whole) -> str:
    course = whole.course
    return {
        CourseStatus.COMPLETED: f"You had all of the {whole.noun}s that we planned with you.",
        CourseStatus.STOPPED: "The treatment was stopped early. Please ask us if you want to talk about why.",
        CourseStatus.TRANSFERRED: f"From now on {course.closed_to} goes on with your care.",
        CourseStatus.LOST: "We have not heard from you for a while. We would be glad if you called us.",
    }.get(CourseStatus(course.status), "Your treatment is still going on.")


def _patient_table(whole: Whole) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Number and day of each; how much, where that is on record for any of them."""
    rows = [
        (str(index), one.day, f"{one.dose.delivered_mg} mg" if one.dose else "")
        for index, one in enumerate(whole.given, 1)
    ]
    if any(one.dose for one in whole.given):
        return ("", "Day", "Medicine"), tuple(rows)
    return ("", "Day"), tuple(row[:2] for row in rows)


def _next_for_patient(whole: Whole) -> Iterable[str]:
    plan, coming = whole.following.plan, _next_visit(whole)
    found = []
    if coming:
        found.append(f"Your next {whole.noun} here: {coming}.")
    if plan is not None:
        found.append(
            {
                MaintenanceWay.STEPS: f"More {whole.noun}s are planned, with more time between them.",
                MaintenanceWay.AS_NEEDED: f"You can have another {whole.noun} when you need one.",
                MaintenanceWay.NONE: f"No more {whole.noun}s are planned. We keep an eye on how you do.",
            }[MaintenanceWay(plan.way)]
        )
        found.append(f"We look at this plan again with you by {say_day_year(plan.review_on)}.")
    if not found:
        found.append(f"No more {whole.noun}s are planned here now.")
    return found


def _care_for_patient(whole: Whole) -> Iterable[str]:
    for item in whole.following.care:
        if not item.is_struck and item.ended_on is None:
            is_goal = item.kind == CareKind.LIFESTYLE
            yield f"Your goal: {item.title}." if is_goal else f"{item.title}, with {item.responsible}."


def _crisis(whole: Whole) -> tuple[str, ...]:
    settings = worded(getattr(whole.course.location, "intake_settings", None))
    return tuple(line for line in settings.crisis_text.splitlines() if line.strip())
