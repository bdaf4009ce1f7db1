/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel's poll, select and epoll answer for files whose subsystem calls file_set_ready(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "door/fd_table.h"
#include "door/raw_syscall.h"
#include "door/task_fd.h"

static const unsigned states[] = {0, POLLIN, POLLOUT, POLLIN | POLLOUT};
static atomic_int released;

static void count_release(struct file *f)
{
	atomic_fetch_add(&released, 1);
}

static const struct file_ops ops = {.name = "test", .release = count_release};

static struct file *create(void)
{
	struct file *f = file_create(&ops, NULL, O_RDWR);
	f->carrier = CARRIER_POLL;
	return f;
}

/* Consumes a reference. */
static int install(struct file *f)
{
	int fd = task_fd_reserve(&door.task, f, O_CLOEXEC);
	assert_true(fd >= 0);
	task_fd_publish(&door.task, fd, f);
	return fd;
}

static int set_up(void **state)
{
	atomic_store(&released, 0);
	return 0;
}

static unsigned ask_poll(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
	poll(&p, 1, 0);
	return (unsigned)p.revents;
}

static unsigned ask_select(int fd)
{
	struct timeval now = {0, 0};
	fd_set in, out, except;
	FD_ZERO(&in);
	FD_SET(fd, &in);
	out = except = in;
	select(fd + 1, &in, &out, &except, &now);
	return (FD_ISSET(fd, &in) ? POLLIN : 0u) | (FD_ISSET(fd, &out) ? POLLOUT : 0u) |
	       (FD_ISSET(fd, &except) ? POLLPRI : 0u);
}

static int watch(int fd, unsigned events)
{
	struct epoll_event ev = {.events = events};
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev), 0);
	return epoll_fd;
}

static unsigned ask_epoll(int epoll_fd)
{
	struct epoll_event ev = {.events = 0};
	epoll_wait(epoll_fd, &ev, 1, 0);
	return ev.events;
}

static void assert_state(int fd, int epoll_fd, unsigned events)
{
	assert_int_equal(ask_poll(fd), events);
	assert_int_equal(ask_select(fd), events);
	assert_int_equal(ask_epoll(epoll_fd), events);
}

static void all_ways_of_asking_agree(void **state)
{
	struct file *f = file_get(create());
	int fd = install(f), copy = fd_dup(fd, 0, true), second = install(file_get(f));
	int epoll_fd = watch(second, EPOLLIN | EPOLLOUT);
	assert_state(fd, epoll_fd, POLLIN | POLLOUT);
	for (unsigned i = 0; i < 16; i++) {
		file_set_ready(f, states[i / 4]);
		assert_state(copy, epoll_fd, states[i / 4]);
		file_set_ready(f, states[i % 4]);
		assert_state(fd, epoll_fd, states[i % 4]);
		assert_int_equal(file_ready(f), states[i % 4]);
	}
	close(epoll_fd);
	fd_close(fd);
	fd_close(copy);
	fd_close(second);
	assert_int_equal(released, 0);
	file_put(f);
	assert_int_equal(released, 1);
}

static void state_may_come_before_the_fd(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct file *f = create();
		file_set_ready(f, states[i]);
		int fd = install(f);
		assert_int_equal(ask_poll(fd), states[i]);
		fd_close(fd);
	}
	assert_int_equal(released, 4);
}

static void each_new_bit_is_an_edge(void **state)
{
	struct file *f = create();
	file_set_ready(f, 0);
	int fd = install(f), epoll_fd = watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);
	assert_int_equal(ask_epoll(epoll_fd), 0);
	for (int i = 0; i < 3; i++) {
		file_set_ready(f, POLLIN);
		assert_int_equal(ask_epoll(epoll_fd), EPOLLIN);
		assert_int_equal(ask_epoll(epoll_fd), 0);
		file_set_ready(f, POLLIN | POLLOUT);
		assert_int_equal(ask_epoll(epoll_fd), EPOLLIN | EPOLLOUT);
		assert_int_equal(ask_epoll(epoll_fd), 0);
		file_set_ready(f, 0);
		assert_int_equal(ask_epoll(epoll_fd), 0);
		/* Gone and back before anybody asked. */
		file_set_ready(f, POLLOUT);
		file_set_ready(f, 0);
		file_set_ready(f, POLLOUT);
		assert_int_equal(ask_epoll(epoll_fd), EPOLLOUT);
		file_set_ready(f, 0);
	}
	close(epoll_fd);
	fd_close(fd);
}

static void *wait_for(void *arg)
{
	struct pollfd *p = arg;
	poll(p, 1, -1);
	return NULL;
}

static void waiters_are_woken(void **state)
{
	struct file *f = create();
	file_set_ready(f, 0);
	int fd = install(f);
	for (unsigned i = 1; i < 3; i++) {
		struct pollfd p = {fd, POLLIN | POLLOUT, 0};
		pthread_t thread;
		pthread_create(&thread, NULL, wait_for, &p);
		usleep(2000);
		file_set_ready(f, states[i]);
		pthread_join(thread, NULL);
		assert_int_equal(p.revents, states[i]);
		file_set_ready(f, 0);
	}
	fd_close(fd);
}

static void children_see_the_owners_state(void **state)
{
	struct file *f = create();
	file_set_ready(f, 0);
	int fd = install(f), status;
	pid_t pid = fork();
	if (pid == 0) {
		struct pollfd p = {fd, POLLIN | POLLOUT, 0};
		_exit(poll(&p, 1, 5000) == 1 && p.revents == POLLIN ? 0 : 1);
	}
	file_set_ready(f, POLLIN);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fd_close(fd);
}

static void state_changes_while_in_a_message(void **state)
{
	struct file *f = create();
	int fd = install(f);
	fd_send(fd);
	int in_message = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 400);
	fd_close(fd);
	fd_flight_sweep();
	file_set_ready(f, 0);
	fd_receive(in_message, false);
	assert_int_equal(ask_poll(in_message), 0);
	file_set_ready(f, POLLOUT);
	assert_int_equal(ask_poll(in_message), POLLOUT);
	fd_close(in_message);
	assert_int_equal(released, 1);
}

static void a_released_file_does_not_hang_up(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct file *f = create();
		int fd = install(f), copy = (int)raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
		file_set_ready(f, states[i]);
		fd_close(fd);
		assert_int_equal(ask_poll(copy) & ~(unsigned)(POLLIN | POLLOUT), 0);
		close(copy);
	}
	assert_int_equal(released, 4);
}

static unsigned open_fds(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void nothing_of_a_file_stays(void **state)
{
	unsigned before = open_fds();
	fd_close(install(create()));
	assert_int_equal(open_fds(), before);
	struct file *f = create();
	int fd = task_fd_reserve(&door.task, f, 0);
	task_fd_cancel(&door.task, fd);
	assert_int_equal(install(f), fd);
	fd_close(fd);
	assert_int_equal(open_fds(), before);
	assert_int_equal(released, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_ways_of_asking_agree, set_up),
		cmocka_unit_test_setup(state_may_come_before_the_fd, set_up),
		cmocka_unit_test_setup(each_new_bit_is_an_edge, set_up),
		cmocka_unit_test_setup(waiters_are_woken, set_up),
		cmocka_unit_test_setup(children_see_the_owners_state, set_up),
		cmocka_unit_test_setup(state_changes_while_in_a_message, set_up),
		cmocka_unit_test_setup(a_released_file_does_not_hang_up, set_up),
		cmocka_unit_test_setup(nothing_of_a_file_stays, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
