"""The drug: a lot for each location and quarter, what was drawn for each infusion, and the log that adds up.

Drawn is the dose rounded up to whole 5 mg; what is left of it is wasted before a witness (invariant 9).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from courses.services.demo.scale.bulk import Progress, analyze, execute

LOTS = """
INSERT INTO courses_druglot
    (id, location_id, drug, form, concentration_mg_per_ml, content_mg, lot_number, manufacturer, expires_on, created_at,
     created_by_id)
SELECT row_number() OVER (ORDER BY quarter, location_id), location_id, 'ketamine', 'vial', 10, 200,
       'DK10-' || to_char(quarter, 'YYYYMM'), 'Fictional Pharma', (quarter + interval '2 years')::date,
       quarter - interval '5 days', nurse_id
FROM (
    SELECT location_id, quarter, min(nurse_id) AS nurse_id
    FROM (SELECT location_id, date_trunc('quarter', day) AS quarter, nurse_id FROM given) AS one
    GROUP BY location_id, quarter
) AS lot
"""

DRAWS = """
INSERT INTO courses_drugdraw
    (id, record_id, lot_id, drawn_mg, given_mg, wasted_mg, returned_mg, drawn_at, drawn_by_id, closed_at, closed_by_id,
     witness_id)
SELECT given.id, given.id, lot.id, drawn, CASE WHEN is_done THEN dose_mg END,
       CASE WHEN is_done THEN drawn - dose_mg END, CASE WHEN is_done THEN 0 END, booked_at + interval '10 min',
       nurse_id, CASE WHEN is_done THEN left_at - interval '2 min' END, CASE WHEN is_done THEN nurse_id END,
       CASE WHEN is_done AND drawn > dose_mg THEN prescriber_id END
FROM given
JOIN courses_druglot lot
    ON lot.location_id = given.location_id
   AND lot.lot_number = 'DK10-' || to_char(date_trunc('quarter', given.day), 'YYYYMM')
CROSS JOIN LATERAL (SELECT ceil(dose_mg / 5) * 5 AS drawn) AS d
WHERE booked_at + interval '10 min' < %(now)s
"""

# Received at the beginning what is drawn in the quarter, in whole vials, with a reserve while the lot is in use; what
# is left of it at the end of the quarter goes for destruction. Numbers and balances run on line by line.
LOG = """
INSERT INTO courses_stockentry
    (lot_id, number, kind, amount_mg, change_mg, balance_mg, draw_id, reason, at, by_id, witness_id)
SELECT lot_id, row_number() OVER line, kind, amount, change, sum(change) OVER line, draw_id, reason, at, by_id,
       witness_id
FROM (
    SELECT lot.id AS lot_id, 'received' AS kind, r.mg AS amount, r.mg AS change, NULL::bigint AS draw_id, '' AS reason,
           lot.created_at AS at, lot.created_by_id AS by_id, NULL::bigint AS witness_id, 0 AS turn
    FROM courses_druglot lot
    JOIN received r ON r.lot_id = lot.id
    UNION ALL
    SELECT d.lot_id, e.kind, e.amount, e.change, d.id, '', e.at, d.drawn_by_id, e.witness, e.turn
    FROM courses_drugdraw d
    CROSS JOIN LATERAL (VALUES
        ('drawn', d.drawn_mg, -d.drawn_mg, d.drawn_at, NULL::bigint, 1),
        ('given', d.given_mg, 0, d.closed_at, NULL, 2),
        ('wasted', d.wasted_mg, 0, d.closed_at, d.witness_id, 3)
    ) AS e (kind, amount, change, at, witness, turn)
    WHERE e.amount > 0
    UNION ALL
    SELECT lot.id, 'destroyed', r.mg - r.drawn, r.drawn - r.mg, NULL, 'Left at the end of the quarter', r.ends,
           lot.created_by_id, r.witness_id, 4
    FROM courses_druglot lot
    JOIN received r ON r.lot_id = lot.id
    WHERE r.ends < %(now)s AND r.mg > r.drawn
) AS e
WINDOW line AS (PARTITION BY lot_id ORDER BY at, turn, draw_id ROWS UNBOUNDED PRECEDING)
"""
RECEIVED = """
CREATE TEMP TABLE received ON COMMIT DROP AS
SELECT lot.id AS lot_id, drawn, (floor(drawn / 200) + 6) * 200 AS mg,
       lot.created_at + interval '5 days' + interval '3 months' - interval '4 hours' AS ends,
       (SELECT min(prescriber_id) FROM given WHERE given.location_id = lot.location_id) AS witness_id
FROM courses_druglot lot
JOIN (SELECT lot_id, sum(drawn_mg) AS drawn FROM courses_drugdraw GROUP BY lot_id) AS d ON d.lot_id = lot.id
"""


def write_stock(now: datetime, progress: Progress) -> None:
    """Reads ``given``."""
    values: dict[str, Any] = {"now": now}
    progress("lots of the drug", execute(LOTS, values))
    progress("draws", execute(DRAWS, values))
    analyze(["courses_druglot", "courses_drugdraw"])
    execute(RECEIVED, values)
    progress("lines of the drug log", execute(LOG, values))
