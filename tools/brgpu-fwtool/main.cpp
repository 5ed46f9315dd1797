// SPDX-License-Identifier: MIT
//
// brgpu-fwtool: makes, shows and checks firmware images for the card's management controller.
#include <charconv>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sodium.h>

#include <brgpu/hw/regs.h>
#include <controller/boot_rom.hpp>

#include "image.hpp"

namespace {

using namespace brgpu::fwtool;

constexpr int exit_refused = 1;
constexpr int exit_error = 2;

std::uint32_t parse_number(std::string_view text, int base, std::uint32_t max,
                           std::string_view what) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc{} || end != text.data() + text.size() || value > max)
        throw Error(fmt::format("'{}' is no {}", text, what));
    return value;
}

/// "a.b.c" with as many parts as `max` has entries.
std::vector<std::uint32_t> parse_parts(std::string_view text, std::vector<std::uint32_t> max,
                                       std::string_view what) {
    std::vector<std::uint32_t> parts;
    std::string_view rest = text;
    for (std::size_t index = 0; index < max.size(); ++index) {
        const bool last = index + 1 == max.size();
        const std::size_t dot = last ? rest.size() : rest.find('.');
        if (dot == std::string_view::npos)
            throw Error(fmt::format("'{}' is no {}", text, what));
        parts.push_back(parse_number(rest.substr(0, dot), 10, max[index], what));
        rest.remove_prefix(last ? dot : dot + 1);
    }
    return parts;
}

std::pair<std::string_view, std::string_view> split_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    return dash == std::string_view::npos ? std::pair{text, text}
                                          : std::pair{text.substr(0, dash), text.substr(dash + 1)};
}

std::uint32_t parse_mailbox(std::string_view text) {
    const auto parts = parse_parts(text, {0xffff, 0xffff}, "mailbox version (major.minor)");
    return BRGPU_MBOX_VERSION(parts[0], parts[1]);
}

std::uint16_t parse_product(std::string_view text) {
    for (const auto &[name, number] :
         {std::pair<std::string_view, std::uint16_t>{"br106", BRGPU_PRODUCT_BR106},
          {"br110", BRGPU_PRODUCT_BR110},
          {"br166", BRGPU_PRODUCT_BR166}})
        if (text == name)
            return number;
    const std::string_view digits = text.starts_with("0x") ? text.substr(2) : text;
    return static_cast<std::uint16_t>(
        parse_number(digits, 16, 0xffff, "product (br106, br110, br166 or a hexadecimal number)"));
}

std::string show_version(std::uint32_t version) {
    return fmt::format("{}.{}.{}", BRGPU_FW_VERSION_MAJOR(version), BRGPU_FW_VERSION_MINOR(version),
                       BRGPU_FW_VERSION_PATCH(version));
}

std::string show_mailbox(std::uint32_t version) {
    return fmt::format("{}.{}", BRGPU_MBOX_VERSION_MAJOR(version),
                       BRGPU_MBOX_VERSION_MINOR(version));
}

/// The bytes are the file's, and may be anything: only printable ones are shown.
std::string show_text(std::span<const char> text) {
    std::string out;
    for (const char c : text) {
        if (c == '\0')
            break;
        out += c >= ' ' && c <= '~' ? c : '?';
    }
    return out;
}

void inspect(const std::string &path, bool json) {
    const brgpu_fw_header h = read_header(read_file(path), path);
    nlohmann::ordered_json out;
    out["file"] = path;
    out["header_version"] = h.header_version;
    std::vector<std::string> products;
    for (const std::uint16_t product : h.products)
        if (product != 0)
            products.push_back(fmt::format("{:#06x}", product));
    out["products"] = products;
    out["version"] = show_version(h.fw_version);
    out["build_id"] = show_text(h.build_id);
    out["contract_major"] = {h.contract_major_min, h.contract_major_max};
    out["mailbox"] = {show_mailbox(h.mailbox_min), show_mailbox(h.mailbox_max)};
    out["load_address"] = fmt::format("{:#010x}", h.load_address);
    out["entry"] = fmt::format("{:#010x}", h.entry);
    out["payload_bytes"] = h.payload_bytes;
    out["bss_bytes"] = h.bss_bytes;
    out["rollback"] = h.rollback;
    out["key_id"] = to_hex(h.key_id);
    out["payload_hash"] = to_hex(h.payload_hash);
    out["signature"] = to_hex(h.signature);
    if (json) {
        std::cout << out.dump(2) << '\n';
        return;
    }
    for (const auto &[key, value] : out.items())
        std::cout << fmt::format("{:<15} {}\n", key,
                                 value.is_string() ? value.get<std::string>() : value.dump());
}

int verify(const std::string &path, const brgpu::controller::BootCard &card, bool json) {
    const Bytes image = read_file(path);
    const auto result = brgpu::controller::check_image(
        card, 0, static_cast<std::uint32_t>(std::min<std::size_t>(image.size(), UINT32_MAX)),
        [&](std::uint64_t offset, std::span<std::byte> out) {
            if (offset > image.size() || image.size() - offset < out.size())
                return false;
            std::copy_n(image.begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                        out.begin());
            return true;
        });
    const bool accepted = result.error == BRGPU_BOOT_OK;
    if (json) {
        nlohmann::ordered_json out;
        out["file"] = path;
        out["accepted"] = accepted;
        out["boot_error"] = static_cast<unsigned>(result.error);
        out["reason"] = result.reason;
        std::cout << out.dump(2) << '\n';
    } else if (accepted) {
        std::cout << fmt::format("{}: accepted, version {}\n", path,
                                 show_version(result.header.fw_version));
    } else {
        std::cout << fmt::format("{}: refused (boot error {}): {}\n", path,
                                 static_cast<unsigned>(result.error), result.reason);
    }
    return accepted ? 0 : exit_refused;
}

void generate_keys(const std::string &prefix) {
    Seed seed{};
    randombytes_buf(seed.data(), seed.size());
    write_key(prefix + ".key", seed, "Ed25519 seed of a firmware signing key: keep it secret",
              true);
    write_key(prefix + ".pub", public_key(seed), "Ed25519 public key for firmware", false);
    std::cout << fmt::format("{0}.key (secret), {0}.pub\n", prefix);
}

int run(int argc, char **argv) {
    CLI::App app{"Makes, shows and checks firmware images for the card's management controller."};
    app.require_subcommand(1);
    app.footer("Exit codes: 0 done or accepted, 1 refused by verify, 2 error.");
    bool json = false;
    std::string file;
    std::string key_path;
    std::vector<std::string> products;
    std::uint32_t rollback = 0;

    auto *sign = app.add_subcommand("sign", "sign an ELF executable into an image");
    std::string output;
    std::string version = "0.0.0";
    std::string mailbox = "1.0";
    std::string contract = "1";
    Release release;
    sign->add_option("elf", file, "32-bit RISC-V executable with one segment")->required();
    sign->add_option("-o,--output", output, "image to write")->required();
    sign->add_option("--key", key_path, "secret key file")->required();
    sign->add_option("--product", products, "product that it is for; may be repeated")->required();
    sign->add_option("--fw-version", version, "major.minor.patch")->required();
    sign->add_option("--mailbox", mailbox, "mailbox versions spoken: 1.0 or 1.0-2.3");
    sign->add_option("--contract", contract, "hardware contract majors: 1 or 1-2");
    sign->add_option("--rollback", rollback, "anti-rollback counter");
    sign->add_option("--build-id", release.build_id, "up to 32 characters (default: payload hash)");

    auto *show = app.add_subcommand("inspect", "show an image's header, without any check");
    show->add_option("image", file, "image")->required();
    show->add_flag("--json", json, "as JSON");

    auto *check = app.add_subcommand("verify", "say what a card's boot ROM would");
    std::string card_contract = fmt::format("{}.{}", BRGPU_CONTRACT_MAJOR, BRGPU_CONTRACT_MINOR);
    check->add_option("image", file, "image")->required();
    check->add_option("--key", key_path, "the card's fused public key (default: development key)");
    check->add_option("--product", products, "the card's product")->required()->expected(1);
    check->add_option("--contract", card_contract, "the card's contract version")
        ->capture_default_str();
    check->add_option("--rollback", rollback, "lowest counter that the card accepts");
    check->add_flag("--json", json, "as JSON");

    auto *keygen = app.add_subcommand("keygen", "make a key pair: PREFIX.key and PREFIX.pub");
    std::string prefix;
    keygen->add_option("prefix", prefix, "path without suffix")->required();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return app.exit(error) == 0 ? 0 : exit_error;
    }

    if (*sign) {
        for (const std::string &product : products)
            release.products.push_back(parse_product(product));
        const auto parts = parse_parts(version, {255, 255, 65535}, "version (major.minor.patch)");
        release.fw_version = BRGPU_FW_VERSION_MAKE(parts[0], parts[1], parts[2]);
        const auto [mailbox_min, mailbox_max] = split_range(mailbox);
        release.mailbox_min = parse_mailbox(mailbox_min);
        release.mailbox_max = parse_mailbox(mailbox_max);
        const auto [contract_min, contract_max] = split_range(contract);
        release.contract_major_min =
            static_cast<std::uint16_t>(parse_number(contract_min, 10, 0xffff, "contract major"));
        release.contract_major_max =
            static_cast<std::uint16_t>(parse_number(contract_max, 10, 0xffff, "contract major"));
        release.rollback = rollback;
        write_file(output,
                   sign_image(read_program(read_file(file), file), release, read_key(key_path)));
    } else if (*show) {
        inspect(file, json);
    } else if (*check) {
        const auto parts = parse_parts(card_contract, {0xffff, 0xffff}, "contract (major.minor)");
        const brgpu::controller::BootCard card{
            parse_product(products.front()), parts[0] << 16 | parts[1],
            key_path.empty() ? brgpu::controller::development_key : read_key(key_path), rollback};
        return verify(file, card, json);
    } else {
        generate_keys(prefix);
    }
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    try {
        if (sodium_init() < 0)
            throw Error("libsodium does not start");
        return run(argc, argv);
    } catch (const std::exception &error) {
        std::cerr << "brgpu-fwtool: " << error.what() << '\n';
        return exit_error;
    }
}
