// SPDX-License-Identifier: MIT
#include "report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace brgpu::smi {

namespace {

const char *health_text(uint32_t health) {
    switch (health) {
    case BRGPU_HEALTH_OK:
        return "ok";
    case BRGPU_HEALTH_WARNING:
        return "warning";
    default:
        return "critical";
    }
}

std::string version_text(uint32_t version) {
    return fmt::format("{}.{}.{}", version >> 24, version >> 16 & 0xff, version & 0xffff);
}

double mib(uint64_t bytes) {
    return static_cast<double>(bytes) / 1048576.0;
}

bool sensors_valid(const brgpu_device_status &status) {
    return status.sensor_age_ms != UINT32_MAX;
}

std::string link_text(const PciLink &link) {
    if (!link.width)
        return "not readable (needs root)";
    return fmt::format("{:g} GT/s x{} (of {:g} GT/s x{})", link.speed_gts, link.width,
                       link.max_speed_gts, link.max_width);
}

std::string table_of(const Reading &r) {
    const auto &p = r.properties;
    const auto &s = r.status;
    std::string text = fmt::format("  health       {}\n", health_text(s.health));
    text += fmt::format("  units        {} die(s) x {} SPC x {} CU x {} EU\n", p.dies,
                        p.spcs_per_die, p.cus_per_spc, p.eus_per_cu);
    text += fmt::format("  firmware     {} ({}), mailbox {}.{}\n", version_text(r.firmware.version),
                        r.firmware.build[0] ? r.firmware.build : "no build id",
                        r.firmware.mailbox >> 16, r.firmware.mailbox & 0xffff);
    for (const brgpu_memory_usage &m : r.memory)
        text += fmt::format("  {:<12} {:.0f} of {:.0f} MiB used\n",
                            m.placement == BRGPU_PLACEMENT_VRAM ? "memory" : "system", mib(m.used),
                            mib(m.total));
    text += fmt::format("  utilisation  compute {:.0f} %, copy {:.0f} %\n", r.compute_percent,
                        r.copy_percent);
    if (sensors_valid(s))
        text +=
            fmt::format("  sensors      {:.1f} C, {:.1f} of {:.0f} W, core {} MHz, memory {} "
                        "MHz{}\n",
                        s.temperature_mc / 1000.0, s.power_mw / 1000.0, s.power_limit_mw / 1000.0,
                        s.core_mhz, s.memory_mhz, s.throttle ? ", throttled" : "");
    else
        text += "  sensors      not read yet\n";
    text += fmt::format("  ECC          {} corrected, {} uncorrected\n", s.ecc_corrected,
                        s.ecc_uncorrected);
    text += fmt::format("  queues       {} open, {} stopped, {} device resets, {} clients\n",
                        s.queues, s.queue_resets, s.device_resets, s.clients);
    return text;
}

nlohmann::json json_of(const Reading &r) {
    const auto &p = r.properties;
    const auto &s = r.status;
    nlohmann::json memory = nlohmann::json::array();
    for (const brgpu_memory_usage &m : r.memory)
        memory.push_back({{"placement", m.placement == BRGPU_PLACEMENT_VRAM ? "vram" : "system"},
                          {"die", m.die == UINT32_MAX ? nlohmann::json() : nlohmann::json(m.die)},
                          {"total", m.total},
                          {"used", m.used},
                          {"cpu_visible", m.cpu_visible}});
    nlohmann::json sensors;
    if (sensors_valid(s))
        sensors = {{"temperature_c", s.temperature_mc / 1000.0},
                   {"power_w", s.power_mw / 1000.0},
                   {"power_limit_w", s.power_limit_mw / 1000.0},
                   {"core_mhz", s.core_mhz},
                   {"memory_mhz", s.memory_mhz},
                   {"throttle", s.throttle},
                   {"age_ms", s.sensor_age_ms}};
    return {{"health", health_text(s.health)},
            {"serial", p.serial},
            {"dies", p.dies},
            {"spcs_per_die", p.spcs_per_die},
            {"cus_per_spc", p.cus_per_spc},
            {"eus_per_cu", p.eus_per_cu},
            {"firmware",
             {{"version", version_text(r.firmware.version)},
              {"build", r.firmware.build},
              {"heartbeats", r.firmware.heartbeats}}},
            {"memory", memory},
            {"utilisation", {{"compute", r.compute_percent}, {"copy", r.copy_percent}}},
            {"sensors", sensors},
            {"ecc", {{"corrected", s.ecc_corrected}, {"uncorrected", s.ecc_uncorrected}}},
            {"queues", s.queues},
            {"queue_resets", s.queue_resets},
            {"device_resets", s.device_resets},
            {"clients", s.clients}};
}

} // namespace

std::string as_table(const std::vector<Card> &cards) {
    std::string text;
    for (const Card &card : cards) {
        text += fmt::format("{} {}{}{}\n", card.summary.name,
                            card.summary.pci_address[0] ? card.summary.pci_address : "in-process",
                            card.summary.node[0] ? " " : "", card.summary.node);
        if (card.link)
            text += fmt::format("  PCI          {:04x}:{:04x} rev {:02x}, {}\n  capabilities {}\n",
                                card.link->vendor, card.link->device, card.link->revision,
                                link_text(*card.link), fmt::join(card.link->capabilities, ", "));
        if (card.reading)
            text += table_of(*card.reading);
        else
            text += fmt::format("  unusable     {}\n", card.error);
        for (const ProcessUse &process : card.processes)
            text +=
                fmt::format("  process      {:>7} {:<16} {:.1f} MiB, {:.1f} ms of engine time\n",
                            process.pid, process.command, mib(process.memory_bytes),
                            static_cast<double>(process.engine_ns) * 1e-6);
    }
    return text;
}

std::string as_json(const std::vector<Card> &cards) {
    nlohmann::json list = nlohmann::json::array();
    for (const Card &card : cards) {
        nlohmann::json entry = card.reading ? json_of(*card.reading) : nlohmann::json::object();
        entry["name"] = card.summary.name;
        entry["backend"] = card.summary.backend == BRGPU_BACKEND_DRM ? "drm" : "model";
        entry["pci_address"] = card.summary.pci_address;
        entry["node"] = card.summary.node;
        entry["usable"] = card.reading.has_value();
        if (!card.error.empty())
            entry["error"] = card.error;
        if (card.link)
            entry["pci"] = {
                {"vendor", card.link->vendor},       {"device", card.link->device},
                {"revision", card.link->revision},   {"speed_gts", card.link->speed_gts},
                {"width", card.link->width},         {"max_speed_gts", card.link->max_speed_gts},
                {"max_width", card.link->max_width}, {"capabilities", card.link->capabilities}};
        nlohmann::json processes = nlohmann::json::array();
        for (const ProcessUse &process : card.processes)
            processes.push_back({{"pid", process.pid},
                                 {"command", process.command},
                                 {"memory", process.memory_bytes},
                                 {"engine_ns", process.engine_ns}});
        entry["processes"] = processes;
        list.push_back(entry);
    }
    return nlohmann::json{{"cards", list}}.dump(2) + "\n";
}

} // namespace brgpu::smi
