/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows of VFs onto their PF's memory, and what changes them.
 *
 * A wish is noted under the PF's lock, where registers act, and carried out when no lock is held. Whoever carries one
 * out takes the VF's gate first and then looks what is wished now, so that of two the newer is shown whichever thread
 * comes first. Under the gate: shut and revoke for good, drain, take the old regions out of the physical space, put the
 * new ones in, open. No region is in use by then but by mappings that are dead, which do not look at it.
 *
 * The register store behind a wish may have trapped. Then its thread is in a signal handler, where nothing may
 * allocate, and importers of a VF's buffers free what they had: a thread of the PF's own carries the wish out, and the
 * store waits for that. The thread does nothing else, so what it waits for never waits for such a store: the gate,
 * fences, and stores to the VF's own registers.
 */
#include <string.h>

#include "base/thread.h"
#include "pci/pci_priv.h"

struct fragments {
	struct pci_fragment at[PCI_MAX_FRAGMENTS];
	size_t nr;
	uint64_t made; /* how many wishes there had been then */
};

/* This thread has, and has not seen to it. */
static _Thread_local bool has_wished __attribute__((tls_model("initial-exec")));

void pci_vf_set_window_locked(struct pci_function *pf, unsigned vf, const struct pci_fragment *fragments, size_t nr)
{
	struct pci_sriov *s = pf->sriov;

	mutex_assert_held(&pf->lock);
	if (vf >= s->total || nr > PCI_MAX_FRAGMENTS)
		return;
	if (nr)
		memcpy(s->wishes[vf].fragments, fragments, nr * sizeof(*fragments));
	s->wishes[vf].nr = nr;
	s->wishes[vf].made++;
	has_wished = true;
}

/* False: there is none that was not carried out. */
static bool wish_look(struct pci_function *pf, unsigned vf, struct fragments *out)
{
	const struct pci_wish *w = &pf->sriov->wishes[vf];
	bool is_open;

	mutex_lock(&pf->lock);
	is_open = w->made != w->done;
	out->made = w->made;
	out->nr = w->nr;
	memcpy(out->at, w->fragments, out->nr * sizeof(out->at[0]));
	mutex_unlock(&pf->lock);
	return is_open;
}

static void wish_done(struct pci_function *pf, unsigned vf, const struct fragments *f)
{
	mutex_lock(&pf->lock);
	pf->sriov->wishes[vf].done = f->made;
	mutex_unlock(&pf->lock);
}

/* A piece of the PF's BAR at `at` in the window. Pieces that do not fit are left out. */
static bool region_show(struct phys_region *r, const struct pci_bar *shows, const struct pci_fragment *f, uint64_t room)
{
	uint64_t offset;
	const struct phys_region *memory = pci_bar_region(shows, f->offset, &offset);

	if (!memory || memory->kind != PHYS_DEVICE || !f->len || f->len > room || f->len > memory->len - offset ||
	    !is_aligned(f->offset | f->len, BARTER_PAGE_SIZE))
		return false;
	r->kind = PHYS_DEVICE;
	r->len = f->len;
	r->host = atomic_load(&memory->host) + offset;
	r->fd = memory->fd;
	r->fd_offset = memory->fd_offset + offset;
	return true;
}

static void region_be_hole(struct phys_region *r, uint64_t len)
{
	r->kind = PHYS_HOLE;
	r->len = len;
	r->host = NULL;
	r->fd = -1;
	r->fd_offset = 0;
}

/* How many regions it has now. */
static size_t regions_build(struct pci_bar *bar, const struct fragments *f)
{
	uint64_t at = 0;
	size_t nr = 0;

	for (size_t i = 0; i < f->nr; i++) {
		if (!region_show(&bar->regions[nr], bar->shows, &f->at[i], bar->size - at))
			continue;
		bar->regions[nr].base = bar->base + at;
		at += bar->regions[nr++].len;
	}
	if (at < bar->size) {
		region_be_hole(&bar->regions[nr], bar->size - at);
		bar->regions[nr++].base = bar->base + at;
	}
	return nr;
}

static void nr_regions_set(struct pci_bar *bar, size_t nr)
{
	mutex_lock(&bar->fn->lock);
	bar->nr_regions = nr;
	mutex_unlock(&bar->fn->lock);
}

/* The gate is shut and drained. What there is no memory for is not there: DMA to it is an unsupported request. */
static void bar_change(struct pci_bar *bar, const struct fragments *f)
{
	struct phys_space *space = bar->fn->root->space;
	size_t nr = bar->nr_regions, nr_placed = 0;

	nr_regions_set(bar, 0);
	while (nr > 0)
		phys_remove(space, &bar->regions[--nr]);
	nr = regions_build(bar, f);
	while (nr_placed < nr && !phys_add_window(space, &bar->regions[nr_placed]))
		nr_placed++;
	nr_regions_set(bar, nr_placed);
}

static void window_apply(struct pci_function *pf, unsigned index)
{
	struct pci_function *vf = pf->sriov->vfs[index];
	struct fragments f;

	/* Whose slice nobody changes is not waited for: somebody else may have its gate for long. */
	if (!wish_look(pf, index, &f))
		return;
	mutex_lock(&vf->gate.lock);
	if (wish_look(pf, index, &f)) {
		gate_set_locked(&vf->gate, GATE_WINDOW);
		section_drain(vf->gate.sections);
		for (unsigned i = 0; i < PCI_NR_BARS; i++)
			if (vf->bars[i].shows)
				bar_change(&vf->bars[i], &f);
		gate_clear_locked(&vf->gate, GATE_WINDOW);
		wish_done(pf, index, &f);
	}
	mutex_unlock(&vf->gate.lock);
}

static void carry_out(struct pci_function *pf)
{
	for (unsigned i = 0; i < pf->sriov->total; i++)
		window_apply(pf, i);
}

void sriov_carry(struct work *w)
{
	/* A fault waits for it. */
	lock_fault_begin("a change of windows");
	carry_out(container_of(w, struct pci_sriov, carry)->pf);
	lock_fault_end();
}

/*
 * Who made no wish does not wait for another's: that one may wait in turn, under a gate, for the fence of a job which
 * the function has to do.
 */
void pci_sriov_apply(struct pci_function *pf)
{
	struct pci_sriov *s = pf->sriov;

	if (!s || likely(!has_wished))
		return;
	has_wished = false;
	if (!thread_in_handler) {
		carry_out(pf);
		return;
	}
	work_queue_add(s->carrier, &s->carry, 0);
	work_queue_flush(s->carrier);
}
