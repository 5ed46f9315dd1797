# SPDX-License-Identifier: MIT
#
# The front door: every everyday job is a target. `make help` lists them; CMakeLists.txt builds all
# user-space code, kmd/Kbuild the module.

BUILD ?= build
KERNEL ?= debian-6.12
BACKEND ?= drm
IMAGE ?=
# Arguments for programs that a target runs, e.g. make guest ARGS="--memory 4G"
ARGS ?=
# Arguments for the benchmark; BENCH_ARGS=--help lists them
BENCH_ARGS ?=
DESTDIR ?=
PREFIX ?= /usr/local
# no: take the machine as it is, install and fetch nothing
SETUP ?= yes

MODULE = $(if $(filter debian-6.12,$(KERNEL)),$(BUILD)/kmd,$(BUILD)/kmd-$(KERNEL))/brgpu.ko
MODULE_WORK = $(BUILD)/kbuild/$(KERNEL)/kmd
GUEST = $(BUILD)/bin/brgpu-guest --kernel $(KERNEL)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all help setup setup-packages setup-kernel setup-qemu build build-tests module run run-drm run-model \
        guest test test-unit test-model test-guest check bench bench-guest fuzz fuzz-ioctl test-kernels docs clean install install-module

all: build module ## build everything (the default)

help: ## list these jobs
	@printf 'usage: make [JOB] [NAME=VALUE]...\n\nJobs:\n'
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | \
	    awk -F '\t' '{ printf "  %-14s %s\n", $$1, $$2 }'
	@printf '\nNames: BUILD (build), KERNEL (debian-6.12), BACKEND (drm or model), IMAGE (a PNG file),\n'
	@printf '       ARGS (for guest), BENCH_ARGS, PREFIX and DESTDIR (for install), SETUP=no (install nothing),\n'
	@printf '       RELEASE, KDIR, SIGN_KEY and SIGN_CERT (for install-module), KERNELS (for test-kernels)\n'

setup: setup-packages setup-kernel setup-qemu ## install what is missing and fetch the guest kernel

setup-packages:
ifneq ($(SETUP),no)
	@tools/setup/install-packages
endif

setup-kernel: setup-packages
ifneq ($(SETUP),no)
	@tools/setup/fetch-kernel $(KERNEL) >/dev/null
endif

setup-qemu: setup-packages
ifneq ($(SETUP),no)
	@tools/setup/qemu-headers >/dev/null
endif

build: setup-packages setup-qemu ## build programs and libraries into build/
	@tools/setup/build-user-space $(BUILD)

build-tests: setup-packages setup-qemu
	@tools/setup/build-user-space --tests $(BUILD)

module: setup-packages setup-kernel ## build the module for KERNEL into build/kmd/brgpu.ko
	@tools/setup/build-module --kernel $(KERNEL) --work $(MODULE_WORK) --out $(MODULE)

run: run-$(BACKEND) ## run the demo kernels on the card (BACKEND=drm|model, IMAGE=path.png)

# `out` is the guest's writable folder, under the same name on both sides.
run-drm: build module
	@mkdir -p out
	@echo "run: booting a guest ($(KERNEL)) with a br106"
	@$(GUEST) --timeout 600 --share out $(ARGS) -- \
	    $(abspath $(BUILD))/bin/brgpu-demo --backend drm $(if $(IMAGE),--image '$(abspath $(IMAGE))') --out out

run-model: build
	@mkdir -p out
	@$(BUILD)/bin/brgpu-demo --backend model $(if $(IMAGE),--image '$(abspath $(IMAGE))') --out out $(ARGS)

guest: build module ## an interactive shell in a guest with the card
	@$(GUEST) $(ARGS)

test: build-tests module ## run every test: host, in-process card, and guest
	@tools/check/run-tests --build $(BUILD) --kernel $(KERNEL) unit model guest

test-unit: build-tests ## run the host's unit tests and the kernel's pure logic
	@tools/check/run-tests --build $(BUILD) unit

test-model: build-tests ## run the conformance suite on the in-process card
	@tools/check/run-tests --build $(BUILD) model

test-guest: build-tests module ## run the conformance suite and the scenarios in the guest
	@tools/check/run-tests --build $(BUILD) --kernel $(KERNEL) guest

check: build-tests setup-kernel ## formatting, static analysis, licences: all that needs no card
	@tools/check/run-checks --build $(BUILD) --kernel $(KERNEL)

bench: ## measure speed beside PoCL, native code, OpenBLAS and memcpy (BENCH_ARGS="--json --quick")
	@{ $(MAKE) -s --no-print-directory setup-packages setup-qemu && \
	    tools/setup/build-user-space --bench $(BUILD); } >&2
	@tools/check/run-benches --build $(BUILD) $(BENCH_ARGS)

bench-guest: build-tests module ## measure the way to the card in a guest, beside NVMe and memcpy
	@BUILD=$(abspath $(BUILD)) KERNEL=$(KERNEL) MODULE=$(abspath $(MODULE)) tests/bench/guest.sh

fuzz: setup-packages ## fuzz the card's registers and queues (SECONDS_EACH=60)
	@tools/check/run-fuzzers --build $(BUILD)-fuzz --seconds $(or $(SECONDS_EACH),60)

fuzz-ioctl: build-tests module ## fuzz the module's ioctls in a guest (SECONDS_EACH=60, ARGS)
	@tools/check/run-ioctl-fuzz --build $(BUILD) --kernel $(KERNEL) --seconds $(or $(SECONDS_EACH),60) $(ARGS)

test-kernels: build-tests ## build for every kernel and run the guest's tests on it (KERNELS="NAME...")
	@tools/check/run-kernels --build $(BUILD) $(KERNELS)

docs: build ## write the generated parts of docs/ anew
	@python3 tools/docs/hw_reference.py --write

install: build ## install programs, libraries, headers, firmware, udev rule and DKMS sources
	@DESTDIR='$(DESTDIR)' cmake --install $(BUILD) --prefix '$(PREFIX)'
	@tools/setup/install-module --files --firmware $(BUILD)/firmware --destdir '$(DESTDIR)'
	@tools/setup/install-module --dkms --destdir '$(DESTDIR)'

install-module: ## build and install brgpu.ko for a kernel (RELEASE=..., default the running one)
	@tools/setup/install-module $(if $(RELEASE),--release '$(RELEASE)') $(if $(KDIR),--kdir '$(KDIR)') \
	    --destdir '$(DESTDIR)' $(if $(SIGN_KEY),--sign '$(SIGN_KEY)' '$(SIGN_CERT)')

clean: ## remove what was built; fetched kernels stay in the cache
	rm -rf $(BUILD) $(BUILD)-fuzz out
