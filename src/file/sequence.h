/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file whose text is made when it is read at offset 0, as those of debugfs and procfs are. What was made then is what
 * the following reads see. Nobody writes to it.
 *
 * Who may include this: those who have something to tell.
 */
#ifndef BARTER_FILE_SEQUENCE_H
#define BARTER_FILE_SEQUENCE_H

#include "file/file.h"

/* Makes the text with malloc(). 0 or -errno. Runs without locks. */
typedef int (*sequence_fn)(void *priv, char **text, size_t *len);

/* A file with one reference; an ns_open_fn's work. -ENOMEM. */
int sequence_open(sequence_fn print, void *priv, int open_flags, struct file **out);

#endif
