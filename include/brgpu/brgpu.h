/* SPDX-License-Identifier: MIT */
/*
 * libbrgpu: the user-mode driver's public C ABI.
 *
 * Objects are opaque handles. A handle keeps what it was made from alive: closing a device while
 * its queues exist is fine, it goes with the last of them. Destroying NULL does nothing.
 *
 * Structures. Each that callers fill or receive begins with struct_size, which the caller sets to
 * sizeof(struct ...) (BRGPU_STRUCT does it). An older caller's shorter structure is extended with
 * zeros; the unknown tail of a newer caller's must be zero (BRGPU_ERROR_UNSUPPORTED else). Fields
 * that aren't wanted are zero. A received structure is filled as far as struct_size says.
 *
 * Arrays that are received: `*count` is the capacity on entry and the full number on return. With a
 * NULL array only the number is told; when it doesn't fit, what fits is filled and
 * BRGPU_INCOMPLETE returned.
 *
 * Errors. Every function that can fail returns enum brgpu_status; on failure brgpu_last_error()
 * holds one line for this thread that says what was tried, on what, and what was found. Nothing
 * throws, aborts, or installs signal handlers. On failure outputs are left alone.
 *
 * Threads. Every function may be called from any thread. Calls on different objects run side by
 * side; calls on one object are serialised inside, but for brgpu_commands and brgpu_kernel, which
 * only one thread may use at a time. Destroying an object while another thread uses it is an error
 * of the caller.
 *
 * Time-outs are in nanoseconds from now: 0 only looks, BRGPU_FOREVER waits without end. A wait that
 * gives up returns BRGPU_ERROR_TIMEOUT, and brgpu_last_error() names what it waited for.
 *
 * fork(): handles are of no use in the child: every call on one returns BRGPU_ERROR_FORKED there,
 * and destroying one touches nothing of the parent's. Open the device anew in the child.
 *
 * Device addresses are 64-bit numbers within one VM. 0 is never one.
 */
#ifndef BRGPU_BRGPU_H
#define BRGPU_BRGPU_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BRGPU_API __attribute__((visibility("default")))
#else
#define BRGPU_API
#endif

#define BRGPU_VERSION_MAJOR 0
#define BRGPU_VERSION_MINOR 1
#define BRGPU_VERSION_PATCH 0

#define BRGPU_FOREVER       UINT64_MAX

/* `BRGPU_STRUCT(brgpu_queue_create_info, info);` declares a zeroed structure with its size set. */
#ifdef __cplusplus
#define BRGPU_STRUCT(type, name)                                                                   \
    struct type name = {};                                                                         \
    name.struct_size = sizeof(struct type)
#else
#define BRGPU_STRUCT(type, name) struct type name = {.struct_size = sizeof(struct type)}
#endif

typedef enum brgpu_status {
    BRGPU_SUCCESS = 0,
    BRGPU_INCOMPLETE = 1, /* the array was too short for all of the answer */

    BRGPU_ERROR_INVALID_ARGUMENT = -1,
    BRGPU_ERROR_OUT_OF_HOST_MEMORY = -2,
    BRGPU_ERROR_OUT_OF_DEVICE_MEMORY = -3,
    BRGPU_ERROR_OUT_OF_ADDRESS_SPACE = -4,
    BRGPU_ERROR_UNSUPPORTED =
        -5, /* well-formed, but not provided by this card, kernel or backend */
    BRGPU_ERROR_TIMEOUT = -6,
    BRGPU_ERROR_NOT_FOUND = -7, /* no such kernel, symbol, argument, address */
    BRGPU_ERROR_BUSY = -8,
    BRGPU_ERROR_CANCELED = -9,

    /* Why there is no device */
    BRGPU_ERROR_NO_DRIVER = -20,        /* card without module, or libbrgpu-model.so not found */
    BRGPU_ERROR_NO_PERMISSION = -21,    /* the device file may not be opened by this user */
    BRGPU_ERROR_VERSION_MISMATCH = -22, /* module, model or firmware of another major version */
    BRGPU_ERROR_NO_DEVICE = -23,        /* no card in the machine */

    /* The device or the work failed */
    BRGPU_ERROR_DEVICE_LOST = -30, /* removed, wedged, or reset because of somebody else */
    BRGPU_ERROR_QUEUE_STOPPED =
        -31,                       /* by a fault or time-out of its own; brgpu_queue_get_state() */
    BRGPU_ERROR_CODE_OBJECT = -32, /* malformed or for another ISA */
    BRGPU_ERROR_ARGUMENTS = -33,   /* a kernel argument is missing or has the wrong size or kind */
    BRGPU_ERROR_FORKED = -34,      /* a handle of the parent process */
    BRGPU_ERROR_FIRMWARE = -35,    /* missing, refused or dead */
    BRGPU_ERROR_SYSTEM = -36,      /* the operating system failed a call that should work */
} brgpu_status;

typedef struct brgpu_device brgpu_device;
typedef struct brgpu_vm brgpu_vm;
typedef struct brgpu_memory brgpu_memory;
typedef struct brgpu_queue brgpu_queue;
typedef struct brgpu_timeline brgpu_timeline;
typedef struct brgpu_event brgpu_event;
typedef struct brgpu_code_object brgpu_code_object;
typedef struct brgpu_kernel brgpu_kernel;
typedef struct brgpu_commands brgpu_commands;
typedef struct brgpu_report brgpu_report;

/* ---- library ----------------------------------------------------------------------------------
 */

/* Version of the library that is loaded (the macros above: of the header). */
BRGPU_API void brgpu_get_version(uint32_t *major, uint32_t *minor, uint32_t *patch);

/* "no permission" and the like; static text, never NULL. */
BRGPU_API const char *brgpu_status_string(brgpu_status status);

/* The line that explains this thread's last failure; "" before the first. Valid until the thread's
 * next failing call. */
BRGPU_API const char *brgpu_last_error(void);

enum brgpu_log_level {
    BRGPU_LOG_ERROR = 0,
    BRGPU_LOG_WARNING = 1,
    BRGPU_LOG_INFO = 2,
    BRGPU_LOG_DEBUG = 3,
};
/* One line without a newline. May be called from any thread, many at once. */
typedef void (*brgpu_log_function)(void *user, int level, const char *text);

/* Messages up to `level` go to `function`; NULL: nowhere (the default). Process wide. */
BRGPU_API brgpu_status brgpu_set_log(brgpu_log_function function, void *user, int level);

/* ---- devices ----------------------------------------------------------------------------------
 */

enum brgpu_backend {
    BRGPU_BACKEND_ANY = 0,   /* drm where a card can be opened, else model */
    BRGPU_BACKEND_DRM = 1,   /* a card on the PCI bus, through the kernel module */
    BRGPU_BACKEND_MODEL = 2, /* a virtual card inside this process */
};

/* What is there, usable or not. */
struct brgpu_device_summary {
    size_t struct_size;
    uint32_t backend;     /* enum brgpu_backend */
    uint32_t index;       /* for brgpu_device_open(), within the backend */
    int32_t status;       /* enum brgpu_status: what opening it would return */
    uint32_t product;     /* 0xb106, 0xb110, 0xb166; 0: unknown */
    char name[32];        /* "BR106" */
    char pci_address[16]; /* "0000:01:00.0"; "" for model */
    char node[64];        /* "/dev/dri/renderD128"; "" where there is none */
    char detail[192];     /* why it can't be opened; "" when it can */
};

/*
 * Lists the cards of a backend (ANY: those of drm, or the model when there are none). With no card
 * at all it returns NO_DEVICE; cards that can't be used are listed with their status. Doesn't touch
 * the hardware beyond opening the node.
 */
BRGPU_API brgpu_status brgpu_enumerate(int backend, struct brgpu_device_summary *summaries,
                                       uint32_t *count);

struct brgpu_device_open_info {
    size_t struct_size;
    uint32_t backend;             /* enum brgpu_backend */
    uint32_t index;               /* among the usable cards of the backend */
    const char *pci_address;      /* drm: this card instead of `index`; NULL: by index */
    const char *model_product;    /* model: "br106" (NULL), "br110", "br166" */
    uint64_t model_vram_bytes;    /* model: 0: 4 GiB; multiple of 2 MiB */
    uint32_t model_workers;       /* model: engine threads, 0: one per online CPU */
    uint32_t model_deterministic; /* model: 1: one worker, fixed order */
    const char *model_firmware;   /* model: image file; NULL: searched beside the library */
};

/* NULL info: the first card of any backend. */
BRGPU_API brgpu_status brgpu_device_open(const struct brgpu_device_open_info *info,
                                         brgpu_device **device);
BRGPU_API void brgpu_device_close(brgpu_device *device);

/* Feature bits of brgpu_device_properties.features. */
#define BRGPU_DEVICE_EVICTION      (UINT64_C(1) << 0) /* over-commit of VRAM */
#define BRGPU_DEVICE_SHARING       (UINT64_C(1) << 1) /* buffers shared with other processes */
#define BRGPU_DEVICE_USER_QUEUES   (UINT64_C(1) << 2)
#define BRGPU_DEVICE_HOST_POINTERS (UINT64_C(1) << 3)
#define BRGPU_DEVICE_FAULT_RETRY   (UINT64_C(1) << 4)

struct brgpu_device_properties {
    size_t struct_size;
    uint32_t backend; /* enum brgpu_backend, DRM or MODEL */
    uint32_t product;
    uint32_t revision;
    uint32_t contract;     /* hardware contract, major << 16 | minor */
    uint32_t uapi_version; /* kernel interface, major << 16 | minor */
    uint32_t isa;          /* major << 16 | minor */
    uint64_t serial;
    uint64_t features;    /* BRGPU_DEVICE_* */
    uint64_t hw_features; /* BRGPU_FEATURE_* of brgpu/hw/regs.h */
    uint32_t dies;
    uint32_t spcs_per_die;
    uint32_t cus_per_spc;
    uint32_t eus_per_cu;
    uint32_t warp_lanes;
    uint32_t max_workgroup; /* work-items */
    uint32_t local_bytes;   /* of a workgroup */
    uint32_t tensor_bytes;  /* accumulator memory of a workgroup */
    uint32_t resident_groups;
    uint32_t max_queues;
    uint32_t max_vms;
    uint32_t job_timeout_ms; /* a job without progress for this long is stopped */
    uint32_t job_limit_ms;   /* a job is stopped after this, progress or not */
    uint64_t va_start;
    uint64_t va_end;
    uint64_t page_sizes; /* bit n: pages of 2^n bytes */
    uint64_t timestamp_hz;
    char name[32];
    char pci_address[16];
    char node[64];
};
BRGPU_API brgpu_status brgpu_device_get_properties(brgpu_device *device,
                                                   struct brgpu_device_properties *properties);

#define BRGPU_PLACEMENT_VRAM   (1u << 0)
#define BRGPU_PLACEMENT_SYSTEM (1u << 1)

struct brgpu_memory_usage {
    size_t struct_size;
    uint32_t placement;   /* one BRGPU_PLACEMENT_* */
    uint32_t die;         /* UINT32_MAX: of no single die */
    uint64_t total;       /* bytes */
    uint64_t used;        /* bytes, by everybody */
    uint64_t cpu_visible; /* bytes of total that the CPU can map */
};
/* One entry per placement and die. Each entry's struct_size must be set. */
BRGPU_API brgpu_status brgpu_device_get_memory(brgpu_device *device,
                                               struct brgpu_memory_usage *usage, uint32_t *count);

struct brgpu_firmware_info {
    size_t struct_size;
    uint32_t version; /* major << 24 | minor << 16 | patch */
    uint32_t mailbox; /* major << 16 | minor */
    uint32_t state;   /* BRGPU_BOOT_STATE_* of brgpu/hw/regs.h */
    uint32_t heartbeats;
    char build[64];
};
BRGPU_API brgpu_status brgpu_device_get_firmware(brgpu_device *device,
                                                 struct brgpu_firmware_info *info);

enum brgpu_health {
    BRGPU_HEALTH_OK = 0,
    BRGPU_HEALTH_WARNING = 1,  /* works; corrected errors, throttled, firmware restarted */
    BRGPU_HEALTH_CRITICAL = 2, /* does not work */
};
struct brgpu_device_status {
    size_t struct_size;
    uint32_t health;        /* enum brgpu_health */
    int32_t temperature_mc; /* millidegrees Celsius, hottest die */
    uint32_t power_mw;
    uint32_t power_limit_mw;
    uint32_t core_mhz;
    uint32_t memory_mhz;
    uint32_t throttle;      /* reasons, BRGPU_FW_THROTTLE_* of brgpu/hw/firmware.h */
    uint32_t sensor_age_ms; /* since the sensors were read; UINT32_MAX: never */
    uint64_t compute_busy_ns;
    uint64_t copy_busy_ns;
    uint64_t ecc_corrected;
    uint64_t ecc_uncorrected;
    uint32_t queue_resets;
    uint32_t device_resets;
    uint32_t queues; /* open, by everybody */
    uint32_t clients;
};
/* Never waits for the card. DEVICE_LOST when it has gone. */
BRGPU_API brgpu_status brgpu_device_get_status(brgpu_device *device,
                                               struct brgpu_device_status *status);

struct brgpu_clock {
    size_t struct_size;
    uint64_t cpu_ns;         /* CLOCK_MONOTONIC */
    uint64_t device;         /* device timestamp at that time, in timestamp_hz */
    uint64_t uncertainty_ns; /* the two are at most this far apart */
};
BRGPU_API brgpu_status brgpu_device_get_clock(brgpu_device *device, struct brgpu_clock *clock);
/* CLOCK_MONOTONIC of a device timestamp, by a correlation taken now. */
BRGPU_API brgpu_status brgpu_device_timestamp_to_ns(brgpu_device *device, uint64_t timestamp,
                                                    uint64_t *cpu_ns);

/* The open render node, owned by the device; UNSUPPORTED for model. */
BRGPU_API brgpu_status brgpu_device_get_fd(brgpu_device *device, int *fd);

/* 1 when `device` can address `peer`'s memory directly. */
BRGPU_API brgpu_status brgpu_device_can_access_peer(brgpu_device *device, brgpu_device *peer,
                                                    int *can_access);

/* Faults on demand of the model backend (docs/faults.md), by name. UNSUPPORTED for drm. */
BRGPU_API brgpu_status brgpu_device_inject(brgpu_device *device, const char *property,
                                           const char *value);

/* ---- memory -----------------------------------------------------------------------------------
 */

#define BRGPU_MEMORY_CPU_VISIBLE (1u << 0) /* will be mapped by the CPU */
#define BRGPU_MEMORY_PRIVATE     (1u << 1) /* of one VM for good: not exportable, cheaper */

struct brgpu_memory_create_info {
    size_t struct_size;
    uint64_t size;       /* bytes, rounded up to pages */
    uint32_t placements; /* BRGPU_PLACEMENT_*, at least one; VRAM is preferred */
    uint32_t flags;      /* BRGPU_MEMORY_* */
    brgpu_vm *vm;        /* with PRIVATE: the VM; else NULL */
};
/* A buffer, zeroed, with no address yet: brgpu_vm_map() gives it one. */
BRGPU_API brgpu_status brgpu_memory_create(brgpu_device *device,
                                           const struct brgpu_memory_create_info *info,
                                           brgpu_memory **memory);
/*
 * Host memory of the caller as a buffer: brgpu_vm_map() gives it an address. pointer and size are
 * multiples of 4 KiB. UNSUPPORTED without BRGPU_DEVICE_HOST_POINTERS. The memory stays the caller's
 * and must live as long as it is mapped in a VM; mapping it is INVALID_ARGUMENT where no memory
 * stands, or none that may be written when write access is asked for. With drm, work sees what
 * stands at the address when it is submitted, and faults where nothing does; with model, freeing
 * memory that is in use is as wrong as for any other thread of the process.
 */
BRGPU_API brgpu_status brgpu_memory_from_host(brgpu_device *device, void *pointer, uint64_t size,
                                              brgpu_memory **memory);
/* Mappings of the buffer in VMs keep the memory itself alive. */
BRGPU_API void brgpu_memory_destroy(brgpu_memory *memory);

struct brgpu_memory_info {
    size_t struct_size;
    uint64_t size;
    uint32_t placements; /* 0 for imported buffers: unknown */
    uint32_t flags;
    uint32_t imported; /* 1: brgpu_memory_import_fd() made it */
    uint32_t handle;   /* GEM handle; 0 for host memory */
};
BRGPU_API brgpu_status brgpu_memory_get_info(brgpu_memory *memory, struct brgpu_memory_info *info);
/* The whole buffer in the CPU's address space, read and write, until destroyed. Repeated calls
 * return the same pointer. UNSUPPORTED for VRAM without CPU_VISIBLE. */
BRGPU_API brgpu_status brgpu_memory_map_cpu(brgpu_memory *memory, void **pointer);
/* Ends the CPU mapping whatever the number of map_cpu calls. */
BRGPU_API brgpu_status brgpu_memory_unmap_cpu(brgpu_memory *memory);

/* A dma-buf (drm) or memfd (model) file descriptor that the caller closes. */
BRGPU_API brgpu_status brgpu_memory_export_fd(brgpu_memory *memory, int *fd);
/* `fd` stays the caller's. Importing what this device exported gives another handle of the same. */
BRGPU_API brgpu_status brgpu_memory_import_fd(brgpu_device *device, int fd, brgpu_memory **memory);

enum brgpu_compare {
    BRGPU_COMPARE_EQ = 0,
    BRGPU_COMPARE_NE = 1,
    BRGPU_COMPARE_GE = 2, /* unsigned */
    BRGPU_COMPARE_LT = 3,
};
/* Waits until (64-bit word at offset & mask) compares with (value & mask). offset is a multiple of
 * 8. `seen` (may be NULL) receives the last value, also on time-out. */
BRGPU_API brgpu_status brgpu_memory_wait(brgpu_memory *memory, uint64_t offset, int compare,
                                         uint64_t value, uint64_t mask, uint64_t timeout_ns,
                                         uint64_t *seen);

/* ---- address spaces ---------------------------------------------------------------------------
 */

/* With BRGPU_DEVICE_USER_QUEUES. Its queues are user-mode queues: submitting and polling take no
 * system call, work may take as long as it likes, and no timeline can be signalled by it. */
#define BRGPU_VM_LONG_RUNNING (1u << 0)
/* With LONG_RUNNING and BRGPU_DEVICE_FAULT_RETRY: an access to an address whose mapping is on its
 * way waits for it instead of stopping the queue. */
#define BRGPU_VM_FAULT_RETRY  (1u << 1)

struct brgpu_vm_create_info {
    size_t struct_size;
    uint32_t flags; /* BRGPU_VM_* */
};
/* NULL info: the defaults. */
BRGPU_API brgpu_status brgpu_vm_create(brgpu_device *device,
                                       const struct brgpu_vm_create_info *info, brgpu_vm **vm);
BRGPU_API void brgpu_vm_destroy(brgpu_vm *vm);

/* Reserves addresses. alignment: power of two, 0: a page (2 MiB for 2 MiB and more). address: 0, or
 * the wanted start (OUT_OF_ADDRESS_SPACE when taken). */
BRGPU_API brgpu_status brgpu_vm_reserve(brgpu_vm *vm, uint64_t size, uint64_t alignment,
                                        uint64_t address, uint64_t *reserved);
/* `address` as reserve returned it. Mappings in it are removed. */
BRGPU_API brgpu_status brgpu_vm_release(brgpu_vm *vm, uint64_t address);

#define BRGPU_ACCESS_R  (1u << 0)
#define BRGPU_ACCESS_W  (1u << 1)
#define BRGPU_ACCESS_X  (1u << 2)
#define BRGPU_ACCESS_RW (BRGPU_ACCESS_R | BRGPU_ACCESS_W)

/* Maps [offset, offset + size) of memory at a reserved address, replacing what was there. memory
 * NULL: reads give zero, writes vanish. All are multiples of 4 KiB. */
BRGPU_API brgpu_status brgpu_vm_map(brgpu_vm *vm, uint64_t address, uint64_t size,
                                    brgpu_memory *memory, uint64_t offset, uint32_t access);
BRGPU_API brgpu_status brgpu_vm_unmap(brgpu_vm *vm, uint64_t address, uint64_t size);

struct brgpu_allocation_info {
    size_t struct_size;
    uint64_t size;       /* bytes, above zero */
    uint64_t alignment;  /* power of two, 0: a page (2 MiB for 2 MiB and more) */
    uint32_t placements; /* 0: VRAM */
    uint32_t flags;      /* BRGPU_MEMORY_CPU_VISIBLE */
    uint32_t access;     /* BRGPU_ACCESS_*, 0: RW */
};
/* Memory, address and mapping in one. The memory is zero. */
BRGPU_API brgpu_status brgpu_vm_allocate(brgpu_vm *vm, const struct brgpu_allocation_info *info,
                                         uint64_t *address);
/* `address` as brgpu_vm_allocate() returned it. The work that uses it must be done. */
BRGPU_API brgpu_status brgpu_vm_free(brgpu_vm *vm, uint64_t address);

struct brgpu_pointer_info {
    size_t struct_size;
    uint64_t base; /* first device address of the mapping or allocation */
    uint64_t size;
    uint64_t offset;     /* of the queried address from base */
    void *cpu_pointer;   /* of the queried address; NULL: not mapped by the CPU */
    uint32_t placements; /* 0: a null mapping */
    uint32_t access;
    brgpu_memory *memory; /* not for destroying; NULL for null mappings */
};
/* What stands at a device address. NOT_FOUND: nothing. */
BRGPU_API brgpu_status brgpu_vm_query_address(brgpu_vm *vm, uint64_t address,
                                              struct brgpu_pointer_info *info);
/* What stands behind a CPU pointer into an allocation of the VM (brgpu_vm_cpu_pointer()). */
BRGPU_API brgpu_status brgpu_vm_query_pointer(brgpu_vm *vm, const void *pointer,
                                              struct brgpu_pointer_info *info);
/* CPU pointer of a device address; maps the buffer when needed. */
BRGPU_API brgpu_status brgpu_vm_cpu_pointer(brgpu_vm *vm, uint64_t address, void **pointer);

/* A fault, in words: brgpu_fault_describe(). */
struct brgpu_fault_info {
    size_t struct_size;
    uint64_t address;
    uint64_t pc;        /* shader pc, 0: none */
    uint64_t timestamp; /* device timestamp */
    uint32_t access;    /* BRGPU_ACCESS_READ.. of brgpu/hw/mmu.h */
    uint32_t level;     /* page-table level at which the walk ended */
    uint32_t client;    /* enum brgpu_fault_client of brgpu/hw/events.h */
    uint32_t reason;    /* enum brgpu_fault_reason of brgpu/hw/events.h; 0: no fault */
};

enum brgpu_state {
    BRGPU_STATE_OK = 0,
    BRGPU_STATE_STOPPED = 1, /* by an error of its own */
    BRGPU_STATE_LOST = 2,    /* by a reset that somebody else caused */
};
struct brgpu_vm_state {
    size_t struct_size;
    uint32_t state; /* enum brgpu_state */
    uint32_t pad;
    uint64_t fault_count; /* ever */
    uint64_t bytes_bound;
};
BRGPU_API brgpu_status brgpu_vm_get_state(brgpu_vm *vm, struct brgpu_vm_state *state);
/* The last faults, oldest first. Each entry's struct_size must be set. */
BRGPU_API brgpu_status brgpu_vm_get_faults(brgpu_vm *vm, struct brgpu_fault_info *faults,
                                           uint32_t *count);
/* Writes at most `size` bytes, terminated; with a VM the names of what stands nearby are included.
 * vm may be NULL. */
BRGPU_API brgpu_status brgpu_fault_describe(const struct brgpu_fault_info *fault, brgpu_vm *vm,
                                            char *text, size_t size);

/* ---- timelines and events ---------------------------------------------------------------------
 */

/* A 64-bit number that only rises. A point also becomes signalled when the work that should have
 * signalled it failed; a wait then returns QUEUE_STOPPED or DEVICE_LOST instead of SUCCESS. */
BRGPU_API brgpu_status brgpu_timeline_create(brgpu_device *device, uint64_t initial,
                                             brgpu_timeline **timeline);
BRGPU_API void brgpu_timeline_destroy(brgpu_timeline *timeline);
BRGPU_API brgpu_status brgpu_timeline_get_value(brgpu_timeline *timeline, uint64_t *value);
/* From the CPU. INVALID_ARGUMENT unless above the present value. */
BRGPU_API brgpu_status brgpu_timeline_signal(brgpu_timeline *timeline, uint64_t value);
BRGPU_API brgpu_status brgpu_timeline_wait(brgpu_timeline *timeline, uint64_t value,
                                           uint64_t timeout_ns);

struct brgpu_timeline_point {
    brgpu_timeline *timeline;
    uint64_t value; /* above zero */
};
#define BRGPU_WAIT_ALL 0u
#define BRGPU_WAIT_ANY 1u
/* All timelines are of one device. ANY: `first` (may be NULL) receives the index of one that is
 * reached. A point that nobody has submitted yet is waited for too. */
BRGPU_API brgpu_status brgpu_timeline_wait_many(const struct brgpu_timeline_point *points,
                                                uint32_t count, uint32_t mode, uint64_t timeout_ns,
                                                uint32_t *first);
/* A syncobj file descriptor that the caller closes. UNSUPPORTED for model. */
BRGPU_API brgpu_status brgpu_timeline_export_fd(brgpu_timeline *timeline, int *fd);
BRGPU_API brgpu_status brgpu_timeline_import_fd(brgpu_device *device, int fd,
                                                brgpu_timeline **timeline);

/* A mark in a queue's work, with its time. */
BRGPU_API brgpu_status brgpu_event_create(brgpu_vm *vm, brgpu_event **event);
BRGPU_API void brgpu_event_destroy(brgpu_event *event);
/* Marks what was submitted to the queue so far. The queue is of the event's VM. Recording again
 * replaces the mark. */
BRGPU_API brgpu_status brgpu_queue_record_event(brgpu_queue *queue, brgpu_event *event);
/* SUCCESS at once for an event that was never recorded. */
BRGPU_API brgpu_status brgpu_event_wait(brgpu_event *event, uint64_t timeout_ns);
/* Later work of the queue waits for the event. */
BRGPU_API brgpu_status brgpu_queue_wait_event(brgpu_queue *queue, brgpu_event *event);
/* Time between two marks that have been reached (BUSY else). */
BRGPU_API brgpu_status brgpu_event_elapsed(brgpu_event *start, brgpu_event *end,
                                           uint64_t *nanoseconds);

/* ---- code objects and kernels -----------------------------------------------------------------
 */

/* Checks and loads a code object (brgpu/code_object.h) into the VM. `data` may be freed after. */
BRGPU_API brgpu_status brgpu_code_object_load(brgpu_vm *vm, const void *data, size_t size,
                                              brgpu_code_object **object);
/* Its kernels keep it loaded. */
BRGPU_API void brgpu_code_object_destroy(brgpu_code_object *object);
BRGPU_API brgpu_status brgpu_code_object_get_kernel_count(brgpu_code_object *object,
                                                          uint32_t *count);
/* Valid as long as the object. */
BRGPU_API brgpu_status brgpu_code_object_get_kernel_name(brgpu_code_object *object, uint32_t index,
                                                         const char **name);
/* Address and size of a global symbol, a program-scope variable for example. size may be NULL. */
BRGPU_API brgpu_status brgpu_code_object_get_symbol(brgpu_code_object *object, const char *name,
                                                    uint64_t *address, uint64_t *size);
/* A kernel with its own set of argument values. */
BRGPU_API brgpu_status brgpu_kernel_create(brgpu_code_object *object, const char *name,
                                           brgpu_kernel **kernel);
BRGPU_API void brgpu_kernel_destroy(brgpu_kernel *kernel);

struct brgpu_kernel_properties {
    size_t struct_size;
    const char *name;       /* valid as long as the kernel */
    const char *attributes; /* OpenCL attributes as text; "" */
    uint32_t arg_count;     /* that the caller sets */
    uint32_t kernarg_bytes;
    uint32_t static_local_bytes;
    uint32_t private_bytes;         /* a work-item */
    uint32_t required_workgroup[3]; /* 0, 0, 0: any */
    uint32_t max_workgroup;         /* work-items */
    uint64_t descriptor;            /* device address of struct brgpu_kernel_desc */
};
BRGPU_API brgpu_status brgpu_kernel_get_properties(brgpu_kernel *kernel,
                                                   struct brgpu_kernel_properties *properties);

enum brgpu_argument_kind {
    BRGPU_ARGUMENT_VALUE = 0,
    BRGPU_ARGUMENT_GLOBAL = 1, /* device address */
    BRGPU_ARGUMENT_LOCAL = 2,  /* byte count of local memory */
};
struct brgpu_argument_info {
    size_t struct_size;
    uint32_t kind;  /* enum brgpu_argument_kind */
    uint32_t flags; /* BRGPU_ARG_* flags of brgpu/code_object.h */
    uint32_t size;  /* bytes of a VALUE */
    uint32_t alignment;
    const char *name; /* valid as long as the kernel */
    const char *type_name;
};
BRGPU_API brgpu_status brgpu_kernel_get_argument(brgpu_kernel *kernel, uint32_t index,
                                                 struct brgpu_argument_info *info);
/* ARGUMENTS: no such argument, another kind, or `size` isn't its size. */
BRGPU_API brgpu_status brgpu_kernel_set_value(brgpu_kernel *kernel, uint32_t index,
                                              const void *value, size_t size);
/* The address isn't looked at: 0 is a null pointer. */
BRGPU_API brgpu_status brgpu_kernel_set_address(brgpu_kernel *kernel, uint32_t index,
                                                uint64_t address);
BRGPU_API brgpu_status brgpu_kernel_set_local(brgpu_kernel *kernel, uint32_t index, uint64_t bytes);

/* ---- commands ---------------------------------------------------------------------------------
 */

/*
 * A list of commands, recorded once and submitted any number of times, one submission at a time.
 * Commands may overlap unless a barrier or a command with BRGPU_COMMAND_ORDERED stands between.
 */
BRGPU_API brgpu_status brgpu_commands_create(brgpu_vm *vm, brgpu_commands **commands);
/* Waits for nothing: the memory goes when the last submission has ended. */
BRGPU_API void brgpu_commands_destroy(brgpu_commands *commands);
/* Empties the list. BUSY while a submission of it runs. Recording into it is BUSY then too. */
BRGPU_API brgpu_status brgpu_commands_reset(brgpu_commands *commands);

#define BRGPU_COMMAND_ORDERED (1u << 0) /* starts after all earlier commands have completed */

struct brgpu_dispatch_info {
    size_t struct_size;
    uint32_t flags;       /* BRGPU_COMMAND_* */
    uint32_t work_dim;    /* 1..3 */
    uint32_t global[3];   /* work-items; a zero among the first work_dim: nothing runs */
    uint32_t local[3];    /* workgroup; all zero: the library chooses */
    uint32_t offset[3];   /* global offset */
    uint32_t pad;         /* zero */
    uint64_t timestamps;  /* 0, or device address for {start, end}, 16 bytes, 8-byte aligned */
    brgpu_report *report; /* NULL, or what is to receive the counters; `timestamps` is 0 then */
};
/* The argument values are taken now: the kernel's can be changed for the next. */
BRGPU_API brgpu_status brgpu_commands_dispatch(brgpu_commands *commands, brgpu_kernel *kernel,
                                               const struct brgpu_dispatch_info *info);
BRGPU_API brgpu_status brgpu_commands_copy(brgpu_commands *commands, uint64_t dst, uint64_t src,
                                           uint64_t bytes, uint32_t flags);
struct brgpu_copy_region {
    size_t struct_size;
    uint32_t flags; /* BRGPU_COMMAND_* */
    uint32_t row_bytes;
    uint32_t rows;
    uint32_t slices; /* 1 for 2D */
    uint64_t src;
    uint64_t dst;
    uint32_t src_pitch; /* bytes from row to row, at least row_bytes where rows > 1 */
    uint32_t dst_pitch;
    uint64_t src_slice_pitch; /* bytes from slice to slice */
    uint64_t dst_slice_pitch;
};
/* Source and destination must not overlap. */
BRGPU_API brgpu_status brgpu_commands_copy_region(brgpu_commands *commands,
                                                  const struct brgpu_copy_region *region);
/* pattern_bytes: 1, 2, 4, 8, 16; dst and bytes are multiples of it. */
BRGPU_API brgpu_status brgpu_commands_fill(brgpu_commands *commands, uint64_t dst,
                                           const void *pattern, uint32_t pattern_bytes,
                                           uint64_t bytes, uint32_t flags);
/* Writes up to 64 KiB that are taken now. */
BRGPU_API brgpu_status brgpu_commands_write(brgpu_commands *commands, uint64_t dst,
                                            const void *data, uint32_t bytes, uint32_t flags);
/* What follows starts after all that stands before. */
BRGPU_API brgpu_status brgpu_commands_barrier(brgpu_commands *commands);
/* Holds the queue until the 64-bit word compares (enum brgpu_compare) under the mask. */
BRGPU_API brgpu_status brgpu_commands_wait_value(brgpu_commands *commands, uint64_t address,
                                                 int compare, uint64_t value, uint64_t mask);
enum brgpu_signal {
    BRGPU_SIGNAL_SET = 0,
    BRGPU_SIGNAL_INCREASE = 1, /* by value */
};
BRGPU_API brgpu_status brgpu_commands_signal_value(brgpu_commands *commands, uint64_t address,
                                                   int operation, uint64_t value);
/* Device timestamp, 8 bytes, to an 8-byte aligned address. */
BRGPU_API brgpu_status brgpu_commands_timestamp(brgpu_commands *commands, uint64_t address);
/* `count` packets of brgpu/hw/queue.h as they are; the device checks them. */
BRGPU_API brgpu_status brgpu_commands_packets(brgpu_commands *commands, const void *packets,
                                              uint32_t count);

/* ---- counters and profiles ---------------------------------------------------------------------
 */

#define BRGPU_COUNT_DETAILS (1u << 0) /* also what brgpu_dispatch_counters marks as details */
#define BRGPU_COUNT_PROFILE (1u << 1) /* how often each instruction of a code object runs */

struct brgpu_report_create_info {
    size_t struct_size;
    uint32_t flags;          /* BRGPU_COUNT_* */
    uint32_t pad;            /* zero */
    brgpu_code_object *code; /* with PROFILE: the one to profile; else NULL */
};
/*
 * What a dispatch did, for brgpu_dispatch_info.report. Without flags (NULL info) it costs nothing
 * to speak of; with any, the card interprets the dispatch and notes each instruction, which takes
 * several times as long. A report holds one dispatch, the last that has ended; a dispatch that
 * fails leaves it alone. UNSUPPORTED for a card without BRGPU_FEATURE_REPORT. Command lists that
 * use it keep it alive.
 */
BRGPU_API brgpu_status brgpu_report_create(brgpu_vm *vm,
                                           const struct brgpu_report_create_info *info,
                                           brgpu_report **report);
BRGPU_API void brgpu_report_destroy(brgpu_report *report);

/*
 * A warp instruction is one instruction for the lanes of a warp that run it together, up to 32. One
 * that faults and is run again counts each time, and so does one at which lanes of a warp arrive
 * apart to wait for each other.
 */
struct brgpu_dispatch_counters {
    size_t struct_size;
    uint32_t flags; /* BRGPU_COUNT_* of the report */
    uint32_t pad;
    uint64_t start; /* device timestamp when the dispatch started */
    uint64_t end;   /* and when it had ended */
    uint64_t workgroups;
    uint64_t warps;
    uint64_t instructions;          /* warp instructions */
    uint64_t lane_instructions;     /* the same, each times its active lanes */
    uint64_t barriers;              /* completed, once a workgroup */
    uint64_t regroups;              /* times that a warp chose anew which lanes run together */
    uint64_t yields;                /* times that a workgroup gave its place to something else */
    uint64_t compiled_instructions; /* of instructions, those that compiled code ran */
    uint64_t compiled_lane_instructions; /* of lane_instructions */
    uint64_t compiled_exits; /* times that compiled code left lanes to the interpreter */
    /* Details, zero without BRGPU_COUNT_DETAILS. Warp instructions where nothing else is said. */
    uint64_t branches;           /* conditional */
    uint64_t divergent_branches; /* that some active lanes took and some did not */
    uint64_t fp_instructions;    /* floating point but loads, stores and moves */
    uint64_t loads;
    uint64_t stores;
    uint64_t atomics;
    /* loads, stores and atomics by where their active lanes go: the sum of these six is theirs. */
    uint64_t global_uniform;     /* all lanes to one address */
    uint64_t global_consecutive; /* each lane to the element of its number */
    uint64_t global_page;        /* anywhere in one 4 KiB page */
    uint64_t global_scattered;   /* all else */
    uint64_t local_accesses;
    uint64_t private_accesses;
    uint64_t load_bytes;           /* bytes that lanes loaded from global memory */
    uint64_t store_bytes;          /* bytes that lanes stored to it; atomics are in neither */
    uint64_t local_bank_conflicts; /* turns that local accesses took beyond the first */
    uint64_t shuffles;             /* shuffles and votes */
    uint64_t tensor_instructions;
    uint64_t tensor_macs;       /* multiply-accumulates */
    uint64_t tensor_copy_bytes; /* bytes that tile copies wrote */
};
/* BUSY before a dispatch with the report has ended. */
BRGPU_API brgpu_status brgpu_report_get_counters(brgpu_report *report,
                                                 struct brgpu_dispatch_counters *counters);

struct brgpu_profile_count {
    size_t struct_size;
    uint64_t address;      /* in the code object's file, as its symbols and debug info say it */
    uint64_t instructions; /* warp instructions that ran there */
    uint64_t lane_instructions; /* the same, each times its active lanes */
};
/* The addresses at which an instruction has run, rising. Each entry's struct_size must be set. BUSY
 * as above; INVALID_ARGUMENT for a report without BRGPU_COUNT_PROFILE. */
BRGPU_API brgpu_status brgpu_report_get_profile(brgpu_report *report,
                                                struct brgpu_profile_count *counts,
                                                uint32_t *count);

/* ---- queues -----------------------------------------------------------------------------------
 */

enum brgpu_queue_kind {
    BRGPU_QUEUE_KIND_COMPUTE = 0,
    BRGPU_QUEUE_KIND_COPY = 1, /* no dispatches */
};
enum brgpu_priority {
    BRGPU_PRIORITY_LEVEL_NORMAL = 0,
    BRGPU_PRIORITY_LEVEL_LOW = 1,
    BRGPU_PRIORITY_LEVEL_HIGH = 2, /* NO_PERMISSION without the right to it */
};
/* Of a long-running VM: brgpu_progress() of kernels counts as progress for timeout_ms; else
 * only finished workgroups, dispatches and commands do. */
#define BRGPU_QUEUE_HEARTBEAT (1u << 0)

struct brgpu_queue_create_info {
    size_t struct_size;
    uint32_t kind;       /* enum brgpu_queue_kind */
    uint32_t priority;   /* enum brgpu_priority */
    uint32_t timeout_ms; /* without progress; 0: the device's default, which is the most; in a
                            long-running VM: 0: none, and any number is fine */
    uint32_t flags;      /* BRGPU_QUEUE_* */
    /* In a long-running VM: a wait looks at memory for so long before it sleeps until the card
     * interrupts, microseconds. 0: the default, 50; UINT32_MAX: it never sleeps. */
    uint32_t poll_us;
};
/* NULL info: a compute queue. In a VM with BRGPU_VM_LONG_RUNNING: a user-mode queue. More of these
 * may be made than the card has queues: they take turns. */
BRGPU_API brgpu_status brgpu_queue_create(brgpu_vm *vm, const struct brgpu_queue_create_info *info,
                                          brgpu_queue **queue);
/* What is queued is dropped; its timeline points become signalled. */
BRGPU_API void brgpu_queue_destroy(brgpu_queue *queue);

struct brgpu_submit_info {
    size_t struct_size;
    brgpu_commands *const *commands; /* of the queue's VM */
    uint32_t command_count;
    uint32_t wait_count;
    const struct brgpu_timeline_point *waits;   /* before the work */
    const struct brgpu_timeline_point *signals; /* after all of it */
    uint32_t signal_count;
    uint32_t flags; /* zero */
};
/* Returns at once. To a user-mode queue without a system call, but for waits; signals are
 * UNSUPPORTED there; BUSY when its ring has no room for a second. Submissions of a queue run in
 * order. A wait needs a point that has been signalled or submitted (INVALID_ARGUMENT else). At most
 * 63 waits and signals. `serial` (may be NULL) receives the number of the submission within the
 * queue, from 1. */
BRGPU_API brgpu_status brgpu_queue_submit(brgpu_queue *queue, const struct brgpu_submit_info *info,
                                          uint64_t *serial);
/* Waits for a submission, serial 0 for all of them, and prints what its kernels have printf()ed. */
BRGPU_API brgpu_status brgpu_queue_wait(brgpu_queue *queue, uint64_t serial, uint64_t timeout_ns);
/* Dispatch alone, without a list. `serial` may be NULL. */
BRGPU_API brgpu_status brgpu_queue_launch(brgpu_queue *queue, brgpu_kernel *kernel,
                                          const struct brgpu_dispatch_info *info, uint64_t *serial);

/* Copies between host memory and the VM in the queue's order, and waits for it. Any alignment. */
BRGPU_API brgpu_status brgpu_queue_upload(brgpu_queue *queue, uint64_t dst, const void *src,
                                          uint64_t bytes, uint64_t timeout_ns);
BRGPU_API brgpu_status brgpu_queue_download(brgpu_queue *queue, void *dst, uint64_t src,
                                            uint64_t bytes, uint64_t timeout_ns);

struct brgpu_queue_state {
    size_t struct_size;
    uint32_t state;                /* enum brgpu_state */
    uint32_t error;                /* enum brgpu_queue_error of brgpu/hw/queue.h; 256: time-out */
    uint64_t submitted;            /* jobs ever */
    uint64_t completed;            /* failed ones included */
    uint64_t busy_ns;              /* engine time */
    struct brgpu_fault_info fault; /* that stopped it; reason 0: none */
    char text[256];                /* why it stopped, in words; "" when it has not */
};
BRGPU_API brgpu_status brgpu_queue_get_state(brgpu_queue *queue, struct brgpu_queue_state *state);

/* Receives the printf output of kernels, unterminated; NULL function: standard output, the default.
 */
typedef void (*brgpu_printf_function)(void *user, const char *text, size_t length);
BRGPU_API brgpu_status brgpu_queue_set_printf(brgpu_queue *queue, brgpu_printf_function function,
                                              void *user);

#ifdef __cplusplus
}
#endif

#endif /* BRGPU_BRGPU_H */
