// SPDX-License-Identifier: MIT
#include "support.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>

#include <gtest/gtest.h>

namespace fs = std::filesystem;

namespace brgpu::cc::test {
namespace {

std::string quote(const std::string &text) {
    std::string result = "'";
    for (const char c : text)
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
}

std::string read_text(const std::string &path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
}

} // namespace

TestDirectory::TestDirectory() {
    std::string name = (fs::temp_directory_path() / "brgpu-cc-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
        throw std::runtime_error("no temporary folder");
    path_ = name;
}

TestDirectory::~TestDirectory() {
    std::error_code error;
    fs::remove_all(path_, error);
}

std::string TestDirectory::write(const std::string &name, const std::string &text) const {
    const std::string path = file(name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
}

CommandResult run_cc(const std::vector<std::string> &arguments, const std::string &environment) {
    const TestDirectory directory;
    std::string command = environment + " " + quote(BRGPU_CC_PROGRAM);
    for (const std::string &argument : arguments)
        command += " " + quote(argument);
    command += " >" + quote(directory.file("out")) + " 2>" + quote(directory.file("err"));
    const int status = std::system(command.c_str());
    CommandResult result;
    result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.out = read_text(directory.file("out"));
    result.err = read_text(directory.file("err"));
    return result;
}

std::vector<uint8_t> read_file(const std::string &path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::string corpus(const std::string &name) {
    return std::string(BRGPU_KERNEL_SOURCES) + "/" + name;
}

Compiled compile_file(const std::string &path, const std::vector<std::string> &options) {
    const TestDirectory directory;
    std::vector<std::string> arguments = options;
    arguments.insert(arguments.end(), {path, "-o", directory.file("out.elf")});
    const CommandResult result = run_cc(arguments);
    Compiled compiled;
    compiled.messages = result.err;
    if (result.status != 0)
        throw std::runtime_error(path + " does not compile: " + result.err);
    compiled.elf = read_file(directory.file("out.elf"));
    std::string error;
    if (!parse_code_object(compiled.elf, compiled.object, error))
        throw std::runtime_error(path + ": " + error);
    return compiled;
}

Compiled compile_text(const std::string &text, const std::vector<std::string> &options,
                      const std::string &name) {
    const TestDirectory directory;
    return compile_file(directory.write(name, text), options);
}

const KernelInfo &kernel(const CodeObject &object, const std::string &name) {
    for (const CodeObjectKernel &candidate : object.kernels)
        if (candidate.info.name == name)
            return candidate.info;
    throw std::runtime_error("no kernel " + name);
}

} // namespace brgpu::cc::test
