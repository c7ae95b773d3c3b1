#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tracers and probes on a patched function, and the core's own tracepoints.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

F=klp_target_value
KPROBES=$TRACING/kprobe_events

tracer_off() {
	echo 0 >"$TRACING/events/enable"
	echo >"$KPROBES"
	echo nop >"$TRACING/current_tracer"
	echo >"$TRACING/set_ftrace_filter"
	echo >"$TRACING/trace"
}

# tracer_on WHAT: and set the regular expression that shows a hit.
tracer_on() {
	local kind

	case $1 in
	function | function_graph)
		echo "$F" >"$TRACING/set_ftrace_filter"
		echo "$1" >"$TRACING/current_tracer"
		hit=$F
		;;
	kprobe | kretprobe)
		[[ $1 == kprobe ]] && kind=p || kind=r
		echo "$kind:klp_probe klp_target:$F" >"$KPROBES"
		echo 1 >"$TRACING/events/kprobes/klp_probe/enable"
		hit=klp_probe:
		;;
	esac
}

# hits VERSION: a call gives that version, and the tracer sees it.
hits() {
	echo >"$TRACING/trace"
	is "$(value value)" "$1" "version"
	grep -q "$hit" "$TRACING/trace" || fail "the call was not traced"
}

tracer_first() {
	load klp_target
	tracer_on "$1"
	hits 0
	enable klp_patch_v1 funcs=value
	hits 1
	disable klp_patch_v1
	hits 0
	unload klp_patch_v1
	tracer_off
	is "$(value value)" 0 "version"
}

patch_first() {
	load klp_target
	enable klp_patch_v1 funcs=value
	tracer_on "$1"
	hits 1
	tracer_off
	is "$(value value)" 1 "version"
	tracer_on "$1"
	hits 1
	remove klp_patch_v1
	hits 0
	tracer_off
}

all_at_once() {
	local what

	load klp_target
	tracer_on function
	echo "p:klp_probe klp_target:$F" >"$KPROBES"
	echo "r:klp_return klp_target:$F" >>"$KPROBES"
	echo 1 >"$TRACING/events/kprobes/enable"
	enable klp_patch_v1 funcs=value
	enable klp_patch_v2 funcs=value
	for what in "$F <-" klp_probe: klp_return:; do
		hit=$what
		hits 2
	done
	remove klp_patch_v2
	hits 1
	remove klp_patch_v1
	hits 0
	tracer_off
}

# The switch of all tracing may not take patches with it.
ftrace_stays_on() {
	enable klp_patch_v1 funcs=cmdline
	refused EBUSY "$FTRACE_ENABLED" 0
	file_is "$FTRACE_ENABLED" 1
	is "$(cmdline)" 1 "version"
	remove klp_patch_v1
	echo 0 >"$FTRACE_ENABLED"
	echo 1 >"$FTRACE_ENABLED"
}

ftrace_is_off() {
	local before lines

	before=$(snapshot)
	echo 0 >"$FTRACE_ENABLED"
	log_begin
	load_gets EBUSY klp_patch_v1 funcs=cmdline
	echo 1 >"$FTRACE_ENABLED"
	lines=$(log_lines)
	matches "$lines" "failed to register ftrace handler for function 'cmdline_proc_show' \(-16\)" "the log"
	unchanged "$before"
	enable klp_patch_v1 funcs=cmdline
	is "$(cmdline)" 1 "version"
}

# Only one may redirect a function: the log tells which was taken.
taken() {
	local before function lines

	load klp_target
	for function in klp_target_value klp_target_deep klp_target_pair; do
		load klp_ipmodify func=$function
		before=$(snapshot)
		log_begin
		load_gets EBUSY klp_patch_v1
		lines=$(log_lines)
		matches "$lines" "failed to register ftrace handler for function '$function' \(-16\)" "the log"
		is "$(value value) $(cmdline)" "0 0" "versions"
		unchanged "$before"
		unload klp_ipmodify
	done
	enable klp_patch_v1
	load_gets EBUSY klp_ipmodify func=klp_target_value
	is "$(value value) $(cmdline)" "1 1" "versions"
	remove klp_patch_v1
}

# event REGEX: is in the trace.
event() {
	grep -qE "$1" "$TRACING/trace" && return
	grep klp_ "$TRACING/trace" | tail -n 5 | sed 's/^/# /'
	fail "there is no event like '$1'"
}

tracepoints() {
	load klp_target
	reader sleep
	sleepers 1
	echo >"$TRACING/trace"
	echo 1 >"$TRACING/events/livepatch/enable"
	load klp_patch_v1 funcs=sleep
	event "klp_phase: patch=klp_patch_v1 from=new to=preparing "
	event "klp_phase: patch=klp_patch_v1 from=preparing to=patching "
	event "klp_task_refused: .*pid=$pid .*klp_target_sleep"
	release
	wait_patched klp_patch_v1
	event "klp_task_switch: .*pid=$pid state=1 event=(kernel_exit|sched)"
	event "klp_phase: patch=klp_patch_v1 from=patching to=patched "
	remove klp_patch_v1
	event "klp_phase: patch=klp_patch_v1 from=patched to=unpatching "
	event "klp_phase: patch=klp_patch_v1 from=unpatching to=disabled "
	tracer_off
}

tracer_off
for what in function function_graph kprobe kretprobe; do
	scenario "$what before the patch" tracer_first $what
	tracer_off
	scenario "$what after the patch" patch_first $what
	tracer_off
done
scenario "all of them and two patches" all_at_once
tracer_off
scenario "ftrace_enabled cannot be switched off" ftrace_stays_on
scenario "no patch while ftrace_enabled is off" ftrace_is_off
scenario "somebody else redirects one of the functions" taken
scenario "tracepoints" tracepoints
tracer_off
finish
