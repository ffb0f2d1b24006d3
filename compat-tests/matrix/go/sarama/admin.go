package main

import (
	"fmt"

	"barnabas/compat/matrix/contract"

	"github.com/IBM/sarama"
)

type admin struct {
	sarama.ClusterAdmin
	calls        *contract.Calls
	topic, group string
}

func (c *client) Admin(topic, group string, calls *contract.Calls) error {
	made, err := sarama.NewClusterAdmin([]string{c.bootstrap}, newest())
	if err != nil {
		return err
	}
	defer made.Close()
	calls.LeaveOut("uuid")
	a := &admin{made, calls, topic, group}
	a.topics()
	if _, err := c.Produce(topic, "none", contract.Sample()); err != nil {
		return err
	}
	a.offsets()
	a.configs()
	a.groups()
	a.users()
	a.cluster()
	a.call("DeleteTopic", func() error { return a.DeleteTopic(topic) })
	a.call("DeleteTopic twice", func() error { return a.DeleteTopic(topic) })
	return nil
}

// A call that gives nothing but an error.
func (a *admin) call(name string, call func() error) {
	a.calls.Call(name, func() (any, error) { return nil, call() })
}

func (a *admin) topics() {
	day := "86400000"
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.ms": &day}}
	a.call("CreateTopic validated", func() error { return a.CreateTopic(a.topic, detail, true) })
	a.call("CreateTopic", func() error { return a.CreateTopic(a.topic, detail, false) })
	a.call("CreateTopic twice", func() error { return a.CreateTopic(a.topic, detail, false) })
	a.call("CreateTopic with nine replicas", func() error {
		return a.CreateTopic(a.topic+"-nine", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 9},
			false)
	})
	a.call("CreateTopic with a name that is none", func() error {
		return a.CreateTopic("a/b", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	})
	a.call("CreatePartitions", func() error { return a.CreatePartitions(a.topic, 3, nil, false) })
	a.call("CreatePartitions to fewer", func() error { return a.CreatePartitions(a.topic, 1, nil, false) })
	a.calls.Settle()
	a.calls.Call("ListTopics", func() (any, error) {
		all, err := a.ListTopics()
		return all[a.topic], err
	})
	a.calls.Call("DescribeTopics", func() (any, error) {
		return a.DescribeTopics([]string{a.topic, a.topic + "-nine"})
	})
}

func (a *admin) offsets() {
	a.call("DeleteRecords", func() error { return a.DeleteRecords(a.topic, map[int32]int64{0: 3}) })
	a.call("DeleteRecords past the end", func() error {
		return a.DeleteRecords(a.topic, map[int32]int64{0: 30})
	})
	for _, at := range []int64{sarama.OffsetOldest, sarama.OffsetNewest, 1700000000005} {
		a.calls.Call(fmt.Sprintf("ListOffsets %d", at), func() (any, error) {
			return a.ListOffsets(map[string]map[int32]int64{a.topic: {0: at, 1: at}}, nil)
		})
	}
	a.calls.Call("DescribeLogDirs", func() (any, error) {
		all, err := a.DescribeLogDirs([]int32{1})
		for _, directory := range all[1] {
			for _, topic := range directory.Topics {
				if topic.Topic == a.topic {
					return topic, err
				}
			}
		}
		return nil, err
	})
}

func (a *admin) configs() {
	hour, compact := "3600000", "compact"
	set := map[string]sarama.IncrementalAlterConfigsEntry{
		"segment.ms":     {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &hour},
		"cleanup.policy": {Operation: sarama.IncrementalAlterConfigsOperationAppend, Value: &compact},
	}
	described := []*sarama.ConfigResource{{Type: sarama.TopicResource, Name: a.topic},
		{Type: sarama.BrokerResource, Name: "1", ConfigNames: contract.SomeConfigs},
		{Type: sarama.TopicResource, Name: a.topic + "-nine"}}
	options := sarama.DescribeConfigsOptions{IncludeSynonyms: true}
	a.call("IncrementalAlterConfig", func() error {
		return a.IncrementalAlterConfig(sarama.TopicResource, a.topic, set, false)
	})
	a.calls.Settle()
	a.calls.Call("DescribeConfigs", func() (any, error) { return a.DescribeConfigs(described, options) })
	a.call("AlterConfig", func() error {
		return a.AlterConfig(sarama.TopicResource, a.topic, map[string]*string{"max.message.bytes": &hour},
			false)
	})
	a.call("AlterConfig to what is no policy", func() error {
		return a.AlterConfig(sarama.TopicResource, a.topic, map[string]*string{"cleanup.policy": &hour},
			false)
	})
	a.calls.Settle()
	a.calls.Call("DescribeConfig", func() (any, error) { return a.DescribeConfig(*described[0]) })
}

func (a *admin) groups() {
	a.calls.Call("ListConsumerGroups", func() (any, error) {
		all, err := a.ListConsumerGroups()
		return all[a.group], err
	})
	a.calls.Call("DescribeConsumerGroups", func() (any, error) {
		return a.DescribeConsumerGroups([]string{a.group, a.group + "-missing"})
	})
	a.calls.Call("AlterConsumerGroupOffsets", func() (any, error) {
		return a.AlterConsumerGroupOffsets(a.group, map[string]map[int32]sarama.OffsetAndMetadata{
			a.topic: {0: {Offset: 7, Metadata: "by hand", LeaderEpoch: -1}}}, nil)
	})
	wanted := map[string][]int32{a.topic: {0, 1}}
	a.calls.Call("ListConsumerGroupOffsets", func() (any, error) {
		return a.ListConsumerGroupOffsets(a.group, wanted)
	})
	a.calls.Call("ListConsumerGroupOffsetsBatch", func() (any, error) {
		return a.ListConsumerGroupOffsetsBatch(map[string]map[string][]int32{a.group: wanted,
			a.group + "-missing": wanted})
	})
	a.call("DeleteConsumerGroupOffset", func() error {
		return a.DeleteConsumerGroupOffset(a.group, a.topic, 0)
	})
	a.calls.Call("RemoveMemberFromConsumerGroup", func() (any, error) {
		return a.RemoveMemberFromConsumerGroup(a.group, []string{"nobody"})
	})
	a.call("DeleteConsumerGroup", func() error { return a.DeleteConsumerGroup(a.group) })
	a.call("DeleteConsumerGroup twice", func() error { return a.DeleteConsumerGroup(a.group) })
}

func (a *admin) users() {
	a.calls.Call("UpsertUserScramCredentials", func() (any, error) {
		return a.UpsertUserScramCredentials([]sarama.AlterUserScramCredentialsUpsert{{Name: "josef",
			Mechanism: sarama.SCRAM_MECHANISM_SHA_512, Iterations: 4096, Salt: []byte("salt"),
			Password: []byte("k")}})
	})
	a.calls.Settle()
	a.calls.Call("DescribeUserScramCredentials", func() (any, error) {
		return a.DescribeUserScramCredentials([]string{"josef", "nobody"})
	})
	a.calls.Call("DeleteUserScramCredentials", func() (any, error) {
		return a.DeleteUserScramCredentials([]sarama.AlterUserScramCredentialsDelete{
			{Name: "josef", Mechanism: sarama.SCRAM_MECHANISM_SHA_512}})
	})
	user := []sarama.QuotaEntityComponent{{EntityType: sarama.QuotaEntityUser,
		MatchType: sarama.QuotaMatchExact, Name: "josef"}}
	rate := sarama.ClientQuotasOp{Key: "consumer_byte_rate", Value: 1048576}
	a.call("AlterClientQuotas", func() error { return a.AlterClientQuotas(user, rate, false) })
	a.calls.Settle()
	a.calls.Call("DescribeClientQuotas", func() (any, error) {
		return a.DescribeClientQuotas([]sarama.QuotaFilterComponent{
			{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchExact, Match: "josef"}}, true)
	})
	rate.Remove = true
	a.call("AlterClientQuotas back", func() error { return a.AlterClientQuotas(user, rate, false) })
	a.calls.Call("ListAcls", func() (any, error) {
		return a.ListAcls(sarama.AclFilter{Version: 1, ResourceType: sarama.AclResourceAny,
			ResourcePatternTypeFilter: sarama.AclPatternAny, Operation: sarama.AclOperationAny,
			PermissionType: sarama.AclPermissionAny})
	})
}

func (a *admin) cluster() {
	a.calls.Call("DescribeCluster", func() (any, error) {
		brokers, controller, err := a.DescribeCluster()
		ids := []any{}
		for _, broker := range brokers {
			ids = append(ids, map[string]any{"id": broker.ID(), "address": broker.Addr(),
				"rack": broker.Rack()})
		}
		return map[string]any{"brokers": ids, "controller": controller}, err
	})
	a.calls.Call("Coordinator", func() (any, error) {
		broker, err := a.Coordinator(a.group)
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": broker.ID(), "address": broker.Addr()}, nil
	})
	a.calls.Call("UpdateFeatures", func() (any, error) {
		return a.UpdateFeatures([]sarama.FeatureUpdate{{Feature: "no.such.feature", MaxVersionLevel: 1}})
	})
	a.calls.Call("ElectLeaders", func() (any, error) {
		return a.ElectLeaders(sarama.PreferredElection, map[string][]int32{a.topic: {0}})
	})
	a.calls.Call("ListPartitionReassignments", func() (any, error) {
		return a.ListPartitionReassignments(a.topic, []int32{0, 1})
	})
}
