package main

import (
	"context"

	"barnabas/compat/matrix/contract"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (c *client) Admin(topic, group string, calls *contract.Calls) error {
	connection, err := c.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	calls.LeaveOut("id", "cluster", "producerid", "lasttimestamp")
	admin := kadm.NewClient(connection)
	topics(ctx, admin, topic, calls)
	if _, err := c.Produce(topic, "none", contract.Sample()); err != nil {
		return err
	}
	offsets(ctx, admin, topic, calls)
	configs(ctx, admin, topic, calls)
	groups(ctx, admin, topic, group, calls)
	users(ctx, admin, calls)
	cluster(ctx, admin, topic, calls)
	calls.Call("delete_topic", func() (any, error) { return admin.DeleteTopic(ctx, topic) })
	return nil
}

func topics(ctx context.Context, admin *kadm.Client, topic string, calls *contract.Calls) {
	settings := map[string]*string{"retention.ms": kadm.StringPtr("86400000")}
	calls.Call("validate_create_topics", func() (any, error) {
		return admin.ValidateCreateTopics(ctx, 2, 1, settings, topic)
	})
	calls.Call("create_topics", func() (any, error) { return admin.CreateTopics(ctx, 2, 1, settings, topic) })
	calls.Call("create_topics twice", func() (any, error) {
		return admin.CreateTopics(ctx, 2, 1, settings, topic)
	})
	calls.Call("create_topics with nine replicas", func() (any, error) {
		return admin.CreateTopics(ctx, 2, 9, nil, topic+"-nine")
	})
	calls.Call("validate_create_partitions", func() (any, error) {
		return admin.ValidateCreatePartitions(ctx, 1, topic)
	})
	calls.Call("create_partitions", func() (any, error) { return admin.CreatePartitions(ctx, 1, topic) })
	calls.Call("update_partitions to fewer", func() (any, error) {
		return admin.UpdatePartitions(ctx, 1, topic)
	})
	calls.Settle()
	calls.Call("list_topics", func() (any, error) { return admin.ListTopics(ctx, topic, topic+"-nine") })
	calls.Call("metadata", func() (any, error) { return admin.Metadata(ctx, topic) })
}

func offsets(ctx context.Context, admin *kadm.Client, topic string, calls *contract.Calls) {
	calls.Call("delete_records", func() (any, error) {
		var before kadm.Offsets
		before.AddOffset(topic, 0, 3, -1)
		return admin.DeleteRecords(ctx, before)
	})
	calls.Call("list_start_offsets", func() (any, error) { return admin.ListStartOffsets(ctx, topic) })
	calls.Call("list_end_offsets", func() (any, error) { return admin.ListEndOffsets(ctx, topic) })
	calls.Call("list_committed_offsets", func() (any, error) {
		return admin.ListCommittedOffsets(ctx, topic)
	})
	calls.Call("list_max_timestamp_offsets", func() (any, error) {
		return admin.ListMaxTimestampOffsets(ctx, topic)
	})
	calls.Call("list_offsets_after_milli", func() (any, error) {
		return admin.ListOffsetsAfterMilli(ctx, 1700000000005, topic)
	})
	calls.Call("list_local_log_start_offsets", func() (any, error) {
		return admin.ListLocalLogStartOffsets(ctx, topic)
	})
	calls.Call("list_latest_remote_offsets", func() (any, error) {
		return admin.ListLatestRemoteOffsets(ctx, topic)
	})
	calls.Call("offset_for_leader_epoch", func() (any, error) {
		var epochs kadm.OffsetForLeaderEpochRequest
		epochs.Add(topic, 0, 0)
		return admin.OffsetForLeaderEpoch(ctx, epochs)
	})
	calls.Call("describe_producers", func() (any, error) {
		var of kadm.TopicsSet
		of.Add(topic, 0)
		described, err := admin.DescribeProducers(ctx, of)
		return described.SortedProducers(), err
	})
	calls.Call("describe_all_log_dirs", func() (any, error) {
		var of kadm.TopicsSet
		of.Add(topic, 0, 1, 2)
		return admin.DescribeAllLogDirs(ctx, of)
	})
}

func configs(ctx context.Context, admin *kadm.Client, topic string, calls *contract.Calls) {
	set := []kadm.AlterConfig{
		{Op: kadm.SetConfig, Name: "cleanup.policy", Value: kadm.StringPtr("compact")},
		{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: kadm.StringPtr("delete")},
	}
	unknown := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "no.such.key", Value: kadm.StringPtr("1")}}
	calls.Call("validate_alter_topic_configs", func() (any, error) {
		return admin.ValidateAlterTopicConfigs(ctx, unknown, topic)
	})
	calls.Call("alter_topic_configs twice the same", func() (any, error) {
		return admin.AlterTopicConfigs(ctx, set, topic)
	})
	calls.Call("alter_topic_configs", func() (any, error) {
		return admin.AlterTopicConfigs(ctx, set[1:], topic)
	})
	calls.Settle()
	calls.Call("describe_topic_configs", func() (any, error) {
		return admin.DescribeTopicConfigs(ctx, topic)
	})
	calls.Call("alter_topic_configs_state", func() (any, error) {
		return admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "segment.ms",
			Value: kadm.StringPtr("7200000")}}, topic)
	})
	calls.Settle()
	calls.Call("describe_topic_configs again", func() (any, error) {
		return admin.DescribeTopicConfigs(ctx, topic)
	})
	threads := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "log.cleaner.threads",
		Value: kadm.StringPtr("2")}}
	calls.Call("alter_broker_configs", func() (any, error) {
		return admin.AlterBrokerConfigs(ctx, threads, 1)
	})
	calls.Settle()
	calls.Call("describe_broker_configs", func() (any, error) {
		described, err := admin.DescribeBrokerConfigs(ctx, 1)
		var some []kadm.Config
		for _, resource := range described {
			for _, config := range resource.Configs {
				if contract.AmongSomeConfigs(config.Key) {
					some = append(some, config)
				}
			}
		}
		return some, err
	})
	threads[0].Op = kadm.DeleteConfig
	calls.Call("alter_broker_configs back", func() (any, error) {
		return admin.AlterBrokerConfigs(ctx, threads, 1)
	})
	calls.Call("list_config_resources", func() (any, error) {
		return admin.ListConfigResources(ctx, kadm.ConfigResourceClientMetrics,
			kadm.ConfigResourceGroupConfig)
	})
}

func groups(ctx context.Context, admin *kadm.Client, topic, group string, calls *contract.Calls) {
	calls.Call("find_group_coordinators", func() (any, error) {
		return admin.FindGroupCoordinators(ctx, group), nil
	})
	calls.Call("list_groups", func() (any, error) {
		listed, err := admin.ListGroups(ctx)
		return listed[group], err
	})
	calls.Call("list_groups_by_type", func() (any, error) {
		listed, err := admin.ListGroupsByType(ctx, []string{"classic"}, "Empty")
		return listed[group], err
	})
	calls.Call("describe_groups", func() (any, error) {
		return admin.DescribeGroups(ctx, group, group+"-missing")
	})
	calls.Call("consumer_group_describe", func() (any, error) {
		return admin.DescribeConsumerGroups(ctx, group)
	})
	calls.Call("commit_offsets", func() (any, error) {
		var at kadm.Offsets
		at.Add(kadm.Offset{Topic: topic, Partition: 0, At: 7, LeaderEpoch: 0, Metadata: "by hand"})
		return admin.CommitOffsets(ctx, group, at)
	})
	calls.Call("fetch_offsets", func() (any, error) { return admin.FetchOffsetsForTopics(ctx, group, topic) })
	calls.Call("lag", func() (any, error) {
		lags, err := admin.Lag(ctx, group)
		return lags[group].Lag[topic], err
	})
	calls.Call("delete_offsets", func() (any, error) {
		var of kadm.TopicsSet
		of.Add(topic, 0)
		return admin.DeleteOffsets(ctx, group, of)
	})
	calls.Call("delete_groups", func() (any, error) {
		return admin.DeleteGroups(ctx, group, group+"-missing")
	})
}

func users(ctx context.Context, admin *kadm.Client, calls *contract.Calls) {
	josef := "josef"
	calls.Call("alter_user_scrams", func() (any, error) {
		return admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{
			{User: josef, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "k"},
			{User: "short", Mechanism: kadm.ScramSha256, Iterations: 1, Password: "k"}})
	})
	calls.Settle()
	calls.Call("describe_user_scrams", func() (any, error) {
		return admin.DescribeUserSCRAMs(ctx, josef, "nobody")
	})
	calls.Call("alter_user_scrams back", func() (any, error) {
		return admin.AlterUserSCRAMs(ctx, []kadm.DeleteSCRAM{{User: josef, Mechanism: kadm.ScramSha256}}, nil)
	})
	quota := kadm.AlterClientQuotaEntry{
		Entity: kadm.ClientQuotaEntity{{Type: "user", Name: &josef}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 1048576}},
	}
	match := []kadm.DescribeClientQuotaComponent{{Type: "user", MatchName: &josef,
		MatchType: kmsg.QuotasMatchTypeExact}}
	calls.Call("validate_alter_client_quotas", func() (any, error) {
		return admin.ValidateAlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{quota})
	})
	calls.Call("alter_client_quotas", func() (any, error) {
		return admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{quota})
	})
	calls.Settle()
	calls.Call("describe_client_quotas", func() (any, error) {
		return admin.DescribeClientQuotas(ctx, true, match)
	})
	quota.Ops[0].Remove = true
	calls.Call("alter_client_quotas back", func() (any, error) {
		return admin.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{quota})
	})
	calls.Call("describe_acls", func() (any, error) {
		return admin.DescribeACLs(ctx,
			kadm.NewACLs().AnyResource().Allow().AllowHosts().Operations(kadm.OpAny).
				ResourcePatternType(kadm.ACLPatternAny))
	})
	calls.Call("describe_delegation_tokens", func() (any, error) {
		return admin.DescribeDelegationTokens(ctx)
	})
}

func cluster(ctx context.Context, admin *kadm.Client, topic string, calls *contract.Calls) {
	var first kadm.TopicsSet
	first.Add(topic, 0)
	calls.Call("list_brokers", func() (any, error) { return admin.ListBrokers(ctx) })
	calls.Call("elect_leaders", func() (any, error) {
		return admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, first)
	})
	calls.Call("list_partition_reassignments", func() (any, error) {
		return admin.ListPartitionReassignments(ctx, first)
	})
	calls.Call("list_transactions", func() (any, error) { return admin.ListTransactions(ctx, nil, nil) })
	calls.Call("describe_transactions", func() (any, error) {
		return admin.DescribeTransactions(ctx, "no-such-id")
	})
	calls.Call("update_features", func() (any, error) {
		return admin.UpdateFeatures(ctx, true, kadm.FeatureUpdate{Feature: "no.such.feature",
			MaxVersionLevel: 1, UpgradeType: 1})
	})
}
