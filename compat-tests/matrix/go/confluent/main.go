// confluent-kafka-go, librdkafka as Go sees it, in the client matrix.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"barnabas/compat/matrix/contract"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const limit = 120 * time.Second

type client struct {
	bootstrap string
}

func main() {
	contract.Main(func(bootstrap string) contract.Client { return &client{bootstrap} })
}

func (c *client) Describe() contract.Description {
	_, librdkafka := kafka.LibraryVersion()
	module := contract.ModuleVersion("github.com/confluentinc/confluent-kafka-go/v2")
	return contract.Description{
		Client:  "confluent-kafka-go",
		Version: fmt.Sprintf("%s (librdkafka %s)", module, librdkafka),
		Codecs:  []string{"none", "gzip", "snappy", "lz4", "zstd"},
		Features: []string{"create", "headers", "timestamps", "group", "seek", "admin", "idempotence",
			"consume", "produce"},
	}
}

func (c *client) settings(more kafka.ConfigMap) *kafka.ConfigMap {
	more["bootstrap.servers"] = c.bootstrap
	return &more
}

func (c *client) Create(topic string, partitions int) error {
	admin, err := kafka.NewAdminClient(c.settings(kafka.ConfigMap{}))
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	results, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: topic,
		NumPartitions: partitions}})
	if err == nil && results[0].Error.Code() != kafka.ErrNoError {
		err = results[0].Error
	}
	return err
}

func (c *client) Produce(topic, codec string, records []contract.Record) ([]contract.Position, error) {
	producer, err := kafka.NewProducer(c.settings(kafka.ConfigMap{"acks": "all", "enable.idempotence": true,
		"compression.type": codec, "message.max.bytes": contract.MaxRequestBytes}))
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	reports := make(chan kafka.Event, len(records))
	for i, record := range records {
		if err := producer.Produce(toSend(topic, record, i), reports); err != nil {
			return nil, err
		}
	}
	positions := make([]contract.Position, len(records))
	timeout := time.After(limit)
	for range records {
		select {
		case report := <-reports:
			sent := report.(*kafka.Message)
			if sent.TopicPartition.Error != nil {
				return nil, sent.TopicPartition.Error
			}
			positions[sent.Opaque.(int)] = contract.Position{
				Partition: sent.TopicPartition.Partition, Offset: int64(sent.TopicPartition.Offset)}
		case <-timeout:
			return nil, errors.New("not all records were acknowledged")
		}
	}
	return positions, nil
}

func toSend(topic string, record contract.Record, index int) *kafka.Message {
	made := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: record.Partition},
		Key: record.Key, Value: record.Value, Opaque: index}
	if record.Timestamp != nil {
		made.Timestamp = time.UnixMilli(*record.Timestamp)
	}
	for _, header := range record.Headers {
		made.Headers = append(made.Headers, kafka.Header{Key: header.Name, Value: header.Value})
	}
	return made
}

func received(message *kafka.Message) contract.Record {
	offset, timestamp := int64(message.TopicPartition.Offset), message.Timestamp.UnixMilli()
	got := contract.Record{Partition: message.TopicPartition.Partition, Offset: &offset,
		Timestamp: &timestamp,
		Key:       message.Key, Value: message.Value, Headers: []contract.Header{}}
	for _, header := range message.Headers {
		got.Headers = append(got.Headers, contract.Header{Name: header.Key, Value: header.Value})
	}
	return got
}

// A consumer of partitions that it is told; the library wants the name of a group all the same.
func (c *client) lone() (*kafka.Consumer, error) {
	return kafka.NewConsumer(c.settings(kafka.ConfigMap{"group.id": "none", "enable.auto.commit": false,
		"fetch.message.max.bytes": contract.MaxRequestBytes}))
}

func (c *client) Consume(topic string, partition int32, from int64, count int) ([]contract.Record, error) {
	consumer, err := c.lone()
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	place := kafka.TopicPartition{Topic: &topic, Partition: partition, Offset: kafka.Offset(from)}
	if err := consumer.Assign([]kafka.TopicPartition{place}); err != nil {
		return nil, err
	}
	var records []contract.Record
	for len(records) < count {
		message, err := consumer.ReadMessage(limit)
		if err != nil {
			return nil, err
		}
		records = append(records, received(message))
	}
	return records, nil
}

func (c *client) Seek(topic string, partition int32, timestamp int64) (*contract.Record, error) {
	consumer, err := c.lone()
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	at := kafka.TopicPartition{Topic: &topic, Partition: partition, Offset: kafka.Offset(timestamp)}
	found, err := consumer.OffsetsForTimes([]kafka.TopicPartition{at}, int(limit.Milliseconds()))
	if err != nil {
		return nil, err
	}
	if found[0].Error != nil || found[0].Offset < 0 {
		return nil, found[0].Error
	}
	records, err := c.Consume(topic, partition, int64(found[0].Offset), 1)
	if err != nil {
		return nil, err
	}
	return &records[0], nil
}
