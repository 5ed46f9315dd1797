/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The driver's side of the mailbox (brgpu/hw/firmware.h): framing, sequence numbers, and which
 * response belongs to which request. It moves no bytes to or from the card and takes no lock: one
 * caller at a time.
 */
#ifndef BRGPU_CORE_MBOX_H
#define BRGPU_CORE_MBOX_H

#include "brgpu_core.h"

#include <brgpu/hw/firmware.h>
#include <brgpu/hw/regs.h>

#ifdef __cplusplus
extern "C" {
#endif

struct brgpu_core_mbox_pending {
	uint32_t sequence;
	uint16_t type;
	bool used;
};

struct brgpu_core_mbox {
	uint32_t session;
	uint32_t sequence;	/* of the next request */
	uint32_t dropped;	/* responses that answered nothing, saturating */
	struct brgpu_core_mbox_pending pending[BRGPU_MBOX_SLOTS];
};

/* A new session: what was outstanding is forgotten. -EINVAL: session 0. */
int brgpu_core_mbox_open(struct brgpu_core_mbox *mbox, uint32_t session);

/*
 * Fills *message. Returns a handle (0..SLOTS - 1) of the outstanding request; -EMSGSIZE: more
 * payload than fits; -EBUSY: as many requests are outstanding as there are slots.
 */
int brgpu_core_mbox_request(struct brgpu_core_mbox *mbox, struct brgpu_mbox_message *message,
			    uint16_t type, const void *payload, size_t bytes);

/*
 * Which request *message answers; it is no longer outstanding then. -ENOENT: none (late, duplicate,
 * or of another session): counted, to be dropped. -EBADMSG: it answers one, but is malformed: that
 * request will get no better answer; its handle is in *handle in every case but -ENOENT.
 */
int brgpu_core_mbox_match(struct brgpu_core_mbox *mbox, const struct brgpu_mbox_message *message,
			  unsigned int *handle, const char **why);

/* Gives up on a request: a later response to it is dropped. */
void brgpu_core_mbox_abandon(struct brgpu_core_mbox *mbox, unsigned int handle);

/* The payload of a checked response, zero-extended or cut to `bytes`. */
void brgpu_core_mbox_payload(const struct brgpu_mbox_message *message, void *out, size_t bytes);

/* Messages between two indices; -ERANGE: more than the ring has slots, so one of them is wrong. */
int brgpu_core_mbox_used(uint32_t write, uint32_t read);

/* BAR 0 offsets of the slot of message `index`. */
uint32_t brgpu_core_mbox_request_offset(uint32_t index);
uint32_t brgpu_core_mbox_response_offset(uint32_t index);

/* A response's status as text and as an errno; any value is allowed. */
const char *brgpu_core_mbox_status_text(uint32_t status);
int brgpu_core_mbox_status_errno(uint32_t status);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_MBOX_H */
