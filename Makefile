# Millrace. `make` alone lists what there is.

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 60s

TOOLS := $(CURDIR)/.tools
export PATH := $(TOOLS)/bin:$(PATH)

# One set of flags for build and checks, so that they share Go's cache. Without cgo the binary is static, runs on any
# Linux, and a child starts with 0.8 ms less CPU: nothing is linked at start. The tag leaves gRPC out of Google's SDK.
TAGS        := disable_grpc_modules
BUILDFLAGS  := -trimpath -buildvcs=false -tags=$(TAGS)
CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help demo build test check tools bench fuzz soak gpu image e2e

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

export INPUT # by the environment, so that no character of it means anything to the shell

demo: build ## Run three messages end to end, here; INPUT=my.stl takes your own model. Needs Go alone.
	bin/millrace demo $${INPUT:+--input "$$INPUT"}

build: ## Build bin/millrace.
	CGO_ENABLED=$(CGO_ENABLED) go build $(BUILDFLAGS) -ldflags '-s -w -X main.version=$(VERSION)' -o bin/millrace ./cmd/millrace

test: check ## Check, then run every test under the race detector. The last line counts them.
	CGO_ENABLED=1 go run $(BUILDFLAGS) ./deploy/tools/gotest $(if $(filter true,$(CI)),-strict) -- -race -shuffle=on ./...

check: tools build ## Format, vet (Linux and macOS), staticcheck, generated files, shipped pipelines.
	@CGO_ENABLED=$(CGO_ENABLED) GOFLAGS="$(GOFLAGS) $(BUILDFLAGS)" deploy/tools/check

tools: ## Install what the checks and tests need (deploy/tools/manifest.tsv).
	@deploy/tools/install test

bench: ## Measure and print throughput, overhead and start-up, beside the peers.
	@deploy/tools/install test && deploy/tools/install bench
	go test $(BUILDFLAGS) -tags bench,$(TAGS) -run TestBench -v -count=1 -p 1 -timeout 30m ./pipelines ./pipelines/nunjucks ./worker/queue/... ./modules/blob ./modules/blender ./modules/gltfpack ./modules/screenshot ./modules/stl2obj ./modules/zip ./cmd/millrace

soak: ## Torment 2,000 jobs (MILLRACE_SOAK_JOBS), send 100,000 messages (…_MESSAGES) over 10 minutes (…_TIME), and upload 5 GiB and 500 files at once.
	go test $(BUILDFLAGS) -tags soak,$(TAGS) -run TestSoak -v -count=1 -p 2 -timeout 30m ./worker/queue ./cmd/millrace/chaos
	MILLRACE_SOAK_UPLOAD=$$((5 << 30)) MILLRACE_SOAK_UPLOADS=500 go test $(BUILDFLAGS) -tags $(TAGS) -run TestUploadsAreNeverHeldInMemory -v -count=1 -timeout 15m ./worker/gateway

fuzz: ## Run every fuzz target for FUZZTIME (60s).
	@GOFLAGS="$(GOFLAGS) $(BUILDFLAGS)" deploy/tools/fuzz $(FUZZTIME)

gpu: ## Check a machine's GPU: its passport, that tasks and confined jobs see what they were leased, that failures are told, the encoder, inference, pictures.
	@$(MAKE) --no-print-directory build CGO_ENABLED=1
	bin/millrace gpu --require 1
	deploy/tools/install gpu
	MILLRACE_GPU=1 CGO_ENABLED=1 go test $(BUILDFLAGS) -run TestReal -v -count=1 ./modules/gpu ./modules/ffmpeg ./modules/imageinfer ./modules/renderer ./modules/screenshot ./worker/launch

image: ## Build the light and heavy images (CLASS=light: that one) with buildah, as root on Debian 12; pulls nothing.
	@VERSION='$(VERSION)' deploy/image/build $(or $(CLASS),light heavy)

e2e: ## Run the image (CLASS, light), scaled by KEDA, in a cluster that is built and started here, as root on Debian 12.
	MILLRACE_E2E_CLASS=$(or $(CLASS),light) go test $(BUILDFLAGS) -tags e2e,$(TAGS) -count=1 -v -timeout 90m ./deploy/e2e
