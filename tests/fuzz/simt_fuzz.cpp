// SPDX-License-Identifier: MIT
//
// libFuzzer target of the SIMT engine: the input is code, descriptors and a schedule. Whatever it
// says, the engine must neither crash nor run on when told to stop, and a saved workgroup must come
// back as it was.
#include <cstdlib>
#include <cstring>
#include <optional>

#include "../unit/simt/support.hpp"

using namespace brgpu::simt;
using namespace brgpu::simt::test;

namespace {

// Random words are illegal instructions nearly always. This makes a word one of a legal major
// opcode, with a base register that points somewhere and a short branch.
uint32_t shape(uint32_t word) {
    constexpr uint32_t opcodes[] = {0x03, 0x23, 0x13, 0x1b, 0x33, 0x3b, 0x63, 0x63,
                                    0x2f, 0x07, 0x27, 0x53, 0x43, 0x0b, 0x2b, 0x73,
                                    0x67, 0x6f, 0x37, 0x17, 0x0f, 0x13, 0x33, 0x03};
    constexpr uint32_t bases[] = {10, 10, 2, 4, 10, 2, 4, 5};
    const uint32_t opcode = opcodes[(word & 127) % (sizeof(opcodes) / sizeof(opcodes[0]))];
    word = (word & ~127u) | opcode;
    switch (opcode) {
    case 0x03:
    case 0x23:
    case 0x07:
    case 0x27:
    case 0x2f:
        return (word & ~0xf8000u) | bases[word >> 15 & 7] << 15;
    case 0x63: // within 64 bytes, either way
        return (word >> 31 ? word | 0x7c000080u : word & ~0x7c000080u) & ~0x100u;
    case 0x6f:
        return (word & 0x8c000fffu) | (word >> 31 ? 0x7f7ff000u & 0x73fff000u : 0);
    case 0x0b:
        return word & 0x7000u ? word & ~0x6000u & ~0x1f00000u : word & 0x0e00707fu;
    case 0x2b:
        return word & 0x0e0f807fu;
    default:
        return word;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    constexpr size_t header = 8;
    if (size < header + 2 || size > 4 * page_bytes)
        return 0;
    static Worker worker;
    PagedMemory memory;
    CountingHost host;
    // Code in two pages, the second of which may lack rights; data behind it; holes between.
    memory.map(code_va, page_bytes);
    memory.map(code_va + page_bytes, page_bytes, data[0] & 15);
    memory.map(data_va, 2 * page_bytes);
    memory.map(0xfffffffff000, page_bytes);
    std::vector<uint8_t> code(data + header, data + size);
    if (data[6] & 3)
        for (size_t i = 0; i + 4 <= code.size(); i += 4) {
            uint32_t word;
            std::memcpy(&word, &code[i], 4);
            if (data[6] & 2 || (word & 3) == 3)
                word = shape(word);
            std::memcpy(&code[i], &word, 4);
        }
    memory.write(code_va, code.data(), std::min<size_t>(code.size(), 2 * page_bytes));
    memory.write(data_va, data + header, std::min<size_t>(size - header, 2 * page_bytes));

    DispatchParams params;
    params.kernel.magic = BRGPU_KERNEL_DESC_MAGIC;
    params.kernel.isa_major = BRGPU_ISA_MAJOR;
    params.kernel.private_bytes = (data[1] & 15) * 64u;
    params.kernel.static_local_bytes = data[2] * 16u;
    params.kernel_va = code_va - 64;
    params.kernel.entry_offset = 64;
    params.kernarg_va = data_va;
    params.workgroup[0] = 1 + data[3] % 100;
    params.grid[0] = params.workgroup[0];
    if (check_dispatch(params) != DispatchError::none)
        abort();
    Dispatch dispatch(params, memory, host);

    std::optional<Workgroup> group(std::in_place);
    if (!group->start(dispatch, 0, 0))
        return 0;
    RunLimits limits;
    limits.budget = 200 + data[4] * 8u;
    for (int turn = 0; turn < 8; ++turn) {
        const Outcome out = group->run(worker, limits);
        // A safe point comes after a page of straight-line code at the latest, 64 of them to a
        // poll.
        if (out.counters.instructions > limits.budget + 64 * 2049 + 4096)
            abort();
        if (out.status == Status::finished)
            break;
        if (out.status == Status::faulted) {
            if (out.fault.code != FaultCode::memory)
                break;
            memory.map(out.fault.va & ~(page_bytes - 1) & 0xffffffffffff, page_bytes);
            memory.invalidate_translations();
        }
        if (data[5] >> turn & 1) {
            const std::vector<std::byte> image = group->save();
            if (image.size() > dispatch.max_image_bytes())
                abort();
            group.emplace();
            if (!group->restore(dispatch, image) || group->save() != image)
                abort();
        }
    }
    return 0;
}
