// SPDX-License-Identifier: MIT
#include "../commands.hpp"

#include "../kernel.hpp"
#include "../report.hpp"
#include "boundary.hpp"

using namespace brgpu::umd;

brgpu_status brgpu_commands_create(brgpu_vm *vm, brgpu_commands **commands) {
    return at_boundary([&] {
        auto owner = object_of(vm, "vm");
        require(commands, "commands");
        *commands = make_handle<brgpu_commands>(std::make_shared<Commands>(owner));
    });
}

void brgpu_commands_destroy(brgpu_commands *commands) {
    destroy_handle(commands);
}

brgpu_status brgpu_commands_reset(brgpu_commands *commands) {
    return at_boundary([&] { object_of(commands, "commands")->reset(); });
}

brgpu_status brgpu_commands_dispatch(brgpu_commands *commands, brgpu_kernel *kernel,
                                     const brgpu_dispatch_info *info) {
    return at_boundary([&] {
        auto list = object_of(commands, "commands");
        auto object = object_of(kernel, "kernel");
        const auto known = read_info(info, "dispatch info");
        list->dispatch(*object, known, known.report ? object_of(known.report, "report") : nullptr);
    });
}

brgpu_status brgpu_commands_copy(brgpu_commands *commands, uint64_t dst, uint64_t src,
                                 uint64_t bytes, uint32_t flags) {
    return at_boundary([&] { object_of(commands, "commands")->copy(dst, src, bytes, flags); });
}

brgpu_status brgpu_commands_copy_region(brgpu_commands *commands, const brgpu_copy_region *region) {
    return at_boundary(
        [&] { object_of(commands, "commands")->copy_region(read_info(region, "copy region")); });
}

brgpu_status brgpu_commands_fill(brgpu_commands *commands, uint64_t dst, const void *pattern,
                                 uint32_t pattern_bytes, uint64_t bytes, uint32_t flags) {
    return at_boundary([&] {
        auto list = object_of(commands, "commands");
        require(pattern, "pattern");
        list->fill(dst, pattern, pattern_bytes, bytes, flags);
    });
}

brgpu_status brgpu_commands_write(brgpu_commands *commands, uint64_t dst, const void *data,
                                  uint32_t bytes, uint32_t flags) {
    return at_boundary([&] {
        auto list = object_of(commands, "commands");
        require(data, "data");
        list->write(dst, data, bytes, flags);
    });
}

brgpu_status brgpu_commands_barrier(brgpu_commands *commands) {
    return at_boundary([&] { object_of(commands, "commands")->barrier(); });
}

brgpu_status brgpu_commands_wait_value(brgpu_commands *commands, uint64_t address, int compare,
                                       uint64_t value, uint64_t mask) {
    return at_boundary([&] {
        object_of(commands, "commands")
            ->wait_value(address, static_cast<uint32_t>(compare), value, mask);
    });
}

brgpu_status brgpu_commands_signal_value(brgpu_commands *commands, uint64_t address, int operation,
                                         uint64_t value) {
    return at_boundary([&] {
        object_of(commands, "commands")
            ->signal_value(address, static_cast<uint32_t>(operation), value);
    });
}

brgpu_status brgpu_commands_timestamp(brgpu_commands *commands, uint64_t address) {
    return at_boundary([&] { object_of(commands, "commands")->timestamp(address); });
}

brgpu_status brgpu_commands_packets(brgpu_commands *commands, const void *packets, uint32_t count) {
    return at_boundary([&] {
        auto list = object_of(commands, "commands");
        require(packets, "packets");
        list->packets(packets, count);
    });
}
