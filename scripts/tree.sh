#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Assemble the kernel tree: a stock 6.12 tree without its livepatch files, ours
# laid in, and patches/series applied on top. May be run at any time: only files
# whose content differs are written, so that a rebuild stays incremental.
#
# Environment: KSRC=DIR	use this 6.12 tree instead of Debian's linux-source-6.12

. "$(dirname "$0")/lib.sh"

TARBALL=/usr/src/linux-source-6.12.tar.xz
VERSION=6.12
# The repository's folders that mirror the kernel's.
MIRROR=(arch Documentation include kernel lib samples tools)
# The stock files that ours replace.
STOCK=(
	Documentation/ABI/testing/sysfs-kernel-livepatch
	Documentation/livepatch
	include/linux/livepatch.h
	include/linux/livepatch_sched.h
	include/trace/events/livepatch.h
	kernel/livepatch
	samples/livepatch
	tools/testing/selftests/livepatch
)

# Beside the tree stand: the stock version of every file that a patch ever
# touched, the patched versions, and the list of files laid in.
PRISTINE=$BUILD/linux.pristine
PATCHED=$BUILD/linux.patched
LAID=$BUILD/linux.laid

"$SCRIPTS/deps.sh"
lock_build

tree_version() {
	sed -n 's/^VERSION = //p; s/^PATCHLEVEL = /./p' "$1/Makefile" 2>/dev/null | tr -d '\n'
}

check_version() {
	[[ $(tree_version "$1") == "$VERSION" ]] ||
		die "$2 is not a Linux $VERSION tree; point KSRC at one, or unset it to use Debian's package"
}

# The tree appears under its name only when it is complete: an interrupted run
# leaves linux.new, which the next one removes.
unpack() {
	local new=$TREE.new

	rm -rf "$new" "$TREE" "$PRISTINE" "$LAID"
	mkdir "$new"
	if [[ -n ${KSRC:-} ]]; then
		rsync -a --exclude=/.git "${STOCK[@]/#/--exclude=/}" "$KSRC/" "$new/"
		# An out-of-tree build refuses a source that was built in place.
		make -s -C "$new" mrproper
	else
		tar -xJf "$TARBALL" -C "$new" --strip-components=1 \
			"${STOCK[@]/#/--exclude=linux-source-$VERSION/}"
	fi
	echo "$origin" >"$new/.klp-origin"
	mv "$new" "$TREE"
}

# Files of ours that the tree has to hold, one per line.
our_files() (
	cd "$ROOT" || exit
	for dir in "${MIRROR[@]}"; do
		[[ ! -d $dir ]] || find "$dir" -type f \
			! -name '*~' ! -name '.*.sw?' ! -name '*.orig' ! -name '*.rej' \
			! -name '.checkpatch*' ! -name '*.o' ! -name '*.ko' ! -name '*.mod*' ! -name '.*.cmd'
	done | sort
)

lay_in() {
	local file clash=''

	touch "$LAID"
	our_files >"$LAID.new"
	# A path that is in the tree but was not laid in by us is a stock file.
	while read -r file; do
		[[ ! -e $TREE/$file ]] || clash+=" $file"
	done < <(comm -13 "$LAID" "$LAID.new")
	if [[ -n $clash ]]; then
		echo "error: files of the stock tree are changed by patches, not replaced:$clash"
		return 1
	fi

	# From here on an interrupted run has to remember old and new.
	sort -u "$LAID" "$LAID.new" >"$LAID.both"
	cp "$LAID" "$LAID.old"
	mv "$LAID.both" "$LAID"
	comm -23 "$LAID.old" "$LAID.new" | (cd "$TREE" && xargs -r -d '\n' rm -fv)
	rsync -rlp --checksum --itemize-changes --files-from="$LAID.new" "$ROOT/" "$TREE/"
	mv "$LAID.new" "$LAID"
	rm -f "$LAID.old"
}

# The series in quilt's format: one patch per line, '#' begins a comment.
series() {
	[[ ! -e $ROOT/patches/series ]] || sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$ROOT/patches/series"
}

# Files that a patch names, old and new side.
patch_files() {
	sed -nE '/^(---|\+\+\+) /{s/^(---|\+\+\+) [^/]*\/([^\t]*).*/\2/p}' "$1" | sort -u | grep -vx 'null'
}

# Write $1 to $2 unless the content is there already.
update_file() {
	cmp -s "$1" "$2" && return
	mkdir -p "$(dirname "$2")"
	cp "$1" "$2.klp-new"
	chmod --reference="$1" "$2.klp-new"
	mv "$2.klp-new" "$2"
	echo "updated $2"
}

# The patches are applied to copies of the stock files, and the tree receives
# the result file by file; a patch that fails leaves the tree as it was.
apply_patches() {
	local name file

	rm -rf "$PATCHED"
	mkdir -p "$PATCHED" "$PRISTINE"
	for name in $(series); do
		[[ -e $ROOT/patches/$name ]] || {
			echo "error: patches/series names $name, which does not exist"
			return 1
		}
		for file in $(patch_files "$ROOT/patches/$name"); do
			if [[ -e $ROOT/$file ]]; then
				echo "error: patches/$name touches $file, which is a file of ours: edit it there"
				return 1
			fi
			# A stock file without pristine copy has not been patched yet. An
			# empty name.absent stands for a file that a patch creates.
			mkdir -p "$(dirname "$PRISTINE/$file")" "$(dirname "$PATCHED/$file")"
			if [[ ! -e $PRISTINE/$file && ! -e $PRISTINE/$file.absent ]]; then
				if [[ -e $TREE/$file ]]; then
					cp -p "$TREE/$file" "$PRISTINE/$file.new"
					mv "$PRISTINE/$file.new" "$PRISTINE/$file"
				else
					touch "$PRISTINE/$file.absent"
				fi
			fi
			if [[ ! -e $PATCHED/$file && -e $PRISTINE/$file && ! -e $PATCHED/$file.seen ]]; then
				cp -p "$PRISTINE/$file" "$PATCHED/$file"
			fi
			touch "$PATCHED/$file.seen"
		done
		echo "== $name"
		patch -d "$PATCHED" -p1 --forward --batch --no-backup-if-mismatch -r - \
			<"$ROOT/patches/$name" || {
			echo "error: patches/$name does not apply to $origin: refresh it against that tree"
			return 1
		}
	done

	while read -r file; do
		if [[ -e $PATCHED/$file ]]; then
			update_file "$PATCHED/$file" "$TREE/$file"
		elif [[ -e $PATCHED/$file.seen || -e $PRISTINE/$file.absent ]]; then
			rm -f "$TREE/$file"
		else
			update_file "$PRISTINE/$file" "$TREE/$file"
		fi
	done < <(cd "$PRISTINE" && find . -type f ! -name '*.new' | sed 's/^\.\///; s/\.absent$//')
}

if [[ -n ${KSRC:-} ]]; then
	KSRC=$(realpath -m "$KSRC")
	check_version "$KSRC" "KSRC=$KSRC"
	origin="$KSRC $(sed -n 's/^SUBLEVEL = //p' "$KSRC/Makefile")"
else
	[[ -e $TARBALL ]] || die "$TARBALL is missing, run: apt-get install linux-source-$VERSION"
	origin="$TARBALL $(stat -c '%s %Y' "$TARBALL")"
fi
if [[ $(cat "$TREE/.klp-origin" 2>/dev/null) != "$origin" ]]; then
	phase "unpack ${origin%% *}" tree-unpack unpack
fi
phase "lay in our files" tree-files lay_in
phase "apply patches/series" tree-patches apply_patches
