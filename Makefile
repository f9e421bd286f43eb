# mqttseg: nothing but Python 3.11+ and make is needed for `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-full check lint types imports docs bench bench-brokers fuzz soak clean

help:            ## show this
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

$(STAMP)-%: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install -q -e . $(if $(filter run,$*),,--group $*)
	@touch $@

demo: $(STAMP)-run   ## a throw-away site, real devices, what was allowed and denied and why
	@$(BIN)/mqttseg demo

test: $(STAMP)-dev lint types imports   ## lint, types, imports and all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: test      ## the same: what must pass at every commit

test-full: $(STAMP)-dev   ## the long property tests too
	@$(BIN)/python -m pytest --full

lint: $(STAMP)-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP)-dev
	@$(BIN)/mypy

imports: $(STAMP)-dev
	@$(BIN)/lint-imports

docs: $(STAMP)-run   ## the tables of the reference in docs/, from the code
	@$(BIN)/python -m docs.generate

bench: $(STAMP)-bench   ## the figures of docs/performance.md, as ratios in one run
	@$(BIN)/python -m benchmarks

bench-brokers: $(STAMP)-bench   ## ours beside Mosquitto, NATS, aedes and amqtt, half an hour; ARGS="--help" for less
	@$(BIN)/python -m benchmarks.compare $(ARGS)

fuzz: $(STAMP)-fuzz   ## coverage-guided fuzzing of the wire and the guard, bounded
	@$(BIN)/python -m tests.fuzz

soak: $(STAMP)-soak   ## a million messages with churn over mutual TLS: nothing lost, memory flat; ten minutes at most
	@$(BIN)/python -m tests.soak

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
