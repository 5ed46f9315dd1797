/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The card's view of system memory.
 *
 * Workers read RAM through host pointers, found without any lock in a table that a memory listener
 * keeps (RCU). Behind a virtual IOMMU an address has to be translated, which needs the BQL, so a
 * worker posts a request to a bottom half and waits; the answer is cached until the IOMMU says that
 * the page is unmapped. An IOMMU that doesn't say so (7.2's intel-iommu only does in caching mode,
 * or to a device with ATS) gets no pointers out of here at all: every access is a request then.
 * Access to anything but RAM is a request, too.
 *
 * A waiting worker never keeps the BQL's holder waiting: brgpu_dma_stop() fails all requests, and
 * who waits for workers calls it, or brgpu_dma_serve() in a loop.
 */
#include "brgpu-device.h"

#include "exec/address-spaces.h"
#include "qapi/error.h"
#include "qemu/error-report.h"

/* The unit of the IOMMU cache; IOMMUs of all architectures that have PCI map at least this. */
#define IOTLB_PAGE        4096ULL
/* 1 GiB of buffers. Beyond, all is dropped and looked up again. */
#define IOTLB_MAX_ENTRIES 262144u

typedef struct BrgpuRamRange {
    hwaddr base;
    hwaddr size;
    uint8_t *host;
    MemoryRegion *mr;
    bool readonly;
} BrgpuRamRange;

struct BrgpuRamTable {
    struct rcu_head rcu;
    bool has_iommu;
    unsigned int count;
    BrgpuRamRange ranges[]; /* by base, each with a reference to its region */
};

typedef struct BrgpuIommu {
    IOMMUNotifier notifier;
    BrgpuDma *dma;
    MemoryRegion *mr;
    hwaddr section_base;
    hwaddr offset; /* device address = address in the IOMMU's region + offset */
    bool cacheable;
} BrgpuIommu;

typedef struct BrgpuIotlbEntry {
    uint64_t key;
    uint8_t *host; /* of the page's first byte */
    MemoryRegion *mr;
} BrgpuIotlbEntry;

enum request_kind { REQUEST_TRANSLATE, REQUEST_READ, REQUEST_WRITE };

struct BrgpuDmaRequest {
    enum request_kind kind;
    uint64_t addr;
    uint8_t *buf;
    size_t len;
    bool write; /* of REQUEST_TRANSLATE */
    void *host; /* answer of REQUEST_TRANSLATE */
    int result; /* answer of the others */
    bool done;
    QSIMPLEQ_ENTRY(BrgpuDmaRequest) next;
};

/* ---- the table of RAM that needs no translation ---- */

static void free_table(BrgpuRamTable *table) {
    for (unsigned int i = 0; i < table->count; i++) {
        memory_region_unref(table->ranges[i].mr);
    }
    g_free(table);
}

static int compare_ranges(const void *a, const void *b) {
    const BrgpuRamRange *left = a, *right = b;

    return left->base < right->base ? -1 : left->base > right->base;
}

static void publish_table(BrgpuDma *dma) {
    BrgpuRamTable *old = dma->table;
    unsigned int count = dma->sections->len;
    BrgpuRamTable *table = g_malloc0(sizeof(*table) + count * sizeof(BrgpuRamRange));

    table->has_iommu = dma->iommus != NULL;
    table->count = count;
    if (count) {
        memcpy(table->ranges, dma->sections->data, count * sizeof(BrgpuRamRange));
        qsort(table->ranges, count, sizeof(BrgpuRamRange), compare_ranges);
    }
    for (unsigned int i = 0; i < count; i++) {
        memory_region_ref(table->ranges[i].mr);
    }
    qatomic_rcu_set(&dma->table, table);
    /* The old table keeps its regions alive until the model has let go of their pointers. */
    if (dma->model && dma->sections_removed) {
        brgpu_model_dma_invalidate(dma->model, 0, 0);
    }
    if (old) {
        call_rcu(old, free_table, rcu);
    }
}

static const BrgpuRamRange *find_range(const BrgpuRamTable *table, hwaddr addr) {
    unsigned int low = 0, high = table->count;

    while (low < high) {
        unsigned int middle = low + (high - low) / 2;
        const BrgpuRamRange *range = &table->ranges[middle];

        if (addr < range->base) {
            high = middle;
        } else if (addr - range->base >= range->size) {
            low = middle + 1;
        } else {
            return range;
        }
    }
    return NULL;
}

/* ---- the cache of what IOMMUs have translated ---- */

static uint64_t iotlb_key(hwaddr addr, bool write) {
    return (addr & ~(IOTLB_PAGE - 1)) | write;
}

static void free_iotlb_entry(gpointer data) {
    BrgpuIotlbEntry *entry = data;

    memory_region_unref(entry->mr);
    g_free(entry);
}

/*
 * Drops [first, last] and tells the model. The regions stay referenced until the model has let go
 * of their pointers.
 */
static void drop_iotlb(BrgpuDma *dma, hwaddr first, hwaddr last) {
    g_autoptr(GPtrArray) dropped = g_ptr_array_new_with_free_func(free_iotlb_entry);
    bool all = first == 0 && last == HWADDR_MAX;
    GHashTableIter iter;
    gpointer key, value;

    qemu_mutex_lock(&dma->iotlb_lock);
    if (last - first < IOTLB_PAGE * 64) {
        hwaddr page = first & ~(IOTLB_PAGE - 1);

        for (;; page += IOTLB_PAGE) {
            for (int write = 0; write < 2; write++) {
                uint64_t wanted = iotlb_key(page, write);

                value = g_hash_table_lookup(dma->iotlb, &wanted);
                if (value) {
                    g_hash_table_steal(dma->iotlb, &wanted);
                    g_ptr_array_add(dropped, value);
                }
            }
            if (last - page < IOTLB_PAGE) {
                break;
            }
        }
    } else {
        g_hash_table_iter_init(&iter, dma->iotlb);
        while (g_hash_table_iter_next(&iter, &key, &value)) {
            BrgpuIotlbEntry *entry = value;
            hwaddr page = entry->key & ~(IOTLB_PAGE - 1);

            if (page <= last && page + (IOTLB_PAGE - 1) >= first) {
                g_hash_table_iter_steal(&iter);
                g_ptr_array_add(dropped, entry);
            }
        }
    }
    qemu_mutex_unlock(&dma->iotlb_lock);

    if (dma->model && dropped->len) {
        brgpu_model_dma_invalidate(dma->model, all ? 0 : first, all ? 0 : last - first + 1);
    }
}

static void iommu_changed(IOMMUNotifier *notifier, IOMMUTLBEntry *change) {
    BrgpuIommu *iommu = container_of(notifier, BrgpuIommu, notifier);
    hwaddr first, last;

    if (change->perm != IOMMU_NONE) {
        return; /* a new mapping; it is looked up when it is used */
    }
    first = change->iova & ~change->addr_mask;
    last = first | change->addr_mask;
    first = MAX(first, notifier->start) + iommu->offset;
    last = MIN(last, notifier->end) + iommu->offset;
    if (first <= last) {
        drop_iotlb(iommu->dma, first, last);
    }
}

static BrgpuIommu *find_iommu(BrgpuDma *dma, hwaddr addr) {
    for (GList *item = dma->iommus; item; item = item->next) {
        BrgpuIommu *iommu = item->data;
        hwaddr first = iommu->notifier.start + iommu->offset;

        if (addr >= first && addr <= iommu->notifier.end + iommu->offset) {
            return iommu;
        }
    }
    return NULL;
}

static void *lookup_iotlb(BrgpuDma *dma, hwaddr addr, size_t *len, bool write) {
    uint64_t key = iotlb_key(addr, write);
    hwaddr in_page = addr & (IOTLB_PAGE - 1);
    BrgpuIotlbEntry *entry;
    void *host = NULL;

    qemu_mutex_lock(&dma->iotlb_lock);
    entry = g_hash_table_lookup(dma->iotlb, &key);
    if (entry) {
        host = entry->host + in_page;
        *len = MIN(*len, IOTLB_PAGE - in_page);
    }
    qemu_mutex_unlock(&dma->iotlb_lock);
    return host;
}

/* BQL. A page that is RAM as a whole goes into the cache; *len is cut at its end. */
static void *translate(BrgpuDma *dma, hwaddr addr, size_t *len, bool write) {
    hwaddr page = addr & ~(IOTLB_PAGE - 1);
    BrgpuIommu *iommu = find_iommu(dma, addr);
    BrgpuIotlbEntry *entry;
    hwaddr offset, size = IOTLB_PAGE;
    MemoryRegion *mr;
    bool full;

    if (!iommu || !iommu->cacheable) {
        return NULL;
    }
    RCU_READ_LOCK_GUARD();
    mr = address_space_translate(dma->as, page, &offset, &size, write, MEMTXATTRS_UNSPECIFIED);
    if (size < IOTLB_PAGE || !memory_access_is_direct(mr, write)) {
        return NULL;
    }

    qemu_mutex_lock(&dma->iotlb_lock);
    full = g_hash_table_size(dma->iotlb) >= IOTLB_MAX_ENTRIES;
    qemu_mutex_unlock(&dma->iotlb_lock);
    if (full) {
        drop_iotlb(dma, 0, HWADDR_MAX);
    }

    entry = g_new0(BrgpuIotlbEntry, 1);
    entry->key = iotlb_key(page, write);
    entry->host = (uint8_t *)memory_region_get_ram_ptr(mr) + offset;
    entry->mr = mr;
    memory_region_ref(mr);
    qemu_mutex_lock(&dma->iotlb_lock);
    g_hash_table_replace(dma->iotlb, &entry->key, entry);
    qemu_mutex_unlock(&dma->iotlb_lock);

    *len = MIN(*len, IOTLB_PAGE - (addr - page));
    return entry->host + (addr - page);
}

/* ---- memory listeners ---- */

static void add_iommu(BrgpuDma *dma, MemoryRegionSection *section) {
    IOMMUMemoryRegion *iommu_mr = IOMMU_MEMORY_REGION(section->mr);
    hwaddr first = section->offset_within_region;
    hwaddr last = first + int128_get64(int128_sub(section->size, int128_one()));
    int index = memory_region_iommu_attrs_to_index(iommu_mr, MEMTXATTRS_UNSPECIFIED);
    /* Full notification, which is right after unmaps of every kind, or that of a device TLB. */
    IOMMUNotifierFlag wanted[] = {IOMMU_NOTIFIER_IOTLB_EVENTS, IOMMU_NOTIFIER_DEVIOTLB_UNMAP};
    BrgpuIommu *iommu = g_new0(BrgpuIommu, 1);

    iommu->dma = dma;
    iommu->mr = section->mr;
    iommu->section_base = section->offset_within_address_space;
    iommu->offset = section->offset_within_address_space - section->offset_within_region;
    for (unsigned int i = 0; i < (dma->ats ? 2u : 1u) && !iommu->cacheable; i++) {
        iommu_notifier_init(&iommu->notifier, iommu_changed, wanted[i], first, last, index);
        iommu->cacheable =
            memory_region_register_iommu_notifier(section->mr, &iommu->notifier, NULL) == 0;
    }
    if (!iommu->cacheable) {
        warn_report_once("brgpu: the IOMMU doesn't tell this card about unmapped pages, so every "
                         "access to system memory is slow; use -device intel-iommu,"
                         "caching-mode=on, or device-iotlb=on with the card's ats=on");
    }
    memory_region_ref(section->mr);
    dma->iommus = g_list_prepend(dma->iommus, iommu);
}

static void remove_iommu(BrgpuDma *dma, MemoryRegionSection *section) {
    for (GList *item = dma->iommus; item; item = item->next) {
        BrgpuIommu *iommu = item->data;

        if (iommu->mr == section->mr &&
            iommu->section_base == section->offset_within_address_space) {
            hwaddr first = iommu->notifier.start + iommu->offset;
            hwaddr last = iommu->notifier.end + iommu->offset;

            if (iommu->cacheable) {
                memory_region_unregister_iommu_notifier(iommu->mr, &iommu->notifier);
            }
            drop_iotlb(dma, first, last);
            memory_region_unref(iommu->mr);
            g_free(iommu);
            dma->iommus = g_list_delete_link(dma->iommus, item);
            return;
        }
    }
}

static void section_added(MemoryListener *listener, MemoryRegionSection *section) {
    BrgpuDma *dma = container_of(listener, BrgpuDma, listener);

    if (memory_region_is_iommu(section->mr)) {
        add_iommu(dma, section);
        dma->sections_changed = true;
    } else if (memory_access_is_direct(section->mr, false)) {
        BrgpuRamRange range = {
            .base = section->offset_within_address_space,
            .size = int128_get64(section->size),
            .host =
                (uint8_t *)memory_region_get_ram_ptr(section->mr) + section->offset_within_region,
            .mr = section->mr,
            .readonly = section->readonly || !memory_access_is_direct(section->mr, true),
        };

        memory_region_ref(range.mr);
        g_array_append_val(dma->sections, range);
        dma->sections_changed = true;
    }
}

static void section_removed(MemoryListener *listener, MemoryRegionSection *section) {
    BrgpuDma *dma = container_of(listener, BrgpuDma, listener);

    if (memory_region_is_iommu(section->mr)) {
        remove_iommu(dma, section);
        dma->sections_changed = true;
        return;
    }
    for (unsigned int i = 0; i < dma->sections->len; i++) {
        BrgpuRamRange *range = &g_array_index(dma->sections, BrgpuRamRange, i);

        if (range->mr == section->mr && range->base == section->offset_within_address_space) {
            memory_region_unref(range->mr);
            g_array_remove_index_fast(dma->sections, i);
            dma->sections_changed = true;
            dma->sections_removed = true;
            return;
        }
    }
}

static void sections_committed(MemoryListener *listener) {
    BrgpuDma *dma = container_of(listener, BrgpuDma, listener);

    if (dma->sections_changed) {
        publish_table(dma);
        dma->sections_changed = false;
        dma->sections_removed = false;
    }
}

/* What IOMMUs translate to: when memory leaves it, translations into it are void. */
static void target_section_removed(MemoryListener *listener, MemoryRegionSection *section) {
    BrgpuDma *dma = container_of(listener, BrgpuDma, target_listener);

    if (memory_region_is_ram(section->mr)) {
        dma->target_removed = true;
    }
}

static void target_committed(MemoryListener *listener) {
    BrgpuDma *dma = container_of(listener, BrgpuDma, target_listener);

    if (dma->target_removed) {
        dma->target_removed = false;
        drop_iotlb(dma, 0, HWADDR_MAX);
    }
}

/* ---- requests that need the BQL ---- */

static void answer(BrgpuDma *dma, BrgpuDmaRequest *request) {
    if (request->kind == REQUEST_TRANSLATE) {
        request->host = translate(dma, request->addr, &request->len, request->write);
    } else {
        MemTxResult result =
            address_space_rw(dma->as, request->addr, MEMTXATTRS_UNSPECIFIED, request->buf,
                             request->len, request->kind == REQUEST_WRITE);

        request->result = result == MEMTX_OK ? 0 : -1;
    }
}

void brgpu_dma_serve(BrgpuDma *dma) {
    qemu_mutex_lock(&dma->lock);
    while (!QSIMPLEQ_EMPTY(&dma->queue)) {
        BrgpuDmaRequest *request = QSIMPLEQ_FIRST(&dma->queue);

        QSIMPLEQ_REMOVE_HEAD(&dma->queue, next);
        qemu_mutex_unlock(&dma->lock);
        answer(dma, request);
        qemu_mutex_lock(&dma->lock);
        request->done = true;
        qemu_cond_broadcast(&dma->done);
    }
    qemu_mutex_unlock(&dma->lock);
}

static void serve_bh(void *opaque) {
    brgpu_dma_serve(opaque);
}

/* Returns with request's answers filled in; they are preset to failure. */
static void submit(BrgpuDma *dma, BrgpuDmaRequest *request) {
    request->host = NULL;
    request->result = -1;
    request->done = false;
    qemu_mutex_lock(&dma->lock);
    if (!dma->stopping) {
        QSIMPLEQ_INSERT_TAIL(&dma->queue, request, next);
        qemu_bh_schedule(dma->bh);
        while (!request->done) {
            qemu_cond_wait(&dma->done, &dma->lock);
        }
    }
    qemu_mutex_unlock(&dma->lock);
}

static void cancel_locked(BrgpuDma *dma) {
    BrgpuDmaRequest *request;

    while ((request = QSIMPLEQ_FIRST(&dma->queue)) != NULL) {
        QSIMPLEQ_REMOVE_HEAD(&dma->queue, next);
        request->done = true;
    }
    qemu_cond_broadcast(&dma->done);
}

void brgpu_dma_cancel(BrgpuDma *dma) {
    qemu_mutex_lock(&dma->lock);
    cancel_locked(dma);
    qemu_mutex_unlock(&dma->lock);
}

void brgpu_dma_stop(BrgpuDma *dma) {
    qemu_mutex_lock(&dma->lock);
    dma->stopping = true;
    cancel_locked(dma);
    qemu_mutex_unlock(&dma->lock);
}

/* ---- for the workers ---- */

void *brgpu_dma_map(BrgpuDma *dma, uint64_t addr, size_t *len, bool write) {
    BrgpuDmaRequest request;
    bool has_iommu = false;
    void *host = NULL;

    if (*len == 0) {
        return NULL;
    }
    WITH_RCU_READ_LOCK_GUARD() {
        const BrgpuRamTable *table = qatomic_rcu_read(&dma->table);
        const BrgpuRamRange *range = table ? find_range(table, addr) : NULL;

        if (range && !(write && range->readonly)) {
            hwaddr left = range->size - (addr - range->base);

            *len = MIN(*len, left);
            host = range->host + (addr - range->base);
        } else if (!range) {
            has_iommu = table && table->has_iommu;
        }
    }
    if (host || !has_iommu) {
        return host;
    }

    host = lookup_iotlb(dma, addr, len, write);
    if (host) {
        return host;
    }
    request =
        (BrgpuDmaRequest){.kind = REQUEST_TRANSLATE, .addr = addr, .len = *len, .write = write};
    submit(dma, &request);
    if (request.host) {
        *len = request.len;
    }
    return request.host;
}

void brgpu_dma_unmap(BrgpuDma *dma, void *ptr, size_t len, bool write, size_t accessed) {
    ram_addr_t offset;
    MemoryRegion *mr;

    if (!write || !accessed) {
        return;
    }
    /* Marks the memory dirty and drops code translated from it; takes over the reference. */
    mr = memory_region_from_host(ptr, &offset);
    if (mr) {
        memory_region_ref(mr);
        address_space_unmap(dma->as, ptr, len, true, MIN(accessed, len));
    }
}

int brgpu_dma_access(BrgpuDma *dma, uint64_t addr, void *buf, size_t len, bool write) {
    BrgpuDmaRequest request = {
        .kind = write ? REQUEST_WRITE : REQUEST_READ, .addr = addr, .buf = buf, .len = len};

    if (len == 0) {
        return 0;
    }
    submit(dma, &request);
    return request.result;
}

/* ---- life ---- */

void brgpu_dma_init(BrgpuDma *dma, AddressSpace *as, bool ats) {
    memset(dma, 0, sizeof(*dma));
    dma->as = as;
    dma->ats = ats;
    dma->sections = g_array_new(false, false, sizeof(BrgpuRamRange));
    dma->iotlb = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_iotlb_entry);
    qemu_mutex_init(&dma->iotlb_lock);
    qemu_mutex_init(&dma->lock);
    qemu_cond_init(&dma->done);
    QSIMPLEQ_INIT(&dma->queue);
    dma->bh = qemu_bh_new(serve_bh, dma);

    dma->listener = (MemoryListener){
        .name = "brgpu-dma",
        .region_add = section_added,
        .region_del = section_removed,
        .commit = sections_committed,
    };
    memory_listener_register(&dma->listener, as);
    dma->target_listener = (MemoryListener){
        .name = "brgpu-dma-target",
        .region_del = target_section_removed,
        .commit = target_committed,
    };
    memory_listener_register(&dma->target_listener, &address_space_memory);
}

void brgpu_dma_attach(BrgpuDma *dma, brgpu_model *model) {
    dma->model = model;
}

void brgpu_dma_destroy(BrgpuDma *dma) {
    memory_listener_unregister(&dma->target_listener);
    memory_listener_unregister(&dma->listener); /* removes all sections and commits */
    qemu_bh_delete(dma->bh);
    if (dma->table) {
        call_rcu(dma->table, free_table, rcu);
        dma->table = NULL;
    }
    g_array_free(dma->sections, true);
    g_hash_table_destroy(dma->iotlb);
    qemu_cond_destroy(&dma->done);
    qemu_mutex_destroy(&dma->lock);
    qemu_mutex_destroy(&dma->iotlb_lock);
}
