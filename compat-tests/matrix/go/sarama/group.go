package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"barnabas/compat/matrix/contract"

	"github.com/IBM/sarama"
)

// handler of the group's sessions; the library calls ConsumeClaim on a goroutine for each partition.
type handler struct {
	topic   string
	member  *contract.Member
	current chan sarama.ConsumerGroupSession // the session to commit to, none between two
}

func (h *handler) Setup(session sarama.ConsumerGroupSession) error {
	h.member.Gain(session.Claims()[h.topic])
	h.current <- session
	return nil
}

// Cleanup is called when all partitions are given back.
func (h *handler) Cleanup(session sarama.ConsumerGroupSession) error {
	<-h.current
	h.commit(session)
	h.member.LoseAll()
	return nil
}

func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		h.member.Read(received(message))
	}
	return nil
}

func (h *handler) commit(session sarama.ConsumerGroupSession) {
	for partition, next := range h.member.Positions() {
		session.MarkOffset(h.topic, partition, next, "")
	}
	session.Commit()
}

// Group goes on after errors, as when the broker is away for a while.
func (c *client) Group(topic, group string, member *contract.Member) error {
	config := newest()
	config.Consumer.Return.Errors = true
	config.Consumer.Group.Heartbeat.Interval = contract.HeartbeatInterval
	config.Consumer.Group.Session.Timeout = contract.SessionTimeout
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	membership, err := sarama.NewConsumerGroup([]string{c.bootstrap}, group, config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	h := &handler{topic: topic, member: member, current: make(chan sarama.ConsumerGroupSession, 1)}
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if err := membership.Consume(ctx, []string{topic}, h); err != nil {
				fmt.Fprintln(os.Stderr, "a session ended:", err)
			}
		}
	})
	running.Go(func() {
		for err := range membership.Errors() {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	for command := range member.Commands {
		if command == "leave" {
			break
		}
		session := <-h.current
		h.commit(session)
		h.current <- session
		member.Committed()
	}
	cancel()
	err = membership.Close()
	running.Wait()
	return err
}
