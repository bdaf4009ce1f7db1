/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

#include "door/mm.h"
#include "door/signals.h"
#include "door/task_mm.h"

static uint64_t model_read(struct phys_region *region, uint64_t offset, unsigned len)
{
	struct rig *r = region->owner;
	uint64_t value = 0;

	pthread_mutex_lock(&r->lock);
	r->log[r->nr_log++ % 128] = (struct rig_access){.offset = offset, .len = len};
	memcpy(&value, atomic_load(&region->host) + offset, len);
	pthread_mutex_unlock(&r->lock);
	return value;
}

static void model_write(struct phys_region *region, uint64_t offset, uint64_t value, unsigned len)
{
	struct rig *r = region->owner;

	pthread_mutex_lock(&r->lock);
	r->log[r->nr_log++ % 128] = (struct rig_access){offset, value, len, true};
	memcpy(atomic_load(&region->host) + offset, &value, len);
	pthread_mutex_unlock(&r->lock);
	atomic_fetch_add(&r->nr_stores, 1);
}

static const struct phys_register_ops model_ops = {.read = model_read, .write = model_write};

static void region_create(struct rig *r, struct phys_region *region, enum phys_kind kind)
{
	phys_region_init(region, kind, RIG_PAGES * RIG_PAGE);
	region->fd = memfd_create("rig", MFD_CLOEXEC);
	assert_true(region->fd >= 0);
	assert_int_equal(ftruncate(region->fd, RIG_PAGES * RIG_PAGE), 0);
	region->host = mmap(NULL, RIG_PAGES * RIG_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, 0);
	assert_ptr_not_equal(region->host, MAP_FAILED);
	region->owner = r;
}

static void released(struct cpu_mapping *m)
{
	struct rig *r = m->owner;

	r->released++;
}

static const struct cpu_mapping_ops mapping_ops = {.released = released};

static _Thread_local sigjmp_buf escape;
static _Thread_local volatile int escape_code;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	escape_code = info->si_code;
	signals_longjmp(true); /* what the thunk does */
	siglongjmp(escape, sig);
}

void rig_create(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	region_create(r, &r->memory, PHYS_DEVICE);
	region_create(r, &r->registers, PHYS_REGISTERS);
	r->registers.ops = &model_ops;
}

void rig_signals(void)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	signals_install();
	signals_set_action(SIGSEGV, &act, NULL);
	signals_set_action(SIGBUS, &act, NULL);
}

void rig_destroy(struct rig *r)
{
	struct phys_region *regions[] = {&r->memory, &r->registers};

	for (unsigned i = 0; i < 2; i++) {
		munmap(atomic_load(&regions[i]->host), RIG_PAGES * RIG_PAGE);
		close(regions[i]->fd);
		phys_region_fini(regions[i]);
	}
	pthread_mutex_destroy(&r->lock);
}

char *rig_place(struct rig *r, struct phys_region *region, int prot)
{
	int64_t at;

	rig_signals();
	r->extent = (struct cpu_extent){.region = region, .len = RIG_PAGES * RIG_PAGE};
	r->mapping = (struct cpu_mapping){
		.ops = &mapping_ops,
		.owner = r,
		.extents = &r->extent,
		.nr_extents = 1,
		.len = RIG_PAGES * RIG_PAGE,
	};
	r->released = 0;
	at = task_mm_place(door_task(), &r->mapping, 0, RIG_PAGES * RIG_PAGE, prot, MAP_SHARED);
	assert_true(at > 0);
	return (char *)at;
}

RACES_ON_PURPOSE static int attempt(volatile char *p, bool write, int *code)
{
	volatile int sig;

	escape_code = 0;
	sig = sigsetjmp(escape, 1);
	if (sig == 0) {
		if (write)
			__atomic_store_n(p, 1, __ATOMIC_RELAXED);
		else
			(void)__atomic_load_n(p, __ATOMIC_RELAXED);
	}
	if (code)
		*code = escape_code;
	return sig;
}

int rig_read(const volatile char *p, int *code)
{
	return attempt((volatile char *)p, false, code);
}

int rig_write(volatile char *p, int *code)
{
	return attempt(p, true, code);
}
