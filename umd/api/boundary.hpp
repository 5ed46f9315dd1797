// SPDX-License-Identifier: MIT
//
// What every C function does: find the object behind a handle, read and write sized structures, and
// turn exceptions into a status. Nothing is thrown past here.
#ifndef BRGPU_UMD_API_BOUNDARY_HPP
#define BRGPU_UMD_API_BOUNDARY_HPP

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "../device.hpp"
#include "../error.hpp"
#include "../handle.hpp"

namespace brgpu::umd {

// Runs `body`; its status, or that of what it threw.
template <typename Body>
brgpu_status at_boundary(Body &&body) noexcept {
    try {
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            return BRGPU_SUCCESS;
        } else {
            return body();
        }
    } catch (const Error &error) {
        set_detail(error.what());
        log(BRGPU_LOG_DEBUG, "%s", error.what());
        return error.status();
    } catch (const std::bad_alloc &) {
        set_detail("brgpu: out of host memory");
        return BRGPU_ERROR_OUT_OF_HOST_MEMORY;
    } catch (const std::exception &error) {
        set_detail(error.what());
        return BRGPU_ERROR_SYSTEM;
    } catch (...) {
        set_detail("brgpu: unknown exception");
        return BRGPU_ERROR_SYSTEM;
    }
}

inline void require(const void *pointer, const char *what) {
    if (!pointer)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s is NULL", what);
}

// Every object leads to its device, some by way of their VM.
template <typename Object>
Device &device_of(Object &object) {
    if constexpr (std::is_same_v<Object, Device>)
        return object;
    else if constexpr (requires { object.device(); })
        return object.device();
    else
        return object.vm().device();
}

// The object of a handle. `what` names the parameter.
template <typename HandleType>
auto object_of(HandleType *handle, const char *what) {
    require(handle, what);
    if (handle->tag != HandleType::live_tag)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s %p is no such handle, or was destroyed",
              what, static_cast<void *>(handle));
    auto object = handle->object ? handle->object : handle->borrowed.lock();
    if (!object)
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s: the object has gone", what);
    if (device_of(*object).forked())
        raise(BRGPU_ERROR_FORKED,
              "brgpu: %s belongs to the parent of this process: open the device "
              "again in the child",
              what);
    return object;
}

template <typename HandleType, typename Object>
HandleType *make_handle(std::shared_ptr<Object> object) {
    auto *handle = new HandleType;
    handle->object = std::move(object);
    return handle;
}

// Deletes the handle. In the child of a fork the object stays: its destruction would reach for the
// parent's kernel objects and for locks that a thread of the parent may have held.
template <typename HandleType>
void destroy_handle(HandleType *handle) noexcept {
    if (!handle || handle->tag != HandleType::live_tag || !handle->object)
        return;
    using Object = typename decltype(handle->object)::element_type;
    if (device_of(*handle->object).forked())
        new std::shared_ptr<Object>(std::move(handle->object)); // NOLINT: left alone on purpose
    try {
        delete handle;
    } catch (const std::exception &error) {
        log(BRGPU_LOG_ERROR, "brgpu: destroying an object: %s", error.what());
    }
}

// A caller's structure in this library's size. null_ok: NULL means all zeros.
template <typename Info>
Info read_info(const Info *info, const char *what, bool null_ok = false) {
    Info known = {};
    known.struct_size = sizeof(known);
    if (!info && null_ok)
        return known;
    require(info, what);
    const size_t size = info->struct_size;
    if (size < sizeof(size_t))
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s: struct_size is %zu", what, size);
    const auto *bytes = reinterpret_cast<const unsigned char *>(info);
    for (size_t i = sizeof(known); i < size; ++i)
        if (bytes[i])
            raise(BRGPU_ERROR_UNSUPPORTED,
                  "brgpu: %s of %zu bytes uses fields that this library (%zu bytes) doesn't know",
                  what, size, sizeof(known));
    std::memcpy(static_cast<void *>(&known), info, std::min(size, sizeof(known)));
    known.struct_size = sizeof(known);
    return known;
}

template <typename Info>
void check_out(const Info *info, const char *what) {
    require(info, what);
    if (info->struct_size < sizeof(size_t))
        raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: %s: struct_size is %zu", what,
              info->struct_size);
}

template <typename Info>
void write_info(Info *out, Info value) {
    const size_t size = out->struct_size;
    const size_t known = std::min(size, sizeof(value));
    value.struct_size = size;
    std::memcpy(static_cast<void *>(out), &value, known);
    std::memset(reinterpret_cast<char *>(out) + known, 0, size - known);
}

// Fills an array by the rule of brgpu.h. Elements are as far apart as the first one's size says.
template <typename Info>
brgpu_status write_array(Info *out, uint32_t *count, const std::vector<Info> &values) {
    require(count, "count");
    const auto full = static_cast<uint32_t>(values.size());
    if (!out) {
        *count = full;
        return BRGPU_SUCCESS;
    }
    const uint32_t fits = std::min(*count, full);
    if (fits)
        check_out(out, "array element");
    const size_t stride = fits ? out->struct_size : 0;
    for (uint32_t i = 0; i < fits; ++i) {
        auto *element = reinterpret_cast<Info *>(reinterpret_cast<char *>(out) + i * stride);
        element->struct_size = stride;
        write_info(element, values[i]);
    }
    *count = full;
    return fits < full ? BRGPU_INCOMPLETE : BRGPU_SUCCESS;
}

} // namespace brgpu::umd

#endif // BRGPU_UMD_API_BOUNDARY_HPP
