// Copies records in transactions, for transactions_copier.py: arguments are BOOTSTRAP NAME SEED. Reads topic
// copier-in in group copiers, writes each value to copier-out, and commits output and offsets together. One
// transaction in five is aborted on purpose. Runs until it is killed; whatever a broker that dies does to it, it
// goes on: an error that ends a producer makes a new one of the same transactional id.

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class TransactionalCopier {
    private final String bootstrap;
    private final String name;
    private final Random chance;
    private long committed;
    private long aborted;

    private TransactionalCopier(String bootstrap, String name, long seed) {
        this.bootstrap = bootstrap;
        this.name = name;
        this.chance = new Random(seed);
    }

    private KafkaProducer<String, String> producer() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", "copier-" + name);
        settings.put("transaction.timeout.ms", "10000");
        settings.put("max.block.ms", "60000");
        settings.put("linger.ms", "2");
        settings.put("reconnect.backoff.max.ms", "200");
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("group.id", "copiers");
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed");
        settings.put("max.poll.records", "200");
        settings.put("session.timeout.ms", "6000");
        settings.put("reconnect.backoff.max.ms", "200");
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    /// Where the group goes on; after an abort the records are read again.
    private static void rewind(KafkaConsumer<String, String> consumer) {
        Set<TopicPartition> assigned = consumer.assignment();
        Map<TopicPartition, OffsetAndMetadata> offsets = consumer.committed(assigned, Duration.ofSeconds(60));
        for (TopicPartition partition : assigned) {
            OffsetAndMetadata offset = offsets.get(partition);
            if (offset != null) {
                consumer.seek(partition, offset.offset());
            } else {
                consumer.seekToBeginning(List.of(partition));
            }
        }
    }

    private void copy(KafkaProducer<String, String> producer, KafkaConsumer<String, String> consumer) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
        if (records.isEmpty()) {
            return;
        }
        boolean abort = chance.nextInt(5) == 0;
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        producer.beginTransaction();
        try {
            for (ConsumerRecord<String, String> record : records) {
                producer.send(new ProducerRecord<>("copier-out", record.key(), record.value()));
                offsets.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
            }
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            if (!abort) {
                producer.commitTransaction();
                committed++;
                return;
            }
        } catch (KafkaException problem) {
            System.out.println("aborts after " + problem);
        }
        producer.abortTransaction();
        aborted++;
        rewind(consumer);
    }

    private void run() {
        while (true) {
            try (KafkaProducer<String, String> producer = producer();
                    KafkaConsumer<String, String> consumer = consumer()) {
                producer.initTransactions();
                consumer.subscribe(List.of("copier-in"));
                while (true) {
                    copy(producer, consumer);
                    System.out.println("committed " + committed + " aborted " + aborted);
                }
            } catch (KafkaException problem) {
                System.out.println("begins anew after " + problem);
            }
        }
    }

    public static void main(String[] arguments) {
        new TransactionalCopier(arguments[0], arguments[1], Long.parseLong(arguments[2])).run();
    }
}
