/* SPDX-License-Identifier: BSD-3-Clause */
#include "inside.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "p2p-function.h"

void result(const char *key, double ns)
{
	printf("%s %.3f\n", key, ns);
}

void must(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "bench-inside: %s: %s\n", what, strerror(err < 0 ? -err : errno));
	exit(1);
}

double best_burst(void (*burst)(void *arg, unsigned rounds), void *arg, unsigned rounds)
{
	enum { BURSTS = 10 };
	double best = 1e18;

	for (int i = 0; i < BURSTS; i++) {
		double start = now_ns();
		burst(arg, rounds);
		double each = (now_ns() - start) / rounds;
		best = each < best ? each : best;
	}
	return best;
}

static void burst_null(void *arg, unsigned rounds)
{
	(void)arg;
	for (unsigned i = 0; i < rounds; i++)
		getppid();
}

double null_syscall_ns(void)
{
	return best_burst(burst_null, NULL, 2000);
}

void *anonymous(size_t len, int byte)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p == MAP_FAILED, "mmap");
	if (byte >= 0)
		memset(p, byte, len);
	return p;
}

static int map_ioctl(int iommufd, struct iommu_ioas_map *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->flags |= IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	return ioctl(iommufd, IOMMU_IOAS_MAP, cmd) ? -errno : 0;
}

int map_at(int iommufd, uint32_t ioas, const void *memory, uint64_t len, uint64_t iova)
{
	struct iommu_ioas_map cmd = {.flags = IOMMU_IOAS_MAP_FIXED_IOVA,
				     .ioas_id = ioas,
				     .user_va = (uintptr_t)memory,
				     .length = len,
				     .iova = iova};

	return map_ioctl(iommufd, &cmd);
}

int map_anywhere(int iommufd, uint32_t ioas, const void *memory, uint64_t len, uint64_t *iova)
{
	struct iommu_ioas_map cmd = {.ioas_id = ioas, .user_va = (uintptr_t)memory, .length = len};
	int err = map_ioctl(iommufd, &cmd);

	*iova = cmd.iova;
	return err;
}

int unmap(int iommufd, uint32_t ioas, uint64_t iova, uint64_t len)
{
	struct iommu_ioas_unmap cmd = {.size = sizeof(cmd), .ioas_id = ioas, .iova = iova, .length = len};

	return ioctl(iommufd, IOMMU_IOAS_UNMAP, &cmd) ? -errno : 0;
}

struct reader {
	ssize_t (*read)(int fd, void *buf, size_t len);
	int fd;
};

/* At the end of the file: the cheapest read there is. */
static void burst_read(void *arg, unsigned rounds)
{
	const struct reader *r = arg;
	char byte;

	for (unsigned i = 0; i < rounds; i++)
		if (r->read(r->fd, &byte, 1) != 0)
			exit(1);
}

/*
 * What the program calls, in turn with what libc has: the same file in the same process, for the difference is less
 * than what two processes differ by.
 */
void inside_read(unsigned repetitions)
{
	char path[] = "/tmp/barter-bench-XXXXXX";
	int fd = mkstemp(path);
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	struct reader ours = {read, fd}, libcs = {NULL, fd};

	must(fd < 0, "mkstemp");
	unlink(path);
	libcs.read = libc ? (ssize_t(*)(int, void *, size_t))dlsym(libc, "read") : NULL;
	must(libcs.read ? 0 : -ENOENT, "libc's read");
	for (unsigned i = 0; i < repetitions; i++) {
		result("read_libc", best_burst(burst_read, &libcs, 2000));
		result("read", best_burst(burst_read, &ours, 2000));
	}
	dlclose(libc);
	close(fd);
}

/* What is resident, once the program has a device open if there is one. */
void inside_resident(unsigned repetitions)
{
	struct function card;
	char line[256];
	double kib = 0;

	if (function_find(0x1af4, 0x1110, 0x0500, &card, 1)) {
		int iommufd = iommufd_open();
		function_open(&card, iommufd, false);
		function_attach(&card, ioas_create(iommufd));
	}
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	must(!f, "/proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Rss: %lf", &kib) == 1)
			result("resident_kib", kib);
	fclose(f);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(unsigned repetitions);
	} parts[] = {
		{"null", inside_null},	       {"page", inside_page},
		{"gib", inside_gib},	       {"areas", inside_areas},
		{"copy", inside_copy},	       {"store", inside_store},
		{"doorbell", inside_doorbell}, {"revoke", inside_revoke},
		{"idle", inside_idle},	       {"read", inside_read},
		{"resident", inside_resident}, {"buffer", inside_buffer},
		{"faults", inside_faults},     {"revoke_one", inside_revoke_one},
		{"jobs", inside_jobs},
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc == 3 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].name) == 0) {
			parts[i].run((unsigned)strtoul(argv[2], NULL, 0));
			return 0;
		}
	}
	fprintf(stderr, "usage: bench-inside PART REPETITIONS\n");
	return 2;
}
