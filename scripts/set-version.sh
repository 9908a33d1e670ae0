#!/usr/bin/env bash
# Lets every module of this repository require the others at one version. The replace lines stay: they are for work inside
# the repository, and whoever imports a module ignores them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:?usage: $0 vX.Y.Z}
root=$(sed -n 's/^module //p' go.mod)

scripts/modules.sh all | while read -r dir; do
	required=$(go mod edit -json "$dir/go.mod" | sed -n '/"Require"/,/\]/s/.*"Path": "\(.*\)".*/\1/p')
	for path in $required; do
		if [[ $path == "$root" || $path == "$root"/* ]]; then
			go mod edit -require="$path@$version" "$dir/go.mod"
		fi
	done
done

# What the modules say of themselves.
sed -i.bak "s/^const version = \".*\"/const version = \"${version#v}\"/" otel/version.go && rm otel/version.go.bak
