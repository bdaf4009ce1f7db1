/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What /sys/kernel/debug/dma_buf/bufinfo and fdinfo tell of buffers: none, two of VFIO's with and without a name,
 * importers, after a revocation. Inode and mount numbers differ everywhere and are printed as #. Runs over one card.
 */
#include <linux/dma-buf.h>
#include <linux/vfio.h>

#include "devices.h"
#include "iommu_calls.h"

#define PAGE 4096ul

static struct device card;

static int export_pages(unsigned nr, int open_flags)
{
	char storage[256] = "";
	struct vfio_device_feature *f = (void *)storage;
	struct vfio_device_feature_dma_buf *get = (void *)f->data;

	f->argsz = sizeof(*f) + sizeof(*get) + sizeof(struct vfio_region_dma_range);
	f->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get->region_index = 2;
	get->open_flags = (uint32_t)open_flags;
	get->nr_ranges = 1;
	get->dma_ranges[0] = (struct vfio_region_dma_range){PAGE, nr * PAGE};
	return ioctl(card.fd, VFIO_DEVICE_FEATURE, f);
}

/* The inode number is the sixth column of a buffer's line, and a value in fdinfo. */
static void hide_inode(char *line)
{
	char *p = line;

	if (strncmp(line, "ino:\t", 5) == 0) {
		strcpy(line + 5, "#");
		return;
	}
	if (strncmp(line, "mnt_id:\t", 8) == 0) {
		strcpy(line + 8, "#");
		return;
	}
	for (int tabs = 0; *p && tabs < 5; p++)
		tabs += *p == '\t';
	if (strspn(line, "0123456789") >= 8 && strspn(p, "0123456789") >= 8)
		memmove(p + 1, p + strspn(p, "0123456789"), strlen(p + strspn(p, "0123456789")) + 1), *p = '#';
}

static void show_file(const char *what, const char *path)
{
	char line[256], out[300];
	FILE *f = fopen(path, "r");

	say(what, f ? 0 : -errno, "%s", "");
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		hide_inode(line);
		snprintf(out, sizeof(out), "|%s|", line);
		answers_line(out);
	}
	if (f)
		fclose(f);
}

static void show(const char *what)
{
	show_file(what, "/sys/kernel/debug/dma_buf/bufinfo");
}

static void show_fdinfo(const char *what, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	show_file(what, path);
}

static void of_vfio(void)
{
	int small = export_pages(2, O_RDWR | O_CLOEXEC), large = export_pages(0x300, O_RDONLY);
	uint32_t ioas, other;

	say("export", small < 0 || large < 0 ? -errno : 0, "%s", "");
	show("two buffers");
	answer("name", io(small, DMA_BUF_SET_NAME, "a name"));
	show("one with a name");
	show_fdinfo("fdinfo", small);
	ioas = new_ioas();
	other = new_ioas();
	map_file("map", ioas, R | W | FIXED, small, 0, 2 * PAGE, 0x10000);
	map_file("map another part", ioas, R | W | FIXED, small, PAGE, PAGE, 0x20000);
	map_file("map elsewhere", other, R | FIXED, large, 0, PAGE, 0x10000);
	show("three importers");
	show_fdinfo("fdinfo, mapped", small);
	close(large);
	show("one fd closed");
	destroy(other);
	show("one importer gone");
	close(card.fd);
	show("the device's file closed");
	close(small);
	show("the last fd closed, still mapped");
	destroy(ioas);
	show("all gone");
}

int main(int argc, char **argv)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	char byte = 'x';
	int fd;

	if (answers_begin(argc, argv))
		return 2;
	find_devices();
	if (!choose(&card, true))
		die("a card alone in its group");
	card.fd = open(card.cdev, O_RDWR);
	iommu = open("/dev/iommu", O_RDWR);
	bind.iommufd = iommu;
	if (card.fd < 0 || ioctl(card.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die(card.cdev);

	fd = open("/sys/kernel/debug/dma_buf/bufinfo", O_RDONLY);
	say("open", fd < 0 ? -errno : 0, "%s", "");
	answer("write", write(fd, &byte, 1) < 0 ? -errno : 0);
	close(fd);
	fd = open("/sys/kernel/debug/dma_buf/bufinfo", O_RDWR);
	say("open for writing", fd < 0 ? -errno : 0, "%s", "");
	if (fd >= 0)
		answer("write", write(fd, &byte, 1) < 0 ? -errno : 0);
	close(fd);
	show("no buffers");
	of_vfio();
	return answers_end();
}
