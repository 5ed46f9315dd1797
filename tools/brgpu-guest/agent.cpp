// SPDX-License-Identifier: MIT
#include "agent.hpp"

#include "child.hpp"
#include "files.hpp"
#include "wire.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>

namespace brgpu::guest {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;

/// For the kernel's log, which the launcher shows where the agent cannot tell it anything.
void say_on_console(const std::string &text) {
    std::fprintf(stderr, "brgpu-agent: %s\n", text.c_str());
}

[[noreturn]] void power_off() {
    ::sync();
    ::reboot(RB_POWER_OFF);
    for (;;)
        ::pause();
}

/// Opens the virtio-serial port of that name.
UniqueFd open_port(std::string_view name) {
    const fs::path ports = "/sys/class/virtio-ports";
    // The kernel announces a port's name a moment after the port itself.
    for (int attempt = 0; attempt < 500; attempt++) {
        std::error_code ignored;
        for (const auto &entry : fs::directory_iterator(ports, ignored)) {
            if (!fs::exists(entry.path() / "name"))
                continue;
            std::string found = read_file(entry.path() / "name");
            if (found.substr(0, found.find('\n')) != name)
                continue;
            UniqueFd fd(::open(("/dev" / entry.path().filename()).c_str(), O_RDWR | O_CLOEXEC));
            if (fd)
                return fd;
        }
        std::this_thread::sleep_for(10ms);
    }
    throw std::runtime_error("the guest has no port " + std::string(name));
}

/// Next frame of a port; blocks.
Frame read_frame(int fd, FrameDecoder &decoder) {
    for (;;) {
        if (auto frame = decoder.next())
            return std::move(*frame);
        char buffer[65536];
        const ssize_t count = ::read(fd, buffer, sizeof buffer);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            throw std::runtime_error("the launcher has closed a port");
        decoder.feed({buffer, static_cast<std::size_t>(count)});
    }
}

void load_module(const StartRequest &request) {
    const UniqueFd fd(::open(request.module.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        throw_errno("cannot open " + request.module);
    if (::syscall(SYS_finit_module, fd.get(), request.module_arguments.c_str(), 0) != 0)
        throw_errno("cannot load " + request.module +
                    (request.module_arguments.empty() ? "" : " " + request.module_arguments));
}

/// Functions of PCI class 0x1200 (processing accelerator) in QEMU's id space that no driver has
/// bound. The module's loading succeeds all the same; a user would look in vain for the reason.
std::string unbound_cards() {
    std::string names;
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator("/sys/bus/pci/devices", ignored)) {
        const auto first_word = [&entry](const char *file) {
            const std::string text = read_file(entry.path() / file);
            return text.substr(0, text.find('\n'));
        };
        if (first_word("vendor") == "0x1234" && first_word("class").starts_with("0x1200") &&
            !fs::exists(entry.path() / "driver"))
            names += (names.empty() ? "" : ", ") + entry.path().filename().string();
    }
    return names;
}

/// Ends every process but this one, and waits for them.
std::vector<std::string> end_all_processes() {
    ::kill(-1, SIGKILL);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    // Process 1 inherits every process whose parent is gone.
    for (;;) {
        const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
        if (pid < 0 && errno == ECHILD)
            return {};
        if (pid <= 0) {
            if (std::chrono::steady_clock::now() > limit)
                break;
            std::this_thread::sleep_for(1ms);
        }
    }
    std::vector<std::string> stuck;
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator("/proc", ignored)) {
        const std::string pid = entry.path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos || pid == "1")
            continue;
        try {
            // Kernel threads have no command line.
            std::string command = read_file(entry.path() / "cmdline");
            if (command.empty())
                continue;
            command = command.substr(0, command.find('\0'));
            say_on_console(command + " (" + pid + ") does not end; its stack in the kernel:\n" +
                           read_file(entry.path() / "stack"));
            stuck.push_back(command + " (" + pid + ")");
        } catch (const std::system_error &) {
            continue; // it has just ended
        }
    }
    return stuck;
}

/// Has kmemleak, on kernels that have it, look for memory of the module's that nobody refers to any
/// more, and puts what it finds on the console, where the launcher watches for it.
void report_leaks() {
    const char *const kmemleak = "/sys/kernel/debug/kmemleak";
    if (!fs::exists(kmemleak))
        return;
    std::this_thread::sleep_for(6s); // what is younger than 5 s is not reported
    std::ofstream(kmemleak) << "scan";
    std::ifstream stream(kmemleak);
    std::ofstream console("/dev/kmsg");
    std::string record, line;
    const auto finish = [&] {
        // A frame of the module: by its name while it is loaded, as a bare address afterwards.
        if (record.find("[brgpu") != std::string::npos ||
            record.find("] 0x") != std::string::npos) {
            std::istringstream lines(record);
            for (std::string part; std::getline(lines, part);)
                console << part << std::endl; // a message each
        }
        record.clear();
    };
    while (std::getline(stream, line)) {
        if (line.compare(0, 19, "unreferenced object") == 0)
            finish();
        record += line + "\n";
    }
    finish();
    std::ofstream(kmemleak) << "clear";
}

std::string unload_module() {
    // What closed files have left is released in the background.
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (::syscall(SYS_delete_module, "brgpu", O_NONBLOCK) != 0) {
        if (errno == ENOENT)
            return {};
        if (errno != EAGAIN || std::chrono::steady_clock::now() > limit)
            return std::string("brgpu.ko cannot be unloaded: ") + std::strerror(errno);
        std::this_thread::sleep_for(20ms);
    }
    return {};
}

void serve_input(int port, Child &child) {
    FrameDecoder decoder;
    for (;;) {
        const Frame frame = read_frame(port, decoder);
        if (frame.type == FrameType::InputEnd)
            child.end_input();
        else if (frame.type == FrameType::Input)
            child.write_input(frame.payload);
    }
}

void serve_control(int port, FrameDecoder decoder, const Child &child) {
    for (;;) {
        const Frame frame = read_frame(port, decoder);
        if (frame.type == FrameType::Window && frame.payload.size() == 2 * sizeof(std::uint16_t)) {
            std::uint16_t size[2];
            std::memcpy(size, frame.payload.data(), sizeof size);
            child.set_window(size[0], size[1]);
        }
    }
}

/// A thread that ends with the guest: what it waits for may never come.
template <typename Function>
void start_service(Function function) {
    std::thread([function = std::move(function)]() mutable {
        try {
            function();
        } catch (const std::exception &error) {
            say_on_console(error.what());
        }
    }).detach();
}

void serve(FrameSender &sender, int control, int input) {
    FrameDecoder decoder;
    const Frame frame = read_frame(control, decoder);
    if (frame.type != FrameType::Start)
        throw std::runtime_error("the launcher's first frame asks for no start");
    const auto request = StartRequest::from_bytes(frame.payload);

    if (!request.module.empty()) {
        load_module(request);
        if (const auto cards = unbound_cards(); !cards.empty())
            sender.send(FrameType::Notice, "brgpu.ko did not bind to " + cards +
                                               "; 'dmesg' in the guest or --verbose tells why");
    }

    Child child(request);
    sender.send(FrameType::Started);
    start_service([&, decoder]() mutable { serve_control(control, std::move(decoder), child); });
    start_service([&] { serve_input(input, child); });
    std::jthread output([&] {
        child.read_output([&](std::string_view bytes) { sender.send(FrameType::Output, bytes); });
    });
    std::jthread error([&] {
        child.read_error([&](std::string_view bytes) { sender.send(FrameType::Error, bytes); });
    });

    ExitReport report;
    report.code = child.wait();
    report.stuck = end_all_processes();
    // With every process gone the streams have come to their ends, unless one is stuck.
    if (report.stuck.empty()) {
        output.join();
        error.join();
        if (request.unload_at_end) {
            report_leaks();
            report.unload_error = unload_module();
            report_leaks();
        }
    } else {
        output.detach();
        error.detach();
    }
    ::sync();
    sender.send(FrameType::Exited, report.to_bytes());
    power_off();
}

} // namespace

void run_agent() {
    ::signal(SIGPIPE, SIG_IGN);
    try {
        const UniqueFd control = open_port(control_port);
        const UniqueFd input = open_port(input_port);
        FrameSender sender(control.get());
        sender.send(FrameType::Hello);
        try {
            serve(sender, control.get(), input.get());
        } catch (const std::exception &error) {
            sender.send(FrameType::Failed, error.what());
            power_off();
        }
    } catch (const std::exception &error) {
        say_on_console(error.what());
    }
    power_off();
}

} // namespace brgpu::guest
