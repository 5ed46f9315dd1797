// SPDX-License-Identifier: GPL-2.0
#include <linux/iopoll.h>

#include <brgpu/hw/queue.h>

#include "brgpu_device.h"
#include "brgpu_fault.h"
#include "brgpu_reset.h"
#include "brgpu_trace.h"
#include "brgpu_userq.h"
#include "brgpu_vm.h"

/**
 * DOC: user-mode queues on the hardware
 *
 * The hardware shares its engines among the queues that have a slot, by priority and time slices.
 * While there are more queues than slots, this file takes turns: those that have had theirs, idle
 * ones first, are preempted and the ones that waited longest get their slots. A queue off the
 * hardware does not hear its doorbell; MAP reads its write index, so nothing rung is missed.
 *
 * All commands are given, and waited for, under brgpu_userqs.lock, so none ever meets another one
 * under way. Each ends within PREEMPT_MS and some slack; one that does not takes the engines with
 * it.
 */

/* Beyond the hardware's own limit: what a slow virtual machine may add. */
#define USERQ_SLACK_MS	2000
#define USERQ_WATCH_MS	100

static u32 userq_reg(const struct brgpu_userq *userq, u32 offset)
{
	return BRGPU_REG_QUEUE(userq->slot) + offset;
}

u32 brgpu_userq_status(struct brgpu_userq *userq)
{
	return userq->slot < 0 ? BRGPU_QUEUE_STATE_UNMAPPED :
				 brgpu_read32(userq->brgpu, userq_reg(userq, BRGPU_QUEUE_STATUS));
}

static bool status_is_at_rest(u32 status)
{
	const u32 state = status & BRGPU_QUEUE_STATE_MASK;

	/* All-ones: the card has gone, and with it what ran. */
	return status == U32_MAX ||
	       (!(status & BRGPU_QUEUE_BUSY) &&
		(state == BRGPU_QUEUE_STATE_UNMAPPED || state == BRGPU_QUEUE_STATE_ERROR ||
		 state == BRGPU_QUEUE_STATE_PREEMPTED));
}

static bool status_is_done(u32 status)
{
	return status == U32_MAX || !(status & BRGPU_QUEUE_BUSY);
}

/*
 * PREEMPT of what does not fit into its save area takes PREEMPT_MS for finishing, and for a kill.
 */
static u64 command_timeout_us(struct brgpu_device *brgpu)
{
	return (2 * brgpu->ident.preempt_ms + USERQ_SLACK_MS) * USEC_PER_MSEC;
}

static void userq_command(struct brgpu_userq *userq, u32 command)
{
	brgpu_write32(userq->brgpu, userq_reg(userq, BRGPU_QUEUE_COMMAND), command);
}

/*
 * Of the present stay on the hardware, on top of the earlier ones; userq->lock or the mutex is
 * held.
 */
void brgpu_userq_count(struct brgpu_userq *userq, struct brgpu_userq_counters *counters)
{
	struct brgpu_device *brgpu = userq->brgpu;
	u64 busy_ns;
	int idx;

	*counters = userq->before;
	if (userq->slot < 0 || !drm_dev_enter(&brgpu->drm, &idx))
		return;
	busy_ns = brgpu_read64(brgpu, userq_reg(userq, BRGPU_QUEUE_BUSY_NS));
	if (busy_ns != U64_MAX) {
		counters->busy_ns += busy_ns;
		counters->workgroups +=
			brgpu_read64(brgpu, userq_reg(userq, BRGPU_QUEUE_WORKGROUPS));
		counters->dispatches +=
			brgpu_read64(brgpu, userq_reg(userq, BRGPU_QUEUE_DISPATCHES));
		counters->heartbeats +=
			brgpu_read64(brgpu, userq_reg(userq, BRGPU_QUEUE_PROGRESS));
	}
	drm_dev_exit(idx);
}

u64 brgpu_userq_progress(struct brgpu_userq *userq)
{
	struct brgpu_userq_counters counters;
	u64 progress;

	brgpu_userq_count(userq, &counters);
	progress = counters.workgroups + counters.dispatches;
	if (userq->flags & DRM_BRGPU_QUEUE_HEARTBEAT)
		progress += counters.heartbeats;
	/* The packet's address differs from packet to packet. */
	if (userq->slot >= 0)
		progress += brgpu_read64(userq->brgpu, userq_reg(userq, BRGPU_QUEUE_READ_INDEX)) +
			    brgpu_read64(userq->brgpu, userq_reg(userq, BRGPU_QUEUE_PACKET));
	return progress;
}

/* Whether one of a higher priority has the engines. */
static bool userq_is_outranked(struct brgpu_userq *userq)
{
	struct brgpu_userq *other;

	list_for_each_entry(other, &userq->brgpu->userqs.queues, link) {
		if (other->priority > userq->priority && other->slot >= 0 &&
		    (brgpu_userq_status(other) & BRGPU_QUEUE_STATE_MASK) ==
			    BRGPU_QUEUE_STATE_RUNNING)
			return true;
	}
	return false;
}

/* How long it has run without progress, ns; it is on the hardware. */
static u64 userq_watch(struct brgpu_userq *userq)
{
	const u32 state = brgpu_userq_status(userq) & BRGPU_QUEUE_STATE_MASK;
	struct brgpu_core_watchdog *watchdog = &userq->watchdog;
	bool runs = state == BRGPU_QUEUE_STATE_RUNNING;
	struct brgpu_userq_counters counters;

	/* The time off the hardware does not count. */
	watchdog->looked_ns = max(watchdog->looked_ns, userq->since_ns);
	brgpu_userq_count(userq, &counters);
	/* Kept from the engines: not its fault. */
	if (runs && counters.busy_ns == userq->seen_busy_ns && userq_is_outranked(userq))
		runs = false;
	userq->seen_busy_ns = counters.busy_ns;
	return brgpu_core_watchdog_look(watchdog, ktime_get_ns(),
					brgpu_userq_progress(userq), runs);
}

/* The hardware has left the slot. */
static void userq_release_slot(struct brgpu_userq *userq)
{
	struct brgpu_userqs *userqs = &userq->brgpu->userqs;
	struct brgpu_userq_counters counters;
	unsigned long flags;

	lockdep_assert_held(&userqs->lock);
	rcu_assign_pointer(userqs->slots[userq->slot - userqs->first], NULL);
	spin_lock_irqsave(&userq->lock, flags);
	brgpu_userq_count(userq, &counters);
	userq->before = counters;
	userq->slot = -1;
	spin_unlock_irqrestore(&userq->lock, flags);
	userq->since_ns = ktime_get_ns();
}

static void userq_finish(struct brgpu_userq *userq, u32 error, const struct drm_brgpu_fault *fault)
{
	unsigned long flags;
	bool first;

	spin_lock_irqsave(&userq->lock, flags);
	first = !userq->stopped;
	if (first) {
		userq->stopped = true;
		userq->error = error;
		userq->fault = *fault;
	}
	spin_unlock_irqrestore(&userq->lock, flags);
	if (first && error != BRGPU_QUEUE_ERROR_KILLED)
		atomic_inc(&userq->brgpu->queue_resets);
	wake_up_all(&userq->brgpu->mem_wq);
}

/* Drops what it does; never runs again. */
void brgpu_userq_stop(struct brgpu_userq *userq, u32 error)
{
	struct brgpu_device *brgpu = userq->brgpu;
	struct drm_brgpu_fault fault = {};
	u32 status;
	int idx;

	lockdep_assert_held(&brgpu->userqs.lock);
	if (userq->slot < 0 || !drm_dev_enter(&brgpu->drm, &idx)) {
		userq_finish(userq, error, &fault);
		if (userq->slot >= 0)
			userq_release_slot(userq);
		return;
	}
	trace_brgpu_queue_stop(userq->slot, error);
	brgpu_fault_read(brgpu, userq->slot, error, &fault);
	userq_finish(userq, error, &fault);
	userq_command(userq, BRGPU_QUEUE_CMD_KILL);
	if (read_poll_timeout(brgpu_userq_status, status, status_is_at_rest(status), 20,
			      command_timeout_us(brgpu), false, userq)) {
		drm_err(&brgpu->drm,
			"user queue slot %d survived KILL (status 0x%x): resetting the engines\n",
			userq->slot, status);
		mutex_lock(&brgpu->reset_lock);
		brgpu_reset_card(brgpu, BRGPU_RESET_RUNG_ENGINES, NULL,
				 "a user queue could not be killed");
		mutex_unlock(&brgpu->reset_lock);
	}
	userq_release_slot(userq);
	drm_dev_exit(idx);
}

static void userq_map(struct brgpu_userq *userq, u32 slot)
{
	struct brgpu_device *brgpu = userq->brgpu;
	struct brgpu_hw_queue_desc *desc = userq->desc;
	unsigned long flags;
	u32 status;
	int ret;

	/* Of a saved state the hardware has left its size there. */
	desc->ring = userq->ring;
	desc->write_index = userq->write_index;
	desc->read_index = userq->read_index;
	desc->ring_log2 = userq->ring_log2;
	desc->ring_vm = userq->vm->hw_id;
	desc->vm = userq->vm->hw_id;
	desc->queue_class = userq->queue_class;
	desc->priority = userq->priority;
	desc->flags = userq->saved ? BRGPU_QUEUE_DESC_RESTORE : 0;
	desc->doorbell = userq->doorbell;
	desc->start_index = userq->packets;
	desc->save_area = userq->save.address;
	desc->save_bytes = userq->save.bytes;

	spin_lock_irqsave(&userq->lock, flags);
	userq->slot = slot;
	spin_unlock_irqrestore(&userq->lock, flags);
	userq->since_ns = ktime_get_ns();
	rcu_assign_pointer(brgpu->userqs.slots[slot - brgpu->userqs.first], userq);

	brgpu_write64(brgpu, userq_reg(userq, BRGPU_QUEUE_DESC),
		      brgpu_vm0_system(userq->desc_dma));
	userq_command(userq, BRGPU_QUEUE_CMD_MAP);
	ret = read_poll_timeout(brgpu_userq_status, status, status_is_done(status), 10,
				command_timeout_us(brgpu), false, userq);
	trace_brgpu_userq_map(slot, userq->vm->hw_id, userq->id, userq->saved);
	if (ret || (status_is_at_rest(status) && status != U32_MAX)) {
		const u32 error = brgpu_read32(brgpu, userq_reg(userq, BRGPU_QUEUE_ERROR));

		/* Others are the client's: a ring that is not there, for example. */
		if (ret || error == BRGPU_QUEUE_ERROR_DESC)
			drm_err(&brgpu->drm,
				"user queue slot %u refused MAP: status 0x%x, error %u\n", slot,
				status, error);
		brgpu_userq_stop(userq, error);
	}
}

static void userq_begin_leave(struct brgpu_userq *userq)
{
	if (userq->watchdog_ms)
		userq_watch(userq);
	userq_command(userq, BRGPU_QUEUE_CMD_PREEMPT);
}

static void userq_finish_leave(struct brgpu_userq *userq)
{
	struct brgpu_device *brgpu = userq->brgpu;
	u32 status, state;

	if (read_poll_timeout(brgpu_userq_status, status, status_is_at_rest(status), 20,
			      command_timeout_us(brgpu), false, userq)) {
		drm_err(&brgpu->drm, "user queue slot %d did not answer PREEMPT (status 0x%x)\n",
			userq->slot, status);
		brgpu_userq_stop(userq, BRGPU_QUEUE_ERROR_PREEMPT);
		return;
	}
	state = status & BRGPU_QUEUE_STATE_MASK;
	if (status != U32_MAX && state == BRGPU_QUEUE_STATE_ERROR) {
		brgpu_userq_stop(userq,
				 brgpu_read32(brgpu, userq_reg(userq, BRGPU_QUEUE_ERROR)));
		return;
	}
	userq->saved = state == BRGPU_QUEUE_STATE_PREEMPTED;
	userq->packets = brgpu_read64(brgpu, userq_reg(userq, BRGPU_QUEUE_READ_INDEX));
	trace_brgpu_userq_leave(userq->slot, userq->vm->hw_id, userq->id, userq->saved);
	userq_release_slot(userq);
}

void brgpu_userq_leave(struct brgpu_userq *userq)
{
	int idx;

	lockdep_assert_held(&userq->brgpu->userqs.lock);
	if (userq->slot < 0)
		return;
	if (!drm_dev_enter(&userq->brgpu->drm, &idx)) {
		brgpu_userq_stop(userq, BRGPU_QUEUE_ERROR_RESET);
		return;
	}
	userq_begin_leave(userq);
	userq_finish_leave(userq);
	drm_dev_exit(idx);
}

void brgpu_userq_suspend_vm(struct brgpu_vm *vm)
{
	struct brgpu_device *brgpu = vm->brgpu;
	struct brgpu_userq *userq;
	int idx;

	lockdep_assert_held(&brgpu->userqs.lock);
	vm->preempt.suspended = true;
	if (!drm_dev_enter(&brgpu->drm, &idx)) {
		list_for_each_entry(userq, &brgpu->userqs.queues, link) {
			if (userq->vm == vm)
				brgpu_userq_leave(userq);
		}
		return;
	}
	/* All at once: the time that it takes is that of one. */
	list_for_each_entry(userq, &brgpu->userqs.queues, link) {
		if (userq->vm == vm && userq->slot >= 0)
			userq_begin_leave(userq);
	}
	list_for_each_entry(userq, &brgpu->userqs.queues, link) {
		if (userq->vm == vm && userq->slot >= 0)
			userq_finish_leave(userq);
	}
	drm_dev_exit(idx);
	/* Others may wait for the slots. */
	brgpu_userq_fill_slots(brgpu);
}

void brgpu_userq_resume_vm(struct brgpu_vm *vm)
{
	lockdep_assert_held(&vm->brgpu->userqs.lock);
	vm->preempt.suspended = false;
	brgpu_userq_fill_slots(vm->brgpu);
}

void brgpu_userq_retry(struct brgpu_userq *userq)
{
	u32 status;

	lockdep_assert_held(&userq->brgpu->userqs.lock);
	userq_command(userq, BRGPU_QUEUE_CMD_RESUME);
	if (read_poll_timeout(brgpu_userq_status, status, status_is_done(status), 10,
			      command_timeout_us(userq->brgpu), false, userq))
		brgpu_userq_stop(userq, BRGPU_QUEUE_ERROR_PREEMPT);
}

/* ---- turns ---- */

static void userq_turn(struct brgpu_userq *userq, struct brgpu_core_turn *turn)
{
	turn->priority = userq->priority;
	turn->since_ns = userq->since_ns;
	turn->idle = (brgpu_userq_status(userq) & BRGPU_QUEUE_STATE_MASK) ==
		     BRGPU_QUEUE_STATE_IDLE;
}

/* The one that gets the next slot, of those that have waited since before `now_ns`. */
static struct brgpu_userq *userq_next_in(struct brgpu_device *brgpu, u64 now_ns)
{
	struct brgpu_core_turn turn, best_turn = {};
	struct brgpu_userq *userq, *best = NULL;

	list_for_each_entry(userq, &brgpu->userqs.queues, link) {
		if (userq->slot >= 0 || READ_ONCE(userq->stopped) ||
		    userq->vm->preempt.suspended || userq->since_ns >= now_ns)
			continue;
		userq_turn(userq, &turn);
		if (!best || brgpu_core_turn_enters_before(&turn, &best_turn)) {
			best = userq;
			best_turn = turn;
		}
	}
	return best;
}

/* The one that makes room for `waiting`. */
static struct brgpu_userq *userq_next_out(struct brgpu_device *brgpu, struct brgpu_userq *waiting,
					  u64 now_ns)
{
	struct brgpu_core_turn turn, best_turn = {}, waiting_turn;
	struct brgpu_userq *userq, *best = NULL;

	userq_turn(waiting, &waiting_turn);
	list_for_each_entry(userq, &brgpu->userqs.queues, link) {
		if (userq->slot < 0)
			continue;
		userq_turn(userq, &turn);
		if (brgpu_core_turn_yields(&turn, &waiting_turn, now_ns) &&
		    (!best || brgpu_core_turn_leaves_before(&turn, &best_turn))) {
			best = userq;
			best_turn = turn;
		}
	}
	return best;
}

static int userqs_free_slot(struct brgpu_userqs *userqs)
{
	u32 i;

	for (i = 0; i < userqs->count; i++) {
		if (!rcu_access_pointer(userqs->slots[i]))
			return userqs->first + i;
	}
	return -1;
}

void brgpu_userq_fill_slots(struct brgpu_device *brgpu)
{
	struct brgpu_userqs *userqs = &brgpu->userqs;
	struct brgpu_userq *userq;
	int slot, idx;

	lockdep_assert_held(&userqs->lock);
	/* After a reset, and after a sleep, turn_work comes here again. */
	if (brgpu->wedged || READ_ONCE(brgpu->resetting) || !drm_dev_enter(&brgpu->drm, &idx))
		return;
	while ((userq = userq_next_in(brgpu, U64_MAX))) {
		slot = userqs_free_slot(userqs);
		if (slot < 0) {
			queue_delayed_work(userqs->wq, &userqs->turn_work,
					   msecs_to_jiffies(BRGPU_CORE_TURN_LOOK_MS));
			break;
		}
		userq_map(userq, slot);
	}
	drm_dev_exit(idx);
}

void brgpu_userq_turn_work(struct work_struct *work)
{
	struct brgpu_device *brgpu =
		container_of(work, struct brgpu_device, userqs.turn_work.work);
	struct brgpu_userqs *userqs = &brgpu->userqs;
	struct brgpu_userq *in, *out;
	int idx, slot;
	u64 now_ns;
	u32 i;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	mutex_lock(&userqs->lock);
	now_ns = ktime_get_ns();
	for (i = 0; i < userqs->count; i++) {
		in = userq_next_in(brgpu, now_ns);
		out = in ? userq_next_out(brgpu, in, now_ns) : NULL;
		if (!out || brgpu->wedged || READ_ONCE(brgpu->resetting))
			break;
		slot = out->slot;
		brgpu_userq_leave(out);
		userq_map(in, slot);
	}
	brgpu_userq_fill_slots(brgpu);
	mutex_unlock(&userqs->lock);
	drm_dev_exit(idx);
}

/* ---- watching ---- */

void brgpu_userq_look_work(struct work_struct *work)
{
	struct brgpu_userq *userq = container_of(work, struct brgpu_userq, look_work);
	struct brgpu_device *brgpu = userq->brgpu;
	u32 status;
	int idx;

	mutex_lock(&brgpu->userqs.lock);
	if (userq->slot >= 0 && drm_dev_enter(&brgpu->drm, &idx)) {
		status = brgpu_userq_status(userq);
		if (READ_ONCE(userq->stopped)) {
			/* Lost in an engine reset: the hardware has left it. */
			userq_release_slot(userq);
		} else if (status != U32_MAX && status_is_at_rest(status)) {
			brgpu_userq_stop(userq,
					 brgpu_read32(brgpu,
						      userq_reg(userq, BRGPU_QUEUE_ERROR)));
		}
		brgpu_userq_fill_slots(brgpu);
		drm_dev_exit(idx);
	}
	mutex_unlock(&brgpu->userqs.lock);
	wake_up_all(&brgpu->mem_wq);
}

void brgpu_userq_watch_work(struct work_struct *work)
{
	struct brgpu_device *brgpu =
		container_of(work, struct brgpu_device, userqs.watch_work.work);
	struct brgpu_userqs *userqs = &brgpu->userqs;
	struct brgpu_userq *userq;
	bool polled = false;
	u64 limit_ns;
	int idx;

	if (!drm_dev_enter(&brgpu->drm, &idx))
		return;
	mutex_lock(&userqs->lock);
	list_for_each_entry(userq, &userqs->queues, link) {
		if (READ_ONCE(userq->stopped) || userq->slot < 0)
			continue;
		/* An event that got lost. */
		if (status_is_at_rest(brgpu_userq_status(userq)))
			queue_work(userqs->wq, &userq->look_work);
		if ((brgpu_userq_status(userq) & BRGPU_QUEUE_STATE_MASK) ==
		    BRGPU_QUEUE_STATE_FAULTED)
			queue_work(system_unbound_wq, &userq->fault_work);
		limit_ns = userq->watchdog_ms * (u64)NSEC_PER_MSEC;
		if (!limit_ns || userq_watch(userq) < limit_ns)
			continue;
		/* A completion whose interrupt was lost shows in memory and registers. */
		if (!polled)
			brgpu_irq_poll(brgpu);
		polled = true;
		if (userq_watch(userq) < limit_ns)
			continue;
		drm_warn(&brgpu->drm,
			 "user queue %u of VM %u stopped: no progress in %llu ms (watchdog %u ms)\n",
			 userq->id, userq->vm->hw_id,
			 div_u64(userq->watchdog.stuck_ns, NSEC_PER_MSEC), userq->watchdog_ms);
		brgpu_userq_stop(userq, DRM_BRGPU_QUEUE_ERROR_TIMEOUT);
	}
	brgpu_userq_fill_slots(brgpu);
	if (!list_empty(&userqs->queues))
		queue_delayed_work(userqs->wq, &userqs->watch_work,
				   msecs_to_jiffies(USERQ_WATCH_MS));
	mutex_unlock(&userqs->lock);
	drm_dev_exit(idx);
}

/* ---- events ---- */

static struct brgpu_userq *userq_of_slot(struct brgpu_userqs *userqs, u32 slot)
{
	if (slot < userqs->first || slot - userqs->first >= userqs->count)
		return NULL;
	return rcu_dereference(userqs->slots[slot - userqs->first]);
}

bool brgpu_userq_event_error(struct brgpu_device *brgpu, u32 slot)
{
	struct brgpu_userqs *userqs = &brgpu->userqs;
	struct brgpu_userq *userq;

	rcu_read_lock();
	userq = userq_of_slot(userqs, slot);
	if (userq)
		queue_work(userqs->wq, &userq->look_work);
	rcu_read_unlock();
	return slot >= userqs->first;
}

bool brgpu_userq_event_fault(struct brgpu_device *brgpu, u32 slot, u32 vm, u32 *queue_id)
{
	struct brgpu_userq *userq;
	bool mends = false;

	rcu_read_lock();
	userq = userq_of_slot(&brgpu->userqs, slot);
	/* A slot that was taken over meanwhile by a queue of another VM says nothing. */
	if (userq && userq->vm->hw_id == vm) {
		*queue_id = userq->id;
		mends = userq->vm->flags & DRM_BRGPU_VM_FAULT_RETRY;
		if (mends)
			queue_work(system_unbound_wq, &userq->fault_work);
	}
	rcu_read_unlock();
	return mends;
}

void brgpu_userqs_look(struct brgpu_device *brgpu)
{
	struct brgpu_userqs *userqs = &brgpu->userqs;

	if (userqs->wq && atomic_read(&userqs->queue_count))
		mod_delayed_work(userqs->wq, &userqs->watch_work, 0);
}

void brgpu_userqs_lost(struct brgpu_device *brgpu)
{
	struct brgpu_userqs *userqs = &brgpu->userqs;
	u32 i;

	lockdep_assert_held(&brgpu->reset_lock);
	rcu_read_lock();
	for (i = 0; i < userqs->count; i++) {
		struct brgpu_userq *userq = rcu_dereference(userqs->slots[i]);
		unsigned long flags;

		if (!userq)
			continue;
		spin_lock_irqsave(&userq->lock, flags);
		if (!userq->stopped) {
			userq->stopped = true;
			userq->lost = true;
			userq->error = BRGPU_QUEUE_ERROR_RESET;
		}
		spin_unlock_irqrestore(&userq->lock, flags);
		queue_work(userqs->wq, &userq->look_work);
	}
	rcu_read_unlock();
	wake_up_all(&brgpu->mem_wq);
}
