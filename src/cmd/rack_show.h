/* SPDX-License-Identifier: BSD-3-Clause */
/* A rack on paper. Who may include this: cmd/. */
#ifndef BARTER_CMD_RACK_SHOW_H
#define BARTER_CMD_RACK_SHOW_H

#include "cmd/cmd.h"
#include "pci/sriov.h"
#include "rack/rack.h"

/* "root port", "switch, upstream", "ioat", ... */
const char *rack_function_kind(const struct pci_function *fn);
/* The label of the function's node in the rack file, or "". */
const char *rack_function_label(const struct rack *r, const struct pci_function *fn);
/* "bus address", "host bridge", "none". */
const char *rack_route_name(enum pci_route_kind kind);

void rack_show_text(const struct rack *r);
int rack_show_json(const struct rack *r); /* 0 or -ENOMEM, -EIO */

#endif
