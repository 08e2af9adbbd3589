"""Django's settings. What differs between installations comes from the environment, see `.env.example`.

CADENCE_ENV decides how much is refused: `development` (the default) serves a demonstration on this machine with
embedded services, `production` refuses to start unsafe. The test run adds clinic/tests/settings.py.

There is no django.contrib.admin: it would write past the services in which the rules live.
"""

from pathlib import Path

import pgtrigger
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from clinic.adapters import embedded
from clinic.adapters.logs import logging_config
from clinic.edge.environment import EnvironmentProblemError, Kind, read_environment, read_or_make_secret

BASE_DIR = Path(__file__).resolve().parent.parent

try:
    ENVIRONMENT = read_environment(dotenv=BASE_DIR / ".env")
except EnvironmentProblemError as problem:
    raise ImproperlyConfigured(str(problem)) from None

VAR_DIR = ENVIRONMENT.var or BASE_DIR / "var"  # everything an installation writes; never served
PRODUCTION = ENVIRONMENT.kind is Kind.PRODUCTION
DEBUG = ENVIRONMENT.debug
SECRET_KEY = ENVIRONMENT.secret_key or read_or_make_secret(VAR_DIR / "secret-key")
SECRET_KEY_FALLBACKS = ENVIRONMENT.secret_key_fallbacks  # former keys: what they signed is read until it expires
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts or ["localhost", "127.0.0.1", "[::1]", "testserver"]
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.csrf_trusted_origins

INSTALLED_APPS = [
    "clinic.apps.ClinicConfig",
    "patients.apps.PatientsConfig",
    "courses.apps.CoursesConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "clinic.apps.CadenceStaticFilesConfig",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "pgtrigger",
    "pghistory",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_htmx",
    "django_filters",
    "phonenumber_field",
    "csp",
    "django_ratelimit",
]

MIDDLEWARE = [
    "clinic.views.health.Probes",  # before anything that asks for a host, https, a session or the database
    "clinic.edge.requestlog.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "clinic.edge.headers.SafetyHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "clinic.edge.limits.SignedOutLimit",
    "clinic.edge.handover.HandOverLock",
    "clinic.edge.sessions.SessionEnd",
    "clinic.edge.sessions.IdleSignOut",
    "clinic.edge.sessions.SecondFactorGate",
    "clinic.edge.reach.ReachGate",
    "clinic.edge.retry.TryAgain",
    "pghistory.middleware.HistoryMiddleware",
]

ROOT_URLCONF = "clinic.urls"
CSRF_FAILURE_VIEW = "patients.views.sorry.csrf_failure"
CADENCE_OVERTAKEN_VIEW = "patients.views.sorry.overtaken"
WSGI_APPLICATION = "clinic.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "clinic.edge.context.shell",
            ],
        },
    },
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
CRISPY_FAIL_SILENTLY = False

# --- data ---------------------------------------------------------------------------------------------------------
EMBEDDED = embedded.Place.in_folder(VAR_DIR)
EMBEDDED_POSTGRES = ENVIRONMENT.database is None
EMBEDDED_REDIS = ENVIRONMENT.redis_url is None

DATABASES = {"default": dict(ENVIRONMENT.database or EMBEDDED.database_settings())}
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
# A machine that is lost without a word is given up within a minute on both sides: by us, so that a page says so; by
# PostgreSQL, so that what a lost web node had locked is free again (its own default is two hours).
KEEPALIVES = {"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3}
TCP_USER_TIMEOUT = {"tcp_user_timeout": 30_000}  # milliseconds
# Compiling a query pays for reports that run for seconds; where tables have just grown it costs a second for nothing.
SERVER_OPTIONS = ["jit=off", *(f"tcp_{name}={value}" for name, value in KEEPALIVES.items())]
SERVER_OPTIONS += [f"{name}={value}" for name, value in TCP_USER_TIMEOUT.items()]
DATABASES["default"]["OPTIONS"] = {
    "options": " ".join(f"-c {option}" for option in SERVER_OPTIONS),
    "connect_timeout": 5,
    **KEEPALIVES,
    **TCP_USER_TIMEOUT,
} | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = ENVIRONMENT.redis_url or EMBEDDED.redis_url()
CACHES = {
    "default": {
        "BACKEND": "clinic.adapters.cache.SteadyRedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},  # seconds
        "KEY_PREFIX": "cadence",  # never cache.clear(): it would empty the queues, which live in the same database
    }
}

RATELIMIT_IP_META_KEY = "clinic.edge.limits.client_address"
RATELIMIT_FAIL_OPEN = True  # when Redis goes away between two commands, somebody who asks for help is not turned away
# W001: it knows django-redis only. SteadyRedisCache is Django's own Redis cache: shared, and it counts atomically.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.W001"]

PGHISTORY_APPEND_ONLY = True
PGHISTORY_LEVEL = pgtrigger.Statement  # one history write for a whole series, not one for each row

# --- who may come in ----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "clinic.User"
AUTHENTICATION_BACKENDS = ["clinic.adapters.accounts.StaffBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "clinic.adapters.accounts.AccountAdapter"
ACCOUNT_FORMS = {"login": "clinic.forms.account.SignInForm"}
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # that mail would invite a stranger to sign up
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # a manager types the address; it is not proof of anything here
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = False  # front-desk computers are shared
ACCOUNT_REAUTHENTICATION_TIMEOUT = 5 * 60
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "20/m/ip,5/15m/key", "leave_handover": "20/m/ip,5/15m/key"}
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if ENVIRONMENT.behind_tls_proxy else 0
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Cadence"
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not PRODUCTION  # http://localhost has no certificate
USERSESSIONS_TRACK_ACTIVITY = False  # would write one row for every page

SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
# The prefix makes browsers refuse the cookie unless it came by TLS, for this host and every path.
SESSION_COOKIE_NAME = "__Host-cadence_session" if PRODUCTION else "cadence_session"
CSRF_COOKIE_NAME = "__Host-cadence_csrf" if PRODUCTION else "csrftoken"
CSRF_COOKIE_HTTPONLY = True  # no script of ours reads it: the key stands in the page
CADENCE_SESSION_HOURS = ENVIRONMENT.session_hours  # from signing in, whatever happens (clinic.edge.sessions.SessionEnd)
SESSION_COOKIE_AGE = CADENCE_SESSION_HOURS * 60 * 60  # from the last change of the session
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
CADENCE_IDLE_MINUTES = ENVIRONMENT.idle_minutes
METRICS_TOKEN = ENVIRONMENT.metrics_token

SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.behind_tls_proxy else None
SECURE_REFERRER_POLICY = "same-origin"
# Room for a text that is far too long: it is read, and refused at its field with the limit, the rest of the form kept.
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "img-src": [SELF, "data:"],  # Bootstrap draws its small pictures as data: addresses
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- language, time, telephone ------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_I18N = True  # for patients only (patients.services.languages); without a LocaleMiddleware staff read English
USE_TZ = True
TIME_ZONE = "UTC"  # each location has its own zone; nothing may lean on a zone of the server
PHONENUMBER_DEFAULT_REGION = "US"
PHONENUMBER_DB_FORMAT = "E164"
PHONENUMBER_DEFAULT_FORMAT = "NATIONAL"

# --- static files: ours, and those of the npm packages under vendor/ ----------------------------------------------
NODE_MODULES = BASE_DIR / "node_modules"
VENDOR_FOLDERS = {
    "vendor/tabler/css": NODE_MODULES / "@tabler" / "core" / "dist" / "css",
    "vendor/tabler/js": NODE_MODULES / "@tabler" / "core" / "dist" / "js",
    "vendor/htmx": NODE_MODULES / "htmx.org" / "dist",
    "vendor/event-calendar": NODE_MODULES / "@event-calendar" / "build" / "dist",
    "vendor/echarts": NODE_MODULES / "echarts" / "dist",
}
ICONS_DIR = NODE_MODULES / "@tabler" / "icons" / "icons"  # {% icon "calendar" %} writes one picture into the page
STATIC_URL = "/static/"
STATIC_ROOT = ENVIRONMENT.static_root or VAR_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    *((prefix, folder) for prefix, folder in VENDOR_FOLDERS.items() if folder.is_dir()),  # clinic.E001 tells which miss
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not PRODUCTION  # development serves without collectstatic
ERASURES_FILE = (
    VAR_DIR / "erasures.jsonl"
)  # outlives a restore: what was erased is erased again (patients.services.privacy)
MEDIA_ROOT = VAR_DIR / "media"
MEDIA_URL = "/media/"

# --- backups ------------------------------------------------------------------------------------------------------
BACKUP_RECIPIENTS = ENVIRONMENT.backup_recipients
BACKUP_DIR = Path(ENVIRONMENT.backup_dir or VAR_DIR / "backups")
BACKUP_IDENTITY = ENVIRONMENT.backup_identity
BACKUP_OWN_KEY = VAR_DIR / "backup-key.txt"  # development's own; production has none
BACKUP_KEEP_DAILY, BACKUP_KEEP_WEEKLY, BACKUP_KEEP_MONTHLY = ENVIRONMENT.backup_keep

# --- messages: e-mail, text messages, and where their links lead ----------------------------------------------------
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.from_email
EMAIL_BACKEND = "clinic.adapters.catcher.EmailBackend"  # nothing leaves the machine; /setup/caught/ shows it
EMAIL_PROVIDER = ""
ANYMAIL: dict[str, object] = {}
if ENVIRONMENT.email is not None:
    globals().update(ENVIRONMENT.email)  # EMAIL_BACKEND, EMAIL_HOST, ANYMAIL ... as Django and django-anymail name them
CADENCE_BASE_URL = ENVIRONMENT.base_url or f"http://127.0.0.1:{ENVIRONMENT.port}"
TWILIO_ACCOUNT_SID = ENVIRONMENT.twilio.account_sid if ENVIRONMENT.twilio else ""
TWILIO_AUTH_TOKEN = ENVIRONMENT.twilio.auth_token if ENVIRONMENT.twilio else ""
TWILIO_FROM = ENVIRONMENT.twilio.sender if ENVIRONMENT.twilio else ""
TWILIO_API_URL = ENVIRONMENT.twilio.api_url if ENVIRONMENT.twilio else ""  # a stand-in for tests and rehearsals
MESSAGES_PER_MINUTE = ENVIRONMENT.messages_per_minute  # at most so many to each provider

# --- jobs ---------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = ENVIRONMENT.redis_url or EMBEDDED.broker_url()
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "cadence:",
    "visibility_timeout": 60 * 60,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,  # seconds; without it a page whose change is saved waits for ever on a Redis that hangs
}
# Once more at once, because the connection may be one from before Redis was restarted; a page waits for no more.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for as long as Redis is away; the default gives up after 100 tries
CELERY_TASK_IGNORE_RESULT = True  # a task's outcome is a row that staff can see, not a message to nobody
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = True
CELERY_TASK_ROUTES = {
    "patients.tasks.messages.plan_ahead": {"queue": "slow"},
    "patients.tasks.messages.*": {"queue": "messages"},
    "patients.tasks.alerts.tell": {"queue": "messages"},
    "patients.tasks.imports.*": {"queue": "slow"},
    "courses.tasks.reports.*": {"queue": "slow"},
    "clinic.tasks.backups.*": {"queue": "slow"},
}
CELERY_TASK_ACKS_LATE = CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = 9 * 60
CELERY_TASK_TIME_LIMIT = 10 * 60
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "clinic.adapters.beat:SteadyScheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "forget unsent answers": {"task": "patients.tasks.measures.forget_drafts", "schedule": crontab(hour=3, minute=50)},
    "forget uploaded lists": {"task": "patients.tasks.imports.forget_files", "schedule": crontab(hour=3, minute=40)},
    "forget caught messages": {
        "task": "clinic.tasks.housekeeping.forget_caught_mail",
        "schedule": crontab(hour=3, minute=30),
    },
    "forget old sessions": {"task": "clinic.tasks.housekeeping.clear_sessions", "schedule": crontab(hour=3, minute=20)},
    "mark interrupted courses": {"task": "courses.tasks.courses.sweep", "schedule": crontab(minute=10)},
    "release expired pencils": {"task": "courses.tasks.courses.release_pencils", "schedule": crontab(minute="*/5")},
    "sweep worklists": {"task": "courses.tasks.worklists.sweep", "schedule": crontab(minute="*/5")},
    "escalate danger alerts": {"task": "patients.tasks.alerts.escalate", "schedule": crontab()},
    "send messages": {"task": "patients.tasks.messages.dispatch", "schedule": crontab(), "options": {"expires": 55}},
    "free held messages": {"task": "patients.tasks.messages.release_stale", "schedule": crontab()},
    "plan messages": {"task": "patients.tasks.messages.plan", "schedule": crontab(minute="*/5")},
    "send digests": {"task": "courses.tasks.digest.send", "schedule": crontab(minute="*/15")},
    "refresh results": {"task": "courses.tasks.reports.refresh", "schedule": crontab(), "options": {"expires": 55}},
    "tell of last month": {"task": "courses.tasks.reports.tell", "schedule": crontab(minute=2)},
    "plan messages ahead": {"task": "patients.tasks.messages.plan_ahead", "schedule": crontab(hour=2, minute=40)},
}

if BACKUP_RECIPIENTS:  # at 07:30 UTC it is night in every time zone of the United States
    CELERY_BEAT_SCHEDULE["back up"] = {"task": "clinic.tasks.backups.back_up", "schedule": crontab(hour=7, minute=30)}

# --- log ----------------------------------------------------------------------------------------------------------
LOGGING = logging_config(level=ENVIRONMENT.log_level, as_json=PRODUCTION)
if not DEBUG:
    DEFAULT_EXCEPTION_REPORTER = "clinic.edge.reporter.BareReporter"  # no local variables, no values
