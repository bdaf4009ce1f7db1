/* SPDX-License-Identifier: BSD-3-Clause */
/* sgpu: the driver inside barter of the gpu, and what /sys shows of its render node. */
#include <stdio.h>

#include "drm/sgpu.h"
#include "machine/machine_priv.h"

enum { FIRST_RENDER_MINOR = 128 };

/* The lowest that no other gpu has. */
static unsigned free_minor(const struct machine *m)
{
	for (unsigned minor = FIRST_RENDER_MINOR;; minor++) {
		bool taken = false;

		for (size_t i = 0; i < m->rack->root.nr_functions; i++)
			if (m->functions[i].driver && m->functions[i].driver->type == &sgpu_driver)
				taken |= m->functions[i].render_minor == minor;
		if (!taken)
			return minor;
	}
}

static int sgpu_driver_probe(struct machine_function *mf)
{
	struct machine *m = mf->m;
	const struct sgpu_place place = {.ns = m->ns, .dir = mf->dir, .minor = free_minor(m)};

	mf->render_minor = place.minor;
	return sgpu_probe(&place, mf->fn, m->dma_bufs, m->trace, (struct sgpu **)&mf->driver_data);
}

static void sgpu_driver_remove(struct machine_function *mf)
{
	sgpu_remove(mf->driver_data);
}

static int sgpu_driver_sriov_configure(struct machine_function *mf, unsigned nr)
{
	return sgpu_sriov_configure(mf->driver_data, nr);
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
	.reset_done = sgpu_driver_reset_done,
};
