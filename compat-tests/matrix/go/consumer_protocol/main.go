// franz-go's members of groups of the consumer protocol (KIP-848), which it joins when it is told to. What
// librdkafka/consumer_protocol_job.py is, with the same lines and the groups fz-sharing, fz-pattern and fz-static. The
// arguments are BOOTSTRAP TOPIC COUNT. Ends with exit code 0 only if every record was read, and every partition was
// owned once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const partitions = 6

// member reads in a goroutine of its own until it is closed.
type member struct {
	client  *kgo.Client
	stop    context.CancelFunc
	stopped chan struct{}

	mutex sync.Mutex
	owned []int32
	read  map[int]bool
	fault error
}

func join(bootstrap, group string, options ...kgo.Opt) (*member, error) {
	m := &member{stopped: make(chan struct{}), read: map[int]bool{}}
	lost := func(_ context.Context, _ *kgo.Client, gone map[string][]int32) { m.lose(gone) }
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group),
		kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, gained map[string][]int32) { m.gain(gained) }),
		kgo.OnPartitionsRevoked(lost), kgo.OnPartitionsLost(lost))...)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m.client, m.stop = client, stop
	go m.poll(ctx)
	return m, nil
}

func (m *member) gain(gained map[string][]int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, some := range gained {
		m.owned = append(m.owned, some...)
	}
}

func (m *member) lose(gone map[string][]int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, some := range gone {
		m.owned = slices.DeleteFunc(m.owned, func(one int32) bool { return slices.Contains(some, one) })
	}
}

func (m *member) poll(ctx context.Context) {
	defer close(m.stopped)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		m.mutex.Lock()
		for _, failed := range fetches.Errors() {
			if !errors.Is(failed.Err, context.Canceled) {
				m.fault = errors.Join(m.fault, failed.Err)
			}
		}
		fetches.EachRecord(func(record *kgo.Record) {
			number, err := strconv.Atoi(string(record.Value))
			m.fault = errors.Join(m.fault, err)
			m.read[number] = true
		})
		m.mutex.Unlock()
	}
}

// leave commits what was read; a static member stays one of the group.
func (m *member) leave() error {
	m.stop()
	<-m.stopped
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := m.client.CommitUncommittedOffsets(ctx)
	m.client.Close()
	return errors.Join(err, m.fault)
}

func count(members []*member) int {
	read := map[int]bool{}
	for _, m := range members {
		m.mutex.Lock()
		for number := range m.read {
			read[number] = true
		}
		m.mutex.Unlock()
	}
	return len(read)
}

// share tells whether each owns as many partitions as the others, and each partition is owned once.
func share(members []*member) bool {
	var all []int32
	for _, m := range members {
		m.mutex.Lock()
		even := len(m.owned) == partitions/len(members)
		all = append(all, m.owned...)
		m.mutex.Unlock()
		if !even {
			return false
		}
	}
	slices.Sort(all)
	return slices.Equal(all, []int32{0, 1, 2, 3, 4, 5})
}

func wait(what string, holds func() bool) error {
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("in vain waited for: %s", what)
		}
	}
	return nil
}

func shared(bootstrap, topic string, records int) error {
	var members []*member
	for range 3 {
		made, err := join(bootstrap, "fz-sharing", kgo.ConsumeTopics(topic))
		if err != nil {
			return err
		}
		members = append(members, made)
	}
	if err := wait("three members with a third each", func() bool { return share(members) }); err != nil {
		return err
	}
	if err := wait("every record", func() bool { return count(members) == records }); err != nil {
		return err
	}
	if err := errors.Join(members[2].leave(), members[1].leave()); err != nil {
		return err
	}
	if err := wait("one member with everything", func() bool { return share(members[:1]) }); err != nil {
		return err
	}
	return members[0].leave()
}

func alone(bootstrap, group string, records int, options ...kgo.Opt) error {
	made, err := join(bootstrap, group, options...)
	if err != nil {
		return err
	}
	if err := wait("every record in "+group, func() bool { return count([]*member{made}) == records }); err != nil {
		return err
	}
	return made.leave()
}

func main() {
	bootstrap, topic := os.Args[1], os.Args[2]
	records, _ := strconv.Atoi(os.Args[3])
	for _, stage := range []struct {
		name string
		run  func() error
	}{
		{"shared", func() error { return shared(bootstrap, topic, records) }},
		{"by a pattern", func() error {
			return alone(bootstrap, "fz-pattern", records, kgo.ConsumeRegex(), kgo.ConsumeTopics("^rd-.*"))
		}},
		{"static", func() error {
			return alone(bootstrap, "fz-static", records, kgo.ConsumeTopics(topic), kgo.InstanceID("one"))
		}},
	} {
		if err := stage.run(); err != nil {
			fmt.Fprintln(os.Stderr, stage.name, err)
			os.Exit(1)
		}
		fmt.Println(stage.name)
	}
}
