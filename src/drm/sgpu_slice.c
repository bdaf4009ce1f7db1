/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slices: which part of local memory a virtual function sees. At first each gets an equal one, in two fragments.
 *
 * A slice that changes is taken away first: here, so that nothing is translated by it any more, then in the device,
 * which revokes what was shared of it for good. Only then is its memory free.
 */
#include <string.h>

#include "drm/sgpu_priv.h"

int sgpu_slice_translate(struct sgpu *gpu, struct pci_function *vf, uint64_t offset, uint64_t len,
			 struct sgpu_entry *out, unsigned max)
{
	const struct sgpu_slice *s = &gpu->slices[pci_vf_index(vf)];
	uint64_t start = offset, left = len;
	unsigned nr = 0;

	mutex_lock(&gpu->lock);
	for (unsigned i = 0; i < s->nr && left && nr < max; i++) {
		const struct pci_fragment *f = &s->fragments[i];

		if (start < f->len) {
			uint64_t n = MIN(f->len - start, left);

			out[nr++] = (struct sgpu_entry){f->offset + start, n, true};
			left -= n;
			start = 0;
		} else {
			start -= f->len;
		}
	}
	mutex_unlock(&gpu->lock);
	if (!left)
		return (int)nr;
	return refuse(gpu->trace, -EACCES, "sgpu: 0x%llx bytes at 0x%llx in the window of %s reach beyond its slice",
		      (unsigned long long)len, (unsigned long long)offset, vf->name);
}

static uint64_t slice_sum(const struct sgpu_slice *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->nr; i++)
		sum += s->fragments[i].len;
	return sum;
}

uint64_t sgpu_slice_len(struct sgpu *gpu, unsigned vf)
{
	uint64_t len;

	mutex_lock(&gpu->lock);
	len = slice_sum(&gpu->slices[vf]);
	mutex_unlock(&gpu->lock);
	return len;
}

/* Returns when whoever used the old slice has been told and has finished. */
static int commit(struct sgpu *gpu, unsigned vf, const struct sgpu_slice *s)
{
	mutex_assert_held(&gpu->slice_lock);
	sgpu_write(gpu, GPU_SLICE_VF, vf);
	for (unsigned i = 0; i < s->nr; i++) {
		sgpu_write(gpu, GPU_SLICE_INDEX, i);
		sgpu_write64(gpu, GPU_SLICE_OFFSET, s->fragments[i].offset);
		sgpu_write64(gpu, GPU_SLICE_LENGTH, s->fragments[i].len);
	}
	sgpu_write(gpu, GPU_SLICE_COMMIT, s->nr);
	return pci_mmio_read(gpu->fn, 0, GPU_SLICE_STATUS, 4) ? -EINVAL : 0;
}

static struct sgpu_slice table_replace(struct sgpu *gpu, unsigned vf, const struct sgpu_slice *s)
{
	struct sgpu_slice old;

	mutex_lock(&gpu->lock);
	old = gpu->slices[vf];
	gpu->slices[vf] = *s;
	mutex_unlock(&gpu->lock);
	return old;
}

static void slice_clear(struct sgpu *gpu, unsigned vf)
{
	struct sgpu_slice none = {.nr = 0}, old = table_replace(gpu, vf, &none);

	if (!old.nr)
		return;
	commit(gpu, vf, &none);
	sgpu_local_free(gpu, old.fragments, old.nr);
}

/* Consumes the fragments. The function had no slice. */
static int slice_fill(struct sgpu *gpu, unsigned vf, const struct sgpu_slice *s)
{
	int err = commit(gpu, vf, s);

	if (err) {
		sgpu_local_free(gpu, s->fragments, s->nr);
		return refuse(gpu->trace, err, "sgpu: %s does not take a slice of 0x%llx bytes for its function %u",
			      gpu->fn->name, (unsigned long long)slice_sum(s), vf);
	}
	table_replace(gpu, vf, s);
	return 0;
}

/* Refused before the old slice goes. */
static int check_len(struct sgpu *gpu, unsigned vf, uint64_t len)
{
	uint64_t most = pci_mmio_read(gpu->fn, 0, GPU_VF_BAR_SIZE, 8);

	if (!is_aligned(len, SGPU_GRANULE) || len > most)
		return refuse(gpu->trace, -EINVAL, "sgpu: a slice of 0x%llx bytes: multiples of 0x%x up to 0x%llx",
			      (unsigned long long)len, SGPU_GRANULE, (unsigned long long)most);
	if (len > sgpu_local_nr_free(gpu) + sgpu_slice_len(gpu, vf))
		return refuse(gpu->trace, -ENOSPC, "sgpu: a slice of 0x%llx bytes: local memory has not as much free",
			      (unsigned long long)len);
	return 0;
}

int sgpu_slice_set(struct sgpu *gpu, unsigned vf, uint64_t len)
{
	struct sgpu_slice s;
	int err;

	mutex_lock(&gpu->slice_lock);
	err = check_len(gpu, vf, len);
	if (!err)
		slice_clear(gpu, vf);
	if (!err && len)
		err = sgpu_local_alloc(gpu, len, s.fragments, GPU_MAX_FRAGMENTS, &s.nr);
	if (!err && len)
		err = slice_fill(gpu, vf, &s);
	mutex_unlock(&gpu->slice_lock);
	return err;
}

/* Half of what each is to get, for all that have nothing yet; then the other half: the two are apart. */
static int halves_alloc(struct sgpu *gpu, unsigned nr, struct sgpu_slice *slices)
{
	uint64_t most = pci_mmio_read(gpu->fn, 0, GPU_VF_BAR_SIZE, 8);
	uint64_t half = align_down(MIN(most, gpu->local_size / 2 / nr) / 2, SGPU_GRANULE);
	unsigned one;
	int err = half ? 0 : -ENOSPC;

	for (unsigned i = 0; i < 2 * nr && !err; i++) {
		struct sgpu_slice *s = &slices[i % nr];

		if (sgpu_slice_len(gpu, i % nr))
			continue;
		err = sgpu_local_alloc(gpu, half, &s->fragments[s->nr], 1, &one);
		s->nr += !err;
	}
	for (unsigned i = 0; i < nr && err; i++)
		sgpu_local_free(gpu, slices[i].fragments, slices[i].nr);
	return err;
}

static int slices_create(struct sgpu *gpu, unsigned nr)
{
	struct sgpu_slice slices[PCI_MAX_VFS] = {0};
	int err;

	mutex_lock(&gpu->slice_lock);
	err = halves_alloc(gpu, nr, slices);
	for (unsigned i = 0; i < nr && !err; i++) {
		err = slices[i].nr ? slice_fill(gpu, i, &slices[i]) : 0;
		for (unsigned rest = i + 1; rest < nr && err; rest++)
			sgpu_local_free(gpu, slices[rest].fragments, slices[rest].nr);
	}
	mutex_unlock(&gpu->slice_lock);
	return err;
}

static void slices_clear(struct sgpu *gpu)
{
	mutex_lock(&gpu->slice_lock);
	for (unsigned i = 0; i < pci_sriov_total(gpu->fn); i++)
		slice_clear(gpu, i);
	mutex_unlock(&gpu->slice_lock);
}

int sgpu_sriov_configure(struct sgpu *gpu, unsigned nr)
{
	int err;

	if (!nr) {
		pci_sriov_disable(gpu->fn);
		slices_clear(gpu);
		return 0;
	}
	err = slices_create(gpu, nr);
	if (!err)
		err = pci_sriov_enable(gpu->fn, nr);
	if (err)
		slices_clear(gpu);
	return err;
}

void sgpu_slices_restore(struct sgpu *gpu)
{
	mutex_lock(&gpu->slice_lock);
	for (unsigned i = 0; i < pci_sriov_total(gpu->fn); i++) {
		struct sgpu_slice s;

		mutex_lock(&gpu->lock);
		s = gpu->slices[i];
		mutex_unlock(&gpu->lock);
		if (s.nr)
			commit(gpu, i, &s);
	}
	mutex_unlock(&gpu->slice_lock);
}
