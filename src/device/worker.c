/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of device models.
 *
 * A worker's state is one word. wake() exchanges it to WOKEN and only makes a system call when the thread sleeps;
 * wait() consumes WOKEN or goes from BUSY to SLEEPING, so a wake-up between looking and waiting is never lost. STOPPING
 * is final: it makes every wait() return at once.
 *
 * Threads are made when a driver opens the device (its first reset), never by a wake-up: that may come from the handler
 * that traps a register store, where nothing may allocate.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/thread.h"
#include "device/device_priv.h"

enum worker_state { WORKER_BUSY, WORKER_WOKEN, WORKER_SLEEPING, WORKER_STOPPING };

struct device_worker {
	device_worker_fn run;
	void *model;
	char name[16]; /* as far as the kernel keeps it */
	struct device *device;
	_Atomic uint32_t state;
	struct list node; /* in the device's list */
	_Atomic bool wake_wanted;
	bool has_thread; /* guarded by the function's lock, until destroy */
	pthread_t thread;
	/* The worker's own. */
	bool spinning;
	int max_spinning;	  /* processors - 1 */
	_Atomic int *nr_spinning; /* the rack's */
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *worker_main(void *arg)
{
	struct device_worker *w = arg;

	while (atomic_load(&w->state) != WORKER_STOPPING)
		w->run(w->model);
	return NULL;
}

void device_worker_start(struct device_worker *w)
{
	if (!w->has_thread)
		w->has_thread = thread_start(&w->thread, w->name, worker_main, w) == 0;
}

void device_workers_start(struct device *d)
{
	struct device_worker *w;

	device_assert_locked(d);
	list_for_each (w, &d->workers, node)
		device_worker_start(w);
}

static int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

struct device_worker *device_worker_create(struct device *d, const char *name, device_worker_fn run, void *model)
{
	struct device_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->run = run;
	w->device = d;
	w->model = model;
	w->max_spinning = processors() - 1;
	w->nr_spinning = &d->fn.root->nr_spinning;
	for (size_t i = 0; i < sizeof(w->name) - 1 && name[i]; i++)
		w->name[i] = name[i];
	list_add_tail(&d->workers, &w->node);
	return w;
}

void device_worker_destroy(struct device_worker *w)
{
	if (!w)
		return;
	if (atomic_exchange(&w->state, WORKER_STOPPING) == WORKER_SLEEPING)
		futex_wake(&w->state);
	if (w->has_thread)
		pthread_join(w->thread, NULL);
	list_del(&w->node);
	free(w);
}

void device_worker_wake(struct device_worker *w)
{
	uint32_t state = atomic_load(&w->state);

	while (state != WORKER_STOPPING && state != WORKER_WOKEN) {
		if (!atomic_compare_exchange_weak(&w->state, &state, WORKER_WOKEN))
			continue;
		if (state == WORKER_SLEEPING)
			futex_wake(&w->state);
		break;
	}
}

void device_worker_wake_locked(struct device_worker *w)
{
	device_assert_locked(w->device);
	w->wake_wanted = true;
	w->device->wakes_wanted = true;
}

/* Whoever asked for it comes here after unlocking; that another thread may be first does not matter. */
void device_workers_wake_wanted(struct device *d)
{
	struct device_worker *w;

	if (likely(!atomic_load_explicit(&d->wakes_wanted, memory_order_relaxed)) ||
	    !atomic_exchange(&d->wakes_wanted, false))
		return;
	list_for_each (w, &d->workers, node)
		if (atomic_exchange(&w->wake_wanted, false))
			device_worker_wake(w);
}

void device_worker_wait(struct device_worker *w)
{
	uint32_t state = WORKER_BUSY;

	if (atomic_compare_exchange_strong(&w->state, &state, WORKER_SLEEPING)) {
		lock_check_none_held("device_worker_wait");
		do
			futex_wait(&w->state, WORKER_SLEEPING);
		while (atomic_load(&w->state) == WORKER_SLEEPING);
	}
	state = WORKER_WOKEN;
	atomic_compare_exchange_strong(&w->state, &state, WORKER_BUSY);
}

bool device_worker_spin_begin(struct device_worker *w)
{
	if (atomic_fetch_add(w->nr_spinning, 1) >= w->max_spinning) {
		atomic_fetch_sub(w->nr_spinning, 1);
		return false;
	}
	w->spinning = true;
	return true;
}

void device_worker_spin_end(struct device_worker *w)
{
	if (!w->spinning)
		return;
	w->spinning = false;
	atomic_fetch_sub(w->nr_spinning, 1);
}
