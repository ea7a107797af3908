# Everything one does in this repository. Each target says in its ## comment what it does; `make` prints them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
TOOL := go tool -modfile=$(CURDIR)/tools/go.mod
FUZZTIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help run pages test test-deps test-js docs-js screenshots lint bench fuzz build

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: pages ## start a node in dev mode: its pages are on http://localhost:8000
	go run ./cmd/ringdown serve --dev

build: pages ## build bin/ringdown
	go build -o bin/ringdown ./cmd/ringdown

pages: ## build the pages and the console into web/dist, if they are newer; this takes Node, and goes on without it
	@.ci/pages

# Lint computes while what the tests need is downloaded. Most packages wait more than they compute, for servers, browsers and time-outs: hence
# more of them at a time than there are processors, and those that take longest first. Vet has been.
LONGEST := ./test/faults ./test/pages ./broker/rabbitmq ./test/browser ./test/simulation ./broker/nats ./server ./test/socketio ./test/sdk ./websocket/loop ./test/conformance
test: ## lint, then every test there is, with the race detector
	@$(MAKE) --no-print-directory --jobs 2 lint test-js
	@.ci/pages
	$(TOOL) gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- -race -vet=off -p 4 $(LONGEST) ./...

test-deps: ## install what the tests need beside Go: Node, npm packages, Chromium, servers
	.ci/test-deps

test-js: test-deps ## check the types of the pages and of the JavaScript client, and run their unit tests
	npm run --prefix web --silent check
	npm test --prefix web --silent
	npm run --prefix sdk/js --silent check
	npm test --prefix sdk/js --silent

docs-js: test-deps ## make the pages of the JavaScript client's API, in sdk/js/api
	npm run --prefix sdk/js --silent docs

screenshots: test-deps pages ## make the pictures of the console and the pages in docs/images
	.ci/screenshots

lint: ## check formatting, vet and staticcheck, in both modules
	.ci/lint

bench: ## run the side-by-side benchmarks against other libraries
	cd bench && go run .

fuzz: ## run each fuzz target for FUZZTIME (10s)
	.ci/fuzz $(FUZZTIME)
