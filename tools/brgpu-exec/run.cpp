// SPDX-License-Identifier: MIT
#include "run.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "counters.hpp"
#include "suggestion.hpp"

namespace brgpu::exec {

namespace {

constexpr uint64_t transfer_timeout_ns = 120000000000;

std::vector<std::byte> read_file(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw UsageError(fmt::format("{}: {}", path, std::strerror(errno)));
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    if (file.bad())
        throw UsageError(fmt::format("{}: read error", path));
    const auto *start = reinterpret_cast<const std::byte *>(bytes.data());
    return std::vector<std::byte>(start, start + bytes.size());
}

// Written to a file beside and renamed, so that a failure leaves no half file.
void write_file(const std::string &path, const std::vector<std::byte> &bytes) {
    const std::string temporary = path + ".part";
    {
        std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
        file.write(reinterpret_cast<const char *>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
        file.close();
        if (!file) {
            std::remove(temporary.c_str());
            throw std::runtime_error(
                fmt::format("{}: can't be written: {}", path, std::strerror(errno)));
        }
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0)
        throw std::runtime_error(fmt::format("{}: {}", path, std::strerror(errno)));
}

const char *kind_text(uint32_t kind) {
    switch (kind) {
    case BRGPU_ARGUMENT_GLOBAL:
        return "a buffer (in:, out:, inout:, zero:)";
    case BRGPU_ARGUMENT_LOCAL:
        return "local memory (local:BYTES)";
    default:
        return "a value";
    }
}

struct Binding {
    ArgumentSpec spec;
    std::vector<std::byte> initial; // of buffers with an input
    Buffer buffer;
};

std::string signature(const Kernel &kernel) {
    const auto properties = kernel.properties();
    std::string text = fmt::format("{}(", properties.name);
    for (uint32_t i = 0; i < properties.arg_count; ++i) {
        const auto a = kernel.argument(i);
        text += fmt::format("{}{} {}", i ? ", " : "", a.type_name, a.name);
    }
    return text + ")";
}

void list_kernels(const CodeObject &code, bool json) {
    nlohmann::json all = nlohmann::json::array();
    for (const std::string &name : code.kernel_names()) {
        const Kernel kernel = code.kernel(name);
        const auto p = kernel.properties();
        if (!json) {
            fmt::print("{}\n  local {} bytes, private {} bytes a work-item, workgroup up to {}",
                       signature(kernel), p.static_local_bytes, p.private_bytes, p.max_workgroup);
            if (p.required_workgroup[0])
                fmt::print(", required {} x {} x {}", p.required_workgroup[0],
                           p.required_workgroup[1], p.required_workgroup[2]);
            fmt::print("\n");
            continue;
        }
        nlohmann::json arguments = nlohmann::json::array();
        for (uint32_t i = 0; i < p.arg_count; ++i) {
            const auto a = kernel.argument(i);
            static constexpr const char *kinds[] = {"value", "global", "local"};
            arguments.push_back({{"name", a.name},
                                 {"type", a.type_name},
                                 {"kind", kinds[std::min(a.kind, 2u)]},
                                 {"size", a.size}});
        }
        all.push_back({{"name", p.name},
                       {"arguments", arguments},
                       {"local_bytes", p.static_local_bytes},
                       {"private_bytes", p.private_bytes},
                       {"max_workgroup", p.max_workgroup},
                       {"required_workgroup", p.required_workgroup}});
    }
    if (json)
        fmt::print("{}\n", nlohmann::json{{"kernels", all}}.dump(2));
}

Kernel find_kernel(const CodeObject &code, const Options &options) {
    const auto names = code.kernel_names();
    if (std::find(names.begin(), names.end(), options.kernel) != names.end())
        return code.kernel(options.kernel);
    std::string text = fmt::format("{} has no kernel '{}'", options.file, options.kernel);
    if (const std::string near = nearest(options.kernel, names); !near.empty())
        text += fmt::format("; did you mean '{}'?", near);
    else if (!names.empty())
        text += fmt::format("; it has {}", fmt::join(names, ", "));
    throw UsageError(text);
}

void check_kind(const Kernel &kernel, uint32_t index, const ArgumentSpec &spec) {
    const auto info = kernel.argument(index);
    using Kind = ArgumentSpec::Kind;
    const bool fits = spec.kind == Kind::value   ? info.kind == BRGPU_ARGUMENT_VALUE
                      : spec.kind == Kind::local ? info.kind == BRGPU_ARGUMENT_LOCAL
                                                 : info.kind == BRGPU_ARGUMENT_GLOBAL;
    if (!fits && !(info.kind == BRGPU_ARGUMENT_VALUE && spec.kind == Kind::in))
        throw UsageError(fmt::format("argument {} of {} ({} {}) takes {}, not '{}'", index,
                                     kernel.properties().name, info.type_name, info.name,
                                     kind_text(info.kind), spec.text));
    if (spec.kind == Kind::value && spec.value.size() != info.size)
        throw UsageError(fmt::format("argument {} of {} ({} {}) has {} bytes, '{}' has {}", index,
                                     kernel.properties().name, info.type_name, info.name, info.size,
                                     spec.text, spec.value.size()));
}

// What needs no device is read and checked before anything is allocated.
std::vector<Binding> bind_arguments(const Kernel &kernel, const Options &options) {
    const auto properties = kernel.properties();
    std::vector<Binding> bindings;
    for (const std::string &text : options.arguments) {
        Binding binding;
        binding.spec = parse_argument(text);
        bindings.push_back(std::move(binding));
    }
    if (bindings.size() != properties.arg_count)
        throw UsageError(fmt::format("{} takes {} arguments, {} are given", signature(kernel),
                                     properties.arg_count, bindings.size()));
    for (uint32_t i = 0; i < bindings.size(); ++i) {
        Binding &binding = bindings[i];
        check_kind(kernel, i, binding.spec);
        if (!binding.spec.input.empty()) {
            binding.initial = read_file(binding.spec.input);
            if (binding.initial.empty())
                throw UsageError(fmt::format("{}: the file is empty", binding.spec.input));
        }
    }
    return bindings;
}

void place(Binding &binding, uint32_t index, const Kernel &kernel, const Vm &vm,
           const Queue &queue) {
    const ArgumentSpec &spec = binding.spec;
    if (kernel.argument(index).kind == BRGPU_ARGUMENT_VALUE) {
        const auto &value = spec.kind == ArgumentSpec::Kind::value ? spec.value : binding.initial;
        check(brgpu_kernel_set_value(kernel.get(), index, value.data(), value.size()));
        return;
    }
    if (spec.kind == ArgumentSpec::Kind::local) {
        kernel.set_local(index, spec.bytes);
        return;
    }
    const uint64_t bytes = binding.initial.empty() ? spec.bytes : binding.initial.size();
    binding.buffer = Buffer(vm, bytes, BRGPU_PLACEMENT_VRAM | BRGPU_PLACEMENT_SYSTEM);
    if (!binding.initial.empty())
        queue.upload(binding.buffer, binding.initial, transfer_timeout_ns);
    kernel.set(index, binding.buffer);
}

struct Times {
    std::vector<double> device_ms;
    std::vector<double> host_ms;
    brgpu_dispatch_counters counters = {}; // of the last run, if they are wanted
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

nlohmann::json summary(const std::vector<double> &values) {
    return {{"first_ms", values.front()},
            {"median_ms", median(values)},
            {"min_ms", *std::min_element(values.begin(), values.end())},
            {"max_ms", *std::max_element(values.begin(), values.end())}};
}

// Every run starts from the same data, so that the output doesn't depend on their number.
void start_anew(const std::vector<Binding> &bindings, const Vm &vm, const Queue &queue) {
    Commands fills(vm);
    bool any = false;
    for (const Binding &binding : bindings) {
        if (!binding.buffer.address())
            continue;
        if (!binding.initial.empty()) {
            queue.upload(binding.buffer, binding.initial, transfer_timeout_ns);
        } else {
            fills.fill(binding.buffer.address(), uint8_t{0}, binding.buffer.bytes());
            any = true;
        }
    }
    if (any)
        queue.wait(queue.submit(fills), transfer_timeout_ns);
}

Times launch(const Options &options, const Kernel &kernel, const std::vector<Binding> &bindings,
             brgpu_dispatch_info grid, const Device &device, const Vm &vm, const Queue &queue) {
    const Buffer stamps(vm, 16, BRGPU_PLACEMENT_SYSTEM, BRGPU_MEMORY_CPU_VISIBLE);
    auto *times = static_cast<volatile uint64_t *>(vm.cpu_pointer(stamps.address()));
    const double tick_ms = 1e3 / static_cast<double>(device.properties().timestamp_hz);
    const Report report = options.counters ? Report(vm) : Report();
    if (options.counters)
        grid.report = report.get();
    else
        grid.timestamps = stamps.address();
    const auto timeout_ns = static_cast<uint64_t>(options.timeout_s * 1e9);
    Times result;
    for (uint32_t i = 0; i < options.repeat; ++i) {
        if (i)
            start_anew(bindings, vm, queue);
        times[0] = 0;
        times[1] = 0;
        const auto start = std::chrono::steady_clock::now();
        const uint64_t serial = queue.launch(kernel, grid);
        queue.wait(serial, timeout_ns);
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - start;
        if (options.counters)
            result.counters = report.counters();
        const uint64_t ticks =
            options.counters ? result.counters.end - result.counters.start : times[1] - times[0];
        result.host_ms.push_back(took.count());
        result.device_ms.push_back(static_cast<double>(ticks) * tick_ms);
    }
    return result;
}

} // namespace

int run(const Options &options) {
    const auto object = read_file(options.file);
    Extent global, local;
    if (!options.list) {
        global = parse_extent(options.global, 0);
        if (!options.local.empty())
            local = parse_extent(options.local, 1);
        if (local.dimensions > global.dimensions)
            throw UsageError("--local has more dimensions than --global");
    }
    const auto backend = options.backend == "drm"     ? BRGPU_BACKEND_DRM
                         : options.backend == "model" ? BRGPU_BACKEND_MODEL
                                                      : BRGPU_BACKEND_ANY;
    const Device device = Device::open(backend, options.device);
    const Vm vm(device);
    const CodeObject code(vm, object);
    if (options.list) {
        list_kernels(code, options.json);
        return 0;
    }
    const Kernel kernel = find_kernel(code, options);
    auto bindings = bind_arguments(kernel, options);
    const Queue queue(vm);
    for (uint32_t i = 0; i < bindings.size(); ++i)
        place(bindings[i], i, kernel, vm, queue);
    const auto grid =
        brgpu::grid(std::span(global.size).first(global.dimensions),
                    std::span<const uint32_t>(local.size).first(local.dimensions ? 3 : 0));

    const Times times = launch(options, kernel, bindings, grid, device, vm, queue);
    brgpu_dispatch_counters details = {};
    std::vector<HotSpot> spots;
    if (options.counters || options.profile) {
        const uint32_t flags = options.counters ? BRGPU_COUNT_DETAILS : 0;
        const Report report = options.profile ? Report(vm, flags, code) : Report(vm, flags);
        auto counted = grid;
        counted.report = report.get();
        start_anew(bindings, vm, queue);
        queue.wait(queue.launch(kernel, counted), static_cast<uint64_t>(options.timeout_s * 1e9));
        details = report.counters();
        if (options.profile)
            spots = hot_spots(report.profile(), object);
    }

    nlohmann::json outputs = nlohmann::json::array();
    std::vector<std::pair<std::string, std::vector<std::byte>>> files;
    for (const Binding &binding : bindings) {
        if (binding.spec.output.empty())
            continue;
        // An output has the bytes that were asked for, though memory comes in pages.
        std::vector<std::byte> bytes(binding.buffer.bytes());
        queue.download(bytes, binding.buffer, transfer_timeout_ns);
        outputs.push_back({{"file", binding.spec.output}, {"bytes", bytes.size()}});
        files.emplace_back(binding.spec.output, std::move(bytes));
    }
    for (const auto &[path, bytes] : files)
        write_file(path, bytes);

    const auto facts = device.properties();
    const char *backend_name = facts.backend == BRGPU_BACKEND_DRM ? "drm" : "model";
    if (options.json) {
        nlohmann::json report = {{"kernel", options.kernel},
                                 {"device", facts.name},
                                 {"backend", backend_name},
                                 {"repeat", options.repeat},
                                 {"device_time", summary(times.device_ms)},
                                 {"host_time", summary(times.host_ms)},
                                 {"outputs", outputs}};
        if (options.counters)
            report["counters"] = counters_json(times.counters, details);
        if (options.profile)
            report["profile"] = hot_spots_json(spots);
        fmt::print("{}\n", report.dump(2));
    } else {
        fmt::print("{} on {} ({}): device {:.3f} ms, host {:.3f} ms{}\n", options.kernel,
                   facts.name, backend_name, median(times.device_ms), median(times.host_ms),
                   options.repeat > 1 ? fmt::format(" (medians of {})", options.repeat) : "");
        if (options.counters)
            print_counters(times.counters, details);
        if (options.profile)
            print_hot_spots(spots);
    }
    return 0;
}

} // namespace brgpu::exec
