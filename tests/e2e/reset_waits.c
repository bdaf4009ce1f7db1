/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What takes a function's memory away waits for the fences of its buffers: resets, memory decoding turned off, power
 * states, the end of the device. Others go on meanwhile. The function is one that can be reset and is not the card.
 */
#include <linux/dma-buf.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "devices.h"
#include "iommu_calls.h"
#include "parts.h"
#include "sw_sync.h"

#define PAGE 4096ul
#define CONFIG (7ull << 40)

static struct device function, card;

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void device_open(struct device *d)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};

	d->fd = open(d->cdev, O_RDWR);
	if (d->fd < 0 || ioctl(d->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(d->cdev);
}

static int export_page(const struct device *d, unsigned region, uint64_t page)
{
	char storage[256] = "";
	struct vfio_device_feature *f = (void *)storage;
	struct vfio_device_feature_dma_buf *get = (void *)f->data;

	f->argsz = sizeof(*f) + sizeof(*get) + sizeof(struct vfio_region_dma_range);
	f->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get->region_index = region;
	get->nr_ranges = 1;
	get->dma_ranges[0] = (struct vfio_region_dma_range){page * PAGE, PAGE};
	return ioctl(d->fd, VFIO_DEVICE_FEATURE, f);
}

static long import(int buf, uint32_t flags, int fence)
{
	struct dma_buf_import_sync_file i = {.flags = flags, .fd = fence};

	return io(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &i);
}

static uint16_t config_of(const struct device *d, uint64_t offset)
{
	uint16_t value = 0;

	if (pread(d->fd, &value, 2, (off_t)(CONFIG + offset)) != 2)
		die("config");
	return value;
}

static long decode(const struct device *d, bool on)
{
	uint16_t value = config_of(d, PCI_COMMAND);

	value = (uint16_t)(on ? value | PCI_COMMAND_MEMORY : value & ~PCI_COMMAND_MEMORY);
	return pwrite(d->fd, &value, 2, (off_t)(CONFIG + PCI_COMMAND)) < 0 ? -errno : 0;
}

static uint16_t config_read(uint64_t offset)
{
	return config_of(&function, offset);
}

static long config_write(uint64_t offset, uint16_t value)
{
	return pwrite(function.fd, &value, 2, (off_t)(CONFIG + offset)) < 0 ? -errno : 0;
}

static uint64_t capability(uint8_t id)
{
	for (uint64_t at = config_read(PCI_CAPABILITY_LIST) & 0xff; at; at = config_read(at + 1) & 0xff)
		if ((config_read(at) & 0xff) == id)
			return at;
	return 0;
}

/*
 * What takes memory away, and what gives it back.
 */

static long reset(void)
{
	return io(function.fd, VFIO_DEVICE_RESET, NULL);
}

static long decode_off(void)
{
	return decode(&function, false);
}

static long decode_on(void)
{
	return decode(&function, true);
}

static long sleep_deep(void)
{
	return config_write(capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 3);
}

static long wake_up(void)
{
	long ret = config_write(capability(PCI_CAP_ID_PM) + PCI_PM_CTRL, 0);

	return ret ? ret : decode_on();
}

static long feature_set(uint32_t feature)
{
	struct vfio_device_feature f = {.argsz = sizeof(f), .flags = VFIO_DEVICE_FEATURE_SET | feature};

	return io(function.fd, VFIO_DEVICE_FEATURE, &f);
}

static long suspend(void)
{
	return feature_set(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
}

static long resume(void)
{
	return feature_set(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

static long flr(void)
{
	uint64_t at = capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return config_write(at, config_read(at) | PCI_EXP_DEVCTL_BCR_FLR);
}

static long close_device(void)
{
	return close(function.fd) ? -errno : 0;
}

static long nothing(void)
{
	return 0;
}

/*
 * In a thread
 */

struct taker {
	pthread_t thread;
	long (*take)(void);
	long result;
	atomic_int done;
};

static void *take(void *arg)
{
	struct taker *t = arg;

	t->result = t->take();
	t->done = 1;
	return NULL;
}

static void take_begin(struct taker *t, long (*fn)(void))
{
	*t = (struct taker){.take = fn};
	if (pthread_create(&t->thread, NULL, take, t))
		die("pthread_create");
}

/* It ends by itself, or not within a while. */
static int has_ended(const struct taker *t, long ms)
{
	for (; !t->done && ms > 0; ms -= 10)
		pause_ms(10);
	return t->done;
}

static void take_end(struct taker *t)
{
	tell(has_ended(t, 10000), "ends");
	pthread_join(t->thread, NULL);
	tell(t->result, "answers");
}

static void waits(const char *name, uint32_t usage, long (*fn)(void), long (*back)(void))
{
	int timeline = timeline_open(), fence = (int)timeline_fence(timeline, 1);
	int buf = export_page(&function, 0, 0), other = export_page(&card, 2, 1);
	struct dma_buf_sync end = {.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END};
	struct taker t;

	part = name;
	if (buf < 0 || other < 0)
		die("VFIO_DEVICE_FEATURE_DMA_BUF");
	tell(import(buf, usage, fence), "IMPORT");
	take_begin(&t, fn);
	tell(has_ended(&t, 300), "ended, a fence pending");
	tell(io(buf, DMA_BUF_IOCTL_SYNC, &end), "SYNC end meanwhile");
	if (fn != close_device)
		tell(config_read(PCI_VENDOR_ID) != 0xffff, "config read meanwhile");
	tell(decode(&card, false), "another's decoding off meanwhile");
	tell(decode(&card, true), "another's decoding on meanwhile");
	timeline_inc(timeline, 1);
	take_end(&t);
	tell(back(), "back");
	close(timeline), close(fence), close(buf), close(other);
	if (fn == close_device)
		device_open(&function);
}

/* A fence comes when the memory is away already. */
static void waits_again(const char *name, long (*fn)(void), bool is_close)
{
	int timeline = timeline_open(), fence = (int)timeline_fence(timeline, 1), buf = export_page(&function, 0, 0);
	struct taker t;

	part = name;
	tell(decode_off(), "decoding off");
	tell(import(buf, DMA_BUF_SYNC_WRITE, fence), "IMPORT when revoked");
	take_begin(&t, fn);
	tell(has_ended(&t, 300), "ended, a fence pending");
	timeline_inc(timeline, 1);
	take_end(&t);
	if (is_close)
		device_open(&function);
	else
		tell(decode_on(), "decoding on");
	close(timeline), close(fence), close(buf);
}

static pid_t child(long (*fn)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn() != 0);
	return pid;
}

static int pending = -1; /* the timeline of the fence that is waited for */

static long signal_it(void)
{
	pause_ms(200);
	return timeline_inc(pending, 1);
}

static long exit_status(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

/* One child waits in a reset for what another does. */
static void siblings(void)
{
	int fence, buf = export_page(&function, 0, 0);
	pid_t waits, signals;

	part = "siblings";
	pending = timeline_open();
	fence = (int)timeline_fence(pending, 1);
	tell(import(buf, DMA_BUF_SYNC_WRITE, fence), "IMPORT");
	waits = child(reset);
	signals = child(signal_it);
	tell(exit_status(signals), "the signal");
	tell(exit_status(waits), "the reset");
	close(pending), close(fence), close(buf);
}

/* The device goes, the buffer stays, and gets a fence: nobody waits any more. */
static void after_the_end(void)
{
	int timeline = timeline_open(), fence = (int)timeline_fence(timeline, 1), buf = export_page(&function, 0, 0);

	part = "after the end";
	tell(close_device(), "close");
	tell(import(buf, DMA_BUF_SYNC_WRITE, fence), "IMPORT");
	close(buf);
	tell(0, "closed");
	close(timeline), close(fence);
	device_open(&function);
}

int main(int argc, char **argv)
{
	if (answers_begin(argc, argv))
		return 2;
	find_devices();
	if (!choose(&card, true) || !choose(&function, false))
		die("a card and another function");
	iommu = open("/dev/iommu", O_RDWR);
	device_open(&card);
	device_open(&function);
	decode_on();
	waits("reset, a writer", DMA_BUF_SYNC_WRITE, reset, nothing);
	waits("reset, a reader", DMA_BUF_SYNC_READ, reset, nothing);
	waits("decoding off", DMA_BUF_SYNC_WRITE, decode_off, decode_on);
	waits("D3hot", DMA_BUF_SYNC_WRITE, sleep_deep, wake_up);
	waits("low power", DMA_BUF_SYNC_WRITE, suspend, resume);
	waits("FLR", DMA_BUF_SYNC_WRITE, flr, nothing);
	waits("close", DMA_BUF_SYNC_WRITE, close_device, nothing);
	waits_again("decoding on", decode_on, false);
	waits_again("reset while off", reset, false);
	waits_again("close while off", close_device, true);
	after_the_end();
	siblings();
	return answers_end();
}
