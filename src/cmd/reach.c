/* SPDX-License-Identifier: BSD-3-Clause */
/* Can the library get into this program? It runs without, too, but then sees this machine's devices: say so. */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"

/* Scripts name interpreters, which may be scripts; the kernel follows that often. */
#define MAX_INTERPRETERS 5

/* The file that execvp() takes. False: it will say what is wrong. */
static bool program_find(const char *name, char *path, size_t size)
{
	const char *dir = getenv("PATH");

	if (strchr(name, '/'))
		return (size_t)snprintf(path, size, "%s", name) < size;
	for (dir = dir ? dir : "/bin:/usr/bin"; *dir; dir += strspn(dir, ":")) {
		int n = (int)strcspn(dir, ":");

		if ((size_t)snprintf(path, size, "%.*s/%s", n, dir, name) < size && access(path, X_OK) == 0)
			return true;
		dir += n;
	}
	return false;
}

/* Turns a script's path into its interpreter's. */
static bool script_follow(char *path, size_t size, char *head, size_t len)
{
	char *start = head + 2;

	if (len < 3 || head[0] != '#' || head[1] != '!')
		return false;
	head[MIN(len, (size_t)255)] = '\0';
	start += strspn(start, " \t");
	start[strcspn(start, " \t\n")] = '\0';
	return *start && (size_t)snprintf(path, size, "%s", start) < size;
}

static bool is_elf(const char *head, size_t len)
{
	return len >= sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS64;
}

/* Without a dynamic linker nothing is preloaded. Headers that lie beyond the first page are not looked for. */
static bool is_static(const char *head, size_t len)
{
	Elf64_Ehdr elf;
	Elf64_Phdr segment;

	if (!is_elf(head, len))
		return false;
	memcpy(&elf, head, sizeof(elf));
	for (unsigned i = 0; i < elf.e_phnum; i++) {
		size_t at = elf.e_phoff + i * sizeof(segment);

		if (at > len || len - at < sizeof(segment))
			return false;
		memcpy(&segment, head + at, sizeof(segment));
		if (segment.p_type == PT_INTERP)
			return false;
	}
	return true;
}

static bool gets_privileges(const struct stat *st)
{
	return ((st->st_mode & S_ISUID) && st->st_uid != getuid()) ||
	       ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st->st_gid != getgid());
}

void reach_check(const char *name)
{
	char path[PATH_MAX], head[4096];
	const char *why = NULL;
	struct stat st;
	ssize_t len = 0;
	bool more = program_find(name, path, sizeof(path));

	for (int i = 0; more && !why && i < MAX_INTERPRETERS; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return;
		len = fstat(fd, &st) ? -1 : read(fd, head, sizeof(head) - 1);
		close(fd);
		if (len < 0)
			return;
		if (is_static(head, (size_t)len))
			why = "it is linked statically";
		more = script_follow(path, sizeof(path), head, (size_t)len);
		if (!more && gets_privileges(&st))
			why = "it runs with the rights of its owner";
	}
	if (why)
		cmd_error("%s sees this machine's devices, not the rack's: %s", path, why);
}
