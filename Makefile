# `make` alone shows what there is. Everything works from a clean checkout with
# Go, Node 20.19 or newer and npm; what else is needed is installed into .cache.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# FUZZTIME is how long each fuzz target runs.
FUZZTIME ?= 10s
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
NPM_CI := npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
EXPLORER := frontend/dist/explorer/index.html
EXPLORER_SOURCES := $(shell find frontend/explorer -type f) frontend/package.json

.PHONY: help
help: ## show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build and run Sluice here, with a PostgreSQL of its own
	@SLUICE_NPM_REMOTE="$${SLUICE_NPM_REMOTE:-$$(npm config get registry)}" exec bin/sluice dev

.PHONY: build
build: frontend ## build bin/sluice
	go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/sluice ./cmd/sluice

.PHONY: frontend
frontend: $(EXPLORER) ## build the web pages that the program carries

$(EXPLORER): frontend/node_modules/.package-lock.json $(EXPLORER_SOURCES)
	cd frontend && npm run build --silent -- --logLevel warn
	@touch $@

frontend/node_modules/.package-lock.json: frontend/package-lock.json frontend/.npmrc
	@scripts/check-tools.sh
	cd frontend && $(NPM_CI)
	@touch $@

.PHONY: generate
generate: ## write the generated code anew
	scripts/generate.sh

.PHONY: check-generated
check-generated: ## fail when the generated code is not what generating gives
	scripts/check-generated.sh

.PHONY: tools
tools: ## install what the tests need: PostgreSQL and seven npm clients
	@scripts/install-tools.sh

.PHONY: vet
vet: ## gofmt and go vet
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go' -not -path './.cache/*')); \
	if [[ -n "$$unformatted" ]]; then printf 'not formatted, run gofmt -w on:\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./...

.PHONY: test
test: tools frontend check-generated vet ## every check: generated code, vet, all tests against a real PostgreSQL
	SLUICE_TEST_CLIENTS="$(CURDIR)/.cache/clients" .cache/bin/testpg run -- go test -timeout 20m ./... </dev/null

.PHONY: lint
lint: vet frontend ## vet, golangci-lint, and the types of the front end
	@scripts/install-tools.sh golangci-lint
	.cache/bin/golangci-lint run ./...
	cd frontend && npm run check --silent

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	scripts/fuzz.sh $(FUZZTIME)

.PHONY: e2e-main
e2e-main: build ## the main path with real clients and the real npm registry, end to end (minutes)
	scripts/e2e-main.sh

.PHONY: e2e-npm
e2e-npm: build ## every npm client through every case: npm, pnpm, yarn, berry, bun, deno (minutes)
	scripts/e2e-npm.sh

.PHONY: e2e-access
e2e-access: build ## attacks across organizations and roles, who may do what, logging in by dex and with Chromium (minutes)
	scripts/e2e-access.sh

.PHONY: bench
bench: tools frontend ## every Go benchmark, against a real PostgreSQL
	.cache/bin/testpg run -- go test -run '^$$' -bench . -benchmem -timeout 30m ./... </dev/null

.PHONY: clean-data
clean-data: ## remove the data of `make run`
	scripts/clean-data.sh data
