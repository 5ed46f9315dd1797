// SPDX-License-Identifier: MIT
#include "../report.hpp"

#include "boundary.hpp"

using namespace brgpu::umd;

brgpu_status brgpu_report_create(brgpu_vm *vm, const brgpu_report_create_info *info,
                                 brgpu_report **report) {
    return at_boundary([&] {
        auto owner = object_of(vm, "vm");
        require(report, "report");
        const auto known = read_info(info, "report info", true);
        if (known.pad)
            raise(BRGPU_ERROR_INVALID_ARGUMENT, "brgpu: report: the pad is not zero");
        auto code = known.code ? object_of(known.code, "code object") : nullptr;
        *report = make_handle<brgpu_report>(
            std::make_shared<Report>(std::move(owner), known.flags, std::move(code)));
    });
}

void brgpu_report_destroy(brgpu_report *report) {
    destroy_handle(report);
}

brgpu_status brgpu_report_get_counters(brgpu_report *report, brgpu_dispatch_counters *counters) {
    return at_boundary([&] {
        auto object = object_of(report, "report");
        check_out(counters, "counters");
        write_info(counters, object->counters());
    });
}

brgpu_status brgpu_report_get_profile(brgpu_report *report, brgpu_profile_count *counts,
                                      uint32_t *count) {
    return at_boundary(
        [&] { return write_array(counts, count, object_of(report, "report")->profile()); });
}
