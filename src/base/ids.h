/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small integers to pointers, as Linux's xarray hands them out: the lowest free id first. Anyone may include this. Not
 * synchronised.
 */
#ifndef BARTER_BASE_IDS_H
#define BARTER_BASE_IDS_H

#include "base/types.h"

struct ids {
	void **slots;
	uint32_t nr_slots, lowest_free, base;
};

void ids_init(struct ids *ids, uint32_t base); /* base: the first id given out */
void ids_fini(struct ids *ids);
/* Reserves an id whose look-up answers NULL until ids_set(). -ENOMEM, -ENOSPC. */
int ids_reserve(struct ids *ids, uint32_t *id);
void ids_set(struct ids *ids, uint32_t id, void *value);
void *ids_get(const struct ids *ids, uint32_t id);
/* The id becomes free. */
void *ids_remove(struct ids *ids, uint32_t id);
/* The first entry with a value at or above *id; updates *id. NULL at the end. */
void *ids_next(const struct ids *ids, uint32_t *id);

#endif
