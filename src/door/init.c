/* SPDX-License-Identifier: BSD-3-Clause */
/* The door's beginning and end in a process: as little as possible when it starts, the machine at its first use. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trace.h"
#include "door/door.h"
#include "door/env.h"
#include "door/fd_table.h"
#include "door/raw_syscall.h"
#include "door/mm.h"
#include "door/path.h"
#include "machine/machine.h"
#include "memory/section.h"
#include "memory/system_memory.h"
#include "pci/build.h"
#include "pci/function.h"

/* The description that `barter run` left us, if that is what the variable names. */
static const struct rack_desc *desc_map(int fd)
{
	const struct rack_desc *desc;
	struct stat st;

	if (raw_syscall(SYS_fstat, fd, &st) || st.st_size < (off_t)sizeof(*desc))
		return NULL;
	desc = real.mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (desc == MAP_FAILED)
		return NULL;
	if (rack_desc_validate(desc, (size_t)st.st_size) == 0)
		return desc;
	real.munmap((void *)desc, (size_t)st.st_size);
	return NULL;
}

/* Programs that close all they have inherited still start others under the same rack. */
static void desc_find(void)
{
	const char *text = getenv(BARTER_ENV_RACK);
	char *end;
	long fd = text ? strtol(text, &end, 10) : -1;

	if (fd < 0 || *end != '\0')
		return;
	door.desc = desc_map((int)fd);
	if (!door.desc)
		return;
	fd_mark((int)fd, FD_INTERNAL);
	door.task.next = door.desc->next;
	door.has_rack = true;
	path_cwd_inherit();
	/* First in, last to run: after what the program registers. exit() comes to the destructor below. */
	at_quick_exit(door_exit);
}

__attribute__((constructor)) void door_init(void)
{
	int saved_errno = errno;

	if (door.pid == 0) {
		door.pid = getpid();
		real_resolve();
		desc_find();
	}
	errno = saved_errno;
}

static struct machine *machine_build(void)
{
	struct machine *m;

	if (!door_mark_alive() || machine_create(door.desc, &m))
		return NULL;
	door.pid = getpid(); /* a child of the process that the library was loaded in may be the first to need one */
	fd_mark(pci_memory_fd(m->rack->root.memory), FD_INTERNAL);
	fd_mark(system_memory_fd(m->rack->space), FD_INTERNAL);
	door.task.trace = m->trace;
	signals_install();
	return m;
}

/*
 * In a child: the parent's machine is the parent's, its threads are not here and its locks may be held by nobody. When
 * the parent had no file of it open, the child may have a machine of its own, and all that was is forgotten (its memory
 * with it, for it cannot be taken apart). Otherwise there is none: docs/limitations.md.
 */
static void start_over(void)
{
	const struct fd_table *fds = door.fds;

	if (fds && !list_empty(&fds->live))
		return;
	door.pid = getpid();
	door.alive = NULL;
	door.mm = NULL;
	door.fds = NULL;
	door.build_failed = false;
	door.machine = NULL;
	pthread_mutex_init(&door.build_lock, NULL);
	pthread_mutex_init(&door.signals.lock, NULL);
	desc_find();
}

struct machine *door_machine(void)
{
	struct machine *m;

	if (unlikely(door_is_forked())) {
		start_over();
		if (door_is_forked())
			return NULL;
	}
	m = atomic_load_explicit(&door.machine, memory_order_acquire);
	if (likely(m || !door.has_rack))
		return m;
	door_enter();
	/*
	 * Its high fds make the kernel's table of fds grow, which takes it 10 ms once the process has threads. The
	 * machine starts some.
	 */
	mm_get();
	pthread_mutex_lock(&door.build_lock);
	m = door.machine;
	if (!m && !door.build_failed) {
		m = machine_build();
		door.build_failed = !m;
		atomic_store_explicit(&door.machine, m, memory_order_release);
	}
	pthread_mutex_unlock(&door.build_lock);
	door_leave();
	return m;
}

struct ns *door_ns(void)
{
	struct machine *m = door_machine();

	/* A child that has files of its parent's looks at its copy of the tree; what it opens the parent opens. */
	if (!m && door_is_forked())
		m = atomic_load(&door.machine);
	return m ? m->ns : NULL;
}

/* No device moves another byte, so that what is written down is what happened. */
static void dma_stop(const struct machine *m)
{
	struct pci_root *root = &m->rack->root;

	for (size_t i = 0; i < root->nr_functions; i++)
		atomic_store(&root->functions[i]->bus_master, false);
	section_drain(phys_sections(m->rack->space));
}

static void write_file(const char *path, int (*write)(struct trace *t, int fd))
{
	int fd = path ? real.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;

	if (fd < 0)
		return;
	write(door.task.trace, fd);
	real.close(fd);
}

/* Children, also those that still run on their parent's memory, leave the parent's records alone. */
void door_exit(void)
{
	static atomic_flag done = ATOMIC_FLAG_INIT;
	int saved_errno = errno;

	if (!door.machine || door_is_forked() || getpid() != door.pid || atomic_flag_test_and_set(&done))
		return;
	dma_stop(door.machine);
	write_file(rack_string(door.desc, door.desc->trace_path), trace_write_timeline);
	write_file(rack_string(door.desc, door.desc->report_path), trace_write_report);
	errno = saved_errno;
}

/* After the program's own atexit handlers. */
__attribute__((destructor)) static void at_exit(void)
{
	door_exit();
}
