/* SPDX-License-Identifier: GPL-2.0 */
/* Resets, from the engines to the function. */
#ifndef BRGPU_RESET_H
#define BRGPU_RESET_H

#include <linux/types.h>

struct brgpu_device;
struct brgpu_hwq;

/* What is reset; a rung above takes more with it. Below all of them: the kill of one queue. */
enum brgpu_reset_rung {
	BRGPU_RESET_RUNG_NONE,
	BRGPU_RESET_RUNG_ENGINES,	/* work of all queues */
	BRGPU_RESET_RUNG_DEVICE,	/* and firmware, VM contexts, event rings: all but VRAM */
	BRGPU_RESET_RUNG_FUNCTION,	/* and VRAM */
};

void brgpu_reset_init(struct brgpu_device *brgpu);
/*
 * Climbs from `rung` until the card works again, or wedges it. `guilty` (or NULL) could not be
 * stopped otherwise, and is finished by the caller, who holds reset_lock and is within
 * drm_dev_enter(). Allocates nothing.
 */
void brgpu_reset_card(struct brgpu_device *brgpu, enum brgpu_reset_rung rung,
		      struct brgpu_hwq *guilty, const char *why);
/* The same, soon, by a work. Any context. `why` is a literal. */
void brgpu_reset_request(struct brgpu_device *brgpu, enum brgpu_reset_rung rung, const char *why);

/*
 * Around a reset or a sleep that comes from elsewhere: prepare keeps the driver away from the card
 * and may be called when it is away already; done brings the card up again, whatever its state, or
 * wedges it (-EIO). Nobody resets it in between. `vram_lost`: VRAM may have been cleared.
 */
void brgpu_reset_prepare(struct brgpu_device *brgpu);
int brgpu_reset_done(struct brgpu_device *brgpu, bool vram_lost);
/* True while the card is reset by the driver itself, in the caller's thread. */
bool brgpu_reset_is_own(struct brgpu_device *brgpu);
/* Waits for the end of a reset; false: it takes too long, or the card is asleep. */
bool brgpu_reset_wait(struct brgpu_device *brgpu);

/* Stops every queue in software: the hardware is gone or beyond help. Holds reset_lock. */
void brgpu_reset_fail_queues(struct brgpu_device *brgpu, int fence_error);
/* Tells user space (udev) by the event that drm_dev_wedged_event() sends, on every kernel. */
void brgpu_reset_tell(struct brgpu_device *brgpu, bool recovered);

#endif /* BRGPU_RESET_H */
