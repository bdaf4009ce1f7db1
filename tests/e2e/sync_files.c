/* SPDX-License-Identifier: BSD-3-Clause */
/* What sync files and the timelines of debugfs answer. Needs debugfs with sw_sync. */
#include <ctype.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>

#include "answers.h"
#include "sw_sync.h"

static char *low; /* a page, and nothing behind it */
static char name_buf[128];

__attribute__((format(printf, 1, 2))) static const char *name(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(name_buf, sizeof(name_buf), fmt, args);
	va_end(args);
	return name_buf;
}

static long err(long ret)
{
	return ret < 0 ? -errno : ret;
}

static long closed(long fd)
{
	if (fd >= 0)
		close((int)fd);
	return fd < 0 ? fd : 0;
}

static int events_of(int fd, int asked)
{
	struct pollfd p = {.fd = fd, .events = (short)asked};

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* Numbers of contexts are whatever they are: a digit becomes #, several one. */
static const char *without_numbers(const char *text)
{
	static char out[64];
	size_t n = 0;

	for (; *text && n < sizeof(out) - 1; text++)
		if (!isdigit((unsigned char)*text))
			out[n++] = *text;
		else if (!n || out[n - 1] != '#')
			out[n++] = '#';
	out[n] = 0;
	return out;
}

static void show_info(const char *n, int fd)
{
	struct sync_fence_info each[8] = {0};
	struct sync_file_info info = {0};
	long ret = io(fd, SYNC_IOC_FILE_INFO, &info);

	say(name("%s.info", n), ret, "name=%s status=%d flags=%u num=%u", without_numbers(info.name), info.status,
	    info.flags, info.num_fences);
	info = (struct sync_file_info){.num_fences = 8, .sync_fence_info = (uintptr_t)each};
	ret = io(fd, SYNC_IOC_FILE_INFO, &info);
	say(name("%s.info_all", n), ret, "status=%d num=%u", info.status, info.num_fences);
	for (unsigned i = 0; i < info.num_fences && i < 8; i++)
		say(name("%s.info_%u", n, i), 0, "%s %s status=%d flags=%u time=%d", each[i].obj_name,
		    each[i].driver_name, each[i].status, each[i].flags, each[i].timestamp_ns != 0);
}

/*
 * The nodes of debugfs
 */

static void show_stat(const char *n, const struct stat *st)
{
	say(n, 0, "mode=%o size=%lld nlink=%d", st->st_mode, (long long)st->st_size, (int)st->st_nlink);
}

static void ask_node(void)
{
	struct stat st;
	char buf[64] = "";
	int fd;

	answer("node.stat", err(stat(SW_SYNC_PATH, &st)));
	show_stat("node.stat_is", &st);
	answer("info.stat", err(stat("/sys/kernel/debug/sync/info", &st)));
	show_stat("info.stat_is", &st);
	answer("dir.stat", err(stat("/sys/kernel/debug/sync", &st)));
	say("dir.mode", 0, "%o", st.st_mode);
	answer("node.access_read", err(access(SW_SYNC_PATH, R_OK)));
	answer("node.open_creat_excl", closed(err(open(SW_SYNC_PATH, O_RDWR | O_CREAT | O_EXCL, 0600))));
	answer("node.open_directory", closed(err(open(SW_SYNC_PATH, O_RDWR | O_DIRECTORY))));
	answer("node.open_rdonly", closed(err(open(SW_SYNC_PATH, O_RDONLY))));
	answer("node.open_wronly", closed(err(open(SW_SYNC_PATH, O_WRONLY))));
	answer("node.open_trunc", closed(err(open(SW_SYNC_PATH, O_RDWR | O_TRUNC))));
	fd = timeline_open();
	answer("node.fstat", err(fstat(fd, &st)));
	show_stat("node.fstat_is", &st);
	answer("node.read", err(read(fd, buf, 4)));
	answer("node.write", err(write(fd, buf, 4)));
	answer("node.pread", err(pread(fd, buf, 4, 0)));
	answer("node.lseek_cur", err(lseek(fd, 0, SEEK_CUR)));
	answer("node.lseek_set", err(lseek(fd, 5, SEEK_SET)));
	answer("node.lseek_end", err(lseek(fd, 0, SEEK_END)));
	answer("node.mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	say("node.poll", 0, "0x%x", events_of(fd, POLLIN | POLLOUT | POLLPRI));
	for (unsigned i = 0; i < 4; i++)
		answer(name("node.ioctl_%u", i), io(fd, _IO('W', i), buf));
	answer("node.tcgets", io(fd, 0x5401, buf));
	answer("node.flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	close(fd);
	fd = open("/sys/kernel/debug/sync/info", O_RDONLY);
	answer("info.read", err(read(fd, buf, 5)));
	say("info.text", 0, "%.4s", buf);
	answer("info.write", err(write(fd, buf, 5)));
	close(fd);
	answer("info.open_wronly", closed(err(open("/sys/kernel/debug/sync/info", O_WRONLY))));
}

/*
 * One timeline
 */

static void ask_fence(void)
{
	struct sw_sync_create_fence_data *bad = (void *)(low + 4096 - sizeof(*bad));
	int timeline = timeline_open(), fd, second, next;
	struct rlimit before, none;
	char path[64], link[64] = "";
	struct stat st;
	ssize_t n;

	answer("create.null", io(timeline, SW_SYNC_IOC_CREATE_FENCE, NULL));
	*bad = (struct sw_sync_create_fence_data){.value = 1};
	next = dup(0);
	close(next);
	mprotect(low, 4096, PROT_READ);
	answer("create.unwritable", io(timeline, SW_SYNC_IOC_CREATE_FENCE, bad));
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
	fd = (int)timeline_fence(timeline, 1);
	answer("create.fd_is_the_lowest", fd == next);
	answer("create.cloexec", fcntl(fd, F_GETFD));
	answer("create.flags", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	say("create.link", n < 0 ? -errno : 0, "%s", link);
	answer("create.fstat", err(fstat(fd, &st)));
	say("create.fstat_is", 0, "mode=%o size=%lld", st.st_mode, (long long)st.st_size);
	answer("create.read", err(read(fd, path, 4)));
	answer("create.write", err(write(fd, path, 4)));
	answer("create.pread", err(pread(fd, path, 4, 0)));
	answer("create.lseek", err(lseek(fd, 0, SEEK_CUR)));
	answer("create.mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -errno : 0);
	for (unsigned i = 0; i < 7; i++)
		answer(name("create.ioctl_%u", i), io(fd, _IO('>', i), path));
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){0, before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	answer("create.no_fds", timeline_fence(timeline, 1));
	answer("create.no_fds_null", io(timeline, SW_SYNC_IOC_CREATE_FENCE, NULL));
	answer("create.no_fds_merge", fence_merge(fd, fd));
	setrlimit(RLIMIT_NOFILE, &before);
	say("fence.poll", 0, "0x%x", events_of(fd, POLLIN | POLLOUT | POLLPRI | POLLERR));
	show_info("fence", fd);
	answer("inc.null", io(timeline, SW_SYNC_IOC_INC, NULL));
	answer("inc.0", timeline_inc(timeline, 0));
	say("inc.0_poll", 0, "0x%x", events_of(fd, POLLIN));
	answer("inc.1", timeline_inc(timeline, 1));
	say("inc.1_poll", 0, "0x%x", events_of(fd, POLLIN | POLLOUT | POLLPRI | POLLERR));
	say("inc.1_poll_out", 0, "0x%x", events_of(fd, POLLOUT));
	show_info("signalled", fd);
	second = (int)timeline_fence(timeline, 1);
	say("past.poll", 0, "0x%x", events_of(second, POLLIN));
	show_info("past", second);
	close(second);
	second = (int)timeline_fence(timeline, 0);
	say("zero.poll", 0, "0x%x", events_of(second, POLLIN));
	close(second);
	close(fd);
	second = (int)timeline_fence(timeline, 100);
	answer("inc.huge", timeline_inc(timeline, 0xffffffffu));
	say("inc.huge_poll", 0, "0x%x", events_of(second, POLLIN));
	fd = (int)timeline_fence(timeline, 0x90000000u);
	say("far.poll", 0, "0x%x", events_of(fd, POLLIN));
	close(fd);
	close(second);
	close(timeline);
}

static void ask_end_of_timeline(void)
{
	int timeline = timeline_open(), a = (int)timeline_fence(timeline, 1), b = (int)timeline_fence(timeline, 2);
	int twin = (int)timeline_fence(timeline, 2), merged;

	timeline_inc(timeline, 1);
	merged = (int)fence_merge(b, a);
	close(timeline);
	say("end.signalled_before", 0, "0x%x", events_of(a, POLLIN));
	show_info("end.before", a);
	say("end.pending", 0, "0x%x", events_of(b, POLLIN));
	show_info("end.pending", b);
	show_info("end.twin", twin);
	show_info("end.merged", merged);
	close(merged);
	merged = (int)fence_merge(b, a);
	show_info("end.merged_after", merged);
	close(merged);
	close(a);
	close(b);
	close(twin);
}

static long merge_raw(int fd, int fd2, uint32_t flags, uint32_t pad)
{
	struct sync_merge_data data = {.name = "raw", .fd2 = fd2, .flags = flags, .pad = pad};
	long ret = io(fd, SYNC_IOC_MERGE, &data);

	return closed(ret < 0 ? ret : data.fence);
}

static void ask_merge(void)
{
	int one = timeline_open(), two = timeline_open(), event = eventfd(0, 0),
	    file = open("/proc/self/exe", O_RDONLY);
	int a = (int)timeline_fence(one, 1), later = (int)timeline_fence(one, 3), b = (int)timeline_fence(two, 1);
	struct sync_merge_data *bad = (void *)(low + 4096 - sizeof(*bad)), data = {.fd2 = b};
	int ab, all;

	memset(data.name, 'x', sizeof(data.name));
	answer("merge.null", io(a, SYNC_IOC_MERGE, NULL));
	answer("merge.fd_negative", merge_raw(a, -1, 0, 0));
	answer("merge.fd_not_open", merge_raw(a, 999, 0, 0));
	answer("merge.fd_a_file", merge_raw(a, file, 0, 0));
	answer("merge.fd_an_eventfd", merge_raw(a, event, 0, 0));
	answer("merge.fd_a_timeline", merge_raw(a, one, 0, 0));
	answer("merge.flags", merge_raw(a, b, 1, 0));
	answer("merge.pad", merge_raw(a, b, 0, 1));
	answer("merge.flags_and_bad_fd", merge_raw(a, 999, 1, 0));
	*bad = (struct sync_merge_data){.fd2 = b};
	mprotect(low, 4096, PROT_READ);
	answer("merge.unwritable", io(a, SYNC_IOC_MERGE, bad));
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
	answer("merge.long_name", io(a, SYNC_IOC_MERGE, &data));
	show_info("merge.long_name", data.fence);
	answer("merge.cloexec", fcntl(data.fence, F_GETFD));
	close(data.fence);
	data.name[0] = 0;
	io(a, SYNC_IOC_MERGE, &data);
	show_info("merge.no_name", data.fence);
	close(data.fence);
	ab = (int)fence_merge(a, a);
	show_info("merge.itself", ab);
	close(ab);
	ab = (int)fence_merge(a, later);
	show_info("merge.later", ab);
	close(ab);
	ab = (int)fence_merge(a, b);
	all = (int)fence_merge(ab, later);
	show_info("merge.ab", ab);
	show_info("merge.all", all);
	timeline_inc(one, 1);
	say("merge.ab_half", 0, "0x%x", events_of(ab, POLLIN));
	show_info("merge.ab_half", ab);
	timeline_inc(two, 1);
	say("merge.ab_done", 0, "0x%x", events_of(ab, POLLIN));
	show_info("merge.ab_done", ab);
	say("merge.all_half", 0, "0x%x", events_of(all, POLLIN));
	show_info("merge.all_half", all);
	close(two);
	close(one);
	show_info("merge.all_ended", all);
	close(ab);
	ab = (int)fence_merge(a, b);
	show_info("merge.of_signalled", ab);
	close(ab);
	close(all);
	close(a);
	close(b);
	close(later);
	close(event);
	close(file);
}

static long info_raw(int fd, uint32_t flags, uint32_t pad, uint32_t num, void *to)
{
	struct sync_file_info info = {.flags = flags, .pad = pad, .num_fences = num, .sync_fence_info = (uintptr_t)to};

	return io(fd, SYNC_IOC_FILE_INFO, &info);
}

static void ask_info(void)
{
	int one = timeline_open(), two = timeline_open();
	int a = (int)timeline_fence(one, 1), b = (int)timeline_fence(two, 1), ab = (int)fence_merge(a, b);
	struct sync_fence_info each[4] = {0};
	struct sync_file_info *ro = (void *)low;

	answer("info.null", io(ab, SYNC_IOC_FILE_INFO, NULL));
	answer("info.flags", info_raw(ab, 1, 0, 0, NULL));
	answer("info.pad", info_raw(ab, 0, 1, 0, NULL));
	answer("info.too_few", info_raw(ab, 0, 0, 1, each));
	answer("info.no_place", info_raw(ab, 0, 0, 2, NULL));
	answer("info.place_and_no_number", info_raw(ab, 0, 0, 0, (void *)8));
	answer("info.huge_number", info_raw(ab, 0, 0, 0xffffffffu, each));
	memset(ro, 0, sizeof(*ro));
	mprotect(low, 4096, PROT_READ);
	answer("info.unwritable", io(ab, SYNC_IOC_FILE_INFO, ro));
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
	close(one);
	close(two);
	close(a);
	close(b);
	close(ab);
}

static long deadline_get(int timeline, int fd, uint32_t pad, uint64_t *out)
{
	struct sw_sync_get_deadline d = {.pad = pad, .fence_fd = fd};
	long ret = io(timeline, SW_SYNC_GET_DEADLINE, &d);

	*out = d.deadline_ns;
	return ret;
}

static void ask_deadline(void)
{
	int one = timeline_open(), two = timeline_open();
	int a = (int)timeline_fence(one, 1), b = (int)timeline_fence(two, 1), ab = (int)fence_merge(a, b);
	struct sync_set_deadline set = {.deadline_ns = 5000}, padded = {.deadline_ns = 1, .pad = 1};
	struct sw_sync_get_deadline again;
	uint64_t ns;

	answer("deadline.get_none", deadline_get(one, a, 0, &ns));
	answer("deadline.set_null", io(a, SYNC_IOC_SET_DEADLINE, NULL));
	answer("deadline.set_pad", io(a, SYNC_IOC_SET_DEADLINE, &padded));
	answer("deadline.set", io(a, SYNC_IOC_SET_DEADLINE, &set));
	answer("deadline.get", deadline_get(one, a, 0, &ns));
	say("deadline.is", 0, "%llu", (unsigned long long)ns);
	answer("deadline.get_pad", deadline_get(one, a, 1, &ns));
	answer("deadline.get_other_timeline", deadline_get(two, a, 0, &ns));
	answer("deadline.get_not_open", deadline_get(one, 999, 0, &ns));
	answer("deadline.get_no_fence", deadline_get(one, one, 0, &ns));
	answer("deadline.get_merged", deadline_get(one, ab, 0, &ns));
	again = (struct sw_sync_get_deadline){.deadline_ns = 1, .fence_fd = a};
	answer("deadline.get_not_zero", io(one, SW_SYNC_GET_DEADLINE, &again));
	answer("deadline.get_null", io(one, SW_SYNC_GET_DEADLINE, NULL));
	set.deadline_ns = 9000;
	answer("deadline.set_later", io(a, SYNC_IOC_SET_DEADLINE, &set));
	deadline_get(one, a, 0, &ns);
	say("deadline.is_the_earlier", 0, "%llu", (unsigned long long)ns);
	set.deadline_ns = 4000;
	answer("deadline.set_merged", io(ab, SYNC_IOC_SET_DEADLINE, &set));
	deadline_get(one, a, 0, &ns);
	say("deadline.of_the_first", 0, "%llu", (unsigned long long)ns);
	answer("deadline.get_second", deadline_get(two, b, 0, &ns));
	say("deadline.of_the_second", 0, "%llu", (unsigned long long)ns);
	timeline_inc(one, 1);
	set.deadline_ns = 1000;
	answer("deadline.set_signalled", io(a, SYNC_IOC_SET_DEADLINE, &set));
	deadline_get(one, a, 0, &ns);
	say("deadline.of_a_signalled", 0, "%llu", (unsigned long long)ns);
	close(one);
	close(two);
	close(a);
	close(b);
	close(ab);
}

/*
 * Waiting
 */

static void ask_epoll(void)
{
	int timeline = timeline_open(), a = (int)timeline_fence(timeline, 1), b = (int)timeline_fence(timeline, 2);
	int ep = epoll_create1(0), merged = (int)fence_merge(a, b);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.u32 = 1}, got = {0};
	struct timeval now = {0};
	fd_set set;

	answer("epoll.timeline", epoll_ctl(ep, EPOLL_CTL_ADD, timeline, &ev) ? -errno : 0);
	epoll_ctl(ep, EPOLL_CTL_DEL, timeline, &ev);
	answer("epoll.add", epoll_ctl(ep, EPOLL_CTL_ADD, a, &ev) ? -errno : 0);
	ev.events |= EPOLLET;
	ev.data.u32 = 2;
	answer("epoll.add_edge", epoll_ctl(ep, EPOLL_CTL_ADD, merged, &ev) ? -errno : 0);
	answer("epoll.nothing", epoll_wait(ep, &got, 1, 0));
	timeline_inc(timeline, 1);
	answer("epoll.level", epoll_wait(ep, &got, 1, 0));
	say("epoll.level_is", 0, "%u 0x%x", got.data.u32, got.events);
	answer("epoll.level_again", epoll_wait(ep, &got, 1, 0));
	epoll_ctl(ep, EPOLL_CTL_DEL, a, NULL);
	timeline_inc(timeline, 1);
	answer("epoll.edge", epoll_wait(ep, &got, 1, 0));
	say("epoll.edge_is", 0, "%u 0x%x", got.data.u32, got.events);
	answer("epoll.edge_again", epoll_wait(ep, &got, 1, 0));
	FD_ZERO(&set);
	FD_SET(b, &set);
	answer("select.read", err(select(b + 1, &set, NULL, NULL, &now)));
	FD_SET(b, &set);
	answer("select.write", err(select(b + 1, NULL, &set, NULL, &now)));
	close(ep);
	close(merged);
	close(a);
	close(b);
	close(timeline);
}

/* What debugfs tells of all this, line by line. */
static void ask_text(void)
{
	int one = timeline_open(), two = timeline_open(), info = open("/sys/kernel/debug/sync/info", O_RDONLY), at = 0;
	int a = (int)timeline_fence(one, 1), b = (int)timeline_fence(one, 3), c = (int)timeline_fence(two, 1);
	char text[4096] = "", *line, *rest = text;

	timeline_inc(one, 1);
	if (read(info, text, sizeof(text) - 1) < 0)
		die("info");
	while ((line = strsep(&rest, "\n")))
		say(name("text.%d", at++), 0, "%s", line);
	answer("text.then", err(read(info, text, sizeof(text))));
	answer("text.lseek", err(lseek(info, 0, SEEK_SET)));
	answer("text.pread", err(pread(info, text, 4, 1)));
	close(info);
	close(one);
	close(two);
	close(a);
	close(b);
	close(c);
}

int main(int argc, char **argv)
{
	if (answers_begin(argc, argv))
		return 2;
	prctl(PR_SET_NAME, "sync_files");
	low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(low + 4096, 4096);
	ask_node();
	ask_fence();
	ask_end_of_timeline();
	ask_merge();
	ask_info();
	ask_deadline();
	ask_epoll();
	ask_text();
	return answers_end();
}
