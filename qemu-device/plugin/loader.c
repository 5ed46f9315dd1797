/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * brgpu-qemu.so: the part that QEMU loads, as a plugin (-plugin) or before it starts (LD_PRELOAD).
 * It uses no symbol of QEMU at link time, so it loads everywhere: into a QEMU of another version,
 * which it tells apart before anything else happens, and into the programs that a QEMU with
 * LD_PRELOAD starts, where it does nothing. The device is in brgpu-qemu-device.so beside it.
 */
#include "qemu/osdep.h"

#include <dlfcn.h>

#include "qapi/qapi-types-control.h"
#include "qemu/module.h"
#include "qemu/qemu-plugin.h"

#include "brgpu-qemu-version.h"

#define DEVICE_LIBRARY "brgpu-qemu-device.so"
#define EXPORT         __attribute__((visibility("default")))

typedef VersionInfo *query_version_function(Error **);
typedef void register_module_function(void (*fn)(void), module_init_type type);
typedef const char *register_types_function(void);

EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* "Debian 1:7.2+dfsg-7+deb12u18+b3": a rebuild without a change of source ("+b3") is the same. */
static bool same_package(const char *running) {
    const char *found = strstr(running, " " BRGPU_QEMU_PACKAGE);
    const char *rest;

    if (!found) {
        return false;
    }
    rest = found + strlen(" " BRGPU_QEMU_PACKAGE);
    if (g_str_has_prefix(rest, "+b") && g_ascii_isdigit(rest[2])) {
        rest += 2;
        while (g_ascii_isdigit(*rest)) {
            rest++;
        }
    }
    return *rest == '\0';
}

static bool check_version(char *why, size_t why_size) {
    query_version_function *query =
        (query_version_function *)dlsym(RTLD_DEFAULT, "qmp_query_version");
    g_autofree char *version = NULL;
    VersionInfo *info;

    if (!query) {
        snprintf(why, why_size, "this program is no QEMU that exports its symbols");
        return false;
    }
    info = query(NULL);
    version = g_strdup_printf("%" PRId64 ".%" PRId64 ".%" PRId64, info->qemu->major,
                              info->qemu->minor, info->qemu->micro);
    if (strcmp(version, BRGPU_QEMU_VERSION) == 0 && same_package(info->package)) {
        return true;
    }
    snprintf(why, why_size,
             "built for QEMU " BRGPU_QEMU_VERSION " (" BRGPU_QEMU_PACKAGE
             "), this is QEMU %s (%s): run tools/setup/qemu-headers and build again",
             version, *info->package ? info->package : "no package");
    return false;
}

static bool load_device(char *why, size_t why_size) {
    g_autofree char *folder = NULL;
    g_autofree char *path = NULL;
    register_types_function *register_types;
    const char *refused;
    Dl_info self;
    void *library;

    if (!check_version(why, why_size)) {
        return false;
    }
    if (!dladdr((void *)&qemu_plugin_version, &self) || !self.dli_fname) {
        snprintf(why, why_size, "cannot find the folder that this plugin is in");
        return false;
    }
    folder = g_path_get_dirname(self.dli_fname);
    path = g_build_filename(folder, DEVICE_LIBRARY, NULL);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        snprintf(why, why_size, "%s", dlerror());
        return false;
    }
    register_types = (register_types_function *)dlsym(library, "brgpu_qemu_register_types");
    if (!register_types) {
        snprintf(why, why_size, "%s", dlerror());
        return false;
    }
    refused = register_types();
    if (refused) {
        snprintf(why, why_size, "%s", refused);
        return false;
    }
    return true;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                               char **argv) {
    char why[512];

    (void)id;
    (void)info;
    (void)argv;
    if (argc > 0) {
        fprintf(stderr, "brgpu-qemu: the plugin has no options; they belong to -device\n");
        return -1;
    }
    if (!load_device(why, sizeof(why))) {
        fprintf(stderr, "brgpu-qemu: %s\n", why);
        return -1;
    }
    return 0;
}

static register_module_function *register_module;

/* While QEMU registers its own types, before it reads its options. */
static void register_preloaded(void) {
    static bool queued_again;
    char why[512];

    /* The preloaded library is first in the list; the types to be checked come behind it. */
    if (!queued_again) {
        queued_again = true;
        register_module(register_preloaded, MODULE_INIT_QOM);
        return;
    }

    if (!load_device(why, sizeof(why))) {
        fprintf(stderr, "brgpu-qemu: %s\n", why);
        exit(EXIT_FAILURE);
    }
}

/* With -plugin this comes too late for module_call_init(), and does nothing. */
__attribute__((constructor)) static void preloaded(void) {
    register_module = (register_module_function *)dlsym(RTLD_DEFAULT, "register_module_init");
    if (register_module && dlsym(RTLD_DEFAULT, "qmp_query_version")) {
        register_module(register_preloaded, MODULE_INIT_QOM);
    }
}
