#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Put the results of the last "make bench" into the documentation: the table,
# the raw samples, and one plot for each question; and those of the last "make
# bench CONFIG=latency", if there was one. The same samples give the same files, to
# the byte.
#
# Usage: plots.sh [SAMPLES]	instead of build/bench/samples.tsv

. "$(dirname "$0")/lib.sh"

SOURCES=$ROOT/tools/livepatch-bench
RESULTS=$ROOT/Documentation/livepatch/performance
data=$BUILD/bench/plot
samples=${1:-$BUILD/bench/samples.tsv}
latency=$BUILD/bench/samples-latency.tsv

[[ -s $samples ]] || die "there are no samples in $samples, run: make bench"
"$SCRIPTS/deps.sh" plots

# series WHO PREFIX SUFFIX UNIT: of each metric PREFIXnumberSUFFIX, a line with
# the number and the median, the least and the greatest sample.
series() {
	awk -F'\t' -v who="$1" -v prefix="$2" -v suffix="$3" '
		$1 == who && index($2, prefix) == 1 {
			rest = substr($2, length(prefix) + 1)
			if (match(rest, /^[0-9]+/) && substr(rest, RLENGTH + 1) == suffix)
				print substr(rest, 1, RLENGTH) "\t" $3
		}' "$samples" | sort -k1,1n -k2,2n | awk -v unit="$4" '
		function flush() {
			if (n)
				print last, value[int((n + 1) / 2)] / unit, value[1] / unit, value[n] / unit
			n = 0
		}
		$1 != last { flush() }
		{ last = $1; value[++n] = $2 }
		END { flush() }'
}

# all WHO METRIC UNIT: its samples in ascending order, each with its rank.
all() {
	awk -F'\t' -v who="$1" -v metric="$2" -v unit="$3" \
		'$1 == who && $2 == metric { print $3 / unit }' "$samples" | sort -g |
		awk '{ value[NR] = $1 } END { for (i = 1; i <= NR; i++) print value[i], i / NR }'
}

# one WHO METRIC UNIT: the median.
one() {
	all "$@" | awk '{ value[NR] = $1 } END { print NR ? value[int((NR + 1) / 2)] : "NaN" }'
}

# Two kernels beside each other: a line for each named metric.
pairs() {
	local unit=$1 name metric

	shift
	while (($#)); do
		name=$1 metric=$2
		shift 2
		printf '"%s" %s %s\n' "$name" "$(one stock "$metric" "$unit")" \
			"$(one ours "$metric" "$unit")"
	done
}

collect() {
	local who

	rm -rf "$data"
	mkdir -p "$data"
	for who in stock ours; do
		series $who curve. .enable.complete 1e6 >"$data/functions-$who"
		series $who curve. .disable.gone 1e6 >"$data/disable-$who"
		series $who tasks .1.enable.complete 1e6 >"$data/tasks-1-$who"
		series $who tasks .1000.enable.complete 1e6 >"$data/tasks-1000-$who"
		series $who shadow.get. '' 1000 >"$data/get-$who"
		series $who shadow.alloc. '' 1000 >"$data/alloc-$who"
		all $who leave.user.left 1e6 >"$data/leave-$who"
	done
	pairs 10000 'not patched' call.plain 'patched' call.patched >"$data/call"
	pairs 1e6 \
		'median, before' fork.1000.fork_before_median 'median' fork.1000.fork_median \
		'99 %, before' fork.1000.fork_before_p99 '99 %' fork.1000.fork_p99 \
		'worst, before' fork.1000.fork_before_worst 'worst' fork.1000.fork_worst \
		>"$data/fork"
}

# table SAMPLES NAME: both, for the documentation.
table() {
	local licence='# SPDX-License-Identifier: GPL-2.0'

	{
		echo "$licence"
		cat "$1"
	} >"$RESULTS/${2/table/samples}.tsv"
	{
		echo "$licence"
		awk -f "$SOURCES/table.awk" "$1"
	} >"$RESULTS/$2.txt"
}

plot() {
	local file

	gnuplot -e "data='$data'" "$SOURCES/plots.gp"
	mkdir -p "$RESULTS"
	for file in "$data"/*.svg; do
		sed '1a<!-- SPDX-License-Identifier: GPL-2.0 -->' "$file" >"$RESULTS/${file##*/}"
	done
	table "$samples" table
	[[ ! -s $latency ]] || table "$latency" table-latency
}

phase "collect samples" plots-collect collect
phase "plot" plots plot
say "written to $RESULTS"
