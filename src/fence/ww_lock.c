/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock of a reservation object, and how several are taken in any order without a deadlock.
 *
 * Who locks several brings a stamp; the smaller is the older. One that holds something already never waits for an older
 * one: it is sent back (-EDEADLK). So of all who wait while they hold, each waits for a younger, and no circle closes.
 * A holder without a stamp holds this object alone and ends by itself.
 *
 * Who it is that holds the lock can change while one waits. Therefore nobody waits in the mutex: they sleep on `turn`,
 * which moves whenever the lock is let go or its owner becomes known, and look again.
 *
 * The oldest of those who wait is `next`: a younger one does not take the lock before it, free or not. Stamps are kept
 * until all is locked, so everyone is the oldest sooner or later, and nobody starves. One that comes without a context
 * gets a stamp for as long as it waits.
 */
#include "fence/fence_priv.h"

static const struct lock_class alone_class = {.name = "reservation", .rank = LOCK_RANK_RESERVATION};
static const struct lock_class several_class = {
	.name = "reservation", .rank = LOCK_RANK_RESERVATION, .nests = LOCK_NESTS_BACKING_OFF};

/* Of the process, like the contexts of fences: any two that meet must be comparable. */
static _Atomic uint64_t next_stamp = 1;

static uint64_t stamp_new(void)
{
	return atomic_fetch_add_explicit(&next_stamp, 1, memory_order_relaxed);
}

void ww_acquire_init(struct ww_acquire_ctx *ctx)
{
	ctx->stamp = stamp_new();
	ctx->nr_held = 0;
	ctx->wounded = false;
}

void ww_acquire_fini(struct ww_acquire_ctx *ctx)
{
	if (ctx->nr_held)
		lock_assert_failed("an acquire context ends while it holds reservations", __FILE__, __LINE__);
}

void ww_lock_init(struct dma_resv *r)
{
	mutex_init(&r->lock, &alone_class);
	r->ctx = NULL;
	atomic_init(&r->owner, 0);
	atomic_init(&r->next, 0);
	atomic_init(&r->turn, 0);
	atomic_init(&r->nr_waiting, 0);
}

/*
 * Either the waiter's count is seen here, or the waiter, which counts itself before it looks, sees the new turn: all of
 * them are sequentially consistent.
 */
static void turn_advance(struct dma_resv *r)
{
	atomic_fetch_add(&r->turn, 1);
	if (atomic_load(&r->nr_waiting))
		fence_futex_wake_all(&r->turn);
}

/* One that is older waits for it. */
static bool is_behind(struct dma_resv *r, uint64_t stamp)
{
	uint64_t next = atomic_load(&r->next);

	return next && next < stamp;
}

/* Says that it waits, unless an older one does. */
static void line_up(struct dma_resv *r, uint64_t stamp)
{
	uint64_t next = atomic_load(&r->next);

	while ((!next || stamp < next) && !atomic_compare_exchange_weak(&r->next, &next, stamp))
		;
}

/* It has the lock, or gives up. The others line up anew when the turn moves. */
static bool leave_line(struct dma_resv *r, uint64_t stamp)
{
	return atomic_load(&r->next) == stamp && atomic_compare_exchange_strong(&r->next, &stamp, 0);
}

static bool lock_try(struct dma_resv *r, struct ww_acquire_ctx *ctx, uint64_t stamp)
{
	bool stood_in_line;

	if (is_behind(r, stamp) || !futex_lock_try(&r->lock.native))
		return false;
	stood_in_line = leave_line(r, stamp);
	r->ctx = ctx;
	if (ctx) {
		ctx->nr_held++;
		atomic_store(&r->owner, stamp);
	}
	if (ctx || stood_in_line)
		turn_advance(r);
	return true;
}

/* May one with this stamp wait for who holds the lock now? */
static int may_wait(struct dma_resv *r, const struct ww_acquire_ctx *ctx)
{
	uint64_t owner = atomic_load(&r->owner);

	if (!ctx)
		return 0;
	if (owner == ctx->stamp)
		return -EALREADY;
	return owner && owner < ctx->stamp && ctx->nr_held ? -EDEADLK : 0;
}

static int lock_wait(struct dma_resv *r, struct ww_acquire_ctx *ctx, uint64_t stamp)
{
	int rc = 0;

	atomic_fetch_add(&r->nr_waiting, 1);
	for (;;) {
		unsigned turn = atomic_load(&r->turn);

		line_up(r, stamp);
		if (lock_try(r, ctx, stamp))
			break;
		rc = may_wait(r, ctx);
		if (rc)
			break;
		fence_futex_wait(&r->turn, turn, UINT64_MAX);
	}
	atomic_fetch_sub(&r->nr_waiting, 1);
	if (rc && leave_line(r, stamp))
		turn_advance(r);
	return rc;
}

static void lock_alone(struct dma_resv *r)
{
	lock_check_acquire(&alone_class, &r->lock);
	if (!lock_try(r, NULL, UINT64_MAX))
		lock_wait(r, NULL, stamp_new());
}

int dma_resv_lock(struct dma_resv *r, struct ww_acquire_ctx *ctx)
{
	int rc;

	if (!ctx) {
		lock_alone(r);
		return 0;
	}
	if (ctx->wounded)
		lock_assert_failed("a wounded acquire context goes on locking", __FILE__, __LINE__);
	if (atomic_load(&r->owner) == ctx->stamp)
		return -EALREADY;
	lock_check_acquire(&several_class, &r->lock);
	rc = lock_try(r, ctx, ctx->stamp) ? 0 : lock_wait(r, ctx, ctx->stamp);
	if (rc)
		lock_check_release(&several_class, &r->lock);
	ctx->wounded = rc == -EDEADLK;
	return rc;
}

void dma_resv_lock_slow(struct dma_resv *r, struct ww_acquire_ctx *ctx)
{
	if (ctx->nr_held || dma_resv_lock(r, ctx))
		lock_assert_failed("who backs off lets go of everything first", __FILE__, __LINE__);
}

bool dma_resv_trylock(struct dma_resv *r)
{
	if (!lock_try(r, NULL, UINT64_MAX))
		return false;
	lock_check_tried(&several_class, &r->lock);
	return true;
}

/* The caller keeps the object alive beyond the unlock, as who unlocks a mutex does. */
void dma_resv_unlock(struct dma_resv *r)
{
	struct ww_acquire_ctx *ctx = r->ctx;

	dma_resv_assert_held(r);
	r->room = 0;
	r->ctx = NULL;
	if (ctx) {
		atomic_store(&r->owner, 0);
		if (--ctx->nr_held == 0)
			ctx->wounded = false;
	}
	mutex_unlock(&r->lock);
	turn_advance(r);
}
