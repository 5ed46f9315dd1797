// SPDX-License-Identifier: MIT
#include "wire.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <unistd.h>

namespace brgpu::guest {

namespace {

struct Header {
    std::uint32_t type;
    std::uint32_t length;
};

// Frames as large as a pipe keep the latency of small outputs low and cost few doorbells.
constexpr std::size_t chunk = 64 * 1024;

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

std::string to_cbor(const nlohmann::json &json) {
    std::string bytes;
    nlohmann::json::to_cbor(json, bytes);
    return bytes;
}

bool is_stream(FrameType type) {
    return type == FrameType::Output || type == FrameType::Error || type == FrameType::Input;
}

} // namespace

std::string encode(FrameType type, std::string_view payload) {
    const Header header{static_cast<std::uint32_t>(type),
                        static_cast<std::uint32_t>(payload.size())};
    std::string bytes(sizeof header, '\0');
    std::memcpy(bytes.data(), &header, sizeof header);
    bytes.append(payload);
    return bytes;
}

std::optional<Frame> FrameDecoder::next() {
    Header header;
    if (buffer_.size() - start_ < sizeof header)
        return std::nullopt;
    std::memcpy(&header, buffer_.data() + start_, sizeof header);
    if (header.length > max_payload)
        throw std::runtime_error("a frame of " + std::to_string(header.length) +
                                 " bytes came over the guest's control port");
    if (buffer_.size() - start_ - sizeof header < header.length)
        return std::nullopt;
    Frame frame{static_cast<FrameType>(header.type),
                buffer_.substr(start_ + sizeof header, header.length)};
    start_ += sizeof header + header.length;
    if (start_ == buffer_.size() || start_ > chunk) {
        buffer_.erase(0, start_);
        start_ = 0;
    }
    return frame;
}

bool FrameSender::send(FrameType type, std::string_view payload) {
    const std::lock_guard lock(mutex_);
    if (payload.size() > max_payload)
        return false;
    const std::size_t limit = is_stream(type) ? chunk : max_payload;
    do {
        const auto part = payload.substr(0, limit);
        payload.remove_prefix(part.size());
        if (!write_all(fd_, encode(type, part)))
            return false;
    } while (!payload.empty());
    return true;
}

std::string StartRequest::to_bytes() const {
    return to_cbor(nlohmann::json{
        {"command", command},
        {"directory", directory},
        {"environment", environment},
        {"terminal", terminal},
        {"merge_output", merge_output},
        {"rows", rows},
        {"columns", columns},
        {"module", module},
        {"module_arguments", module_arguments},
        {"unload_at_end", unload_at_end},
    });
}

StartRequest StartRequest::from_bytes(std::string_view bytes) {
    try {
        const auto json = nlohmann::json::from_cbor(bytes);
        StartRequest request;
        json.at("command").get_to(request.command);
        json.at("directory").get_to(request.directory);
        json.at("environment").get_to(request.environment);
        json.at("terminal").get_to(request.terminal);
        json.at("merge_output").get_to(request.merge_output);
        json.at("rows").get_to(request.rows);
        json.at("columns").get_to(request.columns);
        json.at("module").get_to(request.module);
        json.at("module_arguments").get_to(request.module_arguments);
        json.at("unload_at_end").get_to(request.unload_at_end);
        return request;
    } catch (const nlohmann::json::exception &error) {
        throw std::runtime_error(std::string("the start request is malformed: ") + error.what());
    }
}

std::string ExitReport::to_bytes() const {
    return to_cbor(
        nlohmann::json{{"code", code}, {"stuck", stuck}, {"unload_error", unload_error}});
}

ExitReport ExitReport::from_bytes(std::string_view bytes) {
    try {
        const auto json = nlohmann::json::from_cbor(bytes);
        ExitReport report;
        json.at("code").get_to(report.code);
        json.at("stuck").get_to(report.stuck);
        json.at("unload_error").get_to(report.unload_error);
        return report;
    } catch (const nlohmann::json::exception &error) {
        throw std::runtime_error(std::string("the guest's exit report is malformed: ") +
                                 error.what());
    }
}

} // namespace brgpu::guest
