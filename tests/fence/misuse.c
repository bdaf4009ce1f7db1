/* SPDX-License-Identifier: BSD-3-Clause */
/* What callers must not do ends the process with a word about it, in every build: each in a process of its own. */
#include "driver.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fence/dma_fence_unwrap.h"
#include "fence/dma_resv.h"

static struct dma_fence *fence_new(void)
{
	return &test_fence_new(NULL, 0, 1)->base;
}

static struct dma_fence *array_new(void)
{
	struct dma_fence **members = malloc(sizeof(struct dma_fence *));

	members[0] = fence_new();
	return &dma_fence_array_create(1, members, 1, 1, false)->base;
}

static struct dma_fence *chain_new(void)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	dma_fence_chain_init(chain, NULL, fence_new(), 1);
	return &chain->base;
}

static void error_after_the_signal(void)
{
	struct dma_fence *f = fence_new();

	dma_fence_signal(f);
	dma_fence_set_error(f, -EIO);
}

static void error_that_is_none(void)
{
	dma_fence_set_error(fence_new(), 1);
}

static void array_in_an_array(void)
{
	struct dma_fence **members = malloc(sizeof(struct dma_fence *));

	members[0] = array_new();
	dma_fence_array_create(1, members, 1, 1, false);
}

static void chain_in_an_array(void)
{
	struct dma_fence **members = malloc(sizeof(struct dma_fence *));

	members[0] = chain_new();
	dma_fence_array_create(1, members, 1, 1, false);
}

static void chain_in_a_chain(void)
{
	dma_fence_chain_init(dma_fence_chain_alloc(), NULL, chain_new(), 1);
}

static struct dma_resv *resv_locked(struct ww_acquire_ctx *ctx)
{
	struct dma_resv *r = malloc(sizeof(*r));

	dma_resv_init(r);
	dma_resv_lock(r, ctx);
	return r;
}

static void fence_without_room(void)
{
	struct dma_resv *r = resv_locked(NULL);

	dma_resv_reserve_fences(r, 1);
	dma_resv_unlock(r);
	dma_resv_lock(r, NULL);
	dma_resv_add_fence(r, fence_new(), DMA_RESV_USAGE_READ);
}

static void one_more_than_room(void)
{
	struct dma_resv *r = resv_locked(NULL);

	dma_resv_reserve_fences(r, 2);
	for (int i = 0; i < 3; i++)
		dma_resv_add_fence(r, fence_new(), DMA_RESV_USAGE_READ);
}

static void chain_in_a_reservation(void)
{
	struct dma_resv *r = resv_locked(NULL);

	dma_resv_reserve_fences(r, 1);
	dma_resv_add_fence(r, chain_new(), DMA_RESV_USAGE_READ);
}

static void context_ends_too_early(void)
{
	struct ww_acquire_ctx ctx;

	ww_acquire_init(&ctx);
	resv_locked(&ctx);
	ww_acquire_fini(&ctx);
}

static void slow_without_backing_off(void)
{
	struct ww_acquire_ctx ctx;
	struct dma_resv other;

	ww_acquire_init(&ctx);
	resv_locked(&ctx);
	dma_resv_init(&other);
	dma_resv_lock_slow(&other, &ctx);
}

static void wounded_and_goes_on(void)
{
	struct ww_acquire_ctx ctx;
	struct dma_resv other;

	ww_acquire_init(&ctx);
	resv_locked(&ctx);
	ctx.wounded = true; /* as after -EDEADLK */
	dma_resv_init(&other);
	dma_resv_lock(&other, &ctx);
}

static const struct {
	void (*what)(void);
	const char *word;
} mistakes[] = {
	{error_after_the_signal, "a fence's error comes before its signal and is negative"},
	{error_that_is_none, "a fence's error comes before its signal and is negative"},
	{array_in_an_array, "a fence array holds an array or a chain"},
	{chain_in_an_array, "a fence array holds an array or a chain"},
	{chain_in_a_chain, "a link of a fence chain holds a chain"},
	{fence_without_room, "a fence is added without room reserved for it"},
	{one_more_than_room, "a fence is added without room reserved for it"},
	{chain_in_a_reservation, "an array or a chain is added to a reservation"},
	{context_ends_too_early, "an acquire context ends while it holds reservations"},
	{slow_without_backing_off, "who backs off lets go of everything first"},
	{wounded_and_goes_on, "a wounded acquire context goes on locking"},
};

static void child(unsigned i, int out)
{
	dup2(out, STDERR_FILENO);
	signal(SIGABRT, SIG_DFL);
	mistakes[i].what();
	_exit(0);
}

static void mistakes_end_the_process(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mistakes); i++) {
		char text[400] = "";
		int pipe_fds[2], status;
		pid_t pid;

		assert_int_equal(pipe(pipe_fds), 0);
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			child(i, pipe_fds[1]);
		close(pipe_fds[1]);
		assert_true(read(pipe_fds[0], text, sizeof(text) - 1) >= 0);
		close(pipe_fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, mistakes[i].word))
			fail_msg("mistake %u ended with 0x%x: %s", i, (unsigned)status, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(mistakes_end_the_process)};

	return run_fence_tests(tests);
}
