/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slices of a BAR as a buffer: what an exported dma-buf and every mmap of a region stand on.
 *
 * The function's gate revokes and restores it; vfio/ never does. A buffer behind an exported fd holds the registration
 * of the device, not the file that it came from: it lives on, inert, after that file is gone. One behind a mapping
 * holds the file, because a mapping keeps a device open.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "file/kernel.h"
#include "dmabuf/type_iov.h"
#include "vfio/vfio_priv.h"

struct vfio_buffer {
	struct gate_client client;
	struct vfio_device *v;
	struct file *holder;
	struct dma_buf *buf;
	uint32_t memattr; /* of mmaps to come; buf->resv */
	struct dma_buf_phys_list list;
	struct dma_buf_sgt_exporter peer;
	/* Of a VF's window, as pieces of it: for the PF's driver. */
	struct dma_buf_iov_exporter window;
	struct dma_buf_iov_list iov;
	struct dma_buf_match offers[3];
	struct phys_range ranges[];
};

static void client_revoke(struct gate_client *c, bool for_good)
{
	struct vfio_buffer *vb = container_of(c, struct vfio_buffer, client);
	uint64_t start = trace_enabled(vb->v->trace) ? trace_now() : 0;

	dma_buf_revoke(vb->buf, for_good);
	if (start)
		trace_complete(vb->v->trace, TRACE_REVOKE, vb->v->fn->name, for_good ? "revoke for good" : "revoke",
			       start, "size=0x%llx", (unsigned long long)vb->buf->size);
}

static void client_restore(struct gate_client *c)
{
	dma_buf_restore(container_of(c, struct vfio_buffer, client)->buf);
}

static void client_settle(struct gate_client *c)
{
	struct vfio_buffer *vb = container_of(c, struct vfio_buffer, client);

	dma_buf_settle(vb->buf, vb->v->fn->name);
}

static const struct gate_client_ops client_ops = {
	.revoke = client_revoke, .settle = client_settle, .restore = client_restore};

static int buffer_map(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	struct vfio_buffer *vb = a->buf->priv;

	*list = &vb->list;
	return 0;
}

static const struct dma_buf_phys_list *buffer_layout(struct dma_buf *b)
{
	return &((struct vfio_buffer *)b->priv)->list;
}

/* After the gate's lock was held here no callback runs and none will. */
static void buffer_release(struct dma_buf *b)
{
	struct vfio_buffer *vb = b->priv;
	struct pci_gate *gate = &vb->v->fn->gate;

	mutex_lock(&gate->lock);
	pci_gate_remove_client_locked(gate, &vb->client);
	mutex_unlock(&gate->lock);
	vfio_device_put(vb->v);
	free((void *)vb->iov.ranges);
	free(vb);
}

static void mapping_gone(void *file)
{
	file_put(file);
}

/*
 * mmap of an exported buffer. Unlike one of a region it has no business with the device's file: it is made while the
 * memory is usable or not at all, and keeps the buffer. A read-only fd shares for reading, now and later.
 */
static int64_t buffer_mmap(struct dma_buf *b, struct task *t, const struct mmap_request *req)
{
	struct vfio_buffer *vb = b->priv;
	bool writable = (b->file->open_flags & O_ACCMODE) == O_RDWR;
	struct cpu_mapping_how how = {
		.space = vb->v->fn->root->space,
		.offset = req->offset,
		.denied_prot = PROT_EXEC | (writable ? 0 : PROT_WRITE),
		.usable_only = true,
		.on_gone = mapping_gone,
		.arg = b->file,
	};
	int64_t addr = kernel_check(t, NEXT_DMA_BUF_MMAP);

	if (addr)
		return addr;
	if ((req->flags & MAP_TYPE) == MAP_PRIVATE)
		return refuse(t->trace, -EINVAL, "mmap of a dma-buf of %s: it can only be mapped shared",
			      vb->v->fn->name);
	dma_buf_lock(b);
	how.write_combining = vb->memattr == VFIO_DMA_BUF_MEMATTR_WC;
	dma_buf_unlock(b);
	file_get(b->file);
	addr = cpu_mapping_create(b, t, req, &how);
	if (addr < 0)
		file_put(b->file);
	else
		trace_instant(t->trace, TRACE_MAP, vb->v->fn->name, "mmap of a dma-buf",
			      "offset=0x%llx len=0x%llx memattr=%s", (unsigned long long)req->offset,
			      (unsigned long long)req->len, how.write_combining ? "write-combining" : "non-cached");
	return addr;
}

static int buffer_map_iov(struct dma_buf_attachment *a, const struct dma_buf_iov_list **list)
{
	struct vfio_buffer *vb = a->buf->priv;

	*list = &vb->iov;
	return 0;
}

static const struct dma_buf_iov_ops iov_ops = {.map = buffer_map_iov};
static const struct dma_buf_phys_ops phys_ops = {.map = buffer_map};

static const struct dma_buf_ops buffer_ops = {
	.name = "vfio_pci_core",
	.may_revoke = true,
	.layout = buffer_layout,
	.mmap = buffer_mmap,
	.release = buffer_release,
};

/* Where the ranges lie in the window, which is all that a PF's driver needs to find its own memory. */
static int buffer_describe_iov(struct vfio_buffer *vb, const struct pci_bar *bar)
{
	struct dma_buf_iov_range *ranges = calloc(vb->list.nr_ranges, sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	for (size_t i = 0; i < vb->list.nr_ranges; i++)
		ranges[i] = (struct dma_buf_iov_range){vb->ranges[i].pa - bar->base, vb->ranges[i].len};
	vb->iov = (struct dma_buf_iov_list){.ranges = ranges, .nr_ranges = vb->list.nr_ranges};
	vb->window = (struct dma_buf_iov_exporter){.vf = vb->v->fn, .pf = pci_physfn(vb->v->fn), .bar = bar->index};
	return 0;
}

static void buffer_offer(struct vfio_buffer *vb)
{
	size_t nr = 0;

	vb->peer.provider = vb->v->fn;
	if (vb->iov.nr_ranges)
		vb->offers[nr++] = (struct dma_buf_match){&dma_buf_type_iov, &iov_ops, &vb->window};
	vb->offers[nr++] = (struct dma_buf_match){.type = &dma_buf_type_phys, .ops = &phys_ops};
	vb->offers[nr++] = (struct dma_buf_match){&dma_buf_type_sgt, &dma_buf_sgt_of_layout, &vb->peer};
	vb->buf->offers = vb->offers;
	vb->buf->nr_offers = nr;
}

int vfio_buffer_create(struct vfio_device *v, const struct pci_bar *bar, const struct vfio_region_dma_range *ranges,
		       size_t nr, int open_flags, struct file *holder, bool iov, struct vfio_buffer **out)
{
	struct vfio_buffer *vb = calloc(1, sizeof(*vb) + nr * sizeof(vb->ranges[0]));
	uint64_t size = 0;
	int err;

	if (!vb)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		vb->ranges[i] = (struct phys_range){.pa = bar->base + ranges[i].offset, .len = ranges[i].length};
		size += ranges[i].length;
	}
	vb->client.ops = &client_ops;
	list_init(&vb->client.node);
	vb->list = (struct dma_buf_phys_list){.ranges = vb->ranges, .nr_ranges = nr, .provider = v->fn};
	vb->v = v;
	err = iov && bar->shows ? buffer_describe_iov(vb, bar) : 0;
	if (!err)
		err = dma_buf_create(&buffer_ops, vb, size, open_flags, !holder, v->dma_bufs, &vb->buf);
	if (err) {
		free((void *)vb->iov.ranges);
		free(vb);
		return err;
	}
	buffer_offer(vb);
	vfio_device_get(v);
	vb->holder = holder ? file_get(holder) : NULL;
	*out = vb;
	return 0;
}

struct dma_buf *vfio_buffer_dma_buf(struct vfio_buffer *vb)
{
	return vb->buf;
}

struct vfio_buffer *vfio_buffer_of(struct dma_buf *b, const struct vfio_device *v)
{
	struct vfio_buffer *vb = b->ops == &buffer_ops ? b->priv : NULL;

	return vb && vb->v == v ? vb : NULL;
}

bool vfio_buffer_revoke(struct vfio_buffer *vb)
{
	return pci_gate_revoke_client(&vb->v->fn->gate, &vb->client);
}

bool vfio_buffer_set_memattr(struct vfio_buffer *vb, uint32_t memattr)
{
	bool there;

	dma_buf_lock(vb->buf);
	there = vb->buf->state != DMA_BUF_REVOKED_FOR_GOOD;
	if (there)
		vb->memattr = memattr;
	dma_buf_unlock(vb->buf);
	return there;
}

int vfio_buffer_publish(struct vfio_buffer *vb)
{
	struct pci_gate *gate = &vb->v->fn->gate;
	int err = 0;

	mutex_lock(&gate->lock);
	/* A virtual function that is away while its physical one is reset comes back: the buffer waits for that. */
	if (gate->reasons & (GATE_CLOSED | GATE_GONE)) {
		err = -ENODEV;
	} else {
		if (!pci_gate_is_open(gate))
			dma_buf_revoke(vb->buf, false);
		pci_gate_add_client_locked(gate, &vb->client);
	}
	mutex_unlock(&gate->lock);
	return err;
}

void vfio_buffer_drop(void *arg)
{
	struct vfio_buffer *vb = arg;
	struct file *holder = vb->holder;

	dma_buf_destroy(vb->buf);
	file_put(holder);
}
