package main

import (
	"context"
	"fmt"

	"barnabas/compat/matrix/contract"

	"github.com/segmentio/kafka-go"
)

type admin struct {
	*kafka.Client
	ctx          context.Context
	calls        *contract.Calls
	topic, group string
}

func (c *client) Admin(topic, group string, calls *contract.Calls) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	a := &admin{c.caller(), ctx, calls, topic, group}
	a.topics()
	calls.Settle()
	a.metadata()
	if _, err := c.Produce(topic, "none", contract.Sample()); err != nil {
		return err
	}
	a.offsets()
	a.configs()
	a.groups()
	a.users()
	a.cluster()
	a.calls.Call("DeleteTopics", func() (any, error) {
		return a.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic, topic + "-nine"}})
	})
	return nil
}

func (a *admin) topics() {
	wanted := []kafka.TopicConfig{
		{Topic: a.topic, NumPartitions: 2, ReplicationFactor: 1,
			ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "86400000"}}},
		{Topic: a.topic + "-nine", NumPartitions: 1, ReplicationFactor: 9},
	}
	// With ValidateOnly the library would wait for the topic for ever.
	for _, name := range []string{"CreateTopics", "CreateTopics twice"} {
		a.calls.Call(name, func() (any, error) {
			return a.CreateTopics(a.ctx, &kafka.CreateTopicsRequest{Topics: wanted})
		})
	}
	for _, count := range []int32{3, 1} {
		a.calls.Call(fmt.Sprintf("CreatePartitions %d", count), func() (any, error) {
			return a.CreatePartitions(a.ctx, &kafka.CreatePartitionsRequest{
				Topics: []kafka.TopicPartitionsConfig{{Name: a.topic, Count: count}}})
		})
	}
}

func (a *admin) metadata() {
	a.calls.Call("Metadata", func() (any, error) {
		return a.Metadata(a.ctx, &kafka.MetadataRequest{Topics: []string{a.topic, a.topic + "-nine"}})
	})
}

func (a *admin) offsets() {
	a.calls.Call("ListOffsets", func() (any, error) {
		return a.ListOffsets(a.ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
			a.topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0), kafka.LastOffsetOf(1)}}})
	})
}

func (a *admin) configs() {
	alter := func(key, value string, operation kafka.ConfigOperation) (any, error) {
		return a.IncrementalAlterConfigs(a.ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{ResourceType: kafka.ResourceTypeTopic,
				ResourceName: a.topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{
					{Name: key, Value: value, ConfigOperation: operation}}}}})
	}
	describe := func() (any, error) {
		return a.DescribeConfigs(a.ctx, &kafka.DescribeConfigsRequest{IncludeSynonyms: true,
			Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic,
				ResourceName: a.topic},
				{ResourceType: kafka.ResourceTypeBroker, ResourceName: "1",
					ConfigNames: contract.SomeConfigs}}})
	}
	a.calls.Call("IncrementalAlterConfigs", func() (any, error) {
		return alter("segment.ms", "3600000", kafka.ConfigOperationSet)
	})
	a.calls.Call("IncrementalAlterConfigs, append", func() (any, error) {
		return alter("cleanup.policy", "compact", kafka.ConfigOperationAppend)
	})
	a.calls.Call("IncrementalAlterConfigs, wrong", func() (any, error) {
		return alter("segment.ms", "long", kafka.ConfigOperationSet)
	})
	a.calls.Settle()
	a.calls.Call("DescribeConfigs", describe)
	a.calls.Call("AlterConfigs", func() (any, error) {
		return a.AlterConfigs(a.ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{
			{ResourceType: kafka.ResourceTypeTopic, ResourceName: a.topic,
				Configs: []kafka.AlterConfigRequestConfig{{Name: "max.message.bytes", Value: "2000000"}}}}})
	})
	a.calls.Settle()
	a.calls.Call("DescribeConfigs after", describe)
}

func (a *admin) groups() {
	a.calls.Call("FindCoordinator", func() (any, error) {
		return a.FindCoordinator(a.ctx, &kafka.FindCoordinatorRequest{Key: a.group,
			KeyType: kafka.CoordinatorKeyTypeConsumer})
	})
	a.calls.Call("ListGroups", func() (any, error) {
		listed, err := a.ListGroups(a.ctx, &kafka.ListGroupsRequest{})
		if err != nil {
			return nil, err
		}
		for _, group := range listed.Groups {
			if group.GroupID == a.group {
				return group, nil
			}
		}
		return nil, listed.Error
	})
	a.calls.Call("DescribeGroups", func() (any, error) {
		return a.DescribeGroups(a.ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{a.group,
			a.group + "-missing"}})
	})
	a.calls.Call("OffsetCommit", func() (any, error) {
		return a.OffsetCommit(a.ctx, &kafka.OffsetCommitRequest{GroupID: a.group, GenerationID: -1,
			Topics: map[string][]kafka.OffsetCommit{a.topic: {{Partition: 0, Offset: 7,
				Metadata: "by hand"}}}})
	})
	a.calls.Call("OffsetFetch", func() (any, error) {
		return a.OffsetFetch(a.ctx, &kafka.OffsetFetchRequest{GroupID: a.group,
			Topics: map[string][]int{a.topic: {0, 1}}})
	})
	a.calls.Call("OffsetDelete", func() (any, error) {
		return a.OffsetDelete(a.ctx, &kafka.OffsetDeleteRequest{GroupID: a.group,
			Topics: map[string][]int{a.topic: {0}}})
	})
	for _, name := range []string{"DeleteGroups", "DeleteGroups twice"} {
		a.calls.Call(name, func() (any, error) {
			return a.DeleteGroups(a.ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{a.group}})
		})
	}
}

func (a *admin) users() {
	a.calls.Call("AlterUserScramCredentials", func() (any, error) {
		return a.AlterUserScramCredentials(a.ctx, &kafka.AlterUserScramCredentialsRequest{
			Upsertions: []kafka.UserScramCredentialsUpsertion{{Name: "josef",
				Mechanism:  kafka.ScramMechanismSha512,
				Iterations: 4096, Salt: []byte("salt"), SaltedPassword: []byte("salted")}}})
	})
	a.calls.Settle()
	a.calls.Call("DescribeUserScramCredentials", func() (any, error) {
		return a.DescribeUserScramCredentials(a.ctx, &kafka.DescribeUserScramCredentialsRequest{
			Users: []kafka.UserScramCredentialsUser{{Name: "josef"}, {Name: "nobody"}}})
	})
	a.calls.Call("AlterUserScramCredentials back", func() (any, error) {
		return a.AlterUserScramCredentials(a.ctx, &kafka.AlterUserScramCredentialsRequest{
			Deletions: []kafka.UserScramCredentialsDeletion{{Name: "josef",
				Mechanism: kafka.ScramMechanismSha512}}})
	})
	quota := func(remove bool) (any, error) {
		return a.AlterClientQuotas(a.ctx,
			&kafka.AlterClientQuotasRequest{Entries: []kafka.AlterClientQuotaEntry{{
				Entities: []kafka.AlterClientQuotaEntity{{EntityType: "user", EntityName: "josef"}},
				Ops:      []kafka.AlterClientQuotaOps{{Key: "request_percentage", Value: 50, Remove: remove}}}}})
	}
	a.calls.Call("AlterClientQuotas", func() (any, error) { return quota(false) })
	a.calls.Settle()
	a.calls.Call("DescribeClientQuotas", func() (any, error) {
		return a.DescribeClientQuotas(a.ctx, &kafka.DescribeClientQuotasRequest{Strict: true,
			Components: []kafka.DescribeClientQuotasRequestComponent{{EntityType: "user", MatchType: 0,
				Match: "josef"}}})
	})
	a.calls.Call("AlterClientQuotas back", func() (any, error) { return quota(true) })
	a.calls.Call("DescribeACLs", func() (any, error) {
		return a.DescribeACLs(a.ctx, &kafka.DescribeACLsRequest{Filter: kafka.ACLFilter{
			ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny,
			Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny}})
	})
}

func (a *admin) cluster() {
	a.calls.Call("ElectLeaders", func() (any, error) {
		return a.ElectLeaders(a.ctx, &kafka.ElectLeadersRequest{Topic: a.topic, Partitions: []int{0},
			Timeout: limit})
	})
	a.calls.Call("ListPartitionReassignments", func() (any, error) {
		return a.ListPartitionReassignments(a.ctx, &kafka.ListPartitionReassignmentsRequest{Timeout: limit})
	})
}
