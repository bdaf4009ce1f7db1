/* SPDX-License-Identifier: BSD-3-Clause */
/* What SUBMIT and the other ioctls refuse, and what jobs wait for. */
#include "node.h"

#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 65536 };

static bool all_are(const unsigned char *p, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

/* --- ioctls in general --- */

static void numbers_and_sizes(void **state)
{
	struct node *n = *state;
	struct {
		struct drm_sgpu_info info;
		uint64_t beyond;
	} longer = {.beyond = 7};
	uint64_t shorter = 0;
	struct drm_sgpu_info info;

	assert_int_equal(node_ioctl(n, _IO('e', 0), NULL), -ENOTTY);
	assert_int_equal(node_ioctl(n, DRM_IO(DRM_COMMAND_BASE + 0x3f), NULL), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IO(0x99), NULL), -EINVAL);
	/* One that render nodes do not have. */
	assert_int_equal(node_ioctl(n, DRM_IO(0x1e), NULL), -EACCES);
	assert_int_equal(node_ioctl(n, DRM_IO(0xca), NULL), -EOPNOTSUPP);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_INFO, &info), 0);
	assert_int_equal(info.local_size, 256 << 20);
	/* The program's idea of the size counts for the copy alone. */
	assert_int_equal(node_ioctl(n, DRM_IOR(DRM_COMMAND_BASE + DRM_SGPU_INFO, uint64_t), &shorter), 0);
	assert_int_equal(shorter, 256 << 20);
	assert_int_equal(node_ioctl(n, _IOC(_IOC_READ, 'd', DRM_COMMAND_BASE + DRM_SGPU_INFO, sizeof(longer)), &longer),
			 0);
	assert_int_equal(longer.info.local_size, 256 << 20);
	assert_int_equal(longer.beyond, 0);
	/* Nothing to copy: nobody looks at the pointer. */
	assert_int_equal(node_ioctl(n, DRM_IO(DRM_COMMAND_BASE + DRM_SGPU_INFO), NULL), 0);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_INFO, NULL), -EFAULT);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, NULL), -EFAULT);
}

static void a_short_structure_is_zero_behind(void **state)
{
	struct node *n = *state;
	uint64_t size = 4096;

	/* flags are 0, and where the handle would go nothing is written. */
	assert_int_equal(node_ioctl(n, DRM_IOWR(DRM_COMMAND_BASE + DRM_SGPU_BO_CREATE, uint64_t), &size), 0);
	assert_int_equal(size, 4096);
}

static void objects_are_refused(void **state)
{
	struct node *n = *state;
	struct drm_sgpu_bo_create create = {.size = 4097};
	struct drm_sgpu_bo_info info = {.handle = 9};
	struct drm_sgpu_bo_mmap map = {.handle = 9};
	struct drm_gem_close close = {.handle = 9};
	struct drm_prime_handle prime = {.handle = 9};
	struct drm_sgpu_bo_import import = {.fd = n->fd, .flags = 1};

	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &create), -EINVAL);
	create = (struct drm_sgpu_bo_create){.size = 0};
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &create), -EINVAL);
	create = (struct drm_sgpu_bo_create){.size = 4096, .flags = 2};
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &create), -EINVAL);
	create = (struct drm_sgpu_bo_create){.size = -4096ull, .flags = DRM_SGPU_BO_LOCAL};
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &create), -EINVAL);
	create = (struct drm_sgpu_bo_create){.size = 257 << 20, .flags = DRM_SGPU_BO_LOCAL};
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_CREATE, &create), -ENOSPC);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_INFO, &info), -ENOENT);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_MMAP, &map), -ENOENT);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_GEM_CLOSE, &close), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), -ENOENT);
	prime.flags = 1;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime), -EINVAL);
	prime.fd = 200;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), -EBADF);
	prime.fd = n->fd;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_BO_IMPORT, &import), -EINVAL);
	assert_int_equal(fake_task_mmap(n->ft, n->fd, 4096, 3, 1, 0), -EINVAL);
	assert_int_equal(fake_task_mmap(n->ft, n->fd, 4096, 3, 1, 9ull << 40), -EINVAL);
}

static void handles_are_one_for_a_buffer(void **state)
{
	struct node *n = *state;
	uint32_t bo = node_bo(n, SIZE, 0);
	int fd = node_export(n, bo);
	struct drm_prime_handle prime = {.fd = fd};
	struct drm_gem_close close = {.handle = bo};

	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	assert_int_equal(prime.handle, bo);
	/* The fd keeps it; a second time it gets a name again. */
	assert_int_equal(node_ioctl(n, DRM_IOCTL_GEM_CLOSE, &close), 0);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_GEM_CLOSE, &close), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime), 0);
	assert_int_equal(prime.handle, bo);
	node_close(n, fd);
}

/* --- SUBMIT --- */

static struct drm_sgpu_submit good(uint32_t queue, const struct drm_sgpu_op *op)
{
	return (struct drm_sgpu_submit){
		.queue = queue, .flags = DRM_SGPU_SUBMIT_FENCE_OUT, .ops = (uintptr_t)op, .nr_ops = 1};
}

static long submit(struct node *n, struct drm_sgpu_submit s)
{
	unsigned before = fake_task_nr_fds(n->ft);
	long ret = node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, &s);

	assert_int_equal(fake_task_nr_fds(n->ft), before + (ret == 0));
	if (!ret)
		node_fence_end(n, s.fence_out);
	return ret;
}

#define REFUSED(err, change)                                                                                           \
	do {                                                                                                           \
		struct drm_sgpu_submit s = good(queue, &op);                                                           \
		change;                                                                                                \
		assert_int_equal(submit(n, s), err);                                                                   \
	} while (0)

static void submissions_are_refused(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 1), bo = node_bo(n, SIZE, 0);
	struct drm_sgpu_op op = op_fill(bo, 0, SIZE, 1);

	REFUSED(0, (void)s);
	REFUSED(-EINVAL, s.flags |= 0x20);
	REFUSED(-EINVAL, s.pad = 1);
	REFUSED(-EINVAL, s.nr_ops = 0);
	REFUSED(-EINVAL, s.nr_ops = 65);
	REFUSED(-EFAULT, s.ops = 0);
	REFUSED(-ENOENT, s.queue = queue + 1);
	REFUSED(-EINVAL, s.flags |= DRM_SGPU_SUBMIT_FENCE_IN; s.fence_in = -1);
	REFUSED(-EINVAL, s.flags |= DRM_SGPU_SUBMIT_FENCE_IN; s.fence_in = n->fd);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, NULL), -EFAULT);
}

#define OP_REFUSED(err, change)                                                                                        \
	do {                                                                                                           \
		struct drm_sgpu_op op = op_copy(other, bo, SIZE);                                                      \
		change;                                                                                                \
		assert_int_equal(submit(n, good(queue, &op)), err);                                                    \
	} while (0)

static void operations_are_refused(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 1), bo = node_bo(n, SIZE, 0), other = node_bo(n, SIZE, DRM_SGPU_BO_LOCAL);

	OP_REFUSED(0, (void)op);
	OP_REFUSED(-EINVAL, op.op = 3);
	OP_REFUSED(-EINVAL, op.pad = 1);
	OP_REFUSED(-EINVAL, op.length = 0);
	OP_REFUSED(-EINVAL, op.length = SIZE + 1);
	OP_REFUSED(-EINVAL, op.source_offset = 1);
	OP_REFUSED(-EINVAL, op.target_offset = 1);
	OP_REFUSED(-EINVAL, op.source_offset = -1ull);
	OP_REFUSED(-EINVAL, op.target_offset = -(uint64_t)SIZE);
	OP_REFUSED(-ENOENT, op.source = 0);
	OP_REFUSED(-ENOENT, op.target = other + 1);
	/* Within one buffer: beside each other, but not over each other. */
	OP_REFUSED(0, op.target = bo; op.length = 4096; op.target_offset = 4096);
	OP_REFUSED(-EINVAL, op.target = bo; op.length = 4097; op.target_offset = 4096);
	OP_REFUSED(-EINVAL, op = op_fill(bo, 0, 1, 0); op.source_offset = 256);
}

/* The structure cannot be written: nothing has happened. */
static void nothing_is_left_of_a_fault(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 1), bo = node_bo(n, SIZE, 0);
	unsigned char *p = node_map(n, bo, SIZE);
	struct drm_sgpu_op op = op_fill(bo, 0, SIZE, 1);
	struct drm_sgpu_submit *s = aligned_alloc(4096, 4096);
	struct drm_prime_handle *prime = (void *)(s + 1);
	unsigned fds = fake_task_nr_fds(n->ft);

	*s = good(queue, &op);
	*prime = (struct drm_prime_handle){.handle = bo};
	fake_task_read_only(n->ft, (uaddr_t)(uintptr_t)s, 4096);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_SUBMIT, s), -EFAULT);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_PRIME_HANDLE_TO_FD, prime), -EFAULT);
	assert_int_equal(fake_task_nr_fds(n->ft), fds);
	assert_int_equal(node_fence_end(n, node_submit_one(n, queue, op_fill(bo, SIZE - 1, 1, 2), -1)), 1);
	assert_true(all_are(p, SIZE - 1, 0));
	node_unmap(n, p);
	free(s);
}

static void no_fds_are_left(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 1), bo = node_bo(n, SIZE, 0);
	struct drm_sgpu_op op = op_fill(bo, 0, SIZE, 1);

	fake_task_limit_fds(n->ft, fake_task_nr_fds(n->ft));
	assert_int_equal(submit(n, good(queue, &op)), -EMFILE);
	fake_task_limit_fds(n->ft, 64);
	assert_int_equal(submit(n, good(queue, &op)), 0);
}

static void queues_are_refused(void **state)
{
	struct node *n = *state;
	struct drm_sgpu_queue_create create = {.priority = 3};
	struct drm_sgpu_queue_destroy destroy = {.id = node_queue(n, 0), .pad = 1};
	struct drm_sgpu_op op = op_fill(node_bo(n, SIZE, 0), 0, 1, 1);

	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_CREATE, &create), -EINVAL);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy), -EINVAL);
	destroy.pad = 0;
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy), 0);
	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy), -ENOENT);
	assert_int_equal(submit(n, good(destroy.id, &op)), -ENOENT);
}

/* --- what jobs wait for --- */

static void a_job_waits_for_its_fence(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 2), bo = node_bo(n, SIZE, DRM_SGPU_BO_LOCAL);
	unsigned char *p = node_map(n, bo, SIZE);
	int timeline = node_timeline(n), in = node_timeline_fence(n, timeline, 1);
	long out = node_submit_one(n, queue, op_fill(bo, 0, SIZE, 3), in);

	assert_int_equal(node_fence_status(n, (int)out), 0);
	assert_int_equal(p[0], 0);
	node_timeline_move(n, timeline, 1);
	assert_int_equal(node_fence_end(n, out), 1);
	assert_true(all_are(p, SIZE, 3));
	node_unmap(n, p);
	node_close(n, in);
	node_close(n, timeline);
}

/* Two queues, one buffer: the writer waits, so the reader does, unless it says that it knows better. */
static void buffers_order_jobs(void **state)
{
	struct node *n = *state;
	uint32_t first = node_queue(n, 1), second = node_queue(n, 1);
	uint32_t shared = node_bo(n, SIZE, 0), mine = node_bo(n, SIZE, 0);
	unsigned char *p = node_map(n, mine, SIZE);
	struct drm_sgpu_op read = op_copy(mine, shared, SIZE);
	int timeline = node_timeline(n), in = node_timeline_fence(n, timeline, 1);
	long writer, reader, hasty;

	writer = node_submit_one(n, first, op_fill(shared, 0, SIZE, 9), in);
	hasty = node_submit(n, second, &read, 1, -1, DRM_SGPU_SUBMIT_NO_IMPLICIT);
	assert_int_equal(node_fence_end(n, hasty), 1);
	assert_true(all_are(p, SIZE, 0));
	reader = node_submit(n, second, &read, 1, -1, 0);
	usleep(20000);
	assert_int_equal(node_fence_status(n, (int)reader), 0);
	node_timeline_move(n, timeline, 1);
	assert_int_equal(node_fence_end(n, writer), 1);
	assert_int_equal(node_fence_end(n, reader), 1);
	assert_true(all_are(p, SIZE, 9));
	node_unmap(n, p);
	node_close(n, in);
	node_close(n, timeline);
}

/* Many pieces on both sides, and more jobs than the ring has room for. */
static void jobs_of_many_commands(void **state)
{
	struct node *n = *state;
	uint32_t queue = node_queue(n, 1), hole[16], rest, scattered;
	unsigned char *p;
	struct drm_sgpu_op ops[64];
	struct drm_gem_close close;
	long out = -1;

	for (unsigned i = 0; i < 16; i++) {
		hole[i] = node_bo(n, 65536, DRM_SGPU_BO_LOCAL);
		node_bo(n, 65536, DRM_SGPU_BO_LOCAL);
	}
	for (unsigned i = 0; i < 16; i++) {
		close.handle = hole[i];
		assert_int_equal(node_ioctl(n, DRM_IOCTL_GEM_CLOSE, &close), 0);
	}
	scattered = node_bo(n, 16 * 65536, DRM_SGPU_BO_LOCAL);
	rest = node_bo(n, 16 * 65536, 0);
	p = node_map(n, rest, 16 * 65536);
	for (unsigned i = 0; i < 64; i++)
		ops[i] = i % 2 ? op_copy(rest, scattered, 16 * 65536)
			       : op_fill(scattered, 65535, 15 * 65536, (unsigned char)i);
	for (unsigned i = 0; i < 6; i++) {
		if (out >= 0)
			node_close(n, (int)out);
		out = node_submit(n, queue, ops, 64, -1, 0);
		assert_true(out >= 0);
	}
	assert_int_equal(node_fence_end(n, out), 1);
	assert_true(all_are(p, 65535, 0) && all_are(p + 65535, 15 * 65536, 62) && all_are(p + 16 * 65536 - 1, 1, 0));
	node_unmap(n, p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_set_up, node_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_and_sizes),	  TEST(a_short_structure_is_zero_behind),
		TEST(objects_are_refused),	  TEST(handles_are_one_for_a_buffer),
		TEST(submissions_are_refused),	  TEST(operations_are_refused),
		TEST(nothing_is_left_of_a_fault), TEST(no_fds_are_left),
		TEST(queues_are_refused),	  TEST(a_job_waits_for_its_fence),
		TEST(buffers_order_jobs),	  TEST(jobs_of_many_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
