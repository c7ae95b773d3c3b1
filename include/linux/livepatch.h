/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live patching: what a patch module fills in, and what the rest of the
 * kernel calls.
 */
#ifndef _LINUX_LIVEPATCH_H_
#define _LINUX_LIVEPATCH_H_

#include <linux/completion.h>
/* Not used here, but patch modules have always got it and what it includes. */
#include <linux/ftrace.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/livepatch_sched.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/types.h>

/*
 * Values of task_struct::patch_state and of /proc/PID/patch_state. Idle means
 * that there is no transition; functions are chosen as for unpatched.
 */
#define KLP_TRANSITION_IDLE		-1
#define KLP_TRANSITION_UNPATCHED	0
#define KLP_TRANSITION_PATCHED		1

#if IS_ENABLED(CONFIG_LIVEPATCH)

struct klp_object;
struct klp_patch;
struct klp_site;

/* private: where some code is; the core's own */
struct klp_extent {
	unsigned long addr;		/* 0: nowhere */
	unsigned long size;		/* bytes */
};

/**
 * struct klp_func - one function to replace
 * @old_name:	name of the function in the object
 * @new_func:	the replacement, in the patch module
 * @old_sympos:	0 if @old_name is unique in the object, otherwise the 1-based
 *		position, in address order, among the functions of that name;
 *		a module's init functions do not count
 *
 * An array of these ends with an entry whose public fields are all zero.
 */
struct klp_func {
	const char *old_name;
	void *new_func;
	unsigned long old_sympos;

	/* private: the core's own; protected by klp_mutex unless said otherwise */
	struct list_head node;		/* in klp_object::func_list */
	struct list_head site_node;	/* in klp_site::funcs */
	struct klp_site *site;		/* set while the object is patched */
	struct klp_extent old;		/* nowhere while the object is not there */
	struct klp_extent old_cold;	/* its cold part, and those of its namesakes */
	struct klp_extent new;
	struct klp_extent new_cold;	/* all cold parts of the patch module */
	bool nop;			/* ours: leads back to the original */
};

/**
 * struct klp_callbacks - a patch's own steps around an object's patching
 * @pre_patch:		before the object's functions are redirected; an error
 *			refuses the patch, or the module that is being loaded
 * @post_patch:		after every task runs the patched object
 * @pre_unpatch:	before tasks begin to leave the patched object
 * @post_unpatch:	after no task uses the patched object any more
 *
 * All are optional and called from process context with klp_mutex held.
 */
struct klp_callbacks {
	int (*pre_patch)(struct klp_object *obj);
	void (*post_patch)(struct klp_object *obj);
	void (*pre_unpatch)(struct klp_object *obj);
	void (*post_unpatch)(struct klp_object *obj);
};

/**
 * struct klp_object - vmlinux or a module, and what is replaced in it
 * @name:	the module's name, NULL for vmlinux
 * @funcs:	array of functions
 * @callbacks:	called around patching and unpatching
 *
 * An array of these ends with an entry that has neither @funcs nor @name.
 */
struct klp_object {
	const char *name;
	struct klp_func *funcs;
	struct klp_callbacks callbacks;

	/* private: the core's own; protected by klp_mutex */
	struct module *mod;		/* NULL: vmlinux, or not loaded */
	struct klp_patch *patch;	/* the patch that it is a part of */
	struct list_head node;		/* in klp_patch::obj_list */
	struct list_head name_node;	/* by its name, while its patch is listed */
	struct list_head func_list;	/* klp_func, the no-ops included */
	struct kobj_attribute patched_attr;
	bool dynamic;			/* ours: made for atomic replace */
	bool patched;			/* its functions are redirected; read locklessly by sysfs */
	bool undo_due;			/* pre_patch succeeded, post_unpatch is still to come */
};

/**
 * struct klp_state - something a patch changes beside code
 * @id:		identifies what is changed (non-zero)
 * @version:	of the change; a replacing patch needs the same or a newer one
 * @data:	the owner's
 *
 * An array of these ends with an entry whose @id is zero.
 */
struct klp_state {
	unsigned long id;
	unsigned int version;
	void *data;
};

/**
 * struct klp_patch - a live patch
 * @mod:	the module that carries it
 * @objs:	array of objects to patch
 * @states:	array of system states that it changes, or NULL
 * @replace:	take over from all patches that are there
 */
struct klp_patch {
	struct module *mod;
	struct klp_object *objs;
	struct klp_state *states;
	bool replace;

	/* private: the core's own; protected by klp_mutex unless said otherwise */
	int phase;			/* enum klp_phase, read locklessly by sysfs */
	ktime_t phase_since;		/* when @phase was entered, or by a force */
	struct completion kobj_gone;	/* last reference to @kobj dropped */
	struct kobject kobj;
	struct list_head obj_list;	/* klp_object */
	struct list_head list;		/* in klp_patches, oldest first; then in klp_done */
};

int klp_enable_patch(struct klp_patch *patch);

/* Called by the module loader. */
int klp_module_coming(struct module *mod);
void klp_module_evict(struct module *mod, bool exits);
void klp_module_going(struct module *mod);
int klp_apply_section_relocs(struct module *pmod, Elf_Shdr *sechdrs,
			     const char *shstrtab, const char *strtab,
			     unsigned int symindex, unsigned int secindex,
			     const char *objname);

/* Called by fork, the idle loop and the way out of the kernel. */
void klp_copy_process(struct task_struct *child);
void klp_update_patch_state(struct task_struct *task);

static inline bool klp_patch_pending(struct task_struct *task)
{
	return test_tsk_thread_flag(task, TIF_PATCH_PENDING);
}

static inline bool klp_have_reliable_stack(void)
{
	return IS_ENABLED(CONFIG_STACKTRACE) &&
	       IS_ENABLED(CONFIG_HAVE_RELIABLE_STACKTRACE);
}

typedef int (*klp_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);
typedef void (*klp_shadow_dtor_t)(void *obj, void *shadow_data);

void *klp_shadow_get(void *obj, unsigned long id);
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data);
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data);
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);

struct klp_state *klp_get_state(struct klp_patch *patch, unsigned long id);
struct klp_state *klp_get_prev_state(unsigned long id);

#else /* !CONFIG_LIVEPATCH */

static inline int klp_module_coming(struct module *mod) { return 0; }
static inline void klp_module_evict(struct module *mod, bool exits) {}
static inline void klp_module_going(struct module *mod) {}
static inline void klp_copy_process(struct task_struct *child) {}
static inline void klp_update_patch_state(struct task_struct *task) {}
static inline bool klp_patch_pending(struct task_struct *task) { return false; }

static inline
int klp_apply_section_relocs(struct module *pmod, Elf_Shdr *sechdrs,
			     const char *shstrtab, const char *strtab,
			     unsigned int symindex, unsigned int secindex,
			     const char *objname)
{
	return 0;
}

#endif /* CONFIG_LIVEPATCH */

#endif /* _LINUX_LIVEPATCH_H_ */
