"""Reads the .kp schemas (grammar: ../schemas/GRAMMAR.md) into plain objects that the emitters walk."""
import glob
import os
import re

MAX_VERSION = 32767
PRIMITIVES = ('bool', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'float64', 'string', 'uuid',
              'bytes', 'records')
FIXED_SIZES = {'bool': 1, 'int8': 1, 'int16': 2, 'uint16': 2, 'int32': 4, 'uint32': 4, 'int64': 8,
               'float64': 8, 'uuid': 16}
CPP_KEYWORDS = {'default', 'class', 'operator', 'namespace', 'delete', 'new', 'private', 'public', 'register'}


class Range:
    """Versions low..high, both inside; empty when low > high."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    @staticmethod
    def parse(text):
        if text in (None, 'none', '-'):
            return Range(1, 0)
        match = re.fullmatch(r'(\d+)(\+|-(\d+))?', text)
        if not match:
            raise ValueError('not a range of versions: %r' % text)
        low = int(match[1])
        return Range(low, MAX_VERSION if match[2] == '+' else int(match[3] or low))

    def empty(self):
        return self.low > self.high

    def has(self, version):
        return self.low <= version <= self.high

    def meet(self, other):
        return Range(max(self.low, other.low), min(self.high, other.high))

    def text(self):
        if self.empty():
            return 'none'
        return '%d+' % self.low if self.high == MAX_VERSION else '%d-%d' % (self.low, self.high)


def snake(name):
    name = name.replace('KRaft', 'Kraft').replace('2Pc', '_2pc')
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    return name.replace('-', '_').lower()


class Field:
    def __init__(self, words, where):
        self.name, type_name = words[0], words[1]
        self.array = type_name.startswith('[]')
        self.type = type_name[2:] if self.array else type_name
        attributes = dict(w.split('=', 1) if '=' in w else (w, True) for w in words[3:])
        known = {'null', 'tag', 'def', 'ign', 'map', 'zc', 'entity', 'flex'}
        if set(attributes) - known:
            raise ValueError('%s: unknown attributes of %s: %s' % (where, self.name, set(attributes) - known))
        self.tag, self.tagged = None, Range(1, 0)
        if 'tag' in attributes:
            tag, versions = attributes['tag'].split('@')
            self.tag, self.tagged = int(tag), Range.parse(versions)
        self.versions = Range.parse(words[2])
        if self.versions.empty():
            self.versions = self.tagged
        self.nullable = Range.parse(attributes.get('null'))
        self.default = attributes.get('def')
        if self.default == '""':
            self.default = ''
        self.ignorable = 'ign' in attributes
        self.never_compact = attributes.get('flex') == 'none'
        self.member = snake(self.name)
        if self.member in CPP_KEYWORDS:
            self.member += '_'
        self.json_name = self.name[0].lower() + self.name[1:]
        self.struct = None  # set by link()

    def is_struct(self):
        return self.type not in PRIMITIVES

    def optional(self):
        """Whether the C++ member is a std::optional."""
        return not self.nullable.empty()

    def null_default(self):
        # A records field that may be null is null unless set, whatever the schema leaves unsaid.
        return self.optional() and (self.default == 'null' or (self.type == 'records' and not self.array))


class Struct:
    def __init__(self, name):
        self.name, self.fields = name, []


class Message:
    def __init__(self, words, where):
        self.name, self.kind = words[0], words[1]
        attributes = dict(w.split('=', 1) if '=' in w else (w, 'true') for w in words[2:])
        self.key = int(attributes['key']) if 'key' in attributes else None
        self.valid = Range.parse(attributes['valid'])
        self.flexible = Range.parse(attributes.get('flex'))
        self.listeners = [x for x in attributes.get('listeners', '').split(',') if x]
        self.unstable = attributes.get('unstable') == 'true'
        self.fields, self.structs, self.where = [], [], where
        self.cpp_name = self.name

    def is_flexible(self, version):
        return self.flexible.has(version)


def parse_file(path):
    messages, stack, shared = [], [], None
    with open(path, encoding='utf-8') as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith('#'):
            continue
        where = '%s:%d' % (os.path.basename(path), number)
        words = line.split()
        depth = (len(line) - len(line.lstrip(' '))) // 2
        if depth == 0 and words[0] == 'message':
            messages.append(Message(words[1:], where))
            stack = [messages[-1].fields]
        elif depth == 0 and words[0] == 'struct':
            shared = Struct(words[1])
            messages[-1].structs.append(shared)
            stack = [shared.fields]
        elif 1 <= depth <= len(stack):
            del stack[depth:]
            field = Field(words, where)
            stack[-1].append(field)
            field.inline = []
            stack.append(field.inline)
        else:
            raise ValueError('%s: cannot make sense of this line' % where)
    for message in messages:
        link(message)
    return messages


def link(message):
    """Names the structs, ties the fields to them, and orders them so that each comes after those it holds."""
    by_name = {s.name: s for s in message.structs}

    def collect(fields):
        for field in fields:
            if field.inline:
                if field.type in by_name:
                    raise ValueError('%s: %s twice in %s' % (message.where, field.type, message.name))
                struct = Struct(field.type)
                struct.fields = field.inline
                by_name[field.type] = struct
            collect(field.inline)
    for struct in list(message.structs):
        collect(struct.fields)
    collect(message.fields)

    ordered, open_structs = [], set()

    def visit(fields):
        for field in fields:
            if not field.is_struct():
                continue
            field.struct = by_name[field.type]
            if field.struct in ordered:
                continue
            if field.type in open_structs:
                raise ValueError('%s: %s holds itself' % (message.where, field.type))
            open_structs.add(field.type)
            visit(field.struct.fields)
            ordered.append(field.struct)
    visit(message.fields)
    message.structs = ordered
    for field in message.fields:
        if field.member in ('read', 'write', 'size', 'is_flexible'):
            raise ValueError('%s: the name of %s is taken' % (message.where, field.name))


class SchemaFile:
    def __init__(self, path):
        self.path = path
        stem = os.path.splitext(os.path.basename(path))[0]
        self.stem = '_'.join(snake(part) for part in stem.split('-') if not part.isdigit())
        self.messages = parse_file(path)


def load(folder):
    return [SchemaFile(path) for path in sorted(glob.glob(os.path.join(folder, '*.kp')))]


def min_size(fields, message, version):
    """The fewest bytes that the fields take on the wire at a version."""
    total = 1 if message.is_flexible(version) else 0
    for field in fields:
        if not field.versions.has(version) or field.tagged.has(version):
            continue
        compact = message.is_flexible(version) and not field.never_compact
        if field.array or field.type in ('bytes', 'records'):
            total += 1 if compact else 4
        elif field.type == 'string':
            total += 1 if compact else 2
        elif field.is_struct():
            total += 1 if field.nullable.has(version) else min_size(field.struct.fields, message, version)
        else:
            total += FIXED_SIZES[field.type]
    return total


def min_element_size(field, message):
    """The fewest bytes of one element of an array field, over all versions that have it."""
    if field.type in FIXED_SIZES:
        return FIXED_SIZES[field.type]
    sizes = []
    versions = field.versions.meet(message.valid)
    for version in range(versions.low, versions.high + 1):
        if field.is_struct():
            sizes.append(min_size(field.struct.fields, message, version))
        else:
            sizes.append(1 if message.is_flexible(version) else 2 if field.type == 'string' else 4)
    return max(1, min(sizes, default=1))
