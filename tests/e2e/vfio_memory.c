/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a VFIO device's regions, mappings and exported buffers answer, and what becomes of them when memory is taken
 * away. Needs the devices of vfio_refusals.c.
 */
#include <linux/dma-buf.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "answers.h"
#include "devices.h"

#define REGION(index) ((off_t)(index) << 40)
#define PAGE 4096u

static struct device card, other;
static int iommu;
static uint32_t ioas;
static uint64_t card_size; /* of BAR 2 */

static void *volatile no_pointer = (void *)8;
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

/*
 * Touching memory that may not be there
 */

static sigjmp_buf touched;
static volatile sig_atomic_t touch_signal, touch_code;
static void *volatile touch_address;

static void touch_failed(int sig, siginfo_t *info, void *context)
{
	(void)context;
	touch_signal = sig;
	touch_code = info->si_code;
	touch_address = info->si_addr;
	siglongjmp(touched, 1);
}

static void touch(const char *n, volatile uint32_t *p, bool store)
{
	touch_signal = 0;
	if (p == MAP_FAILED) {
		say(n, -EINVAL, "not mapped");
	} else if (sigsetjmp(touched, 1)) {
		say(n, 0, "signal %d code %d at_the_address=%d", (int)touch_signal, (int)touch_code,
		    touch_address == (void *)p);
	} else {
		if (store)
			*p = 0;
		else
			(void)*p;
		say(n, 0, "reached");
	}
}

/*
 * Shorthands
 */

static void open_device(struct device *d)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};

	d->fd = open(d->cdev, O_RDWR);
	if (d->fd < 0 || ioctl(d->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(d->cdev);
}

static uint32_t config_read(struct device *d, unsigned offset, unsigned len)
{
	uint32_t value = 0;

	if (pread(d->fd, &value, len, REGION(7) + offset) != (ssize_t)len)
		die("config space");
	return value;
}

static long config_write(struct device *d, unsigned offset, uint32_t value, unsigned len)
{
	return err(pwrite(d->fd, &value, len, REGION(7) + offset));
}

static unsigned find_cap(struct device *d, uint8_t id)
{
	unsigned at = config_read(d, PCI_CAPABILITY_LIST, 1);

	while (at && config_read(d, at, 1) != id)
		at = config_read(d, at + 1, 1);
	return at;
}

static void *map_region(struct device *d, unsigned region, uint64_t offset, size_t len)
{
	return mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, REGION(region) + (off_t)offset);
}

static long map_answer(int fd, off_t offset, size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

static int export_slice(struct device *d, uint32_t region, uint32_t open_flags, uint64_t offset, uint64_t len)
{
	struct {
		struct vfio_device_feature f;
		struct vfio_device_feature_dma_buf get;
		struct vfio_region_dma_range range;
	} a = {{sizeof(a), VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF},
	       {region, open_flags, 0, 1},
	       {offset, len}};

	return ioctl(d->fd, VFIO_DEVICE_FEATURE, &a);
}

static long map_file(int fd, uint64_t start, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map_file m = {.size = sizeof(m),
					.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
						 IOMMU_IOAS_MAP_WRITEABLE,
					.ioas_id = ioas,
					.fd = fd,
					.start = start,
					.length = len,
					.iova = iova};

	return io(iommu, IOMMU_IOAS_MAP_FILE, &m);
}

static long unmap(uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap u = {.size = sizeof(u), .ioas_id = ioas, .iova = iova, .length = len};

	return io(iommu, IOMMU_IOAS_UNMAP, &u);
}

/*
 * read and write
 */

static void ask_access(struct device *d, const char *which, unsigned region, uint64_t size)
{
	static char buf[65536];
	off_t at = REGION(region);

	for (unsigned len = 0; len <= 9; len++)
		for (unsigned offset = 0; offset < 4; offset++)
			answer(name("%s.%u.read_%u_at_%u", which, region, len, offset),
			       err(pread(d->fd, buf, len, at + offset)));
	answer(name("%s.%u.read_end", which, region), err(pread(d->fd, buf, 4, at + (off_t)size - 4)));
	answer(name("%s.%u.read_across", which, region), err(pread(d->fd, buf, 8, at + (off_t)size - 4)));
	answer(name("%s.%u.read_beyond", which, region), err(pread(d->fd, buf, 1, at + (off_t)size)));
	answer(name("%s.%u.read_far_beyond", which, region), err(pread(d->fd, buf, 4, at + (off_t)size + 100)));
	answer(name("%s.%u.read_much", which, region), err(pread(d->fd, buf, PAGE, at)) > 0);
	answer(name("%s.%u.read_bad_pointer", which, region), err(pread(d->fd, no_pointer, 4, at)));
	answer(name("%s.%u.read_nothing_bad_pointer", which, region), err(pread(d->fd, no_pointer, 0, at)));
	answer(name("%s.%u.write_bad_pointer", which, region), err(pwrite(d->fd, no_pointer, 4, at)));
	answer(name("%s.%u.write_beyond", which, region), err(pwrite(d->fd, buf, 1, at + (off_t)size)));
	answer(name("%s.%u.write_nothing", which, region), err(pwrite(d->fd, buf, 0, at)));
}

static void ask_contents(void)
{
	unsigned char out[64], in[64];
	uint32_t *m = map_region(&card, 2, 0, PAGE);
	int differ = 0;

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 7 + 1);
	for (unsigned offset = 0; offset < 8; offset++) {
		for (unsigned len = 1; len <= 40; len++) {
			memset(in, 0, sizeof(in));
			pwrite(card.fd, out, len, REGION(2) + 100 + offset);
			pread(card.fd, in, len, REGION(2) + 100 + offset);
			differ += memcmp(in, out, len) != 0;
			differ += memcmp((char *)m + 100 + offset, out, len) != 0;
		}
	}
	say("contents.differ", 0, "%d", differ);
	memset(in, 0, sizeof(in));
	answer("contents.read_at_the_table", err(pread(other.fd, in, 16, REGION(0) + 0x2000 - 4)));
	say("contents.table_is_ones", 0, "%02x %02x %02x", in[4], in[8], in[15]);
	answer("contents.write_the_table", err(pwrite(other.fd, out, 16, REGION(0) + 0x2000)));
	munmap(m, PAGE);
	answer("position.lseek", err(lseek(card.fd, REGION(7), SEEK_SET)));
	answer("position.negative", err(pread(card.fd, in, 4, -1)));
	answer("position.huge", err(pread(card.fd, in, 4, 1ll << 62)));
}

/*
 * Config space
 */

static void ask_bits(struct device *d, const char *n, unsigned offset, unsigned len, uint32_t shown)
{
	uint32_t before = config_read(d, offset, len), ones, zeros;

	config_write(d, offset, UINT32_MAX, len);
	ones = config_read(d, offset, len);
	config_write(d, offset, 0, len);
	zeros = config_read(d, offset, len);
	config_write(d, offset, before, len);
	say(n, 0, "0x%x", (ones & ~zeros) & shown);
}

static void ask_config(void)
{
	const uint32_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;
	unsigned pm = find_cap(&other, PCI_CAP_ID_PM), express = find_cap(&other, PCI_CAP_ID_EXP),
		 msix = find_cap(&other, PCI_CAP_ID_MSIX);
	char buf[64];

	memset(buf, 0xff, sizeof(buf));
	say("config.command_when_opened", 0, "0x%x", config_read(&other, PCI_COMMAND, 2) & command);
	ask_bits(&other, "config.ids", PCI_VENDOR_ID, 4, UINT32_MAX);
	ask_bits(&other, "config.command", PCI_COMMAND, 2, command);
	ask_bits(&other, "config.status", PCI_STATUS, 2, UINT32_MAX);
	ask_bits(&other, "config.class", PCI_CLASS_REVISION, 4, UINT32_MAX);
	ask_bits(&other, "config.cache_line", PCI_CACHE_LINE_SIZE, 1, UINT32_MAX);
	ask_bits(&other, "config.header_type", PCI_HEADER_TYPE, 1, UINT32_MAX);
	ask_bits(&other, "config.subsystem", PCI_SUBSYSTEM_VENDOR_ID, 4, UINT32_MAX);
	ask_bits(&other, "config.capabilities", PCI_CAPABILITY_LIST, 1, UINT32_MAX);
	ask_bits(&other, "config.interrupt_line", PCI_INTERRUPT_LINE, 1, UINT32_MAX);
	ask_bits(&other, "config.interrupt_pin", PCI_INTERRUPT_PIN, 1, UINT32_MAX);
	ask_bits(&other, "config.bar_0", PCI_BASE_ADDRESS_0, 4, UINT32_MAX & ~0xffu);
	ask_bits(&other, "config.bar_0_high", PCI_BASE_ADDRESS_1, 4, 0xff);
	ask_bits(&other, "config.bar_5", PCI_BASE_ADDRESS_5, 4, UINT32_MAX);
	ask_bits(&other, "config.rom", PCI_ROM_ADDRESS, 4, UINT32_MAX);
	ask_bits(&card, "config.card_bar_1", PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	config_write(&other, PCI_BASE_ADDRESS_0, 0x12345678, 4);
	config_write(&other, PCI_BASE_ADDRESS_0, 0x9abc, 2);
	say("config.bar_0_in_halves", 0, "0x%x", config_read(&other, PCI_BASE_ADDRESS_0, 4));
	ask_bits(&other, "config.pm_header", pm, 2, UINT32_MAX);
	ask_bits(&other, "config.pm_caps", pm + PCI_PM_PMC, 2, UINT32_MAX);
	config_write(&other, pm + PCI_PM_CTRL, 0xffff, 2);
	say("config.pm_control", 0, "0x%x", config_read(&other, pm + PCI_PM_CTRL, 2) & ~PCI_PM_CTRL_NO_SOFT_RESET);
	config_write(&other, pm + PCI_PM_CTRL, 0, 2);
	config_write(&other, pm + PCI_PM_CTRL, 1, 2);
	say("config.pm_d1", 0, "0x%x", config_read(&other, pm + PCI_PM_CTRL, 1) & PCI_PM_CTRL_STATE_MASK);
	config_write(&other, express + PCI_EXP_DEVCTL, 0x2810, 2);
	say("config.express_control", 0, "0x%x", config_read(&other, express + PCI_EXP_DEVCTL, 2) & 0xf000);
	ask_bits(&other, "config.express_caps", express + PCI_EXP_DEVCAP, 4, UINT32_MAX);
	ask_bits(&other, "config.link_control", express + PCI_EXP_LNKCTL, 2, UINT32_MAX);
	ask_bits(&other, "config.msix_control", msix + PCI_MSIX_FLAGS, 2, UINT32_MAX);
	ask_bits(&other, "config.msix_table", msix + PCI_MSIX_TABLE, 4, UINT32_MAX);
	answer("config.write_all_of_the_header", err(pwrite(other.fd, buf, 64, REGION(7))));
	say("config.command_then", 0, "0x%x", config_read(&other, PCI_COMMAND, 2) & command);
	config_write(&other, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

/*
 * mmap
 */

static void ask_mmap(void)
{
	int fd = card.fd;
	char *m;

	answer("mmap.shared", map_answer(fd, REGION(2), PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	answer("mmap.all", map_answer(fd, REGION(2), card_size, PROT_READ | PROT_WRITE, MAP_SHARED));
	answer("mmap.read_only", map_answer(fd, REGION(2), PAGE, PROT_READ, MAP_SHARED));
	answer("mmap.no_access", map_answer(fd, REGION(2), PAGE, PROT_NONE, MAP_SHARED));
	answer("mmap.exec", map_answer(fd, REGION(2), PAGE, PROT_READ | PROT_EXEC, MAP_SHARED));
	answer("mmap.validate", map_answer(fd, REGION(2), PAGE, PROT_READ, MAP_SHARED_VALIDATE));
	answer("mmap.populate", map_answer(fd, REGION(2), PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE));
	answer("mmap.private", map_answer(fd, REGION(2), PAGE, PROT_READ, MAP_PRIVATE));
	answer("mmap.private_writable", map_answer(fd, REGION(2), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	answer("mmap.length_0", map_answer(fd, REGION(2), 0, PROT_READ, MAP_SHARED));
	answer("mmap.length_100", map_answer(fd, REGION(2), 100, PROT_READ, MAP_SHARED));
	answer("mmap.offset_100", map_answer(fd, REGION(2) + 100, PAGE, PROT_READ, MAP_SHARED));
	answer("mmap.last_page", map_answer(fd, REGION(2) + (off_t)card_size - PAGE, PAGE, PROT_READ, MAP_SHARED));
	answer("mmap.across_the_end",
	       map_answer(fd, REGION(2) + (off_t)card_size - PAGE, 2 * PAGE, PROT_READ, MAP_SHARED));
	answer("mmap.beyond", map_answer(fd, REGION(2) + (off_t)card_size, PAGE, PROT_READ, MAP_SHARED));
	for (unsigned i = 1; i < 11; i += i == 1 ? 2 : 1)
		answer(name("mmap.region_%u", i), map_answer(fd, REGION(i), PAGE, PROT_READ, MAP_SHARED));
	answer("mmap.registers", map_answer(other.fd, REGION(0), 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED));
	answer("mmap.msix_table", map_answer(other.fd, REGION(0) + 0x2000, PAGE, PROT_READ, MAP_SHARED));
	answer("mmap.registers_beyond", map_answer(other.fd, REGION(0) + 0x4000, PAGE, PROT_READ, MAP_SHARED));

	m = map_region(&card, 2, 0, 4 * PAGE);
	answer("mapped.mprotect", err(mprotect(m, PAGE, PROT_READ)));
	touch("mapped.load_read_only", (uint32_t *)m, false);
	touch("mapped.store_read_only", (uint32_t *)m, true);
	answer("mapped.mprotect_back", err(mprotect(m, PAGE, PROT_READ | PROT_WRITE)));
	touch("mapped.store", (uint32_t *)m, true);
	answer("mapped.dontneed", err(madvise(m, PAGE, MADV_DONTNEED)));
	answer("mapped.dofork", err(madvise(m, PAGE, MADV_DOFORK)));
	answer("mapped.dodump", err(madvise(m, PAGE, MADV_DODUMP)));
	answer("mapped.grow", mremap(m, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? -errno : 0);
	touch("mapped.after_grow", (uint32_t *)m, false);
	answer("mapped.unmap_the_middle", err(munmap(m + PAGE, PAGE)));
	touch("mapped.hole", (uint32_t *)(m + PAGE), false);
	touch("mapped.behind_the_hole", (uint32_t *)(m + 2 * PAGE), false);
	answer("mapped.unmap_the_rest", err(munmap(m, 4 * PAGE)));
	touch("mapped.gone", (uint32_t *)m, false);
}

/*
 * Memory that is taken away
 */

struct taken {
	struct device *d;
	unsigned region;
	volatile uint32_t *mapped;
	int buffer;
};

static void ask_taken(struct taken *t, const char *n)
{
	uint32_t word = 0;
	volatile uint32_t *late;
	int fd;

	touch(name("%s.load", n), t->mapped, false);
	touch(name("%s.store", n), t->mapped, true);
	answer(name("%s.read", n), err(pread(t->d->fd, &word, 4, REGION(t->region))));
	answer(name("%s.write", n), err(pwrite(t->d->fd, &word, 4, REGION(t->region))));
	answer(name("%s.import", n), map_file(t->buffer, 0, PAGE, 0x200000));
	unmap(0x200000, PAGE);
	answer(name("%s.lseek", n), err(lseek(t->buffer, 0, SEEK_END)));
	late = map_region(t->d, t->region, 0, PAGE);
	touch(name("%s.mapped_late", n), late, false);
	munmap((void *)late, PAGE);
	fd = export_slice(t->d, t->region, O_CLOEXEC, 0, PAGE);
	answer(name("%s.export", n), fd < 0 ? -errno : 0);
	if (fd >= 0) {
		answer(name("%s.export_import", n), map_file(fd, 0, PAGE, 0x300000));
		unmap(0x300000, PAGE);
		close(fd);
	}
}

/* What was imported before stays in the IOAS, unmaps whole, and can be mapped anew once the memory is back. */
static void ask_given_back(struct taken *t, const char *n)
{
	touch(name("%s.back_load", n), t->mapped, false);
	answer(name("%s.back_import_again", n), map_file(t->buffer, 0, PAGE, 0x100000));
	answer(name("%s.back_unmap", n), unmap(0x100000, PAGE));
	answer(name("%s.back_import", n), map_file(t->buffer, 0, PAGE, 0x100000));
}

static struct taken take_begin(struct device *d, unsigned region)
{
	struct taken t = {d, region, NULL, -1};

	config_write(d, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	t.mapped = map_region(d, region, 0, PAGE);
	t.buffer = export_slice(d, region, O_CLOEXEC, 0, PAGE);
	if (t.buffer < 0 || map_file(t.buffer, 0, PAGE, 0x100000))
		die("take_begin");
	return t;
}

static void take_end(struct taken *t)
{
	unmap(0x100000, PAGE);
	munmap((void *)t->mapped, PAGE);
	close(t->buffer);
}

static void ask_decoding(struct device *d, unsigned region, const char *n)
{
	struct taken t = take_begin(d, region);

	ask_taken(&t, name("%s_before", n));
	config_write(d, PCI_COMMAND, 0, 2);
	ask_taken(&t, n);
	config_write(d, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ask_given_back(&t, n);
	take_end(&t);
}

static void ask_power(void)
{
	unsigned pm = find_cap(&other, PCI_CAP_ID_PM);
	struct taken t = take_begin(&other, 0);

	config_write(&other, pm + PCI_PM_CTRL, 3, 2);
	ask_taken(&t, "power");
	say("power.ids", 0, "%d", config_read(&other, PCI_VENDOR_ID, 4) != UINT32_MAX);
	say("power.memory", 0, "0x%x", config_read(&other, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	config_write(&other, pm + PCI_PM_CTRL, 0, 2);
	say("power.memory_back", 0, "0x%x", config_read(&other, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	config_write(&other, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ask_given_back(&t, "power");
	take_end(&t);
}

static void ask_reset(void)
{
	unsigned control = find_cap(&other, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
	const uint32_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE;
	struct taken t = take_begin(&other, 0);

	config_write(&other, PCI_COMMAND, command, 2);
	answer("reset.ioctl", io(other.fd, VFIO_DEVICE_RESET, NULL));
	say("reset.command", 0, "0x%x", config_read(&other, PCI_COMMAND, 2) & command);
	ask_given_back(&t, "reset");
	answer("flr.write", config_write(&other, control, PCI_EXP_DEVCTL_BCR_FLR, 2));
	say("flr.control", 0, "0x%x", config_read(&other, control, 2) & PCI_EXP_DEVCTL_BCR_FLR);
	say("flr.command", 0, "0x%x", config_read(&other, PCI_COMMAND, 2) & command);
	ask_given_back(&t, "flr");
	config_write(&other, PCI_COMMAND, 0, 2);
	answer("reset.while_off", io(other.fd, VFIO_DEVICE_RESET, NULL));
	touch("reset.while_off_load", t.mapped, false);
	config_write(&other, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	touch("reset.on_again_load", t.mapped, false);
	take_end(&t);
}

static long feature_set(struct device *d, uint32_t index)
{
	struct vfio_device_feature f = {sizeof(f), VFIO_DEVICE_FEATURE_SET | index};

	return io(d->fd, VFIO_DEVICE_FEATURE, &f);
}

static void ask_low_power(void)
{
	struct taken t = take_begin(&card, 2);
	uint32_t word;

	answer("low_power.enter", feature_set(&card, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	answer("low_power.enter_again", feature_set(&card, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	touch("low_power.load", t.mapped, false);
	answer("low_power.read", err(pread(card.fd, &word, 4, REGION(2))));
	answer("low_power.import", map_file(t.buffer, 0, PAGE, 0x200000));
	config_write(&card, PCI_COMMAND, 0, 2);
	config_write(&card, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	touch("low_power.load_after_decoding", t.mapped, false);
	answer("low_power.exit", feature_set(&card, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	answer("low_power.exit_again", feature_set(&card, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));
	ask_given_back(&t, "low_power");
	unmap(0x200000, PAGE);
	take_end(&t);
}

/*
 * The fd of a buffer
 */

static void ask_buffer_file(int fd)
{
	char buf[64] = {0}, link[128] = {0};
	struct epoll_event ev = {.events = EPOLLIN};
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};
	int ep = epoll_create1(0);
	struct stat st;

	answer("buffer.lseek_end", err(lseek(fd, 0, SEEK_END)));
	answer("buffer.lseek_set", err(lseek(fd, 0, SEEK_SET)));
	answer("buffer.lseek_cur", err(lseek(fd, 0, SEEK_CUR)));
	answer("buffer.lseek_end_1", err(lseek(fd, 1, SEEK_END)));
	answer("buffer.lseek_data", err(lseek(fd, 0, SEEK_DATA)));
	answer("buffer.lseek_99", err(lseek(fd, 0, 99)));
	answer("buffer.read", err(read(fd, buf, 4)));
	answer("buffer.write", err(write(fd, buf, 4)));
	answer("buffer.pread", err(pread(fd, buf, 4, 0)));
	answer("buffer.pwrite", err(pwrite(fd, buf, 4, 0)));
	answer("buffer.mmap_shared", map_answer(fd, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	answer("buffer.mmap_private", map_answer(fd, 0, PAGE, PROT_READ, MAP_PRIVATE));
	answer("buffer.ftruncate", err(ftruncate(fd, 0)));
	fstat(fd, &st);
	say("buffer.fstat", 0, "mode %o size %lld blksize %ld blocks %lld", st.st_mode, (long long)st.st_size,
	    (long)st.st_blksize, (long long)st.st_blocks);
	answer("buffer.poll", err(poll(&p, 1, 0)));
	say("buffer.revents", 0, "0x%x", p.revents);
	answer("buffer.epoll", err(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev)));
	answer("buffer.epoll_wait", err(epoll_wait(ep, &ev, 1, 0)));
	readlink(name("/proc/self/fd/%d", fd), link, sizeof(link) - 1);
	say("buffer.link", 0, "%.8s", link);
	say("buffer.getfl", 0, "0x%x", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	say("buffer.getfd", 0, "%d", fcntl(fd, F_GETFD));
	close(ep);
}

static void ask_buffer_ioctls(int fd)
{
	char text[40];

	for (uint64_t flags = 0; flags < 10; flags++) {
		struct dma_buf_sync sync = {.flags = flags};

		answer(name("buffer.sync_%llu", (unsigned long long)flags), io(fd, DMA_BUF_IOCTL_SYNC, &sync));
	}
	answer("buffer.sync_null", io(fd, DMA_BUF_IOCTL_SYNC, NULL));
	memset(text, 'x', sizeof(text));
	text[32] = 0;
	answer("buffer.name_32", io(fd, DMA_BUF_SET_NAME_B, text));
	text[31] = 0;
	answer("buffer.name_31", io(fd, DMA_BUF_SET_NAME_B, text));
	answer("buffer.name_old", io(fd, DMA_BUF_SET_NAME_A, text));
	answer("buffer.name_null", io(fd, DMA_BUF_SET_NAME_B, NULL));
	answer("buffer.unknown", io(fd, _IO('b', 9), NULL));
	answer("buffer.fionread", io(fd, 0x541b, text));
}

static void ask_import(int fd)
{
	answer("import.whole", map_file(fd, 0, 4 * PAGE, 0x400000));
	answer("import.twice", map_file(fd, 0, 4 * PAGE, 0x500000));
	answer("import.slice", map_file(fd, 2 * PAGE, PAGE, 0x600000));
	answer("import.beyond", map_file(fd, 4 * PAGE, PAGE, 0x700000));
	answer("import.across_the_end", map_file(fd, 3 * PAGE, 2 * PAGE, 0x700000));
	answer("import.misaligned", map_file(fd, 100, PAGE, 0x700000));
	answer("import.unmap_part", unmap(0x400000, PAGE));
	answer("import.unmap", unmap(0x400000, 4 * PAGE));
	answer("import.unmap_slice", unmap(0x600000, PAGE));
	answer("import.unmap_second", unmap(0x500000, 4 * PAGE));
}

/*
 * Opened for less than reading and writing
 */

static void ask_access_modes(void)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};
	char buf[8] = {0};
	int fd;

	close(card.fd);
	card.fd = open(card.cdev, O_RDONLY);
	answer("read_only.bind", io(card.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	answer("read_only.read", err(pread(card.fd, buf, 4, REGION(7))));
	answer("read_only.write", err(pwrite(card.fd, buf, 4, REGION(2))));
	answer("read_only.mmap", map_answer(card.fd, REGION(2), PAGE, PROT_READ, MAP_SHARED));
	answer("read_only.mmap_writable", map_answer(card.fd, REGION(2), PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	answer("read_only.mmap_private_writable",
	       map_answer(card.fd, REGION(2), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	fd = export_slice(&card, 2, O_RDONLY, 0, PAGE);
	answer("read_only.buffer_write", err(write(fd, buf, 4)));
	answer("read_only.buffer_mmap", map_answer(fd, 0, PAGE, PROT_READ, MAP_SHARED));
	answer("read_only.buffer_mmap_writable", map_answer(fd, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED));
	answer("read_only.buffer_import", map_file(fd, 0, PAGE, 0x800000));
	answer("read_only.buffer_unmap", unmap(0x800000, PAGE));
	close(fd);
	fd = export_slice(&card, 2, O_WRONLY | O_NONBLOCK, 0, PAGE);
	say("write_only.buffer_getfl", 0, "0x%x", fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	say("write_only.buffer_getfd", 0, "%d", fcntl(fd, F_GETFD));
	answer("write_only.buffer_read", err(read(fd, buf, 4)));
	answer("write_only.buffer_mmap", map_answer(fd, 0, PAGE, PROT_READ, MAP_SHARED));
	answer("write_only.buffer_import", map_file(fd, 0, PAGE, 0x800000));
	answer("write_only.buffer_unmap", unmap(0x800000, PAGE));
	close(fd);
	close(card.fd);
	card.fd = open(card.cdev, O_WRONLY);
	answer("write_only.bind", io(card.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	answer("write_only.read", err(pread(card.fd, buf, 4, REGION(7))));
	answer("write_only.write", err(pwrite(card.fd, buf, 4, REGION(2))));
	answer("write_only.mmap", map_answer(card.fd, REGION(2), PAGE, PROT_READ, MAP_SHARED));
	close(card.fd);
	open_device(&card);
	config_write(&card, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

/*
 * The last reference
 */

static void ask_close(void)
{
	struct taken t = take_begin(&card, 2);
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};
	struct vfio_device_info info = {.argsz = 16};
	struct dma_buf_sync sync = {.flags = DMA_BUF_SYNC_READ};
	int second = open(card.cdev, O_RDWR);

	close(card.fd);
	touch("close.mapping_lives", t.mapped, false);
	answer("close.import_while_mapped", map_file(t.buffer, 0, PAGE, 0x200000));
	answer("close.bind_while_mapped", io(second, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	munmap((void *)t.mapped, PAGE);
	answer("close.import_after_the_last", map_file(t.buffer, 0, PAGE, 0x300000));
	answer("close.lseek", err(lseek(t.buffer, 0, SEEK_END)));
	answer("close.sync", io(t.buffer, DMA_BUF_IOCTL_SYNC, &sync));
	answer("close.unmap", unmap(0x100000, PAGE));
	answer("close.unmap_second", unmap(0x200000, PAGE));
	answer("close.bind", io(second, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	answer("close.import_for_the_new_owner", map_file(t.buffer, 0, PAGE, 0x300000));
	close(t.buffer);
	close(iommu);
	answer("close.info_without_iommufd", io(second, VFIO_DEVICE_GET_INFO, &info));
	close(second);
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_sigaction = touch_failed, .sa_flags = SA_SIGINFO};
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 2};
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int buffer;

	if (answers_begin(argc, argv))
		return 2;
	find_devices();
	iommu = open("/dev/iommu", O_RDWR);
	if (iommu < 0 || !choose(&card, true) || !choose(&other, false)) {
		fprintf(stderr, "needs /dev/iommu, a memory card and another function on vfio-pci\n");
		return 2;
	}
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	open_device(&card);
	open_device(&other);
	if (ioctl(card.fd, VFIO_DEVICE_GET_REGION_INFO, &info) || ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc))
		die("set-up");
	card_size = info.size;
	ioas = alloc.out_ioas_id;
	config_write(&card, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);

	ask_access(&card, "card", 2, card_size);
	ask_access(&card, "card", 1, 0);
	ask_access(&card, "card", 6, 0);
	ask_access(&card, "card", 8, 0);
	ask_access(&card, "card", 9, 0);
	ask_access(&other, "other", 7, 4096);
	ask_contents();
	ask_config();
	ask_mmap();
	ask_decoding(&card, 2, "decoding");
	ask_decoding(&other, 0, "decoding_of_registers");
	ask_power();
	ask_reset();
	ask_low_power();
	buffer = export_slice(&card, 2, O_RDWR | O_CLOEXEC, 0, 4 * PAGE);
	ask_buffer_file(buffer);
	ask_buffer_ioctls(buffer);
	ask_import(buffer);
	close(buffer);
	ask_access_modes();
	ask_close();
	close(other.fd);
	return answers_end();
}
