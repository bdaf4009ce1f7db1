#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# soak_buffers.sh BARTER RACK PROGRAM: runs the program over the rack; of what it made nothing lives in the end.
set -u
report=$(mktemp) || exit 2
trap 'rm -f "$report"' EXIT
"$1" run --kernel next --rack "$2" --report "$report" -- "$3" || exit 1
grep '"name":"dma_buf",' "$report" >/dev/null || {
	echo "soak_buffers: the report does not know of buffers" >&2
	exit 1
}
left=$(grep '"live":' "$report" | grep -v '"live":0,')
[ -z "$left" ] || {
	printf 'soak_buffers: left behind:\n%s\n' "$left" >&2
	exit 1
}
