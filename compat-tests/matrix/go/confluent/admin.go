package main

import (
	"context"
	"fmt"
	"maps"

	"barnabas/compat/matrix/contract"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

type admin struct {
	*kafka.AdminClient
	ctx          context.Context
	calls        *contract.Calls
	topic, group string
}

func (c *client) Admin(topic, group string, calls *contract.Calls) error {
	made, err := kafka.NewAdminClient(c.settings(kafka.ConfigMap{}))
	if err != nil {
		return err
	}
	defer made.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	calls.LeaveOut("mostsignificantbits", "leastsignificantbits")
	a := &admin{made, ctx, calls, topic, group}
	a.topics()
	if _, err := c.Produce(topic, "none", contract.Sample()); err != nil {
		return err
	}
	a.offsets()
	a.configs()
	a.groups()
	a.users()
	a.cluster()
	for _, name := range []string{"DeleteTopics", "DeleteTopics twice"} {
		calls.Call(name, func() (any, error) { return a.DeleteTopics(ctx, []string{topic}) })
	}
	return nil
}

func (a *admin) topics() {
	wanted := []kafka.TopicSpecification{
		{Topic: a.topic, NumPartitions: 2, ReplicationFactor: 1,
			Config: map[string]string{"retention.ms": "86400000"}},
		{Topic: a.topic + "-nine", NumPartitions: 1, ReplicationFactor: 9},
		{Topic: "a/b", NumPartitions: 1},
	}
	for _, only := range []bool{true, false} {
		a.calls.Call(fmt.Sprintf("CreateTopics, to validate: %v", only), func() (any, error) {
			return a.CreateTopics(a.ctx, wanted, kafka.SetAdminValidateOnly(only))
		})
	}
	a.calls.Settle()
	a.calls.Call("CreateTopics twice", func() (any, error) { return a.CreateTopics(a.ctx, wanted) })
	for _, count := range []int{3, 1} {
		a.calls.Call(fmt.Sprintf("CreatePartitions %d", count), func() (any, error) {
			return a.CreatePartitions(a.ctx, []kafka.PartitionsSpecification{{Topic: a.topic,
				IncreaseTo: count}})
		})
	}
	a.calls.Settle()
	a.calls.Call("GetMetadata", func() (any, error) {
		return a.GetMetadata(&a.topic, false, int(limit.Milliseconds()))
	})
	a.calls.Call("DescribeTopics", func() (any, error) {
		return a.DescribeTopics(a.ctx, kafka.NewTopicCollectionOfTopicNames([]string{a.topic,
			a.topic + "-nine"}),
			kafka.SetAdminOptionIncludeAuthorizedOperations(true))
	})
}

// The partition of the topic that all calls are about.
func (a *admin) place(offset kafka.Offset) kafka.TopicPartition {
	return kafka.TopicPartition{Topic: &a.topic, Partition: 0, Offset: offset}
}

func (a *admin) offsets() {
	for _, before := range []kafka.Offset{3, 30} {
		a.calls.Call(fmt.Sprintf("DeleteRecords %d", before), func() (any, error) {
			return a.DeleteRecords(a.ctx, []kafka.TopicPartition{a.place(before)})
		})
	}
	for _, at := range []kafka.OffsetSpec{kafka.EarliestOffsetSpec, kafka.LatestOffsetSpec,
		kafka.MaxTimestampOffsetSpec,
		kafka.NewOffsetSpecForTimestamp(1700000000005)} {
		a.calls.Call(fmt.Sprintf("ListOffsets %d", at), func() (any, error) {
			result, err := a.ListOffsets(a.ctx, map[kafka.TopicPartition]kafka.OffsetSpec{a.place(0): at})
			var found []any
			for _, info := range result.ResultInfos {
				found = append(found, info)
			}
			return found, err
		})
	}
}

func (a *admin) configs() {
	topic := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: a.topic}
	broker := kafka.ConfigResource{Type: kafka.ResourceBroker, Name: "1"}
	alter := func(key, value string, operation kafka.AlterConfigOpType) (any, error) {
		topic.Config = []kafka.ConfigEntry{{Name: key, Value: value, IncrementalOperation: operation}}
		return a.IncrementalAlterConfigs(a.ctx, []kafka.ConfigResource{topic})
	}
	a.calls.Call("IncrementalAlterConfigs", func() (any, error) {
		return alter("segment.ms", "3600000", kafka.AlterConfigOpTypeSet)
	})
	a.calls.Call("IncrementalAlterConfigs, append", func() (any, error) {
		return alter("cleanup.policy", "compact", kafka.AlterConfigOpTypeAppend)
	})
	a.calls.Call("IncrementalAlterConfigs, wrong", func() (any, error) {
		return alter("segment.ms", "long", kafka.AlterConfigOpTypeSet)
	})
	a.calls.Settle()
	a.calls.Call("DescribeConfigs", func() (any, error) {
		return a.DescribeConfigs(a.ctx, []kafka.ConfigResource{topic})
	})
	a.calls.Call("DescribeConfigs of the broker", func() (any, error) {
		described, err := a.DescribeConfigs(a.ctx, []kafka.ConfigResource{broker})
		for _, resource := range described {
			maps.DeleteFunc(resource.Config, func(name string, _ kafka.ConfigEntryResult) bool {
				return !contract.AmongSomeConfigs(name)
			})
		}
		return described, err
	})
	a.calls.Call("AlterConfigs", func() (any, error) {
		topic.Config = kafka.StringMapToConfigEntries(map[string]string{"max.message.bytes": "2000000"},
			kafka.AlterOperationSet)
		return a.AlterConfigs(a.ctx, []kafka.ConfigResource{topic})
	})
	a.calls.Settle()
	a.calls.Call("DescribeConfigs after", func() (any, error) {
		return a.DescribeConfigs(a.ctx, []kafka.ConfigResource{topic})
	})
}

func (a *admin) groups() {
	at := []kafka.ConsumerGroupTopicPartitions{{Group: a.group,
		Partitions: []kafka.TopicPartition{a.place(7)}}}
	a.calls.Call("ListConsumerGroups", func() (any, error) {
		result, err := a.ListConsumerGroups(a.ctx)
		for _, group := range result.Valid {
			if group.GroupID == a.group {
				return group, err
			}
		}
		return nil, err
	})
	a.calls.Call("DescribeConsumerGroups", func() (any, error) {
		return a.DescribeConsumerGroups(a.ctx, []string{a.group, a.group + "-missing"})
	})
	a.calls.Call("AlterConsumerGroupOffsets", func() (any, error) {
		return a.AlterConsumerGroupOffsets(a.ctx, at)
	})
	a.calls.Call("ListConsumerGroupOffsets", func() (any, error) {
		return a.ListConsumerGroupOffsets(a.ctx, at)
	})
	for _, name := range []string{"DeleteConsumerGroups", "DeleteConsumerGroups twice"} {
		a.calls.Call(name, func() (any, error) { return a.DeleteConsumerGroups(a.ctx, []string{a.group}) })
	}
}

func (a *admin) users() {
	a.calls.Call("AlterUserScramCredentials", func() (any, error) {
		return a.AlterUserScramCredentials(a.ctx, []kafka.UserScramCredentialUpsertion{{User: "josef",
			Password: []byte("k"),
			ScramCredentialInfo: kafka.ScramCredentialInfo{Mechanism: kafka.ScramMechanismSHA256,
				Iterations: 4096}}}, nil)
	})
	a.calls.Settle()
	a.calls.Call("DescribeUserScramCredentials", func() (any, error) {
		return a.DescribeUserScramCredentials(a.ctx, []string{"josef", "nobody"})
	})
	a.calls.Call("AlterUserScramCredentials back", func() (any, error) {
		return a.AlterUserScramCredentials(a.ctx, nil,
			[]kafka.UserScramCredentialDeletion{{User: "josef", Mechanism: kafka.ScramMechanismSHA256}})
	})
	a.calls.Call("DescribeACLs", func() (any, error) {
		return a.DescribeACLs(a.ctx, kafka.ACLBindingFilter{Type: kafka.ResourceAny,
			ResourcePatternType: kafka.ResourcePatternTypeAny, Operation: kafka.ACLOperationAny,
			PermissionType: kafka.ACLPermissionTypeAny})
	})
}

func (a *admin) cluster() {
	a.calls.Call("DescribeCluster", func() (any, error) {
		result, err := a.DescribeCluster(a.ctx, kafka.SetAdminOptionIncludeAuthorizedOperations(true))
		result.ClusterID = nil
		return result, err
	})
	a.calls.Call("ControllerID", func() (any, error) { return a.ControllerID(a.ctx) })
	a.calls.Call("ElectLeaders", func() (any, error) {
		return a.ElectLeaders(a.ctx, kafka.NewElectLeadersRequest(kafka.ElectionTypePreferred,
			[]kafka.TopicPartition{a.place(0)}))
	})
}
