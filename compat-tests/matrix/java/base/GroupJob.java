// A member of a group: says what it holds and reads, commits before partitions are taken away and when it is told to.

import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.ArrayList;
import java.util.Map;
import java.util.Queue;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

final class GroupJob implements ConsumerRebalanceListener {
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final Map<TopicPartition, OffsetAndMetadata> processed = new HashMap<>();

  GroupJob(String bootstrap, String topic, String group) {
    consumer = Client.consumer(bootstrap, group);
    consumer.subscribe(Collections.singletonList(topic), this);
  }

  @Override
  public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
    try {
      commit();
    } catch (CommitFailedException late) {
      System.err.println("the group has gone on without this member: " + late.getMessage());
    }
    processed.keySet().removeAll(revoked);
  }

  @Override
  public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
    List<Integer> held = new ArrayList<>();
    for (TopicPartition place : consumer.assignment()) held.add(place.partition());
    Collections.sort(held);
    Client.say("assigned", held);
  }

  void run(Queue<String> commands) {
    String command = null;
    while (!"leave".equals(command)) {
      for (ConsumerRecord<byte[], byte[]> record : Generation.poll(consumer, 50)) {
        Client.say(record);
        processed.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
      }
      command = commands.poll();
      if (command != null) commit();
      if ("commit".equals(command)) Client.say("committed", true);
    }
    consumer.close();
  }

  private void commit() {
    if (!processed.isEmpty()) consumer.commitSync(processed);
  }
}
