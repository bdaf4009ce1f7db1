/* SPDX-License-Identifier: BSD-3-Clause */
#include "exporter.h"

#include <string.h>

static int exporter_map(struct dma_buf_attachment *a, const struct dma_buf_phys_list **list)
{
	struct exporter *e = a->buf->priv;

	e->maps++;
	*list = &e->list;
	return 0;
}

static void exporter_unmap(struct dma_buf_attachment *a, const struct dma_buf_phys_list *list)
{
	((struct exporter *)a->buf->priv)->unmaps++;
}

static const struct dma_buf_phys_list *exporter_layout(struct dma_buf *b)
{
	return &((struct exporter *)b->priv)->list;
}

static void exporter_release(struct dma_buf *b)
{
	struct exporter *e = b->priv;

	e->releases++;
	e->buf = NULL;
}

static const struct dma_buf_phys_ops phys_ops = {.map = exporter_map, .unmap = exporter_unmap};
static const struct dma_buf_mapping_type other_type = {.name = "other"};
static const struct dma_buf_match offers[] = {
	{.type = &dma_buf_type_phys, .ops = &phys_ops},
};

const struct dma_buf_ops exporter_ops = {
	.name = "test exporter",
	.offers = offers,
	.nr_offers = ARRAY_SIZE(offers),
	.may_revoke = true,
	.layout = exporter_layout,
	.release = exporter_release,
};

const struct dma_buf_ops exporter_ops_no_layout = {
	.name = "moving exporter",
	.offers = offers,
	.nr_offers = ARRAY_SIZE(offers),
	.may_revoke = true,
	.release = exporter_release,
};

static void region_add(struct exporter *e, struct phys_region *r, enum phys_kind kind, phys_t base, uint64_t len,
		       int fd)
{
	phys_region_init(r, kind, len);
	r->base = base;
	r->fd = fd;
	assert_int_equal(phys_add_window(e->space, r), 0);
}

/* The second range crosses from memory into registers; the hole lies behind them. */
static void exporter_build(struct exporter *e, const struct dma_buf_ops *ops, bool with_file,
			   struct dma_buf_registry *registry)
{
	memset(e, 0, sizeof(*e));
	e->space = phys_space_create(NULL);
	region_add(e, &e->memory, PHYS_DEVICE, 0x100000, 0x10000, 0);
	region_add(e, &e->registers, PHYS_REGISTERS, 0x110000, 0x2000, 0);
	region_add(e, &e->hole, PHYS_HOLE, 0x112000, 0x1000, -1);
	e->ranges[0] = (struct phys_range){.pa = 0x102000, .len = 0x2000};
	e->ranges[1] = (struct phys_range){.pa = 0x10f000, .len = 0x3000};
	e->list = (struct dma_buf_phys_list){.ranges = e->ranges, .nr_ranges = 2};
	assert_int_equal(dma_buf_create(ops, e, EXPORTER_SIZE, 0, with_file, registry, &e->buf), 0);
}

void exporter_init(struct exporter *e, const struct dma_buf_ops *ops, bool with_file)
{
	exporter_build(e, ops, with_file, NULL);
}

void exporter_init_registered(struct exporter *e, const struct dma_buf_ops *ops, struct dma_buf_registry *registry)
{
	exporter_build(e, ops, true, registry);
}

void exporter_fini(struct exporter *e)
{
	if (e->buf)
		dma_buf_destroy(e->buf);
	assert_int_equal(e->releases, 1);
	phys_remove(e->space, &e->hole);
	phys_remove(e->space, &e->registers);
	phys_remove(e->space, &e->memory);
	phys_region_fini(&e->hole);
	phys_region_fini(&e->registers);
	phys_region_fini(&e->memory);
	phys_space_destroy(e->space);
}

static void importer_invalidate(struct dma_buf_attachment *a)
{
	struct importer *i = a->priv;

	dma_buf_assert_held(a->buf);
	i->mapped_in_callback = a->mapped;
	i->invalidates++;
}

static void importer_restored(struct dma_buf_attachment *a)
{
	((struct importer *)a->priv)->restores++;
}

static const struct dma_buf_match accepts_phys[] = {{.type = &other_type}, {.type = &dma_buf_type_phys}};

const struct dma_buf_importer_ops importer_plain = {
	.name = "plain", .accepts = accepts_phys, .nr_accepts = 2, .invalidate = importer_invalidate};
const struct dma_buf_importer_ops importer_waits = {.name = "waits",
						    .accepts = accepts_phys,
						    .nr_accepts = 2,
						    .invalidate = importer_invalidate,
						    .restored = importer_restored};
const struct dma_buf_importer_ops importer_pins = {.name = "pins", .accepts = accepts_phys, .nr_accepts = 2};
const struct dma_buf_importer_ops importer_stranger = {
	.name = "stranger", .accepts = accepts_phys, .nr_accepts = 1, .invalidate = importer_invalidate};
