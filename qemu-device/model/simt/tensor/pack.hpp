// SPDX-License-Identifier: MIT
//
// From operands as they stand in memory to units (kernels.hpp). Included by the kernels of each
// class of hosts; plain loops that their compiler vectorises, but for what it does badly.
#ifndef BRGPU_SIMT_TENSOR_PACK_HPP
#define BRGPU_SIMT_TENSOR_PACK_HPP

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "formats.hpp"
#include "kernels.hpp"

namespace brgpu::simt {
namespace { // each translation unit is compiled for other hosts: nothing may be shared

#if defined(__x86_64__)
// While it lives, subnormal operands and results are zeros of their sign.
class FlushSubnormals {
  public:
    FlushSubnormals() : saved_(_mm_getcsr()) {
        constexpr unsigned daz = 1u << 6, ftz = 1u << 15;
        _mm_setcsr(saved_ | daz | ftz);
        asm volatile("" ::: "memory"); // what is loaded below stays below
    }
    ~FlushSubnormals() {
        asm volatile("" ::: "memory");
        _mm_setcsr(saved_);
    }
    FlushSubnormals(const FlushSubnormals &) = delete;
    FlushSubnormals &operator=(const FlushSubnormals &) = delete;

  private:
    unsigned saved_;
};
#endif

// Of any alignment; a type, because loops over memcpy are not vectorised.
template <class Element>
struct Unaligned {
    typedef Element Type __attribute__((aligned(1), may_alias));
};

template <class Element>
[[gnu::always_inline]] inline Element element(const std::byte *from, size_t i) {
    return reinterpret_cast<const typename Unaligned<Element>::Type *>(from)[i];
}

[[gnu::always_inline]] inline void put(std::byte *to, size_t i, uint32_t unit) {
    reinterpret_cast<Unaligned<uint32_t>::Type *>(to)[i] = unit;
}

// unit(i) for i < count, which is most often a whole panel.
template <class Unit>
[[gnu::always_inline]] inline void put_all(std::byte *__restrict to, uint32_t count, Unit &&unit) {
    if (count == tensor_panel) {
#pragma GCC unroll 1
        for (uint32_t i = 0; i < tensor_panel; ++i)
            put(to, i, unit(i));
    } else {
        for (uint32_t i = 0; i < count; ++i)
            put(to, i, unit(i));
    }
}

inline void widen_halves(std::byte *__restrict to, const std::byte *__restrict from,
                         uint32_t count) {
    uint32_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= count; i += 8) {
        const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + 2 * i));
        _mm256_storeu_ps(reinterpret_cast<float *>(to + 4 * i), _mm256_cvtph_ps(halves));
    }
#endif
    for (; i < count; ++i)
        put(to, i, f16_to_f32(element<uint16_t>(from, i)));
}

constexpr uint32_t pair(uint32_t low, uint32_t high) {
    return (low & 0xffff) | high << 16;
}

constexpr uint32_t int8_pair(uint32_t word, unsigned first) {
    const auto low = static_cast<int8_t>(word >> 8 * first);
    const auto high = static_cast<int8_t>(word >> 8 * (first + 1));
    return pair(static_cast<uint32_t>(low), static_cast<uint32_t>(high));
}

template <uint32_t Bf16Unit, uint32_t Int8Unit>
void pack_row(uint8_t type, std::byte *__restrict to, const std::byte *__restrict from,
              uint32_t count) {
    switch (type) {
    case BRGPU_TENSOR_F32:
        std::memcpy(to, from, size_t{4} * count);
        break;
    case BRGPU_TENSOR_TF32:
        for (uint32_t i = 0; i < count; ++i)
            put(to, i, round_to_tf32(element<uint32_t>(from, i)));
        break;
    case BRGPU_TENSOR_F16:
        widen_halves(to, from, count);
        break;
    case BRGPU_TENSOR_BF16:
        if constexpr (Bf16Unit == 2) {
            std::memcpy(to, from, size_t{2} * count);
            if (count % 2)
                std::memset(to + size_t{2} * count, 0, 2);
        } else {
            for (uint32_t i = 0; i < count / 2; ++i) {
                const auto both = element<uint32_t>(from, i);
                put(to, 2 * i, both & 0xffff0000u);
                put(to, 2 * i + 1, both << 16);
            }
            if (count % 2)
                put(to, count - 1, uint32_t{element<uint16_t>(from, count - 1)} << 16);
        }
        break;
    default:
        if constexpr (Int8Unit == 4) {
            for (uint32_t i = 0; i < count; ++i)
                to[i] = from[i] ^ std::byte{0x80};
            std::memset(to + count, 0, (0u - count) % 4);
        } else {
            for (uint32_t i = 0; i < count; ++i) {
                const int16_t wide = element<int8_t>(from, i);
                std::memcpy(to + size_t{2} * i, &wide, 2);
            }
            if (count % 2)
                std::memset(to + size_t{2} * count, 0, 2);
        }
        break;
    }
}

#if defined(__AVX2__)
// 16 columns of two rows of int8.
[[gnu::always_inline]] inline void pack_int8_pairs(std::byte *to, const std::byte *low,
                                                   const std::byte *high) {
    const auto wide = [](const std::byte *from) {
        return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i *>(from)));
    };
    const __m256i x = wide(low), y = wide(high);
    const __m256i outer = _mm256_unpacklo_epi16(x, y), inner = _mm256_unpackhi_epi16(x, y);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to),
                        _mm256_permute2x128_si256(outer, inner, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to + 32),
                        _mm256_permute2x128_si256(outer, inner, 0x31));
}
#endif

template <uint32_t Bf16Unit, uint32_t Int8Unit>
[[gnu::always_inline]] inline void pack_step_of_panel(uint8_t type, std::byte *__restrict to,
                                                      const std::byte *const rows[4], size_t column,
                                                      uint32_t count) {
    const std::byte *__restrict first = rows[0] + column * tensor_element_bytes(type);
    switch (type) {
    case BRGPU_TENSOR_F32:
        put_all(to, count, [&](uint32_t i) { return element<uint32_t>(first, i); });
        break;
    case BRGPU_TENSOR_TF32:
        put_all(to, count, [&](uint32_t i) { return round_to_tf32(element<uint32_t>(first, i)); });
        break;
    case BRGPU_TENSOR_F16:
        widen_halves(to, first, count);
        break;
    case BRGPU_TENSOR_BF16:
        if constexpr (Bf16Unit == 1) {
            put_all(to, count,
                    [&](uint32_t i) { return uint32_t{element<uint16_t>(first, i)} << 16; });
        } else if (rows[1]) {
            const std::byte *__restrict second = rows[1] + column * 2;
            put_all(to, count, [&](uint32_t i) {
                return pair(element<uint16_t>(first, i), element<uint16_t>(second, i));
            });
        } else { // -0.0 by any finite number adds nothing, not even to -0.0
            put_all(to, count,
                    [&](uint32_t i) { return pair(element<uint16_t>(first, i), 0x8000); });
        }
        break;
    default: {
        static constexpr std::byte zeros[tensor_panel] = {};
        const auto row = [&](unsigned r) { return rows[r] ? rows[r] + column : zeros; };
        if constexpr (Int8Unit == 4) {
            const std::byte *b = row(1), *c = row(2), *d = row(3);
            put_all(to, count, [&](uint32_t i) {
                return uint32_t{element<uint8_t>(first, i)} |
                       uint32_t{element<uint8_t>(b, i)} << 8 |
                       uint32_t{element<uint8_t>(c, i)} << 16 |
                       uint32_t{element<uint8_t>(d, i)} << 24;
            });
        } else {
            const std::byte *second = row(1);
#if defined(__AVX2__)
            if (count == tensor_panel) {
                for (uint32_t i = 0; i < tensor_panel; i += 16)
                    pack_int8_pairs(to + size_t{4} * i, first + i, second + i);
                break;
            }
#endif
            put_all(to, count, [&](uint32_t i) {
                return pair(static_cast<uint32_t>(element<int8_t>(first, i)),
                            static_cast<uint32_t>(element<int8_t>(second, i)));
            });
        }
        break;
    }
    }
}

template <uint32_t Bf16Unit, uint32_t Int8Unit>
void pack_step(uint8_t type, std::byte *to, const std::byte *const rows[4], uint32_t columns) {
    for (uint32_t at = 0; at < columns; at += tensor_panel, to += tensor_panel_bytes)
        pack_step_of_panel<Bf16Unit, Int8Unit>(
            type, to, rows, at, columns - at < tensor_panel ? columns - at : tensor_panel);
}

template <uint32_t Bf16Unit, uint32_t Int8Unit>
void pack_panel(uint8_t type, std::byte *to, const std::byte *groups, uint32_t depth,
                uint32_t columns) {
    const uint32_t pack = 4 / tensor_element_bytes(type);
    for (uint32_t k = 0; k < depth; k += pack, groups += tensor_step_bytes) {
        const uint32_t count = depth - k < pack ? depth - k : pack;
        const std::byte *__restrict from = groups;
        std::byte *next = to + tensor_step_bytes;
        const auto word = [&](uint32_t i) { return element<uint32_t>(from, i); };
        switch (type) {
        case BRGPU_TENSOR_F32:
            put_all(to, columns, word);
            break;
        case BRGPU_TENSOR_TF32:
            put_all(to, columns, [&](uint32_t i) { return round_to_tf32(word(i)); });
            break;
        case BRGPU_TENSOR_F16: {
            uint16_t low[tensor_panel], high[tensor_panel];
            for (uint32_t i = 0; i < columns; ++i) {
                low[i] = static_cast<uint16_t>(word(i));
                high[i] = static_cast<uint16_t>(word(i) >> 16);
            }
            widen_halves(to, reinterpret_cast<const std::byte *>(low), columns);
            if (count == 2)
                widen_halves(next, reinterpret_cast<const std::byte *>(high), columns);
            break;
        }
        case BRGPU_TENSOR_BF16:
            if (Bf16Unit == 2 && count == 2) {
                put_all(to, columns, word);
            } else if (Bf16Unit == 2) {
                put_all(to, columns, [&](uint32_t i) { return pair(word(i), 0x8000); });
            } else if (count == 1) {
                put_all(to, columns, [&](uint32_t i) { return word(i) << 16; });
            } else {
                put_all(to, columns, [&](uint32_t i) { return word(i) & 0xffff0000u; });
                put_all(next, columns, [&](uint32_t i) { return word(i) << 16; });
            }
            break;
        default: {
            const uint32_t present = UINT32_MAX >> 8 * (4 - count);
            if constexpr (Int8Unit == 4) {
                put_all(to, columns, [&](uint32_t i) { return word(i) & present; });
            } else {
                put_all(to, columns, [&](uint32_t i) { return int8_pair(word(i) & present, 0); });
                if (count > 2)
                    put_all(next, columns,
                            [&](uint32_t i) { return int8_pair(word(i) & present, 2); });
            }
            break;
        }
        }
        const uint32_t unit = type == BRGPU_TENSOR_BF16 ? Bf16Unit
                              : type == BRGPU_TENSOR_I8 ? Int8Unit
                                                        : 1;
        to += (count + unit - 1) / unit * tensor_step_bytes;
    }
}

} // namespace
} // namespace brgpu::simt

#endif
