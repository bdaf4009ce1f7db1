/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program at the render node, again and again, with the first, second, ... allocation failing: a call works or is
 * ENOMEM, no fd is left, and jobs that were taken end.
 */
#include "node.h"

#include "fake/allocator.h"

enum { SIZE = 3 * 65536 };

static bool ok(long ret)
{
	assert_true(ret >= 0 || (ret == -ENOMEM && allocator.failed));
	return ret >= 0;
}

/* The job waits, so that nobody allocates but the calls. */
static void submit(struct node *n, uint32_t queue, uint32_t from, uint32_t to)
{
	const struct drm_sgpu_op ops[] = {op_fill(from, 5, 10, 1), op_copy(to, from, SIZE), op_fill(to, 0, 1, 2)};
	long countdown = allocator.countdown, out;
	int timeline, in;

	allocator.countdown = -1;
	timeline = node_timeline(n);
	in = node_timeline_fence(n, timeline, 1);
	allocator.countdown = countdown;
	out = node_submit(n, queue, ops, 3, in, 0);
	allocator.countdown = -1;
	node_timeline_move(n, timeline, 1);
	if (ok(out))
		assert_int_equal(node_fence_end(n, out), 1);
	node_close(n, in);
	node_close(n, timeline);
}

static void scenario(struct node *n)
{
	struct drm_sgpu_bo_create from = {.size = SIZE}, to = {.size = SIZE, .flags = DRM_SGPU_BO_LOCAL};
	struct drm_sgpu_queue_create queue = {.priority = 1};
	struct drm_prime_handle prime = {0};

	n->fd = -1;
	n->fd = open_path(n->fx, RENDER_NODE, O_RDWR);
	if (!ok(n->fd))
		return;
	if (ok(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_CREATE, &queue)) &&
	    ok(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &from)) && ok(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &to))) {
		prime.handle = from.handle;
		if (ok(node_ioctl(n, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime)))
			node_close(n, prime.fd);
		submit(n, queue.id, from.handle, to.handle);
	}
	allocator.countdown = -1;
	node_close(n, n->fd);
}

static void everything_fails_once(void **state)
{
	struct node *n = *state;
	unsigned nr = 0;

	node_close(n, n->fd);
	scenario(n);
	do {
		allocator.failed = false;
		allocator.countdown = (long)nr++;
		scenario(n);
		allocator.countdown = -1;
		assert_int_equal(fake_task_nr_fds(n->ft), 0);
	} while (allocator.failed);
	assert_true(nr > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_fails_once, node_set_up, node_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
