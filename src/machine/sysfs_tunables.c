/* SPDX-License-Identifier: BSD-3-Clause */
/* The attributes of a function that can be written: reset and how, enable, and a few that only remember. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/machine_priv.h"

bool sysfs_number(const char *buf, unsigned long *value)
{
	char *end;

	if (*buf < '0' || *buf > '9')
		return false;
	errno = 0;
	*value = strtoul(buf, &end, 0);
	return !errno && (!*end || !strcmp(end, "\n"));
}

bool sysfs_bool(const char *buf, bool *value)
{
	bool on = buf[0] == 'o' || buf[0] == 'O';
	char c = on ? buf[1] : buf[0];

	*value = strchr(on ? "nN" : "yYtT1", c) && c;
	return c && strchr(on ? "nNfF" : "yYtT1nNfF0", c);
}

static const char *const method_names[] = {[PCI_RESET_FLR] = "flr", [PCI_RESET_PM] = "pm", [PCI_RESET_BUS] = "bus"};

static void methods_default(struct machine_function *mf)
{
	unsigned i = 0;

	for (; i + 1 < ARRAY_SIZE(mf->reset_methods); i++)
		mf->reset_methods[i] = pci_reset_method(mf->fn, i);
	mf->reset_methods[i] = PCI_RESET_NONE;
}

static ssize_t reset_method_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *mf = priv;
	size_t used = 0;

	mutex_lock(&mf->m->lock);
	for (unsigned i = 0; mf->reset_methods[i] != PCI_RESET_NONE; i++)
		used += snprintf(buf + used, capacity - used, "%s%s", i ? " " : "", method_names[mf->reset_methods[i]]);
	mutex_unlock(&mf->m->lock);
	return used ? (ssize_t)(used + snprintf(buf + used, capacity - used, "\n")) : 0;
}

/* A method by name that the function has. */
static enum pci_reset_method method_find(const struct machine_function *mf, const char *name)
{
	enum pci_reset_method method;

	for (unsigned i = 0; (method = pci_reset_method(mf->fn, i)) != PCI_RESET_NONE; i++)
		if (!strcmp(method_names[method], name))
			return method;
	return PCI_RESET_NONE;
}

static ssize_t reset_method_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_function *mf = priv;
	enum pci_reset_method methods[ARRAY_SIZE(mf->reset_methods)] = {PCI_RESET_NONE};
	char text[128], *rest = text, *word;
	unsigned nr = 0;

	snprintf(text, sizeof(text), "%s", buf);
	text[strcspn(text, "\n")] = 0;
	if (!strcmp(text, "default")) {
		mutex_lock(&mf->m->lock);
		methods_default(mf);
		mutex_unlock(&mf->m->lock);
		return (ssize_t)len;
	}
	while ((word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		if (nr + 1 == ARRAY_SIZE(methods) || method_find(mf, word) == PCI_RESET_NONE)
			return refuse(mf->m->trace, -EINVAL, "%s/reset_method: the function has no \"%s\"",
				      mf->fn->name, word);
		methods[nr++] = method_find(mf, word);
	}
	methods[nr] = PCI_RESET_NONE;
	mutex_lock(&mf->m->lock);
	memcpy(mf->reset_methods, methods, sizeof(methods));
	mutex_unlock(&mf->m->lock);
	return (ssize_t)len;
}

static ssize_t reset_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_function *mf = priv;
	enum pci_reset_method method;
	unsigned long value;
	int err;

	if (!sysfs_number(buf, &value) || value != 1)
		return refuse(mf->m->trace, -EINVAL, "%s/reset: takes \"1\"", mf->fn->name);
	mutex_lock(&mf->m->lock);
	method = mf->reset_methods[0];
	mutex_unlock(&mf->m->lock);
	if (method == PCI_RESET_NONE)
		return refuse(mf->m->trace, -ENOTTY, "%s/reset: reset_method is empty", mf->fn->name);
	/* Whichever way it goes, the function sees the same. */
	err = driver_reset(mf);
	return err ? err : (ssize_t)len;
}

static ssize_t enable_show(void *priv, uint64_t offset, char *buf, size_t capacity)
{
	struct machine_function *mf = priv;
	unsigned count;

	mutex_lock(&mf->m->lock);
	count = mf->enable_count + (mf->fn->is_bridge || !(mf->fn->gate.reasons & GATE_CLOSED));
	mutex_unlock(&mf->m->lock);
	return snprintf(buf, capacity, "%u\n", count);
}

static int enable_locked(struct machine_function *mf, bool on)
{
	uint16_t command;

	mutex_assert_held(&mf->m->lock);
	if (mf->driver)
		return -EBUSY;
	if (!on && !mf->enable_count)
		return -EIO;
	mf->enable_count += on ? 1 : -1;
	command = pci_config_read(mf->fn, PCI_COMMAND, 2);
	if (on)
		pci_config_write(mf->fn, PCI_COMMAND, command | PCI_COMMAND_MEMORY, 2);
	else if (!mf->enable_count)
		pci_config_write(mf->fn, PCI_COMMAND, command & ~PCI_COMMAND_MASTER, 2);
	return 0;
}

static ssize_t enable_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	struct machine_function *mf = priv;
	unsigned long value;
	int err;

	if (!sysfs_number(buf, &value))
		return -EINVAL;
	mutex_lock(&mf->m->lock);
	err = enable_locked(mf, value);
	mutex_unlock(&mf->m->lock);
	if (err)
		return refuse(mf->m->trace, err, "%s/enable: %s", mf->fn->name,
			      err == -EBUSY ? "a driver has the function" : "is not enabled");
	return (ssize_t)len;
}

/* Nothing was unplugged: there is nothing new to be found. */
static ssize_t rescan_store(void *priv, uint64_t offset, const char *buf, size_t len)
{
	unsigned long value;

	return sysfs_number(buf, &value) ? (ssize_t)len : -EINVAL;
}

/* Numbers that are remembered and have no effect here. */
#define REMEMBERED(name_, last_)                                                                                       \
	static ssize_t name_##_show(void *priv, uint64_t offset, char *buf, size_t capacity)                           \
	{                                                                                                              \
		struct machine_function *mf = priv;                                                                    \
		int value;                                                                                             \
                                                                                                                       \
		mutex_lock(&mf->m->lock);                                                                              \
		value = mf->name_;                                                                                     \
		mutex_unlock(&mf->m->lock);                                                                            \
		return snprintf(buf, capacity, "%d\n", value);                                                         \
	}                                                                                                              \
	static ssize_t name_##_store(void *priv, uint64_t offset, const char *buf, size_t len)                         \
	{                                                                                                              \
		struct machine_function *mf = priv;                                                                    \
		unsigned long value;                                                                                   \
                                                                                                                       \
		if (!sysfs_number(buf, &value) || value > (last_))                                                     \
			return -EINVAL;                                                                                \
		mutex_lock(&mf->m->lock);                                                                              \
		mf->name_ = (int)value;                                                                                \
		mutex_unlock(&mf->m->lock);                                                                            \
		return (ssize_t)len;                                                                                   \
	}

REMEMBERED(broken_parity_status, 1)
REMEMBERED(d3cold_allowed, 1)
REMEMBERED(msi_bus, 1)
REMEMBERED(numa_node, 0)

static bool can_reset(const struct pci_function *fn)
{
	return !fn->is_bridge && pci_can_reset_function(fn);
}

static const struct {
	const char *name;
	mode_t mode;
	bool needs_reset;
	struct ns_attribute_ops ops;
} attributes[] = {
	{"broken_parity_status", 0644, false, {broken_parity_status_show, broken_parity_status_store, 0}},
	{"d3cold_allowed", 0644, false, {d3cold_allowed_show, d3cold_allowed_store, 0}},
	{"enable", 0644, false, {enable_show, enable_store, 0}},
	{"msi_bus", 0644, false, {msi_bus_show, msi_bus_store, 0}},
	{"numa_node", 0644, false, {numa_node_show, numa_node_store, 0}},
	{"rescan", 0200, false, {NULL, rescan_store, 0}},
	{"reset", 0200, true, {NULL, reset_store, 0}},
	{"reset_method", 0644, true, {reset_method_show, reset_method_store, 0}},
};

int sysfs_add_tunables(struct machine_function *mf)
{
	methods_default(mf);
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		if ((!attributes[i].needs_reset || can_reset(mf->fn)) &&
		    !ns_attribute(mf->m->ns, mf->dir, attributes[i].name, attributes[i].mode, &attributes[i].ops, mf))
			return -ENOMEM;
	return 0;
}
