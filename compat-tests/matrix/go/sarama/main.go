// Sarama in the client matrix.
package main

import (
	"errors"
	"fmt"
	"time"

	"barnabas/compat/matrix/contract"

	"github.com/IBM/sarama"
)

const limit = 120 * time.Second

type client struct {
	bootstrap string
}

var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func main() {
	contract.Main(func(bootstrap string) contract.Client { return &client{bootstrap} })
}

func (c *client) Describe() contract.Description {
	return contract.Description{
		Client:  "sarama",
		Version: contract.ModuleVersion("github.com/IBM/sarama"),
		Codecs:  []string{"none", "gzip", "snappy", "lz4", "zstd"},
		Features: []string{"create", "headers", "timestamps", "group", "seek", "admin", "idempotence",
			"consume", "produce"},
	}
}

// The newest versions of everything that this library knows.
func newest() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.MaxMessageBytes = contract.MaxRequestBytes
	return config
}

func (c *client) Create(topic string, partitions int) error {
	admin, err := sarama.NewClusterAdmin([]string{c.bootstrap}, newest())
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(partitions),
		ReplicationFactor: -1}, false)
}

// Produce sends with the idempotent producer, which in this library has one request in flight.
func (c *client) Produce(topic, codec string, records []contract.Record) ([]contract.Position, error) {
	config := newest()
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Compression = codecs[codec]
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	producer, err := sarama.NewAsyncProducer([]string{c.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	go func() {
		for i, record := range records {
			producer.Input() <- toSend(topic, record, i)
		}
	}()
	defer producer.Close()
	positions := make([]contract.Position, len(records))
	timeout := time.After(limit)
	for range records {
		select {
		case sent := <-producer.Successes():
			positions[sent.Metadata.(int)] = contract.Position{Partition: sent.Partition, Offset: sent.Offset}
		case failed := <-producer.Errors():
			return nil, failed
		case <-timeout:
			return nil, errors.New("not all records were acknowledged")
		}
	}
	return positions, nil
}

func toSend(topic string, record contract.Record, index int) *sarama.ProducerMessage {
	made := &sarama.ProducerMessage{Topic: topic, Partition: record.Partition, Metadata: index}
	if record.Key != nil {
		made.Key = sarama.ByteEncoder(record.Key)
	}
	if record.Value != nil {
		made.Value = sarama.ByteEncoder(record.Value)
	}
	if record.Timestamp != nil {
		made.Timestamp = time.UnixMilli(*record.Timestamp)
	}
	for _, header := range record.Headers {
		made.Headers = append(made.Headers, sarama.RecordHeader{Key: []byte(header.Name),
			Value: header.Value})
	}
	return made
}

func received(message *sarama.ConsumerMessage) contract.Record {
	timestamp := message.Timestamp.UnixMilli()
	got := contract.Record{Partition: message.Partition, Offset: &message.Offset, Timestamp: &timestamp,
		Key:   message.Key,
		Value: message.Value, Headers: []contract.Header{}}
	for _, header := range message.Headers {
		got.Headers = append(got.Headers, contract.Header{Name: string(header.Key), Value: header.Value})
	}
	return got
}

func (c *client) Consume(topic string, partition int32, from int64, count int) ([]contract.Record, error) {
	config := newest()
	config.Consumer.Return.Errors = true
	consumer, err := sarama.NewConsumer([]string{c.bootstrap}, config)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, from)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var records []contract.Record
	timeout := time.After(limit)
	for len(records) < count {
		select {
		case message := <-reader.Messages():
			records = append(records, received(message))
		case failed := <-reader.Errors():
			return nil, failed
		case <-timeout:
			return nil, fmt.Errorf("%d of %d records", len(records), count)
		}
	}
	return records, nil
}

func (c *client) Seek(topic string, partition int32, timestamp int64) (*contract.Record, error) {
	connection, err := sarama.NewClient([]string{c.bootstrap}, newest())
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	offset, err := connection.GetOffset(topic, partition, timestamp)
	if err != nil || offset < 0 {
		return nil, err
	}
	records, err := c.Consume(topic, partition, offset, 1)
	if err != nil {
		return nil, err
	}
	return &records[0], nil
}
