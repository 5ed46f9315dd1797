// SPDX-License-Identifier: MIT
#include <cerrno>

#include "../open.hpp"
#include "boundary.hpp"

using namespace brgpu::umd;

brgpu_status brgpu_enumerate(int backend, brgpu_device_summary *summaries, uint32_t *count) {
    return at_boundary([&] {
        require(count, "count");
        const auto found = enumerate(backend);
        return write_array(summaries, count, found);
    });
}

brgpu_status brgpu_device_open(const brgpu_device_open_info *info, brgpu_device **device) {
    return at_boundary([&] {
        require(device, "device");
        *device = make_handle<brgpu_device>(open_device(read_info(info, "open info", true)));
    });
}

void brgpu_device_close(brgpu_device *device) {
    destroy_handle(device);
}

brgpu_status brgpu_device_get_properties(brgpu_device *device,
                                         brgpu_device_properties *properties) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        check_out(properties, "properties");
        write_info(properties, object->properties());
    });
}

brgpu_status brgpu_device_get_memory(brgpu_device *device, brgpu_memory_usage *usage,
                                     uint32_t *count) {
    return at_boundary(
        [&] { return write_array(usage, count, object_of(device, "device")->memory_usage()); });
}

brgpu_status brgpu_device_get_firmware(brgpu_device *device, brgpu_firmware_info *info) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        check_out(info, "firmware info");
        write_info(info, object->firmware());
    });
}

brgpu_status brgpu_device_get_status(brgpu_device *device, brgpu_device_status *status) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        check_out(status, "status");
        write_info(status, object->status());
    });
}

brgpu_status brgpu_device_get_clock(brgpu_device *device, brgpu_clock *clock) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        check_out(clock, "clock");
        write_info(clock, object->clock());
    });
}

brgpu_status brgpu_device_timestamp_to_ns(brgpu_device *device, uint64_t timestamp,
                                          uint64_t *cpu_ns) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        require(cpu_ns, "cpu_ns");
        *cpu_ns = object->timestamp_to_ns(timestamp);
    });
}

brgpu_status brgpu_device_get_fd(brgpu_device *device, int *fd) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        require(fd, "fd");
        const int node = object->kernel().fd();
        if (node < 0)
            raise(BRGPU_ERROR_UNSUPPORTED, "brgpu: the model backend has no device file");
        *fd = node;
    });
}

brgpu_status brgpu_device_can_access_peer(brgpu_device *device, brgpu_device *peer,
                                          int *can_access) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        auto other = object_of(peer, "peer");
        require(can_access, "can_access");
        *can_access = object == other;
    });
}

brgpu_status brgpu_device_inject(brgpu_device *device, const char *property, const char *value) {
    return at_boundary([&] {
        auto object = object_of(device, "device");
        require(property, "property");
        require(value, "value");
        std::string why;
        int error = object->kernel().inject(property, value, &why);
        if (error == -EOPNOTSUPP)
            raise(BRGPU_ERROR_UNSUPPORTED, "brgpu: faults can't be injected through this backend");
        if (error)
            raise(status_of_errno(-error), "brgpu: setting %s to %s: %s", property, value,
                  why.c_str());
    });
}
