from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.models import F, Func


class Migration(migrations.Migration):
    atomic = False  # the table of a clinic of five years is read for a second: bookings go on meanwhile

    dependencies = [("clinic", "0010_system")]

    operations = [
        AddIndexConcurrently(
            model_name="allocation",
            index=BrinIndex(
                Func(F("span"), function="lower"), autosummarize=True, name="allocation_by_start", pages_per_range=16
            ),
        ),
    ]
