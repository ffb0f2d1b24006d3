// The Java client's part of java_main_job.py: arguments are BOOTSTRAP STAGE. Ends with exit code 0 only if everything
// it saw was as it should be.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class MainJob {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int PARTITIONS = 3;
    private static final int COUNT = 3000;
    private static final int FIRST_PART = 1200;
    private static final long START_MS = 1_700_000_000_000L;
    private static final String GROUP = "java-readers";

    private final String bootstrap;

    private MainJob(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    private static String topicOf(String codec) {
        return "java-" + codec;
    }

    private static String valueOf(int number) {
        return number % 500 == 499 ? null : number + " " + "snow ".repeat(number % 13);
    }

    private static void check(boolean condition, String message) {
        if (!condition) throw new AssertionError(message);
    }

    private static void checkEqual(Object got, Object expected, String what) {
        check(expected == null ? got == null : expected.equals(got), what + ": got " + got + ", expected " + expected);
    }

    private static <T> T get(Future<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    private static int checkedNumber(ConsumerRecord<String, String> record) {
        int number = (int) record.offset() * PARTITIONS + record.partition();
        checkEqual(record.value(), valueOf(number), "the value of record " + number);
        checkEqual(record.key(), "key-" + number, "the key of record " + number);
        checkEqual(record.timestamp(), START_MS + number, "the timestamp of record " + number);
        Header[] headers = record.headers().toArray();
        checkEqual(headers.length, 2, "the headers of record " + number);
        checkEqual(new String(headers[0].value(), StandardCharsets.UTF_8), "" + number, "a header of record " + number);
        check(headers[1].value() == null, "the null header of record " + number);
        return number;
    }

    private void administerTopics() throws Exception {
        try (Admin admin = admin()) {
            List<NewTopic> topics = new ArrayList<>();
            for (String codec : CODECS) topics.add(new NewTopic(topicOf(codec), PARTITIONS, (short) 1));
            topics.add(new NewTopic("java-grows", 1, (short) 1).configs(Map.of("retention.ms", "123456")));
            var created = admin.createTopics(topics);
            get(created.all());
            checkEqual(get(created.numPartitions("java-grows")), 1, "partitions told at the creation");
            checkEqual(get(created.config("java-grows")).get("retention.ms").value(), "123456", "config told there");
            try {
                get(admin.createTopics(List.of(new NewTopic(topicOf("none"), 1, (short) 1))).all());
                throw new AssertionError("a topic was created twice");
            } catch (ExecutionException error) {
                check(error.getCause() instanceof TopicExistsException, "created twice: " + error.getCause());
            }
            get(admin.createPartitions(Map.of("java-grows", NewPartitions.increaseTo(4))).all());
            long end = System.nanoTime() + 10_000_000_000L;
            while (describe(admin, "java-grows").partitions().size() != 4) {
                check(System.nanoTime() < end, "createPartitions did not bring 4 partitions");
                Thread.sleep(50);
            }
            check(get(admin.listTopics().names()).contains("java-grows"), "listTopics");
            checkEqual(get(admin.describeCluster().nodes()).size(), 1, "the nodes of the cluster");
            get(admin.deleteTopics(List.of("java-grows")).all());
        }
    }

    private static TopicDescription describe(Admin admin, String topic) throws Exception {
        return get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    private void administerConfigs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, topicOf("gzip"));
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        try (Admin admin = admin()) {
            Map<ConfigResource, Config> before = get(admin.describeConfigs(List.of(topic, broker)).all());
            check(before.get(topic).get("max.message.bytes").isDefault(), "max.message.bytes is the default");
            check(before.get(broker).entries().size() > 200, "the broker has many configs");
            get(admin.incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("max.message.bytes", "2000000"), AlterConfigOp.OpType.SET),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all());
            Config after = get(admin.describeConfigs(List.of(topic)).all()).get(topic);
            checkEqual(after.get("max.message.bytes").value(), "2000000", "what was set");
            checkEqual(after.get("cleanup.policy").value(), "delete,compact", "what was appended to");
            get(admin.incrementalAlterConfigs(Map.of(topic, List.of(
                new AlterConfigOp(new ConfigEntry("max.message.bytes", null), AlterConfigOp.OpType.DELETE),
                new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SUBTRACT)))).all());
            after = get(admin.describeConfigs(List.of(topic)).all()).get(topic);
            checkEqual(after.get("max.message.bytes").value(), "1048588", "what was deleted");
            checkEqual(after.get("cleanup.policy").value(), "delete", "what was subtracted from");
        }
    }

    private void produce() throws Exception {
        for (String codec : CODECS) {
            Properties settings = new Properties();
            settings.put("bootstrap.servers", bootstrap);
            settings.put("acks", "all");
            settings.put("compression.type", codec);
            settings.put("linger.ms", "2");
            try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
                List<Future<RecordMetadata>> told = new ArrayList<>();
                for (int number = 0; number < COUNT; ++number) {
                    var record = new ProducerRecord<>(topicOf(codec), number % PARTITIONS, START_MS + number,
                        "key-" + number, valueOf(number));
                    record.headers().add("number", ("" + number).getBytes(StandardCharsets.UTF_8)).add("nothing", null);
                    told.add(producer.send(record));
                }
                producer.flush();
                for (int number = 0; number < COUNT; ++number) {
                    checkEqual(get(told.get(number)).offset(), (long) number / PARTITIONS, codec + " record " + number);
                }
            }
        }
    }

    private KafkaConsumer<String, String> consumer(Map<String, String> more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", "100");
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    private void readAll() throws Exception {
        for (String codec : CODECS) {
            try (var consumer = consumer(Map.of())) {
                List<TopicPartition> parts = new ArrayList<>();
                for (int p = 0; p < PARTITIONS; ++p) parts.add(new TopicPartition(topicOf(codec), p));
                consumer.assign(parts);
                Set<Integer> seen = new HashSet<>();
                long end = System.nanoTime() + 60_000_000_000L;
                while (seen.size() < COUNT) {
                    check(System.nanoTime() < end, codec + ": only " + seen.size() + " records");
                    for (var record : consumer.poll(Duration.ofMillis(200))) {
                        check(seen.add(checkedNumber(record)), "a record came twice");
                    }
                }
                Map<TopicPartition, Long> times = new HashMap<>();
                for (TopicPartition part : parts) times.put(part, START_MS + COUNT / 2);
                for (var found : consumer.offsetsForTimes(times).entrySet()) {
                    int first = (COUNT / 2 - found.getKey().partition() + PARTITIONS - 1) / PARTITIONS;
                    checkEqual(found.getValue().offset(), (long) first, "offsetsForTimes of " + found.getKey());
                }
            }
        }
    }

    /** Reads as the only member of the group, commits, leaves; prints the numbers of the records. */
    private void readInGroup(int wanted) {
        try (var consumer = consumer(Map.of("group.id", GROUP))) {
            consumer.subscribe(List.of(topicOf("zstd")));
            Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();
            StringBuilder numbers = new StringBuilder();
            long end = System.nanoTime() + 60_000_000_000L;
            for (int read = 0; read < wanted;) {
                check(System.nanoTime() < end, read + " of " + wanted + " records");
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    if (read == wanted) break;
                    numbers.append(checkedNumber(record)).append('\n');
                    next.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1, "note"));
                    ++read;
                }
            }
            consumer.commitSync(next);
            System.out.print(numbers);
        }
    }

    private void administerGroupsAndOffsets() throws Exception {
        TopicPartition part = new TopicPartition(topicOf("zstd"), 0);
        try (Admin admin = admin()) {
            Collection<GroupListing> groups = get(admin.listGroups().all());
            check(groups.stream().anyMatch(group -> group.groupId().equals(GROUP)), "listGroups: " + groups);
            checkEqual(get(admin.describeConsumerGroups(List.of(GROUP)).all()).get(GROUP).members().size(), 0, "members");
            var offsets = get(admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata());
            checkEqual(offsets.get(part), new OffsetAndMetadata(COUNT / PARTITIONS, offsets.get(part).leaderEpoch(), "note"),
                "the committed offset");
            checkEqual(get(admin.listOffsets(Map.of(part, OffsetSpec.latest())).partitionResult(part)).offset(),
                (long) COUNT / PARTITIONS, "the latest offset");
            checkEqual(get(admin.listOffsets(Map.of(part, OffsetSpec.maxTimestamp())).partitionResult(part)).offset(),
                (long) COUNT / PARTITIONS - 1, "the offset of the highest timestamp");
            checkEqual(get(admin.deleteRecords(Map.of(part, RecordsToDelete.beforeOffset(10))).all().thenApply(x -> 0)), 0,
                "deleteRecords");
            checkEqual(get(admin.listOffsets(Map.of(part, OffsetSpec.earliest())).partitionResult(part)).offset(), 10L,
                "the earliest offset after deleteRecords");
            get(admin.alterConsumerGroupOffsets(GROUP, Map.of(part, new OffsetAndMetadata(20))).all());
            checkEqual(get(admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata()).get(part).offset(), 20L,
                "the altered offset");
            get(admin.deleteConsumerGroupOffsets(GROUP, Set.of(part)).all());
            check(get(admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata()).get(part) == null,
                "the deleted offset is still there");
            get(admin.deleteConsumerGroups(List.of(GROUP)).all());
            check(get(admin.listGroups().all()).stream().noneMatch(group -> group.groupId().equals(GROUP)), "deleted");
        }
    }

    public static void main(String[] arguments) throws Exception {
        MainJob job = new MainJob(arguments[0]);
        switch (arguments[1]) {
            case "first" -> {
                job.administerTopics();
                job.administerConfigs();
                job.produce();
                job.readAll();
                job.readInGroup(FIRST_PART);
            }
            case "second" -> {
                job.readInGroup(COUNT - FIRST_PART);
                job.administerGroupsAndOffsets();
            }
            default -> throw new IllegalArgumentException("no such stage: " + arguments[1]);
        }
    }
}
