/* SPDX-License-Identifier: BSD-3-Clause */
/* The models that a rack file can name. */
#include <string.h>

#include "model/models.h"

const struct device_model *const device_models[] = {&gpu_model, &ioat_model, &memcard_model, NULL};

const struct device_model *device_model_find(const char *name)
{
	for (size_t i = 0; device_models[i]; i++)
		if (!strcmp(device_models[i]->name, name))
			return device_models[i];
	return NULL;
}
