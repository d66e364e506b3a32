# `make start` and `make test` set up all they need: Python >= 3.11, Node >= 20 and make are enough.
.DEFAULT_GOAL := help
.PHONY: help start demo test check func preflight costs clean

PYTHON ?= python3
BIN := .venv/bin
PORT ?= 7071
URL ?= http://localhost:$(PORT)

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

start: .venv/stamp node_modules/stamp local.settings.json  ## set up, then run everything on http://localhost:7071
	@exec $(BIN)/python -m local --port $(PORT) $(ARGS)

demo: .venv/stamp                                           ## sign up, upload a photo, share it, ask a model about it, pay; against the running app
	@$(BIN)/python -m local.demo $(URL)

test: .venv/stamp node_modules/stamp                        ## all the tests, on free ports, leaving nothing behind
	@$(BIN)/python -m pytest -q -n 2 --dist loadgroup $(ARGS)

check: .venv/stamp node_modules/stamp                       ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=bench:. $(BIN)/mypy --explicit-package-bases bench/*.py     # what nothing imports rots unseen
	$(BIN)/lint-imports

func: .venv/stamp node_modules/stamp local.settings.json    ## the same app under Azure Functions Core Tools
	@command -v func >/dev/null || { echo "Core Tools (func) is not installed: npm install -g azure-functions-core-tools@4"; exit 1; }
	@trap 'kill 0' EXIT; mkdir -p .data/azurite; \
	node node_modules/azurite/dist/src/azurite.js --silent --disableTelemetry --skipApiVersionCheck --location .data/azurite & \
	. $(BIN)/activate; func start --port $(PORT)

preflight: .venv/stamp                                      ## probe a deployment: URL=https://… TOKEN=… [ARGS=--long]
	@TOKEN="$(TOKEN)" $(BIN)/python -m local.preflight $(URL) $(ARGS)

costs: .venv/stamp                                          ## what a deployment costs a month, and a million requests: [ARGS=…]
	@$(BIN)/python infra/costs.py $(ARGS)

clean:           ## remove what was installed and what local runs have kept
	rm -rf .venv .venv-azure node_modules .data .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/stamp: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("Lydian needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say make PYTHON=python3.13 …" if sys.version_info < (3, 11) else 0)'
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo "Installing the Python packages (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

node_modules/stamp: package.json package-lock.json
	@command -v node >/dev/null || { echo "Lydian needs Node 20 or newer, for Azurite"; exit 1; }
	@echo "Installing the local services (once) …"
	@npm ci --silent --no-audit --no-fund
	@touch $@

local.settings.json: | local.settings.example.json
	@cp local.settings.example.json $@
