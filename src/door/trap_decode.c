/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zydis decodes; this picks out what the trap needs. The library is loaded when the first register page is mapped: a
 * program that never does so should not pay for it, and a signal handler cannot load it.
 */
#include "door/trap_insn.h"

#include <Zydis/Zydis.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "door/uaccess.h"

static struct {
	ZyanStatus (*init)(ZydisDecoder *decoder, ZydisMachineMode mode, ZydisStackWidth width);
	ZyanStatus (*decode)(const ZydisDecoder *decoder, const void *bytes, ZyanUSize len,
			     ZydisDecodedInstruction *instruction, ZydisDecodedOperand *operands);
	ZydisDecoder decoder;
	_Atomic bool ready;
} zydis;

bool trap_decoder_load(void)
{
	char name[32];
	void *library;

	/* The very version whose structures we were built with. */
	snprintf(name, sizeof(name), "libZydis.so.%u.%u", (unsigned)ZYDIS_VERSION_MAJOR(ZYDIS_VERSION),
		 (unsigned)ZYDIS_VERSION_MINOR(ZYDIS_VERSION));
	library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
	*(void **)&zydis.init = dlsym(library, "ZydisDecoderInit");
	*(void **)&zydis.decode = dlsym(library, "ZydisDecoderDecodeFull");
	if (!zydis.init || !zydis.decode ||
	    !ZYAN_SUCCESS(zydis.init(&zydis.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return false;
	zydis.ready = true;
	return true;
}

static bool in(ZydisRegister r, ZydisRegister first, ZydisRegister last)
{
	return r >= first && r <= last;
}

static struct trap_operand gpr(unsigned index, unsigned width)
{
	return (struct trap_operand){.kind = TRAP_OPERAND_GPR, .index = (uint8_t)index, .width = (uint8_t)width};
}

static struct trap_operand vector(unsigned index, unsigned width)
{
	return (struct trap_operand){.kind = TRAP_OPERAND_VECTOR, .index = (uint8_t)index, .width = (uint8_t)width};
}

static struct trap_operand byte_register(ZydisRegister r)
{
	/* al cl dl bl, ah ch dh bh, spl bpl sil dil, r8b.. */
	struct trap_operand o;

	if (in(r, ZYDIS_REGISTER_AH, ZYDIS_REGISTER_BH)) {
		o = gpr(r - ZYDIS_REGISTER_AH, 1);
		o.high = true;
		return o;
	}
	return gpr(r <= ZYDIS_REGISTER_BL ? r - ZYDIS_REGISTER_AL : r - ZYDIS_REGISTER_SPL + 4u, 1);
}

static struct trap_operand register_operand(ZydisRegister r)
{
	if (in(r, ZYDIS_REGISTER_AL, ZYDIS_REGISTER_R15B))
		return byte_register(r);
	if (in(r, ZYDIS_REGISTER_AX, ZYDIS_REGISTER_R15W))
		return gpr(r - ZYDIS_REGISTER_AX, 2);
	if (in(r, ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15D))
		return gpr(r - ZYDIS_REGISTER_EAX, 4);
	if (in(r, ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_R15))
		return gpr(r - ZYDIS_REGISTER_RAX, 8);
	if (in(r, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM31))
		return vector(r - ZYDIS_REGISTER_XMM0, 16);
	if (in(r, ZYDIS_REGISTER_YMM0, ZYDIS_REGISTER_YMM31))
		return vector(r - ZYDIS_REGISTER_YMM0, 32);
	if (in(r, ZYDIS_REGISTER_ZMM0, ZYDIS_REGISTER_ZMM31))
		return vector(r - ZYDIS_REGISTER_ZMM0, 64);
	return (struct trap_operand){.kind = TRAP_OPERAND_NONE};
}

static struct trap_operand operand_of(const ZydisDecodedOperand *o)
{
	if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return register_operand(o->reg.value);
	if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return (struct trap_operand){.kind = TRAP_OPERAND_IMMEDIATE, .immediate = o->imm.value.u};
	return (struct trap_operand){.kind = TRAP_OPERAND_NONE};
}

static uint8_t address_register(ZydisRegister r)
{
	struct trap_operand o = register_operand(r);

	if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
		return TRAP_REGISTER_IP;
	return o.kind == TRAP_OPERAND_GPR ? o.index : TRAP_NO_REGISTER;
}

static void take_address(struct trap_insn *insn, const ZydisDecodedInstruction *i, const ZydisDecodedOperandMem *m)
{
	insn->base = address_register(m->base);
	insn->index = address_register(m->index);
	insn->scale = m->scale;
	insn->displacement = m->disp.has_displacement ? m->disp.value : 0;
	insn->segment = m->segment == ZYDIS_REGISTER_FS || m->segment == ZYDIS_REGISTER_GS;
	insn->address32 = i->address_width == 32;
}

static const struct {
	ZydisMnemonic mnemonic;
	enum trap_alu alu;
} modifications[] = {
	{ZYDIS_MNEMONIC_ADD, TRAP_ALU_ADD},   {ZYDIS_MNEMONIC_ADC, TRAP_ALU_ADC},
	{ZYDIS_MNEMONIC_SUB, TRAP_ALU_SUB},   {ZYDIS_MNEMONIC_SBB, TRAP_ALU_SBB},
	{ZYDIS_MNEMONIC_AND, TRAP_ALU_AND},   {ZYDIS_MNEMONIC_OR, TRAP_ALU_OR},
	{ZYDIS_MNEMONIC_XOR, TRAP_ALU_XOR},   {ZYDIS_MNEMONIC_INC, TRAP_ALU_INC},
	{ZYDIS_MNEMONIC_DEC, TRAP_ALU_DEC},   {ZYDIS_MNEMONIC_NEG, TRAP_ALU_NEG},
	{ZYDIS_MNEMONIC_NOT, TRAP_ALU_NOT},   {ZYDIS_MNEMONIC_XCHG, TRAP_ALU_XCHG},
	{ZYDIS_MNEMONIC_XADD, TRAP_ALU_XADD}, {ZYDIS_MNEMONIC_CMPXCHG, TRAP_ALU_CMPXCHG},
	{ZYDIS_MNEMONIC_BTS, TRAP_ALU_BTS},   {ZYDIS_MNEMONIC_BTR, TRAP_ALU_BTR},
	{ZYDIS_MNEMONIC_BTC, TRAP_ALU_BTC},
};

static bool find_modification(ZydisMnemonic mnemonic, uint8_t *alu)
{
	for (unsigned i = 0; i < ARRAY_SIZE(modifications); i++)
		if (modifications[i].mnemonic == mnemonic) {
			*alu = modifications[i].alu;
			return true;
		}
	return false;
}

/* Moves of a whole vector register or of its lowest element; the upper half is told apart by `high`. */
static bool is_vector_store(ZydisMnemonic m)
{
	return (m >= ZYDIS_MNEMONIC_MOVAPD && m <= ZYDIS_MNEMONIC_MOVUPS) ||
	       (m >= ZYDIS_MNEMONIC_VMOVAPD && m <= ZYDIS_MNEMONIC_VMOVW);
}

static bool is_upper_half(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_MOVHPS || m == ZYDIS_MNEMONIC_MOVHPD || m == ZYDIS_MNEMONIC_VMOVHPS ||
	       m == ZYDIS_MNEMONIC_VMOVHPD;
}

static bool is_move(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_MOV || m == ZYDIS_MNEMONIC_MOVNTI || m == ZYDIS_MNEMONIC_MOVDIRI ||
	       m == ZYDIS_MNEMONIC_MOVBE;
}

static enum trap_kind string_kind(const ZydisDecodedInstruction *i)
{
	if (i->meta.category != ZYDIS_CATEGORY_STRINGOP)
		return TRAP_UNKNOWN;
	switch (i->mnemonic) {
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVSQ:
		return TRAP_MOVS;
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
		return TRAP_STOS;
	default:
		return TRAP_UNKNOWN;
	}
}

/* What compares takes memory on either side and writes none. */
static bool find_comparison(ZydisMnemonic m, uint8_t *alu)
{
	*alu = m == ZYDIS_MNEMONIC_TEST ? TRAP_ALU_AND : TRAP_ALU_SUB;
	return m == ZYDIS_MNEMONIC_TEST || m == ZYDIS_MNEMONIC_CMP;
}

/* Loads of a whole vector register. */
static bool is_vector_load(ZydisMnemonic m)
{
	static const ZydisMnemonic moves[] = {
		ZYDIS_MNEMONIC_MOVAPS,	ZYDIS_MNEMONIC_MOVAPD,	ZYDIS_MNEMONIC_MOVUPS,	ZYDIS_MNEMONIC_MOVUPD,
		ZYDIS_MNEMONIC_MOVDQA,	ZYDIS_MNEMONIC_MOVDQU,	ZYDIS_MNEMONIC_LDDQU,	ZYDIS_MNEMONIC_VMOVAPS,
		ZYDIS_MNEMONIC_VMOVAPD, ZYDIS_MNEMONIC_VMOVUPS, ZYDIS_MNEMONIC_VMOVUPD, ZYDIS_MNEMONIC_VMOVDQA,
		ZYDIS_MNEMONIC_VMOVDQU, ZYDIS_MNEMONIC_VLDDQU,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(moves); i++)
		if (moves[i] == m)
			return true;
	return false;
}

static enum trap_kind store_kind(struct trap_insn *insn, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	insn->operand = i->operand_count > 1 ? operand_of(&o[1]) : (struct trap_operand){0};
	if (is_move(i->mnemonic)) {
		insn->swap = i->mnemonic == ZYDIS_MNEMONIC_MOVBE;
		return insn->operand.kind == TRAP_OPERAND_NONE ? TRAP_UNKNOWN : TRAP_STORE;
	}
	if (find_comparison(i->mnemonic, &insn->alu))
		return insn->operand.kind == TRAP_OPERAND_NONE ? TRAP_UNKNOWN : TRAP_COMPARE;
	if (find_modification(i->mnemonic, &insn->alu))
		return insn->width <= 8 ? TRAP_MODIFY : TRAP_UNKNOWN;
	if (is_vector_store(i->mnemonic) && i->avx.mask.mode <= ZYDIS_MASK_MODE_DISABLED) {
		insn->operand.high = is_upper_half(i->mnemonic);
		return insn->operand.kind == TRAP_OPERAND_NONE ? TRAP_UNKNOWN : TRAP_STORE;
	}
	return TRAP_UNKNOWN;
}

static enum trap_kind load_kind(struct trap_insn *insn, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	insn->operand = operand_of(&o[0]);
	insn->swap = i->mnemonic == ZYDIS_MNEMONIC_MOVBE;
	insn->sign_extend = i->mnemonic == ZYDIS_MNEMONIC_MOVSX || i->mnemonic == ZYDIS_MNEMONIC_MOVSXD;
	if (is_vector_load(i->mnemonic)) {
		insn->keeps_upper = i->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
		return insn->operand.kind == TRAP_OPERAND_VECTOR && insn->operand.index < 16 && insn->width <= 32
			       ? TRAP_LOAD
			       : TRAP_UNKNOWN;
	}
	if (insn->operand.kind != TRAP_OPERAND_GPR)
		return TRAP_UNKNOWN;
	insn->reversed = true;
	if (find_comparison(i->mnemonic, &insn->alu))
		return TRAP_COMPARE;
	if (find_modification(i->mnemonic, &insn->alu))
		return insn->alu <= TRAP_ALU_XOR ? TRAP_COMBINE : TRAP_UNKNOWN;
	if (is_move(i->mnemonic) || i->mnemonic == ZYDIS_MNEMONIC_MOVZX || insn->sign_extend)
		return TRAP_LOAD;
	return TRAP_UNKNOWN;
}

static bool reduce(struct trap_insn *insn, const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o)
{
	insn->len = i->length;
	insn->rep = i->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
	insn->kind = string_kind(i);
	if (insn->kind != TRAP_UNKNOWN) {
		insn->width = (uint8_t)(o[0].size / 8);
		take_address(insn, i, &o[0].mem);
		return true;
	}
	for (unsigned n = 0; n < MIN(i->operand_count, 2u); n++) {
		if (o[n].type != ZYDIS_OPERAND_TYPE_MEMORY || o[n].visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			continue;
		insn->width = (uint8_t)(o[n].size / 8);
		take_address(insn, i, &o[n].mem);
		/* xchg reg, mem may be written either way round. */
		if (n == 1 && i->mnemonic == ZYDIS_MNEMONIC_XCHG) {
			insn->operand = operand_of(&o[0]);
			insn->alu = TRAP_ALU_XCHG;
			insn->kind = TRAP_MODIFY;
		} else {
			insn->kind = n == 0 ? store_kind(insn, i, o) : load_kind(insn, i, o);
		}
		break;
	}
	return insn->kind != TRAP_UNKNOWN;
}

/* An instruction may end right before a page that cannot be read. */
static size_t fetch(uaddr_t ip, uint8_t *bytes)
{
	size_t in_page = BARTER_PAGE_SIZE - (ip & BARTER_PAGE_MASK);

	if (uaccess_copy(bytes, (const void *)ip, 15) == 0)
		return 15;
	return in_page < 15 && uaccess_copy(bytes, (const void *)ip, in_page) == 0 ? in_page : 0;
}

bool trap_decode(uaddr_t ip, struct trap_insn *insn)
{
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	size_t len;

	memset(insn, 0, sizeof(*insn));
	len = fetch(ip, insn->bytes);
	if (len == 0 || !zydis.ready)
		return false;
	if (!ZYAN_SUCCESS(zydis.decode(&zydis.decoder, insn->bytes, len, &instruction, operands)))
		return false;
	insn->ip = ip;
	return reduce(insn, &instruction, operands);
}
