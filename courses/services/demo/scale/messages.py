"""The outbox of five years: a reminder of each visit that has gone out, one in a thousand that failed and was called.

What is to come the product plans itself (``patients.services.messages.planning.sweep``); what stands here has the keys
that it would have given, so nothing is reminded of twice.
"""

from __future__ import annotations

from datetime import datetime

from courses.services.demo.scale.bulk import Progress, execute

SENT = """
INSERT INTO patients_message
    (key, event, rule_id, location_id, patient_id, booking_id, facts, due_at, useful_until, state, state_at, channel,
     "to", language, subject, text, attempts, provider, error, sent_at, delivered_at, created_at)
SELECT r.key || ' booking ' || v.id || ' ' || at.stamp, v.kind, r.id, v.location_id, v.patient_id, v.id,
       jsonb_build_object('start', at.stamp, '_due', at.due),
       d.due, v.starts, s.state, d.due + interval '1 min', w.channel, w.address, 'en', 'Your visit',
       'This is a reminder of your visit: [link]', 1, 'console',
       CASE WHEN s.state = 'failed' THEN 'Not accepted' ELSE '' END,
       CASE WHEN s.state <> 'failed' THEN d.due + interval '1 min' END,
       CASE WHEN s.state = 'delivered' THEN d.due + interval '2 min' END, v.starts - interval '40 days'
FROM visit v
JOIN clinic_location l ON l.id = v.location_id
JOIN patients_messagerule r
    ON r.location_id = v.location_id AND r.event = v.kind AND r.key IN ('infusion-2-days', 'consultation-2-days')
JOIN patients_patient p ON p.id = v.patient_id
JOIN patients_phone t ON t.patient_id = p.id AND t.is_primary
CROSS JOIN LATERAL (
    SELECT ((v.starts AT TIME ZONE l.time_zone)::date - 2 + time '10:00') AT TIME ZONE l.time_zone AS due
) AS d
CROSS JOIN LATERAL (
    SELECT to_char(v.starts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI"Z"') AS stamp,
           to_char(d.due AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"') AS due
) AS at
CROSS JOIN LATERAL (
    SELECT CASE WHEN v.id %% 1000 = 17 AND d.due > %(now)s - interval '14 days' THEN 'failed'
                WHEN v.id %% 1000 = 17 THEN 'called' WHEN v.id %% 3 = 0 THEN 'sent' ELSE 'delivered' END AS state
) AS s
CROSS JOIN LATERAL (
    SELECT CASE WHEN v.id %% 2 = 0 OR p.email = '' THEN 'sms' ELSE 'email' END AS channel,
           CASE WHEN v.id %% 2 = 0 OR p.email = '' THEN t.number ELSE p.email END AS address
) AS w
WHERE d.due < %(now)s AND v.status <> 'cancelled'
ORDER BY v.id
"""
STEPS = """
INSERT INTO patients_messagestep (message_id, at, state, text)
SELECT id, state_at, state,
       CASE state WHEN 'failed' THEN 'Not accepted.' WHEN 'called' THEN 'Called instead.' ELSE 'Sent to ' || "to" END
FROM patients_message ORDER BY id
"""


def write_messages(now: datetime, progress: Progress) -> None:
    """Reads ``visit``; the rules are there."""
    values = {"now": now}
    progress("messages", execute(SENT, values))
    progress("steps of messages", execute(STEPS, values))
