// SPDX-License-Identifier: MIT
//
// Time, medians, threads and made-up data: what every part of the benchmark needs.
#ifndef BRGPU_BENCH_MEASURE_HPP
#define BRGPU_BENCH_MEASURE_HPP

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

namespace brgpu::bench {

// What a stretch of time is taken from. CPU time of the process leaves out what other programs of
// a busy machine take, and makes sense for work of one thread only.
enum class TimeSource { wall, cpu };
double now_ns(TimeSource source = TimeSource::wall);

double median(std::vector<double> values);
double geomean(std::span<const double> values);

// Runs each of `works` once, `rounds` times over, so that all of them meet the same machine, and
// gives the median time of each in ns.
std::vector<double> interleaved(unsigned rounds, TimeSource source,
                                std::span<const std::function<void()>> works);

// A fixed set of threads for what the host computes itself; the caller is one of them.
class Pool {
  public:
    explicit Pool(unsigned threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    unsigned threads() const noexcept { return static_cast<unsigned>(others_.size()) + 1; }
    // Calls work(begin, end) for pieces of [0, total) of about `grain`, and returns when all are
    // done. With one thread there is one piece.
    void run(size_t total, size_t grain, const std::function<void(size_t, size_t)> &work);

  private:
    void loop();
    void take_pieces();

    std::vector<std::thread> others_;
    std::mutex mutex_; // the rest but next_
    std::condition_variable begin_, end_;
    const std::function<void(size_t, size_t)> *work_ = nullptr;
    size_t total_ = 0, grain_ = 1;
    uint64_t round_ = 0;
    unsigned busy_ = 0;
    bool quit_ = false;
    std::atomic<size_t> next_{0};
};

// A fixed sequence.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
    uint32_t next();
    uint32_t below(uint32_t limit);
    float uniform(float low, float high);
    std::vector<float> floats(size_t count, float low, float high);

  private:
    uint64_t state_;
};

} // namespace brgpu::bench

#endif // BRGPU_BENCH_MEASURE_HPP
