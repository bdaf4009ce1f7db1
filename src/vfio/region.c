/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The regions of a device through its file: read, write and mmap at (index << 40) + position.
 *
 * An access to a BAR is cut into naturally aligned ones of at most 8 bytes. Each is made while memory_lock is held for
 * reading, so it either comes before decoding is turned off or sees that it is. The MSI-X table reads as ones and drops
 * what is written: interrupts are set up by VFIO_DEVICE_SET_IRQS.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "vfio/vfio_priv.h"

static bool memory_is_off(struct vfio_device *v)
{
	return v->fn->gate.reasons & (GATE_DECODE | GATE_POWER);
}

int vfio_bar_read(struct vfio_device *v, unsigned bar, uint64_t offset, unsigned len, uint64_t *value)
{
	int err = 0;

	rwlock_read_lock(&v->memory_lock);
	if (memory_is_off(v))
		err = -EIO;
	else
		*value = pci_mmio_read(v->fn, bar, offset, len);
	rwlock_unlock(&v->memory_lock);
	return err;
}

int vfio_bar_write(struct vfio_device *v, unsigned bar, uint64_t offset, unsigned len, uint64_t value)
{
	int err = 0;

	rwlock_read_lock(&v->memory_lock);
	if (memory_is_off(v))
		err = -EIO;
	else
		pci_mmio_write(v->fn, bar, offset, value, len);
	rwlock_unlock(&v->memory_lock);
	return err;
}

/* The largest aligned access of a power of two bytes that starts at offset and stays within len. */
static unsigned access_len(uint64_t offset, uint64_t len, unsigned largest)
{
	unsigned n = largest;

	while (n > len || !is_aligned(offset, n))
		n /= 2;
	return n;
}

struct bar_access {
	struct vfio_device *v;
	unsigned bar;
	uint64_t hidden_start, hidden_end; /* the MSI-X table */
	bool write;
};

static int bar_step(const struct bar_access *a, uint64_t offset, uint8_t *bytes, size_t len, unsigned *step)
{
	uint64_t value = 0;
	int err;

	if (offset >= a->hidden_start && offset < a->hidden_end) {
		*step = (unsigned)MIN(a->hidden_end - offset, len);
		if (!a->write)
			memset(bytes, 0xff, *step);
		return 0;
	}
	if (offset < a->hidden_start && len > a->hidden_start - offset)
		len = a->hidden_start - offset;
	*step = access_len(offset, len, 8);
	if (!a->write) {
		err = vfio_bar_read(a->v, a->bar, offset, *step, &value);
		memcpy(bytes, &value, *step);
		return err;
	}
	memcpy(&value, bytes, *step);
	return vfio_bar_write(a->v, a->bar, offset, *step, value);
}

static int bar_chunk(const struct bar_access *a, uint64_t offset, uint8_t *bytes, size_t len)
{
	unsigned step;

	for (size_t done = 0; done < len; done += step) {
		int err = bar_step(a, offset + done, bytes + done, len - done, &step);

		if (err)
			return refuse(a->v->trace, err, "%s BAR%u: memory decoding is off or the function sleeps",
				      a->v->fn->name, a->bar);
	}
	return 0;
}

static ssize_t bar_access(struct vfio_device *v, struct task *t, unsigned bar, uint64_t position, uaddr_t buf,
			  size_t len, bool write)
{
	uint64_t size = vfio_region_size(v, bar);
	struct bar_access a = {.v = v, .bar = bar, .write = write};
	uint8_t bytes[BARTER_PAGE_SIZE];
	int err;

	if (position >= size)
		return refuse(v->trace, -EINVAL, "%s region %u: position 0x%llx is beyond its size 0x%llx", v->fn->name,
			      bar, (unsigned long long)position, (unsigned long long)size);
	len = MIN(len, size - position);
	vfio_msix_table(v, bar, &a.hidden_start, &a.hidden_end);
	for (size_t done = 0, n; done < len; done += n) {
		n = MIN(len - done, sizeof(bytes));
		if (write && copy_from_task(t, bytes, buf + done, n))
			return -EFAULT;
		err = bar_chunk(&a, position + done, bytes, n);
		if (err)
			return err;
		if (!write && copy_to_task(t, buf + done, bytes, n))
			return -EFAULT;
	}
	return (ssize_t)len;
}

static ssize_t config_access(struct vfio_device *v, struct task *t, uint64_t position, uaddr_t buf, size_t len,
			     bool write)
{
	uint8_t bytes[PCIE_CONFIG_SIZE];
	uint32_t value = 0;
	unsigned n;

	if (position >= v->fn->config_size || len > v->fn->config_size - position)
		return refuse(v->trace, -EFAULT, "%s config space: [0x%llx, +%zu) is beyond its %u bytes", v->fn->name,
			      (unsigned long long)position, len, v->fn->config_size);
	if (write && copy_from_task(t, bytes, buf, len))
		return -EFAULT;
	for (size_t done = 0; done < len; done += n) {
		unsigned offset = (unsigned)(position + done);

		n = access_len(offset, len - done, 4);
		if (write) {
			memcpy(&value, bytes + done, n);
			vfio_config_write(v, offset, value, n);
		} else {
			value = vfio_config_read(v, offset, n);
			memcpy(bytes + done, &value, n);
		}
	}
	if (!write && copy_to_task(t, buf, bytes, len))
		return -EFAULT;
	return (ssize_t)len;
}

static ssize_t region_access(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos, bool write)
{
	struct vfio_open *o = f->priv;
	unsigned index = VFIO_REGION_INDEX(*pos);
	ssize_t done;

	lock_check_none_held(__func__);
	if (!o->bound)
		return vfio_refuse_unbound(o, write ? "write" : "read");
	if (!len)
		return 0;
	vfio_wake(o->v);
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		done = config_access(o->v, t, VFIO_REGION_POSITION(*pos), buf, len, write);
	else
		done = bar_access(o->v, t, index, VFIO_REGION_POSITION(*pos), buf, len, write);
	if (done > 0)
		*pos += (uint64_t)done;
	return done;
}

ssize_t vfio_file_read(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	return region_access(f, t, buf, len, pos, false);
}

ssize_t vfio_file_write(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos)
{
	return region_access(f, t, buf, len, pos, true);
}

static int mmap_check(const struct vfio_device *v, const struct file *f, const struct mmap_request *req, unsigned index,
		      uint64_t position)
{
	uint64_t size;

	/* A shared mapping of a file that is not open for writing is a private one to Linux. */
	if ((req->flags & MAP_TYPE) == MAP_PRIVATE || (f->open_flags & O_ACCMODE) == O_RDONLY)
		return refuse(v->trace, -EINVAL, "mmap of %s: a region can only be mapped shared and writable",
			      v->fn->name);
	if (index >= PCI_NR_BARS)
		return refuse(v->trace, -EINVAL, "mmap of %s: region %u is not a BAR", v->fn->name, index);
	size = v->fn->bars[index].size;
	if (req->len > size || position > size - req->len)
		return refuse(v->trace, -EINVAL, "mmap of %s: [0x%llx, +0x%llx) is beyond BAR%u of 0x%llx", v->fn->name,
			      (unsigned long long)position, (unsigned long long)req->len, index,
			      (unsigned long long)size);
	if (!vfio_bar_mappable(&v->fn->bars[index], position, req->len))
		return refuse(v->trace, -EINVAL, "mmap of %s: [0x%llx, +0x%llx) of BAR%u holds pages without mmap",
			      v->fn->name, (unsigned long long)position, (unsigned long long)req->len, index);
	return 0;
}

int64_t vfio_file_mmap(struct file *f, struct task *t, const struct mmap_request *req)
{
	struct vfio_open *o = f->priv;
	unsigned index = VFIO_REGION_INDEX(req->offset);
	struct vfio_region_dma_range range = {.offset = VFIO_REGION_POSITION(req->offset), .length = req->len};
	struct vfio_buffer *vb;
	int64_t addr;

	lock_check_none_held(__func__);
	if (!o->bound)
		return vfio_refuse_unbound(o, "mmap");
	addr = mmap_check(o->v, f, req, index, range.offset);
	if (addr)
		return addr;
	addr = vfio_buffer_create(o->v, &o->v->fn->bars[index], &range, 1, 0, f, false, &vb);
	if (addr)
		return addr;
	addr = vfio_buffer_publish(vb);
	if (!addr)
		addr = cpu_mapping_create(vfio_buffer_dma_buf(vb), t, req,
					  &(struct cpu_mapping_how){.space = o->v->fn->root->space,
								    .on_gone = vfio_buffer_drop,
								    .arg = vb});
	if (addr < 0)
		vfio_buffer_drop(vb);
	return addr;
}
