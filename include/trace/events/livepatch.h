/* SPDX-License-Identifier: GPL-2.0-or-later */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM livepatch

#if !defined(_TRACE_LIVEPATCH_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_LIVEPATCH_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

/* A patch has stepped from one phase to the next. */
TRACE_EVENT(klp_phase,
	TP_PROTO(const char *patch, const char *from, const char *to, u64 duration_ns),
	TP_ARGS(patch, from, to, duration_ns),
	TP_STRUCT__entry(
		__string(patch, patch)
		__string(from, from)
		__string(to, to)
		__field(u64, duration_ns)
	),
	TP_fast_assign(
		__assign_str(patch);
		__assign_str(from);
		__assign_str(to);
		__entry->duration_ns = duration_ns;
	),
	TP_printk("patch=%s from=%s to=%s duration_ns=%llu",
		  __get_str(patch), __get_str(from), __get_str(to),
		  __entry->duration_ns)
);

/* A task has switched; the events are in the order of enum klp_switch_event. */
TRACE_EVENT(klp_task_switch,
	TP_PROTO(struct task_struct *task, int state, int event),
	TP_ARGS(task, state, event),
	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(int, state)
		__field(int, event)
	),
	TP_fast_assign(
		memcpy(__entry->comm, task->comm, TASK_COMM_LEN);
		__entry->pid = task->pid;
		__entry->state = state;
		__entry->event = event;
	),
	TP_printk("comm=%s pid=%d state=%d event=%s",
		  __entry->comm, __entry->pid, __entry->state,
		  __print_symbolic(__entry->event,
				   { 0, "scan" },
				   { 1, "kernel_exit" },
				   { 2, "sched" },
				   { 3, "idle" },
				   { 4, "offline" },
				   { 5, "force" }))
);

/* A task may not switch: addr is what blocks it, or 0 for an unreliable stack. */
TRACE_EVENT(klp_task_refused,
	TP_PROTO(struct task_struct *task, unsigned long addr),
	TP_ARGS(task, addr),
	TP_STRUCT__entry(
		__array(char, comm, TASK_COMM_LEN)
		__field(pid_t, pid)
		__field(unsigned long, addr)
	),
	TP_fast_assign(
		memcpy(__entry->comm, task->comm, TASK_COMM_LEN);
		__entry->pid = task->pid;
		__entry->addr = addr;
	),
	TP_printk("comm=%s pid=%d func=%pS",
		  __entry->comm, __entry->pid, (void *)__entry->addr)
);

#endif /* _TRACE_LIVEPATCH_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
