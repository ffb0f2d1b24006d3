// Package contract is what a client program of the matrix has to do (see compat-tests/matrix/README.md),
// apart from the client: arguments, records as lines of JSON, the commands of a group's member. A program
// implements Client with one library and calls Main.
package contract

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// What clients are told for the record of 10 MB, and for changes of a group to be seen soon.
const (
	MaxRequestBytes   = 12 << 20
	HeartbeatInterval = 300 * time.Millisecond
	SessionTimeout    = 10 * time.Second
)

// Record as the contract writes it. Bytes are base64 in JSON, nil is null.
type Record struct {
	Partition int32    `json:"partition"`
	Offset    *int64   `json:"offset,omitempty"`
	Timestamp *int64   `json:"timestamp,omitempty"`
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers"`
}

// Header of a record; in JSON an array of two.
type Header struct {
	Name  string
	Value []byte
}

func (h Header) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{h.Name, h.Value})
}

func (h *Header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.Name, &h.Value})
}

// Position is where a record was written.
type Position struct {
	Partition int32 `json:"partition"`
	Offset    int64 `json:"offset"`
}

// Description of a client; Cannot is what its API has no words for.
type Description struct {
	Client   string   `json:"client"`
	Version  string   `json:"version"`
	Codecs   []string `json:"codecs"`
	Features []string `json:"features"`
	Cannot   []string `json:"cannot,omitempty"`
}

// Client does the jobs with one library.
type Client interface {
	Describe() Description
	Create(topic string, partitions int) error
	Produce(topic, codec string, records []Record) ([]Position, error)
	Consume(topic string, partition int32, from int64, count int) ([]Record, error)
	// Seek returns nil past the end.
	Seek(topic string, partition int32, timestamp int64) (*Record, error)
	// Group returns after the member has left.
	Group(topic, group string, member *Member) error
	Admin(topic, group string, calls *Calls) error
}

// Main runs the job that the command line names.
func Main(make func(bootstrap string) Client) {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: PROGRAM JOB BOOTSTRAP [ARGUMENT...]")
		os.Exit(2)
	}
	if err := run(make(os.Args[2]), os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(client Client, job, bootstrap string, arguments []string) error {
	wanted := map[string]int{"describe": 0, "create": 2, "produce": 3, "consume": 4, "seek": 3, "group": 2,
		"admin": 2}
	if count, known := wanted[job]; !known || count != len(arguments) {
		return fmt.Errorf("job %q with %d arguments", job, len(arguments))
	}
	numbers := make([]int64, len(arguments))
	for i, argument := range arguments {
		numbers[i], _ = strconv.ParseInt(argument, 10, 64)
	}
	switch job {
	case "describe":
		print(client.Describe())
	case "create":
		if err := client.Create(arguments[0], int(numbers[1])); err != nil {
			return err
		}
		print(map[string]string{"created": arguments[0]})
	case "produce":
		records, err := readRecords(arguments[2])
		if err != nil {
			return err
		}
		return printAll(client.Produce(arguments[0], arguments[1], records))
	case "consume":
		return printAll(client.Consume(arguments[0], int32(numbers[1]), numbers[2], int(numbers[3])))
	case "seek":
		record, err := client.Seek(arguments[0], int32(numbers[1]), numbers[2])
		if err != nil {
			return err
		}
		if record == nil {
			print(map[string]bool{"none": true})
		} else {
			print(record)
		}
	case "group":
		if err := client.Group(arguments[0], arguments[1], newMember()); err != nil {
			return err
		}
		print(map[string]bool{"left": true})
	case "admin":
		return client.Admin(arguments[0], arguments[1], newCalls(bootstrap))
	}
	return nil
}

var output sync.Mutex

func print(value any) {
	line, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	output.Lock()
	defer output.Unlock()
	if _, err := os.Stdout.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

func printAll[T any](values []T, err error) error {
	if err != nil {
		return err
	}
	for _, value := range values {
		print(value)
	}
	return nil
}

func readRecords(path string) ([]Record, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var records []Record
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 2*MaxRequestBytes)
	for lines.Scan() {
		var record Record
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, lines.Err()
}

// ModuleVersion tells which version of a module this program was built with.
func ModuleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, module := range info.Deps {
			if module.Path == path {
				return module.Version
			}
		}
	}
	panic("no module " + path)
}
