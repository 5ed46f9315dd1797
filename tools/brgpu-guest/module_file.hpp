// SPDX-License-Identifier: MIT
//
// What a kernel module says about itself, and what a kernel's modules.dep says about its modules.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace brgpu::guest {

/// The .modinfo section of a module (ELF64, not compressed).
struct ModuleInfo {
    std::string name;
    std::string kernel_release;       ///< first word of vermagic
    std::vector<std::string> depends; ///< modules that it uses directly
};

/// Throws std::runtime_error naming the file where it cannot be read or is no module.
ModuleInfo read_module_info(const std::filesystem::path &file);

/// The same on a module's bytes; `what` names them in errors.
ModuleInfo parse_module_info(std::string_view elf, const std::string &what);

/// modules.dep: which file a module is, and what must be loaded before it.
class ModuleIndex {
  public:
    /// `text` is the content of modules.dep. Throws std::runtime_error on a malformed line.
    explicit ModuleIndex(std::string_view text);

    /// Files (relative to the modules' folder) of `names` and all that they need, in loading order,
    /// each once. Names that `builtin` holds are left out. Throws std::runtime_error naming a
    /// module that the kernel does not have.
    std::vector<std::string> closure(const std::vector<std::string> &names) const;

    /// Adds the names of modules.builtin: they need no loading.
    void add_builtin(std::string_view text);

  private:
    struct Entry {
        std::string file;
        std::vector<std::string> needs; ///< files, nearest first, as depmod writes them
    };
    std::map<std::string, Entry, std::less<>> entries_; ///< by module name
    std::vector<std::string> builtin_;
};

/// "drm_exec" of "kernel/drivers/gpu/drm/drm-exec.ko.xz".
std::string module_name(std::string_view file);

} // namespace brgpu::guest
