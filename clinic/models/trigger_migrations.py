"""pgtrigger's migration operations without a needless rendering of every related model for each trigger.

A trigger stands in a model's options, and nothing that a migration renders depends on it. The operations of the library
render all related models anew all the same: with 200 triggers and 120 models that was most of a first start.
"""

from __future__ import annotations

from django.db.migrations.state import ProjectState
from pgtrigger import migrations


class _NotRendered:
    """Remembers the change of the options; leaves the rendered models alone."""

    def __init__(self, state: ProjectState) -> None:
        self.models = state.models

    def reload_model(self, *_args: object, **_kwargs: object) -> None:
        return


class AddTrigger(migrations.AddTrigger):
    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        super().state_forwards(app_label, _NotRendered(state))  # type: ignore[arg-type]


class RemoveTrigger(migrations.RemoveTrigger):
    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        super().state_forwards(app_label, _NotRendered(state))  # type: ignore[arg-type]
