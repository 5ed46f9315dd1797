/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BRGPU_WAIT_MEM_H
#define BRGPU_WAIT_MEM_H

struct drm_device;
struct drm_file;

int brgpu_wait_mem_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* BRGPU_WAIT_MEM_H */
