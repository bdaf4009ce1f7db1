/* SPDX-License-Identifier: BSD-3-Clause */
/* A buffer's fences behind its fd: what the ioctls do with them, what poll answers. */
#include "exporter.h"

#include <linux/sync_file.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "../fence/driver.h"
#include "base/thread.h"
#include "base/trace.h"
#include "fake/task.h"
#include "fence/dma_fence_array.h"
#include "fence/dma_fence_chain.h"
#include "fence/sync_file.h"

struct fixture {
	struct exporter e;
	struct fake_task *ft;
	int fd;
};

static unsigned begun, ended;

static int access_begin(struct dma_buf *b, unsigned rw)
{
	lock_check_none_held(__func__);
	begun = rw;
	return rw == DMA_BUF_SYNC_RW ? -EIO : 0;
}

static int access_end(struct dma_buf *b, unsigned rw)
{
	ended = rw;
	return -ENXIO;
}

static struct dma_buf_ops bracketing_ops;

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	bracketing_ops = exporter_ops;
	bracketing_ops.begin_cpu_access = access_begin;
	bracketing_ops.end_cpu_access = access_end;
	exporter_init(&x->e, &bracketing_ops, true);
	x->ft = fake_task_create();
	x->fd = fake_task_install(x->ft, x->e.buf->file);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	fake_task_destroy(x->ft);
	exporter_fini(&x->e);
	free(x);
	return 0;
}

static int fd_of(struct fixture *x, struct dma_fence *f)
{
	struct file *file;
	int fd = sync_file_reserve(fake_task(x->ft), &file);

	assert_true(fd >= 0);
	sync_file_publish(fake_task(x->ft), fd, file, f, NULL);
	return fd;
}

static long import(struct fixture *x, uint32_t flags, int fd)
{
	struct dma_buf_import_sync_file arg = {.flags = flags, .fd = fd};

	return fake_task_ioctl(x->ft, x->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
}

static long export(struct fixture *x, uint32_t flags)
{
	struct dma_buf_export_sync_file arg = {.flags = flags, .fd = -1};
	long rc = fake_task_ioctl(x->ft, x->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);

	return rc ? rc : arg.fd;
}

static long sync_flags(struct fixture *x, uint64_t flags)
{
	struct dma_buf_sync sync = {.flags = flags};

	return fake_task_ioctl(x->ft, x->fd, DMA_BUF_IOCTL_SYNC, &sync);
}

static void add(struct fixture *x, struct test_fence *f, enum dma_resv_usage usage)
{
	dma_buf_lock(x->e.buf);
	assert_int_equal(dma_resv_reserve_fences(x->e.buf->resv, 1), 0);
	dma_resv_add_fence(x->e.buf->resv, &f->base, usage);
	dma_buf_unlock(x->e.buf);
}

static unsigned ready(struct fixture *x)
{
	return file_ready(x->e.buf->file);
}

static void done(struct test_fence *f)
{
	dma_fence_signal(&f->base);
	dma_fence_put(&f->base);
}

static void an_export_that_fails_takes_no_fd(void **state)
{
	struct fixture *x = *state;
	unsigned nr = fake_task_nr_fds(x->ft);
	struct dma_buf_export_sync_file arg = {.flags = DMA_BUF_SYNC_READ};

	fake_task_read_only(x->ft, (uaddr_t)&arg, sizeof(arg));
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg), -EFAULT);
	fake_task_limit_fds(x->ft, nr);
	assert_int_equal(export(x, DMA_BUF_SYNC_READ), -EMFILE);
	assert_int_equal(export(x, 0), -EINVAL);
	assert_int_equal(export(x, DMA_BUF_SYNC_END), -EINVAL);
	assert_int_equal(fake_task_nr_fds(x->ft), nr);
}

static void containers_are_put_in_piece_by_piece(void **state)
{
	struct fixture *x = *state;
	struct test_fence *a = test_fence_new(NULL, 0, 1), *b = test_fence_new(NULL, 0, 1);
	struct dma_fence **two = calloc(2, sizeof(*two)), **found;
	struct dma_fence_array *array;
	unsigned nr;

	two[0] = dma_fence_get(&a->base);
	two[1] = dma_fence_get(&b->base);
	array = dma_fence_array_create(2, two, dma_fence_context_alloc(1), 1, false);
	assert_int_equal(import(x, DMA_BUF_SYNC_WRITE, fd_of(x, &array->base)), 0);
	dma_fence_put(&array->base);
	assert_int_equal(dma_resv_get_fences(x->e.buf->resv, DMA_RESV_USAGE_WRITE, &nr, &found), 0);
	assert_int_equal(nr, 2);
	for (unsigned i = 0; i < nr; i++)
		dma_fence_put(found[i]);
	free(found);
	done(a);
	assert_int_equal(ready(x), 0);
	done(b);
	assert_int_equal(ready(x), POLLIN | POLLOUT);
}

static void poll_tells_writers_from_readers(void **state)
{
	struct fixture *x = *state;
	struct test_fence *reader = test_fence_new(NULL, 0, 1), *writer = test_fence_new(NULL, 0, 1);
	struct test_fence *kernel = test_fence_new(NULL, 0, 1), *last = test_fence_new(NULL, 0, 1);

	assert_int_equal(ready(x), POLLIN | POLLOUT);
	add(x, last, DMA_RESV_USAGE_BOOKKEEP);
	assert_int_equal(ready(x), POLLIN | POLLOUT);
	add(x, reader, DMA_RESV_USAGE_READ);
	assert_int_equal(ready(x), POLLIN);
	add(x, writer, DMA_RESV_USAGE_WRITE);
	assert_int_equal(ready(x), 0);
	done(reader);
	assert_int_equal(ready(x), 0);
	add(x, kernel, DMA_RESV_USAGE_KERNEL);
	done(writer);
	assert_int_equal(ready(x), 0);
	done(kernel);
	assert_int_equal(ready(x), POLLIN | POLLOUT);
	done(last);
}

static void a_buffer_does_not_wait_for_fences_to_go(void **state)
{
	struct fixture *x = *state;
	struct test_fence *f = test_fence_new(NULL, 0, 1);

	add(x, f, DMA_RESV_USAGE_WRITE);
	fake_task_close(x->ft, x->fd);
	assert_int_equal(x->e.releases, 1);
	done(f);
}

static void brackets_reach_the_exporter(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_READ), 0);
	assert_int_equal(begun, DMA_BUF_SYNC_READ);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_RW), -EIO);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_END), -ENXIO);
	assert_int_equal(ended, DMA_BUF_SYNC_WRITE);
}

static void a_signal_cuts_the_wait_short(void **state)
{
	struct fixture *x = *state;
	struct test_fence *f = test_fence_new(NULL, 0, 1);

	add(x, f, DMA_RESV_USAGE_WRITE);
	thread_interrupted = 1;
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_READ), -ERESTARTSYS);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_READ | DMA_BUF_SYNC_END), -ENXIO);
	done(f);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_READ), 0);
	thread_interrupted = 0;
}

/* Fences come and signal on several threads; whoever has signalled all of his own finds poll open in the end. */
enum { THREADS = 3, ROUNDS = 2000 };

static void *add_and_signal(void *arg)
{
	struct fixture *x = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct test_fence *f = test_fence_new(NULL, 0, 1);
		unsigned event = i % 2 ? POLLIN : POLLOUT;

		add(x, f, event == POLLIN ? DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ);
		if (ready(x) & event)
			abort();
		done(f);
	}
	return NULL;
}

static void poll_is_right_while_fences_come_and_go(void **state)
{
	struct fixture *x = *state;
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, add_and_signal, x);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(ready(x), POLLIN | POLLOUT);
}

static void *signal_it(void *f)
{
	done(f);
	return NULL;
}

struct settler {
	struct dma_buf *buf;
	atomic_bool done;
};

static void *settle(void *arg)
{
	struct settler *s = arg;

	dma_buf_settle(s->buf, "0000:01:00.0");
	atomic_store(&s->done, true);
	return NULL;
}

/* The thread's stderr is a file meanwhile. */
static void who_keeps_memory_waiting_is_named(void **state)
{
	struct trace *trace = trace_create(false);
	struct dma_buf_registry *registry = dma_buf_registry_create(trace);
	struct test_fence *f = test_fence_new(NULL, 0, 7);
	struct settler s = {0};
	char said[600] = "";
	struct exporter e;
	pthread_t thread;
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);

	exporter_init_registered(&e, &exporter_ops, registry);
	dma_buf_registry_set_patience(registry, 20000000);
	dma_buf_lock(e.buf);
	dma_resv_reserve_fences(e.buf->resv, 1);
	dma_resv_add_fence(e.buf->resv, &f->base, DMA_RESV_USAGE_BOOKKEEP);
	dma_buf_unlock(e.buf);
	s.buf = e.buf;
	dup2(fileno(file), STDERR_FILENO);
	pthread_create(&thread, NULL, settle, &s);
	for (unsigned i = 0; i < 2000 && !said[0]; i++) {
		usleep(1000);
		if (pread(fileno(file), said, sizeof(said) - 1, 0) < 0)
			abort();
	}
	dma_buf_lock(e.buf); /* nobody holds it meanwhile */
	dma_buf_unlock(e.buf);
	assert_false(atomic_load(&s.done));
	done(f);
	pthread_join(thread, NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_non_null(strstr(said, "barter: 0000:01:00.0: its memory cannot change hands"));
	assert_non_null(
		strstr(said, "of 0x5000 bytes from test exporter has the fence test-timeline of test-driver ("));
	assert_true(pread(fileno(file), said, sizeof(said) - 1, 0) > 0);
	assert_non_null(strstr(said, "the fence has signalled after"));
	fclose(file);
	file_put(e.buf->file);
	exporter_fini(&e);
	dma_buf_registry_destroy(registry);
	trace_destroy(trace);
}

static void a_buffer_goes_while_its_fence_signals(void **state)
{
	for (unsigned i = 0; i < 500; i++) {
		struct exporter e;
		struct test_fence *f = test_fence_new(NULL, 0, 1);
		pthread_t thread;

		exporter_init(&e, &exporter_ops, true);
		dma_buf_lock(e.buf);
		dma_resv_reserve_fences(e.buf->resv, 1);
		dma_resv_add_fence(e.buf->resv, &f->base, DMA_RESV_USAGE_WRITE);
		dma_buf_unlock(e.buf);
		pthread_create(&thread, NULL, signal_it, f);
		file_put(e.buf->file);
		pthread_join(thread, NULL);
		exporter_fini(&e);
	}
}

#define FIXED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXED(an_export_that_fails_takes_no_fd),
		FIXED(containers_are_put_in_piece_by_piece),
		FIXED(poll_tells_writers_from_readers),
		FIXED(a_buffer_does_not_wait_for_fences_to_go),
		FIXED(brackets_reach_the_exporter),
		FIXED(a_signal_cuts_the_wait_short),
		FIXED(poll_is_right_while_fences_come_and_go),
		cmocka_unit_test(who_keeps_memory_waiting_is_named),
		cmocka_unit_test(a_buffer_goes_while_its_fence_signals),
	};

	return run_fence_tests(tests);
}
