/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a device in a rack's description to a PCI function with a model behind it.
 *
 * Who may include this: device/, rack/, tests and the bench.
 */
#ifndef BARTER_DEVICE_DEVICE_H
#define BARTER_DEVICE_DEVICE_H

#include "device/sdk.h"
#include "pci/topology.h"

/* One `key: value` of the device, as text: "64M", "0x1000", "true". */
struct device_setting {
	const char *name, *value;
};

/*
 * Holds a value against its key: 0 and *number (SIZE, BOOL), or -EINVAL and the rule that was broken in `rule`
 * ("must be a power of two"). Sizes take K, M, G, T with an optional "iB" or "B". rule and number may be NULL.
 */
int device_key_check(const struct device_key *key, const char *value, uint64_t *number, char *rule, size_t rule_len);
const struct device_key *device_key_find(const struct device_model *m, const char *name);

/*
 * Builds the function below parent (NULL: on the root bus) at device number slot (-1: the next free one). The settings
 * are copied. -EINVAL when one is unknown or bad, or what the model's build() answers.
 */
int device_create(const struct device_model *m, const struct device_setting *settings, size_t nr_settings,
		  struct pci_root *root, struct pci_port *parent, int slot, struct pci_function **out);
/* Ends the model with its workers, and the function. Nobody uses it any more. */
void device_destroy(struct pci_function *fn);

#endif
