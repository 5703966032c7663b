# Two commands do everything: `make demo` and `make test`. Both install what they miss.
SHELL := /bin/bash -o pipefail
BIN := bin/gangwan
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
ARGS ?=

.PHONY: help build demo test generate oracle bench lint

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

build: ## bin/gangwan (the first build takes a minute or two)
	@echo "building $(BIN) …"
	@go build -o $(BIN) ./pb

demo: build ## a whole district in ./demo_data, served until Ctrl-C; make demo ARGS=--exit ends by itself
	$(BIN) demo $(ARGS)

generate: ## write what derives from migrations and forms
	go run ./pb/generate

oracle: ## compute a published run again by the oracle: make oracle DIR=./demo_data
	go run ./pipeline/oracle/compare $(or $(DIR),./demo_data)

bench: ## the long runs: pushes, imports, nights, rendering (minutes)
	go test -run '^$$' -bench . -benchtime 1x ./pipeline ./reports
	go test -run '^$$' -bench . -benchtime 20000x ./pb/fieldsync ./pb/registry

lint:
	@unformatted=$$(git ls-files '*.go' | xargs gofmt -l); if [ -n "$$unformatted" ]; then echo "not gofmt-ed: $$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

test: ## vet, linters, all tests; ends with what passed
	@pb/test.sh
