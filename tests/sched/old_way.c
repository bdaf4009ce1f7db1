/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How schedulers killed jobs before: the callback of one dependency walked the container of dependencies, under the
 * container's lock, and added itself to the next. Two deadlocks lie in that, which this shows with a small scheduler of
 * that kind; then that ours, in the same situation, has neither.
 *
 * 1. The container's lock is taken in interrupt context, under a fence's lock, and by whoever adds a dependency, with
 *    interrupts on. It needs two processors and an interrupt at the right moment to hang; the checker needs each of the
 *    two to be seen once.
 * 2. Two fences may share their lock. The callback runs under the first one's, and adding itself to the second takes it
 *    again. This hangs at once: the checker says so before.
 *
 * Built with the checker only.
 */
#include "rig.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock_report.h"

/* --- the old way --- */

enum { OLD_MAX = 4 };

static const struct lock_class old_container_class = {.name = "old container"};

struct old_job {
	struct spinlock lock; /* guards fences: taken as any other, in the callback, too */
	struct dma_fence *fences[OLD_MAX];
	struct dma_fence_cb cb;
	struct work work;
	struct work_queue *queue;
	struct dma_fence *finished;
};

static void old_add_dependency(struct old_job *job, struct dma_fence *f)
{
	spin_lock(&job->lock);
	for (int i = 0; i < OLD_MAX; i++)
		if (!job->fences[i]) {
			job->fences[i] = f;
			break;
		}
	spin_unlock(&job->lock);
}

static struct dma_fence *old_take_dependency(struct old_job *job)
{
	struct dma_fence *f = NULL;

	spin_lock(&job->lock);
	for (int i = 0; i < OLD_MAX && !f; i++) {
		f = job->fences[i];
		job->fences[i] = NULL;
	}
	spin_unlock(&job->lock);
	return f;
}

static void old_kill_work(struct work *w)
{
	struct old_job *job = container_of(w, struct old_job, work);

	dma_fence_set_error(job->finished, -ESRCH);
	dma_fence_signal(job->finished);
}

static void old_kill_cb(struct dma_fence *f, struct dma_fence_cb *cb)
{
	struct old_job *job = container_of(cb, struct old_job, cb);
	struct dma_fence *next;

	while ((next = old_take_dependency(job))) {
		if (dma_fence_add_callback(next, &job->cb, old_kill_cb) == 0)
			return;
	}
	work_queue_add(job->queue, &job->work, 0);
}

static struct old_job *old_job_create(void)
{
	struct old_job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	spin_lock_init(&job->lock, &old_container_class);
	work_init(&job->work, old_kill_work);
	job->queue = work_queue_create("old-way");
	assert_int_equal(work_queue_start(job->queue), 0);
	job->finished = hand_fence(NULL);
	return job;
}

static void old_job_free(struct old_job *job)
{
	work_queue_destroy(job->queue);
	dma_fence_put(job->finished);
	free(job);
}

/* --- what the checker says --- */

static atomic_int nr_reports;
static char report[8192]; /* the last */
static enum lock_report_kind report_kind;

static void take_report(enum lock_report_kind kind, const char *text)
{
	atomic_fetch_add(&nr_reports, 1);
	strncpy(report, text, sizeof(report) - 1);
	report_kind = kind;
}

/* All of these, one after the other. */
static void assert_report_says(const char *const parts[])
{
	const char *at = report;

	for (; *parts; parts++) {
		at = strstr(at, *parts);
		if (!at)
			fail_msg("\"%s\" is missing, or too late, in:\n%s", *parts, report);
	}
}
#define ASSERT_REPORT_SAYS(...) assert_report_says((const char *const[]){__VA_ARGS__, NULL})

static int listen_to_checker(void **state)
{
	atomic_store(&nr_reports, 0);
	memset(report, 0, sizeof(report));
	lock_reporter_set(take_report);
	return 0;
}

static int stop_listening(void **state)
{
	lock_reporter_set(NULL);
	return 0;
}

/* --- two fences that a job waits for, each with a lock of its own or with one for both --- */

struct pair {
	struct spinlock lock;
	struct dma_fence *f[2];
};

static void pair_init(struct pair *p, bool shared)
{
	spin_lock_init(&p->lock, &hand_class);
	for (int i = 0; i < 2; i++)
		p->f[i] = hand_fence(shared ? &p->lock : NULL);
}

static void pair_fini(struct pair *p)
{
	for (int i = 0; i < 2; i++)
		dma_fence_put(p->f[i]);
	spin_lock_fini(&p->lock);
}

/* The fences' lock is one that interrupts take; nothing has hung, each part was seen once. */
static void old_way_takes_a_container_lock_in_both_worlds(void **state)
{
	struct old_job *job = old_job_create();
	struct pair p;

	pair_init(&p, false);
	old_add_dependency(job, p.f[0]);
	old_add_dependency(job, p.f[1]);
	old_kill_cb(NULL, &job->cb); /* the kill begins the chain */
	assert_int_equal(atomic_load(&nr_reports), 0);
	dma_fence_signal(p.f[0]);
	dma_fence_signal(p.f[1]);
	rig_wait(job->finished);
	assert_int_equal(report_kind, LOCK_REPORT_INTERRUPT_ORDER);
	ASSERT_REPORT_SAYS("\"fence\" is taken by interrupts, and under it \"old container\"", "old_add_dependency",
			   "old_take_dependency", "takes \"old container\"", "interrupts off", "takes \"fence\"",
			   "waits for \"old container\"", "<interrupt>", "waits for \"fence\"");
	pair_fini(&p);
	old_job_free(job);
}

static int child_pipe;

static void tell_parent_and_leave(enum lock_report_kind kind, const char *text)
{
	if (kind != LOCK_REPORT_AGAIN)
		return;
	if (write(child_pipe, text, strlen(text)) < 0)
		_exit(2);
	_exit(0);
}

/* It would hang: a process of its own, which ends where it is reported. */
static void signal_two_of_one_lock(void)
{
	struct old_job *job = old_job_create();
	struct pair p;

	alarm(20);
	lock_reporter_set(tell_parent_and_leave);
	pair_init(&p, true);
	old_add_dependency(job, p.f[0]);
	old_add_dependency(job, p.f[1]);
	old_kill_cb(NULL, &job->cb);
	dma_fence_signal(p.f[0]);
	_exit(1);
}

static void old_way_takes_a_shared_lock_twice(void **state)
{
	int fds[2], status;
	ssize_t len;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		child_pipe = fds[1];
		signal_two_of_one_lock();
	}
	close(fds[1]);
	len = read(fds[0], report, sizeof(report) - 1);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(len > 0);
	report[len] = '\0';
	ASSERT_REPORT_SAYS("\"fences by hand\" is taken again", "dma_fence_signal", "dma_fence_add_callback");
}

/* --- ours --- */

struct signaller {
	struct dma_fence *f;
	pthread_t thread;
};

static void *signal_it(void *arg)
{
	struct signaller *s = arg;

	dma_fence_signal(s->f);
	return NULL;
}

/* Jobs with two dependencies are killed while those signal on threads of their own and others add dependencies. */
static void kill_while_they_signal(struct rig *r, bool shared)
{
	struct signaller signallers[2];
	struct dma_fence *finished;
	struct sched_entity e;
	struct test_job *job;
	struct pair p;

	pair_init(&p, shared);
	assert_int_equal(sched_entity_init(&e, SCHED_PRIORITY_NORMAL, r->sched), 0);
	job = rig_job(r, &e, 1, JOB_EMPTY);
	for (int i = 0; i < 2; i++)
		sched_job_add_dependency(&job->base, dma_fence_get(p.f[i]));
	finished = rig_push(job);
	sched_entity_kill(&e);
	for (int i = 0; i < 2; i++) {
		signallers[i].f = p.f[i];
		pthread_create(&signallers[i].thread, NULL, signal_it, &signallers[i]);
	}
	job = rig_job(r, &e, 2, JOB_EMPTY);
	for (int i = 0; i < 2; i++)
		sched_job_add_dependency(&job->base, dma_fence_get(p.f[i]));
	sched_job_cleanup(&job->base);
	free(job);
	for (int i = 0; i < 2; i++)
		pthread_join(signallers[i].thread, NULL);
	assert_int_equal(rig_result(finished), -ESRCH);
	sched_entity_fini(&e);
	pair_fini(&p);
}

static void ours(bool shared)
{
	struct rig *r = rig_create((struct rig_options){0});

	for (int i = 0; i < 100; i++)
		kill_while_they_signal(r, shared);
	rig_destroy(r);
	if (atomic_load(&nr_reports))
		fail_msg("reported:\n%s", report);
}

static void ours_has_no_container_lock(void **state)
{
	ours(false);
}

static void ours_adds_no_callback_in_a_callback(void **state)
{
	ours(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_way_takes_a_shared_lock_twice),
		/* Before the old way: the checker reports a class once, and has seen nothing that could excuse ours. */
		cmocka_unit_test_setup_teardown(ours_has_no_container_lock, listen_to_checker, stop_listening),
		cmocka_unit_test_setup_teardown(ours_adds_no_callback_in_a_callback, listen_to_checker, stop_listening),
		cmocka_unit_test_setup_teardown(old_way_takes_a_container_lock_in_both_worlds, listen_to_checker,
						stop_listening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
