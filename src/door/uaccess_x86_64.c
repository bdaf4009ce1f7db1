/* SPDX-License-Identifier: BSD-3-Clause */
#include "door/uaccess.h"

/*
 * Between the labels nothing is on the stack but the return address, so leaving is a plain return. Small copies, which
 * is what ioctls make, are faster in words than with a string instruction.
 */
asm(".pushsection .text\n"
    ".balign 16\n"
    "barter_uaccess_begin:\n"
    ".type barter_uaccess_copy, @function\n"
    "barter_uaccess_copy:\n"
    "	cmp $256, %rdx\n"
    "	ja 4f\n"
    "	mov %rdx, %rcx\n"
    "	shr $3, %rcx\n"
    "	jz 2f\n"
    "1:	mov (%rsi), %rax\n"
    "	mov %rax, (%rdi)\n"
    "	add $8, %rsi\n"
    "	add $8, %rdi\n"
    "	dec %rcx\n"
    "	jnz 1b\n"
    "2:	and $7, %edx\n"
    "	jz 5f\n"
    "3:	mov (%rsi), %al\n"
    "	mov %al, (%rdi)\n"
    "	inc %rsi\n"
    "	inc %rdi\n"
    "	dec %edx\n"
    "	jnz 3b\n"
    "	jmp 5f\n"
    "4:	mov %rdx, %rcx\n"
    "	rep movsb\n"
    "5:	xor %eax, %eax\n"
    "	ret\n"
    ".size barter_uaccess_copy, . - barter_uaccess_copy\n"
    ".type barter_uaccess_touch_read, @function\n"
    "barter_uaccess_touch_read:\n"
    "1:	mov (%rdi), %al\n"
    "	add $4096, %rdi\n"
    "	cmp %rsi, %rdi\n"
    "	jne 1b\n"
    "	xor %eax, %eax\n"
    "	ret\n"
    ".size barter_uaccess_touch_read, . - barter_uaccess_touch_read\n"
    ".type barter_uaccess_touch_write, @function\n"
    "barter_uaccess_touch_write:\n"
    "1:	lock orb $0, (%rdi)\n"
    "	add $4096, %rdi\n"
    "	cmp %rsi, %rdi\n"
    "	jne 1b\n"
    "	xor %eax, %eax\n"
    "	ret\n"
    ".size barter_uaccess_touch_write, . - barter_uaccess_touch_write\n"
    "barter_uaccess_end:\n"
    "barter_uaccess_fault:\n"
    "	mov $1, %eax\n"
    "	ret\n"
    ".popsection\n");

extern const char barter_uaccess_begin[], barter_uaccess_end[], barter_uaccess_fault[];
int barter_uaccess_copy(void *dst, const void *src, size_t len);
int barter_uaccess_touch_read(uaddr_t start, uaddr_t end);
int barter_uaccess_touch_write(uaddr_t start, uaddr_t end);

int uaccess_copy(void *dst, const void *src, size_t len)
{
	return barter_uaccess_copy(dst, src, len) ? -EFAULT : 0;
}

int uaccess_touch(uaddr_t start, uint64_t len, bool write)
{
	if (len == 0)
		return 0;
	if (write)
		return barter_uaccess_touch_write(start, start + len) ? -EFAULT : 0;
	return barter_uaccess_touch_read(start, start + len) ? -EFAULT : 0;
}

bool uaccess_fixup(ucontext_t *uc)
{
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];

	if (*ip < (greg_t)barter_uaccess_begin || *ip >= (greg_t)barter_uaccess_end)
		return false;
	*ip = (greg_t)barter_uaccess_fault;
	return true;
}
