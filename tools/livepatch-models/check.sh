#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Check models with spin, exhaustively. Each model names its cases in its opening
# comment: "holds:" with the -D flags under which no assertion may fail in any
# run, "breaks:" with those under which one must.
#
# Usage: check.sh MODEL.pml...
#
# Environment: CASE="breaks: -DFLAG"	only this case

set -euo pipefail

for tool in spin cc; do
	if ! command -v "$tool" >/dev/null; then
		echo "error: $tool is missing; install the packages spin and gcc" >&2
		exit 2
	fi
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
number=0 passed=0 failed=0

# result STATUS NAME [REASON]
result() {
	echo "$1 $((++number)) - $2${3:+ # $3}"
	if [[ $1 == ok ]]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		sed 's/^/# /' "$work/log" | tail -n 40
	fi
}

# search MODEL FLAG...: all runs of the model; what came out is in $work/log.
search() (
	cd "$work"
	rm -f ./*.trail
	spin -o3 -a "${@:2}" "$1" &&
		cc -O2 -DSAFETY -w -o verifier pan.c &&
		./verifier -m1000000
) >"$work/log" 2>&1

# check MODEL holds|breaks FLAG...
check() {
	local model name
	model=$(realpath "$1")
	name="${1##*/}: $2${3:+ ${*:3}}"

	if ! search "$model" "${@:3}"; then
		result "not ok" "$name" "it could not be run"
	elif grep -qE 'max search depth too small|out of memory|Search not completed' "$work/log" &&
	     ! grep -q 'assertion violated' "$work/log"; then
		result "not ok" "$name" "the search is not complete"
	elif [[ $2 == breaks ]]; then
		if grep -q 'assertion violated' "$work/log"; then
			result ok "$name"
		else
			result "not ok" "$name" "nothing was found"
		fi
	elif ! grep -q 'errors: 0$' "$work/log"; then
		result "not ok" "$name" "$(grep -m 1 '^pan:[0-9]*:' "$work/log" || true)"
	elif grep -A 100 '^unreached in' "$work/log" | grep -c 'assert(' >/dev/null; then
		result "not ok" "$name" "an assertion was never reached"
	else
		result ok "$name"
	fi
}

for model; do
	cases=$(sed -n 's/^ \* \(holds\|breaks\):/\1/p' "$model")
	if [[ -z $cases ]]; then
		echo "error: $model has no line \" * holds:\"" >&2
		exit 2
	fi
	while read -r -a words; do
		if [[ -n ${CASE:-} && ${words[*]} != "${CASE/:/}" ]]; then
			continue
		fi
		check "$model" "${words[@]}"
	done <<<"$cases"
done

echo "1..$number"
echo "$passed passed, $failed failed"
((passed && !failed))
