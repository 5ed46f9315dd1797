// SPDX-License-Identifier: MIT
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel_run.hpp"

namespace brgpu::simt::test {
namespace {

// As in reference_machine.c.
struct Job {
    uint32_t code_bytes, items;
    uint64_t code, table, table_bytes, slots, slots_bytes, rows4, rows8, rows_bytes, dump,
        dump_bytes, private_bytes;
};

// Builds the program in a folder of its own; the caller removes the folder.
std::string build_program(const std::string &folder) {
    const std::string program = folder + "/reference";
    const std::string command =
        std::string(SIMT_CLANG " --target=riscv64 -march=rv64gc -mabi=lp64d -mno-relax -O1 "
                               "-ffreestanding -fno-builtin -nostdlib -static -fuse-ld=" SIMT_LLD
                               " " SIMT_SOURCE_DIR "/reference_machine.c -o ") +
        program + " > " + folder + "/log 2>&1";
    if (std::system(command.c_str()) != 0)
        throw std::runtime_error("the reference program can't be built: " + command);
    return program;
}

// QEMU 7 spells the property Zfh, later ones zfh: the wrong one ends it at once.
constexpr const char *cpus[] = {"rv64,Zfh=true,zba=true,zbb=true",
                                "rv64,zfh=true,zba=true,zbb=true"};

} // namespace

std::unique_ptr<ReferenceMachine> ReferenceMachine::start() {
    if (std::string(SIMT_QEMU).empty())
        return nullptr;
    namespace fs = std::filesystem;
    std::string folder = (fs::temp_directory_path() / "brgpu-simt-XXXXXX").string();
    if (!mkdtemp(folder.data()))
        throw std::runtime_error("no temporary folder");
    const std::string program = build_program(folder);
    std::unique_ptr<ReferenceMachine> machine;
    for (const char *cpu : cpus) {
        int in[2], out[2];
        if (pipe(in) != 0 || pipe(out) != 0)
            throw std::runtime_error("pipe failed");
        const pid_t child = fork();
        if (child < 0)
            throw std::runtime_error("fork failed");
        if (child == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            if (!freopen("/dev/null", "w", stderr))
                _exit(126);
            for (const int fd : {in[0], in[1], out[0], out[1]})
                close(fd);
            execl(SIMT_QEMU, SIMT_QEMU, "-cpu", cpu, program.c_str(), static_cast<char *>(nullptr));
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        signal(SIGPIPE, SIG_IGN);
        machine.reset(new ReferenceMachine);
        machine->child_ = child;
        machine->to_ = in[1];
        machine->from_ = out[0];
        // A kernel that only returns shows whether this spelling is known.
        GeneratedKernel nothing;
        nothing.code = {0x67, 0x80, 0x00, 0x00}; // jalr zero, 0(ra)
        try {
            machine->run(nothing, KernelMemory::make(0), 1);
            break;
        } catch (const std::runtime_error &) {
            machine.reset();
        }
    }
    fs::remove_all(folder);
    if (!machine)
        throw std::runtime_error(SIMT_QEMU " doesn't run the reference program");
    return machine;
}

ReferenceMachine::~ReferenceMachine() {
    close(to_); // the program ends with its input
    close(from_);
    waitpid(child_, nullptr, 0);
}

void ReferenceMachine::send(const void *from, size_t bytes) {
    const auto *at = static_cast<const char *>(from);
    while (bytes) {
        const ssize_t done = write(to_, at, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            throw std::runtime_error("the reference machine takes nothing any more");
        at += done;
        bytes -= static_cast<size_t>(done);
    }
}

void ReferenceMachine::receive(void *to, size_t bytes) {
    auto *at = static_cast<char *>(to);
    while (bytes) {
        const ssize_t done = read(from_, at, bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            throw std::runtime_error("the reference machine has ended (a kernel crashed it?)");
        at += done;
        bytes -= static_cast<size_t>(done);
    }
}

KernelMemory ReferenceMachine::run(const GeneratedKernel &kernel, const KernelMemory &memory,
                                   uint32_t items) {
    const Job job = {static_cast<uint32_t>(kernel.code.size()),
                     items,
                     space::code,
                     space::table,
                     memory.table.size(),
                     space::slots,
                     memory.slots.size(),
                     space::rows4,
                     space::rows8,
                     memory.rows4.size(),
                     space::dump,
                     memory.dump.size(),
                     space::private_bytes};
    send(&job, sizeof(job));
    send(kernel.code.data(), kernel.code.size());
    for (const auto *part :
         {&memory.table, &memory.slots, &memory.rows4, &memory.rows8, &memory.dump})
        send(part->data(), part->size());
    KernelMemory result = memory;
    for (auto *part : {&result.slots, &result.rows4, &result.rows8, &result.dump})
        receive(part->data(), part->size());
    return result;
}

} // namespace brgpu::simt::test
