/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/kernel/debug, as far as it is ours: what the kernel's own tests of fences open. */
#include "fence/sw_sync.h"
#include "file/sequence.h"
#include "machine/machine_priv.h"

/* With --kernel next each attachment tells its mapping types, too. */
static int bufinfo_print(void *priv, char **text, size_t *len)
{
	const struct machine *m = priv;

	return dma_buf_bufinfo(m->dma_bufs, m->next, text, len);
}

static int bufinfo_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	return sequence_open(bufinfo_print, priv, open_flags, out);
}

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
	dir = ns_make_path(m->ns, "/sys/kernel/debug/dma_buf", false);
	return dir && ns_file(m->ns, dir, "bufinfo", 0444, bufinfo_open, m) ? 0 : -ENOMEM;
}
