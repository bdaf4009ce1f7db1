#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a caller of `barter run` sees: statuses, streams, signals, messages.
#   run.sh BARTER [STATIC-PROGRAM]
set -u
barter=$1
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
wrong=0

expect() { # WHAT EXPECTED GOT
	[ "$2" = "$3" ] && return
	echo "FAILED: $1: expected \"$2\", got \"$3\""
	wrong=1
}

expect_status() { # STATUS ARGUMENTS...
	status=$1
	shift
	"$barter" "$@" >"$dir/out" 2>"$dir/err" </dev/null
	expect "status of barter $*" "$status" $?
}

expect_message() { # TEXT: in the last command's standard error
	grep -qF -- "$1" "$dir/err" || {
		echo "FAILED: no \"$1\" in: $(cat "$dir/err")"
		wrong=1
	}
}

# The program's status.
expect_status 0 run -- true
expect_status 1 run false
expect_status 42 run -- sh -c 'exit 42'
expect_status 137 run -- sh -c 'kill -KILL $$'
expect_status 143 run -- sh -c 'kill -TERM $$'
expect 'silence' '' "$(cat "$dir/out" "$dir/err")"
expect_status 127 run -- "$dir/none"
expect_message "$dir/none: No such file or directory"
expect_status 126 run -- /etc/passwd
expect_message '/etc/passwd: Permission denied'

# Options that are not the program's.
expect_status 125 run
expect_message 'which program?'
expect_status 125 run --no-such-option -- true
expect_message 'no-such-option'
expect_status 125 run --kernel 2.6 -- true
expect_message '--kernel 2.6: must be 7.3 or next'
expect_status 0 run --kernel next -- true
expect_status 125 run --patience soon -- true
expect_message '--patience soon: must be a number of seconds'
expect_status 125 run --patience 0 -- true
expect_status 0 run --patience 0.5 -- true
expect_status 125 run --rack "$dir/none" -- true
expect_message "$dir/none"
expect_status 125 run -d 'no-such-model,key=1' -- true
expect_message 'no-such-model'
expect_status 125 run --trace "$dir/none/trace.json" -- true
expect_message "$dir/none/trace.json: No such file or directory"
expect_status 0 run echo --rack
expect 'options after the program are its own' '--rack' "$(cat "$dir/out")"
expect_status 2
expect_status 2 no-such-command
expect_message 'there is no command "no-such-command"'
expect_status 0 --help
expect_status 0 run --help
expect 'version' '{"version":' "$("$barter" --version --json | cut -c1-11)"

# Programs that the library cannot get into, also as a script's interpreter.
if [ $# -gt 1 ]; then
	expect_status 0 run "$2"
	expect_message "$2 sees this machine's devices, not the rack's: it is linked statically"
	printf '#!%s\n' "$2" >"$dir/script"
	chmod +x "$dir/script"
	expect_status 0 run "$dir/script"
	expect_message "$2 sees this machine's devices"
fi

# A bad rack: file, line, column.
printf 'name: bad\nno-such-key: 1\n' >"$dir/bad.yaml"
expect_status 125 run --rack "$dir/bad.yaml" -- true
expect_message "$dir/bad.yaml:2:1"

# Streams, and what the program finds open.
expect 'standard input' 'through' "$(echo through | "$barter" run -- cat)"
expect 'lowest free fd' 3 "$("$barter" run -- python3 -c 'import os; print(os.open("/", 0))' 3>&-)"
expect 'LD_PRELOAD is kept' "$dir/other.so" \
	"$(LD_PRELOAD=$dir/other.so "$barter" run -- sh -c 'echo "$LD_PRELOAD"' 2>/dev/null | cut -d: -f1)"

# Signals to the command reach the program, and its answer comes back.
"$barter" run -- sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done' >"$dir/out" &
pid=$!
for _ in $(seq 100); do
	grep -q ready "$dir/out" && break
	sleep 0.05
done
kill -USR1 $pid
wait $pid
expect 'a signal is passed on' 9 $?

exit $wrong
