"""The history page asks what one person did; the context table is django-pghistory's, so the index is plain SQL."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0004_history_by_time"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX history_by_person ON pghistory_context ((metadata -> 'user'), created_at)",
            "DROP INDEX history_by_person",
        )
    ]
