# Commonwatt. `make help` lists what there is to do. What is needed: Python >= 3.11, Node >= 20.19, make, git.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

SCENARIO ?= fontana
SPEED ?=
PORT ?=
DATE ?=
SEED ?=
KILLS ?= 20
ARGS ?=

PY := .venv/bin/python
export MYPYPATH :=

# A stamp's name holds a checksum of what it was made from: it is there, or the work is to be done.
sum = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)
INSTALLED := .venv/.installed-$(call sum,requirements.lock pyproject.toml)
CONTRACTS := contracts/node_modules/.installed-$(call sum,contracts/package-lock.json)
FRONTEND := frontend/node_modules/.installed-$(call sum,frontend/package-lock.json)
E2E := tests/e2e/node_modules/.installed-$(call sum,tests/e2e/package-lock.json)
GANACHE := tests/ganache/node_modules/.installed-$(call sum,tests/ganache/package-lock.json)
SLITHER := build/slither/0.11.6/bin/slither
PEERS := build/peers/3.3.0/bin/python
PAGES_FROM := $(sort $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null))
PAGES := frontend/dist/.built-$(call sum,$(PAGES_FROM))

.PHONY: help run day services test lint bench test-python test-kills test-contracts test-contracts-ci slither test-frontend test-e2e test-ganache install lock clean

help: ## what there is to do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(INSTALLED) $(CONTRACTS) $(PAGES) ## start everything: [SCENARIO=fontana|simbench|FILE] [SPEED=120] [PORT=8000]
	@exec $(PY) -m launch run --scenario "$(SCENARIO)" $(if $(SPEED),--speed $(SPEED)) $(if $(PORT),--port $(PORT))

day: $(INSTALLED) $(CONTRACTS) ## one day of the community, to the end: [SCENARIO=] [DATE=YYYY-MM-DD] [ARGS=--json]
	@exec $(PY) -m launch day --scenario "$(SCENARIO)" $(if $(DATE),--date $(DATE)) $(ARGS)

services: $(INSTALLED) $(CONTRACTS) ## only Postgres, Redis, Anvil and the MQTT broker, for development
	@exec $(PY) -m launch services

test: lint test-contracts test-frontend test-e2e test-python ## every check and every test

lint: $(INSTALLED) $(CONTRACTS) $(FRONTEND) ## style, types, and the walls between the rooms
	$(PY) -m ruff check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	cd contracts && npm run --silent lint
	cd frontend && npm run --silent lint && npm run --silent typecheck

test-python: $(INSTALLED) $(CONTRACTS)
	$(PY) -m pytest --color=no

test-kills: $(INSTALLED) $(CONTRACTS) ## one day with processes killed at random moments: [SEED=] [KILLS=20]
	COMMONWATT_KILL_SEED="$(SEED)" COMMONWATT_KILLS="$(KILLS)" $(PY) -m pytest --color=no tests/integration/kills

test-contracts: $(CONTRACTS)
	cd contracts && npm run --silent test

test-contracts-ci: $(CONTRACTS) ## the contracts' tests with 10,000 runs of each fuzz test, and longer invariants
	cd contracts && npm run --silent test:ci

slither: $(SLITHER) $(CONTRACTS) ## static analysis of the contracts; answers in docs/decisions/0015-static-analysis.md
	cd contracts && PATH="$$PWD/node_modules/.bin:$$PATH" FOUNDRY_OUT=../build/slither/out \
		FOUNDRY_CACHE_PATH=../build/slither/cache ../$(SLITHER) .

test-frontend: $(FRONTEND)
	cd frontend && npm run --silent test

test-e2e: $(INSTALLED) $(CONTRACTS) $(PAGES) $(E2E)
	$(PY) -m launch check -- npm --prefix tests/e2e test

test-ganache: $(INSTALLED) $(CONTRACTS) $(GANACHE) ## one interval on Ganache as on Anvil; not in `make test`, as it compiles anew
	$(PY) -m pytest --color=no tests/ganache/smoke.py

bench bench-%: export OMP_NUM_THREADS := 1
bench bench-%: export OPENBLAS_NUM_THREADS := 1

bench: $(INSTALLED) $(PEERS) ## time what must be fast, as ratios; make bench-NAME for one of them
	$(PY) -m tests.benchmarks

bench-forecast: $(PEERS)

bench-%: $(INSTALLED)
	$(PY) -m tests.benchmarks $*

install: $(INSTALLED) $(CONTRACTS) $(PAGES) $(E2E) ## fetch and build everything, start nothing

lock: $(INSTALLED) ## write requirements.lock anew from pyproject.toml (Python 3.11)
	$(PY) -m pip install --quiet pip-tools
	$(PY) -m piptools compile --quiet --upgrade --extra dev --allow-unsafe --strip-extras --no-annotate --no-header \
		--no-emit-find-links --no-emit-index-url --output-file requirements.lock pyproject.toml
	sed -i.before 's/+cpu$$//' requirements.lock && rm requirements.lock.before

clean: ## remove state, builds and everything that was installed
	rm -rf .venv .commonwatt build frontend/dist contracts/out contracts/cache
	rm -rf contracts/node_modules frontend/node_modules tests/e2e/node_modules tests/ganache/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# --- what is installed and built; all of it reports on stderr, so that stdout stays with the command ---

.venv/bin/pip:
	@for python in python3.11 python3.12 python3.13 python3.14 python3; do \
		if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "commonwatt: creating .venv with $$($$python --version)" >&2; \
			rm -rf .venv; exec $$python -m venv .venv >&2; \
		fi; \
	done; \
	echo "commonwatt: please install Python 3.11 or newer, with its venv module (Debian: python3-venv)" >&2; exit 1

$(INSTALLED): | .venv/bin/pip
	@echo "commonwatt: installing Python packages (a few minutes the first time)" >&2
	@$(PY) -m pip install --disable-pip-version-check -r requirements.lock >&2
	@$(PY) -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e . >&2
	@rm -f .venv/.installed-*; touch $@

# In an environment of its own: what it needs is no business of the platform's.
$(SLITHER): | .venv/bin/pip
	@echo "commonwatt: installing slither" >&2
	@$(PY) -m venv build/slither/0.11.6 && build/slither/0.11.6/bin/pip install --quiet slither-analyzer==0.11.6 >&2

# Nixtla's models, against which the benchmark of forecasts is run; torch's build for CPUs comes first.
$(PEERS): | .venv/bin/pip
	@echo "commonwatt: installing the public peers of the forecasting benchmark" >&2
	@$(PY) -m venv build/peers/3.3.0.new
	@build/peers/3.3.0.new/bin/pip install --quiet torch==2.13.0 >&2
	@build/peers/3.3.0.new/bin/pip install --quiet neuralforecast==3.3.0 >&2
	@rm -rf build/peers/3.3.0 && mv build/peers/3.3.0.new build/peers/3.3.0

define NPM_CI
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' \
		2>/dev/null && command -v npm >/dev/null \
		|| { echo "commonwatt: please install Node.js 20.19 or newer, with npm" >&2; exit 1; }
	@echo "commonwatt: installing npm packages of $(1)" >&2
	@cd $(1) && npm ci --no-audit --no-fund >&2
	@touch $@
endef

$(CONTRACTS):
	$(call NPM_CI,contracts)

$(FRONTEND):
	$(call NPM_CI,frontend)

$(E2E):
	$(call NPM_CI,tests/e2e)

$(GANACHE):
	$(call NPM_CI,tests/ganache)

$(PAGES): | $(FRONTEND)
	@echo "commonwatt: building the pages" >&2
	@cd frontend && npm run --silent build >&2
	@touch $@
