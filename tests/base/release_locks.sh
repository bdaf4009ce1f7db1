#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a build without checks is made of names neither the checker nor a place for it to report.
found=$(nm "$@" | grep -E 'lock_(check|context|irqs|may|signalling|fault|place)')
[ -z "$found" ] || { echo "$found"; exit 1; }
nm "$@" | grep -q futex_lock_wait # or nothing was looked at
