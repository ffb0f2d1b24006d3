// Starts the Kafka container of testcontainers-go, prints its bootstrap address, and stops it at the end of its input.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/kafka"
)

func main() {
	ctx := context.Background()
	started, err := kafka.Run(ctx, "confluentinc/confluent-local:7.5.0", kafka.WithClusterID("test-cluster"))
	if err != nil {
		log.Fatal(err)
	}
	brokers, err := started.Brokers(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("bootstrap", brokers[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := testcontainers.TerminateContainer(started); err != nil {
		log.Fatal(err)
	}
}
