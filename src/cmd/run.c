/* SPDX-License-Identifier: BSD-3-Clause */
/* `barter run`: the options become a rack description, which launch() hands over. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"

static const char help[] =
	"usage: barter run [options] [--] PROGRAM [ARGUMENTS]\n"
	"\n"
	"  --rack NAME|FILE         the rack to build (default: demo); `barter rack list` names the built-in ones\n"
	"  -d, --device MODEL,KEY=VALUE[,KEY=VALUE]...\n"
	"                           change keys of every device of a model\n"
	"  --kernel 7.3|next        which Linux to be (default: 7.3)\n"
	"  --patience SECONDS       how long resets and their like wait for a fence before they say for which "
	"(default: 3)\n"
	"  --trace FILE             write a timeline that Perfetto and chrome://tracing read\n"
	"  --report FILE            write what lived and what was refused, as JSON\n"
	"  -h, --help\n"
	"\n"
	"The exit status is the program's, or 128+n when signal n ended it. 127: no such program; 126: it cannot be\n"
	"executed; 125: barter could not do its part.\n";

enum { MAX_OVERRIDES = 64 };

struct run_options {
	const char *rack, *trace, *report;
	const char *overrides[MAX_OVERRIDES];
	unsigned nr_overrides;
	bool next;
	uint32_t patience_ms; /* 0: the default */
};

enum { OPT_RACK = 256, OPT_KERNEL, OPT_PATIENCE, OPT_TRACE, OPT_REPORT };

static const struct option long_options[] = {
	{"rack", required_argument, NULL, OPT_RACK},
	{"device", required_argument, NULL, 'd'},
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"patience", required_argument, NULL, OPT_PATIENCE},
	{"trace", required_argument, NULL, OPT_TRACE},
	{"report", required_argument, NULL, OPT_REPORT},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int set_kernel(struct run_options *o, const char *release)
{
	if (!strcmp(release, "next"))
		o->next = true;
	else if (!strcmp(release, "7.3"))
		o->next = false;
	else {
		cmd_error("--kernel %s: must be 7.3 or next", release);
		return -EINVAL;
	}
	return 0;
}

static int set_patience(struct run_options *o, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= 1e6)) {
		cmd_error("--patience %s: must be a number of seconds, 0.001 to 1000000", text);
		return -EINVAL;
	}
	o->patience_ms = (uint32_t)(seconds * 1000);
	return 0;
}

static int set_option(struct run_options *o, int option)
{
	switch (option) {
	case OPT_RACK:
		o->rack = optarg;
		return 0;
	case 'd':
		if (o->nr_overrides == MAX_OVERRIDES) {
			cmd_error("more than %d times -d", MAX_OVERRIDES);
			return -EINVAL;
		}
		o->overrides[o->nr_overrides++] = optarg;
		return 0;
	case OPT_KERNEL:
		return set_kernel(o, optarg);
	case OPT_PATIENCE:
		return set_patience(o, optarg);
	case OPT_TRACE:
		o->trace = optarg;
		return 0;
	case OPT_REPORT:
		o->report = optarg;
		return 0;
	default:
		return -EINVAL; /* getopt_long() has said what */
	}
}

/* The program may change its directory before the file is written. */
static char *absolute(const char *path)
{
	char *cwd, *out = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (cwd && asprintf(&out, "%s/%s", cwd, path) < 0)
		out = NULL;
	free(cwd);
	return out;
}

static int desc_add_string(struct rack_desc **desc, const char *text, uint32_t *offset)
{
	size_t len = strlen(text) + 1;
	struct rack_desc *grown = realloc(*desc, (*desc)->len + len);

	if (!grown)
		return -ENOMEM;
	memcpy((char *)grown + grown->len, text, len);
	*offset = grown->len;
	grown->len += len;
	*desc = grown;
	return 0;
}

/* An output file is tried now, when it can still be reported, not at the program's end. */
static int desc_add_output(struct rack_desc **desc, const char *path, uint32_t *offset)
{
	char *full;
	FILE *file;
	int err = -ENOMEM;

	file = fopen(path, "a");
	if (!file) {
		err = -errno;
		cmd_error("%s: %s", path, strerror(errno));
		return err;
	}
	fclose(file);
	full = absolute(path);
	if (full)
		err = desc_add_string(desc, full, offset);
	if (err)
		cmd_error("%s: %s", path, strerror(-err));
	free(full);
	return err;
}

static int describe(const struct run_options *o, struct rack_desc **desc)
{
	struct rack_error error = {.line = 0};
	uint32_t trace = 0, report = 0;
	int err = rack_load(o->rack, desc, &error);

	for (unsigned i = 0; !err && i < o->nr_overrides; i++)
		err = rack_override(desc, o->overrides[i], &error);
	if (err) {
		cmd_rack_error(&error, err);
		return err;
	}
	if (o->trace)
		err = desc_add_output(desc, o->trace, &trace);
	if (!err && o->report)
		err = desc_add_output(desc, o->report, &report);
	(*desc)->trace_path = trace;
	(*desc)->report_path = report;
	(*desc)->next = o->next;
	(*desc)->patience_ms = o->patience_ms;
	return err;
}

int cmd_run(int argc, char **argv)
{
	struct run_options options = {.rack = "demo"};
	struct rack_desc *desc = NULL;
	int option, status = RUN_FAILED;
	char name[] = "barter run";

	argv[0] = name; /* how getopt_long() begins its messages */
	while ((option = getopt_long(argc, argv, "+d:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return 0;
		}
		if (set_option(&options, option))
			return RUN_FAILED;
	}
	if (optind == argc) {
		cmd_error("which program?");
		fputs(help, stderr);
		return RUN_FAILED;
	}
	if (describe(&options, &desc) == 0)
		status = launch(desc, argv + optind);
	free(desc);
	return status;
}
