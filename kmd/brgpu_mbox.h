/* SPDX-License-Identifier: GPL-2.0 */
/* The mailbox: requests to the firmware. */
#ifndef BRGPU_MBOX_H
#define BRGPU_MBOX_H

#include <linux/mutex.h>
#include <linux/wait.h>

#include "brgpu_core_mbox.h"

struct brgpu_device;

/* The protocol versions that this driver speaks: every minor of major 1. */
#define BRGPU_MBOX_DRIVER_MIN	BRGPU_MBOX_VERSION(1, 0)
#define BRGPU_MBOX_DRIVER_MAX	BRGPU_MBOX_VERSION(1, 0xffff)

struct brgpu_mbox {
	/*
	 * One request at a time: the driver's requests are rare and short, and no fence depends on
	 * them. Protects core and open.
	 */
	struct mutex lock;
	struct brgpu_core_mbox core;
	bool open;
	wait_queue_head_t wq;	/* woken by FW_RESPONSE events */
};

void brgpu_mbox_init(struct brgpu_device *brgpu);
/* Starts a session and agrees on the protocol version; *version is major << 16 | minor. */
int brgpu_mbox_hello(struct brgpu_device *brgpu, u32 *version);
/* Calls after this fail with ENODEV. Waits for one that is under way. */
void brgpu_mbox_close(struct brgpu_device *brgpu);
/*
 * Sends a request and waits for its response, zero-extended to response_bytes. Sleeps for up to
 * BRGPU_MBOX_TIMEOUT_MS. -ETIMEDOUT: no answer; -ENODEV: no session, or the card has gone;
 * -EBADMSG: a malformed answer; else the errno of the firmware's status.
 */
int brgpu_mbox_call(struct brgpu_device *brgpu, enum brgpu_mbox_type type, const void *request,
		    size_t request_bytes, void *response, size_t response_bytes);
void brgpu_mbox_wake(struct brgpu_device *brgpu);

#endif /* BRGPU_MBOX_H */
