/* SPDX-License-Identifier: BSD-3-Clause */
/* A circular doubly linked list whose nodes live in the objects. Anyone may include this. Not synchronised. */
#ifndef BARTER_BASE_LIST_H
#define BARTER_BASE_LIST_H

#include "base/types.h"

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

static inline void list_add(struct list *head, struct list *node)
{
	list_insert_between(node, head, head->next);
}

static inline void list_add_tail(struct list *head, struct list *node)
{
	list_insert_between(node, head->prev, head);
}

/* Removes the node and leaves it empty, so that a second removal is harmless. */
static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

/*
 * The node inside an entry, by arithmetic alone: at the end of a walk pos is the head's container, which does not exist
 * and may not even be aligned as one.
 */
#define list_node(pos, member) ((struct list *)((char *)(pos) + offsetof(__typeof__(*(pos)), member)))

#define list_for_each(pos, head, member)                                                                               \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); list_node(pos, member) != (head);               \
	     pos = list_entry(list_node(pos, member)->next, __typeof__(*pos), member))

/* The body may remove and free pos. */
#define list_for_each_safe(pos, tmp, head, member)                                                                     \
	for (pos = list_entry((head)->next, __typeof__(*pos), member),                                                 \
	    tmp = list_entry(list_node(pos, member)->next, __typeof__(*pos), member);                                  \
	     list_node(pos, member) != (head);                                                                         \
	     pos = tmp, tmp = list_entry(list_node(tmp, member)->next, __typeof__(*tmp), member))

#endif
