# `make help` lists the targets.  Everything is installed into .venv, with the Python that PYTHON names.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types format bench bench-micro bench-peers bench-remote profile torture clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(VENV)/.demo ## run the guide's story on real data and leave the folio in demo-folio/
	$(BIN)/python demo/story.py

test: $(VENV)/.test $(VENV)/.azurite ## run every test
	$(BIN)/python -m pytest -n auto --dist worksteal

check: lint types test ## what CI runs

lint: $(VENV)/.dev ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## strict types
	$(BIN)/mypy

format: $(VENV)/.dev ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

torture: $(VENV)/.test ## try to break a folio, in the long forms (hours)
	$(BIN)/python -m tests.reliability
	$(BIN)/python -m tests.remote

bench: $(VENV)/.test ## measure the figures and write docs/benchmarks.md
	$(BIN)/python -m benchmarks

bench-micro: $(VENV)/.bench ## time the parts, each by itself
	$(BIN)/python -m pytest -p no:cacheprovider -p no:xdist benchmarks/micro --benchmark-columns=median,iqr,rounds --benchmark-sort=name

profile: $(VENV)/.test ## say where the time of everyday work goes
	$(BIN)/python -m benchmarks.profile

bench-peers: $(VENV)/.test ## do the same work with other programs and write docs/benchmarks-peers.md
	$(BIN)/python -m benchmarks.peers

bench-remote: $(VENV)/.test ## measure folios on an object store and write docs/benchmarks-remote.md
	$(BIN)/python -m benchmarks.remote

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-peers demo-folio build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks

# One stamp for each set of extras: made anew when pyproject.toml changes.
$(VENV)/.demo: EXTRA := demo
$(VENV)/.test: EXTRA := test
$(VENV)/.bench: EXTRA := bench
$(VENV)/.dev:  EXTRA := dev

$(VENV)/.demo $(VENV)/.test $(VENV)/.bench $(VENV)/.dev: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRA)]'
	@touch $@

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

# Azure's emulator comes from npm.  Its tests are skipped without; in CI they fail where there is npm.
$(VENV)/.azurite: | $(VENV)/pyvenv.cfg
	@if command -v npm >/dev/null; then \
	  npm install --silent --no-audit --no-fund --prefix $(VENV)/azurite azurite@3 && touch $@ \
	  || echo "npm could not install Azurite; the tests on Azure will be skipped"; \
	fi
