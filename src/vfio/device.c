/* SPDX-License-Identifier: BSD-3-Clause */
/* A VFIO device from its registration to its end: the node, what sysfs says, and the state that a binding makes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "vfio/vfio_priv.h"

/* What alloc_chrdev_region() hands out on Linux; programs read it from the `dev` attribute. */
#define VFIO_DEVICE_MAJOR 246

static const struct lock_class device_class = {.name = "VFIO device", .rank = LOCK_RANK_VFIO_DEVICE};
static const struct lock_class memory_class = {.name = "VFIO memory", .rank = LOCK_RANK_VFIO_MEMORY};
static const struct lock_class ioeventfd_class = {.name = "VFIO ioeventfds", .rank = LOCK_RANK_VFIO_IRQ};

struct vfio_device *vfio_device_get(struct vfio_device *v)
{
	atomic_fetch_add(&v->refs, 1);
	return v;
}

void vfio_device_put(struct vfio_device *v)
{
	if (atomic_fetch_sub(&v->refs, 1) != 1)
		return;
	mutex_fini(&v->ioeventfd_lock);
	rwlock_fini(&v->memory_lock);
	mutex_fini(&v->lock);
	free(v->syspath);
	free(v);
}

int vfio_device_enable(struct vfio_device *v)
{
	int err;

	mutex_assert_held(&v->lock);
	err = pci_function_open(v->fn);
	if (err)
		return refuse(v->trace, err, "VFIO_DEVICE_BIND_IOMMUFD: %s cannot be opened", v->fn->name);
	vfio_config_init(v);
	vfio_irqs_init(v);
	trace_count(v->trace, "vfio_device (bound)", 1);
	return 0;
}

void vfio_device_disable(struct vfio_device *v)
{
	mutex_assert_held(&v->lock);
	vfio_ioeventfds_fini(v);
	vfio_irqs_fini(v);
	vfio_power_fini(v);
	pci_function_close(v->fn);
	vfio_config_fini(v);
	trace_count(v->trace, "vfio_device (bound)", -1);
}

static int device_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	struct vfio_device *v = priv;
	struct vfio_open *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	*out = file_create(&vfio_file_ops, o, open_flags);
	if (!*out) {
		free(o);
		return -ENOMEM;
	}
	o->v = vfio_device_get(v);
	atomic_fetch_add(&v->nr_opens, 1);
	return 0;
}

/* "../" for each directory between dir and /sys, then rest. */
static void link_up(struct ns_node *dir, const char *rest, char *buf, size_t len)
{
	char path[512];
	size_t used = 0;

	buf[0] = '\0';
	if (ns_path(dir, path, sizeof(path)) < 0)
		return;
	for (const char *p = strchr(path + 1, '/'); p && used + 4 < len; p = strchr(p + 1, '/'))
		used += (size_t)snprintf(buf + used, len - used, "../");
	snprintf(buf + used, len - used, "%s", rest);
}

/* /sys/devices/.../vfio-dev/vfioN */
static bool add_sysfs(struct vfio_device *v, struct ns_node *function_dir, const char *name)
{
	char text[512];
	struct ns_node *dir;

	v->sysfs_dir = ns_directory(v->ns, function_dir, "vfio-dev", false);
	dir = v->sysfs_dir ? ns_directory(v->ns, v->sysfs_dir, name, false) : NULL;
	if (!dir)
		return false;
	snprintf(text, sizeof(text), "%u:%u\n", VFIO_DEVICE_MAJOR, v->index);
	if (!ns_text(v->ns, dir, "dev", text))
		return false;
	snprintf(text, sizeof(text), "../../../%s", v->fn->name);
	if (!ns_link(v->ns, dir, "device", text))
		return false;
	link_up(dir, "class/vfio-dev", text, sizeof(text));
	if (!ns_link(v->ns, dir, "subsystem", text))
		return false;
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=vfio/devices/%s\n", VFIO_DEVICE_MAJOR, v->index,
		 name);
	return ns_text(v->ns, dir, "uevent", text);
}

static bool add_class(struct vfio_device *v, const char *name)
{
	struct ns_node *class = ns_make_path(v->ns, "/sys/class/vfio-dev", false);
	char target[512];

	/* syspath begins with /sys/. */
	snprintf(target, sizeof(target), "../../%s/vfio-dev/%s", v->syspath + strlen("/sys/"), name);
	v->class_link = class ? ns_link(v->ns, class, name, target) : NULL;
	return v->class_link;
}

static bool add_node(struct vfio_device *v, const char *name)
{
	struct ns_node *dir = ns_make_path(v->ns, "/dev/vfio/devices", false);

	v->node = dir ? ns_device(v->ns, dir, name, 0600, makedev(VFIO_DEVICE_MAJOR, v->index), device_open, v) : NULL;
	return v->node;
}

static void remove_nodes(struct vfio_device *v)
{
	if (v->node)
		ns_remove(v->ns, v->node);
	if (v->class_link)
		ns_remove(v->ns, v->class_link);
	if (v->sysfs_dir)
		ns_remove(v->ns, v->sysfs_dir);
}

int vfio_device_register(struct ns *ns, struct ns_node *sysfs_dir, struct pci_function *fn, unsigned index,
			 struct trace *trace, struct dma_buf_registry *dma_bufs, struct vfio_device **out)
{
	struct vfio_device *v = calloc(1, sizeof(*v));
	char name[32], path[512];

	if (!v || ns_path(sysfs_dir, path, sizeof(path)) < 0) {
		free(v);
		return -ENOMEM;
	}
	v->fn = fn;
	v->trace = trace;
	v->dma_bufs = dma_bufs;
	v->index = index;
	v->ns = ns;
	atomic_init(&v->refs, 1);
	mutex_init(&v->lock, &device_class);
	rwlock_init(&v->memory_lock, &memory_class);
	mutex_init(&v->ioeventfd_lock, &ioeventfd_class);
	list_init(&v->ioeventfds);
	v->syspath = strdup(path);
	snprintf(name, sizeof(name), "vfio%u", index);
	/* The node last: nobody opens a device that is half there. */
	if (!v->syspath || !add_sysfs(v, sysfs_dir, name) || !add_class(v, name) || !add_node(v, name)) {
		remove_nodes(v);
		vfio_device_put(v);
		return -ENOMEM;
	}
	*out = v;
	return 0;
}

/* Whoever has the device open may listen on its request interrupt. */
static void ask_to_close(struct vfio_device *v)
{
	mutex_lock(&v->lock);
	if (v->owner && v->owner->bound) {
		spin_lock_irq(&v->irqs.trigger_lock);
		vfio_trigger_signal(&v->irqs.request);
		spin_unlock_irq(&v->irqs.trigger_lock);
	}
	mutex_unlock(&v->lock);
}

/* As on Linux it takes as long as it takes, and the request is repeated every ten seconds. */
static void wait_until_closed(struct vfio_device *v)
{
	const struct timespec tick = {.tv_nsec = 2000000};

	for (unsigned ticks = 0; atomic_load(&v->nr_opens) > 0; ticks++) {
		if (ticks % 5000 == 0)
			ask_to_close(v);
		nanosleep(&tick, NULL);
	}
}

void vfio_device_unregister(struct vfio_device *v)
{
	lock_check_none_held("vfio_device_unregister");
	remove_nodes(v);
	wait_until_closed(v);
	vfio_device_put(v);
}
