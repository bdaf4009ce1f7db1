/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA sections: how unmap and revoke know that no DMA which saw the old translation still moves.
 *
 * Every thread that moves data for a device owns a port. It opens a section before it looks at a translation and closes
 * it after the bytes have moved: one store (and a fence) a chunk of at most SECTION_MAX_BYTES. section_drain() returns
 * when every section that was open when it was called has ended. It is the only wait that unmap, revoke, reset and the
 * reuse of table memory need.
 *
 * Rules
 *  - Inside a section: no lock, no wait, no call into a model, no page fault that waits for another thread of ours.
 *  - A thread inside a section must not call section_drain().
 *  - section_drain() may be called under any lock, for a section takes none.
 *
 * Who may include this: memory/, iommu/, pci/, device/, dmabuf/, iommufd/, the door's task.
 */
#ifndef BARTER_MEMORY_SECTION_H
#define BARTER_MEMORY_SECTION_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/types.h"

#define SECTION_MAX_BYTES (64u << 10)

struct section_domain;

struct section_port {
	struct section_domain *domain;
	struct list node; /* guarded by the domain's lock */
	/* 0: outside. Otherwise the domain's generation when the section was opened. Own cache line. */
	_Alignas(64) _Atomic uint64_t inside;
};

struct section_domain *section_domain_create(void);
void section_domain_destroy(struct section_domain *d);

void section_port_init(struct section_port *p, struct section_domain *d);
void section_port_fini(struct section_port *p);

void section_enter(struct section_port *p);
void section_leave(struct section_port *p);

/* Waits for the sections open now. Counts itself: section_drains() lets a test and the bench see "one drain in all". */
void section_drain(struct section_domain *d);
uint64_t section_drains(const struct section_domain *d);

/*
 * For memory that need not be freed at once: after it was unlinked section_stamp() says which drain to wait for, and
 * section_passed() whether someone's drain has since come by. Neither waits.
 */
uint64_t section_stamp(struct section_domain *d);
bool section_passed(const struct section_domain *d, uint64_t stamp);

#endif
