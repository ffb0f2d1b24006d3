// The Java client's part of consumer_groups_clients.py: the argument is BOOTSTRAP. Ends with exit code 0 only if
// everything it saw was as it should be.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class ConsumerProtocolJob {
    private static final String TOPIC = "kip-848";
    private static final int PARTITIONS = 6;

    private final String bootstrap;
    private final Admin admin;
    private int sent = 0;

    private ConsumerProtocolJob(String bootstrap) {
        this.bootstrap = bootstrap;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    private static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    private KafkaConsumer<String, String> consumer(String group, String instance, String protocol) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", group);
        properties.put("group.protocol", protocol);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        properties.put("metadata.max.age.ms", "1000");
        if (protocol.equals("classic")) {
            properties.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
            properties.put("heartbeat.interval.ms", "500");
        }
        if (instance != null) {
            properties.put("group.instance.id", instance);
        }
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    private void send(int count) {
        Map<String, Object> properties = Map.of("bootstrap.servers", bootstrap);
        try (KafkaProducer<String, String> producer =
                 new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            for (int i = 0; i < count; ++i, ++sent) {
                producer.send(new ProducerRecord<>(TOPIC, sent % PARTITIONS, null, Integer.toString(sent)));
            }
        }
    }

    /** Polls all consumers in turn until the condition holds; what they read goes to `read`. */
    private static void pollUntil(List<KafkaConsumer<String, String>> consumers, Set<Integer> read, String what,
                                  BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!condition.getAsBoolean()) {
            check(System.nanoTime() < end, "in vain waited for: " + what);
            for (KafkaConsumer<String, String> consumer : consumers) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(50))) {
                    read.add(Integer.parseInt(record.value()));
                }
                try {
                    consumer.commitSync();
                } catch (RebalanceInProgressException | CommitFailedException rebalancing) {
                    // The next poll takes part in it; what was read is read again, or committed later.
                }
            }
        }
    }

    private static boolean share(List<KafkaConsumer<String, String>> consumers, int partitions) {
        Set<TopicPartition> all = new HashSet<>();
        int count = 0;
        for (KafkaConsumer<String, String> consumer : consumers) {
            int own = consumer.assignment().size();
            if (own < partitions / consumers.size() || own > partitions / consumers.size() + 1) {
                return false;
            }
            count += own;
            all.addAll(consumer.assignment());
        }
        return count == partitions && all.size() == partitions;
    }

    private void sharing() throws Exception {
        List<KafkaConsumer<String, String>> consumers = new ArrayList<>();
        Set<Integer> read = new HashSet<>();
        for (int i = 0; i < 3; ++i) {
            consumers.add(consumer("sharing", null, "consumer"));
            consumers.get(i).subscribe(List.of(TOPIC));
        }
        pollUntil(consumers, read, "three members with a third each", () -> share(consumers, PARTITIONS));
        pollUntil(consumers, read, "every record", () -> read.size() == sent);

        ConsumerGroupDescription group = admin.describeConsumerGroups(List.of("sharing")).all().get().get("sharing");
        check(group.type() == GroupType.CONSUMER, "the type: " + group.type());
        check(group.groupState() == GroupState.STABLE, "the state: " + group.groupState());
        check(group.members().size() == 3, "the members: " + group.members());
        check(group.partitionAssignor().equals("uniform"), "the assignor: " + group.partitionAssignor());
        check(group.members().stream().allMatch(member -> member.assignment().topicPartitions().size() == 2
            && member.targetAssignment().get().equals(member.assignment())), "the assignments: " + group.members());
        boolean listed = false;
        for (GroupListing listing : admin.listGroups().all().get()) {
            listed |= listing.groupId().equals("sharing") && listing.type().get() == GroupType.CONSUMER;
        }
        check(listed, "the group is listed");

        consumers.remove(0).close();
        pollUntil(consumers, read, "two members with a half each", () -> share(consumers, PARTITIONS));
        admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(PARTITIONS + 2))).all().get();
        pollUntil(consumers, read, "new partitions", () -> share(consumers, PARTITIONS + 2));
        send(600);
        pollUntil(consumers, read, "every new record", () -> read.size() == sent);
        for (KafkaConsumer<String, String> consumer : consumers) {
            consumer.close();
        }
        long committed = 0;
        for (OffsetAndMetadata offset : admin.listConsumerGroupOffsets("sharing").partitionsToOffsetAndMetadata().get().values()) {
            committed += offset.offset();
        }
        check(committed == sent, "committed " + committed + " of " + sent);
        System.err.println("three members shared, one left, the topic grew, every record was read and committed");
    }

    private void pattern() {
        KafkaConsumer<String, String> consumer = consumer("pattern", null, "consumer");
        Set<Integer> read = new HashSet<>();
        consumer.subscribe(new SubscriptionPattern("kip-.*"));
        pollUntil(List.of(consumer), read, "every record by a pattern", () -> read.size() == sent);
        consumer.close();
        System.err.println("a subscription by a pattern read every record");
    }

    private void statics() {
        KafkaConsumer<String, String> stays = consumer("statics", "stays", "consumer");
        KafkaConsumer<String, String> moves = consumer("statics", "moves", "consumer");
        Set<Integer> read = new HashSet<>();
        stays.subscribe(List.of(TOPIC));
        moves.subscribe(List.of(TOPIC));
        pollUntil(List.of(stays, moves), read, "two static members", () -> share(List.of(stays, moves), PARTITIONS + 2));
        Set<TopicPartition> had = new HashSet<>(moves.assignment());
        Set<TopicPartition> kept = new HashSet<>(stays.assignment());
        moves.close();
        KafkaConsumer<String, String> again = consumer("statics", "moves", "consumer");
        again.subscribe(List.of(TOPIC));
        pollUntil(List.of(stays, again), read, "its partitions", () -> again.assignment().equals(had));
        check(stays.assignment().equals(kept), "the other one kept its own");
        again.close();
        stays.close();
        System.err.println("a static member came back to its partitions");
    }

    /** From the classic protocol to the consumer protocol and back, member by member, without a stop. */
    private void migration() throws Exception {
        Set<Integer> read = new HashSet<>();
        List<KafkaConsumer<String, String>> consumers = new ArrayList<>();
        for (String protocol : List.of("classic", "classic", "consumer", "consumer", "classic", "classic")) {
            KafkaConsumer<String, String> next = consumer("migrating", null, protocol);
            next.subscribe(List.of(TOPIC));
            consumers.add(next);
            if (consumers.size() > 2) {
                consumers.remove(0).close();
            }
            pollUntil(consumers, read, "the members to share, last came " + protocol,
                () -> share(consumers, PARTITIONS + 2));
        }
        pollUntil(consumers, read, "every record", () -> read.size() == sent);
        ConsumerGroupDescription group = admin.describeConsumerGroups(List.of("migrating")).all().get().get("migrating");
        check(group.type() == GroupType.CLASSIC, "the type at the end: " + group.type());
        for (KafkaConsumer<String, String> consumer : consumers) {
            consumer.close();
        }
        System.err.println("a group went from the classic protocol to the consumer protocol and back, and lost nothing");
    }

    public static void main(String[] arguments) throws Exception {
        ConsumerProtocolJob job = new ConsumerProtocolJob(arguments[0]);
        job.admin.createTopics(List.of(new NewTopic(TOPIC, PARTITIONS, (short) 1))).all().get();
        job.send(3000);
        job.sharing();
        job.pattern();
        job.statics();
        job.migration();
        job.admin.close();
    }
}
