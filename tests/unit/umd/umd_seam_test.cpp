// SPDX-License-Identifier: MIT
//
// Everything above the seam on a kernel interface that records and answers as told: no card needed.
#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "device.hpp"
#include "error.hpp"
#include "memory.hpp"
#include "timeline.hpp"
#include "vm.hpp"

using namespace brgpu::umd;

namespace {

struct Script {
    std::vector<unsigned long> requests;
    std::map<unsigned long, int> errors; // request -> negative errno
    uint32_t uapi_version = DRM_BRGPU_UAPI_MAJOR << 16;
    unsigned mapped = 0;
    size_t count(unsigned long request) const {
        size_t n = 0;
        for (unsigned long seen : requests)
            n += seen == request;
        return n;
    }
};

class RecordingInterface final : public KernelInterface {
  public:
    explicit RecordingInterface(Script &script) : script_(script) {}

    int ioctl(unsigned long request, void *argument) noexcept override {
        script_.requests.push_back(request);
        if (auto error = script_.errors.find(request); error != script_.errors.end())
            return error->second;
        if (request == DRM_IOCTL_BRGPU_QUERY) {
            auto &args = *static_cast<drm_brgpu_query *>(argument);
            auto *facts = reinterpret_cast<drm_brgpu_query_device *>(args.data);
            facts->uapi_version = script_.uapi_version;
            facts->va_start = 65536;
            facts->va_end = uint64_t{1} << 48;
            facts->timestamp_hz = 1000000000;
        } else if (request == DRM_IOCTL_BRGPU_BO_CREATE) {
            static_cast<drm_brgpu_bo_create *>(argument)->handle = ++handle_;
        } else if (request == DRM_IOCTL_PRIME_FD_TO_HANDLE) {
            static_cast<drm_prime_handle *>(argument)->handle = 500;
        }
        return 0;
    }
    void *map(size_t bytes, uint64_t, int *) noexcept override {
        ++script_.mapped;
        return std::malloc(bytes);
    }
    void unmap(void *pointer, size_t) noexcept override {
        --script_.mapped;
        std::free(pointer);
    }
    brgpu_backend backend() const noexcept override { return BRGPU_BACKEND_DRM; }

  private:
    Script &script_;
    uint32_t handle_ = 0;
};

std::shared_ptr<Device> make_device(Script &script) {
    return Device::create(std::make_unique<RecordingInterface>(script));
}

template <typename Body>
brgpu_status status_of(Body &&body) {
    try {
        body();
    } catch (const Error &error) {
        return error.status();
    }
    return BRGPU_SUCCESS;
}

} // namespace

TEST(Seam, AnotherMajorVersionIsRefused) {
    Script script;
    script.uapi_version = (DRM_BRGPU_UAPI_MAJOR + 1) << 16;
    EXPECT_EQ(BRGPU_ERROR_VERSION_MISMATCH, status_of([&] { make_device(script); }));
}

TEST(Seam, ErrnosBecomeStatuses) {
    const std::pair<int, brgpu_status> pairs[] = {
        {-ENOSPC, BRGPU_ERROR_OUT_OF_DEVICE_MEMORY}, {-ENOMEM, BRGPU_ERROR_OUT_OF_HOST_MEMORY},
        {-ENODEV, BRGPU_ERROR_DEVICE_LOST},          {-EOPNOTSUPP, BRGPU_ERROR_UNSUPPORTED},
        {-EINVAL, BRGPU_ERROR_INVALID_ARGUMENT},     {-EACCES, BRGPU_ERROR_NO_PERMISSION}};
    Script script;
    auto device = make_device(script);
    for (const auto &[error, status] : pairs) {
        script.errors[DRM_IOCTL_BRGPU_BO_CREATE] = error;
        EXPECT_EQ(status, status_of([&] { Memory::create(device, 4096, 1, 0, 0); }));
    }
}

TEST(Seam, AFailedBindLeavesNothingBehind) {
    Script script;
    auto vm = Vm::create(make_device(script));
    script.errors[DRM_IOCTL_BRGPU_VM_BIND] = -ENOMEM;
    EXPECT_EQ(BRGPU_ERROR_OUT_OF_HOST_MEMORY,
              status_of([&] { vm->allocate(4096, 0, 1, 0, BRGPU_ACCESS_RW); }));
    EXPECT_EQ(1u, script.count(DRM_IOCTL_GEM_CLOSE));
    script.errors.clear();
    const auto first = vm->allocate(4096, 0, 1, 0, BRGPU_ACCESS_RW);
    EXPECT_EQ(65536u, first.address);
    vm->free(first.address);
    EXPECT_EQ(BRGPU_ERROR_NOT_FOUND, status_of([&] { vm->free(first.address); }));
}

TEST(Seam, CpuMappingsEndWithTheBuffer) {
    Script script;
    auto device = make_device(script);
    {
        auto memory = Memory::create(device, 4096, 1, BRGPU_MEMORY_CPU_VISIBLE, 0);
        EXPECT_EQ(memory->map_cpu(), memory->map_cpu());
        EXPECT_EQ(1u, script.mapped);
    }
    EXPECT_EQ(0u, script.mapped);
    script.errors[DRM_IOCTL_BRGPU_BO_MMAP_OFFSET] = -EACCES;
    auto hidden = Memory::create(device, 4096, 1, 0, 0);
    EXPECT_EQ(BRGPU_ERROR_UNSUPPORTED, status_of([&] { hidden->map_cpu(); }));
}

TEST(Seam, AnImportedHandleIsClosedOnce) {
    Script script;
    auto device = make_device(script);
    FILE *file = tmpfile();
    ASSERT_NE(nullptr, file);
    fputs("content", file);
    fflush(file);
    {
        auto a = device->import_memory(fileno(file)), b = device->import_memory(fileno(file));
        EXPECT_EQ(a, b);
    }
    EXPECT_EQ(1u, script.count(DRM_IOCTL_GEM_CLOSE));
    fclose(file);
}

TEST(Seam, ObjectsAreDestroyedWithTheirKernelSide) {
    Script script;
    {
        auto device = make_device(script);
        auto vm = Vm::create(device);
        auto timeline = Timeline::create(device, 0);
        device.reset(); // the others keep it
    }
    EXPECT_EQ(1u, script.count(DRM_IOCTL_BRGPU_VM_DESTROY));
    EXPECT_EQ(1u, script.count(DRM_IOCTL_SYNCOBJ_DESTROY));
}
