/* SPDX-License-Identifier: BSD-3-Clause */
/* A program that lets a gpu copy: buffers in system and in local memory, queues, fences between jobs, hangs. */
#include "gpu.h"

#define SIZE ((size_t)1 << 20)
#define CHECK(c)                                                                                                       \
	do {                                                                                                           \
		if (!(c)) {                                                                                            \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #c, errno);                              \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static bool all_are(const unsigned char *p, size_t len, unsigned char byte)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void what_it_says(int gpu)
{
	struct drm_sgpu_info info = {0};
	char name[16] = "", desc[4] = "";
	struct drm_version version = {.name_len = sizeof(name), .name = name, .desc_len = 3, .desc = desc};
	struct drm_get_cap cap = {.capability = DRM_CAP_PRIME};

	CHECK(!io(gpu, DRM_IOCTL_VERSION, &version));
	CHECK(!strcmp(name, "sgpu") && version.name_len == 4 && !strcmp(desc, "GPU") && version.desc_len > 3);
	CHECK(!io(gpu, DRM_IOCTL_GET_CAP, &cap) && cap.value == (DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT));
	CHECK(!io(gpu, DRM_IOCTL_SGPU_INFO, &info));
	CHECK(info.local_size == 256 << 20 && info.local_free == info.local_size && info.total_vfs == 4);
}

static void fills_and_copies(int gpu, uint32_t queue)
{
	uint32_t system = (uint32_t)gpu_bo(gpu, SIZE, 0), local = (uint32_t)gpu_bo(gpu, SIZE, DRM_SGPU_BO_LOCAL);
	uint32_t back = (uint32_t)gpu_bo(gpu, SIZE, 0);
	unsigned char *p = gpu_map(gpu, system, SIZE), *l = gpu_map(gpu, local, SIZE), *q = gpu_map(gpu, back, SIZE);

	CHECK(all_are(p, SIZE, 0) && all_are(l, SIZE, 0));
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(system, 0, SIZE, 0x5a), -1)) == 1);
	CHECK(all_are(p, SIZE, 0x5a));
	/* One after the other by the buffers alone. */
	CHECK(gpu_submit(gpu, queue, gpu_copy(local, system, SIZE), -1) >= 0);
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_copy(back, local, SIZE), -1)) == 1);
	CHECK(all_are(l, SIZE, 0x5a) && all_are(q, SIZE, 0x5a));
	CHECK(fence_end(gpu_submit(gpu, queue, gpu_fill(local, 4096, 1, 7), -1)) == 1);
	CHECK(l[4095] == 0x5a && l[4096] == 7 && l[4097] == 0x5a);
	munmap(p, SIZE);
	munmap(l, SIZE);
	munmap(q, SIZE);
	CHECK(!gpu_close_handle(gpu, system) && !gpu_close_handle(gpu, local) && !gpu_close_handle(gpu, back));
}

static void hangs(int gpu)
{
	uint32_t bad = (uint32_t)gpu_queue(gpu, HIGH), good = (uint32_t)gpu_queue(gpu, LOW);
	uint32_t bo = (uint32_t)gpu_bo(gpu, 4096, DRM_SGPU_BO_LOCAL);
	const struct drm_sgpu_op hang = {.op = DRM_SGPU_OP_HANG};
	long hung = gpu_submit(gpu, bad, hang, -1), behind = gpu_submit(gpu, bad, gpu_fill(bo, 0, 10, 1), -1);
	long other = gpu_submit(gpu, good, gpu_fill(bo, 100, 10, 2), -1);
	unsigned char *p = gpu_map(gpu, bo, 4096);

	CHECK(!fence_status((int)hung) && !fence_status((int)other));
	CHECK(fence_end(hung) == -ETIME);
	CHECK(fence_end(behind) == -ECANCELED);
	CHECK(fence_end(other) == 1);
	CHECK(p[0] == 0 && p[100] == 2);
	CHECK(gpu_submit(gpu, bad, gpu_fill(bo, 0, 10, 1), -1) == -ECANCELED);
	CHECK(!gpu_queue_destroy(gpu, bad) && !gpu_queue_destroy(gpu, good));
	munmap(p, 4096);
	CHECK(!gpu_close_handle(gpu, bo));
}

int main(void)
{
	int gpu = gpu_open();
	uint32_t queue = (uint32_t)gpu_queue(gpu, NORMAL);

	what_it_says(gpu);
	fills_and_copies(gpu, queue);
	hangs(gpu);
	CHECK(!gpu_queue_destroy(gpu, queue));
	close(gpu);
	printf("done\n");
	return 0;
}
