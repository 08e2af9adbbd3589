from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # the records of five years are read for a moment: infusions go on meanwhile

    dependencies = [("courses", "0015_against_advice")]

    operations = [
        AddIndexConcurrently(
            model_name="infusionrecord",
            index=models.Index(
                fields=["completed_at"],
                condition=Q(signed_at__isnull=True),
                name="infusionrecord_unsigned",
            ),
        ),
    ]
