/* SPDX-License-Identifier: MIT */
#include "ras.h"

#include "log.h"

#define PAGE_SHIFT 12

static struct brgpu_ctl_bad_pages table;
static uint64_t corrected;
static uint64_t uncorrected;
static uint64_t last_uncorrected = UINT64_MAX;

static uint32_t table_checksum(void) {
    uint32_t sum = table.count;
    for (uint32_t i = 0; i < table.count; i++)
        sum += table.page[i];
    return ~sum;
}

static void table_load(void) {
    uint32_t *words = (uint32_t *)&table;
    for (uint32_t i = 0; i < sizeof(table) / 4; i++)
        words[i] = io_read(BRGPU_CTL_NVRAM + 4 * i);
    if (table.magic == BRGPU_CTL_BAD_PAGES_MAGIC && table.count <= BRGPU_CTL_BAD_PAGES_MAX &&
        table.checksum == table_checksum())
        return;
    if (table.magic)
        log_error("bad-page table is damaged: starting an empty one");
    memset(&table, 0, sizeof(table));
    table.magic = BRGPU_CTL_BAD_PAGES_MAGIC;
}

static void table_store(void) {
    const uint32_t *words = (const uint32_t *)&table;
    table.checksum = table_checksum();
    for (uint32_t i = 0; i < sizeof(table) / 4; i++)
        io_write(BRGPU_CTL_NVRAM + 4 * i, words[i]);
}

void ras_init(void) {
    table_load();
    if (table.count)
        log_warning("%u bad pages", table.count);
}

void ras_collect(void) {
    while (io_read(BRGPU_CTL_ECC_COUNT)) {
        io_write(BRGPU_CTL_ECC_POP, 1);
        uint64_t address = io_read64(BRGPU_CTL_ECC_ADDRESS_LO);
        uint32_t kind = io_read(BRGPU_CTL_ECC_KIND);
        uint32_t added;
        notify(BRGPU_FW_NOTIFY_RAS, address, kind);
        if (!kind) {
            corrected++;
            continue;
        }
        uncorrected++;
        last_uncorrected = address;
        log_error("uncorrected memory error at %x%x", (uint32_t)(address >> 32), (uint32_t)address);
        if (ras_retire_page(address, &added) != BRGPU_MBOX_OK)
            log_error("its page can't be retired");
    }
}

void ras_describe(struct brgpu_mbox_ras_response *out) {
    out->corrected = corrected;
    out->uncorrected = uncorrected;
    out->last_address = last_uncorrected;
    out->lost = io_read(BRGPU_CTL_ECC_LOST);
    out->bad_pages = table.count;
    out->log_dropped = log_cut();
}

uint32_t ras_bad_page_count(void) {
    return table.count;
}

uint32_t ras_bad_pages(uint32_t first, uint64_t *addresses, uint32_t room) {
    uint32_t count = 0;
    for (uint32_t i = first; i < table.count && count < room; i++)
        addresses[count++] = (uint64_t)table.page[i] << PAGE_SHIFT;
    return count;
}

enum brgpu_mbox_status ras_retire_page(uint64_t address, uint32_t *added) {
    uint32_t page = (uint32_t)(address >> PAGE_SHIFT);
    uint32_t at = 0;
    *added = 0;
    if (address >= io_read64(BRGPU_CTL_VRAM_LO))
        return BRGPU_MBOX_RANGE;
    while (at < table.count && table.page[at] < page)
        at++;
    if (at < table.count && table.page[at] == page)
        return BRGPU_MBOX_OK;
    if (table.count == BRGPU_CTL_BAD_PAGES_MAX)
        return BRGPU_MBOX_FULL;
    for (uint32_t i = table.count; i > at; i--)
        table.page[i] = table.page[i - 1];
    table.page[at] = page;
    table.count++;
    table_store();
    *added = 1;
    notify(BRGPU_FW_NOTIFY_BAD_PAGE, (uint64_t)page << PAGE_SHIFT, table.count);
    return BRGPU_MBOX_OK;
}
