/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work of others on buffers, as far as it can be seen: a fence that is pending for a moment. No revocation of the
 * buffer returns meanwhile.
 */
#include <linux/dma-buf.h>
#include <linux/types.h>
#include <string.h>
#include <sys/ioctl.h>

#include "soak_buffers.h"

#define SW_SYNC "/sys/kernel/debug/sync/sw_sync"

struct sw_sync_create_fence_data {
	__u32 value;
	char name[32];
	__s32 fence;
};

#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC _IOW('W', 1, __u32)

static void must(int ret, const char *what)
{
	if (ret)
		wrong("%s: %s", what, strerror(errno));
}

/* The slot is locked: who takes the buffer away comes later, and waits. */
static void import_locked(struct slot *s, int fence, bool write)
{
	struct dma_buf_import_sync_file import = {write ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ, fence};

	must(ioctl(s->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import), "DMA_BUF_IOCTL_IMPORT_SYNC_FILE");
	s->nr_pending++;
}

static void keep_busy(struct slot *s, int timeline, uint32_t value, unsigned *seed)
{
	struct sw_sync_create_fence_data data = {.value = value, .name = "soak"};
	uint32_t one = 1;
	bool busy;

	must(ioctl(timeline, SW_SYNC_IOC_CREATE_FENCE, &data), "SW_SYNC_IOC_CREATE_FENCE");
	pthread_mutex_lock(&s->lock);
	busy = s->state == SLOT_ALIVE;
	if (busy)
		import_locked(s, data.fence, dice(seed, 2));
	pthread_mutex_unlock(&s->lock);
	usleep(dice(seed, 1000));
	if (busy)
		s->nr_pending--;
	must(ioctl(timeline, SW_SYNC_IOC_INC, &one), "SW_SYNC_IOC_INC");
	close(data.fence);
}

void *run_fencer(void *world)
{
	struct world *w = world;
	int timeline = open(SW_SYNC, O_RDWR | O_CLOEXEC);
	unsigned seed = ++w->next_number;

	must(timeline < 0, SW_SYNC);
	for (uint32_t value = 1; !w->stop; value++)
		keep_busy(&w->slots[dice(&seed, NR_BUSY_SLOTS)], timeline, value, &seed);
	close(timeline);
	return NULL;
}
