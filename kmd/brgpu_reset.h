/* SPDX-License-Identifier: GPL-2.0 */
/* Engine resets. */
#ifndef BRGPU_RESET_H
#define BRGPU_RESET_H

struct brgpu_device;
struct brgpu_hwq;

/*
 * Resets the engines because `guilty` could not be stopped otherwise: all other queues are lost.
 * The caller holds reset_lock, is within drm_dev_enter(), and finishes `guilty` itself.
 */
void brgpu_reset_engines(struct brgpu_device *brgpu, struct brgpu_hwq *guilty);
/* Stops every queue in software: the hardware is gone or beyond help. Holds reset_lock. */
void brgpu_reset_fail_queues(struct brgpu_device *brgpu, struct brgpu_hwq *but, int fence_error);

#endif /* BRGPU_RESET_H */
