// kafka-go, Segment's library, in the client matrix.
package main

import (
	"context"
	"errors"
	"time"

	"barnabas/compat/matrix/contract"

	"github.com/segmentio/kafka-go"
)

const limit = 120 * time.Second

type client struct {
	bootstrap string
}

var codecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func main() {
	contract.Main(func(bootstrap string) contract.Client { return &client{bootstrap} })
}

// Describe: the library has no idempotent producer, and its reader makes nil of what is empty.
func (c *client) Describe() contract.Description {
	return contract.Description{
		Client:   "kafka-go",
		Version:  contract.ModuleVersion("github.com/segmentio/kafka-go"),
		Codecs:   []string{"none", "gzip", "snappy", "lz4", "zstd"},
		Features: []string{"create", "headers", "timestamps", "group", "seek", "admin", "consume", "produce"},
		Cannot:   []string{"empty_keys", "empty_values", "empty_header_values"},
	}
}

func (c *client) caller() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(c.bootstrap)}
}

func (c *client) Create(topic string, partitions int) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	answer, err := c.caller().CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err != nil {
		return err
	}
	return answer.Errors[topic]
}

// A place in the input, which the writer hands back with a message that was written.
type place struct {
	index, partition int
}

func (c *client) Produce(topic, codec string, records []contract.Record) ([]contract.Position, error) {
	positions := make([]contract.Position, len(records))
	writer := &kafka.Writer{
		Addr: kafka.TCP(c.bootstrap), Topic: topic, RequiredAcks: kafka.RequireAll,
		Compression: codecs[codec],
		BatchBytes:  contract.MaxRequestBytes,
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
			return message.WriterData.(place).partition
		}),
		Completion: func(written []kafka.Message, err error) {
			if err != nil {
				return // WriteMessages returns it.
			}
			for _, message := range written {
				positions[message.WriterData.(place).index] =
					contract.Position{Partition: int32(message.Partition), Offset: message.Offset}
			}
		},
	}
	var messages []kafka.Message
	for i, record := range records {
		messages = append(messages, toSend(record, i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := writer.WriteMessages(ctx, messages...); err != nil {
		return nil, err
	}
	return positions, writer.Close()
}

func toSend(record contract.Record, index int) kafka.Message {
	made := kafka.Message{Key: record.Key, Value: record.Value, WriterData: place{index,
		int(record.Partition)}}
	if record.Timestamp != nil {
		made.Time = time.UnixMilli(*record.Timestamp)
	}
	for _, header := range record.Headers {
		made.Headers = append(made.Headers, kafka.Header{Key: header.Name, Value: header.Value})
	}
	return made
}

func received(message kafka.Message) contract.Record {
	timestamp := message.Time.UnixMilli()
	got := contract.Record{Partition: int32(message.Partition), Offset: &message.Offset,
		Timestamp: &timestamp,
		Key:       message.Key, Value: message.Value, Headers: []contract.Header{}}
	for _, header := range message.Headers {
		got.Headers = append(got.Headers, contract.Header{Name: header.Key, Value: header.Value})
	}
	return got
}

// A reader of one partition, without a group.
func (c *client) reader(topic string, partition int) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{c.bootstrap}, Topic: topic,
		Partition: partition,
		MaxBytes:  contract.MaxRequestBytes, MaxWait: 100 * time.Millisecond})
}

func (c *client) Consume(topic string, partition int32, from int64, count int) ([]contract.Record, error) {
	reader := c.reader(topic, int(partition))
	defer reader.Close()
	if err := reader.SetOffset(from); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var records []contract.Record
	for len(records) < count {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		records = append(records, received(message))
	}
	return records, nil
}

func (c *client) Seek(topic string, partition int32, timestamp int64) (*contract.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	answer, err := c.caller().ListOffsets(ctx,
		&kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
			topic: {kafka.TimeOffsetOf(int(partition), time.UnixMilli(timestamp))}}})
	if err != nil {
		return nil, err
	}
	for _, found := range answer.Topics[topic] {
		if found.Error != nil {
			return nil, found.Error
		}
		for offset := range found.Offsets {
			if offset < 0 {
				return nil, nil
			}
			records, err := c.Consume(topic, partition, offset, 1)
			if err != nil {
				return nil, err
			}
			return &records[0], nil
		}
	}
	return nil, errors.New("no answer to ListOffsets")
}
