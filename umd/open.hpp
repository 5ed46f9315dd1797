// SPDX-License-Identifier: MIT
//
// Finding and opening cards, and saying why there is none.
#ifndef BRGPU_UMD_OPEN_HPP
#define BRGPU_UMD_OPEN_HPP

#include <memory>
#include <vector>

#include "device.hpp"

namespace brgpu::umd {

// Throws when the backend has no card at all.
std::vector<brgpu_device_summary> enumerate(int backend);
std::shared_ptr<Device> open_device(const brgpu_device_open_info &info);

} // namespace brgpu::umd

#endif // BRGPU_UMD_OPEN_HPP
