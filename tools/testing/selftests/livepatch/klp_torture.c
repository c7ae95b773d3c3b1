// SPDX-License-Identifier: GPL-2.0
/*
 * The actor of the torture test: loads, disables, reverses, replaces and forces
 * patches of klptorture, and disturbs, in random order.
 *
 *	klp_torture SCENARIO SECONDS SEED FOLDER
 *
 * SCENARIO is a file, see torture/README. The actions and their arguments come
 * from the seed alone and are written to FOLDER/actions before they are done;
 * what came of each is added to FOLDER/outcomes. So the same seed gives the
 * same actions in the same order; when each is done depends on the machine.
 *
 * What the scenario is for has to happen: what it requires is looked for at the
 * end, in klptorture's statistics and among the outcomes. If something is missing
 * when the time is over, the run goes on, for as long again.
 *
 * The exit status is 0 if nothing was wrong. What is wrong is told to klptorture
 * at once, so that its messages are in the order of the events.
 */

#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "klp_torture.h"

#define MODULES		"test_modules/"
#define CONTROL		"/sys/kernel/debug/klptorture/control"
#define STATS		"/sys/kernel/debug/klptorture/stats"
#define VIOLATIONS	"/sys/kernel/debug/klptorture/violations"
#define TRACING		"/sys/kernel/tracing/"
#define CPU1		"/sys/devices/system/cpu/cpu1/online"
#define PREEMPT		"/sys/kernel/debug/sched/preempt"
#define STUCK		"/sys/module/livepatch/parameters/stuck_secs"
#define FTRACE_ENABLED	"/proc/sys/kernel/ftrace_enabled"
#define MOD		"klp_torture_mod"
#define DIRECT		"klp_torture_direct"

#define ALL_PARTS	15
#define MAX_LOADED	64

/**
 * struct patch - a patch module that was loaded
 * @version:	its number
 * @replace:	it replaces all others
 * @refuses_mod: its pre_patch callback fails for klp_torture_mod
 * @may_stay:	was perhaps forced: then its module stays for ever
 */
struct patch {
	int version;
	bool replace;
	bool refuses_mod;
	bool may_stay;
};

static struct patch patches[MAX_LOADED];
static int nr_loaded, last_version, nr_pinned;
static bool mod_loaded, direct_loaded, braked, traced, events_on, turners;
static char *image;
static size_t image_size;

static int max_patches = 4;
static int bound = 20;		/* seconds to name a blocker; 4 times to end */

static FILE *actions_log, *outcomes_log;
static unsigned int action;
static int violations;
static uint64_t seed, state;

/* ---- what is found ---- */

[[gnu::format(printf, 1, 2)]] static void violation(const char *fmt, ...)
{
	char text[256] = "violation ";
	size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, sizeof(text) - len - 1, fmt, args);
	va_end(args);
	violations++;
	printf("# action %u: %s\n", action, text + len);
	fflush(stdout);
	put(CONTROL, text);
}

[[gnu::format(printf, 1, 2)]] static void control(const char *fmt, ...)
{
	char text[128];
	va_list args;
	int err;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err = put(CONTROL, text);
	if (err)
		violation("control '%s': %s", text, strerror(err));
}

static const char *errno_name(int err)
{
	return err ? strerrorname_np(err) : "ok";
}

/**
 * struct number - a name and a number
 * @name:	of a statistic of klptorture, or an outcome: WHAT:ERROR
 * @value:	so often
 */
struct number {
	char name[32];
	long value;
};

static struct number required[64], outcomes[128];
static int nr_required, nr_outcomes;

static struct number *find_outcome(const char *name)
{
	int i;

	for (i = 0; i < nr_outcomes; i++) {
		if (!strcmp(outcomes[i].name, name))
			return &outcomes[i];
	}
	return NULL;
}

static void outcome(const char *what, int err)
{
	struct number *number;
	char name[32];

	snprintf(name, sizeof(name), "%s:%s", what, errno_name(err));
	fprintf(outcomes_log, " %s", name);
	number = find_outcome(name);
	if (!number && nr_outcomes < ARRAY_SIZE(outcomes)) {
		number = &outcomes[nr_outcomes++];
		snprintf(number->name, sizeof(number->name), "%s", name);
	}
	if (number)
		number->value++;
}

static long times(const char *outcome)
{
	struct number *number = find_outcome(outcome);

	return number ? number->value : 0;
}

/* Is this one of the errors that may come, in a list that ends with -1? */
static bool expected(int err, const int *list)
{
	for (; *list >= 0; list++) {
		if (*list == err)
			return true;
	}
	return false;
}

static void expect(const char *what, int err, const int *list)
{
	outcome(what, err);
	if (!expected(err, list))
		violation("%s: %s", what, strerror(err));
}

#define EXPECT(what, err, ...)	expect(what, err, (const int []){ __VA_ARGS__, -1 })

/* ---- patches ---- */

static void show_blockers(void)
{
	char text[4096], *line, *rest = text;

	get(BLOCKERS, text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			printf("# blockers: %s\n", line);
	}
	fflush(stdout);
}

/* Somebody in particular blocks the transition. */
static bool blockers_named(void)
{
	char text[4096], *line, *rest = text;

	get(BLOCKERS, text, sizeof(text));
	while ((line = strsep(&rest, "\n"))) {
		if (*line && *line != '#')
			return true;
	}
	return false;
}

/*
 * Wait until a patch's transition is over. Whoever blocks it has to be named
 * after a while; and as all callers leave some time, it has to end.
 */
static void settle_patch(int version)
{
	long long start = klp_now_ms(), passed;
	struct pollfd pfd = { .events = POLLPRI };
	bool named = false;
	char path[128], value[16];

	pfd.fd = open(patch_file(path, sizeof(path), version, "transition"), O_RDONLY | O_CLOEXEC);
	if (pfd.fd < 0)
		return;
	/* A removal wakes nobody: look now and then. */
	while (pread(pfd.fd, value, sizeof(value), 0) > 0 && *value == '1') {
		passed = klp_now_ms() - start;
		/* The last one may have switched just now: look more than once. */
		if (passed > bound * 1000LL && !named) {
			named = blockers_named();
			if (named || passed > bound * 1500LL)
				show_blockers();
			if (!named && passed > bound * 1500LL &&
			    patch_get(version, "transition") == '1') {
				named = true;
				violation("%d is in transition without a blocker", version);
			}
		}
		if (passed > bound * 4000LL) {
			violation("the transition of %d does not end", version);
			show_blockers();
			break;
		}
		poll(&pfd, 1, 50);
	}
	close(pfd.fd);
}

static void settle(void)
{
	int versions[MAX_LOADED], nr, i;

	nr = list_patches(versions, MAX_LOADED);
	for (i = 0; i < nr; i++)
		settle_patch(versions[i]);
}

/* The patch in transition, or 0. */
static int in_transition(void)
{
	int versions[MAX_LOADED], nr, i;

	nr = list_patches(versions, MAX_LOADED);
	for (i = 0; i < nr; i++) {
		if (patch_get(versions[i], "transition") == '1')
			return versions[i];
	}
	return 0;
}

static void read_image(const char *file)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st))
		klp_die(file);
	image_size = st.st_size;
	image = malloc(image_size);
	if (!image || read(fd, image, image_size) != st.st_size)
		klp_die(file);
	close(fd);
}

/* A module of its own name for each version. */
static int load_image(int version, const char *params)
{
	static const char prefix[] = PATCH_PREFIX;
	char name[32], *pos = image;
	size_t len = strlen(prefix);

	snprintf(name, sizeof(name), PATCH_PREFIX "%05d", version);
	while ((pos = memmem(pos, image + image_size - pos, prefix, len))) {
		/* Only the name with a number; others begin like that, too. */
		if (pos[len] >= '0' && pos[len] <= '9')
			memcpy(pos, name, strlen(name));
		pos += len;
	}
	return syscall(SYS_init_module, image, image_size, params) ? errno : 0;
}

static int unload_patch(int version)
{
	char name[32];

	snprintf(name, sizeof(name), PATCH_PREFIX "%05d", version);
	return klp_unload(name);
}

static bool is_shown(int version)
{
	char path[128];

	return !access(patch_file(path, sizeof(path), version, "enabled"), F_OK);
}

/* Unload a patch that is over. It is released just after it has vanished. */
static void reap_patch(struct patch *patch)
{
	long long end = klp_now_ms() + bound * 1000LL;
	int err;

	while ((err = unload_patch(patch->version)) == EAGAIN && !patch->may_stay &&
	       klp_now_ms() < end)
		usleep(1000);

	nr_pinned += !!err;
	if (err && !patch->may_stay)
		violation("unloading %d: %s", patch->version, strerror(err));
	patch->version = 0;
}

static void reap(void)
{
	int i, nr = 0;

	for (i = 0; i < nr_loaded; i++) {
		if (!is_shown(patches[i].version))
			reap_patch(&patches[i]);
		if (patches[i].version)
			patches[nr++] = patches[i];
	}
	nr_loaded = nr;
}

static struct patch *choose(uint32_t random)
{
	return nr_loaded ? &patches[random % nr_loaded] : NULL;
}

/* ---- actions: each gets four random numbers ---- */

static void load(const char *name, bool replace, int mask, const char *refuse, int fail_init)
{
	struct patch *patch = &patches[nr_loaded];
	bool busy = in_transition() || turners;
	char params[128];
	int err;

	if (nr_loaded >= max_patches) {
		reap();
		patch = &patches[nr_loaded];
		if (nr_loaded >= max_patches)
			return;
	}
	*patch = (struct patch){ ++last_version, replace, !strcmp(refuse, MOD), 0 };

	control("patch %d %d", patch->version, mask != ALL_PARTS);
	snprintf(params, sizeof(params), "replace=%d mask=%d fail_init=%d %s%s", replace, mask,
		 fail_init ? -fail_init : 0, *refuse ? "refuse=" : "", refuse);
	err = load_image(patch->version, params);
	if (err == EBUSY && busy)
		outcome(name, err);
	else if (*refuse && (strcmp(refuse, MOD) || mod_loaded))
		EXPECT(name, err, ENOTUNIQ);
	else
		EXPECT(name, err, fail_init);
	if (!err)
		nr_loaded++;
}

static void act_load(const uint32_t *r)
{
	if (r[0] % 8)
		settle();
	load("load", false, ALL_PARTS, "", 0);
}

static void act_replace(const uint32_t *r)
{
	if (r[0] % 8)
		settle();
	load("replace", true, r[1] % 2 ? ALL_PARTS : (int)(r[2] % (ALL_PARTS + 1)), "", 0);
}

static void act_refuse(const uint32_t *r)
{
	static const char * const objects[] = { "vmlinux", "klptorture", MOD };

	settle();
	load("refuse", r[0] % 2, ALL_PARTS, objects[r[1] % 3], 0);
}

static void act_fail_init(const uint32_t *r)
{
	settle();
	load("fail_init", r[0] % 2, ALL_PARTS, "", EPROTO);
}

static void act_disable(const uint32_t *r)
{
	struct patch *patch = choose(r[1]);

	if (r[0] % 4)
		settle();
	if (patch)
		EXPECT("disable", patch_put(patch->version, "enabled", "0"),
		       0, EBUSY, EINVAL, ENOENT, ENODEV);
}

/*
 * Start a transition that does not end before the blocker is told to go: most are
 * over before anybody can do something about them. It has to be about the version
 * that is in effect, since that is what the blocker is in.
 */
static void start_blocked(uint32_t random)
{
	settle();
	reap();
	control("block 1");
	if (nr_loaded && (nr_loaded >= max_patches || random % 2))
		EXPECT("disable", patch_put(patches[nr_loaded - 1].version, "enabled", "0"),
		       0, EBUSY, EINVAL, ENOENT, ENODEV);
	else
		load("load", false, ALL_PARTS, "", 0);
}

/* Of a transition that waits, the first one must succeed, unless others turn it, too. */
static void reverse(uint32_t nr, uint32_t pause, bool waits)
{
	int version, err;
	char enabled;

	while (nr--) {
		version = in_transition();
		enabled = version ? patch_get(version, "enabled") : 0;
		if (!enabled)
			return;
		err = patch_put(version, "enabled", enabled == '1' ? "0" : "1");
		if (waits && !turners)
			EXPECT("reverse", err, 0);
		else
			EXPECT("reverse", err, 0, EBUSY, EINVAL, ENOENT, ENODEV);
		waits = false;
		usleep(pause);
	}
}

static void act_reverse(const uint32_t *r)
{
	bool blocked = !in_transition();

	if (blocked)
		start_blocked(r[2]);
	reverse(r[0] % 4 + 1, r[1] % 2048, blocked);
	if (blocked)
		control("block 0");
}

/* Who is left may be pinned, but if the last task has just switched, nobody is. */
static void may_pin(int version, bool replaces)
{
	bool unpatching = patch_get(version, "enabled") == '0';
	int i;

	for (i = 0; i < nr_loaded; i++) {
		struct patch *patch = &patches[i];
		bool left = unpatching ? patch->version == version :
			    replaces && patch->version != version &&
			    patch_get(patch->version, "enabled") == '1';

		/* Somebody may turn it round meanwhile. */
		if (turners && (patch->version == version || replaces))
			left = true;
		patch->may_stay |= left;
	}
}

/* If it was not in transition any more, nothing was pinned. */
static void force_version(int version, bool waits)
{
	struct patch before[MAX_LOADED];
	int err, nr = nr_loaded;

	control("force 1");
	memcpy(before, patches, sizeof(before));
	may_pin(version, patch_get(version, "replace") == '1');
	err = patch_put(version, "force", "1");
	if (waits && !turners)
		EXPECT("force", err, 0);
	else
		EXPECT("force", err, 0, EINVAL, ENOENT, ENODEV);
	if (err && nr == nr_loaded)
		memcpy(patches, before, sizeof(before));
	settle();
	control("force 0");
}

/* Each may cost a module that stays: not too many are made to happen. */
static void act_force(const uint32_t *r)
{
	bool blocked;
	int version;

	usleep(r[0] % 8192);
	blocked = !in_transition() && (!(r[1] % 4) || !times("force:ok"));
	if (blocked)
		start_blocked(r[2]);
	version = in_transition();
	if (version)
		force_version(version, blocked);
	if (blocked)
		control("block 0");
}

static void act_settle(const uint32_t *r)
{
	settle();
	reap();
}

static bool mod_refused(void)
{
	int i;

	for (i = 0; i < nr_loaded; i++) {
		if (patches[i].refuses_mod)
			return true;
	}
	return false;
}

static void act_mod(const uint32_t *r)
{
	bool fail = !(r[0] % 4);
	int err;

	if (mod_loaded) {
		err = klp_unload(MOD);
		EXPECT("unload_mod", err, 0);
		mod_loaded = err;
		return;
	}
	err = klp_load(MODULES MOD ".ko", fail ? "fail_init=-71" : "");
	if (mod_refused())
		EXPECT("load_mod", err, ENOTUNIQ, fail ? EPROTO : 0);
	else
		EXPECT("load_mod", err, fail ? EPROTO : 0);
	mod_loaded = !err;
}

static void act_direct(const uint32_t *r)
{
	int err;

	err = direct_loaded ? klp_unload(DIRECT) : klp_load(MODULES DIRECT ".ko", "");
	EXPECT("direct", err, 0);
	direct_loaded ^= !err;
}

static void act_brake(const uint32_t *r)
{
	braked = !braked;
	control("brake %d", braked);
	outcome(braked ? "brake" : "brake_off", 0);
}

static void act_tracer(const uint32_t *r)
{
	static const char * const tracers[] = { "nop", "function", "function_graph" };
	int which = traced ? r[0] % 3 : r[0] % 2 + 1;

	traced = which;
	put_anew(TRACING "set_ftrace_filter", "klpt_*");
	EXPECT(traced ? "tracer" : "tracer_off", put(TRACING "current_tracer", tracers[which]), 0);
	put_anew(TRACING "trace", "");
}

static void act_kprobe(const uint32_t *r)
{
	static const char * const probes[] = {
		"p:klpt_p0 klptorture:klpt_round", "r:klpt_p1 klptorture:klpt_round",
		"p:klpt_p2 klptorture:klpt_part2", "r:klpt_p3 klptorture:klpt_nest",
	};
	unsigned int nr = r[0] % 4;
	char path[128], off[16];
	int err;

	snprintf(path, sizeof(path), TRACING "events/kprobes/klpt_p%u/enable", nr);
	if (access(path, F_OK)) {
		err = put(TRACING "kprobe_events", probes[nr]);
		EXPECT("kprobe", err, 0);
		if (!err)
			EXPECT("kprobe_on", put(path, "1"), 0);
		return;
	}
	EXPECT("kprobe_off", put(path, "0"), 0);
	snprintf(off, sizeof(off), "-:klpt_p%u", nr);
	EXPECT("kprobe_del", put(TRACING "kprobe_events", off), 0);
}

static pid_t bpf_runner;

/* A program, if the kernel knows the types of klptorture. */
static void act_bpf(const uint32_t *r)
{
	char said[16] = "";
	int out[2], status;

	if (access("/sys/kernel/btf/klptorture", F_OK)) {
		outcome("bpf", errno);
		return;
	}
	if (bpf_runner) {
		kill(bpf_runner, SIGTERM);
		EXPECT("bpf_off", waitpid(bpf_runner, &status, 0) < 0 || status, 0);
		bpf_runner = 0;
		return;
	}
	if (pipe(out))
		klp_die("pipe");
	bpf_runner = fork();
	if (bpf_runner < 0)
		klp_die("fork");
	if (!bpf_runner) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execl("./klp_bpf", "klp_bpf", r[0] % 2 ? "fentry" : "fexit", "klptorture",
		      r[1] % 2 ? "klpt_round" : "klpt_part2", NULL);
		klp_die("klp_bpf");
	}
	close(out[1]);
	EXPECT("bpf", read(out[0], said, sizeof(said) - 1) < 0 ||
	       strcmp(said, "attached\n"), 0);
	close(out[0]);
}

static void act_events(const uint32_t *r)
{
	events_on = !events_on;
	EXPECT(events_on ? "events" : "events_off",
	       put(TRACING "events/livepatch/enable", events_on ? "1" : "0"), 0);
}

/* It can be switched off only while nothing is patched. */
static void act_ftrace(const uint32_t *r)
{
	EXPECT("ftrace_off", put(FTRACE_ENABLED, "0"), 0, EBUSY);
	EXPECT("ftrace_on", put(FTRACE_ENABLED, "1"), 0);
}

static void act_cpu(const uint32_t *r)
{
	EXPECT("cpu", put(CPU1, r[0] % 2 ? "1" : "0"), 0, EINVAL, EBUSY);
}

static void act_preempt(const uint32_t *r)
{
	static const char * const modes[] = { "none", "voluntary", "full" };

	EXPECT("preempt", put(PREEMPT, modes[r[0] % 3]), 0, ENOENT);
}

static void act_stuck(const uint32_t *r)
{
	static const char * const secs[] = { "0", "1", "15" };

	EXPECT("stuck", put(STUCK, secs[r[0] % 3]), 0);
}

static void act_kthreads(const uint32_t *r)
{
	control("kthreads %u", r[0] % 15 + 1);
}

/* ---- workers ---- */

static const char * const kinds[] = { "unit", "spin", "fork", "thread", "sysfs", "turn" };
static int wanted[6];
static pid_t workers[64];
static int nr_workers;

static void start_worker(const char *kind)
{
	char number[32];
	pid_t pid;

	if (nr_workers == 64)
		return;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)seed * 100 + nr_workers);
	/* It may get one before it has its own handler. */
	signal(SIGUSR1, SIG_IGN);
	pid = fork();
	if (pid < 0)
		klp_die("fork");
	if (!pid) {
		execl("./klp_torture_worker", "klp_torture_worker", kind, number, NULL);
		klp_die("klp_torture_worker");
	}
	workers[nr_workers++] = pid;
}

static void start_workers(void)
{
	int kind, i;

	for (kind = 0; kind < 6; kind++) {
		for (i = 0; i < wanted[kind]; i++)
			start_worker(kinds[kind]);
	}
	turners = wanted[5];
}

/* All of them work until they are killed. */
static void stop_workers(void)
{
	int i, status;

	for (i = 0; i < nr_workers; i++) {
		if (waitpid(workers[i], &status, WNOHANG) == workers[i]) {
			violation("worker %d has ended with status %#x", i, status);
			continue;
		}
		kill(workers[i], SIGKILL);
		waitpid(workers[i], &status, 0);
	}
}

static void act_signal(const uint32_t *r)
{
	static const int signals[] = { SIGUSR1, SIGSTOP, SIGCONT, SIGCONT };

	if (nr_workers)
		kill(workers[r[0] % nr_workers], signals[r[1] % 4]);
}

/* ---- the scenario ---- */

static struct {
	const char *name;
	void (*act)(const uint32_t *r);
	int weight;
	bool done;
} actions[] = {
	{ "load", act_load },
	{ "replace", act_replace },
	{ "refuse", act_refuse },
	{ "fail_init", act_fail_init },
	{ "disable", act_disable },
	{ "reverse", act_reverse },
	{ "force", act_force },
	{ "settle", act_settle },
	{ "mod", act_mod },
	{ "direct", act_direct },
	{ "brake", act_brake },
	{ "tracer", act_tracer },
	{ "kprobe", act_kprobe },
	{ "bpf", act_bpf },
	{ "events", act_events },
	{ "ftrace", act_ftrace },
	{ "cpu", act_cpu },
	{ "preempt", act_preempt },
	{ "stuck", act_stuck },
	{ "kthreads", act_kthreads },
	{ "signal", act_signal },
};

static bool set_number(const char *section, const char *name, int value)
{
	struct number *number = &required[nr_required];
	int i;

	if (!strcmp(section, "require:")) {
		if (nr_required == ARRAY_SIZE(required) || strlen(name) >= sizeof(number->name))
			return false;
		snprintf(number->name, sizeof(number->name), "%s", name);
		number->value = value;
		nr_required++;
		return value > 0;
	}
	if (!strcmp(section, "actions:")) {
		for (i = 0; i < ARRAY_SIZE(actions); i++) {
			if (!strcmp(actions[i].name, name)) {
				actions[i].weight = value;
				return true;
			}
		}
	} else if (!strcmp(section, "workers:")) {
		for (i = 0; i < 6; i++) {
			if (!strcmp(kinds[i], name)) {
				wanted[i] = value;
				return true;
			}
		}
	} else if (!strcmp(section, "actor:") && !strcmp(name, "max_patches")) {
		max_patches = value;
		return value < MAX_LOADED;
	} else if (!strcmp(section, "actor:") && !strcmp(name, "bound")) {
		bound = value;
		return true;
	}
	return false;
}

static void read_scenario(const char *file)
{
	char line[1024], *section, *word, *rest, *value;
	FILE *in = fopen(file, "r");

	if (!in)
		klp_die(file);
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "#\n")] = '\0';
		rest = line;
		section = strsep(&rest, " ");
		/* These are for whoever boots and loads klptorture. */
		if (!*section || !strcmp(section, "boot:") || !strcmp(section, "module:"))
			continue;
		while ((word = strsep(&rest, " "))) {
			if (!*word)
				continue;
			value = strchr(word, '=');
			if (value)
				*value++ = '\0';
			if (!value || !set_number(section, word, atoi(value))) {
				fprintf(stderr, "%s: %s %s: unknown\n", file, section, word);
				exit(2);
			}
		}
	}
	fclose(in);
}

/*
 * In the first round each action is drawn once, so that no short run is without.
 * The rare ones are left to chance: they change the machine for long.
 */
static int weight(int i, bool first_round)
{
	return first_round && (actions[i].done || actions[i].weight == 1) ? 0 : actions[i].weight;
}

static int total_weight(bool first_round)
{
	int i, total = 0;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		total += weight(i, first_round);
	return total;
}

/* The same numbers are drawn for each action, whatever it needs. */
static void act(void)
{
	bool first_round = total_weight(true);
	uint32_t r[4], pace;
	int i, which;

	which = draw(&state) % total_weight(first_round);
	for (i = 0; i < 4; i++)
		r[i] = draw(&state) % 65536;
	pace = draw(&state);

	for (i = 0; which >= weight(i, first_round); i++)
		which -= weight(i, first_round);
	actions[i].done = true;

	action++;
	fprintf(actions_log, "%u %s %u %u %u %u\n", action, actions[i].name, r[0], r[1], r[2],
		r[3]);
	fflush(actions_log);
	control("action %u", action);
	fprintf(outcomes_log, "%u %s", action, actions[i].name);
	actions[i].act(r);
	fprintf(outcomes_log, "\n");
	fflush(outcomes_log);

	usleep(pace % 8 ? pace % 4096 : pace % 65536);
}

/* ---- what has to have happened ---- */

/* The value of NAME=VALUE in a text, where each has a space before it; -1 if none. */
static long value_of(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *pos = text;

	while ((pos = strstr(pos, name))) {
		if (pos > text && pos[-1] == ' ' && pos[len] == '=')
			return atol(pos + len + 1);
		pos += len;
	}
	return -1;
}

/* How often something required has happened; -1 if klptorture does not know it. */
static long happened(const char *name)
{
	char text[4096];

	if (strchr(name, ':'))
		return times(name);
	get(STATS, text, sizeof(text));
	return value_of(text, name);
}

static bool something_missing(void)
{
	int i;

	for (i = 0; i < nr_required; i++) {
		if (happened(required[i].name) < required[i].value)
			return true;
	}
	return false;
}

static void check_required(void)
{
	long value;
	int i;

	for (i = 0; i < nr_required; i++) {
		value = happened(required[i].name);
		if (value < required[i].value)
			violation("missing: %s=%ld, the scenario requires %ld",
				  required[i].name, value, required[i].value);
	}
}

/* A name that is not known could never be met. */
static bool requirements_known(void)
{
	bool known = true;
	int i;

	for (i = 0; i < nr_required; i++) {
		if (happened(required[i].name) < 0) {
			fprintf(stderr, "%s: there is no %s\n", STATS, required[i].name);
			known = false;
		}
	}
	return known;
}

/* What the oracle has found. */
static int found(void)
{
	char text[16];

	if (get(VIOLATIONS, text, sizeof(text)) <= 0) {
		violation("%s cannot be read", VIOLATIONS);
		return 1;
	}
	return atoi(text);
}

/* ---- the end: everything is taken back, and looked for ---- */

static char preempt_before[16], stuck_before[16];

/* What actions change and nobody else does. */
static void remember_settings(void)
{
	char text[64] = "", *mode;

	get(STUCK, stuck_before, sizeof(stuck_before));
	/* The mode in effect stands in parentheses. */
	get(PREEMPT, text, sizeof(text));
	mode = strchr(text, '(');
	if (mode) {
		mode[strcspn(mode, ")")] = '\0';
		snprintf(preempt_before, sizeof(preempt_before), "%s", mode + 1);
	}
}

static void undo_disturbance(void)
{
	int i;

	for (i = 0; i < nr_workers; i++)
		kill(workers[i], SIGCONT);
	put(CPU1, "1");
	if (*preempt_before)
		put(PREEMPT, preempt_before);
	put(STUCK, stuck_before);
	put(TRACING "current_tracer", "nop");
	put(TRACING "events/enable", "0");
	put_anew(TRACING "kprobe_events", "");
	put_anew(TRACING "set_ftrace_filter", "");
	put_anew(TRACING "trace", "");
	if (braked)
		act_brake(NULL);
	if (direct_loaded)
		act_direct(NULL);
	if (bpf_runner)
		act_bpf(NULL);
}

static void remove_patches(void)
{
	long long end = klp_now_ms() + 4LL * bound * 1000;
	int versions[MAX_LOADED], nr, i;

	while ((nr = list_patches(versions, MAX_LOADED))) {
		if (klp_now_ms() > end) {
			violation("%d patches cannot be removed", nr);
			return;
		}
		for (i = 0; i < nr; i++) {
			settle_patch(versions[i]);
			patch_put(versions[i], "enabled", "0");
		}
	}
	reap();
}

static void check_patch_states(void)
{
	struct dirent *entry;
	char path[300], value[16];
	DIR *dir = opendir("/proc");
	int nr = 0;

	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name < '0' || *entry->d_name > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/patch_state", entry->d_name);
		/* A task may go meanwhile. */
		if (get(path, value, sizeof(value)) <= 0)
			continue;
		nr++;
		if (atoi(value) != -1)
			violation("patch_state of %s is %s", entry->d_name, value);
	}
	if (dir)
		closedir(dir);
	if (!nr)
		violation("no patch_state can be read");
}

static void check_empty(const char *file)
{
	char text[4096];
	ssize_t len = get(file, text, sizeof(text));

	if (len)
		violation("%s at the end: %s", file, len < 0 ? "cannot be read" : text);
}

static void check_end(void)
{
	check_patch_states();
	check_empty(BLOCKERS);
	check_empty(TRACING "enabled_functions");
}

/*
 * The modules of patches that were forced out use klptorture for ever. Are they all
 * that use it, with one reference each?
 */
static bool only_pinned_use_it(void)
{
	char line[16384], users[16384], *rest = users, *user;
	FILE *in = fopen("/proc/modules", "r");
	int refs = -1, nr = 0;

	if (!in)
		klp_die("/proc/modules");
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "klptorture %*u %d %16383s", &refs, users) == 2)
			break;
		refs = -1;
	}
	fclose(in);
	if (refs < 0)
		return false;

	/* Each name has a comma behind it; without users there is a dash. */
	while ((user = strsep(&rest, ","))) {
		if (!*user || *user == '-')
			continue;
		/* Other modules of the test are called the same, but without a number. */
		if (strncmp(user, PATCH_PREFIX, strlen(PATCH_PREFIX)) ||
		    user[strlen(PATCH_PREFIX)] < '0' || user[strlen(PATCH_PREFIX)] > '9')
			return false;
		nr++;
	}
	return refs == nr && nr == nr_pinned;
}

/* Who reads a unit keeps klptorture a while; forced patches keep it for ever. */
static void unload_torture(void)
{
	long long end = klp_now_ms() + bound * 1000LL;
	int err;

	while ((err = klp_unload("klptorture")) && klp_now_ms() < end) {
		if (nr_pinned && only_pinned_use_it())
			return;
		usleep(10000);
	}
	if (err)
		violation("klptorture cannot be unloaded: %s; %d patches are pinned",
			  strerror(err), nr_pinned);
}

int main(int argc, char **argv)
{
	static const uint32_t none[4] = { 1 };
	char path[4096];
	long long end;
	int seconds, oracle;

	if (argc != 5) {
		fprintf(stderr, "usage: klp_torture SCENARIO SECONDS SEED FOLDER\n");
		return 2;
	}
	read_scenario(argv[1]);
	seconds = atoi(argv[2]);
	seed = strtoull(argv[3], NULL, 0);
	state = seed;
	snprintf(path, sizeof(path), "%s/actions", argv[4]);
	actions_log = fopen(path, "w");
	snprintf(path, sizeof(path), "%s/outcomes", argv[4]);
	outcomes_log = fopen(path, "w");
	if (!actions_log || !outcomes_log)
		klp_die(path);
	if (!total_weight(false)) {
		fprintf(stderr, "%s: no actions\n", argv[1]);
		return 2;
	}
	if (!requirements_known())
		return 2;
	read_image(MODULES PATCH_PREFIX "00000.ko");
	remember_settings();

	start_workers();
	end = klp_now_ms() + seconds * 1000LL;
	while ((klp_now_ms() < end ||
		(klp_now_ms() < end + seconds * 1000LL && something_missing())) &&
	       !violations && !found())
		act();

	undo_disturbance();
	turners = false;
	stop_workers();
	if (mod_loaded)
		act_mod(none);
	remove_patches();
	/* Who has ended early has met something worse. */
	if (!violations && !found())
		check_required();
	put(CONTROL, "stop");
	check_end();
	oracle = found();
	unload_torture();

	printf("# %u actions, %d patches, %d pinned, %d violations\n", action, last_version,
	       nr_pinned, oracle);
	return oracle || violations ? 1 : 0;
}
