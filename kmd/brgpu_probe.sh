#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Writes brgpu_config.h: one BRGPU_HAVE_* for each variant of a kernel interface that this kernel's
# headers have. Run by Kbuild with CC, CFLAGS and SYMVERS set; $1 is the file to write.
#
# Version numbers tell nothing: stable kernels and distributions carry interfaces back.
set -eu

out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "brgpu: $*" >&2
	exit 1
}

# Compiles standard input as a piece of a kernel module.
compiles() {
	cat >"$work/probe.c"
	# shellcheck disable=SC2086 # CC and CFLAGS are lists
	$CC $CFLAGS -Werror -Wno-attributes -Wno-unused -Wno-missing-prototypes -Wno-missing-declarations -DMODULE -DKBUILD_MODNAME='"probe"' -DKBUILD_BASENAME='"probe"' \
		-c -o "$work/probe.o" "$work/probe.c" >"$work/log" 2>&1
}

# The canary: with a toolchain that compiles nothing, every feature would look absent.
compiles <<'CANARY' || { cat "$work/log" >&2; fail "the kernel's compiler and headers do not fit each other (see above)"; }
#include <linux/module.h>
#include <drm/drm_device.h>
#include <drm/gpu_scheduler.h>
int probe(void) { return 0; }
CANARY
if compiles <<'CANARY'; then
#include <linux/module.h>
int probe(void) { return brgpu_is_not_declared(); }
CANARY
	fail "the compiler accepts what it must refuse: every interface would look present"
fi

# What the module needs from other modules, by one symbol each.
if [ -f "${SYMVERS:-}" ]; then
	missing=
	for need in DRM_GPUVM:drm_gpuvm_init DRM_EXEC:drm_exec_init DRM_SCHED:drm_sched_init \
		DRM_TTM:ttm_device_init DRM_BUDDY:'(gpu|drm)_buddy_init'; do
		grep -qE "[[:space:]]${need#*:}[[:space:]]" "$SYMVERS" ||
			missing="$missing CONFIG_${need%%:*}"
	done
	[ -z "$missing" ] || fail "this kernel lacks$missing, which brgpu needs: use a kernel that has them"
fi

{
	echo "/* SPDX-License-Identifier: GPL-2.0 */"
	echo "/* Made by brgpu_probe.sh from the kernel's headers. */"
} >"$work/config.h"

# have NAME: defines BRGPU_HAVE_NAME when standard input compiles.
have() {
	if compiles; then
		echo "#define BRGPU_HAVE_$1 1" >>"$work/config.h"
	else
		echo "/* BRGPU_HAVE_$1: no */" >>"$work/config.h"
	fi
}

have GPU_BUDDY <<'EOT'
#include <linux/gpu_buddy.h>
int probe(struct gpu_buddy *mm) { return gpu_buddy_init(mm, 4096, 4096); }
EOT
have SCHED_INIT_ARGS <<'EOT'
#include <drm/gpu_scheduler.h>
int probe(struct drm_gpu_scheduler *s, const struct drm_sched_init_args *a) { return drm_sched_init(s, a); }
EOT
have SCHED_JOB_CLIENT_ID <<'EOT'
#include <drm/gpu_scheduler.h>
int probe(struct drm_sched_job *j, struct drm_sched_entity *e) { return drm_sched_job_init(j, e, 1, j, 1ULL); }
EOT
have SCHED_NO_HANG <<'EOT'
#include <drm/gpu_scheduler.h>
int probe(void) { return DRM_GPU_SCHED_STAT_NO_HANG; }
EOT
have SCHED_STAT_RESET <<'EOT'
#include <drm/gpu_scheduler.h>
int probe(void) { return DRM_GPU_SCHED_STAT_RESET; }
EOT
have GPUVM_MAP_REQ <<'EOT'
#include <drm/drm_gpuvm.h>
int probe(struct drm_gpuvm *vm, const struct drm_gpuvm_map_req *r) { return drm_gpuvm_sm_map(vm, vm, r); }
EOT
have CGROUP_DMEM <<'EOT'
#include <drm/drm_drv.h>
#include <drm/ttm/ttm_resource.h>
void probe(struct drm_device *d, struct ttm_resource_manager *m) { m->cg = drmm_cgroup_register_region(d, "vram0", 4096); }
EOT
have DMA_BUF_INVALIDATE_MAPPINGS <<'EOT'
#include <linux/dma-buf.h>
void probe(struct dma_buf *buf) { dma_buf_invalidate_mappings(buf); }
EOT
have GEM_OBJECT_ACTIVE <<'EOT'
#include <drm/drm_gem.h>
int probe(void) { return DRM_GEM_OBJECT_ACTIVE; }
EOT
have GPUVM_BO_OBTAIN_LOCKED <<'EOT'
#include <drm/drm_gpuvm.h>
void *probe(struct drm_gpuvm *vm, struct drm_gem_object *o) { return drm_gpuvm_bo_obtain_locked(vm, o); }
EOT
have TTM_BO_FINI <<'EOT'
#include <drm/ttm/ttm_bo.h>
void probe(struct ttm_buffer_object *bo) { ttm_bo_fini(bo); }
EOT
have DRIVER_GEM_GPUVA <<'EOT'
#include <drm/drm_drv.h>
int probe(void) { return DRIVER_GEM_GPUVA; }
EOT
have TTM_ALLOC_FLAGS <<'EOT'
#include <drm/ttm/ttm_device.h>
int probe(struct ttm_device *t, const struct ttm_device_funcs *f, struct device *d, struct address_space *a,
	  struct drm_vma_offset_manager *m) { return ttm_device_init(t, f, d, a, m, 0); }
EOT
have DRM_DRIVER_DATE <<'EOT'
#include <drm/drm_drv.h>
const struct drm_driver probe = { .date = "0" };
EOT
have WEDGED_EVENT <<'EOT'
#include <drm/drm_drv.h>
int probe(struct drm_device *drm) { return drm_dev_wedged_event(drm, DRM_WEDGE_RECOVERY_NONE); }
EOT
have WEDGED_EVENT_TASK <<'EOT'
#include <drm/drm_drv.h>
int probe(struct drm_device *drm) { return drm_dev_wedged_event(drm, DRM_WEDGE_RECOVERY_NONE, NULL); }
EOT
# A string compiles either way; a bare name only where the macro makes it one.
have IMPORT_NS_BARE <<'EOT'
#include <linux/module.h>
MODULE_IMPORT_NS(DMA_BUF);
EOT

cmp -s "$work/config.h" "$out" || cp "$work/config.h" "$out"
