// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "../deadline.hpp"
#include "brgpu/hw/regs.h"
#include "brgpu_core_uapi.h"
#include "model_interface.hpp"

namespace brgpu::umd::model {

namespace {

constexpr uint32_t job_limit_ms = 120000;
constexpr uint32_t most_objects = 256; // VMs and queues of a file

uint64_t host_memory_bytes() {
    return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
           static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

int give(drm_brgpu_query &args, const void *answer, size_t bytes) {
    if (args.size) {
        auto *data = reinterpret_cast<char *>(static_cast<uintptr_t>(args.data));
        if (!data)
            return -EFAULT;
        const size_t known = std::min<size_t>(args.size, bytes);
        std::memcpy(data, answer, known);
        std::memset(data + known, 0, args.size - known);
    }
    args.size = static_cast<uint32_t>(bytes);
    return 0;
}

} // namespace

void ModelInterface::answer_device(drm_brgpu_query_device &answer) {
    const brgpu_core_ident &ident = card_.ident();
    answer.uapi_version = DRM_BRGPU_UAPI_MAJOR << 16 | DRM_BRGPU_UAPI_MINOR;
    answer.contract = ident.contract;
    answer.product = ident.product;
    answer.revision = ident.revision;
    answer.serial = ident.serial;
    answer.features = card_.limits().features;
    answer.hw_features = ident.features;
    answer.dies = ident.dies;
    answer.spcs_per_die = ident.spcs;
    answer.cus_per_spc = ident.cus;
    answer.eus_per_cu = ident.eus;
    answer.warp_lanes = 32;
    answer.isa = ident.isa;
    answer.max_workgroup = ident.max_workgroup;
    answer.local_bytes = ident.local_bytes;
    answer.tensor_bytes = ident.tensor_bytes;
    answer.resident_groups = ident.resident_groups;
    answer.max_queues = std::min(ident.queues - ident.queues / 2, most_objects);
    answer.max_vms = std::min(ident.vms - 1, most_objects);
    answer.va_start = card_.limits().va_start;
    answer.va_end = card_.limits().va_end;
    answer.page_sizes = ident.page_sizes;
    answer.timestamp_hz = ident.timestamp_hz;
    answer.job_timeout_ms = card_.limits().job_timeout_ms;
    answer.job_limit_ms = job_limit_ms;
    std::snprintf(answer.name, sizeof(answer.name), "%s", brgpu_core_ident_name(&ident));
}

void ModelInterface::answer_status(drm_brgpu_query_status &answer) {
    const uint64_t now = monotonic_ns();
    const Card::Sensors &sensors = card_.sensors();
    card_.write32(BRGPU_REG_COUNTER_LATCH, 1);
    answer.compute_busy_ns = card_.read64(BRGPU_REG_COUNTER_COMPUTE_NS);
    answer.copy_busy_ns = card_.read64(BRGPU_REG_COUNTER_COPY_NS);
    answer.ecc_corrected = card_.read64(BRGPU_REG_ECC_CORRECTED);
    answer.ecc_uncorrected = card_.read64(BRGPU_REG_ECC_UNCORRECTED);
    answer.temperature_mc = sensors.values.core_millidegrees;
    answer.power_mw = sensors.values.power_mw * std::max(card_.ident().dies, 1u);
    answer.power_limit_mw = sensors.power_limit_mw;
    answer.core_mhz = sensors.values.core_mhz;
    answer.memory_mhz = sensors.values.memory_mhz;
    answer.throttle = sensors.values.throttle;
    answer.sensor_age_ms =
        sensors.when_ns ? static_cast<uint32_t>((now - sensors.when_ns) / 1000000u) : UINT32_MAX;
    answer.queue_resets = queue_resets_;
    answer.queues = static_cast<uint32_t>(queues_.size() + user_queues_.size());
    answer.clients = 1;
    const uint32_t status = card_.read32(BRGPU_REG_STATUS);
    if (status & BRGPU_STATUS_FAILED || !card_.firmware_alive(now))
        answer.health = DRM_BRGPU_HEALTH_CRITICAL;
    else if (answer.throttle || answer.ecc_corrected || answer.ecc_uncorrected)
        answer.health = DRM_BRGPU_HEALTH_WARNING;
}

int ModelInterface::query(drm_brgpu_query &args) {
    const char *why = "";
    int error = brgpu_core_check_query(&args, &why);
    if (error)
        return refuse("QUERY", error, why);
    switch (args.query) {
    case DRM_BRGPU_QUERY_DEVICE: {
        drm_brgpu_query_device answer = {};
        answer_device(answer);
        return give(args, &answer, sizeof(answer));
    }
    case DRM_BRGPU_QUERY_MEMORY: {
        const uint64_t vram = card_.ident().vram_bytes;
        const drm_brgpu_query_memory answer[] = {
            {DRM_BRGPU_PLACEMENT_VRAM, 0, vram, card_.vram_used(),
             std::min(vram, card_.ident().aperture_bytes)},
            {DRM_BRGPU_PLACEMENT_SYSTEM, UINT32_MAX, host_memory_bytes(),
             card_.arena().bytes_used(), host_memory_bytes()}};
        return give(args, answer, sizeof(answer));
    }
    case DRM_BRGPU_QUERY_CLOCK: {
        drm_brgpu_query_clock answer = {};
        const uint64_t before = monotonic_ns();
        answer.device = card_.read64(BRGPU_REG_TIMESTAMP);
        const uint64_t after = monotonic_ns();
        answer.cpu_ns = before + (after - before) / 2;
        answer.uncertainty_ns = (after - before + 1) / 2;
        return give(args, &answer, sizeof(answer));
    }
    case DRM_BRGPU_QUERY_FIRMWARE: {
        drm_brgpu_query_firmware answer = {};
        answer.version = card_.read32(BRGPU_REG_FW_VERSION);
        answer.mailbox = card_.mailbox_version();
        answer.state = card_.read32(BRGPU_REG_BOOT_STATE);
        answer.heartbeats = card_.read32(BRGPU_REG_HEARTBEAT);
        std::snprintf(answer.build, sizeof(answer.build), "%s", card_.firmware_build().c_str());
        return give(args, &answer, sizeof(answer));
    }
    case DRM_BRGPU_QUERY_STATUS: {
        drm_brgpu_query_status answer = {};
        answer_status(answer);
        return give(args, &answer, sizeof(answer));
    }
    default:
        return refuse("QUERY", -EINVAL, "unknown query");
    }
}

} // namespace brgpu::umd::model
