// SPDX-License-Identifier: MIT
//
// A mark in a queue's work, with the device timestamp at which it was reached.
#ifndef BRGPU_UMD_EVENT_HPP
#define BRGPU_UMD_EVENT_HPP

#include <cstdint>
#include <memory>
#include <mutex>

#include "queue.hpp"

namespace brgpu::umd {

class Event {
  public:
    explicit Event(std::shared_ptr<Vm> vm);

    Vm &vm() noexcept { return *vm_; }
    void record(Queue &queue);
    void wait(uint64_t timeout_ns);
    void make_wait(Queue &queue);
    // Throws BUSY before the mark is reached.
    uint64_t timestamp();

  private:
    // Null: never recorded.
    std::shared_ptr<QueueProgress> mark(uint64_t *serial);

    std::shared_ptr<Vm> vm_;
    OwnedAllocation page_; // the timestamp, and the packet that writes it
    std::mutex lock_;
    std::shared_ptr<QueueProgress> progress_;
    uint64_t serial_ = 0;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_EVENT_HPP
