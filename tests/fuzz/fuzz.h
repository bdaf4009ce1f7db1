/* SPDX-License-Identifier: BSD-3-Clause */
/* What a fuzz target provides; libFuzzer's name for it. */
#ifndef BARTER_TESTS_FUZZ_FUZZ_H
#define BARTER_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
