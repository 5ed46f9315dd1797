/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What a fault is about, in the uAPI's words. */
#ifndef BRGPU_CORE_FAULT_H
#define BRGPU_CORE_FAULT_H

#include "brgpu_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a queue that stopped with this error (enum brgpu_queue_error) tells of a fault. */
bool brgpu_core_fault_is_told(uint32_t error);

/* The DRM_BRGPU_BIND_* flags that an access (BRGPU_ACCESS_*) needs at its address. */
uint32_t brgpu_core_fault_needs(uint32_t access);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_FAULT_H */
