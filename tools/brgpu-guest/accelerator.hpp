// SPDX-License-Identifier: MIT
#pragma once

#include "guest_kernel.hpp"
#include "options.hpp"

namespace brgpu::guest {

/// Kvm only where a short boot of this kernel under KVM has succeeded on this machine since it was
/// started: /dev/kvm may exist, be open to us, and still run no guest. The answer is kept in the
/// cache. An explicit choice in the options is taken as it is.
Accelerator choose_accelerator(const Options &options, const GuestKernel &kernel);

} // namespace brgpu::guest
