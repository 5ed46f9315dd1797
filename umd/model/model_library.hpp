// SPDX-License-Identifier: MIT
//
// libbrgpu-model.so: looked for beside this library, opened when first needed, never closed.
#ifndef BRGPU_UMD_MODEL_MODEL_LIBRARY_HPP
#define BRGPU_UMD_MODEL_MODEL_LIBRARY_HPP

#include <string>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" // a function and a structure share a name, as C allows
#include "brgpu/model.h"
#pragma GCC diagnostic pop

namespace brgpu::umd::model {

struct Library {
    decltype(&brgpu_model_create) create;
    decltype(&brgpu_model_destroy) destroy;
    decltype(&brgpu_model_get_info) info;
    decltype(&brgpu_model_vram_fd) vram_fd;
    decltype(&brgpu_model_mmio_read) mmio_read;
    decltype(&brgpu_model_mmio_write) mmio_write;
    decltype(&brgpu_model_doorbell) doorbell;
    decltype(&brgpu_model_dma_invalidate) dma_invalidate;
    decltype(&brgpu_model_property_set) property_set;
    decltype(&brgpu_model_abi_version) abi_version;
};

// Throws Error: NO_DRIVER when it isn't there, VERSION_MISMATCH for another ABI.
Library load_library();

// The folder that this library (or the program that it is linked into) stands in.
std::string own_folder();

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_LIBRARY_HPP
