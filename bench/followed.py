"""What courses are followed by, in bulk: scores, consents, decisions, plans of maintenance, and how some ended.

Every course of the data set gets it, so that each worklist has something to find: of 25 courses one has a visit that
was missed and has no new time, of 20 one lacks its measures before the series, of 10 three go on by a plan. The numbers
are made by counting, as everything in the data set: every run has the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from clinic.models import Location, User
from patients.models import ConsentText

# What belongs to no course (the visits of Wednesdays) is not there: an infusion without a visit cannot be.
WITHOUT_COURSE = """
DELETE FROM clinic_allocation a
WHERE NOT EXISTS (SELECT 1 FROM courses_infusionvisit v WHERE v.booking_id = a.booking_id);

DELETE FROM clinic_booking b WHERE NOT EXISTS (SELECT 1 FROM courses_infusionvisit v WHERE v.booking_id = b.id);
"""

# A visit that was missed long ago: its infusion was dropped, but for one course in 25.
SETTLED = """
UPDATE courses_infusion i SET status = 'dropped'
FROM courses_phase p JOIN courses_course c ON c.id = p.course_id
WHERE p.id = i.phase_id AND i.status = 'missed' AND i.day < %(today)s - 5 AND c.id %% 25 <> 0;

UPDATE courses_phase p SET n_planned = n.kept
FROM (SELECT phase_id, count(*) FILTER (WHERE status <> 'dropped') AS kept FROM courses_infusion GROUP BY phase_id) n
WHERE n.phase_id = p.id AND n.kept > 0;

UPDATE courses_phasestep s SET count = p.n_planned FROM courses_phase p WHERE p.id = s.phase_id;

UPDATE courses_infusion SET number = number + 100;  -- what was dropped comes last, as in the product

UPDATE courses_infusion i SET number = n.number
FROM (
    SELECT id, row_number() OVER (PARTITION BY phase_id ORDER BY status = 'dropped', number) AS number
    FROM courses_infusion
) AS n
WHERE n.id = i.id;

UPDATE courses_course SET
    status = (ARRAY['stopped', 'lost', 'transferred'])[id %% 20 + 1],
    closed_reason = 'As in every twentieth course',
    closed_to = CASE WHEN id %% 20 = 2 THEN 'Northside Clinic' ELSE '' END
WHERE status = 'completed' AND id %% 20 < 3;
"""

# By course: the patient, the first and the last infusion given, whether the series is over.
BEGUN = """
CREATE TEMP TABLE begun ON COMMIT DROP AS
SELECT c.id, c.patient_id, c.prescriber_id, c.status, c.location_id, min(i.day) AS first, max(i.day) AS last,
       NOT bool_or(i.status = 'booked') AS is_over
FROM courses_course c JOIN courses_phase p ON p.course_id = c.id JOIN courses_infusion i ON i.phase_id = p.id
WHERE i.status IN ('given', 'booked')
GROUP BY c.id;
ANALYZE begun;
"""

# PHQ-9 before the series, at each check-in, then as clinical.md E4 asks; one in eight gets worse, one in six
# relapses. Question 9 (suicide) is above 0 in one series of forty.
PHQ9 = """
INSERT INTO patients_assessment
    (measure, measure_version, taken_at, source, answers, score, is_prorated, band, detail, note, recorded_at,
     patient_id, struck_reason)
SELECT 'phq9', 'en-US 1', at, 'tablet',
       (SELECT jsonb_object_agg(item::text, (score - danger + 8 - item) / 8) FROM generate_series(1, 8) AS item)
           || jsonb_build_object('9', danger),
       score, false,
       CASE WHEN score < 5 THEN 'None or minimal' WHEN score < 10 THEN 'Mild' WHEN score < 15 THEN 'Moderate'
            WHEN score < 20 THEN 'Moderately severe' ELSE 'Severe' END,
       '{}', '', at, patient_id, ''
FROM (
    SELECT patient_id, at, danger, greatest(danger, least(24 + danger, round((18 + id %% 5) * left_of)::int)) AS score
    FROM (
        SELECT b.id, b.patient_id, t.at,
               CASE WHEN b.id %% 40 = 7 AND t.step > 2 THEN 1 ELSE 0 END AS danger,
               CASE WHEN b.id %% 8 = 3 THEN 1 + least(t.step, 6) * 0.05  -- worse
                    WHEN b.id %% 6 = 1 AND t.step > 10 THEN 0.75         -- a relapse
                    ELSE greatest(0.25, 1 - t.step * 0.13) END AS left_of
        FROM begun b
        CROSS JOIN LATERAL (
            SELECT (b.first - 1)::timestamp + interval '16 hours' AS at, 0 AS step
            UNION ALL
            SELECT i.day::timestamp + interval '11 hours', i.number - 1  -- at the check-in, so after the one before it
            FROM courses_infusion i JOIN courses_phase p ON p.id = i.phase_id
            WHERE p.course_id = b.id AND i.status = 'given'
            UNION ALL
            SELECT (b.last + ahead)::timestamp + interval '16 hours', 9 + ahead / 7
            FROM unnest(ARRAY[2, 7, 14, 21, 28, 42, 56, 70, 83]) AS ahead WHERE b.is_over
        ) AS t
        WHERE t.at < %(now)s
    ) AS t
) AS t;
"""

# Beside it, before the series; not in one course of twenty.
BESIDE = """
INSERT INTO patients_assessment
    (measure, measure_version, taken_at, source, answers, score, is_prorated, band, detail, note, recorded_at,
     patient_id, struck_reason, recorded_by_id)
SELECT m.measure, m.version, at, 'staff', m.answers, m.score, false, m.band, '{}', '', at, b.patient_id, '',
       b.prescriber_id
FROM begun b
CROSS JOIN LATERAL (VALUES
    ('gad7', 'en-US 1', '{}'::jsonb, 4, 'Minimal', -1), ('auditc', 'en-US 1', '{}', 1, '', -1),
    ('cssrs', 'screener, recent', '{"1": 0, "2": 0, "6": 0}', NULL, '', -1), ('dast10', 'total', '{}', 0, 'None', -1),
    ('icsi', 'total', '{}', 1, '', -1), ('moca', 'total', '{}', 27, '', -1),
    ('gad7', 'en-US 1', '{}', 4, 'Minimal', 12),
    ('gad7', 'en-US 1', '{}', 3, 'Minimal', b.last - b.first + 2),
    ('gad7', 'en-US 1', '{}', 3, 'Minimal', b.last - b.first + 20),
    ('cssrs', 'screener, recent', '{"1": 0, "2": 0, "6": 0}', NULL, '', b.last - b.first + 2),
    ('cssrs', 'screener, recent', '{"1": 0, "2": 0, "6": 0}', NULL, '', b.last - b.first + 20)
) AS m (measure, version, answers, score, band, days)
CROSS JOIN LATERAL (SELECT (b.first + m.days)::timestamp + interval '15 hours' AS at) AS a
WHERE a.at < %(now)s AND b.id %% 20 <> 11;
"""

CONSENTS = """
INSERT INTO patients_consent
    (method, signed_on, signer_name, signer_relation, signature, recorded_at, expires_on, withdrawn_reason, patient_id,
     recorded_by_id, text_id)
SELECT 'screen', first - 10, 'As shown', '', '[[[80, 520], [430, 560]]]', (first - 10)::timestamp, first + 355, '',
       b.patient_id, b.prescriber_id, t.id
FROM begun b JOIN patients_consenttext t ON t.location_id = b.location_id
WHERE first - 10 < %(today)s;

INSERT INTO patients_screeningdecision
    (indication, outcome, conditions, reason, pressure_profile, findings, signed_at, expires_on, patient_id,
     signed_by_id)
SELECT 'trd', 'fit', '', '', 'default', '[]', (first - 9)::timestamp, first + 81, patient_id, prescriber_id
FROM begun WHERE first - 9 < %(today)s;
"""

# Of ten courses whose series is over: four as needed, two observed, three by a plan, and one that nobody decided about.
PLANS = """
INSERT INTO courses_phase
    (course_id, kind, position, protocol_version_id, n_planned, not_before, preparation_min, infusion_min,
     observation_min, turnaround_min)
SELECT id, 'maintenance', 2, %(maintenance)s,
       (SELECT sum(count) FROM courses_protocolstep WHERE version_id = %(maintenance)s), last + 7, 20, 40, 60, 15
FROM begun WHERE is_over AND status = 'active' AND id %% 10 IN (6, 7, 8);

INSERT INTO courses_phasestep
    (phase_id, position, label, count, weekdays, target_gap_days, min_gap_days, max_gap_days, first_gap)
SELECT p.id, s.position, s.label, s.count, s.weekdays, s.target_gap_days, s.min_gap_days, s.max_gap_days, s.first_gap
FROM courses_phase p JOIN courses_protocolstep s ON s.version_id = p.protocol_version_id
WHERE p.kind = 'maintenance';

INSERT INTO courses_infusion (phase_id, number, status, day)
SELECT p.id, number, 'planned', NULL FROM courses_phase p, generate_series(1, p.n_planned) AS number
WHERE p.kind = 'maintenance';

INSERT INTO courses_maintenanceplan
    (course_id, way, phase_id, review_on, reconsent_on, reason, decided_at, decided_by_id, ended_reason)
SELECT b.id, CASE WHEN p.id IS NOT NULL THEN 'steps' WHEN b.id %% 10 < 4 THEN 'as_needed' ELSE 'none' END, p.id,
       b.last + 120, b.last + 360, 'As agreed at the end of the series', b.last::timestamp + interval '2 days',
       b.prescriber_id, ''
FROM begun b LEFT JOIN courses_phase p ON p.course_id = b.id AND p.kind = 'maintenance'
WHERE b.is_over AND b.status = 'active' AND b.id %% 10 <> 9;
"""


# What the reviews of series came to that ended more than four days ago.
REVIEWED = """
INSERT INTO courses_task
    (kind, key, patient_id, location_id, course_id, text, facts, due_on, opened_at, later_reason, closed_at,
     closed_by_id, closed_how, closed_text)
SELECT 'review', 'review:' || p.id || ':end', b.patient_id, b.location_id, b.id, 'Review at the end of the series.',
       jsonb_build_object('phase', p.id, 'point', 'end', 'after', p.n_planned, 'n', p.n_planned), b.last + 1,
       b.last::timestamp + interval '20 hours', '', b.last::timestamp + interval '2 days', b.prescriber_id, 'decided',
       'Looked at with the patient: goes on as planned'
FROM begun b JOIN courses_phase p ON p.course_id = b.id AND p.kind = 'initial'
WHERE b.is_over AND b.last < %(today)s - 4;
"""


def follow(
    places: Sequence[Location], clinicians: Sequence[User], values: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    """The courses of the data set have what they are followed by."""
    now = timezone.now()
    ConsentText.objects.bulk_create(
        ConsentText(
            location=place,
            version=1,
            title="Treatment with ketamine",
            body="As shown.",
            created_at=now,
            published_at=now,
            published_by=clinicians[0],
        )
        for place in places
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # of what was just written nothing is known yet
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for what, statement in (
            ("visits without a course, away", WITHOUT_COURSE),
            ("what was missed long ago, and how courses ended", SETTLED),
            ("courses that have begun", BEGUN),
            ("scores", PHQ9),
            ("measures beside", BESIDE),
            ("consents and decisions", CONSENTS),
            ("plans of maintenance", PLANS),
            ("reviews", REVIEWED),
        ):
            say(what)
            cursor.execute(statement, values)
