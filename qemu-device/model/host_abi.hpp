// SPDX-License-Identifier: MIT
//
// brgpu/model.h, in which a function has the name of a struct: good C, and what -Wshadow is not
// for.
#ifndef BRGPU_MODEL_HOST_ABI_HPP
#define BRGPU_MODEL_HOST_ABI_HPP

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "brgpu/model.h"
#pragma GCC diagnostic pop

#endif
