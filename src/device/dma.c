/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA ports for models: pci/dma.h behind the SDK. */
#include <stdlib.h>
#include <string.h>

#include "device/device_priv.h"

struct device_dma {
	struct dma_port port;
};

_Static_assert((int)DEVICE_DMA_OK == DMA_OK && (int)DEVICE_DMA_FAULT == DMA_FAULT &&
		       (int)DEVICE_DMA_UNSUPPORTED == DMA_UNSUPPORTED && (int)DEVICE_DMA_NO_MASTER == DMA_NO_MASTER &&
		       (int)DEVICE_DMA_CANCELLED == DMA_CANCELLED,
	       "the SDK's statuses are pci's");

struct device_dma *device_dma_create(struct device *d)
{
	struct device_dma *dma = aligned_alloc(_Alignof(struct device_dma), sizeof(*dma));

	if (!dma)
		return NULL;
	if (dma_port_init(&dma->port, &d->fn)) {
		free(dma);
		return NULL;
	}
	return dma;
}

void device_dma_destroy(struct device_dma *dma)
{
	if (!dma)
		return;
	dma_port_fini(&dma->port);
	free(dma);
}

uint32_t device_dma_run(struct device_dma *dma)
{
	return dma_port_generation(&dma->port);
}

void device_dma_cancel(struct device_dma *dma)
{
	dma_port_cancel(&dma->port);
}

void device_dma_stop(struct device_dma *dma)
{
	dma_port_cancel(&dma->port);
	section_drain(dma->port.section.domain);
}

enum device_dma_status device_dma_read(struct device_dma *dma, uint32_t run, iova_t src, void *dst, size_t len)
{
	return (enum device_dma_status)dma_read(&dma->port, run, src, dst, len, NULL);
}

enum device_dma_status device_dma_write(struct device_dma *dma, uint32_t run, iova_t dst, const void *src, size_t len)
{
	return (enum device_dma_status)dma_write(&dma->port, run, dst, src, len, NULL);
}

enum device_dma_status device_dma_copy(struct device_dma *dma, uint32_t run, iova_t dst, iova_t src, size_t len,
				       size_t *done)
{
	return (enum device_dma_status)dma_copy(&dma->port, run, dst, src, len, done);
}

bool device_dma_failed_write(const struct device_dma *dma)
{
	return dma->port.failed_write;
}

/* src NULL: fills with byte. */
static enum device_dma_status local(struct device_dma *dma, uint32_t run, char *dst, const char *src, uint8_t byte,
				    size_t len)
{
	struct dma_port *p = &dma->port;

	for (size_t done = 0, n; done < len; done += n) {
		bool wanted;

		n = MIN(len - done, (size_t)SECTION_MAX_BYTES);
		section_enter(&p->section);
		wanted = atomic_load_explicit(&p->generation, memory_order_acquire) == run;
		if (wanted && src)
			memmove(dst + done, src + done, n);
		else if (wanted)
			memset(dst + done, byte, n);
		section_leave(&p->section);
		if (!wanted)
			return DEVICE_DMA_CANCELLED;
	}
	return DEVICE_DMA_OK;
}

enum device_dma_status device_dma_local_copy(struct device_dma *dma, uint32_t run, char *dst, const char *src,
					     size_t len)
{
	return local(dma, run, dst, src, 0, len);
}

enum device_dma_status device_dma_local_fill(struct device_dma *dma, uint32_t run, char *dst, uint8_t byte, size_t len)
{
	return local(dma, run, dst, NULL, byte, len);
}
