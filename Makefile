# Works with GNU make 3.81 (macOS) and later; needs no root. `make` alone lists the targets.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo run check test bench chaos screenshots lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## */  make \1	/p' Makefile

demo: .venv/installed  ## the server with simulated calls of all kinds, until Ctrl-C: no account, no phone
	@exec $(BIN)/flask simulate demo

run: .venv/installed  ## start the server; Ctrl-C stops it
	@$(BIN)/python -m config.settings
	@exec $(BIN)/gunicorn -c config/gunicorn.py wsgi:app

check: .venv/installed-dev  ## lint, types and the fast tests: before each commit
	@$(BIN)/python tests/run --fast

test: .venv/installed-dev  ## lint, types and every test; as root on Debian it installs what tests/packages names
	@tests/packages
	@$(BIN)/python tests/run

bench: .venv/installed-dev  ## events and answers per second, compared with a Flask route that does nothing and with Express; the stream
	@$(BIN)/python -m benchmarks.run

chaos: .venv/installed-dev  ## 400 faults of processes, Redis and disk under load, then compare with what was sent
	@$(BIN)/python -m benchmarks.chaos

screenshots: .venv/installed-dev  ## every page as phone and desktop show it, into docs/screenshots/ (needs chromium)
	@$(BIN)/python -m tests.browser.screenshots

lock: .venv/installed  ## compile requirements*.txt again, with today's versions
	@$(BIN)/pip install --quiet --disable-pip-version-check pip-tools
	@for name in requirements requirements-dev; do \
		$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links \
			--no-emit-trusted-host --output-file $$name.txt $$name.in || exit 1; \
	done

clean:  ## remove what can be built again; the calls in var/ stay
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamp files: pip runs only if the list has changed since. The lists are complete, so pip need not look for more.
.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Switchhook needs Python 3.11 or later. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@
