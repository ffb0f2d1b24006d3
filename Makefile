# The palette. `make run` and `make test` are all that a newcomer needs.
#
#   make run       install what the build needs, build, serve on localhost:9092
#   make test      install what the tests need, run all of them (this is what CI runs)
#   make build     the programs: build/release/bin/barnabas and barnabas-tools
#   make check     format, structure and lint, without running anything
#   make compat    other people's clients and tools: make compat ARGS="--broker kafka console_main_job"
#   make simulate  SEEDS=N runs of quorums under random faults, from FIRST_SEED=1 on; MODE=cluster: of whole clusters,
#                  MODE=coordinators: of these with groups and transactions
#   make chaos     a cluster of real processes under faults for MINUTES=30, drawn from a SEED
#   make mutants   plants bugs and shows that the simulation or a unit test finds each
#   make fuzz      each fuzz target for SECONDS=60
#   make bench     Barnabas beside Apache Kafka
#   make format    lay out our C++ as .clang-format says

.DEFAULT_GOAL := build
.PHONY: run build test check compat bench fuzz simulate chaos mutants format install install-test

SECONDS ?= 60
SEEDS ?= 10000
MODE ?= raft
FIRST_SEED ?= 1
MINUTES ?= 30
ARGS ?=
PROGRAM := build/release/bin/barnabas

install:
	@scripts/install_packages.sh build

install-test:
	@scripts/install_packages.sh test

build: install
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build --preset release --target barnabas barnabas-tools

run: build
	@exec $(PROGRAM) $(ARGS)

test: install-test
	@scripts/run_tests.py $(ARGS)

check: install-test
	@scripts/run_tests.py format structure lint

compat: install-test build
	@cmake --build --preset release
	@compat-tests/run.py $(ARGS)

fuzz: install-test
	@BARNABAS_FUZZ_SECONDS=$(SECONDS) scripts/run_tests.py fuzz

simulate: install
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build --preset release --target barnabas_simulation
	@build/release/bin/barnabas_simulation --$(MODE) --seeds $(SEEDS) --first-seed $(FIRST_SEED)

chaos: install-test build
	@cmake --build --preset release
	@compat-tests/chaos/main.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)

mutants: install
	@scripts/mutants.py

bench: install-test build
	@cmake --build --preset release
	@bench/run.sh $(ARGS)

format:
	@scripts/format.sh
