#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Who may read and write what: an ordinary user, also one who is root in namespaces
# of his own. And that no address of the kernel is told to him.

# scenario calls what is here.
# shellcheck disable=SC2317

. "$(dirname "$0")/functions.sh"

P=$LIVEPATCH/klp_patch_v1
PARAMETERS=/sys/module/livepatch/parameters
KPTR_RESTRICT=/proc/sys/kernel/kptr_restrict
ME=$PWD

kptr_restrict=$(<$KPTR_RESTRICT)
dynamic_debug=/sys/kernel/debug/dynamic_debug/control
user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
ns_root=("${user[@]}" unshare --user --map-root-user)
# As in a container. There he may mount sysfs and proc anew, here in /run; the mounts
# that he was born with stay.
# shellcheck disable=SC2016
container_root=("${user[@]}" unshare --user --map-root-user --mount --pid --net --fork
	bash -c 'mount -t tmpfs tmpfs /run && mkdir /run/sys /run/proc &&
		mount -t sysfs sysfs /run/sys && mount -t proc proc /run/proc &&
		exec "$@"' -)

# A transition that goes on, so that all files have something to tell.
hold() {
	load klp_target
	reader sleep
	sleepers 1
	load klp_patch_v1 funcs=cmdline,sleep
}

# For whoever comes past the folder: its mode is the administrator's business.
# Each file has its own mode all the same.
open_debugfs() {
	at_end close_debugfs
	chmod 755 /sys/kernel/debug "$TRACING"
}

close_debugfs() {
	chmod 700 /sys/kernel/debug "$TRACING"
	echo "$kptr_restrict" >$KPTR_RESTRICT
}

# All files of ours but KUnit's, each with its mode and its owner.
modes() {
	hold
	is "$(find "$LIVEPATCH" "$PARAMETERS" /sys/kernel/debug/livepatch -type f \
		! -name '*_seed' -printf '%P %m %U:%G\n' | sort)" "$(sort <<-END
		klp_patch_v1/enabled 644 0:0
		klp_patch_v1/force 200 0:0
		klp_patch_v1/klp_target/patched 444 0:0
		klp_patch_v1/replace 444 0:0
		klp_patch_v1/stack_order 444 0:0
		klp_patch_v1/transition 444 0:0
		klp_patch_v1/vmlinux/patched 444 0:0
		blockers 400 0:0
		nudge_isolated 644 0:0
		stuck_secs 644 0:0
		END
	)" "the files with their modes"
	is "$(find "$LIVEPATCH" ! -perm 755 -type d)" "" "folders of another mode"
	is "$(stat -c '%a %u' /proc/1/patch_state "/proc/1/task/1/patch_state" | xargs)" "400 0 400 0" \
		"mode of patch_state"
	is "$(find "$TRACING/events/livepatch" -perm /022)" "" "files of the tracepoints that others may write"
}

# Those of klptorture, if there is that module.
torture_modes() {
	modprobe -nq klptorture || return 0
	at_end stop_torture
	modprobe klptorture nkthreads=1 shuffle_interval=0 stutter=0
	is "$(find /sys/kernel/debug/klptorture -type f -printf '%P %m %U:%G\n' | sort)" "$(sort <<-END
		control 200 0:0
		stats 400 0:0
		unit 600 0:0
		violations 400 0:0
		END
	)" "the files with their modes"
	stop_torture
}

stop_torture() {
	modprobe -r klptorture
}

# may HOW FILE WHO...: "yes" or "no", by really opening it.
may() {
	local how=$1 file=$2

	shift 2
	if [[ $how == read ]]; then
		"$@" cat "$file" >/dev/null 2>&1
	else
		# Nothing that could be taken for a value: if it arrives, it is refused.
		# shellcheck disable=SC2016
		"$@" bash -c ': >>"$0"' "$file" 2>/dev/null
	fi && echo yes || echo no
}

# sysfs_access FOLDER WHO...: what WHO may read and write in the sysfs of that folder.
sysfs_access() {
	local root=$1 file

	shift
	for file in "$P"/{enabled,transition,replace,stack_order,vmlinux/patched}; do
		is "$(may read "$root$file" "$@")" yes "may $1 read $root$file"
	done
	is "$(may read "$root$P/force" "$@")" no "may $1 read $root$P/force"
	for file in "$P"/{enabled,force,transition,replace,stack_order,vmlinux/patched} \
		"$PARAMETERS"/*; do
		is "$(may write "$root$file" "$@")" no "may $1 write $root$file"
	done
}

# own_state PROC WHO...: his own processes are his, but that is not for him to say.
own_state() {
	local proc=$1

	shift
	# The shell itself writes: its number may be another one in this proc.
	! "$@" bash -c "echo 1 >$proc/self/patch_state" 2>/dev/null || fail "$1 has written to patch_state"
	is "$(may read "$proc/self/patch_state" "$@")" yes "may $1 read what his own state is"
}

# What WHO may read and write.
access() {
	local file

	hold
	open_debugfs
	sysfs_access "" "$@"
	for file in "$BLOCKERS" /proc/1/patch_state /proc/1/task/1/patch_state \
		"/proc/$pid/patch_state"; do
		is "$(may read "$file" "$@")" no "may $1 read $file"
	done
	for file in "$BLOCKERS" "$TRACING"/events/livepatch/{,*/}enable /proc/1/patch_state; do
		is "$(may write "$file" "$@")" no "may $1 write $file"
	done
	own_state /proc "$@"
	is "$("$@" "$ME/klp_module" load "$MODULES/klp_patch_v2.ko" || true)" EPERM "loading a patch"
	is "$("$@" "$ME/klp_module" unload klp_patch_v1 || true)" EPERM "unloading a patch"

	# Nothing of that has changed anything.
	file_is "$P/enabled" 1
	file_is "$P/transition" 1
}

# The same, and what he has mounted himself: there, too, sysfs is not his.
access_mounted() {
	is "$("${container_root[@]}" id -u)" 0 "the number of root in a container"
	access "${container_root[@]}"
	sysfs_access /run "${container_root[@]}"
	own_state /run/proc "${container_root[@]}"
	# Nobody else is in the new proc whose state he could ask for.
	is "$("${container_root[@]}" bash -c 'cd /run/proc && echo [0-9]*')" 1 "the tasks in his proc"
	file_is "$P/enabled" 1
	file_is "$P/transition" 1
}

# Without this, the tests above might be refused for other reasons.
root_may() {
	local file

	hold
	for file in "$P"/enabled "$BLOCKERS" /proc/1/patch_state "$PARAMETERS"/*; do
		is "$(may read "$file" env)" yes "may root read $file"
	done
	for file in "$P"/{enabled,force} "$PARAMETERS"/{stuck_secs,nudge_isolated}; do
		is "$(may write "$file" env)" yes "may root write $file"
	done
	is "$("${ns_root[@]}" id -u)" 0 "the number of root in a namespace"
}

# An address of the kernel as printk or anything else would show it.
address='(0x)?ffff[89a-f][0-9a-f]{11}'

no_address() {
	if grep -E -m 3 "$address" <<<"$1"; then
		fail "$2 tells an address"
	fi
}

# What anybody may read.
files_tell_nothing() {
	local restrict

	hold
	open_debugfs
	for restrict in 0 1 2; do
		echo "$restrict" >$KPTR_RESTRICT
		no_address "$("${user[@]}" bash -c 'find "$@" -type f -print -exec cat {} + 2>/dev/null' - \
			"$LIVEPATCH" "$PARAMETERS" /sys/kernel/debug/livepatch || true)" \
			"a file with kptr_restrict=$restrict"
		no_address "$(cat /proc/*/patch_state "$BLOCKERS")" "a file for root"
	done
}

# All that the core says, with every message switched on and on many ways.
log_tells_nothing() {
	local bad level

	echo 0 >$KPTR_RESTRICT
	[[ ! -e $dynamic_debug ]] || echo 'file kernel/livepatch/* +p' >$dynamic_debug
	log_begin
	hold
	reader sleep
	sleepers 2
	load_gets EBUSY klp_patch_v2
	echo 0 >"$P/enabled"
	echo 1 >"$P/enabled"
	echo 1 >"$P/force"
	wait_patched klp_patch_v1
	unload_gets EAGAIN klp_patch_v1
	release
	for bad in no-function notrace foreign-new function-twice alias object-file-name; do
		! ./klp_module load "$MODULES/klp_bad.ko" bad=$bad >/dev/null || fail "$bad is not refused"
	done
	remove klp_patch_v1
	[[ ! -e $dynamic_debug ]] || echo 'file kernel/livepatch/* -p' >$dynamic_debug
	matches "$(log_lines)" "starting patching" "the log"
	no_address "$(log_lines)" "the log"
}

# A trace is root's; it gives names, as blockers does.
trace_tells_nothing() {
	local file trace

	echo 1 >"$TRACING/events/livepatch/enable"
	at_end stop_tracing
	hold
	echo 0 >"$P/enabled"
	wait_gone klp_patch_v1
	trace=$(<"$TRACING/trace")
	matches "$trace" "klp_task_refused.*klp_target_sleep" "the trace"
	no_address "$trace" "the trace"
	for file in "$TRACING"/events/livepatch/*/format; do
		! grep 'print fmt.*%p[xK]\?[^a-zA-Z]' "$file" || fail "$file prints an address"
	done
}

stop_tracing() {
	echo 0 >"$TRACING/events/livepatch/enable"
	: >"$TRACING/trace"
}

[[ -e /proc/self/ns/user ]] || skip_all "the kernel has no user namespaces"
"${ns_root[@]}" true || skip_all "an ordinary user cannot make a user namespace"

scenario "modes and owners" modes
scenario "modes and owners of klptorture's files" torture_modes
scenario "what root may" root_may
scenario "what a user may" access "${user[@]}"
scenario "what root in a user namespace may" access "${ns_root[@]}"
if [[ -e /proc/self/ns/pid && -e /proc/self/ns/net ]]; then
	scenario "what root in all namespaces of his own may" access_mounted
else
	echo "# the kernel has no namespaces for processes and networks"
fi
scenario "no file tells an address" files_tell_nothing
scenario "the log tells no address" log_tells_nothing
scenario "the trace tells no address" trace_tells_nothing
finish
