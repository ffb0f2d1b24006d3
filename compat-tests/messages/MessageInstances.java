import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.regex.Pattern;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;

/**
 * Prints random instances of every message class found in the jars of the class path, at every version, one a line:
 * class, version, hex of the encoded message, its JSON. The same seed gives the same lines.
 *
 * Usage: MessageInstances SEED INSTANCES, the latter for each message and version.
 *
 * Which fields a version has, and which may be null, is read from the classes' own run time schemas.
 */
public final class MessageInstances {
    private static final int[] INTERESTING = {0, 1, -1, Integer.MAX_VALUE, Integer.MIN_VALUE, 127, 128, 255, 32767};
    private static final String[] LETTERS = {"a", "Z", "7", "-", "_", ".", " ", "\"", "\\", "\n", "é", "ß", "語", "😀"};
    private static final double NULL_SHARE = 0.3;
    private static final double DEFAULT_SHARE = 0.25;

    private static final Pattern RECORDS = Pattern.compile("\"(records|unalignedRecords)\":\"\"");

    private final Random random;
    /** Of the instance being made, in the order of its fields. */
    private final List<String> records = new ArrayList<>();

    private MessageInstances(Random random) {
        this.random = random;
    }

    public static void main(String[] args) throws Exception {
        long seed = Long.parseLong(args[0]);
        int instances = Integer.parseInt(args[1]);
        int classes = 0;
        try (PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, StandardCharsets.UTF_8)) {
            for (String name : converterNames()) {
                print(name.substring(0, name.length() - "JsonConverter".length()), seed, instances, out);
                ++classes;
            }
            if (out.checkError()) throw new IllegalStateException("cannot write");
        }
        System.err.println(classes + " message classes");
    }

    private static Collection<String> converterNames() throws Exception {
        TreeSet<String> names = new TreeSet<>();
        for (String entry : System.getProperty("java.class.path").split(":")) {
            if (!entry.endsWith(".jar") || !Path.of(entry).getFileName().toString().startsWith("kafka")) continue;
            try (JarFile jar = new JarFile(entry)) {
                jar.stream().map(e -> e.getName())
                    .filter(n -> n.endsWith("JsonConverter.class") && !n.contains("$"))
                    .forEach(n -> names.add(n.substring(0, n.length() - ".class".length()).replace('/', '.')));
            }
        }
        return names;
    }

    private static void print(String name, long seed, int instances, PrintStream out) throws Exception {
        Class<?> type = Class.forName(name);
        Method toJson = Class.forName(name + "JsonConverter").getMethod("write", type, short.class);
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        Message empty = (Message) type.getConstructor().newInstance();
        for (short version = empty.lowestSupportedVersion(); version <= empty.highestSupportedVersion(); ++version) {
            MessageInstances maker =
                new MessageInstances(new Random(seed * 31 + name.hashCode() * 1000003L + version));
            for (int i = 0; i < instances; ++i) {
                Message message = (Message) maker.instance(type, schemas[version], 0);
                ObjectSerializationCache cache = new ObjectSerializationCache();
                ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
                message.write(new ByteBufferAccessor(buffer), cache, version);
                out.println(type.getSimpleName() + "\t" + version + "\t" + HexFormat.of().formatHex(buffer.array())
                    + "\t" + maker.withRecords(toJson.invoke(null, message, version).toString()));
            }
        }
    }

    /** An object of a generated class whose fields that the schema has are random, the others at their default. */
    private Object instance(Class<?> type, Schema schema, int depth) throws Exception {
        Object object = type.getConstructor().newInstance();
        Map<String, org.apache.kafka.common.protocol.types.Type> present = new HashMap<>();
        Set<String> tagged = new HashSet<>();
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields section) {
                Field fields = TaggedFields.class.getDeclaredField("fields");  // no accessor in 3.9
                fields.setAccessible(true);
                for (Object each : ((Map<?, ?>) fields.get(section)).values()) {
                    var member = (org.apache.kafka.common.protocol.types.Field) each;
                    present.put(plain(member.name), member.type);
                    tagged.add(plain(member.name));
                }
            } else {
                present.put(plain(field.def.name), field.def.type);
            }
        }
        for (Field field : type.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers())) continue;
            org.apache.kafka.common.protocol.types.Type wire = present.remove(plain(field.getName()));
            if (wire == null) continue;
            if (tagged.contains(plain(field.getName())) && random.nextDouble() < DEFAULT_SHARE) continue;
            field.setAccessible(true);
            Object value = value(field.getGenericType(), wire, depth);
            // The schemas of 3.9 call every records field nullable; this one is not.
            if (value == null && field.getName().equals("unalignedRecords")) value = records(field.getType());
            field.set(object, value);
        }
        if (!present.isEmpty()) throw new IllegalStateException(type + " has no member for " + present.keySet());
        return object;
    }

    /** The converters print no records, only an empty string: puts them there. */
    private String withRecords(String json) {
        Iterator<String> next = records.iterator();
        String result = RECORDS.matcher(json).replaceAll(found -> "\"" + found.group(1) + "\":\"" + next.next() + "\"");
        if (next.hasNext()) throw new IllegalStateException("records that are not in " + json);
        records.clear();
        return result;
    }

    private static String plain(String name) {
        return name.replace("_", "").toLowerCase(Locale.ROOT);
    }

    private Object value(Type type, org.apache.kafka.common.protocol.types.Type wire, int depth) throws Exception {
        if (wire.isNullable() && random.nextDouble() < NULL_SHARE) return null;
        Class<?> raw = type instanceof ParameterizedType p ? (Class<?>) p.getRawType() : (Class<?>) type;
        if (raw == boolean.class) return random.nextBoolean();
        if (raw == byte.class || raw == Byte.class) return (byte) integer();
        if (raw == short.class || raw == Short.class) return (short) integer();
        if (raw == int.class || raw == Integer.class) return unsigned(wire, "UINT16") ? integer() & 0xFFFF : integer();
        if (raw == long.class || raw == Long.class) return longer(wire);
        // Quarters, so that no reader of decimal numbers can round them.
        if (raw == double.class || raw == Double.class) return random.nextInt() / 4.0;
        if (raw == String.class) return text();
        if (raw == Uuid.class) return random.nextInt(5) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
        if (raw == byte[].class) return bytes();
        if (raw == ByteBuffer.class) return ByteBuffer.wrap(bytes());
        if (raw.getSimpleName().equals("BaseRecords")) return records(raw);
        if (Collection.class.isAssignableFrom(raw)) return collection(type, raw, wire, depth);
        return instance(raw, (Schema) wire, depth + 1);
    }

    /** The class of records in memory, whose package depends on the release. */
    private Object records(Class<?> base) throws Exception {
        byte[] bytes = bytes();
        records.add(Base64.getEncoder().encodeToString(bytes));
        for (String folder : new String[] {base.getPackageName(), base.getPackageName() + ".internal"}) {
            try {
                return Class.forName(folder + ".MemoryRecords").getMethod("readableRecords", ByteBuffer.class)
                    .invoke(null, ByteBuffer.wrap(bytes));
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        }
        throw new IllegalStateException("no MemoryRecords near " + base);
    }

    @SuppressWarnings("unchecked")
    private Object collection(Type type, Class<?> raw, org.apache.kafka.common.protocol.types.Type wire, int depth)
            throws Exception {
        Type element = type instanceof ParameterizedType p ? p.getActualTypeArguments()[0]
            : ((ParameterizedType) raw.getGenericSuperclass()).getActualTypeArguments()[0];
        Collection<Object> to = raw == List.class ? new ArrayList<>()
            : (Collection<Object>) raw.getConstructor().newInstance();
        int count = random.nextInt(depth < 2 ? 4 : 3);
        for (int i = 0; i < count; ++i) to.add(value(element, wire.arrayElementType().get(), depth + 1));
        return to;
    }

    private static boolean unsigned(org.apache.kafka.common.protocol.types.Type wire, String name) {
        return wire.toString().equals(name);
    }

    private int integer() {
        return switch (random.nextInt(3)) {
            case 0 -> INTERESTING[random.nextInt(INTERESTING.length)];
            case 1 -> random.nextInt(1000);
            default -> random.nextInt();
        };
    }

    private long longer(org.apache.kafka.common.protocol.types.Type wire) {
        if (unsigned(wire, "UINT32")) return integer() & 0xFFFFFFFFL;
        return random.nextInt(3) == 0 ? random.nextLong() : integer();
    }

    private String text() {
        StringBuilder text = new StringBuilder();
        int length = random.nextInt(20) == 0 ? 130 : random.nextInt(8);
        for (int i = 0; i < length; ++i) text.append(LETTERS[random.nextInt(LETTERS.length)]);
        return text.toString();
    }

    private byte[] bytes() {
        byte[] bytes = new byte[random.nextInt(20) == 0 ? 200 : random.nextInt(10)];
        random.nextBytes(bytes);
        return bytes;
    }
}
