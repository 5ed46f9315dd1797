// SPDX-License-Identifier: MIT
//
// Commands to a queue: MAP, UNMAP, PREEMPT, KILL, RESUME, and the save area.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "command_processor.hpp"
#include "copy.hpp"

namespace brgpu::model {
namespace {

constexpr uint64_t desc_alignment = 128;
constexpr uint32_t image_magic = 0x53565242; // "BRVS"
constexpr uint32_t image_version = 2;
constexpr uint64_t max_image_bytes = uint64_t{8} << 30;

bool is_mapped(uint32_t state) {
    return state != BRGPU_QUEUE_STATE_UNMAPPED && state != BRGPU_QUEUE_STATE_ERROR &&
           state != BRGPU_QUEUE_STATE_PREEMPTED;
}

bool below(uint64_t address, uint64_t bytes) {
    constexpr uint64_t end = uint64_t{1} << BRGPU_VA_BITS;
    return address < end && bytes <= end - address;
}

// What stands at the start of a save area.
struct ImageHead {
    uint32_t magic;
    uint32_t version;
    uint64_t read;
    uint64_t dispatch_id;
    uint64_t dispatch_start;
    uint64_t call_address;
    uint32_t call_packets; // 0: not in a CALL
    uint32_t call_next;
    uint8_t current[BRGPU_PACKET_BYTES];
    uint8_t started;
    uint8_t op_kind; // 0: none
    uint8_t pad[6];
};

void put(ImageWriter &image, const simt::DispatchParams &params) {
    image.put(params.kernel);
    image.put(params.kernel_va);
    image.put(params.work_dim);
    image.put(params.grid);
    image.put(params.workgroup);
    image.put(params.offset);
    image.put(params.kernarg_va);
    image.put(params.dynamic_local_bytes);
    image.put(params.dispatch_id);
}

simt::DispatchParams get_params(ImageReader &image) {
    simt::DispatchParams params;
    params.kernel = image.get<brgpu_kernel_desc>();
    params.kernel_va = image.get<uint64_t>();
    params.work_dim = image.get<uint32_t>();
    for (uint32_t &value : params.grid)
        value = image.get<uint32_t>();
    for (uint32_t &value : params.workgroup)
        value = image.get<uint32_t>();
    for (uint64_t &value : params.offset)
        value = image.get<uint64_t>();
    params.kernarg_va = image.get<uint64_t>();
    params.dynamic_local_bytes = image.get<uint32_t>();
    params.dispatch_id = image.get<uint64_t>();
    return params;
}

} // namespace

Doorbells::Doorbells(uint32_t pages)
    : count_(pages * BRGPU_DOORBELLS_A_PAGE),
      slots_(std::make_unique<std::atomic<uint16_t>[]>(count_)) {
    reset();
}

bool Doorbells::take(uint32_t index, uint16_t slot) {
    uint16_t expected = none;
    return slots_[index].compare_exchange_strong(expected, slot);
}

void Doorbells::give_back(uint32_t index, uint16_t slot) {
    slots_[index].compare_exchange_strong(slot, none);
}

void Doorbells::reset() {
    for (uint32_t i = 0; i < count_; i++)
        slots_[i].store(none, std::memory_order_relaxed);
}

// Whether the front end has anything else to do after this.
bool CommandProcessor::carry_out(Worker &worker, Queue &queue) {
    auto &front = queue.front;
    uint32_t state = queue.state.load();
    switch (front.command) {
    case BRGPU_QUEUE_CMD_MAP:
        if (!is_mapped(state) && !map(worker, queue) && !parts_.host.current(worker))
            return false;
        finish_command(queue);
        return true;
    case BRGPU_QUEUE_CMD_RESUME:
        if (state == BRGPU_QUEUE_STATE_FAULTED) {
            set_state(queue, BRGPU_QUEUE_STATE_RUNNING);
            bool occupied = false;
            if (auto op = scheduler_->op(queue, occupied)) {
                op->restart();
                scheduler_->set_op(queue, op); // lists it again
            }
        }
        finish_command(queue);
        return true;
    case BRGPU_QUEUE_CMD_UNMAP: {
        bool occupied = false;
        bool begun = front.call.active || front.started || scheduler_->op(queue, occupied);
        if (is_mapped(state) && begun)
            return true;
        unmap(queue, BRGPU_QUEUE_STATE_UNMAPPED);
        finish_command(queue);
        return false;
    }
    case BRGPU_QUEUE_CMD_PREEMPT:
        return finish_preempt(worker, queue);
    case BRGPU_QUEUE_CMD_KILL:
        return finish_kill(queue);
    default:
        finish_command(queue);
        return true;
    }
}

void CommandProcessor::finish_command(Queue &queue) {
    queue.front.command = 0;
    queue.front.deadline = Clock::time_point::max();
    scheduler_->command_done(queue);
    parts_.events.post(BRGPU_EVENT_QUEUE_STATE, queue.slot, queue.state.load());
}

void CommandProcessor::unmap(Queue &queue, uint32_t state) {
    auto &front = queue.front;
    scheduler_->set_ticking(queue, false);
    scheduler_->set_op(queue, nullptr);
    release_doorbell(queue);
    front.call = {};
    front.started = false;
    set_state(queue, state);
}

void CommandProcessor::release_doorbell(Queue &queue) {
    if (queue.front.has_doorbell)
        parts_.doorbells.give_back(queue.front.config.doorbell, queue.slot);
    queue.front.has_doorbell = false;
}

bool CommandProcessor::finish_kill(Queue &queue) {
    auto &front = queue.front;
    bool occupied = false;
    scheduler_->stop_op(queue, occupied);
    if (occupied)
        return false; // the last worker that leaves calls the front end
    if (is_mapped(queue.state.load())) {
        unmap(queue, BRGPU_QUEUE_STATE_ERROR);
        queue.error.store(front.kill_error);
    }
    finish_command(queue);
    if (on_kill)
        on_kill();
    return false;
}

bool CommandProcessor::finish_preempt(Worker &worker, Queue &queue) {
    auto &front = queue.front;
    if (!is_mapped(queue.state.load())) {
        finish_command(queue);
        return true;
    }
    bool saving = front.deadline == Clock::time_point::max();
    bool occupied = false;
    std::shared_ptr<Op> op =
        saving ? scheduler_->stop_op(queue, occupied) : scheduler_->op(queue, occupied);
    if (saving && occupied)
        return false;
    if (saving) {
        if (front.config.save_area && save(worker, queue, op.get())) {
            unmap(queue, BRGPU_QUEUE_STATE_PREEMPTED);
            finish_command(queue);
            return false;
        }
        if (!parts_.host.current(worker))
            return false;
        // No room for what runs: finish it, but not for long.
        front.deadline = Clock::now() + std::chrono::milliseconds(parts_.product.preempt_ms);
        scheduler_->set_ticking(queue, true);
        if (op && op->failure().error == BRGPU_QUEUE_ERROR_NONE) {
            op->restart();
            scheduler_->set_op(queue, op);
        }
    }
    bool begun = front.call.active || front.started || op;
    if (!begun) {
        unmap(queue, BRGPU_QUEUE_STATE_UNMAPPED);
        finish_command(queue);
        return false;
    }
    if (Clock::now() >= front.deadline) {
        front.kill_error = BRGPU_QUEUE_ERROR_PREEMPT;
        front.command = BRGPU_QUEUE_CMD_KILL;
        if (op)
            op->stop();
        return finish_kill(queue);
    }
    return true;
}

// ---- MAP ----

bool CommandProcessor::check_descriptor(const brgpu_hw_queue_desc &desc) const {
    uint64_t pads = desc.pad0;
    for (uint64_t pad : desc.pad1)
        pads |= pad;
    if (pads || desc.ring_log2 < BRGPU_MIN_RING_LOG2 || desc.ring_log2 > BRGPU_MAX_RING_LOG2)
        return false;
    uint64_t ring_bytes = uint64_t{BRGPU_PACKET_BYTES} << desc.ring_log2;
    return desc.ring % BRGPU_PACKET_BYTES == 0 && below(desc.ring, ring_bytes) &&
           desc.write_index % 8 == 0 && below(desc.write_index, 8) && desc.read_index % 8 == 0 &&
           below(desc.read_index, 8) && desc.ring_vm < parts_.product.vms &&
           desc.vm < parts_.product.vms && desc.queue_class <= BRGPU_QUEUE_COPY &&
           desc.priority <= BRGPU_PRIORITY_REALTIME &&
           (desc.flags & ~BRGPU_QUEUE_DESC_FLAGS) == 0 &&
           desc.doorbell < parts_.doorbells.count() && desc.save_area % BRGPU_PAGE_BYTES == 0 &&
           below(desc.save_area, desc.save_bytes) &&
           (desc.save_area || !(desc.flags & BRGPU_QUEUE_DESC_RESTORE));
}

// False: refused, the queue is in ERROR (or the card was reset).
bool CommandProcessor::map(Worker &worker, Queue &queue) {
    auto &front = queue.front;
    uint64_t address = descriptor_address(queue);
    for (auto *value :
         {&queue.read_index, &queue.write_index, &queue.fault_address, &queue.fault_pc,
          &queue.packet, &queue.dispatches, &queue.workgroups, &queue.busy_ns, &queue.progress})
        value->store(0);
    queue.error.store(BRGPU_QUEUE_ERROR_NONE);
    queue.fault_info.store(0);
    front.call = {};
    front.started = false;
    front.index_owed = false;
    front.dispatch_id = 0;

    auto refuse = [&](const Fault *fault) {
        if (fault)
            queue.fault_info.store(fault->info());
        queue.error.store(BRGPU_QUEUE_ERROR_DESC);
        set_state(queue, BRGPU_QUEUE_STATE_ERROR);
        parts_.events.post(BRGPU_EVENT_QUEUE_ERROR, queue.slot, BRGPU_QUEUE_ERROR_DESC, address);
        if (parts_.host.logs())
            parts_.host.log(BRGPU_MODEL_LOG_GUEST,
                            ready_() ? "MAP refused: the queue descriptor breaks the contract"
                                     : "MAP refused: the firmware has not released the engines");
        return false;
    };
    if (!ready_() || address % desc_alignment)
        return refuse(nullptr);
    brgpu_hw_queue_desc desc = {};
    Fault fault;
    Access access = parts_.mmu.read(worker, 0, address, &desc, sizeof(desc), fault);
    if (access == Access::gone)
        return false;
    if (access == Access::fault) {
        fault.client = BRGPU_FAULT_CLIENT_QUEUE;
        return refuse(&fault);
    }
    if (!check_descriptor(desc))
        return refuse(nullptr);
    if (!parts_.doorbells.take(desc.doorbell, queue.slot))
        return refuse(nullptr); // rings for another queue

    QueueConfig &config = front.config;
    config.ring = desc.ring;
    config.write_index = desc.write_index;
    config.read_index = desc.read_index;
    config.save_area = desc.save_area;
    config.save_bytes = desc.save_bytes;
    config.ring_log2 = desc.ring_log2;
    config.ring_vm = desc.ring_vm;
    config.vm = desc.vm;
    config.queue_class = static_cast<brgpu_queue_class>(desc.queue_class);
    config.priority = desc.priority;
    config.doorbell = desc.doorbell;
    config.time_slice_us = desc.time_slice_us;
    front.has_doorbell = true;
    front.read = desc.start_index;
    if ((desc.flags & BRGPU_QUEUE_DESC_RESTORE) && !restore(worker, queue, desc)) {
        unmap(queue, BRGPU_QUEUE_STATE_ERROR);
        return parts_.host.current(worker) ? refuse(nullptr) : false;
    }
    queue.read_index.store(front.read);
    set_state(queue, front.started ? BRGPU_QUEUE_STATE_RUNNING : BRGPU_QUEUE_STATE_IDLE);
    scheduler_->set_weight(queue, config.priority, config.time_slice_us);
    return true;
}

// ---- save area ----

bool CommandProcessor::save(Worker &worker, Queue &queue, Op *op) {
    auto &front = queue.front;
    ImageHead head = {};
    head.magic = image_magic;
    head.version = image_version;
    head.read = front.read;
    head.dispatch_id = front.dispatch_id;
    head.dispatch_start = front.dispatch_start;
    if (front.call.active) {
        head.call_address = front.call.address;
        head.call_packets = front.call.packets;
        head.call_next = front.call.next;
    }
    std::memcpy(head.current, front.current.bytes, sizeof(head.current));
    head.started = front.started && op;
    head.op_kind = op ? static_cast<uint8_t>(op->kind()) : 0;
    ImageWriter image(front.config.save_bytes);
    image.put(head);
    if (op) {
        if (op->kind() == Op::Kind::dispatch) {
            const auto &dispatch = static_cast<const DispatchOp &>(*op);
            put(image, dispatch.params());
            if (dispatch.counts())
                dispatch.counts()->save(image);
        }
        op->save(image);
    }
    uint64_t bytes = image.bytes().size();
    if (!image.fits())
        return false;
    Fault fault;
    uint64_t done = 0;
    constexpr uint64_t step = 256 << 10;
    while (done < bytes) {
        uint64_t part = std::min(step, bytes - done);
        if (parts_.mmu.write(worker, 0, front.config.save_area + done, image.bytes().data() + done,
                             part, fault) != Access::ok)
            return false;
        done += part;
    }
    uint64_t saved = descriptor_address(queue) + offsetof(brgpu_hw_queue_desc, saved_bytes);
    return parts_.mmu.store64(worker, 0, saved, bytes, fault) == Access::ok;
}

bool CommandProcessor::restore(Worker &worker, Queue &queue, const brgpu_hw_queue_desc &desc) {
    auto &front = queue.front;
    if (desc.saved_bytes < sizeof(ImageHead) || desc.saved_bytes > desc.save_bytes ||
        desc.saved_bytes > max_image_bytes)
        return false;
    // Piece by piece, so that a size that nothing stands behind costs no host memory.
    std::vector<std::byte> bytes;
    Fault fault;
    constexpr uint64_t step = 256 << 10;
    while (bytes.size() < desc.saved_bytes) {
        uint64_t at = bytes.size();
        uint64_t part = std::min(step, desc.saved_bytes - at);
        bytes.resize(at + part);
        if (parts_.mmu.read(worker, 0, desc.save_area + at, bytes.data() + at, part, fault) !=
            Access::ok)
            return false;
    }
    ImageReader image(bytes);
    auto head = image.get<ImageHead>();
    const CallState call = {head.call_packets != 0, head.call_address, head.call_packets,
                            head.call_next};
    if (head.magic != image_magic || head.version != image_version ||
        (call.active && (call.packets > BRGPU_MAX_CALL_PACKETS || call.next >= call.packets ||
                         call.address % BRGPU_PACKET_BYTES)))
        return false;
    front.read = head.read;
    front.dispatch_id = head.dispatch_id;
    front.dispatch_start = head.dispatch_start;
    front.call = call;
    front.index_owed = true; // it may have been preempted while writing it faulted
    std::memcpy(front.current.bytes, head.current, sizeof(head.current));
    front.started = head.started != 0;
    if (!front.started)
        return head.op_kind == 0 && image.at_end();

    if (check_packet(front.current, front.config.queue_class, call.active) !=
        BRGPU_QUEUE_ERROR_NONE)
        return false;
    uint16_t vm = call.active ? front.config.vm : front.config.ring_vm;
    const Packet &packet = front.current;
    std::shared_ptr<Op> op;
    bool good = false;
    if (head.op_kind == static_cast<uint8_t>(Op::Kind::dispatch) &&
        packet.type() == BRGPU_PACKET_DISPATCH) {
        simt::DispatchParams params = get_params(image);
        params.queue_id = queue.slot;
        if (!image.good() || simt::check_dispatch(params) != simt::DispatchError::none)
            return false;
        // The packet says whether there is a report.
        std::unique_ptr<DispatchReport> counts;
        if (packet.dispatch.flags & BRGPU_PACKET_REPORT_BIT) {
            counts = DispatchReport::restore(image);
            if (!counts)
                return false;
        }
        auto made = std::make_shared<DispatchOp>(parts_.engine, queue, front.config.vm, params,
                                                 false, std::move(counts));
        good = made->restore(image);
        op = std::move(made);
    } else if (head.op_kind == static_cast<uint8_t>(Op::Kind::copy) &&
               (packet.type() == BRGPU_PACKET_COPY || packet.type() == BRGPU_PACKET_FILL)) {
        auto made = packet.type() == BRGPU_PACKET_COPY
                        ? std::make_shared<CopyOp>(parts_.mmu, copy_bytes, vm, packet.copy)
                        : std::make_shared<CopyOp>(parts_.mmu, copy_bytes, vm, packet.fill);
        good = made->restore(image);
        op = std::move(made);
    }
    if (!good || !image.at_end())
        return false;
    scheduler_->set_op(queue, std::move(op));
    return true;
}

} // namespace brgpu::model
