/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fence that does not signal holds up the reset of one card, in a thread. Meanwhile an engine copies to and from the
 * other card, that card is reset and mapped again, and standard error names who is waited for. When the fence signals
 * the reset comes back; a second one, of a program that ends instead, does not keep it from ending.
 */
#include <errno.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../examples/p2p-engine.h"
#define die die_at
#include "sw_sync.h"
#undef die

enum { BAR = 2, LEN = 1 << 20, ROUNDS = 20 };
#define CARD_IOVA 0x300000000ull

static struct function cards[2], engine_function;
static struct engine engine;
static int iommufd;
static uint32_t ioas;
static atomic_int done;

static void *reset(void *arg)
{
	int err = function_reset(arg);

	if (err)
		die("VFIO_DEVICE_RESET: %d", err);
	done = 1;
	return NULL;
}

static void stuck_in_reset(pthread_t *thread)
{
	if (pthread_create(thread, NULL, reset, &cards[0]))
		die("pthread_create");
	usleep(100000);
	if (done)
		die("the reset does not wait");
}

static uint64_t our_memory(void **memory, size_t len)
{
	int64_t iova;

	*memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	iova = *memory == MAP_FAILED ? -ENOMEM : ioas_map(iommufd, ioas, *memory, len);
	if (iova < 0)
		die("IOMMU_IOAS_MAP");
	return (uint64_t)iova;
}

static void copy(uint64_t to, uint64_t from)
{
	engine_describe(&engine, 0, to, from, LEN);
	engine_start(&engine, 0, 1, BY_WRITE_BACK, true);
	if (!engine_wait(&engine, 0, 1, BY_WRITE_BACK).ok)
		die("a copy failed");
}

/* The other card, all of it: copies, resets, mapping anew. */
static void go_on(int dmabuf)
{
	char *source, *target;
	uint64_t from = our_memory((void **)&source, LEN), to = our_memory((void **)&target, LEN);

	for (int round = 0; round < ROUNDS; round++) {
		int64_t iova = ioas_map_dmabuf(iommufd, ioas, dmabuf, 0, LEN, CARD_IOVA);

		if (iova < 0)
			die("IOMMU_IOAS_MAP_FILE: %lld", (long long)iova);
		memset(source, round + 1, LEN);
		copy(CARD_IOVA, from);
		copy(to, CARD_IOVA);
		if (memcmp(source, target, LEN))
			die("a byte was lost");
		if (function_reset(&cards[1]))
			die("the other card's reset");
		ioas_unmap(iommufd, ioas, CARD_IOVA, LEN);
	}
}

static void expect_said(int err_pipe, const char *text)
{
	static char said[4096];
	size_t len = strlen(said);
	ssize_t n;

	while (!strstr(said, text)) {
		n = read(err_pipe, said + len, sizeof(said) - 1 - len);
		if (n <= 0)
			die("standard error did not say \"%s\" but \"%s\"", text, said);
		len += (size_t)n;
	}
}

static int hold_up(int dmabuf, int timeline, uint32_t value)
{
	struct dma_buf_import_sync_file import = {.flags = DMA_BUF_SYNC_READ,
						  .fd = (int)timeline_fence(timeline, value)};

	return ioctl(dmabuf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &import);
}

static void set_up(void)
{
	void *ring;
	uint64_t iova;

	iommufd = iommufd_open();
	ioas = ioas_create(iommufd);
	if (function_find(0x1af4, 0x1110, 0x0500, cards, 2) < 2 ||
	    function_find(ENGINE_VENDOR, ENGINE_DEVICE, ENGINE_CLASS, &engine_function, 1) < 1)
		die("two cards and an engine are needed");
	function_open(&cards[0], iommufd, false);
	function_open(&cards[1], iommufd, false);
	function_open(&engine_function, iommufd, true);
	function_attach(&engine_function, ioas);
	iova = our_memory(&ring, 1 << 16);
	engine_init(&engine, &engine_function, ring, 1 << 16, iova);
}

int main(void)
{
	const struct range range = {0, LEN};
	int held, other, timeline, err_pipe[2], err = dup(STDERR_FILENO);
	pthread_t thread;

	prctl(PR_SET_NAME, "stuck");
	set_up();
	held = function_export(&cards[0], BAR, &range, 1);
	other = function_export(&cards[1], BAR, &range, 1);
	timeline = timeline_open();
	if (held < 0 || other < 0 || hold_up(held, timeline, 1) || ioctl(held, DMA_BUF_SET_NAME_B, "frame") ||
	    pipe(err_pipe))
		die("what is needed");

	dup2(err_pipe[1], STDERR_FILENO);
	stuck_in_reset(&thread);
	go_on(other);
	expect_said(err_pipe[0], cards[0].name);
	expect_said(err_pipe[0], " frame of 0x100000 bytes from vfio_pci_core has the fence stuck of sw_sync (");
	if (done)
		die("the reset came back too early");
	timeline_inc(timeline, 1);
	pthread_join(thread, NULL);
	expect_said(err_pipe[0], "the fence has signalled after ");
	dup2(err, STDERR_FILENO);

	done = 0;
	if (hold_up(held, timeline, 2))
		die("IMPORT_SYNC_FILE");
	stuck_in_reset(&thread);
	puts("a reset is waiting, and the program ends");
	return 0;
}
