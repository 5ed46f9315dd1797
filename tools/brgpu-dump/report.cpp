// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "brgpu/hw/events.h"
#include "names.hpp"

namespace brgpu::dump {
namespace {

constexpr unsigned lanes = BRGPU_WARP_LANES;

template <typename... Arguments>
void add(std::string &text, fmt::format_string<Arguments...> format, Arguments &&...arguments) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Arguments>(arguments)...);
}

std::string hex(uint64_t value) {
    return fmt::format("0x{:x}", value);
}

const char *flag_text(const brgpu_dump_queue &queue) {
    return queue.flags & BRGPU_DUMP_QUEUE_GUILTY    ? "guilty"
           : queue.flags & BRGPU_DUMP_QUEUE_LOST    ? "lost"
           : queue.flags & BRGPU_DUMP_QUEUE_STOPPED ? "stopped"
                                                    : "";
}

bool has_fault(const brgpu_dump_queue &queue) {
    return queue.fault_info >> BRGPU_FAULT_INFO_REASON_SHIFT;
}

void add_queues(std::string &text, const Dump &dump) {
    add(text, "\nqueues:\n  slot  vm state          error       read      write   dispatches   "
              "workgroups\n");
    for (const auto &queue : dump.queues) {
        add(text, "  {:4} {:3} {:14} {:8} {:7} {:10} {:12} {:12} {}\n", queue.slot, queue.vm,
            queue_state(queue.status), queue_error(queue.error), queue.read_index,
            queue.write_index, queue.dispatches, queue.workgroups, flag_text(queue));
        if (has_fault(queue))
            add(text, "       fault {} by {} ({}) at 0x{:x}, pc 0x{:x}, level {}\n",
                fault_reason(queue.fault_info), fault_client(queue.fault_info),
                fault_access(queue.fault_info), queue.fault_address, queue.fault_pc,
                queue.fault_info >> BRGPU_FAULT_INFO_LEVEL_SHIFT & 7);
    }
}

void add_rings(std::string &text, const Dump &dump) {
    for (const auto &ring : dump.rings) {
        add(text, "\nring of queue {}:\n", ring.slot);
        for (size_t i = 0; i < ring.packets.size(); i++) {
            const auto &packet = ring.packets[i];
            add(text, "  {:8} {:9}", ring.first + i, packet_type(packet[0]));
            for (size_t byte = 0; byte < packet.size(); byte += 8) {
                uint64_t word = 0;
                for (size_t k = 8; k-- > 0;)
                    word = word << 8 | packet[byte + k];
                add(text, " {:x}", word);
            }
            add(text, "\n");
        }
    }
}

void add_walks(std::string &text, const Dump &dump) {
    for (const auto &walk : dump.walks) {
        add(text, "\npage-table walk of 0x{:x} in VM {}:\n", walk.address, walk.vm);
        if (walk.levels == 0)
            add(text, "  not taken: the VM had gone or was being changed\n");
        for (uint32_t i = 0; i < walk.levels && i < std::size(walk.entries); i++) {
            const unsigned level = 3 - i;
            add(text, "  level {}: 0x{:016x} {}\n", level, walk.entries[i],
                page_entry(walk.entries[i], level));
        }
    }
}

void add_registers_of(std::string &text, const brgpu_snapshot_warp &warp, unsigned lane) {
    for (unsigned bank = 0; bank < 2; bank++) {
        const auto &registers = bank ? warp.f : warp.x;
        for (unsigned i = 0; i < 32; i++)
            add(text, "{}{}{:<2} {:016x}{}", i % 4 ? " " : "      ", bank ? "f" : "x", i,
                registers[i][lane], i % 4 == 3 ? "\n" : "");
    }
}

void add_lanes(std::string &text, const Dump &dump, bool all_registers) {
    if (!dump.lanes)
        return;
    const auto &head = dump.lanes->head;
    add(text,
        "\nkernel 0x{:x}, arguments 0x{:x}, grid {} {} {}, workgroups of {} {} {}, {} of {} done\n"
        "lanes: {} of {} warps that were running\n",
        head.kernel, head.kernarg, head.grid[0], head.grid[1], head.grid[2], head.workgroup[0],
        head.workgroup[1], head.workgroup[2], head.workgroups_done, head.workgroups,
        dump.lanes->warps.size(), head.total_warps);
    for (size_t i = 0; i < dump.lanes->warps.size(); i++) {
        const auto &warp = dump.lanes->warps[i];
        const bool faulted = i == 0 && head.fault_lane < lanes;
        add(text, "  workgroup {} warp {} (die {} SPC {} CU {}): live {:08x} waiting {:08x}{}\n",
            warp.workgroup, warp.warp, warp.cu >> 16, warp.cu >> 8 & 0xff, warp.cu & 0xff,
            warp.live, warp.waiting,
            faulted ? fmt::format(", lane {} faulted", head.fault_lane) : std::string());
        for (unsigned lane = 0; lane < lanes; lane++) {
            if (!(warp.started >> lane & 1))
                continue;
            const bool this_one = faulted && lane == head.fault_lane;
            add(text, "    lane {:2} pc 0x{:x}{}{}\n", lane, warp.pc[lane],
                !(warp.live >> lane & 1)   ? " exited"
                : warp.waiting >> lane & 1 ? " waits"
                                           : "",
                this_one ? " FAULTED" : "");
            if (all_registers || this_one)
                add_registers_of(text, warp, lane);
        }
    }
}

void add_crash(std::string &text, const Dump &dump) {
    if (!dump.crash)
        return;
    const auto &crash = *dump.crash;
    std::string said(crash.text, strnlen(crash.text, sizeof(crash.text)));
    for (char &c : said)
        c = c < ' ' || c == 0x7f ? '?' : c;
    add(text, "\nfirmware crash: cause {}, pc 0x{:x}, tval 0x{:x}, last message {}: {}\n",
        crash.cause, crash.pc, crash.tval, crash.last_message, said);
    for (unsigned i = 0; i < 32; i++)
        add(text, "{}x{:<2} {:08x}{}", i % 8 ? " " : "  ", i, crash.registers[i],
            i % 8 == 7 ? "\n" : "");
}

} // namespace

std::string as_text(const Dump &dump, bool all_registers) {
    std::string text;
    for (const auto &[name, value] : dump.facts)
        add(text, "{}: {}\n", name, value);
    if (dump.cut)
        add(text, "NOTE: the dump was too small for all that there was\n");
    for (const uint32_t type : dump.unknown)
        add(text, "NOTE: a section of type {}, which this brgpu-dump does not know\n", type);
    add_queues(text, dump);
    add_walks(text, dump);
    add_lanes(text, dump, all_registers);
    add_rings(text, dump);
    add(text, "\nregisters:\n");
    for (const auto &reg : dump.registers)
        add(text, "  {:16} 0x{:x}\n", register_name(reg.offset), reg.value);
    add_crash(text, dump);
    if (!dump.firmware_log.empty())
        add(text, "\nfirmware's log:\n{}", dump.firmware_log);
    return text;
}

std::string as_json(const Dump &dump) {
    using nlohmann::json;
    json all = {{"cut", dump.cut}, {"facts", json::object()}, {"registers", json::object()}};
    for (const auto &[name, value] : dump.facts)
        all["facts"][name] = value;
    for (const auto &reg : dump.registers)
        all["registers"][register_name(reg.offset)] = hex(reg.value);
    all["queues"] = json::array();
    for (const auto &queue : dump.queues) {
        json item = {{"slot", queue.slot},
                     {"vm", queue.vm},
                     {"id", queue.id},
                     {"guilty", (queue.flags & BRGPU_DUMP_QUEUE_GUILTY) != 0},
                     {"lost", (queue.flags & BRGPU_DUMP_QUEUE_LOST) != 0},
                     {"state", queue_state(queue.status)},
                     {"error", queue_error(queue.error)},
                     {"submitted", queue.submitted},
                     {"completed", queue.completed},
                     {"read_index", queue.read_index},
                     {"write_index", queue.write_index},
                     {"packet", hex(queue.packet)},
                     {"dispatches", queue.dispatches},
                     {"workgroups", queue.workgroups},
                     {"busy_ns", queue.busy_ns},
                     {"progress", queue.progress}};
        if (has_fault(queue))
            item["fault"] = {{"reason", fault_reason(queue.fault_info)},
                             {"client", fault_client(queue.fault_info)},
                             {"access", fault_access(queue.fault_info)},
                             {"address", hex(queue.fault_address)},
                             {"pc", hex(queue.fault_pc)}};
        all["queues"].push_back(item);
    }
    all["rings"] = json::array();
    for (const auto &ring : dump.rings) {
        json packets = json::array();
        for (const auto &packet : ring.packets) {
            std::string bytes;
            for (const uint8_t byte : packet)
                add(bytes, "{:02x}", byte);
            packets.push_back({{"type", packet_type(packet[0])}, {"bytes", bytes}});
        }
        all["rings"].push_back({{"slot", ring.slot}, {"first", ring.first}, {"packets", packets}});
    }
    all["page_walks"] = json::array();
    for (const auto &walk : dump.walks) {
        json entries = json::array();
        for (uint32_t i = 0; i < walk.levels && i < std::size(walk.entries); i++)
            entries.push_back({{"level", 3 - i},
                               {"entry", hex(walk.entries[i])},
                               {"what", page_entry(walk.entries[i], 3 - i)}});
        all["page_walks"].push_back(
            {{"address", hex(walk.address)}, {"vm", walk.vm}, {"entries", entries}});
    }
    if (dump.lanes) {
        const auto &head = dump.lanes->head;
        json warps = json::array();
        for (const auto &warp : dump.lanes->warps) {
            json list = json::array();
            for (unsigned lane = 0; lane < lanes; lane++) {
                if (!(warp.started >> lane & 1))
                    continue;
                json x = json::array(), f = json::array();
                for (unsigned i = 0; i < 32; i++) {
                    x.push_back(hex(warp.x[i][lane]));
                    f.push_back(hex(warp.f[i][lane]));
                }
                list.push_back({{"lane", lane},
                                {"pc", hex(warp.pc[lane])},
                                {"live", (warp.live >> lane & 1) != 0},
                                {"waiting", (warp.waiting >> lane & 1) != 0},
                                {"x", x},
                                {"f", f}});
            }
            warps.push_back({{"workgroup", warp.workgroup}, {"warp", warp.warp}, {"lanes", list}});
        }
        all["lanes"] = {{"kernel", hex(head.kernel)},
                        {"arguments", hex(head.kernarg)},
                        {"grid", head.grid},
                        {"workgroup_size", head.workgroup},
                        {"workgroups", head.workgroups},
                        {"workgroups_done", head.workgroups_done},
                        {"running_warps", head.total_warps},
                        {"warps", warps}};
        if (head.fault_lane < lanes)
            all["lanes"]["fault_lane"] = head.fault_lane;
    }
    if (dump.crash)
        all["firmware_crash"] = {{"cause", dump.crash->cause},
                                 {"pc", hex(dump.crash->pc)},
                                 {"tval", hex(dump.crash->tval)}};
    all["firmware_log"] = dump.firmware_log;
    all["unknown_sections"] = dump.unknown;
    return all.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

} // namespace brgpu::dump
