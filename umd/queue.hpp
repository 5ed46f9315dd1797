// SPDX-License-Identifier: MIT
//
// A queue, and the submissions that are still under way on it. In a long-running VM it is a
// user-mode queue with a ring of its own, else one of the kernel's.
#ifndef BRGPU_UMD_QUEUE_HPP
#define BRGPU_UMD_QUEUE_HPP

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "commands.hpp"
#include "queue_progress.hpp"
#include "user_ring.hpp"

namespace brgpu::umd {

class Queue {
  public:
    static std::shared_ptr<Queue> create(std::shared_ptr<Vm> vm,
                                         const brgpu_queue_create_info &info);
    ~Queue();

    Vm &vm() noexcept { return *vm_; }
    const std::shared_ptr<QueueProgress> &progress() const noexcept { return progress_; }

    struct Point {
        std::shared_ptr<Timeline> timeline;
        uint64_t value;
    };
    // Returns the serial of the submission.
    uint64_t submit(std::span<const std::shared_ptr<Commands>> commands,
                    std::span<const Point> waits, std::span<const Point> signals);
    // `report` may be null.
    uint64_t launch(Kernel &kernel, const brgpu_dispatch_info &info,
                    std::shared_ptr<Report> report);
    // One run of packets that the caller keeps alive.
    uint64_t submit_run(const drm_brgpu_command &run);
    // Later work waits for a submission; of a user-mode queue only in its own VM.
    void wait_for(const std::shared_ptr<QueueProgress> &progress, uint64_t serial);

    // serial 0: all of them. Throws on time-out and on failure.
    void wait(uint64_t serial, uint64_t timeout_ns);
    void upload(uint64_t dst, const void *src, uint64_t bytes, uint64_t timeout_ns);
    void download(void *dst, uint64_t src, uint64_t bytes, uint64_t timeout_ns);
    brgpu_queue_state state() { return progress_->state(); }
    void set_printf(brgpu_printf_function function, void *user);

  private:
    Queue(std::shared_ptr<Vm> vm, const drm_brgpu_queue_create &created,
          std::unique_ptr<UserRing> ring, uint32_t poll_us);

    struct InFlight {
        uint64_t serial;
        std::shared_ptr<Commands> commands;
        bool transient; // the queue's own list, used again
    };
    // Both with lock_ held.
    uint64_t submit_locked(std::span<const drm_brgpu_command> runs, std::span<const Point> waits,
                           std::span<const Point> signals);
    uint64_t submit_user_locked(std::span<const drm_brgpu_command> runs,
                                std::span<const Point> waits, std::span<const Point> signals,
                                const brgpu_packet_wait *memory_wait);
    // Takes what has ended out of in_flight_; ask: the kernel as well, which knows of failures.
    void retire_locked(bool ask);
    // Where the CPU may copy from or to by itself, in the queue's order: the bytes mapped at the
    // address, and what keeps them. Null when the card has to copy.
    std::byte *direct(uint64_t address, uint64_t bytes, uint32_t access,
                      std::shared_ptr<Memory> *keeper);
    std::shared_ptr<Commands> take_list_locked();
    void print_locked(bool all);
    template <typename Addresses, typename Before, typename After>
    void transfer(uint64_t bytes, uint64_t timeout_ns, Addresses addresses, Before before,
                  After after);
    uint64_t copy_locked(uint64_t dst, uint64_t src, uint64_t bytes);

    const std::shared_ptr<Vm> vm_;
    const uint32_t id_;
    const uint32_t class_;
    std::unique_ptr<UserRing> ring_; // of a user-mode queue, else null; under lock_
    std::mutex transfer_lock_;       // staging_; taken before lock_
    OwnedAllocation staging_;
    std::vector<OwnedAllocation> abandoned_staging_; // of transfers that timed out
    std::mutex lock_; // what follows, and the order of QUEUE_SUBMIT calls
    std::shared_ptr<QueueProgress> progress_;
    uint64_t serial_ = 0;
    // Submissions that signal timelines and that nobody has waited for stand from the first to the
    // second; 0: none.
    uint64_t first_signalling_ = 0, last_signalling_ = 0;
    uint32_t code_generation_ = 0;
    std::deque<InFlight> in_flight_;
    std::vector<std::shared_ptr<Commands>> idle_lists_;
    std::vector<drm_brgpu_command> commands_; // of a call, kept for their memory
    std::vector<drm_brgpu_sync> syncs_;
    brgpu_printf_function printf_ = nullptr;
    void *printf_user_ = nullptr;
};

} // namespace brgpu::umd

#endif // BRGPU_UMD_QUEUE_HPP
