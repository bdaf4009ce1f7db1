/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thousand buffers of device memory, twenty threads that make, map, read, write, revoke, reset and close, and a
 * checker that knows every byte's owner (soak_buffers.h). Needs --kernel next. BARTER_STRESS_SECONDS says how long;
 * three seconds unless told. What must not be left in the end, soak_buffers.sh finds in the report.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "soak_buffers.h"

static struct world world;

static void *(*const roles[])(void *) = {
	run_cpu,   run_cpu,   run_cpu,	  run_mapper, run_mapper, run_exporters, run_owner, run_owner,
	run_owner, run_taker, run_closer, run_cpu,    run_owner,  run_gpu,	 run_gpu,   run_fencer,
};

enum { NR_ROLES = sizeof(roles) / sizeof(roles[0]) };

static void sleep_until_over(void)
{
	const char *text = getenv("BARTER_STRESS_SECONDS");
	time_t end = time(NULL) + (text ? atoi(text) : 3);

	while (time(NULL) < end)
		usleep(100000);
}

static void show(const struct world *w)
{
	for (unsigned i = 0; i < NR_CARDS; i++)
		printf("%s: reset %lu, FLR %lu, decoding %lu, D3hot %lu, close %lu\n", w->cards[i].function.name,
		       w->cards[i].nr_taken[0], w->cards[i].nr_taken[1], w->cards[i].nr_taken[2],
		       w->cards[i].nr_taken[3], w->cards[i].nr_taken[4]);
	printf("%lu buffers, %lu revoked on request; %lu mappings, %lu refused; %lu pages copied, %lu faults; "
	       "%lu words, %lu SIGBUS\n",
	       w->nr_born, w->nr_revoked, w->nr_maps, w->nr_denied, w->nr_copies, w->nr_faults, w->nr_loads,
	       w->nr_bus_errors);
}

/* High numbers are what the surroundings keep for themselves, but a thousand buffers reach them, too. */
static unsigned nr_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	for (struct dirent *e = readdir(dir); e; e = readdir(dir))
		nr += atoi(e->d_name) < 512;
	closedir(dir);
	return nr;
}

int main(void)
{
	struct rlimit limit;
	pthread_t engines[MAX_ENGINES], threads[NR_ROLES];
	unsigned fds;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	users_init();
	fds = nr_fds();
	world_open(&world);
	for (size_t i = 0; i < world.nr_engines; i++)
		pthread_create(&engines[i], NULL, run_engine, &world);
	for (unsigned i = 0; i < NR_ROLES; i++)
		pthread_create(&threads[i], NULL, roles[i], &world);
	sleep_until_over();
	world.stop = true;
	for (unsigned i = 0; i < NR_ROLES; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < world.nr_engines; i++)
		pthread_join(engines[i], NULL);
	show(&world);
	world_close(&world);
	if (nr_fds() != fds)
		wrong("%u fds are left of %u", nr_fds(), fds);
	return 0;
}
