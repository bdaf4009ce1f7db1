/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers of the `gpu` model: a PCI Express function with local memory (BAR2), a ring of copy commands and SR-IOV,
 * whose virtual functions see slices of the local memory through their own BAR2. A device of our own making; the
 * numbers here are its data sheet. docs/gpu.md tells it in words.
 *
 * Little endian. Registers are 32 bits wide, those marked 64 may be written in halves, low half first.
 *
 * Who may include this: model/, drm/, tests. It includes nothing.
 */
#ifndef BARTER_MODEL_GPU_REGS_H
#define BARTER_MODEL_GPU_REGS_H

#define GPU_VENDOR_ID 0x1234
#define GPU_DEVICE_ID 0x6770 /* the physical function */
#define GPU_VF_DEVICE_ID 0x6771
#define GPU_CLASS_CODE 0x038000 /* display controller, other */

/* BAR0, first page */
#define GPU_ID 0x000 /* read only: GPU_ID_VALUE */
#define GPU_ID_VALUE 0x31555047u
#define GPU_VERSION 0x004	    /* read only: 1 */
#define GPU_LOCAL_MEMORY_SIZE 0x008 /* 64, read only */
#define GPU_VF_BAR_SIZE 0x010	    /* 64, read only: of a virtual function's BAR2 */
#define GPU_TOTAL_VFS 0x018	    /* read only */
#define GPU_SLICE_GRANULE 0x01c	    /* read only: fragments are multiples of it, in bytes */

/* The ring: GPU_RING_ENTRIES commands at GPU_RING_BASE, run in order. */
#define GPU_RING_BASE 0x100    /* 64: DMA address, 64-byte aligned; written while the ring is off */
#define GPU_RING_ENTRIES 0x108 /* a power of two, 2..65536; written while the ring is off */
#define GPU_RING_HEAD 0x10c    /* read only: the next command to run */
#define GPU_RING_TAIL 0x110    /* doorbell: commands before it may run */
#define GPU_RING_CONTROL 0x114
#define GPU_RING_ENABLE 0x1u
#define GPU_RING_RESET 0x2u /* stops, drains, sets head and tail to 0, clears the status; reads as 0 */
#define GPU_RING_STATUS 0x118
#define GPU_RING_IDLE 0x1u
#define GPU_RING_HALTED 0x2u /* on the command at HEAD; GPU_RING_RESET starts over */
#define GPU_RING_ERROR(status) (((status) >> 8) & 0xff)
#define GPU_ERROR_OPCODE 1	/* not a command, or bad flags */
#define GPU_ERROR_SOURCE 2	/* could not be read: translation, route, local memory's end */
#define GPU_ERROR_TARGET 3	/* could not be written */
#define GPU_ERROR_RING 4	/* the ring itself could not be read */
#define GPU_ERROR_FENCE 5	/* the sequence number could not be written */
#define GPU_FENCE_ADDRESS 0x120 /* 64: where finished sequence numbers are written (8 bytes) */
#define GPU_IRQ_STATUS 0x128	/* write 1 to clear */
#define GPU_IRQ_FENCE 0x1u	/* MSI-X vector 0: a command with GPU_COMMAND_IRQ is done */
#define GPU_IRQ_ERROR 0x2u	/* MSI-X vector 1: the ring has halted */

/*
 * Slices: what a virtual function's BAR2 shows. Written by the physical function's driver: SELECT the function, write
 * each fragment (INDEX, OFFSET, LENGTH), then COMMIT how many. The fragments follow each other in the BAR; what is left
 * of it is a hole. A commit takes the old slice away first: the function's memory is revoked for good for whoever
 * shares it, and comes back as a new slice. COMMIT 0 takes it away. STATUS reads what the last commit came to.
 */
#define GPU_SLICE_VF 0x200 /* 0 .. TOTAL_VFS - 1 */
#define GPU_SLICE_INDEX 0x204
#define GPU_SLICE_OFFSET 0x208 /* 64: in local memory */
#define GPU_SLICE_LENGTH 0x210 /* 64 */
#define GPU_SLICE_COMMIT 0x218
#define GPU_SLICE_STATUS                                                                                               \
	0x21c /* 0: taken; 1: refused: not a granule, outside, overlaps another function's, too long                   \
	       */
#define GPU_MAX_FRAGMENTS 16

/* BAR0 of a virtual function, first page; its second page is the table of its one MSI-X vector. BAR2 is the slice. */
#define GPU_VF_ID 0x000 /* read only: GPU_VF_ID_VALUE */
#define GPU_VF_ID_VALUE 0x31465647u
#define GPU_VF_INDEX 0x004 /* read only: from 0 */

/* A command: 64 bytes. */
#define GPU_COMMAND_NOP 0
#define GPU_COMMAND_COPY 1	      /* length bytes from source to target */
#define GPU_COMMAND_FILL 2	      /* length bytes of target with the low byte of source */
#define GPU_COMMAND_HANG 3	      /* never ends; for tests of recovery */
#define GPU_COMMAND_SOURCE_LOCAL 0x1u /* source is an offset in local memory, not a DMA address */
#define GPU_COMMAND_TARGET_LOCAL 0x2u
#define GPU_COMMAND_FENCE 0x4u /* then write sequence to GPU_FENCE_ADDRESS */
#define GPU_COMMAND_IRQ 0x8u   /* then raise GPU_IRQ_FENCE */
#define GPU_COMMAND_SIZE 64
/* Offsets in it. */
#define GPU_COMMAND_OPCODE 0x00	  /* u32 */
#define GPU_COMMAND_FLAGS 0x04	  /* u32 */
#define GPU_COMMAND_SOURCE 0x08	  /* u64 */
#define GPU_COMMAND_TARGET 0x10	  /* u64 */
#define GPU_COMMAND_LENGTH 0x18	  /* u64 */
#define GPU_COMMAND_SEQUENCE 0x20 /* u64 */

#endif
