"""Emits the C++ structs of the messages and their codec."""
from schema import MAX_VERSION, Range, min_element_size

CPP_TYPES = {'bool': 'bool', 'int8': 'std::int8_t', 'int16': 'std::int16_t', 'uint16': 'std::uint16_t',
             'int32': 'std::int32_t', 'uint32': 'std::uint32_t', 'int64': 'std::int64_t', 'float64': 'double',
             'string': 'std::string', 'uuid': 'Uuid', 'bytes': 'ByteView', 'records': 'Records'}
CALLS = {'bool': 'boolean'}
NUMBERS = ('int8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'float64')


def cpp_type(field, message):
    name = outer_name(message, field.struct) if field.is_struct() else CPP_TYPES[field.type]
    if field.array:
        name = 'std::vector<%s>' % name
    return 'std::optional<%s>' % name if field.optional() else name


def outer_name(message, struct):
    """Nested structs stand outside of the message, which has an alias of each: within a class clang holds a struct
    with member initialisers to be not default constructible, and so does every std::optional of it."""
    return '%s_%s' % (message.name, struct.name)


def initializer(field, message):
    if field.optional():
        if field.null_default():
            return ''
        if field.array or field.is_struct() or field.type == 'bytes':
            return ' = %s{}' % cpp_type(field, message)[len('std::optional<'):-1]
        return ' = "%s"' % (field.default or '')
    if field.array or field.is_struct() or field.type in ('uuid', 'bytes', 'records'):
        return '{}' if field.is_struct() and not field.array else ''
    if field.type == 'string':
        return ' = "%s"' % field.default if field.default else ''
    if field.type == 'bool':
        return ' = %s' % ('true' if field.default == 'true' else 'false')
    return ' = %s' % (field.default or '0')


def is_set(field):
    """An expression: whether member `m.x` differs from its default."""
    x = 'm.' + field.member
    if field.optional():
        if field.null_default():
            return '%s.has_value()' % x
        if field.array or field.type in ('string', 'bytes'):
            return '(!%s || !%s->empty())' % (x, x)
        return '(!%s || !(*%s == %s{}))' % (x, x, qualified(field))
    if field.array or field.type in ('string', 'bytes') and not field.default:
        return '!%s.empty()' % x
    if field.type == 'string':
        return '%s != "%s"' % (x, field.default)
    if field.type == 'records':
        return '%s.size() != 0' % x
    if field.type == 'uuid':
        return '!%s.is_zero()' % x
    if field.is_struct():
        return '!(%s == %s{})' % (x, qualified(field))
    if field.type == 'bool':
        return '!' + x if field.default == 'true' else x
    return '%s != %s' % (x, field.default or '0')


def qualified(field):
    return 'std::remove_cvref_t<decltype(%sm.%s)>' % ('*' if field.optional() else '', field.member)


def within(versions, valid):
    """A condition on v, 'true' or 'false' where the message's versions leave no doubt."""
    versions = versions.meet(valid)
    if versions.empty():
        return 'false'
    low = 'v >= %d' % versions.low if versions.low > valid.low else ''
    high = 'v <= %d' % versions.high if versions.high < valid.high else ''
    return ' && '.join(x for x in (low, high) if x) or 'true'


def holds_views(struct):
    return any(f.type in ('bytes', 'records') or f.struct and holds_views(f.struct) for f in struct.fields)


class Codec:
    """The code of one message."""

    def __init__(self, message):
        self.message, self.valid = message, message.valid
        self.flexible = within(message.flexible, message.valid)
        self.out = []

    def line(self, depth, text):
        self.out.append('  ' * depth + text)

    def compact(self, field):
        return 'false' if field.never_compact else self.flexible if self.flexible in ('true', 'false') else 'c'

    def get(self, field, reader, depth, tagged=False):
        x, c, versions = 'm.' + field.member, self.compact(field), field.versions.meet(self.valid)
        nullable = self.nullable_within(field, versions)
        plain, null = self.get_forms(field, reader, x, 'true' if tagged else c, tagged)
        if nullable == 'true':
            self.line(depth, null)
        elif nullable == 'false':
            self.line(depth, plain)
        else:
            self.line(depth, 'if (%s) {' % nullable)
            self.line(depth + 1, null)
            self.line(depth, '} else {')
            self.line(depth + 1, plain)
            self.line(depth, '}')

    def nullable_within(self, field, versions):
        return within(field.nullable, versions) if field.optional() else 'false'

    def get_forms(self, field, r, x, c, tagged):
        """Statements that read the field: where it may not be null, and where it may."""
        if field.array:
            call = '(%s, v, %s, %d, %s);' % (r, c, min_element_size(field, self.message), x)
            return 'get_array' + call, 'get_nullable_array' + call
        if field.is_struct():
            plain = 'get(%s, v, false, %s);' % (r, x + '.emplace()' if field.optional() else x)
            return plain, 'get_nullable_struct(%s, v, %s, %s);' % (r, 'true' if tagged else 'false', x)
        if field.type == 'records':
            return '%s = get_records(%s, %s);' % (x, r, c), '%s = get_nullable_records(%s, %s);' % (x, r, c)
        if field.type in ('string', 'bytes'):
            return ('%s = %s.%s(%s);' % (x, r, field.type, c),
                    '%s = %s.nullable_%s(%s);' % (x, r, field.type, c))
        return '%s = %s.%s();' % (x, r, CALLS.get(field.type, field.type)), None

    def put(self, field, depth, tagged=False):
        x, c, versions = 'm.' + field.member, self.compact(field), field.versions.meet(self.valid)
        w = 'to' if tagged else 'w'
        c = 'true' if tagged else c
        nullable = self.nullable_within(field, versions)
        if field.optional() and nullable != 'true':
            guard = '' if nullable == 'false' else ' && !(%s)' % nullable
            self.line(depth, 'if (!%s%s) {' % (x, guard))
            self.line(depth + 1, 'return %s.fail("%s.%s may be null in versions %s only");'
                      % (w, self.message.name, field.name, field.nullable.text()))
            self.line(depth, '}')
        if field.array:
            self.line(depth, 'put_array(%s, v, %s, %s);' % (w, c, x))
        elif field.is_struct():
            self.put_struct(field, depth, x, nullable, tagged)
        elif field.type in ('string', 'bytes', 'records'):
            self.line(depth, 'put_%s(%s, %s, %s);' % (field.type, w, c, x))
        else:
            self.line(depth, '%s.%s(%s);' % (w, CALLS.get(field.type, field.type), x))

    def put_struct(self, field, depth, x, nullable, tagged):
        w = 'to' if tagged else 'w'
        plain = 'put(%s, v, false, %s%s);' % (w, '*' if field.optional() else '', x)
        null = 'put_nullable_struct(%s, v, %s, %s);' % (w, 'true' if tagged else 'false', x)
        if nullable in ('true', 'false'):
            return self.line(depth, null if nullable == 'true' else plain)
        self.line(depth, 'if (%s) {' % nullable)
        self.line(depth + 1, null)
        self.line(depth, '} else {')
        self.line(depth + 1, plain)
        self.line(depth, '}')

    def untagged(self, field):
        """Versions that have the field outside the tagged section (tagging, where it starts, never ends)."""
        if field.tagged.empty():
            return field.versions.meet(self.valid)
        return field.versions.meet(self.valid).meet(Range(0, field.tagged.low - 1))

    def tagged_fields(self, fields):
        return sorted((f for f in fields if not f.tagged.meet(self.valid).empty()), key=lambda f: f.tag)

    def guarded(self, condition, depth, emit):
        if condition == 'false':
            return
        if condition == 'true':
            return emit(depth)
        self.line(depth, 'if (%s) {' % condition)
        emit(depth + 1)
        self.line(depth, '}')

    def emit_get(self, type_name, fields):
        start = len(self.out)
        self.line(0, 'static void get(Reader& r, std::int16_t v, bool c, %s& m) {' % type_name)
        self.line(1, '(void)r, (void)v, (void)m;')
        self.line(1, 'c = %s;' % self.flexible)
        self.line(1, '(void)c;')
        for field in fields:
            self.guarded(within(self.untagged(field), self.valid), 1, lambda d, f=field: self.get(f, 'r', d))
        tagged = self.tagged_fields(fields)
        if self.flexible != 'false':
            self.line(1, 'if (!c) return;')
            if tagged:
                self.emit_tagged_get(tagged)
            else:
                self.line(1, 'skip_tagged_fields(r);')
        self.line(0, '}')
        return start

    def emit_tagged_get(self, tagged):
        self.line(1, 'for (std::uint32_t count = r.uvarint(); count > 0 && r.ok(); --count) {')
        self.line(2, 'TaggedField field(r);')
        self.line(2, 'switch (field.tag()) {')
        for field in tagged:
            self.line(3, 'case %d:' % field.tag)
            condition = within(field.tagged, self.valid.meet(self.message.flexible))
            if condition != 'true':
                self.line(4, 'if (!(%s)) return r.fail("a tagged field that the version does not have");'
                          % condition)
            self.get(field, 'field.body', 4, tagged=True)
            self.line(4, 'field.finish();')
            self.line(4, 'break;')
        self.line(3, 'default:')
        self.line(4, 'break;')
        self.line(2, '}')
        self.line(1, '}')

    def emit_put(self, type_name, fields):
        self.line(0, 'template <class W>')
        self.line(0, 'static void put(W& w, std::int16_t v, bool c, const %s& m) {' % type_name)
        self.line(1, '(void)w, (void)v, (void)m;')
        self.line(1, 'c = %s;' % self.flexible)
        self.line(1, '(void)c;')
        for field in fields:
            self.guarded(within(self.untagged(field), self.valid), 1, lambda d, f=field: self.put(f, d))
            self.refuse_outside(field)
        if self.flexible != 'false':
            self.emit_tagged_put(self.tagged_fields(fields))
        self.line(0, '}')

    def refuse_outside(self, field):
        inside = within(field.versions, self.valid)
        if inside == 'true' or field.ignorable:
            return
        outside = '' if inside == 'false' else '!(%s) && ' % inside
        self.line(1, 'if (%s%s) {' % (outside, is_set(field)))
        self.line(2, 'return w.fail("%s.%s exists in versions %s only");'
                  % (self.message.name, field.name, field.versions.text()))
        self.line(1, '}')

    def emit_tagged_put(self, tagged):
        self.line(1, 'if (!c) return;')
        if not tagged:
            return self.line(1, 'w.uvarint(0);')
        flexible = self.valid.meet(self.message.flexible)
        conditions = []
        for field in tagged:
            here = within(field.tagged, flexible)
            conditions.append(is_set(field) if here == 'true' else '(%s && %s)' % (here, is_set(field)))
            self.line(1, 'const bool has_%d = %s;' % (field.tag, conditions[-1]))
        total = ' + '.join('(has_%d ? 1 : 0)' % f.tag for f in tagged)
        self.line(1, 'w.uvarint(static_cast<std::uint32_t>(%s));' % total)
        for field in tagged:
            self.line(1, 'if (has_%d) {' % field.tag)
            self.line(2, 'put_tagged(w, %d, [&](auto& to) {' % field.tag)
            self.put(field, 3, tagged=True)
            self.line(2, '});')
            self.line(1, '}')

    def emit_equality(self, name, struct):
        if not holds_views(struct):
            return
        terms = ['same(%s, other.%s)' % (f.member, f.member) for f in struct.fields]
        self.line(0, 'bool %s::operator==(const %s& other) const {' % (name, name))
        self.line(1, 'return ' + ' &&\n         '.join(terms) + ';')
        self.line(0, '}')

    def emit_message(self):
        name, low, high = self.message.name, self.valid.low, self.valid.high
        check = ('v < %d || v > %d' % (low, high)) if low > 0 else 'v < 0 || v > %d' % high
        self.line(0, 'void %s::read(Reader& r, std::int16_t v) {' % name)
        self.line(1, '*this = {};')
        self.line(1, 'if (%s) return r.fail("a version that %s does not have");' % (check, name))
        self.line(1, 'get(r, v, false, *this);')
        self.line(0, '}')
        self.line(0, 'void %s::write(Writer& w, std::int16_t v) const {' % name)
        self.line(1, 'if (%s) return w.fail("a version that %s does not have");' % (check, name))
        self.line(1, 'put(w, v, false, *this);')
        self.line(0, '}')
        self.line(0, 'std::size_t %s::size(std::int16_t v) const {' % name)
        self.line(1, 'SizeCounter counter;')
        self.line(1, 'put(counter, v, false, *this);')
        self.line(1, 'return counter.size();')
        self.line(0, '}')


def source_of(message):
    codec = Codec(message)
    for struct in message.structs:
        name = '%s::%s' % (message.name, struct.name)
        codec.emit_equality(outer_name(message, struct), struct)
        codec.emit_get(name, struct.fields)
        codec.emit_put(name, struct.fields)
        codec.line(0, '')
    codec.emit_equality(message.name, message)
    codec.emit_get(message.name, message.fields)
    codec.emit_put(message.name, message.fields)
    codec.emit_message()
    return '\n'.join(codec.out)


def versions_note(field, message):
    notes = []
    if within(field.versions, message.valid) != 'true':
        notes.append(field.versions.text())
    if field.tag is not None:
        notes.append('tag %d' % field.tag)
    return '  // ' + ', '.join(notes) if notes else ''


def members_of(struct, name, message):
    lines = ['  %s %s%s;%s' % (cpp_type(f, message), f.member, initializer(f, message), versions_note(f, message))
             for f in struct.fields]
    equality = ';' if holds_views(struct) else ' = default;'
    lines.append('  bool operator==(const %s&) const%s' % (name, equality))
    return lines


def struct_of(message):
    flexible = message.flexible.low if not message.flexible.empty() else MAX_VERSION
    out = []
    for struct in message.structs:
        name = outer_name(message, struct)
        out += ['struct %s {' % name] + members_of(struct, name, message) + ['};', '']
    out += ['struct %s {' % message.name, '  static constexpr const char* kName = "%s";' % message.name]
    if message.key is not None:
        out.append('  static constexpr std::int16_t kApiKey = %d;' % message.key)
    out += ['  static constexpr std::int16_t kMinVersion = %d;' % message.valid.low,
            '  static constexpr std::int16_t kMaxVersion = %d;' % message.valid.high,
            '  static constexpr std::int16_t kFirstFlexibleVersion = %d;' % flexible,
            '  static constexpr bool is_flexible(std::int16_t v) { return v >= kFirstFlexibleVersion; }', '']
    out += ['  using %s = %s;' % (s.name, outer_name(message, s)) for s in message.structs]
    out += [''] * bool(message.structs) + members_of(message, message.name, message)
    out += ['', '  void read(Reader& r, std::int16_t v);', '  void write(Writer& w, std::int16_t v) const;',
            '  [[nodiscard]] std::size_t size(std::int16_t v) const;', '};']
    return '\n'.join(out)


def all_fields(message):
    return message.fields + [f for s in message.structs for f in s.fields]


def header_of(schema_file):
    fields = [f for m in schema_file.messages for f in all_fields(m)]
    system = ['cstddef', 'cstdint']
    if any(f.optional() for f in fields):
        system.append('optional')
    if any(f.type == 'string' for f in fields):
        system.append('string')
    if any(f.array for f in fields):
        system.append('vector')
    own = []
    if any(f.type == 'bytes' for f in fields):
        own.append('base/bytes.hpp')
    if any(f.type == 'uuid' for f in fields):
        own.append('base/uuid.hpp')
    if any(f.type == 'records' for f in fields):
        own.append('protocol/writer.hpp')
    return ('// Generated from protocol/schemas/%s by protocol/generator. One struct for all versions; a comment\n'
            '// after a member tells the versions that have it, if not all do.\n#pragma once\n\n%s\n\n%s'
            'namespace barnabas::protocol {\n\nclass Reader;\nclass Writer;\n\n%s\n\n}  // namespace barnabas::protocol\n'
            % (schema_file.path.rsplit('/', 1)[-1], '\n'.join('#include <%s>' % s for s in system),
               ''.join('#include "%s"\n' % o for o in own) + ('\n' if own else ''),
               '\n\n'.join(struct_of(m) for m in schema_file.messages)))


def unit_of(schema_files):
    includes = ''.join('#include "protocol/messages/%s.hpp"\n' % f.stem for f in schema_files)
    bodies = '\n\n'.join(source_of(m) for f in schema_files for m in f.messages)
    return ('// Generated by protocol/generator.\n%s\n#include "protocol/message_codec.hpp"\n\n'
            'namespace barnabas::protocol {\n\n%s\n\n}  // namespace barnabas::protocol\n' % (includes, bodies))
