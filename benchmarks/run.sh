#!/usr/bin/env bash
# Runs the benchmarks and prints benchstat's tables with the peers as columns. The results stay in the file named at the end.
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
# look like a difference between them.
for ((i = 1; i <= rounds; i++)); do
	echo "round $i of $rounds" >&2
	"$dir/benchmarks" -test.run '^$' -test.bench '^Benchmark(TokenSerial|Transport|Resty|RetryableHTTP|Observed)$' -test.cpu 1
	"$dir/benchmarks" -test.run '^$' -test.bench '^BenchmarkTokenParallel$' -test.cpu 1,8
done >"$dir/results"

go run "$benchstat" -col /peer "$dir/results"
echo "results: $dir/results" >&2
