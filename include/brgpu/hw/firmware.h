/* SPDX-License-Identifier: MIT */
/*
 * Firmware: the image that the driver hands to the controller's boot ROM, and what driver and
 * firmware say to each other through the shared memory window (regs.h, 0x10000).
 * docs/firmware.md tells it as a story; this file is the definition.
 */
#ifndef BRGPU_HW_FIRMWARE_H
#define BRGPU_HW_FIRMWARE_H

#include "types.h"

/* ------------------------------------------------------------------------------------------------
 * Image: a header of 256 bytes, then the payload.
 */
#define BRGPU_FW_MAGIC 0x57465242u /* "BRFW" */
#define BRGPU_FW_HEADER_VERSION 1u
#define BRGPU_FW_HEADER_BYTES 256u
#define BRGPU_FW_SIGNED_BYTES 192u /* of the header, from its start, that the signature covers */
#define BRGPU_FW_MAX_PRODUCTS 4u
#define BRGPU_FW_ALIGN 64u /* FW_ADDRESS must be a multiple of it */

/* Firmware version, as in register FW_VERSION: major 0..255, minor 0..255, patch 0..65535. */
#define BRGPU_FW_VERSION_MAKE(major, minor, patch)                                                 \
    (((uint32_t)(major) << 24) | ((uint32_t)(minor) << 16) | (uint32_t)(patch))
#define BRGPU_FW_VERSION_MAJOR(version) (((uint32_t)(version)) >> 24)
#define BRGPU_FW_VERSION_MINOR(version) ((((uint32_t)(version)) >> 16) & 0xffu)
#define BRGPU_FW_VERSION_PATCH(version) (((uint32_t)(version)) & 0xffffu)

struct brgpu_fw_header {
    uint32_t magic;          /* BRGPU_FW_MAGIC */
    uint16_t header_version; /* BRGPU_FW_HEADER_VERSION */
    uint16_t header_bytes;   /* BRGPU_FW_HEADER_BYTES */
    uint16_t products[BRGPU_FW_MAX_PRODUCTS]; /* product numbers that it runs on; unused ones 0 */
    uint32_t fw_version;         /* BRGPU_FW_VERSION_MAKE */
    uint16_t contract_major_min; /* hardware contract majors that it runs with, inclusive */
    uint16_t contract_major_max;
    uint32_t mailbox_min;   /* mailbox protocol versions that it speaks, inclusive: major << 16 | minor */
    uint32_t mailbox_max;
    uint32_t load_address;  /* controller address of the payload, 16-byte aligned, in SRAM */
    uint32_t entry;         /* controller address of the first instruction, 2-byte aligned, in the payload */
    uint32_t payload_bytes; /* a multiple of 4, not 0 */
    uint32_t bss_bytes;     /* zeroed behind the payload; a multiple of 4 */
    uint32_t rollback;      /* anti-rollback counter, compared with FW_ROLLBACK */
    uint32_t flags;         /* zero */
    uint8_t key_id[8];      /* first 8 bytes of the SHA-512 of the signing public key */
    uint8_t payload_hash[64]; /* SHA-512 of the payload */
    char build_id[32];        /* printable ASCII, zero-padded; may fill all 32 bytes */
    uint8_t reserved[32];     /* zero */
    uint8_t signature[64];    /* Ed25519 over the first BRGPU_FW_SIGNED_BYTES of the header */
};
BRGPU_ASSERT_SIZE(struct brgpu_fw_header, BRGPU_FW_HEADER_BYTES);
BRGPU_ASSERT_OFFSET(struct brgpu_fw_header, fw_version, 16);
BRGPU_ASSERT_OFFSET(struct brgpu_fw_header, load_address, 32);
BRGPU_ASSERT_OFFSET(struct brgpu_fw_header, key_id, 56);
BRGPU_ASSERT_OFFSET(struct brgpu_fw_header, payload_hash, 64);
BRGPU_ASSERT_OFFSET(struct brgpu_fw_header, signature, BRGPU_FW_SIGNED_BYTES);

/*
 * What the boot ROM found, in register BOOT_ERROR. It checks in the order of this enumeration and
 * stops at the first that fails; nothing of the image runs before all have passed. It reads the
 * header once and the payload once into memory of its own, so the driver can't change an image
 * between check and use. START while CHECKING or RUNNING is ignored. After a successful start
 * FW_ROLLBACK is at least the image's counter, for the rest of the card's life.
 */
enum brgpu_boot_error {
    BRGPU_BOOT_OK = 0,
    BRGPU_BOOT_UNREADABLE = 1,     /* FW_ADDRESS misaligned, or the memory did not answer */
    BRGPU_BOOT_TRUNCATED = 2,      /* FW_BYTES is less than the header, or than header + payload_bytes */
    BRGPU_BOOT_MAGIC = 3,
    BRGPU_BOOT_HEADER_VERSION = 4, /* header_version or header_bytes unknown */
    BRGPU_BOOT_RESERVED = 5,       /* flags or reserved not zero, build_id not printable */
    BRGPU_BOOT_PRODUCT = 6,        /* this product is not in products[] */
    BRGPU_BOOT_CONTRACT = 7,       /* the card's contract major is outside the range, or the range is empty */
    BRGPU_BOOT_MAILBOX = 8,        /* mailbox_min > mailbox_max, or major 0 */
    BRGPU_BOOT_BOUNDS = 9,         /* payload and bss not in SRAM, entry not in the payload, misaligned */
    BRGPU_BOOT_KEY = 10,           /* key_id is not the fused key's */
    BRGPU_BOOT_SIGNATURE = 11,     /* the signature does not verify */
    BRGPU_BOOT_HASH = 12,          /* the payload does not have payload_hash */
    BRGPU_BOOT_ROLLBACK = 13,      /* rollback < FW_ROLLBACK */
};
/*
 * UNREADABLE and TRUNCATED stand in their place for the header; for the payload they are found when it
 * is read, between SIGNATURE and HASH.
 */

/* ------------------------------------------------------------------------------------------------
 * Mailbox: two rings of BRGPU_MBOX_SLOTS messages of 64 bytes; message n stands in slot n mod SLOTS.
 *
 *   - The four index registers count messages, modulo 2^32. A ring is empty with write == read, full
 *     with write - read == SLOTS. REQ_WRITE and RSP_READ are the driver's, the others the firmware's.
 *   - A message exists when the write index has passed it; a half-written slot is never looked at.
 *     The firmware copies a request before it parses it, and frees its slot (REQ_READ) at once.
 *   - Up to SLOTS requests may be outstanding. Each taken request gets exactly one response, with its
 *     sequence and session; responses may come in any order. With a full response ring the
 *     firmware takes no requests until the driver reads.
 *   - The driver gives up on a request after BRGPU_MBOX_TIMEOUT_MS. A late, unknown, or duplicate
 *     response (sequence not outstanding, or session of another driver) is dropped and counted.
 *   - After writing responses the firmware posts one FW_RESPONSE event record for all of them.
 *
 * A driver that starts on a running firmware (its predecessor died in mid-message) sets RSP_READ to
 * RSP_WRITE, goes on from the present REQ_WRITE, and says HELLO with a session number of its own
 * (never 0; a good one is random). Requests of older sessions that are still in the ring are answered
 * with STALE after that; responses to them carry the older session and are dropped by the rule above.
 *
 * Indices out of range (write - read > SLOTS): the firmware sets the index that it owns equal to the
 * driver's, so the ring is empty, counts, and notifies MBOX_RESYNC. A device reset or a start of
 * the firmware sets all four indices to 0 and zeroes the shared memory window but for log and crash record.
 */
#define BRGPU_MBOX_MESSAGE_BYTES 64u
#define BRGPU_MBOX_PAYLOAD_BYTES 48u
#define BRGPU_MBOX_TIMEOUT_MS 1000u

#define BRGPU_MBOX_VERSION(major, minor) (((uint32_t)(major) << 16) | (uint32_t)(minor))
#define BRGPU_MBOX_VERSION_MAJOR(version) (((uint32_t)(version)) >> 16)
#define BRGPU_MBOX_VERSION_MINOR(version) (((uint32_t)(version)) & 0xffffu)
/* What this header describes. A minor adds message types, notifications, and fields at payload ends. */
#define BRGPU_MBOX_VERSION_CURRENT BRGPU_MBOX_VERSION(1, 0)

struct brgpu_mbox_message {
    uint16_t type;     /* enum brgpu_mbox_type */
    uint16_t flags;    /* BRGPU_MBOX_FLAG_*; others zero */
    uint16_t length;   /* bytes of payload used, 0..48; the rest is zero in responses, ignored in requests */
    uint16_t status;   /* responses: enum brgpu_mbox_status; requests: 0 */
    uint32_t sequence; /* the driver's; its response repeats it */
    uint32_t session;  /* the driver's, set by HELLO; responses repeat their request's */
    uint8_t payload[BRGPU_MBOX_PAYLOAD_BYTES]; /* struct brgpu_mbox_<type>_request or _response */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_message, BRGPU_MBOX_MESSAGE_BYTES);

#define BRGPU_MBOX_FLAG_RESPONSE (1u << 0) /* set in every response, clear in every request */

enum brgpu_mbox_status {
    BRGPU_MBOX_OK = 0,
    BRGPU_MBOX_UNSUPPORTED = 1, /* type unknown to this version */
    BRGPU_MBOX_MALFORMED = 2,   /* length too small for the type or above 48, or flags not zero */
    BRGPU_MBOX_RANGE = 3,       /* a field's value is not allowed; nothing was changed */
    BRGPU_MBOX_VERSION_MISMATCH = 4, /* HELLO: no common version; the response says the firmware's range */
    BRGPU_MBOX_NO_SESSION = 5,  /* before HELLO only HELLO, PING and GET_VERSION are served */
    BRGPU_MBOX_STALE = 6,       /* session is not the one of the last HELLO */
    BRGPU_MBOX_FULL = 7,        /* a table has no room left */
    BRGPU_MBOX_BUSY = 8,        /* a reset is being prepared: no changes are taken until it came */
};

/*
 * A request longer than its type needs is accepted: a newer driver may say more than this firmware
 * understands. A shorter response than the driver's struct leaves the rest zero.
 */
enum brgpu_mbox_type {
    BRGPU_MBOX_HELLO = 1,
    BRGPU_MBOX_PING = 2,             /* the response repeats the request's payload and length */
    BRGPU_MBOX_GET_VERSION = 3,
    BRGPU_MBOX_GET_CAPABILITIES = 4,
    BRGPU_MBOX_GET_SENSORS = 5,
    BRGPU_MBOX_GET_POWER = 6,
    BRGPU_MBOX_SET_POWER = 7,
    BRGPU_MBOX_GET_RAS = 8,
    BRGPU_MBOX_GET_BAD_PAGES = 9,
    BRGPU_MBOX_RETIRE_PAGE = 10,
    BRGPU_MBOX_HEARTBEAT_CONFIG = 11,
    BRGPU_MBOX_SET_LOG_LEVEL = 12,
    BRGPU_MBOX_RESET_PREPARE = 13,
    /* 14..31 reserved for partitions and virtual functions, 32..47 links */
};

/*
 * HELLO agrees on the protocol: the highest version that lies in both ranges is used. Ranges are
 * compared as major << 16 | minor; a side that speaks every minor of major m ends its range at
 * VERSION(m, 0xffff).
 */
struct brgpu_mbox_hello_request {
    uint32_t version_min; /* mailbox versions that the driver speaks, inclusive */
    uint32_t version_max;
    uint64_t host_time_ns; /* driver's CLOCK_REALTIME, for the log; 0 unknown */
};
struct brgpu_mbox_hello_response {
    uint32_t version;     /* agreed; 0 with VERSION_MISMATCH */
    uint32_t version_min; /* the firmware's range */
    uint32_t version_max;
    uint32_t fw_version;
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_hello_request, 16);
BRGPU_ASSERT_SIZE(struct brgpu_mbox_hello_response, 16);

/* GET_VERSION has no request payload. */
struct brgpu_mbox_version_response {
    uint32_t fw_version;
    uint32_t mailbox_version; /* agreed by HELLO; 0 before */
    uint16_t contract_major_min;
    uint16_t contract_major_max;
    uint32_t rollback; /* of the image */
    char build_id[32]; /* zero-padded, may fill all 32 bytes */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_version_response, 48);

/* GET_CAPABILITIES has no request payload. */
struct brgpu_mbox_capabilities_response {
    uint64_t features;    /* BRGPU_FW_FEATURE_* */
    uint32_t dies;        /* dies with sensors */
    uint32_t bad_page_capacity;
    uint32_t core_mhz_min; /* range of the core clock */
    uint32_t core_mhz_max;
    uint32_t memory_mhz;
    uint32_t power_limit_min_mw; /* range of the power limit, whole card */
    uint32_t power_limit_max_mw;
    uint32_t throttle_millidegrees; /* core temperature at which clocks are lowered */
    uint32_t trip_millidegrees;     /* core temperature at which the engines are stopped */
    uint16_t heartbeat_min_ms; /* range of the heartbeat period */
    uint16_t heartbeat_max_ms;
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_capabilities_response, 48);

#define BRGPU_FW_FEATURE_SENSORS (BRGPU_U64(1) << 0)
#define BRGPU_FW_FEATURE_POWER (BRGPU_U64(1) << 1)     /* GET_POWER, SET_POWER */
#define BRGPU_FW_FEATURE_RAS (BRGPU_U64(1) << 2)       /* GET_RAS, notifications RAS */
#define BRGPU_FW_FEATURE_BAD_PAGES (BRGPU_U64(1) << 3) /* bad-page table that outlives resets */

struct brgpu_mbox_sensors_request {
    uint32_t die; /* 0..dies - 1 */
};
struct brgpu_mbox_sensors_response {
    int32_t core_millidegrees; /* Celsius */
    int32_t memory_millidegrees;
    uint32_t power_mw;         /* of this die */
    uint32_t core_millivolts;
    uint32_t core_mhz;         /* as running */
    uint32_t memory_mhz;
    uint32_t busy_permille;    /* engines' share of time, over the last heartbeat period */
    uint32_t throttle;         /* BRGPU_FW_THROTTLE_* that hold the clocks now */
    uint64_t energy_uj;        /* of this die since the firmware started, microjoule */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_sensors_request, 4);
BRGPU_ASSERT_SIZE(struct brgpu_mbox_sensors_response, 40);

#define BRGPU_FW_THROTTLE_THERMAL (1u << 0)
#define BRGPU_FW_THROTTLE_POWER (1u << 1)
#define BRGPU_FW_THROTTLE_TRIPPED (1u << 2) /* engines stopped, until the firmware is started again */

enum brgpu_fw_power_state {
    BRGPU_FW_POWER_AUTO = 0, /* idle clock when nothing runs, highest allowed when something does */
    BRGPU_FW_POWER_LOW = 1,  /* lowest clock always */
    BRGPU_FW_POWER_HIGH = 2, /* highest allowed always */
};

/* GET_POWER has no request payload; it and SET_POWER answer with this. */
struct brgpu_mbox_power {
    uint32_t set;          /* SET_POWER: BRGPU_FW_SET_* of the fields to change; GET_POWER: 0 */
    uint32_t state;        /* enum brgpu_fw_power_state */
    uint32_t core_mhz_min; /* allowed clock range, within that of GET_CAPABILITIES */
    uint32_t core_mhz_max;
    uint32_t power_limit_mw;
    uint32_t core_mhz;     /* as running; ignored by SET_POWER */
    uint32_t throttle;     /* BRGPU_FW_THROTTLE_*; ignored by SET_POWER */
    uint32_t pad;          /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_power, 32);

#define BRGPU_FW_SET_STATE (1u << 0)
#define BRGPU_FW_SET_CORE_MHZ (1u << 1) /* both ends of the range */
#define BRGPU_FW_SET_POWER_LIMIT (1u << 2)

/* GET_RAS has no request payload. */
struct brgpu_mbox_ras_response {
    uint64_t corrected;     /* VRAM errors since the firmware started */
    uint64_t uncorrected;
    uint64_t last_address;  /* VRAM address of the last uncorrected error; all-ones: none */
    uint32_t lost;          /* errors that came faster than the firmware could record their address */
    uint32_t bad_pages;     /* entries of the bad-page table */
    uint32_t log_dropped;   /* log lines that did not fit their limit and were cut */
    uint32_t mbox_resyncs;  /* times that mailbox indices were out of range */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_ras_response, 40);

struct brgpu_mbox_bad_pages_request {
    uint32_t first; /* index of the first entry wanted; beyond the table gives count 0 */
};
#define BRGPU_MBOX_BAD_PAGES_PER_MESSAGE 5u
struct brgpu_mbox_bad_pages_response {
    uint32_t total; /* entries of the table */
    uint32_t count; /* entries in this message */
    uint64_t address[BRGPU_MBOX_BAD_PAGES_PER_MESSAGE]; /* VRAM addresses, 4 KiB aligned, ascending over the table */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_bad_pages_request, 4);
BRGPU_ASSERT_SIZE(struct brgpu_mbox_bad_pages_response, 48);

/* RETIRE_PAGE: idempotent; a page is in the table once. RANGE outside VRAM, FULL without room. */
struct brgpu_mbox_retire_page_request {
    uint64_t address; /* any VRAM address in the page */
};
struct brgpu_mbox_retire_page_response {
    uint32_t total;
    uint32_t added; /* 1, or 0 when it was there */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_retire_page_request, 8);
BRGPU_ASSERT_SIZE(struct brgpu_mbox_retire_page_response, 8);

/* HEARTBEAT_CONFIG: the response says the period in force; HEARTBEAT_MS becomes 5 periods. */
struct brgpu_mbox_heartbeat_config {
    uint32_t period_ms; /* in the range of GET_CAPABILITIES */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_heartbeat_config, 4);

enum brgpu_fw_log_level {
    BRGPU_FW_LOG_ERROR = 0,
    BRGPU_FW_LOG_WARNING = 1,
    BRGPU_FW_LOG_INFO = 2, /* default */
    BRGPU_FW_LOG_DEBUG = 3,
};
/* SET_LOG_LEVEL: the response says the level before. */
struct brgpu_mbox_log_level {
    uint32_t level; /* enum brgpu_fw_log_level */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_log_level, 4);

/*
 * RESET_PREPARE: the driver is about to write RESET. The firmware finishes what it keeps beyond the
 * reset, answers, and then changes nothing more (SET_POWER, RETIRE_PAGE: BUSY) until the reset comes, for
 * at most BRGPU_FW_RESET_PREPARE_MS. After a RESET_ENGINE it goes on; after a RESET_DEVICE it is gone.
 */
struct brgpu_mbox_reset_prepare_request {
    uint32_t kind; /* BRGPU_RESET_ENGINE or BRGPU_RESET_DEVICE (regs.h) */
};
BRGPU_ASSERT_SIZE(struct brgpu_mbox_reset_prepare_request, 4);
#define BRGPU_FW_RESET_PREPARE_MS 1000u

/* ------------------------------------------------------------------------------------------------
 * Notifications: info of an event record FW_NOTIFY. Like every event a hint: the truth is asked for.
 */
enum brgpu_fw_notify {
    BRGPU_FW_NOTIFY_THROTTLE = 1,    /* data0: BRGPU_FW_THROTTLE_* now; data1: core clock, MHz */
    BRGPU_FW_NOTIFY_THERMAL = 2,     /* data0: millidegrees; data1: die. At the throttle and at the trip temperature */
    BRGPU_FW_NOTIFY_RAS = 3,         /* data0: VRAM address; data1: 0 corrected, 1 uncorrected */
    BRGPU_FW_NOTIFY_BAD_PAGE = 4,    /* data0: VRAM address retired; data1: entries of the table */
    BRGPU_FW_NOTIFY_CRASH = 5,       /* data0: pc; data1: cause. The crash record is filled */
    BRGPU_FW_NOTIFY_MBOX_RESYNC = 6, /* data0: 0 requests, 1 responses; data1: times so far */
    BRGPU_FW_NOTIFY_STARTED = 7,     /* the firmware serves its mailbox; data0: FW_VERSION */
};

/* ------------------------------------------------------------------------------------------------
 * Log: a ring of BRGPU_FW_LOG_BYTES of ASCII lines, each "<seconds>.<microseconds> <E|W|I|D> text\n".
 * LOG_WRITTEN counts bytes ever written; byte n stands at n mod LOG_BYTES. The text before
 * LOG_WRITTEN - LOG_BYTES is gone; a reader that copied drops what was overwritten meanwhile.
 * It outlives a crash and a device reset, for a look at what happened; a new start goes on after it.
 *
 * Heartbeat: HEARTBEAT counts every period, 100 ms unless configured. A driver that sees no change for
 * HEARTBEAT_MS takes the firmware for dead. HEARTBEAT_MS is 0 while no firmware runs.
 *
 * STATUS.READY outlives a crash, and a start after it: work that runs goes on. A halt and a device reset clear it.
 */
#define BRGPU_FW_HEARTBEAT_DEFAULT_MS 100u
#define BRGPU_FW_HEARTBEAT_MISSED 5u /* HEARTBEAT_MS in periods */
#define BRGPU_FW_LOG_LINE_BYTES 160u /* longest line with its newline; longer ones are cut */

/* ------------------------------------------------------------------------------------------------
 * Crash record, at BRGPU_FW_CRASH: valid while CRASH_VALID is 1; outlives a device reset, and is
 * cleared by the next start. Written by the trap handler, or by the hardware where none could run.
 */
#define BRGPU_FW_CRASH_MAGIC 0x48534352u /* "RCSH" */
#define BRGPU_FW_CRASH_VERSION 1u
#define BRGPU_FW_CRASH_STACK_WORDS 32u

/* cause: mcause of the trap, or one of these */
#define BRGPU_FW_CAUSE_WATCHDOG 0x80000100u /* no kick in time */
#define BRGPU_FW_CAUSE_DOUBLE 0x80000101u   /* a trap inside the trap handler, or with no handler set */
#define BRGPU_FW_CAUSE_PANIC 0x80000102u    /* the firmware gave up; text says why */

struct brgpu_fw_crash {
    uint32_t magic;   /* BRGPU_FW_CRASH_MAGIC */
    uint16_t version; /* BRGPU_FW_CRASH_VERSION */
    uint16_t bytes;   /* sizeof(struct brgpu_fw_crash) */
    uint32_t cause;
    uint32_t pc;
    uint32_t tval;         /* mtval: faulting address or instruction */
    uint32_t status;       /* mstatus */
    uint32_t fw_version;
    uint32_t heartbeat;    /* HEARTBEAT when it happened */
    uint64_t uptime_ns;    /* since the firmware started */
    uint32_t last_message; /* type of the last mailbox request taken; 0 none */
    uint32_t requests;     /* mailbox requests taken */
    uint32_t registers[32];                     /* x0..x31 */
    uint32_t stack[BRGPU_FW_CRASH_STACK_WORDS]; /* from sp upward; 0 beyond the stack's end */
    char text[96];                              /* what the firmware has to say, zero-terminated */
    char build_id[32];
    uint8_t reserved[80]; /* zero */
};
BRGPU_ASSERT_SIZE(struct brgpu_fw_crash, 512);
BRGPU_ASSERT_OFFSET(struct brgpu_fw_crash, registers, 48);

#endif /* BRGPU_HW_FIRMWARE_H */
