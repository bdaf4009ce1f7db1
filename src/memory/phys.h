/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rack's one 64-bit physical address space. What IO page tables point at, what a peer's DMA reaches.
 *
 * A region is a contiguous piece of it:
 *   PAGES      memory of a program, pinned (memory/pinned.h). Lives at or above PHYS_PAGES_BASE; the address means
 *              (object, offset) and never is a program's address.
 *   SYSTEM     memory of the emulated kernel's own (memory/system_memory.h). Above PHYS_PAGES_BASE, too.
 *   DEVICE     plain memory behind a BAR window, backed by a memfd.
 *   REGISTERS  a BAR window whose stores and loads go to a device model.
 *   HOLE       a BAR window with nothing behind it: reads all ones, drops stores.
 *
 * Who may include this: memory/, iommu/, pci/, device/, dmabuf/, heap/, dma/, iommufd/, vfio/, drm/ and the door's
 * task.
 *
 * Look-ups (phys_find) take no lock: they run inside a DMA section (memory/section.h) or while the caller keeps the
 * region alive. phys_remove() returns only after every section that could have seen the region has ended.
 */
#ifndef BARTER_MEMORY_PHYS_H
#define BARTER_MEMORY_PHYS_H

#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/types.h"

#define PHYS_PAGES_BASE (1ull << 63)

struct phys_space;
struct phys_region;
struct trace;

/* A piece of the space that belongs together: what a buffer's memory is listed in. */
struct phys_range {
	phys_t pa;
	uint64_t len;
};

enum phys_kind { PHYS_PAGES, PHYS_SYSTEM, PHYS_DEVICE, PHYS_REGISTERS, PHYS_HOLE };

/* Register windows. Called with no lock and outside any DMA section; len is 1, 2, 4 or 8 and offset is aligned to it.
 */
struct phys_register_ops {
	uint64_t (*read)(struct phys_region *r, uint64_t offset, unsigned len);
	void (*write)(struct phys_region *r, uint64_t offset, uint64_t value, unsigned len);
};

struct phys_region {
	enum phys_kind kind;
	phys_t base; /* immutable while in the space */
	uint64_t len;
	/* Host memory. PAGES: may be replaced while mapped, see pinned.h. Else a mapping of the file below.
	 */
	_Atomic(char *) host;
	/*
	 * SYSTEM, DEVICE, REGISTERS: what a program's mapping is made of. -1: nothing can be mapped; with ops the
	 * program's accesses are carried out one by one.
	 */
	int fd;
	uint64_t fd_offset;
	/* REGISTERS; SYSTEM that cannot be mapped */
	const struct phys_register_ops *ops;
	/* REGISTERS: each page polled (stores go to memory, the model looks) or trapped (stores are register actions).
	 * One bit a page, written under the function lock, read by the trap without one: a stale value only costs a
	 * trap.
	 */
	_Atomic uint64_t *polled_pages;
	void *owner; /* windows: the struct pci_bar. PAGES: the struct pinned. SYSTEM: struct system_memory. */
	/* Not of PAGES. Guards watchers; LOCK_RANK_REGISTER_PAGE. Initialised by phys_region_init(). */
	struct mutex watch_lock;
	struct list watchers; /* struct phys_watch */
};

/* Told when a register page changes between trapped and polled: a CPU mapping of it. Called under watch_lock. */
struct phys_watch {
	struct list node;
	void (*retrap)(struct phys_watch *w, uint64_t offset, uint64_t len);
};

void phys_region_init(struct phys_region *r, enum phys_kind kind, uint64_t len);
void phys_region_fini(struct phys_region *r);
void phys_watch_add(struct phys_region *r, struct phys_watch *w);
void phys_watch_remove(struct phys_region *r, struct phys_watch *w);
/* Caller holds the function lock. Switches the pages and tells the watchers; when it returns no store is missed. */
void phys_set_polled(struct phys_region *r, uint64_t offset, uint64_t len, bool polled);
bool phys_is_polled(const struct phys_region *r, uint64_t offset);

struct phys_space *phys_space_create(struct trace *trace);
void phys_space_destroy(struct phys_space *s);
struct trace *phys_space_trace(struct phys_space *s);

/* Places a PAGES or SYSTEM region at an address of the space's choice (r->base). Cheap: one per IOAS map. -ENOMEM. */
int phys_add_pages(struct phys_space *s, struct phys_region *r);
/* Places a window at r->base. -EEXIST when it overlaps another. */
int phys_add_window(struct phys_space *s, struct phys_region *r);
/*
 * Takes a region out. For a window it waits for every DMA section. For PAGES and SYSTEM the caller has unmapped it from
 * every domain and drained (memory/section.h) before, so nothing can look it up: no wait.
 */
void phys_remove(struct phys_space *s, struct phys_region *r);

/* The region that holds pa, or NULL. See above for who may call. */
struct phys_region *phys_find(struct phys_space *s, phys_t pa);

/* Engines publish here that they are inside a section; see memory/section.h. */
struct section_domain;
struct section_domain *phys_sections(struct phys_space *s);

/* What SYSTEM regions are cut from; see memory/system_memory.h. */
struct system_file;
struct system_file *phys_system_file(struct phys_space *s);

#endif
