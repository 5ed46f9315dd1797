// SPDX-License-Identifier: MIT
//
// A dump of brgpu.ko (brgpu/dump.h) in memory, checked. It comes from a file that anybody may have
// made: every length is checked before it is believed.
#ifndef BRGPU_DUMP_DUMP_FILE_HPP
#define BRGPU_DUMP_DUMP_FILE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "brgpu/dump.h"
#include "brgpu/hw/firmware.h"
#include "brgpu/hw/queue.h"
#include "brgpu/hw/snapshot.h"

namespace brgpu::dump {

// Says where in the file what is wrong.
class Corrupt : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

struct Ring {
    uint32_t slot = 0;
    uint64_t first = 0;
    std::vector<std::array<uint8_t, BRGPU_PACKET_BYTES>> packets;
};

struct Lanes {
    brgpu_snapshot_head head = {};
    std::vector<brgpu_snapshot_warp> warps;
};

struct Dump {
    bool cut = false; // something did not fit when it was made
    std::vector<std::pair<std::string, std::string>> facts;
    std::vector<brgpu_dump_register> registers;
    std::vector<brgpu_dump_queue> queues;
    std::vector<Ring> rings;
    std::vector<brgpu_dump_walk> walks;
    std::optional<Lanes> lanes;
    std::string firmware_log;
    std::optional<brgpu_fw_crash> crash;
    std::vector<uint32_t> unknown; // types of sections that this program does not know
};

// Throws Corrupt.
Dump parse(std::span<const std::byte> file);

} // namespace brgpu::dump

#endif
