# Lines as people have them in health checks, init containers and CI jobs; native_shell_lines.py runs them one by one in
# one folder, first with Apache Kafka's tools on the PATH, then with ours. $BOOTSTRAP is the broker, $CONTROLLER its
# controller's listener. \ at the end of a line joins it with the next.

# docker-compose health checks
kafka-topics.sh --bootstrap-server $BOOTSTRAP --list
kafka-topics.sh --bootstrap-server $BOOTSTRAP --list >/dev/null 2>&1 || exit 1
kafka-broker-api-versions.sh --bootstrap-server $BOOTSTRAP >/dev/null && echo healthy
kafka-cluster.sh cluster-id --bootstrap-server $BOOTSTRAP | grep -q 'Cluster ID' && echo up
until kafka-topics.sh --bootstrap-server $BOOTSTRAP --list >/dev/null 2>&1; do sleep 1; done; echo ready
timeout 60 bash -c 'until kafka-broker-api-versions.sh --bootstrap-server $BOOTSTRAP | grep -q Produce; do sleep 1; done'
kafka-metadata-quorum.sh --bootstrap-server $BOOTSTRAP describe --status | grep -c LeaderId
kafka-metadata-quorum.sh --bootstrap-controller $CONTROLLER describe --status | awk '/LeaderId/ { print $2 }'

# init containers
for t in orders payments audit; do \
  kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --if-not-exists --topic $t --partitions 3 --replication-factor 1; done
kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --if-not-exists --topic orders --partitions 3 && echo again
kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --topic orders 2>/dev/null || echo is there
kafka-topics.sh --create --topic users --partitions 1 --config cleanup.policy=compact --bootstrap-server $BOOTSTRAP
echo 'a:2 b:1' | tr ' ' '\n' | while IFS=: read -r name count; do \
  kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --topic $name --partitions $count </dev/null; done
kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --topic my.topic 2>&1 | tail -1
kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --topic bad/name 2>/dev/null; echo code $?
kafka-topics.sh --bootstrap-server $BOOTSTRAP --create --topic wrong --config no.such=1 2>/dev/null; echo code $?
kafka-topics.sh --bootstrap-server $BOOTSTRAP --list | sort | paste -sd, -
kafka-topics.sh --bootstrap-server $BOOTSTRAP --list | grep -x orders
kafka-topics.sh --bootstrap-server $BOOTSTRAP --list | grep -vc '^__'
kafka-topics.sh --bootstrap-server $BOOTSTRAP --describe --topic orders | grep -o 'PartitionCount: [0-9]*'
kafka-topics.sh --bootstrap-server $BOOTSTRAP --describe --topic orders | grep -c 'Leader: 1'
[ $(kafka-topics.sh --bootstrap-server $BOOTSTRAP --describe --under-replicated-partitions | wc -l) -eq 0 ] && echo in sync
kafka-topics.sh --bootstrap-server $BOOTSTRAP --describe --topic nosuch 2>/dev/null; echo code $?
kafka-topics.sh --bootstrap-server $BOOTSTRAP --alter --topic a --partitions 4 && echo grown
kafka-topics.sh --bootstrap-server $BOOTSTRAP --describe --topic a | awk '/Partition:/ { print $4, $6 }'

# configuration
kafka-configs.sh --bootstrap-server $BOOTSTRAP --alter --entity-type topics --entity-name orders --add-config retention.ms=3600000
kafka-configs.sh --bootstrap-server $BOOTSTRAP --describe --topic orders | grep -o 'retention.ms=[0-9]*' | head -1
kafka-configs.sh --bootstrap-server $BOOTSTRAP --alter --topic orders --add-config cleanup.policy=[compact,delete]
kafka-configs.sh --bootstrap-server $BOOTSTRAP --alter --topic orders --delete-config cleanup.policy,retention.ms
kafka-configs.sh --bootstrap-server $BOOTSTRAP --alter --broker-defaults --add-config log.cleaner.threads=2
kafka-configs.sh --bootstrap-server $BOOTSTRAP --alter --user app --add-config producer_byte_rate=1048576
kafka-configs.sh --bootstrap-server $BOOTSTRAP --describe --entity-type users
kafka-configs.sh --bootstrap-server $BOOTSTRAP --alter --user app --add-config 'SCRAM-SHA-512=[password=secret]'

# records in and out
echo hello | kafka-console-producer.sh --bootstrap-server $BOOTSTRAP --topic payments && echo sent
printf 'k1:v1\nk2:v2\nk1:v3\n' | kafka-console-producer.sh --bootstrap-server $BOOTSTRAP --topic users \
  --property parse.key=true --property key.separator=: 2>/dev/null
seq 1 5 | kafka-console-producer.sh --bootstrap-server $BOOTSTRAP --topic b --producer-property acks=all 2>/dev/null
kafka-console-consumer.sh --bootstrap-server $BOOTSTRAP --topic payments --from-beginning --max-messages 1 --timeout-ms 20000
kafka-console-consumer.sh --bootstrap-server $BOOTSTRAP --topic users --from-beginning --max-messages 3 --timeout-ms 20000 \
  --property print.key=true --property key.separator== 2>/dev/null
kafka-console-consumer.sh --bootstrap-server $BOOTSTRAP --topic b --group readers --from-beginning --max-messages 3 \
  --timeout-ms 20000 2>/dev/null | sort
kafka-get-offsets.sh --bootstrap-server $BOOTSTRAP --topic b --time latest
kafka-get-offsets.sh --bootstrap-server $BOOTSTRAP --topic users | awk -F: '{ sum += $3 } END { print sum }'

# groups
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --list
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --describe --group readers 2>/dev/null | awk '$2 == "b" { print $3, $4, $6 }'
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --describe --group nosuch 2>/dev/null; echo code $?
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --group readers --topic b --reset-offsets --to-earliest --execute
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --group readers --topic b:0 --reset-offsets --shift-by 2 --dry-run
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --group readers --all-topics --reset-offsets --to-latest --dry-run --export
kafka-consumer-groups.sh --bootstrap-server $BOOTSTRAP --delete --group readers
kafka-groups.sh --bootstrap-server $BOOTSTRAP --list

# Whether a consumer has become a member of its group before its time is up depends on the machine, so no line after this
# one tells of groups.
kafka-console-consumer.sh --bootstrap-server $BOOTSTRAP --topic audit --from-beginning --timeout-ms 1500 2>/dev/null; echo code $?

# the end of a job
kafka-topics.sh --bootstrap-server $BOOTSTRAP --list | grep -E '^(a|b)$' | xargs -I{} kafka-topics.sh --bootstrap-server $BOOTSTRAP --delete --topic {}
kafka-topics.sh --bootstrap-server $BOOTSTRAP --delete --if-exists --topic nosuch && echo gone
kafka-topics.sh --bootstrap-server $BOOTSTRAP --lists 2>/dev/null; echo code $?
kafka-topics.sh --list 2>/dev/null; echo code $?
