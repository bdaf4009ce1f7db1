/* SPDX-License-Identifier: BSD-3-Clause */
/* Paths without a machine behind them, for tests of the door's path half. */
#ifndef BARTER_TESTS_DOOR_FAKE_MACHINE_H
#define BARTER_TESTS_DOOR_FAKE_MACHINE_H

#include "file/ns.h"

/* Two functions on bus 1, their links, an iommu device and a vfio device; sets door.has_rack and the task's copies. */
void fake_machine_install(void);
/* Whether anybody has asked for the machine yet. */
extern int fake_machine_builds;
/* Files opened through /dev and not yet released. */
extern int fake_machine_open_files;

#endif
