/* SPDX-License-Identifier: BSD-3-Clause */
/* `barter rack list|show`: what racks there are, and what a program would find in one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/rack_show.h"

static const char help[] = "usage: barter rack list [--json]\n"
			   "       barter rack show [--json] NAME|FILE\n"
			   "\n"
			   "list names the built-in racks. show prints a rack's PCI tree, its IOMMU groups, and which\n"
			   "functions can do DMA to which: by which path, or the rule that forbids it.\n";

static int list(bool json)
{
	const char *separator = "[";

	for (const struct rack_builtin *b = rack_builtins; b->name; b++) {
		if (json)
			printf("%s{\"name\":\"%s\",\"summary\":\"%s\"}", separator, b->name, b->summary);
		else
			printf("%-12s %s\n", b->name, b->summary);
		separator = ",\n ";
	}
	if (json)
		puts("]");
	return 0;
}

/* What the trace of a rack that cannot be built says is in its report; here the errno has to do. */
static int show(const char *name, bool json)
{
	struct rack_desc *desc = NULL;
	struct rack_error error;
	struct rack *rack;
	int err = rack_load(name, &desc, &error);

	if (err) {
		cmd_rack_error(&error, err);
		return CMD_FAILED;
	}
	err = rack_create(desc, NULL, &rack);
	if (err) {
		cmd_error("%s: cannot be built: %s", name, strerror(-err));
		free(desc);
		return CMD_FAILED;
	}
	if (json)
		err = rack_show_json(rack);
	else
		rack_show_text(rack);
	rack_destroy(rack);
	free(desc);
	if (err || fflush(stdout))
		cmd_error("cannot print: %s", strerror(err ? -err : errno));
	return err ? CMD_FAILED : 0;
}

int cmd_rack(int argc, char **argv)
{
	const char *words[2] = {NULL, NULL};
	unsigned nr = 0;
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(help, stdout);
			return 0;
		} else if (nr < ARRAY_SIZE(words) && argv[i][0] != '-') {
			words[nr++] = argv[i];
		} else {
			cmd_error("rack: \"%s\" is one too many", argv[i]);
			return CMD_USAGE;
		}
	}
	if (nr == 1 && !strcmp(words[0], "list"))
		return list(json);
	if (nr == 2 && !strcmp(words[0], "show"))
		return show(words[1], json);
	fputs(help, stderr);
	return CMD_USAGE;
}
