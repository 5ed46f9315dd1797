// SPDX-License-Identifier: MIT
#include "properties.hpp"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace brgpu::model {
namespace {

std::optional<uint64_t> parse_number(std::string_view text) {
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        base = 16;
        text.remove_prefix(2);
    }
    uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

// A number of times: "on" is for ever.
std::optional<uint32_t> parse_count(std::string_view text) {
    if (text == "on" || text == "true" || text == "yes")
        return UINT32_MAX;
    if (text == "off" || text == "false" || text == "no")
        return 0;
    auto value = parse_number(text);
    if (!value || *value > UINT32_MAX)
        return std::nullopt;
    return static_cast<uint32_t>(*value);
}

std::string show_count(uint32_t count) {
    return count == UINT32_MAX ? "on" : std::to_string(count);
}

constexpr const char *want_count = "expected a number of times, \"on\" or \"off\"";

// "key=number,key=number,..." Returns an empty text, or what is wrong.
std::string parse_list(std::string_view text,
                       std::initializer_list<std::pair<std::string_view, uint64_t *>> keys) {
    while (!text.empty()) {
        std::string_view item = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), item.size() + 1));
        size_t equals = item.find('=');
        std::string_view name = item.substr(0, equals);
        uint64_t *target = nullptr;
        for (const auto &[key, value] : keys) {
            if (key == name)
                target = value;
        }
        auto number =
            equals == std::string_view::npos ? std::nullopt : parse_number(item.substr(equals + 1));
        if (!target || !number)
            return "'" + std::string(item) + "' is not a setting that is known here";
        *target = *number;
    }
    return {};
}

} // namespace

struct Properties::Rows {
    template <auto Member>
    static std::string set_count(Card &card, std::string_view value) {
        auto count = parse_count(value);
        if (!count)
            return want_count;
        (card.faults_.*Member).store(*count);
        return {};
    }
    template <auto Member>
    static std::string get_count(Card &card) {
        return show_count((card.faults_.*Member).load());
    }
    template <controller::Fault Kind>
    static std::string set_controller(Card &card, std::string_view value) {
        auto count = parse_count(value);
        if (!count)
            return want_count;
        card.controller_.set_fault(Kind, *count);
        card.shown_controller_faults_[static_cast<size_t>(Kind)].store(*count);
        return {};
    }
    template <controller::Fault Kind>
    static std::string get_controller(Card &card) {
        return show_count(card.shown_controller_faults_[static_cast<size_t>(Kind)].load());
    }

    static std::string set_stalled(Card &card, std::string_view value) {
        uint64_t slot = 0, on = 1;
        std::string wrong = parse_list(value, {{"queue", &slot}, {"on", &on}});
        if (!wrong.empty())
            return wrong;
        if (slot >= card.product_.queues)
            return "there is no such queue";
        card.scheduler_.set_stalled(static_cast<uint16_t>(slot), on != 0);
        return {};
    }
    static std::string get_stalled(Card &card) {
        std::string text;
        for (uint32_t slot = 0; slot < card.product_.queues; slot++) {
            if (card.scheduler_.is_stalled(static_cast<uint16_t>(slot)))
                text += (text.empty() ? "" : " ") + std::to_string(slot);
        }
        return text;
    }

    static std::string set_page_fault(Card &card, std::string_view value) {
        FaultInjector::PageFaults faults;
        if (auto count = parse_count(value)) {
            faults.count = *count;
        } else {
            uint64_t times = 1;
            std::string wrong = parse_list(
                value, {{"vm", &faults.vm}, {"address", &faults.address}, {"count", &times}});
            if (!wrong.empty())
                return wrong;
            faults.count = static_cast<uint32_t>(std::min<uint64_t>(times, UINT32_MAX));
        }
        card.faults_.arm_page_faults(faults);
        card.points_.advance(); // what is translated already is looked up again
        return {};
    }
    static std::string get_page_fault(Card &card) {
        return show_count(card.faults_.page_faults_left());
    }

    template <bool Uncorrected>
    static std::string set_ecc(Card &card, std::string_view value) {
        auto offset = parse_number(value);
        if (!offset || *offset >= card.options_.vram_bytes)
            return "expected an address in device memory";
        card.faults_.arm_ecc(*offset, Uncorrected);
        card.points_.advance();
        return {};
    }
    static std::string clear_ecc(Card &card, std::string_view) {
        card.faults_.clear_poison();
        return {};
    }
    static std::string nothing(Card &) { return {}; }

    static std::string set_gone(Card &card, std::string_view value) {
        auto count = parse_count(value);
        if (!count)
            return want_count;
        bool for_ever = *count == UINT32_MAX;
        card.faults_.all_ones_reads.store(for_ever ? 0 : *count);
        card.set_gone(for_ever);
        return {};
    }
    static std::string get_gone(Card &card) {
        return card.faults_.gone.load() ? "on" : show_count(card.faults_.all_ones_reads.load());
    }

    static std::string set_lost_interrupts(Card &card, std::string_view value) {
        auto count = parse_count(value);
        if (!count)
            return want_count;
        card.events_.lose_interrupts.store(*count);
        return {};
    }
    static std::string get_lost_interrupts(Card &card) {
        return show_count(card.events_.lose_interrupts.load());
    }

    static std::string set_lost_invalidations(Card &card, std::string_view value) {
        auto count = parse_count(value);
        if (!count)
            return want_count;
        card.invalidation_.lose_invalidations.store(*count);
        return {};
    }
    static std::string get_lost_invalidations(Card &card) {
        return show_count(card.invalidation_.lose_invalidations.load());
    }

    static std::string set_slow_dma(Card &card, std::string_view value) {
        auto us = parse_number(value);
        if (!us || *us > 1'000'000)
            return "expected microseconds, at most 1000000";
        card.dma_.slow_dma_us.store(static_cast<uint32_t>(*us));
        return {};
    }
    static std::string get_slow_dma(Card &card) {
        return std::to_string(card.dma_.slow_dma_us.load());
    }

    static std::string set_temperature(Card &card, std::string_view value) {
        if (value == "off") {
            for (uint32_t die = 0; die < card.product_.dies; die++)
                card.controller_.set_temperature(die, std::nullopt);
            card.shown_temperature_.store(INT64_MIN);
            return {};
        }
        auto degrees = parse_number(value);
        if (!degrees || *degrees > 1'000'000)
            return "expected millidegrees Celsius, at most 1000000, or \"off\"";
        for (uint32_t die = 0; die < card.product_.dies; die++)
            card.controller_.set_temperature(die, static_cast<int32_t>(*degrees));
        card.shown_temperature_.store(static_cast<int64_t>(*degrees));
        return {};
    }
    static std::string get_temperature(Card &card) {
        int64_t shown = card.shown_temperature_.load();
        return shown == INT64_MIN ? "off" : std::to_string(shown);
    }

    static std::string crash_firmware(Card &card, std::string_view) {
        card.controller_.crash();
        return {};
    }

    static std::string resident(Card &card) { return std::to_string(card.vram_.resident_bytes()); }
    static std::string tlb_hits(Card &card) { return std::to_string(card.mmu_.tlb().hits()); }
    static std::string tlb_walks(Card &card) { return std::to_string(card.mmu_.walks()); }
    static std::string interrupts(Card &card) { return std::to_string(card.events_.interrupts()); }
    static std::string workers(Card &card) { return std::to_string(card.options_.threads); }
    static std::string set_isa(Card &card, std::string_view value) {
        if (value == "auto") {
            card.engine_.build.store(nullptr);
            return {};
        }
        const simt::InterpreterBuild *build = simt::find_build(std::string(value).c_str());
        if (!build)
            return "expected \"auto\", \"baseline\", or \"avx2\" or \"avx512\" where this host has "
                   "it";
        card.engine_.build.store(build);
        return {};
    }
    static std::string get_isa(Card &card) {
        const simt::InterpreterBuild *build = card.engine_.build.load();
        return build ? simt::name_of(*build) : "auto";
    }
    static std::string engine(Card &card) {
        const simt::InterpreterBuild *build = card.engine_.build.load();
        return build ? simt::name_of(*build) : simt::Worker::isa_name();
    }
    static std::string set_jit(Card &card, std::string_view value) {
        auto mode = simt::Jit::mode_by_name(value);
        if (!mode)
            return "expected \"off\", \"auto\" or \"sync\"";
        std::string problem;
        if (*mode == simt::JitMode::sync && !card.engine_.jit().available(&problem))
            return "there is no JIT: " + problem;
        card.engine_.jit().set_mode(*mode);
        return {};
    }
    static std::string get_jit(Card &card) {
        return simt::Jit::mode_name(card.engine_.jit().mode());
    }
    static std::string jit_statistics(Card &card) {
        std::string problem;
        if (card.engine_.jit().mode() == simt::JitMode::off)
            problem = "off";
        else if (card.engine_.jit().available(&problem))
            problem.clear();
        if (!problem.empty())
            return "none: " + problem;
        simt::JitStatistics s = card.engine_.jit().statistics();
        std::string text = "kernels=" + std::to_string(s.compilations) +
                           " refused=" + std::to_string(s.failures) +
                           " evicted=" + std::to_string(s.evictions) +
                           " code_bytes=" + std::to_string(s.code_bytes) +
                           " instructions=" + std::to_string(s.instructions);
        for (size_t i = 1; i < simt::jit_exit_reasons; i++)
            text +=
                std::string(" exits_") + simt::Jit::exit_name(i) + "=" + std::to_string(s.exits[i]);
        return text;
    }
    static std::string controller_instructions(Card &card) {
        return std::to_string(card.controller_.instructions());
    }

    static const Row table[];
};

using ControllerFault = controller::Fault;

const Properties::Row Properties::Rows::table[] = {
    {"fault-stall-queue", "\"queue=N[,on=0]\": the queue takes no more packets", set_stalled,
     get_stalled},
    {"fault-hang-kernel", "count: the next dispatches never end",
     set_count<&FaultInjector::hang_dispatches>, get_count<&FaultInjector::hang_dispatches>},
    {"fault-kill", "count: the next KILLs are never carried out",
     set_count<&FaultInjector::ignored_kills>, get_count<&FaultInjector::ignored_kills>},
    {"fault-engine-reset", "count: the next engine resets never end",
     set_count<&FaultInjector::endless_engine_resets>,
     get_count<&FaultInjector::endless_engine_resets>},
    {"fault-device-reset", "count: the next device resets leave the card FAILED",
     set_count<&FaultInjector::failed_device_resets>,
     get_count<&FaultInjector::failed_device_resets>},
    {"fault-function-reset", "count: the next function resets leave the card FAILED",
     set_count<&FaultInjector::failed_function_resets>,
     get_count<&FaultInjector::failed_function_resets>},
    {"fault-page", "count, or \"vm=N,address=A,count=C\": the next accesses meet a page fault",
     set_page_fault, get_page_fault},
    {"fault-read-index", "count: the next read indices written to memory are wrong",
     set_count<&FaultInjector::corrupt_read_indices>,
     get_count<&FaultInjector::corrupt_read_indices>},
    {"fault-lost-invalidation", "count: the next TLB invalidations complete without any effect",
     set_lost_invalidations, get_lost_invalidations},
    {"fault-lost-interrupt", "count: the next interrupts get lost", set_lost_interrupts,
     get_lost_interrupts},
    {"fault-all-ones", "count of register reads, or \"on\": the card has fallen off the bus",
     set_gone, get_gone},
    {"fault-slow-dma",
     "microseconds that accesses to system memory by bus, and each 64 KiB of a copy, take longer",
     set_slow_dma, get_slow_dma},
    {"fault-ecc-corrected", "VRAM address: the next read meets a corrected error", set_ecc<false>,
     nothing},
    {"fault-ecc-uncorrected", "VRAM address: its 4 KiB are poisoned until they are written",
     set_ecc<true>, nothing},
    {"fault-ecc-clear", "any value: ends both kinds of ECC fault", clear_ecc, nothing},
    {"fault-heartbeat",
     "\"on\", or until so many resets: the firmware's heartbeat stops, the firmware goes on",
     set_controller<ControllerFault::stop_heartbeat>,
     get_controller<ControllerFault::stop_heartbeat>},
    {"fault-firmware-freeze", "\"on\", or until so many resets: the controller executes nothing",
     set_controller<ControllerFault::freeze>, get_controller<ControllerFault::freeze>},
    {"fault-firmware-crash", "any value: the firmware traps where it stands", crash_firmware,
     nothing},
    {"fault-firmware-version", "\"on\": from the next start, the firmware says another version",
     set_controller<ControllerFault::wrong_version>,
     get_controller<ControllerFault::wrong_version>},
    {"fault-firmware-image", "count: a bit of the image flips on its way to the boot ROM",
     set_controller<ControllerFault::corrupt_image>,
     get_controller<ControllerFault::corrupt_image>},
    {"fault-mailbox-drop", "count: the next replies never come",
     set_controller<ControllerFault::drop_reply>, get_controller<ControllerFault::drop_reply>},
    {"fault-mailbox-duplicate", "count: the next replies come twice",
     set_controller<ControllerFault::duplicate_reply>,
     get_controller<ControllerFault::duplicate_reply>},
    {"fault-mailbox-reorder", "count: the next replies come after their successors",
     set_controller<ControllerFault::reorder_reply>,
     get_controller<ControllerFault::reorder_reply>},
    {"fault-temperature", "millidegrees Celsius of all dies, or \"off\"", set_temperature,
     get_temperature},
    {"isa",
     "\"auto\", \"avx512\", \"avx2\" or \"baseline\": which of the host's instructions run kernels",
     set_isa, get_isa},
    {"stat-vram-resident", "bytes of host memory behind VRAM", nullptr, resident},
    {"stat-tlb-hits", "translations that the shared TLB answered", nullptr, tlb_hits},
    {"stat-tlb-walks", "page-table walks", nullptr, tlb_walks},
    {"stat-interrupts", "interrupts raised", nullptr, interrupts},
    {"stat-workers", "engine threads", nullptr, workers},
    {"stat-engine", "which build of the SIMT engine runs", nullptr, engine},
    {"jit", "\"auto\", \"off\", or \"sync\": how kernels are compiled, see docs/engine.md", set_jit,
     get_jit},
    {"stat-jit", "what the JIT has done", nullptr, jit_statistics},
    {"stat-controller-instructions", "instructions that the controller has executed", nullptr,
     controller_instructions},
};

std::span<const Properties::Row> Properties::all() {
    return Rows::table;
}

const Properties::Row *Properties::find(std::string_view name) {
    for (const Row &row : all()) {
        if (name == row.name)
            return &row;
    }
    return nullptr;
}

} // namespace brgpu::model
