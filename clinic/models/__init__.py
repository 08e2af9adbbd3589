"""The place: people who work there, what can be in only one place at a time, when it is open, and what is booked."""

from clinic.models.bookings import ATTENTION_LANE, Allocation, AllocationRole, Booking, BookingKind, BookingStatus
from clinic.models.hours import Closure, ClosureKind, ExceptionKind, OpeningHours, Shift, ShiftException
from clinic.models.logs import AccessLog
from clinic.models.operation import Beat, CaughtMail, TaskFailure
from clinic.models.places import Location, Resource, ResourceKind
from clinic.models.users import RolePolicy, User

__all__ = [
    "ATTENTION_LANE",
    "AccessLog",
    "Allocation",
    "AllocationRole",
    "Beat",
    "Booking",
    "BookingKind",
    "BookingStatus",
    "CaughtMail",
    "Closure",
    "ClosureKind",
    "ExceptionKind",
    "Location",
    "OpeningHours",
    "Resource",
    "ResourceKind",
    "RolePolicy",
    "Shift",
    "ShiftException",
    "TaskFailure",
    "User",
]
