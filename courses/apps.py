"""The treatment."""

from django.apps import AppConfig

from clinic.pure.roles import Can


class CoursesConfig(AppConfig):
    name = "courses"
    verbose_name = "Courses"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """The patient's page shows the course, of which ``patients`` knows nothing; records follow their visits."""
        from clinic.edge.reach import register_addresses, register_homes  # noqa: PLC0415
        from clinic.models import BookingKind  # noqa: PLC0415 (needs the models)
        from clinic.services.bookings import follow, follow_booked, follow_freed  # noqa: PLC0415
        from clinic.services.taken import register_taken  # noqa: PLC0415
        from courses.services import visit_acts  # noqa: PLC0415
        from courses.services.messages import registry  # noqa: PLC0415
        from patients.services import panels  # noqa: PLC0415
        from patients.services.followers import follow_patients  # noqa: PLC0415
        from patients.services.privacy_terms import register_obstacles  # noqa: PLC0415

        register_addresses("courses.services.reach.ADDRESSES")
        register_homes("courses.services.reach.courses_of", "patient__resource", "location")
        follow(BookingKind.INFUSION, "courses.services.infusion_record.follow_visits")
        follow(BookingKind.INFUSION, "courses.services.messages.visits.follow_changes")
        follow_booked(BookingKind.INFUSION, "courses.services.messages.visits.follow_changes")
        follow_freed(BookingKind.INFUSION, "courses.services.freed.follow_freed")
        registry.register()
        follow_patients("courses.tasks.worklists.sweep_patient")
        register_taken("courses.services.report_taken.record_taken")
        register_obstacles("courses.services.privacy.obstacles")
        visit_acts.register()
        panels.register_panel("course", Can.VIEW_COURSE, "courses.services.panels.panel")
        panels.register_timeline("course", Can.VIEW_COURSE, "courses.services.panels.timeline")
        panels.register_marks("course", Can.VIEW_COURSE, "courses.services.panels.marks")
