/* SPDX-License-Identifier: BSD-3-Clause */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static void usage(FILE *to)
{
	fputs("usage: bench [--json] [--repetitions N]\n"
	      "Measures the cost of emulation. Wants an idle machine and a release build: make bench\n",
	      to);
}

/* The build directory is two levels above this executable. */
static void find_build(struct bench *b)
{
	char path[sizeof(b->directory)];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len < 0) {
		perror("bench: /proc/self/exe");
		exit(1);
	}
	path[len] = 0;
	strcpy(b->directory, dirname(dirname(path)));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"repetitions", required_argument, NULL, 'n'},
						{"help", no_argument, NULL, 'h'},
						{}};
	static struct bench b = {.repetitions = 9};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j') {
			json = true;
		} else if (c == 'n') {
			b.repetitions = (unsigned)strtoul(optarg, NULL, 0);
		} else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind != argc || b.repetitions == 0 || b.repetitions > BENCH_MAX_SAMPLES) {
		usage(stderr);
		return 2;
	}
#ifdef BARTER_DEBUG
	fputs("bench: built with checks: the figures say little (make bench)\n", stderr);
#endif
	find_build(&b);
	reference_measure(&b);
	rows_iommufd(&b);
	rows_tables(&b);
	rows_copy(&b);
	rows_device(&b);
	rows_dmabuf(&b);
	rows_fence(&b);
	rows_sched(&b);
	rows_gpu(&b);
	rows_programs(&b);
	if (json)
		return bench_print_json(&b) ? 1 : 0;
	bench_print(&b);
	return 0;
}
