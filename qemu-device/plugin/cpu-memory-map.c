/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A repair for QEMU before 8.1: vCPUs of TCG that keep their old view of memory until they let go
 * of it.
 *
 * TCG's TLB names a device's region by its index in the vCPU's current dispatch table. When the
 * memory map changes (a BAR moves, a card resets or is plugged), these versions replace the table
 * of every vCPU at once, while the flush of another vCPU's TLB waits until its thread takes it. An
 * access in between finds another region under its index: a write to a doorbell reaches the MSI-X
 * table, say, at an offset that the table does not have, and QEMU aborts. With a card that is reset
 * while other vCPUs use it that happens within minutes.
 *
 * So TCG's listener is called on the vCPU's own thread, between two of its translation blocks, as
 * QEMU 8.1 does it. Until then the vCPU's view is kept alive by a reference.
 */
#include "brgpu-device.h"

#include "hw/core/cpu.h"

#include "brgpu-qemu-version.h"

/* As in QEMU's exec/memory-internal.h, which only compiles for one target. */
FlatView *address_space_get_flatview(AddressSpace *as);
void flatview_unref(FlatView *view);

typedef struct CpuMemoryMap {
    CPUState *cpu;
    AddressSpace *as;
    FlatView *view; /* what the vCPU's dispatch table belongs to */
    void (*commit)(MemoryListener *listener);
    bool queued;
} CpuMemoryMap;

/* MemoryListener of TCG -> CpuMemoryMap, never removed; BQL. */
static GHashTable *maps;

static void commit_now(MemoryListener *listener, CpuMemoryMap *map) {
    FlatView *last = map->view;

    map->view = address_space_get_flatview(map->as);
    map->commit(listener);
    flatview_unref(last);
}

/* On the vCPU's thread, outside its translated code, with the BQL. */
static void commit_on_cpu(CPUState *cpu, run_on_cpu_data data) {
    MemoryListener *listener = data.host_ptr;
    CpuMemoryMap *map = g_hash_table_lookup(maps, listener);

    (void)cpu;
    map->queued = false;
    commit_now(listener, map);
}

static void commit_later(MemoryListener *listener) {
    CpuMemoryMap *map = g_hash_table_lookup(maps, listener);

    if (map->cpu == first_cpu) {
        brgpu_cpu_memory_maps_init(); /* vCPUs can be plugged, too */
    }
    /* A vCPU that changes the map itself expects to see that with its next access. */
    if (!map->cpu->created || qemu_cpu_is_self(map->cpu)) {
        commit_now(listener, map);
    } else if (!map->queued) {
        map->queued = true;
        async_run_on_cpu(map->cpu, commit_on_cpu, RUN_ON_CPU_HOST_PTR(listener));
    }
}

static bool qemu_is_older_than(unsigned int major, unsigned int minor) {
    unsigned int its_major = 0;
    unsigned int its_minor = 0;

    (void)sscanf(BRGPU_QEMU_VERSION, "%u.%u", &its_major, &its_minor);
    return its_major < major || (its_major == major && its_minor < minor);
}

void brgpu_cpu_memory_maps_init(void) {
    CPUState *cpu;

    if (!qemu_is_older_than(8, 1)) {
        return;
    }
    if (!maps) {
        maps = g_hash_table_new(NULL, NULL);
    }
    CPU_FOREACH(cpu) {
        for (int i = 0; i < cpu->num_ases; i++) {
            AddressSpace *as = cpu_get_address_space(cpu, i);
            MemoryListener *listener;

            if (!as) {
                continue;
            }
            /* An accelerator other than TCG has no listener of that name. */
            QTAILQ_FOREACH(listener, &as->listeners, link_as) {
                CpuMemoryMap *map;

                if (g_strcmp0(listener->name, "tcg") != 0 || listener->commit == commit_later) {
                    continue;
                }
                map = g_new0(CpuMemoryMap, 1);
                map->cpu = cpu;
                map->as = as;
                map->view = address_space_get_flatview(as);
                map->commit = listener->commit;
                g_hash_table_insert(maps, listener, map);
                listener->commit = commit_later;
            }
        }
    }
}
