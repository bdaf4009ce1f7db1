/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of the emulated kernel's own: zeroed, sparse, found by address, gone when it is destroyed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/system_memory.h"

#define PAGE BARTER_PAGE_SIZE
/* More than machines have, and less than what ThreadSanitizer always leaves of the address space: half a TiB. */
#define LARGE (1ull << 38)

static uint64_t bytes_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void it_is_zeroed_and_found(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	static const char zeros[3 * 4096];
	struct system_memory *m, *other;

	assert_int_equal(system_memory_create(s, 3 * PAGE, &m), 0);
	assert_int_equal(system_memory_create(s, PAGE, &other), 0);
	assert_int_equal(m->region.kind, PHYS_SYSTEM);
	assert_int_equal(m->region.len, 3 * PAGE);
	assert_true(m->region.base >= PHYS_PAGES_BASE);
	assert_ptr_equal(phys_find(s, m->region.base + 3 * PAGE - 1), &m->region);
	assert_null(phys_find(s, m->region.base + 3 * PAGE));
	assert_ptr_equal(phys_find(s, other->region.base), &other->region);
	assert_memory_equal(atomic_load(&m->region.host), zeros, sizeof(zeros));
	system_memory_destroy(other);
	phys_t base = m->region.base;
	system_memory_destroy(m);
	assert_null(phys_find(s, base));
	system_memory_destroy(NULL);
	phys_space_destroy(s);
}

/* What a program maps is the file: both sides see the same bytes. */
static void it_can_be_mapped_again(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	struct system_memory *skip, *m;

	assert_int_equal(system_memory_create(s, PAGE, &skip), 0);
	assert_int_equal(system_memory_create(s, 2 * PAGE, &m), 0);
	assert_int_equal(m->region.fd, system_memory_fd(s));
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m->region.fd, (off_t)m->region.fd_offset);
	assert_ptr_not_equal(p, MAP_FAILED);
	p[PAGE] = 'x';
	assert_int_equal(atomic_load(&m->region.host)[PAGE], 'x');
	munmap(p, 2 * PAGE);
	system_memory_destroy(m);
	system_memory_destroy(skip);
	phys_space_destroy(s);
}

static void it_takes_nothing_until_touched_and_gives_all_back(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	struct system_memory *m;
	int fd = system_memory_fd(s);

	assert_int_equal(system_memory_create(s, LARGE, &m), 0);
	assert_int_equal(bytes_of(fd), 0);
	uint64_t place = m->region.fd_offset;
	memset(atomic_load(&m->region.host) + LARGE / 2, 1, 16 * PAGE);
	assert_true(bytes_of(fd) >= 16 * PAGE);
	system_memory_destroy(m);
	assert_int_equal(bytes_of(fd), 0);
	/* A place in the file is never used again. */
	assert_int_equal(system_memory_create(s, PAGE, &m), 0);
	assert_true(m->region.fd_offset >= place + LARGE);
	system_memory_destroy(m);
	phys_space_destroy(s);
}

static void what_no_address_can_say_is_refused(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	struct system_memory *m;

	assert_int_equal(system_memory_create(s, (16ull << 40) + PAGE, &m), -ENOMEM);
	assert_int_equal(system_memory_create(s, 1ull << 63, &m), -ENOMEM);
	assert_int_equal(system_memory_create(s, PAGE, &m), 0);
	system_memory_destroy(m);
	phys_space_destroy(s);
}

static void a_programs_file_stays_the_programs(void **state)
{
	struct phys_space *s = phys_space_create(NULL);
	int fd = memfd_create("program", MFD_CLOEXEC);
	struct system_memory *m;

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(pwrite(fd, "abcd", 4, 2 * PAGE), 4);
	assert_int_equal(system_memory_create_file(s, fd, 2 * PAGE, 2 * PAGE, &m), 0);
	assert_memory_equal(atomic_load(&m->region.host), "abcd", 4);
	atomic_load(&m->region.host)[1] = 'X';
	assert_int_equal(m->region.fd, fd);
	assert_int_equal(m->region.fd_offset, 2 * PAGE);
	system_memory_destroy(m);
	char back[4];
	assert_int_equal(pread(fd, back, 4, 2 * PAGE), 4);
	assert_memory_equal(back, "aXcd", 4);
	close(fd);
	phys_space_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_zeroed_and_found),
		cmocka_unit_test(it_can_be_mapped_again),
		cmocka_unit_test(it_takes_nothing_until_touched_and_gives_all_back),
		cmocka_unit_test(what_no_address_can_say_is_refused),
		cmocka_unit_test(a_programs_file_stays_the_programs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
