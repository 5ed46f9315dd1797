// SPDX-License-Identifier: MIT
//
// Any bytes as a dump: brgpu-dump refuses them or shows them.
#include "dump_file.hpp"
#include "report.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    try {
        const brgpu::dump::Dump dump =
            brgpu::dump::parse({reinterpret_cast<const std::byte *>(data), size});
        brgpu::dump::as_text(dump, true);
        brgpu::dump::as_json(dump);
    } catch (const brgpu::dump::Corrupt &) {
        return 0;
    }
    return 0;
}
