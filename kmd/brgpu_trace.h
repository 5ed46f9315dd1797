/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM brgpu

#if !defined(BRGPU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define BRGPU_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(brgpu_submit,
	TP_PROTO(u32 slot, u64 seqno, u32 packets),
	TP_ARGS(slot, seqno, packets),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u64, seqno)
		__field(u32, packets)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->seqno = seqno;
		__entry->packets = packets;
	),
	TP_printk("slot=%u seqno=%llu packets=%u", __entry->slot, __entry->seqno, __entry->packets)
);

TRACE_EVENT(brgpu_queue_stop,
	TP_PROTO(u32 slot, u32 error),
	TP_ARGS(slot, error),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->error = error;
	),
	TP_printk("slot=%u error=%u", __entry->slot, __entry->error)
);

TRACE_EVENT(brgpu_bind,
	TP_PROTO(u32 vm, u32 ops, bool flush),
	TP_ARGS(vm, ops, flush),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, ops)
		__field(bool, flush)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->ops = ops;
		__entry->flush = flush;
	),
	TP_printk("vm=%u ops=%u flush=%d", __entry->vm, __entry->ops, __entry->flush)
);

TRACE_EVENT(brgpu_tlb,
	TP_PROTO(u32 vm, u64 start, u64 end, u32 issued),
	TP_ARGS(vm, start, end, issued),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u64, start)
		__field(u64, end)
		__field(u32, issued)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->start = start;
		__entry->end = end;
		__entry->issued = issued;
	),
	TP_printk("vm=%u start=0x%llx end=0x%llx issued=%u", __entry->vm, __entry->start,
		  __entry->end, __entry->issued)
);

TRACE_EVENT(brgpu_userptr_invalidate,
	TP_PROTO(u32 vm, u64 start, u64 bytes, u64 from, u64 to, u32 event),
	TP_ARGS(vm, start, bytes, from, to, event),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u64, start)
		__field(u64, bytes)
		__field(u64, from)
		__field(u64, to)
		__field(u32, event)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->start = start;
		__entry->bytes = bytes;
		__entry->from = from;
		__entry->to = to;
		__entry->event = event;
	),
	TP_printk("vm=%u start=0x%llx bytes=0x%llx from=0x%llx to=0x%llx event=%u", __entry->vm,
		  __entry->start, __entry->bytes, __entry->from, __entry->to, __entry->event)
);

TRACE_EVENT(brgpu_userptr_populate,
	TP_PROTO(u32 vm, u64 start, u64 bytes, int result),
	TP_ARGS(vm, start, bytes, result),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u64, start)
		__field(u64, bytes)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->start = start;
		__entry->bytes = bytes;
		__entry->result = result;
	),
	TP_printk("vm=%u start=0x%llx bytes=0x%llx result=%d", __entry->vm, __entry->start,
		  __entry->bytes, __entry->result)
);

TRACE_EVENT(brgpu_event,
	TP_PROTO(u8 type, u16 queue, u32 info, u64 data0),
	TP_ARGS(type, queue, info, data0),
	TP_STRUCT__entry(
		__field(u8, type)
		__field(u16, queue)
		__field(u32, info)
		__field(u64, data0)
	),
	TP_fast_assign(
		__entry->type = type;
		__entry->queue = queue;
		__entry->info = info;
		__entry->data0 = data0;
	),
	TP_printk("type=0x%x queue=%u info=0x%x data0=0x%llx", __entry->type, __entry->queue,
		  __entry->info, __entry->data0)
);

#endif /* BRGPU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE brgpu_trace
#include <trace/define_trace.h>
