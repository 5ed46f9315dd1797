/* SPDX-License-Identifier: MIT */
/* The two rings. What the messages mean is in messages.c. */
#include "mailbox.h"

#include "log.h"
#include "trap.h"

static uint32_t resyncs;

uint32_t mailbox_resyncs(void) {
    return resyncs;
}

static void note_resync(uint32_t ring) {
    resyncs++;
    log_warning("mailbox indices out of range: ring %u starts afresh", ring);
    notify(BRGPU_FW_NOTIFY_MBOX_RESYNC, ring, resyncs);
}

static int response_room(void) {
    uint32_t write = io_read(BRGPU_CTL_RSP_WRITE);
    uint32_t read = io_read(BRGPU_CTL_RSP_READ);
    if (write - read <= BRGPU_MBOX_SLOTS)
        return write - read < BRGPU_MBOX_SLOTS;
    io_write(BRGPU_CTL_RSP_WRITE, read);
    note_resync(1);
    return 1;
}

static int take_request(struct brgpu_mbox_message *request) {
    uint32_t write = io_read(BRGPU_CTL_REQ_WRITE);
    uint32_t read = io_read(BRGPU_CTL_REQ_READ);
    if (write == read)
        return 0;
    if (write - read > BRGPU_MBOX_SLOTS) {
        io_write(BRGPU_CTL_REQ_READ, write);
        note_resync(0);
        return 0;
    }
    window_read(request,
                BRGPU_CTL_SHARED_REQUESTS + read % BRGPU_MBOX_SLOTS * BRGPU_MBOX_MESSAGE_BYTES,
                sizeof(*request));
    io_write(BRGPU_CTL_REQ_READ, read + 1);
    return 1;
}

static void put_response(const struct brgpu_mbox_message *response) {
    uint32_t write = io_read(BRGPU_CTL_RSP_WRITE);
    window_write(BRGPU_CTL_SHARED_RESPONSES + write % BRGPU_MBOX_SLOTS * BRGPU_MBOX_MESSAGE_BYTES,
                 response, sizeof(*response));
    io_write(BRGPU_CTL_RSP_WRITE, write + 1);
}

void mailbox_serve(void) {
    struct exchange exchange;
    /* A driver that never stops writing must not keep the heartbeat waiting. */
    uint32_t budget = BRGPU_MBOX_SLOTS;
    uint32_t answered = 0;
    while (budget-- && response_room() && take_request(&exchange.request)) {
        const struct brgpu_mbox_message *request = &exchange.request;
        struct brgpu_mbox_message *response = &exchange.response;
        trap_note_request(request->type);
        memset(response, 0, sizeof(*response));
        response->type = request->type;
        response->flags = BRGPU_MBOX_FLAG_RESPONSE;
        response->sequence = request->sequence;
        response->session = request->session;
        if (request->flags || request->length > BRGPU_MBOX_PAYLOAD_BYTES)
            response->status = BRGPU_MBOX_MALFORMED;
        else
            response->status = (uint16_t)messages_answer(&exchange);
        put_response(response);
        answered++;
    }
    if (answered)
        event_post(BRGPU_EVENT_FW_RESPONSE, 0, 0, 0);
}
