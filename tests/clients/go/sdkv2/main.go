// Command sdkv2 calls each operation with the AWS SDK for Go v2, and prints what the replies hold.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/swf"
	"github.com/aws/aws-sdk-go-v2/service/swf/types"
	"github.com/aws/smithy-go"
)

var (
	ctx       = context.Background()
	domain    = aws.String("shop")
	order     = &types.WorkflowType{Name: aws.String("Order"), Version: aws.String("1")}
	pack      = &types.ActivityType{Name: aws.String("Pack"), Version: aws.String("1")}
	decisions = &types.TaskList{Name: aws.String("decisions")}
	work      = &types.TaskList{Name: aws.String("work")}
	orderID   = aws.String("order-1")
)

func main() {
	configuration, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	client := swf.NewFromConfig(configuration)
	if len(os.Args) > 1 {
		printEndpoint(configuration)
		return
	}
	domains(client)
	workflowTypes(client)
	activityTypes(client)
	executions(client)
	endings(client)
}

// printEndpoint prints where requests go, and sends none.
func printEndpoint(configuration aws.Config) {
	client := swf.NewFromConfig(configuration, func(options *swf.Options) {
		options.HTTPClient = printing{}
		options.RetryMaxAttempts = 1
	})
	client.ListDomains(ctx, &swf.ListDomainsInput{RegistrationStatus: types.RegistrationStatusRegistered})
}

type printing struct{}

func (printing) Do(request *http.Request) (*http.Response, error) {
	fmt.Println(request.URL)
	return nil, errors.New("not sent")
}

func domains(client *swf.Client) {
	must(client.RegisterDomain(ctx, &swf.RegisterDomainInput{
		Name: domain, WorkflowExecutionRetentionPeriodInDays: aws.String("90"),
	}))
	say("RegisterDomain")
	described := must(client.DescribeDomain(ctx, &swf.DescribeDomainInput{Name: domain}))
	say("DescribeDomain", described.DomainInfo.Status,
		*described.Configuration.WorkflowExecutionRetentionPeriodInDays)
	arn := described.DomainInfo.Arn
	must(client.TagResource(ctx, &swf.TagResourceInput{
		ResourceArn: arn,
		Tags:        []types.ResourceTag{{Key: aws.String("team"), Value: aws.String("books")}},
	}))
	say("TagResource")
	tags := must(client.ListTagsForResource(ctx, &swf.ListTagsForResourceInput{ResourceArn: arn}))
	say("ListTagsForResource", *tags.Tags[0].Key, *tags.Tags[0].Value)
	must(client.UntagResource(ctx, &swf.UntagResourceInput{
		ResourceArn: arn, TagKeys: []string{"team"},
	}))
	say("UntagResource")
	listed := must(client.ListDomains(ctx, &swf.ListDomainsInput{
		RegistrationStatus: types.RegistrationStatusRegistered,
	}))
	say("ListDomains", *listed.DomainInfos[0].Name)
	_, err := client.DescribeDomain(ctx, &swf.DescribeDomainInput{Name: aws.String("market")})
	var fault smithy.APIError
	if !errors.As(err, &fault) {
		log.Fatal(err)
	}
	say("DescribeDomain", fault.ErrorCode(), fault.ErrorMessage())
}

func workflowTypes(client *swf.Client) {
	must(client.RegisterWorkflowType(ctx, &swf.RegisterWorkflowTypeInput{
		Domain: domain, Name: order.Name, Version: order.Version,
	}))
	say("RegisterWorkflowType")
	must(client.DeprecateWorkflowType(ctx, &swf.DeprecateWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("DeprecateWorkflowType")
	must(client.UndeprecateWorkflowType(ctx, &swf.UndeprecateWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("UndeprecateWorkflowType")
	described := must(client.DescribeWorkflowType(ctx, &swf.DescribeWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("DescribeWorkflowType", described.TypeInfo.Status)
	listed := must(client.ListWorkflowTypes(ctx, &swf.ListWorkflowTypesInput{
		Domain: domain, RegistrationStatus: types.RegistrationStatusRegistered,
	}))
	say("ListWorkflowTypes", *listed.TypeInfos[0].WorkflowType.Name)
}

func activityTypes(client *swf.Client) {
	must(client.RegisterActivityType(ctx, &swf.RegisterActivityTypeInput{
		Domain: domain, Name: pack.Name, Version: pack.Version,
	}))
	say("RegisterActivityType")
	must(client.DeprecateActivityType(ctx, &swf.DeprecateActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("DeprecateActivityType")
	must(client.UndeprecateActivityType(ctx, &swf.UndeprecateActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("UndeprecateActivityType")
	described := must(client.DescribeActivityType(ctx, &swf.DescribeActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("DescribeActivityType", described.TypeInfo.Status)
	listed := must(client.ListActivityTypes(ctx, &swf.ListActivityTypesInput{
		Domain: domain, RegistrationStatus: types.RegistrationStatusRegistered,
	}))
	say("ListActivityTypes", *listed.TypeInfos[0].ActivityType.Name)
}

func executions(client *swf.Client) {
	must(client.StartWorkflowExecution(ctx, &swf.StartWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID, WorkflowType: order, TaskList: decisions,
		ChildPolicy:                  types.ChildPolicyTerminate,
		ExecutionStartToCloseTimeout: aws.String("86400"),
		TaskStartToCloseTimeout:      aws.String("300"),
	}))
	say("StartWorkflowExecution")
	pending := must(client.CountPendingDecisionTasks(ctx, &swf.CountPendingDecisionTasksInput{
		Domain: domain, TaskList: decisions,
	}))
	say("CountPendingDecisionTasks", pending.Count)
	task := decisionTask(client)
	decide(client, task, schedule("pack-1"), schedule("pack-2"), schedule("pack-3"))
	pending2 := must(client.CountPendingActivityTasks(ctx, &swf.CountPendingActivityTasksInput{
		Domain: domain, TaskList: work,
	}))
	say("CountPendingActivityTasks", pending2.Count)
	first, second, third := activityTask(client), activityTask(client), activityTask(client)
	must(client.RequestCancelWorkflowExecution(ctx, &swf.RequestCancelWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID,
	}))
	say("RequestCancelWorkflowExecution")
	heartbeat(client, first)
	must(client.RespondActivityTaskCompleted(ctx, &swf.RespondActivityTaskCompletedInput{
		TaskToken: first, Result: aws.String("packed"),
	}))
	say("RespondActivityTaskCompleted")
	must(client.RespondActivityTaskFailed(ctx, &swf.RespondActivityTaskFailedInput{
		TaskToken: second, Reason: aws.String("no box"),
	}))
	say("RespondActivityTaskFailed")
	decide(client, decisionTask(client), types.Decision{
		DecisionType: types.DecisionTypeRequestCancelActivityTask,
		RequestCancelActivityTaskDecisionAttributes: &types.
			RequestCancelActivityTaskDecisionAttributes{ActivityId: aws.String("pack-3")},
	})
	heartbeat(client, third)
	must(client.RespondActivityTaskCanceled(ctx, &swf.RespondActivityTaskCanceledInput{
		TaskToken: third,
	}))
	say("RespondActivityTaskCanceled")
}

func decisionTask(client *swf.Client) *swf.PollForDecisionTaskOutput {
	task := must(client.PollForDecisionTask(ctx, &swf.PollForDecisionTaskInput{
		Domain: domain, TaskList: decisions,
	}))
	say("PollForDecisionTask", *task.WorkflowExecution.WorkflowId, task.PreviousStartedEventId)
	return task
}

func decide(client *swf.Client, task *swf.PollForDecisionTaskOutput, made ...types.Decision) {
	must(client.RespondDecisionTaskCompleted(ctx, &swf.RespondDecisionTaskCompletedInput{
		TaskToken: task.TaskToken, Decisions: made,
	}))
	say("RespondDecisionTaskCompleted")
}

func schedule(id string) types.Decision {
	return types.Decision{
		DecisionType: types.DecisionTypeScheduleActivityTask,
		ScheduleActivityTaskDecisionAttributes: &types.ScheduleActivityTaskDecisionAttributes{
			ActivityId: aws.String(id), ActivityType: pack, TaskList: work,
			HeartbeatTimeout:       aws.String("600"),
			ScheduleToCloseTimeout: aws.String("600"),
			ScheduleToStartTimeout: aws.String("600"),
			StartToCloseTimeout:    aws.String("600"),
		},
	}
}

func activityTask(client *swf.Client) *string {
	task := must(client.PollForActivityTask(ctx, &swf.PollForActivityTaskInput{
		Domain: domain, TaskList: work,
	}))
	say("PollForActivityTask", *task.ActivityId)
	return task.TaskToken
}

func heartbeat(client *swf.Client, token *string) {
	status := must(client.RecordActivityTaskHeartbeat(ctx, &swf.RecordActivityTaskHeartbeatInput{
		TaskToken: token, Details: aws.String("half of it"),
	}))
	say("RecordActivityTaskHeartbeat", status.CancelRequested)
}

func endings(client *swf.Client) {
	must(client.SignalWorkflowExecution(ctx, &swf.SignalWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID, SignalName: aws.String("hurry"),
	}))
	say("SignalWorkflowExecution")
	ever := &types.ExecutionTimeFilter{OldestDate: aws.Time(time.Unix(0, 0))}
	open := must(client.ListOpenWorkflowExecutions(ctx, &swf.ListOpenWorkflowExecutionsInput{
		Domain: domain, StartTimeFilter: ever,
	}))
	execution := open.ExecutionInfos[0].Execution
	say("ListOpenWorkflowExecutions", *execution.WorkflowId)
	count := must(client.CountOpenWorkflowExecutions(ctx, &swf.CountOpenWorkflowExecutionsInput{
		Domain: domain, StartTimeFilter: ever,
	}))
	say("CountOpenWorkflowExecutions", count.Count)
	must(client.TerminateWorkflowExecution(ctx, &swf.TerminateWorkflowExecutionInput{
		Domain: domain, WorkflowId: orderID,
	}))
	say("TerminateWorkflowExecution")
	closed := must(client.ListClosedWorkflowExecutions(ctx, &swf.ListClosedWorkflowExecutionsInput{
		Domain: domain, StartTimeFilter: ever,
	}))
	say("ListClosedWorkflowExecutions", closed.ExecutionInfos[0].CloseStatus)
	count2 := must(client.CountClosedWorkflowExecutions(ctx,
		&swf.CountClosedWorkflowExecutionsInput{Domain: domain, StartTimeFilter: ever}))
	say("CountClosedWorkflowExecutions", count2.Count)
	described := must(client.DescribeWorkflowExecution(ctx, &swf.DescribeWorkflowExecutionInput{
		Domain: domain, Execution: execution,
	}))
	say("DescribeWorkflowExecution", described.ExecutionInfo.ExecutionStatus)
	history := must(client.GetWorkflowExecutionHistory(ctx, &swf.GetWorkflowExecutionHistoryInput{
		Domain: domain, Execution: execution, ReverseOrder: true,
	}))
	say("GetWorkflowExecutionHistory", history.Events[0].EventType)
	must(client.DeprecateWorkflowType(ctx, &swf.DeprecateWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	must(client.DeleteWorkflowType(ctx, &swf.DeleteWorkflowTypeInput{
		Domain: domain, WorkflowType: order,
	}))
	say("DeleteWorkflowType")
	must(client.DeprecateActivityType(ctx, &swf.DeprecateActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	must(client.DeleteActivityType(ctx, &swf.DeleteActivityTypeInput{
		Domain: domain, ActivityType: pack,
	}))
	say("DeleteActivityType")
	must(client.DeprecateDomain(ctx, &swf.DeprecateDomainInput{Name: domain}))
	say("DeprecateDomain")
	must(client.UndeprecateDomain(ctx, &swf.UndeprecateDomainInput{Name: domain}))
	say("UndeprecateDomain")
}

// say prints an operation, and what its reply holds.
func say(operation string, values ...any) {
	words := []string{operation}
	for _, value := range values {
		words = append(words, fmt.Sprint(value))
	}
	fmt.Println(strings.Join(words, " "))
}

func must[Output any](output Output, err error) Output {
	if err != nil {
		log.Fatal(err)
	}
	return output
}
