/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/kernel/debug, as far as it is ours: what the kernel's own tests of fences open. */
#include "fence/sw_sync.h"
#include "machine/machine_priv.h"

int debugfs_create(struct machine *m)
{
	struct ns_node *dir;

	m->sw_sync = sw_sync_create();
	if (!m->sw_sync)
		return -ENOMEM;
	dir = ns_make_path(m->ns, "/sys/kernel/debug/sync", false);
	if (!dir || !ns_file(m->ns, dir, "info", 0444, sw_sync_open_info, m->sw_sync) ||
	    !ns_file(m->ns, dir, "sw_sync", 0644, sw_sync_open, m->sw_sync))
		return -ENOMEM;
	return 0;
}
