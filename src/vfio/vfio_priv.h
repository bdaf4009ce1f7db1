/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of vfio/ share.
 *
 * A vfio_device is there from registration to unregistration. A vfio_open is one open of its node. The device is bound
 * to at most one of them: binding opens the function and makes the state below (config, irqs, power), releasing that
 * file closes it. Whoever runs an ioctl, a read or a write holds a reference to the file, so a bound state that was
 * seen through it (vfio_open.bound) stays.
 */
#ifndef BARTER_VFIO_PRIV_H
#define BARTER_VFIO_PRIV_H

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "base/trace.h"
#include "dmabuf/cpu_mapping.h"
#include "dmabuf/dmabuf.h"
#include "dmabuf/type_phys.h"
#include "dmabuf/type_sgt.h"
#include "file/ns.h"
#include "iommufd/iommufd.h"
#include "pci/function.h"
#include "pci/irq.h"
#include "pci/sriov.h"
#include "pci/topology.h"
#include "vfio/vfio.h"

#define VFIO_REGION_SHIFT 40
#define VFIO_REGION_OFFSET(index) ((uint64_t)(index) << VFIO_REGION_SHIFT)
#define VFIO_REGION_INDEX(offset) ((unsigned)((offset) >> VFIO_REGION_SHIFT))
#define VFIO_REGION_POSITION(offset) ((offset) & (VFIO_REGION_OFFSET(1) - 1))

/* How a byte of config space behaves; config_map.c fills it in when the device is opened. */
struct vfio_config {
	struct mutex
		lock; /* LOCK_RANK_VFIO_CONFIG; who writes `value`. The rest is immutable once the device is open */
	/*
	 * virt: the bit is read from `value`, not from the hardware. write: software may change it, there or in the
	 * hardware. A bit that is neither is the hardware's and read-only.
	 */
	_Alignas(uint32_t) uint8_t virt[PCIE_CONFIG_SIZE], write[PCIE_CONFIG_SIZE], value[PCIE_CONFIG_SIZE];
};

/* An eventfd of the program and how to reach it. */
struct vfio_trigger {
	const struct task_ops *ops;
	struct event *event; /* NULL: none */
};

static inline void vfio_trigger_signal(const struct vfio_trigger *tr)
{
	if (tr->event)
		tr->ops->event_signal(tr->event);
}

static inline void vfio_trigger_put(struct vfio_trigger *tr)
{
	if (tr->event)
		tr->ops->event_put(tr->event);
	tr->event = NULL;
}

struct vfio_irqs {
	struct mutex lock; /* LOCK_RANK_VFIO_IRQ; guards the next group */
	enum pci_irq_kind kind;
	unsigned nr_enabled;	    /* vectors that the function is enabled for */
	struct vfio_trigger unmask; /* watched: unmasks INTx */
	struct vfio_trigger error, request;
	bool intx_off; /* COMMAND.INTX_DISABLE, as the program sees it */

	struct spinlock trigger_lock;  /* LOCK_RANK_LEAF: taken by the handler; guards the next group */
	struct vfio_trigger *triggers; /* one a vector */
	unsigned nr_triggers;
	bool intx_masked; /* the line was signalled and waits to be unmasked, or is masked */
};

struct vfio_ioeventfd;

struct vfio_device {
	struct pci_function *fn;
	struct trace *trace;
	struct dma_buf_registry *dma_bufs;
	unsigned index;
	struct ns *ns;
	struct ns_node *node, *sysfs_dir, *class_link; /* the device node, vfio-dev/, the link in /sys/class */
	char *syspath;				       /* "/sys/devices/pci0000:00/..." */
	atomic_int refs;			       /* the registration, opens, buffers: who uses fn */
	atomic_int nr_opens;			       /* of the node; unregistration waits for them */

	struct mutex lock;	 /* LOCK_RANK_VFIO_DEVICE; guards the next group */
	struct vfio_open *owner; /* the open that it is, or is being, bound to */
	bool attached;
	struct iommufd_ctx *ctx;
	struct iommufd_device *idev;
	uint32_t devid; /* in ctx; immutable while bound */

	struct vfio_config config;
	struct vfio_irqs irqs;

	struct rwlock memory_lock;  /* LOCK_RANK_VFIO_MEMORY; written with it held for writing: */
	bool idle;		    /* low power was entered */
	_Atomic bool wakeable;	    /* there is a wakeup; read without */
	struct vfio_trigger wakeup; /* signalled by the access that ends it; none: accesses do not end it */

	struct mutex ioeventfd_lock; /* LOCK_RANK_VFIO_IRQ */
	struct list ioeventfds;
	unsigned nr_ioeventfds;
};

struct vfio_open {
	struct vfio_device *v;
	_Atomic bool bound; /* set once, when binding is complete */
};

extern const struct file_ops vfio_file_ops; /* file.c */

struct vfio_device *vfio_device_get(struct vfio_device *v); /* device.c */
void vfio_device_put(struct vfio_device *v);
/* Takes the function and makes the bound state, and undoes it. bind.c calls both under v->lock. */
int vfio_device_enable(struct vfio_device *v);
void vfio_device_disable(struct vfio_device *v);

/* Handlers, one a file. arg is the program's pointer; no lock is held. */
typedef long (*vfio_ioctl_fn)(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
long vfio_bind_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg); /* bind.c */
long vfio_attach_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
long vfio_detach_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
void vfio_unbind(struct vfio_open *o);
long vfio_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg); /* info.c */
long vfio_region_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
long vfio_irq_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
long vfio_set_irqs_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg); /* irqs.c */
long vfio_reset_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);    /* reset.c */
long vfio_hot_reset_info_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
long vfio_hot_reset_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);
long vfio_ioeventfd_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg); /* ioeventfd.c */
long vfio_feature_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg);   /* feature.c */

/* -EINVAL, and why. */
int vfio_refuse_unbound(const struct vfio_open *o, const char *what);

/*
 * Copies the first min_size bytes of a struct whose first member is argsz: -EFAULT, or -EINVAL when argsz says that
 * the caller's is shorter.
 */
int vfio_copy_struct(struct task *t, void *dst, uaddr_t arg, size_t min_size, const char *what);

/* The size of a region, 0 when it does not exist; regions are BARs, ROM, config space, VGA. */
uint64_t vfio_region_size(const struct vfio_device *v, unsigned index);
/* Is every page of [offset, offset + len) of a BAR mappable? */
bool vfio_bar_mappable(struct pci_bar *bar, uint64_t offset, uint64_t len);
/* The bytes of the MSI-X table when it lies in this BAR: [*start, *end). Empty otherwise. */
void vfio_msix_table(const struct vfio_device *v, unsigned bar, uint64_t *start, uint64_t *end);
ssize_t vfio_file_read(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos); /* region.c */
ssize_t vfio_file_write(struct file *f, struct task *t, uaddr_t buf, size_t len, uint64_t *pos);
int64_t vfio_file_mmap(struct file *f, struct task *t, const struct mmap_request *req);
/* One naturally aligned access to a BAR, as read(2) and write(2) do it. -EIO while memory is off. */
int vfio_bar_read(struct vfio_device *v, unsigned bar, uint64_t offset, unsigned len, uint64_t *value);
int vfio_bar_write(struct vfio_device *v, unsigned bar, uint64_t offset, unsigned len, uint64_t value);

/* config.c */
void vfio_config_init(struct vfio_device *v);
void vfio_config_fini(struct vfio_device *v);
uint32_t vfio_config_read(struct vfio_device *v, unsigned offset, unsigned len);
void vfio_config_write(struct vfio_device *v, unsigned offset, uint32_t value, unsigned len);
void vfio_config_map(struct vfio_device *v); /* config_map.c; the lock is held or nobody else is there */

/* irqs.c */
void vfio_irqs_init(struct vfio_device *v);
void vfio_irqs_fini(struct vfio_device *v);
unsigned vfio_irq_count(const struct vfio_device *v, unsigned index);
/* COMMAND.INTX_DISABLE as the program sees it has changed. */
void vfio_irqs_intx_off(struct vfio_device *v, bool off);
/* How many MSI vectors are on as a power of two's exponent, or -1: MSI is not on. */
int vfio_irqs_msi_order(struct vfio_device *v);

void vfio_ioeventfds_fini(struct vfio_device *v); /* ioeventfd.c */

/* feature.c: low power. Every access through the file calls vfio_wake() first. */
void vfio_wake(struct vfio_device *v);
void vfio_power_fini(struct vfio_device *v);
/* The rules that every feature shares: 0 is a probe that was answered; 1: go on; -errno. */
int vfio_feature_check(struct task *t, uint32_t flags, size_t argsz, uint32_t supported, size_t min_size);
long vfio_feature_dma_buf(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz);
/* buffer_feature.c */
long vfio_feature_dma_buf_revoke(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz);
long vfio_feature_dma_buf_memattr(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz);

/*
 * A slice of a BAR, or several, as a buffer that the function's gate revokes: buffer.c. Behind an exported fd, or
 * (holder not NULL) behind one mmap, then it keeps that file alive. iov: one of a VF's window is offered as that first.
 */
struct vfio_buffer;
int vfio_buffer_create(struct vfio_device *v, const struct pci_bar *bar, const struct vfio_region_dma_range *ranges,
		       size_t nr, int open_flags, struct file *holder, bool iov, struct vfio_buffer **out);
struct dma_buf *vfio_buffer_dma_buf(struct vfio_buffer *vb);
/* The other way; NULL: not one of this device. */
struct vfio_buffer *vfio_buffer_of(struct dma_buf *b, const struct vfio_device *v);
/* Puts it behind the gate. -ENODEV: the device is going away. Called once. */
int vfio_buffer_publish(struct vfio_buffer *vb);
/* For good, and how the next mmap is cached. False: it was revoked for good before. */
bool vfio_buffer_revoke(struct vfio_buffer *vb);
bool vfio_buffer_set_memattr(struct vfio_buffer *vb, uint32_t memattr);
/* For one with a holder: destroys the buffer and lets go of the file. */
void vfio_buffer_drop(void *vb);

#endif
