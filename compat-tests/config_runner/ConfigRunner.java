import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;

import kafka.server.KafkaConfig;

/**
 * Tells what Apache Kafka makes of a properties file, as its start does before anything else, thousands of times in one
 * JVM. Each line of standard input is a file, each line of the answer is 'valid' or the refusal, both in base64.
 */
public final class ConfigRunner {
    private ConfigRunner() {
    }

    private static String verdict(String text) throws IOException {
        Properties properties = new Properties();
        properties.load(new StringReader(text));
        try {
            KafkaConfig.fromProps(properties, false);
            return "valid";
        } catch (RuntimeException refusal) {
            return String.valueOf(refusal.getMessage());
        }
    }

    public static void main(String[] arguments) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String text = new String(Base64.getDecoder().decode(line), StandardCharsets.UTF_8);
            System.out.println(Base64.getEncoder().encodeToString(verdict(text).getBytes(StandardCharsets.UTF_8)));
            System.out.flush();
        }
    }
}
