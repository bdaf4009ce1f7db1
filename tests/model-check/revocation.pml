/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How memory is taken away from those who share it: one buffer of one function, an owner that resets the function and
 * one that revokes the buffer for good, two importers with an IO page table each, a program that has the buffer mapped,
 * and an engine that moves bytes through whatever it finds.
 *
 * Every inline is the C function of the same name, reduced to what it does to the protocol; tools/check-model fails
 * when there is none any more. Names that begin with model_ are the model's own.
 *
 * What must hold:
 *   - when a call that takes the memory away has returned, no byte of it is moved and no load reaches it;
 *   - nobody waits for ever: neither for a lock, nor for a drain, nor (the program) for memory that is back;
 *   - in the end nobody is attached and nothing is mapped.
 *
 * With one of these defined the protocol is broken in one place, and spin must find it (tools/model-check):
 *   BREAK_DRAIN       the gate does not drain
 *   BREAK_TEST        an importer tests the state, lets go of the lock, and then maps
 *   BREAK_LEAVES      an importer's page table is not cleared by the notice
 *   BREAK_FILL        a CPU mapping tests the state, lets go, and then says that it is there
 *   BREAK_ORDER       an importer takes the gate under the reservation
 */

#define NR_IMPORTERS 2
#define ROUNDS 1 /* of the owner and the engine */
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
bit pages[NR_IMPORTERS];
bool ranges[NR_IMPORTERS];
bool leaf[NR_IMPORTERS];

/* The CPU mapping: place under resv, present is what a load finds. */
mtype = { NOT_YET, PLACED, GONE };
mtype place = NOT_YET;
bool present;
bool parts = true;	/* the program has not unmapped it */

/* The engine's port. */
byte generation = 1;
byte inside;

/* Not the protocol's: what a caller may rely on. */
bool away_for_now, away_for_good;

inline model_access() { assert(!away_for_now && !away_for_good) }

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

/* The importers' side of a notice: the reservation is held. */
inline pages_invalidate(i)
{
	model_lock(pages[i]);
#ifndef BREAK_LEAVES
	leaf[i] = false;
#endif
	ranges[i] = false;
	model_unlock(pages[i])
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
		if :: attached[0] -> pages_invalidate(0) :: else fi;
		if :: attached[1] -> pages_invalidate(1) :: else fi;
		if :: attached[CPU] -> mapping_invalidate() :: else fi
	:: else
	fi;
	if :: for_good -> state = REVOKED_FOR_GOOD :: else fi;
	model_unlock(resv)
}
inline dma_buf_restore()
{
	model_lock(resv);
	if
	:: state == REVOKED ->
		state = USABLE;
		if :: attached[CPU] -> mapping_restored() :: else fi
	:: else
	fi;
	model_unlock(resv)
}
/* waits: it has restored(), so it may attach while the memory is away for now. */
inline dma_buf_attach(i, waits)
{
	model_lock(resv);
	attached[i] = (state == USABLE || (waits && state == REVOKED));
	model_unlock(resv)
}
inline dma_buf_detach(i)
{
	model_lock(resv);
	attached[i] = false;
	model_unlock(resv)
}

/* The owner of the memory. */
inline pci_gate_shut()
{
	model_lock(gate_lock);
	reasons = 1;
	if :: client -> dma_buf_revoke(false) :: else fi;
	section_drain();
	model_unlock(gate_lock)
}
inline pci_gate_open()
{
	model_lock(gate_lock);
	reasons = 0;
	if :: client -> dma_buf_restore() :: else fi;
	model_unlock(gate_lock)
}
inline pci_gate_revoke_client()
{
	model_lock(gate_lock);
	client = false;
	dma_buf_revoke(true);
	section_drain();
	model_unlock(gate_lock)
}

/* An area of an IOAS. */
inline pages_map_buffer(i)
{
	model_lock(resv);
#ifdef BREAK_ORDER
	model_lock(gate_lock);
	model_unlock(gate_lock);
#endif
	if
	:: state == USABLE ->
#ifdef BREAK_TEST
		model_unlock(resv);
		model_lock(resv);
#endif
		model_lock(pages[i]);
		ranges[i] = true;
		model_unlock(pages[i])
	:: else
	fi;
	model_unlock(resv)
}
inline fill_device_memory(i)
{
	model_lock(resv);
	model_lock(pages[i]);
	if :: ranges[i] -> leaf[i] = true :: else fi;
	model_unlock(pages[i]);
	model_unlock(resv)
}
inline unfill_device_memory(i)
{
	model_lock(pages[i]);
	leaf[i] = false;
	model_unlock(pages[i])
}

/* A mapping of the program's; it has been placed, and shows nothing yet. */
inline mapping_fill()
{
#ifdef BREAK_FILL
	model_lock(resv);
	usable = (state == USABLE);
	model_unlock(resv);
	model_lock(resv);
	place = PLACED;
	present = usable && parts;
	model_unlock(resv)
#else
	model_lock(resv);
	place = PLACED;
	if :: state == USABLE -> mapping_restored() :: else fi;
	model_unlock(resv)
#endif
}
inline mapping_released()
{
	model_lock(resv);
	place = GONE;
	model_unlock(resv)
}

/* Nothing is left when all have ended. First, because processes end in the reverse order of their making. */
active proctype model_end()
{
	(_nr_pr == 1);
	assert(!attached[0] && !attached[1] && !attached[CPU]);
	assert(!leaf[0] && !leaf[1] && !present);
	assert(!gate_lock && !resv && !pages[0] && !pages[1])
}

active proctype model_resetter()
{
	byte bound;
	byte rounds = ROUNDS;

	do
	:: rounds > 0 ->
		rounds--;
		pci_gate_shut();
		away_for_now = true;
		/* The caller has the memory to itself. */
		away_for_now = false;
		pci_gate_open()
	:: else -> break
	od
}

active proctype model_revoker()
{
	byte bound;

	if
	:: pci_gate_revoke_client();
		away_for_good = true
	:: skip
	fi
}

active [NR_IMPORTERS] proctype model_importer()
{
	byte me = _pid - 3; /* after the end, the resetter and the revoker */

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
	byte rounds = ROUNDS;

	do
	:: rounds > 0 ->
		rounds--;
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
		section_leave()
	:: else -> break
	od
}
