/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that give jobs to queues of each other's, with fences that signal whenever they like, while the queues are
 * destroyed, files are closed, the function is reset and a job hangs. Every fence signals, and nothing is left.
 */
#include "node.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { QUEUES = 4, BUFFERS = 5, SUBMITTERS = 3, JOBS = 250, WINDOW = 8, SIZE = 16384 };

struct storm {
	struct node *n;
	_Atomic uint32_t queues[QUEUES];
	uint32_t buffers[BUFFERS];
	int timeline;
	atomic_uint value, ended[3]; /* value: of the timeline; how jobs ended: well, killed, otherwise */
	atomic_bool stop;
	atomic_int left; /* submitters */
};

static unsigned pick(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

static struct drm_sgpu_op random_op(struct storm *s, unsigned *seed)
{
	uint32_t target = s->buffers[pick(seed, BUFFERS)], source = s->buffers[pick(seed, BUFFERS)];

	if (target == source || pick(seed, 2))
		return op_fill(target, pick(seed, SIZE / 2), SIZE / 2, (unsigned char)pick(seed, 256));
	return op_copy(target, source, SIZE);
}

static void note_end(struct storm *s, int status)
{
	CHECK(status != 0);
	atomic_fetch_add(&s->ended[status == 1 ? 0 : status == -ESRCH ? 1 : 2], 1);
}

/* The out-fence, or -ENOENT: the queue was destroyed, -ECANCELED: it has hung, -ENODEV: the memory is away. */
static long submit_random(struct storm *s, unsigned *seed, long previous)
{
	struct drm_sgpu_op ops[3];
	unsigned nr = 1 + pick(seed, 3);
	uint32_t flags = pick(seed, 3) ? 0 : DRM_SGPU_SUBMIT_NO_IMPLICIT;
	int in = -1;
	long out;

	for (unsigned i = 0; i < nr; i++)
		ops[i] = random_op(s, seed);
	if (previous >= 0 && pick(seed, 2))
		in = (int)previous;
	else if (pick(seed, 2))
		in = node_timeline_fence(s->n, s->timeline, atomic_load(&s->value) + pick(seed, 4));
	out = node_submit(s->n, atomic_load(&s->queues[pick(seed, QUEUES)]), ops, nr, in, flags);
	if (in >= 0 && in != previous)
		node_close(s->n, in);
	return out;
}

struct submitter {
	struct storm *s;
	unsigned seed;
	pthread_t thread;
};

static void *submit_main(void *arg)
{
	struct submitter *me = arg;
	long fences[WINDOW];

	for (unsigned i = 0; i < WINDOW; i++)
		fences[i] = -1;
	for (unsigned i = 0; i < JOBS; i++) {
		long *slot = &fences[i % WINDOW], out;

		if (*slot >= 0)
			note_end(me->s, node_fence_end(me->s->n, *slot));
		out = submit_random(me->s, &me->seed, fences[(i + WINDOW - 1) % WINDOW]);
		CHECK(out >= 0 || out == -ENOENT || out == -ENODEV || out == -ECANCELED);
		*slot = out;
	}
	for (unsigned i = 0; i < WINDOW; i++)
		if (fences[i] >= 0)
			note_end(me->s, node_fence_end(me->s->n, fences[i]));
	atomic_fetch_sub(&me->s->left, 1);
	return NULL;
}

static void *kill_main(void *arg)
{
	struct storm *s = arg;
	unsigned seed = 7;

	while (!atomic_load(&s->stop)) {
		_Atomic uint32_t *slot = &s->queues[pick(&seed, QUEUES)];
		uint32_t fresh = node_queue(s->n, pick(&seed, 3));
		struct drm_sgpu_queue_destroy destroy = {.id = atomic_exchange(slot, fresh)};

		CHECK(node_ioctl(s->n, DRM_IOCTL_SGPU_QUEUE_DESTROY, &destroy) == 0);
		usleep(2000);
	}
	return NULL;
}

/* Files of its own, whose jobs share a buffer with the others. */
static void *close_main(void *arg)
{
	struct storm *s = arg;
	struct node mine = {.fx = s->n->fx, .ft = s->n->ft};
	int buffer = node_export(s->n, s->buffers[0]);

	while (!atomic_load(&s->stop)) {
		struct drm_prime_handle prime = {.fd = buffer};
		uint32_t queue;
		long out;

		mine.fd = open_path(mine.fx, RENDER_NODE, O_RDWR);
		CHECK(node_ioctl(&mine, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime) == 0);
		queue = node_queue(&mine, 1);
		out = node_submit_one(&mine, queue, op_fill(prime.handle, 0, SIZE, 1), -1);
		node_close(&mine, mine.fd);
		note_end(s, node_fence_end(&mine, out));
		usleep(3000);
	}
	node_close(s->n, buffer);
	return NULL;
}

static void *signal_main(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		atomic_fetch_add(&s->value, 1);
		node_timeline_move(s->n, s->timeline, 1);
		usleep(500);
	}
	node_timeline_move(s->n, s->timeline, 8);
	return NULL;
}

static void resets_and_a_hang(struct storm *s)
{
	long hung;

	for (unsigned i = 0; i < 3 && atomic_load(&s->left); i++) {
		usleep(20000);
		CHECK(put(s->n->fx, GPU_SYSFS "reset", "1") == 1);
	}
	hung = node_submit_one(s->n, atomic_load(&s->queues[0]), op_hang(), -1);
	if (hung >= 0)
		note_end(s, node_fence_end(s->n, hung));
}

static void storm(void **state)
{
	struct storm s = {.n = *state, .left = SUBMITTERS};
	struct submitter submitters[SUBMITTERS];
	void *(*const mains[])(void *) = {kill_main, close_main, signal_main};
	pthread_t threads[3];

	s.timeline = node_timeline(s.n);
	for (unsigned i = 0; i < QUEUES; i++)
		atomic_init(&s.queues[i], node_queue(s.n, i % 3));
	for (unsigned i = 0; i < BUFFERS; i++)
		s.buffers[i] = node_bo(s.n, SIZE, i % 2 ? DRM_SGPU_BO_LOCAL : 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, mains[i], &s);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		submitters[i] = (struct submitter){.s = &s, .seed = i + 1};
		pthread_create(&submitters[i].thread, NULL, submit_main, &submitters[i]);
	}
	resets_and_a_hang(&s);
	for (unsigned i = 0; i < SUBMITTERS; i++)
		pthread_join(submitters[i].thread, NULL);
	atomic_store(&s.stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	node_close(s.n, s.timeline);
	print_message("%u done, %u killed, %u failed\n", s.ended[0], s.ended[1], s.ended[2]);
	CHECK(s.ended[0] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(storm, node_set_up, node_tear_down)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
