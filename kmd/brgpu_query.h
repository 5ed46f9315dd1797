/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BRGPU_QUERY_H
#define BRGPU_QUERY_H

struct drm_device;
struct drm_file;

int brgpu_query_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* BRGPU_QUERY_H */
