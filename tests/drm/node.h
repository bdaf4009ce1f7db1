/* SPDX-License-Identifier: BSD-3-Clause */
/* A machine with a gpu, and a program that has its render node open. */
#ifndef TESTS_DRM_NODE_H
#define TESTS_DRM_NODE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <drm/sgpu_drm.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "../machine/paths.h"

#define GPU_NAME "0000:03:00.0"
#define GPU_SYSFS "/sys/bus/pci/devices/" GPU_NAME "/"
#define RENDER_NODE "/dev/dri/renderD128"

/* In any thread; cmocka's own are for that of the test. */
#define CHECK(c)                                                                                                       \
	do {                                                                                                           \
		if (!(c)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);                                        \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

struct node {
	struct fixture *fx;
	struct fake_task *ft;
	int fd;
	int64_t fences; /* before */
};

/* For cmocka: no fence, job or fd is left when the machine has gone. */
int node_set_up(void **state);
int node_tear_down(void **state);
/* The same for a rack and an override of one's own. */
struct node *node_create(const char *rack, const char *override);
void node_destroy(struct node *n);
struct pci_function *node_function(struct node *n, const char *name);

long node_ioctl(struct node *n, unsigned long cmd, void *arg);
uint32_t node_bo(struct node *n, uint64_t size, uint32_t flags);
uint32_t node_queue(struct node *n, uint32_t priority);
/* The first bytes of a buffer, as the CPU sees them. A multiple of pages. */
unsigned char *node_map(struct node *n, uint32_t handle, size_t size);
void node_unmap(struct node *n, void *at);
int node_export(struct node *n, uint32_t handle);

struct drm_sgpu_op op_fill(uint32_t target, uint64_t offset, uint64_t length, unsigned char byte);
struct drm_sgpu_op op_copy(uint32_t target, uint32_t source, uint64_t length);
struct drm_sgpu_op op_hang(void);
/* fence_in -1: none. The out-fence's fd or -errno. */
long node_submit(struct node *n, uint32_t queue, const struct drm_sgpu_op *ops, uint32_t nr, int fence_in,
		 uint32_t flags);
long node_submit_one(struct node *n, uint32_t queue, struct drm_sgpu_op op, int fence_in);

/* A timeline that the test moves. */
int node_timeline(struct node *n);
int node_timeline_fence(struct node *n, int timeline, uint32_t value);
void node_timeline_move(struct node *n, int timeline, uint32_t by);

int node_fence_status(struct node *n, int fd); /* 1, 0 pending, -errno */
/* Waits, closes it, and says how it ended. */
int node_fence_end(struct node *n, long fd);
void node_close(struct node *n, int fd);

#endif
