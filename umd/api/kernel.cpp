// SPDX-License-Identifier: MIT
#include "../kernel.hpp"

#include "boundary.hpp"

using namespace brgpu::umd;

brgpu_status brgpu_code_object_load(brgpu_vm *vm, const void *data, size_t size,
                                    brgpu_code_object **object) {
    return at_boundary([&] {
        auto owner = object_of(vm, "vm");
        require(data, "data");
        require(object, "object");
        *object = make_handle<brgpu_code_object>(
            CodeObject::load(owner, {static_cast<const std::byte *>(data), size}));
    });
}

void brgpu_code_object_destroy(brgpu_code_object *object) {
    destroy_handle(object);
}

brgpu_status brgpu_code_object_get_kernel_count(brgpu_code_object *object, uint32_t *count) {
    return at_boundary([&] {
        auto code = object_of(object, "code object");
        require(count, "count");
        *count = static_cast<uint32_t>(code->image().kernels.size());
    });
}

brgpu_status brgpu_code_object_get_kernel_name(brgpu_code_object *object, uint32_t index,
                                               const char **name) {
    return at_boundary([&] {
        auto code = object_of(object, "code object");
        require(name, "name");
        const auto &kernels = code->image().kernels;
        if (index >= kernels.size())
            raise(BRGPU_ERROR_NOT_FOUND, "brgpu: the code object has %zu kernels, not %u",
                  kernels.size(), index + 1);
        *name = kernels[index].name.c_str();
    });
}

brgpu_status brgpu_code_object_get_symbol(brgpu_code_object *object, const char *name,
                                          uint64_t *address, uint64_t *size) {
    return at_boundary([&] {
        auto code = object_of(object, "code object");
        require(name, "name");
        require(address, "address");
        const auto symbol = code->image().symbols.find(name);
        if (symbol == code->image().symbols.end())
            raise(BRGPU_ERROR_NOT_FOUND, "brgpu: the code object has no symbol %s", name);
        *address = code->base() + symbol->second.address;
        if (size)
            *size = symbol->second.size;
    });
}

brgpu_status brgpu_kernel_create(brgpu_code_object *object, const char *name,
                                 brgpu_kernel **kernel) {
    return at_boundary([&] {
        auto code = object_of(object, "code object");
        require(name, "name");
        require(kernel, "kernel");
        *kernel = make_handle<brgpu_kernel>(std::make_shared<Kernel>(code, name));
    });
}

void brgpu_kernel_destroy(brgpu_kernel *kernel) {
    destroy_handle(kernel);
}

brgpu_status brgpu_kernel_get_properties(brgpu_kernel *kernel,
                                         brgpu_kernel_properties *properties) {
    return at_boundary([&] {
        auto object = object_of(kernel, "kernel");
        check_out(properties, "properties");
        write_info(properties, object->properties());
    });
}

brgpu_status brgpu_kernel_get_argument(brgpu_kernel *kernel, uint32_t index,
                                       brgpu_argument_info *info) {
    return at_boundary([&] {
        auto object = object_of(kernel, "kernel");
        check_out(info, "argument info");
        write_info(info, object->argument_info(index));
    });
}

brgpu_status brgpu_kernel_set_value(brgpu_kernel *kernel, uint32_t index, const void *value,
                                    size_t size) {
    return at_boundary([&] {
        auto object = object_of(kernel, "kernel");
        require(value, "value");
        object->set_value(index, value, size);
    });
}

brgpu_status brgpu_kernel_set_address(brgpu_kernel *kernel, uint32_t index, uint64_t address) {
    return at_boundary([&] { object_of(kernel, "kernel")->set_address(index, address); });
}

brgpu_status brgpu_kernel_set_local(brgpu_kernel *kernel, uint32_t index, uint64_t bytes) {
    return at_boundary([&] { object_of(kernel, "kernel")->set_local(index, bytes); });
}
