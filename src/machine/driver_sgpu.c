/* SPDX-License-Identifier: BSD-3-Clause */
/* sgpu: the driver inside barter of the gpu, and what /sys shows of its render node. */
#include <stdio.h>

#include "drm/sgpu.h"
#include "machine/machine_priv.h"

static int sgpu_driver_probe(struct machine_function *mf)
{
	const struct sgpu_place place = {.ns = mf->m->ns, .dir = mf->dir, .minor = 128};

	return sgpu_probe(&place, mf->fn, mf->m->dma_bufs, mf->m->trace, (struct sgpu **)&mf->driver_data);
}

static void sgpu_driver_remove(struct machine_function *mf)
{
	sgpu_remove(mf->driver_data);
	mf->driver_data = NULL;
}

static int sgpu_driver_sriov_configure(struct machine_function *mf, unsigned nr)
{
	return sgpu_sriov_configure(mf->driver_data, nr);
}

static void sgpu_driver_reset_prepare(struct machine_function *mf)
{
	sgpu_reset_prepare(mf->driver_data);
}

static void sgpu_driver_reset_done(struct machine_function *mf)
{
	sgpu_reset_done(mf->driver_data);
}

const struct machine_driver_type sgpu_driver = {
	.name = "sgpu",
	.path = "/sys/bus/pci/drivers/sgpu",
	.module = "/sys/module/sgpu",
	.matches = sgpu_matches,
	.probe = sgpu_driver_probe,
	.remove = sgpu_driver_remove,
	.sriov_configure = sgpu_driver_sriov_configure,
	.reset_prepare = sgpu_driver_reset_prepare,
	.reset_done = sgpu_driver_reset_done,
};
