#!/usr/bin/env python3
"""Turns protocol/schemas into C++.

  generate.py SCHEMAS OUT          writes the files below OUT, those that change only
  generate.py --list SCHEMAS OUT   prints their names, one a line
"""
import os
import sys

import json_code
import messages
import schema
import tables

UNITS = 16
JSON_UNITS = 8


def weight(schema_file):
    return 4 + sum(len(messages.all_fields(m)) for m in schema_file.messages)


def split(files, count):
    """Even shares of the files: the heaviest first, each to the lightest share."""
    shares = [[] for _ in range(count)]
    for file in sorted(files, key=lambda f: (-weight(f), f.stem)):
        min(shares, key=lambda s: sum(map(weight, s))).append(file)
    return [sorted(s, key=lambda f: f.stem) for s in shares]


def outputs(schemas):
    files = schema.load(schemas)
    result = {'messages/%s.hpp' % f.stem: messages.header_of(f) for f in files}
    shares = split(files, UNITS)
    for number, share in enumerate(shares):
        result['messages/messages_%02d.cpp' % number] = messages.unit_of(share)
    result.update(tables.outputs(schemas, files))
    result.update(json_code.outputs(files, split(files, JSON_UNITS)))
    return result


def write_changed(path, text):
    try:
        with open(path, encoding='utf-8') as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def main(arguments):
    listing = arguments[:1] == ['--list']
    schemas, out = arguments[1:] if listing else arguments
    for name, text in outputs(schemas).items():
        path = os.path.join(out, name)
        if listing:
            print(path)
        else:
            write_changed(path, text)


if __name__ == '__main__':
    main(sys.argv[1:])
