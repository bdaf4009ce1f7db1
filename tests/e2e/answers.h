/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that ask the kernel questions and print its answers, one line each: `case: result values`. With a file as
 * first argument the lines are compared with those in it, which real Linux wrote; any difference is a failure. Nothing
 * here knows of barter: the same program runs on a real machine.
 */
#ifndef TESTS_E2E_ANSWERS_H
#define TESTS_E2E_ANSWERS_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static FILE *answers_expected;
static int answers_differ, answers_total;

static inline void answers_line(const char *line)
{
	char expected[512];

	answers_total++;
	if (!answers_expected) {
		printf("%s\n", line);
		fflush(stdout);
		return;
	}
	if (!fgets(expected, sizeof(expected), answers_expected))
		snprintf(expected, sizeof(expected), "(nothing more)");
	expected[strcspn(expected, "\n")] = 0;
	if (strcmp(expected, line) == 0)
		return;
	answers_differ++;
	printf("DIFFERS  %s\n  Linux: %s\n", line, expected);
	fflush(stdout);
}

/* ret: the call's result, or -errno. */
__attribute__((format(printf, 3, 4))) static inline void say(const char *name, long ret, const char *fmt, ...)
{
	char line[512];
	va_list args;
	int n;

	if (ret < 0)
		n = snprintf(line, sizeof(line), "%s: %s", name, strerrorname_np((int)-ret));
	else
		n = snprintf(line, sizeof(line), "%s: %ld", name, ret);
	line[n] = ' ';
	va_start(args, fmt);
	if (vsnprintf(line + n + 1, sizeof(line) - (size_t)n - 1, fmt, args) == 0)
		line[n] = 0;
	va_end(args);
	answers_line(line);
}

static inline void answer(const char *name, long ret)
{
	say(name, ret, "%s", "");
}

static inline int answers_begin(int argc, char **argv)
{
	if (argc > 1 && !(answers_expected = fopen(argv[1], "r"))) {
		perror(argv[1]);
		return -1;
	}
	return 0;
}

static inline int answers_end(void)
{
	char extra[512];

	if (!answers_expected)
		return 0;
	while (fgets(extra, sizeof(extra), answers_expected)) {
		answers_differ++;
		printf("MISSING  %s", extra);
	}
	fclose(answers_expected);
	printf("%d answers, %d differ\n", answers_total, answers_differ);
	return answers_differ ? 1 : 0;
}

/* ioctl that answers -errno. */
static inline long io(int fd, unsigned long cmd, void *arg)
{
	long ret = ioctl(fd, cmd, arg);
	return ret < 0 ? -errno : ret;
}

static inline void die(const char *what)
{
	perror(what);
	exit(2);
}

/*
 * Anonymous memory at an address of our choice, so that what depends on alignment is the same everywhere. The range
 * from 0x7e9000000000 on is one that the sanitizers leave to programs.
 */
static inline char *memory_at(uintptr_t address, size_t len, int prot)
{
	char *p = mmap((void *)address, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE,
		       -1, 0);

	if (p != (char *)address)
		die("mmap");
	return p;
}

#endif
