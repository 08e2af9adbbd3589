"""The record of every infusion that was given or runs now: order, checks, answers, taps, vital signs, effects, leaving.

Of a visit that goes on only what lies before this moment is there. Values are made by counting; shapes after
clinical.md D3 (a small rise, highest about 30 minutes after the start), F2 (side effects), D7 (leaving).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from courses.pure.checklist import EARLIER, ITEMS, NONE, Kind
from courses.pure.leaving import Criterion, as_kept
from courses.services.demo.scale.bulk import Progress, analyze, execute

# ``starts``: the tap that began it. ``turn`` counts the infusions of a course, so that one person's values belong
# together. The dose is 0.5 mg/kg of a weight that stays; one in five is raised after the fourth.
GIVEN = """
CREATE TEMP TABLE given ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY v.id) AS id, v.id AS visit_id, c.id AS course_id, c.patient_id, c.location_id,
       b.status = 'done' AS is_done, b.left_at, lower(b.span) AS booked_at,
       lower(b.span) + (20 + v.id * 7 %% 13) * interval '1 min' AS starts,
       lower(b.span) + (60 + v.id * 7 %% 13 + CASE WHEN v.id %% 60 = 7 THEN 5 ELSE 0 END) * interval '1 min' AS ends,
       v.id %% 60 = 7 AS is_paused, v.id %% 5 = 3 AS has_effect,
       visit.user_id AS prescriber_id, u.id AS nurse_id, d.weight_kg, d.per_kg,
       round(d.weight_kg * d.per_kg, 1) AS dose_mg, i.day, v.id * 31 AS dice
FROM courses_infusionvisit v
JOIN clinic_booking b ON b.id = v.booking_id AND b.status IN ('done', 'in_chair')
JOIN visit ON visit.id = b.id
JOIN clinic_user u ON u.resource_id = visit.nurse_id
JOIN courses_infusion i ON i.id = v.infusion_id
JOIN courses_phase p ON p.id = i.phase_id
JOIN courses_course c ON c.id = p.course_id
CROSS JOIN LATERAL (
    SELECT 55 + c.patient_id %% 45 + 0.4 AS weight_kg,
           CASE WHEN c.id %% 5 = 1 AND (i.number > 4 OR p.position > 1) THEN 0.6 ELSE 0.5 END AS per_kg
) AS d
"""

RECORDS = """
INSERT INTO courses_infusionrecord
    (id, visit_id, opened_at, opened_by_id, no_adverse_events_at, no_adverse_events_by_id, completed_at,
     completed_by_id, signed_at, signed_by_id, version)
SELECT id, visit_id, booked_at + interval '2 min', nurse_id,
       CASE WHEN is_done AND NOT has_effect THEN left_at - interval '4 min' END,
       CASE WHEN is_done AND NOT has_effect THEN nurse_id END,
       CASE WHEN is_done THEN left_at + interval '3 min' END, CASE WHEN is_done THEN nurse_id END,
       CASE WHEN is_signed THEN left_at + interval '2 hours' END, CASE WHEN is_signed THEN prescriber_id END, 30
FROM given
CROSS JOIN LATERAL (SELECT is_done AND left_at + interval '2 hours' < %(now)s AS is_signed) AS s
"""

ANSWERS = """
INSERT INTO courses_checkanswer (record_id, item, value, detail, at, by_id)
SELECT id, said.item, said.value, said.detail, at, nurse_id
FROM given
CROSS JOIN jsonb_to_recordset(%(said)s::jsonb) AS said (item text, value text, detail text, is_leaving boolean)
CROSS JOIN LATERAL (
    SELECT CASE WHEN said.is_leaving THEN left_at - interval '5 min' ELSE booked_at + interval '8 min' END AS at
) AS a
WHERE a.at < %(now)s
"""

ORDERS = """
INSERT INTO courses_doseorder
    (id, record_id, basis, amount, weight_kg, weight_on, infusion_min, dose_mg, concentration_mg_per_ml, volume_ml,
     contains_mg, bag_ml, rate_ml_h, at, by_id)
SELECT id, id, 'mg_per_kg', per_kg, weight_kg, day, 40, dose_mg, 10, round(weight_kg * per_kg / 10, 2), dose_mg, 100,
       150, booked_at + interval '9 min', prescriber_id
FROM given
"""

CHECKS = """
INSERT INTO courses_dosecheck (record_id, order_id, at, by_id)
SELECT id, id, booked_at + interval '12 min', who
FROM given CROSS JOIN LATERAL unnest(ARRAY[nurse_id, prescriber_id]) AS who
"""

TAPS = """
INSERT INTO courses_runevent (record_id, kind, at, reason, order_id, received_at, by_id)
SELECT given.id, tap.kind, tap.at, tap.reason, CASE WHEN tap.kind = 'start' THEN given.id END, tap.at, nurse_id
FROM given
CROSS JOIN LATERAL (VALUES
    ('start', starts, '', true),
    ('pause', starts + interval '20 min', 'Pressure high, measured again', is_paused),
    ('resume', starts + interval '25 min', '', is_paused),
    ('end', ends, '', true)
) AS tap (kind, at, reason, is_there)
WHERE tap.is_there AND tap.at < %(now)s
"""

# Before the start, every ten minutes during, every fifteen after: nine looks. A pause goes with a pressure of 184/104.
LOOKS = """
INSERT INTO courses_flowsheetrow
    (record_id, at, systolic_mmhg, diastolic_mmhg, heart_rate_bpm, spo2_percent, respiratory_rate, moaas, dissociation,
     dissociation_scale, nausea, received_at, by_id)
SELECT given.id, at,
       CASE WHEN is_high THEN 184 ELSE 108 + dice %% 29 + rise + (dice + look.minute) %% 5 END,
       CASE WHEN is_high THEN 104 ELSE 68 + dice %% 17 + rise * 4 / 5 + (dice + look.minute) %% 4 END,
       62 + dice %% 23 + rise / 2, 97 + (dice + look.minute) %% 3 - CASE WHEN rise > 0 THEN 1 ELSE 0 END,
       13 + (dice + look.minute) %% 3,
       CASE WHEN look.minute BETWEEN 11 AND 54 AND patient_id %% 3 <> 0 THEN 4 ELSE 5 END,
       CASE WHEN look.minute IN (-10, 100) THEN 0 WHEN look.minute = 40 THEN 3 + dice %% 9 END,
       CASE WHEN look.minute IN (-10, 40, 100) THEN 'cadss6' ELSE '' END,
       CASE WHEN has_effect AND look.minute BETWEEN 30 AND 55 THEN 1 ELSE 0 END, at, nurse_id
FROM given
CROSS JOIN (VALUES (-10, 0), (10, 5), (20, 10), (30, 14), (40, 12), (55, 8), (70, 4), (85, 2), (100, 0))
    AS look (minute, rise)
CROSS JOIN LATERAL (
    SELECT starts + look.minute * interval '1 min' AS at, is_paused AND look.minute = 20 AS is_high
) AS l
WHERE at < %(now)s
ORDER BY given.id, look.minute
"""

ALARMS = """
INSERT INTO courses_limitalarm
    (record_id, row_id, rule, act, said, profile, raised_at, answered_at, answered_by_id, what_was_done)
SELECT f.record_id, f.id, 'pressure_pause', 'pause', 'Pressure 184/104: pause, and measure again in 5 minutes.',
       'default', f.at, f.at + interval '1 min', f.by_id, 'Paused; lower again after five minutes'
FROM courses_flowsheetrow f WHERE f.systolic_mmhg >= 180
"""

EFFECTS = """
INSERT INTO courses_adverseevent
    (record_id, code, onset_at, severity, is_serious, action, outcome, resolved_at, recorded_at, recorded_by_id)
SELECT id, (ARRAY['nausea', 'dizziness', 'dissociation', 'headache', 'anxiety', 'raised_pressure', 'blurred_vision',
                  'drowsiness'])[dice / 155 %% 8 + 1],
       starts + interval '25 min',
       CASE WHEN dice / 155 %% 40 = 11 THEN 'severe' WHEN dice / 155 %% 4 = 1 THEN 'moderate' ELSE 'mild' END,
       dice / 155 %% 2000 = 91, 'Watched', 'resolved', ends + interval '30 min', ends + interval '35 min', nurse_id
FROM given WHERE has_effect AND is_done
"""

LEFT = """
INSERT INTO courses_discharge
    (record_id, criteria, escort_name, instructions, instructions_way, no_driving_until, at, by_id)
SELECT id, %(criteria)s, 'Jordan', 'Rest. Do not drive.', 'printed', ends + interval '24 hours', left_at, nurse_id
FROM given WHERE is_done
"""


def write_records(now: datetime, progress: Progress) -> None:
    """``given`` has a row for each record, for later steps."""
    values: dict[str, Any] = {"now": now, "said": json.dumps(_said()), "criteria": json.dumps(_criteria())}
    execute(GIVEN, values)
    analyze(["given"])
    for what, statement in (
        ("infusion records", RECORDS),
        ("answers of checklists", ANSWERS),
        ("dose orders", ORDERS),
        ("dose checks", CHECKS),
        ("taps", TAPS),
        ("flowsheet rows", LOOKS),
        ("alarms answered", ALARMS),
        ("side effects", EFFECTS),
        ("discharges", LEFT),
    ):
        progress(what, execute(statement, values))


def _said() -> list[dict[str, Any]]:
    """What is answered at each visit: nothing speaks against the start, everything for leaving."""
    words = {Kind.PERSON: ("yes", "Jordan"), Kind.MOMENT: (EARLIER, ""), Kind.MEDICINES: (NONE, "")}
    before = [(item.code, *words.get(item.kind, (item.good, "")), False) for item in ITEMS if not item.is_optional]
    after = [(f"leave_{tick}", "yes", "", True) for tick in ("oriented", "gait", "no_si")]
    rows = [*before, *after, ("leave_escort", "Jordan", "", True)]
    return [dict(zip(("item", "value", "detail", "is_leaving"), row, strict=True)) for row in rows]


def _criteria() -> Any:  # noqa: ANN401 (JSON)
    """As the discharge keeps them."""
    said = (("observation", "Watched for at least 60 min", "over"), ("escort", "Escort here, by name", "Jordan"))
    return as_kept([Criterion(code=code, label=label, value=value, is_met=True) for code, label, value in said])
