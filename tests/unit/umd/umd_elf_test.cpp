// SPDX-License-Identifier: MIT
#include <cstring>
#include <elf.h>
#include <functional>

#include <gtest/gtest.h>

#include "elf_image.hpp"
#include "error.hpp"

using namespace brgpu::umd;

namespace {

// A code object with one writable and one executable segment and no kernel.
struct File {
    Elf64_Ehdr header = {};
    Elf64_Phdr segments[2] = {};
    Elf64_Rela relocation = {};
    Elf64_Dyn dynamic[4] = {};
    char code[16] = {};

    File() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_DYN;
        header.e_machine = EM_RISCV;
        header.e_phoff = offsetof(File, segments);
        header.e_phnum = 2;
        header.e_phentsize = sizeof(Elf64_Phdr);
        segments[0] = {PT_LOAD, PF_R | PF_W, 0, 0, 0, sizeof(File), sizeof(File), 4096};
        segments[1] = {PT_LOAD, PF_R | PF_X, offsetof(File, code), 0x2000, 0, 16, 64, 4096};
    }
    std::span<const std::byte> bytes() const {
        return {reinterpret_cast<const std::byte *>(this), sizeof(*this)};
    }
    void use_dynamic() {
        segments[1] = {PT_DYNAMIC,
                       PF_R,
                       offsetof(File, dynamic),
                       offsetof(File, dynamic),
                       0,
                       sizeof(dynamic),
                       sizeof(dynamic),
                       8};
        dynamic[0] = {DT_RELA, {offsetof(File, relocation)}};
        dynamic[1] = {DT_RELASZ, {sizeof(Elf64_Rela)}};
        relocation = {offsetof(File, code), ELF64_R_INFO(0, R_RISCV_RELATIVE), 0x10};
    }
};

void expect_refused(const std::function<void(File &)> &damage) {
    File file;
    damage(file);
    try {
        parse_elf(file.bytes());
        ADD_FAILURE() << "accepted";
    } catch (const Error &error) {
        EXPECT_EQ(BRGPU_ERROR_CODE_OBJECT, error.status()) << error.what();
    }
}

} // namespace

TEST(ElfImage, PlainFileIsAccepted) {
    const ElfImage image = parse_elf(File().bytes());
    EXPECT_EQ(2u, image.segments.size());
    EXPECT_EQ(0x3000u, image.span_bytes);
    EXPECT_TRUE(image.kernels.empty());
}

TEST(ElfImage, HeadersAreChecked) {
    expect_refused([](File &f) { f.header.e_ident[0] = 0; });
    expect_refused([](File &f) { f.header.e_machine = EM_X86_64; });
    expect_refused([](File &f) { f.header.e_type = ET_EXEC; });
    expect_refused([](File &f) { f.header.e_phnum = 0; });
    expect_refused([](File &f) { f.header.e_phnum = 60; });
    expect_refused([](File &f) { f.header.e_phoff = UINT64_MAX - 8; });
    expect_refused([](File &f) { f.header.e_shnum = 3, f.header.e_shoff = 1 << 30; });
    EXPECT_THROW(parse_elf({}), Error);
}

TEST(ElfImage, SegmentsAreChecked) {
    expect_refused([](File &f) { f.segments[0].p_flags |= PF_X; });
    expect_refused([](File &f) { f.segments[1].p_vaddr = 0x800; });
    expect_refused([](File &f) { f.segments[1].p_filesz = 65; });
    expect_refused([](File &f) { f.segments[1].p_offset = UINT64_MAX; });
    expect_refused([](File &f) { f.segments[1].p_memsz = UINT64_MAX; });
    expect_refused([](File &f) { f.segments[1].p_vaddr = UINT64_MAX - 4; });
    expect_refused([](File &f) { f.segments[1].p_align = 3; });
    expect_refused([](File &f) { f.segments[1].p_align = 1 << 20; });
    expect_refused([](File &f) { f.segments[1].p_type = PT_INTERP; });
}

TEST(ElfImage, RelocationsAreChecked) {
    File good;
    good.use_dynamic();
    EXPECT_EQ(1u, parse_elf(good.bytes()).relocations.size());
    const auto refused = [](const std::function<void(File &)> &damage) {
        expect_refused([&](File &f) {
            f.use_dynamic();
            damage(f);
        });
    };
    refused([](File &f) { f.relocation.r_offset = sizeof(File) - 4; });
    refused([](File &f) { f.relocation.r_offset = UINT64_MAX; });
    refused([](File &f) { f.relocation.r_info = ELF64_R_INFO(0, R_RISCV_JUMP_SLOT); });
    refused([](File &f) { f.relocation.r_info = ELF64_R_INFO(1, R_RISCV_64); });
    refused([](File &f) { f.dynamic[0].d_un.d_val = 1 << 20; });
    refused([](File &f) { f.dynamic[1].d_un.d_val = 25; });
    refused([](File &f) { f.dynamic[2] = {DT_NEEDED, {1}}; });
    refused([](File &f) { f.dynamic[2] = {DT_INIT_ARRAYSZ, {8}}; });
    refused([](File &f) { f.dynamic[2] = {DT_TEXTREL, {0}}; });
}
