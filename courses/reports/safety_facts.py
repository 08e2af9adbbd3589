"""What the safety report asks the database: one statement over the infusion visits of a period.

``visit`` are the visits at which an infusion was given or withheld, ``given`` the former, ``effect`` the side effects
that count (not struck) at infusions that were given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from courses.pure.reports.filters import Filters
from courses.pure.reports.safety import PRESSURE_RULES
from courses.reports.reading import Row, quartiles, read
from patients.models import IntakeSettings
from patients.pure.pressure import DEFAULT

VISIT = """
visit AS MATERIALIZED (
    SELECT v.id, v.outcome, v.reason, b.id AS booking_id, place.id AS location_id, place.time_zone,
           lower(b.span) AS at, (lower(b.span) AT TIME ZONE place.time_zone)::date AS day,
           c.id AS course_id, c.patient_id, r.id AS record_id,
           r.no_adverse_events_at IS NOT NULL AS says_none
    FROM place
    JOIN clinic_booking b
        ON b.location_id = place.id AND lower(b.span) >= place.lo AND lower(b.span) < place.hi AND b.kind = 'infusion'
        AND lower(b.span) >= %(earliest)s AND lower(b.span) < %(latest)s
    JOIN courses_infusionvisit v ON v.booking_id = b.id AND v.outcome IN ('given', 'withheld')
    JOIN courses_infusion i ON i.id = v.infusion_id
    JOIN courses_phase p ON p.id = i.phase_id
    JOIN courses_course c ON c.id = p.course_id
    LEFT JOIN courses_infusionrecord r ON r.visit_id = v.id
)"""
GIVEN = "given AS (SELECT * FROM visit WHERE outcome = 'given')"
EFFECT = """
effect AS MATERIALIZED (
    SELECT e.*, given.patient_id, given.course_id, given.booking_id,
           (e.onset_at AT TIME ZONE given.time_zone)::date AS day
    FROM given JOIN courses_adverseevent e ON e.record_id = given.record_id AND e.struck_at IS NULL
)"""
# The last pressure and pulse before the start (of the whole visit, where it never started), and the peaks after it.
LOOKED = """
looked AS MATERIALIZED (
    SELECT visit.record_id, visit.outcome, visit.location_id, visit.booking_id, visit.course_id, visit.patient_id,
           visit.at, visit.day, seen.systolic, seen.diastolic, seen.heart_rate, seen.peak_systolic, seen.peak_diastolic
    FROM visit
    LEFT JOIN courses_runevent s ON s.record_id = visit.record_id AND s.kind = 'start' AND s.struck_at IS NULL
    CROSS JOIN LATERAL (
        SELECT count(*) AS n,
               (array_agg(f.systolic_mmhg ORDER BY f.at DESC, f.id DESC)
                   FILTER (WHERE f.systolic_mmhg IS NOT NULL AND f.at <= COALESCE(s.at, 'infinity')))[1] AS systolic,
               (array_agg(f.diastolic_mmhg ORDER BY f.at DESC, f.id DESC)
                   FILTER (WHERE f.systolic_mmhg IS NOT NULL AND f.at <= COALESCE(s.at, 'infinity')))[1] AS diastolic,
               (array_agg(f.heart_rate_bpm ORDER BY f.at DESC, f.id DESC)
                   FILTER (WHERE f.heart_rate_bpm IS NOT NULL AND f.at <= COALESCE(s.at, 'infinity')))[1] AS heart_rate,
               max(f.systolic_mmhg) FILTER (WHERE f.at > s.at) AS peak_systolic,
               max(f.diastolic_mmhg) FILTER (WHERE f.at > s.at) AS peak_diastolic
        FROM courses_flowsheetrow f
        WHERE f.record_id = visit.record_id AND f.struck_at IS NULL
    ) AS seen
    WHERE seen.n > 0
)"""
ALERT = """
alert AS MATERIALIZED (
    SELECT a.id, a.kind, a.patient_id, a.raised_at, a.acknowledged_at, a.escalated_at, place.time_zone,
           (a.raised_at AT TIME ZONE place.time_zone)::date AS day,
           EXTRACT(EPOCH FROM a.acknowledged_at - a.raised_at) / 60 AS minutes,
           COALESCE(a.acknowledged_at, %(now)s) - a.raised_at
               > make_interval(mins => COALESCE(n.escalate_after_min, %(escalate_min)s)) AS is_late
    FROM place
    JOIN patients_dangeralert a
        ON a.location_id = place.id AND a.raised_at >= place.lo AND a.raised_at < place.hi
    LEFT JOIN patients_intakesettings n ON n.location_id = place.id
)"""
SHARED = (VISIT, GIVEN, EFFECT, LOOKED, ALERT)

ALERT_SUMS = """
    SELECT {kind} count(*) AS n, count(*) FILTER (WHERE acknowledged_at IS NULL) AS open,
           count(*) FILTER (WHERE escalated_at IS NOT NULL) AS escalated,
           count(*) FILTER (WHERE is_late) AS late, {wait},
           round(percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes)::numeric, 3) AS ninetieth"""
SUMMED = "SELECT {infusions}, {ketamine}, {esketamine} FROM sums"
QUESTIONS = {
    "places": "SELECT name FROM place ORDER BY name",
    "counts": """
        SELECT count(*) FILTER (WHERE outcome = 'given') AS given,
               count(*) FILTER (WHERE outcome = 'withheld') AS withheld,
               count(DISTINCT patient_id) FILTER (WHERE outcome = 'given') AS patients,
               (SELECT count(DISTINCT record_id) FROM effect) AS given_with_effects,
               (SELECT count(DISTINCT patient_id) FROM effect) AS patients_with_effects,
               (SELECT count(*) FROM effect WHERE is_serious) AS serious,
               (SELECT count(*) FROM effect WHERE outcome = 'transferred') AS transferred,
               count(*) FILTER (
                   WHERE outcome = 'given' AND NOT COALESCE(says_none, FALSE)
                   AND COALESCE(record_id NOT IN (SELECT record_id FROM effect), TRUE)
               ) AS nothing_entered
        FROM visit""",
    "effects": """
        SELECT code, count(DISTINCT record_id) AS given, count(DISTINCT patient_id) AS patients,
               count(*) FILTER (WHERE severity = 'mild') AS mild,
               count(*) FILTER (WHERE severity = 'moderate') AS moderate,
               count(*) FILTER (WHERE severity = 'severe') AS severe,
               count(*) FILTER (WHERE is_serious) AS serious
        FROM effect GROUP BY code ORDER BY given DESC, code""",
    "worst": """
        SELECT severity, count(*) AS given
        FROM (
            SELECT DISTINCT ON (record_id) record_id, severity FROM effect
            ORDER BY record_id, array_position(ARRAY['severe', 'moderate', 'mild'], severity::text)
        ) AS one
        GROUP BY severity""",
    "findings": """
        SELECT g.code, count(DISTINCT visit.id) FILTER (WHERE g.severity = 'soft') AS soft,
               count(DISTINCT visit.id) FILTER (WHERE g.severity = 'hard') AS hard,
               count(DISTINCT visit.id) FILTER (WHERE visit.outcome = 'given') AS given
        FROM visit JOIN courses_gatedecision g ON g.record_id = visit.record_id
        GROUP BY g.code ORDER BY count(DISTINCT visit.id) DESC, g.code""",
    "decided": """
        SELECT count(DISTINCT visit.id) FILTER (WHERE g.severity = 'soft') AS soft,
               count(DISTINCT visit.id) FILTER (WHERE g.severity = 'hard') AS hard
        FROM visit JOIN courses_gatedecision g ON g.record_id = visit.record_id
        WHERE visit.outcome = 'given'""",
    "withheld": """
        SELECT COALESCE(NULLIF(trim(reason), ''), 'No reason entered') AS reason, count(*) AS n
        FROM visit WHERE outcome = 'withheld' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 30""",
    "pauses": """
        SELECT COALESCE(NULLIF(trim(e.reason), ''), 'No reason entered') AS reason, count(*) AS n,
               count(DISTINCT e.record_id) AS given
        FROM given JOIN courses_runevent e ON e.record_id = given.record_id AND e.struck_at IS NULL AND e.kind = 'pause'
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 30""",
    "paused": """
        SELECT count(DISTINCT e.record_id) AS given
        FROM given JOIN courses_runevent e
            ON e.record_id = given.record_id AND e.struck_at IS NULL AND e.kind = 'pause'""",
    "stops": """
        SELECT e.reason, e.is_for_adverse_event AS for_effect, o.dose_mg, o.contains_mg, o.infusion_min,
               (SELECT jsonb_agg(jsonb_build_array(t.kind, t.at) ORDER BY t.at, t.id) FROM courses_runevent t
                WHERE t.record_id = e.record_id AND t.struck_at IS NULL) AS taps
        FROM given
        JOIN courses_runevent e ON e.record_id = given.record_id AND e.struck_at IS NULL AND e.kind = 'stop'
        LEFT JOIN courses_runevent s ON s.record_id = e.record_id AND s.struck_at IS NULL AND s.kind = 'start'
        LEFT JOIN courses_doseorder o ON o.id = s.order_id
        ORDER BY e.at, e.id""",
    "alarms": """
        SELECT a.rule, count(*) AS n, count(DISTINCT given.id) AS given,
               count(*) FILTER (WHERE a.answered_at IS NULL) AS unanswered
        FROM given JOIN courses_limitalarm a ON a.record_id = given.record_id
        JOIN courses_flowsheetrow f ON f.id = a.row_id AND f.struck_at IS NULL
        GROUP BY a.rule ORDER BY n DESC, a.rule""",
    "high": """
        SELECT count(DISTINCT given.id) AS given
        FROM given JOIN courses_limitalarm a ON a.record_id = given.record_id AND a.rule = ANY(%(pressure_rules)s)
        JOIN courses_flowsheetrow f ON f.id = a.row_id AND f.struck_at IS NULL""",
    "before": """
        SELECT COALESCE(n.pressure_profile, %(profile)s) AS profile, systolic, diastolic, heart_rate, outcome,
               count(*) AS n
        FROM looked LEFT JOIN patients_intakesettings n ON n.location_id = looked.location_id
        WHERE systolic IS NOT NULL GROUP BY 1, 2, 3, 4, 5""",
    "peaks": """
        SELECT peak_systolic AS systolic, peak_diastolic AS diastolic, count(*) AS n
        FROM looked WHERE outcome = 'given' AND peak_systolic IS NOT NULL GROUP BY 1, 2""",
    "events": """
        SELECT e.kind, count(*) AS n
        FROM place JOIN courses_course c ON c.location_id = place.id
        JOIN courses_clinicalevent e ON e.course_id = c.id AND e.struck_at IS NULL
        WHERE (%(since)s::date IS NULL OR e.day >= %(since)s) AND (%(until)s::date IS NULL OR e.day <= %(until)s)
        GROUP BY e.kind""",
    "alerts": ALERT_SUMS.format(kind="", wait=quartiles("wait", "minutes")) + " FROM alert",
    "alert_kinds": ALERT_SUMS.format(kind="kind,", wait=quartiles("wait", "minutes"))
    + " FROM alert GROUP BY kind ORDER BY n DESC, kind",
    "cumulative": """
        SELECT jsonb_object_agg(infusions, patients) AS patients
        FROM (SELECT infusions, count(*) AS patients FROM sums GROUP BY infusions) AS one""",
    "sums": SUMMED.format(
        infusions=quartiles("infusions", "infusions"),
        ketamine=quartiles("ketamine", "ketamine_mg", where="ketamine_mg > 0"),
        esketamine=quartiles("esketamine", "esketamine_mg", where="esketamine_mg > 0"),
    ),
}
"""By name. ``stops`` has a row for each; the others are sums."""

# All that the patients of the period had in all courses up to now, by the one definition of what was delivered.
SUMS = """
sums AS MATERIALIZED (
    SELECT r.patient_id, sum(r.n_given_in_all) AS infusions,
           sum(r.given_mg) FILTER (WHERE p.route <> 'nasal') AS ketamine_mg,
           sum(r.given_mg) FILTER (WHERE p.route = 'nasal') AS esketamine_mg
    FROM courses_courseresult r
    JOIN courses_protocolversion v ON v.id = r.protocol_version_id
    JOIN courses_protocol p ON p.id = v.protocol_id
    WHERE r.patient_id IN (SELECT patient_id FROM given)
    GROUP BY r.patient_id
)"""


def params(now: datetime) -> dict[str, Any]:
    """What the statement names beside the period."""
    return {
        "now": now,
        "escalate_min": IntakeSettings._meta.get_field("escalate_after_min").get_default(),
        "profile": DEFAULT,
        "pressure_rules": list(PRESSURE_RULES),
    }


def read_safety(filters: Filters, now: datetime) -> dict[str, list[Row]]:
    """The rows of every question; one query."""
    return read(filters, QUESTIONS, shared=(*SHARED, SUMS), params=params(now))


@dataclass(frozen=True, slots=True)
class Facts:
    """The rows of the questions, and the numbers that most figures need."""

    rows: dict[str, list[Row]]
    now: datetime

    @property
    def counts(self) -> Row:
        return self.rows["counts"][0]

    @property
    def given(self) -> int:
        return int(self.counts["given"])

    def one(self, name: str) -> Row:
        return self.rows[name][0]
