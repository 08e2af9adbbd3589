"""The counter from which the clinic gives out medical record numbers. Gaps do not matter, a number given twice would."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("patients", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="CREATE SEQUENCE patients_mrn AS bigint START WITH 10001 MINVALUE 10001",
            reverse_sql="DROP SEQUENCE patients_mrn",
        )
    ]
