/* SPDX-License-Identifier: MIT */
#ifndef FIRMWARE_MAILBOX_H
#define FIRMWARE_MAILBOX_H

#include "platform.h"

/* One request and the response that is being made for it: both start with the same sequence and
 * session. */
struct exchange {
    struct brgpu_mbox_message request;
    struct brgpu_mbox_message response;
};

/* Takes and answers what waits, as far as there is room for responses. */
void mailbox_serve(void);
uint32_t mailbox_resyncs(void);

/* messages.c */
void messages_init(const struct brgpu_fw_header *header);
/* Fills the response's payload and length. */
enum brgpu_mbox_status messages_answer(struct exchange *exchange);
/* The engine reset that RESET_PREPARE announced has come. */
void messages_reset_done(void);

#endif /* FIRMWARE_MAILBOX_H */
