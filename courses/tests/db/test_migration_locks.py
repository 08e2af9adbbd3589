"""No migration since the previous release locks a large table for long: staff work while it runs.

The SQL of each is read by squawk, a linter for migrations of PostgreSQL; what it says of small tables does not matter.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.contrib.postgres.operations import NotInTransactionMixin
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from courses.tests.releases import LEAVES, PREVIOUS

LARGE = {
    *("clinic_booking", "clinic_allocation", "clinic_resource", "clinic_accesslog", "pghistory_context"),
    *("patients_patient", "patients_phone", "patients_message", "patients_messagestep", "patients_incomingmessage"),
    *("patients_assessment", "patients_consent", "patients_contactconsent", "patients_screeninganswer"),
    *("courses_course", "courses_infusion", "courses_infusionvisit", "courses_infusionrecord", "courses_flowsheetrow"),
    *("courses_runevent", "courses_checkanswer", "courses_task", "courses_courseresult", "courses_stockentry"),
}
"""Tables with 100,000 rows and more in a clinic of five years; those of history are too."""
INSTEAD = {
    "require-concurrent-index-creation": "AddIndexConcurrently of django.contrib.postgres.operations, in a migration of "
    "its own with atomic = False",
    "constraint-missing-not-valid": "AddConstraintNotValid, and ValidateConstraint in the next migration "
    "(django.contrib.postgres.operations); a foreign key: add the column with null=True",
    "adding-foreign-key-constraint": "the column with null=True, in which there is nothing to check",
    "disallowed-unique-constraint": "RunSQL CREATE UNIQUE INDEX CONCURRENTLY with atomic = False, then the constraint "
    "USING that index, in SeparateDatabaseAndState",
    "adding-not-nullable-field": "a check constraint IS NOT NULL by AddConstraintNotValid, ValidateConstraint in the next "
    "migration, then the field",
    "adding-field-with-default": "the column with null=True and db_default=None, filled in batches",
    "adding-required-field": "the column with a constant default, or with null=True",
    "changing-column-type": "a new column beside it, filled in batches; varchar may grow (text) without rewriting",
    "adding-serial-primary-key-field": "a new table",
    "adding-primary-key-constraint": "a new table",
    "update-of-large-table": "RunPython with atomic = False that writes some thousand rows at a time",
}
"""squawk's rules that matter here, and what to write in the place of what it found. The last one is ours."""
TABLE = re.compile(
    r'(?:\bALTER TABLE(?: ONLY)?|\bON|\bUPDATE|\bDELETE FROM)\s+"?(?:public"?\.)?"?(\w+)"?', re.IGNORECASE
)
WRITES = re.compile(r"^\s*(UPDATE|DELETE FROM)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    rule: str
    table: str
    statement: str

    def __str__(self) -> str:
        return f"{self.rule} on {self.table}: {self.statement[:120]}\n  instead: {INSTEAD[self.rule]}"


def is_large(table: str) -> bool:
    return table in LARGE or table.endswith("event")


def squawk() -> str:
    """The program; without `make tools` the test is skipped, but not where it is what decides."""
    beside = Path(sys.executable).with_name("squawk")
    found = str(beside) if beside.exists() else shutil.which("squawk")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("squawk is missing: `make tools` installs it")
        pytest.skip("squawk is not installed (`make tools` does it)")
    return found


def findings(statements: list[str], *, in_transaction: bool = True) -> list[Finding]:
    """What locks a large table for long among statements that one migration runs."""
    made = {match[1] for one in statements if (match := re.search(r'CREATE TABLE "?(\w+)"?', one))}
    found = []
    for one in statements:
        tables = [name for name in TABLE.findall(one)[:1] if is_large(name) and name not in made]
        if not tables:
            continue
        rules = {"update-of-large-table"} if WRITES.match(one) else said_of(one, in_transaction=in_transaction)
        found += [Finding(rule, tables[0], one) for rule in sorted(rules & set(INSTEAD))]
    return found


def said_of(statement: str, *, in_transaction: bool) -> set[str]:
    options = ["--assume-in-transaction"] if in_transaction else []
    done = subprocess.run(
        [squawk(), "--reporter", "json", "--pg-version", "14", *options],
        input=statement,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    rules = {one["rule_name"] for one in json.loads(done.stdout)}
    assert "syntax-error" not in rules, f"squawk cannot read: {statement}"
    if re.search(r"\bADD COLUMN .*\bNULL\b.*\bREFERENCES\b", statement) and "NOT NULL" not in statement:
        rules -= {
            "adding-foreign-key-constraint",
            "constraint-missing-not-valid",
        }  # a new column holds nothing to check
    return rules


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ('CREATE INDEX "x" ON "clinic_booking" ("status");', "require-concurrent-index-creation"),
        ('CREATE INDEX "x" ON "clinic_bookingevent" ("status");', "require-concurrent-index-creation"),
        ('ALTER TABLE "patients_message" ADD CONSTRAINT "c" CHECK ("attempts" < 9);', "constraint-missing-not-valid"),
        ('ALTER TABLE "patients_message" ADD CONSTRAINT "u" UNIQUE ("about");', "disallowed-unique-constraint"),
        ('ALTER TABLE "courses_infusion" ALTER COLUMN "n" TYPE bigint;', "changing-column-type"),
        ('ALTER TABLE "courses_infusion" ALTER COLUMN "n" SET NOT NULL;', "adding-not-nullable-field"),
        (
            'ALTER TABLE "clinic_accesslog" ADD COLUMN "u" uuid DEFAULT gen_random_uuid() NOT NULL;',
            "adding-field-with-default",
        ),
        ('UPDATE "patients_message" SET "attempts" = 0;', "update-of-large-table"),
    ],
)
def test_what_locks_a_large_table_is_found_and_told_what_to_write_instead(statement: str, rule: str) -> None:
    assert rule in {one.rule for one in findings([statement])}
    assert "instead: " in str(findings([statement])[0])


@pytest.mark.parametrize(
    "statement",
    [
        'CREATE INDEX "x" ON "clinic_location" ("name");',
        'ALTER TABLE "patients_message" ADD COLUMN "tries" integer DEFAULT 0 NOT NULL;',
        'ALTER TABLE "patients_message" ADD COLUMN "note" text NULL;',
        'ALTER TABLE "patients_message" ADD CONSTRAINT "c" CHECK ("attempts" < 9) NOT VALID;',
        'ALTER TABLE "patients_message" ADD COLUMN "b" bigint NULL CONSTRAINT "f" REFERENCES "clinic_user"("id") DEFERRABLE;',
    ],
)
def test_what_takes_moments_is_let_through(statement: str) -> None:
    squawk()
    assert findings([statement]) == []


def test_an_index_built_beside_the_work_and_one_on_a_new_table_are_let_through() -> None:
    squawk()
    assert findings(['CREATE INDEX CONCURRENTLY "x" ON "clinic_booking" ("status");'], in_transaction=False) == []
    new = ['CREATE TABLE "clinic_openingevent" ("id" bigint);', 'CREATE INDEX "x" ON "clinic_openingevent" ("id");']
    assert findings(new) == []


@pytest.mark.django_db
def test_no_migration_since_the_previous_release_locks_a_large_table_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    squawk()
    # The test's own transaction does not matter: the SQL is only written down.
    monkeypatch.setattr(NotInTransactionMixin, "_ensure_not_in_transaction", lambda *_: None)
    loader = MigrationLoader(connection, replace_migrations=False)
    before = {key for leaf in LEAVES[PREVIOUS].items() for key in loader.graph.forwards_plan(leaf)}
    ours = sorted(key for key in loader.disk_migrations if key[0] in LEAVES[PREVIOUS] and key not in before)
    assert ours, "name the release that has landed in courses/tests/releases"
    said = []
    for key in ours:
        migration = loader.get_migration(*key)
        statements = [one for one in loader.collect_sql([(migration, False)]) if not one.startswith("--")]
        said += [f"{key[0]}.{key[1]}: {one}" for one in findings(statements, in_transaction=migration.atomic)]
    assert said == [], "these lock a large table for long:\n" + "\n".join(said)
