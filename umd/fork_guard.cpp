// SPDX-License-Identifier: MIT
#include "fork_guard.hpp"

#include <atomic>
#include <mutex>
#include <pthread.h>

namespace brgpu::umd {

namespace {
std::atomic<uint32_t> generation{0};
std::once_flag registered;
} // namespace

uint32_t fork_generation() noexcept {
    // glibc removes the handler with the library on dlclose().
    std::call_once(registered, [] {
        pthread_atfork(nullptr, nullptr,
                       [] { generation.fetch_add(1, std::memory_order_relaxed); });
    });
    return generation.load(std::memory_order_relaxed);
}

} // namespace brgpu::umd
