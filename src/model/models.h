/* SPDX-License-Identifier: BSD-3-Clause */
/* One line per model. Who may include this: model/. */
#ifndef BARTER_MODEL_MODELS_H
#define BARTER_MODEL_MODELS_H

#include "device/sdk.h"

extern const struct device_model gpu_model;	/* gpu.c: local memory, copy commands, SR-IOV */
extern const struct device_model ioat_model;	/* ioat.c: Intel I/OAT DMA engine */
extern const struct device_model memcard_model; /* memcard.c: a card that is nothing but memory */

#endif
