/* SPDX-License-Identifier: MIT */
/*
 * The card's own instructions, for kernels in OpenCL C and in C (brgpu-cc finds this header by
 * itself). brgpu/hw/isa.h, which it includes, says what each does; docs/isa.md is the
 * specification.
 *
 * Convergence: a function that says "rendezvous" must be reached by every participant at the same
 * place in the code, or the dispatch ends with a deadlock fault. Participants are the live lanes of
 * the warp, or of the workgroup for brgpu_barrier(); shuffles and votes take a mask of lanes, where
 * 0 means all live lanes.
 */
#ifndef BRGPU_DEVICE_BRGPU_ISA_H
#define BRGPU_DEVICE_BRGPU_ISA_H

#include "../hw/isa.h"

/* Rendezvous of the workgroup; orders local and global memory among its lanes. */
void brgpu_barrier(void);
/* Rendezvous of the warp; orders memory among its lanes. */
void brgpu_warp_sync(void);
/* Ends this lane. */
void brgpu_exit(void) __attribute__((noreturn));
/* Let other lanes, warps and workgroups run: for spin loops. */
void brgpu_yield(void);
/* Tells the queue's watchdog that a long kernel is alive. */
void brgpu_progress(void);
/* Ends the dispatch with a trap fault that reports `code`. */
void brgpu_trap(uint64_t code) __attribute__((noreturn));

/*
 * The value that another lane gives: lane `lane`, own - delta, own + delta, own ^ delta. A lane
 * outside 0..31 or without part in the rendezvous gives the caller its own value.
 */
uint64_t brgpu_shuffle(uint64_t value, uint64_t lane, uint32_t mask);
uint64_t brgpu_shuffle_up(uint64_t value, uint64_t delta, uint32_t mask);
uint64_t brgpu_shuffle_down(uint64_t value, uint64_t delta, uint32_t mask);
uint64_t brgpu_shuffle_xor(uint64_t value, uint64_t delta, uint32_t mask);

/* Rendezvous. Bit i of a ballot: participant i gave non-zero. first: the lowest participant's
 * value. */
uint32_t brgpu_ballot(uint64_t predicate, uint32_t mask);
int brgpu_any(uint64_t predicate, uint32_t mask);
int brgpu_all(uint64_t predicate, uint32_t mask);
uint64_t brgpu_first(uint64_t value, uint32_t mask);

/*
 * Tensor unit, each a rendezvous of the warp, done once for the warp with the descriptor of the
 * lowest live lane. Addresses in descriptors are brgpu_address() of global or local pointers.
 */
#ifdef __OPENCL_VERSION__
#define brgpu_address(pointer) ((ulong)(pointer))
#else
#define brgpu_address(pointer) ((uint64_t)(pointer))
#endif
void brgpu_tda_copy(const struct brgpu_tda_desc *desc);
/* Waits until at most `outstanding` copies of this warp are under way. */
void brgpu_tda_wait(uint64_t outstanding);
void brgpu_tmma(const struct brgpu_tmma_desc *desc);
void brgpu_tacc_store(const struct brgpu_tacc_desc *desc);
void brgpu_tacc_load(const struct brgpu_tacc_desc *desc);

/* Ids; dimension 0, 1 or 2. Another dimension gives 0 for ids and offsets, 1 for sizes. */
uint64_t brgpu_local_id(uint32_t dimension);
uint64_t brgpu_group_id(uint32_t dimension);
uint64_t brgpu_local_size(uint32_t dimension);
uint64_t brgpu_enqueued_local_size(uint32_t dimension);
uint64_t brgpu_global_size(uint32_t dimension);
uint64_t brgpu_global_offset(uint32_t dimension);
uint64_t brgpu_num_groups(uint32_t dimension);
uint64_t brgpu_global_id(uint32_t dimension);
uint32_t brgpu_work_dim(void);
uint32_t brgpu_lane_id(void);
uint32_t brgpu_warp_id(void);
uint32_t brgpu_num_warps(void);
uint32_t brgpu_warp_size(void);
uint64_t brgpu_local_linear_id(void);
uint64_t brgpu_global_linear_id(void);
uint32_t brgpu_local_bytes(void);
uint32_t brgpu_static_local_bytes(void);
uint32_t brgpu_queue_id(void);
uint32_t brgpu_cu_id(void);
uint64_t brgpu_dispatch_id(void);
/* The device's clock, ns. */
uint64_t brgpu_clock(void);

/* bf16, as the tensor unit has it; to bf16 rounds to nearest even. */
float brgpu_bf16_to_float(uint16_t value);
uint16_t brgpu_float_to_bf16(float value);

#endif /* BRGPU_DEVICE_BRGPU_ISA_H */
