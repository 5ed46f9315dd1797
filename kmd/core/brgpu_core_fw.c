// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_fw.h"

#include <brgpu/hw/controller.h>
#include <brgpu/hw/regs.h>

static bool is_zero(const uint8_t *bytes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Printable characters, then zeros only. */
static bool copy_build_id(char *to, const char *from, size_t count)
{
	size_t i;
	bool ended = false;

	for (i = 0; i < count; i++) {
		if (!from[i])
			ended = true;
		else if (ended || from[i] < ' ' || from[i] > '~')
			break;
		to[i] = from[i];
	}
	if (i < count)
		to[0] = '\0';
	to[count] = '\0';
	return i == count;
}

static bool has_product(const struct brgpu_fw_header *header, uint32_t product)
{
	size_t i;

	for (i = 0; i < BRGPU_FW_MAX_PRODUCTS; i++)
		if (product && header->products[i] == product)
			return true;
	return false;
}

static bool in_sram(const struct brgpu_fw_header *header)
{
	uint64_t start = header->load_address;
	uint64_t payload_end = start + header->payload_bytes;
	uint64_t end = payload_end + header->bss_bytes;

	if (header->load_address % 16 || header->payload_bytes % 4 || header->bss_bytes % 4 ||
	    header->entry % 2 || !header->payload_bytes)
		return false;
	return start >= BRGPU_CTL_SRAM && end <= (uint64_t)BRGPU_CTL_SRAM + BRGPU_CTL_SRAM_BYTES &&
	       header->entry >= start && header->entry < payload_end;
}

static int refuse(int error, const char *text, const char **why)
{
	*why = text;
	return error;
}

int brgpu_core_fw_check(struct brgpu_core_fw_info *info, const void *image, size_t bytes,
			const struct brgpu_core_fw_card *card, const char **why)
{
	struct brgpu_fw_header header;
	uint32_t contract_major = card->contract >> 16;
	uint32_t agreed;
	bool build_id_ok;

	memset(info, 0, sizeof(*info));
	*why = "";
	if (bytes < sizeof(header))
		return refuse(-EBADMSG, "shorter than a header", why);
	memcpy(&header, image, sizeof(header));
	if (header.magic != BRGPU_FW_MAGIC)
		return refuse(-EBADMSG, "not a firmware image: wrong magic", why);
	if (header.header_version != BRGPU_FW_HEADER_VERSION ||
	    header.header_bytes != BRGPU_FW_HEADER_BYTES)
		return refuse(-EBADMSG, "header version unknown", why);

	info->version = header.fw_version;
	info->mailbox_min = header.mailbox_min;
	info->mailbox_max = header.mailbox_max;
	info->contract_major_min = header.contract_major_min;
	info->contract_major_max = header.contract_major_max;
	info->rollback = header.rollback;
	build_id_ok = copy_build_id(info->build_id, header.build_id, sizeof(header.build_id));

	if (header.flags || !is_zero(header.reserved, sizeof(header.reserved)) || !build_id_ok)
		return refuse(-EBADMSG, "reserved header fields are not zero", why);
	if (!has_product(&header, card->product))
		return refuse(-ENODEV, "made for other products", why);
	if (contract_major < header.contract_major_min ||
	    contract_major > header.contract_major_max)
		return refuse(-EPROTONOSUPPORT, "made for another hardware contract", why);
	if (!BRGPU_MBOX_VERSION_MAJOR(header.mailbox_min) ||
	    header.mailbox_min > header.mailbox_max)
		return refuse(-EBADMSG, "mailbox version range is empty", why);
	if (brgpu_core_fw_negotiate(header.mailbox_min, header.mailbox_max, card->mailbox_min,
				    card->mailbox_max, &agreed))
		return refuse(-EPROTONOSUPPORT, "speaks no mailbox version that this driver speaks",
			      why);
	if (!in_sram(&header))
		return refuse(-EBADMSG, "does not fit the controller's memory", why);
	if (bytes - sizeof(header) < header.payload_bytes)
		return refuse(-EBADMSG, "truncated: shorter than its header says", why);
	info->image_bytes = BRGPU_FW_HEADER_BYTES + header.payload_bytes;
	if (header.rollback < card->rollback)
		return refuse(-EPERM, "older than the card accepts (anti-rollback counter)", why);
	return 0;
}

int brgpu_core_fw_negotiate(uint32_t min_a, uint32_t max_a, uint32_t min_b, uint32_t max_b,
			    uint32_t *agreed)
{
	uint32_t low = min_a > min_b ? min_a : min_b;
	uint32_t high = max_a < max_b ? max_a : max_b;

	*agreed = 0;
	if (low > high)
		return -EPROTONOSUPPORT;
	*agreed = high;
	return 0;
}

const char *brgpu_core_fw_boot_error_text(uint32_t error)
{
	switch (error) {
	case BRGPU_BOOT_OK:
		return "no error";
	case BRGPU_BOOT_UNREADABLE:
		return "the image could not be read from memory";
	case BRGPU_BOOT_TRUNCATED:
		return "the image is truncated";
	case BRGPU_BOOT_MAGIC:
		return "not a firmware image: wrong magic";
	case BRGPU_BOOT_HEADER_VERSION:
		return "header version unknown";
	case BRGPU_BOOT_RESERVED:
		return "reserved header fields are not zero";
	case BRGPU_BOOT_PRODUCT:
		return "made for other products";
	case BRGPU_BOOT_CONTRACT:
		return "made for another hardware contract";
	case BRGPU_BOOT_MAILBOX:
		return "mailbox version range is empty";
	case BRGPU_BOOT_BOUNDS:
		return "does not fit the controller's memory";
	case BRGPU_BOOT_KEY:
		return "signed with a key that the card does not know";
	case BRGPU_BOOT_SIGNATURE:
		return "bad signature";
	case BRGPU_BOOT_HASH:
		return "corrupt: the payload is not the one that was signed";
	case BRGPU_BOOT_ROLLBACK:
		return "older than the card accepts (anti-rollback counter)";
	default:
		return "unknown boot error";
	}
}

int brgpu_core_fw_boot_errno(uint32_t error)
{
	switch (error) {
	case BRGPU_BOOT_OK:
		return 0;
	case BRGPU_BOOT_UNREADABLE:
		return -EIO;
	case BRGPU_BOOT_PRODUCT:
		return -ENODEV;
	case BRGPU_BOOT_CONTRACT:
	case BRGPU_BOOT_MAILBOX:
		return -EPROTONOSUPPORT;
	case BRGPU_BOOT_KEY:
	case BRGPU_BOOT_SIGNATURE:
	case BRGPU_BOOT_HASH:
	case BRGPU_BOOT_ROLLBACK:
		return -EPERM;
	default:
		return -EBADMSG;
	}
}

const char *brgpu_core_fw_boot_state_text(uint32_t state)
{
	switch (state) {
	case BRGPU_BOOT_STATE_OFF:
		return "off";
	case BRGPU_BOOT_STATE_CHECKING:
		return "checking the image";
	case BRGPU_BOOT_STATE_RUNNING:
		return "running";
	case BRGPU_BOOT_STATE_REFUSED:
		return "image refused";
	case BRGPU_BOOT_STATE_CRASHED:
		return "crashed";
	case BRGPU_BOOT_STATE_HALTED:
		return "halted";
	default:
		return "unknown state";
	}
}

const char *brgpu_core_fw_cause_text(uint32_t cause)
{
	switch (cause) {
	case 1:
		return "instruction access fault";
	case 2:
		return "illegal instruction";
	case 3:
		return "breakpoint";
	case 5:
		return "load access fault";
	case 7:
		return "store access fault";
	case 11:
		return "environment call";
	case BRGPU_FW_CAUSE_WATCHDOG:
		return "watchdog";
	case BRGPU_FW_CAUSE_DOUBLE:
		return "trap without a handler";
	case BRGPU_FW_CAUSE_PANIC:
		return "panic";
	default:
		return "unknown cause";
	}
}

const char *brgpu_core_fw_notify_text(uint32_t notify)
{
	switch (notify) {
	case BRGPU_FW_NOTIFY_THROTTLE:
		return "clocks throttled or released";
	case BRGPU_FW_NOTIFY_THERMAL:
		return "temperature threshold passed";
	case BRGPU_FW_NOTIFY_RAS:
		return "memory error";
	case BRGPU_FW_NOTIFY_BAD_PAGE:
		return "memory page retired";
	case BRGPU_FW_NOTIFY_CRASH:
		return "firmware crash";
	case BRGPU_FW_NOTIFY_MBOX_RESYNC:
		return "mailbox indices out of range";
	case BRGPU_FW_NOTIFY_STARTED:
		return "firmware started";
	default:
		return "unknown notification";
	}
}

int brgpu_core_fw_check_crash(struct brgpu_fw_crash *crash, const char **why)
{
	char build_id[sizeof(crash->build_id) + 1];
	size_t i;

	*why = "";
	if (crash->magic != BRGPU_FW_CRASH_MAGIC)
		return refuse(-EBADMSG, "wrong magic", why);
	if (crash->version != BRGPU_FW_CRASH_VERSION || crash->bytes != sizeof(*crash))
		return refuse(-EBADMSG, "version or size unknown", why);
	crash->text[sizeof(crash->text) - 1] = '\0';
	for (i = 0; crash->text[i]; i++)
		if (crash->text[i] < ' ' || crash->text[i] > '~')
			crash->text[i] = '?';
	if (!copy_build_id(build_id, crash->build_id, sizeof(crash->build_id)))
		memset(crash->build_id, 0, sizeof(crash->build_id));
	return 0;
}

void brgpu_core_fw_log_range(uint32_t written, uint32_t seen, uint32_t *first, uint32_t *bytes)
{
	uint32_t count = written - seen;

	if (count > BRGPU_FW_LOG_BYTES)
		count = BRGPU_FW_LOG_BYTES;
	*first = written - count;
	*bytes = count;
}
