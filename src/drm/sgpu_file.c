/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The render node. Its ioctls follow DRM's rules: the number alone says which one it is; the size and the direction in
 * the command are the program's and say how much is copied in and out. What the program's structure lacks is zero, what
 * it has beyond the driver's is ignored.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drm/drm_syncobj.h"

static const struct lock_class file_lock_class = {.name = "handles of a render node", .rank = LOCK_RANK_LEAF};

int sgpu_call_copy_out(struct sgpu_call *c)
{
	c->copied_out = true;
	return c->out_len && copy_to_task(c->task, c->arg, c->data, c->out_len) ? -EFAULT : 0;
}

/* --- what every driver of DRM answers --- */

/* As much as there is room for, without a NUL; the length of the whole. */
static int text_copy(struct task *t, char *to, __kernel_size_t *len, const char *text)
{
	size_t room = *len;

	*len = strlen(text);
	if (!to || !room)
		return 0;
	return copy_to_task(t, (uaddr_t)(uintptr_t)to, text, MIN(room, *len));
}

static int version_ioctl(struct sgpu_call *c)
{
	struct drm_version *v = c->data;
	int err;

	v->version_major = 1;
	v->version_minor = 0;
	v->version_patchlevel = 0;
	err = text_copy(c->task, v->name, &v->name_len, "sgpu");
	if (!err)
		err = text_copy(c->task, v->date, &v->date_len, "0");
	if (!err)
		err = text_copy(c->task, v->desc, &v->desc_len, "GPU with local memory and virtual functions");
	return err;
}

static int get_cap_ioctl(struct sgpu_call *c)
{
	struct drm_get_cap *cap = c->data;

	cap->value = 0;
	switch (cap->capability) {
	case DRM_CAP_PRIME:
		cap->value = DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT;
		return 0;
	case DRM_CAP_TIMESTAMP_MONOTONIC:
	case DRM_CAP_SYNCOBJ:
		cap->value = 1;
		return 0;
	case DRM_CAP_SYNCOBJ_TIMELINE:
		return 0;
	default:
		return -EOPNOTSUPP; /* of a driver without displays */
	}
}

static int not_here_ioctl(struct sgpu_call *c)
{
	return -EACCES;
}

static int no_timelines_ioctl(struct sgpu_call *c)
{
	return -EOPNOTSUPP;
}

static int info_ioctl(struct sgpu_call *c)
{
	struct drm_sgpu_info *info = c->data;
	struct sgpu *gpu = c->file->gpu;

	*info = (struct drm_sgpu_info){
		.local_size = gpu->local_size,
		.local_free = sgpu_local_nr_free(gpu),
		.total_vfs = pci_sriov_total(gpu->fn),
		.enabled_vfs = pci_sriov_enabled(gpu->fn),
	};
	return 0;
}

/* --- dispatch --- */

static const struct sgpu_row {
	unsigned cmd;
	int (*handle)(struct sgpu_call *c);
} rows[] = {
	{DRM_IOCTL_VERSION, version_ioctl},
	{DRM_IOCTL_GET_CAP, get_cap_ioctl},
	{DRM_IOCTL_GEM_CLOSE, sgpu_gem_close_ioctl},
	{DRM_IOCTL_PRIME_HANDLE_TO_FD, sgpu_prime_handle_to_fd_ioctl},
	{DRM_IOCTL_PRIME_FD_TO_HANDLE, sgpu_prime_fd_to_handle_ioctl},
	{DRM_IOCTL_SYNCOBJ_CREATE, drm_syncobj_create_ioctl},
	{DRM_IOCTL_SYNCOBJ_DESTROY, drm_syncobj_destroy_ioctl},
	{DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, drm_syncobj_handle_to_fd_ioctl},
	{DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, drm_syncobj_fd_to_handle_ioctl},
	{DRM_IOCTL_SYNCOBJ_WAIT, drm_syncobj_wait_ioctl},
	{DRM_IOCTL_SYNCOBJ_RESET, drm_syncobj_reset_ioctl},
	{DRM_IOCTL_SYNCOBJ_SIGNAL, drm_syncobj_signal_ioctl},
	{DRM_IOCTL_SGPU_INFO, info_ioctl},
	{DRM_IOCTL_SGPU_BO_CREATE, sgpu_bo_create_ioctl},
	{DRM_IOCTL_SGPU_BO_INFO, sgpu_bo_info_ioctl},
	{DRM_IOCTL_SGPU_BO_MMAP, sgpu_bo_mmap_ioctl},
	{DRM_IOCTL_SGPU_BO_IMPORT, sgpu_bo_import_ioctl},
	{DRM_IOCTL_SGPU_QUEUE_CREATE, sgpu_queue_create_ioctl},
	{DRM_IOCTL_SGPU_QUEUE_DESTROY, sgpu_queue_destroy_ioctl},
	{DRM_IOCTL_SGPU_SUBMIT, sgpu_submit_ioctl},
};

/* Those of DRM's own that concern the owner of a display, or names that anyone can guess: no render node has them. */
static bool is_for_primary_nodes(unsigned nr)
{
	static const uint8_t numbers[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0a, 0x0b, 0x0d,
					  0x10, 0x11, 0x1e, 0x1f, 0x3a, 0xa0, 0xa1, 0xa2, 0xa6, 0xa7};

	return memchr(numbers, (int)nr, sizeof(numbers)) != NULL;
}

/* Sync objects with points: wait, query, transfer, signal, eventfd. */
static bool is_for_timelines(unsigned nr)
{
	return (nr >= 0xca && nr <= 0xcd) || nr == 0xcf;
}

static const struct sgpu_row *row_find(unsigned nr)
{
	static const struct sgpu_row not_here = {.handle = not_here_ioctl},
				     no_timelines = {.handle = no_timelines_ioctl};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (_IOC_NR(rows[i].cmd) == nr)
			return &rows[i];
	if (is_for_timelines(nr))
		return &no_timelines;
	return is_for_primary_nodes(nr) ? &not_here : NULL;
}

static long dispatch(struct sgpu_file *sf, struct task *t, const struct sgpu_row *row, unsigned cmd, uaddr_t arg,
		     void *data)
{
	unsigned both = cmd & row->cmd & (_IOC_WRITE | _IOC_READ) << _IOC_DIRSHIFT;
	size_t in_len = both & _IOC_WRITE << _IOC_DIRSHIFT ? _IOC_SIZE(cmd) : 0;
	struct sgpu_call c = {
		.file = sf,
		.task = t,
		.data = data,
		.arg = arg,
		.out_len = both & _IOC_READ << _IOC_DIRSHIFT ? _IOC_SIZE(cmd) : 0,
	};
	long rc;

	if (in_len && copy_from_task(t, data, arg, in_len))
		return -EFAULT;
	rc = row->handle(&c);
	if (!c.copied_out && sgpu_call_copy_out(&c))
		rc = -EFAULT;
	return rc;
}

static long sgpu_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	enum { ON_STACK = 128 };
	struct sgpu_file *sf = f->priv;
	const struct sgpu_row *row;
	char small[ON_STACK] __attribute__((aligned(8))) = "";
	size_t len;
	void *data;
	long rc;

	lock_check_none_held(__func__);
	if (atomic_load(&sf->gpu->unplugged))
		return -ENODEV;
	if (_IOC_TYPE(cmd) != DRM_IOCTL_BASE)
		return -ENOTTY;
	row = row_find(_IOC_NR(cmd));
	if (!row)
		return -EINVAL;
	len = MAX(_IOC_SIZE(cmd), _IOC_SIZE(row->cmd));
	data = len > ON_STACK ? calloc(1, len) : small;
	if (!data)
		return -ENOMEM;
	rc = dispatch(sf, t, row, (unsigned)cmd, arg, data);
	if (data != small)
		free(data);
	return rc;
}

/* --- the file --- */

static int64_t sgpu_mmap(struct file *f, struct task *t, const struct mmap_request *req)
{
	return sgpu_handle_mmap(f->priv, t, req);
}

/* There are no events to read, and no position. */
static int64_t sgpu_lseek(struct file *f, int64_t offset, int whence)
{
	return 0;
}

static int sgpu_show_fdinfo(struct file *f, char *buf, size_t len)
{
	struct sgpu_file *sf = f->priv;

	return snprintf(buf, len, "drm-driver:\tsgpu\ndrm-client-id:\t%llu\ndrm-pdev:\t%s\n",
			(unsigned long long)sf->client, sf->gpu->fn->name);
}

static void sgpu_file_release(struct file *f)
{
	struct sgpu_file *sf = f->priv;
	struct sgpu *gpu = sf->gpu;

	sgpu_queues_close(sf);
	sgpu_handles_close(sf);
	drm_syncobjs_close(sf);
	ids_fini(&sf->handles);
	ids_fini(&sf->queues);
	ids_fini(&sf->syncobjs);
	mutex_fini(&sf->lock);
	free(sf);
	trace_count(gpu->trace, "sgpu_file", -1);
	sgpu_put(gpu);
}

static const struct file_ops sgpu_file_ops = {
	.name = "/dev/dri/renderD128",
	.ioctl = sgpu_ioctl,
	.mmap = sgpu_mmap,
	.lseek = sgpu_lseek,
	.show_fdinfo = sgpu_show_fdinfo,
	.release = sgpu_file_release,
};

int sgpu_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	struct sgpu *gpu = priv;
	struct sgpu_file *sf;
	struct file *f;

	if (atomic_load(&gpu->unplugged))
		return -ENODEV;
	sf = calloc(1, sizeof(*sf));
	f = sf ? file_create(&sgpu_file_ops, sf, open_flags) : NULL;
	if (!f) {
		free(sf);
		return -ENOMEM;
	}
	sf->gpu = gpu;
	sf->client = atomic_fetch_add(&gpu->nr_clients, 1) + 1;
	mutex_init(&sf->lock, &file_lock_class);
	ids_init(&sf->handles, 1);
	ids_init(&sf->queues, 1);
	ids_init(&sf->syncobjs, 1);
	sgpu_get(gpu);
	trace_count(gpu->trace, "sgpu_file", 1);
	f->carrier = CARRIER_POLL;
	file_set_ready(f, 0);
	*out = f;
	return 0;
}
