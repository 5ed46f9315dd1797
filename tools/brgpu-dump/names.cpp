// SPDX-License-Identifier: MIT
#include "names.hpp"

#include <map>

#include <fmt/format.h>

#include "brgpu/hw/events.h"
#include "brgpu/hw/mmu.h"
#include "brgpu/hw/queue.h"
#include "brgpu/hw/regs.h"

namespace brgpu::dump {
namespace {

using Names = std::map<uint32_t, const char *>;

std::string name_of(const Names &names, uint32_t value) {
    const auto found = names.find(value);
    return found == names.end() ? fmt::format("{}", value) : found->second;
}

#define REGISTER(name) {BRGPU_REG_##name, #name}
const Names registers = {
    REGISTER(MAGIC),          REGISTER(CONTRACT),      REGISTER(PRODUCT),
    REGISTER(REVISION),       REGISTER(SERIAL),        REGISTER(FEATURES),
    REGISTER(VRAM_BYTES),     REGISTER(STATUS),        REGISTER(GENERATION),
    REGISTER(BAD_ACCESS),     REGISTER(SCRATCH),       REGISTER(EVENT_PENDING),
    REGISTER(TLB_ADDRESS),    REGISTER(TLB_LENGTH),    REGISTER(TLB_ISSUED),
    REGISTER(TLB_COMPLETED),  REGISTER(BOOT_STATE),    REGISTER(BOOT_ERROR),
    REGISTER(FW_VERSION),     REGISTER(HEARTBEAT),     REGISTER(HEARTBEAT_MS),
    REGISTER(MBOX_REQ_WRITE), REGISTER(MBOX_REQ_READ), REGISTER(MBOX_RSP_WRITE),
    REGISTER(MBOX_RSP_READ),  REGISTER(LOG_WRITTEN),   REGISTER(CRASH_VALID),
    REGISTER(TIMESTAMP),      REGISTER(ECC_CORRECTED), REGISTER(ECC_UNCORRECTED),
};
#undef REGISTER

#define EVENT(name) {BRGPU_EVENT_##name, #name}
const Names event_registers = {EVENT(BASE),     EVENT(SIZE),   EVENT(VECTOR), EVENT(CONSUMER),
                               EVENT(PRODUCER), EVENT(STATUS), EVENT(LOST),   EVENT(ENABLE)};
#undef EVENT

} // namespace

std::string register_name(uint32_t offset) {
    constexpr uint32_t stride = BRGPU_REG_EVENT(1) - BRGPU_REG_EVENT(0);
    const uint32_t inside = offset - BRGPU_REG_EVENT(0);
    if (offset >= BRGPU_REG_EVENT(0) && inside < stride * BRGPU_EVENT_CLASSES &&
        event_registers.contains(inside % stride))
        return fmt::format("EVENT{}_{}", inside / stride, event_registers.at(inside % stride));
    const auto found = registers.find(offset);
    return found == registers.end() ? fmt::format("0x{:05x}", offset) : found->second;
}

std::string queue_state(uint32_t status) {
    static const Names names = {
        {BRGPU_QUEUE_STATE_UNMAPPED, "UNMAPPED"},  {BRGPU_QUEUE_STATE_IDLE, "IDLE"},
        {BRGPU_QUEUE_STATE_RUNNING, "RUNNING"},    {BRGPU_QUEUE_STATE_WAITING, "WAITING"},
        {BRGPU_QUEUE_STATE_FAULTED, "FAULTED"},    {BRGPU_QUEUE_STATE_ERROR, "ERROR"},
        {BRGPU_QUEUE_STATE_PREEMPTED, "PREEMPTED"}};
    return name_of(names, status & BRGPU_QUEUE_STATE_MASK) +
           (status & BRGPU_QUEUE_BUSY ? "+BUSY" : "");
}

std::string queue_error(uint32_t error) {
#define ERROR(name) {BRGPU_QUEUE_ERROR_##name, #name}
    static const Names names = {ERROR(NONE),   ERROR(DESC), ERROR(INDEX),   ERROR(PACKET),
                                ERROR(FIELD),  ERROR(CALL), ERROR(KERNEL),  ERROR(MMU),
                                ERROR(SHADER), ERROR(BUS),  ERROR(PREEMPT), ERROR(KILLED),
                                ERROR(RESET),  ERROR(ECC)};
#undef ERROR
    return name_of(names, error);
}

std::string fault_reason(uint32_t info) {
#define REASON(name) {BRGPU_FAULT_##name, #name}
    static const Names names = {
        REASON(NONE),     REASON(NOT_MAPPED), REASON(RIGHTS),  REASON(ENTRY),
        REASON(ADDRESS),  REASON(BUS),        REASON(POISON),  REASON(MISALIGNED),
        REASON(ILLEGAL),  REASON(ECALL),      REASON(EBREAK),  REASON(TRAP),
        REASON(DEADLOCK), REASON(LOCAL),      REASON(PRIVATE), REASON(TENSOR)};
#undef REASON
    return name_of(names, info >> BRGPU_FAULT_INFO_REASON_SHIFT);
}

std::string fault_client(uint32_t info) {
    static const Names names = {{BRGPU_FAULT_CLIENT_SHADER, "shader"},
                                {BRGPU_FAULT_CLIENT_FETCH, "fetch"},
                                {BRGPU_FAULT_CLIENT_COPY, "copy"},
                                {BRGPU_FAULT_CLIENT_QUEUE, "queue"},
                                {BRGPU_FAULT_CLIENT_TENSOR, "tensor"}};
    return name_of(names, info >> BRGPU_FAULT_INFO_CLIENT_SHIFT & 0xf);
}

std::string fault_access(uint32_t info) {
    std::string text;
    for (const auto &[bit, name] : {std::pair{BRGPU_ACCESS_READ, "read"},
                                    {BRGPU_ACCESS_WRITE, "write"},
                                    {BRGPU_ACCESS_EXEC, "exec"},
                                    {BRGPU_ACCESS_ATOMIC, "atomic"}}) {
        if (info >> BRGPU_FAULT_INFO_ACCESS_SHIFT & bit)
            text += (text.empty() ? "" : "+") + std::string(name);
    }
    return text.empty() ? "none" : text;
}

std::string packet_type(uint8_t type) {
#define PACKET(name) {BRGPU_PACKET_##name, #name}
    static const Names names = {PACKET(NOP),       PACKET(DISPATCH), PACKET(COPY), PACKET(FILL),
                                PACKET(WRITE),     PACKET(BARRIER),  PACKET(WAIT), PACKET(SIGNAL),
                                PACKET(TIMESTAMP), PACKET(EVENT),    PACKET(CALL)};
#undef PACKET
    return name_of(names, type);
}

std::string page_entry(uint64_t entry, unsigned level) {
    if (!(entry & BRGPU_PTE_VALID))
        return "invalid";
    const bool leaf = level == 0 || (entry & BRGPU_PTE_LEAF);
    std::string text;
    if (entry & BRGPU_PTE_NULL)
        text = "null page";
    else
        text = fmt::format("{} in {} at 0x{:x}", leaf ? "page" : "table",
                           (entry & BRGPU_PTE_APERTURE_MASK) == BRGPU_PTE_VRAM     ? "VRAM"
                           : (entry & BRGPU_PTE_APERTURE_MASK) == BRGPU_PTE_SYSTEM ? "system memory"
                                                                                   : "a peer",
                           entry & BRGPU_PTE_ADDRESS_MASK);
    if (leaf)
        text += fmt::format(", {}{}{}{}", entry & BRGPU_PTE_READ ? "r" : "-",
                            entry & BRGPU_PTE_WRITE ? "w" : "-", entry & BRGPU_PTE_EXEC ? "x" : "-",
                            entry & BRGPU_PTE_ATOMIC ? "a" : "-");
    return text;
}

} // namespace brgpu::dump
