/* SPDX-License-Identifier: BSD-3-Clause */
/* /dev/dri/renderDN, and how programs find out whose it is: the class, the number, the function's own directory. */
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "drm/sgpu_priv.h"

enum { DRM_MAJOR = 226 };
enum { NODE_DEVICE, NODE_DIRECTORY, NODE_CLASS, NODE_NUMBER };

/* From a directory `depth` levels below /sys to a path under it. */
static struct ns_node *link_add(struct ns *ns, struct ns_node *dir, const char *name, unsigned depth, const char *path)
{
	char target[1024] = "";

	for (unsigned i = 0; i < depth; i++)
		strcat(target, "../");
	strncat(target, path, sizeof(target) - strlen(target) - 1);
	return ns_link(ns, dir, name, target);
}

static unsigned path_depth(const char *path)
{
	unsigned depth = 1;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

/* .../0000:01:00.0/drm/renderD128; path: as seen from /sys. */
static bool directory_add(struct sgpu *gpu, const char *name, const char *path)
{
	struct ns *ns = gpu->place.ns;
	struct ns_node *drm = ns_directory(ns, gpu->place.dir, "drm", false), *dir;
	char text[128];

	gpu->nodes[NODE_DIRECTORY] = drm;
	dir = drm ? ns_directory(ns, drm, name, false) : NULL;
	if (!dir)
		return false;
	snprintf(text, sizeof(text), "../../../%s", gpu->fn->name);
	if (!ns_link(ns, dir, "device", text) || !link_add(ns, dir, "subsystem", path_depth(path), "class/drm"))
		return false;
	snprintf(text, sizeof(text), "%u:%u\n", DRM_MAJOR, gpu->place.minor);
	if (!ns_text(ns, dir, "dev", text))
		return false;
	snprintf(text, sizeof(text), "MAJOR=%u\nMINOR=%u\nDEVNAME=dri/%s\nDEVTYPE=drm_minor\n", DRM_MAJOR,
		 gpu->place.minor, name);
	return ns_text(ns, dir, "uevent", text);
}

static bool links_add(struct sgpu *gpu, const char *name, const char *path)
{
	struct ns *ns = gpu->place.ns;
	struct ns_node *class = ns_make_path(ns, "/sys/class/drm", true);
	struct ns_node *numbers = ns_make_path(ns, "/sys/dev/char", true);
	char number[32];

	snprintf(number, sizeof(number), "%u:%u", DRM_MAJOR, gpu->place.minor);
	if (class)
		gpu->nodes[NODE_CLASS] = link_add(ns, class, name, 2, path);
	if (numbers)
		gpu->nodes[NODE_NUMBER] = link_add(ns, numbers, number, 2, path);
	return gpu->nodes[NODE_CLASS] && gpu->nodes[NODE_NUMBER];
}

static bool device_add(struct sgpu *gpu, const char *name)
{
	struct ns *ns = gpu->place.ns;
	struct ns_node *dri = ns_make_path(ns, "/dev/dri", true);

	if (dri)
		gpu->nodes[NODE_DEVICE] =
			ns_device(ns, dri, name, 0666, makedev(DRM_MAJOR, gpu->place.minor), sgpu_open, gpu);
	return gpu->nodes[NODE_DEVICE];
}

int sgpu_node_add(struct sgpu *gpu)
{
	char function[512], path[576], name[32];

	if (ns_path(gpu->place.dir, function, sizeof(function)) < 0)
		return -ENOMEM;
	snprintf(name, sizeof(name), "renderD%u", gpu->place.minor);
	snprintf(path, sizeof(path), "%s/drm/%s", function + strlen("/sys/"), name);
	/* The node last: nobody opens a device that is half there. */
	if (directory_add(gpu, name, path) && links_add(gpu, name, path) && device_add(gpu, name))
		return 0;
	sgpu_node_remove(gpu);
	return -ENOMEM;
}

void sgpu_node_remove(struct sgpu *gpu)
{
	for (size_t i = 0; i < ARRAY_SIZE(gpu->nodes); i++) {
		if (gpu->nodes[i])
			ns_remove(gpu->place.ns, gpu->nodes[i]);
		gpu->nodes[i] = NULL;
	}
}
