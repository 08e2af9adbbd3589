"""The settings of the test run: the product's own, with what makes tests quick and keeps them apart."""

import os

os.environ["CADENCE_ENV"] = "test"

from clinic.adapters.catalogs import compile_catalogs
from clinic.settings import *  # noqa: F403 (Django's usual way to vary a settings module)
from clinic.settings import BASE_DIR, CACHES, CELERY_BROKER_TRANSPORT_OPTIONS, DATABASES

compile_catalogs(BASE_DIR)  # a fresh clone has none, and who runs pytest need not have run `make`
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one takes a quarter second by design
EMAIL_PROVIDER, TWILIO_ACCOUNT_SID = "", ""  # whatever .env says, no test writes to anybody
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DATABASES["default"]["CONN_MAX_AGE"] = 0  # a kept connection would keep the test database from being dropped
# A thread that a failed test left behind with a lock must not hold up the rest of the run.
DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off -c lock_timeout=120s"
CACHES["default"]["KEY_FUNCTION"] = "clinic.tests.fixtures.services.cache_key"
CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] = f"cadence-test-{WORKER}:"
