"""A patient changes a visit by a link: such a revision names no user.

Back: those revisions name the course's prescriber, as each must name somebody then; their text still says who it was.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def name_the_prescriber(apps, schema_editor):
    revisions = apps.get_model("courses", "Revision").objects.filter(by__isnull=True)
    if not revisions.exists():
        return
    course = apps.get_model("courses", "Course").objects.filter(pk=OuterRef("course"))
    with schema_editor.connection.cursor() as cursor:
        # What waits for the commit stands against switching triggers and against the change of the column.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = 'courses_revision'::regclass AND NOT tgisinternal")
        kept = [name for (name,) in cursor.fetchall() if name.startswith("pgtrigger_append_only_")]
        for name in kept:
            cursor.execute(f'ALTER TABLE courses_revision DISABLE TRIGGER "{name}"')
        revisions.update(by=Subquery(course.values("prescriber")[:1]))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name in kept:
            cursor.execute(f'ALTER TABLE courses_revision ENABLE TRIGGER "{name}"')


class Migration(migrations.Migration):
    dependencies = [("courses", "0011_messages"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.AlterField(
            model_name="revision",
            name="by",
            field=models.ForeignKey(
                blank=True,
                help_text="None: the patient, by a link.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(migrations.RunPython.noop, name_the_prescriber),
    ]
