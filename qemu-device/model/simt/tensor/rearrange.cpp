// SPDX-License-Identifier: MIT
#include "rearrange.hpp"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace brgpu::simt {
namespace {

template <class Element>
void transpose_plain(std::byte *to, size_t stride, const std::byte *const *lines, uint32_t count,
                     uint32_t first, uint32_t columns) {
    for (uint32_t c = first; c < columns; ++c)
        for (uint32_t r = 0; r < count; ++r)
            std::memcpy(to + c * stride + r * sizeof(Element), lines[r] + c * sizeof(Element),
                        sizeof(Element));
}

#if defined(__SSE2__)

template <unsigned Bytes>
__m128i zip(bool high, __m128i a, __m128i b) {
    if constexpr (Bytes == 1)
        return high ? _mm_unpackhi_epi8(a, b) : _mm_unpacklo_epi8(a, b);
    else if constexpr (Bytes == 2)
        return high ? _mm_unpackhi_epi16(a, b) : _mm_unpacklo_epi16(a, b);
    else if constexpr (Bytes == 4)
        return high ? _mm_unpackhi_epi32(a, b) : _mm_unpacklo_epi32(a, b);
    else
        return high ? _mm_unpackhi_epi64(a, b) : _mm_unpacklo_epi64(a, b);
}

// A square of 16 bytes a side: N rounds of zipping the upper half of the rows with the lower.
template <class Element>
void transpose_square(std::byte *to, size_t stride, const std::byte *const *lines, size_t at) {
    constexpr unsigned n = 16 / sizeof(Element);
    __m128i rows[n], zipped[n];
    for (unsigned i = 0; i < n; ++i)
        rows[i] = _mm_loadu_si128(reinterpret_cast<const __m128i *>(lines[i] + at));
    for (unsigned round = 1; round < n; round *= 2) {
        for (unsigned i = 0; i < n / 2; ++i) {
            zipped[2 * i] = zip<sizeof(Element)>(false, rows[i], rows[i + n / 2]);
            zipped[2 * i + 1] = zip<sizeof(Element)>(true, rows[i], rows[i + n / 2]);
        }
        std::memcpy(rows, zipped, sizeof(rows));
    }
    for (unsigned i = 0; i < n; ++i)
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to + i * stride), rows[i]);
}

template <class Element>
void transpose(std::byte *to, size_t stride, const std::byte *const *lines, uint32_t count,
               uint32_t columns) {
    constexpr uint32_t n = 16 / sizeof(Element);
    const uint32_t whole = columns / n * n;
    for (; count >= n; count -= n, lines += n, to += 16) {
        for (uint32_t c = 0; c < whole; c += n)
            transpose_square<Element>(to + c * stride, stride, lines, c * sizeof(Element));
        transpose_plain<Element>(to, stride, lines, n, whole, columns);
    }
    transpose_plain<Element>(to, stride, lines, count, 0, columns);
}

#else

template <class Element>
void transpose(std::byte *to, size_t stride, const std::byte *const *lines, uint32_t count,
               uint32_t columns) {
    transpose_plain<Element>(to, stride, lines, count, 0, columns);
}

#endif

// From column `first` on.
template <class Element>
void interleave_plain(std::byte *to, const std::byte *const lines[4], uint32_t first,
                      uint32_t columns) {
    constexpr unsigned n = 4 / sizeof(Element);
    for (uint32_t c = first; c < columns; ++c)
        for (unsigned i = 0; i < n; ++i) {
            Element value = 0;
            if (lines[i])
                std::memcpy(&value, lines[i] + c * sizeof(Element), sizeof(Element));
            std::memcpy(to + size_t{4} * c + i * sizeof(Element), &value, sizeof(Element));
        }
}

} // namespace

void transpose_lines(std::byte *to, size_t stride, const std::byte *const *lines, uint32_t count,
                     uint32_t columns, uint32_t element) noexcept {
    switch (element) {
    case 1:
        return transpose<uint8_t>(to, stride, lines, count, columns);
    case 2:
        return transpose<uint16_t>(to, stride, lines, count, columns);
    case 4:
        return transpose<uint32_t>(to, stride, lines, count, columns);
    default:
        return transpose<uint64_t>(to, stride, lines, count, columns);
    }
}

void interleave_lines(std::byte *to, const std::byte *const lines[4], uint32_t columns,
                      uint32_t element) noexcept {
    uint32_t c = 0;
#if defined(__SSE2__)
    const auto load = [&](unsigned i, uint32_t column) {
        return lines[i] ? _mm_loadu_si128(reinterpret_cast<const __m128i *>(
                              lines[i] + size_t{column} * element))
                        : _mm_setzero_si128();
    };
    const auto store = [&](unsigned part, __m128i value) {
        _mm_storeu_si128(reinterpret_cast<__m128i *>(to + size_t{4} * c + 16 * part), value);
    };
    if (element == 2) {
        for (; c + 8 <= columns; c += 8) {
            const __m128i a = load(0, c), b = load(1, c);
            store(0, zip<2>(false, a, b));
            store(1, zip<2>(true, a, b));
        }
    } else {
        for (; c + 16 <= columns; c += 16) {
            const __m128i a = load(0, c), b = load(1, c), d = load(2, c), e = load(3, c);
            const __m128i low = zip<1>(false, a, b), high = zip<1>(true, a, b);
            const __m128i low2 = zip<1>(false, d, e), high2 = zip<1>(true, d, e);
            store(0, zip<2>(false, low, low2));
            store(1, zip<2>(true, low, low2));
            store(2, zip<2>(false, high, high2));
            store(3, zip<2>(true, high, high2));
        }
    }
#endif
    if (element == 2)
        interleave_plain<uint16_t>(to, lines, c, columns);
    else
        interleave_plain<uint8_t>(to, lines, c, columns);
}

} // namespace brgpu::simt
