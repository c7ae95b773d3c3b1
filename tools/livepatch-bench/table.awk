# SPDX-License-Identifier: GPL-2.0
#
# From samples (who, metric, value) to the table: medians side by side, and the
# range of each as its spread.

BEGIN {
	FS = "\t"
	MS = 1000000
	row("call.plain", "call of a function, not patched (instructions)", 10000)
	row("call.patched", "call of a patched function (instructions)", 10000)
	row("plain.1000.insmod", "insmod of a module of that size, no patch (ms)", MS)
	group("idle", "idle")
	group("tasks100", "100 tasks")
	group("tasks10000", "10,000 tasks")
	group("tasks100000", "100,000 tasks")
	for (f = 1; f <= 10000; f *= 10) {
		row("curve." f ".enable.insmod", "all functions of a module, " f ": insmod (ms)", MS)
		row("curve." f ".enable.complete", "  complete", MS)
		row("curve." f ".disable.gone", "  disable", MS)
	}
	row("replace.1000.complete", "replace 1,000 by 1 function (ms)", MS)
	row("again.1.complete", "replace 10 by 10 functions, 1st time (ms)", MS)
	row("again.10.complete", "  10th time", MS)
	row("again.100.complete", "  100th time", MS)
	row("absent.without", "insmod of an unrelated module (ms)", MS)
	row("absent.with.insmod", "  while 200 absent modules are patched", MS)
	row("memory.1000", "memory of 1,000 enabled functions, modules aside (KB)", 1000)
	row("leave.user.left", "left by last task -> complete (ms)", MS)
	row("leave.user.left", "  maximum", MS, "max")
	row("spin.1.enable.complete", "enable 1 function, a CPU-bound task (ms)", MS)
	row("spin.1.disable.gone", "  disable", MS)
	row("turns.1.enable.complete", "enable 1 function, one that offers turns (ms)", MS)
	row("turns.1.disable.gone", "  disable", MS)
	row("fork.1000.fork_before_median", "fork, 10,000 tasks, no transition: median (ms)", MS)
	row("fork.1000.fork_before_p99", "  99 %", MS)
	row("fork.1000.fork_before_worst", "  worst", MS, "max")
	row("fork.1000.fork_median", "fork, 1,000 functions are enabled: median (ms)", MS)
	row("fork.1000.fork_p99", "  99 %", MS)
	row("fork.1000.fork_worst", "  worst", MS, "max")
	latency("latency10000", "10,000 tasks")
	latency("latency100000", "100,000 tasks")
	row("shadow.get.1000", "shadow get, 1,000 live (instructions)", 1000)
	row("shadow.get.100000", "shadow get, 100,000 live", 1000)
	row("shadow.get.500000", "shadow get, 500,000 live", 1000)
	row("shadow.alloc.1000", "shadow alloc, 1,000 live (instructions)", 1000)
	row("shadow.alloc.500000", "shadow alloc, 500,000 live", 1000)
}

function row(metric, text, unit, how)
{
	metrics[++rows] = metric
	texts[rows] = text
	units[rows] = unit
	hows[rows] = how
}

# Each step of each transition is a sample.
function latency(prefix, text)
{
	row(prefix ".none.other", "longest hold, " text ", no transition (ms)", MS, "max")
	row(prefix ".livepatch", "  preemption or interrupts off, livepatch", MS, "max")
	row(prefix ".other", "  preemption or interrupts off, others", MS, "max")
	row(prefix ".pi_lock", "  pi_lock", MS, "max")
	row(prefix ".tasklist_lock-R", "  tasklist_lock, reader", MS, "max")
	row(prefix ".tasklist_lock-W", "  tasklist_lock, writer", MS, "max")
	row(prefix ".klp_mutex", "  klp_mutex (sleeps)", MS, "max")
}

function group(prefix, text)
{
	row(prefix ".1.enable.insmod", "enable 1 function, " text ": insmod (ms)", MS)
	row(prefix ".1.enable.complete", "  complete", MS)
	row(prefix ".1.disable.gone", "disable 1 function, " text " (ms)", MS)
	row(prefix ".1000.enable.insmod", "enable 1,000 functions, " text ": insmod (ms)", MS)
	row(prefix ".1000.enable.complete", "  complete", MS)
	row(prefix ".1000.disable.gone", "disable 1,000 functions, " text " (ms)", MS)
}

{
	n = ++number[$1, $2]
	# In ascending order, for the median.
	for (i = n; i > 1 && value[$1, $2, i - 1] > $3 + 0; i--)
		value[$1, $2, i] = value[$1, $2, i - 1]
	value[$1, $2, i] = $3 + 0
}

function result(who, r,   m, n)
{
	m = metrics[r]
	n = number[who, m]
	return value[who, m, hows[r] == "max" ? n : int((n + 1) / 2)] / units[r]
}

function spread(who, r,   m, n)
{
	m = metrics[r]
	n = number[who, m]
	if (n < 2)
		return "-"
	return sprintf("%.3g..%.3g", value[who, m, 1] / units[r], value[who, m, n] / units[r])
}

END {
	printf "%-54s %10s %10s %8s  %s\n", "metric", "stock", "ours", "ratio", "spread: stock; ours (samples)"
	for (r = 1; r <= rows; r++) {
		m = metrics[r]
		if (!number["ours", m] && !number["stock", m])
			continue
		stock = number["stock", m] ? sprintf("%.2f", result("stock", r)) : "skipped"
		ours = number["ours", m] ? sprintf("%.2f", result("ours", r)) : "skipped"
		ratio = number["stock", m] && number["ours", m] && result("ours", r) ? \
			sprintf("%.4g", result("stock", r) / result("ours", r)) : "-"
		printf "%-54s %10s %10s %8s  %s; %s (%d, %d)\n", texts[r], stock, ours, ratio, \
			spread("stock", r), spread("ours", r), number["stock", m], number["ours", m]
	}
	if (quick)
		print "skipped: takes the stock kernel too long for QUICK=1"
}
