package main

import (
	"context"
	"errors"
	"time"

	"barnabas/compat/matrix/contract"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Group joins with the cooperative balancer, this library's default: a rebalance takes and gives some
// partitions only.
func (c *client) Group(topic, group string, member *contract.Member) error {
	var commitFailed error
	connection, err := c.connect(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(contract.HeartbeatInterval), kgo.SessionTimeout(contract.SessionTimeout),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, gained map[string][]int32) {
			member.Gain(gained[topic])
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, connection *kgo.Client, lost map[string][]int32) {
			commitFailed = errors.Join(commitFailed, commit(ctx, connection, topic, member))
			member.Lose(lost[topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			member.Lose(lost[topic])
		}))
	if err != nil {
		return err
	}
	for {
		select {
		case command := <-member.Commands:
			if err := commit(context.Background(), connection, topic, member); err != nil {
				return err
			}
			if command == "leave" {
				connection.CloseAllowingRebalance()
				return commitFailed
			}
			member.Committed()
		default:
			if err := pollOnce(connection, member); err != nil {
				return err
			}
		}
	}
}

func pollOnce(connection *kgo.Client, member *contract.Member) error {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	fetches := connection.PollFetches(ctx)
	defer connection.AllowRebalance()
	for _, failed := range fetches.Errors() {
		// A session that ended, as when the broker restarts, is begun anew by the library.
		var ended *kgo.ErrGroupSession
		if !errors.Is(failed.Err, context.DeadlineExceeded) && !errors.As(failed.Err, &ended) {
			return failed.Err
		}
	}
	fetches.EachRecord(func(record *kgo.Record) { member.Read(received(record)) })
	return nil
}

func commit(ctx context.Context, connection *kgo.Client, topic string, member *contract.Member) error {
	offsets := map[int32]kgo.EpochOffset{}
	for partition, next := range member.Positions() {
		offsets[partition] = kgo.EpochOffset{Epoch: -1, Offset: next}
	}
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var failed error
	connection.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{topic: offsets},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
			failed = err
			for _, answered := range response.Topics {
				for _, partition := range answered.Partitions {
					failed = errors.Join(failed, kerr.ErrorForCode(partition.ErrorCode))
				}
			}
		})
	return failed
}
