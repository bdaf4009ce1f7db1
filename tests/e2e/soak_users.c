/* SPDX-License-Identifier: BSD-3-Clause */
/* Who maps buffers: processors, and address spaces of devices. And exporters of ordinary memory beside them. */
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/iommufd.h>
#include <linux/udmabuf.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "soak_buffers.h"

static __thread sigjmp_buf bus_error;

static void on_bus_error(int sig)
{
	(void)sig;
	siglongjmp(bus_error, 1);
}

void users_init(void)
{
	signal(SIGBUS, on_bus_error);
}

/* --- processors: a thread keeps some mappings for longer than their buffers live --- */

enum { NR_KEPT = 16 };

struct kept {
	struct view view;
	volatile uint64_t *memory; /* NULL: none */
	unsigned first, nr;	   /* pages of the buffer */
};

static void kept_drop(struct kept *k)
{
	munmap((void *)k->memory, (size_t)k->nr * PAGE);
	view_drop(&k->view);
	k->memory = NULL;
}

static void kept_make(struct world *w, struct kept *k, unsigned *seed)
{
	void *p;

	if (!view_take(w, dice(seed, NR_SLOTS), &k->view))
		return;
	k->first = dice(seed, k->view.nr_pages);
	k->nr = 1 + dice(seed, k->view.nr_pages - k->first);
	p = mmap(NULL, (size_t)k->nr * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, k->view.fd, (off_t)k->first * PAGE);
	if (p != MAP_FAILED) {
		k->memory = p;
		w->nr_maps++;
		return;
	}
	view_expect_revoked(&k->view, -errno, "mmap");
	w->nr_denied++;
	view_drop(&k->view);
}

/* One word: read and, where it is as it must be, written once more as it is. */
static void kept_touch(struct world *w, struct kept *k, unsigned *seed)
{
	unsigned page = dice(seed, k->nr), index = dice(seed, PAGE / 8);
	uint64_t right = word_of(k->view.number, k->view.pages[k->first + page], index), found;

	found = k->memory[page * (PAGE / 8) + index];
	if (found != right)
		wrong("a load from buffer %u found %llx instead of %llx", k->view.number, (unsigned long long)found,
		      (unsigned long long)right);
	k->memory[page * (PAGE / 8) + index] = right;
	w->nr_loads++;
}

static void kept_use(struct world *w, struct kept *k, unsigned *seed)
{
	struct dma_buf_sync sync = {DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW};
	volatile unsigned left = 30;

	view_refresh(&k->view);
	if (ioctl(k->view.fd, DMA_BUF_IOCTL_SYNC, &sync) && errno != ENODEV)
		wrong("DMA_BUF_IOCTL_SYNC: %s", strerror(errno));
	if (sigsetjmp(bus_error, 1)) {
		w->nr_bus_errors++;
		if (!view_had_event(&k->view))
			wrong("SIGBUS in buffer %u, which is there", k->view.number);
	} else {
		for (; left; left--)
			kept_touch(w, k, seed);
	}
	sync.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	ioctl(k->view.fd, DMA_BUF_IOCTL_SYNC, &sync);
}

void *run_cpu(void *world)
{
	struct world *w = world;
	unsigned seed = ++w->next_number;
	struct kept kept[NR_KEPT] = {0};

	while (!w->stop) {
		struct kept *k = &kept[dice(&seed, NR_KEPT)];

		if (k->memory && dice(&seed, 8) == 0)
			kept_drop(k);
		if (!k->memory)
			kept_make(w, k, &seed);
		if (k->memory)
			kept_use(w, k, &seed);
	}
	for (unsigned i = 0; i < NR_KEPT; i++)
		if (kept[i].memory)
			kept_drop(&kept[i]);
	return NULL;
}

/* --- address spaces: mapped here, copied there, taken away in any order --- */

static int ioas_copy(struct world *w, uint32_t from, uint64_t from_iova, uint32_t to, uint64_t to_iova, uint64_t len)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.dst_ioas_id = to,
		.src_ioas_id = from,
		.length = len,
		.dst_iova = to_iova,
		.src_iova = from_iova,
	};

	return ioctl(w->iommufd, IOMMU_IOAS_COPY, &copy) ? -errno : 0;
}

static void must(int err, const char *what)
{
	if (err)
		wrong("%s: %s", what, strerror(-err));
}

static void map_and_copy(struct world *w, struct view *v, uint64_t iova, unsigned *seed)
{
	unsigned from = dice(seed, w->nr_engines), to = dice(seed, w->nr_engines);
	uint64_t first = dice(seed, v->nr_pages), len = (1 + dice(seed, v->nr_pages - first)) * PAGE;
	int64_t at = ioas_map_dmabuf(w->iommufd, w->ioas[from], v->fd, first * PAGE, len, iova);
	int err;

	if (at < 0) {
		view_expect_revoked(v, (int)at, "IOMMU_IOAS_MAP_FILE");
		w->nr_denied++;
		return;
	}
	w->nr_maps++;
	err = ioas_copy(w, w->ioas[from], iova, w->ioas[to], iova + (1 << 20), len);
	if (err)
		view_expect_revoked(v, err, "IOMMU_IOAS_COPY");
	if (dice(seed, 4) == 0)
		usleep(dice(seed, 500));
	must(ioas_unmap(w->iommufd, w->ioas[from], iova, len), "IOMMU_IOAS_UNMAP");
	if (!err)
		must(ioas_unmap(w->iommufd, w->ioas[to], iova + (1 << 20), len), "IOMMU_IOAS_UNMAP of a copy");
}

void *run_mapper(void *world)
{
	struct world *w = world;
	unsigned seed = ++w->next_number;
	uint64_t iova = 0x500000000ull + ((uint64_t)seed << 24);
	struct view v;

	while (!w->stop) {
		if (!view_take(w, dice(&seed, NR_SLOTS), &v))
			continue;
		map_and_copy(w, &v, iova, &seed);
		if (poll(&(struct pollfd){.fd = v.fd, .events = POLLIN}, 1, 0) < 0)
			wrong("poll of a buffer: %s", strerror(errno));
		view_drop(&v);
	}
	return NULL;
}

/* --- memory that nobody takes away --- */

static int heap_alloc(int heap, uint64_t len)
{
	struct dma_heap_allocation_data a = {.len = len, .fd_flags = O_RDWR | O_CLOEXEC};

	must(ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &a) ? -errno : 0, "DMA_HEAP_IOCTL_ALLOC");
	return (int)a.fd;
}

static int udmabuf_create(int udmabuf, int memfd, uint64_t len)
{
	struct udmabuf_create c = {.memfd = (uint32_t)memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = len};
	int fd = ioctl(udmabuf, UDMABUF_CREATE, &c);

	must(fd < 0 ? -errno : 0, "UDMABUF_CREATE");
	return fd;
}

static int memfd_of(uint64_t len)
{
	int fd = memfd_create("pages", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)len) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		wrong("memfd: %s", strerror(errno));
	return fd;
}

/* New memory holds nothing of anybody's, and keeps what it is given whatever devices it is mapped for. */
static void memory_use(struct world *w, int buffer, uint64_t len, uint64_t iova, unsigned *seed)
{
	uint64_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0), mark = ++w->next_number;
	uint32_t ioas = w->ioas[dice(seed, w->nr_engines)];
	int64_t at;

	if (p == MAP_FAILED)
		wrong("mmap of new memory: %s", strerror(errno));
	for (uint64_t i = 0; i < len / 8; i++) {
		if (p[i])
			wrong("new memory holds %llx", (unsigned long long)p[i]);
		p[i] = mark + i;
	}
	at = ioas_map_dmabuf(w->iommufd, ioas, buffer, 0, len, iova);
	must(at < 0 ? (int)at : 0, "IOMMU_IOAS_MAP_FILE of new memory");
	close(buffer);
	for (uint64_t i = 0; i < len / 8; i++)
		if (p[i] != mark + i)
			wrong("memory that nobody writes to has changed");
	munmap(p, len);
	must(ioas_unmap(w->iommufd, ioas, iova, len), "IOMMU_IOAS_UNMAP of new memory");
}

void *run_exporters(void *world)
{
	struct world *w = world;
	int heap = open("/dev/dma_heap/system", O_RDWR), udmabuf = open("/dev/udmabuf", O_RDWR);
	unsigned seed = ++w->next_number;
	uint64_t iova = 0x500000000ull + ((uint64_t)seed << 24);

	if (heap < 0 || udmabuf < 0)
		wrong("/dev/dma_heap/system, /dev/udmabuf: %s", strerror(errno));
	while (!w->stop) {
		uint64_t len = (1 + dice(&seed, 16)) * PAGE;
		int memfd = memfd_of(len);

		memory_use(w, heap_alloc(heap, len), len, iova, &seed);
		memory_use(w, udmabuf_create(udmabuf, memfd, len), len, iova, &seed);
		close(memfd);
	}
	close(heap);
	close(udmabuf);
	return NULL;
}
