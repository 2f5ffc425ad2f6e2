# `make` lists what there is. Everything happens in .venv; nothing is installed outside it, except by `make test`, which
# as root installs the Debian packages the real services need.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
TOGETHER := $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder
# Extra words for the command behind a target: make test ARGS="-k kafka", make demo ARGS="--for 60s --no-browser".
ARGS ?=
SOAK_SECONDS ?= 3600
FUZZ_SECONDS ?= 60
CHAOS_FAULTS ?= 32

# The first Python that is new enough. PYTHON=/path/to/python3 chooses another.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python3.14 python,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $(name))))

##@ First
.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(if $(wildcard .venv/.all),.venv/.all,.venv/.demo) ## the whole loop on a generated plant, in a browser: http://127.0.0.1:8484
	@$(BIN)/latentwatch demo $(ARGS)

.PHONY: setup
setup: .venv/.all ## prepare .venv with everything the project uses, without running anything

##@ Working on it
.PHONY: check
check: setup ## format, lint, types, import rules and the fast tests, under a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -q -n 2 --dist loadfile --ignore=tests/services --ignore=tests/faults -m "not services and not slow" $(ARGS)

.PHONY: format
format: setup ## let ruff format, and fix what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: test
test: setup ## the suite, with real Kafka, PostgreSQL, Airflow and Chromium started by itself; a quarter of an hour on two cores
	$(TOGETHER) -m "not long" $(ARGS)

.PHONY: test-long
test-long: setup ## what make test leaves out: the proof, more faults, three days, Spark, MLflow, containers, packages, accessibility
	$(TOGETHER) -m long $(ARGS)

.PHONY: days
days: setup ## the three days alone: hosts, a press and payments, from the stream to the reviewer and back
	$(PYTEST) tests/services/days $(ARGS)

.PHONY: proof
proof: setup ## the proof alone: SKAB through Kafka, a killed scorer, a retraining, a label; then an outage of thirty hosts
	$(PYTEST) -s tests/services/test_proof.py tests/services/days/test_hosts_day.py $(ARGS)

.PHONY: faults
faults: setup ## the fault tests alone: killed scorers, brokers and databases; every record accounted for
	$(PYTEST) tests/faults $(ARGS)

.PHONY: fuzz
fuzz: setup ## mutated messages against the real decoders for FUZZ_SECONDS=60: none may escape; ARGS="--seed N" repeats
	$(BIN)/python -m tests.streams.decoding.fuzzing --seconds $(FUZZ_SECONDS) $(ARGS)

.PHONY: chaos
chaos: setup ## CHAOS_FAULTS=32 faults by lot while records flow through each; the suite has five of them
	LATENTWATCH_SOAK_FAULTS=$(CHAOS_FAULTS) $(PYTEST) -s tests/faults/test_chaos.py $(ARGS)

.PHONY: soak
soak: setup ## the fault tests again and again, in new orders with new seeds, for SOAK_SECONDS=3600
	@end=$$((SECONDS + $(SOAK_SECONDS))); rounds=0; while [ $$SECONDS -lt $$end ]; do \
	$(PYTEST) -q tests/faults $(ARGS) || exit 1; rounds=$$((rounds + 1)); echo "round $$rounds done"; done

.PHONY: bench-quality
bench-quality: setup ## detection quality beside the peers, under half an hour; ARGS=--quick for 3 minutes
	$(BIN)/python -m benchmarks.quality $(ARGS)

.PHONY: bench-latent
bench-latent: setup ## whether the latent space is real: map, retraining, factors, sampling; ARGS=--json
	$(BIN)/python -m benchmarks.latent $(ARGS)

.PHONY: bench-explorer
bench-explorer: setup ## whether alerts called alike are, and what is said to calm one does; ARGS=--json
	$(BIN)/python -m benchmarks.explorer $(ARGS)

.PHONY: bench-speed
bench-speed: setup ## records per second and latency, beside what a user would write; ARGS=--quick for a minute
	$(BIN)/python -m benchmarks.speed $(ARGS)

.PHONY: bench-entities
bench-entities: setup ## memory, snapshots and restarts with 100,000 entities; ARGS="--entities 10000 --database postgresql"
	$(BIN)/python -m benchmarks.speed.entities $(ARGS)

.PHONY: requirements
requirements: .venv/bin/uv ## compile requirements/*.txt anew from pyproject.toml, with hashes
	$(COMPILE) --all-extras --excludes requirements/without-gpu.txt --excludes requirements/without-object-stores.txt \
	  -o requirements/all.txt
	$(COMPILE) $(call extras,train review) --excludes requirements/without-gpu.txt $(SAME) -o requirements/demo.txt
	$(COMPILE) $(call extras,postgres notify avro confluent) $(SAME) -o requirements/scorer.txt
	$(COMPILE) $(call extras,review postgres) $(SAME) -o requirements/review.txt
	$(COMPILE) $(call extras,train postgres avro confluent mlflow airflow) $(SAME) -o requirements/airflow.txt
	echo uv | $(BIN)/uv pip compile - $(COMPILE_FLAGS) -o requirements/uv.txt

COMPILE_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" \
	$(if $(UPGRADE),--upgrade)
COMPILE := $(BIN)/uv pip compile pyproject.toml $(COMPILE_FLAGS)
# Every set takes the versions of the largest one, so that they can share one environment and are tested together.
SAME := --constraints requirements/all.txt
extras = $(addprefix --extra ,build $(1))

##@ Services
.PHONY: services
services: setup ## real Kafka, PostgreSQL and MLflow on this machine; prints their addresses, kept in .services/env
	@$(BIN)/python -m deploy.services up

.PHONY: services-down
services-down: ## stop them; the data stays in .services
	@test ! -d .services || $(BIN)/python -m deploy.services down

.PHONY: up
up: .env ## the whole system in containers (needs Docker); secrets are made once, in .env
	docker compose up --build --detach --wait

.PHONY: down
down: ## stop the containers; the volumes stay
	docker compose down

.env:
	@echo "writing fresh secrets to .env"
	@umask 077; secret() { head -c $$1 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }; \
	for name in POSTGRES_PASSWORD LATENTWATCH_PASSWORD AIRFLOW_ADMIN_PASSWORD GRAFANA_PASSWORD; do echo "$$name=$$(secret 24)"; \
	done > $@; echo "AIRFLOW_FERNET_KEY=$$(secret 32)" >> $@; echo "AIRFLOW_JWT_SECRET=$$(secret 66)" >> $@

.PHONY: clean
clean: services-down ## remove .venv and everything else that was made here
	rm -rf .venv .services .demo build dist reports .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# How .venv comes about: pip installs uv (pinned, hashed), uv installs one requirements file (pinned, hashed) and then the
# project itself, editable. The stamps make the second run immediate, and all.txt holds everything demo.txt does.
.venv/bin/uv: requirements/uv.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on the PATH; install one (python.org, your package \
	manager) or name it: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "1/3  a virtual environment of $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { echo "error: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get \
	install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/.demo .venv/.all: .venv/.%: requirements/%.txt pyproject.toml | .venv/bin/uv
	@echo "2/3  $$(grep -c '==' $<) packages of $<; 2.6 GB or more to download the first time, most of it torch"
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes --no-deps --compile-bytecode -r $<
	@echo "3/3  latentwatch itself"
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-build-isolation --no-deps --editable .
	@touch $@
