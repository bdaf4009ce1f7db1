/* SPDX-License-Identifier: BSD-3-Clause */
/* The racks that need no file. `barter rack show NAME` prints each; docs and tests name them. */
#include <stddef.h>

#include "rack/parse.h"

/* Two engines and a card behind a switch; ACS is what tells `demo` from `demo-acs`. */
#define DEMO(name_, summary_, acs_, routes_)                                                                           \
	"name: " name_ "\n"                                                                                            \
	"summary: " summary_ "\n"                                                                                      \
	"host_bridge: {routes_peers: " routes_ "}\n"                                                                   \
	"bus:\n"                                                                                                       \
	"  - port: A\n"                                                                                                \
	"    below:\n"                                                                                                 \
	"      - switch: S\n"                                                                                          \
	"        acs: " acs_ "\n"                                                                                      \
	"        below:\n"                                                                                             \
	"          - {model: ioat, label: engine0}\n"                                                                  \
	"          - {model: ioat, label: engine1}\n"                                                                  \
	"          - {model: memcard, label: card0, size: 64M}\n"                                                      \
	"  - port: B\n"                                                                                                \
	"    below:\n"                                                                                                 \
	"      - {model: memcard, label: card1, size: 1G}\n"                                                           \
	"  - port: C\n"                                                                                                \
	"    below:\n"                                                                                                 \
	"      - {model: ioat, label: engine2}\n"

const struct rack_builtin rack_builtins[] = {
	{"demo", "two DMA engines and a memory card behind a switch; a card and an engine on ports of their own",
	 DEMO("demo", "engines and memory cards, peers below one switch", "none", "true")},
	{"demo-acs", "demo with ACS redirect on in the switch: peers meet in the host bridge",
	 DEMO("demo-acs", "as demo, ACS redirect on in the switch", "isolate", "true")},
	{"no-host-p2p", "demo with a host bridge that does not route between its ports",
	 DEMO("no-host-p2p", "as demo, the host bridge does not route peers", "none", "false")},
	{"eight", "eight functions behind one switch: four DMA engines, four memory cards",
	 "name: eight\n"
	 "summary: eight functions behind one switch\n"
	 "host_bridge: {routes_peers: true}\n"
	 "bus:\n"
	 "  - port: A\n"
	 "    below:\n"
	 "      - switch: S\n"
	 "        acs: none\n"
	 "        below:\n"
	 "          - {model: ioat, label: engine0}\n"
	 "          - {model: ioat, label: engine1}\n"
	 "          - {model: ioat, label: engine2}\n"
	 "          - {model: ioat, label: engine3}\n"
	 "          - {model: memcard, label: card0, size: 64M}\n"
	 "          - {model: memcard, label: card1, size: 64M}\n"
	 "          - {model: memcard, label: card2, size: 256M}\n"
	 "          - {model: memcard, label: card3, size: 16G}\n"},
	{"gpu", "a GPU with SR-IOV and local memory, a DMA engine and a memory card behind a switch that isolates them",
	 "name: gpu\n"
	 "summary: a GPU with four virtual functions, a DMA engine and a memory card, each in a group of its own\n"
	 "host_bridge: {routes_peers: true}\n"
	 "bus:\n"
	 "  - port: A\n"
	 "    below:\n"
	 "      - switch: S\n"
	 "        acs: isolate\n"
	 "        below:\n"
	 "          - {model: gpu, label: gpu0, memory: 256M, vfs: 4, vf_memory: 16M}\n"
	 "          - {model: ioat, label: engine0}\n"
	 "          - {model: memcard, label: card0, size: 64M}\n"},
	{NULL, NULL, NULL},
};
