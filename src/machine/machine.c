/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "fence/sw_sync.h"
#include "machine/machine_priv.h"

static const struct lock_class machine_lock_class = {.name = "machine", .rank = LOCK_RANK_MACHINE};

static int functions_create(struct machine *m)
{
	struct pci_root *root = &m->rack->root;

	m->functions = calloc(root->nr_functions, sizeof(*m->functions));
	if (!m->functions)
		return -ENOMEM;
	for (size_t i = 0; i < root->nr_functions; i++) {
		m->functions[i].m = m;
		m->functions[i].fn = root->functions[i];
		m->functions[i].d3cold_allowed = 1;
		m->functions[i].msi_bus = 1;
		m->functions[i].numa_node = root->functions[i]->numa_node;
		m->functions[i].vf_autoprobe = true;
	}
	return 0;
}

/* Everything that programs can find, over a rack that is there. */
static int subsystems_create(struct machine *m)
{
	int err = functions_create(m);

	if (!err)
		err = drivers_create(m);
	if (!err)
		err = sysfs_create(m);
	if (!err)
		err = debugfs_create(m);
	if (!err)
		err = iommufd_register(m->ns, m->rack->space, m->trace, &m->iommufd);
	if (!err)
		err = heap_register(m->ns, m->rack->space, m->dma_bufs, &m->heaps);
	if (!err)
		err = sysfs_add_virtual(m);
	if (!err)
		err = drivers_bind_all(m);
	if (!err)
		err = sriov_set_at_boot(m);
	return err;
}

static void subsystems_destroy(struct machine *m)
{
	if (m->functions)
		drivers_unbind_all(m);
	if (m->heaps)
		heap_unregister(m->heaps);
	if (m->iommufd)
		iommufd_unregister(m->iommufd);
	sw_sync_destroy(m->sw_sync);
}

int machine_create(const struct rack_desc *desc, struct machine **out)
{
	struct machine *m = calloc(1, sizeof(*m));
	int err = -ENOMEM;

	if (!m)
		return -ENOMEM;
	mutex_init(&m->lock, &machine_lock_class);
	m->next = desc->next != 0;
	m->trace = trace_create(desc->trace_path != 0);
	if (!m->trace)
		goto undo_machine;
	m->dma_bufs = dma_buf_registry_create(m->trace);
	if (!m->dma_bufs)
		goto undo_trace;
	if (desc->patience_ms)
		dma_buf_registry_set_patience(m->dma_bufs, desc->patience_ms * 1000000ull);
	err = rack_create(desc, m->trace, &m->rack);
	if (err)
		goto undo_dma_bufs;
	err = -ENOMEM;
	m->ns = ns_create();
	if (!m->ns)
		goto undo_rack;
	err = subsystems_create(m);
	if (err)
		goto undo_ns;
	*out = m;
	return 0;

undo_ns:
	subsystems_destroy(m);
	ns_destroy(m->ns);
	drivers_destroy(m);
	free(m->functions);
undo_rack:
	rack_destroy(m->rack);
undo_dma_bufs:
	dma_buf_registry_destroy(m->dma_bufs);
undo_trace:
	trace_destroy(m->trace);
undo_machine:
	mutex_fini(&m->lock);
	free(m);
	return err;
}

void machine_destroy(struct machine *m)
{
	subsystems_destroy(m);
	ns_destroy(m->ns);
	drivers_destroy(m);
	free(m->functions);
	rack_destroy(m->rack);
	dma_buf_registry_destroy(m->dma_bufs);
	trace_destroy(m->trace);
	mutex_fini(&m->lock);
	free(m);
}
