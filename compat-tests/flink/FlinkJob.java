// The application of software_flink.py: arguments are BOOTSTRAP CHECKPOINTS [CHECKPOINT]. A cluster of Flink in this JVM
// runs until it is killed; with a CHECKPOINT it goes on from there.
//
// It reads visits ("PLACE AMOUNT") and sends, for each, how many there have been at the place and what they add up to.
// Offsets and tallies are in the same checkpoint, and the offsets are committed to the broker too. The sink is
// at-least-once.

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

public final class FlinkJob {
    private FlinkJob() {}

    /** Adds a visit to the tally of its place; hands on "PLACE COUNT SUM". */
    private static final class Tally extends KeyedProcessFunction<String, String, String> {
        private static final long serialVersionUID = 1;
        private transient ValueState<Long> count;
        private transient ValueState<Long> sum;

        @Override
        public void open(OpenContext context) {
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
            sum = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", Types.LONG));
        }

        private static long add(ValueState<Long> state, long more) throws Exception {
            long now = (state.value() == null ? 0 : state.value()) + more;
            state.update(now);
            return now;
        }

        @Override
        public void processElement(String visit, Context context, Collector<String> out) throws Exception {
            String[] words = visit.split(" ");
            out.collect(words[0] + " " + add(count, 1) + " " + add(sum, Long.parseLong(words[1])));
        }
    }

    private static Configuration settings(String[] arguments) {
        Map<String, String> settings = new HashMap<>(Map.of(
            "execution.checkpointing.interval", "500 ms",
            "execution.checkpointing.storage", "filesystem",
            "execution.checkpointing.dir", "file://" + arguments[1],
            "execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION",
            "restart-strategy.type", "fixed-delay",
            "restart-strategy.fixed-delay.attempts", "100",
            "restart-strategy.fixed-delay.delay", "500 ms"));
        if (arguments.length > 2) settings.put("execution.state-recovery.path", "file://" + arguments[2]);
        return Configuration.fromMap(settings);
    }

    private static KafkaSource<String> source(String bootstrap) {
        return KafkaSource.<String>builder()
            .setBootstrapServers(bootstrap)
            .setTopics("visits")
            .setGroupId("flink-readers")
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setValueOnlyDeserializer(new SimpleStringSchema())
            .setProperty("partition.discovery.interval.ms", "1000")
            .build();
    }

    private static KafkaSink<String> sink(String bootstrap) {
        SerializationSchema<String> key = tally -> tally.split(" ")[0].getBytes(StandardCharsets.UTF_8);
        return KafkaSink.<String>builder()
            .setBootstrapServers(bootstrap)
            .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
            .setRecordSerializer(KafkaRecordSerializationSchema.<String>builder()
                .setTopic("tallies")
                .setKeySerializationSchema(key)
                .setValueSerializationSchema(new SimpleStringSchema())
                .build())
            .build();
    }

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        var environment = StreamExecutionEnvironment.createLocalEnvironment(2, settings(arguments));
        environment.fromSource(source(bootstrap), WatermarkStrategy.noWatermarks(), "visits").uid("visits")
            .keyBy(visit -> visit.split(" ")[0])
            .process(new Tally()).uid("tally")
            .sinkTo(sink(bootstrap)).uid("tallies");
        environment.execute("tallies");
    }
}
