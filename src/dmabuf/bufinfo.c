/* SPDX-License-Identifier: BSD-3-Clause */
/* /sys/kernel/debug/dma_buf/bufinfo: all buffers and who has them, newest first, in the words of Linux. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dmabuf/dmabuf_priv.h"
#include "dmabuf/type_sgt.h"

/* Bits of an open file's mode that all dma-bufs have: it can be seeked, and was opened. */
enum { MODE_LSEEK = 4, MODE_OPENED = 0x2080000 };

/* The device of an attachment as Linux names it. NULL: there is none, as behind a mapping of the CPU. */
static const char *device_name(const struct dma_buf_attachment *a)
{
	for (unsigned i = 0; i < a->nr_candidates; i++) {
		const struct dma_buf_sgt_importer *importer = a->candidates[i].importer_data;

		if (a->candidates[i].type == &dma_buf_type_sgt && importer)
			return dma_device_function(importer->device)->name;
	}
	return a->ops->device;
}

/* What was negotiated, and why the rest was not. */
static void candidates_print(const struct dma_buf_attachment *a, FILE *out)
{
	fprintf(out, "\t\t%s: %s%s\n", a->ops->name, a->type->name, a->mapped ? ", mapped" : "");
	for (unsigned i = 0; i < a->nr_candidates; i++) {
		const struct dma_buf_candidate *c = &a->candidates[i];

		if (c->match_error)
			fprintf(out, "\t\tnot %s: %s\n", c->type->name, c->reason);
		else if (c->map_error)
			fprintf(out, "\t\tnot %s: mapping it failed, %s\n", c->type->name,
				strerrorname_np(-c->map_error));
	}
}

static int buffer_print(struct dma_buf *b, bool types, FILE *out)
{
	static const unsigned modes[] = {[O_RDONLY] = 1, [O_WRONLY] = 2, [O_RDWR] = 3, [O_ACCMODE] = 0};
	struct dma_buf_attachment *a;
	unsigned nr = 0;
	int err;

	dma_buf_lock(b);
	fprintf(out, "%08zu\t%08x\t%08x\t%08d\t%s\t%08lu\t%s\n", (size_t)b->size, b->file->open_flags & ~O_CLOEXEC,
		modes[b->file->open_flags & O_ACCMODE] | MODE_LSEEK | MODE_OPENED, atomic_load(&b->file->refs),
		b->ops->name, (unsigned long)b->file->ino, b->named ? b->name : "<none>");
	err = dma_resv_describe(b->resv, out);
	fputs("\tAttached Devices:\n", out);
	list_for_each (a, &b->attachments, node) {
		const char *device = device_name(a);

		nr += device != NULL;
		if (device)
			fprintf(out, "\t%s\n", device);
		if (types)
			candidates_print(a, out);
	}
	fprintf(out, "Total %u devices attached\n\n", nr);
	dma_buf_unlock(b);
	return err;
}

int dma_buf_bufinfo(struct dma_buf_registry *r, bool types, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);
	size_t nr = 0, bytes = 0;
	struct dma_buf *b;
	int err = 0;

	if (!out)
		return -ENOMEM;
	fprintf(out, "\nDma-buf Objects:\n%-8s\t%-8s\t%-8s\t%-8s\texp_name\t%-8s\tname\n", "size", "flags", "mode",
		"count", "ino");
	mutex_lock(&r->lock);
	list_for_each (b, &r->buffers, registered) {
		err = err ? err : buffer_print(b, types, out);
		nr++;
		bytes += b->size;
	}
	mutex_unlock(&r->lock);
	fprintf(out, "\nTotal %zu objects, %zu bytes\n", nr, bytes);
	if (!fclose(out) && !err)
		return 0;
	free(*text);
	return -ENOMEM;
}
