/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target where libFuzzer is not: over the files that are named, else over random inputs that are the same
 * each time. So every target is an ordinary test too, with any compiler and sanitizer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

enum { MAX_INPUT = 4096, RANDOM_INPUTS = 400 };

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void run_random(uint8_t *input)
{
	uint64_t state = 0x2545f4914f6cdd1dull;

	for (unsigned i = 0; i < RANDOM_INPUTS; i++) {
		size_t len = random_next(&state) % MAX_INPUT;

		/* Small numbers are what most fields want. */
		for (size_t at = 0; at < len; at++)
			input[at] = random_next(&state) % 3 ? random_next(&state) % 8 : random_next(&state);
		LLVMFuzzerTestOneInput(input, len);
	}
}

int main(int argc, char **argv)
{
	uint8_t *input = malloc(MAX_INPUT);

	if (!input)
		return 1;
	if (argc == 1)
		run_random(input);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");

		if (!file) {
			perror(argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(input, fread(input, 1, MAX_INPUT, file));
		fclose(file);
	}
	free(input);
	return 0;
}
