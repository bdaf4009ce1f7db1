/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows of real_calls.h that concern paths and fds; included at its end. */

/* fds. */
REAL(int, close_range, (unsigned first, unsigned last, int flags), (first, last, flags))
