// SPDX-License-Identifier: MIT
//
// Who runs the kernels: the card, PoCL, the host's own code. Used by one thread.
#ifndef BRGPU_BENCH_SUBJECT_HPP
#define BRGPU_BENCH_SUBJECT_HPP

#include <memory>
#include <string>
#include <vector>

#include "cases.hpp"

namespace brgpu::bench {

class Subject {
  public:
    explicit Subject(std::string name) : name_(std::move(name)) {}
    Subject(const Subject &) = delete;
    Subject &operator=(const Subject &) = delete;
    virtual ~Subject() = default;

    const std::string &name() const noexcept { return name_; }

    // Compiles what the case needs and makes its buffers. `work` must live until the next call.
    virtual void load(const Case &work) = 0;
    // Gives all buffers their first contents.
    virtual void restore() = 0;
    // Runs all launches and returns when they have ended.
    virtual void run() = 0;
    virtual std::vector<std::byte> read(size_t buffer) = 0;
    // Frees what load() made.
    virtual void unload() = 0;

  private:
    std::string name_;
};

// The host's vectorised C++ on so many threads.
std::unique_ptr<Subject> native_subject(std::string name, unsigned threads);

// Which card, for card_subject().
struct CardOptions {
    uint32_t workers = 1;
    std::string jit; // value of the property jit; "": left alone
    std::string isa; // value of the property isa; "": left alone
};
// A card in this process. Throws what the card refuses.
std::unique_ptr<Subject> card_subject(std::string name, const CardOptions &options);
// Whether a card in this process takes the property's value.
bool card_takes(const char *property, const char *value);

// PoCL on one thread or on all cores; null with a line in *why where there is none.
std::unique_ptr<Subject> pocl_subject(std::string name, bool one_thread, std::string *why);
// Version and the instruction set that it compiles for; "" without it.
std::string pocl_description();

} // namespace brgpu::bench

#endif // BRGPU_BENCH_SUBJECT_HPP
