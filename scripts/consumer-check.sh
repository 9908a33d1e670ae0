#!/usr/bin/env bash
# Builds a program against this repository as if it had been released, without go.work and without any replace: a throwaway
# copy of the work tree gets a release's commit and tags, and git is told to read that copy in place of the real host.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=v0.0.1 # lower than any in the go.mod files, so that a require that set-version.sh leaves behind wins and is missed
root=$(sed -n 's/^module //p' go.mod)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir "$tmp/release" "$tmp/consumer" "$tmp/objects"
( # with an index and an object store of its own: a file not meant for the repository must not get into the user's
	objects=$(git rev-parse --path-format=absolute --git-path objects)
	export GIT_INDEX_FILE=$tmp/index GIT_OBJECT_DIRECTORY=$tmp/objects GIT_ALTERNATE_OBJECT_DIRECTORIES=$objects
	git add --all
	tree=$(git write-tree)
	git archive "$tree" | tar -x -C "$tmp/release"
)

cat >"$tmp/gitconfig" <<EOF
[user]
	name = consumer-check
	email = consumer-check@localhost
[init]
	defaultBranch = main
[url "file://$tmp/release"]
	insteadOf = https://$root
EOF
export GIT_CONFIG_GLOBAL=$tmp/gitconfig

cd "$tmp/release"
scripts/set-version.sh "$version"
tags=$(scripts/tags.sh "$version")
git init --quiet
git add --all
git commit --quiet -m "Release $version"
for tag in $tags; do git tag "$tag"; done
echo "tags: $tags" | tr '\n' ' '
echo

# All that others may import, so that no package is forgotten here.
published=$(scripts/modules.sh published)
packages=
for dir in $published; do
	listed=$(cd "$dir" && GOWORK=off go list -f '{{if and .GoFiles (ne .Name "main")}}{{.ImportPath}}{{end}}' ./...)
	packages+=" $(grep -vE '/internal(/|$)|^$' <<<"$listed")"
done

# Third-party modules come from the proxy that the environment names, ours straight from git. A cache of its own, or the next
# run would find today's copy of the version.
export GOWORK=off GOPRIVATE=$root GONOPROXY=$root GONOSUMDB=$root
export GOMODCACHE=$tmp/modcache GOFLAGS="${GOFLAGS:-} -modcacherw"

cd "$tmp/consumer"
go mod init consumer.test >/dev/null 2>&1
for dir in $published; do
	go mod edit -require="$(sed -n 's/^module //p' "$tmp/release/$dir/go.mod")@$version"
done
{
	echo 'package main'
	echo 'import ('
	# shellcheck disable=SC2086 # one word per package
	printf '\t_ "%s"\n' $packages
	echo ')'
} >packages.go
cat >main.go <<EOF
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log"

	smarthttp "$root/adapters/nethttp"
	smartauth "$root/core"
)

func main() {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := smartauth.NewSigner(key, "")
	if err != nil {
		log.Fatal(err)
	}
	src, err := smartauth.New(smartauth.Config{BaseURL: "https://fhir.example.nl/fhir", ClientID: "app", Signer: signer})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("a %T, from the published modules\n", smarthttp.NewClient(src, nil))
}
EOF
go mod tidy
go vet ./...
go run .
if grep -n replace go.mod; then
	echo "the consumer's go.mod has a replace" >&2
	exit 1
fi
go list -m all | grep "^$root"
