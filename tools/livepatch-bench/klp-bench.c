// SPDX-License-Identifier: GPL-2.0
/*
 * What the benchmark does in user space. Times are nanoseconds of
 * CLOCK_MONOTONIC; each result is a line "name value".
 *
 *   klp-bench load MODULE.ko [forks]	enable a patch; also fork meanwhile
 *   klp-bench insert MODULE.ko		load a module that is no patch
 *   klp-bench disable PATCH		disable one
 *   klp-bench leave MODULE.ko DELAY	a task sleeps in the patched function,
 *					and leaves it DELAY ms after the load
 *   klp-bench sleepers NUMBER		that many threads that sleep for ever
 *   klp-bench spin [turns]		burn a CPU in user space, or let an emulator
 *					go on to the next CPU now and then
 *   klp-bench storm			fork children that exit at once
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYS		"/sys/kernel/livepatch/"
#define DEBUG		"/sys/kernel/debug/livepatch-bench/"
#define NSEC_PER_MSEC	1000000ULL
#define FORK_PERIOD	(NSEC_PER_MSEC)

static void die(const char *format, ...)
{
	int err = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "klp-bench: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(err));
	va_end(args);
	exit(1);
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* With PAUSE, QEMU ends this CPU's turn: here after some 50 us of instructions. */
static void spin(bool turns)
{
	unsigned int i;

	for (i = 0;; i++) {
		if (turns && !(i % 16384))
			__builtin_ia32_pause();
	}
}

static void sleep_until(uint64_t when)
{
	struct timespec ts = {
		.tv_sec = when / 1000000000,
		.tv_nsec = when % 1000000000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Look again after 0.1 ms, or 0.1 % of the time that has passed. */
static void pause_since(uint64_t start)
{
	uint64_t t = now(), step = (t - start) / 1000;

	sleep_until(t + (step > 100000 ? step : 100000));
}

static uint64_t read_number(const char *file)
{
	char text[32];
	ssize_t len;
	int fd;

	fd = open(file, O_RDONLY);
	if (fd < 0)
		die("cannot open %s", file);
	len = read(fd, text, sizeof(text) - 1);
	if (len <= 0)
		die("cannot read %s", file);
	close(fd);
	text[len] = '\0';
	return strtoull(text, NULL, 10);
}

/* The name of a patch is that of its module. */
static const char *patch_name(const char *module)
{
	static char name[64];
	const char *base = strrchr(module, '/');

	snprintf(name, sizeof(name), "%s", base ? base + 1 : module);
	name[strcspn(name, ".")] = '\0';
	return name;
}

static void insert(const char *module)
{
	int fd = open(module, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("cannot open %s", module);
	if (syscall(SYS_finit_module, fd, "", 0))
		die("cannot load %s", module);
	close(fd);
}

/* The time at which the transition was seen to be over. */
static uint64_t wait_transition(const char *patch, uint64_t start)
{
	char file[128];

	snprintf(file, sizeof(file), SYS "%s/transition", patch);
	while (read_number(file))
		pause_since(start);
	return now();
}

/* ---- forks ---- */

struct forks {
	int stop;
	unsigned int nr;
	uint64_t worst;
	uint64_t delay[100000];
};

/*
 * Every millisecond a real-time task forks. The delay counts from when it
 * should have begun, to when the child is made: whatever keeps it off the CPU
 * is part of it.
 */
static void fork_loop(struct forks *forks)
{
	struct sched_param param = { .sched_priority = 50 };
	uint64_t due = now();
	pid_t child;

	if (sched_setscheduler(0, SCHED_FIFO, &param))
		die("cannot become a real-time task");
	while (!__atomic_load_n(&forks->stop, __ATOMIC_ACQUIRE)) {
		uint64_t delay;

		due += FORK_PERIOD;
		if (due < now())
			due = now() + FORK_PERIOD;
		sleep_until(due);
		child = fork();
		if (!child)
			_exit(0);
		delay = now() - due;
		waitpid(child, NULL, 0);

		if (forks->nr < sizeof(forks->delay) / sizeof(*forks->delay))
			forks->delay[forks->nr++] = delay;
		if (delay > forks->worst)
			forks->worst = delay;
	}
	_exit(0);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct forks *forks_start(pid_t *pid)
{
	struct forks *forks;

	forks = mmap(NULL, sizeof(*forks), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (forks == MAP_FAILED)
		die("no memory");
	*pid = fork();
	if (!*pid)
		fork_loop(forks);
	return forks;
}

static void forks_stop(struct forks *forks, pid_t pid, const char *name)
{
	__atomic_store_n(&forks->stop, 1, __ATOMIC_RELEASE);
	waitpid(pid, NULL, 0);
	qsort(forks->delay, forks->nr, sizeof(*forks->delay), compare);
	printf("%s_number %u\n", name, forks->nr);
	printf("%s_median %llu\n", name,
	       (unsigned long long)forks->delay[forks->nr / 2]);
	printf("%s_p99 %llu\n", name,
	       (unsigned long long)forks->delay[(uint64_t)forks->nr * 99 / 100]);
	printf("%s_worst %llu\n", name, (unsigned long long)forks->worst);
}

/* ---- commands ---- */

static void load(const char *module, int with_forks)
{
	const char *patch = patch_name(module);
	uint64_t start, loaded, complete;
	struct forks *forks;
	pid_t pid;

	if (with_forks) {
		forks = forks_start(&pid);
		sleep_until(now() + 200 * NSEC_PER_MSEC);
		forks_stop(forks, pid, "fork_before");
		forks = forks_start(&pid);
		/* The start of the forks is not what is measured. */
		sleep_until(now() + 20 * NSEC_PER_MSEC);
	}
	start = now();
	insert(module);
	loaded = now();
	complete = wait_transition(patch, start);
	if (with_forks)
		forks_stop(forks, pid, "fork");
	printf("insmod %llu\n", (unsigned long long)(loaded - start));
	printf("complete %llu\n", (unsigned long long)(complete - start));
}

static void insert_only(const char *module)
{
	uint64_t start = now();

	insert(module);
	printf("insmod %llu\n", (unsigned long long)(now() - start));
}

static void disable(const char *patch)
{
	uint64_t start, stored;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), SYS "%s/enabled", patch);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		die("cannot open %s", path);
	start = now();
	if (write(fd, "0", 1) != 1)
		die("cannot write to %s", path);
	stored = now();
	close(fd);
	snprintf(path, sizeof(path), SYS "%s", patch);
	while (!access(path, F_OK))
		pause_since(start);
	printf("store %llu\n", (unsigned long long)(stored - start));
	printf("gone %llu\n", (unsigned long long)(now() - start));
}

static void leave(const char *module, unsigned int delay)
{
	const char *patch = patch_name(module);
	uint64_t start, left, complete;
	int result[2];
	pid_t pid;

	if (pipe(result))
		die("no pipe");
	pid = fork();
	if (!pid) {
		left = read_number(DEBUG "sleep");
		if (write(result[1], &left, sizeof(left)) != sizeof(left))
			die("cannot report");
		/* It does not exit: that would be another event. */
		pause();
	}
	start = now();
	while (!read_number(DEBUG "sleepers"))
		pause_since(start);

	insert(module);
	sleep_until(now() + delay * NSEC_PER_MSEC);
	start = read_number(DEBUG "wake");
	complete = wait_transition(patch, start);
	if (read(result[0], &left, sizeof(left)) != sizeof(left))
		die("no report");
	printf("left %lld\n", (long long)(complete - left));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define STACK	2048

static int sleep_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		syscall(SYS_pause);
	return 0;
}

/* Without libpthread: neither its memory nor its mappings for each thread. */
static void sleepers(unsigned int nr)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			  CLONE_THREAD | CLONE_SYSVSEM;
	unsigned int i;
	char *stacks;

	stacks = mmap(NULL, (size_t)nr * STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED)
		die("no memory");
	for (i = 0; i < nr; i++) {
		if (clone(sleep_for_ever, stacks + (i + 1UL) * STACK, flags, NULL) < 0)
			die("cannot make thread %u", i);
	}
	/* The last one may still be on its way to sleep. */
	sleep_until(now() + 50 * NSEC_PER_MSEC);
	puts("ready");
	fflush(stdout);
	pause();
}

/* Nobody waits for a zombie: children reap themselves. */
static void storm(void)
{
	int i;

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		for (i = 0; i < 8; i++) {
			if (!fork())
				_exit(0);
		}
		while (wait(NULL) > 0 || errno == EINTR)
			;
	}
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	prctl(PR_SET_TIMERSLACK, 1);
	if (!strcmp(command, "load") && argc >= 3) {
		load(argv[2], argc > 3);
	} else if (!strcmp(command, "insert") && argc == 3) {
		insert_only(argv[2]);
	} else if (!strcmp(command, "disable") && argc == 3) {
		disable(argv[2]);
	} else if (!strcmp(command, "leave") && argc == 4) {
		leave(argv[2], atoi(argv[3]));
	} else if (!strcmp(command, "sleepers") && argc == 3) {
		sleepers(atoi(argv[2]));
	} else if (!strcmp(command, "spin")) {
		spin(argc > 2);
	} else if (!strcmp(command, "storm")) {
		storm();
	} else {
		fprintf(stderr, "klp-bench: unknown command, see klp-bench.c\n");
		return 2;
	}
	return 0;
}
