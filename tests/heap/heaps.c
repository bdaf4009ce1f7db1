/* SPDX-License-Identifier: BSD-3-Clause */
/* Heaps and udmabuf over a fake task: what their buffers are made of, and that what fails leaves nothing behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/trace.h"
#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "fake/task.h"
#include "heap/heap.h"
#include "memory/system_memory.h"

#define PAGE BARTER_PAGE_SIZE

struct world {
	struct trace *trace;
	struct phys_space *space;
	struct dma_buf_registry *registry;
	struct ns *ns;
	struct heap_system *system;
	struct fake_task *ft;
	int heap, udmabuf;
};

static struct world w;

static struct ns_node *node_at(const char *path)
{
	struct ns_node *node = ns_get(ns_root(w.ns));

	while (*path) {
		size_t n = strcspn(++path, "/");
		struct ns_node *next = ns_lookup(w.ns, node, path, n);

		assert_non_null(next);
		ns_put(node);
		node = next;
		path += n;
	}
	return node;
}

static int open_path(const char *path, int flags)
{
	struct ns_node *node = node_at(path);
	struct file *f;

	assert_int_equal(ns_open(node, fake_task(w.ft), flags, &f), 0);
	ns_put(node);
	return fake_task_install(w.ft, f);
}

static int setup(void **state)
{
	w.trace = trace_create(false);
	w.space = phys_space_create(w.trace);
	w.registry = dma_buf_registry_create(w.trace);
	w.ns = ns_create();
	w.ft = fake_task_create();
	assert_int_equal(heap_register(w.ns, w.space, w.registry, &w.system), 0);
	w.heap = open_path("/dev/dma_heap/system", O_RDWR);
	w.udmabuf = open_path("/dev/udmabuf", O_RDWR);
	return 0;
}

static int teardown(void **state)
{
	fake_task_destroy(w.ft);
	heap_unregister(w.system);
	ns_destroy(w.ns);
	dma_buf_registry_destroy(w.registry);
	phys_space_destroy(w.space);
	trace_destroy(w.trace);
	return 0;
}

static long alloc(uint64_t len, struct dma_heap_allocation_data *data)
{
	*data = (struct dma_heap_allocation_data){.len = len, .fd_flags = O_RDWR | O_CLOEXEC};
	return fake_task_ioctl(w.ft, w.heap, DMA_HEAP_IOCTL_ALLOC, data);
}

static const struct dma_buf_phys_list *list_of(int fd)
{
	struct dma_buf *b = dma_buf_from_file(fake_task_file(w.ft, fd));

	return b->ops->layout(b);
}

static char *host_of(phys_t pa)
{
	struct phys_region *r = phys_find(w.space, pa);

	return r ? atomic_load(&r->host) + (pa - r->base) : NULL;
}

static void a_buffer_is_zeroed_system_memory(void **state)
{
	static const char zeros[3 * 4096];
	struct dma_heap_allocation_data data;

	assert_int_equal(alloc(2 * PAGE + 1, &data), 0);
	const struct dma_buf_phys_list *list = list_of((int)data.fd);
	assert_null(list->provider);
	assert_int_equal(list->nr_ranges, 1);
	assert_int_equal(list->ranges[0].len, 3 * PAGE);
	phys_t pa = list->ranges[0].pa;
	assert_int_equal(phys_find(w.space, pa)->kind, PHYS_SYSTEM);
	assert_memory_equal(host_of(pa), zeros, sizeof(zeros));
	assert_int_equal(fake_task_close(w.ft, (int)data.fd), 0);
	assert_null(phys_find(w.space, pa));
}

static void what_fails_takes_no_fd(void **state)
{
	struct dma_heap_allocation_data *data =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned fds = fake_task_nr_fds(w.ft);

	*data = (struct dma_heap_allocation_data){.len = PAGE, .fd_flags = O_RDWR};
	fake_task_read_only(w.ft, (uaddr_t)data, PAGE);
	assert_int_equal(fake_task_ioctl(w.ft, w.heap, DMA_HEAP_IOCTL_ALLOC, data), -EFAULT);
	assert_int_equal(fake_task_nr_fds(w.ft), fds);
	fake_task_limit_fds(w.ft, fds);
	struct dma_heap_allocation_data more;
	assert_int_equal(alloc(PAGE, &more), -EMFILE);
	assert_int_equal(alloc(1ull << 60, &more), -ENOMEM);
	munmap(data, PAGE);
}

static void a_mapping_keeps_the_buffer(void **state)
{
	struct dma_heap_allocation_data data;

	assert_int_equal(alloc(4 * PAGE, &data), 0);
	phys_t pa = list_of((int)data.fd)->ranges[0].pa;
	assert_true(fake_task_mmap(w.ft, (int)data.fd, 2 * PAGE, PROT_READ, MAP_SHARED, PAGE) > 0);
	struct fake_mapping *m = fake_task_mapping(w.ft, 0);
	assert_int_equal(m->mapping->extents[0].region_offset, PAGE);
	assert_int_equal(m->restores, 1);
	fake_task_fail_place(w.ft, -ENOMEM);
	assert_int_equal(fake_task_mmap(w.ft, (int)data.fd, PAGE, PROT_READ, MAP_SHARED, 0), -ENOMEM);
	assert_int_equal(fake_task_close(w.ft, (int)data.fd), 0);
	assert_non_null(phys_find(w.space, pa));
	assert_int_equal(fake_task_munmap(w.ft, m->addr), 0);
	assert_null(phys_find(w.space, pa));
}

/* Chunks are of 1 MiB, then of 64 KiB, then pages. */
static void a_private_mapping_stays_in_one_chunk(void **state)
{
	struct dma_heap_allocation_data data;
	const uint64_t mib = 1 << 20, kib64 = 1 << 16;
	const struct {
		uint64_t offset, len;
		bool works;
	} cases[] = {
		{0, mib, true},
		{mib, mib, true},
		{0, mib + PAGE, false},
		{mib - PAGE, 2 * PAGE, false},
		{2 * mib, kib64, true},
		{2 * mib + PAGE, kib64, false},
		{2 * mib + kib64, PAGE, true},
		{2 * mib + kib64, 2 * PAGE, false},
	};

	assert_int_equal(alloc(2 * mib + kib64 + 3 * PAGE, &data), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t addr =
			fake_task_mmap(w.ft, (int)data.fd, cases[i].len, PROT_READ, MAP_PRIVATE, cases[i].offset);

		if (cases[i].works)
			assert_true(addr > 0);
		else
			assert_int_equal(addr, -EINVAL);
	}
}

static int memfd(uint64_t size, int seals)
{
	int fd = fake_task_memfd(w.ft, size, true);

	assert_int_equal(fcntl(fake_task_real_fd(w.ft, fd), F_ADD_SEALS, seals), 0);
	return fd;
}

static long create_list(int a, int b)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[3];
	} list = {.head.count = 3};

	list.items[0] = (struct udmabuf_create_item){.memfd = (uint32_t)a, .offset = PAGE, .size = PAGE};
	list.items[1] = (struct udmabuf_create_item){.memfd = (uint32_t)b, .size = 2 * PAGE};
	list.items[2] = (struct udmabuf_create_item){.memfd = (uint32_t)a, .offset = PAGE, .size = 2 * PAGE};
	return fake_task_ioctl(w.ft, w.udmabuf, UDMABUF_CREATE_LIST, &list);
}

static void pieces_of_one_memfd_are_one_region(void **state)
{
	int a = memfd(4 * PAGE, F_SEAL_SHRINK), b = memfd(2 * PAGE, F_SEAL_SHRINK);
	int real = fake_task_real_fd(w.ft, a);
	long fd = create_list(a, b);

	assert_true(fd >= 0);
	const struct dma_buf_phys_list *list = list_of((int)fd);
	assert_int_equal(list->nr_ranges, 3);
	assert_int_equal(list->ranges[0].pa, list->ranges[2].pa);
	assert_ptr_not_equal(phys_find(w.space, list->ranges[0].pa), phys_find(w.space, list->ranges[1].pa));
	assert_int_equal(pwrite(real, "pages", 5, (off_t)PAGE), 5);
	assert_memory_equal(host_of(list->ranges[2].pa), "pages", 5);
	/* What Linux pins cannot be sealed against writing. */
	assert_int_equal(fcntl(real, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	phys_t pa = list->ranges[0].pa;
	assert_int_equal(fake_task_close(w.ft, (int)fd), 0);
	assert_null(phys_find(w.space, pa));
	assert_int_equal(fcntl(real, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

static void a_bad_item_undoes_the_good_ones(void **state)
{
	int a = memfd(4 * PAGE, F_SEAL_SHRINK), unsealed = memfd(2 * PAGE, F_SEAL_GROW),
	    short_ = memfd(PAGE, F_SEAL_SHRINK);
	unsigned fds = fake_task_nr_fds(w.ft);

	assert_int_equal(create_list(a, unsealed), -EINVAL);
	assert_int_equal(create_list(a, short_), -EINVAL);
	assert_int_equal(create_list(a, 12345), -EBADFD);
	assert_int_equal(create_list(a, w.heap), -EBADFD);
	fake_task_limit_fds(w.ft, fds);
	assert_int_equal(create_list(a, a), -EMFILE);
	assert_int_equal(fake_task_nr_fds(w.ft), fds);
}

static void limits_can_be_set(void **state)
{
	int limit = open_path("/sys/module/udmabuf/parameters/size_limit_mb", O_RDWR);
	int fd = memfd(2 << 20, F_SEAL_SHRINK);
	struct udmabuf_create c = {.memfd = (uint32_t)fd, .size = 2 << 20};

	assert_int_equal(fake_task_pwrite(w.ft, limit, "1\n", 2, 0), 2);
	assert_int_equal(fake_task_ioctl(w.ft, w.udmabuf, UDMABUF_CREATE, &c), -EINVAL);
	assert_int_equal(fake_task_pwrite(w.ft, limit, "two", 3, 0), -EINVAL);
	assert_int_equal(fake_task_pwrite(w.ft, limit, "2", 1, 0), 1);
	assert_true(fake_task_ioctl(w.ft, w.udmabuf, UDMABUF_CREATE, &c) >= 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_buffer_is_zeroed_system_memory),
		TEST(what_fails_takes_no_fd),
		TEST(a_mapping_keeps_the_buffer),
		TEST(a_private_mapping_stays_in_one_chunk),
		TEST(pieces_of_one_memfd_are_one_region),
		TEST(a_bad_item_undoes_the_good_ones),
		TEST(limits_can_be_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
