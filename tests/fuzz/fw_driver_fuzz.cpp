// SPDX-License-Identifier: MIT
//
// Any register accesses to the real firmware: it must not crash, and its heart must go on beating.
#include <cstdlib>

#include "fake_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace brgpu;
    static const std::vector<std::byte> image = test::built_image("br106");
    test::FakeCard card;
    if (card.boot(image) != BRGPU_BOOT_STATE_RUNNING)
        std::abort();
    for (; size >= 8; data += 8, size -= 8) {
        std::uint32_t where = 0;
        std::uint32_t value = 0;
        std::memcpy(&where, data, 4);
        std::memcpy(&value, data + 4, 4);
        // Half of the accesses hit the registers, half the first 4 KiB of the window (the mailbox).
        const std::uint32_t offset = (where & 1) != 0 ? 0x5000 + (where >> 8) % 0x60
                                                      : BRGPU_SHARED_BASE + (where >> 8) % 0x1000;
        const unsigned bytes = (where & 2) != 0 ? 8 : 4;
        if (offset / 8 == BRGPU_REG_BOOT_COMMAND / 8)
            continue;
        if ((where & 4) != 0)
            card.ctl.read(offset, bytes);
        else
            card.ctl.write(offset, value, bytes);
        if ((where & 0x18) == 0) {
            card.host.now += where >> 5;
            card.ctl.run_until(UINT64_MAX, 200'000);
        }
    }
    card.settle();
    const std::uint32_t beats = card.reg(BRGPU_REG_HEARTBEAT);
    card.advance_ms(2100);
    if (card.reg(BRGPU_REG_BOOT_STATE) != BRGPU_BOOT_STATE_RUNNING ||
        card.reg(BRGPU_REG_HEARTBEAT) == beats)
        std::abort();
    return 0;
}
