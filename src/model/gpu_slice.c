/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices of local memory: what the physical function's driver gives its virtual functions to see. */
#include "model/gpu_priv.h"

enum { SLICE_TAKEN, SLICE_REFUSED };

static struct device_fragment *selected(struct gpu *g)
{
	uint32_t index = gpu_load32(g, GPU_SLICE_INDEX);

	return index < GPU_MAX_FRAGMENTS ? &g->staged.fragments[index] : NULL;
}

void gpu_slice_offset(struct gpu *g, uint64_t offset)
{
	gpu_store64(g, GPU_SLICE_OFFSET, offset);
	if (selected(g))
		selected(g)->offset = offset;
}

void gpu_slice_length(struct gpu *g, uint64_t length)
{
	gpu_store64(g, GPU_SLICE_LENGTH, length);
	if (selected(g))
		selected(g)->len = length;
}

static bool overlaps(const struct device_fragment *f, const struct device_fragment *with, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (f->offset < with[i].offset + with[i].len && with[i].offset < f->offset + f->len)
			return true;
	return false;
}

static bool fragment_is_good(const struct gpu *g, const struct device_fragment *f)
{
	return f->len && is_aligned(f->offset | f->len, GPU_GRANULE) && f->offset <= g->local_size &&
	       f->len <= g->local_size - f->offset;
}

static bool slice_is_good(const struct gpu *g, uint32_t vf, uint32_t nr)
{
	const struct device_fragment *f = g->staged.fragments;
	uint64_t sum = 0;

	if (vf >= g->total_vfs || nr > GPU_MAX_FRAGMENTS)
		return false;
	for (uint32_t i = 0; i < nr; i++) {
		if (!fragment_is_good(g, &f[i]) || overlaps(&f[i], f, i))
			return false;
		for (unsigned other = 0; other < g->total_vfs; other++)
			if (other != vf && overlaps(&f[i], g->slices[other].fragments, g->slices[other].nr))
				return false;
		sum += f[i].len;
	}
	return sum <= g->vf_bar_size;
}

void gpu_slice_commit(struct gpu *g, uint32_t nr)
{
	uint32_t vf = gpu_load32(g, GPU_SLICE_VF);
	bool good = slice_is_good(g, vf, nr);

	gpu_store32(g, GPU_SLICE_COMMIT, nr);
	gpu_store32(g, GPU_SLICE_STATUS, good ? SLICE_TAKEN : SLICE_REFUSED);
	if (!good)
		return;
	g->slices[vf] = g->staged;
	g->slices[vf].nr = nr;
	device_vf_set_slice(g->dev, vf, g->slices[vf].fragments, nr);
}

void gpu_slices_power_on(struct gpu *g)
{
	g->staged = (struct gpu_slice){.nr = 0};
	for (unsigned vf = 0; vf < g->total_vfs; vf++) {
		if (g->slices[vf].nr)
			device_vf_set_slice(g->dev, vf, NULL, 0);
		g->slices[vf].nr = 0;
	}
}
