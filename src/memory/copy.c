/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory/copy.h"

#include <string.h>

enum { PIECE_SHIFT = 16, FLOW_BYTES = 2 << 20, SMALL_BYTES = 4096, LINES_BYTES = 512 };

bool copy_history_streams(struct copy_history *h, const void *dst, size_t len)
{
	uintptr_t piece = (uintptr_t)dst >> PIECE_SHIFT, *slot = &h->recent[piece % COPY_HISTORY_SLOTS];

	if (len < SMALL_BYTES)
		return false;
	if (*slot == piece) {
		h->new_bytes = 0;
		return false;
	}
	*slot = piece;
	h->new_bytes += len;
	return h->new_bytes > FLOW_BYTES;
}

/*
 * The assembler routines have no frame, so a handler only has to change the program counter. `rep movsb` leaves in rcx
 * exactly what is still to do, also when it faults. The loops over lines, plain and streaming, touch memory with loads
 * first and then with stores to one aligned line, so at a fault none or all of the line was stored; the rest goes to
 * `rep movsb`, which faults again at the exact byte.
 */
#ifdef __x86_64__

size_t copy_guarded_asm(void *dst, const void *src, size_t len);
size_t copy_guarded_lines_asm(void *dst, const void *src, size_t len);
size_t copy_guarded_stream_asm(void *dst, const void *src, size_t len);
bool copy_load4_asm(const void *src, uint64_t *value);
bool copy_load8_asm(const void *src, uint64_t *value);
bool copy_store4_asm(void *dst, uint64_t value);
bool copy_store8_asm(void *dst, uint64_t value);

#define ROUTINE(name) ".p2align 4\n.hidden " #name "\n.globl " #name "\n.type " #name ", @function\n" #name ":\n"
#define ROUTINE_END(name) ".size " #name ", . - " #name "\n"
/* Instructions from start up to end go on at landing when they fault. */
#define FIXUP(start, end, landing)                                                                                     \
	".pushsection .rodata.copy_fixups, \"a\", @progbits\n"                                                         \
	".long " #start " - copy_fixups, " #end " - copy_fixups, " #landing " - copy_fixups\n"                         \
	".popsection\n"

/* clang-format off */
/* rdx: what follows the head that reaches up to the first whole line of the target. */
#define ROUTINE_OF_LINES(name, l, store, fence) \
	ROUTINE(name) \
	"	mov	%rdi, %rcx\n" \
	"	neg	%rcx\n" \
	"	and	$63, %ecx\n" \
	"	sub	%rcx, %rdx\n" \
	".L" #l "_head:	rep movsb\n" \
	".L" #l "_head_end:	mov	%rdx, %rcx\n" \
	"	cmp	$64, %rcx\n" \
	"	jb	.L" #l "_tail\n" \
	".L" #l "_line:	prefetcht0 512(%rsi)\n" \
	"	movdqu	(%rsi), %xmm0\n" \
	"	movdqu	16(%rsi), %xmm1\n" \
	"	movdqu	32(%rsi), %xmm2\n" \
	"	movdqu	48(%rsi), %xmm3\n" \
	"	" store "	%xmm0, (%rdi)\n" \
	"	" store "	%xmm1, 16(%rdi)\n" \
	"	" store "	%xmm2, 32(%rdi)\n" \
	"	" store "	%xmm3, 48(%rdi)\n" \
	"	add	$64, %rsi\n" \
	"	add	$64, %rdi\n" \
	"	sub	$64, %rcx\n" \
	"	cmp	$64, %rcx\n" \
	"	jae	.L" #l "_line\n" \
	".L" #l "_line_end:	" fence "\n" \
	".L" #l "_tail:	rep movsb\n" \
	".L" #l "_tail_end:	mov	%rcx, %rax\n" \
	"	ret\n" \
	".L" #l "_head_fault:	lea	(%rcx, %rdx), %rax\n" \
	"	ret\n" \
	FIXUP(.L##l##_head, .L##l##_head_end, .L##l##_head_fault) \
	FIXUP(.L##l##_line, .L##l##_line_end, .L##l##_line_end) \
	FIXUP(.L##l##_tail, .L##l##_tail_end, .L##l##_tail_end) \
	ROUTINE_END(name)

__asm__(".pushsection .rodata.copy_fixups, \"a\", @progbits\n"
	".p2align 2\n"
	".hidden copy_fixups\n.globl copy_fixups\n"
	"copy_fixups:\n"
	".popsection\n"
	".text\n"
	ROUTINE(copy_guarded_asm)
	"	mov	%rdx, %rcx\n"
	".Lcopy:	rep movsb\n"
	".Lcopy_end:	mov	%rcx, %rax\n"
	"	ret\n"
	FIXUP(.Lcopy, .Lcopy_end, .Lcopy_end)
	ROUTINE_END(copy_guarded_asm)

	ROUTINE_OF_LINES(copy_guarded_lines_asm, lines, "movdqa", "")
	ROUTINE_OF_LINES(copy_guarded_stream_asm, stream, "movntdq", "sfence\n")

	ROUTINE(copy_load4_asm)
	".Lload4:	mov	(%rdi), %eax\n"
	".Lload4_end:	mov	%rax, (%rsi)\n"
	"	mov	$1, %eax\n"
	"	ret\n"
	FIXUP(.Lload4, .Lload4_end, .Lfaulted)
	ROUTINE_END(copy_load4_asm)

	ROUTINE(copy_load8_asm)
	".Lload8:	mov	(%rdi), %rax\n"
	".Lload8_end:	mov	%rax, (%rsi)\n"
	"	mov	$1, %eax\n"
	"	ret\n"
	FIXUP(.Lload8, .Lload8_end, .Lfaulted)
	ROUTINE_END(copy_load8_asm)

	ROUTINE(copy_store4_asm)
	".Lstore4:	mov	%esi, (%rdi)\n"
	".Lstore4_end:	mov	$1, %eax\n"
	"	ret\n"
	FIXUP(.Lstore4, .Lstore4_end, .Lfaulted)
	ROUTINE_END(copy_store4_asm)

	ROUTINE(copy_store8_asm)
	".Lstore8:	mov	%rsi, (%rdi)\n"
	".Lstore8_end:	mov	$1, %eax\n"
	"	ret\n"
	".Lfaulted:	xor	%eax, %eax\n"
	"	ret\n"
	FIXUP(.Lstore8, .Lstore8_end, .Lfaulted)
	ROUTINE_END(copy_store8_asm)

	".pushsection .rodata.copy_fixups, \"a\", @progbits\n"
	".hidden copy_fixups_end\n.globl copy_fixups_end\n"
	"copy_fixups_end:\n"
	".popsection\n");
/* clang-format on */

struct fixup {
	int32_t start, end, landing; /* from the table's own address */
};
extern const struct fixup copy_fixups[], copy_fixups_end[];

uintptr_t copy_fixup(uintptr_t pc)
{
	uintptr_t base = (uintptr_t)copy_fixups;

	for (const struct fixup *f = copy_fixups; f < copy_fixups_end; f++)
		if (pc >= base + f->start && pc < base + f->end)
			return base + f->landing;
	return 0;
}

size_t copy_guarded(void *dst, const void *src, size_t len)
{
	return len < LINES_BYTES ? copy_guarded_asm(dst, src, len) : copy_guarded_lines_asm(dst, src, len);
}

size_t copy_guarded_stream(void *dst, const void *src, size_t len)
{
	return len < LINES_BYTES ? copy_guarded_asm(dst, src, len) : copy_guarded_stream_asm(dst, src, len);
}

bool copy_load_guarded(const void *src, unsigned len, uint64_t *value)
{
	return len == 4 ? copy_load4_asm(src, value) : copy_load8_asm(src, value);
}

bool copy_store_guarded(void *dst, unsigned len, uint64_t value)
{
	return len == 4 ? copy_store4_asm(dst, value) : copy_store8_asm(dst, value);
}

#else /* without fixups: a fault goes to the program */

uintptr_t copy_fixup(uintptr_t pc)
{
	return 0;
}

size_t copy_guarded(void *dst, const void *src, size_t len)
{
	memmove(dst, src, len);
	return 0;
}

size_t copy_guarded_stream(void *dst, const void *src, size_t len)
{
	memmove(dst, src, len);
	return 0;
}

bool copy_load_guarded(const void *src, unsigned len, uint64_t *value)
{
	*value = len == 4 ? __atomic_load_n((const uint32_t *)src, __ATOMIC_ACQUIRE)
			  : __atomic_load_n((const uint64_t *)src, __ATOMIC_ACQUIRE);
	return true;
}

bool copy_store_guarded(void *dst, unsigned len, uint64_t value)
{
	if (len == 4)
		__atomic_store_n((uint32_t *)dst, value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint64_t *)dst, value, __ATOMIC_RELEASE);
	return true;
}

#endif
