/* SPDX-License-Identifier: GPL-2.0 */
/* Loading and watching the management controller's firmware. */
#ifndef BRGPU_FW_H
#define BRGPU_FW_H

#include <linux/types.h>

#include <brgpu/hw/firmware.h>
#include <brgpu/hw/regs.h>

struct brgpu_device;
struct seq_file;

struct brgpu_fw {
	u32 version;	/* major << 24 | minor << 16 | patch */
	u32 mailbox;	/* agreed protocol, major << 16 | minor */
	char build[64];
	char name[32];
	/* The image, checked: a reset starts it again, and reads no file then. */
	void *image;
	dma_addr_t image_dma;
	size_t image_bytes;
	char log[BRGPU_FW_LOG_BYTES];	/* a copy of the log ring; under reset_lock */
};

/* Reads and checks the image; says why when it is no good. */
int brgpu_fw_load(struct brgpu_device *brgpu);
void brgpu_fw_unload(struct brgpu_device *brgpu);
/*
 * Brings the firmware from whatever state to serving its mailbox; says why when it can't. Allocates
 * nothing.
 */
int brgpu_fw_start(struct brgpu_device *brgpu);
void brgpu_fw_halt(struct brgpu_device *brgpu);
/* Copies up to BRGPU_FW_LOG_BYTES of the log, oldest first; under reset_lock. */
size_t brgpu_fw_read_log(struct brgpu_device *brgpu, char *text);
void brgpu_fw_read_crash(struct brgpu_device *brgpu, struct brgpu_fw_crash *crash);
/* Prints the log ring to a debugfs file. */
void brgpu_fw_show_log(struct brgpu_device *brgpu, struct seq_file *m);
/* Prints the crash record, when there is one, to the kernel's log. */
void brgpu_fw_report_crash(struct brgpu_device *brgpu);

#endif /* BRGPU_FW_H */
