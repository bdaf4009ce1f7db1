#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Compares src/uapi with the kernel's own headers: every constant, ioctl number, size and offset.

usage: compare.py OURS THEIRS [CC]

OURS and THEIRS are include directories. From each header of OURS that THEIRS has the names are taken: macros, enumerators,
structures and their members. One C program that prints the value of each is compiled against either directory, and the
two outputs are compared. A name that the other header does not have is counted when that header is older than the
release ours describe, and is an error when it is not. Exit status 77 (skipped) when THEIRS has none of the headers.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

RELEASE = (7, 3)
# What ours has beyond RELEASE, for `--kernel next`.
PROPOSED = re.compile('(sizeof )?(VFIO_DEVICE_FEATURE_|VFIO_|vfio_device_feature_)(DMA_BUF|dma_buf)_'
                      '(REVOKE|MEMATTR|revoke|memattr)')
# Constants whose value the kernel itself has changed on the way to RELEASE.
CHANGED = {'PCI_CAP_EXP_ENDPOINT_SIZEOF_V2', 'PCI_EXT_CAP_ID_MAX', 'PCI_REBAR_CAP_SIZES'}


def code_of(header):
    """The header without comments, continued lines joined."""
    return re.sub(r'/\*.*?\*/', ' ', header.read_text(), flags=re.S).replace('\\\n', ' ')


def macros(code):
    return [m[1] for m in re.finditer(r'^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+\S', code, re.M)]


def enumerators(code):
    names = []
    for body in re.findall(r'enum\s*\w*\s*\{([^}]*)\}', code):
        names += re.findall(r'(?:^|,)\s*([A-Za-z_]\w*)', re.sub(r'#.*', '', body))
    return names


def members(body):
    """Member names; those of an anonymous union belong to the structure itself."""
    body = re.sub(r'#.*', '', body)
    body = re.sub(r'\bunion\s*\{|\bstruct\s*\{|\}', '', body)
    body = re.sub(r'__\w+\([^)]*\)', '', body)
    for declaration in body.split(';'):
        declaration = declaration.strip()
        if not declaration:
            continue
        words = re.match(r'(?:(?:const|unsigned|struct|enum)\s+)*\w+\s+(.*)', declaration, re.S)
        for item in words[1].split(','):
            yield re.search(r'\w+', item)[0], '[]' in item


def structures(code):
    found = {}
    for m in re.finditer(r'struct\s+(\w+)\s*\{', code):
        depth, end = 1, m.end()
        while depth:
            depth += {'{': 1, '}': -1}.get(code[end], 0)
            end += 1
        found[m[1]] = list(members(code[m.end():end - 1]))
    return found


def expressions(code):
    """name -> C expression for its value. Flexible arrays have an offset only."""
    out = {name: name for name in macros(code) + enumerators(code)}
    for struct, fields in structures(code).items():
        out[f'sizeof {struct}'] = f'sizeof(struct {struct})'
        for field, flexible in fields:
            out[f'{struct}.{field}'] = f'offsetof(struct {struct}, {field})'
            if not flexible:
                out[f'sizeof {struct}.{field}'] = f'sizeof(((struct {struct} *)0)->{field})'
    return out


def values(cc, include, header, wanted):
    lines = ['#include <stddef.h>', '#include <stdio.h>', '#include <fcntl.h>',
             f'#include <{header}>',
             'static void number(const char *n, unsigned long long v) { printf("%s = 0x%llx\\n", n, v); }',
             'static void string(const char *n, const char *v) { printf("%s = %s\\n", n, v); }',
             'int main(void) {']
    for name, expression in wanted.items():
        if name.endswith('_STRING'):
            lines.append(f'string("{name}", {expression});')
        else:
            lines.append(f'number("{name}", (unsigned long long)(long long)({expression}));')
    lines.append('return 0; }')
    with tempfile.TemporaryDirectory() as tmp:
        source, program = pathlib.Path(tmp, 'values.c'), pathlib.Path(tmp, 'values')
        source.write_text('\n'.join(lines))
        subprocess.run([cc, '-w', '-isystem', str(include), str(source), '-o', str(program)], check=True)
        output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return dict(line.split(' = ', 1) for line in output.splitlines())


def release_of(include):
    try:
        text = pathlib.Path(include, 'linux/version.h').read_text()
        version = int(re.search(r'LINUX_VERSION_CODE\s+(\d+)', text)[1])
    except (OSError, TypeError):
        return (0, 0)
    return (version >> 16, version >> 8 & 0xff)


def compare(cc, ours, theirs, header, complete):
    our_names = expressions(code_of(ours / header))
    their_names = expressions(code_of(theirs / header))
    # A structure that has grown since: only the members that both know can be compared.
    known = {n: e for n, e in our_names.items() if n in their_names}
    missing = [n for n in our_names if n not in their_names and not PROPOSED.match(n)]
    grown = {n.split('.')[0] for n in missing if '.' in n and not n.startswith('sizeof')}
    known = {n: e for n, e in known.items() if not (n.startswith('sizeof ') and n[7:] in grown)}
    mine, real = values(cc, ours, header, known), values(cc, theirs, header, known)
    wrong = [f'{header}: {n} is {mine[n]}, in the kernel {real[n]}' for n in known
             if mine[n] != real[n] and (complete or n not in CHANGED)]
    if complete:
        wrong += [f'{header}: the kernel has no {n}' for n in missing]
    print(f'{header}: {len(known)} values compared, {len(missing)} not in the other header')
    return wrong


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    ours, theirs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    cc = sys.argv[3] if len(sys.argv) > 3 else 'cc'
    release = release_of(theirs)
    headers = [str(h.relative_to(ours)) for h in sorted(ours.glob('*/*.h'))]
    headers = [h for h in headers if (theirs / h).exists()]
    if not headers:
        print(f'no kernel headers in {theirs}')
        sys.exit(77)
    print(f'against {theirs}, Linux {release[0]}.{release[1]}')
    wrong = []
    for header in headers:
        wrong += compare(cc, ours, theirs, header, release >= RELEASE)
    print('\n'.join(wrong))
    sys.exit(1 if wrong else 0)


main()
