# Everything a person or a build server runs. `make setup` comes by itself; nothing but Python 3.11, git and make is
# needed beforehand.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := .venv/bin
STAMP := .venv/.trunkline-setup
# The pure packages must be covered to the last branch; they run in a process of their own, with the tracer on.
PURE := normalizer router
PACKAGES := adapters broker config desk normalizer router web/*.py
# Much of what the tests do is waiting for real servers: three workers keep two cores busy. A file stays with one
# worker: its tests share what it has started.
WORKERS := --numprocesses=3 --dist=loadfile --no-loadscope-reorder
PURE_TESTS := $(wildcard $(addprefix tests/,$(PURE)))

FRONT := web/built/.stamp

.PHONY: help setup front demo test test-packages check generated licences generate faults bench lock format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1	\2/' | expand -t 16

setup: $(STAMP) ## Make .venv with the locked dependencies

$(STAMP): requirements/dev.txt pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

front: $(FRONT) ## Build the chat and the desk

# An order-only set-up: a newer .venv alone is no reason to build anew.
$(FRONT): $(shell find web/ui -name node_modules -prune -o -type f -print) scripts/front | $(STAMP)
	@scripts/front build
	@touch $@

demo: setup front ## Start a demo shop and its desk; options in ARGS, such as ARGS="--listen 127.0.0.1:8090"
	@exec $(BIN)/trunkline demo $(ARGS)

test-packages:
	@scripts/apt-install chromium:chromium,chromium-browser,google-chrome dovecot-imapd:/usr/lib/dovecot/imap,/usr/libexec/dovecot/imap dovecot-lmtpd:/usr/lib/dovecot/lmtp,/usr/libexec/dovecot/lmtp \
	  kamailio:kamailio haproxy:haproxy,/usr/sbin/haproxy prometheus:promtool systemd:systemd-analyze \
	  kamailio-extra-modules:/usr/lib/*/kamailio/modules/evapi.so sip-tester:sipp baresip-core:baresip ngircd:ngircd,/usr/sbin/ngircd nodejs:node

test: setup front test-packages ## Run the tests
	scripts/front test
	@$(BIN)/python -m compileall -q $(PACKAGES) tests # hundreds of processes are started
	$(BIN)/pytest $(PURE_TESTS) $(foreach package,$(PURE),--cov=$(package)) --cov-fail-under=100
	scripts/test $(WORKERS) $(addprefix --ignore=,$(PURE_TESTS))

check: setup front ## The fast gate: format, lint, types, import contracts, generated files, licences
	scripts/front check
	$(BIN)/ruff format --diff .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate.py --check
	$(BIN)/python scripts/licences.py

generate: setup ## Write the generated files anew
	$(BIN)/python scripts/generate.py

faults: setup front ## The full run of the fault tests: kills and stops real processes, takes long
	TRUNKLINE_FAULT_ROUNDS=$${TRUNKLINE_FAULT_ROUNDS:-20} TRUNKLINE_ROLLING_NOTICED=$${TRUNKLINE_ROLLING_NOTICED:-5} \
	  TRUNKLINE_ROLLING_SETTLED=$${TRUNKLINE_ROLLING_SETTLED:-3} $(BIN)/pytest -m faults --timeout=7200 -s

bench: setup front ## Measure the pipeline against a floor measured in the same run
	$(BIN)/python -m benchmarks.pipeline --json

lock: setup ## Choose the newest versions that pyproject.toml allows
	@scripts/lock

format: setup ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what the tools and builds have left, .venv too
	rm -rf .venv web/built web/ui/node_modules dist build .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
