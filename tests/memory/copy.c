/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "memory/copy.h"

enum { PAGE = 4096, LEN = 4 * PAGE };

static char *accessible, *holed; /* the last page of `holed` is a hole */

#ifdef __x86_64__
static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *pc = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	uintptr_t landing = copy_fixup((uintptr_t)*pc);

	if (!landing) {
		signal(sig, SIG_DFL);
		return;
	}
	*pc = (greg_t)landing;
}

/* Each test calls this itself: the test library takes the signal for its own before every function. */
static void handle_faults(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &sa, NULL);
}

static int setup(void **state)
{
	accessible = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	holed = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(holed + LEN - PAGE, PAGE, PROT_NONE);
	return 0;
}

typedef size_t (*copy_fn)(void *dst, const void *src, size_t len);
static const copy_fn copies[] = {copy_guarded, copy_guarded_stream};

static void copies_copy(void **state)
{
	for (size_t c = 0; c < ARRAY_SIZE(copies); c++)
		for (size_t skew = 0; skew < 70; skew += 7)
			for (size_t len = 0; len < 3000; len = len * 2 + 1) {
				for (size_t i = 0; i < LEN - PAGE; i++)
					holed[i] = (char)(i * 31 + len);
				memset(accessible, 0x55, LEN);
				assert_int_equal(copies[c](accessible + 100 + skew, holed + 3, len), 0);
				assert_memory_equal(accessible + 100 + skew, holed + 3, len);
				assert_int_equal(accessible[99 + skew], 0x55);
				assert_int_equal(accessible[100 + skew + len], 0x55);
			}
}

/* The count is exact wherever the hole begins and whichever side has it. */
static void faults_are_exact(void **state)
{
	char *end = holed + LEN - PAGE;

	handle_faults();
	for (size_t c = 0; c < ARRAY_SIZE(copies); c++)
		for (size_t before = 0; before < 1000; before += 37) {
			memset(end - before, 0x5a, before);
			memset(accessible, 0, LEN);
			assert_int_equal(copies[c](accessible + 5, end - before, 2000), 2000 - before);
			assert_memory_equal(accessible + 5, end - before, before);
			assert_int_equal(accessible[5 + before], 0);
			memset(accessible, 0x33, LEN);
			assert_int_equal(copies[c](end - before, accessible + 1, 2000), 2000 - before);
			assert_memory_equal(end - before, accessible + 1, before);
		}
}

static void single_accesses(void **state)
{
	uint64_t value = 0;

	handle_faults();
	assert_true(copy_store_guarded(accessible, 8, 0x1122334455667788));
	assert_true(copy_load_guarded(accessible, 4, &value));
	assert_int_equal(value, 0x55667788);
	assert_true(copy_store_guarded(accessible + 4, 4, 0xaabbccdd));
	assert_true(copy_load_guarded(accessible, 8, &value));
	assert_true(value == 0xaabbccdd55667788);
	for (unsigned len = 4; len <= 8; len += 4) {
		assert_false(copy_store_guarded(holed + LEN - PAGE, len, 1));
		assert_false(copy_load_guarded(holed + LEN - PAGE, len, &value));
	}
}

static void other_instructions_are_not_ours(void **state)
{
	assert_int_equal(copy_fixup((uintptr_t)copies_copy), 0);
	assert_int_equal(copy_fixup((uintptr_t)copy_fixup), 0);
	assert_int_equal(copy_fixup(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_copy),
		cmocka_unit_test(faults_are_exact),
		cmocka_unit_test(single_accesses),
		cmocka_unit_test(other_instructions_are_not_ours),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
#else
int main(void)
{
	return 77; /* no fixups on this machine */
}
#endif
