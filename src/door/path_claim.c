/* SPDX-License-Identifier: BSD-3-Clause */
/* What the text of a path says, without a look at any file system. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>

#include "door/path.h"
#include "door/raw_syscall.h"

/* Everything below these names is ours, and nothing real shows through. A star stands for the rest of a name. */
static const char *const claims[] = {
	"/dev/iommu",
	"/dev/vfio",
	"/sys/bus/pci",
	"/sys/devices/pci*",
	"/sys/kernel/iommu_groups",
	"/sys/module/vfio_pci",
	"/sys/class/vfio-dev",
	"/sys/class/iommu",
	"/sys/class/vfio",
	"/dev/dma_heap",
	"/dev/udmabuf",
	"/dev/dri",
	"/sys/class/dma_heap",
	"/sys/class/drm",
	"/sys/class/misc/udmabuf",
	"/sys/devices/virtual/dma_heap",
	"/sys/devices/virtual/misc/udmabuf",
	"/sys/module/udmabuf",
	"/sys/dev/char/10:258",
	"/sys/dev/char/254:*",
	"/sys/dev/char/226:*",
	"/sys/kernel/debug/dma_buf",
	"/sys/kernel/debug/sync",
};

static enum path_claim claim_match(const char *claim, const char *text)
{
	size_t i = 0;
	while (claim[i] && claim[i] != '*' && claim[i] == text[i])
		i++;
	if (claim[i] == '*' || (claim[i] == '\0' && (text[i] == '/' || text[i] == '\0')))
		return PATH_CLAIM_INSIDE;
	if (text[i] == '\0' && claim[i] == '/')
		return PATH_CLAIM_ABOVE;
	return PATH_CLAIM_NONE;
}

static enum path_claim claim_proc(const char *text)
{
	const char *rest = strchr(text + strlen("/proc/"), '/');
	return rest && (strstr(rest, "/fd") || strstr(rest, "/cwd") || strstr(rest, "/root")) ? PATH_CLAIM_PROC
											      : PATH_CLAIM_NONE;
}

enum path_claim path_claim(const char *text)
{
	enum path_claim best = PATH_CLAIM_NONE;
	if (strncmp(text, "/proc/", 6) == 0)
		return claim_proc(text);
	if (text[0] == '/' && text[1] == '\0')
		return PATH_CLAIM_ABOVE;
	if (strncmp(text, "/dev/fd", 7) == 0 || strncmp(text, "/dev/std", 8) == 0)
		return PATH_CLAIM_PROC;
	if (strncmp(text, "/dev", 4) != 0 && strncmp(text, "/sys", 4) != 0)
		return PATH_CLAIM_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(claims) && best != PATH_CLAIM_INSIDE; i++) {
		enum path_claim claim = claim_match(claims[i], text);
		if (claim != PATH_CLAIM_NONE)
			best = claim;
	}
	return best;
}

static bool has_dot_component(const char *path)
{
	for (const char *p = path; (p = strchr(p, '.')); p++)
		if ((p == path || p[-1] == '/') &&
		    (p[1] == '/' || p[1] == '\0' || (p[1] == '.' && (p[2] == '/' || !p[2]))))
			return true;
	return false;
}

/*
 * Appends path to the normal absolute text in buf, by text alone. False: too long. *through: the way leads up from
 * inside our tree, where ".." may follow a link of ours and the text alone does not tell where it ends.
 */
static bool normalise(char *buf, size_t size, const char *path, bool *through)
{
	size_t len = strlen(buf);
	*through = false;
	if (len == 1)
		len = 0;
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n == 2 && path[0] == '.' && path[1] == '.') {
			buf[len] = '\0';
			*through |= path_claim(buf) == PATH_CLAIM_INSIDE;
			while (len > 0 && buf[--len] != '/')
				;
		} else if (n > 0 && !(n == 1 && path[0] == '.')) {
			if (len + 1 + n >= size)
				return false;
			buf[len++] = '/';
			memcpy(buf + len, path, n);
			len += n;
		}
		path += n + strspn(path + n, "/");
	}
	if (len == 0)
		buf[len++] = '/';
	buf[len] = '\0';
	return true;
}

/* The directory that a relative path starts from. False: the kernel shall say what is wrong with it. */
static bool base_of(int dirfd, char *buf, size_t size)
{
	char link[32];
	if (dirfd == AT_FDCWD)
		return path_cwd(buf, size) > 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	long n = raw_syscall(SYS_readlinkat, AT_FDCWD, link, buf, size - 1);
	buf[n > 0 ? n : 0] = '\0';
	return buf[0] == '/';
}

/* The first letters of a path that can be ours: /d /s /p, or none yet. */
static bool may_begin_ours(const char *path)
{
	return path[1] == 'd' || path[1] == 's' || path[1] == 'p' || path[1] == '/' || path[1] == '.';
}

bool path_concerns(int dirfd, const char *path)
{
	char buf[PATH_MAX];
	bool through;
	if (likely(!door.has_rack) || !path || !path_readable(path))
		return false;
	if (path[0] == '/') {
		bool dots = has_dot_component(path);
		if (!dots && !may_begin_ours(path))
			return false;
		if (!dots && !strstr(path, "//") && path_claim(path) == PATH_CLAIM_NONE)
			return false;
		buf[0] = '\0';
	} else if (dirfd != AT_FDCWD && fd_is_ours(dirfd)) {
		return true;
	} else if (dirfd == AT_FDCWD && path_cwd_is_ours()) {
		return true;
	} else if (path[0] == '\0' || !base_of(dirfd, buf, sizeof(buf))) {
		return false;
	}
	return !normalise(buf, sizeof(buf), path, &through) || through || path_claim(buf) != PATH_CLAIM_NONE;
}

/* Where a symbolic link that leads to us could end by accident: a real sysfs under the same names. */
static dev_t sysfs_device(void)
{
	static _Atomic dev_t device;
	dev_t known = atomic_load_explicit(&device, memory_order_relaxed);
	struct stat st;
	if (known)
		return known;
	known = raw_syscall(SYS_newfstatat, AT_FDCWD, "/sys", &st, 0) == 0 ? st.st_dev : (dev_t)-1;
	atomic_store_explicit(&device, known, memory_order_relaxed);
	return known;
}

/* One call tells that no link was on the way: then what the kernel found, or did not, is all there is. */
static bool has_no_links(int dirfd, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS};
	long fd = raw_syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	if (fd >= 0)
		raw_syscall(SYS_close, fd);
	return fd >= 0 || fd == -ENOENT || fd == -ENOTDIR;
}

bool path_retry(int dirfd, const char *path, int err, dev_t dev)
{
	if (likely(!door.has_rack) || !path)
		return false;
	if (!err)
		return dev == sysfs_device();
	if (err != ENOENT && err != ENOTDIR && err != ELOOP && err != EACCES && err != ENXIO)
		return false;
	return !has_no_links(dirfd, path);
}
