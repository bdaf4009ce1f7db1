/* SPDX-License-Identifier: BSD-3-Clause */
/* Device memory in the program: what each answer is was asked of Linux 7.3 with an ivshmem BAR. */
#include "rig.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "door/mm.h"
#include "door/task_mm.h"

#define P RIG_PAGE
#define RW (PROT_READ | PROT_WRITE)

static int setup(void **state)
{
	static struct rig rig;

	rig_create(&rig);
	*state = &rig;
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

static void test_zap_and_restore(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW), *host = r->memory.host;
	int code;

	m[100] = 7;
	assert_int_equal(host[100], 7);
	task_mm_zap(door_task(), &r->mapping);
	assert_int_equal(rig_read(m, &code), SIGBUS);
	assert_int_equal(code, BUS_ADRERR);
	assert_int_equal(rig_write(m + 7 * P, &code), SIGBUS);
	task_mm_restore(door_task(), &r->mapping);
	assert_int_equal(m[100], 7);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, RIG_PAGES * P), 0);
	assert_int_equal(r->released, 1);
	assert_int_equal(rig_read(m, &code), SIGSEGV);
	assert_int_equal(code, SEGV_MAPERR);
}

static void test_munmap_of_pieces(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW);

	assert_int_equal(mm_sys_munmap((uaddr_t)m + 2 * P, P), 0);
	assert_int_equal(rig_read(m + 2 * P, NULL), SIGSEGV);
	assert_int_equal(rig_read(m + 3 * P, NULL), 0);
	task_mm_zap(door_task(), &r->mapping);
	assert_int_equal(rig_read(m + P, NULL), SIGBUS);
	assert_int_equal(rig_read(m + 3 * P, NULL), SIGBUS);
	assert_int_equal(rig_read(m + 2 * P, NULL), SIGSEGV);
	task_mm_restore(door_task(), &r->mapping);
	m[7 * P] = 3;
	assert_int_equal(atomic_load(&r->memory.host)[7 * P], 3);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, 2 * P), 0);
	assert_int_equal(r->released, 0);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, RIG_PAGES * P), 0);
	assert_int_equal(r->released, 1);
	/* Nothing of ours is left there. */
	assert_int_equal(mm_sys_munmap((uaddr_t)m, RIG_PAGES * P), 0);
}

static void test_denied_protection(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, PROT_READ);

	r->mapping.denied_prot = PROT_WRITE;
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, 2 * P, RW, -1), -EACCES);
	assert_int_equal(rig_write(m, NULL), SIGSEGV);
	assert_int_equal(rig_read(m, NULL), 0);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, P, PROT_NONE, -1), 0);
	assert_int_equal(rig_read(m, NULL), SIGSEGV);
	task_mm_zap(door_task(), &r->mapping);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, P, PROT_WRITE, -1), -EACCES);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, P, PROT_READ, -1), 0);
	task_mm_restore(door_task(), &r->mapping);
	assert_int_equal(rig_read(m, NULL), 0);
	assert_int_equal(rig_write(m, NULL), SIGSEGV);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, RIG_PAGES * P), 0);
}

static void test_map_fixed_replaces(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW);
	uaddr_t a = (uaddr_t)m;

	assert_int_equal(mm_sys_mmap(a + P, P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), a + P);
	m[P] = 1;
	assert_int_equal(atomic_load(&r->memory.host)[P], 0);
	task_mm_zap(door_task(), &r->mapping);
	assert_int_equal(rig_read(m + P, NULL), 0);
	assert_int_equal(rig_read(m, NULL), SIGBUS);
	assert_int_equal(mm_sys_mmap(a, RIG_PAGES * P, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), a);
	assert_int_equal(r->released, 1);
	munmap(m, RIG_PAGES * P);
}

static void test_a_mapping_over_another(void **state)
{
	struct rig *r = *state, other;
	char *m = rig_place(r, &r->memory, RW);
	struct cpu_mapping second;

	rig_create(&other);
	rig_place(&other, &other.memory, RW);
	second = other.mapping;
	second.owner = &other;
	assert_int_equal(task_mm_place(door_task(), &second, (uaddr_t)m, RIG_PAGES * P, RW, MAP_SHARED | MAP_FIXED),
			 (uaddr_t)m);
	assert_int_equal(r->released, 1);
	m[0] = 5;
	assert_int_equal(atomic_load(&other.memory.host)[0], 5);
	assert_int_equal(task_mm_place(door_task(), &second, (uaddr_t)m, P, RW, MAP_SHARED | MAP_FIXED_NOREPLACE),
			 -EEXIST);
	mm_sys_munmap((uaddr_t)m, RIG_PAGES * P);
	assert_int_equal(other.released, 1);
	rig_destroy(&other);
}

static void test_mprotect_is_remembered(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW);
	int code;

	assert_int_equal(mm_sys_mprotect((uaddr_t)m + P, P, PROT_READ, -1), 0);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m + 2 * P, P, PROT_NONE, -1), 0);
	assert_int_equal(rig_write(m + P, &code), SIGSEGV);
	assert_int_equal(code, SEGV_ACCERR);
	task_mm_zap(door_task(), &r->mapping);
	assert_int_equal(rig_write(m + P, NULL), SIGSEGV);
	assert_int_equal(rig_read(m + P, NULL), SIGBUS);
	assert_int_equal(rig_read(m + 2 * P, NULL), SIGSEGV);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m + 3 * P, P, PROT_READ, -1), 0);
	task_mm_restore(door_task(), &r->mapping);
	assert_int_equal(rig_write(m, NULL), 0);
	assert_int_equal(rig_write(m + P, NULL), SIGSEGV);
	assert_int_equal(rig_read(m + P, NULL), 0);
	assert_int_equal(rig_read(m + 2 * P, NULL), SIGSEGV);
	assert_int_equal(rig_write(m + 3 * P, NULL), SIGSEGV);
	/* Up to the hole behind it everything is done, then Linux says ENOMEM. */
	mm_sys_munmap((uaddr_t)m + 7 * P, P);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, 8 * P, PROT_READ, -1), -ENOMEM);
	assert_int_equal(rig_write(m, NULL), SIGSEGV);
	mm_sys_munmap((uaddr_t)m, RIG_PAGES * P);
}

static void test_mremap(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW);
	uaddr_t a = (uaddr_t)m, len = RIG_PAGES * P;
	char *to = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(mm_sys_mremap(a, len, 2 * len, MREMAP_MAYMOVE, 0), -EFAULT);
	assert_int_equal(mm_sys_mremap(a, len, 2 * len, 0, 0), -EFAULT);
	assert_int_equal(mm_sys_mremap(a, 0, len, MREMAP_MAYMOVE, 0), -EFAULT);
	assert_int_equal(mm_sys_mremap(a, len, len, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0), -EINVAL);
	assert_int_equal(mm_sys_mremap(a, len, 0, 0, 0), -EINVAL);
	assert_int_equal(mm_sys_mremap(a, P, P, MREMAP_FIXED, a + P), -EINVAL);
	assert_int_equal(mm_sys_mremap(a, 2 * P, 2 * P, MREMAP_FIXED | MREMAP_MAYMOVE, a + P), -EINVAL);
	assert_int_equal(mm_sys_mremap(a, len, len, MREMAP_MAYMOVE, 0), a);
	assert_int_equal(mm_sys_mremap(a, len, 6 * P, 0, 0), a);
	assert_int_equal(rig_read(m + 6 * P, NULL), SIGSEGV);
	m[3 * P] = 9;
	assert_int_equal(mm_sys_mremap(a + 2 * P, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, (uaddr_t)to),
			 (uaddr_t)to);
	assert_int_equal(to[P], 9);
	assert_int_equal(rig_read(m + 3 * P, NULL), SIGSEGV);
	task_mm_zap(door_task(), &r->mapping);
	assert_int_equal(rig_read(to, NULL), SIGBUS);
	assert_int_equal(rig_read(to + 2 * P, NULL), SIGSEGV);
	task_mm_restore(door_task(), &r->mapping);
	assert_int_equal(to[P], 9);
	mm_sys_munmap((uaddr_t)to, len);
	assert_int_equal(r->released, 0);
	mm_sys_munmap(a, len);
	assert_int_equal(r->released, 1);
}

static void test_madvise(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW);
	uaddr_t a = (uaddr_t)m;

	m[5] = 4;
	assert_int_equal(mm_sys_madvise(a, P, MADV_DONTNEED), -EINVAL);
	assert_int_equal(mm_sys_madvise(a, P, MADV_REMOVE), -ENODEV);
	assert_int_equal(mm_sys_madvise(a, P, MADV_DOFORK), -EINVAL);
	assert_int_equal(mm_sys_madvise(a, P, MADV_WILLNEED), 0);
	assert_int_equal(mm_sys_madvise(a, P, 999), -EINVAL);
	assert_int_equal(mm_sys_madvise(a, P, MADV_DONTFORK), DOOR_NOT_OURS);
	assert_int_equal(m[5], 4);
	mm_sys_munmap(a, RIG_PAGES * P);
}

struct reader {
	const volatile char *m;
	atomic_bool stop;
	_Atomic unsigned good, bus, bad;
};

static void *reader_main(void *arg)
{
	struct reader *rd = arg;

	while (!rd->stop) {
		int sig = rig_read(rd->m, NULL);

		atomic_fetch_add(sig == 0 ? &rd->good : sig == SIGBUS ? &rd->bus : &rd->bad, 1);
	}
	return NULL;
}

/* Threads read while the memory goes and comes: each read is the memory or SIGBUS, never anything else. */
static void test_zap_under_readers(void **state)
{
	struct rig *r = *state;
	struct reader rd = {.m = rig_place(r, &r->memory, RW)};
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &rd), 0);
	for (unsigned i = 0; i < 500; i++) {
		task_mm_zap(door_task(), &r->mapping);
		task_mm_restore(door_task(), &r->mapping);
	}
	while (rd.good == 0)
		;
	rd.stop = true;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(rd.bad, 0);
	mm_sys_munmap((uaddr_t)rd.m, RIG_PAGES * P);
}

static void test_copies(void **state)
{
	struct rig *r = *state;
	char *m = rig_place(r, &r->memory, RW), buf[8192] = "hello";
	struct task *t = door_task();

	assert_int_equal(task_copy_to(t, (uaddr_t)m, buf, 6), 0);
	assert_string_equal(m, "hello");
	assert_int_equal(task_copy_to(t, 16, buf, 6), -EFAULT);
	assert_int_equal(task_copy_from(t, buf, 0, 300), -EFAULT);
	assert_int_equal(task_copy_from(t, buf, 0xffff800000000000, 8), -EFAULT);
	assert_int_equal(task_copy_from(t, buf, 0x7000000000000000, 8), -EFAULT);
	mm_sys_munmap((uaddr_t)m + 7 * P, P);
	assert_int_equal(task_copy_from(t, buf, (uaddr_t)m + 7 * P - 4000, 8000), -EFAULT);
	task_mm_zap(t, &r->mapping);
	assert_int_equal(task_copy_from(t, buf, (uaddr_t)m, 6), -EFAULT);
	task_mm_restore(t, &r->mapping);
	for (size_t len = 0; len < 600; len += 7) {
		memset(m, 0, 700);
		memset(buf, 0xa5, sizeof(buf));
		assert_int_equal(task_copy_to(t, (uaddr_t)m + 1, buf, len), 0);
		assert_int_equal(memcmp(m + 1, buf, len), 0);
		assert_int_equal(m[0], 0);
		assert_int_equal(m[len + 1], 0);
	}
	mm_sys_munmap((uaddr_t)m, RIG_PAGES * P);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zap_and_restore, setup, teardown),
		cmocka_unit_test_setup_teardown(test_munmap_of_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_denied_protection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_fixed_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_mapping_over_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mprotect_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mremap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_madvise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zap_under_readers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
