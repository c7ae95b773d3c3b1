/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the models share: a memory without order, CPUs and grace periods.
 *
 * Memory. A model has NR_VARS shared variables that are read and written
 * without a lock. A CPU's store waits in its buffer and becomes visible to the
 * others at any later moment, and in any order with its other stores: weaker
 * than any machine that Linux runs on. Loads are in the order of the program;
 * where nothing orders two loads in the kernel, a model tries both orders.
 *
 * Preemption. A CPU is preemptible, or in a section with preemption off.
 *
 * Grace periods. synchronize_rcu() waits until each other CPU has been
 * preemptible or has reported a quiescent state. What it needs to be is weaker
 * than what it is; in particular a context switch reports at its beginning.
 */

#define EMPTY	255

byte mem[NR_VARS];
byte buffer[NR_CPUS * NR_VARS] = EMPTY;
byte waiting[NR_CPUS];			/* stores in the buffer */
bool preempt_off[NR_CPUS];
bool quiescent[NR_CPUS];		/* since the grace period began */

#define slot(cpu, var)	buffer[(cpu) * NR_VARS + (var)]
#define load(cpu, var)	(slot(cpu, var) != EMPTY -> slot(cpu, var) : mem[var])

inline store(cpu, var, value)
{
	atomic {
		slot(cpu, var) == EMPTY;
		slot(cpu, var) = value;
		waiting[cpu]++
	}
}

/* All earlier stores are visible; also what an atomic operation begins with. */
#define smp_mb(cpu)	(waiting[cpu] == 0)

#define FLUSH(nr)							\
	:: atomic {							\
		buffer[nr] != EMPTY;					\
		mem[(nr) % NR_VARS] = buffer[nr];			\
		buffer[nr] = EMPTY;					\
		waiting[(nr) / NR_VARS]--				\
	}

active proctype memory_system()
{
end:
	do
	FLUSH(0)
	FLUSH(1)
#if NR_CPUS * NR_VARS > 2
	FLUSH(2)
#endif
#if NR_CPUS * NR_VARS > 3
	FLUSH(3)
#endif
#if NR_CPUS * NR_VARS > 4
	FLUSH(4)
#endif
#if NR_CPUS * NR_VARS > 5
	FLUSH(5)
#endif
#if NR_CPUS * NR_VARS > 6
	FLUSH(6)
#endif
#if NR_CPUS * NR_VARS > 7
	FLUSH(7)
#endif
#if NR_CPUS * NR_VARS > 8
	FLUSH(8)
#endif
#if NR_CPUS * NR_VARS > 9
	FLUSH(9)
#endif
#if NR_CPUS * NR_VARS > 10
	FLUSH(10)
#endif
#if NR_CPUS * NR_VARS > 11
	FLUSH(11)
#endif
#if NR_CPUS * NR_VARS > 12
#error "more FLUSH() lines are needed"
#endif
	od
}

#define preempt_disable(cpu)	preempt_off[cpu] = true
#define preempt_enable(cpu)	preempt_off[cpu] = false

/* A quiescent state in the middle of a section: a context switch. */
inline report_quiescent(cpu)
{
	atomic { smp_mb(cpu); quiescent[cpu] = true }
}

#define passed(cpu) \
	(quiescent[cpu] || (!preempt_off[cpu] && waiting[cpu] == 0))

inline synchronize_rcu(self)
{
	atomic {
		smp_mb(self);
		quiescent[0] = false;
#if NR_CPUS > 1
		quiescent[1] = false;
#endif
#if NR_CPUS > 2
		quiescent[2] = false;
#endif
	}
	self == 0 || passed(0);
#if NR_CPUS > 1
	self == 1 || passed(1);
#endif
#if NR_CPUS > 2
	self == 2 || passed(2);
#endif
}
