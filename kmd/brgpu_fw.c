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
 * genuine is the boot ROM's affair alone. A card whose firmware is running already (its last driver
 * died) is halted and started anew, so that every probe begins in the same state.
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

static int fw_boot(struct brgpu_device *brgpu, const char *name, const struct firmware *image)
{
	struct device *dev = brgpu->drm.dev;
	dma_addr_t dma;
	u32 state, error, status;
	void *cpu;
	int ret;

	cpu = dma_alloc_coherent(dev, image->size, &dma, GFP_KERNEL);
	if (!cpu)
		return -ENOMEM;
	memcpy(cpu, image->data, image->size);

	brgpu_write64(brgpu, BRGPU_REG_FW_ADDRESS, brgpu_vm0_system(dma));
	brgpu_write32(brgpu, BRGPU_REG_FW_BYTES, image->size);
	brgpu_write32(brgpu, BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
	ret = read_poll_timeout(brgpu_read32, state, fw_boot_has_ended(state), 1000,
				FW_CHECK_TIMEOUT_MS * 1000, false, brgpu, BRGPU_REG_BOOT_STATE);
	if (ret) {
		drm_err(&brgpu->drm, "%s: the boot ROM does not finish (state %s)\n", name,
			brgpu_core_fw_boot_state_text(state));
		/* It may still read the image: stop it first. */
		brgpu_write32(brgpu, BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_HALT);
		brgpu_read32(brgpu, BRGPU_REG_BOOT_STATE);
		goto free;
	}
	if (state == BRGPU_BOOT_STATE_REFUSED) {
		error = brgpu_read32(brgpu, BRGPU_REG_BOOT_ERROR);
		drm_err(&brgpu->drm, "%s: the card refuses the firmware: %s\n", name,
			brgpu_core_fw_boot_error_text(error));
		ret = brgpu_core_fw_boot_errno(error);
		if (!ret)
			ret = -EIO;
		goto free;
	}
	if (state != BRGPU_BOOT_STATE_RUNNING) {
		drm_err(&brgpu->drm, "%s: the firmware is not running after its start (state %s)\n",
			name, brgpu_core_fw_boot_state_text(state));
		brgpu_fw_report_crash(brgpu);
		ret = -EIO;
		goto free;
	}

	ret = read_poll_timeout(brgpu_read32, status, status & BRGPU_STATUS_READY, 1000,
				FW_READY_TIMEOUT_MS * 1000, false, brgpu, BRGPU_REG_STATUS);
	if (ret) {
		drm_err(&brgpu->drm,
			"%s: the firmware runs but does not release the engines (status 0x%x)\n",
			name, status);
		brgpu_fw_report_crash(brgpu);
	}
free:
	dma_free_coherent(dev, image->size, cpu, dma);
	return ret;
}

int brgpu_fw_start(struct brgpu_device *brgpu)
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
	char name[32], version[16];
	const char *why = "";
	int ret;

	snprintf(name, sizeof(name), "brgpu/br%03x.fw", brgpu->ident.product & 0xfff);
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

	brgpu_fw_halt(brgpu);
	ret = fw_boot(brgpu, name, image);
	if (ret)
		goto release;
	ret = brgpu_mbox_hello(brgpu, &fw->mailbox);
	if (ret) {
		brgpu_fw_halt(brgpu);
		goto release;
	}

	fw->version = brgpu_read32(brgpu, BRGPU_REG_FW_VERSION);
	fw_format_version(version, sizeof(version), fw->version);
	strscpy(fw->build, info.build_id, sizeof(fw->build));
	drm_info(&brgpu->drm, "firmware %s %s (%s), mailbox %u.%u\n", name, version, fw->build,
		 BRGPU_MBOX_VERSION_MAJOR(fw->mailbox), BRGPU_MBOX_VERSION_MINOR(fw->mailbox));
release:
	release_firmware(image);
	return ret;
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

void brgpu_fw_report_crash(struct brgpu_device *brgpu)
{
	struct brgpu_fw_crash *crash;
	const char *why = "";

	if (brgpu_read32(brgpu, BRGPU_REG_CRASH_VALID) != 1)
		return;
	crash = kzalloc(sizeof(*crash), GFP_KERNEL);
	if (!crash)
		return;
	fw_read_shared(brgpu, BRGPU_FW_CRASH, crash, sizeof(*crash));
	if (brgpu_core_fw_check_crash(crash, &why))
		drm_err(&brgpu->drm, "firmware crash record: %s\n", why);
	else
		drm_err(&brgpu->drm,
			"firmware crashed: %s, pc 0x%x, tval 0x%x, last message %u: %s\n",
			brgpu_core_fw_cause_text(crash->cause), crash->pc, crash->tval,
			crash->last_message, crash->text);
	kfree(crash);
}

void brgpu_fw_show_log(struct brgpu_device *brgpu, struct seq_file *m)
{
	u32 first, bytes, start, left, i;
	char *text;

	text = kzalloc(BRGPU_FW_LOG_BYTES, GFP_KERNEL);
	if (!text)
		return;
	brgpu_core_fw_log_range(brgpu_read32(brgpu, BRGPU_REG_LOG_WRITTEN), 0, &first, &bytes);
	fw_read_shared(brgpu, BRGPU_FW_LOG, text, BRGPU_FW_LOG_BYTES);
	/* What was overwritten while it was copied is dropped. */
	brgpu_core_fw_log_range(brgpu_read32(brgpu, BRGPU_REG_LOG_WRITTEN), first, &start, &left);
	if (start - first < bytes) {
		bytes -= start - first;
		for (i = 0; i < bytes; i++)
			seq_putc(m, text[(start + i) % BRGPU_FW_LOG_BYTES]);
	}
	kfree(text);
}

MODULE_FIRMWARE("brgpu/br106.fw");
MODULE_FIRMWARE("brgpu/br110.fw");
MODULE_FIRMWARE("brgpu/br166.fw");
