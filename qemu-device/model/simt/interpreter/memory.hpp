// SPDX-License-Identifier: MIT
//
// Loads and stores of a warp. Most are one of a few shapes: one address, consecutive addresses, one
// page, local memory, or one offset into private memory (which stands side by side for the lanes).
// Everything else, and everything that may fault, goes lane by lane.
#ifndef BRGPU_SIMT_INTERPRETER_MEMORY_HPP
#define BRGPU_SIMT_INTERPRETER_MEMORY_HPP

#include "control.hpp"

namespace brgpu::simt::BRGPU_SIMT_BUILD {

enum class Shape : uint8_t { uniform, consecutive, page, local, other };

struct alignas(64) Addresses {
    uint64_t at[lanes];
    uint64_t base;  // of the first active lane
    unsigned first; // active lane
};

// Register value of a loaded T.
enum class Into { integer, boxed };
template <class T, Into Kind>
BRGPU_SIMT_INLINE uint64_t widen(T value) {
    if constexpr (Kind == Into::integer)
        return static_cast<uint64_t>(static_cast<int64_t>(value));
    else if constexpr (sizeof(T) == 8)
        return value;
    else
        return value | (~uint64_t{0} << (8 * sizeof(T) % 64));
}

template <bool Full, unsigned Bytes>
BRGPU_SIMT_INLINE Shape classify(Context &c, const Insn *insn, Addresses &a) {
    const Warp &w = *c.warp;
    const U64 offset = splat(static_cast<uint64_t>(static_cast<int64_t>(insn->imm)));
    const U64 *base = row(w.x[insn->rs1]);
    a.first = Full ? 0u : static_cast<unsigned>(__builtin_ctz(c.active));
    a.base = w.x[insn->rs1][a.first] + static_cast<uint64_t>(static_cast<int64_t>(insn->imm));
    U64 apart{}, astray{}, low{};
    const uint64_t origin = a.base - uint64_t{a.first} * Bytes;
    for (unsigned v = 0; v < vectors; ++v) {
        const U64 at = base[v] + offset;
        row(a.at)[v] = at;
        U64 d = at ^ a.base;
        U64 s = at ^ (origin + row(lane_constants.number)[v] * Bytes);
        U64 l = at;
        if constexpr (!Full) {
            const U64 mask = row(c.mask)[v];
            d &= mask;
            s &= mask;
            l &= mask;
        }
        apart |= d;
        astray |= s;
        low |= l;
    }
    const uint64_t spread = or_across(apart);
    if (spread == 0)
        return Shape::uniform;
    if (or_across(astray) == 0)
        return Shape::consecutive;
    if (a.base < global_limit)
        return (spread & ~(page_bytes - 1)) == 0 && (or_across(low) & (Bytes - 1)) == 0
                   ? Shape::page
                   : Shape::other;
    if (c.local_bytes < Bytes)
        return Shape::other;
    const uint64_t last = c.local_bytes - Bytes;
    U64 beyond{};
    for (unsigned v = 0; v < vectors; ++v) {
        U64 b = (U64)(row(a.at)[v] - BRGPU_LOCAL_BASE > last);
        if constexpr (!Full)
            b &= row(c.mask)[v];
        beyond |= b;
    }
    return or_across(beyond) == 0 ? Shape::local : Shape::other;
}

template <bool Full, class F>
BRGPU_SIMT_INLINE void each_lane(const Context &c, F &&f) {
    if constexpr (Full) {
        for (unsigned lane = 0; lane < lanes; ++lane)
            f(lane);
    } else {
        for (uint32_t left = c.active; left; left &= left - 1)
            f(static_cast<unsigned>(__builtin_ctz(left)));
    }
}

// Offset into private memory if an access of Bytes at `va` is inside it and in one unit.
template <unsigned Bytes>
BRGPU_SIMT_INLINE bool private_offset(const Context &c, uint64_t va, uint64_t &offset) {
    offset = va - BRGPU_PRIVATE_BASE;
    return offset < c.private_bytes && Bytes <= c.private_bytes - offset && offset % 8 + Bytes <= 8;
}

// Host address of the bytes that lanes 0 to 31 access consecutively, if they are in one page or all
// in local memory; else null, with no fault noted.
template <unsigned Bytes>
BRGPU_SIMT_INLINE std::byte *consecutive(Context &c, const Addresses &a, uint8_t rights) {
    const uint64_t start = a.base - uint64_t{a.first} * Bytes;
    if (a.base < global_limit) {
        if ((start ^ (start + lanes * Bytes - 1)) >= page_bytes)
            return nullptr;
        const TlbEntry &entry = c.worker->slot(start);
        if (entry.page != (start & ~(page_bytes - 1)) || (entry.rights & rights) != rights)
            return nullptr;
        return entry.host_for(rights) + start % page_bytes;
    }
    const uint64_t offset = start - BRGPU_LOCAL_BASE;
    if (offset < c.local_bytes && lanes * Bytes <= c.local_bytes - offset)
        return c.local + offset;
    return nullptr;
}

template <bool Full, class T, Into Kind>
BRGPU_SIMT_INLINE const Insn *load(Context &c, const Insn *insn, uint64_t *destination) {
    constexpr unsigned bytes = sizeof(T);
    Addresses a;
    U64 *d = row(destination);
    const Shape shape = classify<Full, bytes>(c, insn, a);
    const std::byte *host = nullptr;
    const uint64_t *at = a.at;
    switch (shape) {
    case Shape::uniform: {
        uint64_t offset;
        if (private_offset<bytes>(c, a.base, offset)) {
            const U64 *unit = row(
                reinterpret_cast<const uint64_t *>(c.warp->private_unit(offset & ~uint64_t{7}, 0)));
            [[maybe_unused]] const unsigned up = 64 - 8 * bytes, shift = 8 * (offset & 7);
            for (unsigned v = 0; v < vectors; ++v) {
                U64 value = unit[v];
                if constexpr (bytes < 8) {
                    value >>= shift;
                    if constexpr (Kind == Into::boxed)
                        value |= splat(~uint64_t{0} << (8 * bytes % 64));
                    else if constexpr (bytes == 4 && T(-1) < T(0))
                        value = extend_words(value);
                    else if constexpr (T(-1) < T(0))
                        value = (U64)((I64)(value << up) >> up);
                    else
                        value = (value << up) >> up;
                }
                d[v] = blend<Full>(c, v, value, d[v]);
            }
            return insn + insn->halves;
        }
        uint64_t raw;
        if (a.base >= BRGPU_PRIVATE_BASE)
            break;
        if (!c.load(a.base, bytes, a.first, raw))
            return c.fault_from(insn, a.first);
        const U64 value = splat(widen<T, Kind>(static_cast<T>(raw)));
        for (unsigned v = 0; v < vectors; ++v)
            d[v] = blend<Full>(c, v, value, d[v]);
        return insn + insn->halves;
    }
    case Shape::consecutive:
        host = consecutive<bytes>(c, a, right_read);
        if (host) {
            alignas(64) uint64_t value[lanes];
            for (unsigned lane = 0; lane < lanes; ++lane) {
                T element;
                std::memcpy(&element, host + lane * bytes, bytes);
                value[lane] = widen<T, Kind>(element);
            }
            for (unsigned v = 0; v < vectors; ++v)
                d[v] = blend<Full>(c, v, row(value)[v], d[v]);
            return insn + insn->halves;
        }
        break;
    case Shape::page:
        host = c.translate(a.base, right_read);
        if (!host)
            return c.fault_from(insn, a.first);
        each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
            T element;
            std::memcpy(&element, host + (at[lane] & (page_bytes - 1)), bytes);
            destination[lane] = widen<T, Kind>(element);
        });
        return insn + insn->halves;
    case Shape::local:
        host = c.local;
        each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
            T element;
            std::memcpy(&element, host + (at[lane] - BRGPU_LOCAL_BASE), bytes);
            destination[lane] = widen<T, Kind>(element);
        });
        return insn + insn->halves;
    case Shape::other:
        break;
    }
    for (uint32_t left = Full ? all_lanes : c.active; left; left &= left - 1) {
        const auto lane = static_cast<unsigned>(__builtin_ctz(left));
        uint64_t raw;
        if (!c.load(at[lane], bytes, lane, raw))
            return c.fault_from(insn, lane);
        destination[lane] = widen<T, Kind>(static_cast<T>(raw));
    }
    return insn + insn->halves;
}

template <bool Full, class T>
BRGPU_SIMT_INLINE const Insn *store(Context &c, const Insn *insn, const uint64_t *source) {
    constexpr unsigned bytes = sizeof(T);
    Addresses a;
    const Shape shape = classify<Full, bytes>(c, insn, a);
    std::byte *host = nullptr;
    const uint64_t *at = a.at;
    switch (shape) {
    case Shape::uniform: {
        uint64_t offset;
        if (private_offset<bytes>(c, a.base, offset)) {
            Warp &w = *c.warp;
            const uint64_t unit_offset = offset & ~uint64_t{7};
            if (unit_offset < w.private_low)
                w.private_low = unit_offset;
            U64 *unit = row(reinterpret_cast<uint64_t *>(w.private_unit(unit_offset, 0)));
            [[maybe_unused]] const unsigned shift = 8 * (offset & 7);
            [[maybe_unused]] const U64 field = splat((~uint64_t{0} >> (64 - 8 * bytes)) << shift);
            for (unsigned v = 0; v < vectors; ++v) {
                U64 value = row(source)[v];
                if constexpr (bytes < 8)
                    value = unit[v] ^ ((unit[v] ^ (value << shift)) & field);
                unit[v] = blend<Full>(c, v, value, unit[v]);
            }
            return insn + insn->halves;
        }
        if (a.base >= BRGPU_PRIVATE_BASE)
            break;
        // All lanes write the same place: the last one wins, so only its value is written.
        const unsigned last =
            Full ? lanes - 1 : 31u - static_cast<unsigned>(__builtin_clz(c.active));
        if (!c.store(a.base, bytes, last, source[last]))
            return c.fault_from(insn, a.first);
        return insn + insn->halves;
    }
    case Shape::consecutive:
        host = consecutive<bytes>(c, a, right_write);
        if (host && Full) {
            T elements[lanes];
            for (unsigned lane = 0; lane < lanes; ++lane)
                elements[lane] = static_cast<T>(source[lane]);
            std::memcpy(host, elements, sizeof(elements));
            return insn + insn->halves;
        }
        if (host) {
            each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
                const T element = static_cast<T>(source[lane]);
                std::memcpy(host + lane * bytes, &element, bytes);
            });
            return insn + insn->halves;
        }
        break;
    case Shape::page:
        host = c.translate(a.base, right_write);
        if (!host)
            return c.fault_from(insn, a.first);
        each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
            const T element = static_cast<T>(source[lane]);
            std::memcpy(host + (at[lane] & (page_bytes - 1)), &element, bytes);
        });
        return insn + insn->halves;
    case Shape::local:
        host = c.local;
        each_lane<Full>(c, [&](unsigned lane) __attribute__((always_inline)) {
            const T element = static_cast<T>(source[lane]);
            std::memcpy(host + (at[lane] - BRGPU_LOCAL_BASE), &element, bytes);
        });
        return insn + insn->halves;
    case Shape::other:
        break;
    }
    for (uint32_t left = Full ? all_lanes : c.active; left; left &= left - 1) {
        const auto lane = static_cast<unsigned>(__builtin_ctz(left));
        if (!c.store(at[lane], bytes, lane, source[lane]))
            return c.fault_from(insn, lane);
    }
    return insn + insn->halves;
}

template <bool Full, class T>
const Insn *load_int(Context &c, const Insn *insn) {
    return load<Full, T, Into::integer>(c, insn, c.warp->x[insn->rd]);
}

template <bool Full, class T>
const Insn *load_fp(Context &c, const Insn *insn) {
    Warp &w = *c.warp;
    if constexpr (sizeof(T) == 4) {
        if (Full || c.active == w.live)
            w.boxed |= 1u << insn->rd;
    } else {
        w.boxed &= ~(1u << insn->rd);
    }
    const Insn *next = load<Full, T, Into::boxed>(c, insn, w.f[insn->rd]);
    if (!next) // the lanes that faulted keep what they had
        w.boxed &= ~(1u << insn->rd);
    return next;
}

template <bool Full, class T>
const Insn *store_int(Context &c, const Insn *insn) {
    return store<Full, T>(c, insn, c.warp->x[insn->rs2]);
}

template <bool Full, class T>
const Insn *store_fp(Context &c, const Insn *insn) {
    return store<Full, T>(c, insn, c.warp->f[insn->rs2]);
}

} // namespace brgpu::simt::BRGPU_SIMT_BUILD

#endif
