#!/usr/bin/env bash
# Runs the benchmarks, prints benchstat's tables with the peers as columns, and writes docs/benchmarks.md with its plots. The
# results stay in the folder named at the end; `go run ./report FOLDER` writes the document from them again.
#
#   run.sh [rounds]   10 unless told
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOWORK=off
rounds=${1:-10}
benchstat=golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

dir=$(mktemp -d)
go test -c -o "$dir/benchmarks" .

# Rounds and no -count: that would run a peer ten times before the next, and what else the machine does meanwhile would
# look like a difference between them. Each round begins with another peer.
bench() { "$dir/benchmarks" -first $((i - 1)) -test.run '^$' -test.benchtime 0.2s -test.bench "$@"; }
for ((i = 1; i <= rounds; i++)); do
	echo "round $i of $rounds" >&2
	bench '^Benchmark(TokenSerial|Transport|Resty|RetryableHTTP|Observed|Signature)$' -test.cpu 1
	bench '^BenchmarkTokenParallel$' -test.cpu 1,8
	bench '^BenchmarkColdHerd$' -test.cpu 2
done >"$dir/results"

# Three times, for the peers that are measured in real time.
"$dir/benchmarks" -test.v -test.count 3 -test.run '^Test(ColdHerd|HerdAgainst503|ExpiryCrossing|ShortTokens|Revocation|ForeignRedirect)$' >"$dir/scenarios" || {
	cat "$dir/scenarios" >&2
	exit 1
}

# In this order whoever is measured first, and without bytes and means over unlike benchmarks.
peers='/peer@(bare floor unobserved smartauth "smartauth+otel" noop sdk otelhttp oauth2 google aws)'
go run "$benchstat" -table .name -col "$peers" -filter '.unit:(sec/op OR allocs/op OR requests/op)' "$dir/results" |
	grep -v '^geomean' | tee "$dir/benchstat"
go run ./report "$dir"
echo "results: $dir" >&2
