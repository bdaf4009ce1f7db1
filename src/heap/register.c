/* SPDX-License-Identifier: BSD-3-Clause */
/* The device files, and udmabuf's two parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "heap/heap_priv.h"

const struct heap_device heap_devices[] = {
	[HEAP_SYSTEM] = {"dma_heap", "system", "dma_heap/system", 254, 0},
	[HEAP_CMA] = {"dma_heap", "default_cma_region", "dma_heap/default_cma_region", 254, 1},
	[HEAP_UDMABUF] = {"misc", "udmabuf", "udmabuf", 10, 258},
};
const unsigned heap_nr_devices = ARRAY_SIZE(heap_devices);

/* As Linux 7.3 has them at boot. */
enum { LIST_LIMIT = 1024, SIZE_LIMIT_MB = INT32_MAX };

static ssize_t limit_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	return snprintf(buf, capacity, "%d\n", atomic_load((atomic_int *)priv));
}

static ssize_t limit_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	char text[16] = "", *end;
	long value;

	memcpy(text, buf, MIN(len, sizeof(text) - 1));
	errno = 0;
	value = strtol(text, &end, 0);
	if (errno || end == text || (*end && *end != '\n') || value < INT32_MIN || value > INT32_MAX)
		return -EINVAL;
	atomic_store((atomic_int *)priv, (int)value);
	return (ssize_t)len;
}

static const struct ns_attribute_ops limit_ops = {.show = limit_show, .store = limit_store};

static bool add_parameters(struct ns *ns, struct heap_system *system)
{
	struct ns_node *dir = ns_make_path(ns, "/sys/module/udmabuf/parameters", false);

	return dir && ns_attribute(ns, dir, "list_limit", 0644, &limit_ops, &system->list_limit) &&
	       ns_attribute(ns, dir, "size_limit_mb", 0644, &limit_ops, &system->size_limit_mb);
}

static bool add_device(struct ns *ns, struct heap_system *system, unsigned device)
{
	const struct heap_device *d = &heap_devices[device];
	bool is_heap = device != HEAP_UDMABUF;
	struct ns_node *dir = ns_make_path(ns, is_heap ? "/dev/dma_heap" : "/dev", !is_heap);

	return dir && ns_device(ns, dir, d->name, 0600, makedev(d->major, d->minor), is_heap ? heap_open : udmabuf_open,
				is_heap ? (void *)&system->heaps[device] : system);
}

int heap_register(struct ns *ns, struct phys_space *space, struct dma_buf_registry *registry, struct heap_system **out)
{
	struct heap_system *system = calloc(1, sizeof(*system));
	bool made;

	if (!system)
		return -ENOMEM;
	system->space = space;
	system->registry = registry;
	atomic_init(&system->list_limit, LIST_LIMIT);
	atomic_init(&system->size_limit_mb, SIZE_LIMIT_MB);
	for (unsigned i = 0; i < HEAP_NR_HEAPS; i++)
		system->heaps[i] = (struct heap){system, heap_exporter(i)};
	made = add_parameters(ns, system);
	for (unsigned i = 0; i < heap_nr_devices; i++)
		made = made && add_device(ns, system, i);
	if (!made) {
		free(system);
		return -ENOMEM;
	}
	*out = system;
	return 0;
}

void heap_unregister(struct heap_system *system)
{
	free(system);
}
