# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every script here shares: where things are, how progress and failures
# are shown, and the lock under which anything in the build folder changes.

set -euo pipefail

# A kernel make must not inherit the variables and job slots of our own.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL CDPATH
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SCRIPTS=$ROOT/scripts
BUILD=$(realpath -m "${BUILD:-$ROOT/build}")
# CONFIG=name adds configs/name.config and builds beside the default kernel.
VARIANT=${CONFIG:+-$CONFIG}
TREE=$BUILD/linux
KERNEL=$BUILD/kernel$VARIANT
STAGE=$BUILD/modules$VARIANT
LOG=$BUILD/log
ROOTFS=$BUILD/rootfs.img
JOBS=$(nproc)

# Tests that want a boot of their own.
OWN_BOOT=(test-isolated.sh test-ftrace-dead.sh)

# own_boot TEST: whether it is one; then boot_options is what vm.sh has to be told.
own_boot() {
	case $1 in
	test-isolated.sh)
		# A CPU that no kthread is on and whose tick can stop, which it does only
		# where the TSC is known to be right.
		boot_options=(-i -k 'nohz_full=1 tsc=reliable tsc_early_khz=1000000')
		;;
	test-ftrace-dead.sh)
		# Only the next boot has an ftrace again.
		boot_options=(${CHECKED[@]+"${CHECKED[@]}"} -k 'klp.break=ftrace')
		;;
	*)
		return 1
		;;
	esac
}

# And for tests of a kernel that checkers make many times slower. Time is counted in
# instructions: no wait is too short for a slow machine, and where nobody runs, as
# while the releases of kobjects are delayed, it passes at once.
CHECKED=()
if [[ ${CONFIG:-} == @(debug|fault) ]]; then
	CHECKED=(-i -k 'tsc=reliable tsc_early_khz=1000000')
fi

export BUILD
mkdir -p "$BUILD" "$LOG"

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

# Milliseconds since boot, immune to changes of the wall clock.
now_ms() { local up; read -r up _ </proc/uptime; echo $((10#${up/./} * 10)); }
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

# attempt COMMAND...: run a function in a subshell with set -e in force, which
# bash ignores left of || and in conditions, and leave its status in rc.
attempt() {
	set +e
	(set -e; "$@")
	rc=$?
	set -e
}

# show_end FILE: of a guest's log, as /dev/kmsg has it, if there is any.
show_end() {
	[[ -s $1 ]] || return 0
	say "# the end of the guest's log:"
	tail -n 20 "$1" | sed 's/^[^;]*;/#   /'
}

# phase NAME LOGNAME COMMAND...: run a step of the build with its output in a
# log. It shows the step's name at once and its time when it ends; when it fails,
# the log's end and path.
phase() {
	local name=$1 log=$LOG/$2.log start rc
	shift 2

	start=$(now_ms)
	printf '  %-34s ' "$name"
	attempt "$@" >"$log" 2>&1
	if ((rc)); then
		printf 'FAILED after %s s\n' "$(seconds $(($(now_ms) - start)))"
		# A step that knows what is wrong says so in one last line.
		if [[ $(tail -n 1 "$log") == error:* ]]; then
			die "$(tail -n 1 "$log" | cut -c 8-) (log: $log)"
		fi
		# In a parallel build the reason often stands well before the end.
		if (($(wc -l <"$log") > 40)); then
			grep -E -A3 ': (fatal )?error: |undefined reference' "$log" | head -n 20 >&2 || true
			say '[...]' >&2
		fi
		tail -n 20 "$log" >&2
		die "$name failed, the log is $log"
	fi
	printf '%6s s\n' "$(seconds $(($(now_ms) - start)))"
}

# Anything that changes the build folder runs under one lock, which the scripts
# that a script calls inherit together with its file descriptor.
lock_build() {
	[[ ${KLP_BUILD_LOCKED:-} != "$BUILD" ]] || return 0
	exec 9>"$BUILD/.lock"
	if ! flock -n 9; then
		say "  waiting for another make in $BUILD"
		flock 9
	fi
	export KLP_BUILD_LOCKED=$BUILD
}

# kmake ARGUMENTS...: make in the assembled tree, for this variant's kernel.
kmake() {
	local cc=${LLVM:+clang}

	cc=${cc:-gcc}
	if command -v ccache >/dev/null; then
		cc="ccache $cc"
	fi
	# Each plain access that is instrumented is watched, and takes its time: ours are.
	[[ ${CONFIG:-} != kcsan ]] || export KCSAN_SANITIZE=n
	env CCACHE_BASEDIR="$BUILD" CCACHE_NOHASHDIR=1 \
		KBUILD_BUILD_USER=klp KBUILD_BUILD_HOST=klp \
		make -C "$TREE" O="$KERNEL" -j"$JOBS" ${LLVM:+LLVM=$LLVM} CC="$cc" "$@"
}
