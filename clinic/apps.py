"""The place."""

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.db.models.signals import post_migrate


class ClinicConfig(AppConfig):
    name = "clinic"
    verbose_name = "Clinic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Web processes can enqueue, since the Celery application is the current one; checks and figures are known."""
        from clinic import celery  # noqa: F401, PLC0415 (needs the settings)
        from clinic.edge import checks  # noqa: F401, PLC0415
        from clinic.services.operation import register_figures, register_gauges  # noqa: PLC0415
        from clinic.services.release import note_release  # noqa: PLC0415

        for card in ("installation", "disk"):
            register_figures(f"clinic.services.system.{card}")
        register_gauges("clinic.services.gauges.gauges")
        register_figures("clinic.services.backups.facts.figures")
        post_migrate.connect(note_release, sender=self)


class CadenceStaticFilesConfig(StaticFilesConfig):
    """collectstatic leaves out what nothing loads.

    Tabler's extras (some name pictures that are not collected) and the other builds of ECharts.
    """

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        *("tabler-*", "*.rtl.*", "*.esm.*"),
        *("echarts.js", "echarts*.map", "echarts.common.*", "echarts.simple.*", "bmap*", "dataTool*"),
    ]
