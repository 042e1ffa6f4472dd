# Packages under construction do not build yet: cmd/remora-server, remora/intake, remora/sugar and
# internal/backup wait for remora/xo and remora/sqlstore. They join PACKAGES as they become whole.
PACKAGES = . ./remora ./remora/search ./remora/live ./nfsstore ./examples/activities ./internal/sugarclient \
	./internal/site ./internal/durable ./internal/httpserver ./internal/progress ./internal/require

.PHONY: run test check bench
run:
	go run ./cmd/remora-server serve --samples
check:
	@test -z "$$(gofmt -l remora/*.go remora/search remora/live nfsstore internal | tee /dev/stderr)"
	go vet $(PACKAGES)
	GOARCH=arm GOOS=linux go build $(PACKAGES)
	GOARCH=arm64 GOOS=darwin go build $(PACKAGES)
test: check
	go test -race -timeout 10m $(PACKAGES)
bench:
	go test -run '^$$' -bench . $(PACKAGES)
