// SPDX-License-Identifier: MIT
//
// Memory access of single lanes: every aperture, any alignment, page crossings, and the atomics.
#include <cstring>
#include <sys/mman.h>

#include "context.hpp"

namespace brgpu::simt {

bool LazyMemory::resize(size_t bytes) noexcept {
    if (bytes == size_)
        return true;
    release();
    if (bytes == 0)
        return true;
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    data_ = static_cast<std::byte *>(memory);
    size_ = bytes;
    return true;
}

void LazyMemory::release() noexcept {
    if (data_)
        munmap(data_, size_);
    data_ = nullptr;
    size_ = 0;
}

void Context::note_fault(FaultCode code, uint64_t va, uint8_t access,
                         uint32_t memory_code) noexcept {
    fault.code = code;
    fault.va = va;
    fault.access = access;
    fault.memory_code = memory_code;
}

void Context::store_pc(uint64_t pc) noexcept {
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (active >> lane & 1)
            warp->pc[lane] = pc;
}

const Insn *Context::raise(const Insn *insn, FaultCode code, unsigned lane, uint64_t va,
                           uint8_t access) noexcept {
    const uint64_t pc = pc_of(insn);
    store_pc(pc);
    note_fault(code, va, access, 0);
    fault.lane = static_cast<uint8_t>(lane);
    fault.pc = pc;
    exit = Exit::fault;
    return nullptr;
}

const Insn *Context::fault_from(const Insn *insn, unsigned lane) noexcept {
    const uint64_t pc = pc_of(insn);
    for (unsigned i = 0; i < lanes; ++i)
        if (active >> i & 1)
            warp->pc[i] = i < lane ? pc + 2u * insn->halves : pc;
    fault.lane = static_cast<uint8_t>(lane);
    fault.pc = pc;
    exit = Exit::fault;
    return nullptr;
}

std::byte *Context::resolve(uint64_t va, unsigned bytes, uint8_t rights, unsigned lane) noexcept {
    if (va < global_limit) {
        if (bytes > page_bytes - va % page_bytes) {
            note_fault(FaultCode::address, va, rights, 0);
            return nullptr;
        }
        std::byte *host = translate(va, rights);
        return host ? host + va % page_bytes : nullptr;
    }
    const uint64_t local_offset = va - BRGPU_LOCAL_BASE;
    if (local_offset < local_bytes && bytes <= local_bytes - local_offset)
        return local + local_offset;
    const uint64_t private_offset = va - BRGPU_PRIVATE_BASE;
    if (private_offset < private_bytes && bytes <= private_bytes - private_offset) {
        if ((rights & right_write) && private_offset < warp->private_low)
            warp->private_low = private_offset & ~uint64_t{7};
        return warp->private_unit(private_offset, lane);
    }
    note_fault(FaultCode::address, va, rights, 0);
    return nullptr;
}

std::byte *Context::resolve_run(uint64_t va, uint8_t rights, uint64_t &bytes) noexcept {
    if (va < global_limit) {
        std::byte *host = translate(va, rights);
        if (!host)
            return nullptr;
        bytes = worker->slot(va).pages * page_bytes - va % page_bytes;
        return host + va % page_bytes;
    }
    const uint64_t offset = va - BRGPU_LOCAL_BASE;
    if (offset < local_bytes) {
        bytes = local_bytes - offset;
        return local + offset;
    }
    note_fault(FaultCode::address, va, rights, 0);
    return nullptr;
}

namespace {

// Bytes of an access at va that share its page or private unit. The last page of the translated
// space is followed by the local aperture, which must not continue an access: such an access is
// kept in one piece, which resolve() refuses there.
unsigned first_piece(uint64_t va, unsigned bytes) {
    const uint64_t unit = va >= BRGPU_PRIVATE_BASE ? 8 : page_bytes;
    const uint64_t room = unit - va % unit;
    if (va < global_limit && va + bytes > global_limit)
        return bytes;
    return room < bytes ? static_cast<unsigned>(room) : bytes;
}

} // namespace

bool Context::load(uint64_t va, unsigned bytes, unsigned lane, uint64_t &value) noexcept {
    value = 0;
    const unsigned first = first_piece(va, bytes);
    const std::byte *host = resolve(va, first, right_read, lane);
    if (!host)
        return false;
    if (first == bytes) {
        switch (bytes) { // single accesses, so that aligned ones are atomic
        case 1: {
            uint8_t v;
            std::memcpy(&v, host, 1);
            value = v;
            break;
        }
        case 2: {
            uint16_t v;
            std::memcpy(&v, host, 2);
            value = v;
            break;
        }
        case 4: {
            uint32_t v;
            std::memcpy(&v, host, 4);
            value = v;
            break;
        }
        default:
            std::memcpy(&value, host, 8);
        }
        return true;
    }
    const std::byte *rest = resolve(va + first, bytes - first, right_read, lane);
    if (!rest)
        return false;
    std::memcpy(&value, host, first);
    std::memcpy(reinterpret_cast<std::byte *>(&value) + first, rest, bytes - first);
    return true;
}

bool Context::probe(uint64_t va, unsigned bytes, uint8_t rights, unsigned lane) noexcept {
    const unsigned first = first_piece(va, bytes);
    return resolve(va, first, rights, lane) &&
           (first == bytes || resolve(va + first, bytes - first, rights, lane));
}

bool Context::store(uint64_t va, unsigned bytes, unsigned lane, uint64_t value) noexcept {
    const unsigned first = first_piece(va, bytes);
    std::byte *host = resolve(va, first, right_write, lane);
    if (!host)
        return false;
    if (first == bytes) {
        switch (bytes) {
        case 1:
            std::memcpy(host, &value, 1);
            break;
        case 2:
            std::memcpy(host, &value, 2);
            break;
        case 4:
            std::memcpy(host, &value, 4);
            break;
        default:
            std::memcpy(host, &value, 8);
        }
        return true;
    }
    std::byte *rest = resolve(va + first, bytes - first, right_write, lane);
    if (!rest)
        return false;
    std::memcpy(host, &value, first);
    std::memcpy(rest, reinterpret_cast<const std::byte *>(&value) + first, bytes - first);
    return true;
}

namespace {

template <typename T>
T combine(unsigned kind, T old, T operand) {
    using Signed = std::make_signed_t<T>;
    switch (kind) {
    case 0:
        return operand;
    case 1:
        return old + operand;
    case 2:
        return old ^ operand;
    case 3:
        return old & operand;
    case 4:
        return old | operand;
    case 5:
        return static_cast<Signed>(old) < static_cast<Signed>(operand) ? old : operand;
    case 6:
        return static_cast<Signed>(old) > static_cast<Signed>(operand) ? old : operand;
    case 7:
        return old < operand ? old : operand;
    default:
        return old > operand ? old : operand;
    }
}

// Order among aq, rl and neither is not told apart: every atomic is sequentially consistent.
template <typename T>
T modify(unsigned kind, T *at, T operand) {
    switch (kind) {
    case 0:
        return __atomic_exchange_n(at, operand, __ATOMIC_SEQ_CST);
    case 1:
        return __atomic_fetch_add(at, operand, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_fetch_xor(at, operand, __ATOMIC_SEQ_CST);
    case 3:
        return __atomic_fetch_and(at, operand, __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_fetch_or(at, operand, __ATOMIC_SEQ_CST);
    default: {
        T old = __atomic_load_n(at, __ATOMIC_SEQ_CST);
        while (!__atomic_compare_exchange_n(at, &old, combine(kind, old, operand), false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        }
        return old;
    }
    }
}

uint64_t sign_extend_word(uint32_t value) {
    return static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(value)));
}

// A store-conditional that succeeds ends the reservations of the warp's other lanes on the same
// bytes, so that exactly one wins even where the value doesn't change.
void break_reservations(Warp &warp, uint64_t va, unsigned bytes, bool is_private) {
    if (is_private)
        return; // another lane's private memory is another place
    for (unsigned lane = 0; lane < lanes; ++lane)
        if (warp.reserved_bytes[lane] && warp.reserved_address[lane] < va + bytes &&
            va < warp.reserved_address[lane] + warp.reserved_bytes[lane])
            warp.reserved_bytes[lane] = 0;
}

template <typename T>
uint64_t atomic_lane(Context &c, const Insn *insn, unsigned lane, uint64_t va, std::byte *host) {
    Warp &w = *c.warp;
    T *at = reinterpret_cast<T *>(host);
    const auto extend = [](T value) {
        if constexpr (sizeof(T) == 4)
            return sign_extend_word(value);
        else
            return value;
    };
    const auto operand = static_cast<T>(w.x[insn->rs2][lane]);
    switch (insn->op) {
    case Op::lr_w:
    case Op::lr_d: {
        const T value = __atomic_load_n(at, __ATOMIC_SEQ_CST);
        w.reserved_address[lane] = va;
        w.reserved_value[lane] = value;
        w.reserved_bytes[lane] = sizeof(T);
        return extend(value);
    }
    case Op::sc_w:
    case Op::sc_d: {
        T expected = static_cast<T>(w.reserved_value[lane]);
        const bool reserved = w.reserved_bytes[lane] == sizeof(T) && w.reserved_address[lane] == va;
        w.reserved_bytes[lane] = 0;
        if (!reserved || !__atomic_compare_exchange_n(at, &expected, operand, false,
                                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return 1;
        break_reservations(w, va, sizeof(T), va >= BRGPU_PRIVATE_BASE);
        return 0;
    }
    default:
        return read_modify_write(insn->op, host, w.x[insn->rs2][lane]);
    }
}

bool is_double_atomic(Op op) {
    return op == Op::lr_d || op == Op::sc_d || op >= Op::amoswap_d;
}

} // namespace

uint64_t read_modify_write(Op op, std::byte *host, uint64_t operand) noexcept {
    if (op >= Op::amoswap_d)
        return modify<uint64_t>(static_cast<unsigned>(op) - static_cast<unsigned>(Op::amoswap_d),
                                reinterpret_cast<uint64_t *>(host), operand);
    return sign_extend_word(
        modify<uint32_t>(static_cast<unsigned>(op) - static_cast<unsigned>(Op::amoswap_w),
                         reinterpret_cast<uint32_t *>(host), static_cast<uint32_t>(operand)));
}

const Insn *run_atomic(Context &c, const Insn *insn) noexcept {
    Warp &w = *c.warp;
    const bool is_double = is_double_atomic(insn->op);
    const unsigned bytes = is_double ? 8 : 4;
    constexpr uint8_t rights = right_read | right_write | right_atomic;
    c.fuel -= 32; // a loop around an atomic is likely to wait for somebody
    for (unsigned lane = 0; lane < lanes; ++lane) {
        if (!(c.active >> lane & 1))
            continue;
        const uint64_t va = w.x[insn->rs1][lane];
        std::byte *host = nullptr;
        if (va % bytes != 0)
            c.note_fault(FaultCode::misaligned, va, rights, 0);
        else
            host = c.resolve(va, bytes, rights, lane);
        if (!host)
            return c.fault_from(insn, lane);
        alignas(8) std::byte forgotten[8];
        const std::byte *readable = nullptr;
        if (c.forgets(va, readable)) {
            std::memcpy(forgotten, readable, bytes);
            host = forgotten;
        }
        w.x[insn->rd][lane] = is_double ? atomic_lane<uint64_t>(c, insn, lane, va, host)
                                        : atomic_lane<uint32_t>(c, insn, lane, va, host);
    }
    return insn + insn->halves;
}

} // namespace brgpu::simt
