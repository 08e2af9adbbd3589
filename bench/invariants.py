"""What must never be false (design.md), asked of the tables and of no service: after races, loads, faults."""

from __future__ import annotations

from django.db import connection

INVARIANTS: dict[str, str] = {
    "nothing is in two places at once: allocations of one resource's lane that overlap": """
        SELECT count(*) FROM (
            SELECT upper(span) > lead(lower(span)) OVER (PARTITION BY resource_id, lane ORDER BY lower(span))
                   AS is_double
            FROM clinic_allocation WHERE NOT released
        ) AS neighbours WHERE is_double""",
    "a visit that is to come holds its time: visits without an allocation": """
        SELECT count(*) FROM clinic_booking AS b WHERE b.status IN ('booked', 'confirmed', 'arrived')
        AND NOT EXISTS (SELECT FROM clinic_allocation WHERE booking_id = b.id AND NOT released)""",
    "a visit that was cancelled gives its time back: visits that still hold one": """
        SELECT count(*) FROM clinic_booking AS b WHERE b.status = 'cancelled'
        AND EXISTS (SELECT FROM clinic_allocation WHERE booking_id = b.id AND NOT released)""",
    "infusions of a phase are never closer than its protocol's shortest gap, unless it was allowed": """
        SELECT count(*) FROM (
            SELECT i.id, i.phase_id, i.day - lag(i.day) OVER (PARTITION BY i.phase_id ORDER BY i.number) AS gap
            FROM courses_infusion AS i WHERE i.status IN ('planned', 'booked', 'given') AND i.day IS NOT NULL
        ) AS gaps
        WHERE gap < (SELECT min(min_gap_days) FROM courses_phasestep AS s WHERE s.phase_id = gaps.phase_id)
        AND NOT EXISTS (SELECT FROM courses_ruleoverride AS o JOIN courses_infusion AS i ON i.id = o.infusion_id
                        WHERE i.phase_id = gaps.phase_id)""",
    "a freed time goes to one: times that were accepted twice": """
        SELECT count(*) FROM (SELECT slot_id FROM courses_slotoffer WHERE state = 'accepted'
                              GROUP BY slot_id HAVING count(*) > 1) AS twice""",
    "a record is signed once: records whose signature changed": """
        SELECT count(*) FROM (SELECT pgh_obj_id FROM courses_infusionrecordevent WHERE signed_at IS NOT NULL
                              GROUP BY pgh_obj_id HAVING count(DISTINCT (signed_at, signed_by_id)) > 1) AS again""",
    "the drug log adds up: lines whose balance is not that of the line before with its change": """
        SELECT count(*) FROM (
            SELECT balance_mg, sum(change_mg) OVER (PARTITION BY lot_id ORDER BY number) AS added,
                   number, row_number() OVER (PARTITION BY lot_id ORDER BY number) AS counted
            FROM courses_stockentry
        ) AS lines WHERE balance_mg <> added OR balance_mg < 0 OR number <> counted""",
    "what was drawn stands in the log: draws that the log tells otherwise": """
        SELECT count(*) FROM courses_drugdraw AS d WHERE d.drawn_mg IS DISTINCT FROM (
            SELECT sum(amount_mg) FROM courses_stockentry WHERE draw_id = d.id AND kind = 'drawn')""",
    "drawn is given, wasted and returned: closed draws that do not add up": """
        SELECT count(*) FROM courses_drugdraw
        WHERE closed_at IS NOT NULL AND drawn_mg <> given_mg + wasted_mg + returned_mg""",
    "a message goes out once: keys that stand twice in the outbox": """
        SELECT count(*) FROM (SELECT key FROM patients_message GROUP BY key HAVING count(*) > 1) AS twice""",
}
"""What is to hold, and a query that counts where it does not."""


def broken() -> dict[str, int]:
    """The invariants that do not hold, with how often."""
    found = {}
    with connection.cursor() as cursor:
        for name, query in INVARIANTS.items():
            cursor.execute(query)
            [count] = cursor.fetchone()
            if count:
                found[name] = int(count)
    return found


def stand(found: dict[str, int]) -> list[str]:
    """One line for each invariant, given what ``broken`` found."""
    return [f"  {f'BROKEN {found[name]} times' if name in found else 'holds'}: {name}" for name in INVARIANTS]
