/* SPDX-License-Identifier: BSD-3-Clause */
/* What read-modify-write instructions compute, flags included. */
#include "door/trap_insn.h"

#define FLAG_CF 0x001u
#define FLAG_PF 0x004u
#define FLAG_AF 0x010u
#define FLAG_ZF 0x040u
#define FLAG_SF 0x080u
#define FLAG_OF 0x800u
#define FLAGS_ALL (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static uint64_t mask_of(unsigned width)
{
	return width == 8 ? UINT64_MAX : (1ull << (8 * width)) - 1;
}

static uint64_t result_flags(unsigned width, uint64_t result)
{
	uint64_t flags = 0;

	if (result == 0)
		flags |= FLAG_ZF;
	if (result >> (8 * width - 1) & 1)
		flags |= FLAG_SF;
	if (!__builtin_parity((unsigned)result & 0xff))
		flags |= FLAG_PF;
	return flags;
}

static void set_flags(uint64_t *flags, uint64_t value, uint64_t which)
{
	*flags = (*flags & ~which) | (value & which);
}

static uint64_t add(unsigned width, uint64_t a, uint64_t b, unsigned carry, uint64_t which, uint64_t *flags)
{
	uint64_t r = (a + b + carry) & mask_of(width), f = result_flags(width, r);

	if (r < a || (carry && r == a))
		f |= FLAG_CF;
	if ((~(a ^ b) & (a ^ r)) >> (8 * width - 1) & 1)
		f |= FLAG_OF;
	f |= (a ^ b ^ r) & FLAG_AF;
	set_flags(flags, f, which);
	return r;
}

static uint64_t sub(unsigned width, uint64_t a, uint64_t b, unsigned borrow, uint64_t which, uint64_t *flags)
{
	uint64_t r = (a - b - borrow) & mask_of(width), f = result_flags(width, r);

	if (a < b || (borrow && a == b))
		f |= FLAG_CF;
	if (((a ^ b) & (a ^ r)) >> (8 * width - 1) & 1)
		f |= FLAG_OF;
	f |= (a ^ b ^ r) & FLAG_AF;
	set_flags(flags, f, which);
	return r;
}

static uint64_t logic(unsigned width, uint64_t r, uint64_t *flags)
{
	set_flags(flags, result_flags(width, r), FLAGS_ALL);
	return r;
}

static uint64_t bit(enum trap_alu op, unsigned width, uint64_t a, uint64_t b, uint64_t *flags)
{
	uint64_t one = 1ull << (b % (8 * width));

	set_flags(flags, a & one ? FLAG_CF : 0, FLAG_CF);
	if (op == TRAP_ALU_BTS)
		return a | one;
	return op == TRAP_ALU_BTR ? a & ~one : a ^ one;
}

uint64_t trap_alu(enum trap_alu op, unsigned width, uint64_t memory, uint64_t operand, uint64_t *flags)
{
	uint64_t a = memory & mask_of(width), b = operand & mask_of(width);
	unsigned carry = *flags & FLAG_CF;

	switch (op) {
	case TRAP_ALU_ADD:
	case TRAP_ALU_XADD:
		return add(width, a, b, 0, FLAGS_ALL, flags);
	case TRAP_ALU_ADC:
		return add(width, a, b, carry, FLAGS_ALL, flags);
	case TRAP_ALU_INC:
		return add(width, a, 1, 0, FLAGS_ALL & ~FLAG_CF, flags);
	case TRAP_ALU_SUB:
		return sub(width, a, b, 0, FLAGS_ALL, flags);
	case TRAP_ALU_SBB:
		return sub(width, a, b, carry, FLAGS_ALL, flags);
	case TRAP_ALU_DEC:
		return sub(width, a, 1, 0, FLAGS_ALL & ~FLAG_CF, flags);
	case TRAP_ALU_NEG:
		return sub(width, 0, a, 0, FLAGS_ALL, flags);
	case TRAP_ALU_AND:
		return logic(width, a & b, flags);
	case TRAP_ALU_OR:
		return logic(width, a | b, flags);
	case TRAP_ALU_XOR:
		return logic(width, a ^ b, flags);
	case TRAP_ALU_NOT:
		return ~a & mask_of(width);
	case TRAP_ALU_BTS:
	case TRAP_ALU_BTR:
	case TRAP_ALU_BTC:
		return bit(op, width, a, operand, flags);
	case TRAP_ALU_CMPXCHG: /* operand: the accumulator; the flags of comparing with it */
		sub(width, b, a, 0, FLAGS_ALL, flags);
		return a;
	case TRAP_ALU_XCHG:
		break;
	}
	return b;
}
