#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `barter rack`: rack.sh BARTER FOLDER. What is printed about each built-in rack must be what FOLDER/rack-NAME says.
# To write the files anew: UPDATE=1 rack.sh BARTER FOLDER.
barter=$1 folder=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
	echo "$*"
	failed=1
}

# The arguments, the exit status, and what standard error must contain.
refused() {
	expected=$1 text=$2
	shift 2
	"$barter" rack "$@" >"$work/out" 2>"$work/err"
	status=$?
	[ $status = "$expected" ] || fail "rack $*: exit status $status"
	[ -s "$work/out" ] && fail "rack $*: printed something"
	grep -qF "$text" "$work/err" || fail "rack $*: $(cat "$work/err")"
}

for name in $("$barter" rack list | cut -d' ' -f1); do
	"$barter" rack show "$name" >"$work/$name" || fail "rack show $name: exit status $?"
	grep -n '.\{101\}' "$work/$name" && fail "rack show $name: wider than 100 columns"
	if [ -n "$UPDATE" ]; then
		cp "$work/$name" "$folder/rack-$name"
	else
		diff -u "$folder/rack-$name" "$work/$name" || fail "rack show $name differs"
	fi
	"$barter" rack show --json "$name" >"$work/json" || fail "rack show --json $name: exit status $?"
	if command -v python3 >/dev/null; then
		python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); n = len([f for f in r["functions"] if
f["kind"] in ("gpu", "gpu-vf", "ioat", "memcard")]); assert len(r["peers"]) == n * (n - 1)' "$work/json" || fail "$name: bad JSON"
	fi
done

printf 'name: x\nbus:\n  - {model: memcard, sice: 4K}\n' >"$work/bad.yaml"
refused 1 "$work/bad.yaml:3:22: sice: is not a key here (did you mean \"size\"?)" show "$work/bad.yaml"
refused 1 'dmeo: there is no such rack or file (did you mean "demo"?)' show dmeo
refused 1 'Is a directory' show /
refused 2 'usage:' show
refused 2 'usage:' frobnicate
refused 2 'one too many' show demo eight
"$barter" rack --help | grep -q '^usage' || fail "rack --help"
exit $failed
