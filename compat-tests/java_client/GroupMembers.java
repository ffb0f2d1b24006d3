import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Members of groups that read a topic until a line comes on standard input, and tell what happens, a line each:
 * MEMBER assigned|revoked|lost PARTITION..., MEMBER read PARTITION FIRST LAST, MEMBER committed PARTITION OFFSET.
 * The arguments are BOOTSTRAP TOPIC and GROUP=PROTOCOL for each group, which has two members.
 */
public final class GroupMembers {
    private static volatile boolean stopping = false;

    private static final class Member implements Runnable, ConsumerRebalanceListener {
        private final String name;
        private final String topic;
        private final Consumer<byte[], byte[]> consumer;

        Member(String name, String topic, Map<String, Object> config) {
            this.name = name;
            this.topic = topic;
            this.consumer = new KafkaConsumer<>(config);
        }

        private void tell(String what, Object... values) {
            StringBuilder line = new StringBuilder(name).append(' ').append(what);
            for (Object value : values) line.append(' ').append(value);
            synchronized (System.out) {
                System.out.println(line);
                System.out.flush();
            }
        }

        private void tell(String what, Collection<TopicPartition> partitions) {
            if (!partitions.isEmpty())
                tell(what, partitions.stream().map(TopicPartition::partition).sorted().toArray());
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            tell("assigned", partitions);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            tell("revoked", partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            tell("lost", partitions);
        }

        private void commit(ConsumerRecords<byte[], byte[]> records) {
            Map<TopicPartition, OffsetAndMetadata> offsets = records.partitions().stream().collect(Collectors.toMap(
                partition -> partition, partition -> {
                    List<ConsumerRecord<byte[], byte[]>> of = records.records(partition);
                    return new OffsetAndMetadata(of.get(of.size() - 1).offset() + 1);
                }));
            try {
                consumer.commitSync(offsets, Duration.ofSeconds(20));
            } catch (CommitFailedException | RebalanceInProgressException | RetriableException given) {
                tell("refused", given.getClass().getSimpleName());
                return;
            }
            offsets.forEach((partition, offset) -> tell("committed", partition.partition(), offset.offset()));
        }

        @Override
        public void run() {
            try (consumer) {
                consumer.subscribe(List.of(topic), this);
                while (!stopping) {
                    ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                    if (records.isEmpty()) continue;
                    for (TopicPartition partition : records.partitions()) {
                        List<ConsumerRecord<byte[], byte[]>> of = records.records(partition);
                        tell("read", partition.partition(), of.get(0).offset(), of.get(of.size() - 1).offset());
                    }
                    commit(records);
                }
            } catch (Throwable failure) {
                tell("failed", failure);
            }
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        for (int i = 2; i < arguments.length; i++) {
            String[] group = arguments[i].split("=");
            for (int number = 1; number <= 2; number++) {
                Member member = new Member(group[0] + "/" + number, arguments[1], Map.of(
                    "bootstrap.servers", arguments[0],
                    "group.id", group[0],
                    "group.protocol", group[1],
                    "client.id", group[0] + number,
                    "auto.offset.reset", "earliest",
                    "enable.auto.commit", false,
                    "metadata.max.age.ms", 2000,
                    "key.deserializer", ByteArrayDeserializer.class,
                    "value.deserializer", ByteArrayDeserializer.class));
                Thread thread = new Thread(member, member.name);
                thread.start();
                threads.add(thread);
            }
        }
        Scanner input = new Scanner(System.in);
        if (input.hasNextLine()) input.nextLine();
        stopping = true;
        for (Thread thread : threads) thread.join();
    }
}
