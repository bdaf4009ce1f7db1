/* SPDX-License-Identifier: BSD-3-Clause */
/* Sync files and sw_sync timelines: each refusal and what it leaves behind, readiness, the end of a timeline. */
#include "sync_rig.h"

#include <string.h>

#include "fence/dma_fence_chain.h"
#include "fence/sync_file.h"

static struct sync_rig rig;
static char frozen[4096] __attribute__((aligned(4096))); /* the program may read it */
static char hole[4096] __attribute__((aligned(4096)));

static int set_up(void **state)
{
	sync_rig_init(&rig);
	fake_task_read_only(rig.ft, (uaddr_t)frozen, sizeof(frozen));
	fake_task_fault(rig.ft, (uaddr_t)hole, sizeof(hole));
	return 0;
}

static int tear_down(void **state)
{
	sync_rig_fini(&rig);
	return dma_fence_count() ? -1 : 0;
}

/* The call fails so, and takes neither an fd nor a fence. */
static void refuses(int err, int fd, unsigned long cmd, void *arg)
{
	unsigned fds = fake_task_nr_fds(rig.ft);
	int64_t fences = dma_fence_count();

	assert_int_equal(fake_task_ioctl(rig.ft, fd, cmd, arg), err);
	assert_int_equal(fake_task_nr_fds(rig.ft), fds);
	assert_int_equal(dma_fence_count(), fences);
}

static void creating_refuses(void **state)
{
	int timeline = sync_timeline(&rig);
	struct sw_sync_create_fence_data data = {.value = 1};

	refuses(-ENOTTY, timeline, _IO('W', 0), &data);
	refuses(-EFAULT, timeline, SW_SYNC_IOC_CREATE_FENCE, hole);
	memcpy(frozen, &data, sizeof(data));
	refuses(-EFAULT, timeline, SW_SYNC_IOC_CREATE_FENCE, frozen);
	refuses(-EFAULT, timeline, SW_SYNC_IOC_INC, hole);
	fake_task_limit_fds(rig.ft, fake_task_nr_fds(rig.ft));
	refuses(-EMFILE, timeline, SW_SYNC_IOC_CREATE_FENCE, &data);
	refuses(-EMFILE, timeline, SW_SYNC_IOC_CREATE_FENCE, hole);
}

static void merging_refuses(void **state)
{
	int timeline = sync_timeline(&rig), a = sync_point(&rig, timeline, 1), b = sync_point(&rig, timeline, 2);
	struct sync_merge_data flags = {.fd2 = b, .flags = 1}, pad = {.fd2 = b, .pad = 1}, good = {.fd2 = b};
	struct sync_merge_data other[] = {{.fd2 = -1}, {.fd2 = 200}, {.fd2 = timeline}, {.fd2 = 1 << 30}};

	refuses(-ENOTTY, a, _IO('>', 3), &good);
	refuses(-EFAULT, a, SYNC_IOC_MERGE, hole);
	refuses(-EINVAL, a, SYNC_IOC_MERGE, &flags);
	refuses(-EINVAL, a, SYNC_IOC_MERGE, &pad);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		refuses(-ENOENT, a, SYNC_IOC_MERGE, &other[i]);
	memcpy(frozen, &good, sizeof(good));
	refuses(-EFAULT, a, SYNC_IOC_MERGE, frozen);
	fake_task_limit_fds(rig.ft, fake_task_nr_fds(rig.ft));
	refuses(-EMFILE, a, SYNC_IOC_MERGE, &good);
}

static void informing_refuses(void **state)
{
	int one = sync_timeline(&rig), two = sync_timeline(&rig), fd;
	struct sync_fence_info each[2];
	struct sync_file_info flags = {.flags = 1}, pad = {.pad = 1}, none = {0};
	struct sync_file_info few = {.num_fences = 1, .sync_fence_info = (uintptr_t)each};
	struct sync_file_info nowhere = {.num_fences = 2, .sync_fence_info = (uintptr_t)hole};

	fd = sync_merge(&rig, sync_point(&rig, one, 1), sync_point(&rig, two, 1));
	refuses(-EFAULT, fd, SYNC_IOC_FILE_INFO, hole);
	refuses(-EINVAL, fd, SYNC_IOC_FILE_INFO, &flags);
	refuses(-EINVAL, fd, SYNC_IOC_FILE_INFO, &pad);
	refuses(-EINVAL, fd, SYNC_IOC_FILE_INFO, &few);
	refuses(-EFAULT, fd, SYNC_IOC_FILE_INFO, &nowhere);
	memcpy(frozen, &none, sizeof(none));
	refuses(-EFAULT, fd, SYNC_IOC_FILE_INFO, frozen);
}

static void deadlines_refuse(void **state)
{
	int timeline = sync_timeline(&rig), fd = sync_point(&rig, timeline, 1);
	struct sync_set_deadline pad = {.pad = 1}, set = {.deadline_ns = 7};
	struct sw_sync_get_deadline not_zero = {.deadline_ns = 1, .fence_fd = fd};
	struct sw_sync_get_deadline get_pad = {.pad = 1, .fence_fd = fd}, no_file = {.fence_fd = timeline};
	struct sw_sync_get_deadline get = {.fence_fd = fd};

	refuses(-EFAULT, fd, SYNC_IOC_SET_DEADLINE, hole);
	refuses(-EINVAL, fd, SYNC_IOC_SET_DEADLINE, &pad);
	refuses(-EFAULT, timeline, SW_SYNC_GET_DEADLINE, hole);
	refuses(-EINVAL, timeline, SW_SYNC_GET_DEADLINE, &not_zero);
	refuses(-EINVAL, timeline, SW_SYNC_GET_DEADLINE, &get_pad);
	refuses(-EINVAL, timeline, SW_SYNC_GET_DEADLINE, &no_file);
	refuses(-ENOENT, timeline, SW_SYNC_GET_DEADLINE, &get);
	assert_int_equal(fake_task_ioctl(rig.ft, fd, SYNC_IOC_SET_DEADLINE, &set), 0);
	memcpy(frozen, &get, sizeof(get));
	refuses(-EFAULT, timeline, SW_SYNC_GET_DEADLINE, frozen);
	assert_int_equal(fake_task_ioctl(rig.ft, timeline, SW_SYNC_GET_DEADLINE, &get), 0);
	assert_int_equal(get.deadline_ns, 7);
}

static unsigned ready(int fd)
{
	return file_ready(fake_task_file(rig.ft, fd));
}

static void a_file_is_ready_with_its_last_fence(void **state)
{
	int one = sync_timeline(&rig), two = sync_timeline(&rig);
	int a = sync_point(&rig, one, 1), b = sync_point(&rig, two, 1), both = sync_merge(&rig, a, b), early;

	assert_int_equal(ready(a) | ready(b) | ready(both), 0);
	sync_inc(&rig, one, 1);
	assert_int_equal(ready(a), POLLIN);
	assert_int_equal(ready(both), 0);
	sync_inc(&rig, two, 1);
	assert_int_equal(ready(both), POLLIN);
	early = sync_merge(&rig, a, b);
	assert_int_equal(ready(early), POLLIN);
}

/* The callback goes with the file; the merge keeps the fence. */
static void a_closed_file_is_told_nothing(void **state)
{
	int timeline = sync_timeline(&rig), a = sync_point(&rig, timeline, 1), b = sync_point(&rig, timeline, 2);
	int merged = sync_merge(&rig, a, b);

	sync_close(&rig, a);
	sync_close(&rig, b);
	sync_inc(&rig, timeline, 1);
	assert_int_equal(ready(merged), 0);
	sync_inc(&rig, timeline, 1);
	assert_int_equal(ready(merged), POLLIN);
}

static void a_timeline_that_ends_takes_its_fences_along(void **state)
{
	int one = sync_timeline(&rig), two = sync_timeline(&rig);
	int a = sync_point(&rig, one, 1), b = sync_point(&rig, two, 1), both = sync_merge(&rig, a, b), status;
	struct sync_fence_info each[2] = {0};
	unsigned nr = 2;

	sync_close(&rig, one);
	assert_int_equal(ready(a), POLLIN);
	assert_int_equal(ready(both), 0);
	assert_int_equal(sync_info(&rig, a, each, &nr, &status), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(status, -ENOENT);
	assert_true(each[0].timestamp_ns > 0);
	nr = 2;
	assert_int_equal(sync_info(&rig, both, each, &nr, &status), 0);
	assert_int_equal(status, -ENOENT);
	sync_close(&rig, two);
	assert_int_equal(ready(both), POLLIN);
}

/* Whoever lets go of the last of them: the program's fds, the timeline, the machine. */
static void fences_outlive_their_timeline_and_the_machine(void **state)
{
	int timeline = sync_timeline(&rig), a = sync_point(&rig, timeline, 1), twin = sync_point(&rig, timeline, 1);
	struct file *f = file_get(fake_task_file(rig.ft, a));

	sync_close(&rig, twin);
	sync_close(&rig, timeline);
	sync_close(&rig, a);
	sync_rig_fini(&rig);
	assert_int_equal(dma_fence_count(), 1);
	file_put(f);
	assert_int_equal(dma_fence_count(), 0);
	sync_rig_init(&rig);
}

/* Has signalled by the time that it is asked for the second time. */
struct late {
	struct dma_fence base;
	int asked;
};

static const char *late_name(struct dma_fence *f)
{
	return "late";
}

static bool late_signaled(struct dma_fence *f)
{
	return container_of(f, struct late, base)->asked++ > 0;
}

static const struct dma_fence_ops late_ops = {
	.get_driver_name = late_name, .get_timeline_name = late_name, .signaled = late_signaled};

static struct dma_fence *late_new(void)
{
	struct late *late = calloc(1, sizeof(*late));

	assert_non_null(late);
	dma_fence_init(&late->base, &late_ops, NULL, dma_fence_context_alloc(1), 1);
	return &late->base;
}

static void a_chain_that_shrinks_is_told_as_it_is(void **state)
{
	struct dma_fence_chain *first = dma_fence_chain_alloc(), *second = dma_fence_chain_alloc();
	struct dma_fence *pending = late_new();
	struct sync_fence_info each[2] = {0};
	unsigned nr = 2;
	struct file *f;
	int fd, status;

	((struct late *)pending)->asked = -1000;
	dma_fence_chain_init(first, NULL, late_new(), 1);
	dma_fence_chain_init(second, &first->base, dma_fence_get(pending), 2);
	fd = sync_file_reserve(fake_task(rig.ft), &f);
	assert_true(fd >= 0);
	sync_file_publish(fake_task(rig.ft), fd, f, &second->base, "chain");
	dma_fence_put(&second->base);
	((struct late *)first->fence)->asked = 0;
	assert_int_equal(sync_info(&rig, fd, each, &nr, &status), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(status, 0);
	assert_string_equal(each[0].driver_name, "late");
	dma_fence_signal(pending);
	dma_fence_put(pending);
	assert_int_equal(ready(fd), POLLIN);
}

static void numbers_wrap(void **state)
{
	int timeline = sync_timeline(&rig), before, after;

	sync_inc(&rig, timeline, 0xfffffff0u);
	before = sync_point(&rig, timeline, 0xfffffffeu);
	after = sync_point(&rig, timeline, 5);
	assert_int_equal(ready(before) | ready(after), 0);
	sync_inc(&rig, timeline, 0xe);
	assert_int_equal(ready(before), POLLIN);
	assert_int_equal(ready(after), 0);
	sync_inc(&rig, timeline, 7);
	assert_int_equal(ready(after), POLLIN);
}

static void debugfs_tells_what_is_pending(void **state)
{
	int timeline = sync_timeline(&rig), i;
	char *text;

	for (i = 0; i < 40; i++)
		sync_point(&rig, timeline, (uint32_t)(40 - i));
	sync_inc(&rig, timeline, 38);
	text = sync_text(&rig);
	assert_non_null(strstr(text, ": 38\n  fence active: 39 / 38\n  fence active: 40 / 38\n\nfences:\n"));
	free(text);
	sync_close(&rig, timeline);
	text = sync_text(&rig);
	assert_string_equal(text, "objs:\n--------------\nfences:\n--------------\n");
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(creating_refuses),
		TEST(merging_refuses),
		TEST(informing_refuses),
		TEST(deadlines_refuse),
		TEST(a_file_is_ready_with_its_last_fence),
		TEST(a_closed_file_is_told_nothing),
		TEST(a_timeline_that_ends_takes_its_fences_along),
		TEST(fences_outlive_their_timeline_and_the_machine),
		TEST(a_chain_that_shrinks_is_told_as_it_is),
		TEST(numbers_wrap),
		TEST(debugfs_tells_what_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
