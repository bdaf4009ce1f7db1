/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call goes through its range in steps. A step is one section: is this run still wanted, may the function ask at
 * all, where does the address lead, move the bytes. Memory is copied there and then. Registers are not: a model may
 * take locks and wait, so the step ends and the access follows it.
 */
#include "pci/dma.h"

#include <string.h>

#include "base/trace.h"
#include "memory/pinned.h"
#include "pci/dma_target.h"
#include "pci/topology.h"

int dma_port_init(struct dma_port *p, struct pci_function *fn)
{
	*p = (struct dma_port){.fn = fn};
	p->iotlb = iotlb_create();
	if (!p->iotlb)
		return -ENOMEM;
	section_port_init(&p->section, phys_sections(fn->root->space));
	return 0;
}

void dma_port_fini(struct dma_port *p)
{
	section_port_fini(&p->section);
	iotlb_destroy(p->iotlb);
}

void dma_port_cancel(struct dma_port *p)
{
	atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
}

const char *dma_status_name(enum dma_status s)
{
	static const char *const names[] = {
		[DMA_OK] = "ok",
		[DMA_FAULT] = "IOMMU fault",
		[DMA_UNSUPPORTED] = "unsupported request",
		[DMA_NO_MASTER] = "bus mastering is off",
		[DMA_CANCELLED] = "cancelled",
	};
	return names[s];
}

/* Opens a section if the step may go ahead; on failure none is open. */
static enum dma_status step_begin(struct dma_port *p, uint32_t run)
{
	enum dma_status status = DMA_OK;

	section_enter(&p->section);
	if (atomic_load_explicit(&p->generation, memory_order_acquire) != run)
		status = DMA_CANCELLED;
	else if (!atomic_load_explicit(&p->fn->bus_master, memory_order_acquire))
		status = DMA_NO_MASTER;
	if (status != DMA_OK)
		section_leave(&p->section);
	return status;
}

/* The section has ended, and the port's thread holds nothing. Two rules, so that a lasting one is not lost in the
 * other. */
static void report_unsupported(struct dma_port *p, iova_t iova, uint64_t len, bool write, const struct dma_target *t)
{
	struct trace *trace = p->fn->root->trace;
	const char *what = write ? "write" : "read", *name = p->fn->name;
	unsigned long long address = iova;

	trace_instant(trace, TRACE_FAULT, name, "unsupported request", "%s, iova 0x%llx: %s", what, address, t->rule);
	if (t->no_route)
		refuse(trace, -EREMOTEIO, "DMA: %s by %s at iova 0x%llx has no route: %s", what, name, address,
		       t->rule);
	else
		refuse(trace, -EREMOTEIO, "DMA: %s by %s at iova 0x%llx reaches nobody: %s", what, name, address,
		       t->rule);
	pci_error_unsupported(&(struct pci_error){p->fn, t->completer, iova, len, write});
}

static enum dma_status step_end(struct dma_port *p, enum dma_status status, iova_t iova, uint64_t len, bool write,
				const struct dma_target *t)
{
	section_leave(&p->section);
	if (status == DMA_UNSUPPORTED)
		report_unsupported(p, iova, len, write, t);
	return status;
}

static enum dma_status memory_gone(struct dma_port *p, iova_t iova, bool write)
{
	iommu_report_fault(p->fn->iommu.unit, &(struct iommu_fault){.time_ns = trace_now(),
								    .requester = p->fn->iommu.id,
								    .iova = iova,
								    .write = write,
								    .reason = "the program's memory is gone"});
	return DMA_FAULT;
}

/* Inside the section: the program's pages were on their way to another place. The step is done again from there. */
static bool was_moved(const struct dma_target *t)
{
	return t->region->kind == PHYS_PAGES && pinned_was_moved(t->region->owner, t->moves);
}

/* One step between a port's own buffer and an address. */
struct transfer {
	iova_t iova;
	char *buf;
	uint64_t len;
	bool write;
};

static size_t copy_memory(const struct transfer *x, char *host, size_t len)
{
	uint64_t value = 0;

	/* A completion or a doorbell is one store: nobody sees half of it. */
	if (len == x->len && (len == 4 || len == 8) && is_aligned((uintptr_t)host, len)) {
		if (x->write) {
			memcpy(&value, x->buf, len);
			return copy_store_guarded(host, len, value) ? 0 : len;
		}
		if (!copy_load_guarded(host, len, &value))
			return len;
		memcpy(x->buf, &value, len);
		return 0;
	}
	return x->write ? copy_guarded(host, x->buf, len) : copy_guarded(x->buf, host, len);
}

static size_t copy_protected(const struct transfer *x, const struct dma_target *t)
{
	struct task *task = ((struct pinned *)t->region->owner)->task;

	if (!task->ops->protected_access || task->ops->protected_access(task, t->host, x->buf, t->len, x->write))
		return t->len;
	return 0;
}

/* Bytes that were not moved. */
static size_t transfer_in_section(const struct transfer *x, const struct dma_target *t)
{
	switch (t->kind) {
	case DMA_TO_MEMORY:
		return copy_memory(x, t->host, t->len);
	case DMA_TO_PROTECTED:
		return copy_protected(x, t);
	case DMA_TO_HOLE:
		if (!x->write)
			memset(x->buf, 0xff, t->len);
		return 0;
	default:
		return 0;
	}
}

/* The largest access that the alignment allows. */
static unsigned access_len(uint64_t offset, uint64_t len)
{
	unsigned size = 8;

	while (size > len || !is_aligned(offset, size))
		size /= 2;
	return size;
}

static void access_registers(const struct transfer *x, const struct dma_target *t)
{
	struct phys_region *r = t->region;

	for (uint64_t done = 0; done < t->len;) {
		unsigned size = access_len(t->offset + done, t->len - done);
		uint64_t value = 0;
		if (x->write) {
			memcpy(&value, x->buf + done, size);
			r->ops->write(r, t->offset + done, value, size);
		} else {
			value = r->ops->read(r, t->offset + done, size);
			memcpy(x->buf + done, &value, size);
		}
		done += size;
	}
}

static enum dma_status transfer_step(struct dma_port *p, uint32_t run, const struct transfer *x, size_t *moved)
{
	uint64_t want = MIN(x->len, (uint64_t)SECTION_MAX_BYTES);
	struct dma_target t;
	bool again = false;
	size_t left = 0;

	*moved = 0;
	enum dma_status status = step_begin(p, run);
	if (status != DMA_OK)
		return status;
	status = dma_resolve(p, x->iova, want, x->write ? IOMMU_WRITE : IOMMU_READ, &t);
	if (status == DMA_OK)
		left = transfer_in_section(x, &t);
	if (left)
		again = was_moved(&t);
	status = step_end(p, status, x->iova, want, x->write, &t);
	if (status != DMA_OK)
		return status;
	if (t.kind == DMA_TO_REGISTERS)
		access_registers(x, &t);
	*moved = t.len - left;
	return left && !again ? memory_gone(p, x->iova + *moved, x->write) : DMA_OK;
}

static enum dma_status transfer(struct dma_port *p, uint32_t run, struct transfer x, size_t *done)
{
	enum dma_status status = DMA_OK;
	size_t total = 0, moved;

	while (x.len && status == DMA_OK) {
		status = transfer_step(p, run, &x, &moved);
		x.iova += moved;
		x.buf += moved;
		x.len -= moved;
		total += moved;
	}
	if (done)
		*done = total;
	return status;
}

enum dma_status dma_read(struct dma_port *p, uint32_t run, iova_t src, void *dst, size_t len, size_t *done)
{
	return transfer(p, run, (struct transfer){src, dst, len, false}, done);
}

enum dma_status dma_write(struct dma_port *p, uint32_t run, iova_t dst, const void *src, size_t len, size_t *done)
{
	return transfer(p, run, (struct transfer){dst, (char *)src, len, true}, done);
}

/* For sources and targets that are not plain memory: through a buffer, each side in steps of its own. */
static enum dma_status copy_bounced(struct dma_port *p, uint32_t run, iova_t dst, iova_t src, size_t len, size_t *moved)
{
	char buf[512];
	size_t read = 0;

	*moved = 0;
	p->failed_write = false;
	enum dma_status status = dma_read(p, run, src, buf, MIN(len, sizeof(buf)), &read);
	if (read == 0)
		return status;
	enum dma_status written = dma_write(p, run, dst, buf, read, moved);
	if (written == DMA_OK)
		return status;
	p->failed_write = true;
	return written;
}

/* Which side of a copy that stopped short was it? */
static bool readable(const char *host)
{
	char byte;
	return copy_guarded(&byte, host, 1) == 0;
}

static size_t copy_memories(struct dma_port *p, const struct dma_target *to, const struct dma_target *from, size_t len)
{
	size_t left = copy_history_streams(&p->history, to->host, len) ? copy_guarded_stream(to->host, from->host, len)
								       : copy_guarded(to->host, from->host, len);
	if (left)
		p->failed_write = readable(from->host + (len - left));
	return left;
}

static enum dma_status copy_step(struct dma_port *p, uint32_t run, iova_t dst, iova_t src, size_t len, size_t *moved)
{
	struct dma_target from, to;
	bool again = false;
	size_t left = 0;

	*moved = 0;
	p->failed_write = false;
	enum dma_status status = step_begin(p, run);
	if (status != DMA_OK)
		return status;
	status = dma_resolve(p, src, MIN(len, (size_t)SECTION_MAX_BYTES), IOMMU_READ, &from);
	if (status != DMA_OK)
		return step_end(p, status, src, len, false, &from);
	status = dma_resolve(p, dst, from.len, IOMMU_WRITE, &to);
	if (status != DMA_OK) {
		p->failed_write = true;
		return step_end(p, status, dst, len, true, &to);
	}
	bool direct = from.kind == DMA_TO_MEMORY && to.kind == DMA_TO_MEMORY;
	if (direct)
		left = copy_memories(p, &to, &from, to.len);
	if (left)
		again = was_moved(p->failed_write ? &to : &from);
	section_leave(&p->section);
	if (!direct)
		return copy_bounced(p, run, dst, src, to.len, moved);
	*moved = to.len - left;
	if (!left || again)
		return DMA_OK;
	return memory_gone(p, (p->failed_write ? dst : src) + *moved, p->failed_write);
}

enum dma_status dma_copy(struct dma_port *p, uint32_t run, iova_t dst, iova_t src, size_t len, size_t *done)
{
	enum dma_status status = DMA_OK;
	size_t total = 0, moved;

	while (total < len && status == DMA_OK) {
		status = copy_step(p, run, dst + total, src + total, len - total, &moved);
		total += moved;
	}
	if (done)
		*done = total;
	return status;
}
