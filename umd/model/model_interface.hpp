// SPDX-License-Identifier: MIT
//
// The kernel's calls, served inside the process on a card of its own: what the kernel module does
// for a card on the bus, with the same checks, page tables and packets (kmd/core). It leaves out
// eviction and sharing with other processes, and QUERY says so.
#ifndef BRGPU_UMD_MODEL_MODEL_INTERFACE_HPP
#define BRGPU_UMD_MODEL_MODEL_INTERFACE_HPP

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "../kernel_interface.hpp"
#include "model_bell.hpp"
#include "model_queue.hpp"
#include "model_syncobj.hpp"
#include "model_user_queue.hpp"
#include "model_vm.hpp"

namespace brgpu::umd::model {

class ModelInterface final : public KernelInterface {
  public:
    explicit ModelInterface(const brgpu_device_open_info &info);
    ~ModelInterface() override;

    int ioctl(unsigned long request, void *argument) noexcept override;
    void *map(size_t bytes, uint64_t offset, int *error) noexcept override;
    void unmap(void *pointer, size_t bytes) noexcept override;
    void ring(volatile uint64_t *doorbell) noexcept override;
    std::byte *memory_of(uint32_t handle) noexcept override;
    brgpu_backend backend() const noexcept override { return BRGPU_BACKEND_MODEL; }
    int inject(const char *property, const char *value, std::string *why) noexcept override;

  private:
    using Lock = std::unique_lock<std::mutex>;

    int serve(unsigned long request, void *argument);
    int serve_syncobj(unsigned long request, void *argument, Lock &lock);
    int query(drm_brgpu_query &args);
    int bo_create(drm_brgpu_bo_create &args);
    int bo_mmap_offset(drm_brgpu_bo_mmap_offset &args);
    int gem_close(const drm_gem_close &args);
    int prime_export(drm_prime_handle &args);
    int prime_import(drm_prime_handle &args);
    int vm_create(drm_brgpu_vm_create &args);
    int vm_destroy(const drm_brgpu_vm_destroy &args);
    int vm_bind(const drm_brgpu_vm_bind &args, Lock &lock);
    int vm_get_state(drm_brgpu_vm_get_state &args);
    int queue_create(drm_brgpu_queue_create &args);
    int queue_destroy(const drm_brgpu_queue_destroy &args);
    int queue_submit(const drm_brgpu_queue_submit &args);
    int queue_get_state(drm_brgpu_queue_get_state &args);
    int wait_mem(drm_brgpu_wait_mem &args, Lock &lock);
    int signal_mem(const drm_brgpu_signal_mem &args);
    bool pump_signals();
    // Whether a queue never runs again; nothing: there is none of that id.
    std::optional<bool> is_stopped(uint32_t queue_id);

    struct Syncs {
        std::vector<FenceRef> waits;
        std::vector<std::pair<Syncobj *, uint64_t>> signals;
    };
    int read_syncs(const drm_brgpu_array &array, bool may_signal, Syncs *syncs);
    // A fence at each place that is to be signalled.
    static std::vector<FenceRef> attach(const Syncs &syncs);
    // Looks at everything; wakes the waiters when something changed.
    void pump();
    // Looks at everything if the card has interrupted.
    void serve_interrupt();
    // Lets go of the lock until something may have changed, at the latest at the deadline. `seen`
    // is the number of changed_ from before the caller looked.
    void sleep(Lock &lock, uint32_t seen, int64_t deadline_ns);
    // By the card's threads.
    void interrupted();
    int refuse(const char *call, int error, const char *why);
    void answer_device(drm_brgpu_query_device &answer);
    void answer_status(drm_brgpu_query_status &answer);
    void service();

    // Who waits in a request sleeps on the first and serves the card's interrupts himself, which
    // saves a hand-over between threads. The service thread sleeps on the second: it is called when
    // there is work that nobody waits for, and looks for itself now and then.
    Bell changed_, service_bell_;
    std::atomic<bool> backlog_{false}; // something waits for what the card completes
    std::mutex lock_;                  // everything below
    bool service_rests_ = false;       // it sleeps for long: nothing ran
    Card card_;
    SyncobjTable syncobjs_;
    std::map<uint32_t, std::shared_ptr<Bo>> bos_;
    std::map<uint32_t, std::unique_ptr<Vm>> vms_;       // ids are the hardware's
    std::map<uint32_t, std::unique_ptr<Queue>> queues_; // id = slot + 1
    UserQueues user_queues_;                            // ids behind those
    struct Signal {                                     // of SIGNAL_MEM, still to come
        std::vector<FenceRef> waits;
        std::shared_ptr<Bo> bo;
        uint64_t offset;
        uint64_t value;
        uint32_t queue_id;
    };
    std::vector<Signal> signals_;
    uint32_t next_handle_ = 1;
    uint32_t queue_resets_ = 0;
    bool stopping_ = false;
    std::thread service_; // completions, time-outs, sensors
};

} // namespace brgpu::umd::model

#endif // BRGPU_UMD_MODEL_MODEL_INTERFACE_HPP
