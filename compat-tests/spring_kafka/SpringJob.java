// The application of software_spring_kafka.py: arguments are BOOTSTRAP COUNT. At each line of standard input, which says
// the first number, it sends COUNT letters through a KafkaTemplate; and it prints what its listeners are handed.
//
// Letters go to three containers of one listener, whose answers @SendTo sends on. Every 100th is refused twice and then
// taken, every 250th is refused always: after three attempts the error handler sends it to the dead-letter topic, where
// another listener prints it with the headers that tell where it came from. A letter that is no number fails in the
// deserializer and goes there at once.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.IntegerDeserializer;
import org.apache.kafka.common.serialization.IntegerSerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.kafka.annotation.EnableKafka;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.config.TopicBuilder;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.KafkaAdmin;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.DeadLetterPublishingRecoverer;
import org.springframework.kafka.listener.DefaultErrorHandler;
import org.springframework.kafka.support.KafkaHeaders;
import org.springframework.kafka.support.SendResult;
import org.springframework.kafka.support.serializer.DelegatingByTypeSerializer;
import org.springframework.kafka.support.serializer.ErrorHandlingDeserializer;
import org.springframework.messaging.handler.annotation.SendTo;
import org.springframework.util.backoff.FixedBackOff;

public final class SpringJob {
    private static String bootstrap;

    private SpringJob() {}

    static synchronized void print(String line) {
        System.out.println(line);
    }

    @Configuration
    @EnableKafka
    public static class Application {
        @Bean
        public KafkaAdmin admin() {
            return new KafkaAdmin(Map.of("bootstrap.servers", bootstrap));
        }

        @Bean
        public KafkaAdmin.NewTopics topics() {
            return new KafkaAdmin.NewTopics(topic("letters", 3), topic("letters-dlt", 3), topic("replies", 1));
        }

        private static NewTopic topic(String name, int partitions) {
            return TopicBuilder.name(name).partitions(partitions).replicas(1).config("retention.ms", "86400000").build();
        }

        @Bean
        public ProducerFactory<String, Object> producers() {
            Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "acks", "all", "linger.ms", "5");
            var values = new DelegatingByTypeSerializer(Map.of(Integer.class, new IntegerSerializer(),
                byte[].class, new ByteArraySerializer(), String.class, new StringSerializer()));
            return new DefaultKafkaProducerFactory<>(settings, new StringSerializer(), values);
        }

        @Bean
        public KafkaTemplate<String, Object> template(ProducerFactory<String, Object> producers) {
            return new KafkaTemplate<>(producers);
        }

        private static Map<String, Object> consumerSettings() {
            return Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest", "enable.auto.commit", "false",
                "max.poll.records", "50", "session.timeout.ms", "8000", "heartbeat.interval.ms", "2000");
        }

        @Bean
        public ConcurrentKafkaListenerContainerFactory<String, Integer> letterContainers(
                KafkaTemplate<String, Object> template) {
            var factory = new ConcurrentKafkaListenerContainerFactory<String, Integer>();
            factory.setConsumerFactory(new DefaultKafkaConsumerFactory<>(consumerSettings(), new StringDeserializer(),
                new ErrorHandlingDeserializer<>(new IntegerDeserializer())));
            factory.setConcurrency(3);
            factory.setReplyTemplate(template);
            var recoverer = new DeadLetterPublishingRecoverer(template,
                (record, error) -> new TopicPartition("letters-dlt", record.partition()));
            factory.setCommonErrorHandler(new DefaultErrorHandler(recoverer, new FixedBackOff(10, 2)));
            return factory;
        }

        @Bean
        public ConcurrentKafkaListenerContainerFactory<String, byte[]> deadContainers() {
            var factory = new ConcurrentKafkaListenerContainerFactory<String, byte[]>();
            factory.setConsumerFactory(new DefaultKafkaConsumerFactory<>(consumerSettings(), new StringDeserializer(),
                new ByteArrayDeserializer()));
            return factory;
        }

        @Bean
        public Letters letters() {
            return new Letters();
        }
    }

    public static final class Letters {
        private final Map<Integer, Integer> attempts = new ConcurrentHashMap<>();

        @KafkaListener(id = "clerks", topics = "letters", containerFactory = "letterContainers")
        @SendTo("replies")
        public Integer take(ConsumerRecord<String, Integer> record) {
            int number = record.value();
            int attempt = attempts.merge(number, 1, Integer::sum);
            boolean refused = number % 250 == 0 || number % 100 == 0 && attempt <= 2;
            if (refused) throw new IllegalStateException("refused " + number + ", attempt " + attempt);
            print("taken " + number + " " + attempt);
            return number;
        }

        @KafkaListener(id = "dead", topics = "letters-dlt", containerFactory = "deadContainers")
        public void bury(ConsumerRecord<String, byte[]> record) {
            byte[] offset = record.headers().lastHeader(KafkaHeaders.DLT_ORIGINAL_OFFSET).value();
            byte[] partition = record.headers().lastHeader(KafkaHeaders.DLT_ORIGINAL_PARTITION).value();
            print("dead " + record.key() + " " + text(record, KafkaHeaders.DLT_ORIGINAL_TOPIC) + " "
                + ByteBuffer.wrap(partition).getInt() + " " + ByteBuffer.wrap(offset).getLong() + " "
                + text(record, KafkaHeaders.DLT_EXCEPTION_FQCN));
        }

        private static String text(ConsumerRecord<?, ?> record, String header) {
            return new String(record.headers().lastHeader(header).value(), StandardCharsets.UTF_8);
        }
    }

    /** Sends letters, all but one of them numbers, and waits until they are acknowledged. */
    private static void send(KafkaTemplate<String, Object> template, int first, int count) throws Exception {
        List<CompletableFuture<SendResult<String, Object>>> told = new ArrayList<>();
        for (int number = first; number < first + count; ++number) {
            told.add(template.send("letters", number % 3, "key-" + number, number));
        }
        told.add(template.send("letters", 0, "key-none-" + first, "not a number"));
        for (var future : told) future.get(60, TimeUnit.SECONDS);
        print("sent " + first + " " + count);
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        int count = Integer.parseInt(arguments[1]);
        try (var context = new AnnotationConfigApplicationContext(Application.class);
             var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            @SuppressWarnings("unchecked")
            KafkaTemplate<String, Object> template = context.getBean(KafkaTemplate.class);
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                send(template, Integer.parseInt(line), count);
            }
        }
    }
}
