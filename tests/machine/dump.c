/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints the config space of every function of a rack, as `lspci -F` reads it. */
#include <stdio.h>
#include <stdlib.h>

#include "rack/parse.h"
#include "rack/rack.h"

int main(int argc, char **argv)
{
	struct rack_desc *desc;
	struct rack_error error;
	struct rack *rack;

	if (argc != 2 || rack_load(argv[1], &desc, &error) || rack_create(desc, NULL, &rack))
		return 1;
	for (size_t i = 0; i < rack->root.nr_functions; i++) {
		struct pci_function *fn = rack->root.functions[i];

		printf("%s a function\n", fn->name);
		for (unsigned offset = 0; offset < fn->config_size; offset++) {
			if (offset % 16 == 0)
				printf("%02x:", offset);
			printf(" %02x%s", pci_config_read(fn, offset, 1), offset % 16 == 15 ? "\n" : "");
		}
		putchar('\n');
	}
	rack_destroy(rack);
	free(desc);
	return 0;
}
