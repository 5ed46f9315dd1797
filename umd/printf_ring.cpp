// SPDX-License-Identifier: MIT
#include "printf_ring.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstring>

#include "brgpu/code_object.h"

namespace brgpu::umd {

namespace {

constexpr uint64_t ring_bytes = 1 << 20;
constexpr size_t longest_string = 4096;
constexpr size_t longest_output = 1
                                  << 16; // of one conversion: a hostile width must not cost memory
constexpr uint64_t most_words = 4096;    // of a record

struct Conversion {
    std::string flags_width_precision;
    unsigned vector = 1;
    unsigned integer_bits = 32;
    char letter = 0;
};

// Parses behind the '%'; moves `at` behind the conversion. False: not one that we know.
bool parse(const std::string &format, size_t &at, Conversion &conversion) {
    size_t i = at;
    auto take_while = [&](const char *set) {
        while (i < format.size() && std::strchr(set, format[i]) && format[i])
            conversion.flags_width_precision += format[i++];
    };
    auto take_number = [&] {
        unsigned value = 0;
        while (i < format.size() && format[i] >= '0' && format[i] <= '9') {
            value = std::min(value * 10 + static_cast<unsigned>(format[i] - '0'), 1000u);
            ++i;
        }
        return value;
    };
    take_while("-+ #0");
    if (unsigned width = take_number())
        conversion.flags_width_precision += std::to_string(width);
    if (i < format.size() && format[i] == '.') {
        ++i;
        conversion.flags_width_precision += "." + std::to_string(take_number());
    }
    if (i < format.size() && format[i] == 'v') {
        ++i;
        conversion.vector = take_number();
        if (conversion.vector < 2 || conversion.vector > 16)
            return false;
    }
    if (format.compare(i, 2, "hh") == 0) {
        conversion.integer_bits = 8;
        i += 2;
    } else if (format.compare(i, 2, "hl") == 0) { // OpenCL: 32-bit elements
        i += 2;
    } else if (format.compare(i, 2, "ll") == 0) {
        conversion.integer_bits = 64;
        i += 2;
    } else if (i < format.size() && format[i] == 'h') {
        conversion.integer_bits = 16;
        ++i;
    } else if (i < format.size() && std::strchr("lzjt", format[i]) && format[i]) {
        conversion.integer_bits = 64;
        ++i;
    }
    if (i >= format.size() || !std::strchr("diouxXcsfFeEgGaAp", format[i]))
        return false;
    conversion.letter = format[i++];
    at = i;
    return true;
}

template <typename Value>
std::string print(const std::string &format, Value value) {
    std::string text(256, 0);
    // The format was built here from parts that were checked.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int length = std::snprintf(text.data(), text.size(), format.c_str(), value);
    if (length >= static_cast<int>(text.size())) {
        text.resize(std::min<size_t>(static_cast<size_t>(length) + 1, longest_output));
        length = std::snprintf(text.data(), text.size(), format.c_str(), value);
    }
#pragma GCC diagnostic pop
    text.resize(length < 0 ? 0 : std::min(static_cast<size_t>(length), text.size() - 1));
    return text;
}

std::string element(Vm *vm, const Conversion &conversion, uint64_t value) {
    const std::string start = "%" + conversion.flags_width_precision;
    switch (conversion.letter) {
    case 'd':
    case 'i': {
        int64_t number = static_cast<int64_t>(value);
        if (conversion.integer_bits < 64) {
            const unsigned shift = 64 - conversion.integer_bits;
            number = static_cast<int64_t>(value << shift) >> shift;
        }
        return print(start + "lld", static_cast<long long>(number));
    }
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        if (conversion.integer_bits < 64)
            value &= (uint64_t{1} << conversion.integer_bits) - 1;
        return print(start + "ll" + conversion.letter, static_cast<unsigned long long>(value));
    case 'c':
        return print(start + "c", static_cast<int>(value & 0xff));
    case 'p':
        return print(start + "p", reinterpret_cast<void *>(value));
    case 's': {
        const std::string text =
            value && vm ? read_string(*vm, value, longest_string) : std::string("(null)");
        return print(start + "s", text.c_str());
    }
    default:
        return print(start + conversion.letter, std::bit_cast<double>(value));
    }
}

} // namespace

std::string read_string(Vm &vm, uint64_t address, size_t limit) {
    std::string text;
    try {
        while (text.size() < limit) {
            uint64_t behind = 0;
            auto *bytes = static_cast<const char *>(vm.cpu_pointer(address + text.size(), &behind));
            const size_t length = std::min<uint64_t>(behind, limit - text.size());
            const size_t end = strnlen(bytes, length);
            text.append(bytes, end);
            if (end < length)
                break;
        }
    } catch (const std::exception &) {
        // Not mapped, or not for the CPU.
    }
    return text;
}

std::string format_record(Vm *vm, const std::string &format, std::span<const uint64_t> arguments) {
    std::string text;
    size_t next = 0;
    for (size_t i = 0; i < format.size();) {
        if (format[i] != '%') {
            text += format[i++];
            continue;
        }
        if (i + 1 < format.size() && format[i + 1] == '%') {
            text += '%';
            i += 2;
            continue;
        }
        size_t behind = i + 1;
        Conversion conversion;
        if (!parse(format, behind, conversion)) {
            text += format[i++];
            continue;
        }
        for (unsigned v = 0; v < conversion.vector; ++v) {
            if (v)
                text += ',';
            if (next < arguments.size())
                text += element(vm, conversion, arguments[next++]);
        }
        i = behind;
    }
    return text;
}

PrintfRing::PrintfRing(std::shared_ptr<Vm> vm)
    : vm_(std::move(vm)), memory_(vm_, sizeof(brgpu_printf_ring) + ring_bytes,
                                  BRGPU_PLACEMENT_SYSTEM, BRGPU_ACCESS_RW) {
    reset();
}

void PrintfRing::reset() {
    std::lock_guard lock(lock_);
    auto *ring = reinterpret_cast<brgpu_printf_ring *>(memory_.cpu());
    const uint64_t used = std::min<uint64_t>(ring->claimed, ring_bytes);
    std::memset(ring + 1, 0, used);
    ring->capacity = ring_bytes;
    std::atomic_ref(ring->claimed).store(0, std::memory_order_release);
    printed_ = 0;
    loss_told_ = false;
}

void PrintfRing::print(brgpu_printf_function function, void *user, bool last) {
    std::lock_guard lock(lock_);
    auto *ring = reinterpret_cast<brgpu_printf_ring *>(memory_.cpu());
    std::byte *records = memory_.cpu() + sizeof(*ring);
    const uint64_t claimed = std::atomic_ref(ring->claimed).load(std::memory_order_acquire);
    const uint64_t end = std::min<uint64_t>(claimed, ring_bytes);
    std::string text;
    while (printed_ + 16 <= end) {
        auto *head = reinterpret_cast<uint32_t *>(records + printed_);
        const uint64_t words = std::atomic_ref(*head).load(std::memory_order_acquire);
        if (words == 0 || words > most_words || end - printed_ < 8 + words * 8)
            break;
        uint64_t format = 0;
        std::memcpy(&format, records + printed_ + 8, sizeof(format));
        std::vector<uint64_t> arguments(words - 1);
        std::memcpy(arguments.data(), records + printed_ + 16, arguments.size() * 8);
        text += format_record(vm_.get(), read_string(*vm_, format, longest_string), arguments);
        printed_ += 8 + words * 8;
    }
    if (last && claimed > ring_bytes && !loss_told_) {
        loss_told_ = true;
        text += "[brgpu: printf output was lost: " + std::to_string(claimed - ring_bytes) +
                " bytes more than the ring holds]\n";
    }
    if (text.empty())
        return;
    if (function) {
        function(user, text.data(), text.size());
    } else {
        std::fwrite(text.data(), 1, text.size(), stdout);
        std::fflush(stdout);
    }
}

} // namespace brgpu::umd
