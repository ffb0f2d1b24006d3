// Starts each Kafka container of testcontainers-java in turn, prints its bootstrap address, and stops it when its input
// has a line or ends.
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.kafka.ConfluentKafkaContainer;
import org.testcontainers.kafka.KafkaContainer;

public class Module {
    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "KafkaContainer": {
                KafkaContainer kafka = new KafkaContainer(arguments[1]);
                serve(kafka, () -> kafka.getBootstrapServers());
                break;
            }
            default: {
                ConfluentKafkaContainer kafka = new ConfluentKafkaContainer(arguments[1]);
                serve(kafka, () -> kafka.getBootstrapServers());
            }
        }
    }

    private static void serve(GenericContainer<?> kafka, java.util.function.Supplier<String> bootstrap)
            throws Exception {
        kafka.start();
        System.out.println("bootstrap " + bootstrap.get());
        while (System.in.read() >= 0) {
        }
        kafka.stop();
    }
}
