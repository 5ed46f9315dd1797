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

TRACE_EVENT(brgpu_job,
	TP_PROTO(u32 vm, u32 queue, u32 slot, u64 number, u32 commands),
	TP_ARGS(vm, queue, slot, number, commands),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, queue)
		__field(u32, slot)
		__field(u64, number)
		__field(u32, commands)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->queue = queue;
		__entry->slot = slot;
		__entry->number = number;
		__entry->commands = commands;
	),
	TP_printk("vm=%u queue=%u slot=%u number=%llu commands=%u", __entry->vm, __entry->queue,
		  __entry->slot, __entry->number, __entry->commands)
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

TRACE_EVENT(brgpu_bind_call,
	TP_PROTO(u32 vm, u32 ops, bool async, u64 bytes_bound),
	TP_ARGS(vm, ops, async, bytes_bound),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, ops)
		__field(bool, async)
		__field(u64, bytes_bound)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->ops = ops;
		__entry->async = async;
		__entry->bytes_bound = bytes_bound;
	),
	TP_printk("vm=%u ops=%u async=%d bytes_bound=%llu", __entry->vm, __entry->ops,
		  __entry->async, __entry->bytes_bound)
);

TRACE_EVENT(brgpu_move,
	TP_PROTO(u64 bytes, u32 from, u32 to, bool evict, int result),
	TP_ARGS(bytes, from, to, evict, result),
	TP_STRUCT__entry(
		__field(u64, bytes)
		__field(u32, from)
		__field(u32, to)
		__field(bool, evict)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->bytes = bytes;
		__entry->from = from;
		__entry->to = to;
		__entry->evict = evict;
		__entry->result = result;
	),
	TP_printk("bytes=%llu from=%s to=%s evict=%d result=%d", __entry->bytes,
		  __print_symbolic(__entry->from, { 0, "system" }, { 1, "tt" }, { 2, "vram" },
				   { ~0U, "new" }),
		  __print_symbolic(__entry->to, { 0, "system" }, { 1, "tt" }, { 2, "vram" }),
		  __entry->evict, __entry->result)
);

TRACE_EVENT(brgpu_fault,
	TP_PROTO(u32 vm, u32 slot, u64 address, u64 pc, u32 info),
	TP_ARGS(vm, slot, address, pc, info),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, slot)
		__field(u64, address)
		__field(u64, pc)
		__field(u32, info)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->slot = slot;
		__entry->address = address;
		__entry->pc = pc;
		__entry->info = info;
	),
	TP_printk("vm=%u slot=%u address=0x%llx pc=0x%llx info=0x%x", __entry->vm, __entry->slot,
		  __entry->address, __entry->pc, __entry->info)
);

TRACE_EVENT(brgpu_reset,
	TP_PROTO(const char *what, int result),
	TP_ARGS(what, result),
	TP_STRUCT__entry(
		__string(what, what)
		__field(int, result)
	),
	TP_fast_assign(
		__assign_str(what);
		__entry->result = result;
	),
	TP_printk("what=%s result=%d", __get_str(what), __entry->result)
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

DECLARE_EVENT_CLASS(brgpu_userq,
	TP_PROTO(u32 slot, u32 vm, u32 queue, bool saved),
	TP_ARGS(slot, vm, queue, saved),
	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, vm)
		__field(u32, queue)
		__field(bool, saved)
	),
	TP_fast_assign(
		__entry->slot = slot;
		__entry->vm = vm;
		__entry->queue = queue;
		__entry->saved = saved;
	),
	TP_printk("slot=%u vm=%u queue=%u saved=%d", __entry->slot, __entry->vm, __entry->queue,
		  __entry->saved)
);

DEFINE_EVENT(brgpu_userq, brgpu_userq_map,
	TP_PROTO(u32 slot, u32 vm, u32 queue, bool saved),
	TP_ARGS(slot, vm, queue, saved)
);

DEFINE_EVENT(brgpu_userq, brgpu_userq_leave,
	TP_PROTO(u32 slot, u32 vm, u32 queue, bool saved),
	TP_ARGS(slot, vm, queue, saved)
);

TRACE_EVENT(brgpu_fault_mend,
	TP_PROTO(u32 vm, u32 queue, u64 address, u32 info, int result),
	TP_ARGS(vm, queue, address, info, result),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, queue)
		__field(u64, address)
		__field(u32, info)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->queue = queue;
		__entry->address = address;
		__entry->info = info;
		__entry->result = result;
	),
	TP_printk("vm=%u queue=%u address=0x%llx info=0x%x result=%d", __entry->vm, __entry->queue,
		  __entry->address, __entry->info, __entry->result)
);

TRACE_EVENT(brgpu_preempt,
	TP_PROTO(u32 vm, bool suspended, u64 seqno),
	TP_ARGS(vm, suspended, seqno),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(bool, suspended)
		__field(u64, seqno)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->suspended = suspended;
		__entry->seqno = seqno;
	),
	TP_printk("vm=%u suspended=%d seqno=%llu", __entry->vm, __entry->suspended, __entry->seqno)
);

#endif /* BRGPU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE brgpu_trace
#include <trace/define_trace.h>
