// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <unistd.h>

namespace brgpu::simt::test {

void PagedMemory::map(uint64_t va, uint64_t bytes, uint8_t rights) {
    const std::lock_guard lock(mutex_);
    for (uint64_t page = va & ~(page_bytes - 1); page < va + bytes; page += page_bytes) {
        Page &entry = pages_[page];
        if (!entry.bytes)
            entry.bytes = std::make_shared<std::array<std::byte, page_bytes>>();
        entry.rights = rights;
    }
}

void PagedMemory::unmap(uint64_t va, uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    for (uint64_t page = va & ~(page_bytes - 1); page < va + bytes; page += page_bytes)
        pages_.erase(page);
}

void PagedMemory::map_null(uint64_t va) {
    map(va, page_bytes);
    const std::lock_guard lock(mutex_);
    Page &page = pages_[va];
    page.sink = std::make_shared<std::array<std::byte, page_bytes>>();
    page.sink->fill(std::byte{0x5a}); // what must never be read
}

void PagedMemory::alias(uint64_t va, uint64_t target) {
    const std::lock_guard lock(mutex_);
    const Page page = pages_.at(target);
    pages_[va] = page;
}

std::byte *PagedMemory::host(uint64_t va) const {
    const std::lock_guard lock(mutex_);
    return pages_.at(va & ~(page_bytes - 1)).bytes->data() + va % page_bytes;
}

void PagedMemory::write(uint64_t va, const void *from, size_t bytes) {
    const auto *at = static_cast<const std::byte *>(from);
    for (; bytes; --bytes, ++va)
        *host(va) = *at++;
}

void PagedMemory::read(uint64_t va, void *to, size_t bytes) const {
    auto *at = static_cast<std::byte *>(to);
    while (bytes) {
        const size_t piece = std::min<size_t>(bytes, page_bytes - va % page_bytes);
        std::memcpy(at, host(va), piece);
        va += piece;
        at += piece;
        bytes -= piece;
    }
}

PageMapping PagedMemory::map_page(uint64_t page_va, uint8_t) noexcept {
    const std::lock_guard lock(mutex_);
    ++lookups;
    const auto found = pages_.find(page_va);
    if (found == pages_.end())
        return {nullptr, 0, no_page_fault};
    const Page &page = found->second;
    return {page.bytes->data(), page.rights, 0, page.sink ? page.sink->data() : nullptr};
}

bool have_assembler() {
    static const bool found = std::system(SIMT_CLANG " --version > /dev/null 2>&1") == 0;
    return found;
}

std::vector<std::byte> assemble(const std::string &text, uint64_t va) {
    static std::map<std::pair<std::string, uint64_t>, std::vector<std::byte>> known;
    auto &bytes = known[{text, va}];
    if (!bytes.empty())
        return bytes;
    namespace fs = std::filesystem;
    std::string folder = (fs::temp_directory_path() / "brgpu-simt-XXXXXX").string();
    if (!mkdtemp(folder.data()))
        throw std::runtime_error("no temporary folder");
    std::ofstream(folder + "/k.S") << "#include \"" SIMT_SOURCE_DIR "/isa.inc\"\n" << text << "\n";
    char options[512];
    std::snprintf(options, sizeof(options),
                  SIMT_CLANG " --target=riscv64 -march=" BRGPU_ISA_MARCH " -mno-relax -nostdlib "
                             "-fuse-ld=" SIMT_LLD " -static -Wl,--oformat=binary,-Ttext=0x%llx,-N",
                  static_cast<unsigned long long>(va));
    const std::string command =
        std::string(options) + " " + folder + "/k.S -o " + folder + "/k.bin 2> " + folder + "/log";
    const int status = std::system(command.c_str());
    std::ifstream log(folder + "/log"), binary(folder + "/k.bin", std::ios::binary);
    const std::string messages{std::istreambuf_iterator<char>(log), {}};
    const std::string image{std::istreambuf_iterator<char>(binary), {}};
    fs::remove_all(folder);
    if (status != 0)
        throw std::runtime_error("assembler: " + messages);
    bytes.resize(image.size());
    std::memcpy(bytes.data(), image.data(), image.size());
    return bytes;
}

Rig::Rig(const std::string &text, uint32_t private_bytes, uint32_t local_bytes) {
    const std::vector<std::byte> code = assemble(text);
    memory.map(code_va, code.size());
    memory.write(code_va, code.data(), code.size());
    memory.map(data_va, 1 << 20);
    params.kernel.magic = BRGPU_KERNEL_DESC_MAGIC;
    params.kernel.isa_major = BRGPU_ISA_MAJOR;
    params.kernel.private_bytes = private_bytes;
    params.kernel.static_local_bytes = local_bytes;
    params.kernel_va = code_va - 64;
    params.kernel.entry_offset = 64;
    params.kernarg_va = data_va;
}

std::unique_ptr<Dispatch> Rig::dispatch(uint32_t grid, uint32_t workgroup) {
    params.grid[0] = grid;
    params.workgroup[0] = workgroup;
    const DispatchError error = check_dispatch(params);
    if (error != DispatchError::none)
        throw std::runtime_error(to_string(error));
    return std::make_unique<Dispatch>(params, memory, host, nullptr, jit_of_environment());
}

Outcome Rig::run(uint32_t grid, uint32_t workgroup) {
    const auto d = dispatch(grid, workgroup);
    return run_dispatch(*d, worker, limits);
}

} // namespace brgpu::simt::test
