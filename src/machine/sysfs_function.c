/* SPDX-License-Identifier: BSD-3-Clause */
/* The text attributes of a PCI function, as Linux 7.3 shows them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/machine_priv.h"

#define SHOW(name_) static ssize_t name_##_show(void *priv, uint64_t offset, char *buf, size_t capacity)

/* A register of config space in hexadecimal. */
#define SHOW_CONFIG(name_, offset_, len_, digits_)                                                                     \
	SHOW(name_)                                                                                                    \
	{                                                                                                              \
		struct machine_function *mf = priv;                                                                    \
		return snprintf(buf, capacity, "0x%0" #digits_ "x\n", pci_config_read(mf->fn, offset_, len_));         \
	}

SHOW(vendor)
{
	return snprintf(buf, capacity, "0x%04x\n", pci_vendor_id(((struct machine_function *)priv)->fn));
}

SHOW(device)
{
	return snprintf(buf, capacity, "0x%04x\n", pci_device_id(((struct machine_function *)priv)->fn));
}

SHOW_CONFIG(revision, PCI_CLASS_REVISION, 1, 2)

static uint32_t class_code(const struct machine_function *mf)
{
	return pci_config_read(mf->fn, PCI_CLASS_REVISION, 4) >> 8;
}

SHOW(class)
{
	return snprintf(buf, capacity, "0x%06x\n", class_code(priv));
}

/* A type 1 header has something else there. */
static unsigned subsystem_id(const struct machine_function *mf, unsigned offset)
{
	return mf->fn->is_bridge ? 0 : pci_config_read(mf->fn, offset, 2);
}

SHOW(subsystem_vendor)
{
	return snprintf(buf, capacity, "0x%04x\n", subsystem_id(priv, PCI_SUBSYSTEM_VENDOR_ID));
}

SHOW(subsystem_device)
{
	return snprintf(buf, capacity, "0x%04x\n", subsystem_id(priv, PCI_SUBSYSTEM_ID));
}

SHOW(irq)
{
	struct machine_function *mf = priv;
	bool pin = pci_config_read(mf->fn, PCI_INTERRUPT_PIN, 1);

	return snprintf(buf, capacity, "%u\n", pin ? pci_config_read(mf->fn, PCI_INTERRUPT_LINE, 1) : 0);
}

static int modalias_print(const struct machine_function *mf, char *buf, size_t capacity)
{
	uint32_t class = class_code(mf);

	return snprintf(buf, capacity, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", pci_vendor_id(mf->fn),
			pci_device_id(mf->fn), subsystem_id(mf, PCI_SUBSYSTEM_VENDOR_ID),
			subsystem_id(mf, PCI_SUBSYSTEM_ID), class >> 16, class >> 8 & 0xff, class & 0xff);
}

SHOW(modalias)
{
	char text[64];

	modalias_print(priv, text, sizeof(text));
	return snprintf(buf, capacity, "%s\n", text);
}

SHOW(uevent)
{
	struct machine_function *mf = priv;
	char modalias[64], driver[48] = "";

	mutex_lock(&mf->m->lock);
	if (driver_name_locked(mf))
		snprintf(driver, sizeof(driver), "DRIVER=%s\n", driver_name_locked(mf));
	mutex_unlock(&mf->m->lock);
	modalias_print(mf, modalias, sizeof(modalias));
	return snprintf(buf, capacity,
			"%sPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s\nMODALIAS=%s\n",
			driver, class_code(mf), pci_vendor_id(mf->fn), pci_device_id(mf->fn),
			subsystem_id(mf, PCI_SUBSYSTEM_VENDOR_ID), subsystem_id(mf, PCI_SUBSYSTEM_ID), mf->fn->name,
			modalias);
}

/*
 * Synthetic events: the actions of a kobject, perhaps with a UUID after them. Nobody listens on a netlink socket here,
 * so a good one has no effect.
 */
static ssize_t uevent_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	static const char *const actions[] = {"add", "remove", "change", "move", "online", "offline", "bind", "unbind"};
	size_t word = strcspn(buf, " \n");

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		if (strlen(actions[i]) == word && !strncmp(buf, actions[i], word))
			return (ssize_t)len;
	return -EINVAL;
}

SHOW(power_state)
{
	static const char *const names[] = {"D0", "D1", "D2", "D3hot"};
	struct machine_function *mf = priv;
	unsigned state = 0;

	if (mf->fn->cap_pm)
		state = pci_config_read(mf->fn, mf->fn->cap_pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;
	return snprintf(buf, capacity, "%s\n", names[state]);
}

static const char *speed_name(unsigned speed)
{
	static const char *const names[] = {"Unknown",	      "2.5 GT/s PCIe",	"5.0 GT/s PCIe", "8.0 GT/s PCIe",
					    "16.0 GT/s PCIe", "32.0 GT/s PCIe", "64.0 GT/s PCIe"};

	return speed < ARRAY_SIZE(names) ? names[speed] : names[0];
}

static unsigned link_register(const struct machine_function *mf, unsigned reg)
{
	return pci_config_read(mf->fn, mf->fn->cap_exp + reg, 2);
}

SHOW(current_link_speed)
{
	return snprintf(buf, capacity, "%s\n", speed_name(link_register(priv, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_CLS));
}

SHOW(current_link_width)
{
	return snprintf(buf, capacity, "%u\n", (link_register(priv, PCI_EXP_LNKSTA) & PCI_EXP_LNKSTA_NLW) >> 4);
}

SHOW(max_link_speed)
{
	return snprintf(buf, capacity, "%s\n", speed_name(link_register(priv, PCI_EXP_LNKCAP) & PCI_EXP_LNKCAP_SLS));
}

SHOW(max_link_width)
{
	return snprintf(buf, capacity, "%u\n", (link_register(priv, PCI_EXP_LNKCAP) & PCI_EXP_LNKCAP_MLW) >> 4);
}

SHOW(local_cpulist)
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);

	return snprintf(buf, capacity, nr > 1 ? "0-%ld\n" : "0\n", nr - 1);
}

/* 32 processors a word, the highest first. */
SHOW(local_cpus)
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);
	size_t used = 0;

	for (long word = (nr - 1) / 32; word >= 0; word--) {
		long in_word = word == (nr - 1) / 32 && nr % 32 ? nr % 32 : 32;
		unsigned mask = (unsigned)((1ull << in_word) - 1);

		used += snprintf(buf + used, capacity - used, used ? ",%08x" : "%x", mask);
	}
	return (ssize_t)(used + snprintf(buf + used, capacity - used, "\n"));
}

SHOW(secondary_bus_number)
{
	struct machine_function *mf = priv;

	return snprintf(buf, capacity, "%u\n", pci_port_of(mf->fn)->secondary);
}

SHOW(subordinate_bus_number)
{
	struct machine_function *mf = priv;

	return snprintf(buf, capacity, "%u\n", pci_port_of(mf->fn)->subordinate);
}

static bool always(const struct pci_function *fn)
{
	return true;
}

static bool has_link(const struct pci_function *fn)
{
	return fn->cap_exp != 0;
}

static bool is_bridge(const struct pci_function *fn)
{
	return fn->is_bridge;
}

#define ATTRIBUTE(name_, mode_, when_, ...)                                                                            \
	{                                                                                                              \
#name_, mode_, when_,                                                                                  \
		{                                                                                                      \
			__VA_ARGS__                                                                                    \
		}                                                                                                      \
	}

static const struct {
	const char *name;
	mode_t mode;
	bool (*when)(const struct pci_function *fn);
	struct ns_attribute_ops ops;
} attributes[] = {
	ATTRIBUTE(class, 0444, always, .show = class_show),
	ATTRIBUTE(current_link_speed, 0444, has_link, .show = current_link_speed_show),
	ATTRIBUTE(current_link_width, 0444, has_link, .show = current_link_width_show),
	ATTRIBUTE(device, 0444, always, .show = device_show),
	ATTRIBUTE(irq, 0444, always, .show = irq_show),
	ATTRIBUTE(local_cpulist, 0444, always, .show = local_cpulist_show),
	ATTRIBUTE(local_cpus, 0444, always, .show = local_cpus_show),
	ATTRIBUTE(max_link_speed, 0444, has_link, .show = max_link_speed_show),
	ATTRIBUTE(max_link_width, 0444, has_link, .show = max_link_width_show),
	ATTRIBUTE(modalias, 0444, always, .show = modalias_show),
	ATTRIBUTE(power_state, 0444, always, .show = power_state_show),
	ATTRIBUTE(revision, 0444, always, .show = revision_show),
	ATTRIBUTE(secondary_bus_number, 0444, is_bridge, .show = secondary_bus_number_show),
	ATTRIBUTE(subordinate_bus_number, 0444, is_bridge, .show = subordinate_bus_number_show),
	ATTRIBUTE(subsystem_device, 0444, always, .show = subsystem_device_show),
	ATTRIBUTE(subsystem_vendor, 0444, always, .show = subsystem_vendor_show),
	ATTRIBUTE(uevent, 0644, always, .show = uevent_show, .store = uevent_store),
	ATTRIBUTE(vendor, 0444, always, .show = vendor_show),
};

/* What is the same for every function of a rack. */
static const struct {
	const char *name, *text;
} constants[] = {
	{"ari_enabled", "0\n"},
	{"consistent_dma_mask_bits", "64\n"},
	{"dma_mask_bits", "64\n"},
};

int sysfs_add_power(struct ns *ns, struct ns_node *dir)
{
	static const struct {
		const char *name, *text;
	} texts[] = {{"control", "on\n"},
		     {"runtime_active_time", "0\n"},
		     {"runtime_status", "active\n"},
		     {"runtime_suspended_time", "0\n"}};
	struct ns_node *power = ns_directory(ns, dir, "power", false);

	for (size_t i = 0; power && i < ARRAY_SIZE(texts); i++)
		if (!ns_text(ns, power, texts[i].name, texts[i].text))
			return -ENOMEM;
	return power ? 0 : -ENOMEM;
}

int sysfs_add_function(struct machine_function *mf)
{
	struct ns *ns = mf->m->ns;

	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if (attributes[i].when(mf->fn) &&
		    !ns_attribute(ns, mf->dir, attributes[i].name, attributes[i].mode, &attributes[i].ops, mf))
			return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(constants); i++)
		if (!ns_text(ns, mf->dir, constants[i].name, constants[i].text))
			return -ENOMEM;
	if (!ns_directory(ns, mf->dir, "link", false))
		return -ENOMEM;
	return sysfs_add_power(ns, mf->dir);
}
