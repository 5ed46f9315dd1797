// SPDX-License-Identifier: MIT
//
// A hardware queue: its registers, what the scheduler knows of it, and what the worker that runs
// its front end knows of it.
#ifndef BRGPU_MODEL_QUEUE_HPP
#define BRGPU_MODEL_QUEUE_HPP

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "brgpu/hw/queue.h"
#include "brgpu/hw/regs.h"
#include "op.hpp"
#include "packets.hpp"

namespace brgpu::model {

using Clock = std::chrono::steady_clock;

// What MAP took from the descriptor, checked.
struct QueueConfig {
    uint64_t ring = 0;
    uint64_t write_index = 0;
    uint64_t read_index = 0;
    uint64_t save_area = 0;
    uint64_t save_bytes = 0;
    uint32_t ring_log2 = 0;
    uint16_t ring_vm = 0;
    uint16_t vm = 0;
    brgpu_queue_class queue_class = BRGPU_QUEUE_COMPUTE;
    uint8_t priority = BRGPU_PRIORITY_NORMAL;
    uint32_t doorbell = 0;
    uint32_t time_slice_us = 0;
};

// Where the front end is inside a CALL.
struct CallState {
    bool active = false;
    uint64_t address = 0;
    uint32_t packets = 0;
    uint32_t next = 0;
};

// One life of a queue slot between resets: a device reset puts a fresh object into the slot, and
// whatever still works on the old one changes nothing that anybody sees.
struct Queue {
    explicit Queue(uint16_t number) : slot(number) {}

    const uint16_t slot;

    // Registers. Written by the front end, `busy_ns` and the counters by workers; read by anyone.
    std::atomic<uint32_t> state{BRGPU_QUEUE_STATE_UNMAPPED};
    std::atomic<uint64_t> read_index{0};
    std::atomic<uint64_t> write_index{0};
    std::atomic<uint32_t> error{BRGPU_QUEUE_ERROR_NONE};
    std::atomic<uint32_t> fault_info{0};
    std::atomic<uint64_t> fault_address{0};
    std::atomic<uint64_t> fault_pc{0};
    std::atomic<uint64_t> packet{0};
    std::atomic<uint64_t> dispatches{0};
    std::atomic<uint64_t> workgroups{0};
    std::atomic<uint64_t> busy_ns{0};
    std::atomic<uint64_t> progress{0};

    // The scheduler's: written under its lock but for the atomics, which the front end also
    // reads, and `front_wanted` clears, without it.
    struct {
        bool busy = false;                 // STATUS.BUSY
        std::atomic<uint32_t> command = 0; // written and not yet taken
        uint32_t kill_error = BRGPU_QUEUE_ERROR_KILLED;
        std::atomic<bool> front_wanted{false};
        bool front_busy = false;
        bool listed = false;
        bool urgent = false; // a command is under way: before any work
        bool ticking = false;
        std::atomic<bool> dead{false}; // the slot has a new object; read without the lock too
        uint8_t priority = BRGPU_PRIORITY_NORMAL;
        uint32_t slice_us = 0;
        uint32_t op_workers = 0;
        std::shared_ptr<Op> op; // only the front end sets it
    } sched;

    // The front end's: one worker at a time.
    struct {
        QueueConfig config;
        uint64_t read = 0;
        CallState call;
        Packet current = {};
        uint32_t command = 0; // being carried out
        uint32_t kill_error = BRGPU_QUEUE_ERROR_KILLED;
        Clock::time_point deadline = Clock::time_point::max();
        bool has_doorbell = false;
        uint64_t dispatch_start = 0; // TIMESTAMP
        uint64_t dispatch_id = 0;
        bool index_owed = false; // the read index in memory could not be written
        bool started = false;    // the current packet has begun: it may not be begun again
    } front;
};

} // namespace brgpu::model

#endif
