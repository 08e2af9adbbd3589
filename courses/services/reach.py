"""Whose record each address of this package opens (clinic.edge.reach); a course makes a patient one of its place."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet

from clinic.edge.reach import Addresses, Bound, Open
from courses.models import Course
from patients.services.reach import BOOKING, HERE, OF_PATIENT

COURSE = Bound("courses.Course", "patient__resource_id", "location_id")
INFUSION = Bound("courses.Infusion", "phase__course__patient__resource_id", by="infusion_id")
TASK = Bound("courses.Task", "patient__resource_id", "location_id", by="task_id")
SLOT = Bound("courses.FreedSlot", place="location_id", by="slot_id")
LOT = Bound("courses.DrugLot", place="location_id", by="lot_id")
AT_LOCATION = Bound("clinic.Location", place="pk", by="location_pk")
SESSION = Bound("courses.InfusionRecord", "visit__infusion__phase__course__patient__resource_id")
OF_ALL = Open("the same for every location")

ADDRESSES: Addresses = (
    (r"infusion:stock_draw", (BOOKING, Bound("courses.DrugLot", place="location_id", by="lot", asked=True))),
    (r"infusion:.*", (BOOKING,)),
    (r"board:.*", HERE),
    (r"stock:log_csv", (Bound("courses.DrugLot", place="location_id", by="lot", asked=True),)),
    (r"stock:(lots|lot_new|inventory)", HERE),
    (r"stock:(lot|receive|count|destroy)", (LOT,)),
    (r"stock:.*", (Bound("courses.Discrepancy", place="location_id", by="discrepancy_id"),)),
    (r"following:.*", (COURSE,)),
    (r"worklists:(all|list|waiting)", HERE),
    (r"worklists:freed.*", (SLOT,)),
    (r"worklists:.*", (TASK,)),
    (
        r"reports:courses",
        (Bound("courses.Course", "patient__resource_id", "location_id", by="course", asked=True),),
    ),
    (
        r"reports:(saved|saved_delete|save|mail|mail_off)",
        Open("the person's own; what they show is what their reader reaches"),
    ),
    (r"reports:(index|page|list|file|table|table_file|events_file)", HERE),
    (r"reports:taken", Open("which files were taken, for the audit; it names no patient")),
    (r"courses:(today|calendar|list|rems)", HERE),
    (r"courses:feed_link", Open("the person's own calendar, without names")),
    (
        r"courses:new_visit",
        (
            Bound("patients.Patient", "resource_id", by="patient", asked=True),
            Bound("patients.Patient", "resource_id", by="patient_id", asked=True),
        ),
    ),
    (r"courses:protocol.*", OF_ALL),
    (r"courses:(outcome_terms|day_settings|follow_up_settings)", OF_ALL),
    (r"courses:(day_settings_of|follow_up_settings_of)", (AT_LOCATION,)),
    (r"courses:rems_.*", (SESSION,)),
    (r"courses:plan.*", (OF_PATIENT,)),
    (r"courses:(move|given|minutes|end_infusion)", (INFUSION,)),
    (r"courses:(step|step_back|visit|visit_time|move_visit|held|end_visit|undo_infusion)", (BOOKING,)),
    (r"courses:(course|change_number|change_rhythm|decide|close|confirm)", (COURSE,)),
)


def courses_of(subject: OuterRef) -> QuerySet[Course, Any]:
    return Course.objects.filter(patient__resource=subject)
