// SPDX-License-Identifier: MIT
//
// Cards in this process, and the kernels that CMake has compiled for them.
#ifndef BRGPU_BENCH_CARD_HPP
#define BRGPU_BENCH_CARD_HPP

#include <cstdint>
#include <string>

#include "brgpu/brgpu.hpp"

namespace brgpu::bench {

// vram_bytes 0: the library's default.
Device open_card(uint32_t workers, uint64_t vram_bytes = 0);
// Of tests/kernels or tests/bench, by the source's name without its extension.
CodeObject load_kernels(const Vm &vm, const std::string &file);

} // namespace brgpu::bench

#endif // BRGPU_BENCH_CARD_HPP
