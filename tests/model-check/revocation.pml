/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How memory is taken away from those who share it: one buffer of one function, an owner that resets the function and
 * one that revokes the buffer for good, two importers with an IO page table each, a program that has the buffer mapped,
 * and an engine that moves bytes through whatever it finds, in a job whose fence is in the buffer's reservation.
 *
 * Every inline is the C function of the same name, reduced to what it does to the protocol; tools/check-model fails
 * when there is none any more. Names that begin with model_ are the model's own. What a function does under a lock and
 * nobody can see without it is one step; what is seen without (leaves, the CPU's mapping, sections, the word that a
 * waiter sleeps on) goes step by step.
 *
 * What must hold:
 *   - when a call that takes the memory away has returned, no byte of it is moved and no load reaches it;
 *   - nor is a job pending that may use it;
 *   - nobody waits for ever: neither for a lock, nor for a drain, nor for a fence, nor (the program) for memory that is
 *     back. The engine signals its fence whatever became of the job, and needs nothing of who waits for it;
 *   - in the end nobody is attached and nothing is mapped.
 *
 * With one of these defined the protocol is broken in one place, and spin must find it (tools/model-check):
 *   BREAK_DRAIN       the gate does not drain
 *   BREAK_TEST        an importer tests the state, lets go of the lock, and then maps
 *   BREAK_LEAVES      an importer's page table is not cleared by the notice
 *   BREAK_FILL        a CPU mapping tests the state, lets go, and then says that it is there
 *   BREAK_ORDER       an importer takes the gate under the reservation
 *   BREAK_FENCES      a revocation does not wait for fences
 *   BREAK_SIGNAL      the engine takes the gate before it signals
 *   BREAK_WAKE        a signal looks for sleepers before it sets the flag: a wake-up is lost
 */

#define NR_IMPORTERS 2
#define CPU NR_IMPORTERS /* its attachment */

/* The gate of the function, under gate_lock. */
bit gate_lock;
bit reasons;		/* GATE_RESET */
bool client = true;	/* the buffer is on the gate's list: not gone */

/* The buffer, under resv. */
bit resv;
mtype = { USABLE, REVOKED, REVOKED_FOR_GOOD };
mtype state = USABLE;
bool attached[3];

/* The importers: what map gave, under pages; leaf is read by the engine without any lock. */
bool ranges[NR_IMPORTERS];
bool leaf[NR_IMPORTERS];

/* The CPU mapping: place under resv, present is what a load finds. */
mtype = { NOT_YET, PLACED, GONE };
mtype place = NOT_YET;
bool present;
bool parts = true;	/* the program has not unmapped it */

/* The job's fence. flags are one word, which waiters sleep on: whether it has signalled, whether somebody waits. */
bool pending;		/* in the reservation, not signalled; changes with the flag */
bool signaled, waiters;
bool asleep;

/* The engine's port. */
byte generation = 1;
byte inside;

/* Not the protocol's: what a caller may rely on. */
bool away_for_now, away_for_good;

inline model_access() { assert(!away_for_now && !away_for_good) }
inline model_taken_away() { assert(!pending) }

inline model_lock(m) { atomic { m == 0 -> m = 1 } }
inline model_unlock(m) { m = 0 }

/* DMA sections. */
inline section_enter()
{
	byte seen = generation;
	inside = seen
}
inline section_leave() { inside = 0 }
inline section_drain()
{
#ifndef BREAK_DRAIN
	atomic { generation++; bound = generation };
	(inside == 0 || inside >= bound)
#else
	skip
#endif
}

/* Fences. */
inline dma_resv_add_fence() { atomic { resv == 0 -> pending = (state == USABLE) } }
inline fence_expect() { atomic { if :: !signaled -> waiters = true :: else fi } }
/* futex(2) compares the word and falls asleep in one step. */
inline fence_sleep()
{
	do
	:: atomic { !signaled -> asleep = true };
		!asleep
	:: signaled -> break
	od
}
inline dma_buf_settle()
{
#ifndef BREAK_FENCES
	if
	:: pending ->
		fence_expect();
		fence_sleep()
	:: else
	fi
#else
	skip
#endif
}
inline dma_fence_signal()
{
#ifdef BREAK_SIGNAL
	model_lock(gate_lock);
	model_unlock(gate_lock);
#endif
#ifdef BREAK_WAKE
	before = waiters;
	atomic { signaled = true; pending = false };
#else
	atomic { before = waiters; signaled = true; pending = false };
#endif
	atomic { if :: before -> asleep = false :: else fi }
}

/* The importers' side of a notice: the reservation is held. */
inline pages_invalidate(i)
{
#ifndef BREAK_LEAVES
	leaf[i] = false;
#endif
	ranges[i] = false
}
inline mapping_invalidate() { if :: place == PLACED -> present = false :: else fi }
inline mapping_restored() { if :: place == PLACED -> present = parts :: else fi }

/* The core. */
inline dma_buf_revoke(for_good)
{
	model_lock(resv);
	if
	:: state == USABLE ->
		state = REVOKED;
		atomic { if :: attached[0] -> pages_invalidate(0) :: else fi };
		atomic { if :: attached[1] -> pages_invalidate(1) :: else fi };
		atomic { if :: attached[CPU] -> mapping_invalidate() :: else fi }
	:: else
	fi;
	atomic { if :: for_good -> state = REVOKED_FOR_GOOD :: else fi };
	model_unlock(resv)
}
inline dma_buf_restore()
{
	model_lock(resv);
	if
	:: state == REVOKED ->
		state = USABLE;
		atomic { if :: attached[CPU] -> mapping_restored() :: else fi }
	:: else
	fi;
	model_unlock(resv)
}
/* waits: it has restored(), so it may attach while the memory is away for now. */
inline dma_buf_attach(i, waits)
{
	atomic { resv == 0 -> attached[i] = (state == USABLE || (waits && state == REVOKED)) }
}
inline dma_buf_detach(i)
{
	atomic { resv == 0 -> attached[i] = false }
}

/* The owner of the memory. */
inline pci_gate_shut()
{
	model_lock(gate_lock);
	reasons = 1;
	if
	:: client ->
		dma_buf_revoke(false);
		dma_buf_settle()
	:: else
	fi;
	section_drain();
	model_unlock(gate_lock)
}
inline pci_gate_open()
{
	model_lock(gate_lock);
	if :: client -> dma_buf_settle() :: else fi;
	reasons = 0;
	if :: client -> dma_buf_restore() :: else fi;
	model_unlock(gate_lock)
}
inline pci_gate_revoke_client()
{
	model_lock(gate_lock);
	client = false;
	dma_buf_revoke(true);
	if :: reasons == 0 -> dma_buf_settle() :: else fi;
	section_drain();
	model_unlock(gate_lock)
}

/* An area of an IOAS. */
inline pages_map_buffer(i)
{
#if defined(BREAK_TEST)
	atomic { resv == 0 -> usable = (state == USABLE) };
	atomic { resv == 0 -> ranges[i] = usable }
#elif defined(BREAK_ORDER)
	model_lock(resv);
	model_lock(gate_lock);
	model_unlock(gate_lock);
	model_unlock(resv)
#else
	atomic { resv == 0 -> ranges[i] = (state == USABLE) }
#endif
}
inline fill_device_memory(i) { atomic { resv == 0 -> leaf[i] = ranges[i] } }
inline unfill_device_memory(i) { leaf[i] = false }

/* A mapping of the program's; it has been placed, and shows nothing yet. */
inline mapping_fill()
{
#ifdef BREAK_FILL
	atomic { resv == 0 -> usable = (state == USABLE) };
	atomic { resv == 0 -> place = PLACED; present = usable }
#else
	atomic { resv == 0 -> place = PLACED; present = (state == USABLE) }
#endif
}
inline mapping_released()
{
	atomic { resv == 0 -> place = GONE }
}

/* Nothing is left when all have ended. First, because processes end in the reverse order of their making. */
active proctype model_end()
{
	(_nr_pr == 1);
	assert(!attached[0] && !attached[1] && !attached[CPU]);
	assert(!leaf[0] && !leaf[1] && !present && !pending && !asleep);
	assert(!gate_lock && !resv)
}

active proctype model_resetter()
{
	byte bound;

	pci_gate_shut();
	model_taken_away();
	away_for_now = true;
	/* The caller has the memory to itself. */
	away_for_now = false;
	pci_gate_open()
}

active proctype model_revoker()
{
	byte bound;

	if
	:: pci_gate_revoke_client();
		model_taken_away();
		away_for_good = true
	:: skip
	fi
}

active [NR_IMPORTERS] proctype model_importer()
{
	byte me = _pid - 3; /* after the end, the resetter and the revoker */
	bool usable;

	dma_buf_attach(me, false);
	if
	:: attached[me] ->
		pages_map_buffer(me);
		fill_device_memory(me);
		unfill_device_memory(me);
		dma_buf_detach(me)
	:: else
	fi
}

active proctype model_program()
{
	bool usable;

	dma_buf_attach(CPU, true);
	if
	:: attached[CPU] ->
		mapping_fill();
		do
		:: atomic { present -> model_access() }
		:: break
		od;
		/* It tries until the memory is back; SIGBUS for ever only after a revocation for good. */
		if
		:: atomic { present -> model_access() }
		:: state == REVOKED_FOR_GOOD
		fi;
		atomic { parts = false; present = false };
		mapping_released();
		dma_buf_detach(CPU)
	:: else
	fi
}

active proctype model_engine()
{
	bool before;

	dma_resv_add_fence();
	section_enter();
	/* The walk, the gate of what it found, the bytes: three moments. */
	if
	:: leaf[0] || leaf[1] ->
		if
		:: reasons == 0 -> model_access()
		:: else
		fi
	:: else
	fi;
	section_leave();
	if :: pending -> dma_fence_signal() :: else fi
}
