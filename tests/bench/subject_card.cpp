// SPDX-License-Identifier: MIT
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "brgpu/brgpu.hpp"
#include "card.hpp"
#include "subject.hpp"

namespace brgpu::bench {

Device open_card(uint32_t workers, uint64_t vram_bytes) {
    auto info = sized<brgpu_device_open_info>();
    info.backend = BRGPU_BACKEND_MODEL;
    info.model_workers = workers;
    info.model_vram_bytes = vram_bytes;
    return Device::open(info);
}

CodeObject load_kernels(const Vm &vm, const std::string &file) {
    const std::string path = BENCH_KERNELS "/" + file + ".elf";
    std::ifstream in(path, std::ios::binary);
    if (!in)
        throw std::runtime_error("can't read " + path);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
    return CodeObject(vm, std::as_bytes(std::span(bytes)));
}

namespace {

constexpr uint64_t patience_ns = 120'000'000'000;

class CardSubject final : public Subject {
  public:
    CardSubject(std::string name, const CardOptions &options)
        : Subject(std::move(name)), device_(open_card(options.workers)) {
        for (const auto &[property, value] :
             {std::pair{"jit", options.jit}, std::pair{"isa", options.isa}})
            if (!value.empty())
                check(brgpu_device_inject(device_.get(), property, value.c_str()));
        vm_ = Vm(device_);
        queue_ = Queue(vm_);
    }

    void load(const Case &work) override {
        work_ = &work;
        const CodeObject object = load_kernels(vm_, work.file);
        for (const CaseBuffer &buffer : work.buffers)
            buffers_.emplace_back(vm_, buffer.initial.size());
        commands_ = Commands(vm_);
        for (const Launch &launch : work.launches) {
            Kernel kernel = object.kernel(launch.kernel);
            for (uint32_t i = 0; i < launch.arguments.size(); ++i)
                set(kernel, i, launch.arguments[i]);
            brgpu_dispatch_info info = grid(launch.global, launch.local);
            info.flags = BRGPU_COMMAND_ORDERED;
            commands_.dispatch(kernel, info);
        }
    }
    void restore() override {
        for (size_t i = 0; i < buffers_.size(); ++i)
            queue_.upload(buffers_[i], work_->buffers[i].initial);
    }
    void run() override { queue_.wait(queue_.submit(commands_), patience_ns); }
    std::vector<std::byte> read(size_t buffer) override {
        std::vector<std::byte> data(buffers_[buffer].bytes());
        queue_.download(data, buffers_[buffer]);
        return data;
    }
    void unload() override {
        commands_ = {};
        buffers_.clear();
    }

  private:
    void set(const Kernel &kernel, uint32_t index, const Argument &argument) {
        if (const auto *value = std::get_if<Value>(&argument))
            check(brgpu_kernel_set_value(kernel.get(), index, value->bytes.data(),
                                         value->bytes.size()));
        else if (const auto *buffer = std::get_if<BufferIndex>(&argument))
            kernel.set(index, buffers_[buffer->index]);
        else
            kernel.set_local(index, std::get<LocalBytes>(argument).bytes);
    }

    Device device_;
    Vm vm_;
    Queue queue_;
    const Case *work_ = nullptr;
    std::vector<Buffer> buffers_;
    Commands commands_;
};

} // namespace

std::unique_ptr<Subject> card_subject(std::string name, const CardOptions &options) {
    return std::make_unique<CardSubject>(std::move(name), options);
}

bool card_takes(const char *property, const char *value) {
    const Device device = open_card(1);
    return brgpu_device_inject(device.get(), property, value) == BRGPU_SUCCESS;
}

} // namespace brgpu::bench
