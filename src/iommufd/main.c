/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /dev/iommu: its file and its dispatcher. Each ioctl is one row. The dispatcher does for all of them what the ABI
 * header promises, in Linux's order: the structure's size is read (EFAULT), the number must be known (ENOTTY), the size
 * must reach the fields that the first version had (EINVAL), what lies beyond the fields we know must be zero (E2BIG),
 * what the program left out is zero.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "file/task.h"
#include "iommufd/iommufd_priv.h"
#include "memory/phys.h"

enum row_status { ROW_COMPLETE, ROW_ABSENT_HARDWARE };

struct row {
	unsigned long cmd;
	const char *name;
	uint16_t size, min_size;
	bool answers; /* the structure is copied back on success */
	enum row_status status;
	iommufd_handler handler;
	int (*describe)(const void *arg, char *buf, size_t len); /* maps and unmaps, for the timeline */
};

union iommufd_arg {
	struct iommu_destroy destroy;
	struct iommu_ioas_map map;
	struct iommu_hwpt_alloc hwpt;
	struct iommu_hw_info info;
	struct iommu_hwpt_get_dirty_bitmap bitmap;
	struct iommu_viommu_alloc viommu;
	char bytes[64];
};

/* clang-format off */
#define ROW(name_, struct_, last_, answers_, status_, handler_, ...)                                                   \
	[_IOC_NR(name_) - IOMMUFD_CMD_BASE] = {                                                                        \
		.cmd = name_,                                                                                          \
		.name = #name_,                                                                                        \
		.size = sizeof(struct struct_),                                                                        \
		.min_size = offsetof(struct struct_, last_) + sizeof(((struct struct_ *)0)->last_),                    \
		.answers = answers_,                                                                                   \
		.status = ROW_##status_,                                                                               \
		.handler = handler_,                                                                                   \
		__VA_ARGS__                                                                                            \
	}

static const struct row rows[] = {
	ROW(IOMMU_DESTROY, iommu_destroy, id, false, COMPLETE, iommufd_destroy_ioctl),
	ROW(IOMMU_IOAS_ALLOC, iommu_ioas_alloc, out_ioas_id, true, COMPLETE, iommufd_ioas_alloc_ioctl),
	ROW(IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, allowed_iovas, false, COMPLETE, iommufd_ioas_allow_iovas_ioctl),
	ROW(IOMMU_IOAS_COPY, iommu_ioas_copy, src_iova, true, COMPLETE, iommufd_ioas_copy_ioctl,
	    .describe = iommufd_copy_describe),
	ROW(IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, out_iova_alignment, true, COMPLETE, iommufd_ioas_iova_ranges_ioctl),
	ROW(IOMMU_IOAS_MAP, iommu_ioas_map, iova, true, COMPLETE, iommufd_ioas_map_ioctl,
	    .describe = iommufd_map_describe),
	ROW(IOMMU_IOAS_UNMAP, iommu_ioas_unmap, length, true, COMPLETE, iommufd_ioas_unmap_ioctl,
	    .describe = iommufd_unmap_describe),
	ROW(IOMMU_OPTION, iommu_option, val64, true, COMPLETE, iommufd_option_ioctl),
	ROW(IOMMU_VFIO_IOAS, iommu_vfio_ioas, __reserved, true, COMPLETE, iommufd_vfio_ioas_ioctl),
	ROW(IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, __reserved, true, COMPLETE, iommufd_hwpt_alloc_ioctl),
	ROW(IOMMU_GET_HW_INFO, iommu_hw_info, __reserved, true, COMPLETE, iommufd_get_hw_info_ioctl),
	ROW(IOMMU_HWPT_SET_DIRTY_TRACKING, iommu_hwpt_set_dirty_tracking, __reserved, false, ABSENT_HARDWARE,
	    iommufd_hwpt_set_dirty_tracking_ioctl),
	ROW(IOMMU_HWPT_GET_DIRTY_BITMAP, iommu_hwpt_get_dirty_bitmap, data, false, ABSENT_HARDWARE,
	    iommufd_hwpt_get_dirty_bitmap_ioctl),
	ROW(IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, __reserved, false, ABSENT_HARDWARE,
	    iommufd_hwpt_invalidate_ioctl),
	ROW(IOMMU_IOAS_MAP_FILE, iommu_ioas_map_file, iova, true, COMPLETE, iommufd_ioas_map_file_ioctl,
	    .describe = iommufd_map_file_describe),
	ROW(IOMMU_VIOMMU_ALLOC, iommu_viommu_alloc, out_viommu_id, false, ABSENT_HARDWARE, iommufd_viommu_alloc_ioctl),
	ROW(IOMMU_VDEVICE_ALLOC, iommu_vdevice_alloc, virt_id, false, ABSENT_HARDWARE, iommufd_vdevice_alloc_ioctl),
	ROW(IOMMU_IOAS_CHANGE_PROCESS, iommu_ioas_change_process, __reserved, false, COMPLETE,
	    iommufd_ioas_change_process_ioctl),
	ROW(IOMMU_VEVENTQ_ALLOC, iommu_veventq_alloc, out_veventq_fd, false, ABSENT_HARDWARE, iommufd_veventq_alloc_ioctl),
	ROW(IOMMU_HW_QUEUE_ALLOC, iommu_hw_queue_alloc, length, false, ABSENT_HARDWARE, iommufd_hw_queue_alloc_ioctl),
	ROW(IOMMU_IOAS_NOIOMMU_GET_PA, iommu_ioas_noiommu_get_pa, out_phys, false, ABSENT_HARDWARE,
	    iommufd_ioas_noiommu_get_pa_ioctl),
};
/* clang-format on */

/* Zero, in pieces that do not cross a page, so that a non-zero byte before a hole is found first. */
static int check_tail_is_zero(struct task *t, uaddr_t start, uint64_t len)
{
	static const char zeros[256];
	char buf[sizeof(zeros)];

	while (len) {
		uint64_t in_page = BARTER_PAGE_SIZE - (start & BARTER_PAGE_MASK);
		size_t most = MIN(len, sizeof(buf)), n = MIN(most, in_page);
		int err = copy_from_task(t, buf, start, n);

		if (err)
			return err;
		if (memcmp(buf, zeros, n))
			return -E2BIG;
		start += n;
		len -= n;
	}
	return 0;
}

/* One copy in the ordinary case. Where that fails, the size alone tells EINVAL from EFAULT. */
static int copy_in(struct task *t, const struct row *row, uaddr_t user, union iommufd_arg *arg, uint32_t *user_size)
{
	int err = copy_from_task(t, arg, user, row->min_size);

	if (err && copy_from_task(t, arg, user, sizeof(uint32_t)))
		return err;
	memcpy(user_size, arg, sizeof(*user_size));
	if (*user_size < row->min_size)
		return refuse(t->trace, -EINVAL, "%s: size %u is below %u", row->name, *user_size, row->min_size);
	if (*user_size > row->size) {
		int tail = check_tail_is_zero(t, user + row->size, *user_size - row->size);

		if (tail == -E2BIG)
			return refuse(t->trace, tail, "%s: size %u with bytes other than 0 beyond %u", row->name,
				      *user_size, row->size);
		if (tail)
			return tail;
	}
	if (err || *user_size == row->min_size)
		return err;
	return copy_from_task(t, arg->bytes + row->min_size, user + row->min_size,
			      MIN(*user_size, row->size) - row->min_size);
}

static long unknown_ioctl(struct task *t, unsigned long cmd, unsigned long arg)
{
	unsigned nr = _IOC_NR(cmd);
	uint32_t size;

	/* Linux reads the size before it compares more than the number. */
	if (nr >= IOMMUFD_CMD_BASE && nr - IOMMUFD_CMD_BASE < ARRAY_SIZE(rows)) {
		int err = copy_from_task(t, &size, arg, sizeof(size));
		if (err)
			return err;
	}
	return -ENOTTY;
}

static void record(struct task *t, const struct row *row, const union iommufd_arg *arg, uint64_t start_ns, int result)
{
	char text[256];

	if (row->describe && row->describe(arg, text, sizeof(text)) < (int)sizeof(text))
		trace_complete(t->trace, TRACE_MAP, NULL, row->name, start_ns, "%s result=%d", text, result);
	else
		trace_complete(t->trace, TRACE_CALL, NULL, row->name, start_ns, "result=%d", result);
}

/* Hands the answer over. What was born is there from now on, or never was. */
static int finish(struct iommufd_call *c, const struct row *row, const union iommufd_arg *arg, uint32_t user_size,
		  int result)
{
	if ((!result && row->answers) || c->answer_refusal) {
		int err = copy_to_task(c->task, c->user, arg, MIN(user_size, row->size));

		result = err ? err : result;
	}
	if (c->born && result)
		iommufd_object_abort(c->born);
	else if (c->born)
		iommufd_object_finalize(c->born);
	return result;
}

static long iommufd_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long user)
{
	unsigned index = _IOC_NR(cmd) - IOMMUFD_CMD_BASE;
	struct iommufd_call call = {.ctx = f->priv, .task = t, .user = user};
	const struct row *row;
	union iommufd_arg arg = {0};
	uint32_t user_size;
	uint64_t start_ns;
	int result;

	if (index >= ARRAY_SIZE(rows) || rows[index].cmd != cmd)
		return unknown_ioctl(t, cmd, user);
	row = &rows[index];
	lock_check_none_held(row->name);
	start_ns = trace_enabled(t->trace) ? trace_now() : 0;

	result = copy_in(t, row, user, &arg, &user_size);
	if (!result)
		result = finish(&call, row, &arg, user_size, row->handler(&call, &arg));
	if (start_ns)
		record(t, row, &arg, start_ns, result);
	return result;
}

/* Shared mappings would be of a hardware queue; there is none. */
static int64_t iommufd_mmap(struct file *f, struct task *t, const struct mmap_request *req)
{
	return (req->flags & MAP_TYPE) == MAP_PRIVATE ? -EINVAL : -ENXIO;
}

/* What nothing stands on goes first, until nothing is left. Devices were unbound before: they kept the file open. */
static void iommufd_release(struct file *f)
{
	struct iommufd_ctx *ctx = f->priv;
	struct iommufd_object *obj;
	bool found = true;

	while (found) {
		found = false;
		for (uint32_t id = 0; (obj = ids_next(&ctx->objects, &id)); id++) {
			if (atomic_load(&obj->users))
				continue;
			iommufd_object_retire(obj);
			found = true;
		}
	}
	trace_count(ctx->trace, "iommufd", -1);
	ids_fini(&ctx->objects);
	mutex_fini(&ctx->lock);
	free(ctx);
}

static const struct file_ops iommufd_file_ops = {
	.name = "/dev/iommu",
	.ioctl = iommufd_ioctl,
	.mmap = iommufd_mmap,
	.release = iommufd_release,
};

static const struct lock_class ctx_lock_class = {.name = "iommufd object", .rank = LOCK_RANK_IOMMUFD_OBJECT};
static const struct lock_class group_lock_class = {.name = "IOMMU groups", .rank = LOCK_RANK_IOMMUFD_GROUP};

static int iommufd_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	struct iommufd_system *system = priv;
	struct iommufd_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return -ENOMEM;
	ctx->file = file_create(&iommufd_file_ops, ctx, open_flags);
	if (!ctx->file) {
		free(ctx);
		return -ENOMEM;
	}
	ctx->file->carrier = CARRIER_PLAIN;
	ctx->system = system;
	ctx->trace = system->trace;
	mutex_init(&ctx->lock, &ctx_lock_class);
	ids_init(&ctx->objects, 1);
	trace_count(ctx->trace, "iommufd", 1);
	*out = ctx->file;
	return 0;
}

int iommufd_register(struct ns *ns, struct phys_space *space, struct trace *trace, struct iommufd_system **out)
{
	struct iommufd_system *system = calloc(1, sizeof(*system));
	struct ns_node *dev = ns_make_path(ns, "/dev", true);

	if (!system || !dev)
		goto free;
	system->space = space;
	system->trace = trace;
	iopt_pages_cache_init(&system->pages_cache);
	mutex_init(&system->group_lock, &group_lock_class);
	list_init(&system->groups);
	if (!ns_device(ns, dev, "iommu", 0666, makedev(10, 126), iommufd_open, system))
		goto fini;
	*out = system;
	return 0;
fini:
	iopt_pages_cache_fini(&system->pages_cache);
	mutex_fini(&system->group_lock);
free:
	free(system);
	return -ENOMEM;
}

void iommufd_unregister(struct iommufd_system *system)
{
	iopt_pages_cache_fini(&system->pages_cache);
	mutex_fini(&system->group_lock);
	free(system);
}

struct iommufd_ctx *iommufd_ctx_from_file(struct file *f)
{
	if (f->ops != &iommufd_file_ops)
		return NULL;
	file_get(f);
	return f->priv;
}

void iommufd_ctx_put(struct iommufd_ctx *ctx)
{
	file_put(ctx->file);
}
