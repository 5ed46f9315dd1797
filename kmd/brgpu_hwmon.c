// SPDX-License-Identifier: GPL-2.0
#include <linux/hwmon.h>

#include "brgpu_device.h"
#include "brgpu_hwmon.h"

/**
 * DOC: sensors
 *
 * The watch work asks the firmware once a second; everybody else gets what it heard last. So no
 * reader of a sensor ever waits for the firmware, and a dead firmware shows as ENODATA, not as old
 * numbers.
 */

#define SENSORS_STALE_MS 10000

void brgpu_hwmon_update(struct brgpu_device *brgpu)
{
	struct brgpu_sensors sensors = { .temperature_mc = S32_MIN };
	struct brgpu_mbox_power power;
	u32 die;

	for (die = 0; die < brgpu->ident.dies; die++) {
		const struct brgpu_mbox_sensors_request request = { .die = die };
		struct brgpu_mbox_sensors_response answer;

		if (brgpu_mbox_call(brgpu, BRGPU_MBOX_GET_SENSORS, &request, sizeof(request),
				    &answer, sizeof(answer)))
			return;
		sensors.temperature_mc = max(sensors.temperature_mc, answer.core_millidegrees);
		sensors.power_mw += answer.power_mw;
		sensors.core_mhz = max(sensors.core_mhz, answer.core_mhz);
		sensors.memory_mhz = max(sensors.memory_mhz, answer.memory_mhz);
		sensors.throttle |= answer.throttle;
		sensors.energy_uj += answer.energy_uj;
	}
	if (!brgpu_mbox_call(brgpu, BRGPU_MBOX_GET_POWER, NULL, 0, &power, sizeof(power)))
		sensors.power_limit_mw = power.power_limit_mw;
	sensors.when = ktime_get();

	spin_lock(&brgpu->sensors_lock);
	brgpu->sensors = sensors;
	spin_unlock(&brgpu->sensors_lock);
}

static umode_t hwmon_is_visible(const void *data, enum hwmon_sensor_types type, u32 attr,
				int channel)
{
	return 0444;
}

static int hwmon_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel,
		      long *value)
{
	struct brgpu_device *brgpu = dev_get_drvdata(dev);
	struct brgpu_sensors sensors;

	spin_lock(&brgpu->sensors_lock);
	sensors = brgpu->sensors;
	spin_unlock(&brgpu->sensors_lock);
	if (!sensors.when || ktime_ms_delta(ktime_get(), sensors.when) > SENSORS_STALE_MS)
		return -ENODATA;

	switch (type) {
	case hwmon_temp:
		*value = sensors.temperature_mc;
		return 0;
	case hwmon_power:
		/* microwatts */
		*value = 1000L *
			 (attr == hwmon_power_cap ? sensors.power_limit_mw : sensors.power_mw);
		return 0;
	case hwmon_energy:
		*value = sensors.energy_uj;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int hwmon_read_string(struct device *dev, enum hwmon_sensor_types type, u32 attr,
			     int channel, const char **text)
{
	*text = type == hwmon_temp ? "hottest die" : "card";
	return 0;
}

static const struct hwmon_ops hwmon_ops = {
	.is_visible = hwmon_is_visible,
	.read = hwmon_read,
	.read_string = hwmon_read_string,
};

static const struct hwmon_channel_info *const hwmon_channels[] = {
	HWMON_CHANNEL_INFO(temp, HWMON_T_INPUT | HWMON_T_LABEL),
	HWMON_CHANNEL_INFO(power, HWMON_P_INPUT | HWMON_P_CAP | HWMON_P_LABEL),
	HWMON_CHANNEL_INFO(energy, HWMON_E_INPUT | HWMON_E_LABEL),
	NULL
};

static const struct hwmon_chip_info card_chip = {
	.ops = &hwmon_ops,
	.info = hwmon_channels,
};

int brgpu_hwmon_init(struct brgpu_device *brgpu)
{
	struct device *dev = devm_hwmon_device_register_with_info(brgpu->drm.dev, "brgpu", brgpu,
								  &card_chip, NULL);

	return PTR_ERR_OR_ZERO(dev);
}
