/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rack files (YAML) to descriptions. Needs libyaml: only the barter command and tests link it.
 *
 * Who may include this: rack/, cmd/, tests.
 */
#ifndef BARTER_RACK_PARSE_H
#define BARTER_RACK_PARSE_H

#include <stdio.h>

#include "rack/desc.h"

struct rack_error {
	char file[256];
	unsigned line, column; /* from 1 */
	char key[64];
	char rule[256]; /* "size must be a power of two" */
};

/* Allocates *out with malloc; the caller frees it. On failure fills *error and returns -EINVAL, -ENOENT, -ENOMEM. */
int rack_parse(const char *file_name, const char *text, size_t len, struct rack_desc **out, struct rack_error *error);
/* A built-in rack by name, or a file. */
int rack_load(const char *name_or_file, struct rack_desc **out, struct rack_error *error);

struct rack_builtin {
	const char *name, *summary, *yaml;
};
extern const struct rack_builtin rack_builtins[]; /* ends with a NULL name */

/* Applies `-d MODEL,key=value`: to every device of the model. */
int rack_override(struct rack_desc **desc, const char *argument, struct rack_error *error);

#endif
