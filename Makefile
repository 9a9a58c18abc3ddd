# Works with GNU make 3.81 (macOS) and later; needs no root. `make` alone lists what there is.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo run test bench lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## */  make \1	/p' Makefile

demo: .venv/installed  ## the server, and calls of all kinds without end: no account, no phone
	@exec $(BIN)/flask simulate demo

run: .venv/installed  ## start the server; Ctrl-C stops it
	@$(BIN)/python -m config.settings
	@exec $(BIN)/gunicorn -c config/gunicorn.py wsgi:app

test: .venv/installed-dev  ## lint, types, and every test
	@$(BIN)/python tests/run

bench: .venv/installed-dev  ## measure, beside a Flask route that does nothing
	@$(BIN)/python -m benchmarks.run

lock: .venv/installed  ## compile requirements*.txt anew, with today's versions
	@$(BIN)/pip install --quiet --disable-pip-version-check pip-tools
	@for name in requirements requirements-dev; do \
		$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-header --no-emit-index-url --no-emit-find-links \
			--no-emit-trusted-host --output-file $$name.txt $$name.in || exit 1; \
	done

clean:  ## remove what can be made again; the calls in var/ stay
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: pip is asked only when the list has changed since.
.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Switchhook needs Python 3.11 or later. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
