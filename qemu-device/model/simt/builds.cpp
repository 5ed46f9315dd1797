// SPDX-License-Identifier: MIT
//
// Which build of the interpreter runs on this host.
#include "builds.hpp"

#include <cstring>

#include "context.hpp"

namespace brgpu::simt {

extern const InterpreterBuild interpreter_baseline;
#if defined(__x86_64__)
extern const InterpreterBuild interpreter_avx2;
extern const InterpreterBuild interpreter_avx512;
#endif

namespace {

const InterpreterBuild *find(const char *name) noexcept {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    if (avx512 && (!name || std::strcmp(name, interpreter_avx512.name) == 0))
        return &interpreter_avx512;
    if (avx2 && (!name || std::strcmp(name, interpreter_avx2.name) == 0))
        return &interpreter_avx2;
#endif
    if (!name || std::strcmp(name, interpreter_baseline.name) == 0)
        return &interpreter_baseline;
    return nullptr;
}

std::atomic<const InterpreterBuild *> selected{nullptr};
thread_local const InterpreterBuild *of_thread = nullptr;

} // namespace

const InterpreterBuild *find_build(const char *name) noexcept {
    return find(name);
}

const char *name_of(const InterpreterBuild &build) noexcept {
    return build.name;
}

void use_build(const InterpreterBuild *build) noexcept {
    of_thread = build;
}

const InterpreterBuild &current_build() noexcept {
    if (of_thread)
        return *of_thread;
    const InterpreterBuild *build = selected.load(std::memory_order_relaxed);
    if (!build) {
        build = find(nullptr);
        selected.store(build, std::memory_order_relaxed);
    }
    return *build;
}

const char *Worker::isa_name() noexcept {
    return current_build().name;
}

bool Worker::select_isa(const char *name) noexcept {
    const InterpreterBuild *build = find(name);
    if (build)
        selected.store(build, std::memory_order_relaxed);
    return build != nullptr;
}

} // namespace brgpu::simt
