/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/udmabuf: its two calls, in Linux's order of checks. Flags other than CLOEXEC are not looked at there. */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>

#include "base/trace.h"
#include "heap/heap_priv.h"

static int check_items(struct heap_system *system, struct task *t, const struct udmabuf_item *items, size_t nr)
{
	uint64_t limit = ((uint64_t)MAX(atomic_load(&system->size_limit_mb), 0) << 20) >> BARTER_PAGE_SHIFT, pages = 0;

	for (size_t i = 0; i < nr; i++) {
		if ((items[i].offset | items[i].size) & BARTER_PAGE_MASK)
			return refuse(t->trace, -EINVAL, "udmabuf: offset 0x%llx, size 0x%llx: not whole pages",
				      (unsigned long long)items[i].offset, (unsigned long long)items[i].size);
		pages += items[i].size >> BARTER_PAGE_SHIFT;
		if (pages > limit)
			return refuse(t->trace, -EINVAL, "udmabuf: more than size_limit_mb %d",
				      atomic_load(&system->size_limit_mb));
	}
	return pages ? 0 : refuse(t->trace, -EINVAL, "udmabuf: of no pages");
}

static long create(struct heap_system *system, struct task *t, uint32_t flags, const struct udmabuf_item *items,
		   size_t nr)
{
	struct dma_buf *b;
	int err = check_items(system, t, items, nr);

	if (!err)
		err = udmabuf_create_buffer(system, t, items, nr, &b);
	return err ? err : heap_buffer_publish(b, t, flags & UDMABUF_FLAGS_CLOEXEC ? O_CLOEXEC : 0, NULL);
}

static long create_one(struct heap_system *system, struct task *t, uaddr_t arg)
{
	struct udmabuf_create c;

	if (copy_from_task(t, &c, arg, sizeof(c)))
		return -EFAULT;
	return create(system, t, c.flags, &(struct udmabuf_item){c.memfd, c.offset, c.size}, 1);
}

static int copy_items(struct task *t, uaddr_t arg, struct udmabuf_item *items, uint32_t nr)
{
	struct udmabuf_create_item item;

	for (uint32_t i = 0; i < nr; i++, arg += sizeof(item)) {
		if (copy_from_task(t, &item, arg, sizeof(item)))
			return -EFAULT;
		items[i] = (struct udmabuf_item){item.memfd, item.offset, item.size};
	}
	return 0;
}

static long create_list(struct heap_system *system, struct task *t, uaddr_t arg)
{
	struct udmabuf_create_list head;
	struct udmabuf_item *items;
	long result;

	if (copy_from_task(t, &head, arg, sizeof(head)))
		return -EFAULT;
	if (head.count > (uint32_t)atomic_load(&system->list_limit))
		return refuse(t->trace, -EINVAL, "UDMABUF_CREATE_LIST: %u items, list_limit is %d", head.count,
			      atomic_load(&system->list_limit));
	items = calloc(MAX(head.count, 1u), sizeof(*items));
	if (!items)
		return -ENOMEM;
	result = copy_items(t, arg + sizeof(head), items, head.count);
	if (!result)
		result = create(system, t, head.flags, items, head.count);
	free(items);
	return result;
}

static long udmabuf_ioctl(struct file *f, struct task *t, unsigned long cmd, unsigned long arg)
{
	lock_check_none_held(__func__);
	switch ((unsigned)cmd) {
	case UDMABUF_CREATE:
		return create_one(f->priv, t, arg);
	case UDMABUF_CREATE_LIST:
		return create_list(f->priv, t, arg);
	default:
		return -ENOTTY;
	}
}

static void udmabuf_file_release(struct file *f)
{
}

static const struct file_ops udmabuf_file_ops = {
	.name = "/dev/udmabuf",
	.ioctl = udmabuf_ioctl,
	.release = udmabuf_file_release,
};

int udmabuf_open(void *priv, struct task *t, int open_flags, struct file **out)
{
	*out = file_create(&udmabuf_file_ops, priv, open_flags);
	if (!*out)
		return -ENOMEM;
	(*out)->carrier = CARRIER_PLAIN;
	return 0;
}
