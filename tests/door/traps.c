/* SPDX-License-Identifier: BSD-3-Clause */
/* Stores to a trapped page, in the forms that compilers and C libraries produce: what the model sees of each. */
#include "rig.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "door/mm.h"
#include "door/signals.h"
#include "door/task_mm.h"

#define P RIG_PAGE
#define RW (PROT_READ | PROT_WRITE)

static struct rig rig;
static char *m;

static int setup(void **state)
{
	rig_create(&rig);
	return 0;
}

static int teardown(void **state)
{
	mm_sys_munmap((uaddr_t)m, RIG_PAGES * P);
	rig_destroy(&rig);
	return 0;
}

static void place(void)
{
	m = rig_place(&rig, &rig.registers, RW);
	memset(atomic_load(&rig.registers.host), 0, RIG_PAGES * P);
	rig.nr_log = 0;
}

static void fill(uint64_t offset, uint64_t value)
{
	memcpy(atomic_load(&rig.registers.host) + offset, &value, sizeof(value));
	rig.nr_log = 0;
}

/* The n-th access that reached the model was this store. */
static void saw(unsigned n, uint64_t offset, uint64_t value, unsigned len)
{
	assert_true(n < rig.nr_log);
	assert_true(rig.log[n].write);
	assert_int_equal(rig.log[n].offset, offset);
	assert_int_equal(rig.log[n].value, value);
	assert_int_equal(rig.log[n].len, len);
}

static void saw_one(uint64_t offset, uint64_t value, unsigned len)
{
	assert_int_equal(rig.nr_log, 1);
	saw(0, offset, value, len);
	rig.nr_log = 0;
}

static void test_moves(void **state)
{
	uint64_t v = 0x1122334455667788;

	place();
	*(volatile uint8_t *)(m + 3) = 0xab;
	saw_one(3, 0xab, 1);
	*(volatile uint16_t *)(m + 6) = 0x1234;
	saw_one(6, 0x1234, 2);
	*(volatile uint32_t *)(m + 0x100) = 0xdeadbeef;
	saw_one(0x100, 0xdeadbeef, 4);
	*(volatile uint64_t *)(m + P + 8) = v;
	saw_one(P + 8, v, 8);
	asm volatile("movl $-2, 4(%0)" : : "r"(m) : "memory");
	saw_one(4, 0xfffffffe, 4);
	asm volatile("movq $-2, 8(%0)" : : "r"(m) : "memory");
	saw_one(8, UINT64_MAX - 1, 8);
	asm volatile("movb $7, (%0, %1, 4)" : : "r"(m), "r"(5ul) : "memory");
	saw_one(20, 7, 1);
	asm volatile("mov %%ah, 1(%0)" : : "r"(m), "a"(0x5500) : "memory");
	saw_one(1, 0x55, 1);
	asm volatile("movnti %1, 16(%0)" : : "r"(m), "r"(v) : "memory");
	saw_one(16, v, 8);
	asm volatile("mov %1, -8(%0)" : : "r"(m + 24), "r"((uint32_t)v) : "memory");
	saw_one(16, (uint32_t)v, 4);
	/* What the model wrote is what a load sees, without a trap. */
	assert_int_equal(*(volatile uint32_t *)(m + 16), (uint32_t)v);
	assert_int_equal(rig.nr_log, 0);
}

static void test_unaligned_becomes_aligned(void **state)
{
	place();
	asm volatile("movl %1, 2(%0)" : : "r"(m), "r"(0x44332211) : "memory");
	assert_int_equal(rig.nr_log, 2);
	saw(0, 2, 0x2211, 2);
	saw(1, 4, 0x4433, 2);
	rig.nr_log = 0;
	/* Across two pages. */
	asm volatile("movl %1, 4094(%0)" : : "r"(m), "r"(0x44332211) : "memory");
	assert_int_equal(rig.nr_log, 2);
	saw(0, 4094, 0x2211, 2);
	saw(1, 4096, 0x4433, 2);
}

static void test_vectors(void **state)
{
	uint64_t v[4] __attribute__((aligned(32))) = {1, 2, 3, 4};

	place();
	asm volatile("movdqa %1, %%xmm7; movdqu %%xmm7, 16(%0)" : : "r"(m), "m"(v) : "xmm7", "memory");
	assert_int_equal(rig.nr_log, 2);
	saw(0, 16, 1, 8);
	saw(1, 24, 2, 8);
	rig.nr_log = 0;
	asm volatile("movdqa %1, %%xmm1; movhps %%xmm1, 8(%0)" : : "r"(m), "m"(v) : "xmm1", "memory");
	saw_one(8, 2, 8);
	asm volatile("movdqa %1, %%xmm1; movq %%xmm1, 8(%0)" : : "r"(m), "m"(v) : "xmm1", "memory");
	saw_one(8, 1, 8);
	asm volatile("movdqa %1, %%xmm1; movd %%xmm1, 8(%0)" : : "r"(m), "m"(v) : "xmm1", "memory");
	saw_one(8, 1, 4);
	asm volatile("movdqa %1, %%xmm1; movsd %%xmm1, 8(%0)" : : "r"(m), "m"(v) : "xmm1", "memory");
	saw_one(8, 1, 8);
	asm volatile("movdqa %1, %%xmm1; movntdq %%xmm1, (%0)" : : "r"(m), "m"(v) : "xmm1", "memory");
	assert_int_equal(rig.nr_log, 2);
	rig.nr_log = 0;
	if (__builtin_cpu_supports("avx2")) {
		asm volatile("vmovdqa %1, %%ymm9; vmovdqu %%ymm9, 32(%0)" : : "r"(m), "m"(v) : "xmm9", "memory");
		assert_int_equal(rig.nr_log, 4);
		for (unsigned i = 0; i < 4; i++)
			saw(i, 32 + 8 * i, i + 1, 8);
		rig.nr_log = 0;
		asm volatile("vzeroall; vmovdqu %%ymm9, 32(%0)" : : "r"(m) : "xmm9", "memory");
		assert_int_equal(rig.nr_log, 4);
		saw(3, 56, 0, 8);
		rig.nr_log = 0;
	}
	if (__builtin_cpu_supports("avx512f")) {
		asm volatile("vpbroadcastq %1, %%zmm20; vmovdqu64 %%zmm20, 64(%0)" : : "r"(m), "r"(9ul) : "memory");
		assert_int_equal(rig.nr_log, 8);
		for (unsigned i = 0; i < 8; i++)
			saw(i, 64 + 8 * i, 9, 8);
	}
}

static void test_read_modify_write(void **state)
{
	uint32_t reg = 5;
	uint8_t carry, zero;

	place();
	fill(0, 0xf0);
	asm volatile("orl $0xf, (%0)" : : "r"(m) : "memory");
	saw_one(0, 0xff, 4);
	asm volatile("lock andl %1, (%0)" : : "r"(m), "r"(0x3c) : "memory");
	saw_one(0, 0x3c, 4);
	asm volatile("addb $0xd0, (%2); setc %0; setz %1" : "=r"(carry), "=r"(zero) : "r"(m) : "memory");
	saw_one(0, 0x0c, 1);
	assert_int_equal(carry, 1);
	assert_int_equal(zero, 0);
	asm volatile("subw $0xc, (%2); setc %0; setz %1" : "=r"(carry), "=r"(zero) : "r"(m) : "memory");
	saw_one(0, 0, 2);
	assert_int_equal(carry, 0);
	assert_int_equal(zero, 1);
	asm volatile("stc; decq (%1); setc %0" : "=r"(carry) : "r"(m) : "memory");
	saw_one(0, UINT64_MAX, 8);
	assert_int_equal(carry, 1);
	fill(0, 3);
	asm volatile("xchgl %0, (%1)" : "+r"(reg) : "r"(m) : "memory");
	saw_one(0, 5, 4);
	assert_int_equal(reg, 3);
	asm volatile("lock xaddl %0, (%1)" : "+r"(reg) : "r"(m) : "memory");
	saw_one(0, 8, 4);
	assert_int_equal(reg, 5);
	asm volatile("btsl $4, (%1); setc %0" : "=r"(carry) : "r"(m) : "memory");
	saw_one(0, 0x18, 4);
	assert_int_equal(carry, 0);
	asm volatile("btsq %2, (%1); setc %0" : "=r"(carry) : "r"(m), "r"(65ul) : "memory");
	saw_one(8, 2, 8);
}

static void test_compare_and_exchange(void **state)
{
	uint32_t expected = 7;
	uint8_t done;

	place();
	fill(0, 7);
	asm volatile("lock cmpxchgl %3, (%2); setz %1" : "+a"(expected), "=r"(done) : "r"(m), "r"(9) : "memory");
	saw_one(0, 9, 4);
	assert_int_equal(done, 1);
	asm volatile("lock cmpxchgl %3, (%2); setz %1" : "+a"(expected), "=r"(done) : "r"(m), "r"(11) : "memory");
	assert_int_equal(done, 0);
	assert_int_equal(expected, 9);
	saw_one(0, 9, 4);
}

static void test_strings(void **state)
{
	uint32_t source[4] = {1, 2, 3, 4};
	void *to, *from;
	uint64_t count;

	place();
	to = m + 8, from = source, count = 4;
	asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	assert_int_equal(rig.nr_log, 4);
	for (unsigned i = 0; i < 4; i++)
		saw(i, 8 + 4 * i, i + 1, 4);
	assert_int_equal(count, 0);
	assert_ptr_equal(to, m + 24);
	assert_ptr_equal(from, source + 4);
	rig.nr_log = 0;
	to = m + 16, count = 3;
	asm volatile("rep stosq" : "+D"(to), "+c"(count) : "a"(0x77ul) : "memory");
	assert_int_equal(rig.nr_log, 3);
	saw(2, 32, 0x77, 8);
	rig.nr_log = 0;
	/* From the last trapped page on into memory that takes stores. */
	rig.registers.polled_pages[0] = 1 << 1;
	task_mm_retrap(door_task(), &rig.mapping, P, P);
	to = m + P - 4, from = source, count = 4;
	asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	saw_one(P - 4, 1, 4);
	assert_int_equal(*(uint32_t *)(m + P + 8), 4);
	memset(m, 0x5a, 64);
	assert_true(rig.nr_log > 0);
	assert_int_equal(m[63], 0x5a);
}

static void test_polled_pages_do_not_trap(void **state)
{
	int code;

	place();
	rig.registers.polled_pages[0] = 1;
	task_mm_retrap(door_task(), &rig.mapping, 0, P);
	*(volatile uint32_t *)m = 1;
	assert_int_equal(rig.nr_log, 0);
	assert_int_equal(atomic_load(&rig.registers.host)[0], 1);
	rig.registers.polled_pages[0] = 0;
	task_mm_retrap(door_task(), &rig.mapping, 0, P);
	*(volatile uint32_t *)m = 2;
	saw_one(0, 2, 4);
	/* What the program itself made read-only is its own mistake. */
	mm_sys_mprotect((uaddr_t)m, P, PROT_READ, -1);
	assert_int_equal(rig_write(m, &code), SIGSEGV);
	assert_int_equal(code, SEGV_ACCERR);
	assert_int_equal(rig.nr_log, 0);
	task_mm_zap(door_task(), &rig.mapping);
	assert_int_equal(rig_write(m + P, &code), SIGBUS);
	task_mm_restore(door_task(), &rig.mapping);
	assert_int_equal(rig_write(m + P, &code), 0);
	saw_one(P, 1, 1);
}

static void test_copy_to_registers(void **state)
{
	uint32_t words[3] = {1, 2, 3};

	place();
	errno = 77;
	assert_int_equal(task_copy_to(door_task(), (uaddr_t)m + 4, words, 12), 0);
	assert_int_equal(rig.nr_log, 2);
	saw(0, 4, 1, 4);
	saw(1, 8, 2 | 3ull << 32, 8);
	assert_int_equal(errno, 77);
	*(volatile uint32_t *)m = 2;
	assert_int_equal(errno, 77);
}

/* A page without memory behind it: every access is the model's. */
static void test_loads(void **state)
{
	int fd = rig.registers.fd;
	uint64_t wide;

	rig.registers.fd = -1;
	place();
	fill(8, 0x80f1f2f3f4f5f6f7);
	assert_int_equal(*(volatile uint32_t *)(m + 8), 0xf4f5f6f7);
	assert_int_equal(*(volatile int8_t *)(m + 8), (int8_t)0xf7);
	assert_int_equal(*(volatile uint64_t *)(m + 8), 0x80f1f2f3f4f5f6f7);
	asm volatile("movslq 8(%1), %0" : "=r"(wide) : "r"(m));
	assert_int_equal(wide, 0xfffffffff4f5f6f7);
	asm volatile("movzwl 8(%1), %k0" : "=r"(wide) : "r"(m));
	assert_int_equal(wide, 0xf6f7);
	assert_int_equal(rig.nr_log, 5);
	rig.nr_log = 0;
	asm volatile("orl $8, 8(%0)" : : "r"(m) : "memory");
	assert_int_equal(rig.nr_log, 2);
	saw(1, 8, 0xf4f5f6ff, 4);
	rig.registers.fd = fd;
}

static void test_loads_into_arithmetic(void **state)
{
	int fd = rig.registers.fd;
	uint64_t reg = 1;
	bool below, zero;

	rig.registers.fd = -1;
	place();
	fill(8, 0x80f1f2f3f4f5f6f7);
	asm volatile("addq 8(%1), %0" : "+r"(reg) : "r"(m) : "cc");
	assert_int_equal(reg, 0x80f1f2f3f4f5f6f8);
	asm volatile("subl 8(%1), %k0" : "+r"(reg) : "r"(m) : "cc");
	assert_int_equal(reg, 1);
	asm volatile("cmpl 8(%2), %k3" : "=@ccb"(below), "=@ccz"(zero) : "r"(m), "r"(5) : "cc");
	assert_true(below && !zero);
	asm volatile("cmpl %k3, 8(%2)" : "=@ccb"(below), "=@ccz"(zero) : "r"(m), "r"(5) : "cc");
	assert_true(!below && !zero);
	asm volatile("cmpb $-9, 8(%2)" : "=@ccb"(below), "=@ccz"(zero) : "r"(m), "r"(5) : "cc");
	assert_true(!below && zero);
	asm volatile("testb $8, 8(%1)" : "=@ccz"(zero) : "r"(m) : "cc");
	assert_true(zero);
	for (unsigned i = 0; i < rig.nr_log; i++)
		assert_false(rig.log[i].write);
	rig.registers.fd = fd;
}

static void test_vector_loads(void **state)
{
	uint64_t upper[4] = {1, 2, 3, 4}, out[4] = {0};
	int fd = rig.registers.fd;

	rig.registers.fd = -1;
	place();
	for (unsigned i = 0; i < 4; i++)
		fill(8 * i, 0x1111111111111111 * (i + 1));
	asm volatile("movdqu (%1), %%xmm7\n movdqu %%xmm7, %0" : "=m"(out) : "r"(m) : "xmm7", "memory");
	assert_memory_equal(out, atomic_load(&rig.registers.host), 16);
	if (__builtin_cpu_supports("avx")) {
		asm volatile("vmovdqu (%1), %%ymm7\n vmovdqu %%ymm7, %0\n vzeroupper"
			     : "=m"(out)
			     : "r"(m)
			     : "xmm7", "memory");
		assert_memory_equal(out, atomic_load(&rig.registers.host), 32);
		asm volatile("vmovdqu %1, %%ymm7\n movups (%2), %%xmm7\n vmovdqu %%ymm7, %0\n vzeroupper"
			     : "=m"(out)
			     : "m"(upper), "r"(m)
			     : "xmm7", "memory");
		assert_memory_equal(out, atomic_load(&rig.registers.host), 16);
		assert_int_equal(out[3], 4);
		asm volatile("vmovdqu %1, %%ymm7\n vmovups (%2), %%xmm7\n vmovdqu %%ymm7, %0\n vzeroupper"
			     : "=m"(out)
			     : "m"(upper), "r"(m)
			     : "xmm7", "memory");
		assert_int_equal(out[2] | out[3], 0);
	}
	rig.registers.fd = fd;
}

RACES_ON_PURPOSE static void *store_main(void *arg)
{
	for (unsigned i = 0; i < 2000; i++)
		__atomic_store_n((uint32_t *)(m + 8), i, __ATOMIC_RELAXED);
	return NULL;
}

/* Stores on two threads while the page goes back and forth: none is lost on a page that traps all the time. */
RACES_ON_PURPOSE static void test_stores_on_threads(void **state)
{
	pthread_t threads[2];

	place();
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, store_main, NULL);
	for (unsigned i = 0; i < 200; i++) {
		rig.registers.polled_pages[0] ^= 1;
		task_mm_retrap(door_task(), &rig.mapping, 0, P);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(*(volatile uint32_t *)(m + 8), 1999);
}

struct storer {
	volatile char *at;
	atomic_bool stop;
	_Atomic unsigned bad;
};

/* A page of its own for each, so that the model's memory is nobody else's. */
static void *storer_main(void *arg)
{
	struct storer *s = arg;

	while (!s->stop) {
		int sig = rig_write(s->at, NULL);

		if (sig != 0 && sig != SIGBUS)
			s->bad++;
	}
	return NULL;
}

static void test_no_store_after_zap(void **state)
{
	struct storer s[2] = {0};
	pthread_t threads[2];
	unsigned seen;

	place();
	for (unsigned i = 0; i < 2; i++) {
		s[i].at = m + i * P;
		pthread_create(&threads[i], NULL, storer_main, &s[i]);
	}
	for (unsigned i = 0; i < 100; i++) {
		task_mm_zap(door_task(), &rig.mapping);
		seen = rig.nr_stores;
		usleep(50);
		assert_int_equal(rig.nr_stores, seen);
		task_mm_restore(door_task(), &rig.mapping);
		while (rig.nr_stores == seen)
			sched_yield();
	}
	for (unsigned i = 0; i < 2; i++) {
		s[i].stop = true;
		pthread_join(threads[i], NULL);
		assert_int_equal(s[i].bad, 0);
	}
}

static void *until_gone_main(void *arg)
{
	while (rig_write(m, NULL) == 0)
		;
	return NULL;
}

/* The mapping goes while a store is on its way: it is released once, when the store is done. */
static void test_munmap_under_stores(void **state)
{
	pthread_t thread;

	for (unsigned i = 0; i < 50; i++) {
		place();
		unsigned before = rig.nr_stores;
		pthread_create(&thread, NULL, until_gone_main, NULL);
		while (rig.nr_stores == before)
			sched_yield();
		assert_int_equal(mm_sys_munmap((uaddr_t)m, RIG_PAGES * P), 0);
		pthread_join(thread, NULL);
		assert_int_equal(rig.released, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unaligned_becomes_aligned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vectors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_modify_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_compare_and_exchange, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_polled_pages_do_not_trap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy_to_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loads_into_arithmetic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vector_loads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stores_on_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_store_after_zap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_munmap_under_stores, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
