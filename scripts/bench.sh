#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Measure the stock kernel and ours side by side: same configuration, same
# modules, same virtual machine. Prints one table; the raw samples stay in
# build/bench/samples.tsv. What is measured and how: tools/livepatch-bench/README.
#
# Environment: QUICK=1	skip what takes stock longer than minutes
#	       SMOKE=1	only a few things, to see that it works
#	       WHO=ours|stock	only that kernel; the samples of the other one stay
#	       ROUNDS=N	how often each thing is measured (3)
#	       CONFIG=latency	how long locks are held, instead

export CONFIG=${CONFIG:-bench}
. "$(dirname "$0")/lib.sh"

TARBALL=/usr/src/linux-source-6.12.tar.xz
SOURCES=$ROOT/tools/livepatch-bench
BENCH=$BUILD/bench
STOCK=$BENCH/stock
# To the names of files that each configuration has its own of.
of=${VARIANT#-bench}
# A short run does not replace the samples of a long one.
SAMPLES=$BENCH/samples$of${QUICK:+-quick}${SMOKE:+-smoke}.tsv
rounds=${ROUNDS:-3}
wanted=${WHO:-ours stock}
# Time is counted in instructions, for which only the TSC is fine enough; the
# guest's address layout is fixed so that it repeats.
parameters='nokaslr quiet tsc=reliable tsc_early_khz=1000000'

# The stock tree is a black box: it is unpacked whole, built, and not looked at.
unpack_stock() {
	rm -rf "$STOCK/linux" "$STOCK/linux.new"
	mkdir -p "$STOCK/linux.new"
	if [[ -n ${KSRC:-} ]]; then
		rsync -a --exclude=/.git "$KSRC/" "$STOCK/linux.new/"
		make -s -C "$STOCK/linux.new" mrproper
	else
		tar -xJf "$TARBALL" -C "$STOCK/linux.new" --strip-components=1
	fi
	mv "$STOCK/linux.new" "$STOCK/linux"
}

# In a subshell: everything below is then about the stock kernel.
as_stock() (
	export BUILD=$STOCK
	TREE=$STOCK/linux
	KERNEL=$STOCK/kernel$of
	"$@"
)

# Our configuration; Kconfig drops what the stock tree does not know.
build_stock() {
	local ours=$BENCH/config.ours$of

	mkdir -p "$KERNEL"
	if ! cmp -s "$BUILD/config$of" "$ours"; then
		cp "$ours" "$KERNEL/.config"
		kmake olddefconfig
		cp "$ours" "$BUILD/config$of"
	fi
	# Not even a diagnostic shows its sources.
	kmake KCFLAGS=-fno-diagnostics-show-caret bzImage modules
}

build_modules() {
	local dir=$1

	mkdir -p "$dir"
	rsync -a "$SOURCES/" "$dir/"
	make -C "$dir" generated klp-bench
	kmake M="$dir" KCFLAGS=-fno-diagnostics-show-caret modules
}

# measure WHO NAME OPTIONS PART...: one boot. Lines of the guest that are
# samples go to the samples, the others show what it is doing.
measure() {
	local who=$1 name=$2 options=$3 vm=(env "BUILD=$BUILD")

	shift 3
	[[ $wanted == *$who* ]] || return 0
	[[ $who == ours ]] || vm=(env "CONFIG=${of#-}" "BUILD=$STOCK")
	say "$who: $*"
	# shellcheck disable=SC2086 # options are several words
	"${vm[@]}" "$SCRIPTS/vm.sh" -n "bench-$name" -i -k "$parameters" -t "${LIMIT:-3600}" \
		-a "$BENCH/modules-$who$of:/klp/livepatch-bench" $options -- \
		./bench "$rounds" "$@" | tee "$LOG/bench-$who-$name.log" |
		while IFS= read -r line; do
			# Not awk: mawk would show nothing until there is much of it.
			case $line in
			sample$'\t'*) printf '%s\t%s\n' "$who" "${line#*$'\t'}" >>"$SAMPLES" ;;
			*) say "    ${line#\# }" ;;
			esac
		done
}

"$SCRIPTS/deps.sh"
mkdir -p "$BENCH"
"$SCRIPTS/kernel.sh"
"$SCRIPTS/rootfs.sh"
phase "build modules" "$CONFIG-modules" build_modules "$BENCH/modules-ours$of"

cp "$KERNEL/.config" "$BENCH/config.ours$of"
if [[ $wanted == *stock* ]]; then
	if [[ ! -e $STOCK/linux/Makefile ]]; then
		phase "unpack the stock tree" bench-unpack unpack_stock
	fi
	say "  the stock kernel takes ten minutes when it is built for the first time"
	phase "build the stock kernel" "$CONFIG-stock" as_stock build_stock
	phase "build modules for it" "$CONFIG-stock-modules" \
		as_stock build_modules "$BENCH/modules-stock$of"
	ln -sfn "$ROOTFS" "$STOCK/rootfs.img"
fi

# Samples are kept of the kernel that is not measured now.
touch "$SAMPLES"
awk -F'\t' -v wanted="$wanted" 'index(wanted, $1) == 0' "$SAMPLES" >"$SAMPLES.new"
mv "$SAMPLES.new" "$SAMPLES"

# What is quick on both kernels, and what takes the stock kernel long.
few=(call loader idle_1 again curve:{1,10,100} 100_1 leave shadow)
many=(idle_1000 replace memory curve:1000 100_1000 10000)
# With one CPU, as two that QEMU runs in turns delay each other.
alone=(absent)
if [[ $CONFIG == latency ]]; then
	many=(latency:100000)
	[[ -z ${QUICK:-}${SMOKE:-} ]] || many=()
	measure ours latency '-m 6144 -c 1' latency:10000 "${many[@]}"
	measure stock latency '-m 2048 -c 1' latency:10000
elif [[ -n ${SMOKE:-} ]]; then
	rounds=1
	measure ours smoke '-m 2048' call loader idle_1
	measure stock smoke '-m 2048' call loader idle_1
elif [[ -n ${QUICK:-} ]]; then
	rounds=1
	measure ours few '-m 2048' call loader idle_1 shadow idle_1000 replace memory \
		curve:{1,10,100,1000} 100_1 100_1000 leave spin spin:turns
	measure ours alone '-m 2048 -c 1' "${alone[@]}"
	measure stock few '-m 2048' call loader idle_1 curve:{1,10} 100_1 leave shadow
	measure stock alone '-m 2048 -c 1' "${alone[@]}"
else
	measure ours few '-m 2048' curve:10000 "${few[@]}" "${many[@]}" spin spin:turns
	measure ours alone '-m 2048 -c 1' "${alone[@]}" fork
	measure ours tasks '-m 6144' 100000
	measure stock alone '-m 2048 -c 1' "${alone[@]}"
	measure stock few '-m 2048' "${few[@]}"
	measure stock tasks '-m 6144' 100000_1
	rounds=1
	measure stock many '-m 2048' "${many[@]}"
	measure stock fork '-m 2048 -c 1' fork
	# Where a task is waited for that computes, each second of it is emulated.
	measure stock spin '-m 2048' spin spin:turns
fi

awk -v quick="${QUICK:-}" -f "$SOURCES/table.awk" "$SAMPLES" | tee "${SAMPLES%.tsv}.txt"
say "raw samples: $SAMPLES"
