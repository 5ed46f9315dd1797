// SPDX-License-Identifier: MIT
//
// What PREEMPT writes into a save area and RESTORE reads back, as bytes. An image comes from memory
// that anybody may have written: every read is checked.
#ifndef BRGPU_MODEL_IMAGE_HPP
#define BRGPU_MODEL_IMAGE_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace brgpu::model {

class ImageWriter {
  public:
    template <typename T>
    void put(const T &value) {
        static_assert(std::is_trivially_copyable_v<T>);
        const auto *bytes = reinterpret_cast<const std::byte *>(&value);
        bytes_.insert(bytes_.end(), bytes, bytes + sizeof(T));
    }
    void put_bytes(std::span<const std::byte> bytes) {
        put(static_cast<uint64_t>(bytes.size()));
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }
    std::span<const std::byte> bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

// After the first read beyond the end everything reads as zero, and good() is false.
class ImageReader {
  public:
    explicit ImageReader(std::span<const std::byte> bytes) : left_(bytes) {}

    template <typename T>
    T get() {
        static_assert(std::is_trivially_copyable_v<T>);
        T value = {};
        if (sizeof(T) > left_.size()) {
            fail();
            return value;
        }
        std::memcpy(&value, left_.data(), sizeof(T));
        left_ = left_.subspan(sizeof(T));
        return value;
    }
    std::span<const std::byte> get_bytes() {
        auto size = get<uint64_t>();
        if (size > left_.size()) {
            fail();
            return {};
        }
        auto bytes = left_.first(size);
        left_ = left_.subspan(size);
        return bytes;
    }
    bool good() const { return good_; }
    bool at_end() const { return good_ && left_.empty(); }

  private:
    void fail() {
        good_ = false;
        left_ = {};
    }

    std::span<const std::byte> left_;
    bool good_ = true;
};

} // namespace brgpu::model

#endif
