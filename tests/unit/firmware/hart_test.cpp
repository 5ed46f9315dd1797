// SPDX-License-Identifier: MIT
//
// The hart against hand-made cases, and against qemu-riscv32 on random programs.
#include <array>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

#include <gtest/gtest.h>

#include <controller/compressed.hpp>
#include <controller/hart.hpp>

namespace brgpu::test {
namespace {

using controller::Hart;

constexpr std::uint32_t base = 0x10000000;

class NoBus final : public controller::Bus {
  public:
    bool load(std::uint32_t, unsigned, std::uint32_t &) override { return false; }
    bool store(std::uint32_t, unsigned, std::uint32_t) override { return false; }
    std::uint32_t interrupts() override { return pending; }
    bool ended() const override { return false; }
    std::uint32_t pending = 0;
};

struct Machine {
    explicit Machine(const std::vector<std::uint8_t> &code) : sram(0x10000) {
        std::copy(code.begin(), code.end(), sram.begin());
        hart.reset(base, base + 0x10000, 0);
    }
    explicit Machine(std::initializer_list<std::uint32_t> words) : Machine(bytes_of(words)) {}
    static std::vector<std::uint8_t> bytes_of(std::initializer_list<std::uint32_t> words) {
        std::vector<std::uint8_t> out;
        for (const std::uint32_t word : words)
            for (int shift = 0; shift < 32; shift += 8)
                out.push_back(static_cast<std::uint8_t>(word >> shift));
        return out;
    }
    std::vector<std::uint8_t> sram;
    NoBus bus;
    Hart hart{sram, base, bus};
};

constexpr std::uint32_t r_type(unsigned funct7, unsigned rs2, unsigned rs1, unsigned funct3,
                               unsigned rd) {
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33;
}

TEST(Hart, division_by_zero_and_overflow) {
    const std::uint32_t lowest = 0x80000000;
    const struct {
        unsigned funct3;
        std::uint32_t a, b, result;
    } cases[] = {
        {4, 7, 0, ~0u},     {5, 7, 0, ~0u},           {6, 7, 0, 7},
        {7, 7, 0, 7},       {4, lowest, ~0u, lowest}, {6, lowest, ~0u, 0},
        {4, ~6u, 2, ~2u},   {6, ~6u, 2, ~0u},         {1, lowest, lowest, 0x40000000},
        {2, ~0u, ~0u, ~0u}, {3, ~0u, ~0u, ~1u},
    };
    for (const auto &c : cases) {
        Machine m{r_type(1, 6, 5, c.funct3, 7)};
        m.hart.set_reg(5, c.a);
        m.hart.set_reg(6, c.b);
        EXPECT_EQ(m.hart.run(1), Hart::Stop::budget);
        EXPECT_EQ(m.hart.reg(7), c.result) << c.funct3 << ' ' << c.a << ' ' << c.b;
    }
}

TEST(Hart, traps_say_what_and_where) {
    // lui t0,0x10000; addi t0,t0,0x40; csrw mtvec,t0; then the culprit
    const auto trap_of = [](std::uint32_t culprit) {
        Machine m{0x100002b7, 0x04028293, 0x30529073, culprit};
        EXPECT_EQ(m.hart.run(4), Hart::Stop::budget);
        EXPECT_EQ(m.hart.pc(), base + 0x40);
        return std::pair{m.hart.cause(), m.hart.trap_value()};
    };
    EXPECT_EQ(trap_of(0x00000073), (std::pair{11u, 0u}));         // ecall
    EXPECT_EQ(trap_of(0x00100073), (std::pair{3u, base + 12}));   // ebreak
    EXPECT_EQ(trap_of(0xffffffff), (std::pair{2u, 0xffffffffu})); // illegal
    EXPECT_EQ(trap_of(0x00000000), (std::pair{2u, 0u}));          // illegal, compressed
    EXPECT_EQ(trap_of(0x00402303), (std::pair{5u, 4u}));          // lw t1, 4(zero)
    EXPECT_EQ(trap_of(0x00602223), (std::pair{7u, 4u}));          // sw t1, 4(zero)
    EXPECT_EQ(trap_of(0x7b002373), (std::pair{2u, 0x7b002373u})); // csrr of an unknown CSR
    EXPECT_EQ(trap_of(0xf1429073), (std::pair{2u, 0xf1429073u})); // csrw mhartid
    EXPECT_EQ(trap_of(0x1002a32f), (std::pair{2u, 0x1002a32fu})); // lr.w
    EXPECT_EQ(trap_of(0x00053007), (std::pair{2u, 0x00053007u})); // fld
    EXPECT_EQ(trap_of(0x00003303), (std::pair{2u, 0x00003303u})); // ld
    EXPECT_EQ(trap_of(0x02029293), (std::pair{2u, 0x02029293u})); // slli by 32
}

TEST(Hart, fetch_outside_memory) {
    Machine m{0x100002b7, 0x04028293, 0x30529073, 0x00000067}; // ...; jr zero
    EXPECT_EQ(m.hart.run(5), Hart::Stop::budget);
    EXPECT_EQ(m.hart.cause(), 1u);
    EXPECT_EQ(m.hart.trap_value(), 0u);
    Machine end(std::vector<std::uint8_t>{});
    end.sram[0xfffe] = 0x13; // the first half of a 32-bit instruction
    end.hart.reset(base + 0xfffe, 0, 0);
    EXPECT_EQ(end.hart.run(1), Hart::Stop::double_trap);
    EXPECT_EQ(end.hart.cause(), 1u);
}

TEST(Hart, a_second_trap_before_the_handler_has_got_going) {
    // mtvec = base + 0x10, where zeros are: illegal at once
    Machine m{0x100002b7, 0x01028293, 0x30529073, 0x00000073};
    EXPECT_EQ(m.hart.run(100), Hart::Stop::double_trap);
    EXPECT_EQ(m.hart.pc(), base + 0x10);
    EXPECT_EQ(m.hart.cause(), 2u);
}

TEST(Hart, wfi_wakes_on_what_is_enabled_only) {
    // lui t0,1; addi t0,t0,-2048 (MEIE); csrw mie,t0; wfi; li t1,1
    Machine m{0x000012b7, 0x80028293, 0x30429073, 0x10500073, 0x00100313};
    EXPECT_EQ(m.hart.run(10), Hart::Stop::idle);
    m.bus.pending = Hart::mip_timer;
    EXPECT_EQ(m.hart.run(10), Hart::Stop::idle);
    EXPECT_EQ(m.hart.reg(6), 0u);
    m.bus.pending = Hart::mip_external;
    EXPECT_EQ(m.hart.run(1), Hart::Stop::budget);
    EXPECT_EQ(m.hart.reg(6), 1u);
}

TEST(Hart, interrupts_and_mret) {
    // t0 = base+0x21 (vectored); mtvec; mie = MEIE; mstatus.MIE = 1; nop
    Machine m{0x100002b7, 0x02128293, 0x30529073, 0x000012b7,
              0x80028293, 0x30429073, 0x30046073, 0x00000013};
    // vector 11: base + 0x20 + 44: mret
    const std::uint32_t mret = 0x30200073;
    std::memcpy(m.sram.data() + 0x20 + 44, &mret, 4);
    EXPECT_EQ(m.hart.run(7), Hart::Stop::budget);
    m.bus.pending = Hart::mip_external;
    EXPECT_EQ(m.hart.run(1), Hart::Stop::budget);
    EXPECT_EQ(m.hart.pc(), base + 0x20 + 44);
    EXPECT_EQ(m.hart.cause(), 0x8000000bu);
    EXPECT_EQ(m.hart.status() & 0x88, 0x80u);
    m.bus.pending = 0;
    EXPECT_EQ(m.hart.run(1), Hart::Stop::budget);
    EXPECT_EQ(m.hart.pc(), base + 28);
    EXPECT_EQ(m.hart.status() & 0x88, 0x88u);
}

TEST(Hart, counters_count_and_can_be_set) {
    // csrr t0,minstret; csrw minstret,zero; csrr t1,minstret
    Machine m{0x00000013, 0xb02022f3, 0xb0201073, 0xb0202373};
    EXPECT_EQ(m.hart.run(4), Hart::Stop::budget);
    EXPECT_EQ(m.hart.reg(5), 1u);
    EXPECT_EQ(m.hart.reg(6), 0u);
}

/// Writes random programs that end by storing all registers, and run alike on the hart and under
/// qemu-riscv32. x31 points to data, x15 into it as well; neither is overwritten.
class RandomProgram {
  public:
    static constexpr std::uint32_t data = base + 0x8000;
    static constexpr std::uint32_t result = base + 0x9000;

    explicit RandomProgram(unsigned seed) : random_(seed) {
        for (unsigned reg = 1; reg < 31; ++reg)
            load_constant(reg, pick(4) == 0 ? pick(5) - 2 : pick(0xffffffff));
        load_constant(31, data + 1024);
        load_constant(15, data + 1024);
        for (int i = 0; i < 200; ++i)
            add_random();
        // t6 (x31) becomes the result's address, then write(1, result, 128) and exit(0)
        load_constant(31, result);
        for (unsigned reg = 0; reg < 31; ++reg)
            word(reg << 20 | 31u << 15 | 2u << 12 | (reg * 4 & 31) << 7 | (reg * 4 >> 5) << 25 |
                 0x23);
        load_constant(30, data); // a checksum of the data, so that stores count
        load_constant(28, 0);
        for (unsigned i = 0; i < 512; ++i) {
            word((i * 4) << 20 | 30u << 15 | 2u << 12 | 29u << 7 | 0x03);
            word(r_type(0, 29, 28, 0, 28));
        }
        word(28u << 20 | 31u << 15 | 2u << 12 | (124u & 31) << 7 | (124u >> 5) << 25 | 0x23);
        finish_ = static_cast<std::uint32_t>(code_.size());
        load_constant(10, 1);
        load_constant(11, result);
        load_constant(12, 128);
        load_constant(17, 64);
        word(0x00000073);
        load_constant(10, 0);
        load_constant(17, 93);
        word(0x00000073);
    }

    const std::vector<std::uint8_t> &code() const { return code_; }
    std::uint32_t finish() const { return finish_; }

    std::vector<std::uint8_t> elf() const {
        Elf32_Ehdr header{};
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS32;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_machine = EM_RISCV;
        header.e_version = EV_CURRENT;
        header.e_entry = base;
        header.e_phoff = sizeof header;
        header.e_flags = 1; // compressed instructions
        header.e_ehsize = sizeof header;
        header.e_phentsize = sizeof(Elf32_Phdr);
        header.e_phnum = 1;
        Elf32_Phdr segment{};
        segment.p_type = PT_LOAD;
        segment.p_offset = 0x1000;
        segment.p_vaddr = segment.p_paddr = base;
        segment.p_filesz = static_cast<Elf32_Word>(code_.size());
        segment.p_memsz = 0x10000;
        segment.p_flags = PF_R | PF_W | PF_X;
        segment.p_align = 0x1000;
        std::vector<std::uint8_t> out(0x1000 + code_.size());
        std::memcpy(out.data(), &header, sizeof header);
        std::memcpy(out.data() + sizeof header, &segment, sizeof segment);
        std::copy(code_.begin(), code_.end(), out.begin() + 0x1000);
        return out;
    }

  private:
    std::uint32_t pick(std::uint32_t max) {
        return std::uniform_int_distribution<std::uint32_t>(0, max)(random_);
    }
    unsigned any() { return pick(31); }
    unsigned target() {
        unsigned reg = 0;
        do
            reg = pick(30);
        while (reg == 15);
        return reg;
    }
    void half(std::uint32_t value) {
        code_.push_back(static_cast<std::uint8_t>(value));
        code_.push_back(static_cast<std::uint8_t>(value >> 8));
    }
    void word(std::uint32_t value) {
        half(value);
        half(value >> 16);
    }
    void load_constant(unsigned reg, std::uint32_t value) {
        word(((value + 0x800) & 0xfffff000) | reg << 7 | 0x37);
        word((value & 0xfff) << 20 | reg << 15 | reg << 7 | 0x13);
    }

    void add_random() {
        static constexpr unsigned operations[] = {0x00, 0x01, 0x20};
        static constexpr unsigned loads[] = {0, 1, 2, 4, 5};
        switch (pick(8)) {
        case 0: {
            const unsigned funct7 = operations[pick(2)];
            const unsigned funct3 = funct7 == 0x20 ? (pick(1) != 0 ? 5 : 0) : pick(7);
            return word(r_type(funct7, any(), any(), funct3, target()));
        }
        case 1: {
            const unsigned funct3 = pick(7);
            std::uint32_t imm = pick(0xfff);
            if (funct3 == 1)
                imm &= 31;
            if (funct3 == 5)
                imm &= 0x41f;
            return word(imm << 20 | any() << 15 | funct3 << 12 | target() << 7 | 0x13);
        }
        case 2: // load, misaligned ones as well
            return word((pick(2040) - 1020) << 20 | 31u << 15 | loads[pick(4)] << 12 |
                        target() << 7 | 0x03);
        case 3: { // store
            const std::uint32_t imm = pick(2040) - 1020;
            return word((imm >> 5 & 0x7f) << 25 | any() << 20 | 31u << 15 | pick(2) << 12 |
                        (imm & 31) << 7 | 0x23);
        }
        case 4: { // a branch over one instruction
            static constexpr unsigned conditions[] = {0, 1, 4, 5, 6, 7};
            word(any() << 20 | any() << 15 | conditions[pick(5)] << 12 | 8u << 7 | 0x63);
            return word(r_type(0, any(), any(), 0, target()));
        }
        case 5: // lui, auipc, jal over one instruction
            switch (pick(2)) {
            case 0:
                return word((pick(0xfffff) << 12) | target() << 7 | 0x37);
            case 1:
                return word((pick(0xfffff) << 12) | target() << 7 | 0x17);
            default:
                word(8u << 20 | target() << 7 | 0x6f);
                return word(r_type(0, any(), any(), 4, target()));
            }
        default:
            return add_compressed();
        }
    }

    /// A compressed register that may be overwritten: not x15.
    std::uint32_t low_target() { return pick(6); }

    void add_compressed() {
        const std::uint32_t imm5 = pick(31);
        const std::uint32_t bit12 = pick(1) << 12;
        switch (pick(11)) {
        case 0: // c.addi4spn would need a nonzero immediate: c.addi
            return half(0x0001 | bit12 | target() << 7 | imm5 << 2);
        case 1: // c.li
            return half(0x4001 | bit12 | target() << 7 | imm5 << 2);
        case 2: { // c.lui
            unsigned rd = target();
            while (rd == 2 || rd == 0)
                rd = target();
            return half(0x6001 | bit12 | rd << 7 | (imm5 | 1) << 2);
        }
        case 3: // c.srli, c.srai
            return half(0x8001 | pick(1) << 10 | low_target() << 7 | (imm5 | 1) << 2);
        case 4: // c.andi
            return half(0x8801 | bit12 | low_target() << 7 | imm5 << 2);
        case 5: // c.sub, c.xor, c.or, c.and
            return half(0x8c01 | low_target() << 7 | pick(3) << 5 | pick(7) << 2);
        case 6: { // c.slli
            unsigned rd = target();
            while (rd == 0)
                rd = target();
            return half(0x0002 | rd << 7 | (imm5 | 1) << 2);
        }
        case 7: { // c.mv, c.add
            unsigned rd = target();
            while (rd == 0)
                rd = target();
            return half(0x8002 | bit12 | rd << 7 | (pick(30) + 1) << 2);
        }
        case 8: // c.addi4spn with any immediate but zero
            return half(0x0000 | (pick(0xfe) + 1) << 5 | low_target() << 2);
        case 9: // c.lw from x15
            return half(0x4000 | pick(7) << 10 | 7u << 7 | pick(3) << 5 | low_target() << 2);
        case 10: // c.sw to x15
            return half(0xc000 | pick(7) << 10 | 7u << 7 | pick(3) << 5 | pick(7) << 2);
        default: // c.beqz, c.bnez over one compressed instruction: offset 4
            half((pick(1) != 0 ? 0xe001u : 0xc001u) | pick(7) << 7 | 2u << 3);
            return half(0x8c01 | low_target() << 7 | 1u << 5 | pick(7) << 2);
        }
    }

    std::mt19937 random_;
    std::vector<std::uint8_t> code_;
    std::uint32_t finish_ = 0;
};

TEST(Hart, agrees_with_qemu_on_random_programs) {
    const auto folder =
        std::filesystem::temp_directory_path() / ("brgpu-hart-" + std::to_string(getpid()));
    std::filesystem::create_directory(folder);
    const std::string path = folder / "program";
    for (unsigned seed = 0; seed < 60; ++seed) {
        const RandomProgram program(seed);
        ASSERT_LT(program.code().size(), 0x8000u);
        Machine m(program.code());
        while (m.hart.pc() != base + program.finish())
            ASSERT_EQ(m.hart.run(1), Hart::Stop::budget) << "seed " << seed;

        const std::vector<std::uint8_t> elf = program.elf();
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char *>(elf.data()),
                   static_cast<std::streamsize>(elf.size()));
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        FILE *pipe = popen(("qemu-riscv32 " + path).c_str(), "r");
        ASSERT_NE(pipe, nullptr);
        std::array<std::uint32_t, 32> theirs{};
        const std::size_t count = fread(theirs.data(), 4, theirs.size(), pipe);
        ASSERT_EQ(pclose(pipe), 0) << "qemu-riscv32 (package qemu-user), seed " << seed;
        ASSERT_EQ(count, theirs.size());
        std::array<std::uint32_t, 32> ours{};
        std::memcpy(ours.data(), m.sram.data() + (RandomProgram::result - base), sizeof ours);
        for (unsigned reg = 0; reg < 32; ++reg)
            EXPECT_EQ(ours[reg], theirs[reg]) << "x" << reg << ", seed " << seed;
    }
    std::filesystem::remove_all(folder);
}

TEST(Compressed, what_is_no_instruction) {
    for (const std::uint16_t parcel :
         {0x0000, 0x2000, 0x6000, 0x8000, 0xa000, 0xe000,          // quadrant 0: reserved, FP
          0x6081 & 0xef83, 0x6101, 0x9c01, 0x9c21, 0x9c41, 0x9401, // lui 0, addi16sp 0, RV64 ones
          0x8002, 0x4002, 0x1082, 0x2002, 0x6002, 0xa002, 0xe002}) // jr x0, lwsp x0, slli 32, FP
        EXPECT_EQ(controller::expand_compressed(parcel), 0u) << std::hex << parcel;
    EXPECT_EQ(controller::expand_compressed(0x9002), 0x00100073u); // ebreak
    EXPECT_EQ(controller::expand_compressed(0x7179), 0xfd010113u); // addi sp, sp, -48
    EXPECT_EQ(controller::expand_compressed(0xd606), 0x02112623u); // sw ra, 44(sp)
    EXPECT_EQ(controller::expand_compressed(0x50b2), 0x02c12083u); // lw ra, 44(sp)
    EXPECT_EQ(controller::expand_compressed(0x8082), 0x00008067u); // ret
}

} // namespace
} // namespace brgpu::test
