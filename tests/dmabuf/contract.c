/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who breaks the contract of dmabuf.h is stopped at once, call by call, and told why. Each case runs in a child, which
 * must end by abort() with the words that are expected.
 */
#include "exporter.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct exporter e;
static struct importer i, second;
static const struct dma_buf_phys_list *list;

static const struct lock_class gate_class = {.name = "a gate", .rank = LOCK_RANK_GATE};
static struct mutex gate;

static void attach_under_resv(void)
{
	dma_buf_lock(e.buf);
	dma_buf_attach(e.buf, &importer_plain, &second, &second.a);
}

static void attach_under_gate(void)
{
	mutex_lock(&gate);
	dma_buf_attach(e.buf, &importer_plain, &second, &second.a);
}

static void attach_in_interrupt(void)
{
	lock_context_enter(LOCK_CONTEXT_INTERRUPT);
	dma_buf_attach(e.buf, &importer_plain, &second, &second.a);
}

static void detach_under_resv(void)
{
	dma_buf_lock(e.buf);
	dma_buf_detach(i.a);
}

static void detach_under_gate(void)
{
	mutex_lock(&gate);
	dma_buf_detach(i.a);
}

static void create_under_gate(void)
{
	struct dma_buf *b;

	mutex_lock(&gate);
	dma_buf_create(&exporter_ops, &e, EXPORTER_SIZE, 0, false, NULL, &b);
}

static void destroy_under_gate(void)
{
	dma_buf_detach(i.a);
	mutex_lock(&gate);
	dma_buf_destroy(e.buf);
}

static void destroy_with_an_importer(void)
{
	dma_buf_destroy(e.buf);
}

static void map_without_resv(void)
{
	dma_buf_phys_map_locked(i.a, &list);
}

static void map_twice(void)
{
	dma_buf_lock(e.buf);
	dma_buf_phys_map_locked(i.a, &list);
	dma_buf_phys_map_locked(i.a, &list);
}

static void unmap_without_resv(void)
{
	dma_buf_unmap_locked(i.a);
}

static void fall_back_without_resv(void)
{
	dma_buf_fall_back_locked(i.a, -EIO);
}

static void pin_without_resv(void)
{
	dma_buf_pin_locked(i.a);
}

static void unpin_without_resv(void)
{
	dma_buf_lock(e.buf);
	dma_buf_pin_locked(i.a);
	dma_buf_unlock(e.buf);
	dma_buf_unpin_locked(i.a);
}

static void move_without_resv(void)
{
	dma_buf_move_begin_locked(e.buf);
}

static void move_end_without_resv(void)
{
	dma_buf_move_end_locked(e.buf);
}

static void revoke_under_resv(void)
{
	dma_buf_lock(e.buf);
	dma_buf_revoke(e.buf, false);
}

static void restore_under_resv(void)
{
	dma_buf_lock(e.buf);
	dma_buf_restore(e.buf);
}

static void settle_under_resv(void)
{
	dma_buf_lock(e.buf);
	dma_buf_settle(e.buf, "a function");
}

static void reserve_without_resv(void)
{
	dma_resv_reserve_fences(e.buf->resv, 1);
}

static void detaching_invalidate(struct dma_buf_attachment *a)
{
	dma_buf_detach(a);
}

static void attaching_restored(struct dma_buf_attachment *a)
{
	dma_buf_attach(a->buf, &importer_plain, &second, &second.a);
}

static void detach_in_invalidate(void)
{
	struct dma_buf_importer_ops ops = importer_plain;

	ops.invalidate = detaching_invalidate;
	dma_buf_attach(e.buf, &ops, &second, &second.a);
	dma_buf_revoke(e.buf, false);
}

static void attach_in_restored(void)
{
	struct dma_buf_importer_ops ops = importer_waits;

	ops.restored = attaching_restored;
	dma_buf_attach(e.buf, &ops, &second, &second.a);
	dma_buf_revoke(e.buf, false);
	dma_buf_restore(e.buf);
}

static const struct {
	const char *name;
	void (*run)(void);
	const char *text;
} cases[] = {
	{"attach under resv", attach_under_resv, "dma_buf_attach is reached with \"reservation\" held"},
	{"attach under a gate", attach_under_gate, "dma_buf_attach is reached with \"a gate\" held"},
	{"attach in an interrupt", attach_in_interrupt, "dma_buf_attach is reached in interrupt context"},
	{"detach under resv", detach_under_resv, "dma_buf_detach is reached with \"reservation\" held"},
	{"detach under a gate", detach_under_gate, "dma_buf_detach is reached with \"a gate\" held"},
	{"create under a gate", create_under_gate, "dma_buf_create is reached with \"a gate\" held"},
	{"destroy under a gate", destroy_under_gate, "release of a dma-buf is reached with \"a gate\" held"},
	{"destroy with an importer", destroy_with_an_importer, "released with attachments"},
	{"map without resv", map_without_resv, "is not held"},
	{"map twice", map_twice, "is mapped twice"},
	{"unmap without resv", unmap_without_resv, "is not held"},
	{"fall back without resv", fall_back_without_resv, "is not held"},
	{"pin without resv", pin_without_resv, "is not held"},
	{"unpin without resv", unpin_without_resv, "is not held"},
	{"move without resv", move_without_resv, "is not held"},
	{"end of a move without resv", move_end_without_resv, "is not held"},
	{"revoke under resv", revoke_under_resv, "\"reservation\""},
	{"restore under resv", restore_under_resv, "\"reservation\""},
	{"settle under resv", settle_under_resv, "dma_buf_settle is reached with \"reservation\" held"},
	{"room for fences without resv", reserve_without_resv, "is not held"},
	{"detach in invalidate", detach_in_invalidate, "dma_buf_detach is reached with \"reservation\" held"},
	{"attach in restored", attach_in_restored, "dma_buf_attach is reached with \"reservation\" held"},
};

static void run_and_end(void (*run)(void), int out)
{
	dup2(out, STDERR_FILENO);
	signal(SIGABRT, SIG_DFL); /* cmocka's would go on */
	alarm(10);		  /* a deadlock is no answer either */
	run();
	_exit(0);
}

static void expect_stopped(const char *name, void (*run)(void), const char *text)
{
	char said[8192] = "";
	size_t len = 0;
	int out[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0)
		run_and_end(run, out[1]);
	close(out[1]);
	while (len < sizeof(said) - 1 && (n = read(out[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(out[0]);
	waitpid(pid, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(said, text))
		fail_msg("%s: status 0x%x, said: %s", name, status, said);
}

static void who_breaks_it_is_stopped(void **state)
{
#ifdef BARTER_DEBUG
	mutex_init(&gate, &gate_class);
	exporter_init(&e, &exporter_ops, false);
	assert_int_equal(dma_buf_attach(e.buf, &importer_plain, &i, &i.a), 0);
	for (size_t at = 0; at < ARRAY_SIZE(cases); at++)
		expect_stopped(cases[at].name, cases[at].run, cases[at].text);
	dma_buf_detach(i.a);
	exporter_fini(&e);
#else
	(void)expect_stopped, (void)cases, (void)gate_class;
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(who_breaks_it_is_stopped)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
