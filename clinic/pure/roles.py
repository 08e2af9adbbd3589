"""Who may do what: the permission table of the product, in one place.

A person may hold several roles and then may do whatever any of them may. Pages and services ask for a *capability*,
never for a role, so that this table is the only thing to read (and to test) when the question is "who can ...?".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """The four kinds of staff. A patient is never a user."""

    FRONT_DESK = "front_desk"
    NURSE = "nurse"
    CLINICIAN = "clinician"
    MANAGER = "manager"


ROLE_LABELS = {
    Role.FRONT_DESK: "Front desk",
    Role.NURSE: "Nurse",
    Role.CLINICIAN: "Clinician (prescriber)",
    Role.MANAGER: "Manager",
}


DIGEST_ROLES = frozenset({Role.CLINICIAN, Role.FRONT_DESK})
"""Who has a summary by e-mail of what needs them, unless they switched it off."""


class Can(StrEnum):
    """One thing that a person may be allowed to do."""

    VIEW_PATIENT = "view_patient"  # name, contact, bookings
    EDIT_PATIENT = "edit_patient"
    VIEW_CLINICAL = "view_clinical"  # problems, medicines, intake answers, scores, notes
    EDIT_CLINICAL = "edit_clinical"
    VIEW_REQUESTS = "view_requests"  # who asks for a consultation, and what they wrote
    EDIT_REQUESTS = "edit_requests"
    SIGN_DECISION = "sign_decision"  # fit to start, or not
    RECORD_VITALS = "record_vitals"
    RECORD_MEASURE = "record_measure"  # type in what a patient answered
    SEND_MEASURE = "send_measure"  # a link, or the tablet; says nothing about answers
    RECORD_CONSENT = "record_consent"
    VIEW_ALERT = "view_alert"  # that there is a danger signal; what it is needs VIEW_CLINICAL
    ACKNOWLEDGE_ALERT = "acknowledge_alert"
    EDIT_INTAKE_SETTINGS = "edit_intake_settings"  # wording, limits, prices, consent texts
    MERGE_PATIENTS = "merge_patients"
    IMPORT_PATIENTS = "import_patients"
    VIEW_CALENDAR = "view_calendar"
    EDIT_BOOKING = "edit_booking"  # book, confirm, check in, check out, cancel
    VIEW_COURSE = "view_course"
    PLAN_SERIES = "plan_series"  # propose and accept a whole series
    MOVE_INFUSION = "move_infusion"  # inside the protocol's rules
    OVERRIDE_RULE = "override_rule"  # outside them, with a reason
    DECIDE_COURSE = "decide_course"  # hold, continue, restart, close
    RUN_INFUSION = "run_infusion"  # check-in, chair, vitals, side effects, discharge
    VIEW_INFUSION = "view_infusion"  # the record of an infusion day
    ORDER_DOSE = "order_dose"  # also beyond the protocol's limits and against a hold, with a reason
    SIGN_INFUSION = "sign_infusion"
    VIEW_STOCK = "view_stock"  # the log of the controlled drug
    HANDLE_STOCK = "handle_stock"  # receive, draw, waste, return, count, and witness
    EDIT_DAY_SETTINGS = "edit_day_settings"  # limits, intervals, checks of the infusion day
    VIEW_WORKLISTS = "view_worklists"  # what waits; what is clinical about it needs VIEW_CLINICAL
    WORK_TASKS = "work_tasks"  # take one, put it off or set it aside with a reason
    EDIT_CARE = "edit_care"  # psychotherapy, other treatments, goals, referrals beside the infusions
    WAIVE_MEASURE = "waive_measure"  # a questionnaire that the schedule asks for
    EDIT_FOLLOW_UP = "edit_follow_up"  # outcome terms, booster rules, intervals of follow-up
    VIEW_MESSAGES = "view_messages"  # what was, will be and could not be sent; texts say nothing clinical
    SEND_MESSAGES = "send_messages"  # write one, send again, hold back, call and say so
    EDIT_MESSAGE_RULES = "edit_message_rules"  # when what goes out, and its words
    VIEW_OUTCOME_REPORTS = "view_outcome_reports"  # what courses achieve, and their safety; names only on a press
    VIEW_OPERATION_REPORTS = "view_operation_reports"  # how chairs, people and requests go
    PRINT_COURSE_REPORTS = "print_course_reports"  # of several courses at once, with names
    TAKE_REPORT_DATA = "take_report_data"  # the de-identified analysis table
    EXPORT_PATIENT = "export_patient"  # everything about one person as a file, for a named recipient
    ERASE_PATIENT = "erase_patient"  # confirm what somebody else proposed
    EDIT_RETENTION = "edit_retention"  # terms, legal holds, whether this is a Part 2 program; propose an erasure
    VIEW_OPERATION = "view_operation"  # queues, scheduler, failures of the machinery
    EDIT_PROTOCOL = "edit_protocol"
    APPROVE_PROTOCOL = "approve_protocol"
    VIEW_PROTOCOL = "view_protocol"
    EDIT_SETUP = "edit_setup"  # staff, chairs, hours, closures
    VIEW_AUDIT = "view_audit"
    VIEW_OPENINGS = "view_openings"  # records of other locations that were opened with a reason


_R = Role
PERMISSIONS: dict[Can, frozenset[Role]] = {
    Can.VIEW_PATIENT: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.EDIT_PATIENT: frozenset({_R.FRONT_DESK, _R.CLINICIAN}),
    Can.VIEW_CLINICAL: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.EDIT_CLINICAL: frozenset({_R.CLINICIAN}),
    Can.VIEW_REQUESTS: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN}),
    Can.EDIT_REQUESTS: frozenset({_R.FRONT_DESK, _R.CLINICIAN}),
    Can.SIGN_DECISION: frozenset({_R.CLINICIAN}),
    Can.RECORD_VITALS: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.RECORD_MEASURE: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.SEND_MEASURE: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN}),
    Can.RECORD_CONSENT: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN}),
    Can.VIEW_ALERT: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN}),
    Can.ACKNOWLEDGE_ALERT: frozenset({_R.CLINICIAN}),
    Can.EDIT_INTAKE_SETTINGS: frozenset({_R.CLINICIAN, _R.MANAGER}),
    Can.MERGE_PATIENTS: frozenset({_R.CLINICIAN}),
    Can.IMPORT_PATIENTS: frozenset({_R.FRONT_DESK, _R.CLINICIAN, _R.MANAGER}),
    Can.VIEW_CALENDAR: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.EDIT_BOOKING: frozenset({_R.FRONT_DESK, _R.CLINICIAN}),
    Can.VIEW_COURSE: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.PLAN_SERIES: frozenset({_R.CLINICIAN}),
    Can.MOVE_INFUSION: frozenset({_R.FRONT_DESK, _R.CLINICIAN}),
    Can.OVERRIDE_RULE: frozenset({_R.CLINICIAN}),
    Can.DECIDE_COURSE: frozenset({_R.CLINICIAN}),
    Can.RUN_INFUSION: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.VIEW_INFUSION: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.ORDER_DOSE: frozenset({_R.CLINICIAN}),
    Can.SIGN_INFUSION: frozenset({_R.CLINICIAN}),
    Can.VIEW_STOCK: frozenset({_R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.HANDLE_STOCK: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.EDIT_DAY_SETTINGS: frozenset({_R.CLINICIAN, _R.MANAGER}),
    Can.VIEW_WORKLISTS: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.WORK_TASKS: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN}),
    Can.EDIT_CARE: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.WAIVE_MEASURE: frozenset({_R.NURSE, _R.CLINICIAN}),
    Can.EDIT_FOLLOW_UP: frozenset({_R.CLINICIAN, _R.MANAGER}),
    Can.VIEW_MESSAGES: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.SEND_MESSAGES: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN}),
    Can.EDIT_MESSAGE_RULES: frozenset({_R.MANAGER}),
    Can.VIEW_OUTCOME_REPORTS: frozenset({_R.CLINICIAN, _R.MANAGER}),
    Can.VIEW_OPERATION_REPORTS: frozenset({_R.FRONT_DESK, _R.MANAGER}),
    Can.PRINT_COURSE_REPORTS: frozenset({_R.CLINICIAN}),
    Can.TAKE_REPORT_DATA: frozenset({_R.CLINICIAN, _R.MANAGER}),
    Can.EXPORT_PATIENT: frozenset({_R.CLINICIAN}),
    Can.ERASE_PATIENT: frozenset({_R.CLINICIAN}),
    Can.EDIT_RETENTION: frozenset({_R.MANAGER}),
    Can.VIEW_OPERATION: frozenset({_R.MANAGER}),
    Can.VIEW_PROTOCOL: frozenset({_R.FRONT_DESK, _R.NURSE, _R.CLINICIAN, _R.MANAGER}),
    Can.EDIT_PROTOCOL: frozenset({_R.CLINICIAN, _R.MANAGER}),
    Can.APPROVE_PROTOCOL: frozenset({_R.CLINICIAN}),
    Can.EDIT_SETUP: frozenset({_R.MANAGER}),
    Can.VIEW_AUDIT: frozenset({_R.MANAGER}),
    Can.VIEW_OPENINGS: frozenset({_R.MANAGER}),
}


def allowed(roles: Iterable[str], capability: Can) -> bool:
    """True when at least one of ``roles`` holds the capability."""
    return not PERMISSIONS[capability].isdisjoint(Role(role) for role in roles)
