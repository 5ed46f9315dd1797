// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_prime.h>

#include "brgpu_bo.h"
#include "brgpu_device.h"
#include "brgpu_fdinfo.h"
#include "brgpu_hwmon.h"
#include "brgpu_pci.h"
#include "brgpu_query.h"
#include "brgpu_queue.h"
#include "brgpu_vm.h"
#include "brgpu_wait_mem.h"

/**
 * DOC: brgpu
 *
 * DRM render driver for cards of the BR1xx class. The uAPI and its rules are in
 * include/uapi/drm/brgpu_drm.h; what is pure in it is in core/, shared with user space.
 *
 * Each object has a file: device, VM, buffer, queue and so on, and a DOC: block that says how it
 * works. The order of locks is in brgpu_device.h.
 */

struct workqueue_struct *brgpu_release_wq;

static int brgpu_open(struct drm_device *drm, struct drm_file *file)
{
	struct brgpu_device *brgpu = to_brgpu(drm);
	struct brgpu_file *priv = kzalloc(sizeof(*priv), GFP_KERNEL);

	if (!priv)
		return -ENOMEM;
	priv->brgpu = brgpu;
	priv->drm_file = file;
	xa_init_flags(&priv->vms, XA_FLAGS_ALLOC1);
	xa_init_flags(&priv->queues, XA_FLAGS_ALLOC1);
	INIT_LIST_HEAD(&priv->bos);
	brgpu_doorbells_init(priv);
	brgpu_signals_init(priv);
	file->driver_priv = priv;
	atomic_inc(&brgpu->client_count);
	return 0;
}

static void brgpu_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct brgpu_file *priv = file->driver_priv;
	struct brgpu_queue *queue;
	struct brgpu_vm *vm;
	unsigned long id;

	brgpu_signals_fini(priv);
	xa_for_each(&priv->queues, id, queue)
		brgpu_queue_close(priv, queue);
	xa_destroy(&priv->queues);
	xa_for_each(&priv->vms, id, vm)
		brgpu_vm_close(vm);
	xa_destroy(&priv->vms);
	brgpu_bo_disown_all(priv);
	brgpu_doorbells_fini(priv);
	atomic_dec(&priv->brgpu->client_count);
	kfree(priv);
}

/* DRM_GEM_FOPS, but for mmap. */
static const struct file_operations brgpu_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release,
	.unlocked_ioctl = drm_ioctl,
	.compat_ioctl = drm_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = brgpu_mmap,
	.fop_flags = FOP_UNSIGNED_OFFSET,
	.show_fdinfo = drm_show_fdinfo,
};

#define BRGPU_IOCTL(name, function) DRM_IOCTL_DEF_DRV(BRGPU_##name, function, DRM_RENDER_ALLOW)

static const struct drm_ioctl_desc brgpu_ioctls[] = {
	BRGPU_IOCTL(QUERY, brgpu_query_ioctl),
	BRGPU_IOCTL(BO_CREATE, brgpu_bo_create_ioctl),
	BRGPU_IOCTL(BO_MMAP_OFFSET, brgpu_bo_mmap_offset_ioctl),
	BRGPU_IOCTL(VM_CREATE, brgpu_vm_create_ioctl),
	BRGPU_IOCTL(VM_DESTROY, brgpu_vm_destroy_ioctl),
	BRGPU_IOCTL(VM_BIND, brgpu_vm_bind_ioctl),
	BRGPU_IOCTL(VM_GET_STATE, brgpu_vm_get_state_ioctl),
	BRGPU_IOCTL(QUEUE_CREATE, brgpu_queue_create_ioctl),
	BRGPU_IOCTL(QUEUE_DESTROY, brgpu_queue_destroy_ioctl),
	BRGPU_IOCTL(QUEUE_SUBMIT, brgpu_queue_submit_ioctl),
	BRGPU_IOCTL(QUEUE_GET_STATE, brgpu_queue_get_state_ioctl),
	BRGPU_IOCTL(WAIT_MEM, brgpu_wait_mem_ioctl),
	BRGPU_IOCTL(SIGNAL_MEM, brgpu_signal_mem_ioctl),
};

const struct drm_driver brgpu_drm_driver = {
	.driver_features = DRIVER_RENDER | DRIVER_GEM | DRIVER_SYNCOBJ | DRIVER_SYNCOBJ_TIMELINE |
			   BRGPU_DRIVER_GEM_GPUVA,
	.open = brgpu_open,
	.postclose = brgpu_postclose,
	.show_fdinfo = brgpu_fdinfo_show,
	.ioctls = brgpu_ioctls,
	.num_ioctls = ARRAY_SIZE(brgpu_ioctls),
	.fops = &brgpu_fops,
	.gem_prime_import = brgpu_prime_import,
#ifdef CONFIG_DEBUG_FS
	.debugfs_init = brgpu_debugfs_init,
#endif
	.name = "brgpu",
	.desc = "BR1xx compute card",
#ifdef BRGPU_HAVE_DRM_DRIVER_DATE
	.date = "20261123",
#endif
	.major = DRM_BRGPU_UAPI_MAJOR,
	.minor = DRM_BRGPU_UAPI_MINOR,
};

static int __init brgpu_module_init(void)
{
	int ret;

	brgpu_release_wq = alloc_workqueue("brgpu-release", WQ_UNBOUND, 0);
	if (!brgpu_release_wq)
		return -ENOMEM;
	ret = brgpu_pci_register();
	if (ret)
		destroy_workqueue(brgpu_release_wq);
	return ret;
}
module_init(brgpu_module_init);

static void __exit brgpu_module_exit(void)
{
	brgpu_pci_unregister();
	/* VMs and queues of files that were closed just now. */
	destroy_workqueue(brgpu_release_wq);
	/* Fences of ours are freed by RCU. */
	rcu_barrier();
}
module_exit(brgpu_module_exit);

MODULE_DESCRIPTION("DRM driver for BR1xx-class compute cards");
MODULE_AUTHOR("The brgpu authors");
MODULE_LICENSE("GPL");
