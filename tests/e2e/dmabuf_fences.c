/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dma-buf's fences as a program meets them: put in by IMPORT_SYNC_FILE, taken out by EXPORT_SYNC_FILE, waited for by
 * SYNC, poll and epoll, shown by bufinfo. Needs debugfs with sw_sync; runs over one card.
 */
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <linux/vfio.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "devices.h"
#include "iommu_calls.h"
#include "parts.h"
#include "sw_sync.h"

#define PAGE 4096ul
enum { READ = DMA_BUF_SYNC_READ, WRITE = DMA_BUF_SYNC_WRITE, BOTH = DMA_BUF_SYNC_RW, END = DMA_BUF_SYNC_END };

static char *low; /* a page, and nothing behind it */

static long export_flags(int buf, uint32_t flags)
{
	struct dma_buf_export_sync_file e = {.flags = flags, .fd = -7};
	long ret = io(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &e);

	return ret < 0 ? ret : e.fd;
}

static long import_flags(int buf, uint32_t flags, long fd)
{
	struct dma_buf_import_sync_file i = {.flags = flags, .fd = (int)fd};

	return io(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &i);
}

static long sync_flags(int buf, uint64_t flags)
{
	struct dma_buf_sync s = {.flags = flags};

	return io(buf, DMA_BUF_IOCTL_SYNC, &s);
}

static int events_of(int fd, int asked, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = (short)asked};

	return poll(&p, 1, timeout_ms) < 0 ? -errno : p.revents;
}

static void tell_poll(const char *when, int buf)
{
	tell(events_of(buf, POLLIN, 0), "%s: poll in", when);
	tell(events_of(buf, POLLOUT, 0), "%s: poll out", when);
	tell(events_of(buf, POLLIN | POLLOUT, 0), "%s: poll both", when);
	tell(events_of(buf, POLLPRI | POLLHUP, 0), "%s: poll neither", when);
}

/* What an exported sync file says. Closes it. Names hold numbers of contexts; they are left out. */
static void tell_exported(const char *when, long fd)
{
	struct sync_fence_info each[8] = {0};
	struct sync_file_info info = {.num_fences = 8, .sync_fence_info = (uintptr_t)each};
	long ret = fd < 0 ? fd : io((int)fd, SYNC_IOC_FILE_INFO, &info);
	char text[200];

	snprintf(text, sizeof(text), "%s: %s", part, when);
	say(text, ret, "status=%d num=%u", info.status, info.num_fences);
	for (unsigned i = 0; fd >= 0 && i < info.num_fences && i < 8; i++)
		say(text, 0, "%u %.8s %.8s status=%d", i, each[i].obj_name, each[i].driver_name, each[i].status);
	if (fd >= 0)
		close((int)fd);
}

/* bufinfo's lines about fences, without the numbers of contexts. */
static void tell_bufinfo(const char *when)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256], text[300];
	unsigned nr = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *number = strstr(line, "fence:");

		line[strcspn(line, "\n")] = 0;
		if (!number)
			continue;
		number += strlen("fence:");
		snprintf(text, sizeof(text), "|%.*s#%s|", (int)(number - line), line, strchr(number, ':'));
		answers_line(text);
		nr++;
	}
	if (f)
		fclose(f);
	tell(nr, "%s: lines", when);
}

static void refusals(int buf)
{
	static const uint64_t sync[] = {0,    END,   8,	   READ | 8,	BOTH | END,
					READ, WRITE, BOTH, WRITE | END, 1ull << 63 | READ};
	static const uint32_t flags[] = {0, END, 8, READ | END, READ | 8, BOTH, READ, WRITE, 1u << 31 | READ};
	int event = eventfd(0, 0), timeline = timeline_open(), next, signalled = (int)timeline_fence(timeline, 0);
	struct dma_buf_export_sync_file *bad = (void *)(low + 4096 - sizeof(*bad));
	struct rlimit before, none;

	for (size_t i = 0; i < sizeof(sync) / sizeof(sync[0]); i++)
		tell(sync_flags(buf, sync[i]), "SYNC flags %llx", (unsigned long long)sync[i]);
	tell(io(buf, DMA_BUF_IOCTL_SYNC, NULL), "SYNC null");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		long fd = export_flags(buf, flags[i]);

		tell(fd < 0 ? fd : 0, "EXPORT flags %x", flags[i]);
		if (fd >= 0)
			close((int)fd);
		tell(import_flags(buf, flags[i], signalled), "IMPORT flags %x", flags[i]);
		tell(import_flags(buf, flags[i], -1), "IMPORT flags %x fd -1", flags[i]);
	}
	tell(io(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, NULL), "EXPORT null");
	tell(io(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, NULL), "IMPORT null");
	tell(io(buf, _IOC(_IOC_READ | _IOC_WRITE, 'b', 2, 4), bad), "EXPORT of another size");
	tell(io(buf, _IOC(_IOC_WRITE, 'b', 3, 16), bad), "IMPORT of another size");
	*bad = (struct dma_buf_export_sync_file){.flags = READ};
	next = dup(0);
	close(next);
	mprotect(low, 4096, PROT_READ);
	tell(io(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, bad), "EXPORT unwritable");
	tell(io(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, bad), "IMPORT of a file, read only argument");
	mprotect(low, 4096, PROT_READ | PROT_WRITE);
	tell(io(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, bad), "EXPORT");
	tell(bad->fd == next, "EXPORT takes the lowest fd");
	tell(fcntl(bad->fd, F_GETFD), "EXPORT F_GETFD");
	tell(fcntl(bad->fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), "EXPORT F_GETFL");
	tell(import_flags(buf, READ, bad->fd), "IMPORT of a stub");
	tell_exported("nothing to wait for", bad->fd);
	tell(import_flags(buf, READ, 999), "IMPORT of no file");
	tell(import_flags(buf, READ, event), "IMPORT of an eventfd");
	tell(import_flags(buf, READ, buf), "IMPORT of a dma-buf");
	tell(import_flags(buf, READ, timeline), "IMPORT of a timeline");
	getrlimit(RLIMIT_NOFILE, &before);
	none = (struct rlimit){0, before.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	tell(export_flags(buf, READ), "EXPORT no fds");
	tell(export_flags(buf, 8), "EXPORT no fds, flags");
	tell(import_flags(buf, READ, signalled), "IMPORT no fds");
	setrlimit(RLIMIT_NOFILE, &before);
	tell_bufinfo("a signalled fence was put in");
	tell_poll("nothing pending", buf);
	close(event);
	close(timeline);
	close(signalled);
}

static void usages(int buf)
{
	int one = timeline_open(), two = timeline_open(), three = timeline_open();
	int a = (int)timeline_fence(one, 1), b = (int)timeline_fence(two, 1), later = (int)timeline_fence(one, 2);
	int c = (int)timeline_fence(three, 1), ab = (int)fence_merge(a, b), all = (int)fence_merge(ab, c);
	long fd;

	tell(import_flags(buf, READ, a), "IMPORT a reader");
	tell_bufinfo("a reader");
	tell_poll("a reader", buf);
	tell_exported("a reader, EXPORT for reading", export_flags(buf, READ));
	tell_exported("a reader, EXPORT for writing", export_flags(buf, WRITE));
	tell(sync_flags(buf, READ), "a reader, SYNC to read");
	tell(sync_flags(buf, WRITE | END), "a reader, SYNC, end of a write");
	tell(import_flags(buf, WRITE, b), "IMPORT a writer");
	tell_bufinfo("and a writer");
	tell_poll("and a writer", buf);
	tell_exported("and a writer, EXPORT for reading", export_flags(buf, READ));
	tell_exported("and a writer, EXPORT for writing", export_flags(buf, WRITE));
	tell_exported("and a writer, EXPORT for both", export_flags(buf, BOTH));
	tell(import_flags(buf, READ, later), "IMPORT a later reader");
	tell_bufinfo("a later reader");
	tell(import_flags(buf, WRITE, a), "IMPORT the first as a writer");
	tell_bufinfo("the first as a writer");
	tell(import_flags(buf, BOTH, all), "IMPORT an array");
	tell_bufinfo("an array");
	fd = export_flags(buf, BOTH);
	tell(import_flags(buf, READ, fd), "IMPORT what was exported");
	tell_exported("all", fd);
	tell_bufinfo("what was exported");
	timeline_inc(two, 1);
	tell_poll("one has signalled", buf);
	tell_bufinfo("one has signalled");
	tell_exported("one has signalled", export_flags(buf, WRITE));
	timeline_inc(three, 1);
	timeline_inc(one, 1);
	tell_bufinfo("only the later reader is pending");
	tell_poll("only the later reader is pending", buf);
	tell(sync_flags(buf, READ), "only the later reader is pending, SYNC to read");
	close(one);
	tell_poll("the last one's timeline ended", buf);
	tell_bufinfo("the last one's timeline ended");
	tell(sync_flags(buf, BOTH), "the last one's timeline ended, SYNC");
	tell_exported("all signalled", export_flags(buf, BOTH));
	close(a), close(b), close(c), close(later), close(ab), close(all), close(two), close(three);
}

/*
 * Waiting
 */

struct waiter {
	pthread_t thread;
	int buf, events; /* events 0: SYNC with these flags */
	uint64_t flags;
	long result;
	atomic_int done;
};

static void *wait_for(void *arg)
{
	struct waiter *w = arg;

	w->result = w->events ? events_of(w->buf, w->events, 20000) : sync_flags(w->buf, w->flags);
	w->done = 1;
	return NULL;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Until as many are done as can be, and then some time for those that should not. */
static void settle(const struct waiter *w, size_t nr, size_t expected)
{
	for (int ms = 0; ms < 5000; ms += 10) {
		size_t done = 0;

		for (size_t i = 0; i < nr; i++)
			done += (size_t)w[i].done;
		if (done >= expected)
			break;
		pause_ms(10);
	}
	pause_ms(50);
}

static void threads(int buf)
{
	struct waiter w[] = {{.flags = READ},	 {.flags = WRITE},    {.flags = BOTH},	  {.flags = READ | END},
			     {.events = POLLIN}, {.events = POLLOUT}, {.events = POLLIN}, {.events = POLLIN | POLLOUT}};
	int one = timeline_open(), two = timeline_open(), a = (int)timeline_fence(one, 1),
	    b = (int)timeline_fence(two, 1);
	const size_t nr = sizeof(w) / sizeof(w[0]);

	import_flags(buf, WRITE, a);
	import_flags(buf, READ, b);
	for (size_t i = 0; i < nr; i++) {
		w[i].buf = buf;
		if (pthread_create(&w[i].thread, NULL, wait_for, &w[i]))
			die("pthread_create");
	}
	settle(w, nr, 1);
	for (size_t i = 0; i < nr; i++)
		tell(w[i].done, "thread %zu done, two pending", i);
	timeline_inc(one, 1);
	settle(w, nr, 5);
	for (size_t i = 0; i < nr; i++)
		tell(w[i].done, "thread %zu done, the reader pending", i);
	timeline_inc(two, 1);
	for (size_t i = 0; i < nr; i++) {
		pthread_join(w[i].thread, NULL);
		tell(w[i].result, "thread %zu", i);
	}
	close(one), close(two), close(a), close(b);
}

static void levels(int buf)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT}, got = {0};
	int timeline = timeline_open(), ep = epoll_create1(0), a, b;

	tell(epoll_ctl(ep, EPOLL_CTL_ADD, buf, &ev) ? -errno : 0, "epoll add");
	tell(epoll_wait(ep, &got, 1, 0), "epoll idle");
	tell(got.events, "epoll idle, events");
	for (uint32_t round = 1; round < 4; round++) {
		a = (int)timeline_fence(timeline, round * 2 - 1);
		b = (int)timeline_fence(timeline, round * 2);
		import_flags(buf, WRITE, a);
		tell(epoll_wait(ep, &got, 1, 0), "epoll pending");
		import_flags(buf, READ, b);
		timeline_inc(timeline, 1);
		tell(epoll_wait(ep, &got, 1, 2000), "epoll the writer is done");
		tell(got.events, "epoll the writer is done, events");
		tell(epoll_wait(ep, &got, 1, 0), "epoll again");
		timeline_inc(timeline, 1);
		while ((got.events = 0, epoll_wait(ep, &got, 1, 2000)) == 1 && got.events != (EPOLLIN | EPOLLOUT))
			;
		tell(got.events, "epoll all are done, events");
		close(a), close(b);
	}
	close(ep), close(timeline);
}

static int alarm_timeline;
static volatile int alarms;

static void on_alarm(int sig)
{
	alarms++;
	if (alarm_timeline >= 0)
		timeline_inc(alarm_timeline, 1);
}

static void interrupted(int buf)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	int timeline = timeline_open(), a = (int)timeline_fence(timeline, 1);

	import_flags(buf, WRITE, a);
	alarm_timeline = -1;
	alarms = 0;
	sigaction(SIGALRM, &sa, NULL);
	ualarm(100000, 100000);
	tell(sync_flags(buf, READ), "SYNC interrupted");
	tell(alarms > 0, "the handler ran");
	ualarm(0, 0);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	alarm_timeline = timeline;
	ualarm(100000, 100000);
	tell(sync_flags(buf, READ), "SYNC restarted, signalled by the handler");
	ualarm(0, 0);
	tell(alarms > 0, "the handler ran");
	signal(SIGALRM, SIG_DFL);
	close(a), close(timeline);
}

/* ThreadSanitizer keeps a signal that comes in a system call which it does not know, as a child's are. */
#ifdef __SANITIZE_THREAD__
enum { SIGNALS_HELD_BACK = 1 };
#else
enum { SIGNALS_HELD_BACK = 0 };
#endif

static void child_asks(int buf, int timeline, int a, int go)
{
	uint64_t one = 1;
	long fd;

	tell(import_flags(buf, WRITE, a), "child: IMPORT");
	tell_poll("child: pending", buf);
	fd = export_flags(buf, READ);
	tell_exported("child: EXPORT", fd);
	if (write(go, &one, sizeof(one)) < 0)
		die("write");
	tell(sync_flags(buf, READ), "child: SYNC waits");
	tell_poll("child: signalled", buf);
	tell(export_flags(buf, 0), "child: EXPORT flags 0");
	if (!SIGNALS_HELD_BACK)
		interrupted(buf);
	tell(import_flags(buf, READ, 999), "child: IMPORT fd 999");
	close(buf);
	tell(timeline_inc(timeline, 1), "child: inc");
	_exit(0);
}

/* Its lines come by a pipe, for the expected ones are read here. */
static void children(int buf)
{
	int timeline = timeline_open(), a = (int)timeline_fence(timeline, 1), go = eventfd(0, 0), lines[2];
	char line[512];
	uint64_t one;
	FILE *in;
	pid_t pid;

	if (pipe(lines))
		die("pipe");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		answers_expected = NULL;
		dup2(lines[1], STDOUT_FILENO);
		child_asks(buf, timeline, a, go);
	}
	close(lines[1]);
	if (read(go, &one, sizeof(one)) < 0)
		die("read");
	pause_ms(100);
	timeline_inc(timeline, 1);
	in = fdopen(lines[0], "r");
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = 0;
		answers_line(line);
		if (SIGNALS_HELD_BACK && answers_expected && strstr(line, "child: EXPORT flags 0"))
			for (int left_out = 0; left_out < 4; left_out++)
				if (!fgets(line, sizeof(line), answers_expected))
					break;
	}
	fclose(in);
	waitpid(pid, NULL, 0);
	close(a), close(timeline), close(go);
}

/* One child waits for what another one signals. */
static void children_meet(int buf)
{
	int timeline = timeline_open(), a = (int)timeline_fence(timeline, 1), status[2];
	pid_t waits, signals;

	import_flags(buf, WRITE, a);
	fflush(stdout);
	waits = fork();
	if (waits == 0)
		_exit(sync_flags(buf, BOTH) == 0 && events_of(buf, POLLIN | POLLOUT, 0) == (POLLIN | POLLOUT) ? 0 : 1);
	signals = fork();
	if (signals == 0) {
		pause_ms(100);
		_exit(timeline_inc(timeline, 1) == 0 ? 0 : 1);
	}
	waitpid(waits, &status[0], 0);
	waitpid(signals, &status[1], 0);
	tell(status[0], "the child that waits");
	tell(status[1], "the child that signals");
	close(a), close(timeline);
}

static int card_buffer(void)
{
	static char storage[256];
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_device_feature *f = (void *)storage;
	struct vfio_device_feature_dma_buf *get = (void *)f->data;
	struct device card;

	find_devices();
	if (!choose(&card, true))
		die("a card alone in its group");
	card.fd = open(card.cdev, O_RDWR);
	iommu = open("/dev/iommu", O_RDWR);
	bind.iommufd = iommu;
	if (card.fd < 0 || ioctl(card.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(card.cdev);
	f->argsz = sizeof(*f) + sizeof(*get) + sizeof(struct vfio_region_dma_range);
	f->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get->region_index = 2;
	get->nr_ranges = 1;
	get->dma_ranges[0] = (struct vfio_region_dma_range){PAGE, 4 * PAGE};
	return ioctl(card.fd, VFIO_DEVICE_FEATURE, f);
}

static int heap_buffer(void)
{
	struct dma_heap_allocation_data a = {.len = 4 * PAGE, .fd_flags = O_RDWR | O_CLOEXEC};
	int heap = open("/dev/dma_heap/system", O_RDWR);

	if (heap < 0 || ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &a))
		die("/dev/dma_heap/system");
	close(heap);
	return (int)a.fd;
}

static int memfd_buffer(void)
{
	int dev = open("/dev/udmabuf", O_RDWR), memfd = memfd_create("pages", MFD_ALLOW_SEALING), fd;
	struct udmabuf_create c = {.memfd = (uint32_t)memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = 4 * PAGE};

	if (dev < 0 || ftruncate(memfd, 4 * PAGE) || fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		die("/dev/udmabuf");
	fd = ioctl(dev, UDMABUF_CREATE, &c);
	close(dev), close(memfd);
	return fd;
}

static unsigned nr_buffers(void)
{
	FILE *f = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256];
	unsigned nr = 0;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Total %u objects", &nr);
	if (f)
		fclose(f);
	return nr;
}

/* What a child had may be let go of a moment after it has ended. */
static void ask(const char *exporter, int buf)
{
	if (buf < 0)
		die(exporter);
	part = exporter;
	refusals(buf);
	usages(buf);
	threads(buf);
	levels(buf);
	interrupted(buf);
	children(buf);
	children_meet(buf);
	close(buf);
	for (int ms = 0; nr_buffers() && ms < 2000; ms++)
		pause_ms(1);
	tell(nr_buffers(), "buffers left");
}

int main(int argc, char **argv)
{
	if (answers_begin(argc, argv))
		return 2;
	prctl(PR_SET_NAME, "fences"); /* timelines bear the name of who opened them */
	low = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(low + 4096, 4096);
	ask("heap", heap_buffer());
	ask("udmabuf", memfd_buffer());
	ask("vfio", card_buffer());
	return answers_end();
}
