/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything at once: memory is taken away by decoding, power, resets and closes while threads access, map, export,
 * import and move data by DMA. Runs for a second, or as long as BARTER_STRESS_SECONDS says.
 *
 * What must hold: when a call that takes memory away has returned, nobody writes to it until it is given back.
 */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "pci/dma.h"

enum { SLICE = 64 << 10, IOVA = 0x100000, DMA_WORDS = 512 };

struct race {
	struct fixture *x;
	int engine_device; /* vfio1, attached to ioas */
	uint32_t ioas;
	char *host; /* the card's memory as the card sees it */
	_Atomic bool stop;
	_Atomic unsigned takes, accesses, refused, copied, faulted, imports, maps;
};

typedef void (*step_fn)(struct race *r, unsigned i);

struct worker {
	struct race *r;
	step_fn step;
	pthread_t thread;
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; !w->r->stop; i++)
		w->step(w->r, i);
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void race_run(struct race *r, const step_fn *steps, size_t nr)
{
	const char *seconds = getenv("BARTER_STRESS_SECONDS");
	double end = now() + (seconds ? atof(seconds) : 1.0);
	struct worker workers[8];

	for (size_t i = 0; i < nr; i++) {
		workers[i] = (struct worker){.r = r, .step = steps[i]};
		pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
	}
	while (now() < end)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	r->stop = true;
	for (size_t i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
}

/* --- who takes memory away --- */

static void fill(struct race *r, uint8_t value)
{
	for (size_t i = 0; i < SLICE; i++)
		__atomic_store_n(&r->host[i], value, __ATOMIC_RELAXED);
}

static void expect(struct race *r, uint8_t value, const char *when)
{
	for (size_t i = 0; i < SLICE; i++)
		if (__atomic_load_n((uint8_t *)&r->host[i], __ATOMIC_RELAXED) != value)
			fail_msg("byte %zu was written %s", i, when);
}

static void take_by_decoding(struct race *r, unsigned i)
{
	set_command(r->x, 0);
	fill(r, (uint8_t)i | 1);
	sched_yield();
	expect(r, (uint8_t)i | 1, "while decoding was off");
	fill(r, 0);
	set_command(r->x, PCI_COMMAND_MEMORY);
	r->takes++;
	sched_yield();
}

static void take_by_power(struct race *r, unsigned i)
{
	set_power(r->x, 3);
	sched_yield();
	set_power(r->x, 0);
	r->takes++;
}

static void take_by_reset(struct race *r, unsigned i)
{
	if (i & 1)
		assert_int_equal(device_ioctl(r->x, VFIO_DEVICE_RESET, NULL), 0);
	else
		config_write(r->x, r->x->fn->cap_exp + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR, 2);
	r->takes++;
	sched_yield();
}

/* --- who uses it --- */

static void access_through_the_file(struct race *r, unsigned i)
{
	uint64_t value = 0, position = REGION(2) + (i * 8) % SLICE;
	ssize_t n = i & 1 ? fake_task_pread(r->x->ft, r->x->device, &value, 8, position)
			  : fake_task_pwrite(r->x->ft, r->x->device, &value, 8, position);

	if (n != 8 && n != -EIO)
		fail_msg("an access gave %zd", n);
	r->accesses += n == 8;
	r->refused += n == -EIO;
}

/* Mappings come and go; one that stands has the state of the memory. The fd table is this thread's, too. */
static void map_and_export(struct race *r, unsigned i)
{
	struct fixture *x = r->x;
	int64_t addr = map_bar(x, 2, 0, SLICE);
	int fd = export_one(x, 0, SLICE);
	long err;

	assert_true(addr > 0);
	assert_true(fd >= 0);
	err = map_file(x, r->ioas, fd, 0, SLICE, IOVA);
	if (err && err != -ENODEV)
		fail_msg("an import gave %ld", err);
	sched_yield();
	if (!err) {
		r->imports++;
		assert_int_equal(unmap(x, r->ioas, IOVA, SLICE), 0);
	}
	assert_int_equal(fake_task_close(x->ft, fd), 0);
	assert_int_equal(fake_task_munmap(x->ft, (uaddr_t)addr), 0);
	r->maps++;
}

static void move_by_dma(struct race *r, unsigned i)
{
	struct pci_function *engine = &r->x->tree->cards[3].fn;
	static const uint64_t words[DMA_WORDS];
	struct dma_port port;

	assert_int_equal(dma_port_init(&port, engine), 0);
	for (unsigned n = 0; n < 64 && !r->stop; n++) {
		size_t done;
		enum dma_status status = dma_write(&port, dma_port_generation(&port), IOVA + (n % 8) * sizeof(words),
						   words, sizeof(words), &done);

		r->copied += status == DMA_OK;
		r->faulted += status != DMA_OK;
	}
	dma_port_fini(&port);
}

static void race_setup(struct race *r)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = 12};
	uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

	memset(r, 0, sizeof(*r));
	r->x = fixture_create(NULL, true);
	r->host = r->x->fn->bars[2].regions[0].host;
	r->ioas = ioas_alloc(r->x);
	r->engine_device = fixture_open(r->x, "/dev/vfio/devices/vfio1");
	assert_int_equal(fixture_bind(r->x, r->engine_device), 0);
	attach.pt_id = r->ioas;
	assert_int_equal(fake_task_ioctl(r->x->ft, r->engine_device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), 0);
	assert_int_equal(fake_task_pwrite(r->x->ft, r->engine_device, &command, 2, REGION(7) + PCI_COMMAND), 2);
}

static void nothing_is_written_after_it_was_taken(void **state)
{
	static const step_fn steps[] = {take_by_decoding,	 take_by_power,	 take_by_reset,
					access_through_the_file, map_and_export, move_by_dma};
	struct race r;

	race_setup(&r);
	race_run(&r, steps, sizeof(steps) / sizeof(steps[0]));
	print_message("taken away %u times; %u accesses, %u refused; %u DMA writes, %u refused; %u mappings, "
		      "%u imports\n",
		      r.takes, r.accesses, r.refused, r.copied, r.faulted, r.maps, r.imports);
	assert_true(r.takes && r.accesses && r.maps);
	assert_true(pci_gate_is_open(&r.x->fn->gate));
	assert_true(list_empty(&r.x->fn->gate.clients));
	fixture_destroy(r.x);
}

/* --- the last close --- */

/* Opens the device anew, maps and exports it, and lets go in an order that changes. */
static void open_and_close(struct race *r, unsigned i)
{
	struct fixture *x = r->x;
	struct vfio_region_dma_range range = {.length = SLICE};
	int64_t addr;
	int fd;

	x->device = fixture_open(x, "/dev/vfio/devices/vfio0");
	assert_int_equal(fixture_bind(x, x->device), 0);
	addr = map_bar(x, 2, 0, SLICE);
	fd = export_ranges(x, 2, 0, 0, 1, &range);
	map_file(x, r->ioas, fd, 0, SLICE, IOVA);
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	if (i & 1)
		fake_task_close(x->ft, x->device);
	fake_task_munmap(x->ft, (uaddr_t)addr);
	if (!(i & 1))
		fake_task_close(x->ft, x->device);
	/* It is gone for good, and so is every byte of DMA to it. */
	fill(r, (uint8_t)i | 1);
	sched_yield();
	expect(r, (uint8_t)i | 1, "after the last close");
	fill(r, 0);
	unmap(x, r->ioas, IOVA, SLICE);
	fake_task_close(x->ft, fd);
	r->takes++;
}

/* The host's own reset, as through sysfs: not serialised with the file at all. */
static void reset_from_outside(struct race *r, unsigned i)
{
	assert_int_equal(pci_reset_function(r->x->fn), 0);
	sched_yield();
}

static void the_last_close_takes_everything(void **state)
{
	static const step_fn steps[] = {open_and_close, reset_from_outside, move_by_dma};
	struct race r;

	race_setup(&r);
	fake_task_close(r.x->ft, r.x->device);
	race_run(&r, steps, sizeof(steps) / sizeof(steps[0]));
	print_message("closed %u times; %u DMA writes, %u refused\n", r.takes, r.copied, r.faulted);
	assert_true(r.takes);
	assert_true(list_empty(&r.x->fn->gate.clients));
	fixture_destroy(r.x);
}

/* --- interrupts --- */

static void raise_all(struct race *r, unsigned i)
{
	pci_irq_raise(r->x->fn, i % 4);
	pci_intx_set(r->x->fn, i & 1);
}

static void set_up_interrupts(struct race *r, unsigned i)
{
	struct fixture *x = r->x;
	static int events[4];
	uint32_t index = i % 3;
	uint32_t count = index == VFIO_PCI_INTX_IRQ_INDEX ? 1 : 4;
	const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;

	for (int n = 0; n < 4 && !i; n++)
		events[n] = fake_task_eventfd(x->ft);
	assert_int_equal(set_irqs(x, VFIO_IRQ_SET_DATA_EVENTFD | trigger, index, 0, count, events, count * 4), 0);
	sched_yield();
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		set_irqs(x, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, index, 0, 1, NULL, 0);
	assert_int_equal(set_irqs(x, VFIO_IRQ_SET_DATA_NONE | trigger, index, 0, 0, NULL, 0), 0);
	r->takes++;
}

static void interrupts_against_their_set_up(void **state)
{
	static const step_fn steps[] = {raise_all, set_up_interrupts, take_by_reset};
	struct race r;

	race_setup(&r);
	race_run(&r, steps, sizeof(steps) / sizeof(steps[0]));
	assert_true(r.takes);
	fixture_destroy(r.x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_written_after_it_was_taken),
		cmocka_unit_test(the_last_close_takes_everything),
		cmocka_unit_test(interrupts_against_their_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
