#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Put small mistakes into the core, one at a time, and see whether the tests
# notice. The mistakes and the tests that have to notice each are in
# tools/testing/selftests/livepatch/mutations; its README tells their format.
#
# A mutation is killed if one of its tests fails, or if the guest crashes or
# hangs; otherwise it survives, and a test is missing. First the unmutated core
# is put through the same tests: it has to pass.
#
# The result of each stands in build/mutants/results.tsv. What is there, made from
# the same sources, is not made again: after an interruption just start anew.
#
# Environment: ONLY="NAME..."	only these (patterns of the shell)
#		CONFIG=NAME	only those that this variant of the kernel has to notice
#		LIMIT=SECONDS	for one run in the guest (300 for a scenario, 1200 for
#				whole tests, of a variant 1800; 7200 of the unmutated core)
#		AGAIN=1		also those that have a result
#		KEEP=1		go by the mutation alone, whatever else has changed

# A build folder of its own, where nothing else is built in between.
BUILD=${BUILD:-$(dirname "$0")/../build}/mutants
. "$(dirname "$0")/lib.sh"

LIST=$ROOT/tools/testing/selftests/livepatch/mutations
SRC=$BUILD/src
RESULTS=$BUILD/results.tsv

lock_build
touch "$RESULTS"

# The sources as they are, to be mutated. Times tell what has to be restored.
sources() {
	local dir dirs=()

	for dir in arch configs Documentation include kernel lib patches samples scripts tools; do
		[[ ! -e $ROOT/$dir ]] || dirs+=("$dir")
	done
	mkdir -p "$SRC"
	(cd "$ROOT" && rsync -aR --delete --exclude='*.o' --exclude='*.ko' "${dirs[@]}" "$SRC/")
}

# Everything that decides a result: the sources, and the mutation.
key() {
	{
		if [[ -z ${KEEP:-} ]]; then
			(cd "$ROOT" && find configs include kernel patches scripts/guest tools \
				scripts/{lib,vm,torture,mutants}.sh -type f \
				! -path '*/mutations/*' ! -name '*.o' -print0 |
				sort -z | xargs -0 cat)
		fi
		cat "$@"
	} | cksum | tr ' ' -
}

build_kernel() { "$SRC/scripts/kernel.sh"; }
build_all() { "$SRC/scripts/modules.sh" selftests && "$SRC/scripts/rootfs.sh"; }

# What does not take part in a link: enough where a model or a script judges.
build_objects() {
	"$SRC/scripts/tree.sh"
	kmake kernel/livepatch/
}

mutate() { patch -d "$SRC" -p1 --forward --batch --no-backup-if-mismatch -r - <"$LIST/$1.patch"; }

# noticed_by NAME: "TEST...", or "MODEL.pml FLAG...", or "torture SCENARIO SEED", or
# "layers".
noticed_by() { sed -n 's/^Noticed-by: //p' "$LIST/$1.patch"; }

# The only scenarios of these tests to be run, as a regular expression.
scenario_of() { sed -n 's/^Scenario: //p' "$LIST/$1.patch"; }

# The guest that runs: it is a session of its own, and must not outlive us.
guest=''
trap '[[ -z $guest ]] || kill -- "-$guest" 2>/dev/null' EXIT

# The log of the run shows a failure at once; there is no need to wait for more.
# Sets result and reason.
watch_guest() {
	local log=$1 limit=$2 line rc=0
	shift 2

	exec {out}< <(exec setsid "$SRC/scripts/vm.sh" -n mutant -t "$limit" "$@" 2>"$log.vm"; )
	guest=$!
	result=''
	while read -r line <&"$out"; do
		printf '%s\n' "$line" >>"$log"
		[[ $line =~ ^(#\ )*not\ ok\ [0-9]+\ (.*) ]] || continue
		reason=${BASH_REMATCH[2]#selftests: }
		# That is none of its tests, but perhaps of a host that is too busy.
		[[ $reason != "the "*log\ is\ clean* ]] || continue
		result=killed
		# QEMU and its helpers are one group.
		kill -- "-$guest" 2>/dev/null || true
		break
	done
	exec {out}<&-
	wait "$guest" || rc=$?
	guest=''
	[[ -z $result ]] || return 0
	case $rc in
	0) result=survived reason='' ;;
	124) result=killed reason="the guest hung" ;;
	125) result=killed reason="the guest crashed: $(grep -m 1 -oE 'BUG: .*|kernel BUG at.*|Oops: .*|general protection.*|Kernel panic.*' "$log.vm" || true)" ;;
	*) result=error reason="the guest could not be run, see $log.vm" ;;
	esac
}

# run_tests LOG SCENARIO TEST...: in the guest. Freed memory is poisoned there.
run_tests() {
	local log=$1 scenario=$2 limit=${LIMIT:-${CONFIG:+1800}} kunit=0 test ran options=()
	shift 2

	# Ten times what it takes here: a machine that is only busy is not to look hung.
	[[ -n $scenario ]] || limit=${limit:-1200}
	limit=${limit:-300}
	# Without a suite among them KUnit need not run, and alone it is quick.
	[[ " $* " == *.sh\ * ]] || limit=$((limit < 120 ? limit : 120))
	for test; do
		[[ $test == *.sh ]] || kunit=1
	done
	options=(${CHECKED[@]+"${CHECKED[@]}"})
	! own_boot "$*" || options=("${boot_options[@]}")
	rm -f "$log"
	watch_guest "$log" "$limit" ${options[@]+"${options[@]}"} \
		-k "slub_debug=FZP kunit.enable=$kunit" -- env KLP_SCENARIO="$scenario" \
		${CONFIG:+kselftest_override_timeout="$limit"} ./test ours "$@"
	# Of a scenario that there is none of, nothing can be said.
	if [[ -n $scenario ]] && grep -q '^# 1\.\.0$' "$log"; then
		result=error reason="no scenario is like '$scenario'"
	fi
	[[ $result == survived ]] || return 0
	for test; do
		ran=$(grep -cF -e "selftests: $test" -e "kunit: $test." "$log") || true
		((ran)) || { result=error reason="there is no test $test"; }
		! grep -qE "^ok .*: $test .*# SKIP" "$log" || { result=error reason="$test was skipped"; }
	done
}

# Models show what a barrier is for where no test can.
run_model() {
	local log=$1 flags=${*:3}

	if CASE="breaks:${flags:+ $flags}" "$SRC/tools/livepatch-models/check.sh" \
		"$SRC/tools/livepatch-models/$2" >"$log" 2>&1; then
		result=killed reason="$2: ${flags:-breaks}"
	else
		result=error reason="$2 has no such case that breaks, see $log"
	fi
}

# run_torture LOG SCENARIO SEED: the oracle's verdict of one minute.
run_torture() {
	local log=$1 rc=0

	BUILD=$BUILD MINUTES=1 SCENARIOS=$2 SEED=$3 "$SRC/scripts/torture.sh" >"$log" 2>&1 || rc=$?
	result=survived reason=''
	((rc)) || return 0
	# What has failed has to be told: that it could not be run, or begun, is none.
	if grep -qx '1 scenarios, 1 failed' "$log" &&
	   reason=$(grep -m 1 -oE '(violation [0-9]+:|BUG:|WARNING:|# FAILED:|FAILURE .status 12[45].).*' "$log"); then
		result=killed reason="torture $2: $reason"
	else
		result=error reason="the torture test could not be run, see $log"
	fi
}

run_layers() {
	if "$SRC/scripts/layers.sh" "$SRC/kernel/livepatch/internal.h" \
		"$KERNEL/kernel/livepatch" >"$1" 2>&1; then
		result=survived reason=''
	else
		result=killed reason=$(head -n 1 "$1")
	fi
}

# not_skipped NAME LOG: a scenario that was to notice, and was skipped, says nothing.
not_skipped() {
	local skipped

	[[ $result == survived && -n $(scenario_of "$1") ]] || return 0
	skipped=$(grep -m 1 -oE '^# ok [0-9]+ .* # SKIP .*' "$2") || return 0
	result=error reason="a scenario was skipped: ${skipped#\# ok }"
}

# The variant of the kernel, if it has to be one.
config_of() { sed -n 's/^Config: //p' "$LIST/$1.patch"; }

# judge NAME: set result and reason.
judge() {
	local name=$1 log=$LOG/mutant-$1 tests step rc

	read -r -a tests <<<"$(noticed_by "$name" | tr '\n' ' ')"
	[[ ${#tests[@]} -gt 0 ]] || { result=error reason="no line Noticed-by:"; return; }
	case ${tests[0]} in
	*.pml | layers) step=build_objects ;;
	*) step=build_kernel ;;
	esac
	# What fails here is told in one line, and the next one has its turn.
	if ! { sources && mutate "$name"; } >"$log.patch" 2>&1; then
		result=error reason="it does not apply, see $log.patch"
		return
	fi
	attempt "$step" >"$log.build" 2>&1
	if ((rc)); then
		result=error reason="it does not compile, see $log.build"
		return
	fi
	case ${tests[0]} in
	*.pml) run_model "$log.log" "${tests[@]}" ;;
	layers) run_layers "$log.log" ;;
	torture) run_torture "$log.log" "${tests[@]:1}" ;;
	*)
		run_tests "$log.log" "$(scenario_of "$name")" "${tests[@]}"
		not_skipped "$name" "$log.log"
		;;
	esac
}

record() {
	local name=$1 key=$2 since=$3

	grep -v "^$name	" "$RESULTS" >"$RESULTS.new" || true
	printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$key" "$result" \
		"$(seconds $(($(now_ms) - since)))" "$reason" >>"$RESULTS.new"
	sort -o "$RESULTS" "$RESULTS.new"
	rm -f "$RESULTS.new"
}

# Column $2 of a mutation's result, if it is of this key.
known() { awk -F'\t' -v name="$1" -v key="$2" '$1 == name && $2 == key { print $3 }' "$RESULTS"; }

# Those of our variant of the kernel, and which others there are.
names=() variants=()
read -r -a patterns <<<"${ONLY:-*}"
for file in "$LIST"/*.patch; do
	name=$(basename "$file" .patch)
	config=$(config_of "$name")
	for only in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $name == $only ]] || continue
		if [[ $config == "${CONFIG:-}" ]]; then
			names+=("$name")
		elif [[ -z ${CONFIG:-} && " ${variants[*]} " != *" $config "* ]]; then
			variants+=("$config")
		fi
		break
	done
done
((${#names[@]} + ${#variants[@]})) || die "no mutation is named ${ONLY:-at all}"

# Scenarios that take part, as one expression; empty if it is all of any test.
scenarios_of() {
	local name scenario all=''

	for name; do
		[[ $(noticed_by "$name") == *.sh* ]] || continue
		scenario=$(scenario_of "$name")
		[[ -n $scenario ]] || return 0
		all+=${all:+|}$scenario
	done
	printf '%s' "$all"
}
scenarios=$(scenarios_of "${names[@]}")

todo=() tests=() alone=() tortures=()
for name in "${names[@]}"; do
	if [[ -z ${AGAIN:-} && $(known "$name" "$(key "$LIST/$name.patch")") == [ks]* ]]; then
		continue
	fi
	todo+=("$name")
	torture=$(noticed_by "$name")
	if [[ $torture == torture\ * ]]; then
		if [[ $'\n'$(printf '%s\n' "${tortures[@]}")$'\n' != *$'\n'"$torture"$'\n'* &&
			$(known "unmutated $torture" "$(key <<<"$torture $scenarios")") != survived ]]; then
			tortures+=("$torture")
		fi
		continue
	fi
	for test in $(noticed_by "$name"); do
		case $test in
		*.pml) break ;;
		layers) ;;
		*)
			if [[ " ${tests[*]} ${alone[*]} " != *" $test "* &&
				$(known "unmutated $test" "$(key <<<"$test $scenarios")") != survived ]]; then
				if own_boot "$test"; then
					alone+=("$test")
				else
					tests+=("$test")
				fi
			fi
			;;
		esac
	done
done

# Modules are those of the unmutated core: no mutation is of their concern.
built=$BUILD/built$VARIANT.key
if ((${#todo[@]})) && [[ $(cat "$built" 2>/dev/null) != $(KEEP='' key /dev/null) ]]; then
	rm -f "$built"
	sources
	phase "build the core as it is" mutants-build build_all
	KEEP='' key /dev/null >"$built"
fi
if ((${#tests[@]} + ${#alone[@]} + ${#tortures[@]})); then
	printf '  %-34s ' "no mutation"
	since=$(now_ms)
	sources
	attempt build_kernel >"$LOG/mutants-build.log" 2>&1
	((!rc)) || die "the core cannot be built, see $LOG/mutants-build.log"
	result=survived reason=''
	((!${#tests[@]})) || LIMIT=${LIMIT:-7200} \
		run_tests "$LOG/mutants-none.log" "$scenarios" "${tests[@]}"
	for test in "${alone[@]}"; do
		[[ $result == survived ]] || break
		run_tests "$LOG/mutants-none.log" "$scenarios" "$test"
	done
	for torture in "${tortures[@]}"; do
		[[ $result == survived ]] || break
		# shellcheck disable=SC2086 # words: torture SCENARIO SEED
		run_torture "$LOG/mutants-none.log" ${torture#torture }
	done
	printf '%6s s  %s\n' "$(seconds $(($(now_ms) - since)))" "${reason:-passes}"
	[[ $result == survived ]] || die "the core fails unmutated, see $LOG/mutants-none.log"
	for test in "${tests[@]}" "${alone[@]}" "${tortures[@]}"; do
		record "unmutated $test" "$(key <<<"$test $scenarios")" "$since"
	done
fi

for name in "${todo[@]}"; do
	printf '  %-34s ' "$name"
	since=$(now_ms)
	judge "$name"
	record "$name" "$(key "$LIST/$name.patch")" "$since"
	printf '%6s s  %-8s  %s\n' "$(seconds $(($(now_ms) - since)))" "$result" "$reason"
done
((!${#todo[@]})) || sources

killed=0 survived=0 errors=0 modelled=0
for name in "${names[@]}"; do
	case $(awk -F'\t' -v name="$name" '$1 == name { print $3 }' "$RESULTS") in
	killed)
		((++killed))
		# The code that was changed compiles, but it is the model that was judged.
		[[ $(noticed_by "$name") != *.pml* ]] || ((++modelled))
		;;
	survived) ((++survived)); say "# survived: $name" ;;
	*) ((++errors)); say "# error: $name: $(awk -F'\t' -v name="$name" '$1 == name { print $5 }' "$RESULTS")" ;;
	esac
done
if ((${#names[@]})); then
	say "$killed killed ($modelled of them in a model), $survived survived, $errors in error${CONFIG:+ with CONFIG=$CONFIG} (table: $RESULTS)"
fi
rc=0
((!survived && !errors)) || rc=1

for variant in "${variants[@]}"; do
	BUILD=$(dirname "$BUILD") CONFIG=$variant "$0" || rc=1
done
exit "$rc"
