SHELL = /bin/bash
.SHELLFLAGS = -euo pipefail -c
.DELETE_ON_ERROR:

PACKAGES ?= ./...
FUZZTIME ?= 30s

tool = go tool -modfile=internal/tools/go.mod

.PHONY: run test growth proof proof-nfsstore check cross api fmt fuzz bench bench-balance bench-nfsstore bench-replica soak cover translations
run:
	go run ./cmd/remora-server serve --samples

# test is everything that can be checked on this machine. What it skips it prints, with the reason.
test: check
	go test -race -vet=off -timeout 10m -json $(PACKAGES) | go run ./internal/scripts/skips

# growth lets the library grow from one process to three machines, in network namespaces of this one,
# under load and with machines failing. It needs root; see docs/operations.md.
growth:
	examples/growth/prove.sh

# proof shows on real MariaDB servers that package replica loses nothing that was acknowledged; see
# docs/proof.md. ROUNDS=300 takes about 45 minutes.
ROUNDS ?= 20
PROOF ?=
proof:
	go build -o "$${TMPDIR:-/tmp}/beamrider-prove" ./internal/replicaproof/prove
	"$${TMPDIR:-/tmp}/beamrider-prove" -rounds $(ROUNDS) -commit "$$(git describe --always --dirty)" $(PROOF)

# proof-nfsstore cuts the power of file servers under writers: CUTS times at each place, and at those that
# must lose something; see docs/proof.md. It needs root and user-mode-linux.
CUTS ?= 10
proof-nfsstore:
	go run ./internal/nfsproof/prove -rounds $(CUTS) -commit "$$(git describe --always --dirty)" $(PROOF)

check: cross
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
		[ -z "$$files" ] || { echo "gofmt must run over:"; echo "$$files"; exit 1; } >&2
	go vet $(PACKAGES)
	go -C internal/peers vet ./...
	$(tool) staticcheck $(PACKAGES)

cross:
	for on in linux/arm linux/arm64 linux/386 darwin/arm64; do \
		CGO_ENABLED=0 GOOS=$${on%/*} GOARCH=$${on#*/} go build $(PACKAGES); done

# api writes down what the libraries export; look at the difference before it is committed.
api:
	go test ./internal/apitest -run TestAPI -update

# translations brings the pages' message catalogs up to date; see docs/translating.md.
translations:
	internal/scripts/translations

fmt:
	$(tool) gofumpt -w $$(git ls-files --cached --others --exclude-standard '*.go')

fuzz:
	FUZZTIME=$(FUZZTIME) internal/scripts/fuzz $(PACKAGES)

# bench prints medians of six runs with their spread; see docs/performance.md.
bench:
	internal/scripts/bench

# bench-balance measures the balancer beside the ones that are installed; see docs/balance-performance.md.
# BENCH_BALANCE="--only small --rounds 3" is a part of it.
bench-balance:
	go run ./internal/balancebench $(BENCH_BALANCE)

# bench-replica measures what routing to replicas costs and how long writes stop when the primary is lost; see
# docs/replica-performance.md. BENCH_REPLICA="--only failover --rounds 20" is a part of it.
bench-replica:
	go run ./internal/replicabench $(BENCH_REPLICA)

# bench-nfsstore measures the store and its NFS parts beside bare system calls, NFS-Ganesha and others, on one disk; see
# docs/nfsstore-performance.md. It needs root. BENCH_NFSSTORE="--only put --rounds 3" is a part of it.
bench-nfsstore:
	go run ./internal/nfsbench $(BENCH_NFSSTORE)

# soak does everything to the balancer at once, and looks whether it grows.
SOAK ?= 30m
soak:
	go run ./internal/balancebench soak --for $(SOAK)

cover:
	go test -coverprofile=cover.out $(PACKAGES)
	go tool cover -func=cover.out | tail -1
