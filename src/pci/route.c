/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a request of one function reaches the memory of another. Linux's rules for PCI P2PDMA, which are also the data
 * path's: below a common bridge the request turns around at once, unless a port on the way redirects it upstream; then
 * it goes up to the host bridge, is translated there, and comes down again if the host bridge routes between its ports.
 */
#include "pci/pci_priv.h"

#define REDIRECTS (PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC)

static struct pci_port *common_port(const struct pci_function *a, const struct pci_function *b)
{
	for (struct pci_port *p = a->parent; p; p = p->fn.parent)
		if (pci_port_is_above(p, b))
			return p;
	return NULL;
}

/* The first port from fn up to top that sends peer requests upstream; top itself when both stand right below it. */
static struct pci_port *redirecting_port(const struct pci_function *fn, const struct pci_port *top)
{
	for (struct pci_port *p = fn->parent; p; p = p->fn.parent) {
		if (p->acs & REDIRECTS)
			return p;
		if (p == top)
			break;
	}
	return NULL;
}

static struct pci_route through_host_bridge(const struct pci_function *requester, struct pci_port *redirecting)
{
	struct pci_function *via = redirecting ? &redirecting->fn : NULL;
	bool routes = requester->root->routes_peers;

	if (redirecting && routes)
		return (struct pci_route){PCI_ROUTE_HOST_BRIDGE, "ACS redirect on a port on the way", via};
	if (redirecting)
		return (struct pci_route){PCI_ROUTE_NONE,
					  "ACS redirects to a host bridge that does not route between its ports", via};
	if (routes)
		return (struct pci_route){PCI_ROUTE_HOST_BRIDGE, "the host bridge routes between its ports", NULL};
	return (struct pci_route){PCI_ROUTE_NONE, "the host bridge does not route between its ports", NULL};
}

struct pci_route pci_route(const struct pci_function *requester, const struct pci_function *target)
{
	struct pci_port *common, *redirecting;

	if (requester->root != target->root)
		return (struct pci_route){PCI_ROUTE_NONE, "in different machines", NULL};
	if (requester == target)
		return (struct pci_route){PCI_ROUTE_BUS_ADDRESS, "the same function", NULL};
	common = common_port(requester, target);
	if (!common)
		return through_host_bridge(requester, NULL);
	redirecting = redirecting_port(requester, common);
	if (!redirecting)
		redirecting = redirecting_port(target, common);
	if (redirecting)
		return through_host_bridge(requester, redirecting);
	return (struct pci_route){PCI_ROUTE_BUS_ADDRESS, "below a common switch, without ACS redirect", &common->fn};
}
