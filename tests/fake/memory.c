/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake program's address space: the test's own memory with holes, pins, and a list of device mappings. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake/task_priv.h"
#include "memory/pinned.h"

#define FAKE_LOWEST 0x10000ull
#define FAKE_HIGHEST (1ull << 47)
#define FAKE_MAPPINGS_BASE 0x200000000000ull

static void add_range(struct fake_task *ft, uaddr_t start, uint64_t len, bool readable)
{
	pthread_mutex_lock(&ft->lock);
	if (ft->nr_ranges == FAKE_MAX_RANGES)
		abort();
	ft->ranges[ft->nr_ranges++] = (struct fake_range){start, len, readable};
	pthread_mutex_unlock(&ft->lock);
}

void fake_task_fault(struct fake_task *ft, uaddr_t start, uint64_t len)
{
	add_range(ft, start, len, false);
}

void fake_task_read_only(struct fake_task *ft, uaddr_t start, uint64_t len)
{
	add_range(ft, start, len, true);
}

static bool overlaps(uaddr_t a, uint64_t a_len, uaddr_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

bool fake_allows(struct fake_task *ft, uaddr_t start, uint64_t len, bool write)
{
	uaddr_t end;
	if (__builtin_add_overflow(start, len, &end) || start < FAKE_LOWEST || end > FAKE_HIGHEST)
		return len == 0;
	bool allowed = true;
	pthread_mutex_lock(&ft->lock);
	for (size_t i = 0; i < ft->nr_ranges; i++) {
		const struct fake_range *r = &ft->ranges[i];
		if ((!r->readable || write) && overlaps(start, len, r->start, r->len))
			allowed = false;
	}
	for (size_t i = 0; i < ft->nr_mappings; i++)
		if (overlaps(start, len, ft->mappings[i].addr, ft->mappings[i].len))
			allowed = false;
	pthread_mutex_unlock(&ft->lock);
	return allowed;
}

int fake_copy_from(struct task *t, void *dst, uaddr_t src, size_t len)
{
	lock_check_none_held("copy_from_task");
	if (!fake_allows(to_fake(t), src, len, false))
		return -EFAULT;
	if (len) /* src may be NULL then */
		memcpy(dst, (const void *)src, len);
	return 0;
}

int fake_copy_to(struct task *t, uaddr_t dst, const void *src, size_t len)
{
	lock_check_none_held("copy_to_task");
	if (!fake_allows(to_fake(t), dst, len, true))
		return -EFAULT;
	if (len)
		memcpy((void *)dst, src, len);
	return 0;
}

int fake_pin(struct task *t, uaddr_t start, uint64_t len, bool write, struct pinned *p)
{
	if (!fake_allows(to_fake(t), start, len, write))
		return -EFAULT;
	p->uaddr = start;
	p->task_private = NULL;
	atomic_store(&p->region.host, (char *)start);
	atomic_fetch_add(&to_fake(t)->nr_pins, 1);
	return 0;
}

struct fake_file_pin {
	void *host;
	uint64_t len;
};

int fake_pin_file(struct task *t, const struct memory_file *mf, uint64_t offset, uint64_t len, bool write,
		  struct pinned *p)
{
	struct fake_file_pin *pin = malloc(sizeof(*pin));
	if (!pin)
		return -ENOMEM;
	pin->len = len;
	pin->host = mmap(NULL, len, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, mf->fd, (off_t)offset);
	if (pin->host == MAP_FAILED) {
		free(pin);
		return -errno;
	}
	p->uaddr = 0;
	p->task_private = pin;
	atomic_store(&p->region.host, pin->host);
	atomic_fetch_add(&to_fake(t)->nr_pins, 1);
	return 0;
}

int fake_protected_access(struct task *t, char *host, void *buf, size_t len, bool write)
{
	(void)t;
	if (write)
		memcpy(host, buf, len);
	else
		memcpy(buf, host, len);
	return 0;
}

void fake_unpin(struct task *t, struct pinned *p)
{
	struct fake_file_pin *pin = p->task_private;
	if (pin) {
		munmap(pin->host, pin->len);
		free(pin);
	}
	atomic_fetch_sub(&to_fake(t)->nr_pins, 1);
}

size_t fake_task_nr_pins(const struct fake_task *ft)
{
	return atomic_load(&ft->nr_pins);
}

int64_t fake_mm_place(struct task *t, struct cpu_mapping *m, uaddr_t hint, uint64_t len, int prot, int flags)
{
	struct fake_task *ft = to_fake(t);
	int64_t result;
	pthread_mutex_lock(&ft->lock);
	if (ft->fail_place) {
		result = ft->fail_place;
		ft->fail_place = 0;
	} else if (ft->nr_mappings == FAKE_MAX_MAPPINGS) {
		result = -ENOMEM;
	} else {
		uaddr_t addr = flags & MAP_FIXED ? hint : FAKE_MAPPINGS_BASE + ft->next_address;
		ft->next_address += align_up(len, BARTER_PAGE_SIZE) + BARTER_PAGE_SIZE;
		ft->mappings[ft->nr_mappings++] =
			(struct fake_mapping){.mapping = m, .addr = addr, .len = len, .prot = prot, .flags = flags};
		result = (int64_t)addr;
	}
	pthread_mutex_unlock(&ft->lock);
	return result;
}

static struct fake_mapping *find_locked(struct fake_task *ft, const struct cpu_mapping *m)
{
	for (size_t i = 0; i < ft->nr_mappings; i++)
		if (ft->mappings[i].mapping == m)
			return &ft->mappings[i];
	return NULL;
}

void fake_mm_zap(struct task *t, struct cpu_mapping *m)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	struct fake_mapping *fm = find_locked(ft, m);
	m->zapped = true;
	if (fm)
		fm->zaps++;
	pthread_mutex_unlock(&ft->lock);
}

void fake_mm_restore(struct task *t, struct cpu_mapping *m)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	struct fake_mapping *fm = find_locked(ft, m);
	m->zapped = false;
	if (fm)
		fm->restores++;
	pthread_mutex_unlock(&ft->lock);
}

void fake_mm_retrap(struct task *t, struct cpu_mapping *m, uint64_t offset, uint64_t len)
{
	struct fake_task *ft = to_fake(t);
	pthread_mutex_lock(&ft->lock);
	struct fake_mapping *fm = find_locked(ft, m);
	if (fm)
		fm->retraps++;
	pthread_mutex_unlock(&ft->lock);
}

struct fake_mapping *fake_task_mapping(struct fake_task *ft, size_t i)
{
	return i < ft->nr_mappings ? &ft->mappings[i] : NULL;
}

size_t fake_task_nr_mappings(const struct fake_task *ft)
{
	return ft->nr_mappings;
}

int fake_task_munmap(struct fake_task *ft, uaddr_t addr)
{
	struct cpu_mapping *m = NULL;
	pthread_mutex_lock(&ft->lock);
	for (size_t i = 0; i < ft->nr_mappings && !m; i++) {
		if (ft->mappings[i].addr != addr)
			continue;
		m = ft->mappings[i].mapping;
		memmove(&ft->mappings[i], &ft->mappings[i + 1], (ft->nr_mappings - i - 1) * sizeof(ft->mappings[0]));
		ft->nr_mappings--;
	}
	pthread_mutex_unlock(&ft->lock);
	if (!m)
		return -EINVAL;
	m->ops->released(m);
	return 0;
}

void fake_task_fail_place(struct fake_task *ft, int err)
{
	ft->fail_place = err;
}
