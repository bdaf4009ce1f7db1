/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings of a device: text against the keys that its model takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device_priv.h"

static int broken(char *rule, size_t rule_len, const char *text)
{
	if (rule)
		snprintf(rule, rule_len, "%s", text);
	return -EINVAL;
}

/* Digits with an optional K, M, G, T and "iB" or "B"; all of these are powers of 1024 here. */
static bool parse_size(const char *value, uint64_t *number)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	*number = strtoull(value, &end, 0);
	if (errno)
		return false;
	if (!*end)
		return true;
	unit = strchr(units, *end);
	if (unit) {
		unsigned shift = 10 * (unsigned)(unit - units + 1);

		if (*number >> (64 - shift))
			return false;
		*number <<= shift;
		end++;
	}
	return !*end || !strcmp(end, "B") || (unit && !strcmp(end, "iB"));
}

static int check_size(const struct device_key *key, const char *value, uint64_t *number, char *rule, size_t rule_len)
{
	char text[96];

	if (!parse_size(value, number))
		return broken(rule, rule_len, "must be a number, with K, M, G or T after it for a size");
	if (*number < key->min || *number > key->max) {
		snprintf(text, sizeof(text), "must be from %llu to %llu", (unsigned long long)key->min,
			 (unsigned long long)key->max);
		return broken(rule, rule_len, text);
	}
	if (key->power_of_two && (*number & (*number - 1)))
		return broken(rule, rule_len, "must be a power of two");
	return 0;
}

static int check_bool(const char *value, uint64_t *number, char *rule, size_t rule_len)
{
	static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (unsigned truth = 0; truth < 2; truth++)
			if (!strcmp(value, words[i][truth])) {
				*number = truth;
				return 0;
			}
	return broken(rule, rule_len, "must be true or false");
}

int device_key_check(const struct device_key *key, const char *value, uint64_t *number, char *rule, size_t rule_len)
{
	uint64_t unused;

	if (!number)
		number = &unused;
	switch (key->type) {
	case DEVICE_KEY_BOOL:
		return check_bool(value, number, rule, rule_len);
	case DEVICE_KEY_SIZE:
		return check_size(key, value, number, rule, rule_len);
	case DEVICE_KEY_STRING:
		break;
	}
	return 0;
}

const struct device_key *device_key_find(const struct device_model *m, const char *name)
{
	for (size_t i = 0; i < m->nr_keys; i++)
		if (!strcmp(m->keys[i].name, name))
			return &m->keys[i];
	return NULL;
}

static int setting_copy(struct device_setting *to, const struct device_model *m, const struct device_setting *from)
{
	const struct device_key *key = device_key_find(m, from->name);

	if (!key || device_key_check(key, from->value, NULL, NULL, 0))
		return -EINVAL;
	to->value = strdup(from->value);
	to->name = key->name;
	return to->value ? 0 : -ENOMEM;
}

int device_config_init(struct device_config *c, const struct device_model *m, const struct device_setting *settings,
		       size_t nr)
{
	int err = 0;

	*c = (struct device_config){.model = m, .settings = calloc(nr + 1, sizeof(*settings))};
	if (!c->settings)
		return -ENOMEM;
	for (size_t i = 0; !err && i < nr; i++) {
		err = setting_copy(&c->settings[c->nr], m, &settings[i]);
		c->nr += !err;
	}
	if (err)
		device_config_fini(c);
	return err;
}

void device_config_fini(struct device_config *c)
{
	for (size_t i = 0; i < c->nr; i++)
		free((char *)c->settings[i].value);
	free(c->settings);
	*c = (struct device_config){};
}

/* The last one wins: overrides are appended. */
static const char *setting(const struct device_config *c, const char *key)
{
	for (size_t i = c->nr; i-- > 0;)
		if (!strcmp(c->settings[i].name, key))
			return c->settings[i].value;
	return NULL;
}

static uint64_t config_number(const struct device_config *c, const char *key, uint64_t fallback)
{
	const char *value = setting(c, key);
	uint64_t number = fallback;

	if (value)
		device_key_check(device_key_find(c->model, key), value, &number, NULL, 0);
	return number;
}

bool device_config_bool(const struct device_config *c, const char *key, bool fallback)
{
	return config_number(c, key, fallback);
}

uint64_t device_config_u64(const struct device_config *c, const char *key, uint64_t fallback)
{
	return config_number(c, key, fallback);
}

const char *device_config_string(const struct device_config *c, const char *key, const char *fallback)
{
	const char *value = setting(c, key);

	return value ? value : fallback;
}
