#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that can judge our sources without booting them.

. "$(dirname "$0")/lib.sh"

"$SCRIPTS/deps.sh" check
lock_build
"$SCRIPTS/kernel.sh"
cd "$ROOT"

# ours PATTERN...: our files with one of these names. Mutations are broken on
# purpose.
ours() {
	local pattern folder names=() folders=()

	for folder in .ci configs patches scripts arch Documentation include \
		kernel lib samples tools; do
		[[ ! -e $folder ]] || folders+=("$folder")
	done

	for pattern in "$@"; do
		names+=(-o -name "$pattern")
	done
	find Makefile "${folders[@]}" -type f ! -name '.*' ! -path '*/mutations/*.patch' \
		\( "${names[@]:1}" \) | sort
}

licenses() {
	local file bad=0

	while read -r file; do
		if ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier:'; then
			echo "$file: error: there is no SPDX line at its top"
			bad=1
		fi
	done < <(ours '*' | grep -vE '^(patches|Documentation/ABI)/')
	return "$bad"
}

checkpatch() {
	local file rc=0

	# Whether MAINTAINERS knows a file is of no meaning here; ELF's types are
	# named as they are. Shell scripts and models are judged elsewhere.
	set -- perl "$TREE/scripts/checkpatch.pl" --root="$TREE" --strict --quiet \
		--terse --showfile --ignore FILE_PATH_CHANGES,CAMELCASE,SPDX_LICENSE_TAG
	ours '*.[chS]' Makefile Kconfig '*.rst' |
		grep -vE '^(include/trace|tools/livepatch-models)/' |
		xargs "$@" --file || rc=1
	# Trace events are laid out as everywhere in the kernel.
	ours '*.h' | grep '^include/trace/' |
		xargs "$@" --ignore PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE --file || rc=1
	# From standard input, because what git tracks is taken for a source file.
	while read -r file; do
		"$@" --ignore MISSING_SIGN_OFF - <"$file" || { echo "in $file"; rc=1; }
	done < <(ours '*.patch')
	return "$rc"
}

shell_scripts() {
	ours '*' | xargs grep -lE '^#!/bin/(ba)?sh' |
		xargs shellcheck -x -P SCRIPTDIR -S warning -e SC2034
}

kernel_doc() {
	ours '*.[ch]' | xargs perl "$TREE/scripts/kernel-doc" -none -Werror
}

# compile NAME ARGUMENT...: our core alone, in a build folder of its own because
# the flags differ, with every warning an error.
compile() {
	local config=$KERNEL/.config out

	KERNEL=$BUILD/$1
	shift
	mkdir -p "$KERNEL"
	cp "$config" "$KERNEL/.config"
	kmake olddefconfig
	kmake prepare
	out=$(kmake "$@" kernel/livepatch/ 2>&1) || { echo "$out"; return 1; }
	echo "$out"
	# sparse's findings do not fail a build. What stands in others' headers is
	# not ours to judge.
	! grep -E '(^|/)(kernel/livepatch/|include/linux/livepatch|include/trace/events/livepatch)[^ ]*: (warning|error):' <<<"$out"
}

# The documentation as kernel.org shows it, made anew, because what is unchanged is
# not warned of again. That there is no dot(1) is not ours to judge.
documentation() {
	local out

	KERNEL=$BUILD/kernel-docs
	rm -rf "$KERNEL"
	mkdir -p "$KERNEL"
	out=$(kmake SPHINXDIRS=livepatch htmldocs 2>&1) || { echo "$out"; return 1; }
	echo "$out"
	[[ -e $KERNEL/Documentation/output/livepatch/index.html ]]
	! grep -v 'dot(1) not found' <<<"$out" | grep -E 'WARNING|ERROR|[Ww]arning:|[Ee]rror:'
}

gcc_sparse() { compile kernel-check W=1 C=2; }

# On the objects that the step before has made.
layers() {
	local up=$BUILD/layers.up.h objects=$BUILD/kernel-check/kernel/livepatch

	"$SCRIPTS/layers.sh" kernel/livepatch/internal.h "$objects"

	# What cannot fail is worth nothing: with core.c at the bottom it has to.
	sed 's/^\( \*   \)[0-9]\(  core\.c\)/\10\2/' kernel/livepatch/internal.h >"$up"
	if "$SCRIPTS/layers.sh" "$up" "$objects"; then
		echo "error: calls up the layers are not found"
		return 1
	fi
}

# coccicheck SEMANTIC-PATCH: a line of output is a finding, or what went wrong.
coccicheck() {
	local out

	out=$(kmake MODE=report COCCI="$1" M="$BUILD/coccinelle" J=1 coccicheck 2>&1) || {
		echo "$out"
		return 1
	}
	grep -E "^$BUILD/coccinelle/[^ ]*:[0-9]+" <<<"$out" || true
}

# The semantic patches that the kernel ships, on whatever of ours is no program for
# users. Two are left out: they would need a compiler for OCaml.
coccinelle() {
	local dir out

	rm -rf "$BUILD/coccinelle"
	mkdir -p "$BUILD/coccinelle"
	for dir in kernel/livepatch samples/livepatch tools/livepatch-bench \
		tools/testing/selftests/livepatch/test_modules; do
		[[ ! -e $dir ]] || { grep -rL --include='*.[ch]' '<stdio.h>' "$dir" || true; } |
			xargs cp --parents -t "$BUILD/coccinelle"
	done
	export -f coccicheck kmake
	export TREE KERNEL JOBS
	out=$(grep -rLE --include='*.cocci' '(script|initialize|finalize):ocaml' "$TREE/scripts/coccinelle" |
		sort | xargs -P "$JOBS" -I{} bash -c 'coccicheck "$1"' - {} 2>&1)
	echo "$out"
	[[ -z $out ]]
}

clang_w1() { LLVM=1 compile kernel-clang W=1; }
models() { make -C tools/livepatch-models check; }

failed=0
# step NAME LOGNAME COMMAND: go on after a failure, all are worth knowing.
step() {
	local rc

	attempt phase "$@"
	((!rc)) || failed=1
}

step "licenses" check-licenses licenses
step "checkpatch --strict" check-checkpatch checkpatch
step "kernel-doc" check-kernel-doc kernel_doc
step "htmldocs" check-htmldocs documentation
step "shellcheck" check-shellcheck shell_scripts
step "gcc W=1 and sparse" check-gcc gcc_sparse
step "layers" check-layers layers
step "clang W=1" check-clang clang_w1
step "coccinelle" check-coccinelle coccinelle
if [[ -e tools/livepatch-models/Makefile ]]; then
	step "models" check-models models
fi
exit "$failed"
