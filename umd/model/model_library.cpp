// SPDX-License-Identifier: MIT
#include "model_library.hpp"

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

#include "../error.hpp"

namespace brgpu::umd::model {

namespace {

std::string own_file() {
    Dl_info info = {};
    char path[PATH_MAX];
    if (dladdr(reinterpret_cast<void *>(&load_library), &info) && info.dli_fname &&
        realpath(info.dli_fname, path))
        return path;
    const ssize_t length = readlink("/proc/self/exe", path, sizeof(path));
    return length > 0 ? std::string(path, static_cast<size_t>(length)) : std::string();
}

template <typename Function>
void find(void *library, const char *name, Function &function) {
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (!function)
        raise(BRGPU_ERROR_VERSION_MISMATCH,
              "brgpu: libbrgpu-model.so has no function %s: install it together with libbrgpu",
              name);
}

} // namespace

std::string own_folder() {
    const std::string file = own_file();
    return file.substr(0, file.rfind('/'));
}

Library load_library() {
    const std::string beside = own_folder() + "/libbrgpu-model.so";
    // Programs that have the library linked in stand in another folder of the same tree.
    const std::string in_tree = own_folder() + "/../lib/libbrgpu-model.so";
    const std::string path = access(beside.c_str(), F_OK) == 0 ? beside : in_tree;
    if (access(path.c_str(), F_OK) != 0)
        raise(BRGPU_ERROR_NO_DRIVER,
              "brgpu: the model backend needs libbrgpu-model.so beside libbrgpu (%s)",
              beside.c_str());
    // Never closed: its threads may still run when the process exits.
    void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle)
        raise(BRGPU_ERROR_NO_DRIVER, "brgpu: the model backend can't be loaded: %s", dlerror());
    Library library = {};
    find(handle, "brgpu_model_abi_version", library.abi_version);
    if (library.abi_version() != BRGPU_MODEL_ABI_VERSION)
        raise(BRGPU_ERROR_VERSION_MISMATCH,
              "brgpu: %s has ABI version %u, this library needs %u: install both of one version",
              path.c_str(), library.abi_version(), BRGPU_MODEL_ABI_VERSION);
    find(handle, "brgpu_model_create", library.create);
    find(handle, "brgpu_model_destroy", library.destroy);
    find(handle, "brgpu_model_get_info", library.info);
    find(handle, "brgpu_model_vram_fd", library.vram_fd);
    find(handle, "brgpu_model_mmio_read", library.mmio_read);
    find(handle, "brgpu_model_mmio_write", library.mmio_write);
    find(handle, "brgpu_model_doorbell", library.doorbell);
    find(handle, "brgpu_model_dma_invalidate", library.dma_invalidate);
    find(handle, "brgpu_model_property_set", library.property_set);

    // The model's threads call into this library: it must outlive dlclose() from now on.
    dlopen(own_file().c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    return library;
}

} // namespace brgpu::umd::model
