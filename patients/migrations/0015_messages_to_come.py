from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # a million messages are read for some seconds: messages go on meanwhile

    dependencies = [("patients", "0014_privacy")]

    operations = [
        AddIndexConcurrently(
            model_name="message",
            index=models.Index(
                fields=["location", "due_at", "id"],
                condition=Q(state__in=["planned", "sending"]),
                name="message_to_come",
            ),
        ),
    ]
