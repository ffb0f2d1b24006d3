// The application of software_streams.py: arguments are BOOTSTRAP FOLDER START_MS. It runs until it is told to stop (SIGTERM),
// and prints its state and its tasks whenever they change.
//
// A visit has the value "NUMBER PLACE AMOUNT", and its number tells its time. Visits are keyed anew by their place, which takes a repartition topic;
// they are tallied for each place, and for each place and minute, in stores with a changelog and a standby. Processing
// is at-least-once, so a visit may come again; as those of one input partition stay in order, a tally that remembers the
// last of each knows them.

import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

public final class StreamsJob {
    private static final int PARTITIONS = 3;
    private static final long VISIT_EVERY_MS = 50;
    private static final Serde<String> TEXT = Serdes.String();

    private StreamsJob() {}

    private static int numberOf(String visit) {
        return Integer.parseInt(visit.split(" ")[0]);
    }

    /** A tally is "COUNT SUM LAST LAST LAST", the last visit's number for each input partition. */
    private static String add(String visit, String tally) {
        long[] fields = Arrays.stream(tally.split(" ")).mapToLong(Long::parseLong).toArray();
        int number = numberOf(visit);
        int last = 2 + number % PARTITIONS;
        if (number <= fields[last]) return tally;
        fields[0] += 1;
        fields[1] += Long.parseLong(visit.split(" ")[2]);
        fields[last] = number;
        return String.join(" ", Arrays.stream(fields).mapToObj(Long::toString).toList());
    }

    private static String countAndSum(String tally) {
        String[] fields = tally.split(" ");
        return fields[0] + " " + fields[1];
    }

    private static StreamsBuilder topology(long startMs) {
        StreamsBuilder builder = new StreamsBuilder();
        KGroupedStream<String, String> visits = builder
            .stream("visits", Consumed.with(TEXT, TEXT).withTimestampExtractor(
                (record, before) -> startMs + numberOf((String) record.value()) * VISIT_EVERY_MS))
            .groupBy((visitor, visit) -> visit.split(" ")[1], Grouped.with("by-place", TEXT, TEXT));
        visits.aggregate(() -> "0 0 -1 -1 -1", (place, visit, tally) -> add(visit, tally), Materialized.as("places"))
            .toStream()
            .mapValues(StreamsJob::countAndSum)
            .to("places-out", Produced.with(TEXT, TEXT));
        visits.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(1)))
            .aggregate(() -> "0 0 -1 -1 -1", (place, visit, tally) -> add(visit, tally), Materialized.as("minutes"))
            .toStream((window, tally) -> window.key() + "@" + window.window().start())
            .mapValues(StreamsJob::countAndSum)
            .to("minutes-out", Produced.with(TEXT, TEXT));
        return builder;
    }

    private static Properties settings(String bootstrap, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "visits-app");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 500);
        settings.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 500);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, "classic");
        settings.put("auto.offset.reset", "earliest");
        settings.put("session.timeout.ms", 8000);
        settings.put("heartbeat.interval.ms", 2000);
        return settings;
    }

    private static void printTasks(KafkaStreams streams) {
        TreeSet<String> tasks = new TreeSet<>();
        for (var thread : streams.metadataForLocalThreads()) {
            for (var task : thread.activeTasks()) tasks.add("active " + task.taskId());
            for (var task : thread.standbyTasks()) tasks.add("standby " + task.taskId());
        }
        System.out.println("tasks " + String.join(", ", tasks));
    }

    public static void main(String[] arguments) throws Exception {
        StreamsBuilder builder = topology(Long.parseLong(arguments[2]));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments[0], arguments[1]));
        streams.setStateListener((now, before) -> {
            System.out.println("state " + now);
            if (now == KafkaStreams.State.RUNNING) printTasks(streams);
        });
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(30));
            closed.countDown();
        }));
        streams.start();
        closed.await();
    }
}
