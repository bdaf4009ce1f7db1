/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const char help[] =
	"usage: barter run [options] -- PROGRAM [ARGUMENTS]   run a program over a rack\n"
	"       barter rack list [--json]                     the built-in racks\n"
	"       barter rack show [--json] NAME|FILE           a rack's PCI tree, IOMMU groups and peer matrix\n"
	"       barter --help | --version [--json]\n"
	"\n"
	"barter gives an unmodified program Linux's device interfaces (/dev/iommu, /dev/vfio, dma-buf, /sys/bus/pci)\n"
	"over a described set of PCI devices that it emulates. See barter(1), barter-rack(5), `barter run --help`.\n";

void cmd_error(const char *fmt, ...)
{
	va_list args;

	fputs("barter: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void cmd_rack_error(const struct rack_error *error, int err)
{
	char place[sizeof(error->file) + 32], key[sizeof(error->key) + 4] = "";

	if (!error->rule[0]) {
		cmd_error("%s: %s", error->file, strerror(-err));
		return;
	}
	if (error->line)
		snprintf(place, sizeof(place), "%s:%u:%u", error->file, error->line, error->column);
	else
		snprintf(place, sizeof(place), "%s", error->file);
	if (error->key[0])
		snprintf(key, sizeof(key), "%s: ", error->key);
	cmd_error("%s: %s%s", place, key, error->rule);
}

static int version(bool json)
{
	printf(json ? "{\"version\":\"%s\"}\n" : "barter %s\n", BARTER_VERSION);
	return 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "run"))
		return cmd_run(argc - 1, argv + 1);
	if (!strcmp(word, "rack"))
		return cmd_rack(argc - 1, argv + 1);
	if (!strcmp(word, "--version"))
		return version(argc > 2 && !strcmp(argv[2], "--json"));
	if (!strcmp(word, "--help") || !strcmp(word, "help") || !strcmp(word, "-h")) {
		fputs(help, stdout);
		return 0;
	}
	if (*word)
		cmd_error("there is no command \"%s\"", word);
	fputs(help, stderr);
	return CMD_USAGE;
}
