/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's messages in QEMU's log. A guest can provoke as many as it likes, so only so many a
 * second are let through.
 */
#include "brgpu-device.h"

#include "qemu/error-report.h"
#include "qemu/log.h"

#define WINDOW_NS        G_GINT64_CONSTANT(1000000000)
#define LINES_PER_WINDOW 50

void brgpu_log_init(BrgpuLog *log) {
    qemu_mutex_init(&log->lock);
}

void brgpu_log_destroy(BrgpuLog *log) {
    qemu_mutex_destroy(&log->lock);
}

/* True if one more line may be written; *suppressed is what was held back in the last window. */
static bool take_line(BrgpuLog *log, unsigned int *suppressed) {
    int64_t now = g_get_monotonic_time() * 1000;
    bool allowed;

    *suppressed = 0;
    qemu_mutex_lock(&log->lock);
    if (now - log->window_start_ns >= WINDOW_NS) {
        *suppressed = log->suppressed;
        log->window_start_ns = now;
        log->window_lines = 0;
        log->suppressed = 0;
    }
    allowed = log->window_lines < LINES_PER_WINDOW;
    if (allowed) {
        log->window_lines++;
    } else {
        log->suppressed++;
    }
    qemu_mutex_unlock(&log->lock);
    return allowed;
}

void brgpu_log_text(BrgpuLog *log, const char *card, int level, const char *text) {
    unsigned int suppressed;
    int mask;

    switch (level) {
    case BRGPU_MODEL_LOG_ERROR:
        mask = 0;
        break;
    case BRGPU_MODEL_LOG_GUEST:
        mask = LOG_GUEST_ERROR;
        break;
    default:
        mask = LOG_TRACE;
        break;
    }
    if (mask && !qemu_loglevel_mask(mask)) {
        return;
    }
    if (!take_line(log, &suppressed)) {
        return;
    }
    if (suppressed) {
        warn_report("%s: %u messages left out", card, suppressed);
    }
    if (mask) {
        qemu_log("%s: %s\n", card, text);
    } else {
        error_report("%s: %s", card, text);
    }
}
