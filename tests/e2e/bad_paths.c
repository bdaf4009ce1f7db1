/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls with paths that cannot be read, or are too long: relative, absolute, by a directory fd, and where we live. */
#include <limits.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>

#include "answers.h"

#define P 4096

static char *hole; /* behind a page that can be read */
static int dir;

static long errno_of(long ret)
{
	return ret == -1 ? -errno : ret >= 0 ? 0 : ret;
}

static void ask(const char *kind, const char *path)
{
	struct stat st;
	struct statx stx;
	struct statfs fs;
	char name[64], buf[8];

#define ASK(what, call)                                                                                                \
	do {                                                                                                           \
		snprintf(name, sizeof(name), "%s: %s", kind, what);                                                    \
		answer(name, errno_of((long)(call)));                                                                  \
	} while (0)
	ASK("open", open(path, O_RDONLY));
	ASK("open, O_CREAT", open(path, O_RDWR | O_CREAT, 0600));
	ASK("openat", openat(dir, path, O_RDONLY));
	ASK("openat, no directory", openat(12345, path, O_RDONLY));
	ASK("system call", syscall(SYS_openat, AT_FDCWD, path, O_RDONLY));
	ASK("fopen", fopen(path, "r") ? 0 : -1);
	ASK("stat", stat(path, &st));
	ASK("lstat", lstat(path, &st));
	ASK("fstatat", fstatat(dir, path, &st, 0));
	ASK("fstatat, AT_EMPTY_PATH", fstatat(dir, path, &st, AT_EMPTY_PATH));
	ASK("fstatat, no such flag", fstatat(dir, path, &st, 0x40000000));
	ASK("statx", statx(dir, path, AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	ASK("statfs", statfs(path, &fs));
	ASK("access", access(path, R_OK));
	ASK("access, no such mode", access(path, 64));
	ASK("faccessat", faccessat(dir, path, R_OK, 0));
	ASK("readlink", readlink(path, buf, sizeof(buf)));
	ASK("readlink, no room", readlink(path, buf, 0));
	ASK("readlinkat", readlinkat(dir, path, buf, sizeof(buf)));
	ASK("chdir", chdir(path));
	ASK("truncate", truncate(path, 0));
	ASK("unlink", unlink(path));
	ASK("rmdir", rmdir(path));
	ASK("mkdir", mkdir(path, 0700));
	ASK("mknod", mknod(path, S_IFREG | 0600, 0));
	ASK("rename", rename(path, "/tmp/x"));
	ASK("rename onto it", rename("/tmp", path));
	ASK("link", link(path, "/tmp/x"));
	ASK("symlink", symlink("x", path));
	ASK("chmod", chmod(path, 0600));
	ASK("chown", chown(path, 0, 0));
	ASK("utimensat", utimensat(dir, path, NULL, 0));
	ASK("getxattr", getxattr(path, "user.x", buf, sizeof(buf)));
}

static void ask_answers(const char *path)
{
	answer("stat into a hole", errno_of(stat(path, (struct stat *)hole)));
	answer("statfs into a hole", errno_of(statfs(path, (struct statfs *)hole)));
	answer("fstat into a hole", errno_of(fstat(dir, (struct stat *)hole)));
	answer("readlink into a hole",
	       errno_of(readlink("/sys/bus/pci/devices/../drivers/vfio-pci/../../devices", hole, 9)));
}

int main(int argc, char **argv)
{
	static char longest[PATH_MAX + 2] = "/sys/bus/pci";

	if (answers_begin(argc, argv))
		return 2;
	hole = mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	dir = open("/sys/bus/pci", O_RDONLY | O_DIRECTORY);
	if (hole == MAP_FAILED || dir < 0)
		return 2;
	hole += P;
	/* It was a path once. */
	strcpy(hole, "/sys/bus/pci");
	answer("before", errno_of(access(hole, R_OK)));
	mprotect(hole, P, PROT_NONE);
	ask("hole", hole);
	memcpy(hole - 12, "/sys/bus/pci", 12);
	ask("runs into the hole", hole - 12);
	munmap(hole, P);
	ask("unmapped", hole);
	ask("minus one", (char *)-1);
	ask("one", (char *)1);
	ask("null", NULL);
	memset(longest + 12, '/', PATH_MAX - 12);
	ask("a path of PATH_MAX", longest);
	longest[PATH_MAX - 1] = 0;
	answer("a path just short enough", errno_of(access(longest, R_OK)));
	answer("relative, of PATH_MAX", errno_of(fchdir(dir)));
	longest[PATH_MAX - 1] = '/';
	memset(longest, '.', 1);
	ask("relative", longest);
	memset(longest + 12, 'x', NAME_MAX + 1);
	longest[0] = '/';
	longest[12] = '/';
	longest[12 + NAME_MAX + 2] = 0;
	answer("a long name", errno_of(access(longest, R_OK)));
	longest[12 + NAME_MAX + 1] = 0;
	answer("the longest name", errno_of(access(longest, R_OK)));
	ask_answers("/sys/bus/pci");
	return answers_end();
}
