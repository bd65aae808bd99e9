# Trefoil: OpenStack On OpenStack. `make help` lists what there is to make.
SHELL := /bin/bash
.DELETE_ON_ERROR:

BIN     := $(CURDIR)/bin
PROGS   := openstack undercloud vbmc ironic-agent os-apply-config
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)
GO      := CGO_ENABLED=0 go

.PHONY: help build test unit client ansible e2e e2e-bonds e2e-ha demo demo-clean lint fuzz bench clean deps deps-ha

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: ## build the five programs into bin/
	@mkdir -p $(BIN)
	@for p in $(PROGS); do $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/$$p ./cmd/$$p || exit 1; done
	@ln -sf vbmc $(BIN)/vbmcd && ln -sf openstack $(BIN)/neutron
	@ls -l --block-size=K $(BIN) | awk 'NR > 1 && $$5 {print $$5, $$9}'

deps: ## install the Debian packages that demo and test need, and say which
	@scripts/deps

# MariaDB, RabbitMQ, HAProxy and keepalived, for the test of three controllers; they are not started.
deps-ha:
	@scripts/deps ha

test: deps-ha build ## everything: unit tests, fuzzing, real clients, a whole OpenStack on real machines (root)
	@scripts/test

unit: ## quick loop: no root, no network, no machines
	go test ./...

client: deps-ha build ## ipmitool, FreeIPMI and the Python openstack client against our services (root)
	@scripts/test client

ansible: build ## Ansible's OpenStack collection, Debian 13's, against our standalone service (root)
	@scripts/deps ansible
	@scripts/collection
	@source scripts/env && TREFOIL_BIN=$(BIN) TREFOIL_ANSIBLE=$$TREFOIL_CACHE/ansible go test -tags e2e,ansible -count=1 -timeout 15m -run TestAnsiblesCollection ./cmd/undercloud

e2e: deps build ## the OpenStack of `make test` alone (root)
	@scripts/test e2e

e2e-bonds: deps build ## a cloud without Ceph on machines with bonds and VLANs (root)
	@scripts/test e2e-bonds

e2e-ha: deps build ## three controllers on machines: the one with the virtual address dies and comes back (root)
	@scripts/test e2e-ha

demo: deps build ## the article on five virtual machines, typed one command after another (root)
	@scripts/demo

demo-clean: ## remove what `make demo` left
	@scripts/demo-clean

lint: ## gofmt, go vet, and golangci-lint when it is installed
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet -tags e2e,bench,ansible ./... # no file is left out where there are tags
	@if command -v golangci-lint >/dev/null; then golangci-lint run; else echo 'golangci-lint is not installed: gofmt and go vet only'; fi

fuzz: ## each fuzz test of the project for 10 s
	@scripts/fuzz

bench: deps build ## costs beside a peer on this machine (root)
	@scripts/bench

clean: ## remove what was built
	rm -rf $(BIN) build
