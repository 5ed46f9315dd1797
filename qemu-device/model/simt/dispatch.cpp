// SPDX-License-Identifier: MIT
#include "context.hpp"

namespace brgpu::simt {

const char *to_string(DispatchError error) noexcept {
    switch (error) {
    case DispatchError::none:
        return "none";
    case DispatchError::magic:
        return "no kernel descriptor at the address";
    case DispatchError::isa_version:
        return "kernel built for another ISA version";
    case DispatchError::reserved:
        return "reserved field of the kernel descriptor is not zero";
    case DispatchError::entry:
        return "entry pc out of range or odd";
    case DispatchError::local_bytes:
        return "too much local memory";
    case DispatchError::private_bytes:
        return "private memory too large or not a multiple of 16";
    case DispatchError::workgroup:
        return "workgroup size out of range";
    case DispatchError::required_workgroup:
        return "workgroup size is not the one that the kernel requires";
    case DispatchError::grid:
        return "grid out of range";
    }
    return "unknown";
}

const char *to_string(FaultCode code) noexcept {
    switch (code) {
    case FaultCode::none:
        return "none";
    case FaultCode::memory:
        return "memory";
    case FaultCode::address:
        return "address";
    case FaultCode::misaligned:
        return "misaligned";
    case FaultCode::illegal:
        return "illegal instruction";
    case FaultCode::environment:
        return "environment call";
    case FaultCode::trap:
        return "trap";
    case FaultCode::deadlock:
        return "deadlock";
    case FaultCode::descriptor:
        return "tensor descriptor";
    }
    return "unknown";
}

DispatchError check_dispatch(const DispatchParams &p) noexcept {
    const brgpu_kernel_desc &k = p.kernel;
    if (k.magic != BRGPU_KERNEL_DESC_MAGIC || p.kernel_va % 64 != 0)
        return DispatchError::magic;
    if (k.isa_major != BRGPU_ISA_MAJOR || k.isa_minor > BRGPU_ISA_MINOR)
        return DispatchError::isa_version;
    if ((k.flags & ~BRGPU_KERNEL_FLAGS) != 0 || k.pad0 || k.pad1[0] || k.pad1[1] || k.pad1[2])
        return DispatchError::reserved;
    const uint64_t entry = p.kernel_va + static_cast<uint64_t>(k.entry_offset);
    if (entry % 2 != 0 || entry >= global_limit)
        return DispatchError::entry;
    if (k.static_local_bytes > BRGPU_MAX_LOCAL_BYTES ||
        p.dynamic_local_bytes > BRGPU_MAX_LOCAL_BYTES - k.static_local_bytes)
        return DispatchError::local_bytes;
    if (k.private_bytes % 16 != 0 || k.private_bytes > BRGPU_MAX_PRIVATE_BYTES)
        return DispatchError::private_bytes;

    if (p.work_dim < 1 || p.work_dim > 3)
        return DispatchError::grid;
    uint64_t items = 1;
    for (const uint32_t size : p.workgroup) {
        if (size == 0 || size > BRGPU_MAX_WORKGROUP)
            return DispatchError::workgroup;
        items *= size; // at most 2^30
    }
    const uint32_t limit = k.max_workgroup ? k.max_workgroup : BRGPU_MAX_WORKGROUP;
    if (items > limit || items > BRGPU_MAX_WORKGROUP)
        return DispatchError::workgroup;
    const uint16_t *required = k.required_workgroup;
    if (required[0] || required[1] || required[2])
        for (unsigned axis = 0; axis < 3; ++axis)
            if (required[axis] != p.workgroup[axis])
                return DispatchError::required_workgroup;
    for (unsigned axis = p.work_dim; axis < 3; ++axis)
        if (p.grid[axis] != 1 || p.workgroup[axis] != 1 || p.offset[axis] != 0)
            return DispatchError::grid;
    const unsigned __int128 total =
        static_cast<unsigned __int128>(p.grid[0]) * p.grid[1] * p.grid[2];
    if (total >> 63)
        return DispatchError::grid;
    return DispatchError::none;
}

namespace {

std::atomic<uint64_t> next_serial{1};

} // namespace

Dispatch::Dispatch(const DispatchParams &params, Memory &memory, Host &host, Observer *observer,
                   Jit *jit) noexcept
    : params_(params), memory_(memory), host_(host), observer_(observer), jit_(jit),
      serial_(next_serial.fetch_add(1)), total_(1) {
    for (unsigned axis = 0; axis < 3; ++axis) {
        const uint64_t grid = params.grid[axis], size = params.workgroup[axis];
        groups_[axis] = static_cast<uint32_t>((grid + size - 1) / size);
        total_ *= groups_[axis];
    }
}

uint64_t Dispatch::entry_pc() const noexcept {
    return params_.kernel_va + static_cast<uint64_t>(params_.kernel.entry_offset);
}

uint32_t Dispatch::local_bytes() const noexcept {
    return params_.kernel.static_local_bytes + params_.dynamic_local_bytes;
}

std::optional<uint64_t> Dispatch::take_workgroup() noexcept {
    // Not a plain increment: it must not wrap however often it is asked after the end.
    uint64_t index = next_.load(std::memory_order_relaxed);
    do {
        if (index >= total_)
            return std::nullopt;
    } while (!next_.compare_exchange_weak(index, index + 1, std::memory_order_relaxed));
    return index;
}

} // namespace brgpu::simt
