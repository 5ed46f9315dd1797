// SPDX-License-Identifier: MIT
#include "module_file.hpp"

#include "files.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <set>
#include <stdexcept>

namespace brgpu::guest {

namespace {

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        if (end > 0)
            parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

/// Bytes [offset, offset + size) of the file, or an error: every number in it may be wrong.
std::string_view range(std::string_view bytes, std::uint64_t offset, std::uint64_t size,
                       const std::string &what) {
    if (offset > bytes.size() || size > bytes.size() - offset)
        throw std::runtime_error(what + " is truncated or no kernel module");
    return bytes.substr(offset, size);
}

template <typename T>
T load(std::string_view bytes, std::uint64_t offset, const std::string &what) {
    T value;
    std::memcpy(&value, range(bytes, offset, sizeof value, what).data(), sizeof value);
    return value;
}

std::string_view section(std::string_view elf, std::string_view name, const std::string &what) {
    const auto header = load<Elf64_Ehdr>(elf, 0, what);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr))
        throw std::runtime_error(what + " is no 64-bit ELF file");
    const auto table =
        range(elf, header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr), what);
    const auto names_header =
        load<Elf64_Shdr>(table, std::uint64_t{header.e_shstrndx} * sizeof(Elf64_Shdr), what);
    const auto names = range(elf, names_header.sh_offset, names_header.sh_size, what);
    for (std::size_t i = 0; i < header.e_shnum; i++) {
        const auto entry = load<Elf64_Shdr>(table, i * sizeof(Elf64_Shdr), what);
        const auto rest =
            range(names, entry.sh_name,
                  names.size() - std::min<std::size_t>(entry.sh_name, names.size()), what);
        if (rest.substr(0, rest.find('\0')) == name && entry.sh_type != SHT_NOBITS)
            return range(elf, entry.sh_offset, entry.sh_size, what);
    }
    throw std::runtime_error(what + " has no " + std::string(name) +
                             " section: it is no kernel module");
}

} // namespace

ModuleInfo parse_module_info(std::string_view elf, const std::string &what) {
    ModuleInfo info;
    for (const auto &line : split(section(elf, ".modinfo", what), '\0')) {
        const std::string_view view = line;
        if (view.starts_with("name="))
            info.name = view.substr(5);
        else if (view.starts_with("depends="))
            info.depends = split(view.substr(8), ',');
        else if (view.starts_with("vermagic="))
            info.kernel_release = view.substr(9, view.find(' ') - 9);
    }
    if (info.name.empty() || info.kernel_release.empty())
        throw std::runtime_error(what + " names no module or kernel release in .modinfo");
    return info;
}

ModuleInfo read_module_info(const std::filesystem::path &file) {
    return parse_module_info(read_file(file), file.string());
}

std::string module_name(std::string_view file) {
    file.remove_prefix(file.rfind('/') == std::string_view::npos ? 0 : file.rfind('/') + 1);
    std::string name(file.substr(0, file.find(".ko")));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

ModuleIndex::ModuleIndex(std::string_view text) {
    for (const auto &line : split(text, '\n')) {
        const auto colon = line.find(':');
        if (colon == std::string::npos)
            throw std::runtime_error("modules.dep has a line without a colon: " + line);
        Entry entry{line.substr(0, colon), split(std::string_view(line).substr(colon + 1), ' ')};
        entries_.insert_or_assign(module_name(entry.file), std::move(entry));
    }
}

void ModuleIndex::add_builtin(std::string_view text) {
    for (const auto &line : split(text, '\n'))
        builtin_.push_back(module_name(line));
    std::sort(builtin_.begin(), builtin_.end());
}

std::vector<std::string> ModuleIndex::closure(const std::vector<std::string> &names) const {
    std::vector<std::string> order;
    std::set<std::string> seen;
    for (const auto &wanted : names) {
        const std::string name = module_name(wanted);
        const auto entry = entries_.find(name);
        if (entry == entries_.end()) {
            if (std::binary_search(builtin_.begin(), builtin_.end(), name))
                continue;
            throw std::runtime_error("the guest's kernel has no module '" + name + "'");
        }
        // depmod lists the nearest need first, so the farthest must be loaded first.
        for (auto need = entry->second.needs.rbegin(); need != entry->second.needs.rend(); ++need)
            if (seen.insert(*need).second)
                order.push_back(*need);
        if (seen.insert(entry->second.file).second)
            order.push_back(entry->second.file);
    }
    return order;
}

} // namespace brgpu::guest
