/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was negotiated in the life of a machine, for the report: one row for each way that an attachment came out. An
 * attachment is counted when it ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"

enum { OUTCOME_TYPES = 6 };

struct dma_buf_outcome {
	struct dma_buf_outcome *next;
	uint64_t count; /* of attachments */
	struct outcome_key {
		const char *exporter, *importer;
		const struct dma_buf_mapping_type *chosen;
		unsigned nr;
		struct {
			const struct dma_buf_mapping_type *type;
			const char *reason;
			int map_error;
		} types[OUTCOME_TYPES];
	} key;
};

static void key_make(const struct dma_buf_attachment *a, struct outcome_key *key)
{
	memset(key, 0, sizeof(*key));
	key->exporter = a->buf->ops->name;
	key->importer = a->ops->name;
	key->chosen = a->type;
	key->nr = MIN(a->nr_candidates, (unsigned)OUTCOME_TYPES);
	for (unsigned i = 0; i < key->nr; i++) {
		key->types[i].type = a->candidates[i].type;
		key->types[i].reason = a->candidates[i].match_error ? a->candidates[i].reason : NULL;
		key->types[i].map_error = a->candidates[i].map_error;
	}
}

static void outcome_note_locked(struct dma_buf_registry *r, const struct outcome_key *key)
{
	struct dma_buf_outcome *o;

	mutex_assert_held(&r->outcomes_lock);
	for (o = r->outcomes; o; o = o->next)
		if (!memcmp(&o->key, key, sizeof(*key)))
			break;
	if (!o) {
		o = calloc(1, sizeof(*o));
		if (!o)
			return;
		memcpy(&o->key, key, sizeof(*key));
		o->next = r->outcomes;
		r->outcomes = o;
	}
	o->count++;
}

void dma_buf_outcome_note(const struct dma_buf_attachment *a)
{
	struct dma_buf_registry *r = a->buf->registry;
	struct outcome_key key;

	if (!r)
		return;
	key_make(a, &key);
	mutex_lock(&r->outcomes_lock);
	outcome_note_locked(r, &key);
	mutex_unlock(&r->outcomes_lock);
}

void dma_buf_outcomes_free(struct dma_buf_registry *r)
{
	for (struct dma_buf_outcome *o = r->outcomes, *next; o; o = next) {
		next = o->next;
		free(o);
	}
}

static void outcome_print(const struct dma_buf_outcome *o, FILE *out)
{
	const char *separator = "";

	fprintf(out, "{\"exporter\":\"%s\",\"importer\":\"%s\",\"type\":\"%s\",\"count\":%llu,\"refused\":[",
		o->key.exporter, o->key.importer, o->key.chosen->name, (unsigned long long)o->count);
	for (unsigned i = 0; i < o->key.nr; i++) {
		const char *reason = o->key.types[i].reason;

		if (!reason && !o->key.types[i].map_error)
			continue;
		fprintf(out, "%s{\"type\":\"%s\",\"reason\":\"%s%s\"}", separator, o->key.types[i].type->name,
			reason ? reason : "mapping failed: ",
			reason ? "" : strerrorname_np(-o->key.types[i].map_error));
		separator = ",";
	}
	fprintf(out, "]}");
}

int dma_buf_outcomes_json(void *registry, char **text, size_t *len)
{
	struct dma_buf_registry *r = registry;
	const char *separator = "\n";
	FILE *out = open_memstream(text, len);

	if (!out)
		return -ENOMEM;
	mutex_lock(&r->outcomes_lock);
	for (const struct dma_buf_outcome *o = r->outcomes; o; o = o->next) {
		fputs(separator, out);
		outcome_print(o, out);
		separator = ",\n";
	}
	mutex_unlock(&r->outcomes_lock);
	return fclose(out) ? -ENOMEM : 0;
}
