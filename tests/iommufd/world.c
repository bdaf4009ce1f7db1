/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommufd/world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "file/ns.h"

static const struct iommu_geometry geometry = {
	.aperture_last = (1ull << 48) - 1,
	.msi_start = 0xfee00000,
	.msi_last = 0xfeefffff,
	.page_sizes = 1u << 12 | 1u << 21 | 1u << 30,
};

static void card_create(struct world *w)
{
	struct world_card *c = &w->card;
	char *memory = mmap(NULL, WORLD_WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	phys_region_init(&c->window, PHYS_DEVICE, WORLD_WINDOW);
	c->window.base = 1ull << 40;
	c->window.host = memory;
	c->window.fd = -1;
	assert_int_equal(phys_add_window(w->space, &c->window), 0);
	pci_gate_init(&c->gate, phys_sections(w->space), 0);
}

static void card_destroy(struct world *w)
{
	struct world_card *c = &w->card;

	phys_remove(w->space, &c->window);
	munmap(c->window.host, WORLD_WINDOW);
	phys_region_fini(&c->window);
	pci_gate_fini(&c->gate);
}

int world_open_iommu(struct world *w)
{
	struct ns_node *dev = ns_lookup(w->ns, ns_root(w->ns), "dev", 3), *node = ns_lookup(w->ns, dev, "iommu", 5);
	struct file *f;

	assert_int_equal(ns_open(node, fake_task(w->fake), O_RDWR, &f), 0);
	ns_put(node);
	ns_put(dev);
	return fake_task_install(w->fake, f);
}

void world_create(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->space = phys_space_create(NULL);
	for (int i = 0; i < 2; i++)
		w->units[i] = iommu_unit_create(w->space, i ? "iommu1" : "iommu0", &geometry);
	w->fake = fake_task_create();
	w->ns = ns_create();
	assert_int_equal(iommufd_register(w->ns, w->space, NULL, &w->system), 0);
	for (int i = 0; i < WORLD_FUNCTIONS; i++) {
		struct pci_function *fn = &w->devices[i].fn;

		fn->root = &w->root;
		fn->iommu_group = (unsigned)i;
		snprintf(fn->name, sizeof(fn->name), "0000:0%d:00.0", i + 1);
		iommu_requester_init(&fn->iommu, w->units[i == 3], (uint16_t)((i + 1) << 8));
	}
	card_create(w);
	w->iommu = world_open_iommu(w);
	w->ctx = iommufd_ctx_from_file(fake_task_file(w->fake, w->iommu));
}

void world_destroy(struct world *w)
{
	for (int i = 0; i < WORLD_FUNCTIONS; i++)
		if (w->devices[i].idev)
			world_unbind(w, i);
	iommufd_ctx_put(w->ctx);
	fake_task_close(w->fake, w->iommu);
	assert_int_equal(fake_task_nr_fds(w->fake), 0);
	assert_int_equal(fake_task_nr_pins(w->fake), 0);
	card_destroy(w);
	iommufd_unregister(w->system);
	ns_destroy(w->ns);
	fake_task_destroy(w->fake);
	for (int i = 0; i < 2; i++)
		iommu_unit_destroy(w->units[i]);
	phys_space_destroy(w->space);
}

void world_bind(struct world *w, int device)
{
	struct world_device *d = &w->devices[device];

	assert_int_equal(iommufd_device_bind(w->ctx, &d->fn, &d->idev, &d->id), 0);
}

void world_unbind(struct world *w, int device)
{
	iommufd_device_unbind(w->devices[device].idev);
	w->devices[device].idev = NULL;
}

int world_attach(struct world *w, int device, uint32_t *pt)
{
	return iommufd_device_attach(w->devices[device].idev, pt);
}

/*
 * Calls
 */

long world_io(struct world *w, unsigned long cmd, void *arg)
{
	return fake_task_ioctl(w->fake, w->iommu, cmd, arg);
}

uint32_t world_ioas(struct world *w)
{
	struct iommu_ioas_alloc a = {.size = sizeof(a)};

	assert_int_equal(world_io(w, IOMMU_IOAS_ALLOC, &a), 0);
	return a.out_ioas_id;
}

long world_object_destroy(struct world *w, uint32_t id)
{
	struct iommu_destroy d = {.size = sizeof(d), .id = id};

	return world_io(w, IOMMU_DESTROY, &d);
}

long world_map(struct world *w, uint32_t ioas, uint32_t flags, const void *va, uint64_t len, uint64_t *iova)
{
	struct iommu_ioas_map m = {.size = sizeof(m),
				   .flags = flags,
				   .ioas_id = ioas,
				   .user_va = (uintptr_t)va,
				   .length = len,
				   .iova = *iova};
	long ret = world_io(w, IOMMU_IOAS_MAP, &m);

	*iova = m.iova;
	return ret;
}

long world_map_file(struct world *w, uint32_t ioas, uint32_t flags, int fd, uint64_t start, uint64_t len,
		    uint64_t *iova)
{
	struct iommu_ioas_map_file m = {.size = sizeof(m),
					.flags = flags,
					.ioas_id = ioas,
					.fd = fd,
					.start = start,
					.length = len,
					.iova = *iova};
	long ret = world_io(w, IOMMU_IOAS_MAP_FILE, &m);

	*iova = m.iova;
	return ret;
}

long world_copy(struct world *w, uint32_t dst, uint32_t src, uint32_t flags, uint64_t len, uint64_t dst_iova,
		uint64_t src_iova)
{
	struct iommu_ioas_copy c = {.size = sizeof(c),
				    .flags = flags,
				    .dst_ioas_id = dst,
				    .src_ioas_id = src,
				    .length = len,
				    .dst_iova = dst_iova,
				    .src_iova = src_iova};

	return world_io(w, IOMMU_IOAS_COPY, &c);
}

long world_unmap(struct world *w, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap u = {.size = sizeof(u), .ioas_id = ioas, .iova = iova, .length = len};

	return world_io(w, IOMMU_IOAS_UNMAP, &u);
}

long world_unmap_all(struct world *w, uint32_t ioas)
{
	return world_unmap(w, ioas, 0, UINT64_MAX);
}

/*
 * A device's eyes
 */

bool world_walk(struct world *w, int device, iova_t iova, struct iommu_leaf *leaf)
{
	struct section_port port;
	struct iommu_domain *d;
	bool found;

	section_port_init(&port, phys_sections(w->space));
	section_enter(&port);
	d = w->devices[device].fn.iommu.domain;
	found = d && iommu_walk(d, iova, PAGE, leaf);
	section_leave(&port);
	section_port_fini(&port);
	return found;
}

static char *host_of(struct world *w, phys_t pa)
{
	struct phys_region *r = phys_find(w->space, pa);
	uint64_t run;
	bool protected_;

	if (!r)
		return NULL;
	if (r->kind == PHYS_PAGES)
		return pinned_host(r->owner, pa - r->base, &run, &protected_);
	return r->host + (pa - r->base);
}

bool world_reaches(struct world *w, int device, iova_t iova, const char *host, uint64_t len)
{
	struct iommu_leaf leaf;

	for (uint64_t at = 0; at < len; at += PAGE)
		if (!world_walk(w, device, iova + at, &leaf) || host_of(w, leaf.pa) != host + at)
			return false;
	return true;
}

/*
 * The exporter
 */

static int buffer_map(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	struct world_buffer *b = a->buf->priv;

	*list = &b->list;
	return 0;
}

static void buffer_revoke(struct gate_client *c, bool for_good)
{
	dma_buf_revoke(container_of(c, struct world_buffer, client)->buf, for_good);
}

static void buffer_restore(struct gate_client *c)
{
	dma_buf_restore(container_of(c, struct world_buffer, client)->buf);
}

static void buffer_release(struct dma_buf *buf)
{
	struct world_buffer *b = buf->priv;

	mutex_lock(&b->card->gate.lock);
	if (!b->client.gone)
		pci_gate_remove_client_locked(&b->card->gate, &b->client);
	mutex_unlock(&b->card->gate.lock);
	free(b);
}

static const struct gate_client_ops buffer_client_ops = {.revoke = buffer_revoke, .restore = buffer_restore};
static const struct dma_buf_phys_ops buffer_phys_ops = {.map = buffer_map};
static const struct dma_buf_match buffer_offers[] = {{.type = &dma_buf_type_phys, .ops = &buffer_phys_ops}};
static const struct dma_buf_ops buffer_ops = {
	.name = "test card",
	.offers = buffer_offers,
	.nr_offers = 1,
	.may_revoke = true,
	.release = buffer_release,
};

struct world_buffer *world_export(struct world *w, uint64_t offset, uint64_t size, size_t nr)
{
	struct world_buffer *b = calloc(1, sizeof(*b));

	b->card = &w->card;
	/* In descending order, so that the parts are not one run. */
	for (size_t i = 0; i < nr; i++)
		b->ranges[i] =
			(struct phys_range){w->card.window.base + offset + (nr - 1 - i) * (size / nr), size / nr};
	b->list.ranges = b->ranges;
	b->list.nr_ranges = nr;
	b->list.provider = &w->devices[0].fn;
	b->client.ops = &buffer_client_ops;
	assert_int_equal(dma_buf_create(&buffer_ops, b, size, O_RDWR, true, NULL, &b->buf), 0);
	mutex_lock(&w->card.gate.lock);
	pci_gate_add_client_locked(&w->card.gate, &b->client);
	mutex_unlock(&w->card.gate.lock);
	b->fd = fake_task_install(w->fake, b->buf->file);
	return b;
}

void world_export_close(struct world *w, struct world_buffer *b)
{
	assert_int_equal(fake_task_close(w->fake, b->fd), 0);
}
