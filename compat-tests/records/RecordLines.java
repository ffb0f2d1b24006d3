import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.Time;

/**
 * Record batches as lines, by Apache Kafka's own classes. README.md describes the lines.
 *   write SEED COUNT   random runs of batches of every magic and codec, and how Kafka converts them down
 *   verify             reads runs from stdin and compares what Kafka finds in them with what the lines say
 */
public final class RecordLines {
    private static final HexFormat HEX = HexFormat.of();
    private static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.US_ASCII);

    public static void main(String[] args) throws Exception {
        if (args[0].equals("write")) {
            Random random = new Random(Long.parseLong(args[1]));
            int count = Integer.parseInt(args[2]);
            for (int i = 0; i < count; i++) writeRun(random, i);
        } else {
            verify();
        }
        OUT.flush();
    }

    private static void writeRun(Random random, int index) throws Exception {
        byte magic = (byte) (index % 3);
        CompressionType[] codecs = CompressionType.values();
        CompressionType codec = codecs[(index / 3) % (magic == 2 ? 5 : 4)];
        ByteBuffer run = ByteBuffer.allocate(1 << 20);
        long offset = random.nextInt(4) == 0 ? 0 : random.nextLong(1L << random.nextInt(1, 60));
        int batches = 1 + random.nextInt(3);
        for (int i = 0; i < batches; i++) {
            offset = writeBatch(random, magic, codec, offset, run) + 1 + random.nextInt(3);
        }
        run.flip();
        MemoryRecords records = MemoryRecords.readableRecords(run);
        print("run", records);
        if (codec != CompressionType.ZSTD) printDownConversions(random, magic, records);
    }

    /** Returns the batch's last offset. */
    private static long writeBatch(Random random, byte magic, CompressionType codec, long base, ByteBuffer run) {
        boolean appended = magic > 0 && random.nextInt(4) == 0;
        boolean idempotent = magic == 2 && random.nextBoolean();
        long time = 1_600_000_000_000L + random.nextInt(1_000_000_000);
        ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        MemoryRecordsBuilder builder = MemoryRecords.builder(
            buffer, magic, Compression.of(codec).build(),
            appended ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME, base,
            appended ? time + 77 : RecordBatch.NO_TIMESTAMP,
            idempotent ? random.nextLong(1L << 40) : RecordBatch.NO_PRODUCER_ID,
            idempotent ? (short) random.nextInt(1000) : RecordBatch.NO_PRODUCER_EPOCH,
            idempotent ? random.nextInt(Integer.MAX_VALUE) : RecordBatch.NO_SEQUENCE,
            idempotent && random.nextBoolean(), magic == 2 ? random.nextInt(100) - 1 : -1);
        int count = 1 + random.nextInt(12);
        long offset = base;
        for (int i = 0; i < count; i++) {
            if (i > 0) offset += 1 + (random.nextInt(8) == 0 ? random.nextInt(100) : 0);
            long timestamp = magic == 0 ? RecordBatch.NO_TIMESTAMP : time + random.nextInt(10_000) - 5_000;
            Header[] headers = new Header[magic == 2 ? Math.max(0, random.nextInt(6) - 2) : 0];
            for (int h = 0; h < headers.length; h++) {
                headers[h] = new RecordHeader("h\u00e9ader" + random.nextInt(10), bytes(random, 20));
            }
            builder.appendWithOffset(offset, timestamp, bytes(random, 40), bytes(random, 300), headers);
        }
        if (magic == 2 && random.nextInt(4) == 0) {
            offset += random.nextInt(10);
            builder.overrideLastOffset(offset);
        }
        run.put(builder.build().buffer());
        return offset;
    }

    /** Null, random or repetitive bytes. */
    private static byte[] bytes(Random random, int most) {
        int kind = random.nextInt(8);
        if (kind == 0) return null;
        byte[] bytes = new byte[random.nextInt(most)];
        if (kind < 4) {
            random.nextBytes(bytes);
        } else {
            java.util.Arrays.fill(bytes, (byte) random.nextInt());
        }
        return bytes;
    }

    /** Up to 3.9 Kafka converts: the method is not there in later versions. */
    private static void printDownConversions(Random random, byte magic, MemoryRecords records) throws Exception {
        java.lang.reflect.Method convert;
        try {
            convert = MemoryRecords.class.getMethod("downConvert", byte.class, long.class, Time.class);
        } catch (NoSuchMethodException e) {
            return;
        }
        List<Long> offsets = new ArrayList<>();
        for (Record record : records.records()) offsets.add(record.offset());
        for (byte to = 0; to < magic; to++) {
            long first = offsets.get(random.nextInt(offsets.size()));
            Object converted = convert.invoke(records, to, first, Time.SYSTEM);
            MemoryRecords down = (MemoryRecords) converted.getClass().getMethod("records").invoke(converted);
            print("down " + to + " " + first, down);
        }
    }

    private static void print(String kind, MemoryRecords records) {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        OUT.println(kind + " " + HEX.formatHex(bytes));
        for (String line : lines(records)) OUT.println(line);
        OUT.println("end");
    }

    private static List<String> lines(MemoryRecords records) {
        List<String> lines = new ArrayList<>();
        for (RecordBatch batch : records.batches()) {
            batch.ensureValid();
            for (Record record : batch) {
                StringBuilder line = new StringBuilder("record " + record.offset() + " " + record.timestamp());
                line.append(' ').append(hex(record.key())).append(' ').append(hex(record.value()));
                for (Header header : record.headers()) {
                    line.append(' ').append(HEX.formatHex(header.key().getBytes(StandardCharsets.UTF_8)));
                    line.append('=').append(header.value() == null ? "null" : HEX.formatHex(header.value()));
                }
                lines.add(line.toString());
            }
        }
        return lines;
    }

    private static String hex(ByteBuffer buffer) {
        if (buffer == null) return "null";
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return "x" + HEX.formatHex(bytes);
    }

    private static void verify() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        int runs = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            List<String> expected = new ArrayList<>();
            for (String record = in.readLine(); !"end".equals(record); record = in.readLine()) {
                if (record == null) throw new IllegalStateException("the lines end inside a run");
                expected.add(record);
            }
            ByteBuffer bytes = ByteBuffer.wrap(HEX.parseHex(words[words.length - 1]));
            List<String> found;
            try {
                found = lines(MemoryRecords.readableRecords(bytes));
            } catch (RuntimeException e) {
                throw new IllegalStateException("Kafka cannot read " + line, e);
            }
            if (!found.equals(expected)) {
                System.err.println(line + "\nsays\n" + String.join("\n", expected) + "\nKafka finds\n"
                    + String.join("\n", found));
                System.exit(1);
            }
            runs++;
        }
        if (runs == 0) throw new IllegalStateException("no runs to compare");
        OUT.println(runs + " runs written by Barnabas read alike by Apache Kafka");
    }
}
