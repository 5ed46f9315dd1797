// SPDX-License-Identifier: GPL-2.0
/*
 * What brgpu_kunit.ko takes from brgpu.ko. Part of the module only where the tests are built with
 * it (BRGPU_KUNIT=1): a module that is shipped exports nothing.
 */
#include <linux/export.h>

#include "../brgpu_device.h"
#include "../brgpu_sync.h"
#include "brgpu_core_mbox.h"
#include "brgpu_core_pt.h"

EXPORT_SYMBOL_GPL(brgpu_copy_array);
EXPORT_SYMBOL_GPL(brgpu_core_check_array);
EXPORT_SYMBOL_GPL(brgpu_core_mbox_abandon);
EXPORT_SYMBOL_GPL(brgpu_core_mbox_match);
EXPORT_SYMBOL_GPL(brgpu_core_mbox_open);
EXPORT_SYMBOL_GPL(brgpu_core_mbox_request);
EXPORT_SYMBOL_GPL(brgpu_core_mbox_used);
EXPORT_SYMBOL_GPL(brgpu_core_pt_clear);
EXPORT_SYMBOL_GPL(brgpu_core_pt_init);
EXPORT_SYMBOL_GPL(brgpu_core_pt_lookup);
EXPORT_SYMBOL_GPL(brgpu_core_pt_map);
EXPORT_SYMBOL_GPL(brgpu_core_pt_rights);
EXPORT_SYMBOL_GPL(brgpu_core_pt_tables_for_map);
EXPORT_SYMBOL_GPL(brgpu_core_pt_tables_for_unmap);
EXPORT_SYMBOL_GPL(brgpu_core_pt_unmap);
EXPORT_SYMBOL_GPL(brgpu_vram_mgr_fini);
EXPORT_SYMBOL_GPL(brgpu_vram_mgr_for_each);
EXPORT_SYMBOL_GPL(brgpu_vram_mgr_init);
