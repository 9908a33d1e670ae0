#!/usr/bin/env bash
# Runs golangci-lint in the current folder, at the version below, built once from source and kept outside the repository.
set -euo pipefail
version=v2.15.0
bin=${XDG_CACHE_HOME:-$HOME/.cache}/smartauth-ci/golangci-lint-$version

if [[ ! -x $bin/golangci-lint ]]; then
	GOBIN=$bin GOFLAGS='' go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
fi
# One in another checkout uses the same cache: it is waited for.
[[ ${1:-} != run ]] || set -- "$@" --allow-serial-runners
exec "$bin/golangci-lint" "$@"
