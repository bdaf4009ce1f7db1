/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * System calls that take memory away or bring device memory: mmap, munmap, shmat, brk. In the order of Linux's checks,
 * as far as they concern what is ours; the rest is the kernel's to answer.
 */
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "door/fd_table.h"
#include "door/forward.h"
#include "door/mm.h"
#include "door/pin.h"
#include "door/signals.h"
#include "file/file.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
#define LEGACY_MAP_FLAGS                                                                                               \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN |       \
	 MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | 0x4000000 | 0x40)
#define USER_SPACE_END 0x7ffffffff000ull

static int check_range(const struct mmap_request *req)
{
	uint64_t len = req->len;

	if (len == 0)
		return -ENOMEM; /* it was too long to be aligned */
	if (len > USER_SPACE_END)
		return -ENOMEM;
	if ((req->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && req->hint > USER_SPACE_END - len)
		return -ENOMEM;
	if ((req->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) && !is_aligned(req->hint, BARTER_PAGE_SIZE))
		return -EINVAL;
	return 0;
}

static int check_access(const struct file *f, const struct mmap_request *req)
{
	int type = req->flags & MAP_TYPE, mode = f->open_flags & O_ACCMODE;

	if (req->offset > UINT64_MAX - req->len)
		return -EOVERFLOW;
	if (type == MAP_SHARED_VALIDATE && (req->flags & ~(LEGACY_MAP_FLAGS | MAP_TYPE | MAP_FIXED_NOREPLACE)))
		return -EOPNOTSUPP;
	if (type != MAP_SHARED && type != MAP_SHARED_VALIDATE && type != MAP_PRIVATE)
		return -EINVAL;
	if (type != MAP_PRIVATE && (req->prot & PROT_WRITE) && mode == O_RDONLY)
		return -EACCES;
	if (mode != O_RDONLY && mode != O_RDWR)
		return -EACCES;
	return f->ops->noexec && (req->prot & PROT_EXEC) ? -EPERM : 0;
}

int64_t mm_mmap_file(struct task *t, struct file *f, struct mmap_request *req)
{
	int err = f->open_flags & O_PATH ? -EBADF : check_range(req);

	if (!err && (req->flags & MAP_HUGETLB))
		err = -EINVAL;
	if (!err)
		err = check_access(f, req);
	if (err)
		return err;
	if (!f->ops->mmap)
		return -ENODEV;
	return f->ops->mmap(f, t, req);
}

static int64_t mmap_handle(struct fd_handle *h, struct mmap_request *req)
{
	return door_is_forked() ? forward_mmap(h, req) : mm_mmap_file(door_task(), h->file, req);
}

/* What takes a range of the program away once it is known to be allowed: pins go aside, then the kernel does it. */
struct removal {
	uaddr_t start;
	uint64_t len;
	int64_t (*perform)(const struct removal *r);
	const void *arg;
};

static int64_t remove_range(const struct removal *r)
{
	struct mm *mm = mm_here();
	size_t first, end_index;
	struct list gone;
	int64_t result;

	list_init(&gone);
	door_enter();
	mutex_lock(&mm->lock);
	result = pin_evict_locked(mm, r->start, r->len, PIN_EVICT_UNMAP);
	if (!result)
		result = mm_isolate_locked(mm, r->start, r->start + r->len, &first, &end_index);
	if (!result) {
		result = r->perform(r);
		if (result >= 0)
			mm_forget_locked(mm, first, end_index, &gone);
	}
	mutex_unlock(&mm->lock);
	mm_release_gone(&gone);
	door_leave();
	return result;
}

struct mmap_args {
	int prot, flags, fd;
	uint64_t offset;
};

static int64_t perform_mmap(const struct removal *r)
{
	const struct mmap_args *a = r->arg;
	void *at = real.mmap((void *)r->start, r->len, a->prot, a->flags, a->fd, (off_t)a->offset);

	return at == MAP_FAILED ? -errno : (int64_t)(uaddr_t)at;
}

int64_t mm_sys_mmap(uaddr_t addr, uint64_t len, int prot, int flags, int fd, uint64_t offset)
{
	struct fd_handle *h;
	int64_t result;

	if (!(flags & MAP_ANONYMOUS) && atomic_load_explicit(&door.fds, memory_order_acquire)) {
		struct mmap_request req = {addr, align_up(len, BARTER_PAGE_SIZE), prot, flags, offset};

		if (!is_aligned(offset, BARTER_PAGE_SIZE))
			return -EINVAL;
		door_enter();
		h = fd_adopt(fd);
		result = !h ? DOOR_NOT_OURS : len ? mmap_handle(h, &req) : -EINVAL;
		if (h)
			fd_handle_put(h);
		door_leave();
		if (h)
			return result;
	}
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) == MAP_FIXED && is_aligned(addr, BARTER_PAGE_SIZE) &&
	    mm_concerns(addr, align_up(len, BARTER_PAGE_SIZE))) {
		struct mmap_args args = {prot, flags, fd, offset};
		struct removal r = {addr, align_up(len, BARTER_PAGE_SIZE), perform_mmap, &args};

		return remove_range(&r);
	}
	return DOOR_NOT_OURS;
}

static int64_t perform_munmap(const struct removal *r)
{
	return real.munmap((void *)r->start, r->len) ? -errno : 0;
}

/* A range that munmap(2) would take at all. */
static bool is_range(uaddr_t addr, uint64_t len)
{
	uint64_t aligned = align_up(len, BARTER_PAGE_SIZE);

	return is_aligned(addr, BARTER_PAGE_SIZE) && aligned && addr + aligned > addr;
}

int64_t mm_sys_munmap(uaddr_t addr, uint64_t len)
{
	struct removal r = {.start = addr, .len = align_up(len, BARTER_PAGE_SIZE), .perform = perform_munmap};

	if (!is_range(addr, len) || !mm_concerns(addr, r.len))
		return DOOR_NOT_OURS;
	return remove_range(&r);
}

struct shmat_args {
	int id, flags;
};

static int64_t perform_shmat(const struct removal *r)
{
	const struct shmat_args *a = r->arg;
	void *at = real.shmat(a->id, (void *)r->start, a->flags);

	return at == (void *)-1 ? -errno : (int64_t)(uaddr_t)at;
}

int64_t mm_sys_shmat(int id, uaddr_t addr, int flags)
{
	struct shmat_args args = {id, flags};
	struct removal r = {.perform = perform_shmat, .arg = &args};
	struct shmid_ds ds;

	/* Only SHM_REMAP takes anything away. */
	if (!(flags & SHM_REMAP) || !addr || !door.mm || shmctl(id, IPC_STAT, &ds))
		return DOOR_NOT_OURS;
	r.start = flags & SHM_RND ? align_down(addr, BARTER_PAGE_SIZE) : addr;
	r.len = align_up(ds.shm_segsz, BARTER_PAGE_SIZE);
	if (!is_range(r.start, r.len) || !mm_concerns(r.start, r.len))
		return DOOR_NOT_OURS;
	return remove_range(&r);
}

int64_t mm_call(long nr, const unsigned long a[6])
{
	switch (nr) {
	case SYS_mmap:
		return mm_sys_mmap(a[0], a[1], (int)a[2], (int)a[3], (int)a[4], a[5]);
	case SYS_munmap:
		return mm_sys_munmap(a[0], a[1]);
	case SYS_mremap:
		return mm_sys_mremap(a[0], a[1], a[2], (int)a[3], a[4]);
	case SYS_mprotect:
		return mm_sys_mprotect(a[0], a[1], (int)a[2], -1);
	case SYS_pkey_mprotect:
		return mm_sys_mprotect(a[0], a[1], (int)a[2], (int)a[3]);
	case SYS_madvise:
		return mm_sys_madvise(a[0], a[1], (int)a[2]);
	case SYS_msync:
		return mm_sys_msync(a[0], a[1], (int)a[2]);
	case SYS_shmat:
		return mm_sys_shmat((int)a[0], a[1], (int)a[2]);
	default:
		return DOOR_NOT_OURS;
	}
}

void mm_break_shrinks(uaddr_t end, uaddr_t current)
{
	uaddr_t start = align_up(end, BARTER_PAGE_SIZE);
	struct mm *mm = mm_here();

	if (start >= current || !mm_concerns(start, current - start))
		return;
	door_enter();
	mutex_lock(&mm->lock);
	/* Out of memory leaves the pin pointing to what is no more: its device sees a fault. */
	pin_evict_locked(mm, start, align_up(current - start, BARTER_PAGE_SIZE), PIN_EVICT_UNMAP);
	mutex_unlock(&mm->lock);
	door_leave();
}
