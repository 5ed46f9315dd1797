// SPDX-License-Identifier: MIT
#include "fault_text.hpp"

#include <cstdio>

#include "brgpu/hw/events.h"
#include "brgpu/hw/isa.h"
#include "brgpu/hw/mmu.h"
#include "brgpu/hw/queue.h"
#include "vm.hpp"

namespace brgpu::umd {

namespace {

std::string hex(uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

const char *client_text(uint32_t client) {
    switch (client) {
    case BRGPU_FAULT_CLIENT_SHADER:
        return "kernel";
    case BRGPU_FAULT_CLIENT_FETCH:
        return "instruction fetch";
    case BRGPU_FAULT_CLIENT_COPY:
        return "copy";
    case BRGPU_FAULT_CLIENT_QUEUE:
        return "packet";
    case BRGPU_FAULT_CLIENT_TENSOR:
        return "tensor operand";
    default:
        return "unknown unit";
    }
}

const char *access_text(uint32_t access) {
    if (access & BRGPU_ACCESS_EXEC)
        return "execute";
    if (access & BRGPU_ACCESS_ATOMIC)
        return "atomic access";
    if (access & BRGPU_ACCESS_WRITE)
        return "write";
    return "read";
}

std::string nearby_text(uint64_t address, Vm *vm) {
    if (!vm)
        return {};
    if (auto hit = vm->find(address))
        return " (in the mapping [" + hex(hit->address) + ", +" + hex(hit->size) + "))";
    // The usual overrun: a little behind the end of a mapping.
    for (uint64_t back = page_bytes; back <= 16 * page_bytes && back <= address; back += page_bytes)
        if (auto before = vm->find(address - back)) {
            const uint64_t end = before->address + before->size;
            return " (" + hex(address - end) + " behind the end of the mapping [" +
                   hex(before->address) + ", +" + hex(before->size) + "))";
        }
    return " (nothing is mapped near)";
}

std::string what_happened(const brgpu_fault_info &fault, Vm *vm) {
    const std::string at = hex(fault.address);
    const std::string access =
        std::string(access_text(fault.access)) + " by " + client_text(fault.client) + " at " + at;
    switch (fault.reason) {
    case BRGPU_FAULT_NOT_MAPPED:
        return "page fault: " + access + " where nothing is mapped" +
               nearby_text(fault.address, vm);
    case BRGPU_FAULT_RIGHTS:
        return "page fault: " + access + " without the right to it" +
               nearby_text(fault.address, vm);
    case BRGPU_FAULT_ENTRY:
        return "page fault: " + access + " through a malformed page-table entry of level " +
               std::to_string(fault.level);
    case BRGPU_FAULT_ADDRESS:
        return "page fault: " + access + ", which is outside of every aperture";
    case BRGPU_FAULT_BUS:
        return "bus error: " + access + ": system memory did not answer";
    case BRGPU_FAULT_POISON:
        return "uncorrectable ECC error: " + access;
    case BRGPU_FAULT_MISALIGNED:
        return "misaligned atomic or jump at " + at;
    case BRGPU_FAULT_ILLEGAL:
        return "illegal instruction " + at;
    case BRGPU_FAULT_ECALL:
        return "ECALL instruction in a kernel";
    case BRGPU_FAULT_EBREAK:
        return "EBREAK instruction in a kernel";
    case BRGPU_FAULT_TRAP:
        return "the kernel trapped with value " + at;
    case BRGPU_FAULT_DEADLOCK:
        return "deadlock: every work-item waits for a barrier or shuffle that can't complete";
    case BRGPU_FAULT_LOCAL:
        return "access beyond local memory at offset " + hex(fault.address - BRGPU_LOCAL_BASE);
    case BRGPU_FAULT_PRIVATE:
        return "stack overflow: access beyond private memory at " + at;
    case BRGPU_FAULT_TENSOR:
        return "malformed tensor descriptor at " + at;
    default:
        return "fault of reason " + std::to_string(fault.reason) + " at " + at;
    }
}

} // namespace

brgpu_fault_info fault_info(const drm_brgpu_fault &fault) noexcept {
    brgpu_fault_info info = {};
    info.struct_size = sizeof(info);
    info.address = fault.address;
    info.pc = fault.pc;
    info.timestamp = fault.timestamp;
    info.access = fault.info >> BRGPU_FAULT_INFO_ACCESS_SHIFT & 0xf;
    info.level = fault.info >> BRGPU_FAULT_INFO_LEVEL_SHIFT & 0x7;
    info.client = fault.info >> BRGPU_FAULT_INFO_CLIENT_SHIFT & 0xf;
    info.reason = fault.info >> BRGPU_FAULT_INFO_REASON_SHIFT & 0xff;
    return info;
}

std::string fault_text(const brgpu_fault_info &fault, Vm *vm) {
    if (fault.reason == BRGPU_FAULT_NONE)
        return "no fault";
    std::string text = what_happened(fault, vm);
    if (fault.pc)
        text += ", pc " + hex(fault.pc);
    return text;
}

std::string queue_error_text(uint32_t queue_id, uint32_t state, uint32_t error,
                             const brgpu_fault_info &fault, Vm *vm) {
    std::string text = "queue " + std::to_string(queue_id);
    if (state == DRM_BRGPU_STATE_LOST)
        return text + " was lost in a reset that it did not cause";
    text += " stopped: ";
    if (fault.reason != BRGPU_FAULT_NONE)
        return text + fault_text(fault, vm);
    switch (error) {
    case BRGPU_QUEUE_ERROR_PACKET:
        return text + "unknown packet, or one that its class does not take";
    case BRGPU_QUEUE_ERROR_FIELD:
        return text + "a packet field out of range, misaligned, or a pad not zero";
    case BRGPU_QUEUE_ERROR_CALL:
        return text + "a CALL packet in a command buffer";
    case BRGPU_QUEUE_ERROR_KERNEL:
        return text + "the kernel descriptor was refused, or the workgroup does not fit it";
    case BRGPU_QUEUE_ERROR_MMU:
        return text + "page fault";
    case BRGPU_QUEUE_ERROR_SHADER:
        return text + "a work-item faulted";
    case BRGPU_QUEUE_ERROR_BUS:
        return text + "system memory answered with an error";
    case BRGPU_QUEUE_ERROR_PREEMPT:
        return text + "it could not be preempted in time";
    case BRGPU_QUEUE_ERROR_KILLED:
        return text + "killed by the driver";
    case BRGPU_QUEUE_ERROR_RESET:
        return text + "the engines were reset";
    case BRGPU_QUEUE_ERROR_ECC:
        return text + "it read memory with an uncorrectable ECC error";
    case DRM_BRGPU_QUEUE_ERROR_TIMEOUT:
        return text + "time-out: the work made no progress, or took longer than the limit";
    default:
        return text + "queue error " + std::to_string(error);
    }
}

} // namespace brgpu::umd
