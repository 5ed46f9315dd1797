// SPDX-License-Identifier: MIT
//
// What the tests of brgpu-cc share: running it, and reading what it wrote.
#ifndef BRGPU_TESTS_CC_SUPPORT_HPP
#define BRGPU_TESTS_CC_SUPPORT_HPP

#include "code_object.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace brgpu::cc::test {

struct CommandResult {
    int status = -1; // exit status
    std::string out;
    std::string err;
};

// Runs brgpu-cc with the arguments; `environment` is put before it, as in a shell.
CommandResult run_cc(const std::vector<std::string> &arguments,
                     const std::string &environment = "");

// A folder that is removed after the test.
class TestDirectory {
  public:
    TestDirectory();
    ~TestDirectory();
    std::string file(const std::string &name) const { return path_ + "/" + name; }
    std::string write(const std::string &name, const std::string &text) const;

  private:
    std::string path_;
};

std::vector<uint8_t> read_file(const std::string &path);

// Path of a source of the kernel corpus.
std::string corpus(const std::string &name);

struct Compiled {
    std::vector<uint8_t> elf;
    CodeObject object;
    std::string messages; // stderr
};

// Compile text or a file, and fail the test when that doesn't work.
Compiled compile_text(const std::string &text, const std::vector<std::string> &options = {},
                      const std::string &name = "kernel.cl");
Compiled compile_file(const std::string &path, const std::vector<std::string> &options = {});

const KernelInfo &kernel(const CodeObject &object, const std::string &name);

} // namespace brgpu::cc::test

#endif
