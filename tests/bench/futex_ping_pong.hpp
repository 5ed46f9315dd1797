// SPDX-License-Identifier: MIT
#ifndef BRGPU_BENCH_FUTEX_PING_PONG_HPP
#define BRGPU_BENCH_FUTEX_PING_PONG_HPP

#include <atomic>
#include <cstdint>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace brgpu::bench {

// Two threads that wake each other: what any hand-over to another thread and back costs.
class FutexPingPong {
  public:
    FutexPingPong() : thread_([this] { answer(); }) {}
    ~FutexPingPong() {
        post(request_, stop);
        thread_.join();
    }
    void round() {
        const uint32_t number = ++count_;
        post(request_, number);
        await(reply_, number);
    }

  private:
    static constexpr uint32_t stop = UINT32_MAX;

    static long futex(std::atomic<uint32_t> &word, int op, uint32_t value) {
        return syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), op, value, nullptr, nullptr,
                       0);
    }
    static void post(std::atomic<uint32_t> &word, uint32_t value) {
        word.store(value);
        futex(word, FUTEX_WAKE_PRIVATE, 1);
    }
    static void await(std::atomic<uint32_t> &word, uint32_t value) {
        for (uint32_t seen = word.load(); seen != value; seen = word.load())
            futex(word, FUTEX_WAIT_PRIVATE, seen);
    }
    void answer() {
        for (uint32_t done = 0;;) {
            const uint32_t wanted = request_.load();
            if (wanted == stop)
                return;
            if (wanted == done) {
                futex(request_, FUTEX_WAIT_PRIVATE, done);
                continue;
            }
            done = wanted;
            post(reply_, done);
        }
    }

    std::atomic<uint32_t> request_{0}, reply_{0};
    uint32_t count_ = 0;
    std::thread thread_;
};

} // namespace brgpu::bench

#endif // BRGPU_BENCH_FUTEX_PING_PONG_HPP
