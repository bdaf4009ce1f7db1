/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random calls on a VFIO device. An input is a list of steps: ioctls with the structure that they get, reads and writes
 * of regions, mappings, interrupts and closes. Lengths that would make the fake program touch memory that is not its
 * own are cut; all else is what the input says.
 */
#include "vfio/fixture.h"

#include "fuzz/fuzz.h"

enum { STEP_SIZE = 64, MAX_STEPS = 64, ARGS_SIZE = 8192 };

struct step {
	uint8_t kind, number, len, flags;
	uint32_t region;
	uint64_t offset;
	uint8_t args[48];
};

_Static_assert(sizeof(struct step) == STEP_SIZE, "an input is an array of steps");

static void step_tame(unsigned long cmd, char *args, const struct fixture *x)
{
	struct vfio_device_feature *feature = (void *)args;
	struct vfio_device_feature_dma_buf *get = (void *)feature->data;
	struct vfio_device_bind_iommufd *bind = (void *)args;

	/* argsz: mostly what fits, always within args. */
	*(uint32_t *)args &= ARGS_SIZE / 2 - 1;
	if (cmd == VFIO_DEVICE_FEATURE) {
		feature->flags &= VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PROBE | 0xf;
		get->nr_ranges %= 8;
	} else if (cmd == VFIO_DEVICE_BIND_IOMMUFD) {
		bind->iommufd = bind->iommufd & 1 ? x->iommufd : bind->iommufd;
		bind->token_uuid_ptr = (uintptr_t)args;
	}
}

static void step_ioctl(struct fixture *x, const struct step *s)
{
	_Alignas(8) char args[ARGS_SIZE] = {0};
	unsigned long cmd = _IO(VFIO_TYPE, VFIO_BASE + s->number % 24);

	memcpy(args, s->args, sizeof(s->args));
	step_tame(cmd, args, x);
	fake_task_ioctl(x->ft, x->device, cmd, args);
}

static void step_mapping(struct fixture *x, const struct step *s)
{
	struct fake_mapping *m = fake_task_mapping(x->ft, s->number % 8);

	if (m && s->flags & 1)
		fake_task_munmap(x->ft, m->addr);
	else
		fake_task_mmap(x->ft, x->device, 4096ull << s->len % 16, PROT_READ,
			       s->flags & 2 ? MAP_PRIVATE : MAP_SHARED,
			       REGION(s->region % 16) + (s->offset & ~4095ull) % (2 * MEMORY_SIZE));
}

static void step_interrupt(struct fixture *x, const struct step *s, int event)
{
	if (s->flags & 1)
		pci_intx_set(x->fn, s->flags & 2);
	else if (s->flags & 4)
		pci_irq_raise(x->fn, s->number);
	else
		fake_task_event_write(x->ft, event);
}

static void step_run(struct fixture *x, const struct step *s, int event)
{
	uint64_t pos = REGION(s->region % 16) + (s->flags & 8 ? s->offset : s->offset % 4096);
	uint8_t bytes[256] = {0};

	switch (s->kind % 8) {
	case 0:
	case 1:
		step_ioctl(x, s);
		return;
	case 2:
		memcpy(bytes, s->args, sizeof(s->args));
		fake_task_pwrite(x->ft, x->device, bytes, s->len, pos);
		return;
	case 3: /* config space, where most is to be broken */
		fake_task_pwrite(x->ft, x->device, s->args, 1 + s->len % 8, REGION(7) + s->offset % 4096);
		return;
	case 4:
		fake_task_pread(x->ft, x->device, bytes, s->len, pos);
		return;
	case 5:
		step_mapping(x, s);
		return;
	case 6:
		step_interrupt(x, s, event);
		return;
	default:
		if (s->flags % 8)
			fake_task_close(x->ft, 3 + s->number % 32);
		else
			x->device = fixture_open(x, "/dev/vfio/devices/vfio0");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fixture *x = fixture_create(NULL, true);
	int event = fake_task_eventfd(x->ft);
	struct step s;

	for (unsigned i = 0; i < MAX_STEPS && len >= STEP_SIZE; i++, data += STEP_SIZE, len -= STEP_SIZE) {
		memcpy(&s, data, sizeof(s));
		step_run(x, &s, event);
	}
	fixture_destroy(x);
	return 0;
}
