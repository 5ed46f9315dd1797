/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs of a VM's bind queue: what changes its page tables. */
#ifndef BRGPU_BIND_JOB_H
#define BRGPU_BIND_JOB_H

#include <linux/list.h>

#include <drm/gpu_scheduler.h>

#include "brgpu_core_pt.h"
#include "brgpu_pt.h"

struct brgpu_bo;
struct brgpu_tlb_fence;
struct brgpu_userptr;
struct brgpu_vm;

struct brgpu_bind_segment {
	u64 address;
	u64 bytes;
};

struct brgpu_bind_job_op {
	u64 va;
	u64 bytes;
	u64 rights;		/* of a map */
	u32 first_segment;
	u32 segments;		/* of a map that is not NULL */
	bool map;
};

struct brgpu_bind_job {
	struct drm_sched_job base;
	struct brgpu_vm *vm;	/* reference */
	struct brgpu_bind_job_op *ops;
	u32 op_count;
	u32 op_capacity;
	struct brgpu_bind_segment *segments;
	u32 segment_count;
	u32 segment_capacity;
	struct brgpu_core_pt_tables tables;
	struct brgpu_pt_reserve reserve;
	struct brgpu_tlb_fence *tlb_fence;	/* NULL once started */
	/*
	 * Mappings that went (brgpu_va_retire()): what they showed is nobody else's until the page
	 * tables and the TLB don't show it any more.
	 */
	struct list_head dead;			/* brgpu_va */
};

/* NULL: no memory. */
struct brgpu_bind_job *brgpu_bind_job_create(struct brgpu_vm *vm);
/* Of a job that was not pushed; one that was prepared is cleaned up before. */
void brgpu_bind_job_free(struct brgpu_bind_job *job);

/*
 * One operation more, in the order of the calls. bo, whose reservation is held, is mapped where it
 * lies now (NULL: a range that reads as zero), a process's memory where it was found last.
 */
int brgpu_bind_job_map(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags,
		       struct brgpu_bo *bo, u64 offset);
int brgpu_bind_job_map_userptr(struct brgpu_bind_job *job, u64 va, u64 bytes, u32 flags,
			       struct brgpu_userptr *userptr, u64 address);
int brgpu_bind_job_unmap(struct brgpu_bind_job *job, u64 va, u64 bytes);
/* Room for so many operations in all, for a caller that writes them itself. */
int brgpu_bind_job_reserve(struct brgpu_bind_job *job, u32 ops);

/* The last that can fail: after this the job can be armed and pushed. */
int brgpu_bind_job_prepare(struct brgpu_bind_job *job, void *owner, u64 client_id);
/* Returns a reference to the fence that tells that the job is done. vm->lock is held. */
struct dma_fence *brgpu_bind_job_push(struct brgpu_bind_job *job);

/* Of a VM that is being made. */
int brgpu_bind_sched_init(struct brgpu_vm *vm);

#endif /* BRGPU_BIND_JOB_H */
