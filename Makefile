GO      ?= go
FUZZTIME ?= 10m
SOAK     ?= 10m
SESSIONS ?= 10000
# A checkout that git refuses to look at (foreign owner) still builds.
VCS     := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)
BUILD   := -buildvcs=$(VCS)
export CGO_ENABLED = 1

.PHONY: help build demo test clients versions race soak load lint fuzz bench bench-quick bench-curves bench-full big

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/rowback
	@sh scripts/bootstrap build
	$(GO) build $(BUILD) -o bin/rowback ./cmd/rowback

demo: ## a whole incident on two throwaway clusters: block, alert, restore, verify
	@sh scripts/bootstrap run
	$(GO) build $(BUILD) -o bin/rowback ./cmd/rowback
	bin/rowback demo

test: ## every test, on real PostgreSQL
	@sh scripts/bootstrap test
	@GO='$(GO)' sh scripts/test $(BUILD) -timeout 60m ./...
	@GO='$(GO)' TESTFLAGS='$(BUILD)' sh scripts/versions smoke

clients: ## the own test suites of pgx and lib/pq through the proxy, whole (make test runs most of them)
	@sh scripts/bootstrap test
	CLIENTS=whole $(GO) test $(BUILD) -count=1 -v -timeout 60m -run TestSuites ./internal/e2e

versions: ## the tests of what talks to a server on PostgreSQL VERSIONS (13 … 18), then restores between PAIRS of them (13:18 …)
	@sh scripts/bootstrap test
	@GO='$(GO)' TESTFLAGS='$(BUILD)' sh scripts/versions run $(VERSIONS)
	@GO='$(GO)' TESTFLAGS='$(BUILD)' sh scripts/versions mixed $(PAIRS)

race: ## every test under the race detector
	@sh scripts/bootstrap test
	@GO='$(GO)' sh scripts/test $(BUILD) -race -timeout 120m ./...

soak: ## kill proxies and servers, take the journal's server away, have its disk fail and lose power, clocks jump, and Patroni fail over, under load for SOAK (10m) each: compare with the truth
	@sh scripts/bootstrap test
	SOAK=$(SOAK) $(GO) test $(BUILD) -v -timeout 24h -run 'TestKill|TestTwoPhase_Killed|TestFleet_ProxyKilled|TestFleet_JournalAwayUnderLoad|TestDisk_PowerLoss|TestDisk_Faults|TestClock|TestPatroni' ./internal/crash

load: ## SESSIONS (10000) idle sessions, a tenth of that busy ones, storms: what they take (on several proxies where ulimit -Hn is below 21020 and may not be raised)
	@sh scripts/bootstrap test
	SESSIONS=$(SESSIONS) $(GO) test $(BUILD) -count=1 -v -timeout 60m ./internal/load

lint: ## gofmt, go vet, staticcheck
	@sh scripts/bootstrap build
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w is needed on:"; echo "$$unformatted"; exit 1; } >&2
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: ## each fuzz target for FUZZTIME (10m)
	@sh scripts/bootstrap run
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' sh scripts/fuzz

bench: ## rowback against direct connections, pgbouncer, haproxy and raw COPY, as ratios with their targets, in about 15 minutes (BENCH_CASE=regexp; BENCH_OUT=file or directory keeps a report)
	@sh scripts/bootstrap bench
	$(GO) build $(BUILD) -o bin/rowback ./cmd/rowback
	GO='$(GO)' $(GO) run $(BUILD) ./internal/bench -limit 20m -case '$(BENCH_CASE)'

bench-quick: ## the same in about two minutes: the cases that say most, one round
	@sh scripts/bootstrap bench
	$(GO) build $(BUILD) -o bin/rowback ./cmd/rowback
	BENCH_ROUNDS=1 GO='$(GO)' $(GO) run $(BUILD) ./internal/bench -limit 3m -case 'prepared -c 16|in a pipeline|rows with cascades|restore of .*raw COPY$$|added at|connect'

bench-curves: ## how the cost grows with sessions, statements, cascades, catalog and journal, in about 8 minutes (BENCH_OUT as above: joins that report)
	@sh scripts/bootstrap bench
	$(GO) build $(BUILD) -o bin/rowback ./cmd/rowback
	GO='$(GO)' $(GO) run $(BUILD) ./internal/bench -curves -limit 9m -case '$(BENCH_CASE)'

FULL := BENCH_CLIENTS=1,16,100,1000 BENCH_COPY_MIB=1024 BENCH_BIG=10000000 BENCH_BULK=1000000,10000000 BENCH_RUNAWAY=100000000 BENCH_JOURNAL=100000000

bench-full: ## bench and bench-curves at the sizes that the targets name, as far as the disk has room (40 GB for all): hours; each case says what it took (BENCH_CASE, BENCH_OUT as above)
	@sh scripts/bootstrap bench
	$(GO) build $(BUILD) -o bin/rowback ./cmd/rowback
	$(FULL) GO='$(GO)' $(GO) run $(BUILD) ./internal/bench -all -patience 2h -case '$(BENCH_CASE)'

big: ## restore ROWS (10000000) rows while others write: time, memory, and how long these waited
	@sh scripts/bootstrap test
	ROWS='$(ROWS)' $(GO) test $(BUILD) -timeout 6h -run '^$$' -bench 'BenchmarkBig' -benchtime 1x ./recovery
