#!/usr/bin/env bash
# Prints the tags of a release: v1.2.3 for the root module, folder/v1.2.3 for the others (https://go.dev/ref/mod#vcs-version).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:?usage: $0 vX.Y.Z}

scripts/modules.sh published | while read -r dir; do
	if [[ $dir == . ]]; then echo "$version"; else echo "$dir/$version"; fi
done
