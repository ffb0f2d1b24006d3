// Copies records in transactions with franz-go, as java_client/TransactionalCopier.java does. Arguments are BOOTSTRAP
// NAME SEED. Runs until it is killed; an error that ends a session begins a new one of the same transactional id.
package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type copier struct {
	bootstrap, name    string
	chance             *rand.Rand
	committed, aborted int
}

func (c *copier) session() (*kgo.GroupTransactSession, error) {
	return kgo.NewGroupTransactSession(kgo.SeedBrokers(strings.Split(c.bootstrap, ",")...),
		kgo.TransactionalID("copier-"+c.name), kgo.TransactionTimeout(10*time.Second),
		kgo.ConsumerGroup("copiers"), kgo.ConsumeTopics("copier-in"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets(),
		kgo.Balancers(kgo.RangeBalancer()), kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(time.Second))
}

func (c *copier) copyOnce(session *kgo.GroupTransactSession) error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	fetches := session.PollRecords(ctx, 200)
	cancel()
	for _, failed := range fetches.Errors() {
		if failed.Err != context.DeadlineExceeded {
			fmt.Println("poll:", failed.Err)
		}
	}
	if fetches.NumRecords() == 0 {
		return nil
	}
	if err := session.Begin(); err != nil {
		return err
	}
	first := kgo.AbortingFirstErrPromise(session.Client())
	fetches.EachRecord(func(record *kgo.Record) {
		session.Produce(context.Background(), &kgo.Record{Topic: "copier-out", Key: record.Key, Value: record.Value},
			first.Promise())
	})
	wants := c.chance.Intn(5) != 0
	failed := first.Err()
	if failed != nil {
		fmt.Println("aborts after", failed)
	}
	committed, err := session.End(context.Background(), kgo.TransactionEndTry(failed == nil && wants))
	if err != nil {
		return err
	}
	if committed {
		c.committed++
	} else {
		c.aborted++
	}
	return nil
}

func (c *copier) live() error {
	session, err := c.session()
	if err != nil {
		return err
	}
	defer session.Close()
	for {
		if err := c.copyOnce(session); err != nil {
			return err
		}
		fmt.Printf("committed %d aborted %d\n", c.committed, c.aborted)
	}
}

func main() {
	seed, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	c := &copier{bootstrap: os.Args[1], name: os.Args[2], chance: rand.New(rand.NewSource(seed))}
	for {
		fmt.Println("begins anew after", c.live())
		time.Sleep(200 * time.Millisecond)
	}
}
