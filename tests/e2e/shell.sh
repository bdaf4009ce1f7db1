#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a shell session does in our tree: programs that it starts there find themselves where it is.
#   tests/e2e/shell.sh BARTER
set -eu
card=/sys/bus/pci/devices/0000:05:00.0
said=$("$1" run -- sh -c "cd $card && cat vendor && readlink -f driver && ls -d device && cd .. && ls | wc -l &&
	cd /dev/vfio && ls -d devices/vfio0 && cd $card && { touch made 2>/dev/null || echo refused; }")
expected='0x1af4
/sys/bus/pci/drivers/vfio-pci
device
13
devices/vfio0
refused'
[ "$said" = "$expected" ] || {
	printf 'expected:\n%s\nsaid:\n%s\n' "$expected" "$said"
	exit 1
}
[ ! -e /made ] || {
	echo 'a file was made in the directory that the kernel believes in'
	exit 1
}
