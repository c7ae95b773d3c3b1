#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Outside transitions a patched function begins with a jump to its new version,
# unless somebody else is attached to it: judged by the version, by the code
# itself, by enabled_functions, and by whether tracers see the call.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

F=klp_target_value
KPROBES=$TRACING/kprobe_events
P1=$LIVEPATCH/klp_patch_v1
P2=$LIVEPATCH/klp_patch_v2
# Whoever else can be attached to a function. fentry and fexit do what BPF does,
# which itself needs types.
KINDS=(function function_graph kprobe kretprobe fentry fexit)
if [[ -e /sys/kernel/btf/vmlinux ]]; then
	[[ -x klp_bpf ]] || echo "# klp_bpf is missing: it was built without libbpf"
	KINDS+=(bpf_fentry bpf_fexit)
fi

grep -qw ftrace_set_jumps /proc/kallsyms || skip_all "the kernel has no CONFIG_LIVEPATCH_JUMP"

# ---- what stands at the function's entry ----

# listed: the function's line in enabled_functions, without its jump's offset.
listed() {
	grep "^$F \[klp_target\]" "$TRACING/enabled_functions" | sed 's/+0x0\/0x[0-9a-f]*//' || true
}

# plain: nobody is attached.
plain() {
	file_is "$TARGET/entry" nop
	is "$(listed)" "" "enabled_functions"
}

# jumps PATCH: nobody but that patch is attached, and it is in effect.
jumps() {
	file_is "$TARGET/entry" "jmp new_value [$1]"
	matches "$(listed)" " \(1\)   I     J M 	jump: new_value \[$1\]$" "enabled_functions"
}

# calls: somebody has to be called.
calls() {
	file_is "$TARGET/entry" call
	matches "$(listed)" " \([1-9]\) .*(	tramp: | ->)" "enabled_functions"
	[[ $(listed) != *jump* && $(listed) != *" J"* ]] || fail "enabled_functions tells of a jump: $(listed)"
}

# ---- whoever else is attached ----

attached=()
declare -A bpf_pid=() bpf_out=()

# bpf_runs KIND: how often the program has run since that was asked last.
bpf_runs() {
	local runs

	kill -USR1 "${bpf_pid[$1]}"
	read -r runs <&"${bpf_out[$1]}"
	echo "$runs"
}

attach() {
	local out word

	case $1 in
	function | function_graph)
		echo "$F" >"$TRACING/set_ftrace_filter"
		echo "$1" >"$TRACING/current_tracer"
		;;
	kprobe)
		echo "p:klp_probe klp_target:$F" >>"$KPROBES"
		echo 1 >"$TRACING/events/kprobes/klp_probe/enable"
		;;
	kretprobe)
		echo "r:klp_return klp_target:$F" >>"$KPROBES"
		echo 1 >"$TRACING/events/kprobes/klp_return/enable"
		;;
	fentry | fexit)
		echo "$1" >"$TARGET/direct"
		;;
	bpf_*)
		exec {out}< <(exec ./klp_bpf "${1#bpf_}" klp_target "$F" 2>&1)
		bpf_pid[$1]=$! bpf_out[$1]=$out
		read -r word <&"$out" || true
		is "$word" attached "what klp_bpf says"
		;;
	esac
	attached+=("$1")
}

# It is detached some time after its last file is closed. Two share a trampoline,
# which is another one then.
wait_bpf_gone() {
	local end=$((SECONDS + 60)) others=0 kind out=${bpf_out[$1]}

	for kind in ${attached[@]+"${attached[@]}"}; do
		[[ $kind != bpf_* || $kind == "$1" ]] || others=1
	done
	wait "${bpf_pid[$1]}" 2>/dev/null || true
	exec {out}<&-
	unset "bpf_pid[$1]" "bpf_out[$1]"
	((!others)) || return 0
	while [[ $(listed) == *" D"* ]]; do
		((SECONDS < end)) || { fail "BPF does not detach"; return; }
		sleep 0.02
	done
}

detach() {
	local kind rest=()

	case $1 in
	function | function_graph)
		echo nop >"$TRACING/current_tracer"
		echo >"$TRACING/set_ftrace_filter"
		;;
	kprobe)
		echo 0 >"$TRACING/events/kprobes/klp_probe/enable"
		echo "-:klp_probe" >>"$KPROBES"
		;;
	kretprobe)
		echo 0 >"$TRACING/events/kprobes/klp_return/enable"
		echo "-:klp_return" >>"$KPROBES"
		;;
	fentry | fexit)
		echo none >"$TARGET/direct"
		;;
	bpf_*)
		kill "${bpf_pid[$1]}"
		wait_bpf_gone "$1"
		;;
	esac
	for kind in ${attached[@]+"${attached[@]}"}; do
		[[ $kind == "$1" ]] || rest+=("$kind")
	done
	attached=(${rest[@]+"${rest[@]}"})
}

# clear: nothing is in the trace, and nobody was hit.
clear() {
	local kind

	echo >"$TRACING/trace"
	echo 0 >"$TARGET/direct_hits"
	for kind in "${!bpf_pid[@]}"; do
		bpf_runs "$kind" >/dev/null
	done
}

# hits: since then, each that is attached has seen the call, and nobody else.
hits() {
	local kind seen=()

	! grep -q ": $F <-" "$TRACING/trace" || seen+=(function)
	! grep -q "| *$F\( \[klp_target\]\)\?()[; ]" "$TRACING/trace" || seen+=(function_graph)
	! grep -q ' klp_probe:' "$TRACING/trace" || seen+=(kprobe)
	! grep -q ' klp_return:' "$TRACING/trace" || seen+=(kretprobe)
	(($(<"$TARGET/direct_hits") == 0)) || seen+=("$(cut -d' ' -f1 "$TARGET/direct")")
	for kind in "${!bpf_pid[@]}"; do
		(($(bpf_runs "$kind") == 0)) || seen+=("$kind")
	done
	is "$(printf '%s\n' ${seen[@]+"${seen[@]}"} | sort)" \
		"$(printf '%s\n' ${attached[@]+"${attached[@]}"} | sort)" "who has seen the call"
}

# A scenario that failed may leave somebody attached.
tracers_off() {
	local kind

	for kind in "${!bpf_pid[@]}"; do
		kill "${bpf_pid[$kind]}" 2>/dev/null || true
		wait_bpf_gone "$kind"
	done
	[[ ! -e $TARGET/direct ]] || echo none >"$TARGET/direct"
	echo 0 >"$TRACING/events/enable"
	echo >"$KPROBES"
	echo nop >"$TRACING/current_tracer"
	echo >"$TRACING/set_ftrace_filter"
	echo >"$TRACING/trace"
}

# look VERSION ENTRY...: a call gives that version, everybody attached sees it,
# and with nobody attached the entry is as given.
look() {
	local version=$1

	shift
	clear
	is "$(value value)" "$version" "version"
	hits
	if ((${#attached[@]})); then
		calls
	else
		"$@"
	fi
}

# ---- the matrix: each kind attached and detached at each step ----

# step N: from before the patch to after it, with both transitions held up.
step() {
	case $1 in
	1)
		reader sleep
		sleepers 1
		load klp_patch_v1 funcs=value,sleep
		;;
	2)
		file_is "$P1/transition" 1
		release
		wait_patched klp_patch_v1
		;;
	3)
		reader sleep
		sleepers 1
		echo 0 >"$P1/enabled"
		;;
	4)
		file_is "$P1/transition" 1
		release
		wait_gone klp_patch_v1
		;;
	esac
}

# What is to be seen then, if nobody is attached.
look_at_step() {
	case $1 in
	0 | 4) look 0 plain ;;
	1) look 1 calls ;;
	2) look 1 jumps klp_patch_v1 ;;
	3) look 0 calls ;;
	esac
}

# walk KIND ON-OFF...: attached from one step to the other, or within one.
walk() {
	local kind=$1 i span

	shift
	load klp_target
	for i in 0 1 2 3 4; do
		step $i
		look_at_step $i
		for span; do
			[[ $span != ?-$i || $span == $i-$i ]] || { detach "$kind"; look_at_step $i; }
		done
		for span; do
			[[ $span != $i-? ]] || { attach "$kind"; look_at_step $i; }
			[[ $span != $i-$i ]] || { detach "$kind"; look_at_step $i; }
		done
	done
	is "${attached[*]-}" "" "what is attached"
}

# pairs ORDER: two kinds at once, in both orders of coming and going.
pairs() {
	local order=$1 a b

	load klp_target
	enable klp_patch_v1 funcs=value
	for a in "${KINDS[@]}"; do
		for b in "${KINDS[@]}"; do
			# There is one tracer, and one direct call of a function.
			[[ $a != "$b" && ${a%_graph} != "${b%_graph}" ]] || continue
			[[ $a != *fe* || $b != *fe* || $a$b == bpf*bpf* ]] || continue
			attach "$a"
			attach "$b"
			look 1
			[[ $order == fifo ]] && detach "$a" || detach "$b"
			look 1
			[[ $order == fifo ]] && detach "$b" || detach "$a"
			look 1 jumps klp_patch_v1
		done
	done
}

# ---- what else changes where a function goes ----

# stacked FIRST SECOND: the order in which two patches go.
stacked() {
	load klp_target
	reader sleep
	sleepers 1
	enable klp_patch_v1 funcs=value
	look 1 jumps klp_patch_v1
	load klp_patch_v2 funcs=value,sleep
	file_is "$P2/transition" 1
	look 2 calls
	release
	wait_patched klp_patch_v2
	look 2 jumps klp_patch_v2
	remove "$1"
	if [[ $1 == klp_patch_v1 ]]; then
		look 2 jumps klp_patch_v2
	else
		look 1 jumps klp_patch_v1
	fi
	remove "$2"
	look 0 plain
}

# A transition that is turned round ends where it began.
reversed() {
	load klp_target
	enable klp_patch_v1 funcs=value
	reader sleep
	sleepers 1
	load klp_patch_v2 funcs=value,sleep
	look 2 calls
	echo 0 >"$P2/enabled"
	wait_gone klp_patch_v2
	look 1 jumps klp_patch_v1
	release
	enable klp_patch_v3 funcs=value,sleep
	reader sleep
	sleepers 1
	echo 0 >"$LIVEPATCH/klp_patch_v3/enabled"
	look 1 calls
	echo 1 >"$LIVEPATCH/klp_patch_v3/enabled"
	wait_patched klp_patch_v3
	look 3 jumps klp_patch_v3
}

forced() {
	load klp_target
	enable klp_patch_v1 funcs=value
	reader sleep
	sleepers 1
	load klp_patch_v2 funcs=value,sleep
	look 2 calls
	echo 1 >"$P2/force"
	wait_patched klp_patch_v2
	look 2 jumps klp_patch_v2
}

replaced() {
	load klp_target
	enable klp_patch_v1 funcs=value
	enable klp_patch_v2 funcs=value replace=1
	look 2 jumps klp_patch_v2
	wait_gone klp_patch_v1
	wait_unused klp_patch_v1
	unload klp_patch_v1
	look 2 jumps klp_patch_v2
	# The next one takes only back what the others have done.
	enable klp_patch_v3 funcs=cmdline replace=1
	look 0 plain
}

# While the function leads to the original for those that have switched.
replaced_by_nothing() {
	load klp_target
	enable klp_patch_v1 funcs=value,sleep
	reader sleep
	sleepers 1
	load klp_patch_v2 funcs=cmdline replace=1
	file_is "$P2/transition" 1
	look 0 calls
	echo 0 >"$P2/enabled"
	wait_gone klp_patch_v2
	look 1 jumps klp_patch_v1
	release
}

# A patch that is refused leaves the jumps of others alone.
refused_patch() {
	load klp_target
	enable klp_patch_v1 funcs=value
	load_gets ENOTUNIQ klp_patch_v2 funcs=value callbacks=1 refuse=klp_target
	look 1 jumps klp_patch_v1
}

# A function that somebody calls directly comes to the ops while that is enabled for
# another one.
direct_call_first() {
	load klp_target
	enable klp_patch_v1 funcs=cmdline
	attach fexit
	enable klp_patch_v2 funcs=value
	is "$(<"$TARGET/direct")" "fexit shared" "the direct call"
	look 2
	remove klp_patch_v2
	is "$(<"$TARGET/direct")" fexit "the direct call"
	look 0
}

# The module comes and goes while patches for it are there.
module_comes() {
	enable klp_patch_v1 funcs=value
	enable klp_patch_v2 funcs=value,cmdline
	load klp_target
	file_is "$TARGET/init_value" 2
	look 2 jumps klp_patch_v2
	unload klp_target
	load klp_target
	look 2 jumps klp_patch_v2
	remove klp_patch_v2
	look 1 jumps klp_patch_v1
	attach fexit
	look 1
	unload klp_target
	attached=()
	load klp_target
	look 1 jumps klp_patch_v1
}

# The same in the middle of a transition, which another module holds up.
module_comes_late() {
	load klp_other
	enable klp_patch_v1 funcs=value
	reader sleep "$OTHER"
	sleepers 1 "$OTHER"
	load klp_patch_v2 funcs=value,other_sleep
	file_is "$P2/transition" 1
	load klp_target
	look 2 calls
	unload klp_target
	load klp_target
	look 2 calls
	release "$OTHER"
	wait_patched klp_patch_v2
	look 2 jumps klp_patch_v2
}

ftrace_off_and_on() {
	load klp_target
	enable klp_patch_v1 funcs=value
	refused EBUSY /proc/sys/kernel/ftrace_enabled 0
	look 1 jumps klp_patch_v1
	attach function
	refused EBUSY /proc/sys/kernel/ftrace_enabled 0
	look 1
	detach function
	look 1 jumps klp_patch_v1
	remove klp_patch_v1
	echo 0 >/proc/sys/kernel/ftrace_enabled
	look 0 plain
	echo 1 >/proc/sys/kernel/ftrace_enabled
	enable klp_patch_v1 funcs=value
	look 1 jumps klp_patch_v1
}

# ---- stacks ----

# A task that has come by a jump is seen in the new function, and only there.
stack() {
	local pid

	load klp_target
	enable klp_patch_v1 funcs=sleep
	reader sleep
	sleepers 1
	echo 0 >"$P1/enabled"
	file_is "$P1/transition" 1
	blocked_by "$pid" user new_sleep
	release
	wait_gone klp_patch_v1
}

# Tasks that call the function again and again while all of its entry's forms
# come and go: none is lost, and all can be unpatched. No kthreads of the kind
# "call": ftrace waits for every task to give way when somebody detaches.
storm() {
	local i kind

	[[ ! -e $PREEMPT ]] || echo full >"$PREEMPT"
	load klp_target
	for ((i = 0; i < 2 * $(nproc); i++)); do
		background ./klp_worker read "$TARGET/value"
	done
	for kind in "${KINDS[@]}"; do
		enable klp_patch_v1 funcs=value
		attach "$kind"
		enable klp_patch_v2 funcs=value
		detach "$kind"
		remove klp_patch_v1
		attach "$kind"
		remove klp_patch_v2
		detach "$kind"
	done
	look 0 plain
}

# What ftrace does about an ops, it does about the next one: not all walks with
# all kinds.
steps() {
	local kind walks spans

	for kind in "${KINDS[@]}"; do
		walks=("0-1 1-2 2-3 3-4" "0-2 2-2 2-4" "1-1 1-3 3-3")
		[[ $kind != function && $kind != fexit ]] || walks+=(0-3 1-4 0-4)
		for spans in "${walks[@]}"; do
			# shellcheck disable=SC2086 # one argument for each
			scenario "$kind at steps $spans" walk "$kind" $spans
			tracers_off
		done
	done
}

others() {
	local what

	for what in "pairs fifo" "pairs lifo" "stacked klp_patch_v1 klp_patch_v2" \
		"stacked klp_patch_v2 klp_patch_v1" reversed forced replaced \
		replaced_by_nothing refused_patch direct_call_first module_comes \
		module_comes_late ftrace_off_and_on stack storm; do
		# shellcheck disable=SC2086
		scenario "${what//_/ }" $what
		tracers_off
	done
}

tracers_off
# Each of the two takes its time: see test-jump-steps.sh.
"${1:-others}"
finish
