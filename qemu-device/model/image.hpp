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

// Beyond `limit` bytes nothing is kept, and fits() is false.
class ImageWriter {
  public:
    explicit ImageWriter(uint64_t limit) : limit_(limit) {}

    // Types without padding only: what the host has there is nobody's business.
    template <typename T>
    void put(const T &value) {
        static_assert(std::has_unique_object_representations_v<T>);
        append(std::as_bytes(std::span(&value, 1)));
    }
    void put_bytes(std::span<const std::byte> bytes) {
        put(static_cast<uint64_t>(bytes.size()));
        append(bytes);
    }
    std::span<const std::byte> bytes() const { return bytes_; }
    bool fits() const { return fits_; }

  private:
    void append(std::span<const std::byte> bytes) {
        fits_ = fits_ && bytes.size() <= limit_ - bytes_.size();
        if (fits_)
            bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }

    const uint64_t limit_;
    std::vector<std::byte> bytes_;
    bool fits_ = true;
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
