from django.contrib.postgres.indexes import GistIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Func, Q


class Migration(migrations.Migration):
    atomic = False  # the bookings of five years are read for half a minute: bookings go on meanwhile

    dependencies = [("clinic", "0010_system")]

    operations = [
        AddIndexConcurrently(model_name="booking", index=GistIndex(fields=["span"], name="booking_by_span")),
        AddIndexConcurrently(
            model_name="booking",
            index=models.Index(
                F("location"),
                Func(F("span"), function="lower"),
                condition=Q(status__in=["booked", "confirmed", "arrived", "in_chair", "observing"]),
                name="booking_still_open",
            ),
        ),
        AddIndexConcurrently(
            model_name="resource",
            index=models.Index(fields=["kind"], condition=~Q(kind="patient"), name="resource_of_the_house"),
        ),
    ]
