/* SPDX-License-Identifier: BSD-3-Clause */
/* Sync objects: what is refused, what is waited for, and jobs between two of them. */
#include "node.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 65536 };

static int64_t in_ms(int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec + ms * 1000000;
}

static uint32_t make(struct node *n, uint32_t flags)
{
	struct drm_syncobj_create create = {.flags = flags};

	assert_int_equal(node_ioctl(n, DRM_IOCTL_SYNCOBJ_CREATE, &create), 0);
	return create.handle;
}

static struct drm_syncobj_wait waiting(const uint32_t *handles, uint32_t nr, int64_t until, uint32_t flags)
{
	return (struct drm_syncobj_wait){
		.handles = (uintptr_t)handles, .count_handles = nr, .timeout_nsec = until, .flags = flags};
}

static long wait_for(struct node *n, const uint32_t *handles, uint32_t nr, int64_t until, uint32_t flags)
{
	struct drm_syncobj_wait w = waiting(handles, nr, until, flags);
	long ret = node_ioctl(n, DRM_IOCTL_SYNCOBJ_WAIT, &w);

	return ret ? ret : w.first_signaled;
}

static long change(struct node *n, unsigned long cmd, uint32_t handle)
{
	struct drm_syncobj_array array = {.handles = (uintptr_t)&handle, .count_handles = 1};

	return node_ioctl(n, cmd, &array);
}

static long to_fd(struct node *n, uint32_t handle, uint32_t flags)
{
	struct drm_syncobj_handle h = {.handle = handle, .flags = flags, .fd = -1};
	long ret = node_ioctl(n, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &h);

	return ret ? ret : h.fd;
}

static long from_fd(struct node *n, int fd, uint32_t handle, uint32_t flags)
{
	struct drm_syncobj_handle h = {.handle = handle, .flags = flags, .fd = fd};
	long ret = node_ioctl(n, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &h);

	return ret ? ret : h.handle;
}

static void objects_are_refused(void **state)
{
	struct node *n = *state;
	struct drm_syncobj_create create = {.flags = 2};
	struct drm_syncobj_destroy destroy = {.handle = 5};
	struct drm_syncobj_array none = {0};
	uint32_t so = make(n, 0), both[2] = {so, 77};

	assert_int_equal(node_ioctl(n, DRM_IOCTL_SYNCOBJ_CREATE, &create), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy), -EINVAL);
	destroy = (struct drm_syncobj_destroy){.handle = so, .pad = 1};
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy), -EINVAL);
	assert_int_equal(to_fd(n, so, 4), -EINVAL);
	assert_int_equal(to_fd(n, 9, 0), -EINVAL);
	assert_int_equal(to_fd(n, 9, DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE), -ENOENT);
	assert_int_equal(to_fd(n, so, DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE), -EINVAL);
	assert_int_equal(from_fd(n, n->fd, 0, 0), -EINVAL);
	assert_int_equal(from_fd(n, n->fd, so, DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SYNCOBJ_RESET, &none), -EINVAL);
	assert_int_equal(change(n, DRM_IOCTL_SYNCOBJ_SIGNAL, 9), -ENOENT);
	assert_int_equal(wait_for(n, both, 2, 0, 0), -ENOENT);
	assert_int_equal(wait_for(n, both, 1, 0, 16), -EINVAL);
	assert_int_equal(wait_for(n, NULL, 1, 0, 0), -EFAULT);
	assert_int_equal(wait_for(n, NULL, 0, 0, 0), 0);
	/* No fence, and no wish to wait for one. */
	assert_int_equal(wait_for(n, both, 1, INT64_MAX, 0), -EINVAL);
	assert_int_equal(wait_for(n, both, 1, in_ms(20), DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT), -ETIME);
}

static void fences_come_and_go(void **state)
{
	struct node *n = *state;
	uint32_t so = make(n, DRM_SYNCOBJ_CREATE_SIGNALED), twin;
	long fd = to_fd(n, so, 0), fence;
	struct drm_syncobj_destroy destroy = {.handle = so};

	assert_int_equal(wait_for(n, &so, 1, 0, 0), 0);
	twin = (uint32_t)from_fd(n, (int)fd, 0, 0);
	assert_int_not_equal(twin, so);
	fence = to_fd(n, twin, DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE);
	assert_int_equal(node_fence_end(n, fence), 1);
	assert_int_equal(change(n, DRM_IOCTL_SYNCOBJ_RESET, so), 0);
	assert_int_equal(wait_for(n, &twin, 1, 0, 0), -EINVAL);
	assert_int_equal(change(n, DRM_IOCTL_SYNCOBJ_SIGNAL, twin), 0);
	assert_int_equal(wait_for(n, &so, 1, 0, 0), 0);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy), 0);
	assert_int_equal(wait_for(n, &twin, 1, 0, 0), 0);
	node_close(n, (int)fd);
}

struct later {
	struct node *n;
	uint32_t handle;
	int timeline, in;
};

static void *give_fence_later(void *arg)
{
	struct later *l = arg;

	usleep(20000);
	CHECK(from_fd(l->n, l->in, l->handle, DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE) >= 0);
	usleep(20000);
	node_timeline_move(l->n, l->timeline, 1);
	return NULL;
}

static void waiting_for_what_is_to_come(bool all)
{
	struct node *n = node_create("gpu", NULL);
	uint32_t handles[3] = {make(n, 0), make(n, 0), make(n, all ? DRM_SYNCOBJ_CREATE_SIGNALED : 0)};
	uint32_t flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT | (all ? DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL : 0);
	struct later l = {.n = n, .handle = handles[1], .timeline = node_timeline(n)};
	pthread_t thread;

	l.in = node_timeline_fence(n, l.timeline, 1);
	if (all)
		assert_int_equal(change(n, DRM_IOCTL_SYNCOBJ_SIGNAL, handles[0]), 0);
	assert_int_equal(wait_for(n, handles, 3, 0, flags), -ETIME);
	pthread_create(&thread, NULL, give_fence_later, &l);
	assert_int_equal(wait_for(n, handles, 3, in_ms(20000), flags), all ? 0 : 1);
	pthread_join(thread, NULL);
	node_close(n, l.in);
	node_close(n, l.timeline);
	node_destroy(n);
}

static void one_of_them(void **state)
{
	waiting_for_what_is_to_come(false);
}

static void all_of_them(void **state)
{
	waiting_for_what_is_to_come(true);
}

static void jobs_between_them(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 1), other = node_queue(n, 1), bo = node_bo(n, SIZE, 0);
	uint32_t first = make(n, 0), second = make(n, 0);
	unsigned char *p = node_map(n, bo, SIZE);
	struct drm_sgpu_op ops[] = {op_fill(bo, 0, SIZE, 1), op_fill(bo, 0, 1, 2)};
	int timeline = node_timeline(n), in = node_timeline_fence(n, timeline, 1);
	struct drm_sgpu_submit s = {.queue = queue,
				    .flags = DRM_SGPU_SUBMIT_NO_IMPLICIT | DRM_SGPU_SUBMIT_SYNCOBJ_IN |
					     DRM_SGPU_SUBMIT_SYNCOBJ_OUT,
				    .ops = (uintptr_t)ops,
				    .nr_ops = 1,
				    .fence_in = (int)first,
				    .fence_out = (int)second};

	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &s), -EINVAL);
	assert_int_equal(from_fd(n, in, first, DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE), first);
	s.fence_out = 77;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &s), -ENOENT);
	s.fence_out = (int)second;
	s.flags |= DRM_SGPU_SUBMIT_FENCE_OUT;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &s), -EINVAL);
	s.flags &= ~DRM_SGPU_SUBMIT_FENCE_OUT;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &s), 0);
	s.queue = other;
	s.ops = (uintptr_t)&ops[1];
	s.fence_in = (int)second;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &s), 0);
	assert_int_equal(wait_for(n, &second, 1, in_ms(20), 0), -ETIME);
	node_timeline_move(n, timeline, 1);
	assert_int_equal(wait_for(n, &second, 1, in_ms(20000), 0), 0);
	assert_int_equal(p[0], 2);
	assert_int_equal(p[1], 1);
	node_unmap(n, p);
	node_close(n, in);
	node_close(n, timeline);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_set_up, node_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(objects_are_refused),     TEST(fences_come_and_go), cmocka_unit_test(one_of_them),
		cmocka_unit_test(all_of_them), TEST(jobs_between_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
