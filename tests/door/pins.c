/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that devices reach, whatever the program does to its address space. */
#include "rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "door/mm.h"
#include "door/signals.h"
#include "door/task_fd.h"
#include "door/task_mm.h"
#include "memory/copy.h"
#include "memory/pinned.h"
#include "memory/section.h"

#define P RIG_PAGE
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static struct phys_space *space;
static struct section_port port;

static int setup(void **state)
{
	space = phys_space_create(NULL);
	section_port_init(&port, phys_sections(space));
	return 0;
}

static int teardown(void **state)
{
	section_port_fini(&port);
	phys_space_destroy(space);
	return 0;
}

static char *map(size_t pages, int prot, int flags)
{
	char *m;

	rig_signals();
	m = mmap(NULL, pages * P, prot, flags, -1, 0);
	assert_ptr_not_equal(m, MAP_FAILED);
	return m;
}

static struct pinned *pin(char *start, size_t pages, bool write)
{
	struct pinned *p;

	assert_int_equal(pinned_create_user(space, door_task(), (uaddr_t)start, pages * P, write, &p), 0);
	return p;
}

static int try_pin(char *start, size_t pages, bool write)
{
	struct pinned *p;
	int err = pinned_create_user(space, door_task(), (uaddr_t)start, pages * P, write, &p);

	if (!err)
		pinned_destroy(p);
	return err;
}

/* One access as a device makes it; false: a fault. */
static bool device(struct pinned *p, uint64_t offset, void *buf, size_t len, bool write)
{
	uint64_t run;
	bool protected_;
	size_t left;
	unsigned moves;

	do {
		section_enter(&port);
		moves = atomic_load(&p->moves);
		char *host = pinned_host(p, offset, &run, &protected_);
		assert_true(run >= len);
		if (protected_)
			left = task_protected_access(door_task(), host, buf, len, write) ? len : 0;
		else
			left = write ? copy_guarded(host, buf, len) : copy_guarded(buf, host, len);
		bool again = left && pinned_was_moved(p, moves);
		section_leave(&port);
		if (!again)
			break;
	} while (true);
	return left == 0;
}

static char device_get(struct pinned *p, uint64_t offset)
{
	char byte = 0;

	assert_true(device(p, offset, &byte, 1, false));
	return byte;
}

static void device_put(struct pinned *p, uint64_t offset, char byte)
{
	assert_true(device(p, offset, &byte, 1, true));
}

/* The small way touches, the large one asks the kernel: both refuse alike. */
static void check_refusals(size_t pages)
{
	char *m = map(3 * pages, RW, ANON);
	char *middle = m + pages * P;

	assert_int_equal(try_pin(m, 3 * pages, true), 0);
	mprotect(middle, P, PROT_READ);
	assert_int_equal(try_pin(middle, pages, true), -EFAULT);
	assert_int_equal(try_pin(middle, pages, false), 0);
	assert_int_equal(try_pin(m, 2 * pages, true), -EFAULT);
	mprotect(middle, P, PROT_NONE);
	assert_int_equal(try_pin(middle, pages, false), -EFAULT);
	munmap(middle + (pages - 1) * P, P);
	mprotect(middle, P, RW);
	assert_int_equal(try_pin(middle, pages, false), -EFAULT);
	assert_int_equal(try_pin(m, pages, true), 0);
	munmap(m, 3 * pages * P);
	assert_int_equal(try_pin(m, pages, false), -EFAULT);
}

static void test_refusals(void **state)
{
	struct rig r;
	char *m;

	check_refusals(2);
	check_refusals(100);
	assert_int_equal(try_pin(NULL, 1, false), -EFAULT);
	assert_int_equal(try_pin((char *)0xffff880000000000, 1, false), -EFAULT);
	assert_int_equal(try_pin((char *)0xffff880000000000, 100, false), -EFAULT);
	rig_create(&r);
	m = rig_place(&r, &r.memory, RW);
	assert_int_equal(try_pin(m, 1, true), -EFAULT);
	assert_int_equal(try_pin(m, 1, false), -EFAULT);
	mm_sys_munmap((uaddr_t)m, RIG_PAGES * P);
	rig_destroy(&r);
}

static void check_short_file(size_t pages)
{
	int fd = memfd_create("short", MFD_CLOEXEC);
	char *m;

	rig_signals();
	assert_int_equal(ftruncate(fd, (off_t)((pages - 1) * P)), 0);
	m = mmap(NULL, pages * P, RW, MAP_SHARED, fd, 0);
	assert_int_equal(try_pin(m, pages - 1, true), 0);
	assert_int_equal(try_pin(m, pages, true), -EFAULT);
	munmap(m, pages * P);
	close(fd);
}

static void test_beyond_the_end_of_a_file(void **state)
{
	check_short_file(2);
	check_short_file(100);
}

static void check_munmap(int flags, size_t pages)
{
	char *m = map(pages, RW, flags);
	struct pinned *p = pin(m, pages, true), *inner = pin(m + P, 1, true);

	m[P + 5] = 42;
	assert_int_equal(mm_sys_munmap((uaddr_t)m + P, (pages - 1) * P), 0);
	assert_int_equal(rig_read(m + P, NULL), SIGSEGV);
	assert_int_equal(rig_read(m, NULL), 0);
	assert_int_equal(device_get(p, P + 5), 42);
	/* The same bytes for both pins, and the rest still is the program's. */
	device_put(inner, 5, 43);
	assert_int_equal(device_get(p, P + 5), 43);
	device_put(p, 9, 44);
	assert_int_equal(m[9], 44);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, pages * P), 0);
	assert_int_equal(device_get(p, 9), 44);
	pinned_destroy(p);
	assert_int_equal(device_get(inner, 5), 43);
	pinned_destroy(inner);
}

static void test_munmap(void **state)
{
	check_munmap(ANON, 4);
	check_munmap(MAP_SHARED | MAP_ANONYMOUS, 4);
	check_munmap(ANON, 2000);
}

/* Three mappings of the program under one pin. */
static void test_munmap_over_borders(void **state)
{
	char *m = map(6, RW, ANON);
	struct pinned *p = pin(m, 6, false);

	mprotect(m + 2 * P, P, PROT_READ);
	mmap(m + 4 * P, P, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (unsigned i = 0; i < 6; i++)
		if (i != 2)
			m[i * P] = (char)(i + 1);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, 6 * P), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(device_get(p, i * P), i == 2 ? 0 : i + 1);
	pinned_destroy(p);
}

static void test_map_fixed(void **state)
{
	char *m = map(4, RW, ANON);
	struct pinned *p = pin(m, 4, true);

	m[P] = 1;
	assert_int_equal(mm_sys_mmap((uaddr_t)m, 2 * P, RW, ANON | MAP_FIXED, -1, 0), (uaddr_t)m);
	assert_int_equal(m[P], 0);
	m[P] = 2;
	assert_int_equal(device_get(p, P), 1);
	m[3 * P] = 3;
	assert_int_equal(device_get(p, 3 * P), 3);
	pinned_destroy(p);
	munmap(m, 4 * P);
}

static void test_dontneed(void **state)
{
	char *m = map(4, RW, ANON), *shared = map(4, RW, MAP_SHARED | MAP_ANONYMOUS);
	struct pinned *p = pin(m, 4, true), *q = pin(shared, 4, true);

	m[P] = 1;
	m[3 * P] = 3;
	assert_int_equal(mm_sys_madvise((uaddr_t)m, 2 * P, MADV_DONTNEED), 0);
	assert_int_equal(m[P], 0);
	assert_int_equal(m[3 * P], 3);
	assert_int_equal(device_get(p, P), 1);
	m[P] = 7;
	assert_int_equal(device_get(p, P), 1);
	/* A file's pages stay what they are. */
	shared[P] = 1;
	assert_int_equal(mm_sys_madvise((uaddr_t)shared, 2 * P, MADV_DONTNEED), 0);
	assert_int_equal(shared[P], 1);
	shared[P] = 2;
	assert_int_equal(device_get(q, P), 2);
	pinned_destroy(p);
	pinned_destroy(q);
	munmap(m, 4 * P);
	munmap(shared, 4 * P);
}

static void check_mprotect(int flags, int prot)
{
	char *m = map(4, RW, flags);
	struct pinned *p = pin(m, 4, true);

	m[P] = 1;
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, 3 * P, prot, -1), 0);
	assert_int_equal(rig_write(m + P, NULL), SIGSEGV);
	assert_int_equal(device_get(p, P), 1);
	device_put(p, P, 2);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, 4 * P, RW, -1), 0);
	assert_int_equal(m[P], 2);
	device_put(p, P, 3);
	assert_int_equal(m[P], 3);
	assert_int_equal(mm_sys_mprotect((uaddr_t)m, 4 * P, prot, -1), 0);
	assert_int_equal(mm_sys_munmap((uaddr_t)m, 4 * P), 0);
	assert_int_equal(device_get(p, P), 3);
	device_put(p, P, 4);
	assert_int_equal(device_get(p, P), 4);
	pinned_destroy(p);
}

static void test_mprotect(void **state)
{
	check_mprotect(ANON, PROT_NONE);
	check_mprotect(ANON, PROT_READ);
	check_mprotect(MAP_SHARED | MAP_ANONYMOUS, PROT_NONE);
	check_mprotect(MAP_SHARED | MAP_ANONYMOUS, PROT_READ);
}

static void test_mremap(void **state)
{
	char *m = map(4, RW, ANON), *wall = map(1, RW, ANON);
	struct pinned *p = pin(m, 4, true);
	int64_t to;

	(void)wall;
	m[P] = 1;
	m[3 * P] = 3;
	/* It cannot grow in place: an inaccessible page is behind it. */
	mmap(m + 4 * P, P, PROT_NONE, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	to = mm_sys_mremap((uaddr_t)m, 4 * P, 8 * P, MREMAP_MAYMOVE, 0);
	assert_true(to > 0 && to != (int64_t)(uaddr_t)m);
	((char *)to)[P] = 5;
	assert_int_equal(device_get(p, P), 5);
	device_put(p, 3 * P, 6);
	assert_int_equal(((char *)to)[3 * P], 6);
	assert_int_equal(mm_sys_mremap((uaddr_t)to, 8 * P, 2 * P, 0, 0), to);
	assert_int_equal(device_get(p, 3 * P), 6);
	assert_int_equal(mm_sys_munmap((uaddr_t)to, 2 * P), 0);
	assert_int_equal(device_get(p, P), 5);
	pinned_destroy(p);
	munmap(wall, P);
}

static void test_files(void **state)
{
	struct memory_file mf = {.fd = memfd_create("file", MFD_CLOEXEC), .size = 8 * P, .writable = true};
	struct pinned *p;
	char byte = 9;

	rig_signals();
	assert_int_equal(ftruncate(mf.fd, 8 * P), 0);
	assert_int_equal(pwrite(mf.fd, &byte, 1, 3 * P), 1);
	assert_int_equal(pinned_create_file(space, door_task(), &mf, 2 * P, 4 * P, true, &p), 0);
	assert_int_equal(device_get(p, P), 9);
	device_put(p, 2 * P, 8);
	assert_int_equal(pread(mf.fd, &byte, 1, 4 * P), 1);
	assert_int_equal(byte, 8);
	/* Cut off under the device: a fault, no signal. */
	assert_int_equal(ftruncate(mf.fd, P), 0);
	assert_false(device(p, P, &byte, 1, false));
	pinned_destroy(p);
	close(mf.fd);
}

/* Unmapped by a way that nobody saw: the device meets a fault. */
static void test_gone_behind_our_back(void **state)
{
	char *m = map(2, RW, ANON), byte = 0;
	struct pinned *p = pin(m, 2, true);

	munmap(m, 2 * P);
	assert_false(device(p, 0, &byte, 1, true));
	assert_int_equal(mm_sys_munmap((uaddr_t)m, 2 * P), 0);
	pinned_destroy(p);
}

struct engine {
	struct pinned *p;
	atomic_bool stop;
	_Atomic uint64_t rounds;
};

static void *engine_main(void *arg)
{
	struct engine *e = arg;

	while (!e->stop) {
		uint64_t value = e->rounds + 1, back = 0;

		assert_true(device(e->p, 8, &value, 8, true));
		assert_true(device(e->p, 8, &back, 8, false));
		assert_int_equal(back, value);
		e->rounds = value;
	}
	return NULL;
}

/* A device writes and reads back while the program throws its memory about: no byte is lost, no access fails. */
static void test_moves_under_a_device(void **state)
{
	char *m = map(4, RW, ANON);
	struct engine e = {.p = pin(m, 4, true)};
	pthread_t thread;
	int64_t at = (int64_t)(uaddr_t)m;

	assert_int_equal(pthread_create(&thread, NULL, engine_main, &e), 0);
	for (unsigned i = 0; i < 200; i++) {
		char *to = map(4, PROT_NONE, ANON);

		assert_int_equal(mm_sys_mremap((uaddr_t)at, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, (uaddr_t)to),
				 (uaddr_t)to);
		at = (int64_t)(uaddr_t)to;
		mm_sys_mprotect((uaddr_t)at, 4 * P, i % 2 ? PROT_READ : PROT_NONE, -1);
		mm_sys_mprotect((uaddr_t)at, 4 * P, RW, -1);
	}
	uint64_t before = e.rounds;
	while (e.rounds < before + 10)
		;
	assert_int_equal(mm_sys_munmap((uaddr_t)at, 4 * P), 0);
	before = e.rounds;
	while (e.rounds < before + 10)
		;
	e.stop = true;
	pthread_join(thread, NULL);
	pinned_destroy(e.p);
}

/* Linux pins it for writing; its bytes can be read, and what would be written to them is a fault. */
static void test_sealed_file(void **state)
{
	struct memory_file mf;
	struct pinned *p;
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	char byte = 0;

	rig_signals();
	assert_int_equal(write(fd, "s", 1), 1);
	assert_int_equal(ftruncate(fd, P), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(task_memory_file_get(door_task(), fd, &mf), 0);
	assert_int_equal(pinned_create_file(space, door_task(), &mf, 0, P, true, &p), 0);
	assert_true(device(p, 0, &byte, 1, false));
	assert_int_equal(byte, 's');
	assert_false(device(p, 0, &byte, 1, true));
	pinned_destroy(p);
	task_memory_file_put(&mf);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beyond_the_end_of_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_munmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_munmap_over_borders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_fixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dontneed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mprotect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mremap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_behind_our_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moves_under_a_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sealed_file, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
