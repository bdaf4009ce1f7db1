/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BARTER_DOOR_PIN_PRIV_H
#define BARTER_DOOR_PIN_PRIV_H

#include "door/pin.h"

#define PIN_BUCKET_SHIFT 21
#define PIN_NR_BUCKETS 4096u

/* Memory of ours that pinned pages were moved to, or an alias of a file. */
struct pin_aside {
	char *host;
	uint64_t len;
	size_t nr_nodes;
};

/* A run of a pin in one place. */
struct pin_node {
	struct pinned *pinned;
	struct pin_node *next; /* of the same pin */
	uint64_t offset, len;  /* in the pin */
	uaddr_t start;	       /* in the program; unused when aside */
	struct pin_aside *aside;
	bool shut_out;	      /* the program's protection does not let devices in */
	struct list by_place; /* in the bucket of start, or among the large ones */
};

/*
 * Guarded by mm->lock. A node that lies in more than one bucket's range is among the large ones, which every search
 * looks through; there are few.
 */
struct pins {
	struct list buckets[PIN_NR_BUCKETS];
	struct list large;
	size_t nr_nodes;
};

static inline uaddr_t pin_node_end(const struct pin_node *n)
{
	return n->start + n->len;
}

/* Lock held. Puts a node where searches find it. */
void pin_node_link_locked(struct mm *mm, struct pin_node *n);
/*
 * Lock held. Collects the nodes in the program that touch [start, end), cut so that none crosses either; *list is
 * malloc()ed. Returns how many, or -ENOMEM. ordered by address.
 */
ssize_t pin_collect_locked(struct mm *mm, uaddr_t start, uaddr_t end, struct pin_node ***list);

/* Where a mapping of the program ends and what it is: /proc/self/maps asked for one address. */
struct pin_vma {
	uaddr_t start, end;
	bool readable, writable, shared, has_file;
};
/* 0, -ENOENT when nothing is mapped there, or another -errno. */
int pin_vma_find(struct mm *mm, uaddr_t addr, struct pin_vma *vma);

#endif
