// SPDX-License-Identifier: MIT
//
// The model backend's door: finds libbrgpu-model.so beside this library, makes a card, boots it.
#ifndef BRGPU_UMD_MODEL_MODEL_OPEN_HPP
#define BRGPU_UMD_MODEL_MODEL_OPEN_HPP

#include <memory>

#include "../kernel_interface.hpp"

namespace brgpu::umd {

// Throws with the reason when the library isn't there or is of another ABI version.
void check_model_library();
// One card for the caller alone. Throws.
std::unique_ptr<KernelInterface> open_model(const brgpu_device_open_info &info);

} // namespace brgpu::umd

#endif // BRGPU_UMD_MODEL_MODEL_OPEN_HPP
