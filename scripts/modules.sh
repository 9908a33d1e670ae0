#!/usr/bin/env bash
# Prints the folders of this repository's modules, one per line, as the go.mod files and go.work have it.
#
#   all        every module
#   work       those of go.work
#   published  those of go.work that others can import, and that a release therefore tags
#   outside    those kept out of go.work, since they need more than Go or pull in much
#
# It fails rather than print an incomplete list, or none: whoever loops over it would skip what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

all() {
	find . \( -name node_modules -o -name testdata -o -name '.?*' \) -prune -o -name go.mod -print |
		sed -e 's|/go\.mod$||' -e 's|^\./||' | sort
}

work() {
	go work edit -json | sed -n 's/.*"DiskPath": "\(.*\)".*/\1/p' | sed 's|^\./||' | sort
}

# A module of programs and internal packages only is of no use to anybody's go.mod.
published() {
	local dir dirs packages
	dirs=$(work) || return
	for dir in $dirs; do
		packages=$(cd "$dir" && GOWORK=off go list -f '{{if and .GoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./...) || return
		if grep -qvE '(^|/)internal(/|$)|^$' <<<"$packages"; then
			echo "$dir"
		fi
	done
}

outside() {
	local every inside
	every=$(all) || return
	inside=$(work) || return
	comm -23 <(echo "$every") <(echo "$inside")
}

case "${1:-all}" in
all | work | published | outside) list=$("${1:-all}") ;;
*)
	echo "usage: $0 [all|work|published|outside]" >&2
	exit 2
	;;
esac
if [[ -z $list ]]; then
	echo "$0: no module found for \"${1:-all}\"" >&2
	exit 1
fi
echo "$list"
