/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The environment variables by which `barter run` and the preload library meet. Nothing else reads them.
 *
 * Who may include this: door/, cmd/, tests.
 */
#ifndef BARTER_DOOR_ENV_H
#define BARTER_DOOR_ENV_H

/*
 * The number, in decimal, of an inherited fd: a sealed memfd that holds a struct rack_desc (rack/desc.h). Without it,
 * or when what it names is not that, the library stays out of the way.
 */
#define BARTER_ENV_RACK "BARTER_RACK"

/* The file name of the library that LD_PRELOAD has to name, and its name in the build and install directories. */
#define BARTER_LIBRARY_NAME "libbarter.so"

#endif
