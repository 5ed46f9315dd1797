// SPDX-License-Identifier: MIT
//
// A panel of outputs by register tiles. Each output is a chain of its own, so that tiles of any
// shape give the same bits. Included by the kernels of each class of hosts, which say in a Traits
// what a vector is:
//
//     using Vector
//     static constexpr unsigned vectors;  // of a panel
//     static constexpr unsigned panels;   // of a block, 1 or 2
//     static constexpr unsigned rows;     // of the largest tile
//     static constexpr unsigned rows_2;   // of the second largest
//     static Vector zero(), load(const std::byte *), splat(const std::byte *)
//     static void store(std::byte *, Vector)
//     static Vector step(Vector sum, Vector a, Vector b)
//     static Vector finish(Vector sum)    // before it is stored
#ifndef BRGPU_SIMT_TENSOR_MICROKERNEL_HPP
#define BRGPU_SIMT_TENSOR_MICROKERNEL_HPP

#include <cstring>

#include "kernels.hpp"

namespace brgpu::simt {
namespace { // each translation unit is compiled for other hosts: nothing may be shared

template <class T, unsigned Rows, unsigned Panels>
[[gnu::always_inline]] inline void run_tile(const std::byte *a, size_t a_stride,
                                            const std::byte *const panels[2], uint32_t steps,
                                            std::byte *acc, size_t acc_stride, bool accumulate) {
    using Vector = typename T::Vector;
    constexpr unsigned all = Panels * T::vectors;
    Vector sum[Rows][all];
#pragma GCC unroll 16
    for (unsigned r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (unsigned v = 0; v < all; ++v)
            sum[r][v] = accumulate ? T::load(acc + r * acc_stride + v * sizeof(Vector)) : T::zero();
    const std::byte *b = panels[0], *b2 = panels[Panels - 1];
    // A pointer for three rows, so that registers suffice.
    const std::byte *rows[(Rows + 2) / 3];
#pragma GCC unroll 4
    for (unsigned r = 0; r < Rows; r += 3)
        rows[r / 3] = a + r * a_stride;
#pragma GCC unroll 4
    for (; steps != 0; --steps) {
        Vector y[all];
#pragma GCC unroll 4
        for (unsigned v = 0; v < all; ++v)
            y[v] = T::load((v < T::vectors ? b : b2) + v % T::vectors * sizeof(Vector));
        b += tensor_step_bytes;
        b2 += tensor_step_bytes;
#pragma GCC unroll 16
        for (unsigned r = 0; r < Rows; ++r) {
            const Vector x = T::splat(rows[r / 3] + r % 3 * a_stride);
#pragma GCC unroll 4
            for (unsigned v = 0; v < all; ++v)
                sum[r][v] = T::step(sum[r][v], x, y[v]);
        }
#pragma GCC unroll 4
        for (const std::byte *&row : rows)
            row += 4;
    }
#pragma GCC unroll 16
    for (unsigned r = 0; r < Rows; ++r)
#pragma GCC unroll 4
        for (unsigned v = 0; v < all; ++v)
            T::store(acc + r * acc_stride + v * sizeof(Vector), T::finish(sum[r][v]));
}

// A tile at the right edge is computed beside the accumulator, which ends there.
template <class T, unsigned Rows, unsigned Panels>
[[gnu::noinline]] void run_tile_at(const TensorBlock &block, uint32_t first) {
    static_assert(T::vectors * sizeof(typename T::Vector) == tensor_step_bytes);
    constexpr size_t line = Panels * tensor_step_bytes;
    const std::byte *a = block.a + first * block.a_stride;
    std::byte *acc = block.acc + first * block.acc_stride;
    for (unsigned r = 0; r < Rows && block.ahead; ++r)
        for (uint32_t at = 0; at < block.ahead_bytes; at += 64)
            __builtin_prefetch(block.ahead + (first + r) * block.ahead_stride + at, 0, 2);
    if (block.columns * size_t{4} == line) {
        run_tile<T, Rows, Panels>(a, block.a_stride, block.b, block.steps, acc, block.acc_stride,
                                  block.accumulate);
        return;
    }
    alignas(64) std::byte edge[Rows * line] = {};
    for (unsigned r = 0; r < Rows && block.accumulate; ++r)
        std::memcpy(edge + r * line, acc + r * block.acc_stride, block.columns * size_t{4});
    run_tile<T, Rows, Panels>(a, block.a_stride, block.b, block.steps, edge, line, true);
    for (unsigned r = 0; r < Rows; ++r)
        std::memcpy(acc + r * block.acc_stride, edge + r * line, block.columns * size_t{4});
}

// Tiles that are too low for their latencies to overlap are left to the end, and avoided.
template <class T, unsigned Panels>
void run_rows(const TensorBlock &block) {
    uint32_t row = 0;
    while (row < block.rows) {
        const uint32_t left = block.rows - row;
        if (left >= T::rows && left != 2 * T::rows_2) {
            run_tile_at<T, T::rows, Panels>(block, row);
            row += T::rows;
        } else if (left >= T::rows_2) {
            run_tile_at<T, T::rows_2, Panels>(block, row);
            row += T::rows_2;
        } else if (left >= 2) {
            run_tile_at<T, 2, Panels>(block, row);
            row += 2;
        } else {
            run_tile_at<T, 1, Panels>(block, row);
            row += 1;
        }
    }
}

template <class T>
void run_block(const TensorBlock &block) {
    if (T::panels == 2 && block.columns > tensor_panel)
        run_rows<T, T::panels>(block);
    else
        run_rows<T, 1>(block);
}

} // namespace
} // namespace brgpu::simt

#endif
