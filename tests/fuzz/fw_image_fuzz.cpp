// SPDX-License-Identifier: MIT
//
// Any code as signed firmware, with a driver that pokes it: bounded, and resettable afterwards.
#include <cstdlib>

#include "fake_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace brgpu;
    if (size < 4 || size > 16384)
        return 0;
    std::vector<std::uint32_t> code(size / 4);
    std::memcpy(code.data(), data, code.size() * 4);
    test::FakeCard card;
    card.boot(test::image_of(code));
    for (std::uint32_t step = 0; step < 30; ++step) {
        card.host.now += 100'000'000;
        card.ctl.run_until(card.host.now, 5'000);
        card.set(BRGPU_REG_MBOX_REQ_WRITE, step);
        card.ctl.ecc_error(step, step % 2);
        if (step == 20)
            card.set(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_HALT);
    }
    if (card.reg(BRGPU_REG_BOOT_STATE) == BRGPU_BOOT_STATE_RUNNING)
        std::abort(); // a halt is forced after BRGPU_CTL_HALT_MS
    card.ctl.reset();
    if (card.ctl.status() != 0)
        std::abort();
    return 0;
}
