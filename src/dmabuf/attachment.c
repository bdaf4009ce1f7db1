/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attachments: what two lists of types come to, and the steps that every type shares.
 *
 * The candidates of an attachment are made once, at attach: the exporter's offers in its order, each judged against the
 * importer's acceptance of the same type, then what only the importer named. Those that suit both are what can be
 * used, one at a time; the others are there to tell people why they are not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"
#include "dmabuf/type_sgt.h"

struct match_list {
	const struct dma_buf_match *matches;
	size_t nr;
};

static const struct dma_buf_match *match_find(const struct match_list *list, const struct dma_buf_mapping_type *type)
{
	for (size_t i = 0; i < list->nr; i++)
		if (list->matches[i].type == type)
			return &list->matches[i];
	return NULL;
}

static size_t match_data_len(const struct dma_buf_mapping_type *type)
{
	return align_up(type->exporter_data_len, sizeof(void *)) + align_up(type->importer_data_len, sizeof(void *));
}

/* NULL in, NULL out. */
static void *data_copy(const void *data, size_t len, char **room)
{
	void *copy = *room;

	if (!data || !len)
		return NULL;
	memcpy(copy, data, len);
	*room += align_up(len, sizeof(void *));
	return copy;
}

static void candidate_judge(struct dma_buf_candidate *c, const struct dma_buf_match *exporter,
			    const struct dma_buf_match *importer, char **room)
{
	*c = (struct dma_buf_candidate){.type = exporter ? exporter->type : importer->type, .match_error = -EOPNOTSUPP};
	if (!exporter) {
		c->reason = "not offered";
	} else if (!importer) {
		c->reason = "not accepted";
	} else {
		c->ops = exporter->ops;
		c->match_error = c->type->match ? c->type->match(exporter, importer, &c->reason) : 0;
	}
	if (c->match_error)
		return;
	c->exporter_data = data_copy(exporter->data, c->type->exporter_data_len, room);
	c->importer_data = data_copy(importer->data, c->type->importer_data_len, room);
}

static struct dma_buf_attachment *attachment_alloc(const struct match_list *offers, const struct match_list *accepts)
{
	size_t len = sizeof(struct dma_buf_attachment), nr = offers->nr;
	struct dma_buf_attachment *a;
	char *room;

	for (size_t i = 0; i < accepts->nr; i++)
		nr += !match_find(offers, accepts->matches[i].type);
	len += nr * sizeof(a->candidates[0]);
	for (size_t i = 0; i < offers->nr; i++)
		len += match_data_len(offers->matches[i].type);
	a = malloc(len);
	if (!a)
		return NULL;
	memset(a, 0, sizeof(*a));
	room = (char *)&a->candidates[nr];
	for (size_t i = 0; i < offers->nr; i++)
		candidate_judge(&a->candidates[a->nr_candidates++], &offers->matches[i],
				match_find(accepts, offers->matches[i].type), &room);
	for (size_t i = 0; i < accepts->nr; i++)
		if (!match_find(offers, accepts->matches[i].type))
			candidate_judge(&a->candidates[a->nr_candidates++], NULL, &accepts->matches[i], &room);
	return a;
}

/* The first from `from` on that suits both. */
static bool attachment_choose(struct dma_buf_attachment *a, unsigned from)
{
	for (unsigned i = from; i < a->nr_candidates; i++) {
		if (a->candidates[i].match_error)
			continue;
		a->chosen = i;
		a->type = a->candidates[i].type;
		return true;
	}
	return false;
}

static void attachment_finish(struct dma_buf_attachment *a)
{
	for (unsigned i = 0; i < a->nr_candidates; i++)
		if (!a->candidates[i].match_error && a->candidates[i].type->finish)
			a->candidates[i].type->finish(&a->candidates[i]);
}

static void attachment_free(struct dma_buf_attachment *a)
{
	for (unsigned i = 0; i < a->nr_candidates; i++)
		if (!a->candidates[i].match_error && a->candidates[i].type->release)
			a->candidates[i].type->release(&a->candidates[i]);
	free(a);
}

/* "IOV: not offered; scatterlist: the importer takes no memory of peers" */
static void candidates_describe(const struct dma_buf_attachment *a, char *text, size_t len)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < a->nr_candidates && at < len; i++)
		at += (size_t)snprintf(text + at, len - at, "%s%s: %s", i ? "; " : "", a->candidates[i].type->name,
				       a->candidates[i].reason);
}

static int match_refuse(struct dma_buf *b, const struct dma_buf_importer_ops *ops, const struct dma_buf_attachment *a)
{
	char text[200];

	candidates_describe(a, text, sizeof(text));
	return refuse(b->trace, -EOPNOTSUPP, "dma-buf attach: no mapping type suits %s and %s (%s)", b->ops->name,
		      ops->name, text);
}

/* Pins for an importer that needs it; then the attachment can be seen. */
static int attachment_enter_locked(struct dma_buf_attachment *a)
{
	struct dma_buf *b = a->buf;
	bool waits = a->ops->restored && !a->ops->usable_only;
	int err = 0;

	dma_buf_assert_held(b);
	if (b->state == DMA_BUF_REVOKED_FOR_GOOD || (b->state == DMA_BUF_REVOKED && !waits))
		return refuse(b->trace, -ENODEV, "dma-buf attach: the buffer of %s is revoked", b->ops->name);
	if (dma_buf_importer_pins(a->ops))
		err = dma_buf_pin_locked(a);
	if (!err)
		list_add_tail(&b->attachments, &a->node);
	return err;
}

int dma_buf_attach_accepting(struct dma_buf *b, const struct dma_buf_importer_ops *ops, void *priv,
			     const struct dma_buf_match *accepts, size_t nr_accepts, struct dma_buf_attachment **out)
{
	const struct dma_buf_match scatterlist = {.type = &dma_buf_type_sgt, .ops = b->ops->sgt};
	struct match_list offered = {b->offers, b->nr_offers}, accepted = {accepts, nr_accepts};
	struct dma_buf_attachment *a;
	int err;

	dma_buf_assert_callable("dma_buf_attach");
	if (b->ops->may_revoke && !ops->invalidate)
		return refuse(b->trace, -EOPNOTSUPP, "dma-buf attach: %s may revoke, %s cannot give the memory back",
			      b->ops->name, ops->name);
	if (!offered.nr && b->ops->sgt)
		offered = (struct match_list){&scatterlist, 1};
	a = attachment_alloc(&offered, &accepted);
	if (!a)
		return -ENOMEM;
	if (!attachment_choose(a, 0)) {
		err = match_refuse(b, ops, a);
		free(a);
		return err;
	}
	a->buf = b;
	a->ops = ops;
	a->priv = priv;
	attachment_finish(a);

	dma_buf_lock(b);
	err = attachment_enter_locked(a);
	dma_buf_unlock(b);
	if (err) {
		attachment_free(a);
		return err;
	}
	trace_count(b->trace, "dma_buf_attachment", 1);
	trace_instant(b->trace, TRACE_MAP, NULL, "attach", "%s of %s for %s", a->type->name, b->ops->name, ops->name);
	*out = a;
	return 0;
}

int dma_buf_attach(struct dma_buf *b, const struct dma_buf_importer_ops *ops, void *priv,
		   struct dma_buf_attachment **out)
{
	return dma_buf_attach_accepting(b, ops, priv, ops->accepts, ops->nr_accepts, out);
}

void dma_buf_detach(struct dma_buf_attachment *a)
{
	struct dma_buf *b = a->buf;

	dma_buf_assert_callable("dma_buf_detach");
	dma_buf_lock(b);
	dma_buf_unmap_locked(a);
	while (a->nr_pins)
		dma_buf_unpin_locked(a);
	list_del(&a->node);
	dma_buf_unlock(b);
	dma_buf_outcome_note(a);
	trace_count(b->trace, "dma_buf_attachment", -1);
	attachment_free(a);
}

int dma_buf_pin_locked(struct dma_buf_attachment *a)
{
	struct dma_buf *b = a->buf;
	int err = 0;

	dma_buf_assert_held(b);
	if (!b->nr_pins && b->ops->pin)
		err = b->ops->pin(b);
	if (err)
		return refuse(b->trace, err, "dma-buf pin: %s cannot keep the memory in place for %s", b->ops->name,
			      a->ops->name);
	b->nr_pins++;
	a->nr_pins++;
	return 0;
}

void dma_buf_unpin_locked(struct dma_buf_attachment *a)
{
	struct dma_buf *b = a->buf;

	dma_buf_assert_held(b);
	a->nr_pins--;
	b->nr_pins--;
	if (!b->nr_pins && b->ops->unpin)
		b->ops->unpin(b);
}

const void *dma_buf_exporter_ops(const struct dma_buf_attachment *a)
{
	return a->candidates[a->chosen].ops;
}

const void *dma_buf_exporter_data(const struct dma_buf_attachment *a)
{
	return a->candidates[a->chosen].exporter_data;
}

const void *dma_buf_importer_data(const struct dma_buf_attachment *a)
{
	return a->candidates[a->chosen].importer_data;
}

int dma_buf_map_begin(struct dma_buf_attachment *a, const struct dma_buf_mapping_type *type)
{
	struct dma_buf *b = a->buf;

	dma_buf_assert_held(b);
	if (a->type != type)
		lock_assert_failed("a dma-buf is mapped by the call of another type", __FILE__, __LINE__);
	if (a->mapped)
		lock_assert_failed("a dma-buf attachment is mapped twice", __FILE__, __LINE__);
	if (b->state != DMA_BUF_USABLE)
		return refuse(b->trace, -ENODEV, "dma-buf map: the buffer of %s is revoked", b->ops->name);
	return 0;
}

int dma_buf_map_end(struct dma_buf_attachment *a, int err, const void *mapping)
{
	a->candidates[a->chosen].map_error = err;
	a->mapped = !err;
	a->mapping = err ? NULL : mapping;
	return err;
}

void dma_buf_unmap_locked(struct dma_buf_attachment *a)
{
	dma_buf_assert_held(a->buf);
	if (!a->mapped)
		return;
	if (a->type->unmap)
		a->type->unmap(a);
	a->mapped = false;
	a->mapping = NULL;
}

static bool is_the_types_fault(int err)
{
	return err && err != -ENODEV && err != -EINTR && err != -EAGAIN;
}

bool dma_buf_fall_back_locked(struct dma_buf_attachment *a, int err)
{
	struct dma_buf *b = a->buf;
	const struct dma_buf_mapping_type *failed = a->type;

	dma_buf_assert_held(b);
	if (!err)
		return false;
	dma_buf_unmap_locked(a);
	a->candidates[a->chosen].map_error = err;
	if (!is_the_types_fault(err))
		return false;
	if (attachment_choose(a, a->chosen + 1)) {
		trace_instant(b->trace, TRACE_MAP, NULL, "fall back", "%s of %s for %s failed with %d, now %s",
			      failed->name, b->ops->name, a->ops->name, err, a->type->name);
		return true;
	}
	attachment_choose(a, 0);
	return false;
}
