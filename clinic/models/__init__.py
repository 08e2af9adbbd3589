"""The place: people who work there, what can be in only one place at a time, when it is open, and what is booked."""

from clinic.models.bookings import ATTENTION_LANE, Allocation, AllocationRole, Booking, BookingKind, BookingStatus
from clinic.models.hours import Closure, ClosureKind, ExceptionKind, OpeningHours, Shift, ShiftException
from clinic.models.logs import AccessLog
from clinic.models.operation import BackupRun, BackupState, Beat, CaughtMail, Release, Restoration, TaskFailure
from clinic.models.places import Location, Resource, ResourceKind
from clinic.models.reach import Opening, OpeningReason
from clinic.models.users import RolePolicy, User, WorkPlace

__all__ = [
    "ATTENTION_LANE",
    "AccessLog",
    "Allocation",
    "AllocationRole",
    "BackupRun",
    "BackupState",
    "Beat",
    "Booking",
    "BookingKind",
    "BookingStatus",
    "CaughtMail",
    "Closure",
    "ClosureKind",
    "ExceptionKind",
    "Location",
    "Opening",
    "OpeningHours",
    "OpeningReason",
    "Release",
    "Resource",
    "ResourceKind",
    "Restoration",
    "RolePolicy",
    "Shift",
    "ShiftException",
    "TaskFailure",
    "User",
    "WorkPlace",
]
