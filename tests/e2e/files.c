/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an fd and a path of the device files answer to everything that is not their own ioctl: opens with every flag,
 * the calls of any file, names that cannot be changed, numbers that are duplicated, passed and closed, and directories
 * listed by each of libc's ways.
 */
#include "answers.h"

#include <dirent.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>

static void *volatile nowhere = (void *)8;
static volatile int minus_one = -1;
static char device[300], cdev[300]; /* the first function that vfio-pci has, and its device file */

#define ask(call)                                                                                                      \
	do {                                                                                                           \
		char name_[256];                                                                                       \
		errno = 0;                                                                                             \
		long ret_ = (long)(call);                                                                              \
		snprintf(name_, sizeof(name_), "%s %s", what, #call);                                                  \
		answer(name_, ret_ < 0 ? -errno : ret_);                                                               \
	} while (0)

/* Addresses and fds differ: only whether it worked. */
#define works(call) ask((call) >= 0 ? 1 : -1)
#define opens(call)                                                                                                    \
	do {                                                                                                           \
		char name_[256];                                                                                       \
		int fd_ = (call);                                                                                      \
		snprintf(name_, sizeof(name_), "%s %s", what, #call);                                                  \
		if (fd_ < 0)                                                                                           \
			answer(name_, -errno);                                                                         \
		else                                                                                                   \
			say(name_, 0, "flags %o", (unsigned)fcntl(fd_, F_GETFL));                                      \
		if (fd_ >= 0)                                                                                          \
			close(fd_);                                                                                    \
	} while (0)

static void find_device(void)
{
	struct dirent **list;
	int n = scandir("/sys/bus/pci/devices", &list, NULL, alphasort);
	char path[PATH_MAX], target[PATH_MAX];

	if (n < 0)
		die("/sys/bus/pci/devices");
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", list[i]->d_name);
		ssize_t len = readlink(path, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = 0;
		if (!device[0] && strstr(target, "/vfio-pci"))
			snprintf(device, sizeof(device), "/sys/bus/pci/devices/%s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
	if (!device[0])
		die("no function has vfio-pci");
	snprintf(path, sizeof(path), "%s/vfio-dev", device);
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (strncmp(e->d_name, "vfio", 4) == 0)
			snprintf(cdev, sizeof(cdev), "/dev/vfio/devices/%s", e->d_name);
	closedir(dir);
}

static void ask_opens(const char *what, const char *path)
{
	char longer[PATH_MAX];

	opens(open(path, O_RDONLY));
	opens(open(path, O_WRONLY));
	opens(open(path, O_RDWR));
	opens(open(path, O_RDWR | O_CREAT, 0600));
	opens(open(path, O_RDWR | O_CREAT | O_EXCL, 0600));
	opens(open(path, O_RDONLY | O_DIRECTORY));
	opens(open(path, O_RDONLY | O_NOFOLLOW));
	opens(open(path, O_PATH));
	opens(open(path, O_PATH | O_NOFOLLOW));
	opens(open(path, O_RDONLY | O_TRUNC));
	opens(open(path, O_TMPFILE | O_RDWR, 0600));
	opens(open(path, O_RDONLY | O_APPEND | O_NONBLOCK));
	opens(open(path, O_RDONLY | O_DIRECT));
	opens(open(path, O_ACCMODE));
	opens(open(path, O_DIRECTORY | O_CREAT, 0600));
	snprintf(longer, sizeof(longer), "%s/", path);
	opens(open(longer, O_RDONLY));
	opens(open(longer, O_RDWR | O_CREAT, 0600));
	snprintf(longer, sizeof(longer), "%s/x", path);
	opens(open(longer, O_RDONLY));
	snprintf(longer, sizeof(longer), "%s/..", path);
	opens(open(longer, O_RDONLY));
}

static void ask_names(const char *what, const char *path)
{
	char buf[8];
	struct stat st;

	ask(rmdir(path));
	ask(mkdir(path, 0755));
	ask(symlink("a", path));
	ask(mknod(path, S_IFREG | 0600, 0));
	ask(truncate(path, 0));
	ask(access(path, R_OK));
	ask(access(path, X_OK));
	ask(access(path, 8));
	works(readlink(path, buf, sizeof(buf)));
	ask(readlink(path, buf, 0));
	ask(lstat(path, &st));
	ask(chdir(path));
	if (chdir("/"))
		die("/");
}

static void ask_stat(const char *what, const char *path)
{
	struct stat st, lst;
	struct statx stx;
	struct statfs fs;
	int fd = open(path, O_RDONLY);

	if (stat(path, &st) || lstat(path, &lst) || statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx) ||
	    statfs(path, &fs))
		die(path);
	char name[64];
	snprintf(name, sizeof(name), "%s stat", what);
	say(name, 0, "type %o nlink %d size %ld block %ld", st.st_mode & S_IFMT,
	    S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink, strcmp(what, "config") ? (long)st.st_size : 0,
	    (long)st.st_blksize);
	snprintf(name, sizeof(name), "%s statfs", what);
	say(name, 0, "type %lx", (long)fs.f_type);
	snprintf(name, sizeof(name), "%s statx agrees", what);
	answer(name, stx.stx_ino == st.st_ino && stx.stx_mode == st.st_mode &&
			     makedev(stx.stx_rdev_major, stx.stx_rdev_minor) == st.st_rdev);
	snprintf(name, sizeof(name), "%s fstat agrees", what);
	answer(name, fd >= 0 && fstat(fd, &lst) == 0 && lst.st_ino == st.st_ino && lst.st_dev == st.st_dev &&
			     lst.st_mode == st.st_mode && lst.st_rdev == st.st_rdev);
	close(fd);
}

static void ask_fd(const char *what, int fd)
{
	char b[16] = {0}, text[PATH_MAX], path[64];
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI, 0};
	struct epoll_event ev = {.events = EPOLLIN};
	struct stat st;
	int ep = epoll_create1(0), pipes[2], on = 1;

	if (pipe(pipes) || write(pipes[1], "abcd", 4) != 4)
		die("pipe");
	ask(lseek(fd, 0, SEEK_SET));
	ask(lseek(fd, 1, SEEK_SET));
	ask(lseek(fd, 0, SEEK_CUR));
	ask(lseek(fd, -5, SEEK_SET));
	ask(lseek(fd, 0, 17));
	ask(pread(fd, b, 8, -1));
	ask(ftruncate(fd, 0));
	ask(fsync(fd));
	ask(poll(&p, 1, 0));
	say("  revents", p.revents, "%s", "");
	ask(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	ask(ioctl(fd, FIONBIO, &on));
	ask(fcntl(fd, F_GETFL));
	ask(fcntl(fd, F_SETFL, O_APPEND));
	ask(fcntl(fd, F_SETFL, O_DIRECT));
	ask(fcntl(fd, F_SETFL, 0));
	ask(fcntl(fd, F_GETFL));
	ask(fcntl(fd, F_GET_SEALS));
	ask(fcntl(fd, F_GETFD));
	ask(openat(fd, "x", O_RDONLY));
	ask(openat(fd, "", O_RDONLY));
	ask(fchdir(fd));
	ask(syscall(SYS_getdents64, fd, b, 16));
	ask(copy_file_range(fd, NULL, pipes[1], NULL, 4, 0));
	ask(fstatat(fd, "", &st, AT_EMPTY_PATH));
	ask(ioctl(fd, 0x5401, b));
	ask(ioctl(fd, FIOCLEX));
	ask(fcntl(fd, F_GETFD));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	if (strncmp(text, "/sys", 4) == 0)
		strcpy(text + 4, "...");
	if (strncmp(text, "/dev/vfio/devices/", 18) == 0)
		strcpy(text + 18, "...");
	say("  is", 0, "%s", text);
	ask(lstat(path, &st));
	say("  link", 0, "%o", st.st_mode & S_IFMT);
	opens(open(path, O_PATH));
	close(ep);
	close(pipes[0]);
	close(pipes[1]);
	if (chdir("/"))
		die("/");
}

static int map_private(int fd)
{
	return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

/* What moves bytes, apart: of an attribute it depends on what it says. */
static void ask_bytes(const char *what, int fd)
{
	char b[16] = {0};
	int pipes[2], file = memfd_create("x", 0);
	struct iovec iov[2] = {{b, 4}, {b + 4, 4}};

	if (pipe(pipes) || write(pipes[1], "abcd", 4) != 4 || write(file, "abcd", 4) != 4)
		die("pipe");
	lseek(file, 0, SEEK_SET);
	ask(read(fd, b, 8));
	ask(read(fd, b, 0));
	ask(write(fd, b, 8));
	ask(write(fd, b, 0));
	ask(pread(fd, b, 8, 0));
	ask(pwrite(fd, b, 8, 0));
	ask(readv(fd, iov, 2));
	ask(preadv(fd, iov, 2, 0));
	ask(readv(fd, iov, minus_one));
	ask(writev(fd, iov, 2));
	ask(splice(fd, NULL, pipes[1], NULL, 4, 0));
	ask(splice(pipes[0], NULL, fd, NULL, 4, 0));
	ask(sendfile(file, fd, NULL, 4));
	ask(sendfile(fd, file, NULL, 4));
	ask(fallocate(fd, 0, 0, 4096));
	works(map_private(fd));
	ask(ioctl(fd, 0x3bff, 0));
	ask(ioctl(fd, FIONREAD, b));
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

static void send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) != 1)
		die("sendmsg");
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd = -1;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* All but what this program needs itself. */
static void close_rest(void)
{
	closefrom(answers_expected ? fileno(answers_expected) + 1 : 3);
}

/* A page of the first BAR of any function that can be exported; the function and its context stay open. */
static int export_any(void)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf get;
		struct vfio_region_dma_range range;
	} arg;
	struct dirent *e;
	DIR *dir = opendir("/dev/vfio/devices");
	int found = -1, iommu = open("/dev/iommu", O_RDWR);

	while (found < 0 && (e = readdir(dir))) {
		struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};
		int fd = openat(dirfd(dir), e->d_name, O_RDWR);

		if (fd < 0 || ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
			continue;
		for (unsigned bar = 0; bar < 6 && found < 0; bar++) {
			memset(&arg, 0, sizeof(arg));
			arg.feature.argsz = sizeof(arg);
			arg.feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
			arg.get.region_index = bar;
			arg.get.open_flags = O_RDWR | O_CLOEXEC;
			arg.get.nr_ranges = 1;
			arg.range.length = 4096;
			found = ioctl(fd, VFIO_DEVICE_FEATURE, &arg);
		}
		if (found < 0)
			close(fd);
	}
	closedir(dir);
	return found;
}

static void ask_dma_buf(void)
{
	const char *what = "dma-buf";
	char path[64];
	int fd = export_any(), sock[2];

	ask_fd(what, fd);
	ask_bytes(what, fd);
	ask(lseek(fd, 0, SEEK_END));
	ask(lseek(fd, 1, SEEK_END));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opens(open(path, O_RDWR));
	works(fd = dup(fd));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		die("socketpair");
	send_fd(sock[0], fd);
	close(fd);
	fd = receive_fd(sock[1]);
	ask(lseek(fd, 0, SEEK_END));
	close_rest();
	/* Its device is free again. */
	works(export_any());
	close_rest();
}

static void ask_texts(void)
{
	const char *what = "vendor";
	char path[PATH_MAX + 64], buf[64], twice[64];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/vendor", device);
	int fd = open(path, O_RDONLY);
	ask(read(fd, buf, 1));
	ask(read(fd, buf, 64));
	ask(read(fd, buf, 64));
	ask(pread(fd, buf, 64, 2));
	ask(pread(fd, buf, 64, 100));
	ask(lseek(fd, 0, SEEK_END));
	ask(lseek(fd, 0, SEEK_SET));
	ask(read(fd, buf, 64));
	ask(read(fd, nowhere, 64));
	ask(pread(fd, nowhere, 64, 0));
	close(fd);
	stream = fopen(path, "r");
	answer("fopen reads the same", stream && fgets(twice, sizeof(twice), stream) && strncmp(buf, twice, 7) == 0);
	fclose(stream);
	what = "config";
	snprintf(path, sizeof(path), "%s/config", device);
	fd = open(path, O_RDONLY);
	ask(pread(fd, buf, 8, 0));
	ask(pread(fd, buf, 8, 5000));
	ask(lseek(fd, 4, SEEK_SET));
	ask(read(fd, buf, 4));
	ask(lseek(fd, 0, SEEK_CUR));
	close(fd);
	fd = open(path, O_RDWR);
	ask(pwrite(fd, buf, 1, 5000));
	ask(write(fd, buf, 0));
	close(fd);
}

static long ioas_alloc(int fd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	return io(fd, IOMMU_IOAS_ALLOC, &alloc);
}

static void ask_numbers(void)
{
	const char *what = "numbers";
	int sock[2], fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), copy = dup(fd);

	ask(fcntl(copy, F_GETFD));
	ask(ioas_alloc(copy));
	ask(dup2(fd, 100));
	ask(dup2(fd, fd) == fd);
	ask(dup3(fd, fd, 0));
	ask(dup3(fd, 101, O_CLOEXEC));
	ask(fcntl(101, F_GETFD));
	ask(fcntl(fd, F_DUPFD_CLOEXEC, 102));
	close(fd);
	close(copy);
	ask(ioas_alloc(fd));
	ask(ioas_alloc(102));
	ask(close_range(101, 200, CLOSE_RANGE_CLOEXEC));
	ask(ioas_alloc(102));
	ask(close_range(101, 200, 0));
	ask(ioas_alloc(102));
	ask(close_range(5, 4, 0));
	ask(ioas_alloc(100));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sock))
		die("socketpair");
	send_fd(sock[0], 100);
	close(100);
	fd = receive_fd(sock[1]);
	ask(ioas_alloc(fd));
	copy = (int)syscall(SYS_dup, fd);
	ask(ioas_alloc(copy));
	close(copy);
	ask(dup2(sock[0], fd) == fd);
	ask(ioas_alloc(fd) == -ENOTTY || ioas_alloc(fd) == -EINVAL || ioas_alloc(fd) == -EOPNOTSUPP);
	close(fd);
	close(sock[0]);
	close(sock[1]);
	/* The cdev is free again once its last number is. */
	fd = open(cdev, O_RDWR);
	copy = dup(fd);
	close(fd);
	fd = open(cdev, O_RDWR);
	works(fd);
	close(fd);
	close(copy);
}

static unsigned open_numbers(void)
{
	unsigned nr = 0;

	for (int fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static void ask_leaks(void)
{
	unsigned before = open_numbers();

	for (int i = 0; i < 100; i++) {
		int iommu = open("/dev/iommu", O_RDWR), fd = open(cdev, O_RDWR);
		struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};
		FILE *stream = fopen("/sys/bus/pci/devices/nope", "r");
		DIR *dir = opendir(device);

		if (stream || !dir || ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
			die("bind");
		closedir(dir);
		close(open(device, O_RDWR));
		close(fd);
		close(iommu);
	}
	answer("numbers open after as before", open_numbers() == before);
}

static unsigned long hash_name(const char *name)
{
	unsigned long h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h;
}

/* Order does not matter, so hashes are added up. */
static unsigned long visited;

static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	if (where->level == 1)
		visited += hash_name(path + where->base);
	return 0;
}

static unsigned long by_getdents(const char *path)
{
	_Alignas(8) char buf[512];
	unsigned long sum = 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(buf + at);

			if (d->d_name[0] != '.')
				sum += hash_name(d->d_name);
			at += d->d_reclen;
		}
	close(fd);
	return sum;
}

static void ask_listing(const char *name, const char *path)
{
	char pattern[PATH_MAX + 2];
	unsigned long sum = 0, scanned = 0, globbed = 0;
	struct dirent *e, **list;
	DIR *dir = opendir(path);
	glob_t found;

	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			sum += hash_name(e->d_name);
	rewinddir(dir);
	unsigned long again = 0;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			again += hash_name(e->d_name);
	closedir(dir);
	int n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.')
			scanned += hash_name(list[i]->d_name);
		free(list[i]);
	}
	free(list);
	snprintf(pattern, sizeof(pattern), "%s/*", path);
	if (glob(pattern, 0, NULL, &found))
		die(pattern);
	for (size_t i = 0; i < found.gl_pathc; i++)
		globbed += hash_name(strrchr(found.gl_pathv[i], '/') + 1);
	globfree(&found);
	visited = 0;
	nftw(path, visit, 16, FTW_PHYS);
	say(name, 0, "read twice %d scandir %d glob %d nftw %d getdents %d", sum == again, sum == scanned,
	    sum == globbed, sum == visited, sum == by_getdents(path));
}

static void ask_directories(void)
{
	char real[PATH_MAX], text[PATH_MAX], cwd[PATH_MAX];
	const char *what = "directories";

	ask_listing("list devices", "/sys/bus/pci/devices");
	ask_listing("list a device", realpath(device, real));
	ask_listing("list vfio", "/dev/vfio");
	ask(chdir(device));
	answer("getcwd is the real name", getcwd(cwd, sizeof(cwd)) && strcmp(cwd, real) == 0);
	works(open("vendor", O_RDONLY));
	works(open("nope", O_RDONLY));
	works(open("../../../etc/../sys/bus/pci/devices", O_RDONLY));
	ask(chdir("driver"));
	answer("and through a link", getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/sys/bus/pci/drivers/vfio-pci") == 0);
	ask(access("../../devices", R_OK | X_OK));
	ask(chdir("/dev"));
	works(open("iommu", O_RDWR));
	works(open("./vfio/../iommu", O_RDWR));
	int dir = open("/dev", O_RDONLY | O_DIRECTORY);
	works(openat(dir, "iommu", O_RDWR));
	works(openat(dir, "../sys/bus/pci/devices", O_RDONLY));
	close(dir);
	ask(chdir("/"));
	unlink("/tmp/files-link");
	if (symlink(device, "/tmp/files-link"))
		die("symlink");
	works(open("/tmp/files-link/vendor", O_RDONLY));
	works(open("/tmp/files-link", O_RDONLY | O_NOFOLLOW));
	answer("realpath through it", realpath("/tmp/files-link", text) && strcmp(text, real) == 0);
	unlink("/tmp/files-link");
	if (symlink("/tmp/files-link", "/tmp/files-link"))
		die("symlink");
	works(open("/tmp/files-link/vendor", O_RDONLY));
	unlink("/tmp/files-link");
	close_rest();
}

int main(int argc, char **argv)
{
	char path[PATH_MAX + 64];
	int iommu, fd;

	if (answers_begin(argc, argv))
		return 2;
	find_device();
	ask_opens("iommu", "/dev/iommu");
	ask_opens("cdev", cdev);
	ask_opens("devices", "/sys/bus/pci/devices");
	snprintf(path, sizeof(path), "%s/vendor", device);
	ask_opens("vendor", path);
	ask_names("vendor", path);
	ask_stat("vendor", path);
	snprintf(path, sizeof(path), "%s/config", device);
	ask_stat("config", path);
	ask_names("driver", (snprintf(path, sizeof(path), "%s/driver", device), path));
	ask_opens("driver", path);
	ask_opens("missing", "/sys/bus/pci/missing");
	ask_names("missing", "/sys/bus/pci/missing");
	ask_names("devices", "/sys/bus/pci/devices");
	ask_stat("devices", "/sys/bus/pci/devices");
	ask_names("iommu", "/dev/iommu");
	ask_stat("iommu", "/dev/iommu");
	ask_stat("cdev", cdev);

	iommu = open("/dev/iommu", O_RDWR);
	ask_fd("iommu", iommu);
	ask_bytes("iommu", iommu);
	fd = open(cdev, O_RDWR);
	ask_fd("cdev", fd);
	close(fd);
	fd = open("/sys/bus/pci/devices", O_RDONLY);
	ask_fd("devices", fd);
	ask_bytes("devices", fd);
	close(fd);
	fd = open("/dev/iommu", O_PATH);
	ask_fd("path", fd);
	ask_bytes("path", fd);
	close(fd);
	close(iommu);
	ask_texts();
	ask_dma_buf();
	ask_numbers();
	ask_leaks();
	ask_directories();
	return answers_end();
}
