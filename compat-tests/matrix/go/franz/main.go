// franz-go in the client matrix.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"barnabas/compat/matrix/contract"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const limit = 120 * time.Second

type client struct {
	bootstrap string
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func main() {
	contract.Main(func(bootstrap string) contract.Client { return &client{bootstrap} })
}

func (c *client) Describe() contract.Description {
	return contract.Description{
		Client:  "franz-go",
		Version: contract.ModuleVersion("github.com/twmb/franz-go"),
		Codecs:  []string{"none", "gzip", "snappy", "lz4", "zstd"},
		Features: []string{"create", "headers", "timestamps", "group", "seek", "admin", "idempotence",
			"consume", "produce"},
	}
}

func (c *client) connect(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(c.bootstrap))...)
}

func (c *client) Create(topic string, partitions int) error {
	connection, err := c.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	_, err = kadm.NewClient(connection).CreateTopic(ctx, int32(partitions), -1, nil, topic)
	return err
}

func (c *client) Produce(topic, codec string, records []contract.Record) ([]contract.Position, error) {
	connection, err := c.connect(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codecs[codec]),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(contract.MaxRequestBytes),
		kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	positions := make([]contract.Position, len(records))
	failures := make([]error, len(records))
	for i, record := range records {
		connection.Produce(ctx, toSend(record), func(sent *kgo.Record, err error) {
			positions[i] = contract.Position{Partition: sent.Partition, Offset: sent.Offset}
			failures[i] = err
		})
	}
	if err := connection.Flush(ctx); err != nil {
		return nil, err
	}
	return positions, errors.Join(failures...)
}

func toSend(record contract.Record) *kgo.Record {
	made := &kgo.Record{Partition: record.Partition, Key: record.Key, Value: record.Value}
	if record.Timestamp != nil {
		made.Timestamp = time.UnixMilli(*record.Timestamp)
	}
	for _, header := range record.Headers {
		made.Headers = append(made.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
	}
	return made
}

func received(record *kgo.Record) contract.Record {
	timestamp := record.Timestamp.UnixMilli()
	got := contract.Record{Partition: record.Partition, Offset: &record.Offset, Timestamp: &timestamp,
		Key:   record.Key,
		Value: record.Value, Headers: []contract.Header{}}
	for _, header := range record.Headers {
		got.Headers = append(got.Headers, contract.Header{Name: header.Key, Value: header.Value})
	}
	return got
}

func (c *client) Consume(topic string, partition int32, from int64, count int) ([]contract.Record, error) {
	start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}
	connection, err := c.connect(kgo.ConsumePartitions(start))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var records []contract.Record
	for len(records) < count {
		fetches := connection.PollRecords(ctx, count-len(records))
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(record *kgo.Record) { records = append(records, received(record)) })
	}
	return records, nil
}

func (c *client) Seek(topic string, partition int32, timestamp int64) (*contract.Record, error) {
	connection, err := c.connect()
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	offsets, err := kadm.NewClient(connection).ListOffsetsAfterMilli(ctx, timestamp, topic)
	if err != nil {
		return nil, err
	}
	found, ok := offsets.Lookup(topic, partition)
	if !ok || found.Err != nil {
		return nil, fmt.Errorf("no offset for %s-%d: %v", topic, partition, found.Err)
	}
	if found.Timestamp < 0 {
		return nil, nil
	}
	records, err := c.Consume(topic, partition, found.Offset, 1)
	if err != nil {
		return nil, err
	}
	return &records[0], nil
}
