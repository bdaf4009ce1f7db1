/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_SET_IRQS; the answers were asked of Linux 7.3. */
#include "fixture.h"

enum {
	NONE = VFIO_IRQ_SET_DATA_NONE,
	BOOLS = VFIO_IRQ_SET_DATA_BOOL,
	EVENTS = VFIO_IRQ_SET_DATA_EVENTFD,
	MASK = VFIO_IRQ_SET_ACTION_MASK,
	UNMASK = VFIO_IRQ_SET_ACTION_UNMASK,
	TRIGGER = VFIO_IRQ_SET_ACTION_TRIGGER,
	INTX = VFIO_PCI_INTX_IRQ_INDEX,
	MSI = VFIO_PCI_MSI_IRQ_INDEX,
	MSIX = VFIO_PCI_MSIX_IRQ_INDEX,
	ERR = VFIO_PCI_ERR_IRQ_INDEX,
	REQ = VFIO_PCI_REQ_IRQ_INDEX,
};

static long set_event(struct fixture *x, uint32_t action, uint32_t index, int32_t fd)
{
	return set_irqs(x, EVENTS | action, index, 0, 1, &fd, sizeof(fd));
}

static long set_none(struct fixture *x, uint32_t action, uint32_t index, uint32_t start, uint32_t count)
{
	return set_irqs(x, NONE | action, index, start, count, NULL, 0);
}

static long set_bool(struct fixture *x, uint32_t action, uint32_t index, uint8_t value)
{
	return set_irqs(x, BOOLS | action, index, 0, 1, &value, 1);
}

static void what_interrupts_there_are(void **state)
{
	struct fixture *x = *state;
	static const uint32_t counts[5] = {1, 4, CARD_NR_MSIX, 1, 1}, flags[5] = {7, 9, 1, 9, 9};
	struct vfio_irq_info info = {.argsz = 12};

	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
	for (uint32_t i = 0; i < 7; i++) {
		info = (struct vfio_irq_info){.argsz = 16, .index = i};
		assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_IRQ_INFO, &info), i < 5 ? 0 : -EINVAL);
		if (i >= 5)
			continue;
		assert_int_equal(info.count, counts[i]);
		assert_int_equal(info.flags, flags[i]);
	}
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_GET_IRQ_INFO, NULL), -EFAULT);
}

static void the_header_is_checked_first(void **state)
{
	struct fixture *x = *state;
	int32_t fd = fake_task_eventfd(x->ft);
	struct vfio_irq_set set = {.argsz = 8};

	assert_int_equal(device_ioctl(x, VFIO_DEVICE_SET_IRQS, NULL), -EFAULT);
	assert_int_equal(device_ioctl(x, VFIO_DEVICE_SET_IRQS, &set), -EINVAL);
	assert_int_equal(set_irqs(x, 0, INTX, 0, 1, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, 0x100 | EVENTS | TRIGGER, INTX, 0, 1, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, NONE | EVENTS | TRIGGER, INTX, 0, 1, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, TRIGGER, INTX, 0, 1, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER | MASK, INTX, 0, 1, &fd, 4), -ENOTTY);
	assert_int_equal(set_irqs(x, EVENTS, INTX, 0, 1, &fd, 4), -ENOTTY);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, INTX, 1, 1, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, UINT32_MAX, 2, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, CARD_NR_MSIX, 1, &fd, 4), -EINVAL);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, 0, 2, &fd, 4), -EINVAL);
	assert_int_equal(set_event(x, TRIGGER, 5, fd), -EINVAL);
	assert_int_equal(set_none(x, MASK, MSIX, 0, 1), -ENOTTY);
	assert_int_equal(set_none(x, UNMASK, MSI, 0, 1), -ENOTTY);
	assert_int_equal(set_none(x, MASK, ERR, 0, 1), -ENOTTY);
}

static void intx_masks_itself_until_it_is_unmasked(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft), unmask = fake_task_eventfd(x->ft);

	assert_int_equal(set_none(x, MASK, INTX, 0, 1), -EINVAL);
	assert_int_equal(set_event(x, UNMASK, INTX, unmask), -EINVAL);
	assert_int_equal(set_event(x, TRIGGER, INTX, event), 0);
	pci_intx_set(x->fn, true);
	pci_intx_set(x->fn, false);
	pci_intx_set(x->fn, true);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	/* Still asserted: at once again. */
	assert_int_equal(set_none(x, UNMASK, INTX, 0, 1), 0);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	assert_int_equal(set_event(x, UNMASK, INTX, unmask), 0);
	assert_int_equal(set_event(x, UNMASK, INTX, unmask), -EBUSY);
	fake_task_event_write(x->ft, unmask);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	pci_intx_set(x->fn, false);
	fake_task_event_write(x->ft, unmask);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
	pci_intx_set(x->fn, true);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	assert_int_equal(set_event(x, UNMASK, INTX, -1), 0);
	fake_task_event_write(x->ft, unmask);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
	assert_int_equal(set_event(x, MASK, INTX, unmask), -ENOTTY);
	assert_int_equal(set_bool(x, UNMASK, INTX, 0), 0);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
	assert_int_equal(set_bool(x, UNMASK, INTX, 1), 0);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
}

static void intx_of_a_line_that_is_up_when_it_is_set_up(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft);

	pci_intx_set(x->fn, true);
	assert_int_equal(set_event(x, TRIGGER, INTX, event), 0);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
}

static void intx_disable_in_the_command_register_masks(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft);

	assert_int_equal(set_event(x, TRIGGER, INTX, event), 0);
	set_command(x, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	pci_intx_set(x->fn, true);
	assert_int_equal(set_none(x, UNMASK, INTX, 0, 1), 0);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
	set_command(x, PCI_COMMAND_MEMORY);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
}

static void intx_can_be_tried_replaced_and_turned_off(void **state)
{
	struct fixture *x = *state;
	int first = fake_task_eventfd(x->ft), second = fake_task_eventfd(x->ft);

	assert_int_equal(set_none(x, TRIGGER, INTX, 0, 1), -EINVAL);
	assert_int_equal(set_none(x, TRIGGER, INTX, 0, 0), -EINVAL);
	assert_int_equal(set_event(x, TRIGGER, INTX, 99), -EBADF);
	assert_int_equal(set_event(x, TRIGGER, INTX, x->device), -EINVAL);
	assert_int_equal(set_event(x, TRIGGER, INTX, first), 0);
	assert_int_equal(set_event(x, TRIGGER, INTX, second), 0);
	assert_int_equal(set_none(x, TRIGGER, INTX, 0, 1), 0);
	assert_int_equal(set_bool(x, TRIGGER, INTX, 1), 0);
	assert_int_equal(set_bool(x, TRIGGER, INTX, 0), 0);
	assert_int_equal(fake_task_event_read(x->ft, first), 0);
	assert_int_equal(fake_task_event_read(x->ft, second), 2);
	assert_int_equal(set_event(x, TRIGGER, MSIX, first), -EINVAL);
	assert_int_equal(set_event(x, TRIGGER, INTX, -1), 0);
	assert_int_equal(set_none(x, TRIGGER, INTX, 0, 1), 0);
	assert_int_equal(fake_task_event_read(x->ft, second), 0);
	assert_int_equal(set_none(x, TRIGGER, INTX, 0, 0), 0);
	assert_int_equal(pci_irq_enabled(x->fn), PCI_IRQ_NONE);
}

static void msix_vectors_grow_and_are_replaced(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft), other = fake_task_eventfd(x->ft);
	int32_t two[2] = {event, event}, bad[2] = {other, x->device};

	set_command(x, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, 0, 0, NULL, 0), -ERANGE);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, 3, 2, two, 8), 0);
	pci_irq_raise(x->fn, 2);
	pci_irq_raise(x->fn, 3);
	pci_irq_raise(x->fn, 4);
	assert_int_equal(fake_task_event_read(x->ft, event), 2);
	assert_int_equal(set_none(x, TRIGGER, MSIX, 0, 6), 0);
	assert_int_equal(fake_task_event_read(x->ft, event), 2);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, 10, 2, two, 8), 0);
	pci_irq_raise(x->fn, 11);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	/* One bad fd takes the whole block. */
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSIX, 3, 2, bad, 8), -EINVAL);
	pci_irq_raise(x->fn, 3);
	pci_irq_raise(x->fn, 4);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
	assert_int_equal(fake_task_event_read(x->ft, other), 0);
	assert_int_equal(set_none(x, TRIGGER, MSIX, 0, 0), 0);
	assert_int_equal(set_none(x, TRIGGER, MSIX, 0, 0), -EINVAL);
	pci_irq_raise(x->fn, 11);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
}

static void msi_vectors_do_not_grow(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft);
	int32_t fds[4] = {event, event, event, event};

	set_command(x, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSI, 0, 2, fds, 8), 0);
	pci_irq_raise(x->fn, 0);
	pci_irq_raise(x->fn, 1);
	assert_int_equal(fake_task_event_read(x->ft, event), 2);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSI, 2, 1, fds, 4), -EINVAL);
	pci_irq_raise(x->fn, 1);
	assert_int_equal(fake_task_event_read(x->ft, event), 1);
	assert_int_equal(set_irqs(x, EVENTS | TRIGGER, MSI, 1, 2, fds, 8), -EINVAL);
	pci_irq_raise(x->fn, 1);
	assert_int_equal(fake_task_event_read(x->ft, event), 0);
}

static void errors_and_requests_have_one_eventfd(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft);

	for (uint32_t index = ERR; index <= REQ; index++) {
		assert_int_equal(set_none(x, TRIGGER, index, 0, 1), -EINVAL);
		assert_int_equal(set_bool(x, TRIGGER, index, 1), 0);
		assert_int_equal(set_event(x, TRIGGER, index, -2), -EINVAL);
		assert_int_equal(set_event(x, TRIGGER, index, 99), -EBADF);
		assert_int_equal(set_irqs(x, EVENTS | TRIGGER, index, 0, 0, NULL, 0), -EINVAL);
		assert_int_equal(set_event(x, TRIGGER, index, event), 0);
		assert_int_equal(set_none(x, TRIGGER, index, 0, 1), 0);
		assert_int_equal(set_bool(x, TRIGGER, index, 1), 0);
		assert_int_equal(set_bool(x, TRIGGER, index, 0), 0);
		assert_int_equal(fake_task_event_read(x->ft, event), 2);
		assert_int_equal(set_none(x, TRIGGER, index, 0, 0), 0);
		assert_int_equal(set_none(x, TRIGGER, index, 0, 1), -EINVAL);
		assert_int_equal(set_event(x, TRIGGER, index, -1), 0);
	}
}

static void closing_lets_go_of_everything(void **state)
{
	struct fixture *x = *state;
	int event = fake_task_eventfd(x->ft);

	assert_int_equal(set_event(x, TRIGGER, INTX, event), 0);
	assert_int_equal(set_event(x, UNMASK, INTX, event), 0);
	assert_int_equal(set_event(x, TRIGGER, ERR, event), 0);
	assert_int_equal(set_event(x, TRIGGER, REQ, event), 0);
	fake_task_close(x->ft, x->device);
	assert_int_equal(pci_irq_enabled(x->fn), PCI_IRQ_NONE);
	fake_task_event_write(x->ft, event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_interrupts_there_are, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(the_header_is_checked_first, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(intx_masks_itself_until_it_is_unmasked, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(intx_of_a_line_that_is_up_when_it_is_set_up, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(intx_disable_in_the_command_register_masks, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(intx_can_be_tried_replaced_and_turned_off, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(msix_vectors_grow_and_are_replaced, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(msi_vectors_do_not_grow, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(errors_and_requests_have_one_eventfd, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(closing_lets_go_of_everything, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
