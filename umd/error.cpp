// SPDX-License-Identifier: MIT
#include "error.hpp"

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace brgpu::umd {

namespace {

// Plain data: no destructor has to run when a thread ends after the library was unloaded.
thread_local char thread_detail[detail_bytes];

std::atomic<brgpu_log_function> log_function{nullptr};
std::atomic<void *> log_user{nullptr};
std::atomic<int> log_level{BRGPU_LOG_ERROR};

} // namespace

Error::Error(brgpu_status status, const char *text) noexcept : status_(status) {
    std::snprintf(text_, sizeof(text_), "%s", text);
}

void raise(brgpu_status status, const char *format, ...) {
    char text[detail_bytes];
    va_list list;
    va_start(list, format);
    std::vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    throw Error(status, text);
}

void raise_errno(int error, const char *format, ...) {
    char text[detail_bytes - 128];
    va_list list;
    va_start(list, format);
    std::vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    char reason[64];
    raise(status_of_errno(error), "%s: %s", text, strerror_r(error, reason, sizeof(reason)));
}

brgpu_status status_of_errno(int error) noexcept {
    switch (error) {
    case 0:
        return BRGPU_SUCCESS;
    case EINVAL:
    case E2BIG:
    case EFAULT:
        return BRGPU_ERROR_INVALID_ARGUMENT;
    case ENOENT:
        return BRGPU_ERROR_NOT_FOUND;
    case ENOMEM:
        return BRGPU_ERROR_OUT_OF_HOST_MEMORY;
    case ENOSPC:
        return BRGPU_ERROR_OUT_OF_DEVICE_MEMORY;
    case EIO:
        return BRGPU_ERROR_QUEUE_STOPPED;
    case ENODEV:
    case ENXIO:
        return BRGPU_ERROR_DEVICE_LOST;
    case EOPNOTSUPP:
        return BRGPU_ERROR_UNSUPPORTED;
    case EACCES:
    case EPERM:
        return BRGPU_ERROR_NO_PERMISSION;
    case ETIME:
    case ETIMEDOUT:
        return BRGPU_ERROR_TIMEOUT;
    case EBUSY:
        return BRGPU_ERROR_BUSY;
    case ECANCELED:
        return BRGPU_ERROR_CANCELED;
    default:
        return BRGPU_ERROR_SYSTEM;
    }
}

void set_detail(const char *text) noexcept {
    std::snprintf(thread_detail, sizeof(thread_detail), "%s", text);
}

const char *detail() noexcept {
    return thread_detail;
}

void set_log(brgpu_log_function function, void *user, int level) noexcept {
    // Off first, so that no thread pairs the old function with the new user pointer.
    log_function.store(nullptr);
    log_user.store(user);
    log_level.store(level);
    log_function.store(function);
}

void log(int level, const char *format, ...) noexcept {
    brgpu_log_function function = log_function.load();
    if (!function || level > log_level.load())
        return;
    char text[detail_bytes];
    va_list list;
    va_start(list, format);
    std::vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    function(log_user.load(), level, text);
}

} // namespace brgpu::umd
