/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program that has a GPU's virtual functions through VFIO, and the GPU itself through its render node: it writes to a
 * window, exports it as a dma-buf, imports that into the GPU and has it read the memory. With `next` as argument the
 * GPU must know the memory as its own; else it comes as a scatterlist.
 */
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <signal.h>

#include "gpu_vf.h"

#define VF "0000:03:00.1"
#define CARD "0000:05:00.0"
#define WINDOW (16 * MIB)
#define SEAM (8 * MIB)

static bool next;
static sigjmp_buf fault;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(fault, 1);
}

/* The byte there, or -1: SIGBUS. */
static int peek(const volatile unsigned char *p)
{
	return sigsetjmp(fault, 1) ? -1 : *p;
}

static long import_pinned(int gpu, int buffer)
{
	struct drm_sgpu_bo_import args = {.fd = buffer, .flags = DRM_SGPU_BO_PINNED};
	long ret = io(gpu, DRM_IOCTL_SGPU_BO_IMPORT, &args);

	return ret < 0 ? ret : args.handle;
}

/* What the GPU finds in it: 0 and the bytes in a buffer of the GPU's, or how the job ended. */
static int gpu_read(int gpu, uint32_t queue, uint32_t handle, void *bytes, uint64_t len)
{
	uint32_t back = (uint32_t)gpu_bo(gpu, len, 0);
	long fence = gpu_submit(gpu, queue, gpu_copy(back, handle, len), -1);
	int status = fence < 0 ? (int)fence : fence_end(fence);
	unsigned char *p = gpu_map(gpu, back, len);

	memcpy(bytes, p, len);
	munmap(p, len);
	CHECK(!gpu_close_handle(gpu, back));
	return status == 1 ? 0 : status;
}

static void fill_random(unsigned char *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)rand_r(&seed);
}

/* Pieces in any order, one of them across the place where the slice's two halves meet. */
static void both_see_the_same(int gpu, uint32_t queue, int vf)
{
	static const struct vfio_region_dma_range ranges[] = {
		{WINDOW - 64 * KIB, 64 * KIB}, {SEAM - 4 * KIB, 8 * KIB}, {4 * KIB, 4 * KIB}, {0, 4 * KIB}};
	static unsigned char wanted[80 * KIB], got[80 * KIB];
	unsigned char *window = map_window(vf, WINDOW), *at = wanted;
	int buffer = export(vf, 4, ranges);
	uint32_t handle = import(gpu, buffer);
	struct drm_sgpu_bo_info info = info_of(gpu, handle);

	CHECK(info.size == sizeof(wanted) && info.flags & DRM_SGPU_BO_IMPORTED);
	CHECK(!strcmp(info.mapping_type, next ? "IOV" : "scatterlist"));
	CHECK(!(info.flags & DRM_SGPU_BO_INTERCONNECT) == !next);
	CHECK(info.nr_entries == (next ? 5 : 1));
	fill_random(wanted, sizeof(wanted), 1);
	for (int i = 0; i < 4; at += ranges[i++].length)
		memcpy(window + ranges[i].offset, at, ranges[i].length);
	CHECK(!gpu_read(gpu, queue, handle, got, sizeof(got)));
	CHECK(!memcmp(wanted, got, sizeof(got)));
	/* And the other way round: around the seam. */
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(handle, 64 * KIB + 100, 8 * KIB - 200, 0x77), -1)) == 1);
	CHECK(window[SEAM - 4 * KIB + 100] == 0x77 && window[SEAM + 4 * KIB - 101] == 0x77);
	CHECK(window[SEAM - 4 * KIB + 99] == wanted[64 * KIB + 99] && window[4 * KIB] == wanted[72 * KIB]);
	CHECK(!gpu_close_handle(gpu, handle));
	close(buffer);
	munmap(window, WINDOW);
}

/* Whoever asks again has it back; whoever pinned it has lost it. */
static void a_reset_while_imported(int gpu, uint32_t queue, int vf)
{
	int buffer = export_one(vf, 0, 64 * KIB), other = gpu_open();
	uint32_t handle = import(gpu, buffer), other_queue = (uint32_t)gpu_queue(other, NORMAL);
	long pinned = import_pinned(other, buffer);
	static unsigned char got[64 * KIB];
	unsigned char *window = map_window(vf, 64 * KIB);

	CHECK(pinned > 0 && info_of(other, (uint32_t)pinned).flags & DRM_SGPU_BO_PINNED);
	CHECK(!gpu_read(other, other_queue, (uint32_t)pinned, got, sizeof(got)));
	window[5] = 55;
	CHECK(!ioctl(vf, VFIO_DEVICE_RESET));
	CHECK(info_of(gpu, handle).nr_entries == 0 && !(info_of(gpu, handle).flags & DRM_SGPU_BO_REVOKED));
	CHECK(!gpu_read(gpu, queue, handle, got, sizeof(got)) && got[5] == 55);
	CHECK(info_of(gpu, handle).nr_entries == 1);
	CHECK(info_of(other, (uint32_t)pinned).flags & DRM_SGPU_BO_REVOKED);
	CHECK(gpu_read(other, other_queue, (uint32_t)pinned, got, sizeof(got)) == -ENODEV);
	CHECK(!gpu_close_handle(gpu, handle));
	close(other);
	close(buffer);
	munmap(window, 64 * KIB);
}

/* The GPU's driver gives the function another slice: what was shared of the old one is gone for all. */
static void a_slice_that_goes(int gpu, uint32_t queue, int vf)
{
	unsigned char *window = map_window(vf, 64 * KIB);
	int buffer = export_one(vf, 0, 64 * KIB);
	uint32_t handle = import(gpu, buffer);
	static unsigned char got[64 * KIB];
	long beyond;

	window[7] = 77;
	CHECK(!gpu_read(gpu, queue, handle, got, sizeof(got)) && got[7] == 77);
	CHECK(write_text(PF "sriov_admin/vf0/slice", "4096") == EINVAL);
	CHECK(!write_text(PF "sriov_admin/vf0/slice", "131072"));
	CHECK(peek(window + 7) == -1);
	CHECK(info_of(gpu, handle).flags & DRM_SGPU_BO_REVOKED);
	CHECK(gpu_read(gpu, queue, handle, got, sizeof(got)) == -ENODEV);
	CHECK(gpu_import(gpu, buffer) == handle && !gpu_close_handle(gpu, handle));
	CHECK(gpu_import(gpu, buffer) == -ENODEV);
	close(buffer);
	munmap(window, 64 * KIB);

	/* Behind its end there is nothing that the function may share. */
	buffer = export_one(vf, 64 * KIB, 128 * KIB);
	beyond = gpu_import(gpu, buffer);
	CHECK(next ? beyond == -EACCES : beyond > 0);
	if (!next)
		CHECK(gpu_read(gpu, queue, (uint32_t)beyond, got, sizeof(got)) == 0 && !gpu_close_handle(gpu, beyond));
	close(buffer);
	CHECK(!write_text(PF "sriov_admin/vf0/slice", "0x1000000"));
}

/* A reset of the GPU takes all slices, and its driver gives them back. */
static void a_reset_of_the_gpu(int gpu, uint32_t queue, int vf)
{
	int buffer = export_one(vf, 0, 64 * KIB);
	uint32_t handle = import(gpu, buffer), own = (uint32_t)gpu_bo(gpu, 64 * KIB, DRM_SGPU_BO_LOCAL);
	static unsigned char got[64 * KIB];
	unsigned char *p = gpu_map(gpu, own, 64 * KIB);

	p[0] = 9;
	CHECK(!write_text(PF "reset", "1"));
	CHECK(info_of(gpu, handle).flags & DRM_SGPU_BO_REVOKED && !gpu_close_handle(gpu, handle));
	close(buffer);
	CHECK(peek(p) == 9 && !gpu_read(gpu, queue, own, got, sizeof(got)) && got[0] == 9);
	buffer = export_one(vf, 0, 64 * KIB);
	handle = import(gpu, buffer);
	CHECK(!gpu_read(gpu, queue, handle, got, sizeof(got)));
	CHECK(!gpu_close_handle(gpu, handle) && !gpu_close_handle(gpu, own));
	close(buffer);
	munmap(p, 64 * KIB);
}

static void import_and_compare(int gpu, uint32_t queue, int buffer, const unsigned char *wanted, size_t len)
{
	unsigned char *got = malloc(len);
	uint32_t handle = import(gpu, buffer);

	CHECK(!strcmp(info_of(gpu, handle).mapping_type, "scatterlist"));
	CHECK(!gpu_read(gpu, queue, handle, got, len) && !memcmp(wanted, got, len));
	CHECK(!gpu_close_handle(gpu, handle));
	close(buffer);
	free(got);
}

/* Memory of the machine, of the program, of another card. */
static void memory_of_others(int gpu, uint32_t queue, int iommufd)
{
	const size_t len = 128 * KIB;
	struct dma_heap_allocation_data alloc = {.len = len, .fd_flags = O_RDWR | O_CLOEXEC};
	int heap = open("/dev/dma_heap/system", O_RDWR), memfd = memfd_create("frame", MFD_ALLOW_SEALING);
	int udmabuf = open("/dev/udmabuf", O_RDWR), card = open_device(CARD, iommufd);
	struct udmabuf_create create = {.memfd = (uint32_t)memfd, .offset = 4 * KIB, .size = len};
	unsigned char *p;

	CHECK(heap >= 0 && !ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &alloc));
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, (int)alloc.fd, 0);
	fill_random(p, len, 2);
	import_and_compare(gpu, queue, (int)alloc.fd, p, len);
	munmap(p, len);

	CHECK(!ftruncate(memfd, (off_t)(len + 8 * KIB)) && !fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 4 * KIB);
	fill_random(p, len, 3);
	import_and_compare(gpu, queue, ioctl(udmabuf, UDMABUF_CREATE, &create), p, len);
	munmap(p, len);

	p = map_window(card, len);
	fill_random(p, len, 4);
	import_and_compare(gpu, queue, export_one(card, 0, len), p, len);
	munmap(p, len);
	close(card);
	close(heap);
	close(udmabuf);
	close(memfd);
}

int main(int argc, char **argv)
{
	int iommufd = open("/dev/iommu", O_RDWR), gpu = gpu_open(), vf, buffer;
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL), handle;
	struct drm_sgpu_info info;

	next = argc > 1 && !strcmp(argv[1], "next");
	signal(SIGBUS, on_sigbus);
	CHECK(!write_text(PF "sriov_numvfs", "2"));
	CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info) && info.enabled_vfs == 2);
	CHECK(info.local_free == info.local_size - 2 * WINDOW);
	vf = open_device(VF, iommufd);
	both_see_the_same(gpu, queue, vf);
	a_reset_while_imported(gpu, queue, vf);
	a_slice_that_goes(gpu, queue, vf);
	a_reset_of_the_gpu(gpu, queue, vf);
	memory_of_others(gpu, queue, iommufd);

	buffer = export_one(vf, 0, 64 * KIB);
	handle = import(gpu, buffer);
	close(vf);
	CHECK(info_of(gpu, handle).flags & DRM_SGPU_BO_REVOKED);
	CHECK(!write_text(PF "sriov_numvfs", "0"));
	CHECK(gpu_submit(gpu, queue, gpu_fill(handle, 0, 1, 1), -1) == -ENODEV);
	close(buffer);
	close(gpu);
	puts("gpu_import_vf: ok");
	return 0;
}
