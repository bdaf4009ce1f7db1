/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One program's threads that merge, ask, look at, signal and close the same few sync files and timelines. What a thread
 * gets is an answer that some order of the calls explains; nothing is left. For a second, or BARTER_STRESS_SECONDS.
 */
#include "sync_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TIMELINES = 3, FILES = 24, MERGERS = 2, THREADS = 3 + MERGERS + 2 };

struct races {
	struct sync_rig rig;
	atomic_int timelines[TIMELINES], files[FILES]; /* fds, or -1; anyone may close them */
	atomic_bool stop;
	atomic_ulong made, merged, asked, ended;
};

struct thread {
	struct races *races;
	unsigned seed;
	pthread_t thread;
	void (*round)(struct thread *t);
};

static unsigned below(struct thread *t, unsigned n)
{
	return (unsigned)rand_r(&t->seed) % n;
}

static void check(bool ok, const char *what, long value)
{
	if (ok)
		return;
	fprintf(stderr, "races of sync files: %s: %ld\n", what, value);
	abort();
}

static int any_file(struct thread *t)
{
	return atomic_load(&t->races->files[below(t, FILES)]);
}

/* The fd takes the place of another, which is closed: maybe while others work with it. */
static void file_replace(struct thread *t, int fd)
{
	int old = atomic_exchange(&t->races->files[below(t, FILES)], fd);

	if (old >= 0)
		check(sync_close(&t->races->rig, old) == 0, "close", old);
}

/* An fd of a number that was closed, and may be of another kind by now. */
static bool gone(long rc)
{
	return rc == -EBADF || rc == -ENOENT || rc == -ENOTTY || rc == -EINVAL;
}

static void make(struct thread *t)
{
	int timeline = atomic_load(&t->races->timelines[below(t, TIMELINES)]);
	int fd = sync_point(&t->races->rig, timeline, 1 + below(t, 200));

	check(fd >= 0 || gone(fd), "create", fd);
	if (fd < 0)
		return;
	atomic_fetch_add(&t->races->made, 1);
	file_replace(t, fd);
}

static void merge(struct thread *t)
{
	int fd = sync_merge(&t->races->rig, any_file(t), any_file(t));

	check(fd >= 0 || gone(fd), "merge", fd);
	if (fd < 0)
		return;
	atomic_fetch_add(&t->races->merged, 1);
	file_replace(t, fd);
}

/* A fence that is told to have signalled keeps its time; once the file is ready none of its fences is pending. */
static void ask(struct thread *t)
{
	struct sync_fence_info each[64];
	unsigned nr = 64;
	int status, fd = any_file(t);
	struct task *task = fake_task(t->races->rig.ft);
	struct file *f = task->ops->file_get(task, fd), *again;
	bool was_ready;
	long rc;

	if (!f)
		return;
	was_ready = file_ready(f) & POLLIN;
	rc = sync_info(&t->races->rig, fd, each, &nr, &status);
	check(rc == 0 || gone(rc), "info", rc);
	for (unsigned i = 0; rc == 0 && i < nr; i++) {
		check(!each[i].status == !each[i].timestamp_ns, "a signalled fence has a time", each[i].status);
		check(each[i].status || !strcmp(each[i].driver_name, "sw_sync"), "a pending one has a driver", (long)i);
	}
	/* The fd may be another file's since. */
	again = task->ops->file_get(task, fd);
	if (rc == 0 && was_ready && f == again)
		check(status != 0, "ready and pending", status);
	if (again)
		file_put(again);
	file_put(f);
	atomic_fetch_add(&t->races->asked, rc == 0);
}

/* Moves a timeline on; now and then one ends with all that is pending, and another takes its place. */
static void move_on(struct thread *t)
{
	unsigned i = below(t, TIMELINES);
	int fd = atomic_load(&t->races->timelines[i]);
	long rc;

	if (below(t, 50)) {
		rc = sync_inc(&t->races->rig, fd, below(t, 4));
		check(rc == 0 || gone(rc), "inc", rc);
		return;
	}
	fd = atomic_exchange(&t->races->timelines[i], sync_timeline(&t->races->rig));
	if (fd >= 0)
		sync_close(&t->races->rig, fd);
	atomic_fetch_add(&t->races->ended, 1);
}

static void look(struct thread *t)
{
	char *text = sync_text(&t->races->rig);

	free(text);
	ask(t);
}

static void *run(void *arg)
{
	struct thread *t = arg;

	while (!atomic_load(&t->races->stop))
		t->round(t);
	return NULL;
}

static unsigned stress_seconds(void)
{
	const char *text = getenv("BARTER_STRESS_SECONDS");

	return text ? (unsigned)atoi(text) : 1;
}

static void files_merge_and_close_at_once(void **state)
{
	static void (*const rounds[THREADS])(struct thread * t) = {make, move_on, look, merge, merge, ask, make};
	static struct races r;
	static struct thread threads[THREADS];

	sync_rig_init(&r.rig);
	for (unsigned i = 0; i < TIMELINES; i++)
		atomic_init(&r.timelines[i], sync_timeline(&r.rig));
	for (unsigned i = 0; i < FILES; i++)
		atomic_init(&r.files[i], -1);
	for (unsigned i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){.races = &r, .seed = i + 1, .round = rounds[i]};
		pthread_create(&threads[i].thread, NULL, run, &threads[i]);
	}
	sleep(stress_seconds());
	atomic_store(&r.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	assert_true(fake_task_nr_fds(r.rig.ft) <= TIMELINES + FILES);
	sync_rig_fini(&r.rig);
	assert_int_equal(dma_fence_count(), 0);
	print_message("%lu made, %lu merged, %lu asked, %lu timelines ended\n", r.made, r.merged, r.asked, r.ended);
	assert_true(r.made && r.merged && r.asked && r.ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(files_merge_and_close_at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
