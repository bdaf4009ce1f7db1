/* SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t start(const char *const *argv, int out, int err)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	int failed = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return failed ? -1 : pid;
}

static bool finish(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

double run_time(const char *const *argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	double from = now_ns();
	bool ok = finish(start(argv, null, null));
	double ns = now_ns() - from;

	close(null);
	return ok ? ns : -1;
}

static struct samples *key_find(struct results *r, const char *key)
{
	for (unsigned i = 0; i < r->nr; i++)
		if (strcmp(r->keys[i].key, key) == 0)
			return &r->keys[i].samples;
	if (r->nr == RUN_MAX_KEYS)
		abort();
	snprintf(r->keys[r->nr].key, sizeof(r->keys[0].key), "%s", key);
	return &r->keys[r->nr++].samples;
}

const struct samples *results_get(const struct results *r, const char *key)
{
	static const struct samples none;

	for (unsigned i = 0; i < r->nr; i++)
		if (strcmp(r->keys[i].key, key) == 0)
			return &r->keys[i].samples;
	return &none;
}

/* Measurements and, mixed among them, what the program had to complain about. */
static void read_results(FILE *f, struct results *r)
{
	char line[256], key[40];
	double value;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%39s %lf", key, &value) == 2 && key[strlen(key) - 1] != ':') {
			samples_add(key_find(r, key), value);
		} else {
			line[strcspn(line, "\n")] = 0;
			snprintf(r->why, sizeof(r->why), "%.110s", line);
		}
	}
}

/* argv[0] .. NULL: runs it to its end and reads what it prints. */
static struct results run_argv(const char *const *argv)
{
	struct results r = {0};
	int pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC)) {
		perror("bench: pipe");
		exit(1);
	}
	pid_t pid = start(argv, pipe_fds[1], pipe_fds[1]);
	close(pipe_fds[1]);
	FILE *f = fdopen(pipe_fds[0], "r");
	if (!f)
		abort();
	read_results(f, &r);
	fclose(f);
	r.failed = !finish(pid);
	return r;
}

struct results run_inside_on(const struct bench *b, const char *const *options, const char *part)
{
	char barter[4200], program[4200], repetitions[16];
	const char *argv[RUN_MAX_OPTIONS + 7];
	unsigned nr = 0;

	snprintf(barter, sizeof(barter), "%s/barter", b->directory);
	snprintf(program, sizeof(program), "%s/bench/bench-inside", b->directory);
	snprintf(repetitions, sizeof(repetitions), "%u", b->repetitions);
	if (options) {
		argv[nr++] = barter;
		argv[nr++] = "run";
		for (unsigned i = 0; i < RUN_MAX_OPTIONS && options[i]; i++)
			argv[nr++] = options[i];
		argv[nr++] = "--";
	}
	argv[nr++] = program;
	argv[nr++] = part;
	argv[nr++] = repetitions;
	argv[nr] = NULL;
	return run_argv(argv);
}

struct results run_inside(const struct bench *b, const char *rack, const char *part)
{
	const char *options[] = {"--rack", rack, NULL};

	return run_inside_on(b, rack ? options : NULL, part);
}

struct bench_row *results_row(struct bench *b, const struct results *r, const char *name, const char *unit,
			      double limit, bool at_least, const struct samples *figure)
{
	struct bench_row *row = bench_row(b, name, unit, limit, at_least, r->failed ? NULL : figure);

	if (r->failed)
		bench_detail(row, "the program failed: %s", r->why);
	return row;
}
