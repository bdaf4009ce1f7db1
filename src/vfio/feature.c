/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE: what the features share, and low power.
 *
 * Low power is the driver letting go of the function: its memory is revoked for now until the driver takes it back, or
 * (with wake-up) until the next access through the file, which signals the eventfd that was left.
 */
#include "vfio/vfio_priv.h"

int vfio_feature_check(struct task *t, uint32_t flags, size_t argsz, uint32_t supported, size_t min_size)
{
	uint32_t wanted = flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);

	if (wanted & ~supported)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_FEATURE: flags 0x%x ask for what the feature has not",
			      flags);
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (!wanted || argsz < min_size)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_FEATURE: flags 0x%x, %zu bytes of data, %zu needed",
			      flags, argsz, min_size);
	return 1;
}

static int power_enter(struct vfio_device *v, const struct vfio_trigger *wakeup)
{
	bool entered;

	rwlock_write_lock(&v->memory_lock);
	entered = !v->idle;
	if (entered) {
		v->idle = true;
		v->wakeup = *wakeup;
		v->wakeable = wakeup->event;
		pci_gate_shut(&v->fn->gate, GATE_IDLE);
	}
	rwlock_unlock(&v->memory_lock);
	return entered ? 0 : refuse(v->trace, -EINVAL, "low power: %s is in it already", v->fn->name);
}

/* Returns the eventfd that was left, for the caller to signal and put. */
static struct vfio_trigger power_leave(struct vfio_device *v, bool only_if_wakeable)
{
	struct vfio_trigger wakeup = {0};

	rwlock_write_lock(&v->memory_lock);
	if (v->idle && (v->wakeup.event || !only_if_wakeable)) {
		wakeup = v->wakeup;
		v->wakeup.event = NULL;
		v->wakeable = false;
		v->idle = false;
		pci_gate_open(&v->fn->gate, GATE_IDLE);
	}
	rwlock_unlock(&v->memory_lock);
	return wakeup;
}

void vfio_wake(struct vfio_device *v)
{
	struct vfio_trigger wakeup;

	/* Without the lock: who holds it may be waiting for fences. */
	if (!v->wakeable)
		return;
	wakeup = power_leave(v, true);
	vfio_trigger_signal(&wakeup);
	vfio_trigger_put(&wakeup);
}

void vfio_power_fini(struct vfio_device *v)
{
	struct vfio_trigger wakeup = power_leave(v, false);

	vfio_trigger_put(&wakeup);
}

static long feature_enter(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	int err = vfio_feature_check(t, flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);

	return err <= 0 ? err : power_enter(o->v, &(struct vfio_trigger){0});
}

static long feature_enter_with_wakeup(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	struct vfio_device_low_power_entry_with_wakeup entry;
	struct vfio_trigger wakeup = {.ops = t->ops};
	int err = vfio_feature_check(t, flags, argsz, VFIO_DEVICE_FEATURE_SET, sizeof(entry));

	if (err <= 0)
		return err;
	if (copy_from_task(t, &entry, arg, sizeof(entry)))
		return -EFAULT;
	if (entry.wakeup_eventfd < 0)
		return refuse(t->trace, -EINVAL, "low power: wakeup_eventfd %d", entry.wakeup_eventfd);
	err = t->ops->event_get(t, entry.wakeup_eventfd, &wakeup.event);
	if (err)
		return err;
	err = power_enter(o->v, &wakeup);
	if (err)
		vfio_trigger_put(&wakeup);
	return err;
}

static long feature_exit(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	int err = vfio_feature_check(t, flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);

	if (err <= 0)
		return err;
	vfio_power_fini(o->v);
	return 0;
}

/* Of the migration features this one alone is EINVAL, not ENOTTY, on a device that cannot migrate. */
static long feature_precopy_info(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz)
{
	return -EINVAL;
}

static const struct vfio_feature {
	uint32_t index;
	long (*fn)(struct vfio_open *o, struct task *t, uint32_t flags, uaddr_t arg, size_t argsz);
} vfio_features[] = {
	{VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, feature_enter},
	{VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, feature_enter_with_wakeup},
	{VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, feature_exit},
	{VFIO_DEVICE_FEATURE_DMA_BUF, vfio_feature_dma_buf},
	{VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, feature_precopy_info},
	{VFIO_DEVICE_FEATURE_DMA_BUF_REVOKE, vfio_feature_dma_buf_revoke},
	{VFIO_DEVICE_FEATURE_DMA_BUF_MEMATTR, vfio_feature_dma_buf_memattr},
};

long vfio_feature_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	const uint32_t access = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	struct vfio_device_feature feature;
	int err = vfio_copy_struct(t, &feature, arg, sizeof(feature), "VFIO_DEVICE_FEATURE");

	if (err)
		return err;
	if (feature.flags & ~(VFIO_DEVICE_FEATURE_MASK | access | VFIO_DEVICE_FEATURE_PROBE))
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_FEATURE: flags 0x%x", feature.flags);
	if (!(feature.flags & VFIO_DEVICE_FEATURE_PROBE) && (feature.flags & access) == access)
		return refuse(t->trace, -EINVAL, "VFIO_DEVICE_FEATURE: GET and SET at once");
	for (size_t i = 0; i < ARRAY_SIZE(vfio_features); i++)
		if (vfio_features[i].index == (feature.flags & VFIO_DEVICE_FEATURE_MASK))
			return vfio_features[i].fn(o, t, feature.flags, arg + sizeof(feature),
						   feature.argsz - sizeof(feature));
	return -ENOTTY;
}
