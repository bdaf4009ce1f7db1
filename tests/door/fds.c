/* SPDX-License-Identifier: BSD-3-Clause */
/* The door's fd table, events and memory files, on real fds of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/raw_syscall.h"
#include "door/task_fd.h"

static atomic_int released;

static void count_release(struct file *f)
{
	atomic_fetch_add(&released, 1);
}

static const struct file_ops ops = {.name = "test", .release = count_release};

static int install(enum carrier carrier, int flags)
{
	struct file *f = file_create(&ops, NULL, O_RDWR);
	f->carrier = carrier;
	int fd = task_fd_reserve(&door.task, f, flags);
	assert_true(fd >= 0);
	assert_false(fd_is_ours(fd));
	task_fd_publish(&door.task, fd, f);
	return fd;
}

static int set_up(void **state)
{
	atomic_store(&released, 0);
	return 0;
}

static void file_lives_until_the_last_dup(void **state)
{
	int fd = install(CARRIER_PLAIN, O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	int copy = fd_dup(fd, 0, false);
	assert_true(fd_is_ours(copy));
	assert_int_equal(fcntl(copy, F_GETFD), 0);
	int target = fd_dup_to(fd, 300, 0);
	assert_int_equal(target, 300);
	assert_int_equal(fd_close(fd), 0);
	assert_int_equal(fd_close(copy), 0);
	assert_int_equal(released, 0);
	struct file *f = task_file_get(&door.task, 300);
	assert_int_equal(fd_close(300), 0);
	assert_int_equal(released, 0);
	file_put(f);
	assert_int_equal(released, 1);
	assert_int_equal(fd_close(fd), -EBADF);
}

static void dup_over_ours_releases_it(void **state)
{
	int fd = install(CARRIER_PLAIN, 0), null = open("/dev/null", O_RDONLY);
	assert_int_equal(fd_dup_to(null, fd, 0), fd);
	assert_false(fd_is_ours(fd));
	assert_int_equal(released, 1);
	close(fd);
	close(null);
}

static void carriers_poll_like_linux(void **state)
{
	int plain = install(CARRIER_PLAIN, 0), ready = install(CARRIER_POLL, 0);
	struct pollfd p[] = {{plain, POLLIN | POLLOUT | POLLPRI, 0}, {ready, POLLIN | POLLOUT | POLLPRI, 0}};
	assert_int_equal(poll(p, 2, 0), 2);
	assert_int_equal(p[0].revents, POLLIN | POLLOUT);
	assert_int_equal(p[1].revents, POLLIN | POLLOUT);
	int epoll_fd = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN};
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, plain, &ev), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ready, &ev), 0);
	close(epoll_fd);
	fd_close(plain);
	fd_close(ready);
	assert_int_equal(released, 2);
}

static void strangers_are_recognised(void **state)
{
	for (enum carrier carrier = CARRIER_PLAIN; carrier <= CARRIER_POLL; carrier++) {
		int fd = install(carrier, 0);
		int copy = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD, 0);
		assert_false(fd_is_ours(copy));
		struct fd_handle *h = fd_adopt(copy);
		assert_non_null(h);
		fd_handle_put(h);
		assert_true(fd_is_ours(copy));
		fd_close(fd);
		fd_close(copy);
	}
	assert_int_equal(released, 2);
	int null = open("/dev/null", O_RDONLY);
	assert_null(fd_adopt(null));
	close(null);
}

static void close_range_keeps_what_is_barters(void **state)
{
	int own = fd_keep(open("/dev/null", O_RDONLY));
	int fd = install(CARRIER_PLAIN, 0), null = open("/dev/null", O_RDONLY);
	assert_true(own > 500);
	assert_int_equal(fd_close(own), -EBADF);
	assert_int_equal(fd_dup_to(null, own, 0), -EBADF);
	assert_int_equal(fd_close_range((unsigned)fd, ~0u, CLOSE_RANGE_CLOEXEC), 0);
	assert_int_equal(released, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_close_range((unsigned)fd, ~0u, 0), 0);
	assert_int_equal(released, 1);
	assert_int_equal(fcntl(null, F_GETFD), -1);
	assert_int_equal(fcntl(own, F_GETFD), FD_CLOEXEC);
	fd_drop(own);
	assert_int_equal(fcntl(own, F_GETFD), -1);
	assert_int_equal(fd_close_range(5, 4, 0), -EINVAL);
}

static void full_table_refuses_and_leaks_nothing(void **state)
{
	struct rlimit old, full = {0, 0};
	int first = open("/dev/null", O_RDONLY);
	close(first);
	getrlimit(RLIMIT_NOFILE, &old);
	full = (struct rlimit){(rlim_t)first, old.rlim_max};
	struct file *f = file_create(&ops, NULL, O_RDWR);
	setrlimit(RLIMIT_NOFILE, &full);
	assert_int_equal(task_fd_reserve(&door.task, f, 0), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &old);
	int fd = task_fd_reserve(&door.task, f, 0);
	assert_int_equal(fd, first);
	task_fd_cancel(&door.task, fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	file_put(f);
}

static void message_keeps_the_file(void **state)
{
	int fd = install(CARRIER_PLAIN, 0);
	fd_send(fd);
	int in_message = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD, 400); /* stands for the kernel's */
	fd_close(fd);
	assert_int_equal(released, 0);
	fd_receive(in_message, false);
	assert_int_equal(released, 0);
	fd_close(in_message);
	assert_int_equal(released, 1);
}

static void lost_message_releases_the_file(void **state)
{
	for (enum carrier carrier = CARRIER_PLAIN; carrier <= CARRIER_POLL; carrier++) {
		atomic_store(&released, 0);
		int fd = install(carrier, 0);
		fd_send(fd);
		fd_send(fd);
		int in_message = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD, 400);
		fd_close(fd);
		fd_flight_sweep();
		assert_int_equal(released, 0);
		raw_syscall(SYS_close, in_message);
		fd_flight_sweep();
		assert_int_equal(released, 1);
		assert_false(fd_any_in_flight());
	}
}

static void *look_up(void *arg)
{
	int fd = *(int *)arg;
	for (int i = 0; i < 100000; i++) {
		struct fd_handle *h = fd_handle_get(fd);
		if (!h)
			continue;
		assert_ptr_equal(h->file->ops, &ops);
		fd_handle_put(h);
	}
	return NULL;
}

static void lookups_race_with_close(void **state)
{
	int fd = install(CARRIER_PLAIN, 0);
	pthread_t threads[2];
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, look_up, &fd);
	for (int i = 0; i < 300; i++) {
		fd_close(fd);
		assert_int_equal(install(CARRIER_PLAIN, 0), fd);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	fd_close(fd);
	assert_int_equal(released, 301);
}

static void post(void *arg)
{
	sem_post(arg);
}

static void eventfds_are_signalled_and_watched(void **state)
{
	struct task *t = &door.task;
	struct event *e;
	sem_t called;
	uint64_t count;
	int fd = eventfd(0, 0), null = open("/dev/null", O_RDONLY);
	assert_int_equal(task_event_get(t, null, &e), -EINVAL);
	assert_int_equal(task_event_get(t, 9999, &e), -EBADF);
	assert_int_equal(task_event_get(t, fd, &e), 0);
	task_event_signal(e);
	task_event_signal(e);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 2);

	sem_init(&called, 0, 0);
	assert_int_equal(task_event_watch(e, post, &called), 0);
	eventfd_write(fd, 1);
	assert_int_equal(sem_wait(&called), 0);
	struct pollfd p = {fd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(task_event_watch(e, NULL, NULL), 0);
	eventfd_write(fd, 1);
	usleep(10000);
	assert_int_equal(sem_trywait(&called), -1);
	assert_int_equal(poll(&p, 1, 0), 1);
	close(fd);
	task_event_signal(e);
	task_event_put(e);
	close(null);
	sem_destroy(&called);
}

static void memory_files_are_memfds_and_tmpfs(void **state)
{
	struct task *t = &door.task;
	struct memory_file mf;
	int event = eventfd(0, 0), fd = memfd_create("x", MFD_ALLOW_SEALING);
	assert_int_equal(task_memory_file_get(t, 9999, &mf), -EBADF);
	assert_int_equal(task_memory_file_get(t, event, &mf), -EINVAL);
	ftruncate(fd, 12288);
	assert_int_equal(task_memory_file_get(t, fd, &mf), 0);
	assert_int_equal(mf.size, 12288);
	assert_true(mf.writable);
	task_memory_file_put(&mf);
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
	assert_int_equal(task_memory_file_get(t, fd, &mf), 0);
	assert_false(mf.writable);
	assert_true(mf.fd != fd);
	task_memory_file_put(&mf);
	close(event);
	close(fd);
	int ours = install(CARRIER_PLAIN, 0);
	assert_int_equal(task_memory_file_get(t, ours, &mf), -EINVAL);
	fd_close(ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(file_lives_until_the_last_dup, set_up),
		cmocka_unit_test_setup(dup_over_ours_releases_it, set_up),
		cmocka_unit_test_setup(carriers_poll_like_linux, set_up),
		cmocka_unit_test_setup(strangers_are_recognised, set_up),
		cmocka_unit_test_setup(close_range_keeps_what_is_barters, set_up),
		cmocka_unit_test_setup(full_table_refuses_and_leaks_nothing, set_up),
		cmocka_unit_test_setup(message_keeps_the_file, set_up),
		cmocka_unit_test_setup(lost_message_releases_the_file, set_up),
		cmocka_unit_test_setup(lookups_race_with_close, set_up),
		cmocka_unit_test_setup(eventfds_are_signalled_and_watched, set_up),
		cmocka_unit_test_setup(memory_files_are_memfds_and_tmpfs, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
