/* SPDX-License-Identifier: BSD-3-Clause */
/* Naming what is ours, by every libc way, with the thunks linked into this program. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_machine.h"

#define DEVICE "/sys/bus/pci/devices/0000:01:00.0"
#define REAL_DEVICE "/sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0"
#define assert_errno(call, err)                                                                                        \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		assert_int_equal((long)(call), -1);                                                                    \
		assert_int_equal(errno, err);                                                                          \
	} while (0)

static char scratch[] = "/tmp/barter-paths-XXXXXX";

static void read_text(int fd, const char *expected)
{
	char text[64] = "";
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), strlen(expected));
	assert_string_equal(text, expected);
	assert_int_equal(close(fd), 0);
}

static void nothing_is_built_before_it_is_named(void **state)
{
	struct stat st;
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_int_equal(stat("/sys/devices/system", &st), 0);
	assert_int_equal(stat("/sys/bus", &st), 0);
	close(open("/proc/self/maps", O_RDONLY));
	assert_errno(open("/nonexistent/dev/iommu", O_RDONLY), ENOENT);
	assert_int_equal(fake_machine_builds, 0);
	assert_int_equal(stat("/dev/iommu", &st), 0);
	assert_int_equal(fake_machine_builds, 1);
}

static void devices_have_their_type_and_number(void **state)
{
	struct stat st, st2;
	struct statx stx;
	assert_int_equal(stat("/dev/vfio/devices/vfio1", &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0600);
	assert_int_equal(st.st_rdev, makedev(511, 1));
	int fd = open("/dev/vfio/devices/vfio1", O_RDWR);
	assert_int_equal(fstat(fd, &st2), 0);
	assert_memory_equal(&st, &st2, sizeof(st));
	assert_int_equal(statx(AT_FDCWD, "/dev/vfio/devices/vfio1", 0, STATX_BASIC_STATS, &stx), 0);
	assert_int_equal(stx.stx_ino, st.st_ino);
	assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx), 0);
	assert_int_equal(stx.stx_rdev_major, 511);
	close(fd);
	assert_errno(stat("/dev/vfio/devices/vfio2", &st), ENOENT);
	assert_errno(stat("/dev/iommu/", &st), ENOTDIR);
	assert_errno(stat("/dev/iommu/x", &st), ENOTDIR);
}

static void texts_are_read_by_every_way(void **state)
{
	read_text(open(DEVICE "/vendor", O_RDONLY), "0x8086\n");
	read_text(openat(AT_FDCWD, "//sys/./bus//pci/devices/0000:01:00.0/vendor", O_RDONLY), "0x8086\n");
	read_text(open(DEVICE "/driver/../../devices/0000:01:00.1/vendor", O_RDONLY), "0x8086\n");
	read_text(open(DEVICE "/../0000:01:00.1/vendor", O_RDONLY), "0x8086\n");
	int dir = open("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY);
	read_text(openat(dir, "0000:01:00.0/vendor", O_RDONLY), "0x8086\n");
	assert_errno(openat(dir, "nope", O_RDONLY), ENOENT);
	close(dir);
	dir = open("/sys", O_RDONLY | O_DIRECTORY);
	read_text(openat(dir, "bus/pci/devices/0000:01:00.0/vendor", O_RDONLY), "0x8086\n");
	close(dir);
	read_text((int)syscall(SYS_open, DEVICE "/vendor", O_RDONLY), "0x8086\n");
	FILE *stream = fopen(DEVICE "/vendor", "re");
	unsigned vendor;
	assert_non_null(stream);
	assert_int_equal(fscanf(stream, "%x", &vendor), 1);
	assert_int_equal(vendor, 0x8086);
	assert_true(fileno(stream) >= 0);
	rewind(stream);
	char line[16];
	assert_string_equal(fgets(line, sizeof(line), stream), "0x8086\n");
	assert_int_equal(fclose(stream), 0);
	assert_null(fopen(DEVICE "/nope", "r"));
	assert_int_equal(errno, ENOENT);
	stream = fdopen(open(DEVICE "/vendor", O_RDONLY), "r");
	assert_string_equal(fgets(line, sizeof(line), stream), "0x8086\n");
	fclose(stream);
}

static void texts_show_in_what_libc_reads_alone(void **state)
{
	char path[32], line[16];
	FILE *stream = fopen("/dev/null", "r");
	stream = freopen(DEVICE "/vendor", "r", stream);
	assert_non_null(stream);
	assert_string_equal(fgets(line, sizeof(line), stream), "0x8086\n");
	assert_null(freopen(DEVICE "/driver_override", "w", stream));
	assert_int_equal(errno, EOPNOTSUPP);
	snprintf(path, sizeof(path), "exec cat <&%d", open(DEVICE "/vendor", O_RDONLY));
	stream = popen(path, "r");
	assert_string_equal(fgets(line, sizeof(line), stream), "0x8086\n");
	pclose(stream);
	close(atoi(path + strlen("exec cat <&")));
}

static void writes_past_us_are_stored(void **state)
{
	int fd = open(DEVICE "/driver_override", O_WRONLY | O_TRUNC | O_CREAT, 0666), saved = dup(1);
	fflush(stdout);
	dup2(fd, 1);
	close(fd);
	printf("by stdio");
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	read_text(open(DEVICE "/driver_override", O_RDONLY), "by stdio");
}

static void attributes_are_written(void **state)
{
	int fd = open(DEVICE "/driver_override", O_RDWR);
	assert_int_equal(write(fd, "vfio-pci\n", 9), 9);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	read_text(fd, "vfio-pci\n");
	FILE *stream = fopen(DEVICE "/driver_override", "w");
	assert_int_equal(fprintf(stream, "none"), 4);
	assert_int_equal(fclose(stream), 0);
	read_text(open(DEVICE "/driver_override", O_RDONLY), "none");
	fd = open(DEVICE "/driver_override", O_WRONLY | O_TRUNC | O_CREAT, 0644);
	assert_int_equal(dprintf(fd, "%d", 17), 2);
	close(fd);
	read_text(open(DEVICE "/driver_override", O_RDONLY), "17");
	assert_errno(open(DEVICE "/vendor", O_RDWR), EACCES);
	assert_errno(open(DEVICE "/reset", O_RDONLY), EACCES);
	fd = open(DEVICE "/vendor", O_RDONLY);
	assert_errno(write(fd, "x", 1), EBADF);
	close(fd);
	char bytes[300];
	fd = open(DEVICE "/config", O_RDONLY);
	assert_int_equal(pread(fd, bytes, 300, 0), 256);
	assert_int_equal(bytes[0], (char)0x86);
	assert_int_equal(pread(fd, bytes, 300, 254), 2);
	assert_int_equal(lseek(fd, 0, SEEK_END), 256);
	assert_errno(pread(fd, bytes, 1, -1), EINVAL);
	close(fd);
}

static void open_refuses_in_linux_order(void **state)
{
	assert_errno(open("/dev/iommu", O_RDONLY | O_DIRECTORY), ENOTDIR);
	assert_errno(open("/dev/iommu", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	assert_errno(open("/dev/iommu/", O_RDWR), ENOTDIR);
	assert_errno(open("/dev/iommu", O_RDWR | O_DIRECT), EINVAL);
	assert_errno(open("/dev/iommu", O_RDWR | O_CREAT | O_DIRECTORY, 0600), EINVAL);
	assert_errno(open("/sys/bus/pci/devices", O_RDWR), EISDIR);
	assert_errno(open("/sys/bus/pci/new", O_RDWR | O_CREAT, 0600), EACCES);
	assert_errno(open(DEVICE "/driver", O_RDONLY | O_NOFOLLOW), ELOOP);
	assert_errno(open(DEVICE "/nope/x", O_RDONLY), ENOENT);
	char longest[PATH_MAX + 32], component[300];
	memset(component, 'x', sizeof(component));
	component[sizeof(component) - 1] = '\0';
	snprintf(longest, sizeof(longest), "/sys/bus/pci/%s", component);
	assert_errno(open(longest, O_RDONLY), ENAMETOOLONG);
	int fd = open("/dev/iommu", O_RDWR | O_NOFOLLOW);
	assert_int_equal(fcntl(fd, F_GETFL), O_RDWR | O_NOFOLLOW | 0100000);
	close(fd);
	fd = open("/dev/iommu", O_PATH);
	char byte;
	assert_errno(read(fd, &byte, 1), EBADF);
	assert_errno(ioctl(fd, 0x3b01, 0), EBADF);
	close(fd);
}

static void links_lead_both_ways(void **state)
{
	char link[64], target[PATH_MAX] = "";
	snprintf(link, sizeof(link), "%s/iommu", scratch);
	assert_int_equal(symlink("/dev/iommu", link), 0);
	int fd = open(link, O_RDWR);
	assert_int_equal(ioctl(fd, 0x3b01, 0), 42);
	close(fd);
	assert_int_equal(access(link, R_OK | W_OK), 0);
	assert_string_equal(realpath(link, target), "/dev/iommu");
	struct stat st;
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(link, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_errno(open(link, O_RDWR | O_NOFOLLOW), ELOOP);
	/* Through a real directory's fd and by a relative name. */
	int dir = open(scratch, O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "iommu", O_RDWR);
	assert_int_equal(ioctl(fd, 0x3b01, 0), 42);
	close(fd);
	close(dir);
	unlink(link);
	assert_int_equal(symlink("/sys/bus/pci/devices", link), 0);
	snprintf(target, sizeof(target), "%s/0000:01:00.1/device", link);
	read_text(open(target, O_RDONLY), "0x2021\n");
	unlink(link);
	snprintf(target, sizeof(target), "%s/../..%s/vendor", scratch, DEVICE);
	read_text(open(target, O_RDONLY), "0x8086\n");
	/* Ours, read as links. */
	assert_int_equal(readlink(DEVICE "/driver", target, sizeof(target)), 36);
	assert_memory_equal(target, "../../../../bus/pci/drivers/vfio-pci", 36);
	assert_int_equal(readlink(DEVICE "/driver", target, 4), 4);
	assert_errno(readlink(DEVICE "/vendor", target, sizeof(target)), EINVAL);
	assert_string_equal(realpath(DEVICE, target), REAL_DEVICE);
	assert_string_equal(realpath(DEVICE "/subsystem/..", target), "/sys/bus");
	assert_null(realpath(DEVICE "/nope", target));
	assert_int_equal(errno, ENOENT);
	/* A link of ours and then out again, to a real file. */
	fd = open(DEVICE "/subsystem/../../../etc/passwd", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

static unsigned count_entries(DIR *dir, const char *name)
{
	unsigned n = 0;
	struct dirent *e;
	while ((e = readdir(dir)))
		n += strcmp(e->d_name, name) == 0;
	return n;
}

static unsigned visits;
static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	visits += strstr(path, "/vendor") != NULL;
	return 0;
}

static void directories_are_listed_by_every_way(void **state)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	assert_non_null(dir);
	assert_int_equal(count_entries(dir, "0000:01:00.0"), 1);
	rewinddir(dir);
	long start = telldir(dir);
	assert_string_equal(readdir(dir)->d_name, ".");
	assert_string_equal(readdir(dir)->d_name, "..");
	struct dirent *e = readdir(dir);
	assert_int_equal(e->d_type, DT_LNK);
	seekdir(dir, start);
	assert_string_equal(readdir(dir)->d_name, ".");
	struct stat st;
	assert_int_equal(fstatat(dirfd(dir), "0000:01:00.0/vendor", &st, 0), 0);
	closedir(dir);

	dir = opendir("/dev");
	assert_int_equal(count_entries(dir, "iommu"), 1);
	rewinddir(dir);
	assert_int_equal(count_entries(dir, "null"), 1);
	rewinddir(dir);
	assert_int_equal(count_entries(dir, "."), 1);
	closedir(dir);
	dir = fdopendir(open("/sys/bus", O_RDONLY | O_DIRECTORY));
	assert_int_equal(count_entries(dir, "pci"), 1);
	closedir(dir);
	dir = opendir("/sys/devices");
	assert_int_equal(count_entries(dir, "pci0000:00"), 1);
	rewinddir(dir);
	assert_int_equal(count_entries(dir, "system"), 1);
	closedir(dir);
	assert_null(opendir("/dev/iommu"));
	assert_int_equal(errno, ENOTDIR);

	struct dirent **list;
	assert_int_equal(scandir("/sys/bus/pci/devices", &list, NULL, alphasort), 4);
	assert_string_equal(list[3]->d_name, "0000:01:00.1");
	for (int i = 0; i < 4; i++)
		free(list[i]);
	free(list);

	glob_t found;
	assert_int_equal(glob("/sys/bus/pci/devices/*/vendor", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 2);
	assert_string_equal(found.gl_pathv[0], DEVICE "/vendor");
	globfree(&found);
	assert_int_equal(glob("/dev/io*u", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	globfree(&found);

	assert_int_equal(nftw("/sys/devices/pci0000:00", visit, 16, FTW_PHYS), 0);
	assert_int_equal(visits, 2);
	/* By links that lead back up: each directory once. */
	assert_int_equal(nftw("/sys/bus/pci/devices", visit, 16, 0), 0);
	assert_int_equal(visits, 4);

	int fd = open("/sys/bus/pci/devices", O_RDONLY);
	char buf[1024];
	assert_true(getdents64(fd, buf, sizeof(buf)) > 0);
	assert_int_equal(getdents64(fd, buf, sizeof(buf)), 0);
	assert_errno(read(fd, buf, 1), EISDIR);
	close(fd);
}

static void working_directory_may_be_ours(void **state)
{
	char old[PATH_MAX], now[PATH_MAX];
	assert_non_null(getcwd(old, sizeof(old)));
	assert_int_equal(chdir(DEVICE), 0);
	assert_string_equal(getcwd(now, sizeof(now)), REAL_DEVICE);
	assert_null(getcwd(now, 4));
	assert_int_equal(errno, ERANGE);
	read_text(open("vendor", O_RDONLY), "0x8086\n");
	assert_errno(open("nope", O_RDONLY), ENOENT);
	assert_int_equal(chdir("../0000:01:00.1"), 0);
	read_text(open("./device", O_RDONLY), "0x2021\n");
	int fd = open("../../../../../etc/passwd", O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	DIR *dir = opendir(".");
	assert_int_equal(count_entries(dir, "config"), 1);
	closedir(dir);
	assert_errno(chdir("vendor"), ENOTDIR);
	assert_int_equal(chdir("/sys/bus"), 0);
	read_text(open("pci/devices/0000:01:00.0/vendor", O_RDONLY), "0x8086\n");
	assert_int_equal(chdir("/dev"), 0);
	fd = open("iommu", O_RDWR);
	assert_int_equal(ioctl(fd, 0x3b01, 0), 42);
	close(fd);
	assert_int_equal(chdir(old), 0);
	assert_string_equal(getcwd(now, sizeof(now)), old);
}

static void fds_show_in_proc(void **state)
{
	char path[64], text[512];
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(readlink(path, text, sizeof(text)), 10);
	assert_memory_equal(text, "/dev/iommu", 10);
	int again = open(path, O_RDWR);
	assert_true(again >= 0);
	assert_int_equal(fake_machine_open_files, 2);
	assert_int_equal(ioctl(again, 0x3b01, 0), 42);
	close(again);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	int info = open(path, O_RDONLY);
	ssize_t n = read(info, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "flags:\t02100002\n"));
	close(info);
	close(fd);
	assert_int_equal(fake_machine_open_files, 0);
}

static void names_cannot_be_changed(void **state)
{
	struct statfs fs;
	assert_errno(unlink(DEVICE "/vendor"), EPERM);
	assert_errno(rmdir("/sys/bus/pci/devices"), EPERM);
	assert_errno(rmdir(DEVICE "/vendor"), ENOTDIR);
	assert_errno(mkdir("/sys/bus/pci/new", 0755), EPERM);
	assert_errno(mkdir("/sys/bus/pci/devices", 0755), EEXIST);
	assert_errno(rename(DEVICE "/vendor", "/tmp/vendor"), EPERM);
	assert_errno(symlink("x", "/sys/bus/pci/link"), EPERM);
	assert_int_equal(truncate(DEVICE "/vendor", 0), 0);
	assert_errno(truncate("/dev/iommu", 0), EINVAL);
	assert_errno(access(DEVICE "/vendor", X_OK), EACCES);
	assert_int_equal(access(DEVICE "/vendor", R_OK), 0);
	assert_errno(access("/dev/nope", F_OK), ENOENT);
	assert_int_equal(statfs(DEVICE, &fs), 0);
	assert_int_equal(fs.f_type, 0x62656572);
}

static void errno_survives_success(void **state)
{
	struct stat st;
	char buf[64];
	errno = 77;
	int fd = open(DEVICE "/vendor", O_RDONLY);
	assert_true(fd >= 0);
	read(fd, buf, sizeof(buf));
	fstat(fd, &st);
	lseek(fd, 0, SEEK_SET);
	DIR *dir = opendir("/sys/bus/pci/devices");
	while (readdir(dir))
		;
	closedir(dir);
	close(fd);
	assert_int_equal(errno, 77);
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
	assert_int_equal(sendmsg(sock, &msg, 0), 1);
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd = -1;
	assert_int_equal(recvmsg(sock, &msg, 0), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void files_travel_in_messages(void **state)
{
	int pair[2], fd = open("/dev/iommu", O_RDWR);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	send_fd(pair[0], fd);
	close(fd);
	assert_int_equal(fake_machine_open_files, 1);
	fd = receive_fd(pair[1]);
	assert_int_equal(ioctl(fd, 0x3b01, 0), 42);
	close(fd);
	assert_int_equal(fake_machine_open_files, 0);
	/* Nobody receives this one: it goes with its socket. */
	send_fd(pair[0], fd = open("/dev/iommu", O_RDWR));
	close(fd);
	assert_int_equal(fake_machine_open_files, 1);
	close(pair[0]);
	assert_int_equal(fake_machine_open_files, 1);
	close(pair[1]);
	assert_int_equal(fake_machine_open_files, 0);
}

static void numbers_are_duplicated_and_closed(void **state)
{
	int fd = open("/dev/iommu", O_RDWR);
	int copy = dup(fd), high = fcntl(fd, F_DUPFD_CLOEXEC, 200), zero = dup2(fd, 250);
	assert_int_equal(zero, 250);
	assert_int_equal(ioctl(copy, 0x3b01, 0), 42);
	assert_int_equal(ioctl(high, 0x3b01, 0), 42);
	assert_int_equal(dup2(fd, fd), fd);
	close(fd);
	close(copy);
	assert_errno(ioctl(copy, 0x3b01, 0), EBADF);
	assert_int_equal(fake_machine_open_files, 1);
	assert_int_equal(close_range(200, ~0u, 0), 0);
	assert_int_equal(fake_machine_open_files, 0);
	assert_errno(close(high), EBADF);
}

static void vfork_child_leaves_the_table_alone(void **state)
{
	int fd = open("/dev/iommu", O_RDWR);
	pid_t pid = vfork();
	if (pid == 0) {
		close(fd);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(ioctl(fd, 0x3b01, 0), 42);
	close(fd);
	assert_int_equal(fake_machine_open_files, 0);
}

static int set_up_group(void **state)
{
	fake_machine_install();
	return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down_group(void **state)
{
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_built_before_it_is_named),
		cmocka_unit_test(devices_have_their_type_and_number),
		cmocka_unit_test(texts_are_read_by_every_way),
		cmocka_unit_test(texts_show_in_what_libc_reads_alone),
		cmocka_unit_test(writes_past_us_are_stored),
		cmocka_unit_test(attributes_are_written),
		cmocka_unit_test(open_refuses_in_linux_order),
		cmocka_unit_test(links_lead_both_ways),
		cmocka_unit_test(directories_are_listed_by_every_way),
		cmocka_unit_test(working_directory_may_be_ours),
		cmocka_unit_test(fds_show_in_proc),
		cmocka_unit_test(names_cannot_be_changed),
		cmocka_unit_test(errno_survives_success),
		cmocka_unit_test(files_travel_in_messages),
		cmocka_unit_test(numbers_are_duplicated_and_closed),
		cmocka_unit_test(vfork_child_leaves_the_table_alone),
	};
	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
