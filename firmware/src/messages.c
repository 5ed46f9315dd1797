/* SPDX-License-Identifier: MIT */
/* What each mailbox request does. */
#include "heartbeat.h"
#include "log.h"
#include "mailbox.h"
#include "power.h"
#include "ras.h"

static const struct brgpu_fw_header *image;
static uint32_t session;              /* 0: no HELLO yet */
static uint32_t version;              /* agreed */
static uint64_t reset_expected_until; /* 0: none is announced */

void messages_init(const struct brgpu_fw_header *header) {
    image = header;
}

void messages_reset_done(void) {
    reset_expected_until = 0;
}

static int reset_expected(void) {
    if (reset_expected_until && time_ns() >= reset_expected_until)
        reset_expected_until = 0;
    return reset_expected_until != 0;
}

static void set_payload(struct exchange *x, const void *payload, uint32_t bytes) {
    memcpy(x->response.payload, payload, bytes);
    x->response.length = (uint16_t)bytes;
}

static enum brgpu_mbox_status hello(struct exchange *x) {
    struct brgpu_mbox_hello_request in;
    struct brgpu_mbox_hello_response out = {
        .version_min = image->mailbox_min,
        .version_max = image->mailbox_max,
        .fw_version = image->fw_version,
    };
    memcpy(&in, x->request.payload, sizeof(in));
    if (!x->request.session || in.version_min > in.version_max)
        return BRGPU_MBOX_RANGE;
    uint32_t low = in.version_min > out.version_min ? in.version_min : out.version_min;
    uint32_t high = in.version_max < out.version_max ? in.version_max : out.version_max;
    if (low <= high) {
        out.version = version = high;
        session = x->request.session;
        reset_expected_until = 0;
        log_info("driver says hello: mailbox %u.%u, host time %u s",
                 BRGPU_MBOX_VERSION_MAJOR(version), BRGPU_MBOX_VERSION_MINOR(version),
                 (uint32_t)divide64(in.host_time_ns, NS_PER_S, NULL));
    }
    set_payload(x, &out, sizeof(out));
    return out.version ? BRGPU_MBOX_OK : BRGPU_MBOX_VERSION_MISMATCH;
}

static enum brgpu_mbox_status ping(struct exchange *x) {
    set_payload(x, x->request.payload, x->request.length);
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status get_version(struct exchange *x) {
    struct brgpu_mbox_version_response out = {
        .fw_version = image->fw_version,
        .mailbox_version = version,
        .contract_major_min = image->contract_major_min,
        .contract_major_max = image->contract_major_max,
        .rollback = image->rollback,
    };
    memcpy(out.build_id, image->build_id, sizeof(out.build_id));
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status get_capabilities(struct exchange *x) {
    struct brgpu_mbox_capabilities_response out = {
        .features = BRGPU_FW_FEATURE_SENSORS | BRGPU_FW_FEATURE_POWER | BRGPU_FW_FEATURE_RAS |
                    BRGPU_FW_FEATURE_BAD_PAGES,
        .dies = power_dies(),
        .bad_page_capacity = BRGPU_CTL_BAD_PAGES_MAX,
        .heartbeat_min_ms = HEARTBEAT_MIN_MS,
        .heartbeat_max_ms = HEARTBEAT_MAX_MS,
    };
    power_limits(&out);
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status get_sensors(struct exchange *x) {
    struct brgpu_mbox_sensors_request in;
    struct brgpu_mbox_sensors_response out;
    memcpy(&in, x->request.payload, sizeof(in));
    if (!power_sensors(in.die, &out))
        return BRGPU_MBOX_RANGE;
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status get_power(struct exchange *x) {
    struct brgpu_mbox_power out;
    power_get(&out);
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status set_power(struct exchange *x) {
    struct brgpu_mbox_power in;
    memcpy(&in, x->request.payload, sizeof(in));
    if (reset_expected())
        return BRGPU_MBOX_BUSY;
    enum brgpu_mbox_status status = power_set(&in);
    return status == BRGPU_MBOX_OK ? get_power(x) : status;
}

static enum brgpu_mbox_status get_ras(struct exchange *x) {
    struct brgpu_mbox_ras_response out;
    ras_describe(&out);
    out.mbox_resyncs = mailbox_resyncs();
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status get_bad_pages(struct exchange *x) {
    struct brgpu_mbox_bad_pages_request in;
    struct brgpu_mbox_bad_pages_response out = {.total = ras_bad_page_count()};
    memcpy(&in, x->request.payload, sizeof(in));
    out.count = ras_bad_pages(in.first, out.address, BRGPU_MBOX_BAD_PAGES_PER_MESSAGE);
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status retire_page(struct exchange *x) {
    struct brgpu_mbox_retire_page_request in;
    struct brgpu_mbox_retire_page_response out;
    memcpy(&in, x->request.payload, sizeof(in));
    if (reset_expected())
        return BRGPU_MBOX_BUSY;
    enum brgpu_mbox_status status = ras_retire_page(in.address, &out.added);
    if (status != BRGPU_MBOX_OK)
        return status;
    out.total = ras_bad_page_count();
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status heartbeat_config(struct exchange *x) {
    struct brgpu_mbox_heartbeat_config config;
    memcpy(&config, x->request.payload, sizeof(config));
    if (config.period_ms < HEARTBEAT_MIN_MS || config.period_ms > HEARTBEAT_MAX_MS)
        return BRGPU_MBOX_RANGE;
    heartbeat_set_period(config.period_ms);
    set_payload(x, &config, sizeof(config));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status set_log_level(struct exchange *x) {
    struct brgpu_mbox_log_level in;
    struct brgpu_mbox_log_level out = {.level = log_level()};
    memcpy(&in, x->request.payload, sizeof(in));
    if (in.level > BRGPU_FW_LOG_DEBUG)
        return BRGPU_MBOX_RANGE;
    log_set_level(in.level);
    set_payload(x, &out, sizeof(out));
    return BRGPU_MBOX_OK;
}

static enum brgpu_mbox_status reset_prepare(struct exchange *x) {
    struct brgpu_mbox_reset_prepare_request in;
    memcpy(&in, x->request.payload, sizeof(in));
    if (in.kind != BRGPU_RESET_ENGINE && in.kind != BRGPU_RESET_DEVICE)
        return BRGPU_MBOX_RANGE;
    /* What outlives a reset (bad pages, log) is written at once always: nothing is left to save. */
    reset_expected_until = time_ns() + (uint64_t)BRGPU_FW_RESET_PREPARE_MS * NS_PER_MS;
    log_info("the driver announces a reset of kind %u", in.kind);
    return BRGPU_MBOX_OK;
}

static const struct {
    uint16_t type;
    uint16_t length_min;
    uint32_t needs_session;
    enum brgpu_mbox_status (*answer)(struct exchange *x);
} messages[] = {
    {BRGPU_MBOX_HELLO, sizeof(struct brgpu_mbox_hello_request), 0, hello},
    {BRGPU_MBOX_PING, 0, 0, ping},
    {BRGPU_MBOX_GET_VERSION, 0, 0, get_version},
    {BRGPU_MBOX_GET_CAPABILITIES, 0, 1, get_capabilities},
    {BRGPU_MBOX_GET_SENSORS, sizeof(struct brgpu_mbox_sensors_request), 1, get_sensors},
    {BRGPU_MBOX_GET_POWER, 0, 1, get_power},
    {BRGPU_MBOX_SET_POWER, sizeof(struct brgpu_mbox_power), 1, set_power},
    {BRGPU_MBOX_GET_RAS, 0, 1, get_ras},
    {BRGPU_MBOX_GET_BAD_PAGES, sizeof(struct brgpu_mbox_bad_pages_request), 1, get_bad_pages},
    {BRGPU_MBOX_RETIRE_PAGE, sizeof(struct brgpu_mbox_retire_page_request), 1, retire_page},
    {BRGPU_MBOX_HEARTBEAT_CONFIG, sizeof(struct brgpu_mbox_heartbeat_config), 1, heartbeat_config},
    {BRGPU_MBOX_SET_LOG_LEVEL, sizeof(struct brgpu_mbox_log_level), 1, set_log_level},
    {BRGPU_MBOX_RESET_PREPARE, sizeof(struct brgpu_mbox_reset_prepare_request), 1, reset_prepare},
};

enum brgpu_mbox_status messages_answer(struct exchange *x) {
    for (uint32_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (messages[i].type != x->request.type)
            continue;
        if (messages[i].needs_session && !session)
            return BRGPU_MBOX_NO_SESSION;
        if (messages[i].needs_session && x->request.session != session)
            return BRGPU_MBOX_STALE;
        if (x->request.length < messages[i].length_min)
            return BRGPU_MBOX_MALFORMED;
        return messages[i].answer(x);
    }
    log_debug("unknown request type %u", x->request.type);
    return BRGPU_MBOX_UNSUPPORTED;
}
