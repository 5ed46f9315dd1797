// SPDX-License-Identifier: MIT
#include "boundary.hpp"

using namespace brgpu::umd;

void brgpu_get_version(uint32_t *major, uint32_t *minor, uint32_t *patch) {
    if (major)
        *major = BRGPU_VERSION_MAJOR;
    if (minor)
        *minor = BRGPU_VERSION_MINOR;
    if (patch)
        *patch = BRGPU_VERSION_PATCH;
}

const char *brgpu_status_string(brgpu_status status) {
    switch (status) {
    case BRGPU_SUCCESS:
        return "success";
    case BRGPU_INCOMPLETE:
        return "incomplete";
    case BRGPU_ERROR_INVALID_ARGUMENT:
        return "invalid argument";
    case BRGPU_ERROR_OUT_OF_HOST_MEMORY:
        return "out of host memory";
    case BRGPU_ERROR_OUT_OF_DEVICE_MEMORY:
        return "out of device memory";
    case BRGPU_ERROR_OUT_OF_ADDRESS_SPACE:
        return "out of address space";
    case BRGPU_ERROR_UNSUPPORTED:
        return "unsupported";
    case BRGPU_ERROR_TIMEOUT:
        return "timeout";
    case BRGPU_ERROR_NOT_FOUND:
        return "not found";
    case BRGPU_ERROR_BUSY:
        return "busy";
    case BRGPU_ERROR_CANCELED:
        return "canceled";
    case BRGPU_ERROR_NO_DRIVER:
        return "no driver";
    case BRGPU_ERROR_NO_PERMISSION:
        return "no permission";
    case BRGPU_ERROR_VERSION_MISMATCH:
        return "version mismatch";
    case BRGPU_ERROR_NO_DEVICE:
        return "no device";
    case BRGPU_ERROR_DEVICE_LOST:
        return "device lost";
    case BRGPU_ERROR_QUEUE_STOPPED:
        return "queue stopped";
    case BRGPU_ERROR_CODE_OBJECT:
        return "bad code object";
    case BRGPU_ERROR_ARGUMENTS:
        return "bad kernel arguments";
    case BRGPU_ERROR_FORKED:
        return "handle of the parent process";
    case BRGPU_ERROR_FIRMWARE:
        return "firmware";
    case BRGPU_ERROR_SYSTEM:
        return "system call failed";
    }
    return "unknown status";
}

const char *brgpu_last_error(void) {
    return detail();
}

brgpu_status brgpu_set_log(brgpu_log_function function, void *user, int level) {
    return at_boundary([&] {
        if (level < BRGPU_LOG_ERROR || level > BRGPU_LOG_DEBUG)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: log level %d", level);
        set_log(function, user, level);
    });
}
