"""A visit that is moved, and later let go again, frees a time each time.

Back: one time for each booking again. An open one stays before a closed one, then the one that was freed last. The
others go with their offers, whose triggers would refuse it; the history keeps every row, and their tasks say why.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Now


def keep_one_a_booking(apps, schema_editor):
    slots = apps.get_model("courses", "FreedSlot").objects.all()
    best = slots.filter(booking=OuterRef("booking")).order_by(
        models.F("closed_at").desc(nulls_first=True), "-freed_at", "-pk"
    )
    gone = list(slots.exclude(pk=Subquery(best.values("pk")[:1])).values_list("pk", flat=True))
    if not gone:
        return
    tasks = apps.get_model("courses", "Task").objects.filter(key__in=[f"freed:{pk}" for pk in gone])
    tasks.filter(closed_at__isnull=True).update(
        closed_at=Now(), closed_how="settled", closed_text="The visit left another time since; that one is offered."
    )
    with schema_editor.connection.cursor() as cursor:
        # What waits for the commit stands against switching triggers; nothing of it may be left by then.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'courses_slotoffer'::regclass AND NOT tgisinternal"
        )
        kept = [name for (name,) in cursor.fetchall() if name.startswith("pgtrigger_is_kept_")]
        for name in kept:
            cursor.execute(f'ALTER TABLE courses_slotoffer DISABLE TRIGGER "{name}"')
        apps.get_model("courses", "SlotOffer").objects.filter(slot__in=gone).delete()
        slots.filter(pk__in=gone).delete()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in kept:
            cursor.execute(f'ALTER TABLE courses_slotoffer ENABLE TRIGGER "{name}"')


class Migration(migrations.Migration):
    dependencies = [("clinic", "0005_history_by_person"), ("courses", "0009_clinical_events")]

    operations = [
        migrations.AlterField(
            model_name="freedslot",
            name="booking",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="freed_slots", to="clinic.booking"
            ),
        ),
        migrations.AddConstraint(
            model_name="freedslot",
            constraint=models.UniqueConstraint(
                condition=Q(closed_at__isnull=True), fields=["booking", "chair", "start"], name="freedslot_open_once"
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, keep_one_a_booking),
    ]
