# Two commands do everything: `make demo` and `make test`. Both install what they miss.
SHELL := /bin/bash -o pipefail
BIN := bin/gangwan
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
ARGS ?=

.PHONY: help build app demo test simulate mutants generate oracle bench bench-sync fuzz-sync kill bench-app lint screenshots

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

build: ## bin/gangwan (the first build takes a minute or two)
	@echo "building $(BIN) …"
	@go build -o $(BIN) ./pb

app: pb/fieldapp/node_modules ## build the phone app into pb/fieldapp/dist (committed: the demo needs no node)
	cd pb/fieldapp && npx vite build

pb/fieldapp/node_modules: pb/fieldapp/package-lock.json
	cd pb/fieldapp && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

demo: build ## a whole district in ./demo_data, served until Ctrl-C; make demo ARGS=--exit ends by itself
	$(BIN) demo $(ARGS)

generate: ## write what derives from migrations and forms, and what is built from it
	go run ./pb/generate
	@$(MAKE) --no-print-directory app

screenshots: build pb/fieldapp/node_modules ## the pictures of the README, from a small demo
	cd pb/fieldapp && npx vitest run --project screenshots

oracle: ## compute a published run again by the oracle: make oracle DIR=./demo_data
	go run ./pipeline/oracle/compare $(or $(DIR),./demo_data)

bench: ## the long runs: pushes, imports, nights, rendering (minutes)
	go test -run '^$$' -bench . -benchtime 1x ./pipeline ./reports
	go test -run '^$$' -bench . -benchtime 20000x ./pb/registry
	@$(MAKE) --no-print-directory bench-sync

PART ?= .
bench-sync: ## sync beside its rivals, in one table; PART=push|feed|pull|rush ARGS=-short for a quick look
	@mkdir -p bin/.tmp
	TMPDIR=$(CURDIR)/bin/.tmp go test -run '^$$' -bench '^BenchmarkTargets$$/$(PART)' -benchtime 1x -timeout 60m $(ARGS) ./pb/fieldsync

FUZZTIME ?= 5m
fuzz-sync: ## search for bytes that the sync calls answer wrongly, each target for FUZZTIME (5m)
	@for f in $$(go test -list '^Fuzz' ./pb/fieldsync | grep '^Fuzz'); do \
		echo "== $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzzminimizetime 20x -fuzztime $(FUZZTIME) -timeout 0 ./pb/fieldsync || exit 1; done

kill: ## the server killed with -9 twenty times under 200 phones; make kill ARGS='-seed 7'
	go test ./pb -run TestNothingAcknowledgedIsLostNorDoubledHoweverOftenTheServerIsKilled -count 1 -v -timeout 20m -args -kills 20 -clients 200 $(ARGS)

simulate: ## many simulated histories of phones, network and office: make simulate N=20000 SEED=7
	SIMULATE=$(or $(N),20000) SEED=$(or $(SEED),1) go test -run '^TestWhateverTheNetwork' -timeout 0 -v ./pb/fieldsync

mutants: ## break sync in every known way: each must be noticed (minutes)
	MUTANTS=all go test -run '^TestEveryWayToBreakSyncIsNoticed$$' -timeout 0 -v ./pb/fieldsync

bench-app: build pb/fieldapp/node_modules ## how long the app takes to start on a slow phone
	cd pb/fieldapp && npx vitest run --project bench

lint: pb/fieldapp/node_modules
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); if [ -n "$$unformatted" ]; then echo "not gofmt-ed: $$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	cd pb/fieldapp && npx vue-tsc --noEmit

test: ## vet, linters, all tests; ends with what passed
	@pb/test.sh
