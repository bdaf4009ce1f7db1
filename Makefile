# SPDX-License-Identifier: BSD-3-Clause
# A thin front for meson. `make run` and `make test` are all that a fresh clone needs.
BUILD ?= build
ARGS ?=
MESON_FLAGS ?=

.DEFAULT_GOAL := all
.PHONY: all run test bench asan tsan soak fuzz conformance model check install clean help

all: $(BUILD)/build.ninja ## build everything
	@ninja -C $(BUILD)

# Looked at each time, and quick when nothing is missing.
.PHONY: setup
setup:
	@tools/setup build

$(BUILD)/build.ninja: | setup
	meson setup $(BUILD) $(MESON_FLAGS)

run: setup all ## run the example program over the demo rack
	@$(BUILD)/barter run --rack demo -- $(BUILD)/examples/p2p-copy

test: setup all ## run all tests; ARGS goes to meson test
	@tools/run-tests $(BUILD) $(ARGS)

bench: setup ## measure the cost of emulation
	@tools/variant release
	@build-release/bench/bench $(ARGS)

asan: setup ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/variant asan
	@tools/run-tests build-asan $(ARGS)

tsan: setup ## all tests under ThreadSanitizer
	@tools/variant tsan
	@tools/run-tests build-tsan $(ARGS)

soak: setup ## the stress tests under each sanitizer, for minutes (SECONDS=120)
	@tools/variant tsan
	@tools/variant asan
	@BARTER_STRESS_SECONDS=$(or $(SECONDS),120) tools/run-tests build-tsan --suite stress -t 0
	@BARTER_STRESS_SECONDS=$(or $(SECONDS),120) tools/run-tests build-asan --suite stress -t 0

fuzz: ## fuzz what parses, for a minute each (SECONDS=60)
	@tools/setup fuzz
	@tools/variant fuzz
	@tools/run-fuzz build-fuzz $(or $(SECONDS),60)

conformance: setup all ## the kernel's own selftests over barter
	@tools/setup conformance
	@tools/conformance $(ARGS)

model: ## model-check the revocation protocol, and that breaking it is found
	@tools/setup model
	@tools/model-check

check: ## layers, formatting, and that the docs name what exists
	@tools/setup check
	@tools/check-layers
	@tools/check-format
	@tools/check-sources
	@tools/check-next
	@tools/check-model

install: all ## install (PREFIX and the like: meson configure)
	meson install -C $(BUILD)

clean: ## remove all build directories
	rm -rf build build-release build-asan build-tsan build-fuzz build-gcc build-clang

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16
