/* SPDX-License-Identifier: BSD-3-Clause */
/* A rack by name: built in, or a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rack/parse_priv.h"

/* Far more than any rack; a device file without end must not fill the memory. */
enum { MAX_FILE = 1 << 20 };

static int file_read(const char *name, char **out, size_t *len)
{
	FILE *file = fopen(name, "re");
	char *text = file ? malloc(MAX_FILE + 1) : NULL;
	int err = 0;

	if (!file)
		return -errno;
	errno = 0;
	*len = text ? fread(text, 1, MAX_FILE + 1, file) : 0;
	if (!text)
		err = -ENOMEM;
	else if (ferror(file))
		err = errno ? -errno : -EIO;
	else if (*len > MAX_FILE)
		err = -EFBIG;
	fclose(file);
	if (err)
		free(text);
	else
		*out = text;
	return err;
}

static int not_found(const char *name, struct rack_error *error)
{
	const char *names[32];
	size_t nr = 0;

	for (; rack_builtins[nr].name && nr < ARRAY_SIZE(names); nr++)
		names[nr] = rack_builtins[nr].name;
	snprintf(error->rule, sizeof(error->rule), "there is no such rack or file");
	suggest_append(error->rule, sizeof(error->rule), name, names, nr);
	return -ENOENT;
}

int rack_load(const char *name_or_file, struct rack_desc **out, struct rack_error *error)
{
	char *text = NULL;
	size_t len = 0;
	int err;

	memset(error, 0, sizeof(*error));
	snprintf(error->file, sizeof(error->file), "%s", name_or_file);
	for (const struct rack_builtin *b = rack_builtins; b->name; b++)
		if (!strcmp(b->name, name_or_file))
			return rack_parse(b->name, b->yaml, strlen(b->yaml), out, error);
	err = file_read(name_or_file, &text, &len);
	if (err == -ENOENT)
		return not_found(name_or_file, error);
	if (err)
		return err;
	err = rack_parse(name_or_file, text, len, out, error);
	free(text);
	return err;
}
