"""The place."""

from django.apps import AppConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class ClinicConfig(AppConfig):
    name = "clinic"
    verbose_name = "Clinic"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """The Celery application is the current one, so that web processes can enqueue; our checks are registered."""
        from clinic import celery  # noqa: F401, PLC0415 (needs the settings)
        from clinic.edge import checks  # noqa: F401, PLC0415


class CadenceStaticFilesConfig(StaticFilesConfig):
    """collectstatic leaves out what nothing loads.

    Tabler's extras (some name pictures that are not collected) and the other builds of ECharts.
    """

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        *("tabler-*", "*.rtl.*", "*.esm.*"),
        *("echarts.js", "echarts*.map", "echarts.common.*", "echarts.simple.*", "bmap*", "dataTool*"),
    ]
