// SPDX-License-Identifier: MIT
#include "command_processor.hpp"

#include <cstdio>

#include "copy.hpp"

namespace brgpu::model {
namespace {

bool is_active(uint32_t state) {
    return state == BRGPU_QUEUE_STATE_IDLE || state == BRGPU_QUEUE_STATE_RUNNING ||
           state == BRGPU_QUEUE_STATE_WAITING;
}

bool holds(uint8_t compare, uint64_t left, uint64_t right) {
    switch (compare) {
    case BRGPU_WAIT_EQ:
        return left == right;
    case BRGPU_WAIT_NE:
        return left != right;
    case BRGPU_WAIT_GE:
        return left >= right;
    default:
        return left < right;
    }
}

// Where the current packet's own addresses are.
uint16_t packet_vm(const Queue &queue) {
    return queue.front.call.active ? queue.front.config.vm : queue.front.config.ring_vm;
}

} // namespace

CommandProcessor::CommandProcessor(const Parts &parts, std::function<bool()> ready)
    : parts_(parts), ready_(std::move(ready)),
      descs_(std::make_unique<std::atomic<uint64_t>[]>(parts.product.queues)) {}

void CommandProcessor::set_state(Queue &queue, uint32_t state) {
    queue.state.store(state, std::memory_order_release);
}

void CommandProcessor::run(Worker &worker, Queue &queue, Turn &turn) {
    auto &front = queue.front;
    for (;;) {
        if (!parts_.host.current(worker))
            return;
        if (uint32_t command = scheduler_->take_command(queue, front.kill_error))
            front.command = command;
        if (front.command && !carry_out(worker, queue))
            return;
        if (!is_active(queue.state.load(std::memory_order_relaxed)))
            return;

        Step result;
        if (Scheduler::has_op(queue)) {
            bool occupied = false;
            std::shared_ptr<Op> op = scheduler_->op(queue, occupied);
            if (occupied || (!op->finished() && !op->stopped()))
                return; // the last worker that leaves calls the front end
            op.reset();
            result = conclude_op(worker, queue);
        } else if (!front.started && !front.command && scheduler_->is_stalled(queue.slot)) {
            return;
        } else {
            result = step(worker, queue, turn);
        }
        if (parts_.events.pending() && parts_.host.current(worker))
            parts_.events.deliver(worker);
        if (result == Step::rest || result == Step::failed || result == Step::repeat) {
            if (!front.command || result == Step::rest)
                return;
            continue; // a command may be over with it
        }
        if (turn.over(worker)) {
            scheduler_->want_front(queue);
            return;
        }
    }
}

CommandProcessor::Step CommandProcessor::fail(Queue &queue, brgpu_queue_error error,
                                              const Fault *fault) {
    if (queue.sched.dead)
        return Step::failed; // the card was reset
    if (fault) {
        if (error == BRGPU_QUEUE_ERROR_MMU)
            parts_.mmu.note_fault(fault->vm);
        queue.fault_info.store(fault->info());
        queue.fault_address.store(fault->address);
        queue.fault_pc.store(fault->pc);
        parts_.events.post(BRGPU_EVENT_FAULT, queue.slot, fault->info(), fault->address, fault->pc);
        if (error == BRGPU_QUEUE_ERROR_MMU && parts_.mmu.retries(*fault)) {
            set_state(queue, BRGPU_QUEUE_STATE_FAULTED);
            return Step::failed;
        }
    }
    queue.error.store(error);
    release_doorbell(queue);
    set_state(queue, BRGPU_QUEUE_STATE_ERROR);
    scheduler_->set_ticking(queue, false);
    scheduler_->set_op(queue, nullptr);
    parts_.events.post(BRGPU_EVENT_QUEUE_ERROR, queue.slot, error, queue.packet.load());
    if (parts_.host.logs()) {
        char text[160];
        std::snprintf(
            text, sizeof(text),
            "queue %u stopped: error %u in packet %s at 0x%llx, fault info 0x%08x "
            "address 0x%llx",
            unsigned{queue.slot}, unsigned{error}, packet_name(queue.front.current.type()),
            static_cast<unsigned long long>(queue.packet.load()), fault ? fault->info() : 0u,
            fault ? static_cast<unsigned long long>(fault->address) : 0ull);
        parts_.host.log(BRGPU_MODEL_LOG_GUEST, text);
    }
    return Step::failed;
}

CommandProcessor::Step CommandProcessor::check(Queue &queue, Access result, Fault &fault,
                                               uint8_t client) {
    if (result == Access::ok)
        return Step::next;
    if (result == Access::gone)
        return Step::failed;
    fault.client = client;
    return fail(queue, error_of(fault), &fault);
}

// ---- the ring ----

CommandProcessor::Step CommandProcessor::fetch(Worker &worker, Queue &queue, uint64_t &address) {
    auto &front = queue.front;
    const QueueConfig &config = front.config;
    Fault fault;
    if (front.index_owed) {
        Step owed = write_read_index(worker, queue);
        if (owed != Step::next)
            return owed;
    }
    if (front.call.active) {
        address = front.call.address + uint64_t{front.call.next} * BRGPU_PACKET_BYTES;
        queue.packet.store(address);
        return check(queue,
                     parts_.mmu.read(worker, config.vm, address, &front.current,
                                     sizeof(front.current), fault),
                     fault, BRGPU_FAULT_CLIENT_QUEUE);
    }
    uint64_t written = 0;
    Step result =
        check(queue, parts_.mmu.load64(worker, config.ring_vm, config.write_index, written, fault),
              fault, BRGPU_FAULT_CLIENT_QUEUE);
    if (result != Step::next)
        return result;
    queue.write_index.store(written);
    if (written == front.read) {
        set_state(queue, BRGPU_QUEUE_STATE_IDLE);
        return Step::rest;
    }
    uint64_t size = uint64_t{1} << config.ring_log2;
    if (written - front.read > size)
        return fail(queue, BRGPU_QUEUE_ERROR_INDEX);
    address = config.ring + (front.read & (size - 1)) * BRGPU_PACKET_BYTES;
    queue.packet.store(address);
    return check(queue,
                 parts_.mmu.read(worker, config.ring_vm, address, &front.current,
                                 sizeof(front.current), fault),
                 fault, BRGPU_FAULT_CLIENT_QUEUE);
}

CommandProcessor::Step CommandProcessor::step(Worker &worker, Queue &queue, Turn &turn) {
    auto &front = queue.front;
    // UNMAP: what stands in the ring and has not begun stays there.
    if (front.command == BRGPU_QUEUE_CMD_UNMAP && !front.call.active && !front.started)
        return Step::rest;
    if (!front.started) {
        uint64_t address = 0;
        Step result = fetch(worker, queue, address);
        if (result != Step::next)
            return result;
        set_state(queue, BRGPU_QUEUE_STATE_RUNNING);
        brgpu_queue_error error =
            check_packet(front.current, front.config.queue_class, front.call.active);
        if (error != BRGPU_QUEUE_ERROR_NONE)
            return fail(queue, error);
    }
    return execute(worker, queue, turn);
}

CommandProcessor::Step CommandProcessor::retire(Worker &worker, Queue &queue) {
    auto &front = queue.front;
    front.started = false;
    if (front.call.active) {
        if (++front.call.next < front.call.packets)
            return Step::next;
        front.call = {};
    }
    front.read++;
    return write_read_index(worker, queue);
}

CommandProcessor::Step CommandProcessor::write_read_index(Worker &worker, Queue &queue) {
    auto &front = queue.front;
    uint64_t shown = front.read;
    if (take_one(parts_.faults.corrupt_read_indices))
        shown ^= uint64_t{1} << 40;
    front.index_owed = true; // until it is written
    Fault fault;
    Step result = check(
        queue,
        parts_.mmu.store64(worker, front.config.ring_vm, front.config.read_index, shown, fault),
        fault, BRGPU_FAULT_CLIENT_QUEUE);
    queue.read_index.store(front.read);
    front.index_owed = result != Step::next;
    return result;
}

// ---- packets ----

CommandProcessor::Step CommandProcessor::write_timestamp(Worker &worker, Queue &queue, uint16_t vm,
                                                         uint64_t address) {
    Fault fault;
    return check(queue, parts_.mmu.store64(worker, vm, address, parts_.host.timestamp(), fault),
                 fault, BRGPU_FAULT_CLIENT_QUEUE);
}

// What is small is done here and now, by the worker that has met it: to hand it to another would
// take longer. With more than a piece, others come to help; what this turn does not finish goes on
// as any operation does.
CommandProcessor::Step CommandProcessor::begin_op(Worker &worker, Queue &queue, Turn &turn,
                                                  const std::shared_ptr<Op> &op) {
    if (!scheduler_->enter_op(queue, op))
        return Step::failed;
    auto begin = Clock::now();
    op->work(worker, turn);
    auto busy = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
    queue.busy_ns.fetch_add(static_cast<uint64_t>(busy.count()), std::memory_order_relaxed);
    bool last = scheduler_->leave_op(queue, *op);
    if (!last || !parts_.host.current(worker) || (!op->finished() && !op->stopped()))
        return Step::repeat;
    return conclude_op(worker, queue);
}

CommandProcessor::Step CommandProcessor::execute(Worker &worker, Queue &queue, Turn &turn) {
    auto &front = queue.front;
    const Packet &packet = front.current;
    uint16_t vm = packet_vm(queue);
    Fault fault;
    Step result = Step::next;
    switch (packet.type()) {
    case BRGPU_PACKET_DISPATCH:
        return dispatch(worker, queue, turn);
    case BRGPU_PACKET_COPY:
    case BRGPU_PACKET_FILL: {
        front.started = true;
        std::shared_ptr<Op> op;
        if (packet.type() == BRGPU_PACKET_COPY)
            op = std::make_shared<CopyOp>(parts_.mmu, copy_bytes, vm, packet.copy);
        else
            op = std::make_shared<CopyOp>(parts_.mmu, copy_bytes, vm, packet.fill);
        return begin_op(worker, queue, turn, op);
    }
    case BRGPU_PACKET_WRITE:
        result = check(queue,
                       parts_.mmu.write(worker, vm, packet.write.dst, packet.write.data,
                                        packet.write.bytes, fault),
                       fault, BRGPU_FAULT_CLIENT_COPY);
        break;
    case BRGPU_PACKET_BARRIER:
        if (packet.barrier.ops & BRGPU_BARRIER_CODE) {
            parts_.engine.invalidate_code(front.config.vm);
            if (front.config.ring_vm != front.config.vm)
                parts_.engine.invalidate_code(front.config.ring_vm);
        }
        break;
    case BRGPU_PACKET_WAIT:
        result = wait(worker, queue);
        break;
    case BRGPU_PACKET_SIGNAL:
        result = signal(worker, queue);
        break;
    case BRGPU_PACKET_TIMESTAMP:
        result = write_timestamp(worker, queue, vm, packet.timestamp.address);
        break;
    case BRGPU_PACKET_EVENT:
        parts_.events.post_user(queue.slot, packet.event.payload);
        break;
    case BRGPU_PACKET_CALL:
        if (packet.call.packets == 0)
            break;
        front.call = {true, packet.call.address, packet.call.packets, 0};
        return Step::next;
    default:
        break;
    }
    return result == Step::next ? retire(worker, queue) : result;
}

CommandProcessor::Step CommandProcessor::wait(Worker &worker, Queue &queue) {
    const brgpu_packet_wait &packet = queue.front.current.wait;
    // First known as waiting, then looked: a signal in between calls the front end again.
    scheduler_->set_ticking(queue, true);
    uint64_t value = 0;
    Fault fault;
    Step result =
        check(queue, parts_.mmu.load64(worker, packet_vm(queue), packet.address, value, fault),
              fault, BRGPU_FAULT_CLIENT_QUEUE);
    if (result != Step::next)
        return result;
    if (!holds(packet.compare, value & packet.mask, packet.value & packet.mask)) {
        set_state(queue, BRGPU_QUEUE_STATE_WAITING);
        return Step::rest;
    }
    scheduler_->set_ticking(queue, queue.front.deadline != Clock::time_point::max());
    return Step::next;
}

CommandProcessor::Step CommandProcessor::signal(Worker &worker, Queue &queue) {
    const brgpu_packet_signal &packet = queue.front.current.signal;
    uint16_t vm = packet_vm(queue);
    Step result = Step::next;
    if (packet.timestamp)
        result = write_timestamp(worker, queue, vm, packet.timestamp);
    if (result != Step::next)
        return result;
    Fault fault;
    Access access = packet.op == BRGPU_SIGNAL_ADD
                        ? parts_.mmu.add64(worker, vm, packet.address, packet.value, fault)
                        : parts_.mmu.store64(worker, vm, packet.address, packet.value, fault);
    result = check(queue, access, fault, BRGPU_FAULT_CLIENT_QUEUE);
    if (result != Step::next)
        return result;
    scheduler_->signalled();
    if (packet.notify)
        parts_.events.post_signal(queue.slot, packet.value);
    return Step::next;
}

CommandProcessor::Step CommandProcessor::dispatch(Worker &worker, Queue &queue, Turn &turn) {
    auto &front = queue.front;
    const brgpu_packet_dispatch &packet = front.current.dispatch;
    front.dispatch_start = parts_.host.timestamp();
    uint16_t vm = front.config.vm;

    simt::DispatchParams params;
    Fault fault;
    Step result = check(
        queue,
        parts_.mmu.read(worker, vm, packet.kernel, &params.kernel, sizeof(params.kernel), fault),
        fault, BRGPU_FAULT_CLIENT_QUEUE);
    if (result != Step::next)
        return result;
    std::unique_ptr<DispatchReport> counts;
    if (packet.flags & BRGPU_PACKET_REPORT_BIT) {
        brgpu_dispatch_report head;
        result =
            check(queue, parts_.mmu.read(worker, vm, packet.timestamps, &head, sizeof(head), fault),
                  fault, BRGPU_FAULT_CLIENT_QUEUE);
        if (result != Step::next)
            return result;
        counts = DispatchReport::create(packet.timestamps, head);
        if (!counts)
            return fail(queue, BRGPU_QUEUE_ERROR_FIELD);
    }
    params.kernel_va = packet.kernel;
    params.work_dim = packet.work_dim;
    for (unsigned i = 0; i < 3; i++) {
        params.grid[i] = packet.grid[i];
        params.workgroup[i] = packet.workgroup[i];
        params.offset[i] = packet.offset[i];
    }
    params.kernarg_va = packet.kernarg;
    params.dynamic_local_bytes = packet.dynamic_local_bytes;
    params.queue_id = queue.slot;
    params.dispatch_id = front.dispatch_id++;
    simt::DispatchError error = simt::check_dispatch(params);
    if (error != simt::DispatchError::none) {
        if (parts_.host.logs())
            parts_.host.log(BRGPU_MODEL_LOG_GUEST,
                            std::string("dispatch refused: ") + simt::to_string(error));
        return fail(queue, error == simt::DispatchError::grid ? BRGPU_QUEUE_ERROR_FIELD
                                                              : BRGPU_QUEUE_ERROR_KERNEL);
    }
    front.started = true;
    bool hung = take_one(parts_.faults.hang_dispatches);
    return begin_op(
        worker, queue, turn,
        std::make_shared<DispatchOp>(parts_.engine, queue, vm, params, hung, std::move(counts)));
}

// The operation has no worker any more: it has finished, failed, or was stopped by a command.
CommandProcessor::Step CommandProcessor::conclude_op(Worker &worker, Queue &queue) {
    auto &front = queue.front;
    bool occupied = false;
    std::shared_ptr<Op> op = scheduler_->op(queue, occupied);
    if (!op)
        return Step::failed;
    Op::Failure failure = op->failure();
    if (failure.error != BRGPU_QUEUE_ERROR_NONE)
        return fail(queue, failure.error, &failure.fault);
    if (!op->finished())
        return Step::rest; // KILL or PREEMPT, which carry_out() ends

    if (op->kind() == Op::Kind::dispatch) {
        const brgpu_packet_dispatch &packet = front.current.dispatch;
        const auto &done = static_cast<const DispatchOp &>(*op);
        Fault fault;
        Access access = Access::ok;
        if (done.counts()) {
            access = done.counts()->write(parts_.mmu, worker, front.config.vm, done.params(),
                                          front.dispatch_start, parts_.host.timestamp(), fault);
        } else if (packet.timestamps) {
            const uint64_t times[2] = {front.dispatch_start, parts_.host.timestamp()};
            access = parts_.mmu.write(worker, front.config.vm, packet.timestamps, times,
                                      sizeof(times), fault);
        }
        if (Step result = check(queue, access, fault, BRGPU_FAULT_CLIENT_QUEUE);
            result != Step::next)
            return result;
        queue.dispatches.fetch_add(1, std::memory_order_relaxed);
        parts_.engine.dispatches.fetch_add(1, std::memory_order_relaxed);
    }
    scheduler_->set_op(queue, nullptr);
    return retire(worker, queue);
}

} // namespace brgpu::model
