/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wait for what uses a buffer whose memory was taken away, or is about to come back: all its fences, those without
 * an implicit order included. A fence is a promise of somebody else; one who does not keep it is named.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/trace.h"
#include "dmabuf/dmabuf_priv.h"

enum { LINE_SIZE = 400, PART_SIZE = 128 };

/* What bufinfo calls it, too. */
static void buffer_describe(struct dma_buf *b, char *text, size_t len)
{
	dma_buf_lock(b);
	snprintf(text, len, "buffer %llu%s%s of 0x%llx bytes from %s", (unsigned long long)(b->file ? b->file->ino : 0),
		 b->named ? " " : "", b->named ? b->name : "", (unsigned long long)b->size, b->ops->name);
	dma_buf_unlock(b);
}

/* By system call: write() may be ours, and stdio be what the program's other thread holds. */
static void say(const char *line)
{
	int saved = errno;

	syscall(SYS_write, STDERR_FILENO, line, strlen(line));
	errno = saved;
}

static void report_waiting(struct dma_buf *b, const char *owner, struct dma_fence *f, uint64_t waited_ns)
{
	char buffer[PART_SIZE], fence[PART_SIZE], line[LINE_SIZE];

	buffer_describe(b, buffer, sizeof(buffer));
	snprintf(fence, sizeof(fence), "%s of %s (%llu:%llu)", dma_fence_timeline_name(f), dma_fence_driver_name(f),
		 (unsigned long long)f->context, (unsigned long long)f->seqno);
	snprintf(line, sizeof(line), "barter: %s: its memory cannot change hands for %.1f s: %s has the fence %s\n",
		 owner, (double)waited_ns / 1e9, buffer, fence);
	say(line);
	refuse(b->trace, -ETIMEDOUT, "%s: its memory cannot change hands, %s has the fence %s", owner, buffer, fence);
}

static void report_end(struct dma_buf *b, const char *owner, uint64_t start_ns)
{
	char line[LINE_SIZE];

	snprintf(line, sizeof(line), "barter: %s: the fence has signalled after %.1f s\n", owner,
		 (double)(trace_now() - start_ns) / 1e9);
	say(line);
}

static void fence_wait(struct dma_buf *b, const char *owner, struct dma_fence *f)
{
	uint64_t start_ns = trace_now(), patience_ns = dma_buf_registry_patience(b->registry);

	if (!dma_fence_wait_timeout(f, patience_ns)) {
		report_waiting(b, owner, f, patience_ns);
		dma_fence_wait_timeout(f, DMA_FENCE_FOREVER);
		report_end(b, owner, start_ns);
	}
	trace_complete(b->trace, TRACE_REVOKE, owner, "wait for a fence", start_ns, "size=0x%llx",
		       (unsigned long long)b->size);
}

void dma_buf_settle(struct dma_buf *b, const char *owner)
{
	struct dma_fence *f;

	lock_check_none_held_from(LOCK_RANK_GATE + 1, "dma_buf_settle");
	while ((f = dma_resv_get_pending(b->resv, DMA_RESV_USAGE_BOOKKEEP))) {
		fence_wait(b, owner, f);
		dma_fence_put(f);
	}
}
