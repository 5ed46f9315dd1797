// SPDX-License-Identifier: GPL-2.0
#include <linux/error-injection.h>

#include "brgpu_bind_job.h"
#include "brgpu_bo.h"
#include "brgpu_core_packet.h"
#include "brgpu_device.h"
#include "brgpu_hwmon.h"
#include "brgpu_hwq.h"
#include "brgpu_pt.h"
#include "brgpu_queue.h"
#include "brgpu_sync.h"
#include "brgpu_userptr.h"
#include "brgpu_vm.h"

/**
 * DOC: error injection
 *
 * The functions whose failure can be forced from outside, on kernels with FUNCTION_ERROR_INJECTION:
 * all that can fail in probe, in a bind, in a submission, in a move and in resume, and is no static
 * function, which the compiler may have put into its callers. The kernel's fail_function makes them
 * fail. Whoever adds one that can fail adds it here. Not here: what fails only when the card has
 * gone (brgpu_tlb_invalidate()).
 */

/* probe */
ALLOW_ERROR_INJECTION(brgpu_device_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_fw_start, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_hwmon_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_irq_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_migrate_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_ttm_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_vram_mgr_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_core_ident_read, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_core_mbox_open, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_core_mbox_request, ERRNO);

/* queues and submission */
ALLOW_ERROR_INJECTION(brgpu_hwq_create, ERRNO); /* ERR_PTR */
ALLOW_ERROR_INJECTION(brgpu_hwq_map, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_hwq_submit, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_hwq_fence_alloc, NULL);
ALLOW_ERROR_INJECTION(brgpu_sched_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_syncs_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_syncs_add_deps, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_copy_array, ERRNO);

/* VMs and binds */
ALLOW_ERROR_INJECTION(brgpu_bind_evicted, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_bind_sched_init, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_pt_reserve_fill, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_pt_table_alloc, NULL);
ALLOW_ERROR_INJECTION(brgpu_tlb_fence_alloc, NULL);
ALLOW_ERROR_INJECTION(brgpu_userptr_create, ERRNO); /* ERR_PTR */
ALLOW_ERROR_INJECTION(brgpu_userptr_populate, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_userptrs_prepare, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_vm_lock_all, ERRNO);

/* buffers and moves */
ALLOW_ERROR_INJECTION(brgpu_bo_create, ERRNO); /* ERR_PTR */
ALLOW_ERROR_INJECTION(brgpu_bo_read64, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_bo_validate, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_migrate_clear, ERRNO);
ALLOW_ERROR_INJECTION(brgpu_migrate_copy, ERRNO);
