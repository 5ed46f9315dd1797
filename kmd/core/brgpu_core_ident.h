/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The identity registers as one checked struct: all that a driver knows of a card. */
#ifndef BRGPU_CORE_IDENT_H
#define BRGPU_CORE_IDENT_H

#include "brgpu_core.h"

#ifdef __cplusplus
extern "C" {
#endif

struct brgpu_core_ident {
	uint32_t contract;	/* major << 16 | minor */
	uint32_t product;
	uint32_t revision;
	uint64_t serial;
	uint64_t features;	/* BRGPU_FEATURE_* */
	uint64_t vram_bytes;
	uint64_t vram_bytes_die;
	uint64_t aperture_bytes;
	uint32_t dies;
	uint32_t spcs;		/* a die */
	uint32_t cus;		/* an SPC */
	uint32_t eus;		/* a CU */
	uint32_t queues;
	uint32_t vms;
	uint32_t va_bits;
	uint32_t dma_bits;
	uint64_t page_sizes;	/* bit n: pages of 2^n bytes */
	uint32_t vectors;
	uint32_t doorbell_pages;
	uint32_t local_bytes;
	uint32_t tensor_bytes;
	uint32_t max_workgroup;
	uint32_t resident_groups;
	uint32_t isa;
	uint32_t preempt_ms;
	uint32_t links;
	uint32_t vfs;
	uint32_t vf_index;
	uint64_t timestamp_hz;
};

/* Reads a register of `bytes` (4 or 8) at `offset` of BAR 0. */
typedef uint64_t (*brgpu_core_read_fn)(void *ctx, uint32_t offset, unsigned int bytes);

/*
 * Reads and checks the identity block. -ENODEV: nothing that answers like this card (gone, or
 * another device); -EPROTONOSUPPORT: a contract of another major; -EINVAL: a value out of the
 * contract's range. Values beyond what this driver can use (queue slots, VMs) are cut to what it
 * can.
 */
int brgpu_core_ident_read(struct brgpu_core_ident *ident, brgpu_core_read_fn read, void *ctx,
			  const char **why);

/* What of the uAPI's features (DRM_BRGPU_FEATURE_*) depends on the card, and it has. */
uint32_t brgpu_core_ident_features(const struct brgpu_core_ident *ident);

/* "BR106"; "BR1xx" for a product that this driver has no name for. */
const char *brgpu_core_ident_name(const struct brgpu_core_ident *ident);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_IDENT_H */
