# The modules are not listed here: scripts/modules.sh finds the go.mod files, so that a new module is tested, linted and
# released without a change to this file.
LINT = $(CURDIR)/scripts/golangci-lint.sh

# Runs a command in each module, with the module alone as its consumers see it.
each = @set -e; dirs=$$(scripts/modules.sh all); for dir in $$dirs; do echo "== $$dir"; (cd $$dir && GOWORK=off $(1)); done

.PHONY: build test race vet lint fmt tidy fuzz node interop conformance bench consumer ci release-dry-run

build:
	$(call each,go build ./...)

test:
	go test work

race:
	go test -race work

vet:
	$(call each,go vet ./...)

lint:
	$(call each,$(LINT) run ./...)

fmt:
	gofmt -l -w .

tidy:
	$(call each,go mod tidy)

node:
	set -e; for lock in interop/*/package-lock.json; do npm ci --prefix $$(dirname $$lock) --ignore-scripts; done

interop: node
	cd interop && GOWORK=off go test -race -count=1 ./...

fuzz:
	scripts/fuzz.sh

# Writes docs/conformance.md from a run of the tests that it names.
conformance: node
	cd interop && GOWORK=off go test -count=1 -run '^TestConformance$$' . -update

bench:
	benchmarks/run.sh

consumer:
	scripts/consumer-check.sh

ci:
	bash .ci/run

# make release-dry-run VERSION=v0.1.0
release-dry-run:
	scripts/release.sh $(VERSION)
