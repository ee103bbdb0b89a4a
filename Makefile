# Everything a developer or a visitor needs. `make help` lists it.

PYTHON ?= python3
UV ?= uv
BIN := .venv/bin
# Processes of the tests, each with servers of its own: they wait more than they compute.
PROCESSES ?= 3
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(UV) pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links
CHECK_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
  echo "Callboard needs Python 3.11 or newer, and '$(PYTHON)' is not. Say which to use: make PYTHON=python3.12"; exit 1; }
STARTED := $(shell date +%s)

.DEFAULT_GOAL := help
.PHONY: help demo dev servers test test-system faults check format bench screenshots lock clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/installed-local ## Everything on this machine, with real mail leaving; ONCE=1 checks it and ends; PORT=8000
	@$(BIN)/python -m local demo --since $(STARTED)

dev: .venv/installed-local ## The whole stack, started again when a file changes; PORT=8000
	@$(BIN)/python -m local dev

servers: .venv/installed-local ## Only PostgreSQL and Valkey, for commands of your own
	@$(BIN)/python -m local servers

test: .venv/installed-dev ## The whole suite, on servers of its own, in PROCESSES=3; ARGS='-k email'
	@env -u DATABASE_URL -u REDIS_URL $(BIN)/pytest -n $(PROCESSES) --dist loadfile $(ARGS)

test-system: .venv/installed-dev ## The whole suite, on the servers of DATABASE_URL and REDIS_URL
	@test -n "$(DATABASE_URL)" && test -n "$(REDIS_URL)" || { \
	  echo "Set both: make test-system DATABASE_URL=postgresql://... REDIS_URL=redis://..."; exit 1; }
	@$(BIN)/pytest -n $(PROCESSES) --dist loadfile $(ARGS)

faults: .venv/installed-dev ## Kill, stop and cut off everything while jobs run; ALL=1 takes longer; ARGS='-k redis'
	@KEEP=1 $(BIN)/pytest tests/faults tests/workflows/test_under_kills.py -p no:randomly -n 2 --dist loadfile \
	  -m '$(if $(ALL),,not long)' $(ARGS)

check: .venv/installed-dev ## Style, types, import directions, and that the migrations make the models
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python -m local run --fresh "callboard migrate && alembic check"

format: .venv/installed-dev ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/installed-dev ## Side by side with stock Dramatiq; ARGS='--rounds 1'
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: .venv/installed-dev ## The console's pages on made-up data, into docs/images (needs Chromium)
	@$(BIN)/python -m local run --fresh "callboard migrate && python -m local.screenshots"

lock: ## Write the lock files anew from pyproject.toml (needs uv); ARGS=--upgrade
	@command -v $(UV) >/dev/null || { echo "make lock needs uv. Install it, or say where it is: make lock UV=..."; exit 1; }
	$(COMPILE) $(ARGS) pyproject.toml -o requirements.lock
	$(COMPILE) $(ARGS) --extra local -c requirements.lock pyproject.toml -o requirements-local.lock
	$(COMPILE) $(ARGS) --extra local --extra dev -c requirements-local.lock pyproject.toml -o requirements-dev.lock

clean: ## Remove .venv and caches (not the data in CALLBOARD_HOME)
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Made anew when their lock changes. The second holds all of the first.
.venv/installed-local: requirements-local.lock pyproject.toml local/install.py
	@$(CHECK_PYTHON)
	@$(PYTHON) local/install.py local

.venv/installed-dev: requirements-dev.lock pyproject.toml local/install.py
	@$(CHECK_PYTHON)
	@$(PYTHON) local/install.py dev
