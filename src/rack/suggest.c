/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "rack/parse_priv.h"

enum { LONGEST = 32 };

/* Levenshtein's distance, by rows. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[LONGEST + 1], la = strlen(a), lb = strlen(b);

	if (la > LONGEST || lb > LONGEST)
		return LONGEST;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned substituted = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN(MIN(row[j] + 1, row[j - 1] + 1), substituted);
		}
	}
	return row[lb];
}

const char *suggest(const char *word, const char *const *candidates, size_t nr)
{
	const char *best = NULL;
	/* A third of the letters may be wrong; more than that is another word. */
	unsigned least = strlen(word) / 3 + 2;

	for (size_t i = 0; i < nr; i++) {
		unsigned d = distance(word, candidates[i]);

		if (d < least) {
			least = d;
			best = candidates[i];
		}
	}
	return best;
}

void suggest_append(char *rule, size_t len, const char *word, const char *const *candidates, size_t nr)
{
	const char *best = suggest(word, candidates, nr);
	size_t used = strlen(rule);

	if (best)
		snprintf(rule + used, len - used, " (did you mean \"%s\"?)", best);
}
