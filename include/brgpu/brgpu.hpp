// SPDX-License-Identifier: MIT
//
// C++20 on top of brgpu.h: owners that destroy, errors as exceptions, spans instead of pointers and
// sizes. Header only, so nothing of the C++ library crosses the C ABI. Threads and lifetimes are
// those of the C functions.
#ifndef BRGPU_BRGPU_HPP
#define BRGPU_BRGPU_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "brgpu.h"

namespace brgpu {

class Error : public std::runtime_error {
  public:
    Error(brgpu_status status, const std::string &text)
        : std::runtime_error(text), status_(status) {}
    brgpu_status status() const noexcept { return status_; }

  private:
    brgpu_status status_;
};

// Throws for an error; BRGPU_INCOMPLETE is none.
inline void check(brgpu_status status) {
    if (status < 0)
        throw Error(status, *brgpu_last_error() ? brgpu_last_error() : brgpu_status_string(status));
}

// A zeroed structure of the C API with its size set.
template <typename Struct>
Struct sized() noexcept {
    Struct value = {};
    value.struct_size = sizeof(Struct);
    return value;
}

// Owns a handle; empty after a move.
template <typename Type, void (*destroy)(Type *)>
class Handle {
  public:
    Handle() = default;
    explicit Handle(Type *handle) noexcept : handle_(handle) {}
    Handle(Handle &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Handle &operator=(Handle &&other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Handle() { destroy(handle_); }

    Type *get() const noexcept { return handle_; }
    Type *release() noexcept { return std::exchange(handle_, nullptr); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

  protected:
    Type *handle_ = nullptr;
};

class Device : public Handle<brgpu_device, brgpu_device_close> {
  public:
    using Handle::Handle;
    static Device open(const brgpu_device_open_info &info) {
        brgpu_device *device = nullptr;
        check(brgpu_device_open(&info, &device));
        return Device(device);
    }
    static Device open(brgpu_backend backend = BRGPU_BACKEND_ANY, uint32_t index = 0) {
        auto info = sized<brgpu_device_open_info>();
        info.backend = backend;
        info.index = index;
        return open(info);
    }

    brgpu_device_properties properties() const {
        auto value = sized<brgpu_device_properties>();
        check(brgpu_device_get_properties(handle_, &value));
        return value;
    }
    brgpu_device_status status() const {
        auto value = sized<brgpu_device_status>();
        check(brgpu_device_get_status(handle_, &value));
        return value;
    }
    brgpu_firmware_info firmware() const {
        auto value = sized<brgpu_firmware_info>();
        check(brgpu_device_get_firmware(handle_, &value));
        return value;
    }
    brgpu_clock clock() const {
        auto value = sized<brgpu_clock>();
        check(brgpu_device_get_clock(handle_, &value));
        return value;
    }
    std::vector<brgpu_memory_usage> memory() const {
        uint32_t count = 0;
        check(brgpu_device_get_memory(handle_, nullptr, &count));
        std::vector<brgpu_memory_usage> list(count, sized<brgpu_memory_usage>());
        check(brgpu_device_get_memory(handle_, list.data(), &count));
        return list;
    }
};

class Memory : public Handle<brgpu_memory, brgpu_memory_destroy> {
  public:
    using Handle::Handle;
    Memory(const Device &device, uint64_t size, uint32_t placements = BRGPU_PLACEMENT_VRAM,
           uint32_t flags = 0) {
        auto info = sized<brgpu_memory_create_info>();
        info.size = size;
        info.placements = placements;
        info.flags = flags;
        check(brgpu_memory_create(device.get(), &info, &handle_));
    }
    static Memory import_fd(const Device &device, int fd) {
        brgpu_memory *memory = nullptr;
        check(brgpu_memory_import_fd(device.get(), fd, &memory));
        return Memory(memory);
    }

    // The memory stays the caller's.
    static Memory from_host(const Device &device, void *pointer, uint64_t size) {
        brgpu_memory *memory = nullptr;
        check(brgpu_memory_from_host(device.get(), pointer, size, &memory));
        return Memory(memory);
    }

    int export_fd() const {
        int fd = -1;
        check(brgpu_memory_export_fd(handle_, &fd));
        return fd;
    }
    void *map() const {
        void *pointer = nullptr;
        check(brgpu_memory_map_cpu(handle_, &pointer));
        return pointer;
    }
    brgpu_memory_info info() const {
        auto value = sized<brgpu_memory_info>();
        check(brgpu_memory_get_info(handle_, &value));
        return value;
    }
};

class Vm : public Handle<brgpu_vm, brgpu_vm_destroy> {
  public:
    using Handle::Handle;
    // flags: BRGPU_VM_*.
    explicit Vm(const Device &device, uint32_t flags = 0) {
        auto info = sized<brgpu_vm_create_info>();
        info.flags = flags;
        check(brgpu_vm_create(device.get(), &info, &handle_));
    }

    uint64_t reserve(uint64_t size, uint64_t alignment = 0, uint64_t address = 0) const {
        uint64_t reserved = 0;
        check(brgpu_vm_reserve(handle_, size, alignment, address, &reserved));
        return reserved;
    }
    void release(uint64_t address) const { check(brgpu_vm_release(handle_, address)); }
    void map(uint64_t address, uint64_t size, const Memory &memory, uint64_t offset = 0,
             uint32_t access = BRGPU_ACCESS_RW) const {
        check(brgpu_vm_map(handle_, address, size, memory.get(), offset, access));
    }
    void unmap(uint64_t address, uint64_t size) const {
        check(brgpu_vm_unmap(handle_, address, size));
    }
    uint64_t allocate(uint64_t size, uint32_t placements = BRGPU_PLACEMENT_VRAM, uint32_t flags = 0,
                      uint32_t access = BRGPU_ACCESS_RW) const {
        auto info = sized<brgpu_allocation_info>();
        info.size = size;
        info.placements = placements;
        info.flags = flags;
        info.access = access;
        uint64_t address = 0;
        check(brgpu_vm_allocate(handle_, &info, &address));
        return address;
    }
    void free(uint64_t address) const { check(brgpu_vm_free(handle_, address)); }
    void *cpu_pointer(uint64_t address) const {
        void *pointer = nullptr;
        check(brgpu_vm_cpu_pointer(handle_, address, &pointer));
        return pointer;
    }
    brgpu_vm_state state() const {
        auto value = sized<brgpu_vm_state>();
        check(brgpu_vm_get_state(handle_, &value));
        return value;
    }
};

// Device memory of a VM, freed with its owner; `vm` must outlive it.
class Buffer {
  public:
    Buffer() = default;
    Buffer(const Vm &vm, uint64_t bytes, uint32_t placements = BRGPU_PLACEMENT_VRAM,
           uint32_t flags = 0)
        : vm_(vm.get()), address_(vm.allocate(bytes, placements, flags)), bytes_(bytes) {}
    Buffer(Buffer &&other) noexcept { *this = std::move(other); }
    Buffer &operator=(Buffer &&other) noexcept {
        std::swap(vm_, other.vm_);
        std::swap(address_, other.address_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Buffer() {
        if (address_)
            brgpu_vm_free(vm_, address_);
    }

    uint64_t address() const noexcept { return address_; }
    uint64_t bytes() const noexcept { return bytes_; }

  private:
    brgpu_vm *vm_ = nullptr;
    uint64_t address_ = 0;
    uint64_t bytes_ = 0;
};

class Timeline : public Handle<brgpu_timeline, brgpu_timeline_destroy> {
  public:
    using Handle::Handle;
    explicit Timeline(const Device &device, uint64_t initial = 0) {
        check(brgpu_timeline_create(device.get(), initial, &handle_));
    }
    uint64_t value() const {
        uint64_t value = 0;
        check(brgpu_timeline_get_value(handle_, &value));
        return value;
    }
    void signal(uint64_t value) const { check(brgpu_timeline_signal(handle_, value)); }
    void wait(uint64_t value, uint64_t timeout_ns = BRGPU_FOREVER) const {
        check(brgpu_timeline_wait(handle_, value, timeout_ns));
    }
    brgpu_timeline_point at(uint64_t value) const noexcept { return {handle_, value}; }
};

class Kernel : public Handle<brgpu_kernel, brgpu_kernel_destroy> {
  public:
    using Handle::Handle;
    brgpu_kernel_properties properties() const {
        auto value = sized<brgpu_kernel_properties>();
        check(brgpu_kernel_get_properties(handle_, &value));
        return value;
    }
    brgpu_argument_info argument(uint32_t index) const {
        auto value = sized<brgpu_argument_info>();
        check(brgpu_kernel_get_argument(handle_, index, &value));
        return value;
    }
    template <typename Value>
    void set(uint32_t index, const Value &value) const {
        static_assert(std::is_trivially_copyable_v<Value>);
        check(brgpu_kernel_set_value(handle_, index, &value, sizeof(value)));
    }
    void set(uint32_t index, const Buffer &buffer) const { set_address(index, buffer.address()); }
    void set_address(uint32_t index, uint64_t address) const {
        check(brgpu_kernel_set_address(handle_, index, address));
    }
    void set_local(uint32_t index, uint64_t bytes) const {
        check(brgpu_kernel_set_local(handle_, index, bytes));
    }
};

class CodeObject : public Handle<brgpu_code_object, brgpu_code_object_destroy> {
  public:
    using Handle::Handle;
    CodeObject(const Vm &vm, std::span<const std::byte> file) {
        check(brgpu_code_object_load(vm.get(), file.data(), file.size(), &handle_));
    }
    Kernel kernel(const std::string &name) const {
        brgpu_kernel *kernel = nullptr;
        check(brgpu_kernel_create(handle_, name.c_str(), &kernel));
        return Kernel(kernel);
    }
    std::vector<std::string> kernel_names() const {
        uint32_t count = 0;
        check(brgpu_code_object_get_kernel_count(handle_, &count));
        std::vector<std::string> names;
        for (uint32_t i = 0; i < count; ++i) {
            const char *name = nullptr;
            check(brgpu_code_object_get_kernel_name(handle_, i, &name));
            names.emplace_back(name);
        }
        return names;
    }
    uint64_t symbol(const std::string &name) const {
        uint64_t address = 0;
        check(brgpu_code_object_get_symbol(handle_, name.c_str(), &address, nullptr));
        return address;
    }
};

// The grid and workgroup of a launch; an empty `local` lets the library choose.
inline brgpu_dispatch_info grid(std::span<const uint32_t> global,
                                std::span<const uint32_t> local = {}) {
    auto info = sized<brgpu_dispatch_info>();
    info.work_dim = static_cast<uint32_t>(global.size());
    for (size_t i = 0; i < 3; ++i) {
        info.global[i] = i < global.size() ? global[i] : 1;
        if (!local.empty())
            info.local[i] = i < local.size() ? local[i] : 1;
    }
    return info;
}
inline brgpu_dispatch_info grid(std::initializer_list<uint32_t> global,
                                std::initializer_list<uint32_t> local = {}) {
    return grid(std::span(global.begin(), global.size()), std::span(local.begin(), local.size()));
}

// What a dispatch did: `grid.report = report.get()`.
class Report : public Handle<brgpu_report, brgpu_report_destroy> {
  public:
    using Handle::Handle;
    Report() = default;
    // flags: BRGPU_COUNT_DETAILS or 0.
    explicit Report(const Vm &vm, uint32_t flags = 0) : Report(vm, flags, nullptr) {}
    // With a profile of `code`.
    Report(const Vm &vm, uint32_t flags, const CodeObject &code)
        : Report(vm, flags | BRGPU_COUNT_PROFILE, code.get()) {}

    brgpu_dispatch_counters counters() const {
        auto value = sized<brgpu_dispatch_counters>();
        check(brgpu_report_get_counters(handle_, &value));
        return value;
    }
    std::vector<brgpu_profile_count> profile() const {
        uint32_t count = 0;
        check(brgpu_report_get_profile(handle_, nullptr, &count));
        std::vector<brgpu_profile_count> counts(count, sized<brgpu_profile_count>());
        check(brgpu_report_get_profile(handle_, counts.data(), &count));
        return counts;
    }

  private:
    Report(const Vm &vm, uint32_t flags, brgpu_code_object *code) {
        auto info = sized<brgpu_report_create_info>();
        info.flags = flags;
        info.code = code;
        check(brgpu_report_create(vm.get(), &info, &handle_));
    }
};

class Commands : public Handle<brgpu_commands, brgpu_commands_destroy> {
  public:
    using Handle::Handle;
    explicit Commands(const Vm &vm) { check(brgpu_commands_create(vm.get(), &handle_)); }

    Commands &reset() {
        check(brgpu_commands_reset(handle_));
        return *this;
    }
    Commands &dispatch(const Kernel &kernel, const brgpu_dispatch_info &info) {
        check(brgpu_commands_dispatch(handle_, kernel.get(), &info));
        return *this;
    }
    Commands &copy(uint64_t dst, uint64_t src, uint64_t bytes, uint32_t flags = 0) {
        check(brgpu_commands_copy(handle_, dst, src, bytes, flags));
        return *this;
    }
    Commands &copy_region(const brgpu_copy_region &region) {
        check(brgpu_commands_copy_region(handle_, &region));
        return *this;
    }
    template <typename Pattern>
    Commands &fill(uint64_t dst, const Pattern &pattern, uint64_t bytes, uint32_t flags = 0) {
        check(brgpu_commands_fill(handle_, dst, &pattern, sizeof(pattern), bytes, flags));
        return *this;
    }
    Commands &write(uint64_t dst, std::span<const std::byte> data, uint32_t flags = 0) {
        check(brgpu_commands_write(handle_, dst, data.data(), static_cast<uint32_t>(data.size()),
                                   flags));
        return *this;
    }
    Commands &barrier() {
        check(brgpu_commands_barrier(handle_));
        return *this;
    }
    Commands &wait_value(uint64_t address, brgpu_compare compare, uint64_t value,
                         uint64_t mask = UINT64_MAX) {
        check(brgpu_commands_wait_value(handle_, address, compare, value, mask));
        return *this;
    }
    Commands &signal_value(uint64_t address, brgpu_signal operation, uint64_t value) {
        check(brgpu_commands_signal_value(handle_, address, operation, value));
        return *this;
    }
    Commands &timestamp(uint64_t address) {
        check(brgpu_commands_timestamp(handle_, address));
        return *this;
    }
    Commands &packets(const void *data, uint32_t count) {
        check(brgpu_commands_packets(handle_, data, count));
        return *this;
    }
};

class Queue : public Handle<brgpu_queue, brgpu_queue_destroy> {
  public:
    using Handle::Handle;
    explicit Queue(const Vm &vm, brgpu_queue_kind kind = BRGPU_QUEUE_KIND_COMPUTE,
                   uint32_t timeout_ms = 0) {
        auto info = sized<brgpu_queue_create_info>();
        info.kind = kind;
        info.timeout_ms = timeout_ms;
        check(brgpu_queue_create(vm.get(), &info, &handle_));
    }
    // struct_size is set here.
    Queue(const Vm &vm, brgpu_queue_create_info info) {
        info.struct_size = sizeof(info);
        check(brgpu_queue_create(vm.get(), &info, &handle_));
    }

    uint64_t submit(const Commands &commands, std::span<const brgpu_timeline_point> waits = {},
                    std::span<const brgpu_timeline_point> signals = {}) const {
        brgpu_commands *list = commands.get();
        auto info = sized<brgpu_submit_info>();
        info.commands = &list;
        info.command_count = 1;
        info.waits = waits.data();
        info.wait_count = static_cast<uint32_t>(waits.size());
        info.signals = signals.data();
        info.signal_count = static_cast<uint32_t>(signals.size());
        uint64_t serial = 0;
        check(brgpu_queue_submit(handle_, &info, &serial));
        return serial;
    }
    uint64_t launch(const Kernel &kernel, const brgpu_dispatch_info &info) const {
        uint64_t serial = 0;
        check(brgpu_queue_launch(handle_, kernel.get(), &info, &serial));
        return serial;
    }
    void wait(uint64_t serial = 0, uint64_t timeout_ns = BRGPU_FOREVER) const {
        check(brgpu_queue_wait(handle_, serial, timeout_ns));
    }
    template <typename Element>
    void upload(const Buffer &dst, const std::vector<Element> &src,
                uint64_t timeout_ns = BRGPU_FOREVER) const {
        check(brgpu_queue_upload(handle_, dst.address(), src.data(), src.size() * sizeof(Element),
                                 timeout_ns));
    }
    template <typename Element>
    void download(std::vector<Element> &dst, const Buffer &src,
                  uint64_t timeout_ns = BRGPU_FOREVER) const {
        check(brgpu_queue_download(handle_, dst.data(), src.address(), dst.size() * sizeof(Element),
                                   timeout_ns));
    }
    brgpu_queue_state state() const {
        auto value = sized<brgpu_queue_state>();
        check(brgpu_queue_get_state(handle_, &value));
        return value;
    }
};

class Event : public Handle<brgpu_event, brgpu_event_destroy> {
  public:
    using Handle::Handle;
    explicit Event(const Vm &vm) { check(brgpu_event_create(vm.get(), &handle_)); }
    void record(const Queue &queue) const { check(brgpu_queue_record_event(queue.get(), handle_)); }
    void wait(uint64_t timeout_ns = BRGPU_FOREVER) const {
        check(brgpu_event_wait(handle_, timeout_ns));
    }
    // Nanoseconds from `start` to this event; both have been reached.
    uint64_t since(const Event &start) const {
        uint64_t ns = 0;
        check(brgpu_event_elapsed(start.handle_, handle_, &ns));
        return ns;
    }
};

} // namespace brgpu

#endif // BRGPU_BRGPU_HPP
