# svcreg: make run shows it, make test proves it. `make help` lists the rest.

GOLANGCI  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
MD2MAN    := github.com/cpuguy83/go-md2man/v2@v2.0.7
VERSION   := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X main.version=$(VERSION)
PROGRAMS  := coredns proxyd svcctl svcreg-standalone
FUZZTIME  ?= 20s
export PATH := $(PATH):/usr/sbin:/sbin
# All is compiled in one way, and once more for the race detector: a third way
# would take minutes on two cores.
export CGO_ENABLED := 0
export GOFLAGS := $(GOFLAGS) -trimpath
# Root can build network namespaces: there, a test that can't is a failure.
ifeq ($(shell id -u),0)
export SVCREG_REQUIRE_ROOT := 1
endif

.PHONY: help deps build run test unit e2e lint fuzz bench bench-dns bench-dataplane bench-proxy bench-check man check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install the Debian packages and Go modules that are missing
	@test/deps.sh
	@go mod download

build: ## build the four programs into bin/
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/ $(PROGRAMS:%=./cmd/%)

run: deps build ## bring up svcreg on this machine, in namespaces of its own
	@bin/svcreg-standalone

test: deps bin/kubectl-debian unit e2e ## run every test

unit: # each package by itself, with the race detector
	go vet ./...
	CGO_ENABLED=1 go test -race -timeout 10m $$(go list ./... | grep -v '/test$$')

bin/kubectl-debian: # where the kubectl on the PATH is another
	@test/kubectl.sh $@

bin/etcd: go.mod # a real etcd, for the benchmarks
	go build -o $@ go.etcd.io/etcd/server/v3

e2e: build man # the real programs on hosts made of network namespaces
	go test -count=1 -timeout 10m -parallel 8 ./test # most of it waits

lint: ## run golangci-lint
	go run $(GOLANGCI) run ./...

fuzz: ## run each fuzz target for FUZZTIME
	@for package in $$(go list ./...); do \
		dir=$$(go list -f '{{.Dir}}' $$package); \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go 2>/dev/null | cut -d' ' -f2); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
		done; \
	done

bench: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./registry/... ./plugin/... ./proxyd/...

man: build ## make the manual pages, in bin/man
	@MD2MAN=$(MD2MAN) VERSION=$(VERSION) cmd/internal/manual/pages.sh

bench-dns: bin/etcd ## measure DNS beside its peers, about 12 minutes; BENCHFLAGS=-h says more
	@test/deps.sh dnsperf
	cd bench && go build -ldflags '-s -w' -o ../bin/bench-coredns ./coredns
	cd bench && go build -o ../bin/bench-dns .
	bin/bench-dns $(BENCHFLAGS)

bench-dataplane: build bin/etcd ## measure the data plane beside kube-proxy's shape, about 30 minutes, as root; BENCHFLAGS=-h says more
	@test/deps.sh
	cd bench && go build -o ../bin/bench-dataplane ./dataplane
	bin/bench-dataplane $(BENCHFLAGS)

bench-proxy: build bin/etcd ## measure the proxy path beside a bare ReverseProxy, nginx and HAProxy, about 17 minutes; BENCHFLAGS=-h says more
	@test/deps.sh wrk nginx haproxy
	cd bench && go build -ldflags '-s -w' -o ../bin/bench-reverse ./proxy/reverse
	cd bench && go build -o ../bin/bench-proxy ./proxy
	bin/bench-proxy $(BENCHFLAGS)

bench-check: ## lint and test the benchmark, which is a module of its own
	@test/deps.sh dnsperf wrk nginx haproxy
	cd bench && go mod tidy -diff
	cd bench && go run $(GOLANGCI) run ./...
	cd bench && go vet ./... && go test -timeout 10m ./...

check: lint test ## all that must be green before a change goes in

clean: ## remove what the other targets made
	rm -rf bin
	go clean -testcache
