// SPDX-License-Identifier: MIT
#include "card_fixture.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <sys/mman.h>

namespace brgpu::test {
namespace {

FakeHost &of(void *context) {
    return *static_cast<FakeHost *>(context);
}

bool inside(uint64_t address, uint64_t bytes, uint64_t base, uint64_t size) {
    return address >= base && address - base < size && bytes <= size - (address - base);
}

int access(FakeHost &host, uint64_t address, void *out, const void *in, size_t bytes) {
    host.accesses++;
    std::byte *at = nullptr;
    if (!host.bus_master.load())
        return -1;
    if (inside(address, bytes, FakeHost::ram_base, FakeHost::ram_bytes)) {
        at = host.ram(address);
    } else if (inside(address, bytes, FakeHost::bus_base, FakeHost::bus_bytes)) {
        at = host.bus.data() + (address - FakeHost::bus_base);
        host.bus_accesses++;
    } else {
        return -1;
    }
    if (out)
        std::memcpy(out, at, bytes);
    else
        std::memcpy(at, in, bytes);
    return 0;
}

Packet make(uint8_t type) {
    Packet packet = {};
    packet.bytes[0] = type;
    return packet;
}

} // namespace

FakeHost::FakeHost()
    : ram_(static_cast<std::byte *>(mmap(nullptr, ram_bytes, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {}

FakeHost::~FakeHost() {
    munmap(ram_, ram_bytes);
}

brgpu_model_host_ops FakeHost::ops() {
    brgpu_model_host_ops ops = {};
    ops.struct_size = sizeof(ops);
    ops.dma_map = [](void *context, uint64_t address, size_t *len, int) -> void * {
        FakeHost &host = of(context);
        host.accesses++;
        if (!host.bus_master.load() || !inside(address, 1, ram_base, ram_bytes))
            return nullptr;
        *len = std::min<uint64_t>({*len, ram_base + ram_bytes - address, host.map_limit.load()});
        host.mappings++;
        return host.ram(address);
    };
    ops.dma_unmap = [](void *context, void *, size_t, int, size_t) { of(context).mappings--; };
    ops.dma_read = [](void *context, uint64_t address, void *out, size_t bytes) {
        return access(of(context), address, out, nullptr, bytes);
    };
    ops.dma_write = [](void *context, uint64_t address, const void *in, size_t bytes) {
        return access(of(context), address, nullptr, in, bytes);
    };
    ops.raise_vector = [](void *context, unsigned vector) { of(context).raised.at(vector)++; };
    ops.clock_ns = [](void *) {
        return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                         std::chrono::steady_clock::now().time_since_epoch())
                                         .count());
    };
    ops.thread_enter = [](void *context) { of(context).threads++; };
    ops.thread_exit = [](void *context) { of(context).threads--; };
    ops.log = nullptr;
    return ops;
}

uint64_t FakeHost::load(uint64_t address) {
    return __atomic_load_n(reinterpret_cast<uint64_t *>(ram(address)), __ATOMIC_ACQUIRE);
}

void FakeHost::store(uint64_t address, uint64_t value) {
    __atomic_store_n(reinterpret_cast<uint64_t *>(ram(address)), value, __ATOMIC_RELEASE);
}

uint64_t FakeHost::allocate(uint64_t bytes, uint64_t alignment) {
    next_ = (next_ + alignment - 1) & ~(alignment - 1);
    uint64_t address = next_;
    next_ += bytes;
    EXPECT_LE(next_, ram_base + ram_bytes);
    return address;
}

// ---- TestCard ----

TestCard::TestCard(const Setup &setup) {
    brgpu_model_config config = {};
    config.struct_size = sizeof(config);
    config.abi_version = BRGPU_MODEL_ABI_VERSION;
    config.product = setup.product;
    config.vram_bytes = setup.vram;
    config.workers = setup.workers;
    config.deterministic = setup.deterministic;
    char why[256] = "";
    brgpu_model_host_ops ops = host.ops();
    model = brgpu_model_create(&config, &ops, &host, why, sizeof(why));
    if (!model)
        throw std::runtime_error(why);
    info.struct_size = sizeof(info);
    brgpu_model_get_info(model, &info);
    if (setup.boot)
        boot();
}

TestCard::~TestCard() {
    brgpu_model_destroy(model);
    EXPECT_EQ(host.mappings.load(), 0) << "every dma_map has its dma_unmap";
    EXPECT_EQ(host.threads.load(), 0u);
}

uint64_t TestCard::vram64(uint64_t offset) {
    return __atomic_load_n(reinterpret_cast<uint64_t *>(vram(offset)), __ATOMIC_ACQUIRE);
}

void TestCard::boot() {
    std::ifstream file(std::string(BRGPU_FIRMWARE_DIR "/") + info.product + ".fw",
                       std::ios::binary);
    std::vector<char> image((std::istreambuf_iterator<char>(file)), {});
    ASSERT_FALSE(image.empty());
    // Below the end of VRAM, where tests don't look.
    uint64_t at = info.vram_bytes - (2 << 20);
    std::memcpy(vram(at), image.data(), image.size());
    write64(BRGPU_REG_FW_ADDRESS, at);
    write32(BRGPU_REG_FW_BYTES, static_cast<uint32_t>(image.size()));
    write32(BRGPU_REG_BOOT_COMMAND, BRGPU_BOOT_START);
    ASSERT_TRUE(eventually([&] { return read32(BRGPU_REG_STATUS) & BRGPU_STATUS_READY; }))
        << "boot state " << read32(BRGPU_REG_BOOT_STATE) << " error "
        << read32(BRGPU_REG_BOOT_ERROR);
}

void TestCard::set(const char *property, const char *value) {
    char why[256] = "";
    EXPECT_EQ(brgpu_model_property_set(model, property, value, why, sizeof(why)), 0)
        << property << ": " << why;
}

std::string TestCard::get(const char *property) {
    char value[256] = "";
    EXPECT_GE(brgpu_model_property_get(model, property, value, sizeof(value)), 0) << property;
    return value;
}

void TestCard::enable_ring(unsigned cls, uint32_t log2, uint64_t base, uint32_t vector) {
    uint64_t block = BRGPU_REG_EVENT(cls);
    write32(block + BRGPU_EVENT_ENABLE, 0);
    write64(block + BRGPU_EVENT_BASE, base);
    write32(block + BRGPU_EVENT_SIZE, log2);
    write32(block + BRGPU_EVENT_VECTOR, vector);
    write32(block + BRGPU_EVENT_ENABLE, 1);
}

brgpu_event_record TestCard::record(uint64_t base, uint32_t index) {
    brgpu_event_record record;
    uint64_t words[4];
    for (unsigned i = 0; i < 4; i++)
        words[i] = host.load(base + index * sizeof(record) + i * 8);
    std::memcpy(&record, words, sizeof(record));
    return record;
}

void TestCard::invalidate(uint32_t command, uint64_t address, uint64_t length) {
    write64(BRGPU_REG_TLB_ADDRESS, address);
    write64(BRGPU_REG_TLB_LENGTH, length);
    write32(BRGPU_REG_TLB_COMMAND, command);
    uint32_t issued = read32(BRGPU_REG_TLB_ISSUED);
    EXPECT_TRUE(eventually([&] { return read32(BRGPU_REG_TLB_COMPLETED) == issued; }));
}

// ---- PageTables ----

PageTables::PageTables(TestCard &card, uint16_t id)
    : vm(id), card_(card), root_(card.host.allocate(BRGPU_PT_BYTES)) {
    card.write64(BRGPU_REG_VM_CONTEXT(vm) + BRGPU_VM_ROOT,
                 root_ | BRGPU_PTE_VALID | BRGPU_PTE_SYSTEM);
}

uint64_t PageTables::entry(uint64_t va, unsigned level) {
    uint64_t table = root_;
    for (unsigned at = BRGPU_PT_LEVELS - 1;; at--) {
        uint64_t slot = table + (va >> BRGPU_PT_SPAN_SHIFT(at) & (BRGPU_PT_ENTRIES - 1)) * 8;
        if (at == level)
            return slot;
        if (!(card_.host.load(slot) & BRGPU_PTE_VALID))
            card_.host.store(slot, card_.host.allocate(BRGPU_PT_BYTES) | BRGPU_PTE_VALID |
                                       BRGPU_PTE_SYSTEM);
        table = card_.host.load(slot) & BRGPU_PTE_ADDRESS_MASK;
    }
}

void PageTables::set(uint64_t va, uint64_t pte, unsigned level) {
    card_.host.store(entry(va, level), pte);
}

void PageTables::map_vram(uint64_t va, uint64_t offset, uint64_t rights) {
    set(va, offset | rights | BRGPU_PTE_VALID | BRGPU_PTE_VRAM);
}

void PageTables::map_system(uint64_t va, uint64_t address, uint64_t rights) {
    set(va, address | rights | BRGPU_PTE_VALID | BRGPU_PTE_SYSTEM);
}

void PageTables::map_range_vram(uint64_t va, uint64_t offset, uint64_t bytes, uint64_t rights) {
    for (uint64_t at = 0; at < bytes; at += BRGPU_PAGE_BYTES)
        map_vram(va + at, offset + at, rights);
}

// ---- TestQueue ----

TestQueue::TestQueue(TestCard &card, const Setup &setup)
    : slot(setup.slot), card_(card), log2_(setup.ring_log2) {
    FakeHost &host = card.host;
    desc_address = host.allocate(4096);
    ring_address = host.allocate(uint64_t{BRGPU_PACKET_BYTES} << log2_);
    write_index = host.allocate(4096);
    read_index = write_index + 64;
    if (setup.save_bytes)
        save_area = host.allocate(setup.save_bytes);
    brgpu_hw_queue_desc &d = desc();
    d = {};
    d.ring = system(ring_address);
    d.write_index = system(write_index);
    d.read_index = system(read_index);
    d.ring_log2 = log2_;
    d.ring_vm = setup.ring_vm;
    d.vm = setup.vm;
    d.queue_class = setup.queue_class;
    d.priority = setup.priority;
    d.doorbell = setup.slot;
    d.save_area = save_area ? system(save_area) : 0;
    d.save_bytes = setup.save_bytes;
    card.write64(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_DESC, system(desc_address));
    if (setup.map) {
        EXPECT_EQ(finish(BRGPU_QUEUE_CMD_MAP) & BRGPU_QUEUE_STATE_MASK, BRGPU_QUEUE_STATE_IDLE);
    }
}

brgpu_hw_queue_desc &TestQueue::desc() {
    return *reinterpret_cast<brgpu_hw_queue_desc *>(card_.host.ram(desc_address));
}

void TestQueue::push(const Packet &packet) {
    uint64_t mask = (uint64_t{1} << log2_) - 1;
    ASSERT_TRUE(eventually([&] { return written - card_.host.load(read_index) <= mask; }))
        << "the ring stays full";
    std::memcpy(card_.host.ram(ring_address + (written & mask) * BRGPU_PACKET_BYTES), &packet,
                sizeof(packet));
    card_.host.store(write_index, ++written);
}

void TestQueue::ring() {
    brgpu_model_doorbell(card_.model, slot * 8u, 1, 8);
}

void TestQueue::run(const std::vector<Packet> &packets) {
    for (const Packet &packet : packets)
        push(packet);
    ring();
    EXPECT_TRUE(wait_read(written))
        << "state " << state() << " error " << error() << " info 0x" << std::hex
        << reg32(BRGPU_QUEUE_FAULT_INFO) << " address 0x" << reg(BRGPU_QUEUE_FAULT_ADDRESS)
        << " pc 0x" << reg(BRGPU_QUEUE_FAULT_PC);
}

void TestQueue::command(uint32_t command) {
    card_.write32(BRGPU_REG_QUEUE(slot) + BRGPU_QUEUE_COMMAND, command);
}

uint32_t TestQueue::finish(uint32_t number) {
    command(number);
    EXPECT_TRUE(eventually([&] { return !(reg32(BRGPU_QUEUE_STATUS) & BRGPU_QUEUE_BUSY); }));
    return reg32(BRGPU_QUEUE_STATUS);
}

bool TestQueue::wait_state(uint32_t wanted, int ms) {
    return eventually([&] { return state() == wanted; }, ms);
}

bool TestQueue::wait_read(uint64_t index, int ms) {
    eventually(
        [&] { return card_.host.load(read_index) >= index || state() == BRGPU_QUEUE_STATE_ERROR; },
        ms);
    return card_.host.load(read_index) >= index;
}

// ---- packets ----

Packet nop() {
    return make(BRGPU_PACKET_NOP);
}

Packet copy(uint64_t src, uint64_t dst, uint32_t bytes) {
    Packet packet = make(BRGPU_PACKET_COPY);
    packet.copy.src = src;
    packet.copy.dst = dst;
    packet.copy.row_bytes = bytes;
    packet.copy.rows = packet.copy.slices = 1;
    return packet;
}

Packet fill(uint64_t dst, uint64_t bytes, uint8_t pattern_bytes, uint64_t pattern) {
    Packet packet = make(BRGPU_PACKET_FILL);
    packet.fill.dst = dst;
    packet.fill.bytes = bytes;
    packet.fill.pattern_bytes = pattern_bytes;
    std::memcpy(packet.fill.pattern, &pattern, sizeof(pattern));
    return packet;
}

Packet write(uint64_t dst, const void *data, uint16_t bytes) {
    Packet packet = make(BRGPU_PACKET_WRITE);
    packet.write.dst = dst;
    packet.write.bytes = bytes;
    std::memcpy(packet.write.data, data, std::min<size_t>(bytes, sizeof(packet.write.data)));
    return packet;
}

Packet signal(uint64_t address, uint64_t value, uint8_t op, uint8_t notify) {
    Packet packet = make(BRGPU_PACKET_SIGNAL);
    packet.signal.address = address;
    packet.signal.value = value;
    packet.signal.op = op;
    packet.signal.notify = notify;
    return packet;
}

Packet wait(uint64_t address, uint64_t value, uint8_t compare) {
    Packet packet = make(BRGPU_PACKET_WAIT);
    packet.wait.address = address;
    packet.wait.value = value;
    packet.wait.mask = ~uint64_t{0};
    packet.wait.compare = compare;
    return packet;
}

Packet timestamp(uint64_t address) {
    Packet packet = make(BRGPU_PACKET_TIMESTAMP);
    packet.timestamp.address = address;
    return packet;
}

Packet event(uint64_t payload) {
    Packet packet = make(BRGPU_PACKET_EVENT);
    packet.event.payload = payload;
    return packet;
}

Packet call(uint64_t address, uint32_t packets) {
    Packet packet = make(BRGPU_PACKET_CALL);
    packet.call.address = address;
    packet.call.packets = packets;
    return packet;
}

Packet barrier(uint16_t ops) {
    Packet packet = make(BRGPU_PACKET_BARRIER);
    packet.barrier.ops = ops;
    return packet;
}

Packet dispatch(uint64_t kernel, uint64_t kernarg, uint32_t grid, uint16_t workgroup) {
    Packet packet = make(BRGPU_PACKET_DISPATCH);
    brgpu_packet_dispatch &d = packet.dispatch;
    d.work_dim = 1;
    d.workgroup[0] = workgroup;
    d.workgroup[1] = d.workgroup[2] = 1;
    d.grid[0] = grid;
    d.grid[1] = d.grid[2] = 1;
    d.kernel = kernel;
    d.kernarg = kernarg;
    return packet;
}

bool eventually(const std::function<bool()> &condition, int ms) {
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end)
            return condition();
        std::this_thread::yield();
    }
    return true;
}

Kernel make_kernel(std::vector<uint32_t> code) {
    Kernel kernel = {};
    kernel.desc.magic = BRGPU_KERNEL_DESC_MAGIC;
    kernel.desc.isa_major = BRGPU_ISA_MAJOR;
    kernel.desc.isa_minor = BRGPU_ISA_MINOR;
    kernel.desc.entry_offset = sizeof(brgpu_kernel_desc);
    kernel.desc.private_bytes = 256;
    kernel.code = std::move(code);
    return kernel;
}

void load_kernel(TestCard &card, uint64_t vram_offset, const Kernel &kernel) {
    std::memcpy(card.vram(vram_offset), &kernel.desc, sizeof(kernel.desc));
    std::memcpy(card.vram(vram_offset + sizeof(kernel.desc)), kernel.code.data(),
                kernel.code.size() * sizeof(uint32_t));
}

} // namespace brgpu::test
