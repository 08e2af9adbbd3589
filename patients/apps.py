"""The person."""

from django.apps import AppConfig


class PatientsConfig(AppConfig):
    name = "patients"
    verbose_name = "Patients"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What becomes of a visit moves the consultation's record and its request along, whichever page did it."""
        from anymail.signals import tracking  # noqa: PLC0415 (only where the product runs)

        from clinic.edge.reach import register_addresses, register_homes  # noqa: PLC0415
        from clinic.models import BookingKind  # noqa: PLC0415 (needs the models)
        from clinic.pure.roles import Can  # noqa: PLC0415
        from clinic.services.bookings import follow, follow_booked  # noqa: PLC0415
        from clinic.services.operation import register_figures, register_gauges  # noqa: PLC0415
        from patients.services.messages import consultation_kinds, questionnaires  # noqa: PLC0415
        from patients.services.messages.acts import VisitActs, register_acts  # noqa: PLC0415
        from patients.services.panels import register_panel, register_timeline  # noqa: PLC0415
        from patients.views.messages.hooks import on_mail_event  # noqa: PLC0415

        register_addresses("patients.services.reach.ADDRESSES")
        register_homes("patients.services.reach.record_of", "resource", "home_location")
        register_homes("patients.services.reach.consultations_of", "patient__resource", "location")
        register_homes("patients.services.reach.requests_of", "patient__resource", "location")
        follow(BookingKind.CONSULTATION, "patients.services.consultations.follow_visits")
        follow(BookingKind.CONSULTATION, "patients.services.messages.consultation_kinds.follow_changes")
        follow_booked(BookingKind.CONSULTATION, "patients.services.messages.consultation_kinds.follow_booked")
        consultation_kinds.register()
        questionnaires.register()
        acts = "patients.services.messages.consultation_acts"
        register_acts(
            BookingKind.CONSULTATION,
            VisitActs(choices=f"{acts}.choices", move=f"{acts}.move", cancel=f"{acts}.cancel", sheet=f"{acts}.sheets"),
        )
        register_figures("patients.services.messages.figures.figures")
        register_gauges("patients.services.messages.figures.gauges")
        tracking.connect(on_mail_event, dispatch_uid="patients mail events")
        register_panel("decision", Can.VIEW_REQUESTS, "patients.views.screening.decision_card")
        register_timeline("messages", Can.VIEW_MESSAGES, "patients.services.messages.outbox.timeline")
