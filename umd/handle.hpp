// SPDX-License-Identifier: MIT
//
// What the opaque C handles are: a tag, so that a stray pointer is mostly found out, and a
// reference to the object.
#ifndef BRGPU_UMD_HANDLE_HPP
#define BRGPU_UMD_HANDLE_HPP

#include <cstdint>
#include <memory>

#include "error.hpp"

namespace brgpu::umd {

class Device;
class Vm;
class Memory;
class Queue;
class Timeline;
class Event;
class CodeObject;
class Kernel;
class Commands;
class Report;

template <typename Object, uint32_t Tag>
struct Handle {
    static constexpr uint32_t live_tag = Tag;
    uint32_t tag = Tag;
    std::shared_ptr<Object> object;
    std::weak_ptr<Object> borrowed; // in place of `object` where the object owns the handle

    ~Handle() { tag = 0; }
};

} // namespace brgpu::umd

// The C header names these types: they stand in the global namespace.
struct brgpu_device : brgpu::umd::Handle<brgpu::umd::Device, 0x42524401> {};
struct brgpu_vm : brgpu::umd::Handle<brgpu::umd::Vm, 0x42524402> {};
struct brgpu_memory : brgpu::umd::Handle<brgpu::umd::Memory, 0x42524403> {};
struct brgpu_queue : brgpu::umd::Handle<brgpu::umd::Queue, 0x42524404> {};
struct brgpu_timeline : brgpu::umd::Handle<brgpu::umd::Timeline, 0x42524405> {};
struct brgpu_event : brgpu::umd::Handle<brgpu::umd::Event, 0x42524406> {};
struct brgpu_code_object : brgpu::umd::Handle<brgpu::umd::CodeObject, 0x42524407> {};
struct brgpu_kernel : brgpu::umd::Handle<brgpu::umd::Kernel, 0x42524408> {};
struct brgpu_commands : brgpu::umd::Handle<brgpu::umd::Commands, 0x42524409> {};
struct brgpu_report : brgpu::umd::Handle<brgpu::umd::Report, 0x4252440a> {};

#endif // BRGPU_UMD_HANDLE_HPP
