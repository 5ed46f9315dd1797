// SPDX-License-Identifier: MIT
//
// The cache of compiled kernels, and the thread that compiles them.
#include "jit.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>

namespace brgpu::simt {

using jit::Compiled;
using jit::Entry;
using jit::Key;
using jit::State;

namespace {

// Warp instructions that a kernel must have cost before it is worth compiling.
constexpr uint64_t worth_compiling = 200'000;
// Exits after which an assumption is given up, and runs after which a kernel is left to the
// interpreter because it seems to spend its time waiting.
constexpr uint32_t patience_with_guards = 8;
constexpr uint32_t patience_with_waiting = 16;

std::string folder_of_this_code() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<const void *>(&folder_of_this_code), &info) || !info.dli_fname)
        return ".";
    const std::string path = info.dli_fname;
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

} // namespace

namespace jit {

std::shared_ptr<Backend> Backend::open(std::string &problem) {
    // Beside the model, or where programs that contain it find libraries.
    const std::string folder = folder_of_this_code();
    void *module = nullptr;
    for (const char *place : {"/libbrgpu-jit.so", "/../lib/libbrgpu-jit.so"}) {
        module = dlopen((folder + place).c_str(), RTLD_NOW | RTLD_LOCAL);
        if (module)
            break;
        const char *error = dlerror();
        problem = error ? error : "can't be loaded";
    }
    if (!module)
        return nullptr;
    const auto entry = reinterpret_cast<const Library *(*)()>(dlsym(module, library_symbol));
    const Library *library = entry ? entry() : nullptr;
    if (!library || library->version != abi_version) {
        problem = "libbrgpu-jit.so is of another version than the model";
        dlclose(module);
        return nullptr;
    }
    void *compiler = library->create();
    if (!compiler) {
        problem = std::string(library->description) + " can't compile for this host";
        dlclose(module);
        return nullptr;
    }
    std::shared_ptr<Backend> backend(new Backend);
    backend->module_ = module;
    backend->library_ = library;
    backend->compiler_ = compiler;
    return backend;
}

Backend::~Backend() {
    release_dead();
    library_->destroy(compiler_);
    dlclose(module_);
}

bool Backend::compile(const Request &request, Kernel &kernel, std::string &problem) {
    char error[256] = "";
    const std::lock_guard lock(compiling_);
    release_dead();
    const bool good = library_->compile(compiler_, request, kernel, error, sizeof(error));
    if (!good)
        problem = error;
    release_dead();
    return good;
}

void Backend::release(void *handle) noexcept {
    {
        const std::lock_guard lock(dead_mutex_);
        dead_.push_back(handle);
    }
    if (compiling_.try_lock()) {
        release_dead();
        compiling_.unlock();
    }
}

void Backend::release_dead() noexcept {
    std::vector<void *> dead;
    {
        const std::lock_guard lock(dead_mutex_);
        dead.swap(dead_);
    }
    for (void *handle : dead)
        library_->release(compiler_, handle);
}

Compiled::~Compiled() {
    if (kernel.handle)
        backend->release(kernel.handle);
}

} // namespace jit

Jit::Jit(JitMode mode, uint64_t cache_bytes) : impl_(std::make_unique<Impl>(mode, cache_bytes)) {}
Jit::~Jit() = default;

void Jit::set_mode(JitMode mode) noexcept {
    impl_->mode.store(mode);
}

JitMode Jit::mode() const noexcept {
    return impl_->mode.load();
}

bool Jit::available(std::string *problem) {
    const bool found = impl_->open() != nullptr;
    if (problem && !found) {
        const std::lock_guard lock(impl_->mutex);
        *problem = impl_->problem;
    }
    return found;
}

std::string Jit::last_failure() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->problem;
}

JitStatistics Jit::statistics() const noexcept {
    const std::lock_guard lock(impl_->mutex);
    JitStatistics s = impl_->counts;
    s.instructions = impl_->instructions.load(std::memory_order_relaxed);
    for (size_t i = 0; i < std::size(s.exits); ++i)
        s.exits[i] = impl_->exits[i].load(std::memory_order_relaxed);
    return s;
}

const char *Jit::exit_name(size_t reason) noexcept {
    static constexpr const char *names[] = {"none",     "unsupported", "access", "guard",
                                            "indirect", "divergence",  "poll"};
    static_assert(std::size(names) == static_cast<size_t>(jit::ExitReason::count) &&
                  std::size(names) == jit_exit_reasons);
    return reason < std::size(names) ? names[reason] : "?";
}

std::optional<JitMode> Jit::mode_by_name(std::string_view name) noexcept {
    for (const JitMode mode : {JitMode::off, JitMode::automatic, JitMode::sync})
        if (name == mode_name(mode))
            return mode;
    return std::nullopt;
}

const char *Jit::mode_name(JitMode mode) noexcept {
    static constexpr const char *names[] = {"off", "auto", "sync"};
    return names[static_cast<size_t>(mode)];
}

Jit::Impl::~Impl() {
    {
        const std::lock_guard lock(mutex);
        quit = true;
    }
    wake.notify_all();
    if (thread.joinable())
        thread.join();
}

std::shared_ptr<jit::Backend> Jit::Impl::open() {
    const std::lock_guard lock(mutex);
    if (!tried) {
        tried = true;
        backend = jit::Backend::open(problem);
    }
    return backend;
}

Compiled *Jit::Impl::find(jit::Runner &runner, Context &c, const Workgroup::Impl &group,
                          bool again) {
    const JitMode how = mode.load(std::memory_order_relaxed);
    if (how == JitMode::off)
        return nullptr;
    const uint64_t epoch = c.worker->tlb_epoch;
    jit::Shape shape;
    shape.private_bytes = static_cast<uint32_t>(group.private_bytes);
    shape.one_dimension = group.local_size[1] == 1 && group.local_size[2] == 1;
    shape.partial = group.work_items % lanes != 0;
    shape.x_multiple = 1;
    while (shape.x_multiple < lanes && group.local_size[0] % (2 * shape.x_multiple) == 0)
        shape.x_multiple *= 2;
    if (shape.one_dimension)
        shape.x_multiple = lanes;
    if (!runner.entry || runner.dispatch_serial != c.dispatch->serial() || runner.epoch != epoch ||
        !(runner.shape == shape)) {
        runner.entry.reset();
        if (!open())
            return nullptr;
        runner.entry = entry_for({c.memory->id(), c.dispatch->entry_pc(), shape, c.build->name}, c);
        runner.dispatch_serial = c.dispatch->serial();
        runner.epoch = epoch;
        runner.shape = shape;
    }
    if (!runner.entry)
        return nullptr;
    State state = runner.entry->state.load(std::memory_order_acquire);
    if (state == State::cold) {
        if (how == JitMode::sync)
            compile(runner.entry);
        else if (runner.entry->heat.load(std::memory_order_relaxed) >= worth_compiling)
            request(runner.entry);
        state = runner.entry->state.load(std::memory_order_acquire);
    }
    if (state != State::ready)
        return nullptr;
    Compiled *compiled = runner.entry->compiled.get();
    // What has been assumed in vain is not assumed in the next code of this kernel.
    Key key = runner.entry->key;
    if (compiled->guard_exits.load(std::memory_order_relaxed) > patience_with_guards)
        key.shape.affine_guards = false;
    if (compiled->private_exits.load(std::memory_order_relaxed) > patience_with_guards)
        key.shape.uniform_loads = false;
    if (!(key == runner.entry->key)) {
        runner.entry = entry_for(key, c);
        if (runner.entry && runner.entry->state.load() == State::cold)
            runner.entry->heat.store(worth_compiling);
        return again ? find(runner, c, group, false) : nullptr;
    }
    if (compiled->long_runs.load(std::memory_order_relaxed) > patience_with_waiting)
        return nullptr;
    return compiled;
}

void Jit::Impl::note_interpreted(const jit::Runner &runner, uint64_t count) noexcept {
    if (runner.entry)
        runner.entry->heat.fetch_add(count, std::memory_order_relaxed);
}

// The entry of the code as it now is. What has been found wrong about earlier code is forgotten.
std::shared_ptr<Entry> Jit::Impl::entry_for(const Key &key, Context &c) try {
    const uint64_t epoch = c.worker->tlb_epoch;
    std::shared_ptr<Entry> found;
    {
        const std::lock_guard lock(mutex);
        for (const auto &entry : entries)
            if (entry->key == key)
                found = entry;
        if (found) {
            found->used = ++clock;
            if (found->checked_epoch == epoch)
                return found;
        }
    }
    // Outside the lock: translation may take its time.
    std::vector<jit::CodeUnit> code = jit::collect(c, key.entry);
    if (code.empty())
        return nullptr;
    const auto same = [](const std::vector<jit::CodeUnit> &a, const std::vector<jit::CodeUnit> &b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](const jit::CodeUnit &x, const jit::CodeUnit &y) {
                              return x.pc == y.pc && x.insn.raw == y.insn.raw &&
                                     x.insn.op == y.insn.op;
                          });
    };
    const std::lock_guard lock(mutex);
    if (found && same(found->code, code)) {
        found->checked_epoch = epoch;
        return found;
    }
    auto fresh = std::make_shared<Entry>();
    fresh->key = key;
    fresh->code = std::move(code);
    fresh->checked_epoch = epoch;
    fresh->used = ++clock;
    entries.remove_if([&](const auto &entry) { return entry->key == key; });
    entries.push_back(fresh);
    return fresh;
} catch (const std::bad_alloc &) {
    return nullptr;
}

void Jit::Impl::compile(const std::shared_ptr<Entry> &entry) {
    std::shared_ptr<jit::Backend> to = open();
    if (!to || entry->state.load() == State::ready)
        return;
    auto compiled = std::make_shared<Compiled>();
    compiled->backend = to;
    char name[64];
    std::snprintf(name, sizeof(name), "brgpu.kernel.%llx",
                  static_cast<unsigned long long>(entry->key.entry));
    const jit::Request request = {entry->code.data(), entry->code.size(), entry->key.entry,
                                  entry->key.shape,   entry->key.isa,     name};
    std::string why;
    const bool good = to->compile(request, compiled->kernel, why);
    const std::lock_guard lock(mutex);
    if (entry->state.load() == State::ready)
        return; // another thread was faster
    if (good) {
        entry->compiled = std::move(compiled);
        ++counts.compilations;
        counts.code_bytes += entry->compiled->kernel.code_bytes;
    } else {
        problem = why;
        ++counts.failures;
    }
    entry->state.store(good ? State::ready : State::failed, std::memory_order_release);
    trim();
}

// Drops the kernels that have not been used for longest. Workers that run one keep it alive.
void Jit::Impl::trim() {
    while (counts.code_bytes > cache_limit && entries.size() > 1) {
        auto oldest = entries.end();
        for (auto it = entries.begin(); it != entries.end(); ++it)
            if ((*it)->compiled && (oldest == entries.end() || (*it)->used < (*oldest)->used))
                oldest = it;
        if (oldest == entries.end())
            return;
        counts.code_bytes -= (*oldest)->compiled->kernel.code_bytes;
        ++counts.evictions;
        entries.erase(oldest);
    }
}

void Jit::Impl::request(const std::shared_ptr<Entry> &entry) {
    {
        const std::lock_guard lock(mutex);
        if (entry->state.load() != State::cold)
            return;
        entry->state.store(State::queued);
        queue.push_back(entry);
        if (!thread.joinable())
            thread = std::thread([this] { serve(); });
    }
    wake.notify_one();
}

void Jit::Impl::serve() noexcept {
    for (;;) {
        std::shared_ptr<Entry> next;
        {
            std::unique_lock lock(mutex);
            wake.wait(lock, [this] { return quit || !queue.empty(); });
            if (quit)
                return;
            next = std::move(queue.front());
            queue.pop_front();
        }
        compile(next);
    }
}

} // namespace brgpu::simt
