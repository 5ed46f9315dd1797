// SPDX-License-Identifier: MIT
#include "../fault_text.hpp"

#include <cstdio>

#include "../vm.hpp"
#include "boundary.hpp"

using namespace brgpu::umd;

brgpu_status brgpu_vm_get_state(brgpu_vm *vm, brgpu_vm_state *state) {
    return at_boundary([&] {
        auto object = object_of(vm, "vm");
        check_out(state, "VM state");
        write_info(state, object->state());
    });
}

brgpu_status brgpu_vm_get_faults(brgpu_vm *vm, brgpu_fault_info *faults, uint32_t *count) {
    return at_boundary([&] {
        std::vector<brgpu_fault_info> infos;
        for (const drm_brgpu_fault &fault : object_of(vm, "vm")->faults())
            infos.push_back(fault_info(fault));
        return write_array(faults, count, infos);
    });
}

brgpu_status brgpu_fault_describe(const brgpu_fault_info *fault, brgpu_vm *vm, char *text,
                                  size_t size) {
    return at_boundary([&] {
        const auto known = read_info(fault, "fault");
        auto object = vm ? object_of(vm, "vm") : nullptr;
        require(text, "text");
        if (size)
            std::snprintf(text, size, "%s", fault_text(known, object.get()).c_str());
    });
}
