/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ids.h"

#include <stdlib.h>
#include <string.h>

/* Marks a slot that is taken but has no value yet. */
static const char reserved_mark;
#define RESERVED ((void *)(uintptr_t)&reserved_mark)

void ids_init(struct ids *ids, uint32_t base)
{
	*ids = (struct ids){.base = base};
}

void ids_fini(struct ids *ids)
{
	free(ids->slots);
	*ids = (struct ids){0};
}

static int ids_grow(struct ids *ids)
{
	uint32_t nr = ids->nr_slots ? ids->nr_slots * 2 : 16;
	void **slots;

	if (nr <= ids->nr_slots || nr > UINT32_MAX - ids->base)
		return -ENOSPC;
	slots = realloc(ids->slots, nr * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + ids->nr_slots, 0, (nr - ids->nr_slots) * sizeof(*slots));
	ids->slots = slots;
	ids->nr_slots = nr;
	return 0;
}

int ids_reserve(struct ids *ids, uint32_t *id)
{
	uint32_t i = ids->lowest_free;

	while (i < ids->nr_slots && ids->slots[i])
		i++;
	if (i == ids->nr_slots) {
		int err = ids_grow(ids);

		if (err)
			return err;
	}
	ids->slots[i] = RESERVED;
	ids->lowest_free = i + 1;
	*id = ids->base + i;
	return 0;
}

/* The slot of an id that is taken. */
static void **ids_slot(const struct ids *ids, uint32_t id)
{
	if (id < ids->base || id - ids->base >= ids->nr_slots || !ids->slots[id - ids->base])
		return NULL;
	return &ids->slots[id - ids->base];
}

void ids_set(struct ids *ids, uint32_t id, void *value)
{
	void **slot = ids_slot(ids, id);

	if (slot)
		*slot = value ? value : RESERVED;
}

void *ids_get(const struct ids *ids, uint32_t id)
{
	void **slot = ids_slot(ids, id);

	return slot && *slot != RESERVED ? *slot : NULL;
}

void *ids_remove(struct ids *ids, uint32_t id)
{
	void **slot = ids_slot(ids, id), *value;

	if (!slot)
		return NULL;
	value = *slot == RESERVED ? NULL : *slot;
	*slot = NULL;
	ids->lowest_free = MIN(ids->lowest_free, id - ids->base);
	return value;
}

void *ids_next(const struct ids *ids, uint32_t *id)
{
	for (uint32_t i = *id > ids->base ? *id - ids->base : 0; i < ids->nr_slots; i++) {
		if (!ids->slots[i] || ids->slots[i] == RESERVED)
			continue;
		*id = ids->base + i;
		return ids->slots[i];
	}
	return NULL;
}
