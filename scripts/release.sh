#!/usr/bin/env bash
# Releases all modules at one version. Without --execute it only says what it would do; it never pushes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=${1:-}
mode=${2:-}
if [[ ! $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ || ! $mode =~ ^(--execute)?$ ]]; then
	echo "usage: $0 vX.Y.Z [--execute]" >&2
	exit 2
fi

problems=()
[[ -z $(git status --porcelain) ]] || problems+=("the work tree has changes that are not committed")
grep -qF "## [${version#v}]" CHANGELOG.md || problems+=("CHANGELOG.md has no section \"## [${version#v}]\"")
tags=$(scripts/tags.sh "$version")
for tag in $tags; do
	! git rev-parse -q --verify "refs/tags/$tag" >/dev/null || problems+=("the tag $tag exists")
done

echo "tags:"
# shellcheck disable=SC2086 # one word per tag
printf "  %s\n" $tags
if ((${#problems[@]})); then
	printf 'not ready: %s\n' "${problems[@]}" >&2
	[[ -z $mode ]] || exit 1
fi
if [[ -z $mode ]]; then
	echo "dry run: nothing was changed; repeat with --execute to commit the requires and to tag"
	exit 0
fi

scripts/set-version.sh "$version"
git commit -a --allow-empty -m "Release $version"
for tag in $tags; do
	git tag -a "$tag" -m "$tag"
done
# shellcheck disable=SC2086 # one word per tag
echo "now: git push --atomic origin HEAD" $tags
