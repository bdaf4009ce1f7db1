/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random commands on /dev/iommu. An input is a list of steps: a command and the structure that it gets, or something
 * that happens to a device: attach, detach, revocation. Pointers are moved into an arena, because the fake program's
 * memory is this process's; ids, sizes, flags and addresses are what the input says.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "iommufd/world.h"

enum { ARENA_SIZE = 1 << 20, BUFFER_SIZE = 1 << 16, STEP_SIZE = 72, MAX_STEPS = 64, NR_COMMANDS = 24 };

struct fuzz_world {
	struct world world;
	struct world_buffer *buffer;
	int memory;
	char *arena;
};

static void world_init(struct fuzz_world *w)
{
	world_create(&w->world);
	w->arena = aligned_alloc(BARTER_PAGE_SIZE, ARENA_SIZE);
	if (!w->arena)
		abort();
	memset(w->arena, 0, ARENA_SIZE);
	w->memory = fake_task_memfd(w->world.fake, 1 << 16, true);
	w->buffer = world_export(&w->world, 0, BUFFER_SIZE, 1);
	for (int i = 0; i < WORLD_FUNCTIONS; i++)
		world_bind(&w->world, i);
}

static void world_fini(struct fuzz_world *w)
{
	fake_task_close(w->world.fake, w->memory);
	world_export_close(&w->world, w->buffer);
	world_destroy(&w->world);
	free(w->arena);
}

static void pointer_into_arena(const struct fuzz_world *w, char *args, size_t offset)
{
	uint64_t pointer;

	memcpy(&pointer, args + offset, sizeof(pointer));
	pointer = (uintptr_t)w->arena + pointer % (ARENA_SIZE / 2);
	memcpy(args + offset, &pointer, sizeof(pointer));
}

/* What would make the fake program touch memory that is not its own, or run for ever. */
static void step_tame(const struct fuzz_world *w, unsigned long cmd, char *args)
{
	struct iommu_ioas_map *map = (struct iommu_ioas_map *)args;
	struct iommu_ioas_map_file *map_file = (struct iommu_ioas_map_file *)args;
	struct iommu_ioas_iova_ranges *ranges = (struct iommu_ioas_iova_ranges *)args;
	struct iommu_hw_info *info = (struct iommu_hw_info *)args;

	if (cmd == IOMMU_IOAS_MAP) {
		pointer_into_arena(w, args, offsetof(struct iommu_ioas_map, user_va));
		map->length %= ARENA_SIZE / 2;
	} else if (cmd == IOMMU_IOAS_MAP_FILE) {
		map_file->fd = map_file->fd & 1 ? w->memory : map_file->fd & 2 ? w->buffer->fd : map_file->fd;
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

/* Many inputs would never get past the checks of alignment and ids. */
static void step_align(unsigned long cmd, char *args)
{
	uint32_t *words = (uint32_t *)args;
	uint64_t *longs = (uint64_t *)args;

	words[1] &= cmd == IOMMU_IOAS_MAP || cmd == IOMMU_IOAS_MAP_FILE || cmd == IOMMU_IOAS_COPY ? 7 : 15;
	words[2] &= 15;
	for (int i = cmd == IOMMU_IOAS_UNMAP ? 1 : 2; i < 5; i++)
		longs[i] &= 0x1f000;
}

static void device_step(struct fuzz_world *w, const uint8_t *step)
{
	struct world_device *d = &w->world.devices[step[1] % WORLD_FUNCTIONS];
	uint32_t pt = step[2] % 16;

	switch (step[0] % NR_COMMANDS) {
	case 0:
		iommufd_device_detach(d->idev);
		break;
	case 1:
		pci_gate_shut(&w->world.card.gate, GATE_DECODE);
		break;
	case 2:
		pci_gate_open(&w->world.card.gate, GATE_DECODE);
		break;
	default:
		iommufd_device_attach(d->idev, &pt);
	}
}

static void command_step(struct fuzz_world *w, const uint8_t *step)
{
	_Alignas(8) char args[4096] = {0};
	unsigned long cmd = _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + step[0] % NR_COMMANDS);

	memcpy(args, step + 8, STEP_SIZE - 8);
	if (step[2] % 2)
		step_align(cmd, args);
	/* Mostly a size that some command has; always within args. */
	args[0] = step[1] % 4 ? 8 * (1 + step[1] % 8) : step[1];
	args[1] = step[1] % 8 ? 0 : args[1] & 7;
	args[2] = args[3] = 0;
	step_tame(w, cmd, args);
	fake_task_ioctl(w->world.fake, w->world.iommu, cmd, args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct fuzz_world w;

	world_init(&w);
	for (unsigned i = 0; i < MAX_STEPS && len >= STEP_SIZE; i++, data += STEP_SIZE, len -= STEP_SIZE) {
		if (data[3] % 8 == 0)
			device_step(&w, data);
		else
			command_step(&w, data);
	}
	world_fini(&w);
	return 0;
}
