// SPDX-License-Identifier: MIT
//
// A card around a controller, with a clock that tests move: deterministic, no thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <brgpu/hw/controller.h>
#include <brgpu/hw/events.h>
#include <brgpu/hw/firmware.h>
#include <brgpu/hw/regs.h>

#include <controller/controller.hpp>

namespace brgpu::test {

struct PostedEvent {
    std::uint8_t type;
    std::uint32_t info;
    std::uint64_t data0;
    std::uint64_t data1;
};

class FakeHost : public controller::Host {
  public:
    std::uint64_t now_ns() override { return now; }
    std::uint64_t engine_busy_ns(std::uint32_t) override { return busy; }
    bool read_vm0(std::uint64_t address, std::span<std::byte> out) override {
        ++reads;
        if (address < image_address || address - image_address > image.size() ||
            image.size() - (address - image_address) < out.size())
            return false;
        std::memcpy(out.data(), image.data() + (address - image_address), out.size());
        return true;
    }
    void post_event(std::uint8_t type, std::uint32_t info, std::uint64_t data0,
                    std::uint64_t data1) override {
        const std::lock_guard lock(mutex);
        events.push_back({type, info, data0, data1});
    }
    void status_changed() override { ++status_changes; }
    void log(std::string_view line) override {
        const std::lock_guard lock(mutex);
        lines.emplace_back(line);
    }

    std::size_t count(std::uint8_t type) {
        const std::lock_guard lock(mutex);
        return static_cast<std::size_t>(
            std::count_if(events.begin(), events.end(),
                          [type](const PostedEvent &event) { return event.type == type; }));
    }
    /// The last notification of that kind; null when there was none.
    const PostedEvent *notification(brgpu_fw_notify what) const {
        for (auto event = events.rbegin(); event != events.rend(); ++event)
            if (event->type == BRGPU_EVENT_FW_NOTIFY && event->info == what)
                return &*event;
        return nullptr;
    }

    std::atomic<std::uint64_t> now{1'000'000'000};
    std::atomic<std::uint64_t> busy{0};
    std::uint64_t image_address = 0x10000;
    std::vector<std::byte> image;
    std::mutex mutex;
    std::vector<PostedEvent> events;
    std::vector<std::string> lines;
    std::atomic<unsigned> reads{0};
    std::atomic<unsigned> status_changes{0};
};

/// A card with its driver's reflexes: registers by name, boot, and time that passes.
class FakeCard {
  public:
    static controller::Config config(std::uint16_t product = BRGPU_PRODUCT_BR106) {
        controller::Config out = controller::Config::for_product(product);
        out.contract = BRGPU_CONTRACT_MAJOR << 16 | BRGPU_CONTRACT_MINOR;
        out.vram_bytes = std::uint64_t{1} << 30;
        out.serial = 0x1122334455667788;
        return out;
    }

    explicit FakeCard(const controller::Config &wanted = config()) : ctl(wanted, host) {}

    std::uint32_t reg(std::uint64_t offset) {
        return static_cast<std::uint32_t>(ctl.read(offset, 4).value());
    }
    void set(std::uint64_t offset, std::uint32_t value) { ctl.write(offset, value, 4); }

    /// Lets device time pass as an idle card does: from wake-up to wake-up.
    void advance_ms(std::uint64_t ms) {
        const std::uint64_t end = host.now + ms * 1'000'000;
        while (host.now < end) {
            const std::uint64_t wake = ctl.run_until(end, 1'000'000);
            host.now = std::clamp<std::uint64_t>(wake, host.now + 1'000, end);
        }
        settle();
    }
    /// Everything that can be done without time passing.
    void settle() { ctl.run_until(UINT64_MAX, 10'000'000); }

    std::uint32_t boot(std::vector<std::byte> image) {
        host.image = std::move(image);
        ctl.write(BRGPU_REG_FW_ADDRESS, host.image_address, 8);
        set(BRGPU_REG_FW_BYTES, static_cast<std::uint32_t>(host.image.size()));
        set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
        settle();
        return reg(BRGPU_REG_BOOT_STATE);
    }

    /// The text of the log ring since power-on, as far as it is still there.
    std::string log_text() {
        const std::uint32_t written = reg(BRGPU_REG_LOG_WRITTEN);
        std::string text;
        for (std::uint32_t at = written > BRGPU_FW_LOG_BYTES ? written - BRGPU_FW_LOG_BYTES : 0;
             at != written; ++at)
            text += static_cast<char>(reg(BRGPU_FW_LOG + at % BRGPU_FW_LOG_BYTES / 4 * 4) >>
                                      at % 4 * 8);
        return text;
    }

    brgpu_fw_crash crash_record() {
        brgpu_fw_crash crash{};
        std::vector<std::uint32_t> words;
        for (std::uint32_t offset = 0; offset < sizeof crash; offset += 4)
            words.push_back(reg(BRGPU_FW_CRASH + offset));
        std::memcpy(&crash, words.data(), sizeof crash);
        return crash;
    }

    FakeHost host;
    controller::Controller ctl;
};

/// One of the images that the build has signed: "br106", "br110", "br166".
std::vector<std::byte> built_image(const std::string &product);
/// Changes header fields of an image and signs it again with the development key.
std::vector<std::byte> resigned(std::vector<std::byte> image,
                                const std::function<void(brgpu_fw_header &)> &change);
/// Gives the header the payload's hash and a signature with the development key.
void sign(brgpu_fw_header &header, std::span<const std::byte> payload);
/// An image of the given instructions, at the start of SRAM, signed.
std::vector<std::byte> image_of(const std::vector<std::uint32_t> &code);

} // namespace brgpu::test
