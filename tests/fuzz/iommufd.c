/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random commands on /dev/iommu. An input is a list of steps: a command and the structure that it gets. Pointers are
 * moved into an arena, because the fake program's memory is this process's; ids, sizes, flags and addresses are what
 * the input says.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/iommufd.h>

#include "fake/task.h"
#include "file/ns.h"
#include "fuzz/fuzz.h"
#include "iommufd/iommufd.h"
#include "memory/phys.h"

enum { ARENA_SIZE = 1 << 20, STEP_SIZE = 72, MAX_STEPS = 64 };

struct world {
	struct fake_task *task;
	struct phys_space *space;
	struct ns *ns;
	struct iommufd_system *system;
	int fd, memory;
	char *arena;
};

static bool world_init(struct world *w)
{
	struct ns_node *dev, *node;
	struct file *file;

	w->task = fake_task_create();
	w->space = phys_space_create(NULL);
	w->ns = ns_create();
	w->arena = aligned_alloc(BARTER_PAGE_SIZE, ARENA_SIZE);
	if (!w->arena || iommufd_register(w->ns, w->space, NULL, &w->system))
		return false;
	memset(w->arena, 0, ARENA_SIZE);
	dev = ns_lookup(w->ns, ns_root(w->ns), "dev", 3);
	node = ns_lookup(w->ns, dev, "iommu", 5);
	if (!node || ns_open(node, fake_task(w->task), 0, &file))
		return false;
	ns_put(node);
	ns_put(dev);
	w->fd = fake_task_install(w->task, file);
	w->memory = fake_task_memfd(w->task, 1 << 16, true);
	return true;
}

static void world_fini(struct world *w)
{
	fake_task_destroy(w->task);
	iommufd_unregister(w->system);
	ns_destroy(w->ns);
	phys_space_destroy(w->space);
	free(w->arena);
}

static void pointer_into_arena(const struct world *w, char *args, size_t offset)
{
	uint64_t pointer;

	memcpy(&pointer, args + offset, sizeof(pointer));
	pointer = (uintptr_t)w->arena + pointer % (ARENA_SIZE / 2);
	memcpy(args + offset, &pointer, sizeof(pointer));
}

/* What would make the fake program touch memory that is not its own, or run for ever. */
static void step_tame(const struct world *w, unsigned long cmd, char *args)
{
	struct iommu_ioas_map *map = (struct iommu_ioas_map *)args;
	struct iommu_ioas_map_file *map_file = (struct iommu_ioas_map_file *)args;
	struct iommu_ioas_iova_ranges *ranges = (struct iommu_ioas_iova_ranges *)args;
	struct iommu_hw_info *info = (struct iommu_hw_info *)args;

	if (cmd == IOMMU_IOAS_MAP) {
		pointer_into_arena(w, args, offsetof(struct iommu_ioas_map, user_va));
		map->length %= ARENA_SIZE / 2;
	} else if (cmd == IOMMU_IOAS_MAP_FILE) {
		map_file->fd = map_file->fd & 1 ? w->memory : map_file->fd;
	} else if (cmd == IOMMU_IOAS_IOVA_RANGES || cmd == IOMMU_IOAS_ALLOW_IOVAS) {
		pointer_into_arena(w, args, offsetof(struct iommu_ioas_iova_ranges, allowed_iovas));
		ranges->num_iovas %= 1024;
	} else if (cmd == IOMMU_HWPT_ALLOC) {
		pointer_into_arena(w, args, offsetof(struct iommu_hwpt_alloc, data_uptr));
	} else if (cmd == IOMMU_GET_HW_INFO) {
		pointer_into_arena(w, args, offsetof(struct iommu_hw_info, data_uptr));
		info->data_len %= 4096;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct world w;

	if (!world_init(&w))
		abort();
	for (unsigned i = 0; i < MAX_STEPS && len >= STEP_SIZE; i++, data += STEP_SIZE, len -= STEP_SIZE) {
		_Alignas(8) char args[4096] = {0};
		unsigned long cmd = _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + data[0] % 24);

		memcpy(args, data + 8, STEP_SIZE - 8);
		/* Mostly a size that some command has; always within args. */
		args[0] = data[1] % 4 ? 8 * (1 + data[1] % 8) : data[1];
		args[1] = data[1] % 8 ? 0 : args[1] & 7;
		args[2] = args[3] = 0;
		step_tame(&w, cmd, args);
		fake_task_ioctl(w.task, w.fd, cmd, args);
	}
	world_fini(&w);
	return 0;
}
