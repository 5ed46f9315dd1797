// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include <kunit/test.h>

#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_placement.h>

#include "../brgpu_device.h"
#include "../brgpu_sync.h"
#include "brgpu_core_mbox.h"
#include "brgpu_core_pt.h"

/**
 * DOC: tests within the kernel
 *
 * What the CMocka tests of core/ can't see: the VRAM allocator on the kernel's own buddy allocator
 * and TTM, arrays from user memory with pages that can't be read, and, under KASAN, page tables and
 * mailbox framing in the form in which the kernel's compiler has built them. They need no card.
 */

/* ---- the VRAM allocator, on a card that is not there ---- */

#define FAKE_VRAM	SZ_64M
#define FAKE_APERTURE	SZ_16M

static int vram_init(struct kunit *test)
{
	struct brgpu_device *brgpu = kunit_kzalloc(test, sizeof(*brgpu), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, brgpu);
	spin_lock_init(&brgpu->ttm.lru_lock);
	brgpu->ident.vram_bytes = FAKE_VRAM;
	brgpu->ident.aperture_bytes = FAKE_APERTURE;
	KUNIT_ASSERT_EQ(test, brgpu_vram_mgr_init(brgpu), 0);
	test->priv = brgpu;
	return 0;
}

static void vram_exit(struct kunit *test)
{
	struct brgpu_device *brgpu = test->priv;

	if (!brgpu)
		return;
	KUNIT_EXPECT_EQ(test, ttm_resource_manager_usage(&brgpu->vram_mgr.base), 0ULL);
	KUNIT_EXPECT_EQ(test, brgpu->vram_mgr.visible_used, 0ULL);
	brgpu_vram_mgr_fini(brgpu);
}

struct vram_buffer {
	struct ttm_buffer_object bo;
	struct ttm_resource *res;
};

static int vram_take(struct brgpu_device *brgpu, struct vram_buffer *buffer, u64 bytes,
		     const struct ttm_place *place)
{
	struct ttm_resource_manager *man = &brgpu->vram_mgr.base;

	memset(buffer, 0, sizeof(*buffer));
	buffer->bo.bdev = &brgpu->ttm;
	buffer->bo.base.size = bytes;
	return man->func->alloc(man, &buffer->bo, place, &buffer->res);
}

static void vram_give(struct brgpu_device *brgpu, struct vram_buffer *buffer)
{
	struct ttm_resource_manager *man = &brgpu->vram_mgr.base;

	man->func->free(man, buffer->res);
	buffer->res = NULL;
}

struct vram_map {
	struct kunit *test;
	unsigned long *used;	/* a bit for each page */
	bool set;
	u64 bytes;
	u64 lowest;
	u64 highest;
};

static int vram_mark(void *ctx, u64 address, u64 bytes)
{
	struct vram_map *map = ctx;
	u64 page;

	KUNIT_ASSERT_LE(map->test, address + bytes, (u64)FAKE_VRAM);
	map->lowest = min(map->lowest, address);
	map->highest = max(map->highest, address + bytes);
	map->bytes += bytes;
	for (page = address >> PAGE_SHIFT; page < (address + bytes) >> PAGE_SHIFT; page++) {
		KUNIT_ASSERT_NE(map->test, test_bit(page, map->used), map->set);
		__assign_bit(page, map->used, map->set);
	}
	return 0;
}

static void vram_random(struct kunit *test)
{
	struct brgpu_device *brgpu = test->priv;
	const struct ttm_place places[] = {
		{ .mem_type = BRGPU_PL_VRAM },
		{ .mem_type = BRGPU_PL_VRAM, .lpfn = FAKE_APERTURE >> PAGE_SHIFT },
		{ .mem_type = BRGPU_PL_VRAM, .flags = TTM_PL_FLAG_TOPDOWN },
	};
	struct vram_map map = { .test = test };
	struct vram_buffer *buffers;
	struct rnd_state random;
	unsigned int i, full = 0;
	u64 total = 0;

	prandom_seed_state(&random, 12345);
	map.used = kunit_kcalloc(test, BITS_TO_LONGS(FAKE_VRAM >> PAGE_SHIFT), sizeof(long),
				 GFP_KERNEL);
	buffers = kunit_kcalloc(test, 64, sizeof(*buffers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, map.used);
	KUNIT_ASSERT_NOT_NULL(test, buffers);

	for (i = 0; i < 4000; i++) {
		struct vram_buffer *buffer = &buffers[prandom_u32_state(&random) % 64];
		const struct ttm_place *place =
			&places[prandom_u32_state(&random) % ARRAY_SIZE(places)];
		u64 bytes = (u64)(1 + prandom_u32_state(&random) % 512) << PAGE_SHIFT;
		int ret;

		map.bytes = 0;
		map.lowest = U64_MAX;
		map.highest = 0;
		if (buffer->res) {
			bytes = buffer->res->size;
			map.set = false;
			KUNIT_ASSERT_EQ(test, brgpu_vram_mgr_for_each(brgpu, buffer->res, 0, bytes,
								      vram_mark, &map), 0);
			KUNIT_ASSERT_EQ(test, map.bytes, bytes);
			vram_give(brgpu, buffer);
			total -= bytes;
			continue;
		}
		ret = vram_take(brgpu, buffer, bytes, place);
		if (ret) {
			KUNIT_ASSERT_EQ(test, ret, -ENOSPC);
			KUNIT_ASSERT_NULL(test, buffer->res);
			full++;
			continue;
		}
		map.set = true;
		KUNIT_ASSERT_EQ(test, brgpu_vram_mgr_for_each(brgpu, buffer->res, 0, bytes,
							      vram_mark, &map), 0);
		KUNIT_ASSERT_EQ(test, map.bytes, bytes);
		if (place->lpfn)
			KUNIT_ASSERT_LE(test, map.highest, (u64)FAKE_APERTURE);
		total += bytes;
		KUNIT_ASSERT_EQ(test, ttm_resource_manager_usage(&brgpu->vram_mgr.base), total);
	}
	/* Else it was never full, and the errors were not seen. */
	KUNIT_EXPECT_GT(test, full, 0U);

	for (i = 0; i < 64; i++) {
		if (buffers[i].res)
			vram_give(brgpu, &buffers[i]);
	}
}

static void vram_whole(struct kunit *test)
{
	const struct ttm_place anywhere = { .mem_type = BRGPU_PL_VRAM };
	struct brgpu_device *brgpu = test->priv;
	struct vram_buffer *one, *two;

	one = kunit_kzalloc(test, sizeof(*one), GFP_KERNEL);
	two = kunit_kzalloc(test, sizeof(*two), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, two);

	KUNIT_ASSERT_EQ(test, vram_take(brgpu, one, FAKE_VRAM, &anywhere), 0);
	KUNIT_EXPECT_EQ(test, brgpu->vram_mgr.visible_used, (u64)FAKE_APERTURE);
	KUNIT_EXPECT_EQ(test, vram_take(brgpu, two, PAGE_SIZE, &anywhere), -ENOSPC);
	vram_give(brgpu, one);
	KUNIT_EXPECT_EQ(test, vram_take(brgpu, two, FAKE_VRAM + PAGE_SIZE, &anywhere), -ENOSPC);
	KUNIT_ASSERT_EQ(test, vram_take(brgpu, two, PAGE_SIZE, &anywhere), 0);
	vram_give(brgpu, two);
}

static struct kunit_case vram_cases[] = {
	KUNIT_CASE_SLOW(vram_random),
	KUNIT_CASE(vram_whole),
	{ }
};

static struct kunit_suite vram_suite = {
	.name = "brgpu_vram",
	.init = vram_init,
	.exit = vram_exit,
	.test_cases = vram_cases,
};

/* ---- page tables ---- */

#define PT_BASE		0x7fe00000ULL	/* the window lies across a 1 GiB boundary */
#define PT_PAGES	2048U

struct pt_test {
	struct kunit *test;
	struct brgpu_core_pt pt;
	u64 left[BRGPU_PT_LEVELS - 1];	/* tables that may be taken, by level */
	u64 next_address;
	int live;
	struct {
		u64 address;
		u64 rights;
	} shadow[PT_PAGES];
};

static struct brgpu_core_pt_table *pt_new(struct pt_test *pt, unsigned int level)
{
	struct brgpu_core_pt_table *table = kzalloc(sizeof(*table), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(pt->test, table);
	table->entries = kcalloc(BRGPU_PT_ENTRIES, sizeof(*table->entries), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(pt->test, table->entries);
	if (level) {
		table->children = kcalloc(BRGPU_PT_ENTRIES, sizeof(*table->children), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(pt->test, table->children);
	}
	table->address = pt->next_address;
	table->aperture = BRGPU_PTE_SYSTEM;
	pt->next_address += BRGPU_PT_BYTES;
	pt->live++;
	return table;
}

static void pt_delete(struct pt_test *pt, struct brgpu_core_pt_table *table)
{
	kfree(table->children);
	kfree(table->entries);
	kfree(table);
	pt->live--;
}

static struct brgpu_core_pt_table *pt_take(void *ctx, unsigned int level)
{
	struct pt_test *pt = ctx;

	KUNIT_ASSERT_LT(pt->test, level, (unsigned int)ARRAY_SIZE(pt->left));
	if (!pt->left[level])
		return NULL;
	pt->left[level]--;
	return pt_new(pt, level);
}

static void pt_retire(void *ctx, struct brgpu_core_pt_table *table)
{
	pt_delete(ctx, table);
}

static const struct brgpu_core_pt_ops pt_test_ops = {
	.take = pt_take,
	.retire = pt_retire,
};

/* Any sequence of maps and unmaps: what the walk finds is what was mapped last. */
static void pt_random(struct kunit *test)
{
	struct pt_test *pt = kunit_kzalloc(test, sizeof(*pt), GFP_KERNEL);
	const u64 rights = brgpu_core_pt_rights(DRM_BRGPU_BIND_READ | DRM_BRGPU_BIND_WRITE, false);
	struct brgpu_core_pt_table *root;
	struct rnd_state random;
	unsigned int round, i;

	KUNIT_ASSERT_NOT_NULL(test, pt);
	pt->test = test;
	pt->next_address = SZ_1G;
	prandom_seed_state(&random, 54321);
	root = pt_new(pt, BRGPU_PT_LEVELS - 1);
	brgpu_core_pt_init(&pt->pt, root, &pt_test_ops, SZ_4K | SZ_64K | SZ_2M | SZ_1G);

	for (round = 0; round < 600; round++) {
		const bool map = prandom_u32_state(&random) % 3;
		/* Small and unaligned, or large and aligned: both kinds of pages come about. */
		const u32 unit = prandom_u32_state(&random) % 2 ? 1 : 512;
		u32 first = prandom_u32_state(&random) % PT_PAGES / unit * unit;
		u32 pages = min_t(u32, (1 + prandom_u32_state(&random) % 40) * unit,
				  PT_PAGES - first);
		const u64 va = PT_BASE + (u64)first * SZ_4K;
		const u64 address = (u64)(prandom_u32_state(&random) % 4096) * unit * SZ_4K;
		struct brgpu_core_pt_tables tables = {};
		struct brgpu_core_pt_update update = {};
		int ret;

		if (map)
			brgpu_core_pt_tables_for_map(&pt->pt, va, (u64)pages * SZ_4K, false,
						     &tables);
		else
			brgpu_core_pt_tables_for_unmap(va, (u64)pages * SZ_4K, &tables);
		memcpy(pt->left, tables.count, sizeof(pt->left));
		ret = map ? brgpu_core_pt_map(&pt->pt, pt, va, (u64)pages * SZ_4K, address, rights,
					      &update) :
			    brgpu_core_pt_unmap(&pt->pt, pt, va, (u64)pages * SZ_4K, &update);
		KUNIT_ASSERT_EQ_MSG(test, ret, 0, "round %u: the reserve did not do", round);

		for (i = first; i < first + pages; i++) {
			/* What was valid before is in the range to invalidate. */
			if (pt->shadow[i].rights) {
				const u64 page = PT_BASE + (u64)i * SZ_4K;

				KUNIT_ASSERT_TRUE(test, update.flush);
				KUNIT_ASSERT_LE(test, update.start, page);
				KUNIT_ASSERT_GE(test, update.end, page + SZ_4K);
			}
			pt->shadow[i].rights = map ? rights : 0;
			pt->shadow[i].address = address + (u64)(i - first) * SZ_4K;
		}
		for (i = 0; i < PT_PAGES; i++) {
			unsigned int level;
			u64 found, entry;

			entry = brgpu_core_pt_lookup(&pt->pt, PT_BASE + (u64)i * SZ_4K + 8, &found,
						     &level);
			KUNIT_ASSERT_EQ_MSG(test, !!entry, !!pt->shadow[i].rights,
					    "round %u, page %u", round, i);
			if (entry)
				KUNIT_ASSERT_EQ_MSG(test, found, pt->shadow[i].address + 8,
						    "round %u, page %u", round, i);
		}
		cond_resched();
	}
	brgpu_core_pt_clear(&pt->pt, pt);
	pt_delete(pt, root);
	KUNIT_EXPECT_EQ(test, pt->live, 0);
}

/* Without a reserve a map that needs tables says so. */
static void pt_no_tables(struct kunit *test)
{
	struct pt_test *pt = kunit_kzalloc(test, sizeof(*pt), GFP_KERNEL);
	struct brgpu_core_pt_update update = {};
	struct brgpu_core_pt_table *root;

	KUNIT_ASSERT_NOT_NULL(test, pt);
	pt->test = test;
	pt->next_address = SZ_1G;
	root = pt_new(pt, BRGPU_PT_LEVELS - 1);
	brgpu_core_pt_init(&pt->pt, root, &pt_test_ops, SZ_4K);
	KUNIT_EXPECT_EQ(test, brgpu_core_pt_map(&pt->pt, pt, PT_BASE, SZ_4K, 0,
						BRGPU_PTE_READ, &update), -ENOMEM);
	KUNIT_EXPECT_EQ(test, brgpu_core_pt_map(&pt->pt, pt, PT_BASE + 1, SZ_4K, 0,
						BRGPU_PTE_READ, &update), -EINVAL);
	brgpu_core_pt_clear(&pt->pt, pt);
	pt_delete(pt, root);
	KUNIT_EXPECT_EQ(test, pt->live, 0);
}

static struct kunit_case pt_cases[] = {
	KUNIT_CASE_SLOW(pt_random),
	KUNIT_CASE(pt_no_tables),
	{ }
};

static struct kunit_suite pt_suite = {
	.name = "brgpu_page_tables",
	.test_cases = pt_cases,
};

/* ---- arrays from user space ---- */

struct array_element {
	u64 first;
	u64 second;
};

/* One page that can be used, and behind it one that can't. */
static u8 __user *array_user_page(struct kunit *test)
{
	unsigned long address = kunit_vm_mmap(test, NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
					      MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE_MSG(test, address, 0, "no user memory");
	KUNIT_ASSERT_LT_MSG(test, address, (unsigned long)TASK_SIZE, "no user memory");
	KUNIT_ASSERT_EQ(test, vm_munmap(address + PAGE_SIZE, PAGE_SIZE), 0);
	return (u8 __user *)address;
}

static int array_copy(u8 __user *from, u32 stride, u32 count, struct array_element **out)
{
	const struct drm_brgpu_array array = {
		.stride = stride,
		.count = count,
		.array = (uintptr_t)from,
	};
	void *copied;
	int ret = brgpu_copy_array(&array, sizeof(**out), &copied);

	*out = copied;
	return ret;
}

static void array_strides(struct kunit *test)
{
	u8 __user *page = array_user_page(test);
	struct array_element *out;
	u64 word;
	u32 i;

	for (i = 0; i < PAGE_SIZE / 8; i++) {
		word = i;
		KUNIT_ASSERT_EQ(test, copy_to_user(page + i * 8, &word, 8), 0);
	}
	/* The element as it is. */
	KUNIT_ASSERT_EQ(test, array_copy(page, 16, 3, &out), 0);
	KUNIT_EXPECT_EQ(test, out[2].first, 4ULL);
	KUNIT_EXPECT_EQ(test, out[2].second, 5ULL);
	kvfree(out);
	/* An older caller's shorter one ends in zeros. */
	KUNIT_ASSERT_EQ(test, array_copy(page, 8, 3, &out), 0);
	KUNIT_EXPECT_EQ(test, out[2].first, 2ULL);
	KUNIT_EXPECT_EQ(test, out[2].second, 0ULL);
	kvfree(out);
	/* A newer caller's longer one is fine while what is unknown is zero. */
	KUNIT_EXPECT_EQ(test, array_copy(page, 24, 3, &out), -E2BIG);
	KUNIT_EXPECT_NULL(test, out);
	word = 0;
	for (i = 0; i < 3; i++)
		KUNIT_ASSERT_EQ(test, copy_to_user(page + i * 24 + 16, &word, 8), 0);
	KUNIT_ASSERT_EQ(test, array_copy(page, 24, 3, &out), 0);
	KUNIT_EXPECT_EQ(test, out[1].first, 3ULL);
	kvfree(out);
	/* None. */
	KUNIT_ASSERT_EQ(test, array_copy(NULL, 0, 0, &out), 0);
	KUNIT_EXPECT_NULL(test, out);
}

static void array_bad_pages(struct kunit *test)
{
	u8 __user *page = array_user_page(test);
	struct array_element *out;

	KUNIT_EXPECT_EQ(test, array_copy(page + PAGE_SIZE - 16, 16, 1, &out), 0);
	kvfree(out);
	KUNIT_EXPECT_EQ(test, array_copy(page + PAGE_SIZE - 8, 16, 1, &out), -EFAULT);
	KUNIT_EXPECT_EQ(test, array_copy(page + PAGE_SIZE - 16, 16, 2, &out), -EFAULT);
	KUNIT_EXPECT_EQ(test, array_copy(page + PAGE_SIZE - 24, 24, 2, &out), -EFAULT);
	KUNIT_EXPECT_EQ(test, array_copy((u8 __user *)(TASK_SIZE_MAX - 8), 16, 1, &out), -EFAULT);
	KUNIT_EXPECT_NULL(test, out);
}

static struct kunit_case array_cases[] = {
	KUNIT_CASE(array_strides),
	KUNIT_CASE(array_bad_pages),
	{ }
};

static struct kunit_suite array_suite = {
	.name = "brgpu_arrays",
	.test_cases = array_cases,
};

/* ---- mailbox framing ---- */

static void mbox_answers(struct kunit *test)
{
	struct brgpu_core_mbox *mbox = kunit_kzalloc(test, sizeof(*mbox), GFP_KERNEL);
	struct brgpu_mbox_message *requests, extra, answer;
	unsigned int handle = 0, i;
	const char *why = NULL;

	requests = kunit_kcalloc(test, BRGPU_MBOX_SLOTS, sizeof(*requests), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, requests);
	KUNIT_ASSERT_NOT_NULL(test, mbox);
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_open(mbox, 0), -EINVAL);
	KUNIT_ASSERT_EQ(test, brgpu_core_mbox_open(mbox, 7), 0);
	for (i = 0; i < BRGPU_MBOX_SLOTS; i++)
		KUNIT_ASSERT_EQ(test, brgpu_core_mbox_request(mbox, &requests[i], 1 + i, &i,
							      sizeof(i)), (int)i);
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_request(mbox, &extra, 1, NULL, 0), -EBUSY);
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_request(mbox, &extra, 1, requests,
						      BRGPU_MBOX_PAYLOAD_BYTES + 1), -EMSGSIZE);

	/* In any order, each once. */
	for (i = BRGPU_MBOX_SLOTS; i-- > 0;) {
		answer = requests[i];
		answer.flags = BRGPU_MBOX_FLAG_RESPONSE;
		answer.session = 8;
		KUNIT_EXPECT_EQ(test, brgpu_core_mbox_match(mbox, &answer, &handle, &why), -ENOENT);
		answer.session = 7;
		KUNIT_ASSERT_EQ(test, brgpu_core_mbox_match(mbox, &answer, &handle, &why), 0);
		KUNIT_EXPECT_EQ(test, handle, i);
		KUNIT_EXPECT_EQ(test, brgpu_core_mbox_match(mbox, &answer, &handle, &why), -ENOENT);
	}
	KUNIT_EXPECT_EQ(test, mbox->dropped, 2U * BRGPU_MBOX_SLOTS);
}

static void mbox_malformed(struct kunit *test)
{
	struct brgpu_core_mbox *mbox = kunit_kzalloc(test, sizeof(*mbox), GFP_KERNEL);
	struct brgpu_mbox_message request, answer;
	unsigned int handle = ~0U, i;
	const char *why = NULL;

	KUNIT_ASSERT_NOT_NULL(test, mbox);
	KUNIT_ASSERT_EQ(test, brgpu_core_mbox_open(mbox, 7), 0);
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_GE(test, brgpu_core_mbox_request(mbox, &request, 5, NULL, 0), 0);
		answer = request;
		answer.flags = BRGPU_MBOX_FLAG_RESPONSE;
		if (i == 0)
			answer.flags = 0;
		else if (i == 1)
			answer.type = 6;
		else
			answer.length = BRGPU_MBOX_PAYLOAD_BYTES + 1;
		KUNIT_EXPECT_EQ(test, brgpu_core_mbox_match(mbox, &answer, &handle, &why),
				-EBADMSG);
		KUNIT_EXPECT_NOT_NULL(test, why);
	}
	/* Given up: a late answer is none. */
	KUNIT_ASSERT_EQ(test, brgpu_core_mbox_request(mbox, &request, 5, NULL, 0), 0);
	brgpu_core_mbox_abandon(mbox, 0);
	brgpu_core_mbox_abandon(mbox, ~0U);
	answer = request;
	answer.flags = BRGPU_MBOX_FLAG_RESPONSE;
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_match(mbox, &answer, &handle, &why), -ENOENT);

	/* Indices run freely and wrap. */
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_used(2, U32_MAX), 3);
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_used(BRGPU_MBOX_SLOTS, 0), (int)BRGPU_MBOX_SLOTS);
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_used(BRGPU_MBOX_SLOTS + 1, 0), -ERANGE);
	KUNIT_EXPECT_EQ(test, brgpu_core_mbox_used(0, 1), -ERANGE);
}

static struct kunit_case mbox_cases[] = {
	KUNIT_CASE(mbox_answers),
	KUNIT_CASE(mbox_malformed),
	{ }
};

static struct kunit_suite mbox_suite = {
	.name = "brgpu_mailbox",
	.test_cases = mbox_cases,
};

kunit_test_suites(&vram_suite, &pt_suite, &array_suite, &mbox_suite);

MODULE_DESCRIPTION("KUnit tests of brgpu");
MODULE_AUTHOR("The brgpu authors");
MODULE_LICENSE("GPL");
