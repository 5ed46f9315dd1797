/* SPDX-License-Identifier: GPL-2.0 */
/* Loading and watching the management controller's firmware. */
#ifndef BRGPU_FW_H
#define BRGPU_FW_H

#include <linux/types.h>

struct brgpu_device;
struct seq_file;

struct brgpu_fw {
	u32 version;	/* major << 24 | minor << 16 | patch */
	u32 mailbox;	/* agreed protocol, major << 16 | minor */
	char build[64];
};

/* Brings the firmware from whatever state to serving its mailbox; says why when it can't. */
int brgpu_fw_start(struct brgpu_device *brgpu);
void brgpu_fw_halt(struct brgpu_device *brgpu);
/* Prints the log ring to a debugfs file. */
void brgpu_fw_show_log(struct brgpu_device *brgpu, struct seq_file *m);
/* Prints the crash record, when there is one, to the kernel's log. */
void brgpu_fw_report_crash(struct brgpu_device *brgpu);

#endif /* BRGPU_FW_H */
