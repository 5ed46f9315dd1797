// SPDX-License-Identifier: MIT
#include <algorithm>
#include <random>

#include "suite.hpp"

namespace brgpu::conformance {

TEST_F(Conformance, KernelsAreDescribed) {
    const CodeObject object(vm, code());
    const auto names = object.kernel_names();
    EXPECT_NE(names.end(), std::find(names.begin(), names.end(), "add_one"));
    const Kernel kernel = object.kernel("add_one");
    EXPECT_EQ(2u, kernel.properties().arg_count);
    EXPECT_EQ(static_cast<uint32_t>(BRGPU_ARGUMENT_GLOBAL), kernel.argument(0).kind);
    EXPECT_STREQ("n", kernel.argument(1).name);
    EXPECT_STATUS(BRGPU_ERROR_NOT_FOUND, kernel.argument(2));
    EXPECT_STATUS(BRGPU_ERROR_NOT_FOUND, object.kernel("missing"));
    EXPECT_STATUS(BRGPU_ERROR_NOT_FOUND, object.symbol("missing"));
    EXPECT_EQ(kernel.properties().descriptor, object.symbol("add_one.kd"));
}

TEST_F(Conformance, LaunchesOfAllShapes) {
    const CodeObject object(vm, code());
    const Kernel kernel = object.kernel("add_one");
    constexpr uint32_t n = 5000;
    const Buffer data(vm, n * 4);
    kernel.set(0, data);
    kernel.set(1, n);
    queue.wait(queue.launch(kernel, grid({n})), timeout_ns);
    queue.wait(queue.launch(kernel, grid({n}, {33})), timeout_ns);
    queue.wait(queue.launch(kernel, grid({n + 100}, {1024})), timeout_ns);
    queue.wait(queue.launch(kernel, grid({0})), timeout_ns);
    std::vector<uint32_t> got(n);
    queue.download(got, data);
    EXPECT_EQ(std::vector<uint32_t>(n, 3), got);
}

TEST_F(Conformance, WrongLaunchesAreRefused) {
    const CodeObject object(vm, code());
    const Kernel kernel = object.kernel("add_one");
    EXPECT_STATUS(BRGPU_ERROR_ARGUMENTS, queue.launch(kernel, grid({1})));
    EXPECT_STATUS(BRGPU_ERROR_ARGUMENTS, kernel.set(0, uint32_t{1}));
    EXPECT_STATUS(BRGPU_ERROR_ARGUMENTS, kernel.set(1, uint64_t{1}));
    EXPECT_STATUS(BRGPU_ERROR_ARGUMENTS, kernel.set_local(1, 16));
    EXPECT_STATUS(BRGPU_ERROR_ARGUMENTS, kernel.set_address(7, 16));
    kernel.set_address(0, 0);
    kernel.set(1, 0u);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, queue.launch(kernel, grid({1}, {2048})));
    auto four = grid({1});
    four.work_dim = 4;
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, queue.launch(kernel, four));
    const Kernel local = object.kernel("sum_local");
    local.set_address(0, 0);
    local.set_address(1, 0);
    EXPECT_STATUS(BRGPU_ERROR_ARGUMENTS, local.set_local(2, 1 << 20));
    const Vm other(device);
    const Queue elsewhere(other);
    EXPECT_STATUS(BRGPU_ERROR_INVALID_ARGUMENT, elsewhere.launch(kernel, grid({1})));
}

TEST_F(Conformance, LocalMemoryOfAnArgument) {
    const CodeObject object(vm, code());
    const Kernel kernel = object.kernel("sum_local");
    std::vector<uint32_t> in(1024);
    for (uint32_t i = 0; i < in.size(); ++i)
        in[i] = i * i;
    const Buffer input(vm, 4096), output(vm, 4096);
    queue.upload(input, in);
    kernel.set(0, input);
    kernel.set(1, output);
    kernel.set_local(2, 128 * 4);
    queue.wait(queue.launch(kernel, grid({1024}, {128})), timeout_ns);
    std::vector<uint32_t> got(8), expected(8);
    queue.download(got, output);
    for (uint32_t i = 0; i < in.size(); ++i)
        expected[i / 128] += in[i];
    EXPECT_EQ(expected, got);
}

TEST_F(Conformance, PrintfArrives) {
    const CodeObject object(vm, code());
    const Kernel kernel = object.kernel("say");
    std::string text;
    const auto append = [](void *user, const char *part, size_t length) {
        static_cast<std::string *>(user)->append(part, length);
    };
    check(brgpu_queue_set_printf(queue.get(), append, &text));
    kernel.set(0, 42u);
    kernel.set(1, 1.5f);
    queue.wait(queue.launch(kernel, grid({64})), timeout_ns);
    EXPECT_EQ("number 42, real 1.50, text\n", text);
}

TEST_F(Conformance, TruncatedCodeObjectsAreRefused) {
    std::vector<std::byte> whole = code();
    for (size_t size = 0; size < whole.size(); size += 1 + size / 7) {
        const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<long>(size));
        EXPECT_NE(BRGPU_SUCCESS, status_of([&] { CodeObject(vm, part); })) << size;
    }
}

TEST_F(Conformance, DamagedCodeObjectsNeverCrash) {
    std::mt19937 random(7);
    for (int round = 0; round < 400; ++round) {
        auto damaged = code();
        for (unsigned i = 0; i < 1 + random() % 8; ++i)
            damaged[random() % damaged.size()] = static_cast<std::byte>(random());
        // Headers are where it hurts most.
        if (round % 2)
            damaged[random() % 512] = static_cast<std::byte>(random());
        const brgpu_status status = status_of([&] { CodeObject(vm, damaged); });
        EXPECT_TRUE(status == BRGPU_SUCCESS || status == BRGPU_ERROR_CODE_OBJECT ||
                    status == BRGPU_ERROR_OUT_OF_DEVICE_MEMORY)
            << status << " " << brgpu_last_error();
    }
}

} // namespace brgpu::conformance
