"""Scores: PHQ-9 before a series, at each check-in and as clinical.md E4 asks afterwards, and the measures beside it.

One course in eight gets worse, one in six of those over relapses; question 9 (suicide) is above 0 in one series of
forty; one course in twenty lacks the measures beside.
"""

from __future__ import annotations

from datetime import datetime

from courses.services.demo.scale.bulk import Progress, execute

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
            FROM courses_infusion i WHERE i.phase_id = b.phase_id AND i.status = 'given'
            UNION ALL
            SELECT (b.last + ahead)::timestamp + interval '16 hours', 9 + ahead / 7
            FROM unnest(ARRAY[2, 7, 14, 21, 28, 42, 56, 70, 83]) AS ahead WHERE b.is_over
        ) AS t
        WHERE t.at < %(now)s
    ) AS t
) AS t
"""

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
WHERE a.at < %(now)s AND b.id %% 20 <> 11
"""


def write_scores(now: datetime, progress: Progress) -> None:
    """Reads ``begun``."""
    values = {"now": now}
    progress("scores PHQ-9", execute(PHQ9, values))
    progress("other scores", execute(BESIDE, values))
