/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_SET_IRQS: from the function's interrupts to eventfds of the program.
 *
 * One kind of interrupt is on at a time. The function calls irq_handler() under its delivery lock; trigger_lock makes
 * that safe against a trigger that is being replaced. INTx masks itself when it is signalled: the line is a level, and
 * what unmasks it looks whether it is still asserted.
 *
 * MSI-X vectors can be added while others are on, so the function gets all of its vectors when the first is set up and
 * those without a trigger go nowhere. MSI vectors are fixed by the first set-up.
 */
#include <stdlib.h>
#include <string.h>

#include "vfio/vfio_priv.h"

static const struct lock_class irqs_class = {.name = "VFIO interrupts", .rank = LOCK_RANK_VFIO_IRQ};
static const struct lock_class trigger_class = {.name = "VFIO triggers", .rank = LOCK_RANK_LEAF};

/* What one SET_IRQS asks for, after the checks that all indexes share. */
struct irq_request {
	struct task *t;
	uint32_t flags, index, start, count;
	union {
		uint8_t *bools;
		int32_t *fds;
		void *data;
	};
};

static int irq_refuse(const struct irq_request *r, int err, const char *rule)
{
	return refuse(r->t->trace, err, "VFIO_DEVICE_SET_IRQS: %s (index %u flags 0x%x start %u count %u)", rule,
		      r->index, r->flags, r->start, r->count);
}

/* --- delivery --- */

static void irq_handler(void *arg, unsigned vector)
{
	struct vfio_irqs *irqs = &((struct vfio_device *)arg)->irqs;

	spin_lock(&irqs->trigger_lock);
	if (vector < irqs->nr_triggers)
		vfio_trigger_signal(&irqs->triggers[vector]);
	spin_unlock(&irqs->trigger_lock);
}

static void intx_signal_locked(struct vfio_irqs *irqs)
{
	if (irqs->intx_masked)
		return;
	irqs->intx_masked = true;
	vfio_trigger_signal(&irqs->triggers[0]);
}

static void intx_handler(void *arg, unsigned vector)
{
	struct vfio_irqs *irqs = &((struct vfio_device *)arg)->irqs;

	spin_lock(&irqs->trigger_lock);
	if (irqs->nr_triggers)
		intx_signal_locked(irqs);
	spin_unlock(&irqs->trigger_lock);
}

static void intx_set_masked(struct vfio_device *v, bool masked)
{
	spin_lock_irq(&v->irqs.trigger_lock);
	v->irqs.intx_masked = masked;
	spin_unlock_irq(&v->irqs.trigger_lock);
}

/* A line that rises in between is signalled by its handler, one that was up all the time here: once in either case. */
static void intx_unmask(struct vfio_device *v)
{
	intx_set_masked(v, false);
	if (!pci_intx_pending(v->fn))
		return;
	spin_lock_irq(&v->irqs.trigger_lock);
	if (v->irqs.nr_triggers)
		intx_signal_locked(&v->irqs);
	spin_unlock_irq(&v->irqs.trigger_lock);
}

static void intx_unmask_event(void *arg)
{
	struct vfio_device *v = arg;

	mutex_lock(&v->irqs.lock);
	if (v->irqs.kind == PCI_IRQ_INTX && !v->irqs.intx_off)
		intx_unmask(v);
	mutex_unlock(&v->irqs.lock);
}

void vfio_irqs_intx_off(struct vfio_device *v, bool off)
{
	struct vfio_irqs *irqs = &v->irqs;

	mutex_lock(&irqs->lock);
	if (irqs->intx_off != off) {
		irqs->intx_off = off;
		if (irqs->kind == PCI_IRQ_INTX && off)
			intx_set_masked(v, true);
		else if (irqs->kind == PCI_IRQ_INTX)
			intx_unmask(v);
	}
	mutex_unlock(&irqs->lock);
}

/* --- triggers --- */

/* Looks an eventfd up; fd < 0 is no trigger at all. */
static int trigger_get(struct task *t, int fd, struct vfio_trigger *out)
{
	int err;

	*out = (struct vfio_trigger){.ops = t->ops};
	if (fd < 0)
		return 0;
	err = t->ops->event_get(t, fd, &out->event);
	return err ? refuse(t->trace, err, "VFIO_DEVICE_SET_IRQS: fd %d is not an eventfd", fd) : 0;
}

/* Puts tr in place and returns what was there. */
static struct vfio_trigger trigger_swap(struct vfio_irqs *irqs, struct vfio_trigger *slot, struct vfio_trigger tr)
{
	struct vfio_trigger old;

	spin_lock_irq(&irqs->trigger_lock);
	old = *slot;
	*slot = tr;
	spin_unlock_irq(&irqs->trigger_lock);
	return old;
}

/* A failure keeps what was there. */
static int trigger_set(struct vfio_irqs *irqs, struct task *t, struct vfio_trigger *slot, int fd)
{
	struct vfio_trigger tr;
	int err = trigger_get(t, fd, &tr);

	if (err)
		return err;
	tr = trigger_swap(irqs, slot, tr);
	vfio_trigger_put(&tr);
	return 0;
}

static int triggers_alloc(struct vfio_irqs *irqs, unsigned nr)
{
	struct vfio_trigger *triggers = calloc(nr, sizeof(*triggers));

	if (!triggers)
		return -ENOMEM;
	spin_lock_irq(&irqs->trigger_lock);
	irqs->triggers = triggers;
	irqs->nr_triggers = nr;
	spin_unlock_irq(&irqs->trigger_lock);
	return 0;
}

static void triggers_free(struct vfio_irqs *irqs)
{
	struct vfio_trigger *triggers = irqs->triggers;
	unsigned nr = irqs->nr_triggers;

	spin_lock_irq(&irqs->trigger_lock);
	irqs->triggers = NULL;
	irqs->nr_triggers = 0;
	spin_unlock_irq(&irqs->trigger_lock);
	for (unsigned i = 0; i < nr; i++)
		vfio_trigger_put(&triggers[i]);
	free(triggers);
}

static int kind_enable_locked(struct vfio_device *v, enum pci_irq_kind kind, unsigned nr)
{
	struct vfio_irqs *irqs = &v->irqs;
	int err = triggers_alloc(irqs, nr);

	mutex_assert_held(&irqs->lock);
	if (err)
		return err;
	err = pci_irq_enable(v->fn, kind, nr, kind == PCI_IRQ_INTX ? intx_handler : irq_handler, v);
	if (err) {
		triggers_free(irqs);
		return err;
	}
	irqs->kind = kind;
	irqs->nr_enabled = nr;
	return 0;
}

static void kind_disable_locked(struct vfio_device *v)
{
	struct vfio_irqs *irqs = &v->irqs;

	mutex_assert_held(&irqs->lock);
	if (irqs->kind == PCI_IRQ_NONE)
		return;
	pci_irq_disable(v->fn);
	irqs->kind = PCI_IRQ_NONE;
	irqs->nr_enabled = 0;
	triggers_free(irqs);
}

/*
 * The eventfd that unmasks INTx is watched, and let go of, without the lock: its callback takes the lock, and letting
 * go waits for the callback. What a locked step leaves for later:
 */
struct irq_later {
	struct vfio_trigger drop, watch;
};

static struct vfio_trigger unmask_take_locked(struct vfio_irqs *irqs)
{
	struct vfio_trigger tr = irqs->unmask;

	mutex_assert_held(&irqs->lock);
	irqs->unmask.event = NULL;
	return tr;
}

static void unmask_drop(struct vfio_trigger *tr)
{
	if (tr->event)
		tr->ops->event_watch(tr->event, NULL, NULL);
	vfio_trigger_put(tr);
}

/* --- INTx --- */

static bool is_one_intx(const struct vfio_irqs *irqs, const struct irq_request *r)
{
	return irqs->kind == PCI_IRQ_INTX && r->start == 0 && r->count == 1;
}

static int intx_mask_locked(struct vfio_device *v, const struct irq_request *r)
{
	if (!is_one_intx(&v->irqs, r))
		return irq_refuse(r, -EINVAL, "INTx is not on, or start is not 0 or count not 1");
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return irq_refuse(r, -ENOTTY, "an eventfd cannot mask");
	if ((r->flags & VFIO_IRQ_SET_DATA_NONE) || r->bools[0])
		intx_set_masked(v, true);
	return 0;
}

static int intx_unmask_fd_locked(struct vfio_device *v, const struct irq_request *r, struct irq_later *later)
{
	int err;

	if (r->fds[0] < 0) {
		later->drop = unmask_take_locked(&v->irqs);
		return 0;
	}
	err = trigger_get(r->t, r->fds[0], &later->watch);
	if (!err && v->irqs.unmask.event) {
		vfio_trigger_put(&later->watch);
		err = refuse(v->trace, -EBUSY, "VFIO_DEVICE_SET_IRQS: an eventfd unmasks INTx already");
	}
	return err;
}

static int intx_unmask_locked(struct vfio_device *v, const struct irq_request *r, struct irq_later *later)
{
	if (!is_one_intx(&v->irqs, r))
		return irq_refuse(r, -EINVAL, "INTx is not on, or start is not 0 or count not 1");
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return intx_unmask_fd_locked(v, r, later);
	if (((r->flags & VFIO_IRQ_SET_DATA_NONE) || r->bools[0]) && !v->irqs.intx_off)
		intx_unmask(v);
	return 0;
}

/* Watches first: a signal that comes before it is in place unmasks, and that is what was asked for. */
static int unmask_install(struct vfio_device *v, struct vfio_trigger *tr)
{
	int err = tr->ops->event_watch(tr->event, intx_unmask_event, v);

	if (err) {
		vfio_trigger_put(tr);
		return err;
	}
	mutex_lock(&v->irqs.lock);
	if (v->irqs.kind != PCI_IRQ_INTX)
		err = -EINVAL;
	else if (v->irqs.unmask.event)
		err = -EBUSY;
	else
		v->irqs.unmask = *tr;
	mutex_unlock(&v->irqs.lock);
	if (err)
		unmask_drop(tr);
	return err;
}

static int intx_set_trigger_locked(struct vfio_device *v, const struct irq_request *r)
{
	struct vfio_irqs *irqs = &v->irqs;
	struct vfio_trigger tr;
	int err;

	if (irqs->kind == PCI_IRQ_INTX)
		return trigger_set(irqs, r->t, &irqs->triggers[0], r->fds[0]);
	err = trigger_get(r->t, r->fds[0], &tr);
	if (err)
		return err;
	/* Masked until the trigger is in place: a line that is up already is signalled by the unmask. */
	intx_set_masked(v, true);
	err = kind_enable_locked(v, PCI_IRQ_INTX, 1);
	if (err) {
		vfio_trigger_put(&tr);
		return err;
	}
	trigger_swap(irqs, &irqs->triggers[0], tr);
	if (!irqs->intx_off)
		intx_unmask(v);
	return 0;
}

static int intx_trigger_locked(struct vfio_device *v, const struct irq_request *r, struct irq_later *later)
{
	struct vfio_irqs *irqs = &v->irqs;

	if (irqs->kind == PCI_IRQ_INTX && !r->count && (r->flags & VFIO_IRQ_SET_DATA_NONE)) {
		later->drop = unmask_take_locked(irqs);
		kind_disable_locked(v);
		return 0;
	}
	if ((irqs->kind != PCI_IRQ_INTX && irqs->kind != PCI_IRQ_NONE) || r->start != 0 || r->count != 1)
		return irq_refuse(r, -EINVAL, "another kind is on, or start is not 0 or count not 1");
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return intx_set_trigger_locked(v, r);
	if (irqs->kind != PCI_IRQ_INTX)
		return irq_refuse(r, -EINVAL, "INTx is not on");
	if ((r->flags & VFIO_IRQ_SET_DATA_NONE) || r->bools[0]) {
		spin_lock_irq(&irqs->trigger_lock);
		vfio_trigger_signal(&irqs->triggers[0]);
		spin_unlock_irq(&irqs->trigger_lock);
	}
	return 0;
}

/* --- MSI and MSI-X --- */

/* All of [start, start + count), or those that were set are taken away again. */
static int msi_set_block_locked(struct vfio_device *v, const struct irq_request *r)
{
	struct vfio_irqs *irqs = &v->irqs;
	int err = 0;
	uint32_t i;

	for (i = 0; i < r->count && !err; i++)
		err = r->start + i < irqs->nr_triggers
			      ? trigger_set(irqs, r->t, &irqs->triggers[r->start + i], r->fds[i])
			      : refuse(v->trace, -EINVAL, "VFIO_DEVICE_SET_IRQS: vector %u was not set up at first",
				       r->start + i);
	while (err && i-- > 0)
		if (r->start + i < irqs->nr_triggers)
			trigger_set(irqs, r->t, &irqs->triggers[r->start + i], -1);
	return err;
}

static int msi_enable_locked(struct vfio_device *v, const struct irq_request *r, enum pci_irq_kind kind)
{
	unsigned nr = kind == PCI_IRQ_MSIX ? pci_irq_count(v->fn, kind) : r->start + r->count;
	int err;

	/* No vector at all is a range that ends before it begins. */
	if (r->start + r->count == 0)
		return irq_refuse(r, -ERANGE, "no vector at all");
	err = kind_enable_locked(v, kind, nr);
	if (err)
		return err;
	err = msi_set_block_locked(v, r);
	if (err)
		kind_disable_locked(v);
	return err;
}

static int msi_trigger_locked(struct vfio_device *v, const struct irq_request *r, enum pci_irq_kind kind)
{
	struct vfio_irqs *irqs = &v->irqs;

	if (irqs->kind == kind && !r->count && (r->flags & VFIO_IRQ_SET_DATA_NONE)) {
		kind_disable_locked(v);
		return 0;
	}
	if (irqs->kind != kind && irqs->kind != PCI_IRQ_NONE)
		return irq_refuse(r, -EINVAL, "another kind is on");
	if (r->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		return irqs->kind == kind ? msi_set_block_locked(v, r) : msi_enable_locked(v, r, kind);
	if (irqs->kind != kind)
		return irq_refuse(r, -EINVAL, "this kind is not on");
	spin_lock_irq(&irqs->trigger_lock);
	for (uint32_t i = 0; i < r->count && r->start + i < irqs->nr_triggers; i++)
		if ((r->flags & VFIO_IRQ_SET_DATA_NONE) || r->bools[i])
			vfio_trigger_signal(&irqs->triggers[r->start + i]);
	spin_unlock_irq(&irqs->trigger_lock);
	return 0;
}

/* --- errors and requests to let go --- */

static int single_trigger_locked(struct vfio_device *v, const struct irq_request *r, struct vfio_trigger *slot)
{
	struct vfio_trigger tr;
	int err;

	if (r->start != 0 || r->count > 1)
		return irq_refuse(r, -EINVAL, "there is one");
	if (r->flags & VFIO_IRQ_SET_DATA_NONE) {
		if (!slot->event)
			return irq_refuse(r, -EINVAL, "no eventfd is set");
		if (r->count)
			vfio_trigger_signal(slot);
		else
			vfio_trigger_put(slot);
		return 0;
	}
	if (!r->count)
		return irq_refuse(r, -EINVAL, "count 0 goes with no data");
	if (r->flags & VFIO_IRQ_SET_DATA_BOOL) {
		if (r->bools[0])
			vfio_trigger_signal(slot);
		return 0;
	}
	if (r->fds[0] < -1)
		return irq_refuse(r, -EINVAL, "an fd less than -1");
	err = trigger_get(r->t, r->fds[0], &tr);
	if (err)
		return err;
	vfio_trigger_put(slot);
	*slot = tr;
	return 0;
}

/* --- the ioctl --- */

static int set_irqs_locked(struct vfio_device *v, const struct irq_request *r, struct irq_later *later)
{
	uint32_t action = r->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	mutex_assert_held(&v->irqs.lock);
	if (r->index == VFIO_PCI_INTX_IRQ_INDEX && action == VFIO_IRQ_SET_ACTION_MASK)
		return intx_mask_locked(v, r);
	if (r->index == VFIO_PCI_INTX_IRQ_INDEX && action == VFIO_IRQ_SET_ACTION_UNMASK)
		return intx_unmask_locked(v, r, later);
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return irq_refuse(r, -ENOTTY, "the index does not know this action");
	switch (r->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return intx_trigger_locked(v, r, later);
	case VFIO_PCI_MSI_IRQ_INDEX:
		return msi_trigger_locked(v, r, PCI_IRQ_MSI);
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return msi_trigger_locked(v, r, PCI_IRQ_MSIX);
	case VFIO_PCI_ERR_IRQ_INDEX:
		return single_trigger_locked(v, r, &v->irqs.error);
	default:
		return single_trigger_locked(v, r, &v->irqs.request);
	}
}

unsigned vfio_irq_count(const struct vfio_device *v, unsigned index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return pci_irq_count(v->fn, PCI_IRQ_INTX);
	case VFIO_PCI_MSI_IRQ_INDEX:
		return pci_irq_count(v->fn, PCI_IRQ_MSI);
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return pci_irq_count(v->fn, PCI_IRQ_MSIX);
	default:
		return index < VFIO_PCI_NUM_IRQS ? 1 : 0;
	}
}

static int header_check(const struct vfio_device *v, const struct vfio_irq_set *set, size_t *data_len)
{
	uint32_t type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	unsigned nr = vfio_irq_count(v, set->index);
	size_t each = type == VFIO_IRQ_SET_DATA_EVENTFD ? sizeof(int32_t) : type == VFIO_IRQ_SET_DATA_BOOL;

	if (set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK) ||
	    __builtin_popcount(type) != 1)
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_SET_IRQS: flags 0x%x", set->flags);
	if (set->start >= nr || set->count > nr - set->start)
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_SET_IRQS: start %u count %u of %u at index %u",
			      set->start, set->count, nr, set->index);
	*data_len = each * set->count;
	if (set->argsz - sizeof(*set) < *data_len)
		return refuse(v->trace, -EINVAL, "VFIO_DEVICE_SET_IRQS: argsz %u is too short for its data",
			      set->argsz);
	return 0;
}

long vfio_set_irqs_ioctl(struct vfio_open *o, struct file *f, struct task *t, uaddr_t arg)
{
	struct irq_later later = {0};
	struct vfio_irq_set set;
	struct irq_request r;
	size_t len = 0;
	int err = vfio_copy_struct(t, &set, arg, sizeof(set), "VFIO_DEVICE_SET_IRQS");

	if (err)
		return err;
	err = header_check(o->v, &set, &len);
	if (err)
		return err;
	r = (struct irq_request){
		.t = t, .flags = set.flags, .index = set.index, .start = set.start, .count = set.count};
	r.data = malloc(len ? len : 1);
	if (!r.data)
		return -ENOMEM;
	if (len && copy_from_task(t, r.data, arg + sizeof(set), len)) {
		err = -EFAULT;
	} else {
		mutex_lock(&o->v->irqs.lock);
		err = set_irqs_locked(o->v, &r, &later);
		mutex_unlock(&o->v->irqs.lock);
	}
	unmask_drop(&later.drop);
	if (later.watch.event)
		err = unmask_install(o->v, &later.watch);
	free(r.data);
	return err;
}

int vfio_irqs_msi_order(struct vfio_device *v)
{
	int order = -1;

	mutex_lock(&v->irqs.lock);
	for (unsigned nr = v->irqs.nr_enabled; v->irqs.kind == PCI_IRQ_MSI && (order < 0 || 1u << order < nr);)
		order++;
	mutex_unlock(&v->irqs.lock);
	return order;
}

void vfio_irqs_init(struct vfio_device *v)
{
	memset(&v->irqs, 0, sizeof(v->irqs));
	mutex_init(&v->irqs.lock, &irqs_class);
	spin_lock_init(&v->irqs.trigger_lock, &trigger_class);
}

void vfio_irqs_fini(struct vfio_device *v)
{
	struct vfio_trigger unmask;

	mutex_lock(&v->irqs.lock);
	unmask = unmask_take_locked(&v->irqs);
	kind_disable_locked(v);
	mutex_unlock(&v->irqs.lock);
	unmask_drop(&unmask);
	vfio_trigger_put(&v->irqs.error);
	vfio_trigger_put(&v->irqs.request);
	spin_lock_fini(&v->irqs.trigger_lock);
	mutex_fini(&v->irqs.lock);
}
