package contract

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Calls prints what the calls of an admin client give, without what changes from run to run.
type Calls struct {
	bootstrap string
	leftOut   map[string]bool
}

// Fields that hold what a broker or a clock made up.
var changingFields = []string{"port", "topicid", "clusterid", "memberid", "clientid", "clienthost",
	"throttle",
	"throttletime", "throttletimems", "throttlemillis", "totalbytes", "usablebytes"}

// SomeConfigs are settings of a broker of every kind and type; describing all of them is what other tests do.
var SomeConfigs = []string{"message.max.bytes", "log.retention.hours", "log.cleaner.threads",
	"num.io.threads",
	"ssl.keystore.password", "inter.broker.listener.name", "compression.type"}

// AmongSomeConfigs is for libraries that can ask only for all.
func AmongSomeConfigs(name string) bool {
	return slices.Contains(SomeConfigs, name)
}

func newCalls(bootstrap string) *Calls {
	calls := &Calls{bootstrap: bootstrap, leftOut: map[string]bool{}}
	calls.LeaveOut(changingFields...)
	return calls
}

// LeaveOut names more fields, in lower case, that the results of a library have and that change.
func (c *Calls) LeaveOut(fields ...string) {
	for _, field := range fields {
		c.leftOut[field] = true
	}
}

// Call makes a call and prints its result, or its error.
func (c *Calls) Call(name string, call func() (any, error)) {
	result, err := call()
	if err != nil {
		print(map[string]any{"call": name, "error": c.steadyText(err.Error())})
		return
	}
	print(map[string]any{"call": name, "result": c.steady(plain(reflect.ValueOf(result)))})
}

// Settle waits a while: Apache Kafka answers a change when the controller has it, and the broker that is
// asked next may learn of it a little later.
func (c *Calls) Settle() {
	time.Sleep(500 * time.Millisecond)
}

// What does not change of a result: lists in an order of their own, as a broker has none in what it lists.
func (c *Calls) steady(value any) any {
	switch value := value.(type) {
	case string:
		return c.steadyText(value)
	case []any:
		for i := range value {
			value[i] = c.steady(value[i])
		}
		slices.SortFunc(value, func(a, b any) int { return strings.Compare(asText(a), asText(b)) })
	case map[string]any:
		return c.steadyMap(value)
	}
	return value
}

func (c *Calls) steadyMap(value map[string]any) any {
	kept := map[string]any{}
	for key, field := range value {
		if !c.leftOut[strings.ToLower(key)] {
			kept[c.steadyText(key)] = c.steady(field)
		}
	}
	return kept
}

func (c *Calls) steadyText(text string) string {
	if strings.HasPrefix(text, "/") {
		return "FOLDER"
	}
	return strings.ReplaceAll(text, c.bootstrap, "BOOTSTRAP")
}

func asText(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}
