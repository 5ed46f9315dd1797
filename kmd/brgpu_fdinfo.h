/* SPDX-License-Identifier: GPL-2.0 */
/* What an open file uses, for /proc/PID/fdinfo/FD. */
#ifndef BRGPU_FDINFO_H
#define BRGPU_FDINFO_H

struct drm_file;
struct drm_printer;

void brgpu_fdinfo_show(struct drm_printer *p, struct drm_file *file);

#endif /* BRGPU_FDINFO_H */
