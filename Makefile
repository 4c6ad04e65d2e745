# Weir. `make` alone lists the targets.

GO       ?= go
FUZZTIME ?= 10s
# Packages that read what a stranger sends.
PARSERS  := ./metering/dialect ./metering/estimate ./proxy
# How many fuzz tests run side by side, each with one worker.
AT_ONCE  ?= 2
# What runs again under the race detector: where goroutines share state.
RACE     ?= ./metering/... ./billing/... ./proxy/...
# Flags of the benchmark, e.g. BENCH='--quick'.
BENCH    ?=

SERVICES := deploy/test/with-services
CLIENTS  := deploy/clients/node_modules/.package-lock.json
NEXTJS   := deploy/examples/nextjs/node_modules/.package-lock.json
BROWSER  := deploy/browser/node_modules/.package-lock.json
# The npm clients, the PyPI clients and the applications of the guide.
SDKS     := $(CLIENTS) $(NEXTJS) python
# Where the distribution's Node is too old, deploy/test/install puts one here.
export PATH := $(CURDIR)/deploy/test/node/node_modules/node/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help build test quick race lint fuzz parsers soak bench clients browser tools python

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./weir
	$(GO) build -o weir .

test: tools $(SDKS) $(BROWSER) ## everything, with Redis, PostgreSQL, nginx, the vendors' SDKs and a browser; installs and starts what it needs and stops it again
	$(SERVICES) sh -ec '$(GO) vet ./...; $(GO) test -vet=off -timeout 12m ./...; $(GO) test -vet=off -short -race -timeout 12m $(RACE)'

quick: ## Go alone: vet and the short tests; no services, no root, under a minute
	$(GO) vet ./...
	$(GO) test -short ./...

race: tools ## the tests under the race detector, with services
	$(SERVICES) $(GO) test -race -timeout 20m $(RACE)

clients: $(SDKS) ## the vendors' own SDKs (npm, PyPI, Go) and the example applications through Weir, compared with direct calls
	$(GO) test -count=1 -v ./deploy/clients/... ./deploy/examples/...

browser: $(BROWSER) ## a walk through the console and the portal in a real browser
	$(GO) test -count=1 -v ./deploy/browser

lint: ## golangci-lint with .golangci.yml
	@command -v golangci-lint >/dev/null || { echo "golangci-lint v2 is missing: https://golangci-lint.run/docs/welcome/install/local/" >&2; exit 1; }
	golangci-lint run ./...

fuzz: ## every fuzz test for FUZZTIME (10s) each
	@set -e; for pkg in $$($(GO) list ./...); do \
		for name in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "== $$pkg $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

parsers: ## every fuzz test of what clients and providers send, for FUZZTIME (10s) each, AT_ONCE (2) side by side
	@for pkg in $(PARSERS); do $(GO) test -c -fuzz=Fuzz -o /dev/null $$pkg; done # once, not by each of those beside each other
	@for pkg in $(PARSERS); do $(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' | sed "s|^|$$pkg |"; done | \
		xargs -P $(AT_ONCE) -L 1 deploy/test/fuzz $(FUZZTIME)

soak: ## the parsers of what clients and providers send, an hour each, AT_ONCE side by side (FUZZTIME=10m for less)
	@git log -1 --format='soak of %h, %ci'; echo "$(AT_ONCE) side by side on $$(nproc) processors"
	@$(MAKE) --no-print-directory parsers FUZZTIME=$(if $(filter 10s,$(FUZZTIME)),1h,$(FUZZTIME))

bench: ## cost per call, chunk and open stream against nginx (BENCH='--quick' for a look)
	$(GO) run ./deploy/bench $(BENCH)

tools: # what the tests run beside Go
	@deploy/test/install

python: | tools
	@deploy/clients/python/install

$(CLIENTS) $(NEXTJS): %/node_modules/.package-lock.json: %/package.json %/package-lock.json | tools
	cd $* && npm ci --no-audit --no-fund
	@touch $@

$(BROWSER): deploy/browser/package.json deploy/browser/package-lock.json | tools
	cd deploy/browser && npm ci --no-audit --no-fund
	@touch $@
