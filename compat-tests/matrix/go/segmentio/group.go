package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"barnabas/compat/matrix/contract"

	"github.com/segmentio/kafka-go"
)

// reading is what goes on between two rebalances.
type reading struct {
	generation *kafka.Generation
	topic      string
	member     *contract.Member
}

func (r *reading) commit() error {
	offsets := map[int]int64{}
	for partition, next := range r.member.Positions() {
		offsets[int(partition)] = next
	}
	if len(offsets) == 0 {
		return nil
	}
	return r.generation.CommitOffsets(map[string]map[int]int64{r.topic: offsets})
}

// Group uses the library's ConsumerGroup, as its Reader does not tell which partitions it holds.
func (c *client) Group(topic, group string, member *contract.Member) error {
	membership, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: []string{c.bootstrap}, Topics: []string{topic}, StartOffset: kafka.FirstOffset,
		HeartbeatInterval: contract.HeartbeatInterval, SessionTimeout: contract.SessionTimeout,
		JoinGroupBackoff: time.Second})
	if err != nil {
		return err
	}
	current := make(chan *reading, 1) // whom to commit with, none between two generations
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			generation, err := membership.Next(ctx)
			if err == nil {
				c.begin(&reading{generation, topic, member}, current)
			} else if !errors.Is(err, context.Canceled) {
				fmt.Fprintln(os.Stderr, "no generation:", err)
			}
		}
	})
	for command := range member.Commands {
		if command == "leave" {
			break
		}
		now := <-current
		err := now.commit()
		current <- now
		if err != nil {
			return err
		}
		member.Committed()
	}
	cancel()
	running.Wait()
	return membership.Close()
}

// begin starts to read the partitions of a generation. It has ended when the functions started in it are told
// so; the last of them commits, and until then the library holds the group's next generation back.
func (c *client) begin(r *reading, current chan *reading) {
	var partitions []int32
	for _, assigned := range r.generation.Assignments[r.topic] {
		partitions = append(partitions, int32(assigned.ID))
	}
	r.member.Gain(partitions)
	current <- r
	var readers sync.WaitGroup
	for _, assigned := range r.generation.Assignments[r.topic] {
		readers.Add(1)
		r.generation.Start(func(ctx context.Context) {
			defer readers.Done()
			c.read(ctx, r, assigned)
		})
	}
	r.generation.Start(func(ctx context.Context) {
		<-ctx.Done()
		readers.Wait()
		<-current
		if err := r.commit(); err != nil {
			fmt.Fprintln(os.Stderr, "not committed:", err)
		}
		r.member.LoseAll()
	})
}

func (c *client) read(ctx context.Context, r *reading, assigned kafka.PartitionAssignment) {
	reader := c.reader(r.topic, assigned.ID)
	defer reader.Close()
	if err := reader.SetOffset(assigned.Offset); err != nil {
		fmt.Fprintln(os.Stderr, "no offset:", err)
		return
	}
	for {
		message, err := reader.ReadMessage(ctx)
		if err != nil {
			return // The generation has ended; after all else the reader tries again by itself.
		}
		r.member.Read(received(message))
	}
}
