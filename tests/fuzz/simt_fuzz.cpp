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
    memory.write(code_va, data + header, std::min<size_t>(size - header, 2 * page_bytes));
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
        // A safe point comes after a page of straight-line code at the latest, 64 of them to a poll.
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
