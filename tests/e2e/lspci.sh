#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What Debian's lspci prints over rack demo, and of a gpu with two virtual functions: lspci.sh BARTER FOLDER. The tree and the bytes of config space must be those
# in FOLDER; the decoded text too, where lspci is of the version that wrote it. Lines that differ are printed.
# To write the files anew: UPDATE=1 lspci.sh BARTER FOLDER.
barter=$1 folder=$2
command -v lspci >/dev/null || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

run() {
	name=$1
	shift
	# shellcheck disable=SC2086
	"$barter" run $rack -- lspci "$@" >"$work/$name" 2>"$work/errors" || exit 1
	# Most of config space is zero; what is not must be where it was.
	sed -i '/^[0-9a-f]*:\( 00\)*$/d' "$work/$name"
	# Without kernel modules on the machine lspci says so.
	if grep -v 'libkmod' "$work/errors"; then
		echo "lspci $* complained"
		exit 1
	fi
	if [ -n "$UPDATE" ]; then
		cp "$work/$name" "$folder/$name"
	elif ! diff -u "$folder/$name" "$work/$name"; then
		echo "lspci $* differs"
		exit 1
	fi
}

rack="--rack demo"
run lspci-tree -n -t
run lspci-bytes -n -xxxx
if [ "$(lspci --version)" = "lspci version 3.9.0" ]; then
	run lspci-text -n -vvv
fi
rack="--rack gpu -d gpu,enabled_vfs=2"
run lspci-gpu-bytes -n -s 03:00 -xxxx
if [ "$(lspci --version)" = "lspci version 3.9.0" ]; then
	run lspci-gpu-text -n -s 03:00 -vvv
fi
