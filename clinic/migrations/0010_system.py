from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("clinic", "0009_backups")]

    operations = [
        migrations.CreateModel(
            name="Release",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.CharField(max_length=20, unique=True)),
                ("at", models.DateTimeField()),
            ],
            options={"ordering": ["-at", "-id"]},
        ),
    ]
