#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build what runs in the guest: modules of the kernel, samples and selftests.
# External modules are built on copies, one per kernel variant, because kbuild
# leaves their objects beside the sources. Result: build/modules/root, which
# vm.sh copies to the guest's root.
#
# Usage: modules.sh [samples] [selftests] [stock]
#
# "stock" are the stock selftests and samples; without arguments everything of ours
# is built.

. "$(dirname "$0")/lib.sh"

src=$STAGE/src
root=$STAGE/root
# What kselftest needs beside the tests themselves.
harness=(
	scripts/subarch.include
	tools/testing/selftests/Makefile
	tools/testing/selftests/lib.mk
	tools/testing/selftests/kselftest
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
	tools/testing/selftests/run_kselftest.sh
)

lock_build
"$SCRIPTS/kernel.sh"

# copy FROM TO PATH...: bring TO up to date, leaving what was built there.
copy() {
	local from=$1 to=$2

	shift 2
	mkdir -p "$to"
	(cd "$from" && rsync -aR --delete --exclude='*.o' --exclude='*.ko' \
		--exclude='*.mod' --exclude='*.mod.c' --exclude='.*.cmd' \
		--exclude='Module.symvers' --exclude='modules.order' "$@" "$to/")
}

# Modules refer to types of the kernel by number. kbuild does not make those of external
# modules anew when the kernel's change.
drop_stale_types() {
	grep -qx 'CONFIG_DEBUG_INFO_BTF_MODULES=y' "$KERNEL/.config" || return 0
	find "$STAGE" -path '*src/*' -name '*.ko' ! -newer "$KERNEL/vmlinux" -delete
}

kernel_modules() {
	rm -rf "${root:?}/lib"
	kmake modules_install INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1
	# A link to this machine's folders means nothing in the guest; the stock
	# selftests only ask whether there is a folder.
	rm -f "$root"/lib/modules/*/build
	mkdir "$(echo "$root"/lib/modules/*)/build"
}

samples() {
	copy "$TREE" "$src" samples/livepatch
	kmake M="$src/samples/livepatch" modules
	kmake M="$src/samples/livepatch" modules_install \
		INSTALL_MOD_PATH="$root" INSTALL_MOD_STRIP=1
	mkdir -p "$root/klp/samples"
	rsync -a --delete --exclude='*.o' --exclude='*.mod*' --exclude='.*.cmd' \
		"$src/samples/livepatch/" "$root/klp/samples/"
}

# selftests SOURCES INSTALLED [VARIABLE=VALUE...]
selftests() {
	local sources=$1 installed=$2

	shift 2
	rm -rf "$installed"
	make -C "$sources/tools/testing/selftests" -j"$JOBS" install TARGETS=livepatch \
		FORCE_TARGETS=1 KDIR="$KERNEL" KSFT_INSTALL_PATH="$installed" "$@"
}

own_selftests() {
	copy "$TREE" "$src" "${harness[@]}" tools/testing/selftests/livepatch
	selftests "$src" "$root/klp/selftests"
}

# Stock files are a black box, built as they are: not even a diagnostic shows
# their sources.
blind=(KCFLAGS=-fno-diagnostics-show-caret)

# unpack_stock FOLDER: from the stock tree, to $STAGE/stock-src
unpack_stock() {
	local stock=$STAGE/stock-src folder=$1

	mkdir -p "$stock"
	if [[ -n ${KSRC:-} ]]; then
		copy "$KSRC" "$stock" "$folder"
	elif [[ ! -e $stock/$folder/Makefile || $TREE/.klp-origin -nt $stock/$folder.key ]]; then
		tar -xJf /usr/src/linux-source-6.12.tar.xz -C "$stock" \
			--strip-components=1 "linux-source-6.12/$folder"
		touch "$stock/$folder.key"
	fi
}

stock_selftests() {
	copy "$TREE" "$STAGE/stock-src" "${harness[@]}"
	unpack_stock tools/testing/selftests/livepatch
	selftests "$STAGE/stock-src" "$root/klp/stock-selftests" "${blind[@]}"
}

stock_samples() {
	local samples=$STAGE/stock-src/samples/livepatch

	unpack_stock samples/livepatch
	kmake M="$samples" CONFIG_SAMPLE_LIVEPATCH=m "${blind[@]}" modules
	rm -rf "$root/klp/stock-samples"
	mkdir -p "$root/klp/stock-samples"
	cp "$samples"/*.ko "$root/klp/stock-samples/"
}

(($#)) || set -- samples selftests
mkdir -p "$root/klp"
drop_stale_types
phase "install kernel modules" "modules$VARIANT" kernel_modules
for what; do
	case $what in
	samples) phase "build samples" "samples$VARIANT" samples ;;
	selftests) phase "build selftests" "selftests$VARIANT" own_selftests ;;
	stock)
		phase "build stock selftests" "stock-selftests$VARIANT" stock_selftests
		phase "build stock samples" "stock-samples$VARIANT" stock_samples
		;;
	*) die "unknown argument $what" ;;
	esac
done
