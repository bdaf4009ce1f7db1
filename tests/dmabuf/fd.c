/* SPDX-License-Identifier: BSD-3-Clause */
/* What the fd of a buffer answers; the numbers were asked of Linux 7.3. */
#include "exporter.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fake/task.h"

struct fixture {
	struct exporter e;
	struct fake_task *ft;
	int fd;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	exporter_init(&x->e, &exporter_ops, true);
	x->ft = fake_task_create();
	x->fd = fake_task_install(x->ft, x->e.buf->file);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	fake_task_destroy(x->ft);
	exporter_fini(&x->e);
	free(x);
	return 0;
}

static void lseek_finds_the_size_and_nothing_else(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(fake_task_lseek(x->ft, x->fd, 0, SEEK_END), EXPORTER_SIZE);
	assert_int_equal(fake_task_lseek(x->ft, x->fd, 0, SEEK_SET), 0);
	assert_int_equal(fake_task_lseek(x->ft, x->fd, 0, SEEK_CUR), -EINVAL);
	assert_int_equal(fake_task_lseek(x->ft, x->fd, 1, SEEK_END), -EINVAL);
	assert_int_equal(fake_task_lseek(x->ft, x->fd, 1, SEEK_SET), -EINVAL);
	assert_int_equal(fake_task_lseek(x->ft, x->fd, 0, 99), -EINVAL);
}

static void it_cannot_be_read_written_or_mapped(void **state)
{
	struct fixture *x = *state;
	char c = 0;

	assert_int_equal(fake_task_pread(x->ft, x->fd, &c, 1, 0), -EINVAL);
	assert_int_equal(fake_task_pwrite(x->ft, x->fd, &c, 1, 0), -EINVAL);
	assert_int_equal(fake_task_mmap(x->ft, x->fd, 4096, PROT_READ, MAP_SHARED, 0), -EINVAL);
}

static long sync_flags(struct fixture *x, uint64_t flags)
{
	struct dma_buf_sync sync = {.flags = flags};

	return fake_task_ioctl(x->ft, x->fd, DMA_BUF_IOCTL_SYNC, &sync);
}

static void sync_takes_a_direction_and_known_bits(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_READ), 0);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END), 0);
	assert_int_equal(sync_flags(x, 0), -EINVAL);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_END), -EINVAL);
	assert_int_equal(sync_flags(x, 8), -EINVAL);
	assert_int_equal(sync_flags(x, 1ull << 40 | DMA_BUF_SYNC_READ), -EINVAL);
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_IOCTL_SYNC, NULL), -EFAULT);
	dma_buf_revoke(x->e.buf, true);
	assert_int_equal(sync_flags(x, DMA_BUF_SYNC_READ), 0);
}

static void a_name_has_at_most_31_characters_and_shows(void **state)
{
	struct fixture *x = *state;
	struct file *f = fake_task_file(x->ft, x->fd);
	char name[40], text[256];

	memset(name, 'x', sizeof(name));
	name[32] = '\0';
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_SET_NAME_B, name), -EINVAL);
	f->ops->show_fdinfo(f, text, sizeof(text));
	assert_string_equal(text, "size:\t20480\ncount:\t1\nexp_name:\ttest exporter\n");
	name[31] = '\0';
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_SET_NAME_B, name), 0);
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_SET_NAME_A, "hello"), 0);
	f->ops->show_fdinfo(f, text, sizeof(text));
	assert_string_equal(text, "size:\t20480\ncount:\t1\nexp_name:\ttest exporter\nname:\thello\n");
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_SET_NAME_B, ""), 0);
	f->ops->show_fdinfo(f, text, sizeof(text));
	assert_string_equal(text, "size:\t20480\ncount:\t1\nexp_name:\ttest exporter\nname:\t\n");
	assert_int_equal(fake_task_ioctl(x->ft, x->fd, DMA_BUF_SET_NAME_B, NULL), -EFAULT);
}

static void other_ioctls_are_unknown(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(fake_task_ioctl(x->ft, x->fd, _IO('b', 9), NULL), -ENOTTY);
}

static void stat_shows_size_and_a_mode_without_a_type(void **state)
{
	struct fixture *x = *state;
	struct file *f = fake_task_file(x->ft, x->fd);
	struct stat st = {0};

	f->ops->fstat(f, &st);
	assert_int_equal(st.st_mode, 0600);
	assert_int_equal(st.st_size, EXPORTER_SIZE);
	assert_int_equal(st.st_blocks, EXPORTER_SIZE / 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lseek_finds_the_size_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(it_cannot_be_read_written_or_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(sync_takes_a_direction_and_known_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_has_at_most_31_characters_and_shows, setup, teardown),
		cmocka_unit_test_setup_teardown(other_ioctls_are_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(stat_shows_size_and_a_mode_without_a_type, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
