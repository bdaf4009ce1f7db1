/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs on memory that its owner takes away: before they run, while they do, for a while and for good. */
#include "rig.h"
#include "node.h"

#include <linux/dma-buf.h>
#include <pthread.h>
#include <unistd.h>

enum { LEN = 65536 };

struct world {
	struct rig *r;
	struct node n;
	int vf, buffer, timeline, in;
	uint32_t queue, handle, own;
};

/* next: the function's memory is reached as local memory; else over PCIe. */
static struct world *world_create(bool next, bool pinned)
{
	struct world *w = calloc(1, sizeof(*w));
	struct drm_sgpu_bo_import import = {.flags = pinned ? DRM_SGPU_BO_PINNED : 0};

	w->r = rig_create();
	fake_task(w->r->fx->ft)->next = next;
	assert_int_equal(put(w->r->fx, PF "sriov_numvfs", "2"), 1);
	w->n = (struct node){.fx = w->r->fx, .ft = w->r->fx->ft, .fd = open_path(w->r->fx, RENDER_NODE, O_RDWR)};
	w->vf = rig_open(w->r, "0000:03:00.1");
	w->buffer = rig_export_one(w->r, w->vf, 0, LEN);
	import.fd = w->buffer;
	assert_int_equal(node_ioctl(&w->n, DRM_IOCTL_SGPU_BO_IMPORT, &import), 0);
	w->handle = import.handle;
	w->own = node_bo(&w->n, LEN, 0);
	w->queue = node_queue(&w->n, 1);
	w->timeline = node_timeline(&w->n);
	w->in = node_timeline_fence(&w->n, w->timeline, 1);
	return w;
}

static void world_destroy(struct world *w)
{
	rig_destroy(w->r);
	free(w);
}

static void *reset_main(void *arg)
{
	struct world *w = arg;

	CHECK(fake_task_ioctl(w->n.ft, w->vf, VFIO_DEVICE_RESET, NULL) == 0);
	return NULL;
}

static uint32_t info_flags(struct world *w)
{
	struct drm_sgpu_bo_info info = {.handle = w->handle};

	assert_int_equal(node_ioctl(&w->n, DRM_IOCTL_SGPU_BO_INFO, &info), 0);
	return info.flags;
}

static int fill(struct world *w, unsigned char byte)
{
	long out = node_submit_one(&w->n, w->queue, op_fill(w->handle, 0, LEN, byte), -1);

	return out < 0 ? (int)out : node_fence_end(&w->n, out);
}

/* Its turn comes when the memory is another's: it does not begin. The next one finds the memory again. */
static void before_it_runs(bool next)
{
	struct world *w = world_create(next, false);
	const char *memory = w->r->local;
	pthread_t thread;
	long out;

	assert_int_equal(fill(w, 1), 1);
	assert_int_equal(memory[0], 1);
	assert_int_equal(!!(info_flags(w) & DRM_SGPU_BO_INTERCONNECT), next);
	out = node_submit_one(&w->n, w->queue, op_fill(w->handle, 0, LEN, 2), w->in);
	pthread_create(&thread, NULL, reset_main, w);
	usleep(50000);
	node_timeline_move(&w->n, w->timeline, 1);
	assert_int_equal(node_fence_end(&w->n, out), -ENODEV);
	pthread_join(thread, NULL);
	assert_int_equal(memory[0], 1);
	assert_int_equal(fill(w, 3), 1);
	assert_int_equal(memory[0], 3);
	world_destroy(w);
}

static void a_window_before_the_job_runs(void **state)
{
	before_it_runs(true);
}

static void bus_addresses_before_the_job_runs(void **state)
{
	before_it_runs(false);
}

/* The ring has it, and hangs on it: the memory goes when that is over. */
static void while_it_runs(void **state)
{
	struct world *w = world_create(true, false);
	struct drm_sgpu_op ops[] = {op_fill(w->handle, 0, LEN, 1), op_hang()};
	long out = node_submit(&w->n, w->queue, ops, 2, -1, DRM_SGPU_SUBMIT_NO_IMPLICIT);

	while (pci_mmio_read(w->r->fn, 0, GPU_RING_HEAD, 4) != 1)
		usleep(1000);
	reset_main(w);
	assert_int_equal(node_fence_status(&w->n, (int)out), -ETIME);
	node_close(&w->n, (int)out);
	world_destroy(w);
}

static void pinned_memory_is_lost(void **state)
{
	struct world *w = world_create(true, true);

	assert_int_equal(fill(w, 1), 1);
	assert_int_equal(info_flags(w) & DRM_SGPU_BO_PINNED, DRM_SGPU_BO_PINNED);
	reset_main(w);
	assert_int_equal(fill(w, 2), -ENODEV);
	assert_int_equal(info_flags(w) & DRM_SGPU_BO_REVOKED, DRM_SGPU_BO_REVOKED);
	world_destroy(w);
}

/* Another slice: what the function had is the driver's again, and nobody reaches it by the old name. */
static void a_slice_that_changes(void **state)
{
	struct world *w = world_create(true, false);

	assert_int_equal(fill(w, 1), 1);
	assert_int_equal(put(w->r->fx, PF "sriov_admin/vf0/slice", "65536"), 5);
	assert_int_equal(fill(w, 2), -ENODEV);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_before_the_job_runs),
		cmocka_unit_test(bus_addresses_before_the_job_runs),
		cmocka_unit_test(while_it_runs),
		cmocka_unit_test(pinned_memory_is_lost),
		cmocka_unit_test(a_slice_that_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
