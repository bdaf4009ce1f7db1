#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a shell session does in our tree: programs that it starts there find themselves where it is.
#   tests/e2e/shell.sh BARTER
set -eu
card=/sys/bus/pci/devices/0000:05:00.0
check() { # SAID EXPECTED
	[ "$1" = "$2" ] && return
	printf 'expected:\n%s\nsaid:\n%s\n' "$2" "$1"
	exit 1
}

said=$("$1" run -- sh -c "cd $card && cat vendor && env -u PWD cat vendor && readlink -f driver && ls -d device && cd .. && ls | wc -l &&
	cd /dev/vfio && ls -d devices/vfio0 && cd $card && { touch made 2>/dev/null || echo refused; }")
check "$said" '0x1af4
0x1af4
/sys/bus/pci/drivers/vfio-pci
device
13
devices/vfio0
refused'
[ ! -e /made ] || {
	echo 'a file was made in the directory that the kernel believes in'
	exit 1
}

# With a device open what it forks shares its rack: programs that read from a redirected attribute, subshells that write.
said=$("$1" run -- sh -c "exec 9<>/dev/vfio/devices/vfio0; cat <$card/class; (read v <$card/vendor; echo \$v)
	(echo first >$card/driver_override); read v <$card/driver_override; echo \$v
	{ echo second; } >$card/driver_override; (cat <$card/driver_override)")
check "$said" '0x050000
0x1af4
first
second'
