/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A buffer of parts of a huge page, which the kernel would not map by themselves: the program sees the same bytes
 * through it as through the memfd, whatever it does to them. Skipped where no huge page is free.
 */
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define HUGE (2ul << 20)
enum { SKIPPED = 77, PARTS = 2 };

static const uint64_t pages[PARTS] = {7, 3};

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                                                \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

static int buffer_create(int memfd)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item items[PARTS];
	} c = {.head = {.count = PARTS}};
	int device = open("/dev/udmabuf", O_RDWR), fd;

	for (int i = 0; i < PARTS; i++)
		c.items[i] =
			(struct udmabuf_create_item){.memfd = (uint32_t)memfd, .offset = pages[i] * PAGE, .size = PAGE};
	fd = ioctl(device, UDMABUF_CREATE_LIST, &c);
	close(device);
	return fd;
}

static int same_bytes(volatile uint8_t *whole, volatile uint8_t *buffer)
{
	for (unsigned i = 0; i < PARTS * PAGE; i += 97)
		if (buffer[i] != whole[pages[i / PAGE] * PAGE + i % PAGE])
			return 0;
	return 1;
}

int main(void)
{
	int memfd = memfd_create("huge", MFD_HUGETLB | MFD_ALLOW_SEALING), fd;
	volatile uint8_t *whole, *buffer;
	uint8_t copy[PAGE];

	if (memfd < 0 || ftruncate(memfd, HUGE))
		return SKIPPED;
	whole = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (whole == MAP_FAILED)
		return SKIPPED;
	for (unsigned i = 0; i < HUGE; i++)
		whole[i] = (uint8_t)(i / PAGE + i);
	CHECK(!fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	fd = buffer_create(memfd);
	CHECK(fd >= 0);
	buffer = mmap(NULL, PARTS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(buffer != MAP_FAILED);
	CHECK(same_bytes(whole, buffer));
	buffer[0] = 200;
	*(volatile uint64_t *)(buffer + PAGE) += 3;
	CHECK(whole[pages[0] * PAGE] == 200);
	CHECK(same_bytes(whole, buffer));
	memcpy(copy, (void *)buffer, PAGE);
	CHECK(!memcmp(copy, (void *)(whole + pages[0] * PAGE), PAGE));
	copy[5] ^= 1;
	memcpy((void *)(buffer + PAGE), copy, PAGE);
	CHECK(!memcmp(copy, (void *)(whole + pages[1] * PAGE), PAGE));
	close(fd);
	CHECK(same_bytes(whole, buffer));
	CHECK(!munmap((void *)buffer, PARTS * PAGE));
	return 0;
}
