/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device SDK: all that a device model sees of barter. docs/add-a-device.md walks through the memory card.
 *
 * A model describes its function once, in build(), and then answers register accesses, resets and its own workers. It
 * never calls a Linux subsystem and never sees a program.
 *
 * Locks: mmio_read, mmio_write, config_written and reset are called with the function's lock held, one at a time; a
 * worker takes it with device_lock(). A worker never holds it while it moves data (device_dma_*) or sleeps
 * (device_worker_wait).
 *
 * Who may include this: model/, device/, tests. A model includes nothing else of barter but base/.
 */
#ifndef BARTER_DEVICE_SDK_H
#define BARTER_DEVICE_SDK_H

#include "base/types.h"

struct device;	      /* one PCI function with a model behind it */
struct device_dma;    /* a DMA port; one worker at a time */
struct device_worker; /* a thread of the model; sleeps without using the CPU */

/* key=value properties of the device from the rack file or -d; unknown keys were refused when the rack was read. */
struct device_config;
bool device_config_bool(const struct device_config *c, const char *key, bool fallback);
uint64_t device_config_u64(const struct device_config *c, const char *key, uint64_t fallback);
const char *device_config_string(const struct device_config *c, const char *key, const char *fallback);

/* What keys a model takes, so that a bad rack is refused with the key's line. */
enum device_key_type { DEVICE_KEY_BOOL, DEVICE_KEY_SIZE, DEVICE_KEY_STRING };
struct device_key {
	const char *name;
	enum device_key_type type;
	uint64_t min, max;   /* SIZE */
	bool power_of_two;   /* SIZE */
	const char *summary; /* one line for barter-rack(5) and --help */
};

struct device_model {
	const char *name;    /* "ioat": the rack file's `model:` */
	const char *summary; /* one line */
	const struct device_key *keys;
	size_t nr_keys;
	/* Describes the function with the calls below and returns its own state in *model. 0 or -errno; undone by fini.
	 */
	int (*build)(struct device *d, const struct device_config *c, void **model);
	void (*fini)(void *model);
	uint64_t (*mmio_read)(void *model, unsigned bar, uint64_t offset, unsigned len);
	void (*mmio_write)(void *model, unsigned bar, uint64_t offset, uint64_t value, unsigned len);
	void (*reset)(void *model); /* calls device_dma_cancel() for its ports first; keeps plain memory */
	void (*config_written)(void *model, unsigned offset, unsigned len);
};

extern const struct device_model *const device_models[]; /* ends with NULL */
const struct device_model *device_model_find(const char *name);

/* build() only. They return 0 or -ENOMEM / -EINVAL (a BAR that is not a power of two, an overlap); ids are mandatory.
 */
struct device_ids {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* 24 bits */
	uint8_t revision;
};
void device_set_ids(struct device *d, const struct device_ids *ids);

enum device_region_kind {
	DEVICE_MEMORY,		  /* plain memory; zero at power-on, kept over resets */
	DEVICE_REGISTERS,	  /* backed by memory that reads see; stores are register actions (mmio_write) */
	DEVICE_REGISTERS_NO_MMAP, /* every access calls the model; such a page cannot be mapped */
	DEVICE_MSIX_TABLE,	  /* answered by the core */
	DEVICE_HOLE,		  /* reads all ones, drops stores */
};
struct device_region {
	enum device_region_kind kind;
	uint64_t len; /* a multiple of 4096 */
};
#define DEVICE_BAR_64BIT 1u
#define DEVICE_BAR_PREFETCHABLE 2u
/* Regions must add up to a power of two, the BAR's size. */
int device_add_bar(struct device *d, unsigned bar, unsigned flags, const struct device_region *regions, size_t nr);
int device_add_pcie(struct device *d, bool flr); /* an endpoint: PCI Express capability, AER; makes config 4096 bytes */
int device_add_pm(struct device *d);		 /* D0, D3hot; no soft reset bit per `no_soft_reset` */
int device_add_msi(struct device *d, unsigned nr_vectors);
/* The table and PBA live in the BAR region of kind DEVICE_MSIX_TABLE (4096 bytes: table at 0, PBA at 2048). */
int device_add_msix(struct device *d, unsigned nr_vectors, unsigned bar);
int device_add_intx(struct device *d);
/* Extra read-only or writable config bytes of the model, e.g. vendor registers. write_mask may be NULL (read-only). */
int device_set_config(struct device *d, unsigned offset, const void *bytes, const void *write_mask,
		      const void *clear_mask, size_t len);

/*
 * SR-IOV. device_add_sriov() comes last in build(): the virtual functions are made there and then, each by vf_model's
 * build(), which describes a VF with the calls above but for device_set_ids(), and is given the settings of the
 * physical function. A VF is a device of its own, with a lock, registers, resets, interrupts and DMA ports; it is there
 * for a kernel while the physical function's capability says so, which is no business of the model's. All are alike.
 */
#define DEVICE_MAX_VFS 7
struct device_sriov {
	unsigned total_vfs;		     /* 1 .. DEVICE_MAX_VFS */
	uint16_t vf_device;		     /* device id */
	const struct device_model *vf_model; /* not in device_models[] */
};
int device_add_sriov(struct device *d, const struct device_sriov *s);
/* A BAR of a VF that shows fragments of the physical function's BAR pf_bar; a hole until device_vf_set_slice(). */
int device_add_window(struct device *vf, unsigned bar, unsigned flags, uint64_t size, unsigned pf_bar);
struct device *device_physfn(struct device *vf); /* NULL: not a VF */
unsigned device_vf_index(const struct device *vf);

#define DEVICE_MAX_FRAGMENTS 16
struct device_fragment {
	uint64_t offset, len; /* page aligned, in one DEVICE_MEMORY region */
};
/*
 * pf's lock is held, in mmio_write() or reset(): from the end of that access on the VF's windows show these fragments,
 * one behind the other, then a hole. What the old ones were shared as is revoked for good before. nr 0: nothing.
 */
void device_vf_set_slice(struct device *pf, unsigned vf, const struct device_fragment *fragments, size_t nr);

/* Config bytes now; function lock held. */
uint32_t device_config_read(struct device *d, unsigned offset, unsigned len);
void device_config_update(struct device *d, unsigned offset, uint32_t value, unsigned len); /* by the hardware */

/* The model's own view of a BAR's memory or register page: what the program reads. NULL for other kinds. */
void *device_bar_memory(struct device *d, unsigned bar, uint64_t offset);

void device_lock(struct device *d);
void device_unlock(struct device *d);
void device_assert_locked(struct device *d);

/*
 * Registers that a program has mapped. By default each store traps and mmio_write() has completed before the program
 * goes on. While a page is polled, stores only reach memory and the model must look; allowed only in states where a
 * missed store of the same value and a stale read are both harmless. Function lock held. device_set_polled(false)
 * returns when the page traps again: read the registers once more after it.
 */
void device_set_polled(struct device *d, unsigned bar, uint64_t page_offset, bool polled);

/* Interrupts. With or without the function lock; not inside a DMA call. */
void device_raise_msi(struct device *d, unsigned vector); /* MSI or MSI-X; nothing when neither is on */
void device_set_intx(struct device *d, bool asserted);
bool device_msi_enabled(struct device *d);

/* DMA. See pci/dma.h for what the statuses mean. */
enum device_dma_status {
	DEVICE_DMA_OK,
	DEVICE_DMA_FAULT,
	DEVICE_DMA_UNSUPPORTED,
	DEVICE_DMA_NO_MASTER,
	DEVICE_DMA_CANCELLED
};
struct device_dma *device_dma_create(struct device *d);
void device_dma_destroy(struct device_dma *dma);
uint32_t device_dma_run(struct device_dma *dma); /* the generation: take it when work starts, under the lock */
void device_dma_cancel(struct device_dma *dma);	 /* runs started before move nothing more once reset() has returned */
/* cancel, and wait until no byte moves: for a channel's own reset register. Not from the port's worker. */
void device_dma_stop(struct device_dma *dma);
enum device_dma_status device_dma_read(struct device_dma *dma, uint32_t run, iova_t src, void *dst, size_t len);
enum device_dma_status device_dma_write(struct device_dma *dma, uint32_t run, iova_t dst, const void *src, size_t len);
/* done: bytes moved, also on failure; may be NULL. */
enum device_dma_status device_dma_copy(struct device_dma *dma, uint32_t run, iova_t dst, iova_t src, size_t len,
				       size_t *done);
/*
 * Inside the device's own memory, as device_bar_memory() gives it: no bus, but cancelled and waited for as DMA is. The
 * target of a copy does not overlap its source but from below.
 */
enum device_dma_status device_dma_local_copy(struct device_dma *dma, uint32_t run, char *dst, const char *src,
					     size_t len);
enum device_dma_status device_dma_local_fill(struct device_dma *dma, uint32_t run, char *dst, uint8_t byte, size_t len);
/* After a failed device_dma_copy(), for the port's worker: did the target refuse (true), or the source? */
bool device_dma_failed_write(const struct device_dma *dma);

/*
 * Workers. The thread is made when a driver opens the device and sleeps in device_worker_wait(). run() is called again
 * and again: it does what there is to do and then waits. A wake-up before that is not lost.
 */
typedef void (*device_worker_fn)(void *model);
struct device_worker *device_worker_create(struct device *d, const char *name, device_worker_fn run, void *model);
/* Stops and joins the thread; run() must return soon once its DMA is cancelled. */
void device_worker_destroy(struct device_worker *w);
void device_worker_wake(struct device_worker *w); /* under any lock; never blocks */
/*
 * Under the function's lock: wakes when it has been let go. The system call takes longer than the worker needs to come
 * for the lock, and on a busy machine the worker takes over the waker's processor.
 */
void device_worker_wake_locked(struct device_worker *w);
/* Inside run(): sleeps until woken. Returns at once when woken since the last wait. */
void device_worker_wait(struct device_worker *w);
/* Inside run(), before waiting: may this thread spin a little? At most processors - 1 spin at once. Ends with _end. */
bool device_worker_spin_begin(struct device_worker *w);
void device_worker_spin_end(struct device_worker *w);

/* The timeline. */
uint64_t device_trace_now(struct device *d); /* 0 when nothing records */
void device_trace(struct device *d, const char *name, uint64_t start_ns, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
