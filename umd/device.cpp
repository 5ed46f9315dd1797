// SPDX-License-Identifier: MIT
#include "device.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>

#include "error.hpp"
#include "fork_guard.hpp"
#include "memory.hpp"

namespace brgpu::umd {

namespace {

uint64_t scale(uint64_t value, uint64_t from_hz, uint64_t to_hz) noexcept {
    return static_cast<uint64_t>(static_cast<unsigned __int128>(value) * to_hz / from_hz);
}

constexpr uint64_t ns_hz = 1000000000;

} // namespace

Device::Device(std::unique_ptr<KernelInterface> kernel)
    : kernel_(std::move(kernel)), generation_(fork_generation()) {}

bool Device::forked() const noexcept {
    return fork_generation() != generation_;
}

template <typename Answer>
void Device::query(uint32_t query, const char *what, Answer &answer) {
    drm_brgpu_query request = {};
    request.query = query;
    request.size = sizeof(answer);
    request.data = reinterpret_cast<uintptr_t>(&answer);
    int error = call(DRM_IOCTL_BRGPU_QUERY, request);
    if (error)
        raise_errno(-error, "brgpu: asking the driver for the %s", what);
}

std::shared_ptr<Device> Device::create(std::unique_ptr<KernelInterface> kernel) {
    std::shared_ptr<Device> device(new Device(std::move(kernel)));
    drm_brgpu_query_device &facts = device->facts_;
    device->query(DRM_BRGPU_QUERY_DEVICE, "device's facts", facts);
    if (facts.uapi_version >> 16 != DRM_BRGPU_UAPI_MAJOR)
        raise(BRGPU_ERROR_VERSION_MISMATCH,
              "brgpu: the driver's interface is %u.%u, this library speaks %u.x: "
              "install a library and a module of the same major version",
              facts.uapi_version >> 16, facts.uapi_version & 0xffff, DRM_BRGPU_UAPI_MAJOR);
    if (facts.va_start == 0 || facts.va_end <= facts.va_start || facts.timestamp_hz == 0)
        raise(BRGPU_ERROR_SYSTEM, "brgpu: the driver reports an empty address range or no clock");
    facts.name[sizeof(facts.name) - 1] = 0;
    facts.pci_address[sizeof(facts.pci_address) - 1] = 0;
    return device;
}

brgpu_device_properties Device::properties() const {
    brgpu_device_properties p = {};
    p.struct_size = sizeof(p);
    p.backend = kernel_->backend();
    p.product = facts_.product;
    p.revision = facts_.revision;
    p.contract = facts_.contract;
    p.uapi_version = facts_.uapi_version;
    p.isa = facts_.isa;
    p.serial = facts_.serial;
    p.features = facts_.features;
    p.hw_features = facts_.hw_features;
    p.dies = facts_.dies;
    p.spcs_per_die = facts_.spcs_per_die;
    p.cus_per_spc = facts_.cus_per_spc;
    p.eus_per_cu = facts_.eus_per_cu;
    p.warp_lanes = facts_.warp_lanes;
    p.max_workgroup = facts_.max_workgroup;
    p.local_bytes = facts_.local_bytes;
    p.tensor_bytes = facts_.tensor_bytes;
    p.resident_groups = facts_.resident_groups;
    p.max_queues = facts_.max_queues;
    p.max_vms = facts_.max_vms;
    p.job_timeout_ms = facts_.job_timeout_ms;
    p.job_limit_ms = facts_.job_limit_ms;
    p.va_start = facts_.va_start;
    p.va_end = facts_.va_end;
    p.page_sizes = facts_.page_sizes;
    p.timestamp_hz = facts_.timestamp_hz;
    std::memcpy(p.name, facts_.name, sizeof(p.name));
    std::memcpy(p.pci_address, facts_.pci_address, sizeof(p.pci_address));
    std::strncpy(p.node, kernel_->node().c_str(), sizeof(p.node) - 1);
    return p;
}

std::vector<brgpu_memory_usage> Device::memory_usage() {
    drm_brgpu_query request = {};
    request.query = DRM_BRGPU_QUERY_MEMORY;
    int error = call(DRM_IOCTL_BRGPU_QUERY, request);
    if (error)
        raise_errno(-error, "brgpu: asking the driver for its memory");
    std::vector<drm_brgpu_query_memory> answer(request.size / sizeof(drm_brgpu_query_memory));
    request.size = static_cast<uint32_t>(answer.size() * sizeof(answer[0]));
    request.data = reinterpret_cast<uintptr_t>(answer.data());
    error = call(DRM_IOCTL_BRGPU_QUERY, request);
    if (error)
        raise_errno(-error, "brgpu: asking the driver for its memory");

    std::vector<brgpu_memory_usage> usage;
    for (const drm_brgpu_query_memory &entry : answer)
        usage.push_back({sizeof(brgpu_memory_usage), entry.placement, entry.die, entry.total,
                         entry.used, entry.cpu_visible});
    return usage;
}

brgpu_firmware_info Device::firmware() {
    drm_brgpu_query_firmware answer = {};
    query(DRM_BRGPU_QUERY_FIRMWARE, "firmware", answer);
    brgpu_firmware_info info = {};
    info.version = answer.version;
    info.mailbox = answer.mailbox;
    info.state = answer.state;
    info.heartbeats = answer.heartbeats;
    std::memcpy(info.build, answer.build, sizeof(info.build));
    info.build[sizeof(info.build) - 1] = 0;
    return info;
}

brgpu_device_status Device::status() {
    drm_brgpu_query_status answer = {};
    query(DRM_BRGPU_QUERY_STATUS, "status", answer);
    brgpu_device_status s = {};
    s.health = answer.health;
    s.temperature_mc = answer.temperature_mc;
    s.power_mw = answer.power_mw;
    s.power_limit_mw = answer.power_limit_mw;
    s.core_mhz = answer.core_mhz;
    s.memory_mhz = answer.memory_mhz;
    s.throttle = answer.throttle;
    s.sensor_age_ms = answer.sensor_age_ms;
    s.compute_busy_ns = answer.compute_busy_ns;
    s.copy_busy_ns = answer.copy_busy_ns;
    s.ecc_corrected = answer.ecc_corrected;
    s.ecc_uncorrected = answer.ecc_uncorrected;
    s.queue_resets = answer.queue_resets;
    s.device_resets = answer.device_resets;
    s.queues = answer.queues;
    s.clients = answer.clients;
    return s;
}

brgpu_clock Device::clock() {
    drm_brgpu_query_clock answer = {};
    query(DRM_BRGPU_QUERY_CLOCK, "clock", answer);
    return {sizeof(brgpu_clock), answer.cpu_ns, answer.device, answer.uncertainty_ns};
}

uint64_t Device::ticks_to_ns(uint64_t ticks) const noexcept {
    return scale(ticks, facts_.timestamp_hz, ns_hz);
}

uint64_t Device::timestamp_to_ns(uint64_t timestamp) {
    brgpu_clock now = clock();
    if (timestamp >= now.device)
        return now.cpu_ns + ticks_to_ns(timestamp - now.device);
    uint64_t ago = ticks_to_ns(now.device - timestamp);
    return ago > now.cpu_ns ? 0 : now.cpu_ns - ago;
}

std::shared_ptr<Memory> Device::import_memory(int fd) {
    std::lock_guard lock(handle_lock_);
    drm_prime_handle prime = {};
    prime.fd = fd;
    int error = call(DRM_IOCTL_PRIME_FD_TO_HANDLE, prime);
    if (error)
        raise_errno(-error, "brgpu: importing buffer file %d", fd);
    if (auto known = shared_[prime.handle].lock())
        return known;
    auto memory = Memory::adopt(shared_from_this(), prime.handle, fd);
    shared_[prime.handle] = memory;
    return memory;
}

int Device::export_memory(const std::shared_ptr<Memory> &memory) {
    std::lock_guard lock(handle_lock_);
    drm_prime_handle prime = {};
    prime.handle = memory->handle();
    prime.flags = DRM_CLOEXEC | DRM_RDWR;
    int error = call(DRM_IOCTL_PRIME_HANDLE_TO_FD, prime);
    if (error)
        raise_errno(-error, "brgpu: exporting a buffer of %llu bytes",
                    static_cast<unsigned long long>(memory->size()));
    shared_[memory->handle()] = memory;
    return prime.fd;
}

void Device::close_handle(uint32_t handle) noexcept {
    std::lock_guard lock(handle_lock_);
    auto entry = shared_.find(handle);
    if (entry != shared_.end()) {
        // An import between the last release and now took the handle over.
        if (!entry->second.expired())
            return;
        shared_.erase(entry);
    }
    drm_gem_close request = {};
    request.handle = handle;
    call(DRM_IOCTL_GEM_CLOSE, request);
}

} // namespace brgpu::umd
