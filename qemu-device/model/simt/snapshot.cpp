// SPDX-License-Identifier: MIT
//
// A workgroup as bytes. An image may come back from memory that its owner can write: everything
// that this file reads from it is checked or masked.
#include <cstring>
#include <new>
#include <type_traits>

#include "context.hpp"

namespace brgpu::simt {
namespace {

constexpr uint32_t image_magic = 0x47575242; // "BRWG"
constexpr uint32_t image_version = 1;

struct GroupImage {
    uint32_t magic;
    uint32_t version;
    uint64_t index;
    uint32_t cu_id;
    uint32_t warp_count;
    uint32_t next_warp;
    uint32_t tensor_used;
    uint64_t local_bytes;
    uint64_t private_bytes;
};

struct WarpImage {
    uint64_t x[lanes][lanes];
    uint64_t f[lanes][lanes];
    uint64_t pc[lanes];
    uint64_t stamp[lanes];
    uint64_t wait_mask[lanes];
    uint64_t reserved_address[lanes];
    uint64_t reserved_value[lanes];
    uint32_t depth[lanes];
    uint8_t reserved_bytes[lanes];
    uint8_t wait[lanes];
    uint8_t frm[lanes];
    uint8_t fflags[lanes];
    uint32_t live;
    uint32_t waiting;
    uint32_t accruing;
    uint32_t forced;
    uint32_t tensor_row;
    uint32_t pad;
    uint64_t clock;
    uint64_t forced_since;
    uint64_t private_low;
};
static_assert(std::is_trivially_copyable_v<GroupImage> && std::is_trivially_copyable_v<WarpImage>);

class Writer {
  public:
    explicit Writer(std::vector<std::byte> &bytes) : bytes_(bytes) {}
    void put(const void *from, size_t size) {
        const auto *start = static_cast<const std::byte *>(from);
        bytes_.insert(bytes_.end(), start, start + size);
    }

  private:
    std::vector<std::byte> &bytes_;
};

class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
    bool get(void *to, size_t size) {
        if (size > bytes_.size())
            return false;
        if (size)
            std::memcpy(to, bytes_.data(), size);
        bytes_ = bytes_.subspan(size);
        return true;
    }
    bool at_end() const { return bytes_.empty(); }

  private:
    std::span<const std::byte> bytes_;
};

void export_warp(const Warp &w, WarpImage &image) {
    image = {};
    std::memcpy(image.x, w.x, sizeof(image.x));
    std::memcpy(image.f, w.f, sizeof(image.f));
    std::memcpy(image.pc, w.pc, sizeof(image.pc));
    std::memcpy(image.stamp, w.stamp, sizeof(image.stamp));
    std::memcpy(image.wait_mask, w.wait_mask, sizeof(image.wait_mask));
    std::memcpy(image.reserved_address, w.reserved_address, sizeof(image.reserved_address));
    std::memcpy(image.reserved_value, w.reserved_value, sizeof(image.reserved_value));
    std::memcpy(image.depth, w.depth, sizeof(image.depth));
    for (unsigned lane = 0; lane < lanes; ++lane) {
        image.reserved_bytes[lane] = w.reserved_bytes[lane];
        image.wait[lane] = static_cast<uint8_t>(w.wait[lane]);
        image.frm[lane] = w.frm[lane];
        image.fflags[lane] = w.fflags[lane];
    }
    image.live = w.live;
    image.waiting = w.waiting;
    image.accruing = w.accruing;
    image.forced = w.forced;
    image.tensor_row = w.tensor_row;
    image.clock = w.clock;
    image.forced_since = w.forced_since;
    image.private_low = w.private_low;
}

bool import_warp(const WarpImage &image, Warp &w, uint64_t private_bytes) {
    if (image.private_low % 8 != 0 || image.private_low > private_bytes)
        return false;
    std::memcpy(w.x, image.x, sizeof(image.x));
    for (uint64_t &zero : w.x[0])
        zero = 0;
    std::memcpy(w.f, image.f, sizeof(image.f));
    std::memcpy(w.stamp, image.stamp, sizeof(image.stamp));
    std::memcpy(w.wait_mask, image.wait_mask, sizeof(image.wait_mask));
    std::memcpy(w.reserved_address, image.reserved_address, sizeof(image.reserved_address));
    std::memcpy(w.reserved_value, image.reserved_value, sizeof(image.reserved_value));
    std::memcpy(w.depth, image.depth, sizeof(image.depth));
    w.live = image.live & w.started;
    w.waiting = 0;
    for (unsigned lane = 0; lane < lanes; ++lane) {
        w.pc[lane] = image.pc[lane] & ~uint64_t{1};
        const uint8_t bytes = image.reserved_bytes[lane];
        w.reserved_bytes[lane] = bytes == 4 || bytes == 8 ? bytes : 0;
        w.frm[lane] = image.frm[lane] & 7;
        w.fflags[lane] = image.fflags[lane] & 31;
        const bool waits = image.wait[lane] == static_cast<uint8_t>(Wait::barrier) ||
                           image.wait[lane] == static_cast<uint8_t>(Wait::meet);
        w.wait[lane] = Wait::none;
        if (waits && (image.waiting & w.live) >> lane & 1) {
            w.wait[lane] = static_cast<Wait>(image.wait[lane]);
            w.waiting |= 1u << lane;
        }
    }
    w.accruing = image.accruing & w.started;
    w.forced = image.forced & w.live;
    w.tensor_row = image.tensor_row;
    w.clock = image.clock;
    w.forced_since = image.forced_since;
    w.private_low = image.private_low;
    w.boxed = 0;
    w.update_exact_fp();
    return true;
}

} // namespace

uint64_t Dispatch::max_image_bytes() const noexcept {
    uint64_t items = 1;
    for (const uint32_t size : params_.workgroup)
        items *= size;
    const uint64_t warps = (items + lanes - 1) / lanes;
    return sizeof(GroupImage) + local_bytes() + BRGPU_TENSOR_BYTES +
           warps * (sizeof(WarpImage) + uint64_t{params_.kernel.private_bytes} * lanes);
}

std::vector<std::byte> Workgroup::save() const {
    std::vector<std::byte> bytes;
    if (!impl_)
        return bytes;
    if (impl_->fresh)
        impl_->ready_warps();
    const Impl &group = *impl_;
    Writer writer(bytes);
    const GroupImage header = {image_magic,       image_version,     group.index,
                               group.cu_id,       group.warp_count,  group.next_warp,
                               group.tensor_used, group.local_bytes, group.private_bytes};
    writer.put(&header, sizeof(header));
    writer.put(group.local.data(), group.local_bytes);
    if (group.tensor_used)
        writer.put(group.tensor.data(), BRGPU_TENSOR_BYTES);
    auto image = std::make_unique<WarpImage>();
    for (uint32_t i = 0; i < group.warp_count; ++i) {
        const Warp &warp = *group.warps[i];
        export_warp(warp, *image);
        writer.put(image.get(), sizeof(*image));
        writer.put(warp.private_memory.data() + warp.private_low * lanes,
                   (group.private_bytes - warp.private_low) * lanes);
    }
    return bytes;
}

bool Workgroup::restore(Dispatch &dispatch, std::span<const std::byte> bytes) noexcept {
    Reader reader(bytes);
    GroupImage header;
    const auto load = [&]() -> bool {
        if (!reader.get(&header, sizeof(header)) || header.magic != image_magic ||
            header.version != image_version || header.index >= dispatch.workgroups() ||
            header.tensor_used > 1)
            return false;
        if (!start(dispatch, header.index, header.cu_id))
            return false;
        Impl &group = *impl_;
        group.ready_warps();
        if (header.warp_count != group.warp_count || header.local_bytes != group.local_bytes ||
            header.private_bytes != group.private_bytes || header.next_warp >= group.warp_count)
            return false;
        group.next_warp = header.next_warp;
        if (!reader.get(group.local.data(), group.local_bytes))
            return false;
        if (header.tensor_used &&
            (!group.ensure_tensor() || !reader.get(group.tensor.data(), BRGPU_TENSOR_BYTES)))
            return false;
        const std::unique_ptr<WarpImage> image(new (std::nothrow) WarpImage);
        if (!image)
            return false;
        for (uint32_t i = 0; i < group.warp_count; ++i) {
            Warp &warp = *group.warps[i];
            if (!reader.get(image.get(), sizeof(*image)) ||
                !import_warp(*image, warp, group.private_bytes) ||
                !reader.get(warp.private_memory.data() + warp.private_low * lanes,
                            (group.private_bytes - warp.private_low) * lanes))
                return false;
        }
        return reader.at_end();
    };
    if (load())
        return true;
    impl_.reset();
    return false;
}

} // namespace brgpu::simt
