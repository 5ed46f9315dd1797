// SPDX-License-Identifier: MIT
//
// Arguments for a call: mostly well-formed and about objects that exist, with mistakes strewn in.
#pragma once

#include "description.hpp"

#include <array>
#include <cstddef>
#include <mutex>
#include <random>

namespace brgpu::fuzz {

/// A small generator that a seed starts at no cost (SplitMix64): each call of a program has its
/// own.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    /// 0..limit - 1; limit is not 0.
    std::uint64_t below(std::uint64_t limit) { return next() % limit; }
    bool one_in(std::uint64_t n) { return below(n) == 0; }

  private:
    std::uint64_t state_;
};

/// What calls have given out (handles, ids), by resource. Stale ones stay in: they are worth
/// trying. Threads share it.
class Pool {
  public:
    explicit Pool(std::size_t resources) : values_(resources) {}
    void put(std::size_t resource, std::uint64_t value);
    /// 0 where there is none.
    std::uint64_t pick(std::size_t resource, Random &random);

  private:
    static constexpr std::size_t kept = 12;
    std::mutex mutex_;
    std::vector<std::vector<std::uint64_t>> values_;
};

/// Memory for arguments, one a thread: behind the writable part lies a page that can't be read,
/// then one that can't be written.
class Arena {
  public:
    static constexpr std::size_t bytes = 128 * 1024, page = 4096;
    Arena();
    ~Arena();
    Arena(const Arena &) = delete;
    Arena &operator=(const Arena &) = delete;

    void reset() { used_ = 0; }
    /// Zeroed; null when there is no more.
    std::byte *take(std::size_t size);
    /// An address that no call should trust.
    std::uint64_t wild(Random &random) const;
    /// Some page of it.
    std::uint64_t pages(Random &random) const;
    /// Changes some word of what was taken, as another thread does while a call reads it.
    void disturb(Random &random);

  private:
    std::byte *memory_;
    std::size_t used_ = 0;
};

/// Fills an argument of `type`; the arena was reset. One in `mistakes` scalars is wrong, 0: none.
std::byte *generate(const Type &type, Arena &arena, Pool &pool, Random &random,
                    std::uint64_t mistakes);

/// Takes the resources out of an argument that a call has filled in.
void harvest(const Type &type, const std::byte *argument, Pool &pool);

} // namespace brgpu::fuzz
