#!/usr/bin/env bash
# Fuzzes every target of every module, one after the other, from the inputs that are committed; a target without any fails.
#
#   fuzz.sh [count]   of inputs for each target; 100000x unless told
#
# What it finds is written to testdata/fuzz, to be committed with the fix. A count and no time: before Go 1.27 the end of the
# time may be reported as a failure (go.dev/issue/75804).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
count=${1:-100000x}

root=$PWD
dirs=$(scripts/modules.sh work)
export GOWORK=off
found=0
for dir in $dirs; do
	cd "$root/$dir"
	packages=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
	for package in $packages; do
		listed=$(go test -list '^Fuzz' "$package") # and its last line
		for target in $(grep '^Fuzz' <<<"$listed"); do
			echo "== $package $target"
			corpus=$(go list -f '{{.Dir}}' "$package")/testdata/fuzz/$target
			[[ -d $corpus ]] || { echo "no committed inputs: $corpus" >&2; exit 1; }
			go test -run "^$target\$" -fuzz "^$target\$" -fuzztime "$count" "$package"
			found=$((found + 1))
		done
	done
done
((found > 0)) || { echo "no target was found" >&2; exit 1; }
echo "$found targets, $count each"
