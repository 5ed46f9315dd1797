// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_fault.h"

#include <brgpu/hw/mmu.h>
#include <brgpu/hw/queue.h>
#include <drm/brgpu_drm.h>

bool brgpu_core_fault_is_told(uint32_t error)
{
	return error == BRGPU_QUEUE_ERROR_MMU || error == BRGPU_QUEUE_ERROR_SHADER ||
	       error == BRGPU_QUEUE_ERROR_BUS || error == BRGPU_QUEUE_ERROR_ECC;
}

uint32_t brgpu_core_fault_needs(uint32_t access)
{
	uint32_t needs = 0;

	if (access & (BRGPU_ACCESS_READ | BRGPU_ACCESS_ATOMIC))
		needs |= DRM_BRGPU_BIND_READ;
	if (access & (BRGPU_ACCESS_WRITE | BRGPU_ACCESS_ATOMIC))
		needs |= DRM_BRGPU_BIND_WRITE;
	if (access & BRGPU_ACCESS_EXEC)
		needs |= DRM_BRGPU_BIND_EXEC;
	return needs;
}
