#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compile the livepatch core, and what calls it, for each architecture that has
# live patching and that Debian has a compiler for; and the files of patches/ in
# kernels that have none.

. "$(dirname "$0")/lib.sh"

"$SCRIPTS/deps.sh" cross
lock_build
"$SCRIPTS/tree.sh"

patched=(
	kernel/module/ kernel/sched/ kernel/entry/ kernel/fork.o kernel/exit.o
	kernel/trace/ftrace.o init/init_task.o fs/proc/base.o
)
with=(cross.config CONFIG_LIVEPATCH=y kernel/livepatch/ "${patched[@]}")
without=(without.config "# CONFIG_LIVEPATCH is not set" "${patched[@]}" arch/x86/kernel/ftrace.o)
static=(static.config "# CONFIG_DYNAMIC_FTRACE is not set" "${patched[@]}")

# cross NAME ARCH PREFIX CONFIG FRAGMENT LINE OBJECT...: the line has to come out.
cross() {
	local name=$1 arch=$2 prefix=$3 config=$4 fragment=$ROOT/configs/$5 line=$6 out
	local objects=("${@:7}")

	KERNEL=$BUILD/kernel-$name
	mkdir -p "$KERNEL"
	set -- ARCH="$arch" CROSS_COMPILE="$prefix" CC="${prefix}gcc"
	if [[ ! -e $KERNEL/.config || $fragment -nt $KERNEL/.config ]]; then
		kmake "$@" "$config"
		(cd "$TREE" && ARCH=$arch CROSS_COMPILE=$prefix scripts/kconfig/merge_config.sh \
			-m -O "$KERNEL" "$KERNEL/.config" "$fragment")
		kmake "$@" olddefconfig
	fi
	grep -qxF "$line" "$KERNEL/.config" || {
		echo "error: '$line' did not stick for $name, look up its dependencies"
		return 1
	}
	kmake "$@" prepare
	# Everything must compile; a warning in what is ours is an error.
	out=$(kmake "$@" W=1 "${objects[@]}" 2>&1) || { echo "$out"; return 1; }
	echo "$out"
	! grep -E '(^|/)(kernel/livepatch/|include/linux/livepatch|include/trace/events/livepatch)[^ ]*: (warning|error):' <<<"$out"
}

phase "compile for x86" cross-x86 cross x86_64 x86_64 '' defconfig "${with[@]}"
phase "compile without live patching" cross-without cross without x86_64 '' defconfig "${without[@]}"
phase "compile without dynamic ftrace" cross-static cross static x86_64 '' defconfig "${static[@]}"
phase "compile for s390" cross-s390 cross s390 s390 s390x-linux-gnu- defconfig "${with[@]}"
phase "compile for powerpc" cross-powerpc cross powerpc powerpc powerpc64le-linux-gnu- ppc64le_defconfig "${with[@]}"
# The one 32-bit architecture that can have it.
phase "compile for 32-bit powerpc" cross-powerpc32 cross powerpc32 powerpc powerpc64le-linux-gnu- pmac32_defconfig "${with[@]}"
if command -v loongarch64-linux-gnu-gcc >/dev/null; then
	phase "compile for loongarch" cross-loongarch cross loongarch loongarch loongarch64-linux-gnu- defconfig "${with[@]}"
else
	say "  loongarch is left out: there is no loongarch64-linux-gnu-gcc, and Debian 12 has none"
fi
