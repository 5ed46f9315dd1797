// SPDX-License-Identifier: MIT
//
// What libbrgpu-jit.so exports: simt/jit_abi.hpp. No exception leaves it.
#include <cstdio>
#include <exception>

#include <llvm/Config/llvm-config.h>

#include "compiler.hpp"

namespace {

using brgpu::jit::Compiler;
using brgpu::simt::jit::Kernel;
using brgpu::simt::jit::Library;
using brgpu::simt::jit::Request;

void *create() {
    try {
        return new Compiler;
    } catch (const std::exception &) {
        return nullptr;
    }
}

void destroy(void *compiler) {
    delete static_cast<Compiler *>(compiler);
}

bool compile(void *compiler, const Request &request, Kernel &kernel, char *error,
             size_t error_bytes) {
    try {
        static_cast<Compiler *>(compiler)->compile(request, kernel);
        return true;
    } catch (const std::exception &e) {
        std::snprintf(error, error_bytes, "%s", e.what());
        return false;
    }
}

void release(void *compiler, void *handle) {
    static_cast<Compiler *>(compiler)->release(handle);
}

const Library library = {
    brgpu::simt::jit::abi_version, "LLVM " LLVM_VERSION_STRING, create, destroy, compile, release,
};

} // namespace

extern "C" [[gnu::visibility("default")]] const Library *brgpu_jit_library();
const Library *brgpu_jit_library() {
    return &library;
}
