/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Which user queues are on the hardware when there are more of them than slots, and when one has
 * got nowhere for too long. Decisions only: every implementation of the uAPI carries them out
 * itself.
 */
#ifndef BRGPU_CORE_TURN_H
#define BRGPU_CORE_TURN_H

#include "brgpu_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * So long a queue that works stays on the hardware while others of its priority wait for a slot:
 * saving and restoring its state costs some milliseconds. And so long one that has nothing to do.
 */
#define BRGPU_CORE_TURN_NS	100000000ull
#define BRGPU_CORE_IDLE_NS	10000000ull
/* How often one looks whose turn is over. */
#define BRGPU_CORE_TURN_LOOK_MS	20

struct brgpu_core_turn {
	uint8_t priority;	/* higher goes first */
	bool idle;		/* on the hardware: has nothing to do */
	uint64_t since_ns;	/* when it got its slot, or began to wait for one */
};

/* Of two that wait: whether `a` gets a slot before `b`. */
bool brgpu_core_turn_enters_before(const struct brgpu_core_turn *a,
				   const struct brgpu_core_turn *b);
/* Whether one on the hardware has to make room for one that waits. */
bool brgpu_core_turn_yields(const struct brgpu_core_turn *on, const struct brgpu_core_turn *waiting,
			    uint64_t now_ns);
/* Of two that have to make room: whether `a` goes rather than `b`. */
bool brgpu_core_turn_leaves_before(const struct brgpu_core_turn *a,
				   const struct brgpu_core_turn *b);

/* Of one queue: starts as zeros. */
struct brgpu_core_watchdog {
	uint64_t progress;
	uint64_t looked_ns;	/* 0: not yet */
	uint64_t stuck_ns;
};

/*
 * How long, in ns, the queue has now run without progress. `progress` is any number that changes
 * while the queue gets anywhere; time since the last look counts when `runs`: it runs, and is not
 * kept from it.
 */
uint64_t brgpu_core_watchdog_look(struct brgpu_core_watchdog *watchdog, uint64_t now_ns,
				  uint64_t progress, bool runs);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_CORE_TURN_H */
