/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Firmware images as the driver sees them: it reads the header before the boot ROM does, to say in
 * words why an image will not do, and to refuse one whose mailbox it could not speak. It does not
 * verify signatures: that is the boot ROM's business, whatever the driver thinks.
 */
#ifndef BRGPU_CORE_FW_H
#define BRGPU_CORE_FW_H

#include "brgpu_core.h"

#include <brgpu/hw/firmware.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an image has to fit. Versions are major << 16 | minor, ranges inclusive. */
struct brgpu_core_fw_card {
	uint32_t product;
	uint32_t contract;	/* register CONTRACT */
	uint32_t rollback;	/* register FW_ROLLBACK */
	uint32_t mailbox_min;	/* what the driver speaks */
	uint32_t mailbox_max;
};

/* What a header says; filled as far as the image has one, also where it is refused. */
struct brgpu_core_fw_info {
	uint32_t version;	/* BRGPU_FW_VERSION_MAKE */
	uint32_t mailbox_min;
	uint32_t mailbox_max;
	uint16_t contract_major_min;
	uint16_t contract_major_max;
	uint32_t rollback;
	uint32_t image_bytes;	/* header and payload; what follows in the file does not count */
	char build_id[33];	/* printable, zero-terminated; empty when it was not printable */
};

/*
 * Checks an image of `bytes` bytes. -EBADMSG: not an image, truncated, or malformed; -ENODEV: for
 * other products; -EPROTONOSUPPORT: contract or mailbox out of range; -EPERM: older than the card
 * accepts.
 */
int brgpu_core_fw_check(struct brgpu_core_fw_info *info, const void *image, size_t bytes,
			const struct brgpu_core_fw_card *card, const char **why);

/* The highest version in both ranges; -EPROTONOSUPPORT when there is none, or a range is empty. */
int brgpu_core_fw_negotiate(uint32_t min_a, uint32_t max_a, uint32_t min_b, uint32_t max_b,
			    uint32_t *agreed);

/* Register BOOT_ERROR as text and as an errno; any value is allowed. */
const char *brgpu_core_fw_boot_error_text(uint32_t error);
int brgpu_core_fw_boot_errno(uint32_t error);

/* Register BOOT_STATE, a crash record's cause, and a notification as text. */
const char *brgpu_core_fw_boot_state_text(uint32_t state);
const char *brgpu_core_fw_cause_text(uint32_t cause);
const char *brgpu_core_fw_notify_text(uint32_t notify);

/*
 * Checks a crash record that was copied out of the window, and terminates its text; a build id that
 * is not printable is blanked. -EBADMSG: no record of a version that this driver knows.
 */
int brgpu_core_fw_check_crash(struct brgpu_fw_crash *crash, const char **why);

/*
 * What of the log ring is new to a reader: with LOG_WRITTEN and the count that it has seen before,
 * the first byte still there (a count, to be taken modulo BRGPU_FW_LOG_BYTES) and how many follow.
 * The text may be overwritten while it is copied: call again afterwards with the new LOG_WRITTEN
 * and drop what is before the new *first.
 */
void brgpu_core_fw_log_range(uint32_t written, uint32_t seen, uint32_t *first, uint32_t *bytes);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_FW_H */
