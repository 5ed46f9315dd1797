// SPDX-License-Identifier: MIT
#include "measure.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace brgpu::bench {

double now_ns(TimeSource source) {
    timespec time = {};
    clock_gettime(source == TimeSource::cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
    if (values.empty())
        return NAN;
    auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2)
        return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double geomean(std::span<const double> values) {
    double sum = 0;
    for (double value : values)
        sum += std::log(value);
    return values.empty() ? NAN : std::exp(sum / static_cast<double>(values.size()));
}

std::vector<double> interleaved(unsigned rounds, TimeSource source,
                                std::span<const std::function<void()>> works) {
    std::vector<std::vector<double>> times(works.size());
    for (unsigned round = 0; round < rounds; ++round) {
        for (size_t i = 0; i < works.size(); ++i) {
            // Nobody is always the one that comes after the same other.
            const size_t which = round % 2 ? works.size() - 1 - i : i;
            const double begin = now_ns(source);
            works[which]();
            times[which].push_back(now_ns(source) - begin);
        }
    }
    std::vector<double> medians;
    for (auto &list : times)
        medians.push_back(median(std::move(list)));
    return medians;
}

Pool::Pool(unsigned threads) {
    for (unsigned i = 1; i < threads; ++i)
        others_.emplace_back([this] { loop(); });
}

Pool::~Pool() {
    {
        std::lock_guard lock(mutex_);
        quit_ = true;
    }
    begin_.notify_all();
    for (std::thread &thread : others_)
        thread.join();
}

void Pool::take_pieces() {
    for (;;) {
        const size_t begin = next_.fetch_add(grain_);
        if (begin >= total_)
            return;
        (*work_)(begin, std::min(begin + grain_, total_));
    }
}

void Pool::loop() {
    std::unique_lock lock(mutex_);
    for (uint64_t seen = 0;;) {
        begin_.wait(lock, [&] { return quit_ || round_ != seen; });
        if (quit_)
            return;
        seen = round_;
        lock.unlock();
        take_pieces();
        lock.lock();
        if (--busy_ == 0)
            end_.notify_one();
    }
}

void Pool::run(size_t total, size_t grain, const std::function<void(size_t, size_t)> &work) {
    if (others_.empty()) {
        work(0, total);
        return;
    }
    std::unique_lock lock(mutex_);
    work_ = &work;
    total_ = total;
    grain_ = std::max<size_t>(grain, 1);
    next_ = 0;
    busy_ = static_cast<unsigned>(others_.size());
    ++round_;
    lock.unlock();
    begin_.notify_all();
    take_pieces();
    lock.lock();
    end_.wait(lock, [&] { return busy_ == 0; });
}

uint32_t Random::next() {
    // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>(state_ * 0x2545f4914f6cdd1d >> 32);
}

uint32_t Random::below(uint32_t limit) {
    return static_cast<uint32_t>(uint64_t{next()} * limit >> 32);
}

float Random::uniform(float low, float high) {
    return low + (high - low) * static_cast<float>(next() >> 8) * 0x1p-24f;
}

std::vector<float> Random::floats(size_t count, float low, float high) {
    std::vector<float> values(count);
    for (float &value : values)
        value = uniform(low, high);
    return values;
}

} // namespace brgpu::bench
