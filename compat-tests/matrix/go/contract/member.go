package contract

import (
	"bufio"
	"os"
	"slices"
	"sync"
)

// Member is what a member of a group has to say and to remember: which partitions it holds, and where it
// stands in each. Thread-safe, as libraries call from threads of their own.
type Member struct {
	// Commands are "commit" and "leave"; "leave" is the last.
	Commands <-chan string

	mutex sync.Mutex
	held  map[int32]int64 // -1: nothing printed yet
}

func newMember() *Member {
	commands := make(chan string)
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() && lines.Text() != "leave" {
			commands <- lines.Text()
		}
		commands <- "leave"
	}()
	return &Member{Commands: commands, held: map[int32]int64{}}
}

// Gain tells of partitions that came with a rebalance, in addition to those held.
func (m *Member) Gain(partitions []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partition := range partitions {
		m.held[partition] = -1
	}
	held := make([]int32, 0, len(m.held))
	for partition := range m.held {
		held = append(held, partition)
	}
	slices.Sort(held)
	print(map[string][]int32{"assigned": held})
}

// LoseAll forgets all partitions, as before a rebalance of the eager kind.
func (m *Member) LoseAll() {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	clear(m.held)
}

// Lose forgets some.
func (m *Member) Lose(partitions []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for _, partition := range partitions {
		delete(m.held, partition)
	}
}

// Read prints a record that the group gave it, and remembers to commit it, if its partition is still held.
func (m *Member) Read(record Record) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, held := m.held[record.Partition]; held {
		print(record)
		m.held[record.Partition] = *record.Offset + 1
	}
}

// Positions are the offsets to commit: of each partition held the one after the last record printed.
func (m *Member) Positions() map[int32]int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	positions := map[int32]int64{}
	for partition, next := range m.held {
		if next >= 0 {
			positions[partition] = next
		}
	}
	return positions
}

// Committed answers the command "commit".
func (m *Member) Committed() {
	print(map[string]bool{"committed": true})
}
