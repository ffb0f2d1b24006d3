package main

import (
	"fmt"
	"os"

	"barnabas/compat/matrix/contract"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func (c *client) Group(topic, group string, member *contract.Member) error {
	consumer, err := kafka.NewConsumer(c.settings(kafka.ConfigMap{
		"group.id": group, "enable.auto.commit": false, "auto.offset.reset": "earliest",
		"heartbeat.interval.ms": int(contract.HeartbeatInterval.Milliseconds()),
		"session.timeout.ms":    int(contract.SessionTimeout.Milliseconds())}))
	if err != nil {
		return err
	}
	rebalanced := func(consumer *kafka.Consumer, event kafka.Event) error {
		switch event := event.(type) {
		case kafka.AssignedPartitions:
			member.Gain(numbers(event.Partitions))
		case kafka.RevokedPartitions:
			if !consumer.AssignmentLost() {
				if err := commit(consumer, topic, member); err != nil {
					fmt.Fprintln(os.Stderr, "not committed:", err)
				}
			}
			member.Lose(numbers(event.Partitions))
		}
		return nil
	}
	if err := consumer.SubscribeTopics([]string{topic}, rebalanced); err != nil {
		return err
	}
	for {
		select {
		case command := <-member.Commands:
			if err := commit(consumer, topic, member); err != nil {
				return err
			}
			if command == "leave" {
				return consumer.Close()
			}
			member.Committed()
		default:
			switch event := consumer.Poll(100).(type) {
			case *kafka.Message:
				member.Read(received(event))
			case kafka.Error:
				fmt.Fprintln(os.Stderr, event) // The library goes on by itself, as when the broker restarts.
			}
		}
	}
}

func numbers(partitions []kafka.TopicPartition) []int32 {
	var found []int32
	for _, partition := range partitions {
		found = append(found, partition.Partition)
	}
	return found
}

func commit(consumer *kafka.Consumer, topic string, member *contract.Member) error {
	var offsets []kafka.TopicPartition
	for partition, next := range member.Positions() {
		offsets = append(offsets, kafka.TopicPartition{Topic: &topic, Partition: partition,
			Offset: kafka.Offset(next)})
	}
	if len(offsets) == 0 {
		return nil
	}
	_, err := consumer.CommitOffsets(offsets)
	return err
}
