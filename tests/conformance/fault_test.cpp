// SPDX-License-Identifier: MIT
//
// Work that fails stops its own queue, says why, and disturbs nobody.
#include <cstring>

#include "brgpu/hw/events.h"
#include "brgpu/hw/queue.h"
#include "suite.hpp"

namespace brgpu::conformance {

class Faults : public Conformance {
  protected:
    CodeObject object{vm, code()};
    Buffer data{vm, 4096};
    Queue victim{vm};

    // The launch must stop `victim` with that reason, and a second queue must go on.
    void expect_fault(const Kernel &kernel, uint32_t reason, const brgpu_dispatch_info &how) {
        const uint64_t serial = victim.launch(kernel, how);
        EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.wait(serial, timeout_ns));
        const auto state = victim.state();
        EXPECT_EQ(static_cast<uint32_t>(BRGPU_STATE_STOPPED), state.state);
        EXPECT_EQ(reason, state.fault.reason) << state.text;
        EXPECT_STRNE("", state.text);
        EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.launch(kernel, how));
        expect_others_work();
    }

    void expect_others_work() {
        const Kernel add = object.kernel("add_one");
        const Buffer numbers(vm, 4096);
        add.set(0, numbers);
        add.set(1, 1024u);
        queue.wait(queue.launch(add, grid({1024})), timeout_ns);
        std::vector<uint32_t> got(1024);
        queue.download(got, numbers, timeout_ns);
        EXPECT_EQ(std::vector<uint32_t>(1024, 1), got);
    }
};

TEST_F(Faults, PageFault) {
    const Kernel kernel = object.kernel("store_at");
    const uint64_t nowhere = 0x123456789000;
    kernel.set(0, nowhere);
    kernel.set(1, 1u);
    expect_fault(kernel, BRGPU_FAULT_NOT_MAPPED, grid({1}));
    EXPECT_EQ(nowhere, victim.state().fault.address);
    uint32_t count = 0;
    check(brgpu_vm_get_faults(vm.get(), nullptr, &count));
    EXPECT_EQ(1u, count);
    auto fault = sized<brgpu_fault_info>();
    check(brgpu_vm_get_faults(vm.get(), &fault, &count));
    char text[256] = "";
    check(brgpu_fault_describe(&fault, vm.get(), text, sizeof(text)));
    EXPECT_NE(nullptr, std::strstr(text, "0x123456789000")) << text;
}

TEST_F(Faults, WriteToReadOnlyMemory) {
    const Memory memory(device, 4096);
    const uint64_t address = vm.reserve(4096);
    vm.map(address, 4096, memory, 0, BRGPU_ACCESS_R);
    const Kernel kernel = object.kernel("store_at");
    kernel.set(0, address);
    kernel.set(1, 1u);
    expect_fault(kernel, BRGPU_FAULT_RIGHTS, grid({1}));
}

TEST_F(Faults, UnmappedMemoryIsGoneAtOnce) {
    const Memory memory(device, 4096);
    const uint64_t address = vm.reserve(4096);
    vm.map(address, 4096, memory);
    const Kernel kernel = object.kernel("store_at");
    kernel.set(0, address);
    kernel.set(1, 1u);
    victim.wait(victim.launch(kernel, grid({1})), timeout_ns);
    vm.unmap(address, 4096);
    expect_fault(kernel, BRGPU_FAULT_NOT_MAPPED, grid({1}));
}

TEST_F(Faults, IllegalInstruction) {
    const Kernel kernel = object.kernel("illegal");
    kernel.set(0, data);
    expect_fault(kernel, BRGPU_FAULT_ILLEGAL, grid({1}));
}

TEST_F(Faults, LocalMemoryOutOfRange) {
    const Kernel kernel = object.kernel("local_at");
    kernel.set_local(0, 64);
    kernel.set(1, 100000u);
    kernel.set(2, data);
    expect_fault(kernel, BRGPU_FAULT_LOCAL, grid({1}));
}

TEST_F(Faults, StackOverflow) {
    const Kernel kernel = object.kernel("private_at");
    kernel.set(0, uint64_t{1} << 20);
    kernel.set(1, data);
    expect_fault(kernel, BRGPU_FAULT_PRIVATE, grid({1}));
}

TEST_F(Faults, Deadlock) {
    const Kernel kernel = object.kernel("deadlock");
    kernel.set(0, data);
    expect_fault(kernel, BRGPU_FAULT_DEADLOCK, grid({32}, {32}));
}

TEST_F(Faults, EndlessKernelIsStoppedWhileOthersWork) {
    const Queue stuck(vm, BRGPU_QUEUE_KIND_COMPUTE, 500);
    const Kernel kernel = object.kernel("spin");
    kernel.set(0, data);
    const uint64_t serial = stuck.launch(kernel, grid({64}));
    expect_others_work();
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, stuck.wait(serial, timeout_ns));
    EXPECT_EQ(256u, stuck.state().error);
    EXPECT_NE(nullptr, std::strstr(stuck.state().text, "time-out"));
    expect_others_work();
}

TEST_F(Faults, MalformedPackets) {
    brgpu_packet_nop packet = {};
    packet.type = 200;
    Commands unknown(vm);
    unknown.packets(&packet, 1);
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, victim.wait(victim.submit(unknown), timeout_ns));
    EXPECT_EQ(static_cast<uint32_t>(BRGPU_QUEUE_ERROR_PACKET), victim.state().error);
    const Queue second(vm);
    packet.type = BRGPU_PACKET_NOP;
    packet.pad[5] = 1;
    Commands padded(vm);
    padded.packets(&packet, 1);
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, second.wait(second.submit(padded), timeout_ns));
    const Queue third(vm, BRGPU_QUEUE_KIND_COPY);
    const Kernel add = object.kernel("add_one");
    add.set(0, data);
    add.set(1, 1u);
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, third.wait(third.launch(add, grid({1})), timeout_ns));
    expect_others_work();
}

TEST_F(Faults, TimelineOfFailedWorkTells) {
    const Kernel kernel = object.kernel("store_at");
    kernel.set(0, uint64_t{0x100000000000});
    kernel.set(1, 1u);
    const Timeline timeline(device);
    Commands commands(vm);
    commands.dispatch(kernel, grid({1}));
    const brgpu_timeline_point point = timeline.at(1);
    victim.submit(commands, {}, {&point, 1});
    EXPECT_STATUS(BRGPU_ERROR_QUEUE_STOPPED, timeline.wait(1, timeout_ns));
}

} // namespace brgpu::conformance
