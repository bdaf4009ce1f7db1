/* SPDX-License-Identifier: BSD-3-Clause */
#include "node.h"

#include <linux/sync_file.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fence/dma_fence.h"

struct node *node_create(const char *rack, const char *override)
{
	struct node *n = calloc(1, sizeof(*n));

	n->fences = dma_fence_count();
	n->fx = fixture_create(rack, override);
	n->ft = n->fx->ft;
	n->fd = open_path(n->fx, RENDER_NODE, O_RDWR);
	CHECK(n->fd >= 0);
	return n;
}

void node_destroy(struct node *n)
{
	if (n->fd >= 0)
		node_close(n, n->fd);
	CHECK(fake_task_nr_fds(n->ft) == 0);
	fixture_destroy(n->fx);
	CHECK(dma_fence_count() == n->fences);
	free(n);
}

int node_set_up(void **state)
{
	*state = node_create("gpu", NULL);
	return 0;
}

int node_tear_down(void **state)
{
	node_destroy(*state);
	return 0;
}

struct pci_function *node_function(struct node *n, const char *name)
{
	struct pci_root *root = &n->fx->m->rack->root;

	for (size_t i = 0; i < root->nr_functions; i++)
		if (!strcmp(root->functions[i]->name, name))
			return root->functions[i];
	CHECK(!"no such function");
	return NULL;
}

long node_ioctl(struct node *n, unsigned long cmd, void *arg)
{
	return fake_task_ioctl(n->ft, n->fd, cmd, arg);
}

uint32_t node_bo(struct node *n, uint64_t size, uint32_t flags)
{
	struct drm_sgpu_bo_create create = {.size = size, .flags = flags};

	CHECK(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &create) == 0);
	return create.handle;
}

uint32_t node_queue(struct node *n, uint32_t priority)
{
	struct drm_sgpu_queue_create create = {.priority = priority};

	CHECK(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_CREATE, &create) == 0);
	return create.id;
}

/* The fake program does not see device memory where it is placed; the test looks behind it. */
unsigned char *node_map(struct node *n, uint32_t handle, size_t size)
{
	struct drm_sgpu_bo_mmap map = {.handle = handle};
	size_t i = fake_task_nr_mappings(n->ft);
	const struct cpu_extent *extent;

	CHECK(node_ioctl(n, DRM_IOCTL_SGPU_BO_MMAP, &map) == 0);
	CHECK(fake_task_mmap(n->ft, n->fd, size, PROT_READ | PROT_WRITE, MAP_SHARED, map.offset) > 0);
	extent = fake_task_mapping(n->ft, i)->mapping->extents;
	CHECK(extent->len >= size);
	return (unsigned char *)atomic_load(&extent->region->host) + extent->region_offset;
}

int node_export(struct node *n, uint32_t handle)
{
	struct drm_prime_handle prime = {.handle = handle, .flags = DRM_RDWR};

	CHECK(node_ioctl(n, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0);
	return prime.fd;
}

struct drm_sgpu_op op_fill(uint32_t target, uint64_t offset, uint64_t length, unsigned char byte)
{
	return (struct drm_sgpu_op){.op = DRM_SGPU_OP_FILL,
				    .target = target,
				    .target_offset = offset,
				    .length = length,
				    .source_offset = byte};
}

struct drm_sgpu_op op_copy(uint32_t target, uint32_t source, uint64_t length)
{
	return (struct drm_sgpu_op){.op = DRM_SGPU_OP_COPY, .target = target, .source = source, .length = length};
}

struct drm_sgpu_op op_hang(void)
{
	return (struct drm_sgpu_op){.op = DRM_SGPU_OP_HANG};
}

long node_submit(struct node *n, uint32_t queue, const struct drm_sgpu_op *ops, uint32_t nr, int fence_in,
		 uint32_t flags)
{
	struct drm_sgpu_submit submit = {
		.queue = queue,
		.flags = flags | DRM_SGPU_SUBMIT_FENCE_OUT | (fence_in >= 0 ? DRM_SGPU_SUBMIT_FENCE_IN : 0),
		.ops = (uintptr_t)ops,
		.nr_ops = nr,
		.fence_in = fence_in,
		.fence_out = -1,
	};
	long ret = node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &submit);

	return ret < 0 ? ret : submit.fence_out;
}

long node_submit_one(struct node *n, uint32_t queue, struct drm_sgpu_op op, int fence_in)
{
	return node_submit(n, queue, &op, 1, fence_in, 0);
}

/* --- fences --- */

struct sw_sync_create_fence_data {
	uint32_t value;
	char name[32];
	int32_t fence;
};
#define SW_SYNC_IOC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC _IOW('W', 1, uint32_t)

int node_timeline(struct node *n)
{
	int fd = open_path(n->fx, "/sys/kernel/debug/sync/sw_sync", O_RDWR);

	CHECK(fd >= 0);
	return fd;
}

int node_timeline_fence(struct node *n, int timeline, uint32_t value)
{
	struct sw_sync_create_fence_data data = {.value = value};

	CHECK(fake_task_ioctl(n->ft, timeline, SW_SYNC_IOC_CREATE_FENCE, &data) == 0);
	return data.fence;
}

void node_timeline_move(struct node *n, int timeline, uint32_t by)
{
	CHECK(fake_task_ioctl(n->ft, timeline, SW_SYNC_IOC_INC, &by) == 0);
}

int node_fence_status(struct node *n, int fd)
{
	struct sync_file_info info = {0};

	CHECK(fake_task_ioctl(n->ft, fd, SYNC_IOC_FILE_INFO, &info) == 0);
	return info.status;
}

int node_fence_end(struct node *n, long fd)
{
	int status;

	CHECK(fd >= 0);
	for (unsigned i = 0; i < 20000 && !(file_ready(fake_task_file(n->ft, (int)fd)) & POLLIN); i++)
		usleep(1000);
	status = node_fence_status(n, (int)fd);
	node_close(n, (int)fd);
	return status;
}

void node_close(struct node *n, int fd)
{
	CHECK(fake_task_close(n->ft, fd) == 0);
	if (fd == n->fd)
		n->fd = -1;
}

void node_unmap(struct node *n, void *at)
{
	for (size_t i = 0; i < fake_task_nr_mappings(n->ft); i++) {
		const struct fake_mapping *m = fake_task_mapping(n->ft, i);
		const struct cpu_extent *extent = m->mapping->extents;

		if ((char *)atomic_load(&extent->region->host) + extent->region_offset != at)
			continue;
		CHECK(fake_task_munmap(n->ft, m->addr) == 0);
		return;
	}
	CHECK(!"mapped");
}
