/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE and _MEMATTR: who may ask for what, and every way from one state of a buffer to
 * another, from every caller.
 */
#include "fixture.h"

#include <pthread.h>

#define SET VFIO_DEVICE_FEATURE_SET
#define GET VFIO_DEVICE_FEATURE_GET
#define PROBE VFIO_DEVICE_FEATURE_PROBE
#define REVOKE VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE
#define MEMATTR VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR
enum { LEN = 8192, IOVA = 0x100000 };

static int next_setup(void **state)
{
	struct fixture *x = fixture_create(NULL, true);

	fake_task(x->ft)->next = true;
	*state = x;
	return 0;
}

static long feature(struct fixture *x, uint32_t flags, uint32_t argsz, int32_t fd, uint32_t memattr)
{
	union {
		struct vfio_device_feature feature;
		uint32_t words[4];
	} arg = {.words = {argsz, flags, (uint32_t)fd, memattr}};

	return device_ioctl(x, VFIO_DEVICE_FEATURE, &arg);
}

static long revoke_fd(struct fixture *x, int fd)
{
	return feature(x, SET | REVOKE, 12, fd, 0);
}

static long set_memattr(struct fixture *x, int fd, uint32_t memattr)
{
	return feature(x, SET | MEMATTR, 16, fd, memattr);
}

static struct dma_buf *buffer(struct fixture *x, int fd)
{
	return dma_buf_from_file(fake_task_file(x->ft, fd));
}

static enum dma_buf_state state_of(struct fixture *x, int fd)
{
	enum dma_buf_state state;

	dma_buf_lock(buffer(x, fd));
	state = buffer(x, fd)->state;
	dma_buf_unlock(buffer(x, fd));
	return state;
}

static void linux_7_3_has_neither(void **state)
{
	struct fixture *x = *state;
	int fd = export_one(x, 0, LEN);

	for (uint32_t i = REVOKE; i <= MEMATTR; i++) {
		assert_int_equal(feature(x, SET | i, 16, fd, 0), -ENOTTY);
		assert_int_equal(feature(x, GET | i, 16, fd, 0), -ENOTTY);
		assert_int_equal(feature(x, SET | PROBE | i, 16, fd, 0), -ENOTTY);
	}
	assert_int_equal(state_of(x, fd), DMA_BUF_USABLE);
}

/* Answers that the two share; `size` is what each needs behind the header. */
static void refusals(struct fixture *x, uint32_t index, uint32_t size)
{
	int other = fixture_open(x, "/dev/vfio/devices/vfio1"), mine = x->device, strangers;

	assert_int_equal(fixture_bind(x, other), 0);
	x->device = other;
	strangers = export_one(x, 0, LEN);
	x->device = mine;
	assert_int_equal(feature(x, PROBE | index, 8, 0, 0), 0);
	assert_int_equal(feature(x, PROBE | SET | index, 8, 0, 0), 0);
	assert_int_equal(feature(x, PROBE | GET | index, 8, 0, 0), -EINVAL);
	assert_int_equal(feature(x, GET | index, 16, strangers, 0), -EINVAL);
	assert_int_equal(feature(x, index, 16, strangers, 0), -EINVAL);
	assert_int_equal(feature(x, SET | index, 8 + size - 1, strangers, 0), -EINVAL);
	assert_int_equal(feature(x, SET | index, 16, -1, 0), -EBADF);
	assert_int_equal(feature(x, SET | index, 16, 999, 0), -EBADF);
	assert_int_equal(feature(x, SET | index, 16, x->device, 0), -EINVAL);
	assert_int_equal(feature(x, SET | index, 16, fake_task_memfd(x->ft, 4096, true), 0), -EINVAL);
	assert_int_equal(feature(x, SET | index, 16, strangers, 0), -ENODEV);
	assert_int_equal(state_of(x, strangers), DMA_BUF_USABLE);
}

static void revoke_refuses(void **state)
{
	struct fixture *x = *state;
	struct vfio_device_feature *f = (void *)((uint8_t *)aligned_alloc(4096, 8192) + 4096 - 8);

	refusals(x, REVOKE, sizeof(struct vfio_device_feature_dma_buf_revoke));
	*f = (struct vfio_device_feature){.argsz = 12, .flags = SET | REVOKE};
	fake_task_fault(x->ft, (uaddr_t)(f + 1), 4096);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_FEATURE, f), -EFAULT);
	free((uint8_t *)(f + 1) - 4096);
}

static void memattr_refuses(void **state)
{
	struct fixture *x = *state;
	int fd = export_one(x, 0, LEN);

	refusals(x, MEMATTR, sizeof(struct vfio_device_feature_dma_buf_memattr));
	assert_int_equal(set_memattr(x, fd, 2), -ENOENT);
	assert_int_equal(set_memattr(x, fd, UINT32_MAX), -ENOENT);
	assert_int_equal(set_memattr(x, -1, 2), -EBADF);
	assert_int_equal(set_memattr(x, fd, VFIO_DMA_BUF_MEMATTR_WC), 0);
	assert_int_equal(set_memattr(x, fd, VFIO_DMA_BUF_MEMATTR_NC), 0);
	set_command(x, 0);
	assert_int_equal(set_memattr(x, fd, VFIO_DMA_BUF_MEMATTR_WC), 0);
	assert_int_equal(revoke_fd(x, fd), 0);
	assert_int_equal(set_memattr(x, fd, VFIO_DMA_BUF_MEMATTR_WC), -EBADFD);
	assert_int_equal(set_memattr(x, fd, 2), -ENOENT);
}

static void it_takes_one_buffer_and_drains_once(void **state)
{
	struct fixture *x = *state;
	int fd = export_one(x, 0, LEN), other = export_one(x, 0, LEN);
	int64_t region = map_bar(x, 2, 0, LEN);
	uint32_t ioas = ioas_alloc(x);
	uint64_t drains;

	assert_int_equal(map_file(x, ioas, fd, 0, LEN, IOVA), 0);
	assert_int_equal(map_file(x, ioas, other, 0, LEN, 2 * IOVA), 0);
	drains = section_drains(phys_sections(x->tree->space));
	assert_int_equal(revoke_fd(x, fd), 0);
	assert_int_equal(section_drains(phys_sections(x->tree->space)), drains + 1);
	assert_int_equal(state_of(x, fd), DMA_BUF_REVOKED_FOR_GOOD);
	assert_int_equal(state_of(x, other), DMA_BUF_USABLE);
	assert_int_equal(mapping_at(x, region)->zaps, 0);
	assert_int_equal(map_file(x, ioas, fd, 0, LEN, 3 * IOVA), -ENODEV);
	assert_int_equal(map_file(x, ioas, other, 0, LEN, 3 * IOVA), 0);
	/* The area stays until it is unmapped; the fd stays good for what needs no memory. */
	assert_int_equal(unmap(x, ioas, IOVA, LEN), 0);
	assert_int_equal(fake_task_lseek(x->ft, fd, 0, SEEK_END), LEN);
	assert_int_equal(revoke_fd(x, fd), -EBADFD);
	assert_int_equal(section_drains(phys_sections(x->tree->space)) - drains, 2);
}

/* What takes memory away for now, and gives it back. */
static void decode_off(struct fixture *x)
{
	set_command(x, 0);
}

static void decode_on(struct fixture *x)
{
	set_command(x, PCI_COMMAND_MEMORY);
}

static void sleep_deep(struct fixture *x)
{
	set_power(x, 3);
}

static void wake_up(struct fixture *x)
{
	set_power(x, 0);
}

static void go_idle(struct fixture *x)
{
	assert_int_equal(feature(x, SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, 8, 0, 0), 0);
}

static void leave_idle(struct fixture *x)
{
	assert_int_equal(feature(x, SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, 8, 0, 0), 0);
}

/* As a reset under way does, which nobody here could catch in the act. */
static void reset_begins(struct fixture *x)
{
	pci_gate_shut(&x->fn->gate, GATE_RESET);
}

static void reset_ends(struct fixture *x)
{
	pci_gate_open(&x->fn->gate, GATE_RESET);
}

static void whole_reset(struct fixture *x)
{
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_RESET, NULL), 0);
}

static void nothing(struct fixture *x)
{
}

static const struct way {
	void (*take)(struct fixture *x);
	void (*give)(struct fixture *x);
} ways[] = {
	{decode_off, decode_on},    {sleep_deep, wake_up},  {go_idle, leave_idle},
	{reset_begins, reset_ends}, {whole_reset, nothing},
};

static void nothing_brings_it_back(void **state)
{
	struct fixture *x = *state;
	uint32_t ioas = ioas_alloc(x);

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int during = export_one(x, 0, LEN), before = export_one(x, 0, LEN), never = export_one(x, 0, LEN), late;

		assert_int_equal(map_file(x, ioas, during, 0, LEN, IOVA), 0);
		assert_int_equal(revoke_fd(x, before), 0);
		ways[i].take(x);
		assert_int_equal(state_of(x, before), DMA_BUF_REVOKED_FOR_GOOD);
		/* Made while it is away: usable for nobody yet, and revoked like any other. */
		late = export_one(x, 0, LEN);
		assert_int_equal(revoke_fd(x, during), 0);
		assert_int_equal(revoke_fd(x, late), 0);
		assert_int_equal(revoke_fd(x, before), -EBADFD);
		ways[i].give(x);
		assert_int_equal(state_of(x, before), DMA_BUF_REVOKED_FOR_GOOD);
		assert_int_equal(state_of(x, during), DMA_BUF_REVOKED_FOR_GOOD);
		assert_int_equal(state_of(x, late), DMA_BUF_REVOKED_FOR_GOOD);
		assert_int_equal(state_of(x, never), DMA_BUF_USABLE);
		assert_int_equal(map_file(x, ioas, during, 0, LEN, 2 * IOVA), -ENODEV);
		assert_int_equal(revoke_fd(x, during), -EBADFD);
		assert_int_equal(unmap(x, ioas, IOVA, LEN), 0);
	}
}

static void the_last_close_was_first(void **state)
{
	struct fixture *x = *state;
	int fd = export_one(x, 0, LEN);

	fake_task_close(x->ft, x->device);
	x->device = fixture_open(x, "/dev/vfio/devices/vfio0");
	assert_int_equal(fixture_bind(x, x->device), 0);
	assert_int_equal(revoke_fd(x, fd), -EBADFD);
	assert_int_equal(set_memattr(x, fd, 0), -EBADFD);
	/* And the other way round. */
	fd = export_one(x, 0, LEN);
	assert_int_equal(revoke_fd(x, fd), 0);
	fake_task_close(x->ft, x->device);
	assert_int_equal(state_of(x, fd), DMA_BUF_REVOKED_FOR_GOOD);
}

static void the_device_is_gone(void **state)
{
	struct fixture *x = *state;
	int fd = export_one(x, 0, LEN);

	pci_gate_shut(&x->fn->gate, GATE_GONE);
	assert_int_equal(revoke_fd(x, fd), -EBADFD);
	assert_int_equal(export_one(x, 0, LEN), -ENODEV);
}

/* --- at the same time --- */

struct meeting {
	struct fixture *x;
	pthread_barrier_t barrier;
	int fd;
	long answers[2];
	void (*others)(struct fixture *x);
};

static void *revoke_one(void *arg)
{
	struct meeting *m = arg;

	pthread_barrier_wait(&m->barrier);
	m->answers[0] = revoke_fd(m->x, m->fd);
	return NULL;
}

/* Runs what the other does against a revoke of a fresh buffer that an IOAS shows. */
static void meet(struct fixture *x, void (*others)(struct meeting *m), void (*verify)(struct meeting *m))
{
	uint32_t ioas = ioas_alloc(x);
	pthread_t thread;

	for (int i = 0; i < 300; i++) {
		struct meeting m = {.x = x, .fd = export_one(x, 0, LEN)};

		assert_int_equal(map_file(x, ioas, m.fd, 0, LEN, IOVA), 0);
		pthread_barrier_init(&m.barrier, NULL, 2);
		pthread_create(&thread, NULL, revoke_one, &m);
		pthread_barrier_wait(&m.barrier);
		others(&m);
		pthread_join(thread, NULL);
		pthread_barrier_destroy(&m.barrier);
		verify(&m);
		assert_int_equal(state_of(x, m.fd), DMA_BUF_REVOKED_FOR_GOOD);
		assert_int_equal(map_file(x, ioas, m.fd, 0, LEN, 2 * IOVA), -ENODEV);
		assert_int_equal(unmap(x, ioas, IOVA, LEN), 0);
		fake_task_close(x->ft, m.fd);
	}
}

static void other_revokes(struct meeting *m)
{
	m->answers[1] = revoke_fd(m->x, m->fd);
}

static void one_was_first(struct meeting *m)
{
	assert_int_equal(m->answers[0] + m->answers[1], -EBADFD);
}

static void two_threads_revoke(void **state)
{
	meet(*state, other_revokes, one_was_first);
}

static void other_resets(struct meeting *m)
{
	whole_reset(m->x);
}

static void other_turns_decoding_off_and_on(struct meeting *m)
{
	set_command(m->x, 0);
	set_command(m->x, PCI_COMMAND_MEMORY);
}

static void it_was_revoked(struct meeting *m)
{
	assert_int_equal(m->answers[0], 0);
}

static void while_it_is_reset(void **state)
{
	meet(*state, other_resets, it_was_revoked);
}

static void while_decoding_changes(void **state)
{
	meet(*state, other_turns_decoding_off_and_on, it_was_revoked);
}

/* The gate's part of the last close; an ioctl holds the file, so the file's own release cannot run beside it. */
static void other_closes(struct meeting *m)
{
	pci_gate_close(&m->x->fn->gate);
}

static void either_was_first(struct meeting *m)
{
	assert_true(m->answers[0] == 0 || m->answers[0] == -EBADFD);
	pci_gate_open(&m->x->fn->gate, GATE_CLOSED);
}

static void while_it_is_closed(void **state)
{
	meet(*state, other_closes, either_was_first);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, next_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(linux_7_3_has_neither, fixture_setup, fixture_teardown),
		T(revoke_refuses),
		T(memattr_refuses),
		T(it_takes_one_buffer_and_drains_once),
		T(nothing_brings_it_back),
		T(the_last_close_was_first),
		T(the_device_is_gone),
		T(two_threads_revoke),
		T(while_it_is_reset),
		T(while_decoding_changes),
		T(while_it_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
