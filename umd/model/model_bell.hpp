// SPDX-License-Identifier: MIT
//
// Something may have changed: what threads sleep on that have looked and found nothing.
#ifndef BRGPU_UMD_MODEL_MODEL_BELL_HPP
#define BRGPU_UMD_MODEL_MODEL_BELL_HPP

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace brgpu::umd::model {

// An event count: number(), then look, then wait() for the number to change. Takes no lock, so that
// any thread may ring, and costs a call of the kernel only when somebody sleeps.
class Bell {
  public:
    uint32_t number() const noexcept { return number_.load(); }

    // False: nobody slept.
    bool ring() noexcept {
        number_.fetch_add(1);
        // A sleeper is counted before it compares the number: one of the two sees the other.
        if (sleepers_.load() == 0)
            return false;
        futex(FUTEX_WAKE_PRIVATE, INT_MAX, nullptr);
        return true;
    }

    // Returns when the bell has rung since number() was `seen`, at the deadline (CLOCK_MONOTONIC),
    // or for no reason.
    void wait(uint32_t seen, int64_t deadline_ns) noexcept {
        const timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
        sleepers_.fetch_add(1);
        futex(FUTEX_WAIT_BITSET_PRIVATE, seen, deadline_ns == INT64_MAX ? nullptr : &until);
        sleepers_.fetch_sub(1);
    }

  private:
    void futex(int operation, uint32_t value, const timespec *until) noexcept {
        syscall(SYS_futex, reinterpret_cast<uint32_t *>(&number_), operation, value, until, nullptr,
                FUTEX_BITSET_MATCH_ANY);
    }

    std::atomic<uint32_t> number_{0};
    std::atomic<uint32_t> sleepers_{0};
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_BELL_HPP
