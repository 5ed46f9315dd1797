/* SPDX-License-Identifier: MIT */
#ifndef FIRMWARE_LOG_H
#define FIRMWARE_LOG_H

#include "platform.h"

/*
 * Writes one line to the log ring, if its level is not above the one set. `format` knows %s, %u, %d
 * and %x (32 bits, 8 digits), and nothing else. A longer line than BRGPU_FW_LOG_LINE_BYTES is cut
 * and counted.
 */
__attribute__((format(printf, 2, 3))) void log_write(enum brgpu_fw_log_level level,
                                                     const char *format, ...);
#define log_error(...)   log_write(BRGPU_FW_LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(BRGPU_FW_LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(BRGPU_FW_LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(BRGPU_FW_LOG_DEBUG, __VA_ARGS__)

uint32_t log_level(void);
void log_set_level(uint32_t level);
/* Lines that were cut. */
uint32_t log_cut(void);

#endif /* FIRMWARE_LOG_H */
