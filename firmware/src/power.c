/* SPDX-License-Identifier: MIT */
/*
 * Clocks. The driver gives a range and a power limit; heat and power push a cap down from the top
 * of the range, step by step, and let it rise again, more slowly, with some distance to the
 * threshold so that it does not swing.
 */
#include "power.h"

#include "log.h"

#define STEP_DOWN_MHZ 100u
#define STEP_UP_MHZ   50u
#define COOL_ENOUGH   5000 /* millidegrees below the throttle temperature */
#define BUSY_PERMILLE 20u  /* AUTO: a die that works more gets the high clock */

struct die {
    struct brgpu_mbox_sensors_response sensors;
};

static struct die dies[BRGPU_CTL_MAX_DIES];
static uint32_t die_count;
static uint64_t sampled_ns;

static struct brgpu_mbox_power setting;
static uint32_t hardware_mhz_min, hardware_mhz_max;
static uint32_t hardware_power_min, hardware_power_max;
static int32_t throttle_temperature, trip_temperature;
static uint32_t cap_mhz;
static uint32_t throttle;

static uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

void power_init(void) {
    die_count = min_u32(io_read(BRGPU_CTL_DIES), BRGPU_CTL_MAX_DIES);
    hardware_mhz_min = io_read(BRGPU_CTL_CORE_MHZ_MIN);
    hardware_mhz_max = io_read(BRGPU_CTL_CORE_MHZ_MAX);
    hardware_power_min = io_read(BRGPU_CTL_POWER_MIN_MW);
    hardware_power_max = io_read(BRGPU_CTL_POWER_MAX_MW);
    throttle_temperature = (int32_t)io_read(BRGPU_CTL_THROTTLE_TEMP);
    trip_temperature = (int32_t)io_read(BRGPU_CTL_TRIP_TEMP);
    setting.state = BRGPU_FW_POWER_AUTO;
    setting.core_mhz_min = hardware_mhz_min;
    setting.core_mhz_max = hardware_mhz_max;
    setting.power_limit_mw = hardware_power_max;
    cap_mhz = hardware_mhz_max;
    sampled_ns = time_ns();
    io_write(BRGPU_CTL_THERMAL_ALARM, (uint32_t)throttle_temperature);
}

static void sample(void) {
    uint64_t now = time_ns();
    uint32_t elapsed_us = (uint32_t)divide64(now - sampled_ns, 1000, NULL);
    sampled_ns = now;
    for (uint32_t i = 0; i < die_count; i++) {
        struct brgpu_mbox_sensors_response *s = &dies[i].sensors;
        uint32_t base = BRGPU_CTL_DIE(i);
        s->core_millidegrees = (int32_t)io_read(base + BRGPU_CTL_DIE_CORE_TEMP);
        s->memory_millidegrees = (int32_t)io_read(base + BRGPU_CTL_DIE_MEMORY_TEMP);
        s->power_mw = io_read(base + BRGPU_CTL_DIE_POWER);
        s->core_millivolts = io_read(base + BRGPU_CTL_DIE_VOLTAGE);
        s->core_mhz = io_read(base + BRGPU_CTL_DIE_CORE_MHZ);
        s->memory_mhz = io_read(base + BRGPU_CTL_DIE_MEMORY_MHZ);
        s->busy_permille = io_read(base + BRGPU_CTL_DIE_BUSY);
        /* mW * us = nJ */
        s->energy_uj += divide64((uint64_t)s->power_mw * elapsed_us, 1000, NULL);
    }
}

static int32_t hottest(uint32_t *die) {
    int32_t temperature = INT32_MIN;
    for (uint32_t i = 0; i < die_count; i++) {
        if (dies[i].sensors.core_millidegrees > temperature) {
            temperature = dies[i].sensors.core_millidegrees;
            *die = i;
        }
    }
    return temperature;
}

static uint32_t total_power(void) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < die_count; i++)
        total += dies[i].sensors.power_mw;
    return total;
}

/* The engines stop, and stay stopped until the firmware is started again. */
static void trip(uint32_t die, int32_t temperature) {
    throttle |= BRGPU_FW_THROTTLE_TRIPPED;
    log_error("die %u at %d millidegrees: engines stopped", die, temperature);
    notify(BRGPU_FW_NOTIFY_THERMAL, (uint64_t)(int64_t)temperature, die);
}

static void update_throttle(void) {
    uint32_t before = throttle;
    uint32_t die = 0;
    int32_t temperature = hottest(&die);
    uint32_t power = total_power();

    if (temperature >= trip_temperature && !(throttle & BRGPU_FW_THROTTLE_TRIPPED))
        trip(die, temperature);

    if (temperature >= throttle_temperature) {
        if (!(throttle & BRGPU_FW_THROTTLE_THERMAL))
            notify(BRGPU_FW_NOTIFY_THERMAL, (uint64_t)(int64_t)temperature, die);
        throttle |= BRGPU_FW_THROTTLE_THERMAL;
    } else if (temperature < throttle_temperature - COOL_ENOUGH) {
        throttle &= ~BRGPU_FW_THROTTLE_THERMAL;
    }
    if (power > setting.power_limit_mw)
        throttle |= BRGPU_FW_THROTTLE_POWER;
    else if (power < setting.power_limit_mw - setting.power_limit_mw / 16)
        throttle &= ~BRGPU_FW_THROTTLE_POWER;

    if (temperature >= throttle_temperature || power > setting.power_limit_mw)
        cap_mhz =
            cap_mhz > hardware_mhz_min + STEP_DOWN_MHZ ? cap_mhz - STEP_DOWN_MHZ : hardware_mhz_min;
    else if (!throttle)
        cap_mhz = min_u32(cap_mhz + STEP_UP_MHZ, hardware_mhz_max);

    io_write(
        BRGPU_CTL_THERMAL_ALARM,
        (uint32_t)(throttle & BRGPU_FW_THROTTLE_THERMAL ? trip_temperature : throttle_temperature));
    if (throttle != before) {
        log_info("throttle reasons %x, clock cap %u MHz", throttle, cap_mhz);
        notify(BRGPU_FW_NOTIFY_THROTTLE, throttle, cap_mhz);
    }
}

static void set_clocks(void) {
    for (uint32_t i = 0; i < die_count; i++) {
        uint32_t high = max_u32(min_u32(setting.core_mhz_max, cap_mhz), hardware_mhz_min);
        uint32_t low = min_u32(setting.core_mhz_min, high);
        int fast =
            setting.state == BRGPU_FW_POWER_HIGH ||
            (setting.state == BRGPU_FW_POWER_AUTO && dies[i].sensors.busy_permille > BUSY_PERMILLE);
        uint32_t mhz = throttle & BRGPU_FW_THROTTLE_TRIPPED ? hardware_mhz_min : fast ? high : low;
        io_write(BRGPU_CTL_DIE(i) + BRGPU_CTL_DIE_CORE_MHZ, mhz);
        dies[i].sensors.core_mhz = io_read(BRGPU_CTL_DIE(i) + BRGPU_CTL_DIE_CORE_MHZ);
        dies[i].sensors.throttle = throttle;
    }
}

static void set_status(void) {
    uint32_t status = throttle & BRGPU_FW_THROTTLE_TRIPPED ? 0 : BRGPU_CTL_STATUS_READY;
    if (throttle)
        status |= BRGPU_CTL_STATUS_THROTTLED;
    io_write(BRGPU_CTL_STATUS, status);
}

void power_update(void) {
    sample();
    update_throttle();
    set_clocks();
    set_status();
}

uint32_t power_dies(void) {
    return die_count;
}

int power_sensors(uint32_t die, struct brgpu_mbox_sensors_response *out) {
    if (die >= die_count)
        return 0;
    *out = dies[die].sensors;
    return 1;
}

void power_limits(struct brgpu_mbox_capabilities_response *out) {
    out->core_mhz_min = hardware_mhz_min;
    out->core_mhz_max = hardware_mhz_max;
    out->memory_mhz = dies[0].sensors.memory_mhz;
    out->power_limit_min_mw = hardware_power_min;
    out->power_limit_max_mw = hardware_power_max;
    out->throttle_millidegrees = (uint32_t)throttle_temperature;
    out->trip_millidegrees = (uint32_t)trip_temperature;
}

void power_get(struct brgpu_mbox_power *out) {
    *out = setting;
    out->core_mhz = dies[0].sensors.core_mhz;
    out->throttle = throttle;
}

enum brgpu_mbox_status power_set(const struct brgpu_mbox_power *wanted) {
    const uint32_t known = BRGPU_FW_SET_STATE | BRGPU_FW_SET_CORE_MHZ | BRGPU_FW_SET_POWER_LIMIT;
    if (wanted->set & ~known)
        return BRGPU_MBOX_RANGE;
    if ((wanted->set & BRGPU_FW_SET_STATE) && wanted->state > BRGPU_FW_POWER_HIGH)
        return BRGPU_MBOX_RANGE;
    if ((wanted->set & BRGPU_FW_SET_CORE_MHZ) &&
        (wanted->core_mhz_min < hardware_mhz_min || wanted->core_mhz_max > hardware_mhz_max ||
         wanted->core_mhz_min > wanted->core_mhz_max))
        return BRGPU_MBOX_RANGE;
    if ((wanted->set & BRGPU_FW_SET_POWER_LIMIT) && (wanted->power_limit_mw < hardware_power_min ||
                                                     wanted->power_limit_mw > hardware_power_max))
        return BRGPU_MBOX_RANGE;

    if (wanted->set & BRGPU_FW_SET_STATE)
        setting.state = wanted->state;
    if (wanted->set & BRGPU_FW_SET_CORE_MHZ) {
        setting.core_mhz_min = wanted->core_mhz_min;
        setting.core_mhz_max = wanted->core_mhz_max;
    }
    if (wanted->set & BRGPU_FW_SET_POWER_LIMIT)
        setting.power_limit_mw = wanted->power_limit_mw;
    set_clocks();
    return BRGPU_MBOX_OK;
}
