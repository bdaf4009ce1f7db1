/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A mapping type that the core knows nothing of, made by two drivers: docs/add-a-mapping-type.md goes through it.
 *
 * Two accelerators are joined by a link of their own. Over it memory is named by the node that has it and an offset
 * there; no IOMMU, no PCIe. While the link is down they fall back on the scatterlist.
 */
#include "dma/rig.h"

#include <stdlib.h>
#include <string.h>

#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "dmabuf/type_sgt.h"

/*
 * What both drivers include
 */

struct link {
	bool up;
	atomic_int users;
	char *memory[2]; /* of each node */
};

/* Match data, of either side: where on which link it is. */
struct link_end {
	struct link *link;
	unsigned node;
};

/* What a map gives: how a request on the link names the memory. */
struct link_window {
	unsigned node;
	uint64_t offset, len;
};

struct link_ops {
	int (*map)(struct dma_buf_attachment *a, struct link_window *window);
	void (*unmap)(struct dma_buf_attachment *a);
};

/*
 * The type
 */

static int link_match(const struct dma_buf_match *exporter, const struct dma_buf_match *importer, const char **reason)
{
	const struct link_end *theirs = exporter->data, *ours = importer->data;

	*reason = "not joined by a link";
	return theirs->link == ours->link && theirs->node != ours->node ? 0 : -EOPNOTSUPP;
}

static void link_finish(struct dma_buf_candidate *c)
{
	const struct link_end *end = c->exporter_data;

	atomic_fetch_add(&end->link->users, 1);
}

static void link_release(struct dma_buf_candidate *c)
{
	const struct link_end *end = c->exporter_data;

	atomic_fetch_sub(&end->link->users, 1);
}

static void link_unmap(struct dma_buf_attachment *a)
{
	const struct link_ops *ops = dma_buf_exporter_ops(a);

	ops->unmap(a);
}

static const struct dma_buf_mapping_type link_type = {
	.name = "accelerator link",
	.exporter_data_len = sizeof(struct link_end),
	.importer_data_len = sizeof(struct link_end),
	.match = link_match,
	.finish = link_finish,
	.release = link_release,
	.unmap = link_unmap,
};

/* resv held. Ended by dma_buf_unmap_locked(). */
static int link_map_locked(struct dma_buf_attachment *a, struct link_window *window)
{
	const struct link_ops *ops;
	int err = dma_buf_map_begin(a, &link_type);

	if (err)
		return err;
	ops = dma_buf_exporter_ops(a);
	err = ops->map(a, window);
	return dma_buf_map_end(a, err, NULL);
}

/*
 * The exporter's driver
 */

struct exporter {
	struct dma_buf *buf;
	struct link_end end;
	struct dma_buf_sgt_exporter peer;
	uint64_t offset; /* in the node's memory */
	struct phys_range range;
	struct dma_buf_phys_list list;
	struct dma_buf_match offers[2];
	unsigned link_maps, link_unmaps;
};

static int exporter_link_map(struct dma_buf_attachment *a, struct link_window *window)
{
	struct exporter *x = a->buf->priv;

	if (!x->end.link->up)
		return -ENOLINK;
	x->link_maps++;
	*window = (struct link_window){x->end.node, x->offset, a->buf->size};
	return 0;
}

static void exporter_link_unmap(struct dma_buf_attachment *a)
{
	((struct exporter *)a->buf->priv)->link_unmaps++;
}

static const struct dma_buf_phys_list *exporter_layout(struct dma_buf *b)
{
	return &((struct exporter *)b->priv)->list;
}

static void exporter_release(struct dma_buf *b)
{
}

static const struct link_ops exporter_link_ops = {.map = exporter_link_map, .unmap = exporter_link_unmap};

static const struct dma_buf_ops exporter_ops = {
	.name = "accelerator",
	.may_revoke = true,
	.layout = exporter_layout,
	.release = exporter_release,
};

static void exporter_init(struct exporter *x, struct link *link, struct pci_function *fn, uint64_t offset)
{
	memset(x, 0, sizeof(*x));
	x->end = (struct link_end){link, 1};
	x->peer.provider = fn;
	x->offset = offset;
	x->range = (struct phys_range){rig_bar(fn) + offset, PAGE};
	x->list = (struct dma_buf_phys_list){&x->range, 1, fn};
	assert_int_equal(dma_buf_create(&exporter_ops, x, PAGE, 0, false, NULL, &x->buf), 0);
	x->offers[0] = (struct dma_buf_match){&link_type, &exporter_link_ops, &x->end};
	x->offers[1] = (struct dma_buf_match){&dma_buf_type_sgt, &dma_buf_sgt_of_layout, &x->peer};
	x->buf->offers = x->offers;
	x->buf->nr_offers = ARRAY_SIZE(x->offers);
}

/*
 * The importer's driver
 */

struct importer {
	struct rig *rig;
	struct link_end end;
	struct dma_buf_attachment *a;
	/* The buffer's resv. Which of the two is set follows a->type. */
	bool mapped;
	struct link_window window;
	dma_addr_t addr;
};

static void importer_invalidate(struct dma_buf_attachment *a)
{
	((struct importer *)a->priv)->mapped = false;
}

static const struct dma_buf_importer_ops importer_ops = {.name = "accelerator", .invalidate = importer_invalidate};

static int importer_attach(struct importer *i, struct dma_buf *b)
{
	const struct dma_buf_sgt_importer device = {.device = i->rig->device, .accepts_peer = true};
	const struct dma_buf_match accepts[] = {
		{.type = &link_type, .data = &i->end},
		{.type = &dma_buf_type_sgt, .data = &device},
	};

	return dma_buf_attach_accepting(b, &importer_ops, i, accepts, ARRAY_SIZE(accepts), &i->a);
}

static int import_addresses(struct importer *i)
{
	const struct dma_buf_sgt *sgt;
	int err = dma_buf_sgt_map_locked(i->a, RW, &sgt);

	if (err)
		return err;
	if (sgt->nr_entries != 1)
		return -E2BIG;
	i->addr = sgt->entries[0].addr;
	return 0;
}

/* Maps again whatever was invalidated: what a fault of the accelerator comes to. */
static int importer_map(struct importer *i)
{
	int err = 0;

	dma_buf_lock(i->a->buf);
	if (!i->mapped) {
		do {
			if (i->a->type == &link_type)
				err = link_map_locked(i->a, &i->window);
			else
				err = import_addresses(i);
		} while (dma_buf_fall_back_locked(i->a, err));
		i->mapped = !err;
	}
	dma_buf_unlock(i->a->buf);
	return err;
}

/* The accelerator's own store. */
static int importer_write(struct importer *i, const char *text)
{
	int err = importer_map(i);

	if (err)
		return err;
	if (i->a->type == &link_type)
		strcpy(i->end.link->memory[i->window.node] + i->window.offset, text);
	else
		assert_int_equal(rig_write(i->rig, i->addr, text, strlen(text) + 1), DMA_OK);
	return 0;
}

/*
 * The tests
 */

static struct rig r;
static struct link link;
static struct exporter x;
static struct importer i;

static int setup(void **state)
{
	rig_init(&r, &(struct tree_options){0}, &(struct dma_limits){0});
	link = (struct link){.up = true, .memory = {rig_bar_host(r.engine), rig_bar_host(r.peer)}};
	exporter_init(&x, &link, r.peer, 4 * PAGE);
	i = (struct importer){.rig = &r, .end = {&link, 0}};
	return 0;
}

static int teardown(void **state)
{
	dma_buf_detach(i.a);
	assert_int_equal(atomic_load(&link.users), 0);
	dma_buf_destroy(x.buf);
	rig_fini(&r);
	return 0;
}

static void the_link_is_chosen_and_nothing_goes_over_pcie(void **state)
{
	assert_int_equal(importer_attach(&i, x.buf), 0);
	assert_int_equal(atomic_load(&link.users), 1);
	tree_command(r.engine, 0, PCI_COMMAND_MASTER);
	assert_int_equal(importer_write(&i, "by link"), 0);
	assert_ptr_equal(i.a->type, &link_type);
	assert_string_equal(rig_bar_host(r.peer) + 4 * PAGE, "by link");
}

static void a_link_that_is_down_falls_back_on_the_scatterlist(void **state)
{
	link.up = false;
	assert_int_equal(importer_attach(&i, x.buf), 0);
	assert_int_equal(importer_write(&i, "by DMA"), 0);
	assert_ptr_equal(i.a->type, &dma_buf_type_sgt);
	assert_int_equal(i.a->candidates[0].map_error, -ENOLINK);
	assert_string_equal(rig_bar_host(r.peer) + 4 * PAGE, "by DMA");
}

static void who_is_not_on_the_link_uses_the_scatterlist(void **state)
{
	struct link other = {.up = true};

	i.end.link = &other;
	assert_int_equal(importer_attach(&i, x.buf), 0);
	assert_ptr_equal(i.a->type, &dma_buf_type_sgt);
	assert_string_equal(i.a->candidates[0].reason, "not joined by a link");
	assert_int_equal(atomic_load(&link.users), 0);
	assert_int_equal(importer_write(&i, "by DMA"), 0);
}

static void after_a_revocation_it_is_mapped_anew(void **state)
{
	assert_int_equal(importer_attach(&i, x.buf), 0);
	assert_int_equal(importer_write(&i, "before"), 0);
	dma_buf_revoke(x.buf, false);
	assert_int_equal(x.link_unmaps, 1);
	assert_int_equal(importer_write(&i, "meanwhile"), -ENODEV);
	dma_buf_restore(x.buf);
	assert_string_equal(rig_bar_host(r.peer) + 4 * PAGE, "before");
	assert_int_equal(importer_write(&i, "after"), 0);
	assert_int_equal(x.link_maps, 2);
	assert_string_equal(rig_bar_host(r.peer) + 4 * PAGE, "after");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_link_is_chosen_and_nothing_goes_over_pcie),
		TEST(a_link_that_is_down_falls_back_on_the_scatterlist),
		TEST(who_is_not_on_the_link_uses_the_scatterlist),
		TEST(after_a_revocation_it_is_mapped_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
