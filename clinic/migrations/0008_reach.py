import django.db.models.deletion
import pgtrigger.compiler
import clinic.models.trigger_migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinic", "0007_digest"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.CreateModel(
            name="Opening",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("here", "The patient is here, or on the phone"),
                            ("emergency", "An emergency"),
                            ("cover", "I stand in for the other location"),
                            ("asked", "A clinician or manager asked me to"),
                            ("other", "Something else"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("seen_at", models.DateTimeField(blank=True, null=True)),
                ("seen_note", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="OpeningEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("here", "The patient is here, or on the phone"),
                            ("emergency", "An emergency"),
                            ("cover", "I stand in for the other location"),
                            ("asked", "A clinician or manager asked me to"),
                            ("other", "Something else"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("seen_at", models.DateTimeField(blank=True, null=True)),
                ("seen_note", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="WorkPlace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
            options={
                "ordering": ["user", "location"],
            },
        ),
        migrations.CreateModel(
            name="WorkPlaceEvent",
            fields=[
                ("pgh_id", models.AutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.BigIntegerField()),
            ],
            options={
                "abstract": False,
            },
        ),
        clinic.models.trigger_migrations.RemoveTrigger(
            model_name="rolepolicy",
            name="insert_insert",
        ),
        clinic.models.trigger_migrations.RemoveTrigger(
            model_name="rolepolicy",
            name="update_update",
        ),
        clinic.models.trigger_migrations.RemoveTrigger(
            model_name="rolepolicy",
            name="delete_delete",
        ),
        migrations.AddField(
            model_name="rolepolicy",
            name="own_locations_only",
            field=models.BooleanField(
                help_text="Holders open only patients of their locations. Empty: as is usual for the role.", null=True
            ),
        ),
        migrations.AddField(
            model_name="rolepolicyevent",
            name="own_locations_only",
            field=models.BooleanField(
                help_text="Holders open only patients of their locations. Empty: as is usual for the role.", null=True
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="rolepolicy",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_rolepolicyevent" ("id", "own_locations_only", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "requires_second_factor", "role") SELECT new_values."id", new_values."own_locations_only", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."requires_second_factor", new_values."role" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="155b07e93ded00b8bd1bb56f6d370529d8933792",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_d0bda",
                    referencing="REFERENCING NEW TABLE AS new_values ",
                    table="clinic_rolepolicy",
                    when="AFTER",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="rolepolicy",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_rolepolicyevent" ("id", "own_locations_only", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "requires_second_factor", "role") SELECT new_values."id", new_values."own_locations_only", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."requires_second_factor", new_values."role" FROM ( SELECT new_values.* FROM old_values JOIN new_values ON (old_values."id") = (new_values."id") WHERE (old_values.* IS DISTINCT FROM new_values.*) ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="f02032c190016199bde3a1cfc3df0af482d87471",
                    level="STATEMENT",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_b8e48",
                    referencing="REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ",
                    table="clinic_rolepolicy",
                    when="AFTER",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="rolepolicy",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_rolepolicyevent" ("id", "own_locations_only", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "requires_second_factor", "role") SELECT old_values."id", old_values."own_locations_only", _pgh_attached_context.value, NOW(), \'delete\', old_values."id", old_values."requires_second_factor", old_values."role" FROM ( SELECT old_values.* FROM old_values  ) AS old_values, _pgh_attached_context; RETURN NULL;',
                    hash="536a22d59e7f77b4eb07ad87d1f3e0ff5c4101af",
                    level="STATEMENT",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_ca904",
                    referencing="REFERENCING OLD TABLE AS old_values ",
                    table="clinic_rolepolicy",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddField(
            model_name="opening",
            name="location",
            field=models.ForeignKey(
                help_text="Where the patient belonged to.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="clinic.location",
            ),
        ),
        migrations.AddField(
            model_name="opening",
            name="seen_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="opening",
            name="subject",
            field=models.ForeignKey(
                help_text="The patient.",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="openings",
                to="clinic.resource",
            ),
        ),
        migrations.AddField(
            model_name="opening",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="openingevent",
            name="location",
            field=models.ForeignKey(
                db_constraint=False,
                help_text="Where the patient belonged to.",
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="clinic.location",
            ),
        ),
        migrations.AddField(
            model_name="openingevent",
            name="pgh_context",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="pghistory.context",
            ),
        ),
        migrations.AddField(
            model_name="openingevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="clinic.opening",
            ),
        ),
        migrations.AddField(
            model_name="openingevent",
            name="seen_by",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="openingevent",
            name="subject",
            field=models.ForeignKey(
                db_constraint=False,
                help_text="The patient.",
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="clinic.resource",
            ),
        ),
        migrations.AddField(
            model_name="openingevent",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="workplace",
            name="location",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="clinic.location"
            ),
        ),
        migrations.AddField(
            model_name="workplace",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="work_places", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="locations",
            field=models.ManyToManyField(
                blank=True,
                help_text="Also works at.",
                related_name="+",
                through="clinic.WorkPlace",
                to="clinic.location",
            ),
        ),
        migrations.AddField(
            model_name="workplaceevent",
            name="location",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to="clinic.location",
            ),
        ),
        migrations.AddField(
            model_name="workplaceevent",
            name="pgh_context",
            field=models.ForeignKey(
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="pghistory.context",
            ),
        ),
        migrations.AddField(
            model_name="workplaceevent",
            name="pgh_obj",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="events",
                to="clinic.workplace",
            ),
        ),
        migrations.AddField(
            model_name="workplaceevent",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                related_query_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="opening",
            index=models.Index(fields=["user", "subject", "-until"], name="opening_by_user"),
        ),
        migrations.AddIndex(
            model_name="opening",
            index=models.Index(fields=["-at"], name="opening_by_time"),
        ),
        migrations.AddConstraint(
            model_name="opening",
            constraint=models.CheckConstraint(
                condition=models.Q(("until__gt", models.F("at"))), name="opening_ends_after_it_begins"
            ),
        ),
        migrations.AddConstraint(
            model_name="opening",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="opening_has_a_reason"
            ),
        ),
        migrations.AddConstraint(
            model_name="opening",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("seen_at__isnull", True), ("seen_by__isnull", True)),
                    models.Q(
                        ("seen_at__isnull", False),
                        ("seen_by__isnull", False),
                        models.Q(("seen_by", models.F("user")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="opening_is_looked_at_by_somebody_else",
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="opening",
            trigger=pgtrigger.compiler.Trigger(
                name="facts_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN ((to_jsonb(OLD) - '{closed_at,seen_at,seen_by_id,seen_note}'::text[] IS DISTINCT FROM to_jsonb(NEW) - '{closed_at,seen_at,seen_by_id,seen_note}'::text[]) OR (OLD.closed_at IS NOT NULL AND OLD.closed_at IS DISTINCT FROM NEW.closed_at) OR (OLD.seen_at IS NOT NULL AND (OLD.seen_at, OLD.seen_by_id, OLD.seen_note) IS DISTINCT FROM (NEW.seen_at, NEW.seen_by_id, NEW.seen_note)))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="0089d8d4bda0760581edd3cef26dd1702d5de40f",
                    operation="UPDATE",
                    pgid="pgtrigger_facts_stay_33875",
                    table="clinic_opening",
                    when="BEFORE",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="opening",
            trigger=pgtrigger.compiler.Trigger(
                name="is_kept",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="c5200b782c4ec4dc3df24406361d8d30a21c8a9b",
                    operation="DELETE",
                    pgid="pgtrigger_is_kept_cb33e",
                    table="clinic_opening",
                    when="BEFORE",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="opening",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_openingevent" ("at", "closed_at", "id", "kind", "location_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "seen_at", "seen_by_id", "seen_note", "subject_id", "until", "user_id") SELECT new_values."at", new_values."closed_at", new_values."id", new_values."kind", new_values."location_id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."reason", new_values."seen_at", new_values."seen_by_id", new_values."seen_note", new_values."subject_id", new_values."until", new_values."user_id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="c0a2731fd82422ad2fe2eb810c084e813d5facad",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_20f71",
                    referencing="REFERENCING NEW TABLE AS new_values ",
                    table="clinic_opening",
                    when="AFTER",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="opening",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_openingevent" ("at", "closed_at", "id", "kind", "location_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "seen_at", "seen_by_id", "seen_note", "subject_id", "until", "user_id") SELECT new_values."at", new_values."closed_at", new_values."id", new_values."kind", new_values."location_id", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."reason", new_values."seen_at", new_values."seen_by_id", new_values."seen_note", new_values."subject_id", new_values."until", new_values."user_id" FROM ( SELECT new_values.* FROM old_values JOIN new_values ON (old_values."id") = (new_values."id") WHERE (old_values.* IS DISTINCT FROM new_values.*) ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="d15263a817dfc3cdb10f21c5b9c83e8334221759",
                    level="STATEMENT",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_eeb38",
                    referencing="REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ",
                    table="clinic_opening",
                    when="AFTER",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="opening",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_openingevent" ("at", "closed_at", "id", "kind", "location_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason", "seen_at", "seen_by_id", "seen_note", "subject_id", "until", "user_id") SELECT old_values."at", old_values."closed_at", old_values."id", old_values."kind", old_values."location_id", _pgh_attached_context.value, NOW(), \'delete\', old_values."id", old_values."reason", old_values."seen_at", old_values."seen_by_id", old_values."seen_note", old_values."subject_id", old_values."until", old_values."user_id" FROM ( SELECT old_values.* FROM old_values  ) AS old_values, _pgh_attached_context; RETURN NULL;',
                    hash="99855493918d0407ae8c860645b48ae129fc590f",
                    level="STATEMENT",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_9eafc",
                    referencing="REFERENCING OLD TABLE AS old_values ",
                    table="clinic_opening",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="openingevent",
            index=models.Index(fields=["pgh_created_at"], name="clinic_open_pgh_cre_cf2e97_idx"),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="openingevent",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="da53d3629aa55584fce682c058bb0eb7fcf34cd5",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_4a383",
                    table="clinic_openingevent",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="workplace",
            constraint=models.UniqueConstraint(fields=("user", "location"), name="workplace_once"),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="workplace",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_workplaceevent" ("id", "location_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") SELECT new_values."id", new_values."location_id", _pgh_attached_context.value, NOW(), \'insert\', new_values."id", new_values."user_id" FROM ( SELECT new_values.* FROM new_values  ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="679c46f9a6652df602c3249b726bcf1773a9e0ad",
                    level="STATEMENT",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_3eab3",
                    referencing="REFERENCING NEW TABLE AS new_values ",
                    table="clinic_workplace",
                    when="AFTER",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="workplace",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_workplaceevent" ("id", "location_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") SELECT new_values."id", new_values."location_id", _pgh_attached_context.value, NOW(), \'update\', new_values."id", new_values."user_id" FROM ( SELECT new_values.* FROM old_values JOIN new_values ON (old_values."id") = (new_values."id") WHERE (old_values.* IS DISTINCT FROM new_values.*) ) AS new_values, _pgh_attached_context; RETURN NULL;',
                    hash="e852b9cd6c27441016a730295ced5d1be250857d",
                    level="STATEMENT",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_a1c61",
                    referencing="REFERENCING OLD TABLE AS old_values  NEW TABLE AS new_values ",
                    table="clinic_workplace",
                    when="AFTER",
                ),
            ),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="workplace",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func='WITH _pgh_attached_context AS ( SELECT _pgh_attach_context() AS value ) INSERT INTO "clinic_workplaceevent" ("id", "location_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "user_id") SELECT old_values."id", old_values."location_id", _pgh_attached_context.value, NOW(), \'delete\', old_values."id", old_values."user_id" FROM ( SELECT old_values.* FROM old_values  ) AS old_values, _pgh_attached_context; RETURN NULL;',
                    hash="1c2d84993de7e30559301e3ecc363154bd322753",
                    level="STATEMENT",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_a8664",
                    referencing="REFERENCING OLD TABLE AS old_values ",
                    table="clinic_workplace",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="workplaceevent",
            index=models.Index(fields=["pgh_created_at"], name="clinic_work_pgh_cre_f498a2_idx"),
        ),
        clinic.models.trigger_migrations.AddTrigger(
            model_name="workplaceevent",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;",
                    hash="8abeab181f57334786457ac52843217545b0ff7b",
                    operation="UPDATE OR DELETE",
                    pgid="pgtrigger_append_only_8fc3e",
                    table="clinic_workplaceevent",
                    when="BEFORE",
                ),
            ),
        ),
    ]
