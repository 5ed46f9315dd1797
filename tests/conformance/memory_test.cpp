// SPDX-License-Identifier: MIT
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "suite.hpp"

namespace brgpu::conformance {

TEST_F(Conformance, NewMemoryIsZero) {
    for (int round = 0; round < 3; ++round) {
        const Memory memory(device, 1 << 20, BRGPU_PLACEMENT_VRAM, BRGPU_MEMORY_CPU_VISIBLE);
        auto *bytes = static_cast<unsigned char *>(memory.map());
        for (size_t i = 0; i < 1 << 20; i += 997)
            ASSERT_EQ(0, bytes[i]);
        std::memset(bytes, 0xa5, 1 << 20);
    }
}

TEST_F(Conformance, BadBuffersAreRefused) {
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory(device, 0));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory(device, 4096, 0));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory(device, 4096, 8));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT,
                  Memory(device, 4096, BRGPU_PLACEMENT_VRAM, 1u << 30));
    EXPECT_NE(BRGPU_SUCCESS, status_of([&] { Memory(device, uint64_t{1} << 39); }));
}

// Lets the process open few more files while it lives.
class FewFiles {
  public:
    explicit FewFiles(rlim_t more) {
        const int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        close(lowest);
        getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit few = {static_cast<rlim_t>(lowest) + more, before_.rlim_max};
        EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
    }
    ~FewFiles() { setrlimit(RLIMIT_NOFILE, &before_); }
    FewFiles(const FewFiles &) = delete;
    FewFiles &operator=(const FewFiles &) = delete;

  private:
    rlimit before_{};
};

// A plain user's processes may open 1024 files, and have more buffers than that.
TEST_F(Conformance, BuffersOfAVmCostNoFiles) {
    constexpr uint64_t count = 100;
    const FewFiles limit(8);
    const Buffer gathered(vm, count * sizeof(uint64_t));
    std::vector<Buffer> buffers;
    Commands commands(vm);
    for (uint64_t i = 0; i < count; ++i) {
        const Buffer &buffer =
            buffers.emplace_back(vm, 4096, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE);
        *static_cast<volatile uint64_t *>(vm.cpu_pointer(buffer.address())) = i + 1;
        commands.copy(gathered.address() + i * sizeof(uint64_t), buffer.address(),
                      sizeof(uint64_t));
    }
    queue.submit(commands);
    std::vector<uint64_t> got(count);
    queue.download(got, gathered, timeout_ns);
    for (uint64_t i = 0; i < count; ++i)
        EXPECT_EQ(i + 1, got[i]);
}

// Pages of the process, given back at the end.
class HostPages {
  public:
    explicit HostPages(size_t bytes, int rights = PROT_READ | PROT_WRITE)
        : bytes_(bytes), pages_(mmap(nullptr, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
    ~HostPages() { munmap(pages_, bytes_); }
    HostPages(const HostPages &) = delete;
    HostPages &operator=(const HostPages &) = delete;
    void *get() const { return pages_; }
    uint64_t *words() const { return static_cast<uint64_t *>(pages_); }

  private:
    size_t bytes_;
    void *pages_;
};

TEST_F(Conformance, HostMemoryIsABuffer) {
    if (!(device.properties().features & BRGPU_DEVICE_HOST_POINTERS))
        GTEST_SKIP() << "no host pointers";
    constexpr uint64_t bytes = 4 << 20;
    const HostPages pages(bytes);
    const Memory memory = Memory::from_host(device, pages.get(), bytes);
    EXPECT_EQ(bytes, memory.info().size);
    EXPECT_EQ(0u, memory.info().handle);
    EXPECT_EQ(pages.get(), memory.map());
    const uint64_t address = vm.reserve(bytes);
    vm.map(address, bytes, memory);
    auto info = sized<brgpu_pointer_info>();
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_vm_query_pointer(vm.get(), pages.words() + 1, &info));
    EXPECT_EQ(address, info.base);
    EXPECT_EQ(8u, info.offset);

    // Both directions, and a part that is mapped elsewhere.
    const uint64_t pattern = 0x1234567887654321;
    Commands commands(vm);
    check(brgpu_commands_fill(commands.get(), address, &pattern, 8, bytes, 0));
    queue.submit(commands);
    queue.wait();
    EXPECT_EQ(pattern, pages.words()[0]);
    EXPECT_EQ(pattern, pages.words()[bytes / 8 - 1]);
    pages.words()[bytes / 16] = 42;
    const uint64_t alias = vm.reserve(4096);
    vm.map(alias, 4096, memory, bytes / 2);
    uint64_t seen = 0;
    check(brgpu_queue_download(queue.get(), &seen, alias, sizeof(seen), timeout_ns));
    EXPECT_EQ(42u, seen);

    // A word of it can be waited for.
    EXPECT_EQ(BRGPU_SUCCESS, brgpu_memory_wait(memory.get(), bytes / 2, BRGPU_COMPARE_EQ, 42,
                                               UINT64_MAX, second_ns, &seen));
    EXPECT_EQ(BRGPU_ERROR_TIMEOUT, brgpu_memory_wait(memory.get(), bytes / 2, BRGPU_COMPARE_EQ, 43,
                                                     UINT64_MAX, second_ns / 50, &seen));
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT,
              brgpu_memory_wait(memory.get(), bytes, BRGPU_COMPARE_EQ, 0, 1, 0, nullptr));
    EXPECT_STATUS(BRGPU_ERROR_UNSUPPORTED, memory.export_fd());
    vm.release(alias);
    vm.release(address);
    EXPECT_EQ(pattern, pages.words()[0]);
}

TEST_F(Conformance, BadHostMemoryIsRefused) {
    if (!(device.properties().features & BRGPU_DEVICE_HOST_POINTERS))
        GTEST_SKIP() << "no host pointers";
    const HostPages pages(65536), readable(65536, PROT_READ);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory::from_host(device, nullptr, 4096));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory::from_host(device, pages.get(), 0));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory::from_host(device, pages.get(), 100));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, Memory::from_host(device, pages.words() + 1, 4096));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT,
                  Memory::from_host(device, pages.get(), UINT64_MAX & ~uint64_t{4095}));

    // Whether memory stands there is looked at when it is mapped.
    const uint64_t address = vm.reserve(65536);
    const Memory no_write = Memory::from_host(device, readable.get(), 65536);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, vm.map(address, 65536, no_write));
    vm.map(address, 65536, no_write, 0, BRGPU_ACCESS_R);
    uint64_t seen = 1;
    check(brgpu_queue_download(queue.get(), &seen, address, sizeof(seen), timeout_ns));
    EXPECT_EQ(0u, seen);
    const HostPages holed(65536);
    munmap(static_cast<char *>(holed.get()) + 4096, 4096);
    const Memory hole = Memory::from_host(device, holed.get(), 65536);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, vm.map(address, 65536, hole));
    vm.map(address, 4096, hole);
    vm.release(address);
}

TEST_F(Conformance, ExportAndImportShareTheMemory) {
    const Memory original(device, 65536, BRGPU_PLACEMENT_SYSTEM);
    const int fd = original.export_fd();
    const Memory again = Memory::import_fd(device, fd);
    static_cast<uint32_t *>(original.map())[5] = 0xfeed;
    EXPECT_EQ(0xfeedu, static_cast<uint32_t *>(again.map())[5]);
    const Device other = new_device();
    const Memory elsewhere = Memory::import_fd(other, fd);
    close(fd);
    EXPECT_EQ(0xfeedu, static_cast<uint32_t *>(elsewhere.map())[5]);
    EXPECT_NE(BRGPU_SUCCESS, status_of([&] { Memory::import_fd(device, -1); }));
}

TEST_F(Conformance, AddressesAreReservedAndMapped) {
    const uint64_t address = vm.reserve(1 << 20);
    EXPECT_STATUS(BRGPU_ERROR_OUT_OF_ADDRESS_SPACE, vm.reserve(4096, 0, address));
    const Memory memory(device, 65536, BRGPU_PLACEMENT_SYSTEM);
    vm.map(address + 4096, 8192, memory, 4096);
    auto info = sized<brgpu_pointer_info>();
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_vm_query_address(vm.get(), address + 5000, &info));
    EXPECT_EQ(address + 4096, info.base);
    EXPECT_EQ(904u, info.offset);
    auto *base = static_cast<char *>(memory.map());
    ASSERT_EQ(BRGPU_SUCCESS, brgpu_vm_query_pointer(vm.get(), base + 4096 + 100, &info));
    EXPECT_EQ(100u, info.offset);
    EXPECT_EQ(BRGPU_ERROR_NOT_FOUND, brgpu_vm_query_address(vm.get(), address, &info));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, vm.map(address + 1, 4096, memory));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, vm.map(address, 4096, memory, 65536));
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, vm.map(address + (1 << 20), 4096, memory));
    vm.unmap(address + 4096, 4096);
    EXPECT_EQ(BRGPU_ERROR_NOT_FOUND, brgpu_vm_query_address(vm.get(), address + 4096, &info));
    EXPECT_EQ(BRGPU_SUCCESS, brgpu_vm_query_address(vm.get(), address + 8192, &info));
    vm.release(address);
    EXPECT_STATUS(BRGPU_ERROR_NOT_FOUND, vm.release(address));
}

TEST_F(Conformance, AliasesSeeTheSameMemory) {
    const Memory memory(device, 4096);
    const uint64_t a = vm.reserve(8192), b = a + 4096;
    vm.map(a, 4096, memory);
    vm.map(b, 4096, memory);
    const uint64_t value = 0x1122334455667788;
    check(brgpu_queue_upload(queue.get(), a + 16, &value, sizeof(value), timeout_ns));
    uint64_t seen = 0;
    check(brgpu_queue_download(queue.get(), &seen, b + 16, sizeof(seen), timeout_ns));
    EXPECT_EQ(value, seen);
    vm.release(a);
}

TEST_F(Conformance, NullMappingsReadZero) {
    const uint64_t a = vm.reserve(4096);
    check(brgpu_vm_map(vm.get(), a, 4096, nullptr, 0, BRGPU_ACCESS_RW));
    uint64_t value = 77;
    check(brgpu_queue_upload(queue.get(), a, &value, sizeof(value), timeout_ns));
    check(brgpu_queue_download(queue.get(), &value, a, sizeof(value), timeout_ns));
    EXPECT_EQ(0u, value);
    vm.release(a);
}

TEST_F(Conformance, MemoryWaitTimesOutAndIsMet) {
    const Memory memory(device, 4096, BRGPU_PLACEMENT_SYSTEM);
    auto *word = static_cast<volatile uint64_t *>(memory.map());
    uint64_t seen = 1;
    EXPECT_EQ(BRGPU_ERROR_TIMEOUT, brgpu_memory_wait(memory.get(), 8, BRGPU_COMPARE_GE, 5,
                                                     UINT64_MAX, second_ns / 20, &seen));
    EXPECT_EQ(0u, seen);
    word[1] = 6;
    EXPECT_EQ(BRGPU_SUCCESS,
              brgpu_memory_wait(memory.get(), 8, BRGPU_COMPARE_GE, 5, UINT64_MAX, 0, &seen));
    EXPECT_EQ(6u, seen);
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT,
              brgpu_memory_wait(memory.get(), 4, BRGPU_COMPARE_EQ, 0, 1, 0, nullptr));
    EXPECT_EQ(BRGPU_ERROR_INVALID_ARGUMENT,
              brgpu_memory_wait(memory.get(), 4096, BRGPU_COMPARE_EQ, 0, 1, 0, nullptr));
}

} // namespace brgpu::conformance
