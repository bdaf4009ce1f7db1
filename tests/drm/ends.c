/* SPDX-License-Identifier: BSD-3-Clause */
/* How jobs end that do not simply end: killed, hung, refused by the ring, overtaken by a reset or by the driver's
 * leave. */
#include "node.h"

#include <linux/pci_regs.h>
#include <pthread.h>
#include <unistd.h>

#include "model/gpu_regs.h"
#include "pci/function.h"

enum { SIZE = 65536, HIGH = 2 };

struct jobs {
	struct node *n;
	uint32_t queue, other, bo;
	unsigned char *p;
	int timeline, in;
};

static struct jobs jobs_begin(struct node *n, uint32_t flags)
{
	struct jobs j = {.n = n, .queue = node_queue(n, 1), .other = node_queue(n, 1), .bo = node_bo(n, SIZE, flags)};

	j.p = node_map(n, j.bo, SIZE);
	j.timeline = node_timeline(n);
	j.in = node_timeline_fence(n, j.timeline, 1);
	return j;
}

static void jobs_end(struct jobs *j)
{
	node_unmap(j->n, j->p);
	node_close(j->n, j->in);
	node_close(j->n, j->timeline);
}

/* Until the ring has been given that many commands, since it was started last. */
static void wait_for_ring(struct node *n, uint32_t commands)
{
	struct pci_function *fn = node_function(n, GPU_NAME);

	for (unsigned i = 0; i < 20000 && pci_mmio_read(fn, 0, GPU_RING_TAIL, 4) != commands; i++)
		usleep(1000);
	assert_int_equal(pci_mmio_read(fn, 0, GPU_RING_TAIL, 4), commands);
}

static void queue_destroy(struct node *n, uint32_t id)
{
	struct drm_sgpu_queue_destroy destroy = {.id = id};

	assert_int_equal(node_ioctl(n, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy), 0);
}

/* --- kills --- */

static void a_killed_job_ends_after_what_it_waits_for(void **state)
{
	struct jobs j = jobs_begin(*state, 0);
	long out = node_submit_one(j.n, j.queue, op_fill(j.bo, 0, SIZE, 1), j.in);
	long behind = node_submit_one(j.n, j.other, op_fill(j.bo, 0, 1, 2), -1);

	queue_destroy(j.n, j.queue);
	usleep(20000);
	assert_int_equal(node_fence_status(j.n, (int)out), 0);
	assert_int_equal(node_fence_status(j.n, (int)behind), 0);
	node_timeline_move(j.n, j.timeline, 1);
	assert_int_equal(node_fence_end(j.n, out), -ESRCH);
	assert_int_equal(node_fence_end(j.n, behind), 1);
	assert_int_equal(j.p[0], 2);
	assert_int_equal(j.p[1], 0);
	jobs_end(&j);
}

/* The hardware has them: the one ends as what it is, the other as if nothing had been. */
static void what_the_hardware_has_is_not_killed(void **state)
{
	struct jobs j = jobs_begin(*state, DRM_SGPU_BO_LOCAL);
	long hung = node_submit_one(j.n, j.queue, op_hang(), -1);
	long behind = node_submit_one(j.n, j.other, op_fill(j.bo, 0, SIZE, 1), -1);

	wait_for_ring(j.n, 2);
	queue_destroy(j.n, j.other);
	queue_destroy(j.n, j.queue);
	assert_int_equal(node_fence_end(j.n, hung), -ETIME);
	assert_int_equal(node_fence_end(j.n, behind), 1);
	assert_int_equal(j.p[SIZE - 1], 1);
	jobs_end(&j);
}

static void closing_the_node_kills(void **state)
{
	struct jobs j = jobs_begin(*state, 0);
	long waits = node_submit_one(j.n, j.queue, op_fill(j.bo, 0, SIZE, 1), j.in);
	long hung = node_submit_one(j.n, j.other, op_hang(), -1);
	long next = node_submit_one(j.n, j.queue, op_fill(j.bo, 0, SIZE, 1), -1);

	node_close(j.n, j.n->fd);
	assert_int_equal(node_fence_status(j.n, (int)waits), 0);
	node_timeline_move(j.n, j.timeline, 1);
	assert_int_equal(node_fence_end(j.n, waits), -ESRCH);
	assert_int_equal(node_fence_end(j.n, next), -ESRCH);
	/* Killed before the hardware had it, or hung there. */
	assert_true(node_fence_end(j.n, hung) < 0);
	assert_int_equal(j.p[0], 0);
	jobs_end(&j);
}

/* --- the ring does not go on --- */

static void a_hang_costs_its_queue(void **state)
{
	struct jobs j = jobs_begin(*state, DRM_SGPU_BO_LOCAL);
	struct drm_sgpu_op ops[] = {op_fill(j.bo, 0, 1, 5), op_hang(), op_fill(j.bo, 0, 1, 6)};
	long hung = node_submit(j.n, j.queue, ops, 3, -1, DRM_SGPU_SUBMIT_NO_IMPLICIT);
	long next = node_submit(j.n, j.queue, ops, 1, -1, DRM_SGPU_SUBMIT_NO_IMPLICIT);
	long other = node_submit_one(j.n, j.other, op_fill(j.bo, 1, 1, 7), -1);

	assert_int_equal(node_fence_end(j.n, hung), -ETIME);
	assert_int_equal(node_fence_end(j.n, next), -ECANCELED);
	assert_int_equal(node_fence_end(j.n, other), 1);
	assert_int_equal(j.p[0], 5);
	assert_int_equal(j.p[1], 7);
	assert_int_equal(node_submit_one(j.n, j.queue, op_fill(j.bo, 1, 1, 7), -1), -ECANCELED);
	jobs_end(&j);
}

static void command_set(struct node *n, uint16_t clear, uint16_t set)
{
	struct pci_function *fn = node_function(n, GPU_NAME);

	pci_config_write(fn, PCI_COMMAND, (pci_config_read(fn, PCI_COMMAND, 2) & ~clear) | set, 2);
}

/* It cannot even read its commands: each job fails, and when it can again they go on. */
static void a_halt_costs_its_job(void **state)
{
	struct jobs j = jobs_begin(*state, 0);
	long first, second;

	command_set(j.n, PCI_COMMAND_MASTER, 0);
	first = node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 1), -1);
	second = node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 2), -1);
	assert_int_equal(node_fence_end(j.n, first), -EIO);
	assert_int_equal(node_fence_end(j.n, second), -EIO);
	command_set(j.n, 0, PCI_COMMAND_MASTER);
	assert_int_equal(node_fence_end(j.n, node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 3), -1)), 1);
	assert_int_equal(j.p[0], 3);
	jobs_end(&j);
}

/* --- resets by others --- */

static void a_reset_runs_jobs_again(void **state)
{
	struct jobs j = jobs_begin(*state, 0);
	struct drm_sgpu_op ops[] = {op_fill(j.bo, 0, 1, 5), op_hang()};
	long begun = node_submit(j.n, j.queue, ops, 2, -1, 0);
	long behind = node_submit_one(j.n, j.other, op_fill(j.bo, 1, 1, 7), -1);

	wait_for_ring(j.n, 3);
	while (pci_mmio_read(node_function(j.n, GPU_NAME), 0, GPU_RING_HEAD, 4) != 1)
		usleep(1000);
	assert_int_equal(put(j.n->fx, GPU_SYSFS "reset", "1"), 1);
	assert_int_equal(node_fence_end(j.n, begun), -EIO);
	assert_int_equal(node_fence_end(j.n, behind), 1);
	assert_int_equal(j.p[0], 5);
	assert_int_equal(j.p[1], 7);
	/* The queue lives. */
	assert_int_equal(node_fence_end(j.n, node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 3), -1)), 1);
	jobs_end(&j);
}

static void *reset_main(void *arg)
{
	struct node *n = arg;

	CHECK(put(n->fx, GPU_SYSFS "reset", "1") == 1);
	return NULL;
}

/* The memory goes away with the reset, so that waits for who still counts on it. */
static void a_reset_waits_for_jobs_on_local_memory(void **state)
{
	struct jobs j = jobs_begin(*state, DRM_SGPU_BO_LOCAL);
	struct drm_sgpu_op op = op_fill(j.bo, 0, SIZE, 1);
	long out = node_submit_one(j.n, j.queue, op, j.in), other;
	struct pci_function *fn = node_function(j.n, GPU_NAME);
	pthread_t thread;

	pthread_create(&thread, NULL, reset_main, j.n);
	while (pci_gate_is_open(&fn->gate))
		usleep(1000);
	usleep(20000);
	assert_int_equal(node_fence_status(j.n, (int)out), 0);
	/* Meanwhile nobody begins anew. */
	assert_int_equal(node_submit_one(j.n, j.other, op, -1), -ENODEV);
	node_timeline_move(j.n, j.timeline, 1);
	assert_int_equal(node_fence_end(j.n, out), 1);
	pthread_join(thread, NULL);
	assert_int_equal(j.p[SIZE - 1], 1);
	other = node_submit_one(j.n, j.other, op_fill(j.bo, 0, SIZE, 2), -1);
	assert_int_equal(node_fence_end(j.n, other), 1);
	assert_int_equal(j.p[0], 2);
	jobs_end(&j);
}

/* Nobody brings it back: what waits for it is told so. */
static void a_function_that_is_gone(void **state)
{
	struct jobs j = jobs_begin(*state, 0);
	struct pci_function *fn = node_function(j.n, GPU_NAME);
	long hung = node_submit_one(j.n, j.queue, op_hang(), -1);
	long behind = node_submit_one(j.n, j.other, op_fill(j.bo, 0, 1, 1), -1);

	wait_for_ring(j.n, 2);
	command_set(j.n, PCI_COMMAND_MEMORY, 0);
	assert_int_equal(node_fence_end(j.n, hung), -ENODEV);
	assert_int_equal(node_fence_end(j.n, behind), -ENODEV);
	assert_int_equal(node_fence_end(j.n, node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 1), -1)), -ENODEV);
	command_set(j.n, 0, PCI_COMMAND_MEMORY);
	wait_for_ring(j.n, 0);
	assert_int_equal(node_fence_end(j.n, node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 4), -1)), 1);
	assert_int_equal(j.p[0], 4);
	assert_true(fn->decoding);
	jobs_end(&j);
}

/* --- the driver leaves --- */

static void *unbind_main(void *arg)
{
	struct node *n = arg;

	assert_int_equal(put(n->fx, "/sys/bus/pci/drivers/sgpu/unbind", GPU_NAME), 12);
	return NULL;
}

static void unbinding_ends_all_jobs(void **state)
{
	struct jobs j = jobs_begin(*state, DRM_SGPU_BO_LOCAL);
	long waits = node_submit_one(j.n, j.queue, op_fill(j.bo, 0, SIZE, 1), j.in);
	long hung = node_submit_one(j.n, j.other, op_hang(), -1);
	struct drm_sgpu_info info;
	pthread_t thread;

	wait_for_ring(j.n, 1);
	pthread_create(&thread, NULL, unbind_main, j.n);
	assert_int_equal(node_fence_end(j.n, hung), -ECANCELED);
	assert_int_equal(node_fence_status(j.n, (int)waits), 0);
	node_timeline_move(j.n, j.timeline, 1);
	assert_int_equal(node_fence_end(j.n, waits), -ESRCH);
	pthread_join(thread, NULL);
	assert_int_equal(node_ioctl(j.n, DRM_IOCTL_SGPU_INFO, &info), -ENODEV);
	assert_int_equal(node_submit_one(j.n, j.queue, op_hang(), -1), -ENODEV);
	assert_int_equal(open_path(j.n->fx, RENDER_NODE, O_RDWR), -ENOENT);
	jobs_end(&j);
	/* And comes back, with files of its first life still open. */
	assert_int_equal(put(j.n->fx, "/sys/bus/pci/drivers/sgpu/bind", GPU_NAME), 12);
	node_close(j.n, j.n->fd);
	j.n->fd = open_path(j.n->fx, RENDER_NODE, O_RDWR);
	assert_true(j.n->fd >= 0);
	j = jobs_begin(j.n, DRM_SGPU_BO_LOCAL);
	assert_int_equal(node_fence_end(j.n, node_submit_one(j.n, j.queue, op_fill(j.bo, 0, 1, 4), -1)), 1);
	assert_int_equal(j.p[0], 4);
	jobs_end(&j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, node_set_up, node_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_killed_job_ends_after_what_it_waits_for),
		TEST(what_the_hardware_has_is_not_killed),
		TEST(closing_the_node_kills),
		TEST(a_hang_costs_its_queue),
		TEST(a_halt_costs_its_job),
		TEST(a_reset_runs_jobs_again),
		TEST(a_reset_waits_for_jobs_on_local_memory),
		TEST(a_function_that_is_gone),
		TEST(unbinding_ends_all_jobs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
