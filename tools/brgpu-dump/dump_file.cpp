// SPDX-License-Identifier: MIT
#include "dump_file.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace brgpu::dump {
namespace {

using Bytes = std::span<const std::byte>;

[[noreturn]] void corrupt(uint64_t offset, const std::string &what) {
    throw Corrupt("at byte " + std::to_string(offset) + ": " + what);
}

// The part of T that both this program and the file have.
template <typename T>
T read_entry(Bytes bytes) {
    T value = {};
    std::memcpy(&value, bytes.data(), std::min(sizeof(T), bytes.size()));
    return value;
}

std::string text_of(Bytes bytes) {
    std::string text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    // A terminal shall not be told what to do.
    for (char &c : text) {
        if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            c = '?';
    }
    return text;
}

class Reader {
  public:
    explicit Reader(Bytes file) : file_(file) {}

    Dump read() {
        const auto head = take<brgpu_dump_head>("the head");
        if (head.magic != BRGPU_DUMP_MAGIC)
            corrupt(0, "no dump of brgpu.ko");
        if (head.version != BRGPU_DUMP_VERSION)
            corrupt(8, "version " + std::to_string(head.version) + ", this program reads " +
                           std::to_string(BRGPU_DUMP_VERSION));
        if (head.total_bytes > file_.size())
            corrupt(16, "cut off: " + std::to_string(head.total_bytes) + " bytes were written, " +
                            std::to_string(file_.size()) + " are here");
        if (head.head_bytes < sizeof(head) || head.head_bytes > head.total_bytes ||
            head.head_bytes % 8)
            corrupt(12, "a head of " + std::to_string(head.head_bytes) + " bytes");
        file_ = file_.first(head.total_bytes);
        at_ = head.head_bytes;
        dump_.cut = head.flags & BRGPU_DUMP_CUT;
        while (at_ < file_.size())
            read_section();
        return std::move(dump_);
    }

  private:
    template <typename T>
    T take(const char *what) {
        if (file_.size() - at_ < sizeof(T))
            corrupt(at_, std::string("the file ends in ") + what);
        T value;
        std::memcpy(&value, file_.data() + at_, sizeof(T));
        at_ += sizeof(T);
        return value;
    }

    void read_section() {
        const uint64_t start = at_;
        const auto section = take<brgpu_dump_section>("a section's head");
        if (section.bytes > file_.size() - at_)
            corrupt(start, "a section of " + std::to_string(section.bytes) + " bytes, and only " +
                               std::to_string(file_.size() - at_) + " are left");
        const Bytes payload = file_.subspan(at_, section.bytes);
        switch (section.type) {
        case BRGPU_DUMP_TEXT:
            read_facts(payload);
            break;
        case BRGPU_DUMP_REGISTERS:
            read_list(section, payload, start, dump_.registers);
            break;
        case BRGPU_DUMP_QUEUES:
            read_list(section, payload, start, dump_.queues);
            break;
        case BRGPU_DUMP_RING:
            read_ring(payload, start);
            break;
        case BRGPU_DUMP_PAGE_WALK:
            read_list(section, payload, start, dump_.walks);
            break;
        case BRGPU_DUMP_LANES:
            read_lanes(payload, start);
            break;
        case BRGPU_DUMP_FW_LOG:
            dump_.firmware_log += text_of(payload);
            break;
        case BRGPU_DUMP_FW_CRASH:
            if (payload.size() < sizeof(brgpu_fw_crash))
                corrupt(start, "a crash record of " + std::to_string(payload.size()) + " bytes");
            dump_.crash = read_entry<brgpu_fw_crash>(payload);
            break;
        default:
            dump_.unknown.push_back(section.type);
            break;
        }
        const uint64_t padded = section.bytes + (8 - section.bytes % 8) % 8;
        at_ += std::min<uint64_t>(padded, file_.size() - at_);
    }

    template <typename T>
    void read_list(const brgpu_dump_section &section, Bytes payload, uint64_t start,
                   std::vector<T> &list) {
        if (section.entry_bytes < sizeof(T) || payload.size() % section.entry_bytes)
            corrupt(start, "entries of " + std::to_string(section.entry_bytes) + " bytes in " +
                               std::to_string(payload.size()));
        for (; !payload.empty(); payload = payload.subspan(section.entry_bytes))
            list.push_back(read_entry<T>(payload));
    }

    void read_facts(Bytes payload) {
        const std::string text = text_of(payload);
        for (std::string_view rest = text; !rest.empty();) {
            const std::string_view line = rest.substr(0, rest.find('\n'));
            rest.remove_prefix(std::min(rest.size(), line.size() + 1));
            const size_t colon = line.find(": ");
            if (colon != std::string_view::npos)
                dump_.facts.emplace_back(line.substr(0, colon), line.substr(colon + 2));
        }
    }

    void read_ring(Bytes payload, uint64_t start) {
        if (payload.size() < sizeof(brgpu_dump_ring))
            corrupt(start, "a ring of " + std::to_string(payload.size()) + " bytes");
        const auto head = read_entry<brgpu_dump_ring>(payload);
        payload = payload.subspan(sizeof(head));
        if (payload.size() / BRGPU_PACKET_BYTES != head.packets ||
            payload.size() % BRGPU_PACKET_BYTES)
            corrupt(start, std::to_string(head.packets) + " packets in " +
                               std::to_string(payload.size()) + " bytes");
        Ring &ring = dump_.rings.emplace_back();
        ring.slot = head.slot;
        ring.first = head.first;
        ring.packets.resize(head.packets);
        for (auto &packet : ring.packets) {
            std::memcpy(packet.data(), payload.data(), packet.size());
            payload = payload.subspan(packet.size());
        }
    }

    void read_lanes(Bytes payload, uint64_t start) {
        if (payload.size() < sizeof(brgpu_snapshot_head))
            corrupt(start, "lanes in " + std::to_string(payload.size()) + " bytes");
        Lanes lanes;
        lanes.head = read_entry<brgpu_snapshot_head>(payload);
        const auto &head = lanes.head;
        if (head.magic != BRGPU_SNAPSHOT_MAGIC || head.version != BRGPU_SNAPSHOT_VERSION)
            corrupt(start, "lanes of an unknown format");
        if (head.head_bytes < sizeof(head) || head.head_bytes > payload.size() ||
            head.warp_bytes < sizeof(brgpu_snapshot_warp) ||
            (payload.size() - head.head_bytes) / head.warp_bytes < head.warps)
            corrupt(start, std::to_string(head.warps) + " warps of " +
                               std::to_string(head.warp_bytes) + " bytes in " +
                               std::to_string(payload.size()));
        for (uint32_t i = 0; i < head.warps; i++)
            lanes.warps.push_back(read_entry<brgpu_snapshot_warp>(
                payload.subspan(head.head_bytes + uint64_t{i} * head.warp_bytes)));
        dump_.lanes = std::move(lanes);
    }

    Bytes file_;
    uint64_t at_ = 0;
    Dump dump_;
};

} // namespace

Dump parse(Bytes file) {
    return Reader(file).read();
}

} // namespace brgpu::dump
