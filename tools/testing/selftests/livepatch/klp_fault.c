// SPDX-License-Identifier: GPL-2.0
/*
 * Do something again and again, each time with another fault, and see that
 * nothing is left behind and that it works afterwards.
 *
 *	klp_fault KIND BEFORE ACT AFTER
 *
 * BEFORE, ACT and AFTER are steps, separated by semicolons:
 *
 *	load FILE [PARAMETER...]	unload NAME
 *	init_fails FILE PARAMETER...	load, and init returns ENXIO in the end
 *	write FILE VALUE		read FILE
 *	patched PATCH			wait until it is completely enabled
 *	gone PATCH			wait until it is completely disabled
 *	is FILE TEXT			the file's first line is that
 *
 * KIND says which fault the n-th round has:
 *
 *	slab		the n-th object that this task asks for in ACT is not there
 *	page		the n-th time that it asks for pages there are none. When an
 *			object takes a new page depends on what others have done: had
 *			both one count, some allocations would be passed over
 *	call		the n-th call fails that the module klp_fail, which has to
 *			be loaded, counts in ACT
 *	fatal		the same, and ACT has to fail then
 *
 * If ACT fails, all that can be seen must be as it was before ACT; if it does
 * not, as it was before BEFORE when AFTER has been done. Then comes the next
 * round, and in the end ACT asks for less than is to fail, and must succeed.
 *
 * That it works after a failure is for the next round to show: it does all that
 * the failed one did and, before it fails itself, the very step that failed. What
 * that round does not come to any more is seen where ACT is done at once without a
 * fault, every so many rounds. KLP_FAULT_EVERY says how many, 8 if nothing else is
 * said: with 1 a load that has hundreds of allocations takes twice the time and
 * more, because one that succeeds has two transitions.
 *
 * The last line tells how many faults there were and what came of them. The
 * exit status is 1 if anything was not as it has to be.
 */

#include <dirent.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "klp_user.h"

#define LIVEPATCH	"/sys/kernel/livepatch"
#define DEBUGFS		"/sys/kernel/debug"
#define TRACEFS		"/sys/kernel/tracing"
#define FAIL_CALL	"/sys/module/klp_fail/parameters"

static void fail(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* ---- files ---- */

/* All of a file, or as much as there is room for; empty if it is gone. */
static void read_file(const char *file, char *to, size_t size)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	while (fd >= 0 && len < size - 1 && (got = read(fd, to + len, size - 1 - len)) > 0)
		len += got;
	to[len] = '\0';
	if (fd >= 0)
		close(fd);
}

static void must_write(const char *file, const char *fmt, ...)
{
	char value[64];
	va_list args;
	int err;

	va_start(args, fmt);
	vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	err = klp_write(file, value, 0);
	if (err)
		fail("writing %s to %s: %s", value, file, strerror(err));
}

static long read_number(const char *file)
{
	char value[64];

	read_file(file, value, sizeof(value));
	return strtol(value, NULL, 0);
}

/* ---- what can be seen ---- */

struct text {
	char *at;
	size_t len;
	size_t size;
};

static void say(struct text *text, const char *fmt, ...)
{
	va_list args;
	int len;

	for (;;) {
		va_start(args, fmt);
		len = vsnprintf(text->at + text->len, text->size - text->len, fmt, args);
		va_end(args);
		if (len < (int)(text->size - text->len))
			break;
		text->size = 2 * text->size + len + 4096;
		text->at = realloc(text->at, text->size);
		if (!text->at)
			klp_die("realloc");
	}
	text->len += len;
}

static void see_tree(struct text *text, const char *dir)
{
	DIR *stream = opendir(dir);
	struct dirent *entry;
	char path[1024];

	if (!stream)
		return;
	while ((entry = readdir(stream))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		say(text, "%s\n", path);
		if (entry->d_type == DT_DIR)
			see_tree(text, path);
	}
	closedir(stream);
}

/* Each module with the count and the names of its users, and its state. */
static void see_modules(struct text *text)
{
	static char buf[65536];
	char *line, *rest = buf;

	read_file("/proc/modules", buf, sizeof(buf));
	while ((line = strsep(&rest, "\n")) && *line) {
		char name[64], users[256], state[16], file[512], due[16];
		int count;

		if (sscanf(line, "%63s %*s %d %255s %15s", name, &count, users, state) != 4)
			fail("/proc/modules has '%s'", line);
		say(text, "module %s %d %s %s\n", name, count, users, state);
		/* Of our own patches: callbacks that are to be undone. */
		snprintf(file, sizeof(file), "/sys/module/%s/parameters/undo_due", name);
		read_file(file, due, sizeof(due));
		if (*due)
			say(text, "undo due in %s %s", name, due);
	}
}

/*
 * Each function that ftrace is called in, with the number of users, the letters for
 * how it is called, and where it jumps instead, if it does. Left out are the letter
 * M, which stays for ever once a function was changed, and the trampoline, which is
 * made anew now and then.
 */
static void see_functions(struct text *text)
{
	static char buf[65536];
	char *line, *rest = buf, *letter, *more;

	read_file(TRACEFS "/enabled_functions", buf, sizeof(buf));
	while ((line = strsep(&rest, "\n")) && *line) {
		more = strchr(line, '\t');
		letter = strchr(line, ')');
		/* A direct call of the function above has a line of its own. */
		if (!letter || more == line) {
			say(text, "function %s\n", line);
			continue;
		}
		*letter++ = '\0';
		say(text, "function %s) ", line);
		for (; *letter && letter != more; letter++) {
			if (*letter != ' ' && *letter != 'M')
				say(text, "%c", *letter);
		}
		say(text, "%s\n", more && !strncmp(more, "\tjump: ", 7) ? more : "");
	}
}

/* Outside transitions every task's state is -1. */
static void see_tasks(struct text *text)
{
	DIR *procs = opendir("/proc"), *tasks;
	struct dirent *proc, *task;
	char path[1024], state[16];
	int in_transition = 0;

	while (procs && (proc = readdir(procs))) {
		if (proc->d_name[0] < '0' || proc->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/task", proc->d_name);
		tasks = opendir(path);
		while (tasks && (task = readdir(tasks))) {
			if (task->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "/proc/%s/task/%s/patch_state",
				 proc->d_name, task->d_name);
			read_file(path, state, sizeof(state));
			in_transition |= *state && strcmp(state, "-1\n");
		}
		if (tasks)
			closedir(tasks);
	}
	if (procs)
		closedir(procs);
	say(text, "tasks in transition %d\n", in_transition);
}

static void see_blockers(struct text *text)
{
	static char buf[65536];

	read_file(DEBUGFS "/livepatch/blockers", buf, sizeof(buf));
	say(text, "blockers %d\n", !!*buf);
}

static void see(struct text *text)
{
	text->len = 0;
	say(text, "");
	see_tree(text, LIVEPATCH);
	see_modules(text);
	see_functions(text);
	see_tasks(text);
	see_blockers(text);
}

/* Lines of one that the other one does not have. */
static void print_difference(const struct text *of, const struct text *to, char sign)
{
	const char *line, *end;
	char copy[1100];

	for (line = of->at; *line; line = end + 1) {
		end = strchr(line, '\n');
		/* Surrounded by newlines, a line is found only as a whole. */
		snprintf(copy, sizeof(copy), "\n%.*s\n", (int)(end - line), line);
		if (!strstr(to->at, copy) && strncmp(to->at, copy + 1, strlen(copy + 1)))
			printf("# %c%.*s\n", sign, (int)(end - line), line);
	}
}

/* A reference may be dropped just after what can be waited for. */
static void must_see(const struct text *before, const char *when)
{
	long long deadline = klp_now_ms() + KLP_SECONDS * 1000LL;
	static struct text now;

	for (;;) {
		see(&now);
		if (!strcmp(before->at, now.at))
			return;
		if (klp_now_ms() > deadline)
			break;
		usleep(1000);
	}
	print_difference(before, &now, '-');
	print_difference(&now, before, '+');
	fail("something was left behind %s", when);
}

/* ---- steps ---- */

static bool wait_gone(const char *patch)
{
	long long deadline = klp_now_ms() + KLP_SECONDS * 1000LL;
	char file[512];

	snprintf(file, sizeof(file), LIVEPATCH "/%s/transition", patch);
	if (!klp_wait(file, "gone", KLP_SECONDS, NULL))
		return false;
	/* The last reference is dropped just after that. */
	snprintf(file, sizeof(file), "/sys/module/%s/refcnt", patch);
	while (read_number(file)) {
		if (klp_now_ms() > deadline)
			return false;
		usleep(1000);
	}
	return true;
}

static bool wait_patched(const char *patch)
{
	char file[512];

	snprintf(file, sizeof(file), LIVEPATCH "/%s/transition", patch);
	if (!klp_wait(file, "0", KLP_SECONDS, NULL))
		return false;
	snprintf(file, sizeof(file), LIVEPATCH "/%s/enabled", patch);
	return read_number(file) == 1;
}

static int read_all(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t got;
	int err;

	if (fd < 0)
		return errno;
	do {
		got = read(fd, buf, sizeof(buf));
	} while (got > 0);
	err = got < 0 ? errno : 0;
	close(fd);
	return err;
}

static int load(const char *file, const char *params)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return errno;
	err = syscall(SYS_finit_module, fd, params, 0) ? errno : 0;
	close(fd);
	return err;
}

static int init_fails(const char *file, const char *params)
{
	int err = load(file, params);

	return err == ENXIO ? 0 : err ?: EILSEQ;
}

static bool compare(const char *file, const char *want)
{
	char line[256];

	read_file(file, line, sizeof(line));
	line[strcspn(line, "\n")] = '\0';
	if (!strcmp(line, want))
		return true;
	printf("# %s is '%s', expected '%s'\n", file, line, want);
	return false;
}

/* A step, ready to be taken without asking for memory. */
struct step {
	char verb[16];
	char object[256];
	char rest[1024];
};

static int take(const struct step *step)
{
	if (!strcmp(step->verb, "load"))
		return load(step->object, step->rest);
	if (!strcmp(step->verb, "init_fails"))
		return init_fails(step->object, step->rest);
	if (!strcmp(step->verb, "unload"))
		return klp_unload(step->object);
	if (!strcmp(step->verb, "write"))
		return klp_write(step->object, step->rest, 0);
	if (!strcmp(step->verb, "read"))
		return read_all(step->object);
	if (!strcmp(step->verb, "patched"))
		return wait_patched(step->object) ? 0 : ETIMEDOUT;
	if (!strcmp(step->verb, "gone"))
		return wait_gone(step->object) ? 0 : ETIMEDOUT;
	if (!strcmp(step->verb, "is"))
		return compare(step->object, step->rest) ? 0 : EILSEQ;
	fail("there is no step '%s'", step->verb);
	return 0;
}

struct steps {
	int nr;
	struct step step[16];
};

static void parse(struct steps *steps, const char *from)
{
	char *copy = strdup(from), *rest = copy, *one;

	while ((one = strsep(&rest, ";"))) {
		struct step *step = &steps->step[steps->nr];

		if (sscanf(one, " %15s %255s %1023[^;]", step->verb, step->object, step->rest) < 2)
			continue;
		if (++steps->nr == sizeof(steps->step) / sizeof(*steps->step))
			fail("too many steps");
	}
	free(copy);
}

static void must_take(const struct steps *steps, const char *when)
{
	int i, err;

	for (i = 0; i < steps->nr; i++) {
		err = take(&steps->step[i]);
		if (err)
			fail("%s: '%s %s': %s", when, steps->step[i].verb, steps->step[i].object,
			     strerror(err));
	}
}

/* ---- faults ---- */

static const char * const allocators[] = { "failslab", "fail_page_alloc" };

static void set_allocators(const char *name, int value)
{
	char file[512];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(file, sizeof(file), DEBUGFS "/%s/%s", allocators[i], name);
		must_write(file, "%d", value);
	}
}

static void init_allocators(bool slab, bool page)
{
	/* All of one kind may fail, and no trace of it in the log. */
	must_write(DEBUGFS "/failslab/ignore-gfp-wait", "%d", !slab);
	must_write(DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "0");
	must_write(DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "0");
	/* The number of orders is smaller. */
	must_write(DEBUGFS "/fail_page_alloc/min-order", "%d", page ? 0 : 32);
	set_allocators("verbose", 0);
	set_allocators("probability", 0);
	set_allocators("interval", 1);
	set_allocators("times", -1);
	set_allocators("task-filter", 0);
}

static int nth_fd = -1;

static void nth_init(bool slab, bool page)
{
	init_allocators(slab, page);
	nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		klp_die("/proc/self/fail-nth");
	/* What this program needs itself, it has from now on. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		klp_die("mlockall");
}

static void slab_init(void)
{
	nth_init(true, false);
}

static void page_init(void)
{
	nth_init(false, true);
}

static void nth_arm(int n)
{
	char value[16];
	int len = snprintf(value, sizeof(value), "%d", n);

	if (pwrite(nth_fd, value, len, 0) < 0)
		klp_die("writing /proc/self/fail-nth");
}

static bool nth_fired(void)
{
	char value[16] = "";

	if (pread(nth_fd, value, sizeof(value) - 1, 0) < 0)
		klp_die("reading /proc/self/fail-nth");
	nth_arm(0);
	return !atoi(value);
}

static void call_init(void)
{
	must_write(FAIL_CALL "/pid", "%d", getpid());
}

static void call_arm(int n)
{
	must_write(FAIL_CALL "/nth", "%d", n);
}

static bool call_fired(void)
{
	bool fired = !read_number(FAIL_CALL "/nth");

	must_write(FAIL_CALL "/nth", "0");
	return fired;
}

static const struct kind {
	const char *name;
	void (*init)(void);
	void (*arm)(int n);
	bool (*fired)(void);
	bool fatal;
	bool may_be_none;
} kinds[] = {
	{ "slab", slab_init, nth_arm, nth_fired },
	{ "page", page_init, nth_arm, nth_fired, .may_be_none = true },
	{ "call", call_init, call_arm, call_fired },
	{ "fatal", call_init, call_arm, call_fired, .fatal = true },
};

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	}
	fail("there is no kind of fault '%s'", name);
	return NULL;
}

/* ---- */

#define MAX_ERRNO	4095

static int came[MAX_ERRNO + 1];

static void report(int faults)
{
	int err;

	printf("# %d faults:", faults);
	for (err = 0; err <= MAX_ERRNO; err++) {
		if (came[err])
			printf(" %s %d", err ? strerrorname_np(err) : "survived", came[err]);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	static struct steps before, act, after;
	struct text at_rest = {}, ready = {};
	const struct kind *kind;
	const char *often = getenv("KLP_FAULT_EVERY");
	int every = often ? atoi(often) : 8;
	bool fired, is_ready = false;
	int n, i, err;

	if (argc != 5 || every < 1) {
		fprintf(stderr, "usage: klp_fault KIND BEFORE ACT AFTER\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse(&before, argv[2]);
	parse(&act, argv[3]);
	parse(&after, argv[4]);
	kind = find_kind(argv[1]);
	kind->init();
	see(&at_rest);

	for (n = 1;; n++) {
		if (!is_ready) {
			must_take(&before, "before");
			see(&ready);
		}

		kind->arm(n);
		for (i = 0, err = 0; i < act.nr && !err; i++)
			err = take(&act.step[i]);
		fired = kind->fired();
		if (err && !fired)
			fail("'%s' without a fault, after %d: %s", argv[3], n - 1, strerror(err));
		if (!err && fired && kind->fatal)
			fail("'%s' in spite of fault %d", argv[3], n);
		if (fired)
			came[err]++;
		if (err) {
			must_see(&ready, strerror(err));
			is_ready = n % every;
			if (is_ready)
				continue;
			must_take(&act, "once more, without a fault");
		}

		must_take(&after, "after");
		must_see(&at_rest, fired ? "after a fault" : "without a fault");
		is_ready = false;
		if (!fired)
			break;
	}
	report(n - 1);
	return n > 1 || kind->may_be_none ? 0 : 1;
}
