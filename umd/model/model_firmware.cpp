// SPDX-License-Identifier: MIT
//
// The firmware side of the card in the process: boot, HELLO, sensor readings.
#include <algorithm>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "../deadline.hpp"
#include "../error.hpp"
#include "brgpu/hw/mmu.h"
#include "brgpu_core_fw.h"
#include "model_card.hpp"

namespace brgpu::umd::model {

namespace {

constexpr uint64_t boot_ns = 30000000000; // the boot ROM and the firmware are interpreted
constexpr uint64_t sensor_period_ns = 1000000000;

void pause_briefly() {
    const timespec pause = {0, 200000};
    nanosleep(&pause, nullptr);
}

std::vector<char> read_image(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return std::vector<char>(std::istreambuf_iterator<char>(file), {});
}

std::string find_image(const brgpu_device_open_info &info, const std::string &product,
                       std::vector<char> *image) {
    std::vector<std::string> places;
    if (info.model_firmware) {
        places = {info.model_firmware};
    } else {
        const std::string name = "/brgpu/" + product + ".fw";
        places = {own_folder() + "/../firmware" + name, own_folder() + "/firmware" + name,
                  BRGPU_FIRMWARE_DIR + name, "/lib/firmware" + name};
    }
    std::string tried;
    for (const std::string &path : places) {
        *image = read_image(path);
        if (!image->empty())
            return path;
        tried += (tried.empty() ? "" : ", ") + path;
    }
    raise(BRGPU_ERROR_FIRMWARE, "brgpu: no firmware for %s: looked for %s", product.c_str(),
          tried.c_str());
}

} // namespace

void Card::boot(const brgpu_device_open_info &info) {
    std::vector<char> image;
    const std::string path =
        find_image(info, info.model_product ? info.model_product : "br106", &image);
    const brgpu_core_fw_card wanted = {ident_.product, ident_.contract,
                                       read32(BRGPU_REG_FW_ROLLBACK), BRGPU_MBOX_VERSION(1, 0),
                                       BRGPU_MBOX_VERSION(1, 0xffff)};
    brgpu_core_fw_info facts = {};
    const char *why = "";
    if (brgpu_core_fw_check(&facts, image.data(), image.size(), &wanted, &why))
        raise(BRGPU_ERROR_FIRMWARE, "brgpu: firmware %s: %s", path.c_str(), why);
    firmware_build_ = facts.build_id;

    int error = 0;
    auto memory = arena_->allocate(image.size(), &error);
    if (!memory)
        raise_errno(error, "brgpu: memory for the firmware image");
    std::memcpy(memory->cpu(), image.data(), image.size());
    write64(BRGPU_REG_FW_ADDRESS, BRGPU_VM0_SYSTEM | memory->dma());
    write32(BRGPU_REG_FW_BYTES, static_cast<uint32_t>(image.size()));
    write32(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);

    const uint64_t give_up = monotonic_ns() + boot_ns;
    for (;;) {
        const uint32_t state = read32(BRGPU_REG_BOOT_STATE);
        if (state == BRGPU_BOOT_STATE_RUNNING)
            break;
        if (state == BRGPU_BOOT_STATE_REFUSED)
            raise(BRGPU_ERROR_FIRMWARE, "brgpu: the card refuses firmware %s: %s", path.c_str(),
                  brgpu_core_fw_boot_error_text(read32(BRGPU_REG_BOOT_ERROR)));
        if (state == BRGPU_BOOT_STATE_CRASHED || monotonic_ns() > give_up)
            raise(BRGPU_ERROR_FIRMWARE, "brgpu: firmware %s did not start: %s", path.c_str(),
                  brgpu_core_fw_boot_state_text(state));
        pause_briefly();
    }
    hello();
    while (!(read32(BRGPU_REG_STATUS) & BRGPU_STATUS_READY)) {
        if (monotonic_ns() > give_up)
            raise(BRGPU_ERROR_FIRMWARE, "brgpu: firmware %s runs but does not release the engines",
                  path.c_str());
        pause_briefly();
    }
    last_heartbeat_ = read32(BRGPU_REG_HEARTBEAT);
    heartbeat_seen_ns_ = monotonic_ns();
}

void Card::write_shared(uint32_t offset, const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        std::memcpy(&word, static_cast<const char *>(data) + i, sizeof(word));
        write64(offset + i, word);
    }
}

void Card::send(uint16_t type, const void *payload, size_t bytes) {
    brgpu_mbox_message message = {};
    const uint32_t index = read32(BRGPU_REG_MBOX_REQ_WRITE);
    if (brgpu_core_mbox_used(index, read32(BRGPU_REG_MBOX_REQ_READ)) >=
            static_cast<int>(BRGPU_MBOX_SLOTS) ||
        brgpu_core_mbox_request(&mailbox_, &message, type, payload, bytes) < 0)
        return;
    write_shared(brgpu_core_mbox_request_offset(index), &message, sizeof(message));
    write32(BRGPU_REG_MBOX_REQ_WRITE, index + 1);
}

bool Card::receive(brgpu_mbox_message *message) {
    for (;;) {
        const uint32_t index = read32(BRGPU_REG_MBOX_RSP_READ);
        if (brgpu_core_mbox_used(read32(BRGPU_REG_MBOX_RSP_WRITE), index) <= 0)
            return false;
        const uint32_t offset = brgpu_core_mbox_response_offset(index);
        for (size_t i = 0; i < sizeof(*message); i += 8) {
            const uint64_t word = read64(offset + i);
            std::memcpy(reinterpret_cast<char *>(message) + i, &word, sizeof(word));
        }
        write32(BRGPU_REG_MBOX_RSP_READ, index + 1);
        unsigned handle = 0;
        const char *why = "";
        if (brgpu_core_mbox_match(&mailbox_, message, &handle, &why) == 0)
            return true;
    }
}

void Card::hello() {
    const uint32_t session = std::random_device{}() | 1;
    brgpu_core_mbox_open(&mailbox_, session);
    brgpu_mbox_hello_request request = {};
    request.version_min = BRGPU_MBOX_VERSION(1, 0);
    request.version_max = BRGPU_MBOX_VERSION(1, 0xffff);
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    request.host_time_ns =
        static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
    send(BRGPU_MBOX_HELLO, &request, sizeof(request));
    brgpu_mbox_message message;
    const uint64_t give_up = monotonic_ns() + boot_ns;
    while (!receive(&message)) {
        if (monotonic_ns() > give_up)
            raise(BRGPU_ERROR_FIRMWARE, "brgpu: the firmware does not answer HELLO");
        pause_briefly();
    }
    brgpu_mbox_hello_response answer = {};
    brgpu_core_mbox_payload(&message, &answer, sizeof(answer));
    if (message.status != BRGPU_MBOX_OK)
        raise(message.status == BRGPU_MBOX_VERSION_MISMATCH ? BRGPU_ERROR_VERSION_MISMATCH
                                                            : BRGPU_ERROR_FIRMWARE,
              "brgpu: the firmware refuses HELLO (%s): it speaks mailbox %u.%u to %u.%u, this "
              "library 1.x",
              brgpu_core_mbox_status_text(message.status), answer.version_min >> 16,
              answer.version_min & 0xffff, answer.version_max >> 16, answer.version_max & 0xffff);
    mailbox_version_ = answer.version;
    send(BRGPU_MBOX_GET_POWER, nullptr, 0);
}

void Card::poll_sensors(uint64_t now_ns) {
    brgpu_mbox_message message;
    while (receive(&message)) {
        if (message.status != BRGPU_MBOX_OK)
            continue;
        if (message.type == BRGPU_MBOX_GET_SENSORS) {
            brgpu_core_mbox_payload(&message, &sensors_.values, sizeof(sensors_.values));
            sensors_.when_ns = now_ns;
            sensors_asked_ = false;
        } else if (message.type == BRGPU_MBOX_GET_POWER) {
            brgpu_mbox_power power = {};
            brgpu_core_mbox_payload(&message, &power, sizeof(power));
            sensors_.power_limit_mw = power.power_limit_mw;
        }
    }
    if (now_ns - sensors_asked_ns_ < sensor_period_ns)
        return;
    // One that was never answered is given up, or a silent firmware would use up the slots.
    if (sensors_asked_)
        brgpu_core_mbox_open(&mailbox_, mailbox_.session);
    const brgpu_mbox_sensors_request request = {0};
    send(BRGPU_MBOX_GET_SENSORS, &request, sizeof(request));
    sensors_asked_ = true;
    sensors_asked_ns_ = now_ns;
}

bool Card::firmware_alive(uint64_t now_ns) {
    const uint32_t beat = read32(BRGPU_REG_HEARTBEAT);
    if (beat != last_heartbeat_) {
        last_heartbeat_ = beat;
        heartbeat_seen_ns_ = now_ns;
    }
    const uint64_t allowed_ns = std::max<uint64_t>(read32(BRGPU_REG_HEARTBEAT_MS), 1000) * 1000000u;
    return read32(BRGPU_REG_BOOT_STATE) == BRGPU_BOOT_STATE_RUNNING &&
           now_ns - heartbeat_seen_ns_ <= allowed_ns;
}

} // namespace brgpu::umd::model
