// SPDX-License-Identifier: MIT
#include <cstring>

#include "subject.hpp"

namespace brgpu::bench {
namespace {

class NativeSubject final : public Subject {
  public:
    NativeSubject(std::string name, unsigned threads) : Subject(std::move(name)), pool_(threads) {}

    void load(const Case &work) override {
        work_ = &work;
        for (const CaseBuffer &buffer : work.buffers)
            buffers_.emplace_back(buffer.initial);
        for (auto &buffer : buffers_)
            pointers_.push_back(buffer.data());
    }
    void restore() override {
        for (size_t i = 0; i < buffers_.size(); ++i)
            std::memcpy(buffers_[i].data(), work_->buffers[i].initial.data(), buffers_[i].size());
    }
    void run() override { work_->native(pool_, pointers_); }
    std::vector<std::byte> read(size_t buffer) override { return buffers_[buffer]; }
    void unload() override {
        pointers_.clear();
        buffers_.clear();
    }

  private:
    Pool pool_;
    const Case *work_ = nullptr;
    std::vector<std::vector<std::byte>> buffers_;
    std::vector<std::byte *> pointers_;
};

} // namespace

std::unique_ptr<Subject> native_subject(std::string name, unsigned threads) {
    return std::make_unique<NativeSubject>(std::move(name), threads);
}

} // namespace brgpu::bench
