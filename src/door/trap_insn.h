/* SPDX-License-Identifier: BSD-3-Clause */
/* An instruction that accesses memory, reduced to what the trap needs. Who may include this: door/, tests/door. */
#ifndef BARTER_DOOR_TRAP_INSN_H
#define BARTER_DOOR_TRAP_INSN_H

#include "base/types.h"

enum trap_kind {
	TRAP_UNKNOWN,
	TRAP_LOAD,    /* register = memory, extended */
	TRAP_COMBINE, /* register = f(register, memory), with flags */
	TRAP_COMPARE, /* flags alone, of memory and an operand; `reversed`: of the operand and memory */
	TRAP_STORE,   /* memory = operand */
	TRAP_MODIFY,  /* memory = f(memory, operand), with flags; XCHG, XADD and CMPXCHG also write registers */
	TRAP_MOVS,    /* string instructions, with or without rep */
	TRAP_STOS,
};

enum trap_alu {
	TRAP_ALU_ADD,
	TRAP_ALU_ADC,
	TRAP_ALU_SUB,
	TRAP_ALU_SBB,
	TRAP_ALU_AND,
	TRAP_ALU_OR,
	TRAP_ALU_XOR,
	TRAP_ALU_INC,
	TRAP_ALU_DEC,
	TRAP_ALU_NEG,
	TRAP_ALU_NOT,
	TRAP_ALU_XCHG,
	TRAP_ALU_XADD,
	TRAP_ALU_CMPXCHG,
	TRAP_ALU_BTS,
	TRAP_ALU_BTR,
	TRAP_ALU_BTC,
};

enum trap_operand_kind { TRAP_OPERAND_NONE, TRAP_OPERAND_GPR, TRAP_OPERAND_VECTOR, TRAP_OPERAND_IMMEDIATE };

struct trap_operand {
	uint8_t kind;
	uint8_t index; /* of the register, in the processor's numbering */
	uint8_t width; /* bytes of the register */
	bool high;     /* ah, ch, dh, bh: the second byte; movhps: the upper half */
	uint64_t immediate;
};

#define TRAP_NO_REGISTER 0xff
#define TRAP_REGISTER_IP 0xfe

struct trap_insn {
	uaddr_t ip; /* of the cached instruction; 0: empty */
	uint8_t bytes[16];
	uint8_t len;
	uint8_t kind, alu;
	uint8_t width; /* bytes of memory */
	bool sign_extend, swap, rep, reversed;
	bool keeps_upper; /* a vector register's part above what is loaded: old instructions leave it */
	struct trap_operand operand;
	/* The address: base + index * scale + displacement. When `segment`, only the fault knows it. */
	uint8_t base, index, scale;
	bool segment, address32;
	int64_t displacement;
};

/* Once, before anything is decoded. */
bool trap_decoder_load(void);
/* Decodes what is at ip; false when it cannot be read or is nothing that the trap knows. Usable in signal handlers. */
bool trap_decode(uaddr_t ip, struct trap_insn *insn);

/* The result of a modification; flags: the arithmetic ones, in and out. */
uint64_t trap_alu(enum trap_alu op, unsigned width, uint64_t memory, uint64_t operand, uint64_t *flags);

#endif
