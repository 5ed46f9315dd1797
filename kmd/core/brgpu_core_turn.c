// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "brgpu_core_turn.h"

bool brgpu_core_turn_enters_before(const struct brgpu_core_turn *a,
				   const struct brgpu_core_turn *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->since_ns < b->since_ns;
}

bool brgpu_core_turn_yields(const struct brgpu_core_turn *on, const struct brgpu_core_turn *waiting,
			    uint64_t now_ns)
{
	const uint64_t turn_ns = on->idle ? BRGPU_CORE_IDLE_NS : BRGPU_CORE_TURN_NS;

	if (on->priority < waiting->priority)
		return true;
	/* An idle one of any priority has had its chance; it comes back when its turn is. */
	if (!on->idle && on->priority > waiting->priority)
		return false;
	return now_ns >= on->since_ns && now_ns - on->since_ns >= turn_ns;
}

bool brgpu_core_turn_leaves_before(const struct brgpu_core_turn *a,
				   const struct brgpu_core_turn *b)
{
	if (a->idle != b->idle)
		return a->idle;
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->since_ns < b->since_ns;
}

uint64_t brgpu_core_watchdog_look(struct brgpu_core_watchdog *watchdog, uint64_t now_ns,
				  uint64_t progress, bool runs)
{
	if (!watchdog->looked_ns || progress != watchdog->progress)
		watchdog->stuck_ns = 0;
	else if (runs && now_ns > watchdog->looked_ns)
		watchdog->stuck_ns += now_ns - watchdog->looked_ns;
	watchdog->progress = progress;
	watchdog->looked_ns = now_ns;
	return watchdog->stuck_ns;
}
