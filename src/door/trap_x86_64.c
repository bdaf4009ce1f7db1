/* SPDX-License-Identifier: BSD-3-Clause */
/* The trap: from a fault to the register action and on behind the instruction. */
#include "door/trap.h"

#include <cpuid.h>
#include <pthread.h>
#include <string.h>

#include "base/trace.h"
#include "door/mm.h"
#include "door/trap_access.h"
#include "door/trap_insn.h"
#include "door/uaccess.h"

#define FAULT_WRITE 2
#define FLAG_DF 0x400

/* The last instructions that trapped on this thread: a driver rings the same few doorbells again and again. */
enum { CACHE_SIZE = 8 };
static _Thread_local struct trap_insn cache[CACHE_SIZE] __attribute__((tls_model("initial-exec")));

/* In the processor's numbering. */
static const int gregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
			      REG_R8,  REG_R9,	REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* Where the processor keeps parts of vector registers in the context's save area. */
static struct {
	unsigned ymm_high, zmm_high, zmm_upper;
} xsave_offsets;

static bool decoder_loaded;

static void prepare(void)
{
	unsigned size, ebx, ecx, edx;

	if (__get_cpuid_count(0xd, 2, &size, &ebx, &ecx, &edx))
		xsave_offsets.ymm_high = ebx;
	if (xsave_offsets.ymm_high && __get_cpuid_count(0xd, 6, &size, &ebx, &ecx, &edx))
		xsave_offsets.zmm_high = ebx;
	if (xsave_offsets.ymm_high && __get_cpuid_count(0xd, 7, &size, &ebx, &ecx, &edx))
		xsave_offsets.zmm_upper = ebx;
	decoder_loaded = trap_decoder_load();
}

/* Two threads may map registers at the same time, both for the first. */
bool trap_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare);
	return decoder_loaded;
}

/* The bytes are compared: code may have been replaced at the same address. */
static const struct trap_insn *insn_at(uaddr_t ip)
{
	struct trap_insn *insn = &cache[(ip ^ (ip >> 4)) % CACHE_SIZE];
	uint8_t bytes[16];

	if (insn->ip == ip && insn->len && uaccess_copy(bytes, (const void *)ip, insn->len) == 0 &&
	    memcmp(bytes, insn->bytes, insn->len) == 0)
		return insn;
	if (trap_decode(ip, insn))
		return insn;
	insn->ip = 0;
	return NULL;
}

static greg_t *greg(ucontext_t *uc, unsigned index)
{
	return &uc->uc_mcontext.gregs[gregs[index]];
}

static uint64_t address_part(ucontext_t *uc, const struct trap_insn *insn, uint8_t index)
{
	if (index == TRAP_NO_REGISTER)
		return 0;
	if (index == TRAP_REGISTER_IP)
		return insn->ip + insn->len;
	return (uint64_t)*greg(uc, index);
}

static uaddr_t effective_address(ucontext_t *uc, const struct trap_insn *insn, uaddr_t fault)
{
	uaddr_t address = address_part(uc, insn, insn->base) + address_part(uc, insn, insn->index) * insn->scale +
			  (uint64_t)insn->displacement;

	if (insn->segment)
		return fault;
	return insn->address32 ? (uint32_t)address : address;
}

static uint64_t gpr_read(ucontext_t *uc, const struct trap_operand *o)
{
	uint64_t value = (uint64_t)*greg(uc, o->index);

	return o->high ? value >> 8 : value;
}

/* As the processor writes a register of that width: 4 bytes clear the upper half, 1 and 2 leave the rest. */
static void gpr_write(ucontext_t *uc, const struct trap_operand *o, uint64_t value)
{
	uint64_t *reg = (uint64_t *)greg(uc, o->index);

	if (o->high)
		*reg = (*reg & ~0xff00ull) | (value & 0xff) << 8;
	else if (o->width == 8)
		*reg = value;
	else if (o->width == 4)
		*reg = (uint32_t)value;
	else
		memcpy(reg, &value, o->width);
}

#define XSAVE_YMM 2
#define XSAVE_ZMM_HIGH 6
#define XSAVE_ZMM_UPPER 7

/* A part of a vector register; one that is in its initial state is not saved and is zero. */
static void vector_part(const ucontext_t *uc, unsigned feature, unsigned offset, void *to, unsigned len)
{
	const char *area = (const char *)uc->uc_mcontext.fpregs;
	uint64_t saved;

	memcpy(&saved, area + 512, sizeof(saved));
	if (offset && (saved >> feature & 1))
		memcpy(to, area + offset, len);
	else
		memset(to, 0, len);
}

static void vector_read(const ucontext_t *uc, unsigned index, uint8_t bytes[64])
{
	if (index >= 16) {
		vector_part(uc, XSAVE_ZMM_UPPER, xsave_offsets.zmm_upper + (index - 16) * 64, bytes, 64);
		return;
	}
	memcpy(bytes, &uc->uc_mcontext.fpregs->_xmm[index], 16);
	vector_part(uc, XSAVE_YMM, xsave_offsets.ymm_high + index * 16, bytes + 16, 16);
	vector_part(uc, XSAVE_ZMM_HIGH, xsave_offsets.zmm_high + index * 32, bytes + 32, 32);
}

/* The upper half of a ymm register. What was in its initial state is saved for none: then all of them are made zero. */
static void ymm_high_write(ucontext_t *uc, unsigned index, const uint8_t bytes[16])
{
	char *area = (char *)uc->uc_mcontext.fpregs;
	uint64_t saved;

	memcpy(&saved, area + 512, sizeof(saved));
	if (!xsave_offsets.ymm_high)
		return;
	if (!(saved >> XSAVE_YMM & 1)) {
		memset(area + xsave_offsets.ymm_high, 0, 16 * 16);
		saved |= 1ull << XSAVE_YMM;
		memcpy(area + 512, &saved, sizeof(saved));
	}
	memcpy(area + xsave_offsets.ymm_high + index * 16, bytes, 16);
}

/* The kernel always saves the xmm registers. */
static void vector_write(ucontext_t *uc, const struct trap_insn *insn, const uint8_t bytes[32])
{
	memcpy(&uc->uc_mcontext.fpregs->_xmm[insn->operand.index], bytes, 16);
	if (!insn->keeps_upper)
		ymm_high_write(uc, insn->operand.index, bytes + 16);
}

static uint64_t swapped(uint64_t value, unsigned width)
{
	return __builtin_bswap64(value) >> (64 - 8 * width);
}

static enum trap_result do_store(ucontext_t *uc, const struct trap_insn *insn, uaddr_t at)
{
	uint8_t bytes[64];
	uint64_t value;

	if (insn->operand.kind == TRAP_OPERAND_VECTOR) {
		vector_read(uc, insn->operand.index, bytes);
		return trap_store(at, bytes + (insn->operand.high ? 8 : 0), insn->width);
	}
	value = insn->operand.kind == TRAP_OPERAND_GPR ? gpr_read(uc, &insn->operand) : insn->operand.immediate;
	if (insn->swap)
		value = swapped(value, insn->width);
	return trap_store(at, &value, insn->width);
}

static enum trap_result do_vector_load(ucontext_t *uc, const struct trap_insn *insn, uaddr_t at)
{
	uint8_t bytes[32] = {0};
	enum trap_result result = trap_load(at, bytes, insn->width);

	if (result == TRAP_DONE)
		vector_write(uc, insn, bytes);
	return result;
}

/* Register = f(register, memory), and what only sets flags. */
static enum trap_result do_combine(ucontext_t *uc, const struct trap_insn *insn, uaddr_t at)
{
	uint64_t *flags = (uint64_t *)&uc->uc_mcontext.gregs[REG_EFL];
	bool immediate = insn->operand.kind == TRAP_OPERAND_IMMEDIATE;
	uint64_t memory = 0, other = immediate ? insn->operand.immediate : gpr_read(uc, &insn->operand), value;
	enum trap_result result = trap_load(at, &memory, insn->width);

	if (result != TRAP_DONE)
		return result;
	value = trap_alu(insn->alu, insn->width, insn->reversed ? other : memory, insn->reversed ? memory : other,
			 flags);
	if (insn->kind == TRAP_COMBINE)
		gpr_write(uc, &insn->operand, value);
	return TRAP_DONE;
}

static enum trap_result do_load(ucontext_t *uc, const struct trap_insn *insn, uaddr_t at)
{
	uint64_t value = 0;
	enum trap_result result = trap_load(at, &value, insn->width);
	unsigned unused_bits = 64 - 8 * insn->width;

	if (result != TRAP_DONE)
		return result;
	if (insn->swap)
		value = swapped(value, insn->width);
	if (insn->sign_extend)
		value = (uint64_t)((int64_t)(value << unused_bits) >> unused_bits);
	gpr_write(uc, &insn->operand, value);
	return TRAP_DONE;
}

/* A trapped page can be read by the program, a page without memory only through the model. */
static enum trap_result read_memory(uaddr_t at, uint64_t *value, unsigned width)
{
	enum trap_result result = trap_load(at, value, width);

	if (result == TRAP_AGAIN && uaccess_copy(value, (const void *)at, width) == 0)
		return TRAP_DONE;
	return result;
}

/* bts and friends reach beyond the operand when the bit number comes from a register. */
static uaddr_t bit_address(const struct trap_insn *insn, uaddr_t at, uint64_t *operand)
{
	int64_t bit = (int64_t)*operand;

	if (insn->alu < TRAP_ALU_BTS || insn->operand.kind != TRAP_OPERAND_GPR)
		return at;
	if (insn->width == 4)
		bit = (int32_t)bit;
	else if (insn->width == 2)
		bit = (int16_t)bit;
	return at + (uint64_t)((bit >> __builtin_ctz(8u * insn->width)) * insn->width);
}

static enum trap_result do_modify(ucontext_t *uc, const struct trap_insn *insn, uaddr_t at)
{
	static const struct trap_operand accumulators[] = {
		[1] = {.kind = TRAP_OPERAND_GPR, .width = 1},
		[2] = {.kind = TRAP_OPERAND_GPR, .width = 2},
		[4] = {.kind = TRAP_OPERAND_GPR, .width = 4},
		[8] = {.kind = TRAP_OPERAND_GPR, .width = 8},
	};
	const struct trap_operand *accumulator = &accumulators[insn->width];
	uint64_t *flags = (uint64_t *)&uc->uc_mcontext.gregs[REG_EFL];
	uint64_t memory = 0, operand, new_flags = *flags, value;
	enum trap_result result;
	bool exchanged = true;

	operand = insn->operand.kind == TRAP_OPERAND_GPR ? gpr_read(uc, &insn->operand) : insn->operand.immediate;
	at = bit_address(insn, at, &operand);
	result = read_memory(at, &memory, insn->width);
	if (result != TRAP_DONE)
		return result;
	value = trap_alu(insn->alu, insn->width, memory,
			 insn->alu == TRAP_ALU_CMPXCHG ? gpr_read(uc, accumulator) : operand, &new_flags);
	if (insn->alu == TRAP_ALU_CMPXCHG) {
		exchanged = new_flags & 0x40;
		value = exchanged ? operand : memory; /* the processor writes in both cases */
	}
	result = trap_store(at, &value, insn->width);
	if (result != TRAP_DONE)
		return result;
	*flags = new_flags;
	if (insn->alu == TRAP_ALU_XCHG || insn->alu == TRAP_ALU_XADD)
		gpr_write(uc, &insn->operand, memory);
	if (!exchanged)
		gpr_write(uc, accumulator, memory);
	return TRAP_DONE;
}

/* Either side may be memory that does not trap. What cannot be accessed at all is for the instruction itself to find.
 */
static enum trap_result string_read(uaddr_t at, uint64_t *value, unsigned width)
{
	enum trap_result result = trap_load(at, value, width);

	if (result != TRAP_DONE && uaccess_copy(value, (const void *)at, width) == 0)
		return TRAP_DONE;
	return result;
}

static enum trap_result string_write(uaddr_t at, const uint64_t *value, unsigned width)
{
	enum trap_result result = trap_store(at, value, width);

	if (result == TRAP_FOREIGN && uaccess_copy((void *)at, value, width) == 0)
		return TRAP_DONE;
	return result;
}

/* One element after the other; what is left when something else is in the way, the instruction itself goes on with. */
static enum trap_result do_string(ucontext_t *uc, const struct trap_insn *insn)
{
	uint64_t *rdi = (uint64_t *)greg(uc, 7), *rsi = (uint64_t *)greg(uc, 6), *rcx = (uint64_t *)greg(uc, 1);
	uint64_t step = uc->uc_mcontext.gregs[REG_EFL] & FLAG_DF ? -(uint64_t)insn->width : insn->width;
	enum trap_result result = TRAP_DONE;
	bool progress = false;

	if (insn->address32 || insn->segment)
		return TRAP_FOREIGN;
	while (!insn->rep || *rcx) {
		uint64_t value = (uint64_t)*greg(uc, 0);

		if (insn->kind == TRAP_MOVS)
			result = string_read(*rsi, &value, insn->width);
		if (result == TRAP_DONE)
			result = string_write(*rdi, &value, insn->width);
		if (result != TRAP_DONE)
			return progress ? TRAP_AGAIN : result;
		progress = true;
		*rdi += step;
		if (insn->kind == TRAP_MOVS)
			*rsi += step;
		if (!insn->rep)
			break;
		--*rcx;
	}
	return TRAP_DONE;
}

static enum trap_result execute(ucontext_t *uc, const struct trap_insn *insn, uaddr_t fault)
{
	uaddr_t at = effective_address(uc, insn, fault);

	switch (insn->kind) {
	case TRAP_STORE:
		return do_store(uc, insn, at);
	case TRAP_LOAD:
		return insn->operand.kind == TRAP_OPERAND_VECTOR ? do_vector_load(uc, insn, at) : do_load(uc, insn, at);
	case TRAP_COMBINE:
	case TRAP_COMPARE:
		return do_combine(uc, insn, at);
	case TRAP_MODIFY:
		return do_modify(uc, insn, at);
	default:
		return do_string(uc, insn);
	}
}

/* Whether the fault is of our making at all, before anything is decoded. */
static enum trap_result classify(uaddr_t fault, bool write)
{
	if (!mm_concerns(fault, 1) || !mm_here())
		return TRAP_FOREIGN;
	return trap_probe(fault, write);
}

/* The program gets its SIGSEGV; the report says why. */
static enum trap_result not_understood(uaddr_t ip, uaddr_t fault)
{
	uint8_t b[8] = {0};

	uaccess_copy(b, (const void *)ip, sizeof(b));
	refuse(door.task.trace, -EFAULT,
	       "access to a mapped register at 0x%llx: the instruction %02x %02x %02x %02x %02x %02x is not emulated",
	       (unsigned long long)fault, b[0], b[1], b[2], b[3], b[4], b[5]);
	return TRAP_FOREIGN;
}

bool trap_handle(const siginfo_t *info, ucontext_t *uc)
{
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
	uaddr_t fault = (uaddr_t)info->si_addr;
	int saved_errno = errno;
	const struct trap_insn *insn;
	enum trap_result result;

	if (info->si_code != SEGV_ACCERR)
		return false;
	result = classify(fault, uc->uc_mcontext.gregs[REG_ERR] & FAULT_WRITE);
	if (result == TRAP_DONE) {
		insn = insn_at((uaddr_t)*ip);
		result = insn ? execute(uc, insn, fault) : not_understood((uaddr_t)*ip, fault);
		if (result == TRAP_DONE)
			*ip += insn->len;
	}
	errno = saved_errno;
	return result != TRAP_FOREIGN;
}
