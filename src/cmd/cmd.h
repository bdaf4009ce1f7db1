/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The barter command: one function for each subcommand, each with its own arguments (argv[0] is the subcommand) and the
 * exit status as its result.
 *
 * Who may include this: cmd/.
 */
#ifndef BARTER_CMD_CMD_H
#define BARTER_CMD_CMD_H

#include "base/types.h"
#include "rack/parse.h"

/* Exit statuses. What `run` cannot do itself must not look like a status of the program: as env(1) has it. */
enum {
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	RUN_FAILED = 125,
	RUN_NOT_EXECUTABLE = 126,
	RUN_NOT_FOUND = 127,
	RUN_SIGNALLED = 128, /* plus the signal */
};

int cmd_run(int argc, char **argv);
int cmd_rack(int argc, char **argv); /* rack.c */

/* "barter: ..." on standard error. */
void cmd_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What is wrong with a rack, as file:line:column: key: rule. */
void cmd_rack_error(const struct rack_error *error, int err);

/* Runs a program over a rack and waits for it: its exit status, or one of the above. */
int launch(const struct rack_desc *desc, char **argv);
/* Says when the library cannot be preloaded into the program of this name. */
void reach_check(const char *name);

#endif
