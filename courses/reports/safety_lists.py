"""The lists behind the figures of the safety report: which infusions and which alerts, without names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from courses.models import AdverseOutcome, AdverseSeverity, ClinicalEventKind
from courses.pure.adverse import BY_CODE, label_of
from courses.pure.limits import RULE_LABELS, Rule
from courses.pure.reports.contents import Unit
from courses.pure.reports.filters import Filters
from courses.pure.reports.safety import PRESSURE_RULES, finding_label, judged, reading_of, stop_from
from courses.reports.reading import Row, read
from courses.reports.registry import Listed, NoSuchListError
from courses.reports.rows import Question, day, listed, number, text
from courses.reports.safety_facts import QUESTIONS, SHARED, SUMS, params
from patients.models import AlertKind
from patients.pure.pressure import VERDICT_LABELS, Verdict

PERIOD = "Infusions of the period."
SEVERITIES: Mapping[str, str] = {str(value): str(label) for value, label in AdverseSeverity.choices}
OUTCOMES: Mapping[str, str] = {str(value): str(label) for value, label in AdverseOutcome.choices}
ALERTS: Mapping[str, str] = {str(value): str(label) for value, label in AlertKind.choices}
EVENTS: Mapping[str, str] = {str(value): str(label) for value, label in ClinicalEventKind.choices}


def list_of(key: str, filters: Filters) -> Listed:
    """The list with this key.

    Raises:
        NoSuchListError: there is none.
    """
    now = timezone.now()
    question = _plain(now).get(key) or _before(key, filters, now) or _by_value(key, now)
    if question is None:
        raise NoSuchListError(key)
    whole = replace(question, shared=(*SHARED, SUMS), params=params(now) | dict(question.params))
    return listed(filters, whole)


def _by_value(key: str, now: datetime) -> Question | None:
    """Lists whose key ends in what they are about: "effect-nausea", "alarm-oxygen"."""
    makers: Mapping[str, tuple[Callable[[str, datetime], Question], Callable[[str], bool]]] = {
        "effect-": (_effect, BY_CODE.__contains__),
        "worst-": (_worst, SEVERITIES.__contains__),
        "finding-": (_finding, lambda value: len(value) <= LONGEST_CODE),
        "alarm-": (_alarm, set(Rule).__contains__),
        "alerts-kind-": (_alerts_of, ALERTS.__contains__),
        "event-": (_event, EVENTS.__contains__),
    }
    for beginning, (make, is_known) in makers.items():
        value = key.removeprefix(beginning)
        if key.startswith(beginning) and is_known(value):
            return make(value, now)
    return None


LONGEST_CODE = 32


def _plain(now: datetime) -> dict[str, Question]:
    return {
        "effects": _effects("Infusions with a side effect", "TRUE"),
        "effect-patients": _patients(),
        "serious": _effects("Serious side effects", "is_serious"),
        "withheld": _withheld(),
        "overridden": _findings("Given in spite of a hard finding", "g.severity = 'hard' AND visit.outcome = 'given'"),
        "acknowledged": _findings("Given after a soft finding", "g.severity = 'soft' AND visit.outcome = 'given'"),
        "stopped": _stops("Stopped for a side effect", "e.is_for_adverse_event", now),
        "stopped-other": _stops("Stopped for another reason", "NOT e.is_for_adverse_event", now),
        "paused": _paused(),
        "high-pressure": _alarms(
            "Pressures over the limit", "a.rule = ANY(%(wanted)s)", {"wanted": list(PRESSURE_RULES)}
        ),
        "alerts": _alerts("Danger alerts", "TRUE", now),
        "alerts-open": _alerts("Alerts not acknowledged", "acknowledged_at IS NULL", now),
        "alerts-late": _alerts("Alerts acknowledged late", "is_late", now),
        "alerts-escalated": _alerts("Alerts escalated", "escalated_at IS NOT NULL", now),
        "infusions-in-all": _in_all(),
    }


# -- side effects ------------------------------------------------------------------------------------------------------
EFFECT_ROWS = """
    SELECT patient_id, course_id, booking_id, day, code, text, severity,
           is_serious, outcome
    FROM effect WHERE {where} ORDER BY onset_at DESC, id DESC"""


def _effects(title: str, where: str, params: Mapping[str, Any] | None = None) -> Question:
    return Question(
        title=title,
        about=f"Each side effect on a line of its own. {PERIOD}",
        columns=(
            day(),
            text("effect", "Side effect"),
            text("severity", "Severity"),
            text("serious", "Serious"),
            text("outcome", "Outcome"),
        ),
        sql=EFFECT_ROWS,
        where=where,
        params=params or {},
        cells=_effect_cells,
    )


def _effect_cells(values: tuple[Any, ...]) -> tuple[Any, ...]:
    on, code, words, severity, is_serious, outcome = values
    said = SEVERITIES[severity]
    return on, label_of(code, words), said, "Serious" if is_serious else "", OUTCOMES.get(outcome, outcome)


def _effect(code: str, now: datetime) -> Question:  # noqa: ARG001 (as every maker)
    return _effects(label_of(code), "code = %(wanted)s", {"wanted": code})


def _worst(severity: str, now: datetime) -> Question:  # noqa: ARG001
    where = "severity = %(wanted)s AND NOT EXISTS (SELECT 1 FROM effect o WHERE o.record_id = effect.record_id"
    graver = {"mild": ["moderate", "severe"], "moderate": ["severe"], "severe": []}[severity]
    title = f"Infusions whose worst side effect was {SEVERITIES[severity].lower()}"
    return _effects(title, f"{where} AND o.severity = ANY(%(graver)s))", {"wanted": severity, "graver": graver})


def _patients() -> Question:
    return Question(
        title="Patients with a side effect",
        about=f"Each patient once. {PERIOD}",
        columns=(number("infusions", "Infusions"), number("with_effect", "With a side effect"), day("last", "Last")),
        sql="""
            SELECT patient_id, max(course_id), NULL::bigint, count(DISTINCT id) AS infusions,
                   count(DISTINCT id) FILTER (WHERE has_effect) AS with_effect,
                   max(day) FILTER (WHERE has_effect) AS last
            FROM (SELECT *, record_id IN (SELECT record_id FROM effect) AS has_effect FROM given) AS one
            GROUP BY patient_id HAVING bool_or(has_effect) ORDER BY with_effect DESC, patient_id""",
    )


# -- holds, pauses, stops ----------------------------------------------------------------------------------------------
def _withheld() -> Question:
    return Question(
        title="Infusions withheld",
        about=f"With the reason as it was entered. {PERIOD}",
        columns=(day(), text("reason", "Reason")),
        sql="""
            SELECT patient_id, course_id, booking_id, day, reason
            FROM visit WHERE outcome = 'withheld' ORDER BY at DESC, id DESC""",
    )


def _findings(title: str, where: str, params: Mapping[str, Any] | None = None) -> Question:
    return Question(
        title=title,
        about=f"Each decision on a line of its own, with what the rule said and the reason. {PERIOD}",
        columns=(
            day(),
            text("finding", "Finding"),
            text("severity", "Decision"),
            text("said", "What the rule said"),
            text("reason", "Reason"),
        ),
        sql="""
            SELECT visit.patient_id, visit.course_id, visit.booking_id, visit.day,
                   g.code, CASE g.severity WHEN 'soft' THEN 'Acknowledged' ELSE 'Overridden' END, g.said, g.reason
            FROM visit JOIN courses_gatedecision g ON g.record_id = visit.record_id
            WHERE {where} ORDER BY visit.at DESC, g.id DESC""",
        where=where,
        params=params or {},
        cells=lambda values: (values[0], finding_label(values[1]), *values[2:]),
    )


def _finding(code: str, now: datetime) -> Question:  # noqa: ARG001
    return _findings(finding_label(code), "g.code = %(wanted)s", {"wanted": code})


def _stops(title: str, where: str, now: datetime) -> Question:
    return Question(
        title=title,
        about=f"With what had been delivered until then. {PERIOD}",
        columns=(
            day(),
            text("reason", "Reason"),
            number("mg", "Delivered", Unit.MG),
            number("ordered", "Ordered", Unit.MG),
            number("share", "Of the dose", Unit.PERCENT),
        ),
        sql="""
            SELECT given.patient_id, given.course_id, given.booking_id, given.day,
                   e.reason, e.is_for_adverse_event, o.dose_mg, o.contains_mg, o.infusion_min,
                   (SELECT array_agg(t.kind || ' ' || to_char(t.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')
                        || '+00:00' ORDER BY t.at, t.id)
                    FROM courses_runevent t WHERE t.record_id = e.record_id AND t.struck_at IS NULL) AS taps
            FROM given
            JOIN courses_runevent e ON e.record_id = given.record_id AND e.struck_at IS NULL AND e.kind = 'stop'
            LEFT JOIN courses_runevent s ON s.record_id = e.record_id AND s.struck_at IS NULL AND s.kind = 'start'
            LEFT JOIN courses_doseorder o ON o.id = s.order_id
            WHERE {where} ORDER BY given.at DESC, e.id DESC""",
        where=where,
        cells=lambda values: _stop_cells(values, now),
    )


def _stop_cells(values: tuple[Any, ...], now: datetime) -> tuple[Any, ...]:
    on, reason, for_effect, dose_mg, contains_mg, infusion_min, taps = values
    facts = {"reason": reason, "for_effect": for_effect, "dose_mg": dose_mg, "contains_mg": contains_mg}
    one = stop_from(facts | {"infusion_min": infusion_min, "taps": [tap.split(" ") for tap in taps]}, now=now)
    given = one.given
    return on, reason, given.delivered_mg if given else None, given.ordered_mg if given else None, one.share


def _paused() -> Question:
    return Question(
        title="Infusions paused",
        about=f"Each pause on a line of its own. {PERIOD}",
        columns=(day(), text("clock", "At"), text("reason", "Reason")),
        sql="""
            SELECT given.patient_id, given.course_id, given.booking_id, given.day,
                   to_char(e.at AT TIME ZONE given.time_zone, 'HH24:MI'), e.reason
            FROM given
            JOIN courses_runevent e ON e.record_id = given.record_id AND e.struck_at IS NULL AND e.kind = 'pause'
            ORDER BY given.at DESC, e.id DESC""",
    )


# -- limits ------------------------------------------------------------------------------------------------------------
def _alarms(title: str, where: str, params: Mapping[str, Any]) -> Question:
    return Question(
        title=title,
        about=f"Each alarm on a line of its own, with what was done. {PERIOD}",
        columns=(
            day(),
            text("rule", "Rule"),
            text("said", "What was found"),
            text("done", "What was done"),
        ),
        sql="""
            SELECT given.patient_id, given.course_id, given.booking_id, given.day,
                   a.rule, a.said, COALESCE(NULLIF(a.what_was_done, ''), 'No answer') AS done
            FROM given JOIN courses_limitalarm a ON a.record_id = given.record_id
            JOIN courses_flowsheetrow f ON f.id = a.row_id AND f.struck_at IS NULL
            WHERE {where} ORDER BY a.raised_at DESC, a.id DESC""",
        where=where,
        params=params,
        cells=lambda values: (values[0], _rule(values[1]), *values[2:]),
    )


def _rule(code: str) -> str:
    return RULE_LABELS[Rule(code)] if code in set(Rule) else code


def _alarm(code: str, now: datetime) -> Question:  # noqa: ARG001
    return _alarms(_rule(code), "a.rule = %(wanted)s", {"wanted": code})


def _before(key: str, filters: Filters, now: datetime) -> Question | None:
    """Visits whose last reading before the start is judged so; which readings these are, the pure rules say."""
    verdict = next((one for one in (Verdict.SOFT, Verdict.HARD) if key == f"before-{one}"), None)
    if verdict is None:
        return None
    rows = read(filters, {"before": QUESTIONS["before"]}, shared=SHARED, params=params(now))["before"]
    wanted = {_seen(row) for row in rows if next(iter(judged([reading_of(row)])))[0] is verdict}
    columns = list(zip(*wanted, strict=True)) or [(), (), (), ()]
    names = ("profiles", "systolics", "diastolics", "heart_rates")
    return Question(
        title=f"{VERDICT_LABELS[verdict]} before the start",
        about=f"The last reading before the start, judged by the profile that the location has now. {PERIOD}",
        columns=(day(), text("reading", "Reading"), text("outcome", "The infusion was")),
        sql="""
            SELECT patient_id, course_id, booking_id, day, looked.systolic, looked.diastolic,
                   looked.heart_rate, outcome
            FROM looked LEFT JOIN patients_intakesettings n ON n.location_id = looked.location_id
            JOIN unnest(%(profiles)s::text[], %(systolics)s::int[], %(diastolics)s::int[], %(heart_rates)s::int[])
                AS w (profile, systolic, diastolic, heart_rate)
                ON w.profile = COALESCE(n.pressure_profile, %(profile)s) AND w.systolic = looked.systolic
                AND w.diastolic = looked.diastolic AND w.heart_rate IS NOT DISTINCT FROM looked.heart_rate
            ORDER BY at DESC, booking_id DESC""",
        params=dict(zip(names, map(list, columns), strict=True)),
        cells=_reading_cells,
    )


def _seen(row: Row) -> tuple[str, int, int, int | None]:
    return row["profile"], row["systolic"], row["diastolic"], row["heart_rate"]


def _reading_cells(values: tuple[Any, ...]) -> tuple[Any, ...]:
    on, systolic, diastolic, heart_rate, outcome = values
    pulse = f", pulse {heart_rate}" if heart_rate is not None else ""
    return on, f"{systolic}/{diastolic} mmHg{pulse}", outcome


# -- alerts, events, in all --------------------------------------------------------------------------------------------
def _alerts(title: str, where: str, now: datetime, params: Mapping[str, Any] | None = None) -> Question:  # noqa: ARG001
    return Question(
        title=title,
        about="Alerts raised in the period. What was answered stands in the patient's record.",
        columns=(
            day("day", "Raised"),
            text("clock", "At"),
            text("kind", "Alert"),
            number("minutes", "Until acknowledged", Unit.MINUTES),
            text("escalated", "Escalated"),
        ),
        sql="""
            SELECT patient_id, NULL::bigint, NULL::bigint, day,
                   to_char(raised_at AT TIME ZONE time_zone, 'HH24:MI'), kind, round(minutes::numeric, 0) AS minutes,
                   CASE WHEN escalated_at IS NULL THEN '' ELSE 'Escalated' END
            FROM alert WHERE {where} ORDER BY raised_at DESC, id DESC""",
        where=where,
        params=params or {},
        cells=lambda values: (*values[:2], ALERTS.get(values[2], values[2]), *values[3:]),
    )


def _alerts_of(kind: str, now: datetime) -> Question:
    return _alerts(ALERTS[kind], "kind = %(wanted)s", now, {"wanted": kind})


def _event(kind: str, now: datetime) -> Question:  # noqa: ARG001
    return Question(
        title=EVENTS[kind],
        about="Recorded for a day of the period.",
        columns=(day(),),
        sql="""
            SELECT c.patient_id, c.id, NULL::bigint, e.day
            FROM place JOIN courses_course c ON c.location_id = place.id
            JOIN courses_clinicalevent e ON e.course_id = c.id AND e.struck_at IS NULL AND e.kind = %(wanted)s
            WHERE (%(since)s::date IS NULL OR e.day >= %(since)s) AND (%(until)s::date IS NULL OR e.day <= %(until)s)
            ORDER BY e.day DESC, e.id DESC""",
        params={"wanted": kind},
    )


def _in_all() -> Question:
    return Question(
        title="Infusions in all, per patient",
        about="Patients with an infusion given in the period, with all their courses here up to now.",
        columns=(
            number("infusions", "Infusions in all"),
            number("ketamine", "Ketamine", Unit.MG),
            number("esketamine", "Esketamine", Unit.MG),
        ),
        sql="""
            SELECT patient_id, NULL::bigint, NULL::bigint, infusions, ketamine_mg, esketamine_mg
            FROM sums ORDER BY infusions DESC, patient_id""",
    )
