// SPDX-License-Identifier: GPL-2.0
#include <linux/dma-mapping.h>
#include <linux/firmware.h>
#include <linux/iopoll.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "brgpu_core_fw.h"
#include "brgpu_device.h"
#include "brgpu_fw.h"

/**
 * DOC: firmware
 *
 * The driver reads the image's header to say in words what does not fit; whether the image is
 * genuine is the boot ROM's affair alone. The image is kept: after a reset the firmware is started
 * again, when no memory may be allocated and no file read. A card whose firmware is running already
 * (its last driver died) is halted and started anew, so that every probe begins in the same state.
 */

/* The boot ROM verifies a signature, maybe under an emulator on a busy machine. */
#define FW_CHECK_TIMEOUT_MS	20000
#define FW_READY_TIMEOUT_MS	10000

static void fw_format_version(char *text, size_t size, u32 version)
{
	snprintf(text, size, "%u.%u.%u", BRGPU_FW_VERSION_MAJOR(version),
		 BRGPU_FW_VERSION_MINOR(version), BRGPU_FW_VERSION_PATCH(version));
}

static bool fw_boot_has_ended(u32 state)
{
	return state != BRGPU_BOOT_STATE_CHECKING && state != BRGPU_BOOT_STATE_OFF &&
	       state != BRGPU_BOOT_STATE_HALTED;
}

static int fw_boot(struct brgpu_device *brgpu)
{
	const struct brgpu_fw *fw = &brgpu->fw;
	const char *name = fw->name;
	u32 state, error, status;
	int ret;

	brgpu_write64(brgpu, BRGPU_REG_FW_ADDRESS, brgpu_vm0_system(fw->image_dma));
	brgpu_write32(brgpu, BRGPU_REG_FW_BYTES, fw->image_bytes);
	brgpu_write32(brgpu, BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
	ret = read_poll_timeout(brgpu_read32, state, fw_boot_has_ended(state), 1000,
				FW_CHECK_TIMEOUT_MS * 1000, false, brgpu, BRGPU_REG_BOOT_STATE);
	if (ret) {
		drm_err(&brgpu->drm, "%s: the boot ROM does not finish (state %s)\n", name,
			brgpu_core_fw_boot_state_text(state));
		/* It may still read the image: stop it first. */
		brgpu_write32(brgpu, BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_HALT);
		brgpu_read32(brgpu, BRGPU_REG_BOOT_STATE);
		return ret;
	}
	if (state == BRGPU_BOOT_STATE_REFUSED) {
		error = brgpu_read32(brgpu, BRGPU_REG_BOOT_ERROR);
		drm_err(&brgpu->drm, "%s: the card refuses the firmware: %s\n", name,
			brgpu_core_fw_boot_error_text(error));
		ret = brgpu_core_fw_boot_errno(error);
		return ret ?: -EIO;
	}
	if (state != BRGPU_BOOT_STATE_RUNNING) {
		drm_err(&brgpu->drm, "%s: the firmware is not running after its start (state %s)\n",
			name, brgpu_core_fw_boot_state_text(state));
		brgpu_fw_report_crash(brgpu);
		return -EIO;
	}

	ret = read_poll_timeout(brgpu_read32, status, status & BRGPU_STATUS_READY, 1000,
				FW_READY_TIMEOUT_MS * 1000, false, brgpu, BRGPU_REG_STATUS);
	if (ret) {
		drm_err(&brgpu->drm,
			"%s: the firmware runs but does not release the engines (status 0x%x)\n",
			name, status);
		brgpu_fw_report_crash(brgpu);
	}
	return ret;
}

int brgpu_fw_load(struct brgpu_device *brgpu)
{
	const struct brgpu_core_fw_card card = {
		.product = brgpu->ident.product,
		.contract = brgpu->ident.contract,
		.rollback = brgpu_read32(brgpu, BRGPU_REG_FW_ROLLBACK),
		.mailbox_min = BRGPU_MBOX_DRIVER_MIN,
		.mailbox_max = BRGPU_MBOX_DRIVER_MAX,
	};
	struct brgpu_fw *fw = &brgpu->fw;
	struct brgpu_core_fw_info info;
	const struct firmware *image;
	const char *name = fw->name, *why = "";
	char version[16];
	int ret;

	snprintf(fw->name, sizeof(fw->name), "brgpu/br%03x.fw", brgpu->ident.product & 0xfff);
	ret = request_firmware(&image, name, brgpu->drm.dev);
	if (ret) {
		drm_err(&brgpu->drm, "firmware %s: %pe: install brgpu-firmware\n", name,
			ERR_PTR(ret));
		return ret;
	}
	ret = brgpu_core_fw_check(&info, image->data, image->size, &card, &why);
	fw_format_version(version, sizeof(version), info.version);
	if (ret == -EPROTONOSUPPORT) {
		drm_err(&brgpu->drm,
			"firmware %s %s speaks mailbox %u.%u to %u.%u and contracts %u to %u, this driver mailbox %u.0 to %u.x, this card contract %u: %s\n",
			name, version, BRGPU_MBOX_VERSION_MAJOR(info.mailbox_min),
			BRGPU_MBOX_VERSION_MINOR(info.mailbox_min),
			BRGPU_MBOX_VERSION_MAJOR(info.mailbox_max),
			BRGPU_MBOX_VERSION_MINOR(info.mailbox_max), info.contract_major_min,
			info.contract_major_max, BRGPU_MBOX_VERSION_MAJOR(BRGPU_MBOX_DRIVER_MIN),
			BRGPU_MBOX_VERSION_MAJOR(BRGPU_MBOX_DRIVER_MAX), card.contract >> 16, why);
	} else if (ret) {
		drm_err(&brgpu->drm,
			"firmware %s: %s (%pe): install brgpu-firmware for this card\n", name, why,
			ERR_PTR(ret));
	}
	if (ret)
		goto release;

	fw->image = dma_alloc_coherent(brgpu->drm.dev, image->size, &fw->image_dma, GFP_KERNEL);
	if (!fw->image) {
		ret = -ENOMEM;
		goto release;
	}
	memcpy(fw->image, image->data, image->size);
	fw->image_bytes = image->size;
	strscpy(fw->build, info.build_id, sizeof(fw->build));
release:
	release_firmware(image);
	return ret;
}

void brgpu_fw_unload(struct brgpu_device *brgpu)
{
	struct brgpu_fw *fw = &brgpu->fw;

	if (fw->image)
		dma_free_coherent(brgpu->drm.dev, fw->image_bytes, fw->image, fw->image_dma);
	fw->image = NULL;
}

int brgpu_fw_start(struct brgpu_device *brgpu)
{
	struct brgpu_fw *fw = &brgpu->fw;
	char version[16];
	int ret;

	brgpu_fw_halt(brgpu);
	ret = fw_boot(brgpu);
	if (ret)
		return ret;
	ret = brgpu_mbox_hello(brgpu, &fw->mailbox);
	if (ret) {
		brgpu_fw_halt(brgpu);
		return ret;
	}
	fw->version = brgpu_read32(brgpu, BRGPU_REG_FW_VERSION);
	fw_format_version(version, sizeof(version), fw->version);
	drm_info(&brgpu->drm, "firmware %s %s (%s), mailbox %u.%u\n", fw->name, version, fw->build,
		 BRGPU_MBOX_VERSION_MAJOR(fw->mailbox), BRGPU_MBOX_VERSION_MINOR(fw->mailbox));
	return 0;
}

void brgpu_fw_halt(struct brgpu_device *brgpu)
{
	u32 state = brgpu_read32(brgpu, BRGPU_REG_BOOT_STATE);

	if (state != BRGPU_BOOT_STATE_RUNNING && state != BRGPU_BOOT_STATE_CHECKING)
		return;
	brgpu_write32(brgpu, BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_HALT);
	if (read_poll_timeout(brgpu_read32, state,
			      state != BRGPU_BOOT_STATE_RUNNING &&
				      state != BRGPU_BOOT_STATE_CHECKING,
			      1000, FW_READY_TIMEOUT_MS * 1000, false, brgpu, BRGPU_REG_BOOT_STATE))
		drm_warn(&brgpu->drm, "the firmware does not halt\n");
}

static void fw_read_shared(struct brgpu_device *brgpu, u32 offset, void *out, size_t bytes)
{
	u32 *words = out;
	size_t i;

	for (i = 0; i < bytes / 4; i++)
		words[i] = brgpu_read32(brgpu, offset + i * 4);
}

void brgpu_fw_read_crash(struct brgpu_device *brgpu, struct brgpu_fw_crash *crash)
{
	fw_read_shared(brgpu, BRGPU_FW_CRASH, crash, sizeof(*crash));
}

void brgpu_fw_report_crash(struct brgpu_device *brgpu)
{
	struct brgpu_fw_crash *crash;
	const char *why = "";

	if (brgpu_read32(brgpu, BRGPU_REG_CRASH_VALID) != 1)
		return;
	/* Resets come here, and may not wait for memory. */
	crash = kzalloc(sizeof(*crash), GFP_NOWAIT | __GFP_NOWARN);
	if (!crash) {
		drm_err(&brgpu->drm, "firmware crashed, and there is no memory to read why\n");
		return;
	}
	brgpu_fw_read_crash(brgpu, crash);
	if (brgpu_core_fw_check_crash(crash, &why))
		drm_err(&brgpu->drm, "firmware crash record: %s\n", why);
	else
		drm_err(&brgpu->drm,
			"firmware crashed: %s, pc 0x%x, tval 0x%x, last message %u: %s\n",
			brgpu_core_fw_cause_text(crash->cause), crash->pc, crash->tval,
			crash->last_message, crash->text);
	kfree(crash);
}

size_t brgpu_fw_read_log(struct brgpu_device *brgpu, char *text)
{
	u32 first, bytes, start, left, shift;
	char *ring = brgpu->fw.log;

	brgpu_core_fw_log_range(brgpu_read32(brgpu, BRGPU_REG_LOG_WRITTEN), 0, &first, &bytes);
	fw_read_shared(brgpu, BRGPU_FW_LOG, ring, BRGPU_FW_LOG_BYTES);
	/* What was overwritten while it was copied is dropped. */
	brgpu_core_fw_log_range(brgpu_read32(brgpu, BRGPU_REG_LOG_WRITTEN), first, &start, &left);
	if (start - first >= bytes)
		return 0;
	bytes -= start - first;
	shift = start % BRGPU_FW_LOG_BYTES;
	left = min_t(u32, bytes, BRGPU_FW_LOG_BYTES - shift);
	memcpy(text, ring + shift, left);
	memcpy(text + left, ring, bytes - left);
	return bytes;
}

void brgpu_fw_show_log(struct brgpu_device *brgpu, struct seq_file *m)
{
	char *text = kmalloc(BRGPU_FW_LOG_BYTES, GFP_KERNEL);
	size_t bytes;

	if (!text)
		return;
	mutex_lock(&brgpu->reset_lock);
	bytes = brgpu_fw_read_log(brgpu, text);
	mutex_unlock(&brgpu->reset_lock);
	seq_write(m, text, bytes);
	kfree(text);
}

MODULE_FIRMWARE("brgpu/br106.fw");
MODULE_FIRMWARE("brgpu/br110.fw");
MODULE_FIRMWARE("brgpu/br166.fw");
