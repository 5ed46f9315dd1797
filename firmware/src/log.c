/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>

struct line {
    char text[BRGPU_FW_LOG_LINE_BYTES];
    uint32_t length; /* without the newline, for which there is always room */
    uint32_t cut;
};

static uint32_t level_limit = BRGPU_FW_LOG_INFO;
static uint32_t lines_cut;

static void put(struct line *line, char c) {
    if (line->length < BRGPU_FW_LOG_LINE_BYTES - 1)
        line->text[line->length++] = c;
    else
        line->cut = 1;
}

static void put_string(struct line *line, const char *text) {
    while (*text)
        put(line, *text++);
}

static void put_decimal(struct line *line, uint32_t value, uint32_t digits_min) {
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value || count < digits_min);
    while (count)
        put(line, digits[--count]);
}

static void put_hex(struct line *line, uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4)
        put(line, "0123456789abcdef"[value >> shift & 15]);
}

static void put_prefix(struct line *line, enum brgpu_fw_log_level level) {
    uint32_t rest;
    uint32_t seconds = (uint32_t)divide64(time_ns(), NS_PER_S, &rest);
    put_decimal(line, seconds, 1);
    put(line, '.');
    put_decimal(line, rest / 1000, 6);
    put(line, ' ');
    put(line, "EWID"[level]);
    put(line, ' ');
}

static void put_format(struct line *line, const char *format, va_list args) {
    for (; *format; format++) {
        if (*format != '%') {
            put(line, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            put_string(line, va_arg(args, const char *));
            break;
        case 'd': {
            int32_t value = va_arg(args, int32_t);
            if (value < 0)
                put(line, '-');
            put_decimal(line, value < 0 ? 0u - (uint32_t)value : (uint32_t)value, 1);
            break;
        }
        case 'u':
            put_decimal(line, va_arg(args, uint32_t), 1);
            break;
        case 'x':
            put_hex(line, va_arg(args, uint32_t));
            break;
        default:
            return;
        }
    }
}

void log_write(enum brgpu_fw_log_level level, const char *format, ...) {
    if (level > level_limit)
        return;
    struct line line;
    line.length = 0;
    line.cut = 0;
    put_prefix(&line, level);
    va_list args;
    va_start(args, format);
    put_format(&line, format, args);
    va_end(args);
    lines_cut += line.cut;
    line.text[line.length++] = '\n';

    volatile char *ring = (volatile char *)(BRGPU_CTL_SHARED + BRGPU_CTL_SHARED_LOG);
    uint32_t written = io_read(BRGPU_CTL_LOG_WRITTEN);
    for (uint32_t i = 0; i < line.length; i++)
        ring[(written + i) % BRGPU_FW_LOG_BYTES] = line.text[i];
    io_write(BRGPU_CTL_LOG_WRITTEN, written + line.length);
}

uint32_t log_level(void) {
    return level_limit;
}

void log_set_level(uint32_t level) {
    level_limit = level;
}

uint32_t log_cut(void) {
    return lines_cut;
}
