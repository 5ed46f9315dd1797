// SPDX-License-Identifier: MIT
#include "model_open.hpp"

#include "model_interface.hpp"
#include "model_library.hpp"

namespace brgpu::umd {

void check_model_library() {
    model::load_library();
}

std::unique_ptr<KernelInterface> open_model(const brgpu_device_open_info &info) {
    return std::make_unique<model::ModelInterface>(info);
}

} // namespace brgpu::umd
